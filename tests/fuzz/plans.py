"""Captures written by bytes: each byte of a plan is an operation on TCP conversations or one of its arguments.

Mutated bytes of a plan make a capture whose checksums, lengths and sequence numbers are right but where the plan says
otherwise, so that the fuzzer gets past the lower layers to HTTP, TLS, HTTP/2, and to what order, loss and repetition do
to them. Any bytes are a plan.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

import craft
from craft import Conversation, Interface, Packet, Pcapng, PcapStyle, Segment, Side

MOST_OPERATIONS = 400
MOST_SEGMENTS = 1200

WORDS = (
    b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"HEAD /h HTTP/1.0\r\n", b"CONNECT b.example:443 HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 \r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n",
    b"HTTP/1.1 408 Request Timeout\r\n", b"HTTP/1.1 401 No\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 500 \r\n",
    b"HTTP/1.1 999\r\n", b"HTTP/1.1 1", b"Host: a.example\r\n", b"Host: b.example:8080\r\n", b"Host:\r\n",
    b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 9223372036854775807\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: 4294967296\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, gzip\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: h2c\r\n",
    b"Keep-Alive: timeout=5, max=100\r\n", b"Keep-Alive: timeout=99999999999, max=-3\r\n", b"Location: /next\r\n",
    b"Location: http://b.example/\r\n", b"WWW-Authenticate: NTLM\r\n", b"Expect: 100-continue\r\n",
    b"Proxy-Connection: keep-alive\r\n", b"Via: 1.1 p\r\n", b"User-Agent: u/1\r\n", b"Server: s/1\r\n",
    b"Trailer: x\r\n", b" folded\r\n", b"x\r\n", b":\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"hello",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"7fffffffffffffff\r\n", b"80000000\r\n", b"5;a=b\r\n",
    b"0\r\nx: y\r\n\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SM\r\n\r\n",
    b"Upgrade: TLS/1.0\r\n", b"\x00", b"\xff" * 8, b"A" * 300, b"GET /" + b"a" * 3000, b"SSH-2.0-x\r\n",
    b"RTSP/1.0 200 OK\r\n", b"INVITE x SIP/2.0\r\n", b"\x16\x03\x01", b"\x17\x03\x03\xff\xff", b"\x15\x03\x03\x00\x02",
)  # fmt: skip
"""What payloads are put together from."""

STYLES: tuple[Callable[[list[Packet]], bytes], ...] = (
    craft.pcap,
    lambda captured: craft.pcap(captured, PcapStyle(">")),
    lambda captured: craft.pcap(captured, PcapStyle("<", True)),
    lambda captured: craft.pcap(captured, PcapStyle(">", True, 60)),
    craft.pcapng,
    lambda captured: craft.pcapng(captured, ">", 9),
    lambda captured: craft.pcapng(captured, "<", 0x80 | 20),
)
PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: content,
    lambda content: content,
    lambda content: content,
    lambda content: content,
    lambda content: gzip.compress(content, 1, mtime=0),
    bz2.compress,
    lambda content: lzma.compress(content, preset=0),
    lambda content: gzip.compress(content[: len(content) // 2], mtime=0) + gzip.compress(content[len(content) // 2 :]),
)
NETWORKS = (
    craft.whole,
    craft.whole,
    craft.whole,
    craft.fragmented(64),
    craft.fragmented(8),
    craft.with_ipv4(craft.IPv4(total_length=0)),
    craft.with_ipv4(craft.IPv4(b"\x01" * 8)),
    craft.whole,
)
LINKS = tuple(craft.LINKS.values())
FLAGS = ("A", "PA", "FA", "FPA", "S", "SA", "R", "RA", "F", "", "SF", "SR", "SFRPAU", "PAEC", "U", "SAE")
PAUSES_MS = (0, 1, 20, 50, 200, 1_000, 5_000, 15_000, 60_000, 75_000, 350_000, 3_600_000, -1, -5_000)
PAUSES_NS = (1, 1_000, *(pause * 1_000_000 for pause in PAUSES_MS))
SHIFTS = (1, -1, 2, -2, 10, -10, 100, -100, 1460, -1460, 65535, -65535, 1 << 20, -(1 << 20), 1 << 31, (1 << 31) - 1)


def sections(captured: list[Packet]) -> bytes:
    """pcapng with all that it can have: two sections, several kinds of packet blocks, statistics, unknown blocks."""
    file = Pcapng("<")
    for order in ("<", ">"):
        if order == ">":
            file.section(">")
        kind = captured[0].link_type if captured else 1
        file.interface(Interface(kind, 0, 6))
        file.interface(Interface(kind, 96, 9, 1000))
        half = captured[: len(captured) // 2] if order == "<" else captured[len(captured) // 2 :]
        for place, packet in enumerate(half):
            if place % 7 == 3:
                file.old_packet(packet, 1)
            elif place % 7 == 5:
                file.simple(packet)
            else:
                file.packet(packet, place % 2)
        file.statistics(len(half), 0)
        file.block(0x0BAD, b"unknown")
    return file.bytes()


STYLES = (*STYLES, sections)


class Bytes:
    """A plan, read byte by byte; zeros behind its end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self) -> int:
        self.at += 1
        return self.content[self.at - 1] if self.at <= len(self.content) else 0

    def some(self, size: int) -> bytes:
        self.at += size
        return self.content[self.at - size : self.at]

    @property
    def over(self) -> bool:
        return self.at >= len(self.content)


