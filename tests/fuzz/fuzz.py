#!/usr/bin/env python3
"""Looks for captures that break `verify`: mutated ones, guided by the coverage of the engine's Python.

    python tests/fuzz/fuzz.py [--seconds 60] [--engine DIR] [--seeds DIR...] [--state DIR]
    python tests/fuzz/fuzz.py --again INPUT... | --captures DIR...

The engine runs uncompiled in this process, where coverage shows what is new in an input (atheris, where it is
installed; else inputs are not chosen by it), and compiled in another one. Both must say the same, and nothing that
contradicts itself: see `oracle`. An input is a byte that says what the others are (`KINDS`), and these.

What is found is written to STATE/findings, each kind of fault once, with the input as files; then the search goes on.
Exit status 1 where anything was found. STATE/inputs keeps the inputs that reached something new, and is gone on from.
`--again` runs inputs once more, `--captures` the files of folders, both with `--alone` by the compiled engine only.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from types import FrameType, ModuleType
from typing import NoReturn

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LARGEST_SEED = 16 << 10
LARGEST_INPUT = 24 << 10
MOST_PACKETS = 4000
"""Packets that are shown to the uncompiled engine, which is 60 times slower."""
SLOW_S = 60
PACKED = b"\x1f\x28\x04\xfdBPQRSTUVWXYZ[\\]^_"
"""First bytes of compressed files."""
CAPTURE, PLAN, TWO_CAPTURES = range(3)


class Hunt:
    def __init__(self, options: argparse.Namespace) -> None:
        import partner
        import plans

        self.plans = plans
        self.partner_module: ModuleType = partner
        self.state: str = os.path.abspath(options.state)
        self.oracle: ModuleType = _oracle(os.path.join(self.state, "plain"))
        environment = dict(setting.split("=", 1) for setting in options.env)
        self.partner = partner.Partner(os.path.abspath(options.engine), environment)
        self.seconds: int = options.seconds
        self.alone: bool = options.alone
        self.folder = tempfile.TemporaryDirectory(prefix="verify-fuzz-")
        self.found: set[str] = set()
        self.inputs = 0
        self.packets = 0
        self.refused = 0
        self.slowest = 0.0
        self.began = time.monotonic()
        self.told = self.began
        with open(os.path.join(ROOT, "verifier", "report", "schema.json"), "rb") as schema:
            self.valid = _validator(schema.read())
        os.environ["PATH"] = ""
        signal.signal(signal.SIGALRM, _late)

    def one(self, data: bytes) -> None:
        """One input, whatever comes of it."""
        self.inputs += 1
        contents = self.contents(data)
        try:
            signal.alarm(SLOW_S)
            for fault in self.faults(contents, len(data) & 3):
                self.report(fault, data, contents)
        except Exception:  # noqa: BLE001 - that there is none is what is tested
            self.report(traceback.format_exc(), data, contents)
        finally:
            signal.alarm(0)
        now = time.monotonic()
        if now - self.told > 60:
            self.tell()
        if now - self.began > self.seconds and not self.alone:
            self.end()

    def contents(self, data: bytes) -> list[bytes]:
        """The files that an input stands for."""
        kind, rest = data[:1], data[1:]
        if not kind or kind[0] % 3 == CAPTURE:
            return [rest]
        if kind[0] % 3 == PLAN:
            return list(self.plans.captures(rest))
        return list(self.plans.pair_of_files(rest))

    def faults(self, contents: list[bytes], kind: int) -> Iterator[str]:
        oracle = self.oracle
        paths = oracle.saved(contents, self.folder.name)
        frames = None
        large = sum(map(len, contents)) > LARGEST_INPUT or any(one[:1] in PACKED for one in contents)
        if large or self.alone:
            compiled = self.partner.ask(self.partner_module.Job(contents, kind, None))
            if compiled.outcome[3] > MOST_PACKETS or compiled.broken or self.alone:
                yield from self.bounds(compiled)
                if not compiled.broken:
                    yield from oracle.faults(oracle.Outcome(*compiled.outcome))
                self.packets += compiled.outcome[3]
                self.refused += bool(compiled.outcome[0])
                return
        here = oracle.run(paths, kind)
        self.packets += here.packets
        self.refused += bool(here.complaint)
        if len(paths) == 1 and not here.complaint:
            frames = oracle.frames(paths[0])
        compiled = self.partner.ask(self.partner_module.Job(contents, kind, frames))
        yield from self.bounds(compiled)
        if compiled.broken:
            return
        there = oracle.Outcome(*compiled.outcome)
        if there != here:
            yield difference("compiled and uncompiled differ", here, there)
        if compiled.replayed is not None and compiled.replayed[1] != here.report:
            yield difference("live and file differ", here, oracle.Outcome(*compiled.replayed))
        yield from oracle.faults(here)
        if self.inputs % 8 == 0 and here.report:
            yield from self.valid(here.report)

    def bounds(self, answer: object) -> Iterator[str]:
        assert isinstance(answer, self.partner_module.Answer)
        if answer.broken:
            yield answer.broken
        self.slowest = max(self.slowest, answer.seconds)
        if answer.seconds > self.partner_module.LIMIT_S:
            yield f"takes long: {answer.seconds:.1f} s"
        if answer.megabytes > self.partner_module.LIMIT_MB * (3 if self.partner.environment.get("LD_PRELOAD") else 1):
            self.partner.stop()
            yield f"takes memory: {answer.megabytes:.0f} MB"

    def report(self, fault: str, data: bytes, contents: list[bytes]) -> None:
        """Keeps what is found, of each kind the first."""
        sign = re.sub(r"0x[0-9a-f]+|[0-9]+", "N", _kind_of(fault))[:160]
        if sign in self.found:
            return
        self.found.add(sign)
        place = os.path.join(self.state, "findings", f"{len(self.found):03}")
        while os.path.exists(place):
            place += "+"
        os.makedirs(place)
        for number, content in enumerate([data, *contents]):
            with open(os.path.join(place, "input" if number == 0 else f"capture-{number - 1}"), "wb") as out:
                out.write(content)
        with open(os.path.join(place, "fault.txt"), "w", encoding="utf-8") as text:
            text.write(fault)
        say(f"FOUND {place}: {sign}")

    def end(self) -> NoReturn:
        """The time is over. Atheris leaves no other way out."""
        self.tell()
        self.partner.stop()
        self.folder.cleanup()
        sys.stdout.flush()
        os._exit(1 if self.found else 0)

    def tell(self) -> None:
        self.told = time.monotonic()
        seconds = self.told - self.began
        say(
            f"{seconds:.0f} s: {self.inputs:,} inputs, {self.refused:,} refused, {self.packets:,} packets,"
            f" slowest {self.slowest:.2f} s, {len(self.found)} kinds of faults, {self.oracle.memory_mb():.0f} MB here"
        )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _kind_of(fault: str) -> str:
    """The line that tells one kind of fault from another."""
    lines = [line for line in fault.strip().splitlines() if line.strip()]
    if "AddressSanitizer" in fault:
        return next(line for line in lines if "AddressSanitizer" in line)
    if "Traceback" in fault:
        return " ".join([*[line.strip() for line in lines if 'File "' in line and "verifier" in line][-1:], lines[-1]])
    return lines[0].partition(": {")[0]


def difference(what: str, here: tuple[str, ...], there: tuple[str, ...]) -> str:
    """The first line in which two outcomes differ."""
    for one, other in zip(here[:3], there[:3], strict=True):
        for left, right in zip(one.splitlines(), other.splitlines(), strict=False):
            if left != right:
                return f"{what}\n- {left}\n+ {right}"
    return f"{what}\n- {here}\n+ {there}"


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {SLOW_S} s uncompiled")


def _validator(schema: bytes) -> Callable[[str], Iterator[str]]:
    """What is wrong with a report by the schema; where there is no jsonschema, nothing."""
    import json

    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return lambda report: iter(())
    check = Draft202012Validator(json.loads(schema))

    def valid(report: str) -> Iterator[str]:
        for error in check.iter_errors(json.loads(report)):
            yield f"against the schema: {error.message[:300]}"

    return valid


def _oracle(plain: str) -> ModuleType:
    """The oracle with the engine as plain Python: from a copy without what is compiled."""
    shutil.rmtree(plain, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    shutil.copytree(os.path.join(ROOT, "verifier"), os.path.join(plain, "verifier"), ignore=ignored)
    sys.path.insert(0, plain)
    import cython

    # Of integers it is their value; the library's own takes a third of the time.
    cython.cast = lambda kind, value: value  # type: ignore[assignment, misc]
    guide = _guide()
    if guide is None:
        import oracle

        return oracle
    with guide.instrument_imports(include=["verifier"]):
        import oracle
    return oracle


def _guide() -> ModuleType | None:
    try:
        return import_module("atheris")
    except ImportError:
        return None


# -- inputs


def mutated(data: bytes, chance: random.Random, guide: ModuleType | None) -> bytes:
    """Another input like this one."""
    import mutate

    kind, rest = data[:1] or b"\0", data[1:]
    if guide is not None and chance.random() < 0.4:
        rest = guide.Mutate(rest, LARGEST_INPUT)
    elif kind[0] % 3 == PLAN:
        for _ in range(chance.choice((1, 1, 2, 4))):
            rest = _changed_plan(rest, chance)
    else:
        for _ in range(chance.choice((1, 1, 2, 4))):
            rest = chance.choice(mutate.MUTATIONS)(rest, chance)
    return kind + rest


def _changed_plan(plan: bytes, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(plan) + 1), chance.choice((1, 1, 2, 3, 8))
    match chance.randrange(6):
        case 0:
            return plan[:at] + chance.randbytes(size) + plan[at:]
        case 1:
            return plan[:at] + plan[at + size :]
        case 2:
            return plan[:at] + chance.randbytes(size) + plan[at + size :]
        case 3:
            other = chance.randrange(len(plan) + 1)
            return plan[:at] + plan[other : other + 4 * size] + plan[at:]
        case 4:
            return plan + chance.randbytes(4 * size)
        case _:
            return bytes([*chance.randbytes(8)]) + plan[8:]


def seeds(folders: list[str]) -> Iterator[bytes]:
    """Captures of the folders, and plans of random bytes."""
    import mutate

    small = [
        content(path)
        for path in files(folders)
        if os.path.getsize(path) <= LARGEST_SEED and not path.endswith((".json", ".jsonl", ".md", ".py", ".pyc"))
    ]
    for one in small:
        yield bytes([CAPTURE]) + one
    for one, other in pairwise(small):
        if len(one) + len(other) < LARGEST_SEED and one[:4] in (*mutate.PCAP, mutate.SECTION):
            yield bytes([TWO_CAPTURES]) + len(one).to_bytes(2, "big") + other[: len(other)] + one
    chance = random.Random(1)
    for size in range(8, 408):
        plain = bytes([0, 0, size & 7, 0, 0, 0, 0, 0]) if size & 8 else b""
        yield bytes([PLAN]) + plain + chance.randbytes(size if size & 1 else size // 8)


def files(places: list[str]) -> Iterator[str]:
    """The files among these, and those in the folders among them."""
    for place in places:
        if os.path.isfile(place):
            yield place
        for folder, _, names in os.walk(place):
            yield from (os.path.join(folder, name) for name in sorted(names))


def content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def search(hunt: Hunt, options: argparse.Namespace) -> None:
    inputs = os.path.join(hunt.state, "inputs")
    os.makedirs(inputs, exist_ok=True)
    known = [os.path.join(inputs, name) for name in sorted(os.listdir(inputs))]
    for number, seed in enumerate(seeds(options.seeds)):
        path = os.path.join(inputs, f"seed-{number:04}")
        if path not in known:
            with open(path, "wb") as out:
                out.write(seed)
    guide = _guide()
    if guide is None:
        say("atheris is not installed: the search goes on without coverage")
        blind(hunt, inputs, options.seed)
    words = [sys.argv[0], inputs, f"-max_len={LARGEST_INPUT}", "-timeout=300",
             "-rss_limit_mb=3000", f"-seed={options.seed}", "-len_control=0", "-print_final_stats=1",
             f"-artifact_prefix={hunt.state}/", "-verbosity=1"]  # fmt: skip
    guide.Setup(
        words,
        hunt.one,
        custom_mutator=lambda data, size, seed: mutated(data, random.Random(seed), guide)[:size],
    )
    guide.Fuzz()


def blind(hunt: Hunt, inputs: str, seed: int) -> NoReturn:
    chance = random.Random(seed)
    pool = [content(path) for path in files([inputs])]
    while True:
        data = mutated(chance.choice(pool), chance, None)[:LARGEST_INPUT]
        hunt.one(data)
        if chance.random() < 0.02:
            pool[chance.randrange(len(pool))] = data


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default=ROOT, help="the checkout whose compiled engine is the other one")
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the process of that engine")
    parser.add_argument("--seeds", nargs="*", default=[os.path.join(ROOT, "captures")])
    parser.add_argument("--state", default=os.path.join(ROOT, ".cache", "fuzz"))
    parser.add_argument("--again", nargs="*", default=[], help="inputs to run once more, and nothing else")
    parser.add_argument("--captures", nargs="*", default=[], help="folders of captures to run, and nothing else")
    parser.add_argument("--alone", action="store_true", help="ask the compiled engine only")
    options = parser.parse_args()
    options.seeds = [os.path.abspath(place) for place in options.seeds]
    sys.path.insert(1, os.path.join(ROOT, "tests"))
    again, captures = ([os.path.abspath(place) for place in places] for places in (options.again, options.captures))
    hunt = Hunt(options)
    if not again and not captures:
        search(hunt, options)
    for path in files(again):
        hunt.one(content(path))
    for path in files(captures):
        hunt.one(bytes([CAPTURE]) + content(path))
    hunt.end()


if __name__ == "__main__":
    main()
