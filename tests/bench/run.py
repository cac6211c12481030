#!/usr/bin/env python3
"""How fast `verify analyze` is, in how much memory, and what it finds: beside the programs and libraries that people
would otherwise use, on the same files, in turn.

    python tests/bench/run.py [--markdown] [--rounds N] [--scale X] [--only PART]

Whole processes, start to exit: wall time, and the greatest resident memory (both by timed.py). Each round runs every
contender once, so that a change of the machine's mood meets all of them; the first round only warms the page cache; the
medians count. What is slow is given the first packets of a file, as many as take it some seconds, and is compared by
packets a second. What takes longer than LIMIT_S is ended, and the table says so.

big       real nginx traffic (build_capture.py); also on one core each, and how far it is to the speed of memory
small     its first 50 packets: what starting costs
cycles    where the time goes, by perf
shapes    crafted captures (shapes.py), in half size, too: whether time and memory grow with what they should grow with.
          Built one after the other, and deleted again where the disk is short
pipe      tcpdump -w - | verify analyze -, under load (pipe.py)
live      what live capture takes, and what it costs the client (live.py)
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from bandwidth import __file__ as BANDWIDTH
from build_capture import ensure, folder
from cycles import shares
from peers import Answer, Peer, on_one_core, peers, versions
from shapes import SHAPES, Shape, path_of
from shapes import ensure as ensure_shape
from table import number, seconds, show

COUNTING = "capinfos -c"
READING = "read() alone"
SMALL_ROUNDS = 41
FAST_S = 3.0
"""What takes longer runs once, and not in every round."""
LIMIT_S = 300.0
CHUNK_BYTES = 1 << 19
"""What `verify` asks for at once (verifier/sources/file.py)."""
SPARE_BYTES = 1 << 30
"""What is left free of the disk."""
KEPT_FREE_BYTES = 20 << 30
"""With less than this free, a crafted capture is deleted after use."""
BIG_BYTES = 1_200_000_000
PARTS = {"big": 90, "small": 20, "cycles": 15, "small-packets": 90, "many-connections": 150, "one-connection": 45}
PARTS |= {"pipe": 20, "live": 400}
"""And the seconds that each takes, with 5 rounds, on two cores at 2.5 GHz."""
BUILDING_S = {"big": 120, "small-packets": 40, "many-connections": 120, "one-connection": 10}
HERE = Path(__file__).parent
TIMED = str(Path(__file__).with_name("timed.py"))


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    memory_mb: float


class TooLong(Exception):
    """A command was ended for taking longer than LIMIT_S."""


class Failed(SystemExit):
    """A command could not do it."""


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


def run(command: Sequence[str], output: int, fine: Collection[int] = (0,)) -> Cost:
    """What it takes, with its output in this file descriptor. These exit statuses say that it worked."""
    seen, report = os.pipe()
    with tempfile.TemporaryFile() as said:
        timed = [sys.executable, "-I", "-S", TIMED, str(report), *command]
        process = subprocess.Popen(
            timed, stdin=subprocess.DEVNULL, stdout=output, stderr=said, pass_fds=(report,), start_new_session=True
        )
        os.close(report)
        late = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        with open(seen, encoding="ascii") as pipe:
            took = pipe.read().split()
        process.wait()
        late.cancel()
        if process.returncode == -signal.SIGKILL:
            raise TooLong(f"took more than {LIMIT_S:.0f} s")
        status = os.waitstatus_to_exitcode(int(took[3])) if took else process.returncode
        if status not in fine:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise Failed(f"{command} ended with status {status}: {words[-2000:]}")
    return Cost(*map(float, took[:3]))


def answered(contest: Contest) -> tuple[Cost, Answer]:
    """Once, with its output in a file."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        cost = run(contest.peer.command(str(contest.path)), output.fileno(), contest.peer.statuses)
        output.seek(0)
        return cost, contest.peer.answer(output)


def race(contests: Sequence[Contest], rounds: int) -> list[Result]:
    """Each contender's median cost and its answer, in their order; without those that took too long or failed."""
    able, first = [], []
    for contest in contests:
        try:
            first.append(answered(contest))
            able.append(contest)
        except (TooLong, Failed) as error:
            print(f"left out: {contest.peer.name}: {error}")
    contests = able
    costs: list[list[Cost]] = [[] for _ in contests]
    for _ in range(rounds):
        for contest, seen, (cold, _answer) in zip(contests, costs, first, strict=True):
            if not seen or cold.wall_s < FAST_S:
                command = contest.peer.command(str(contest.path))
                seen.append(run(command, subprocess.DEVNULL, contest.peer.statuses))
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


