#!/usr/bin/env python3
"""Crafted captures for `make bench`: shapes of traffic that each press on one part of a reader.

small-packets      60 bytes a packet, every message in pieces of 6 bytes: what a packet costs
many-connections   one request each, then closed: what a connection costs, in time and in memory
one-connection     a request after the other on a single connection: what a request costs

Each is one pattern of packets repeated, with ports, addresses, sequence numbers and times written into the copies
column by column: slices of a bytearray with a stride, at the speed of memory and not of Python. The files are large:
`build` writes them a block at a time.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

RECORD = 16
ETHERNET = 14
IP = 20
TCP = 20
HEADERS = ETHERNET + IP + TCP
SMALLEST = 60
"""Bytes of the shortest Ethernet frame, without its checksum: shorter ones come padded."""
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
EPOCH_S = 1_700_000_000
STEP_US = 2
BLOCK_BYTES = 16 << 20

# Where the fields are in a record, that copies differ in.
TIME_S, TIME_US = 0, 4
SOURCE, DESTINATION = RECORD + ETHERNET + 12, RECORD + ETHERNET + 16
PORT_FROM, PORT_TO = RECORD + ETHERNET + IP, RECORD + ETHERNET + IP + 2
SEQ, ACK = PORT_FROM + 4, PORT_FROM + 8

CLIENT = b"\x0a\x00\x00\x01"
SERVER = b"\xc0\x00\x02\x01"
SERVER_PORT = 80
FIRST_PORT = 1025
PORTS = 64_000
"""Client ports that are used of one address, before the next."""

REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT_REQUEST = b"GET / HTTP/1.1\r\n\r\n"
SHORT_RESPONSE = b"HTTP/1.1 204 No Content...\r\n\r\n"
PIECE = SMALLEST - HEADERS


class Said(NamedTuple):
    """One packet of a pattern: who, flags, payload; `seq` and `ack` are those of the first copy."""

    from_client: bool
    flags: int
    seq: int
    ack: int
    payload: bytes = b""


class Truth(NamedTuple):
    """What is in a capture, because it was put there."""

    packets: int
    connections: int
    handshakes: int
    requests: int


class Shape(NamedTuple):
    name: str
    title: str
    unit: str
    """What there are `full` of."""
    full: int
    bytes_each: float
    """Of the file, for each of these, or a little less."""
    build: Callable[[Path, int], Truth]


S, SA, A, PA, FA = 0x02, 0x12, 0x10, 0x18, 0x11


def record(said: Said) -> bytes:
    """One packet as its record in the file, without checksums, as a capture behind an offloading card has it."""
    ends = (CLIENT, SERVER) if said.from_client else (SERVER, CLIENT)
    ports = (FIRST_PORT, SERVER_PORT) if said.from_client else (SERVER_PORT, FIRST_PORT)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, IP + TCP + len(said.payload), 1, 0x4000, 64, 6, 0) + ends[0] + ends[1]
    tcp = struct.pack(">HHIIBBHHH", *ports, said.seq, said.ack, 0x50, said.flags, 64240, 0, 0)
    frame = (b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + tcp + said.payload).ljust(SMALLEST, b"\0")
    return struct.pack("<IIII", EPOCH_S, 0, len(frame), len(frame)) + frame


class Pattern:
    """Packets that come again and again, and where each begins in a copy of them."""

    def __init__(self, packets: Sequence[Said]) -> None:
        self.packets = packets
        self.starts: list[int] = []
        self.content = b""
        for said in packets:
            self.starts.append(len(self.content))
            self.content += record(said)
        self.size = len(self.content)

    def copies(self, number: int) -> bytearray:
        return bytearray(self.content * number)

    def column(self, block: bytearray, at: int, values: array[int], order: str) -> None:
        """Writes one value into each copy, at the same place; `order` is that of the bytes in the file."""
        if (sys.byteorder == "little") != (order == "<"):
            values = values[:]
            values.byteswap()
        octets = values.tobytes()
        for place in range(values.itemsize):
            block[at + place :: self.size] = octets[place :: values.itemsize]

    def times(self, block: bytearray, first: int, number: int) -> None:
        """Packets `STEP_US` apart, `first` of them before this block."""
        step = len(self.packets) * STEP_US
        for place, start in enumerate(self.starts):
            begin = (first + place) * STEP_US
            moments = range(begin, begin + number * step, step)
            self.column(block, start + TIME_S, array("I", [EPOCH_S + moment // 1_000_000 for moment in moments]), "<")
            self.column(block, start + TIME_US, array("I", [moment % 1_000_000 for moment in moments]), "<")

    def clients(self, block: bytearray, first: int, number: int) -> None:
        """Each copy from another client port, and after `PORTS` of them from another address."""
        numbers = range(first, first + number)
        ports = array("H", [FIRST_PORT + each % PORTS for each in numbers])
        addresses = array("I", [0x0A000001 + each // PORTS for each in numbers])
        for said, start in zip(self.packets, self.starts, strict=True):
            self.column(block, start + (PORT_FROM if said.from_client else PORT_TO), ports, ">")
            self.column(block, start + (SOURCE if said.from_client else DESTINATION), addresses, ">")

    def sequence(self, block: bytearray, first: int, number: int, grows: tuple[int, int]) -> None:
        """Moves the numbers on from copy to copy, by what client and server say in one of them."""
        for said, start in zip(self.packets, self.starts, strict=True):
            mine, other = grows if said.from_client else grows[::-1]
            for at, begin, by in ((SEQ, said.seq, mine), (ACK, said.ack, other)):
                values = array("I", [(begin + each * by) & 0xFFFFFFFF for each in range(first, first + number)])
                self.column(block, start + at, values, ">")


def exchange(request: bytes, response: bytes, piece: int, acks: bool) -> list[Said]:
    """Request and response in pieces; each acknowledged at its end if `acks`."""
    said = []
    for at in range(0, len(request), piece):
        said.append(Said(True, PA, 1001 + at, 5001, request[at : at + piece]))
    if acks:
        said.append(Said(False, A, 5001, 1001 + len(request)))
    for at in range(0, len(response), piece):
        said.append(Said(False, PA, 5001 + at, 1001 + len(request), response[at : at + piece]))
    if acks:
        said.append(Said(True, A, 1001 + len(request), 5001 + len(response)))
    return said


HANDSHAKE = [Said(True, S, 1000, 0), Said(False, SA, 5000, 1001), Said(True, A, 1001, 5001)]


def blocks(pattern: Pattern, number: int) -> list[tuple[int, int]]:
    """(first copy, how many) of blocks that together are `number` copies."""
    most = max(1, BLOCK_BYTES // pattern.size)
    return [(first, min(most, number - first)) for first in range(0, number, most)]


def connection() -> list[Said]:
    """A whole one: a request, its response, and both sides close."""
    after = (1001 + len(REQUEST), 5001 + len(RESPONSE))
    return [
        *HANDSHAKE,
        *exchange(REQUEST, RESPONSE, 1400, acks=False),
        Said(True, FA, *after),
        Said(False, FA, after[1], after[0] + 1),
        Said(True, A, after[0] + 1, after[1] + 1),
    ]


def many_connections(path: Path, number: int) -> Truth:
    packets = connection()
    pattern = Pattern(packets)
    with path.open("wb") as file:
        file.write(FILE_HEADER)
        for first, copies in blocks(pattern, number):
            block = pattern.copies(copies)
            pattern.times(block, first * len(packets), copies)
            pattern.clients(block, first, copies)
            file.write(block)
    return Truth(number * len(packets), number, number, number)


def one_connection(path: Path, number: int) -> Truth:
    pattern = Pattern(exchange(REQUEST, RESPONSE, 1400, acks=False))
    opening = Pattern(HANDSHAKE)
    with path.open("wb") as file:
        file.write(FILE_HEADER)
        file.write(opening.copies(1))
        for first, copies in blocks(pattern, number):
            block = pattern.copies(copies)
            pattern.times(block, 3 + first * len(pattern.packets), copies)
            pattern.sequence(block, first, copies, (len(REQUEST), len(RESPONSE)))
            file.write(block)
    return Truth(3 + number * len(pattern.packets), 1, 1, number)


EACH = 1000
"""Requests on one connection of small packets."""


def small_packets(path: Path, number: int) -> Truth:
    """`number` packets, less what does not fill a connection."""
    pattern = Pattern(exchange(SHORT_REQUEST, SHORT_RESPONSE, PIECE, acks=True))
    opening = Pattern(HANDSHAKE)
    requests = min(EACH, max(1, (number - 3) // len(pattern.packets)))
    each = 3 + requests * len(pattern.packets)
    connections = max(1, number // each)
    with path.open("wb") as file:
        file.write(FILE_HEADER)
        block = pattern.copies(requests)
        pattern.sequence(block, 0, requests, (len(SHORT_REQUEST), len(SHORT_RESPONSE)))
        for connection in range(connections):
            begin = opening.copies(1)
            opening.times(begin, connection * each, 1)
            opening.clients(begin, connection, 1)
            file.write(begin)
            pattern.times(block, connection * each + 3, requests)
            same = array("H", [FIRST_PORT + connection % PORTS]) * requests
            for said, start in zip(pattern.packets, pattern.starts, strict=True):
                pattern.column(block, start + (PORT_FROM if said.from_client else PORT_TO), same, ">")
            file.write(block)
    return Truth(connections * each, connections, connections, connections * requests)


SHAPES = (
    Shape("small-packets", "60 bytes a packet", "packets", 10_000_000, 76, small_packets),
    Shape("many-connections", "one request on each connection", "connections", 5_000_000, 668, many_connections),
    Shape("one-connection", "one connection", "requests", 1_000_000, 212, one_connection),
)


def path_of(shape: Shape, number: int, where: Path) -> Path:
    return where / f"{shape.name}-{number}.pcap"


def ensure(shape: Shape, number: int, where: Path) -> tuple[Path, Truth]:
    """The capture, built unless it is there, and what is in it."""
    path = path_of(shape, number, where)
    known = path.with_suffix(".truth")
    if not known.exists() or not path.exists():
        where.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            truth = shape.build(partial, number)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        known.write_text(" ".join(map(str, truth)))
    return path, Truth(*map(int, known.read_text().split()))


def main() -> int:
    from build_capture import folder

    for shape in SHAPES:
        number = int(float(os.environ.get("VERIFY_BENCH_SCALE", "1")) * shape.full)
        path, truth = ensure(shape, number, folder())
        print(f"{path}: {path.stat().st_size / 1e6:,.0f} MB, {truth}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
