"""Builders of captures, byte by byte: a TCP conversation is a list of segments, all else is a function of it.

Strategy: `Conversation` keeps the numbers of both ends and appends one `Segment` for each thing said. The list is
plain: a test drops, repeats, re-orders or edits segments with ordinary list operations, because that is what a network
and a capture do. `packets` then wraps each segment in IP and a link layer, and `pcap` or `Pcapng` writes the file.
Nothing reads a clock or draws a random number, so the same script makes the same bytes. Only the standard library:
`captures/make.py` uses this file too.

Times are integer nanoseconds since the epoch. Sequence numbers wrap at 2**32.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

Address = tuple[str, int]
Side = Literal["client", "server"]

START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000
"""From one segment to the next, unless the test says otherwise."""
WRAP = 1 << 32

FLAGS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, "A": 0x10, "U": 0x20, "E": 0x40, "C": 0x80}

# TCP options (RFC 9293 3.2, RFC 7323, RFC 7413 4.1.1, RFC 8684 3.2).
MSS = b"\x02\x04\x05\xb4"
TIMESTAMPS = b"\x08\x0a\x00\x00\x10\x00\x00\x00\x20\x00"
FAST_OPEN_COOKIE = b"\x22\x0a\x01\x23\x45\x67\x89\xab\xcd\xef"
MPTCP_CAPABLE = b"\x1e\x04\x01\x81"
MPTCP_JOIN = b"\x1e\x0c\x10\x01\x11\x22\x33\x44\x55\x66\x77\x88"


class Segment(NamedTuple):
    """One TCP segment as its sender made it."""

    sender: Address
    receiver: Address
    seq: int
    ack: int
    flags: str
    payload: bytes
    ts_ns: int
    window: int = 64240
    options: bytes = b""
    ip_id: int = 0
    ttl: int = 64


class Packet(NamedTuple):
    """One captured packet, as the engine is handed it."""

    data: bytes
    ts_ns: int
    wire_length: int
    link_type: int


class End:
    """One end of a conversation: where it is, and the number of the next byte that it sends."""

    def __init__(self, address: Address, isn: int) -> None:
        self.address = address
        self.isn = isn
        self.next = isn


class Conversation:
    """A TCP conversation: says things in order, keeps sequence numbers and time."""

    def __init__(
        self,
        client: Address = ("10.0.0.1", 40000),
        server: Address = ("10.0.0.2", 80),
        isns: tuple[int, int] = (1_000, 700_000),
        now: int = START_NS,
    ) -> None:
        self.ends: dict[Side, End] = {"client": End(client, isns[0]), "server": End(server, isns[1])}
        self.now = now
        self.segments: list[Segment] = []
        self._sent = 0

    def say(
        self, side: Side, flags: str, payload: bytes = b"", options: bytes = b"", ack: int | None = None
    ) -> Segment:
        """Append one segment of `side` and move its numbers on.

        `ack` None acknowledges all that the other end has sent.
        """
        me, other = self.ends[side], self.ends["server" if side == "client" else "client"]
        if ack is None:
            ack = other.next if "A" in flags else 0
        self._sent += 1
        ip_id = (0x1000 if side == "client" else 0x8000) + self._sent & 0xFFFF
        segment = Segment(
            me.address, other.address, me.next, ack % WRAP, flags, payload, self.now, options=options, ip_id=ip_id
        )
        self.segments.append(segment)
        me.next = (me.next + len(payload) + ("S" in flags) + ("F" in flags)) % WRAP
        self.now += STEP_NS
        return segment

    def again(self, segment: Segment) -> Segment:
        """Append the same segment once more, now: a retransmission, with an IP id of its own."""
        self._sent += 1
        repeated = segment._replace(ts_ns=self.now, ip_id=(segment.ip_id + 0x2000) & 0xFFFF)
        self.segments.append(repeated)
        self.now += STEP_NS
        return repeated

    def pause(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000_000)

    def syn(self, payload: bytes = b"", options: bytes = MSS) -> Segment:
        return self.say("client", "S", payload, options)

    def synack(self, options: bytes = MSS) -> Segment:
        return self.say("server", "SA", b"", options)

    def ack(self, side: Side) -> Segment:
        return self.say(side, "A")

    def handshake(self) -> None:
        self.syn()
        self.synack()
        self.ack("client")

    def request(self, data: bytes) -> None:
        """One segment of the client, and its acknowledgement."""
        self.say("client", "PA", data)
        self.ack("server")

    def response(self, data: bytes) -> None:
        """One segment of the server, and its acknowledgement."""
        self.say("server", "PA", data)
        self.ack("client")

    def send(self, side: Side, data: bytes, size: int) -> list[Segment]:
        """`data` in segments of `size` bytes, the last one shorter."""
        return [self.say(side, "PA", data[at : at + size]) for at in range(0, len(data), size)]

    def exchange(self, number: int = 1, body: bytes = b"ok") -> None:
        self.request(get(f"/{number}"))
        self.response(ok(body))

    def fin(self, side: Side) -> Segment:
        return self.say(side, "FA")

    def close(self, first: Side) -> None:
        """FIN of `first`, FIN of the other, each acknowledged."""
        second: Side = "server" if first == "client" else "client"
        self.fin(first)
        self.ack(second)
        self.fin(second)
        self.ack(first)

    def reset(self, side: Side, flags: str = "RA") -> Segment:
        return self.say(side, flags)

    def packets(self, link: Link | None = None, network: Network | None = None) -> list[Packet]:
        return packets(self.segments, link, network)


def merged(*talks: Conversation) -> list[Segment]:
    """The segments of several conversations in order of time, as one capture sees them."""
    return sorted((segment for talk in talks for segment in talk.segments), key=lambda segment: segment.ts_ns)


def retimed(segments: Iterable[Segment]) -> list[Segment]:
    """The segments with times in the order of the list: a capture stamps what it sees when it sees it."""
    return [segment._replace(ts_ns=START_NS + place * STEP_NS) for place, segment in enumerate(segments)]


# HTTP and TLS messages


def get(target: str = "/", *headers: str) -> bytes:
    return request_head("GET", target, *headers)


def request_head(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.example", *headers, "", ""]).encode()


def ok(body: bytes = b"ok", *headers: str) -> bytes:
    return response_head("200 OK", f"Content-Length: {len(body)}", *headers) + body


def response_head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def chunked(*pieces: bytes, trailers: Sequence[str] = ()) -> bytes:
    """A body of chunks (RFC 9112 7.1), with trailer lines after the last one."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"