HEADS = (
    "",
    "packets read",
    "wall",
    "packets/s",
    "ours is",
    "to capinfos",
    "memory",
    "connections",
    "handshakes",
    "requests",
)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    ours = results[0]
    counting = next((each for each in results if each.contest.peer.name == COUNTING), None)
    return [
        (
            result.contest.peer.name,
            number(result.contest.packets),
            seconds(result.cost.wall_s),
            number(result.rate),
            f"{ours.rate / result.rate:,.{1 if ours.rate < 20 * result.rate else 0}f} x",
            f"{counting.rate / result.rate:,.2f}" if counting else "",
            f"{result.cost.memory_mb:,.0f} MB",
            number(result.answer.connections),
            number(result.answer.handshakes),
            number(result.answer.requests),
        )
        for result in results
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="tables as in the README")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the crafted captures, 1 is all")
    parser.add_argument(
        "--only", default="", metavar="PART", help=f"this, or all with it in their name: {', '.join(PARTS)}"
    )
    options = parser.parse_args()
    chosen = [options.only] if options.only in PARTS else [part for part in PARTS if options.only in part]
    if not chosen:
        parser.error(f"no part has {options.only!r} in its name; there are: {', '.join(PARTS)}")
    verify = os.path.join(os.path.dirname(sys.executable), "verify")
    contenders = []
    for peer in peers(verify):
        if lack := peer.missing():
            print(f"left out: {peer.name}: {lack}")
        else:
            contenders.append(peer)
    chosen = affordable(chosen, options.scale)
    building = [part for part in chosen if part in BUILDING_S and not built(part, options.scale)]
    took = sum(PARTS[part] for part in chosen) + sum(BUILDING_S[part] for part in building)
    print(f"takes about {took / 60:.0f} minutes: {', '.join(chosen)}")
    print("beside ours:", "; ".join(versions()), flush=True)
    with tempfile.TemporaryDirectory(prefix="verify-bench-") as name:
        temporary = Path(name)
        real(chosen, options, contenders, temporary)
        shapes([shape for shape in SHAPES if shape.name in chosen], options, contenders, temporary)
    for part in ("pipe", "live"):
        if part in chosen:
            rounds = [f"--rounds={min(options.rounds, 3)}"] if part == "live" else []
            flags = ["--markdown"] if options.markdown else []
            subprocess.run([sys.executable, str(HERE / f"{part}.py"), *flags, *rounds], check=False)
    return 0


def sizes(shape: Shape, scale: float) -> tuple[int, int]:
    """Of a shape: half, and all of it."""
    full = max(2, int(shape.full * scale))
    return full // 2, full


def built(part: str, scale: float) -> bool:
    if part == "big":
        return (folder() / "big.pcap").exists()
    return all(
        path_of(shape, size, folder()).exists()
        for shape in SHAPES
        if shape.name == part
        for size in sizes(shape, scale)
    )


def affordable(parts: Sequence[str], scale: float) -> list[str]:
    """Those for whose inputs the disk has room; what is left out is said."""
    where = folder()
    while not where.exists():
        where = where.parent
    free = shutil.disk_usage(where).free - SPARE_BYTES
    needs = {shape.name: int(sum(sizes(shape, scale)) * shape.bytes_each) for shape in SHAPES}
    needs |= dict.fromkeys(("big", "small", "cycles"), 0 if built("big", scale) else BIG_BYTES)
    found = []
    for part in parts:
        need = 0 if part in BUILDING_S and built(part, scale) else needs.get(part, 0)
        if need > free:
            print(f"left out: {part}, which needs {need / 1e9:.1f} GB in {where}; {max(0, free) / 1e9:.1f} GB are free")
        else:
            found.append(part)
    return found


def real(chosen: Sequence[str], options: argparse.Namespace, contenders: Sequence[Peer], temporary: Path) -> None:
    if not {"big", "small", "cycles"} & set(chosen):
        return
    captures = ensure(folder())
    if "big" in chosen:
        on_big(captures.big, options, contenders, temporary)
    if "small" in chosen:
        nothing = Peer("python -c pass", lambda _: [sys.executable, "-c", "pass"], lambda _: Answer(), None, "")
        counting = [each for each in contenders if each.name == COUNTING]
        packets = answered(Contest(contenders[0], captures.small, 0))[1].packets or 0
        results = race(
            [Contest(each, captures.small, packets) for each in (contenders[0], nothing, *counting)], SMALL_ROUNDS
        )
        show(f"{captures.small.name}: {packets} packets, what starting costs", HEADS, rows(results), options.markdown)
        print(f"verify takes {results[0].cost.wall_s / results[1].cost.wall_s:.2f} times as long as python -c pass")
    if "cycles" in chosen:
        found = shares(contenders[0].command(str(captures.big)))
        if found is None:
            print("left out: cycles, which needs perf, and the right to sample")
        else:
            table = [(part, f"{share:.1%}") for part, share in found]
            show(f"{captures.big.name}: where the time goes", ("", "of all samples"), table, options.markdown)


