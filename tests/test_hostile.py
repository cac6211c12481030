"""Captures made to cost much: bounded time and memory, and what is said of them is still right.

Each is large enough that work which grows faster than the capture would show: the limits are ten times what it takes
(measured on one core: 0.1 to 3 s), and quadratic work takes a hundred times that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import hostile
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT_S = 60
LIMIT_MB = 500


class Ran(NamedTuple):
    report: dict[str, Any]
    megabytes: float

    @property
    def notes(self) -> dict[str, int]:
        return {note["code"]: note["count"] for note in self.report["notes"]}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Connections, handshakes, requests."""
        totals = self.report["totals"]
        return totals["connections"], totals["handshakes"], totals["requests"]


MEASURED = """
import json, resource, subprocess, sys
with open("report.json", "wb") as report:
    done = subprocess.run(sys.argv[1:], stdout=report, stderr=subprocess.PIPE)
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([done.returncode, used, done.stderr.decode()[-2000:]]))
"""
"""Runs a command. In between, because a process counts the memory of the one that started it as its own."""


def run(shape: str, size: int, folder: Path) -> Ran:
    """`verify analyze --json` on the capture, in a process of its own, held to the limits."""
    hostile.make(shape, size, str(folder / "capture"))
    command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "verifier", "analyze", "--json", "capture"]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    done = subprocess.run(command, capture_output=True, cwd=folder, env=environment, timeout=LIMIT_S, check=True)
    status, megabytes, complaint = json.loads(done.stdout)
    assert status in (0, 1, 3), (status, complaint)
    assert megabytes < LIMIT_MB
    with open(folder / "report.json", "rb") as report:
        return Ran(json.load(report), megabytes)


@pytest.mark.parametrize(
    ("shape", "size", "counts"),
    [
        ("half_open", 500_000, (500_000, 0, 0)),
        ("half_open_at_once", 100_000, (100_000, 0, 0)),
        ("answered_only", 300_000, (300_000, 0, 0)),
        ("same_ports_again", 300_000, (300_000, 0, 0)),
        ("chunks_of_a_byte", 1_000_000, (1, 1, 1)),
        ("backwards_again", 300_000, (1, 1, 0)),
        ("in_turn", 300_000, (1_001, 1_001, 301_000)),
        ("idle_and_open", 100_000, (100_000, 100_000, 100_000)),
        ("idle_and_nameless", 100_000, (100_000, 100_000, 100_000)),
        ("busy_and_open", 100_000, (100_000, 100_000, 100_000)),
        ("unused_and_open", 100_000, (100_001, 100_001, 1)),
        ("one_after_another", 100_000, (100_000, 100_000, 100_000)),
        ("crowd_then_queue", 100_000, (100_000, 100_000, 100_000)),
        ("failures_between", 100_000, (200_000, 100_000, 100_000)),
        ("failures_elsewhere", 50_000, (100_000, 50_000, 50_000)),
        ("redirects", 100_000, (100_000, 100_000, 100_000)),
        ("many_servers", 30_000, (60_000, 60_000, 60_000)),
        ("many_clients_at_once", 30_000, (60_000, 60_000, 60_000)),
        ("many_requests_at_once", 30_000, (60_000, 60_000, 60_000)),
        ("many_words", 50_000, (50_000, 50_000, 50_000)),
        ("records_of_nothing", 1_000_000, (0, 0, 0)),
    ],
)
def test_many_of_one_kind(tmp_path: Path, shape: str, size: int, counts: tuple[int, int, int]) -> None:
    assert run(shape, size, tmp_path).counts == counts


@pytest.mark.parametrize(
    ("shape", "size", "note"),
    [
        ("endless_head", 50_000, "http-head-too-long"),
        ("endless_head_by_bytes", 500_000, "http-head-too-long"),
        ("endless_start_line", 50_000, "http-head-too-long"),
        ("endless_chunk_line", 300_000, "http-framing"),
        ("backwards", 300_000, "reorder-limit"),
        ("forwards_over_a_gap", 300_000, "reorder-limit"),
        ("overlapping", 100_000, "reorder-limit"),
        ("held_on_many", 60_000, "reorder-limit"),
        ("heads_on_many", 60_000, "http-head-too-long"),
        ("tiny_fragments", 500_000, "fragment-lost"),
        ("lone_fragments", 500_000, "fragment-lost"),
        ("pipelined", 500_000, "request-queue-limit"),
        ("many_words", 100_000, "word-limit"),
    ],
)
def test_bounds_are_noted_when_they_are_reached(tmp_path: Path, shape: str, size: int, note: str) -> None:
    assert note in run(shape, size, tmp_path).notes


def test_what_all_connections_hold_is_bounded(tmp_path: Path) -> None:
    """240,000 segments of 1,400 bytes behind gaps, and a head without end on each of 60,000 connections."""
    held = run("held_on_many", 60_000, tmp_path)
    assert held.counts[0] == 60_000
    assert held.megabytes < 300
    heads = run("heads_on_many", 60_000, tmp_path)
    assert heads.counts == (60_000, 60_000, 0)
    assert heads.megabytes < 250


@pytest.mark.parametrize(
    ("shape", "size"),
    [("bomb", 400_000_000), ("many_interfaces", 300_000), ("many_sections", 300_000), ("many_statistics", 300_000)],
)
def test_files_that_swell(tmp_path: Path, shape: str, size: int) -> None:
    assert run(shape, size, tmp_path).megabytes < 100


def test_files_whose_packets_take_turns(tmp_path: Path) -> None:
    report = run("in_turns", 200_000, tmp_path)
    assert report.counts[0] == 200_000
    assert len(report.report["sources"]) == 100


WITH_LITTLE_MEMORY = """
import resource, sys
from verifier.cli import main
command = ["analyze", "--json", "capture"]
with open("/dev/null", "w") as sys.stdout:
    main(command)  # so that all is imported
sys.stdout = sys.__stdout__
with open("/proc/self/statm") as statm:
    limit = int(statm.read().split()[0]) * resource.getpagesize() + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
with open("larger", "rb") as larger, open("capture", "wb") as capture:
    while piece := larger.read(1 << 16):
        capture.write(piece)
sys.exit(main(command))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="how much is in use is known from Linux's /proc")
def test_where_memory_runs_out(tmp_path: Path) -> None:
    """One line, and no report: none of a part, either."""
    hostile.make("half_open", 10, str(tmp_path / "capture"))
    hostile.make("half_open", 100_000, str(tmp_path / "larger"))
    done = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ROOT},
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "verify: memory ran out\n")