class Script:
    """Carries out a plan's operations on up to eight conversations."""

    def __init__(self, plan: Bytes, version: int) -> None:
        self.plan = plan
        net = "fd00::" if version == 6 else "10.0.0."
        self.clients = (net + "1", net + "3")
        self.servers = (net + "2", net + "4")
        self.talks: dict[int, Conversation] = {}
        self.segments: list[Segment] = []
        self.talk = self.choose(0)
        self.side: Side = "client"
        self.now = craft.START_NS

    def choose(self, number: int) -> Conversation:
        """Bits: client port (2), client, server, server port."""
        if number not in self.talks:
            client = (self.clients[number >> 2 & 1], 40000 + (number & 3))
            server = (self.servers[number >> 3 & 1], 443 if number >> 4 & 1 else 80)
            self.talks[number] = Conversation(client, server, isns=((1 << 32) - 100, 700_000))
        return self.talks[number]

    def carry_out(self) -> None:
        for _ in range(MOST_OPERATIONS):
            if self.plan.over or len(self.segments) > MOST_SEGMENTS:
                return
            code = self.plan.take()
            OPERATIONS[code % len(OPERATIONS)](self)

    def put(self, side: Side, flags: str, payload: bytes = b"", options: bytes = b"") -> None:
        self.talk.now = self.now
        self.segments.append(self.talk.say(side, flags, payload, options))
        self.now = self.talk.now

    def both(self, side: Side, payload: bytes) -> None:
        self.put(side, "PA", payload)
        self.put("server" if side == "client" else "client", "A")

    # -- operations

    def switch(self) -> None:
        self.talk = self.choose(self.plan.take() & 31)

    def turn(self) -> None:
        self.side = "server" if self.side == "client" else "client"

    def handshake(self) -> None:
        self.put("client", "S", b"", craft.MSS)
        self.put("server", "SA", b"", craft.MSS)
        self.put("client", "A")

    def opening(self) -> None:
        """Only a SYN, with what the plan says."""
        kind = self.plan.take()
        options = (craft.MSS, b"", craft.FAST_OPEN_COOKIE, craft.MPTCP_JOIN, craft.MPTCP_CAPABLE)[kind % 5]
        self.talk.ends["client"].next = (self.talk.ends["client"].next + (kind >> 3) * 1000) % craft.WRAP
        self.put("client", "S", craft.get("/fast") if kind & 128 else b"", options)

    def answer(self) -> None:
        self.put("server", "SA" if self.plan.take() & 3 else "RA")

    def request(self) -> None:
        self.both("client", craft.get(f"/{self.plan.take() & 3}"))

    def response(self) -> None:
        self.both("server", craft.ok(b"x" * (self.plan.take() & 63)))

    def exchange(self) -> None:
        self.both("client", craft.get("/"))
        self.both("server", craft.ok())

    def words(self) -> None:
        """A segment of words, on the side whose turn it is."""
        payload = b"".join(WORDS[self.plan.take() % len(WORDS)] for _ in range(1 + (self.plan.take() & 7)))
        self.put(self.side, "PA", payload)

    def literal(self) -> None:
        self.put(self.side, "PA", self.plan.some(1 + (self.plan.take() & 31)))

    def pieces(self) -> None:
        """Words, each byte or few in a segment of their own."""
        size = 1 + (self.plan.take() & 15)
        data = WORDS[self.plan.take() % len(WORDS)][:200]
        for at in range(0, len(data), size):
            self.put(self.side, "A", data[at : at + size])

    def close(self) -> None:
        first: Side = "client" if self.plan.take() & 1 else "server"
        second: Side = "server" if first == "client" else "client"
        for side, flags in ((first, "FA"), (second, "A"), (second, "FA"), (first, "A")):
            self.put(side, flags)

    def finish(self) -> None:
        self.put(self.side, "FA")

    def reset(self) -> None:
        self.put(self.side, "RA" if self.plan.take() & 1 else "R")

    def flags(self) -> None:
        """A segment of any flags."""
        self.put(self.side, FLAGS[self.plan.take() % len(FLAGS)], WORDS[9] if self.plan.take() & 1 else b"")

    def pause(self) -> None:
        self.now = max(0, self.now + PAUSES_NS[self.plan.take() % len(PAUSES_NS)])

    def shift(self) -> None:
        """The next byte of a side has another number: a gap, or bytes sent again."""
        end = self.talk.ends[self.side]
        end.next = (end.next + SHIFTS[self.plan.take() % len(SHIFTS)]) % craft.WRAP

    def place(self) -> int:
        """Of one of the last 64 segments."""
        return max(0, len(self.segments) - 1 - (self.plan.take() & 63))

    def drop(self) -> None:
        if self.segments:
            del self.segments[self.place()]

    def repeat(self) -> None:
        if self.segments:
            self.segments.append(self.segments[self.place()]._replace(ts_ns=self.now))

    def swap(self) -> None:
        if self.segments:
            one, other = self.place(), self.place()
            self.segments[one], self.segments[other] = self.segments[other], self.segments[one]

    def change(self) -> None:
        """One field of a segment that is there."""
        if not self.segments:
            return
        place, kind, value = self.place(), self.plan.take(), self.plan.take()
        segment = self.segments[place]
        match kind % 8:
            case 0:
                segment = segment._replace(seq=segment.seq + SHIFTS[value % 16])
            case 1:
                segment = segment._replace(ack=segment.ack + SHIFTS[value % 16])
            case 2:
                segment = segment._replace(flags=FLAGS[value % 16])
            case 3:
                segment = segment._replace(window=0)
            case 4:
                segment = segment._replace(payload=segment.payload[: value & 127])
            case 5:
                segment = segment._replace(payload=WORDS[value % len(WORDS)] + segment.payload[:1000])
            case 6:
                segment = segment._replace(ttl=value, ip_id=value)
            case _:
                segment = segment._replace(ts_ns=max(0, segment.ts_ns + PAUSES_NS[value % 16]))
        self.segments[place] = segment

    def probe(self) -> None:
        self.talk.ends[self.side].next = (self.talk.ends[self.side].next - 1) % craft.WRAP
        self.put(self.side, "A")
        self.talk.ends[self.side].next = (self.talk.ends[self.side].next + 1) % craft.WRAP

    def tls(self) -> None:
        kind = self.plan.take()
        alpn = ("http/1.1", "h2", "", "h2,http/1.1")[kind >> 3 & 3]
        offers = [alpn] if alpn else []
        match kind % 8:
            case 0:
                self.put("client", "PA", craft.client_hello(alpn=offers))
            case 1:
                self.put("client", "PA", craft.client_hello("b.example", offers, False, b"s" * 32))
            case 2:
                self.put("server", "PA", craft.server_hello(session=b"s" * 32) + craft.CHANGE_CIPHER_SPEC)
            case 3:
                self.put("server", "PA", craft.server_hello(False, alpn, b"s" * 32) + craft.CHANGE_CIPHER_SPEC)
            case 4:
                self.put(self.side, "PA", craft.sealed(self.plan.take() + 1))
            case 5:
                self.put(self.side, "PA", craft.CLOSE_NOTIFY if kind & 32 else craft.CLOSE_NOTIFY_12)
            case 6:
                self.put(self.side, "PA", craft.tls_record(self.plan.take(), self.plan.some(8)))
            case _:
                self.put(self.side, "PA", craft.client_hello()[: self.plan.take()])

    def http2(self) -> None:
        kind = self.plan.take()
        if kind & 1:
            self.put("client", "PA", craft.H2_PREFACE[: 24 - (kind >> 4)] + craft.h2_frame(4))
        elif kind & 2:
            self.put(self.side, "PA", craft.h2_goaway(self.plan.take()))
        else:
            frame = craft.h2_frame(self.plan.take() & 15, self.plan.take(), b"p" * (kind >> 2), self.plan.take())
            self.put(self.side, "PA", frame[: self.plan.take() + 1])

    def session(self) -> None:
        """A whole connection, from SYN to close."""
        kind = self.plan.take()
        self.handshake()
        for _ in range(kind & 3):
            self.exchange()
        if kind & 4:
            self.put("server", "FA")
            self.put("client", "FA")
            self.put("server", "A")
        elif kind & 8:
            self.put("client", "RA")
        elif kind & 16:
            self.put("server", "R")