def on_big(path: Path, options: argparse.Namespace, contenders: Sequence[Peer], temporary: Path) -> None:
    size = path.stat().st_size
    packets = answered(Contest(contenders[0], path, 0))[1].packets or 0
    title = f"{path.name}: nginx, {size / 1e9:.2f} GB, {packets:,} packets"
    ours = contenders[0]
    counting = [each for each in contenders if each.name == COUNTING]
    pinned = [on_one_core(each) for each in (ours, *counting)] if shutil.which("taskset") else []
    script = [sys.executable, "-I", "-S", str(BANDWIDTH)]
    reading = Peer(READING, lambda path: [*script, "read", path, str(CHUNK_BYTES)], lambda _: Answer(), None, "")
    results = race(contests_on(path, packets, [*contenders, *pinned, reading], temporary), options.rounds)
    show(title, HEADS, rows(results), options.markdown)
    differences(results)
    walls = {result.contest.peer.name: result.cost.wall_s for result in results}
    for mine, other in ((ours, counting), (pinned[0] if pinned else None, pinned[1:])):
        if mine and other and mine.name in walls and other[0].name in walls:
            ratio = walls[mine.name] / walls[other[0].name]
            print(f"{mine.name}: {ratio:.2f} times as long as {other[0].name}")
    copied = float(subprocess.run([*script, "copy", str(CHUNK_BYTES)], capture_output=True, check=True).stdout)
    print(
        f"The file at {size / walls[ours.name] / 1e9:.2f} GB/s; nothing but read(2), {CHUNK_BYTES >> 10} KiB at a time:"
        f" {size / walls[READING] / 1e9:.2f} GB/s; memory copied: {copied / 1e9:.2f} GB/s"
    )
    sys.stdout.flush()


def differences(results: Sequence[Result]) -> None:
    """Where an answer over all packets is not ours, why."""
    ours = results[0]
    for result in results[1:]:
        if result.contest.packets != ours.contest.packets:
            continue
        pairs = zip(Answer._fields, result.answer, ours.answer, strict=True)
        other = [
            f"{theirs:,} {what}, ours {mine:,}" for what, theirs, mine in pairs if theirs not in (None, mine) and mine
        ]
        if other:
            why = result.contest.peer.differs or "no reason is known"
            print(f"{result.contest.peer.name}: {'; '.join(other)}: {why}")


GROWTH = ("", "packets", "wall", "packets/s", "memory", "twice takes", "more for each", "right")


def shapes(chosen: Sequence[Shape], options: argparse.Namespace, contenders: Sequence[Peer], temporary: Path) -> None:
    """Each shape: against the others, then ours alone in half size and in full."""
    growth: list[tuple[str, ...]] = []
    for shape in chosen:
        fewer, full = sizes(shape, options.scale)
        half, half_truth = ensure_shape(shape, fewer, folder())
        path, truth = ensure_shape(shape, full, folder())
        contests = contests_on(path, truth.packets, contenders, temporary)
        # In the same rounds, so that their ratio is of the same minute.
        results = race([*contests, Contest(contenders[0], half, half_truth.packets)], min(3, options.rounds))
        after, before = results[0], results.pop()
        title = f"{shape.name}: {shape.title}, {full:,} {shape.unit}, {path.stat().st_size / 1e9:.2f} GB"
        show(title, HEADS, rows(results), options.markdown)
        differences(results)
        more = (after.cost.memory_mb - before.cost.memory_mb) * (1 << 20) / (full - fewer)
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
                    f"{after.cost.wall_s / before.cost.wall_s:.2f} x" if what == "full" else "",
                    f"{more:,.1f} bytes a {shape.unit.removesuffix('s')}" if what == "full" else "",
                    "yes" if right else f"NO: {tuple(found)}, not {tuple(known)}",
                )
            )
        if shutil.disk_usage(folder()).free < KEPT_FREE_BYTES:
            for used in (half, path):
                used.unlink()
    if growth:
        show("How ours grows, from half a capture to all of it", GROWTH, growth, options.markdown)


if __name__ == "__main__":
    sys.exit(main())