def noise(size: int, seed: str = "noise") -> bytes:
    """Bytes that look like ciphertext: the same ones for the same seed."""
    blocks = (hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def tls_record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, len(body)) + body


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


def _alpn(protocols: Sequence[str]) -> bytes:
    names = b"".join(bytes([len(name)]) + name.encode() for name in protocols)
    return _extension(16, struct.pack(">H", len(names)) + names)


def _handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def client_hello(
    sni: str = "a.example", alpn: Sequence[str] = ("http/1.1",), tls13: bool = True, session: bytes = b""
) -> bytes:
    """A record with a ClientHello (RFC 8446 4.1.2): SNI, where there is one, ALPN and, for TLS 1.3, supported_versions
    and a key share."""
    name = sni.encode()
    extensions = _extension(0, struct.pack(">HBH", len(name) + 3, 0, len(name)) + name) if name else b""
    if alpn:
        extensions += _alpn(alpn)
    extensions += _extension(10, b"\x00\x02\x00\x1d") + _extension(13, b"\x00\x02\x04\x03")
    if tls13:
        extensions += _extension(43, b"\x04\x03\x04\x03\x03") + _extension(
            51, b"\x00\x24\x00\x1d\x00\x20" + noise(32, "share")
        )
    body = (
        b"\x03\x03" + noise(32, "client") + bytes([len(session)]) + session + b"\x00\x04\x13\x01\xc0\x2f" + b"\x01\x00"
    )
    return tls_record(22, _handshake(1, body + struct.pack(">H", len(extensions)) + extensions), 0x0301)


AES_GCM, CHACHA20 = 0xC02F, 0xCCA8
"""TLS 1.2: ECDHE-RSA with AES-128-GCM, and with ChaCha20-Poly1305 (RFC 7905)."""


