"""Captures made to cost much: each is a shape of traffic of any size, written packet by packet.

What is made of them must follow the size of the file: see `test_hostile`. To look at one by hand:

    python tests/hostile.py SHAPE SIZE FILE
"""

from __future__ import annotations

import gzip
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

SYN, ACK, FIN, RST, PUSH = 2, 16, 1, 4, 8
START_S = 1_700_000_000
HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
"""pcap, nanoseconds, raw IP."""
HEADS = struct.Struct(">BBHHHBBHII HHIIBBHHH")
RECORD = struct.Struct("<IIII")
CLIENT, SERVER = 0x0A000001, 0x0A800001

Packet = tuple[int, bytes]
"""Nanoseconds since the first, and the bytes of an IPv4 packet."""


class Ends(NamedTuple):
    """Addresses and ports of a connection."""

    client: int = CLIENT
    client_port: int = 40000
    server: int = SERVER
    server_port: int = 80


def ends(number: int, server: int = SERVER) -> Ends:
    """The connection of this number between one client and one server: a port, then another address of the client."""
    return Ends(CLIENT, 1024 + number % 64000, server + number // 64000)


def segment(ends: Ends, flags: int, seq: int, ack: int = 0, payload: bytes = b"") -> bytes:
    """Of the client."""
    ip = (0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, ends.client, ends.server)
    tcp = (ends.client_port, ends.server_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65000, 0, 0)
    return HEADS.pack(*ip, *tcp) + payload


def reply(ends: Ends, flags: int, seq: int, ack: int = 0, payload: bytes = b"") -> bytes:
    """Of the server."""
    return segment(Ends(ends.server, ends.server_port, ends.client, ends.client_port), flags, seq, ack, payload)


def opening(ends: Ends, at: int, isn: int = 100) -> Iterator[Packet]:
    yield at, segment(ends, SYN, isn)
    yield at + 1_000, reply(ends, SYN | ACK, 500, isn + 1)
    yield at + 2_000, segment(ends, ACK, isn + 1, 501)


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BARE = b"GET / HTTP/1.1\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def exchange(ends: Ends, at: int, done: tuple[int, int] = (0, 0), request: bytes = REQUEST,
             response: bytes = RESPONSE) -> Iterator[Packet]:  # fmt: skip
    """`done`: how many bytes each side has sent before."""
    seq, ack = 101 + done[0], 501 + done[1]
    yield at, segment(ends, ACK | PUSH, seq, ack, request)
    yield at + 1_000, reply(ends, ACK | PUSH, ack, seq + len(request), response)


def closing(ends: Ends, at: int, done: tuple[int, int] = (len(REQUEST), len(RESPONSE))) -> Iterator[Packet]:
    """By the client."""
    seq, ack = 101 + done[0], 501 + done[1]
    yield at, segment(ends, ACK | FIN, seq, ack)
    yield at + 1_000, reply(ends, ACK | FIN, ack, seq + 1)
    yield at + 2_000, segment(ends, ACK, seq + 1, ack + 1)


def session(ends: Ends, at: int) -> Iterator[Packet]:
    """A connection with one exchange, closed by the client: 100 us in all."""
    yield from opening(ends, at)
    yield from exchange(ends, at + 10_000)
    yield from closing(ends, at + 20_000)


# -- shapes


def half_open(size: int) -> Iterator[Packet]:
    for number in range(size):
        yield number * 1_000, segment(ends(number), SYN, number)


def half_open_at_once(size: int) -> Iterator[Packet]:
    """Of as many clients, all at the same time."""
    for number in range(size):
        yield 0, segment(Ends(client=CLIENT + number), SYN, number)


def answered_only(size: int) -> Iterator[Packet]:
    for number in range(size):
        yield number * 1_000, reply(ends(number), SYN | ACK, number, 1)


def same_ports_again(size: int) -> Iterator[Packet]:
    """A new SYN on the same ports each time."""
    for number in range(size):
        yield number * 1_000, segment(Ends(), SYN, number * 7)


def endless_head(size: int) -> Iterator[Packet]:
    yield from opening(Ends(), 0)
    line = b"X-Filler: " + b"x" * 1388 + b"\r\n"
    at = 101
    for number in range(size):
        payload = line if number else b"GET / HTTP/1.1\r\n"
        yield 10_000 + number * 1_000, segment(Ends(), ACK, at, 501, payload)
        at += len(payload)


