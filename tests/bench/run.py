#!/usr/bin/env python3
"""How fast `verify analyze` is, in how much memory, and what it finds: beside the programs and libraries that people
would otherwise use, on the same files, in turn.

    python tests/bench/run.py [--markdown] [--rounds N] [--scale X] [--only TEXT]

Whole processes, start to exit: wall time, and the greatest resident memory (both by timed.py). Each round runs every
contender once, so that a change of the machine's mood meets all of them; the first round only warms the page cache; the
medians count. What is slow is given the first packets of a file, as many as take it some seconds, and is compared by
packets a second.

The captures: real nginx traffic (build_capture.py), and crafted shapes (shapes.py), these in half size, too, to see
whether time and memory grow with what they should grow with.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from build_capture import ensure, folder
from peers import Answer, Peer, peers
from shapes import SHAPES
from shapes import ensure as ensure_shape

SMALL_ROUNDS = 41
FAST_S = 3.0
"""What takes longer runs once, and not in every round."""
TIMED = str(Path(__file__).with_name("timed.py"))
OK = {0, 1, 3}
"""1 and 3 are verdicts of `verify`."""


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    memory_mb: float


class Contest(NamedTuple):
    """One file, or the beginning of it, and who reads it."""

    peer: Peer
    path: Path
    packets: int


class Result(NamedTuple):
    contest: Contest
    cost: Cost
    answer: Answer

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.contest.packets / self.cost.wall_s


def run(command: Sequence[str], output: int) -> Cost:
    """What it takes, with its output in this file descriptor."""
    seen, report = os.pipe()
    with tempfile.TemporaryFile() as said:
        timed = [sys.executable, "-I", "-S", TIMED, str(report), *command]
        process = subprocess.Popen(timed, stdin=subprocess.DEVNULL, stdout=output, stderr=said, pass_fds=(report,))
        os.close(report)
        with open(seen, encoding="ascii") as pipe:
            took = pipe.read().split()
        process.wait()
        status = os.waitstatus_to_exitcode(int(took[3])) if took else process.returncode
        if status not in OK:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise SystemExit(f"{command} ended with status {status}: {words[-2000:]}")
    return Cost(*map(float, took[:3]))


def answered(contest: Contest) -> tuple[Cost, Answer]:
    """Once, with its output in a file."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        cost = run(contest.peer.command(str(contest.path)), output.fileno())
        output.seek(0)
        return cost, contest.peer.answer(output)


def race(contests: Sequence[Contest], rounds: int) -> list[Result]:
    """Each contender's median cost and its answer, in their order."""
    first = [answered(contest) for contest in contests]
    costs: list[list[Cost]] = [[] for _ in contests]
    for _ in range(rounds):
        for contest, seen, (cold, _answer) in zip(contests, costs, first, strict=True):
            if not seen or cold.wall_s < FAST_S:
                seen.append(run(contest.peer.command(str(contest.path)), subprocess.DEVNULL))
    return [
        Result(contest, Cost(*(statistics.median(column) for column in zip(*seen, strict=True))), answer)
        for contest, seen, (_cost, answer) in zip(contests, costs, first, strict=True)
    ]


def beginning(path: Path, packets: int, temporary: Path) -> Path:
    """A pcap file of the first packets of another, which has this machine's byte order."""
    target = temporary / f"{path.stem}-first-{packets}.pcap"
    with path.open("rb") as source, target.open("wb") as file:
        file.write(source.read(24))
        for _ in range(packets):
            head = source.read(16)
            if len(head) < 16:
                break
            file.write(head + source.read(int.from_bytes(head[8:12], sys.byteorder)))
    return target


def contests_on(path: Path, packets: int, contenders: Sequence[Peer], temporary: Path) -> list[Contest]:
    found = []
    for peer in contenders:
        most = peer.most_packets
        if most is None or most >= packets:
            found.append(Contest(peer, path, packets))
        else:
            found.append(Contest(peer, beginning(path, most, temporary), most))
    return found


# -- tables


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def seconds(value: float) -> str:
    return f"{value * 1e3:,.0f} ms" if value < 10 else f"{value:,.1f} s"