def server_hello(tls13: bool = True, alpn: str = "", session: bytes = b"", suite: int = AES_GCM) -> bytes:
    """A record with a ServerHello (RFC 8446 4.1.3); the cipher suite is TLS 1.2's."""
    extensions = b""
    if tls13:
        extensions += _extension(43, b"\x03\x04") + _extension(51, b"\x00\x1d\x00\x20" + noise(32, "reply"))
    elif alpn:
        extensions += _alpn([alpn])
    chosen = struct.pack(">H", 0x1301 if tls13 else suite)
    body = b"\x03\x03" + noise(32, "server") + bytes([len(session)]) + session + chosen + b"\x00"
    return tls_record(22, _handshake(2, body + struct.pack(">H", len(extensions)) + extensions))


CHANGE_CIPHER_SPEC = tls_record(20, b"\x01")


def sealed(size: int, kind: int = 23, seed: str = "sealed") -> bytes:
    """A record whose content is ciphertext of `size` bytes."""
    return tls_record(kind, noise(size, seed))


def tls13_opening(talk: Conversation, sni: str = "a.example", alpn: Sequence[str] = ("http/1.1",)) -> None:
    """TCP and TLS 1.3 handshakes and two session tickets of the server (255 bytes each, as measured)."""
    talk.handshake()
    talk.say("client", "PA", client_hello(sni, alpn, session=noise(32, "session")))
    talk.say("server", "PA", server_hello(session=noise(32, "session")) + CHANGE_CIPHER_SPEC + sealed(900))
    talk.say("client", "PA", CHANGE_CIPHER_SPEC + sealed(53, seed="finished"))
    talk.say("server", "PA", sealed(250, seed="ticket 1") + sealed(250, seed="ticket 2"))
    talk.ack("client")


def tls12_opening(talk: Conversation, alpn: str = "http/1.1", suite: int = AES_GCM) -> None:
    """TCP and TLS 1.2 handshakes: a full one, with a certificate of nonsense."""
    talk.handshake()
    talk.say("client", "PA", client_hello(alpn=(alpn,), tls13=False))
    flight = _handshake(11, b"\x00\x00\x00") + _handshake(14, b"")
    hello = server_hello(tls13=False, alpn=alpn, session=noise(32, "session"), suite=suite)
    talk.say("server", "PA", hello + tls_record(22, flight))
    talk.say(
        "client",
        "PA",
        tls_record(22, _handshake(16, b"\x20" + noise(32, "key"))) + CHANGE_CIPHER_SPEC + sealed(40, 22, "end"),
    )
    talk.say("server", "PA", CHANGE_CIPHER_SPEC + sealed(40, 22, "server end"))
    talk.ack("client")


CLOSE_NOTIFY = sealed(19, seed="close_notify")
"""A TLS 1.3 alert: two bytes, a content type and 16 bytes of authentication, under the type of application data."""
CLOSE_NOTIFY_12 = sealed(26, 21, "close_notify")
"""A TLS 1.2 alert, encrypted: its type is plain to see."""

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
H2_SETTINGS, H2_GOAWAY, H2_HEADERS, H2_DATA = 4, 7, 1, 0


def h2_frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """An HTTP/2 frame (RFC 9113 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def h2_goaway(last: int = 0, error: int = 0) -> bytes:
    """A GOAWAY frame (RFC 9113 6.8)."""
    return h2_frame(H2_GOAWAY, 0, struct.pack(">II", last, error))


# Network layer: a segment becomes one IP packet or several


Network = Callable[[Segment], list[bytes]]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ip(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def tcp(segment: Segment) -> bytes:
    """The segment with its checksum."""
    options = segment.options + b"\x01" * (-len(segment.options) % 4)
    flags = 0
    for letter in segment.flags:
        flags |= FLAGS[letter]
    offset = 5 + len(options) // 4
    numbers = (segment.sender[1], segment.receiver[1], segment.seq % WRAP, segment.ack % WRAP)
    head = struct.pack(">HHIIBBHHH", *numbers, offset << 4, flags, segment.window, 0, 0) + options
    whole = head + segment.payload
    pseudo = _ip(segment.sender[0]) + _ip(segment.receiver[0])
    length = struct.pack(">HH", 6, len(whole) & 0xFFFF) if len(pseudo) == 8 else struct.pack(">II", len(whole), 6)
    return whole[:16] + struct.pack(">H", checksum(pseudo + length + whole)) + whole[18:]


class IPv4(NamedTuple):
    """What an IPv4 header can say besides the segment's own facts."""

    options: bytes = b""
    total_length: int | None = None
    """None says the true length; 0 is what segmentation offload leaves."""
    fragment: int = 0x4000
    """Flags and offset, as on the wire: 0x4000 is Don't Fragment."""