def endless_head_by_bytes(size: int) -> Iterator[Packet]:
    """A head that comes byte by byte, its end never."""
    yield from opening(Ends(), 0)
    for number in range(size):
        letter = b"GET / HTTP/1.1\r\n"[number : number + 1] or b"x"
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 101 + number, 501, letter)


def endless_start_line(size: int) -> Iterator[Packet]:
    yield from opening(Ends(), 0)
    for number in range(size):
        payload = b"x" * 1400 if number else (b"GET /" + b"x" * 1395)
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 101 + number * 1400, 501, payload)


def endless_chunk_line(size: int) -> Iterator[Packet]:
    yield from opening(Ends(), 0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;"
    yield from exchange(Ends(), 5_000, response=head)
    for number in range(size):
        yield 10_000 + number * 1_000, reply(Ends(), ACK, 501 + len(head) + number, 101 + len(REQUEST), b"x")


def chunks_of_a_byte(size: int) -> Iterator[Packet]:
    yield from opening(Ends(), 0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from exchange(Ends(), 5_000, response=head)
    payload = b"1\r\nx\r\n" * 240
    for number in range(size // 240):
        at = 501 + len(head) + number * len(payload)
        yield 10_000 + number * 1_000, reply(Ends(), ACK, at, 101 + len(REQUEST), payload)


def backwards(size: int) -> Iterator[Packet]:
    """Segments before which one byte lacks, the last ones first."""
    yield from opening(Ends(), 0)
    for number in range(size):
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 102 + (size - number) * 10, 501, b"x" * 10)


def backwards_again(size: int) -> Iterator[Packet]:
    """The same within what is held: as many segments as there may be, again and again, from the end."""
    yield from opening(Ends(), 0)
    for number in range(size):
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 110 + (4000 - number % 4000) * 8, 501, b"x" * 7)


def forwards_over_a_gap(size: int) -> Iterator[Packet]:
    yield from opening(Ends(), 0)
    for number in range(size):
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 102 + number * 2, 501, b"x")


def overlapping(size: int) -> Iterator[Packet]:
    """Each segment a byte farther than the one before, before which one byte lacks."""
    yield from opening(Ends(), 0)
    for number in range(size):
        yield 10_000 + number * 1_000, segment(Ends(), ACK, 102 + number, 501, b"x" * 1000)


def held_on_many(size: int) -> Iterator[Packet]:
    """A gap on each of many connections, with bytes held behind it."""
    for number in range(size):
        yield from opening(ends(number), number * 10_000)
        for piece in range(4):
            yield number * 10_000 + 3_000, segment(ends(number), ACK, 111 + piece * 1400, 501, b"x" * 1400)


def heads_on_many(size: int) -> Iterator[Packet]:
    """A head on each of many connections, of which the end does not come."""
    for number in range(size):
        yield from opening(ends(number), number * 10_000)
        yield number * 10_000 + 3_000, segment(ends(number), ACK, 101, 501, b"GET / HTTP/1.1\r\nX: " + b"x" * 1300)


def fragment(identity: int, offset: int, more: int, payload: bytes) -> bytes:
    return struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(payload), identity, more << 13 | offset // 8, 64, 6, 0, CLIENT,
                       SERVER) + payload  # fmt: skip