HEADS = ("", "packets read", "wall", "packets/s", "ours is", "memory", "connections", "handshakes", "requests")


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    ours = results[0]
    return [
        (
            result.contest.peer.name,
            number(result.contest.packets),
            seconds(result.cost.wall_s),
            number(result.rate),
            f"{ours.rate / result.rate:,.{1 if ours.rate < 20 * result.rate else 0}f} x",
            f"{result.cost.memory_mb:,.0f} MB",
            number(result.answer.connections),
            number(result.answer.handshakes),
            number(result.answer.requests),
        )
        for result in results
    ]


def show(title: str, heads: Sequence[str], table: Sequence[Sequence[str]], markdown: bool) -> None:
    if markdown:
        print(f"\n{title}\n\n| {' | '.join(heads)} |")
        print(f"|---{'|---:' * (len(heads) - 1)}|")
        for row in table:
            print(f"| {f'`{row[0]}`'} | {' | '.join(row[1:])} |")
    else:
        widths = [max(len(row[place]) for row in (heads, *table)) for place in range(len(heads))]
        print(f"\n{title}")
        for row in (heads, *table):
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            print(f"  {'  '.join(cells)}".rstrip())
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="tables as in the README")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the crafted captures, 1 is all")
    parser.add_argument("--only", default="", help="captures with this in their name: big, small, or a shape")
    options = parser.parse_args()
    verify = os.path.join(os.path.dirname(sys.executable), "verify")
    contenders = []
    for peer in peers(verify):
        if lack := peer.missing():
            print(f"left out: {peer.name}: {lack}")
        else:
            contenders.append(peer)
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as name:
        temporary = Path(name)
        if any(options.only in each for each in ("big", "small")):
            real(options, contenders, temporary)
        shapes(options, contenders, temporary)
    return 0


def real(options: argparse.Namespace, contenders: Sequence[Peer], temporary: Path) -> None:
    captures = ensure(folder())
    if options.only in "big":
        packets = answered(Contest(contenders[0], captures.big, 0))[1].packets or 0
        title = f"{captures.big.name}: nginx, {captures.big.stat().st_size / 1e9:.2f} GB, {packets:,} packets"
        results = race(contests_on(captures.big, packets, contenders, temporary), options.rounds)
        show(title, HEADS, rows(results), options.markdown)
    if options.only in "small":
        nothing = Peer("python -c pass", lambda _: [sys.executable, "-c", "pass"], lambda _: Answer(), None, "")
        chosen = [contenders[0], nothing, *(each for each in contenders if each.name.startswith("capinfos"))]
        packets = answered(Contest(contenders[0], captures.small, 0))[1].packets or 0
        results = race([Contest(each, captures.small, packets) for each in chosen], SMALL_ROUNDS)
        show(f"{captures.small.name}: {packets} packets, what starting costs", HEADS, rows(results), options.markdown)


GROWTH = ("", "packets", "wall", "packets/s", "memory", "more for each", "right")


def shapes(options: argparse.Namespace, contenders: Sequence[Peer], temporary: Path) -> None:
    """Each shape: against the others, then ours alone in half size and in full."""
    growth: list[tuple[str, ...]] = []
    for shape in SHAPES:
        if options.only not in shape.name:
            continue
        full = max(2, int(shape.full * options.scale))
        path, truth = ensure_shape(shape, full, folder())
        half, half_truth = ensure_shape(shape, full // 2, folder())
        results = race(contests_on(path, truth.packets, contenders, temporary), 1)
        title = f"{shape.name}: {shape.title}, {full:,} {shape.unit}, {path.stat().st_size / 1e9:.2f} GB"
        show(title, HEADS, rows(results), options.markdown)
        before = race([Contest(contenders[0], half, half_truth.packets)], 1)[0]
        after = results[0]
        grown = (after.cost.memory_mb - before.cost.memory_mb) * (1 << 20) / (full - full // 2)
        for what, result, known in (("half", before, half_truth), ("full", after, truth)):
            found = result.answer
            right = (found.packets, found.connections, found.handshakes, found.requests) == tuple(known)
            growth.append(
                (
                    f"{shape.name}, {what}",
                    number(known.packets),
                    seconds(result.cost.wall_s),
                    number(result.rate),
                    f"{result.cost.memory_mb:,.0f} MB",
                    f"{grown:,.1f} bytes a {shape.unit.removesuffix('s')}" if what == "full" else "",
                    "yes" if right else f"NO: {tuple(found)}, not {tuple(known)}",
                )
            )
    if growth:
        show("How ours grows, from half a capture to all of it", GROWTH, growth, options.markdown)


if __name__ == "__main__":
    sys.exit(main())