PLAIN_IPV4 = IPv4()


def ipv4(segment: Segment, body: bytes, header: IPv4 = PLAIN_IPV4) -> bytes:
    options = header.options + b"\x00" * (-len(header.options) % 4)
    size = 20 + len(options)
    length = header.total_length if header.total_length is not None else size + len(body)
    first = struct.pack(
        ">BBHHHBBH", 0x40 | size // 4, 0, length & 0xFFFF, segment.ip_id, header.fragment, segment.ttl, 6, 0
    )
    head = first + _ip(segment.sender[0]) + _ip(segment.receiver[0]) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


class IPv6(NamedTuple):
    """Extension headers before TCP: (kind, body without the next-header byte), and the payload length where it lies."""

    extensions: tuple[tuple[int, bytes], ...] = ()
    payload_length: int | None = None


PLAIN_IPV6 = IPv6()


def ipv6(segment: Segment, body: bytes, header: IPv6 = PLAIN_IPV6) -> bytes:
    kinds = [kind for kind, _ in header.extensions] + [6]
    chain = b"".join(bytes([kinds[place + 1]]) + rest for place, (_, rest) in enumerate(header.extensions))
    length = header.payload_length if header.payload_length is not None else len(chain) + len(body)
    head = struct.pack(">IHBB", 6 << 28, length, kinds[0], segment.ttl)
    return head + _ip(segment.sender[0]) + _ip(segment.receiver[0]) + chain + body


# Extension headers with padding inside: (kind, what follows the next-header byte).
HOP_BY_HOP = (0, b"\x00\x01\x04\x00\x00\x00\x00")
ROUTING = (43, b"\x00\xfd\x00\x00\x00\x00\x00")
DESTINATION = (60, b"\x01\x01\x0c" + b"\x00" * 12)


def whole(segment: Segment) -> list[bytes]:
    """One IP packet, of the version that the addresses say."""
    return [ipv6(segment, tcp(segment)) if ":" in segment.sender[0] else ipv4(segment, tcp(segment))]


def with_ipv4(header: IPv4) -> Network:
    return lambda segment: [ipv4(segment, tcp(segment), header)]


def with_ipv6(header: IPv6) -> Network:
    return lambda segment: [ipv6(segment, tcp(segment), header)]


