#!/usr/bin/env python3
"""How fast `verify analyze` is, and in how much memory: beside tcpdump and capinfos on the big capture, beside a Python
that does nothing on the small one.

The commands take turns, so that a change of the machine's mood meets all of them; the first round only warms the page
cache. Medians of whole processes, start to exit: wall time, processor time, greatest resident memory (wait4; its floor
is what this script takes itself).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, NamedTuple

from build_capture import ensure, folder

SYN = "tcp[tcpflags] & tcp-syn != 0"
BIG_ROUNDS = 7
SMALL_ROUNDS = 41


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    memory_mb: float


class Contender(NamedTuple):
    name: str
    command: Sequence[str]


def run(command: Sequence[str], output: IO[bytes] | int) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE)
    assert process.stderr
    with process.stderr:
        said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    # 1 and 3 are verdicts of `verify`.
    if process.returncode not in (0, 1, 3):
        raise SystemExit(f"{command} ended with status {process.returncode}: {said.decode(errors='replace').strip()}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextmanager
def output_of(command: Sequence[str]) -> Iterator[IO[str]]:
    """Read line by line: what this script itself takes is the least that wait4 reports for its children."""
    with tempfile.TemporaryFile() as output:
        run(command, output)
        output.seek(0)
        yield TextIOWrapper(output)


def race(contenders: Sequence[Contender], rounds: int) -> list[Cost]:
    """The median cost of each, in their order."""
    costs: list[list[Cost]] = [[] for _ in contenders]
    for turn in range(rounds + 1):
        for contender, seen in zip(contenders, costs, strict=True):
            cost = run(contender.command, subprocess.DEVNULL)
            if turn:
                seen.append(cost)
    return [Cost(*(statistics.median(column) for column in zip(*seen, strict=True))) for seen in costs]


def answer_of_verify(command: Sequence[str]) -> str:
    with output_of(command) as output:
        totals = json.load(output)["totals"]
    return ", ".join(f"{totals[name]:,} {name}" for name in ("packets", "connections", "handshakes", "requests"))


def answer_of_tcpdump(command: Sequence[str]) -> str:
    counts = {"Flags [S]": 0, "Flags [S.]": 0}
    with output_of(command) as output:
        for line in output:
            for flags in counts:
                counts[flags] += flags in line
    return f"{counts['Flags [S]']:,} SYNs, {counts['Flags [S.]']:,} SYN-ACKs"


def answer_of_capinfos(command: Sequence[str]) -> str:
    with output_of([*command, "-M"]) as output:
        return next(f"{int(line.split(':')[1]):,} packets" for line in output if line.startswith("Number of packets"))


def table(title: str, contenders: Sequence[Contender], costs: Sequence[Cost], answers: Sequence[str]) -> None:
    print(f"\n{title}")
    print(f"  {'':28}{'wall':>11}{'cpu':>11}{'memory':>10}{'wall, x ours':>14}   answer")
    for contender, cost, answer in zip(contenders, costs, answers, strict=True):
        print(
            f"  {contender.name:28}{cost.wall_s * 1e3:8.1f} ms{cost.cpu_s * 1e3:8.1f} ms{cost.memory_mb:7.1f} MB"
            f"{cost.wall_s / costs[0].wall_s:14.2f}   {answer}"
        )


def main() -> int:
    captures = ensure(folder())
    here = os.path.dirname(sys.executable)
    verify = os.path.join(here, "verify")

    big = [
        Contender("verify analyze --json", [verify, "analyze", str(captures.big), "--json"]),
        Contender("tcpdump, SYN filter", ["tcpdump", "-nr", str(captures.big), SYN]),
        Contender("capinfos -c", ["capinfos", "-c", str(captures.big)]),
    ]
    answers = [
        answer_of_verify(big[0].command),
        answer_of_tcpdump(big[1].command),
        answer_of_capinfos(big[2].command),
    ]
    size = captures.big.stat().st_size
    title = f"{captures.big}, {size / 1e9:.2f} GB, medians of {BIG_ROUNDS} rounds"
    table(title, big, race(big, BIG_ROUNDS), answers)

    small = [
        Contender("verify analyze --json", [verify, "analyze", str(captures.small), "--json"]),
        Contender("python -c pass", [sys.executable, "-c", "pass"]),
        Contender("capinfos -c", ["capinfos", "-c", str(captures.small)]),
    ]
    answers = [answer_of_verify(small[0].command), "", answer_of_capinfos(small[2].command)]
    table(f"{captures.small}, medians of {SMALL_ROUNDS} rounds", small, race(small, SMALL_ROUNDS), answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