def tiny_fragments(size: int) -> Iterator[Packet]:
    """Of datagrams that never become whole: the first piece lacks, the last one comes first."""
    for number in range(size):
        place = number % 8000
        offset = 16 if place == 0 else 24 + place * 8
        yield number * 1_000, fragment(number // 8000 & 0xFFFF, offset, int(place > 0), b"x" * 8)


def lone_fragments(size: int) -> Iterator[Packet]:
    for number in range(size):
        yield number * 1_000, fragment(number & 0xFFFF, 8 * (number & 7), 1, b"x" * 8)


def pipelined(size: int) -> Iterator[Packet]:
    """Requests, and then their responses."""
    yield from opening(Ends(), 0)
    for payload, say, begin, other in ((BARE, segment, 101, 501), (RESPONSE, reply, 501, 101 + size * len(BARE))):
        at = begin
        many = 1400 // len(payload)
        for number in range(0, size, many):
            now = min(many, size - number)
            yield 10_000 + number * 1_000, say(Ends(), ACK, at, other, payload * now)
            at += len(payload) * now


def in_turn(size: int) -> Iterator[Packet]:
    """One connection with many requests, each after the response before, and a later connection for each 300 of
    them."""
    yield from opening(Ends(), 0)
    for number in range(size):
        done = (number * len(REQUEST), number * len(RESPONSE))
        yield from exchange(Ends(), 100_000 * number + 10_000, done)
        if number % 300 == 150:
            yield from session(ends(number // 300 + 1), 100_000 * number + 50_000)


def idle_and_open(size: int, request: bytes = REQUEST) -> Iterator[Packet]:
    """Connections that carry a request and stay open, one after the other."""
    for number in range(size):
        yield from opening(ends(number), number * 100_000_000)
        yield from exchange(ends(number), number * 100_000_000 + 10_000, request=request)


def idle_and_nameless(size: int) -> Iterator[Packet]:
    yield from idle_and_open(size, BARE)


def busy_and_open(size: int) -> Iterator[Packet]:
    """Connections whose request is not answered."""
    for number in range(size):
        yield from opening(ends(number), number * 100_000_000)
        yield number * 100_000_000 + 10_000, segment(ends(number), ACK, 101, 501, REQUEST)


def unused_and_open(size: int) -> Iterator[Packet]:
    """One request, and connections without any."""
    yield from session(ends(size), 0)
    for number in range(size):
        yield from opening(ends(number), 1_000_000 + number * 100_000)


def one_after_another(size: int) -> Iterator[Packet]:
    for number in range(size):
        yield from session(ends(number), number * 100_000)


def crowd_then_queue(size: int) -> Iterator[Packet]:
    """Half of them all at once, closed in the order in which they were opened; then one after another."""
    half = size // 2
    for number in range(half):
        yield from opening(ends(number), number * 10_000)
        yield number * 10_000 + 3_000, segment(ends(number), ACK, 101, 501, REQUEST)
    begin = half * 10_000 + 1_000_000_000
    for number in range(half):
        yield begin + number * 10_000, reply(ends(number), ACK, 501, 101 + len(REQUEST), RESPONSE)
        yield from closing(ends(number), begin + number * 10_000 + 1_000)
    begin += half * 10_000 + 1_000_000_000
    for number in range(half):
        yield from session(ends(half + number), begin + number * 100_000_000)


def failures_between(size: int) -> Iterator[Packet]:
    """A refused attempt before each connection."""
    for number in range(size):
        at = number * 100_000
        yield at, segment(ends(2 * number), SYN, 100)
        yield at + 1_000, reply(ends(2 * number), RST | ACK, 0, 101)
        yield from session(ends(2 * number + 1), at + 10_000)


def failures_elsewhere(size: int) -> Iterator[Packet]:
    """A refused attempt at another server, of another client, before each connection."""
    for number in range(size):
        at = number * 100_000
        missed = Ends(CLIENT, 1024 + number % 64000, SERVER + 1 + number)
        yield at, segment(missed, SYN, 100)
        yield at + 1_000, reply(missed, RST | ACK, 0, 101)
        yield from session(ends(number), at + 10_000)


def redirects(size: int) -> Iterator[Packet]:
    """Each connection is redirected to what the next one asks for."""
    for number in range(size):
        at = number * 100_000
        request = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
        response = b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % (number + 1)
        yield from opening(ends(number), at)
        yield from exchange(ends(number), at + 10_000, (0, 0), request, response)
        yield from closing(ends(number), at + 20_000, (len(request), len(response)))


def many_servers(size: int) -> Iterator[Packet]:
    """A pair each, by one name, with two connections."""
    for number in range(size):
        for turn in range(2):
            yield from session(Ends(CLIENT, 40000 + turn, SERVER + number), number * 200_000 + turn * 100_000)


def many_clients_at_once(size: int) -> Iterator[Packet]:
    """Each opens and closes two connections, all at the same time to the nanosecond."""
    for turn in range(2):
        for number in range(size):
            for _, data in session(Ends(CLIENT + number, 40000 + turn), 0):
                yield turn, data


def many_requests_at_once(size: int) -> Iterator[Packet]:
    """Of many clients, whose connections close while requests of all others are under way."""
    for number in range(size):
        yield from opening(Ends(CLIENT + number), number)
    for number in range(size):
        for at, data in exchange(Ends(CLIENT + number), 0):
            yield at + size + 2_000, data
    for number in range(size):
        for _, data in closing(Ends(CLIENT + number), 0):
            yield size + 5_000, data
        yield from session(Ends(CLIENT + number, 40001), size + 10_000)


def many_words(size: int) -> Iterator[Packet]:
    """Targets, names and programs that differ each time."""
    for number in range(size):
        at = number * 100_000
        request = b"GET /%d%s HTTP/1.1\r\nHost: h%d\r\nUser-Agent: u%d\r\n\r\n" % (number, b"x" * 800, number, number)
        response = b"HTTP/1.1 200 OK\r\nServer: s%d\r\nContent-Length: 0\r\n\r\n" % number
        yield from opening(ends(number), at)
        yield from exchange(ends(number), at + 10_000, (0, 0), request, response)
        yield from closing(ends(number), at + 20_000, (len(request), len(response)))


def records_of_nothing(size: int) -> Iterator[Packet]:
    for _ in range(size):
        yield 0, b""


SHAPES: dict[str, Callable[[int], Iterator[Packet]]] = {
    shape.__name__: shape
    for shape in (
        half_open, half_open_at_once, answered_only, same_ports_again, endless_head, endless_head_by_bytes,
        endless_start_line, endless_chunk_line, chunks_of_a_byte, backwards, backwards_again, forwards_over_a_gap,
        overlapping, held_on_many, heads_on_many, tiny_fragments, lone_fragments, pipelined, in_turn, idle_and_open,
        idle_and_nameless, busy_and_open, unused_and_open, one_after_another, crowd_then_queue, failures_between,
        failures_elsewhere, redirects, many_servers, many_clients_at_once, many_requests_at_once, many_words,
        records_of_nothing,
    )
}  # fmt: skip


def record(packet: Packet) -> bytes:
    at, data = packet
    return RECORD.pack(START_S + at // 1_000_000_000, at % 1_000_000_000, len(data), len(data)) + data


def write(path: str, packets: Iterable[Packet]) -> None:
    with open(path, "wb") as file:
        file.write(HEADER)
        for packet in packets:
            file.write(record(packet))


# -- files


def bomb(path: str, size: int) -> None:
    """gzip: a capture of one SYN, repeated for `size` bytes. It gets a thousandth of that."""
    one = record((0, segment(Ends(), SYN, 1)))
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9) as packed:
        packed.write(HEADER)
        for _ in range(size // (len(one) * 10_000)):
            packed.write(one * 10_000)


def many_interfaces(path: str, size: int) -> None:
    """pcapng: descriptions of interfaces, each with a name."""
    block = struct.pack("<IIHHI", 1, 32, 101, 0, 0) + struct.pack("<HH8s", 2, 8, b"eth00000") + struct.pack("<I", 32)
    with open(path, "wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        for _ in range(size // 1000):
            file.write(block * 1000)


def many_sections(path: str, size: int) -> None:
    """pcapng: sections with an interface each."""
    block = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    block += struct.pack("<IIHHII", 1, 20, 101, 0, 0, 20)
    with open(path, "wb") as file:
        for _ in range(size // 1000):
            file.write(block * 1000)


def many_statistics(path: str, size: int) -> None:
    """pcapng: statistics with as many options as fit."""
    options = struct.pack("<HHQ", 5, 8, 1) * 5000
    length = 24 + len(options)
    block = struct.pack("<IIIII", 5, length, 0, 0, 0) + options + struct.pack("<I", length)
    with open(path, "wb") as file:
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        file.write(struct.pack("<IIHHII", 1, 20, 101, 0, 0, 20))
        for _ in range(size // 5000):
            file.write(block)


def in_turns(path: str, size: int) -> None:
    """A folder of 100 captures whose packets take turns."""
    os.makedirs(path, exist_ok=True)
    for number in range(100):
        packets = ((turn * 100_000 + number * 1_000, segment(ends(turn), SYN, number)) for turn in range(size // 100))
        write(os.path.join(path, f"{number}.pcap"), packets)


FILES: dict[str, Callable[[str, int], None]] = {
    file.__name__: file for file in (bomb, many_interfaces, many_sections, many_statistics, in_turns)
}


def make(shape: str, size: int, path: str) -> None:
    if shape in FILES:
        FILES[shape](path, size)
    else:
        write(path, SHAPES[shape](size))


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), sys.argv[3])
