#!/usr/bin/env python3
"""Damages captures, the same way each time: for `corpus.py --alone`, which holds `verify` to its bounds on them.

    python tests/mutate.py FROM TO [--number 1000] [--seed 1]

Each mutant is one capture of the folder FROM with one to four of `MUTATIONS` after each other: what disks, networks,
capture programs and malice do to files.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import struct
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

PCAP = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
SECTION = b"\x0a\x0d\x0d\x0a"
LITTLE = b"\x4d\x3c\x2b\x1a"
LARGEST = 4 << 20
"""Bytes of a capture that is taken as a parent: time is for many mutants, not for large ones."""
SIZES = (0, 1, 2, 3, 7, 27, 40, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
"""What lengths are changed to."""


class Parts(NamedTuple):
    """A capture as its file header and its records or blocks, which together are the file."""

    head: bytes
    records: list[bytes]
    order: str
    """Byte order, for `struct`."""


def parts(content: bytes) -> Parts:
    """As far as the lengths in the file lead; the rest is one last record."""
    if content[:4] in PCAP:
        order = PCAP[content[:4]]
        return Parts(content[:24], list(_split(content, 24, lambda at: 16 + _number(content, at + 8, order))), order)
    if content[:4] == SECTION:
        order = "<" if content[8:12] == LITTLE else ">"
        return Parts(b"", list(_split(content, 0, lambda at: _number(content, at + 4, order))), order)
    return Parts(content, [], "<")


def _number(content: bytes, at: int, order: str) -> int:
    return int(struct.unpack_from(order + "I", content, at)[0]) if at + 4 <= len(content) else 0


def _split(content: bytes, at: int, size_at: Callable[[int], int]) -> Iterator[bytes]:
    while at < len(content):
        size = size_at(at)
        if size < 12 or at + size > len(content):
            size = len(content) - at
        yield content[at : at + size]
        at += size


Mutation = Callable[[bytes, random.Random], bytes]


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 32, 256))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def spoil_run(content: bytes, chance: random.Random) -> bytes:
    """Zeros, ones or noise over a run of bytes."""
    at, size = chance.randrange(len(content) + 1), chance.choice((1, 4, 64, 4096))
    fill = chance.choice((b"\0" * size, b"\xff" * size, chance.randbytes(size)))
    return content[:at] + fill + content[at + size :]


def insert(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.randbytes(chance.choice((1, 3, 4, 100))) + content[at:]


def take_out(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + content[at + chance.choice((1, 3, 4, 100)) :]


def with_records(change: Callable[[list[bytes], random.Random], None]) -> Mutation:
    def mutation(content: bytes, chance: random.Random) -> bytes:
        split = parts(content)
        if split.records:
            change(split.records, chance)
        return split.head + b"".join(split.records)

    return mutation


def _some(records: list[bytes], chance: random.Random) -> list[int]:
    return sorted(chance.sample(range(len(records)), min(len(records), chance.choice((1, 2, 8, 50)))), reverse=True)


def duplicate(records: list[bytes], chance: random.Random) -> None:
    for place in _some(records, chance):
        records.insert(min(place + chance.choice((1, 2, 20)), len(records)), records[place])


def drop(records: list[bytes], chance: random.Random) -> None:
    for place in _some(records, chance):
        del records[place]


def reorder(records: list[bytes], chance: random.Random) -> None:
    if chance.random() < 0.2:
        chance.shuffle(records)
        return
    for place in _some(records, chance):
        other = chance.randrange(len(records))
        records[place], records[other] = records[other], records[place]


def repeat_all(records: list[bytes], chance: random.Random) -> None:
    records += records


def change_lengths(content: bytes, chance: random.Random) -> bytes:
    """Lengths of the file format: captured, on the wire, of blocks and options."""
    split = parts(content)
    for place in _some(split.records, chance) if split.records else ():
        record = bytearray(split.records[place])
        at = chance.choice((4, 8, 12, 20, 24, len(record) - 4))
        if 0 <= at <= len(record) - 4:
            struct.pack_into(split.order + "I", record, at, chance.choice((*SIZES, chance.randrange(1 << 16))))
        split.records[place] = bytes(record)
    return split.head + b"".join(split.records)


def change_heads(content: bytes, chance: random.Random) -> bytes:
    """Fields of the first 90 bytes of packets: link, IP and TCP heads, lengths and offsets among them."""
    split = parts(content)
    for place in _some(split.records, chance) if split.records else ():
        record = bytearray(split.records[place])
        for _ in range(chance.choice((1, 3))):
            at = chance.randrange(16, 106)
            if at < len(record):
                record[at] = chance.choice(
                    (0, 1, 4, 5, 0x0F, 0x40, 0x45, 0x50, 0x60, 0xF0, 0xFF, chance.randrange(256))
                )
        split.records[place] = bytes(record)
    return split.head + b"".join(split.records)


def change_text(content: bytes, chance: random.Random) -> bytes:
    """Words of HTTP: framing that lies."""
    swaps = (
        (b"Content-Length: ", b"Content-Length: 9"),
        (b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length"),
        (b"HTTP/1.1 200", b"HTTP/1.1 100"),
        (b"HTTP/1.1", b"HTTP/9.9"),
        (b"\r\n\r\n", b"\r\n\r\r"),
        (b"\r\n", b"\n"),
        (b"GET ", b"GET\0"),
        (b"chunked", b"chunkex"),
        (b"200 OK", b"101 OK"),
    )
    old, new = chance.choice(swaps)
    # The same length, so that the capture's own lengths still lead through it.
    return content.replace(old, new.ljust(len(old))[: len(old)], chance.choice((1, 5, -1)))


MUTATIONS: tuple[Mutation, ...] = (
    cut,
    flip_bits,
    spoil_run,
    insert,
    take_out,
    with_records(duplicate),
    with_records(drop),
    with_records(reorder),
    with_records(repeat_all),
    change_lengths,
    change_heads,
    change_text,
)


def parents(folder: str) -> list[tuple[str, bytes]]:
    """The captures of the folder, in the order of their names, compressed ones unpacked."""
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
            continue
        with open(path, "rb") as file:
            content = file.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        if content[:4] in PCAP or content[:4] == SECTION:
            found.append((name, content))
    return found


def mutant(number: int, seed: int, captures: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Name and content of one mutant: a function of its number, the seed and the captures."""
    chance = random.Random(f"{seed}:{number}")
    name, content = chance.choice(captures)
    if chance.random() < 0.15:
        other, more = chance.choice(captures)
        name, content = f"{name}+{other}", content + more
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = chance.choice(MUTATIONS)(content, chance)
    if chance.random() < 0.05:
        content = flip_bits(gzip.compress(content, 1, mtime=0), chance)
    return f"{number:04}-{name[:120]}", content


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    captures = parents(options.source)
    if not captures:
        raise SystemExit(f"mutate: no captures in {options.source}")
    os.makedirs(options.target, exist_ok=True)
    for number in range(options.number):
        name, content = mutant(number, options.seed, captures)
        with open(os.path.join(options.target, name), "wb") as file:
            file.write(content)
    print(f"{options.number} mutants of {len(captures)} captures in {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
