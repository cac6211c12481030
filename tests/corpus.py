#!/usr/bin/env python3
"""Runs `verify` over every file of a folder tree, and tshark beside it: agreement, each difference with its rule.

    make corpus CORPUS=DIR
    python tests/corpus.py DIR [--jobs N] [--alone] [--quiet]

As many files at once as there are processors, told in order. Each is analysed in a process of its own, which may take
5 s (more only above 100 MB) and 500 MB and must not fail with a traceback; then, unless --alone, tshark counts, too.
Exit status 1 where a file broke a bound, or a difference has no rule.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.figures import count
from verifier.judge.options import Expectations, Selection
from verifier.opinion import check, tshark
from verifier.opinion.model import Difference
from verifier.spelling import ANYWHERE, file_name, safe
from verifier.workers import processors

LIMIT_S = 5.0
BYTES_A_SECOND = 20_000_000
"""Above `LIMIT_S` of it a file may take longer."""
LIMIT_MB = 500
FEW = 10
"""Differences of a file by the same rule that are printed."""
STATUSES = {0, 2}
"""With --exit-zero: a report, or one line that says why there is none."""


class Ran(NamedTuple):
    """How the analysis of one file went."""

    seconds: float
    megabytes: float
    refusal: str
    """The one line that says why there is no report; empty where there is one."""
    broken: str
    """The bound that was broken; empty where none was."""


class Outcome(NamedTuple):
    path: str
    kind: str
    """`agrees`, `explained`, `UNEXPLAINED`, `alone` (not compared), `not read` (by neither), `ONLY TSHARK READS`, `not
    read by tshark`, or `BROKEN`."""
    lines: list[str]
    ran: Ran
    rules: Counter[str]


def files(folder: str) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(at, name)
            if os.path.isfile(path):
                yield path


def run(path: str) -> Ran:
    """`verify analyze` of one file, as a process, within bounds."""
    command = [
        sys.executable,
        "-m",
        "verifier",
        "analyze",
        "--json",
        "--exit-zero",
        "--detail",
        "exchanges",
        "--",
        path,
    ]
    limit = max(LIMIT_S, os.path.getsize(path) / BYTES_A_SECOND)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "PYTHONPATH": root},
        )
        late = Timer(limit, process.kill)
        late.start()
        _, status, used = os.wait4(process.pid, 0)
        in_time = late.is_alive()
        late.cancel()
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
    megabytes = used.ru_maxrss / 1024
    broken = ""
    if not in_time:
        broken = f"took more than {limit:.0f} s"
    elif "Traceback" in words or process.returncode not in STATUSES or (process.returncode and "\n" in words):
        broken = f"status {process.returncode}: {words[-2000:]}"
    elif process.returncode == 0 and words:
        broken = f"a report, and on standard error: {words[-2000:]}"
    elif megabytes > LIMIT_MB:
        broken = f"took {megabytes:,.0f} MB"
    return Ran(seconds, megabytes, words if process.returncode else "", broken)


def examined(path: str, program: tshark.Program | None) -> Outcome:
    ran = run(path)
    if ran.broken:
        return Outcome(path, "BROKEN", ran.broken.splitlines(), ran, Counter())
    if ran.refusal:
        kind = "not read" if program is None or not streams_in(path, program) else "ONLY TSHARK READS"
        return Outcome(path, kind, [ran.refusal], ran, Counter())
    if program is None:
        return Outcome(path, "alone", [], ran, Counter())
    try:
        opinion = check.second_opinion(program, [analyze([path], Selection(), Expectations())])
    except VerifierError as error:
        return Outcome(path, "BROKEN", [f"read once, and not a second time: {error}"], ran, Counter())
    counts = ", ".join(
        count(each.ours, each.what.removesuffix("s"))
        if each.ours == each.theirs
        else f"{each.ours:,}/{each.theirs:,} {each.what}"
        for each in opinion.counts
    )
    if opinion.problems:
        return Outcome(path, "not read by tshark", list(opinion.problems), ran, Counter())
    if opinion.agrees:
        return Outcome(path, "agrees", [counts], ran, Counter())
    kind = "UNEXPLAINED" if opinion.unexplained else "explained"
    used = Counter(each.rule.name for each in opinion.differences if each.rule)
    return Outcome(path, kind, [counts, *listed(opinion.differences)], ran, used)


def listed(differences: Sequence[Difference]) -> Iterator[str]:
    """Each difference, of those by the same rule some."""
    seen: Counter[str] = Counter()
    for difference in differences:
        name = difference.rule.name if difference.rule else ""
        seen[name] += 1
        if not name or seen[name] <= FEW:
            yield described(difference)
    for name, number in seen.items():
        if name and number > FEW:
            yield f"{name}: {number - FEW} more such"


def streams_in(path: str, program: tshark.Program) -> int:
    """How many TCP streams tshark finds in it: it reads all kinds of files as captures, each as one packet or more."""
    try:
        return len(tshark.read(program, path).streams)
    except tshark.Unread:
        return 0


def described(difference: Difference) -> str:
    rule = difference.rule.name if difference.rule else "NOTHING EXPLAINS IT"
    frames = ", ".join(map(str, sorted(difference.frames)))
    return f"{difference.what}, {rule}: {difference.text}; frames {frames or 'none'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--jobs", type=int, default=processors(), help="files at once (default: as many as processors)")
    parser.add_argument("--alone", action="store_true", help="bounds only, without tshark")
    parser.add_argument("--quiet", action="store_true", help="leave out the files on which both agree")
    options = parser.parse_args()
    try:
        program = None if options.alone else tshark.find()
    except VerifierError as error:
        raise SystemExit(f"corpus: {error}") from error
    kinds: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    slowest = heaviest = None
    with ThreadPoolExecutor(options.jobs) as workers:
        for outcome in workers.map(lambda path: examined(path, program), files(options.folder)):
            kinds[outcome.kind] += 1
            rules += outcome.rules
            slowest = max(slowest or outcome, outcome, key=lambda each: each.ran.seconds)
            heaviest = max(heaviest or outcome, outcome, key=lambda each: each.ran.megabytes)
            if outcome.kind in ("agrees", "alone") and options.quiet:
                continue
            first, *rest = outcome.lines or [""]
            print(
                f"{outcome.kind:12} {file_name(os.path.relpath(outcome.path, options.folder))}: {safe(first, ANYWHERE)}"
            )
            for line in rest:
                print(f"{'':15}{safe(line, ANYWHERE)}")
            sys.stdout.flush()
    if slowest is None or heaviest is None:
        raise SystemExit(f"corpus: no files in {options.folder}")
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    print(f"\n{count(sum(kinds.values()), 'file')}: {told}")
    if rules:
        print(f"rules: {', '.join(f'{number} {name}' for name, number in rules.most_common())}")
    print(
        f"slowest {slowest.ran.seconds:.2f} s ({file_name(os.path.basename(slowest.path))}), most memory"
        f" {heaviest.ran.megabytes:.0f} MB ({file_name(os.path.basename(heaviest.path))})"
    )
    return 1 if kinds["BROKEN"] or kinds["UNEXPLAINED"] else 0


if __name__ == "__main__":
    sys.exit(main())
