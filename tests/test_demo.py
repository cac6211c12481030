"""`verify demo CAUSE`, `--list` and `--all`, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apart import ordinary_user

from verifier.lab.scenes import SCENES

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
TIME_LIMIT_S = 100

needs_rights = pytest.mark.skipif(
    os.geteuid() != 0, reason="capturing is root's; test_namespace.py captures as an ordinary user"
)


def verify(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", *argv]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT_S, cwd=folder, env=ENVIRONMENT, check=False
    )


def test_the_list_has_a_line_for_each(tmp_path: Path) -> None:
    done = verify(tmp_path, "demo", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    named = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert named == list(SCENES)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("sever-idle-timeout", "no cause 'sever-idle-timeout' to stage; did you mean server-idle-timeout?"),
        ("idle", "no cause 'idle' to stage; did you mean server-idle-timeout or server-reset-idle or"),
        ("xyzzy", "no cause 'xyzzy' to stage; verify demo --list lists them all"),
        ("http10 no-length", "demo takes one cause, or --list, or --all; see verify demo --help"),
        ("http10 --all", "demo takes one cause, or --list, or --all; see verify demo --help"),
        ("--list --all", "demo takes one cause, or --list, or --all; see verify demo --help"),
        ("--all --max-extra 3", "--max-extra is of one demo, and --all stages many; leave one of them out"),
    ],
)
def test_what_it_does_not_take(tmp_path: Path, argv: str, said: str) -> None:
    done = verify(tmp_path, "demo", *argv.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"verify: {said}")
    assert done.stderr.count("\n") == 1


@needs_rights
def test_one_cause(tmp_path: Path) -> None:
    done = verify(tmp_path, "demo", "http10", "--write", "http10.pcapng")
    assert (done.returncode, done.stderr) == (1, "")
    first, second, *report, last = done.stdout.splitlines()
    assert (first, second) == ("Staged: http10", SCENES["http10"].summary)
    assert "REFUTED  5 requests, 5 handshakes" in "\n".join(report)
    assert last == "✓ The diagnosis names what was staged: http10."
    assert (tmp_path / "http10.pcapng").stat().st_size > 0


def test_one_cause_without_rights() -> None:
    with ordinary_user() as user:
        # A scene that needs nothing but the standard library, which is what that user's Python has.
        done = user.run('from verifier.cli import main; sys.exit(main(["demo", "proxy-tunnel"]))')
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("The diagnosis names what was staged: proxy-tunnel.\n")


@needs_rights
def test_one_cause_for_programs(tmp_path: Path) -> None:
    done = verify(tmp_path, "demo", "no-length", "--json", "--max-extra", "3")
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["totals"]["extra_handshakes"]) == (0, "proved", 3)
    assert [finding["cause"] for finding in report["findings"]] == ["no-length"]


@needs_rights
def test_all_of_them(tmp_path: Path) -> None:
    done = verify(tmp_path, "demo", "--all", "--write", "captures")
    assert (done.returncode, done.stderr) == (0, "")
    _, *rows, empty, outcome = done.stdout.splitlines()
    assert [row.split()[:2] for row in rows] == [[cause, cause] for cause in SCENES]
    assert empty == ""
    assert outcome.startswith(f"{len(SCENES)} of {len(SCENES)} causes diagnosed as staged, in ")
    assert {path.name for path in (tmp_path / "captures").iterdir()} == {f"{cause}.pcapng" for cause in SCENES}


@needs_rights
def test_all_of_them_for_programs(tmp_path: Path) -> None:
    done = verify(tmp_path, "demo", "--all", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["all_named"] is True
    assert told["seconds"] < 60
    assert [scene["staged"] for scene in told["scenes"]] == list(SCENES)
    assert all(scene["diagnosed"] == scene["staged"] for scene in told["scenes"])
    assert [scene["staged"] for scene in told["scenes"] if not scene["text"]] == ["concurrency"]
    assert list(tmp_path.iterdir()) == []
