"""What the machine allows, as root and as an ordinary user see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from apart import ROOT, ordinary_user

from verifier.doctor import Row, able, examine

ASK = """
        from verifier.doctor import able, examine
        rows = examine()
        for row in rows:
            print(row.name, row.ok, row.needed, row.detail, row.mend, sep="\\t")
        print(able(rows))
"""


def rows_of(said: str) -> tuple[dict[str, Row], bool]:
    *lines, verdict = said.splitlines()
    found: dict[str, Row] = {}
    for line in lines:
        name, ok, needed, detail, mend = line.split("\t")
        found[name] = Row(name, ok == "True", detail, mend, needed == "True")
    return found, verdict == "True"


def test_what_is_well_needs_no_mending() -> None:
    rows = examine()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.detail
        assert bool(row.mend) != row.ok


def test_root_may_do_everything() -> None:
    if os.geteuid() != 0:
        pytest.skip("root's")
    rows = {row.name: row for row in examine()}
    assert rows["capture"] == Row("capture", True, "this user may capture on every interface", "", True)
    assert rows["own network"].ok
    assert rows["capture buffer"].detail == "64 MiB shared with the kernel"
    assert rows["scapy"].ok
    assert rows["tshark"].ok == (shutil.which("tshark") is not None)


def test_an_ordinary_user_is_told_what_is_missing() -> None:
    with ordinary_user() as user:
        done = user.run(ASK)
    assert done.stderr == ""
    rows, _ = rows_of(done.stdout)
    assert not rows["capture"].ok
    assert not rows["capture"].needed
    assert "network of its own" in rows["capture"].detail
    assert rows["capture"].mend.startswith(("sudo ", "su -c "))
    assert rows["own network"].ok
    assert "capture buffer" not in rows


def test_a_bare_machine() -> None:
    """No program in the path, no display, nothing but the standard library."""
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT), "HOME": "/"}
    source = "from verifier.doctor import *\nrows = examine()\n" + "\n".join(
        line.strip() if not line.strip().startswith("print(row.name") else "    " + line.strip()
        for line in ASK.splitlines()[3:]
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", source], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.stderr == ""
    rows, well = rows_of(done.stdout)
    assert not well
    for name in ("scapy", "requests"):
        assert rows[name].mend == f"{sys.executable} -m pip install {name}"
    for name in ("tshark", "wireshark", "display"):
        assert not rows[name].ok
        assert not rows[name].needed
        assert rows[name].mend


def test_a_package_that_is_missing_is_named_where_it_is_needed() -> None:
    environment = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT), "HOME": "/"}
    command = [sys.executable, "-S", "-m", "verifier", "http", "http://127.0.0.1:1/"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    said = f"verify: Python's requests is not installed; {sys.executable} -m pip install requests\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_able_asks_for_what_is_needed_alone() -> None:
    well, missing = Row("a", True, "x", "", True), Row("b", False, "x", "y", True)
    assert able((well, missing._replace(needed=False)))
    assert not able((well, missing))