def fragmented(size: int) -> Network:
    """Fragments of `size` bytes, a multiple of 8; a segment that fits stays whole."""

    def network(segment: Segment) -> list[bytes]:
        body = tcp(segment)
        if len(body) <= size:
            return whole(segment)
        pieces: list[bytes] = []
        for at in range(0, len(body), size):
            more = at + size < len(body)
            piece = body[at : at + size]
            if ":" in segment.sender[0]:
                field = struct.pack(">BHI", 0, at | more, segment.ip_id)
                pieces.append(ipv6(segment, piece, IPv6(((44, field),))))
            else:
                pieces.append(ipv4(segment, piece, IPv4(fragment=at // 8 | 0x2000 * more)))
        return pieces

    return network


# Link layer: bytes before an IP packet


class Link(NamedTuple):
    """A pcap LINKTYPE_ number, and what comes before (and after) an IP packet on such a link."""

    link_type: int
    frame: Callable[[bytes], bytes]


def _ethertype(ip: bytes) -> bytes:
    return b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00"


MACS = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"


def padded(ip: bytes) -> bytes:
    """An Ethernet frame with the padding that short frames get on the wire: 60 bytes at least."""
    frame = MACS + _ethertype(ip) + ip
    return frame + b"\x00" * (60 - len(frame))


def vlan(*tags: tuple[int, int]) -> Link:
    """Ethernet with tags: (ethertype, tag control information), outermost first."""
    return Link(1, lambda ip: MACS + b"".join(struct.pack(">HH", *tag) for tag in tags) + _ethertype(ip) + ip)


ETHERNET = Link(1, lambda ip: MACS + _ethertype(ip) + ip)
PADDED = Link(1, padded)
SLL = Link(113, lambda ip: struct.pack(">HHH8s", 0, 1, 6, b"\x02\x00\x00\x00\x00\x01\x00\x00") + _ethertype(ip) + ip)
SLL2 = Link(
    276, lambda ip: _ethertype(ip) + struct.pack(">HIHBB8s", 0, 2, 1, 0, 6, b"\x02\x00\x00\x00\x00\x01\x00\x00") + ip
)
NULL_LITTLE = Link(0, lambda ip: struct.pack("<I", 30 if ip[0] >> 4 == 6 else 2) + ip)
NULL_BIG = Link(0, lambda ip: struct.pack(">I", 24 if ip[0] >> 4 == 6 else 2) + ip)
LOOP = Link(108, lambda ip: struct.pack(">I", 28 if ip[0] >> 4 == 6 else 2) + ip)
RAW = Link(101, lambda ip: ip)
RAW_IPV4 = Link(228, lambda ip: ip)
RAW_IPV6 = Link(229, lambda ip: ip)
PPP = Link(9, lambda ip: b"\xff\x03" + (b"\x00\x57" if ip[0] >> 4 == 6 else b"\x00\x21") + ip)
CISCO_HDLC = Link(104, lambda ip: b"\x0f\x00" + _ethertype(ip) + ip)
LINKS = {
    "ethernet": ETHERNET,
    "padded ethernet": PADDED,
    "vlan": vlan((0x8100, 5)),
    "qinq": vlan((0x88A8, 7), (0x8100, 5)),
    "old qinq": vlan((0x9100, 7), (0x8100, 5)),
    "sll": SLL,
    "sll2": SLL2,
    "null little endian": NULL_LITTLE,
    "null big endian": NULL_BIG,
    "loop": LOOP,
    "raw": RAW,
    "raw ipv4": RAW_IPV4,
    "raw ipv6": RAW_IPV6,
    "ppp": PPP,
    "cisco hdlc": CISCO_HDLC,
}


def packets(segments: Iterable[Segment], link: Link | None = None, network: Network | None = None) -> list[Packet]:
    """The segments as a capture of that link sees them, in the order of the list."""
    link, network = link or ETHERNET, network or whole
    captured = []
    for segment in segments:
        for ip in network(segment):
            frame = link.frame(ip)
            captured.append(Packet(frame, segment.ts_ns, len(frame), link.link_type))
    return captured


def cut(captured: Iterable[Packet], snaplen: int) -> list[Packet]:
    """The same packets with no more than `snaplen` bytes of each."""
    return [packet._replace(data=packet.data[:snaplen]) for packet in captured]


def doubled(captured: Iterable[Packet], after_ns: int = 2_000) -> list[Packet]:
    """Each packet twice, as a capture on two points of one path sees it."""
    return [copy for packet in captured for copy in (packet, packet._replace(ts_ns=packet.ts_ns + after_ns))]


# Files


Order = Literal["<", ">"]


class PcapStyle(NamedTuple):
    order: Order = "<"
    nanoseconds: bool = False
    snaplen: int = 262144


MICROSECONDS = PcapStyle()


def pcap(captured: Sequence[Packet], style: PcapStyle = MICROSECONDS) -> bytes:
    """A pcap file; its link type is the first packet's, Ethernet where there is none."""
    magic = 0xA1B23C4D if style.nanoseconds else 0xA1B2C3D4
    unit = 1 if style.nanoseconds else 1000
    link_type = captured[0].link_type if captured else 1
    parts = [struct.pack(style.order + "IHHiIII", magic, 2, 4, 0, 0, style.snaplen, link_type)]
    for packet in captured:
        assert packet.link_type == link_type, "a pcap file has one link type"
        seconds, rest = divmod(packet.ts_ns, 1_000_000_000)
        parts.append(struct.pack(style.order + "IIII", seconds, rest // unit, len(packet.data), packet.wire_length))
        parts.append(packet.data)
    return b"".join(parts)


class Interface(NamedTuple):
    """One interface of a section.

    `resolution` is the option if_tsresol as on the wire: 6 is 10**-6 s, 0x80 | 20 is 2**-20 s.
    """

    link_type: int = 1
    snaplen: int = 0
    resolution: int | None = None
    offset_seconds: int = 0

    def ticks(self, ts_ns: int) -> int:
        """The time as this interface writes it, rounded to the nearest tick."""
        resolution = 6 if self.resolution is None else self.resolution
        per_second: int = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        since = ts_ns - self.offset_seconds * 1_000_000_000
        ticks: int = (since * per_second + 500_000_000) // 1_000_000_000
        return ticks


class Pcapng:
    """A pcapng file, block by block (draft-ietf-opsawg-pcapng)."""

    def __init__(self, order: Order = "<") -> None:
        self.order: Order = order
        self.parts: list[bytes] = []
        self.interfaces: list[Interface] = []
        self.section(order)

    def block(self, kind: int, body: bytes) -> None:
        body += b"\x00" * (-len(body) % 4)
        length = len(body) + 12
        self.parts.append(struct.pack(self.order + "II", kind, length) + body + struct.pack(self.order + "I", length))

    def option(self, code: int, value: bytes) -> bytes:
        return struct.pack(self.order + "HH", code, len(value)) + value + b"\x00" * (-len(value) % 4)

    def section(self, order: Order) -> None:
        """A new section: interfaces start anew, byte order may change."""
        self.order = order
        self.interfaces = []
        self.block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, interface: Interface) -> int:
        options = b""
        if interface.resolution is not None:
            options += self.option(9, bytes([interface.resolution]))
        if interface.offset_seconds:
            options += self.option(14, struct.pack(self.order + "q", interface.offset_seconds))
        if options:
            options += self.option(0, b"")
        self.block(1, struct.pack(self.order + "HHI", interface.link_type, 0, interface.snaplen) + options)
        self.interfaces.append(interface)
        return len(self.interfaces) - 1

    def packet(self, packet: Packet, number: int = 0, options: bytes = b"") -> None:
        """An Enhanced Packet Block."""
        ticks = self.interfaces[number].ticks(packet.ts_ns)
        head = struct.pack(
            self.order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(packet.data), packet.wire_length
        )
        self.block(6, head + packet.data + b"\x00" * (-len(packet.data) % 4 if options else 0) + options)

    def old_packet(self, packet: Packet, number: int = 0, dropped: int = 0xFFFF) -> None:
        """The obsolete Packet Block, which old files still hold."""
        ticks = self.interfaces[number].ticks(packet.ts_ns)
        times = (ticks >> 32, ticks & 0xFFFFFFFF)
        head = struct.pack(self.order + "HHIIII", number, dropped, *times, len(packet.data), packet.wire_length)
        self.block(2, head + packet.data)

    def simple(self, packet: Packet) -> None:
        """A Simple Packet Block: no time, the first interface."""
        self.block(3, struct.pack(self.order + "I", packet.wire_length) + packet.data)

    def statistics(self, received: int, dropped: int, number: int = 0) -> None:
        """An Interface Statistics Block with isb_ifrecv and isb_ifdrop."""
        options = self.option(4, struct.pack(self.order + "Q", received)) + self.option(
            5, struct.pack(self.order + "Q", dropped)
        )
        self.block(5, struct.pack(self.order + "III", number, 0, 0) + options + self.option(0, b""))

    def bytes(self) -> bytes:
        return b"".join(self.parts)


def pcapng(captured: Sequence[Packet], order: Order = "<", resolution: int | None = None) -> bytes:
    """A pcapng file of one section, with one interface for each link type that occurs."""
    file = Pcapng(order)
    numbers = {
        kind: file.interface(Interface(kind, 0, resolution))
        for kind in dict.fromkeys(packet.link_type for packet in captured)
    }
    for packet in captured:
        file.packet(packet, numbers[packet.link_type])
    return file.bytes()