OPERATIONS: tuple[Callable[[Script], None], ...] = (
    Script.switch, Script.turn, Script.handshake, Script.opening, Script.answer, Script.request, Script.response,
    Script.exchange, Script.words, Script.literal, Script.pieces, Script.close, Script.finish, Script.reset,
    Script.flags, Script.pause, Script.shift, Script.drop, Script.repeat, Script.swap, Script.change, Script.probe,
    Script.tls, Script.http2, Script.session, Script.words, Script.words, Script.switch, Script.turn, Script.session,
    Script.pause, Script.change,
)  # fmt: skip


def captures(content: bytes) -> list[bytes]:
    """The files that a plan makes: one, or two or three into which the packets are dealt."""
    plan = Bytes(content)
    link, network, style, packer = (plan.take() for _ in range(4))
    dealt, cut_at, snaplen, version = (plan.take() for _ in range(4))
    script = Script(plan, 6 if version & 7 == 7 and link % len(LINKS) != 11 and NETWORKS[network % 8] in NETWORKS[:5]
                    else 4)  # fmt: skip
    script.carry_out()
    captured = craft.packets(script.segments, LINKS[link % len(LINKS)], NETWORKS[network % len(NETWORKS)])
    if snaplen:
        captured = craft.cut(captured, 20 + snaplen * 4)
    captured = [packet._replace(ts_ns=min(packet.ts_ns, 4_000_000_000 * 10**9)) for packet in captured]
    files = [STYLES[style % len(STYLES)](part) for part in deal(captured, dealt)]
    files = [PACKERS[packer % len(PACKERS)](file) for file in files]
    if cut_at:
        files[-1] = files[-1][: -cut_at % 256 - 256]
    return files


def deal(captured: list[Packet], kind: int) -> list[list[Packet]]:
    if kind < 200 or len(captured) < 4:
        return [captured]
    if kind & 1:
        third = len(captured) // 3
        return [captured[:third], captured[third : 2 * third], captured[2 * third :]]
    return [captured[::2], captured[1::2]]


def pair_of_files(content: bytes) -> list[bytes]:
    """Two files in one: the length of the first, in two bytes, in front."""
    size = struct.unpack_from(">H", content.ljust(2, b"\0"))[0]
    return [content[2 : 2 + size], content[2 + size :]]
