"""`verify demo CAUSE`, `--list` and `--all`, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from apart import ordinary_user
from reports import LIVE, with_findings

from verifier.lab import playbill
from verifier.lab.perform import Performance
from verifier.lab.scenes import SCENES
from verifier.sources import interface
from verifier.spelling import Style

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
        ("--list --json", "--json is of a demo, and --list stages none; leave one of them out"),
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
def test_an_interface_without_rights() -> None:
    """The network of its own that a demonstration moves to has none but loopback, and no names to list."""
    others = [each.name for each in interface.interfaces() if not each.loopback]
    if not others:
        pytest.skip("there is no interface but loopback")
    with ordinary_user() as user:
        command = 'from verifier.cli import main; sys.exit(main(["demo", "no-length", "--interface", "{}"]))'
        unknown, barred = user.run(command.format("nowhere0")), user.run(command.format(others[0]))
    assert (unknown.returncode, barred.returncode) == (2, 2)
    assert unknown.stderr.startswith("verify: unknown interface nowhere0; there are: ")
    assert others[0] in unknown.stderr
    assert barred.stderr.startswith("verify: this user may not capture packets; run ")


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
    named = [row.split()[:3] for row in rows if not row.startswith("   ")]  # those with blanks go on with a sentence
    assert named == [[cause, "as", "staged"] for cause in SCENES]
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


@needs_rights
@pytest.mark.parametrize(
    ("argv", "said", "left"),
    [
        ("", "interrupted", []),
        ("--write asked.pcapng", "interrupted; what was captured by then is in asked.pcapng", ["asked.pcapng"]),
    ],
)
def test_interrupted_it_leaves_no_file_untold(tmp_path: Path, argv: str, said: str, left: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "verifier", "demo", "server-idle-timeout", *argv.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    try:
        deadline = monotonic() + TIME_LIMIT_S
        while not any(file.stat().st_size for file in tmp_path.iterdir()) and monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        told, complained = process.communicate(timeout=TIME_LIMIT_S)
    finally:
        process.kill()
    assert (process.returncode, told, complained) == (130, "", f"verify: {said}\n")
    assert [file.name for file in tmp_path.iterdir()] == left


def test_the_table_of_all_says_what_was_not_saved() -> None:
    report = with_findings()
    live = LIVE._replace(saved_as=None, save_problem="No space left on device")
    performances = [Performance(SCENES["redirect"], report._replace(live=each), 0.1) for each in (LIVE, live, live)]
    *_, last = playbill.table(performances, 1.0, Style(100, color=False, unicode=True)).splitlines()
    assert last == "2 captures not saved: No space left on device"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_of_all_fits_the_terminal(columns: int) -> None:
    """And nothing of it is cut: what a scene shows is a sentence."""
    finding = with_findings().findings[0]
    text = "a sentence as long as some are when they tell what was seen on the connections of one client"
    report = with_findings()._replace(findings=(finding._replace(text=text),))
    performances = [Performance(SCENES[finding.cause], report, 0.1), Performance(SCENES["redirect"], report, 0.1)]
    table = playbill.table(performances, 1.0, Style(columns, color=False, unicode=True))
    lines = table.splitlines()
    assert max(map(len, lines)) <= columns
    at = lines[0].index("FINDING")
    told = " ".join(line[at:] for line in lines[1:-2])
    assert told == f"{text} {text}"
    _, first, second = (line.split() for line in lines[:-2] if not line.startswith("   "))
    assert first[:3] == [finding.cause, "as", "staged"]
    assert second[:2] == ["redirect", finding.cause]
