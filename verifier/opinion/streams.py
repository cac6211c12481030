"""What tshark saw, from the lines that it prints: streams with their handshakes, requests and responses.

tshark numbers streams, recognises HTTP and tells its messages apart; nothing of that is ours. The handshakes are worked
out here, from raw sequence numbers, because tshark has no count of them: SYN, SYN-ACK, and a segment that acknowledges
it.

TCP headers that another packet quotes (ICMP errors, sampled packets in sFlow) are no packets of their connection.
"""

from __future__ import annotations

from socket import AF_INET6, inet_ntop, inet_pton

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    End = tuple[str, int]

FIELDS = (
    "frame.number",
    "frame.cap_len",
    "frame.len",
    "frame.protocols",
    "tcp.stream",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.options.mptcp.subtype",
    "tcp.analysis.lost_segment",
    "tcp.analysis.ack_lost_segment",
    "tls.handshake.type",
    "http.response.code",
    "http2.headers.status",
    "http.request.method",
    "http2.headers.method",
)
"""What tshark is asked to print of each frame. Free text, which may hold the separator, comes last."""

_OF_SEGMENT = FIELDS.index("tcp.analysis.ack_lost_segment")
"""The last of the fields that are of a segment; behind it are those of what it carries."""

QUOTING = frozenset({"icmp", "icmpv6", "sflow", "cflow"})
"""Protocols, as frame.protocols names them, that quote the heads of other packets."""
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_JOIN = "1"
"""MP_JOIN, RFC 8684, 3.2."""
_CLIENT_HELLO = "1"
WRAP = 1 << 32
_MOST_IN_FLIGHT = 1 << 24
"""Bytes between two segments of a direction that a capture has after each other."""
_MOST_SYNS = 64
_MOST_SHAPES = 4096


class Message(NamedTuple):
    """A request or a response. tshark shows it in the frame in which it is whole."""

    frame: int
    word: str
    """The method, or the status code."""
    sender: End
    http: int
    """1 or 2."""


class Opening(NamedTuple):
    """A SYN or a SYN-ACK, or what else a stream begins with."""

    frame: int
    isn: int
    ack: int
    sender: End
    flags: int = _SYN
    length: int = 0
    """Of what it numbers beside itself: data (Fast Open), a FIN."""


class Stream:
    """One of tshark's streams."""

    __slots__ = (
        "above",
        "complete",
        "cut_frame",
        "ends",
        "first",
        "hello_frame",
        "join",
        "lost_frame",
        "reached",
        "requests",
        "responses",
        "syn_acks",
        "syns",
    )

    def __init__(self, first: Opening, ends: tuple[End, End]) -> None:
        self.first = first
        """Its first segment, be it a SYN or not."""
        self.ends = ends
        """Sorted: what both directions have in common."""
        self.reached: dict[End, int] = {}
        """The sequence number of the last segment of each side."""
        self.syns: list[Opening] = []
        self.syn_acks: list[Opening] = []
        self.complete = 0
        """The frame that completed the handshake, 0 where none did."""
        self.requests: list[Message] = []
        self.responses: list[Message] = []
        self.above: set[str] = set()
        """Protocols that tshark found on it, up to some."""
        self.hello_frame = 0
        self.cut_frame = 0
        """The first frame of which the capture has a part only; 0 where there is none."""
        self.lost_frame = 0
        """The first frame at which tshark misses segments before it, or acknowledged ones; 0 where there is none."""
        self.join = False
        """Whether it is a subflow of another connection (MP_JOIN)."""

    @property
    def first_frame(self) -> int:
        return self.first.frame

    @property
    def resets_at_once(self) -> bool:
        """Whether what opens it is a SYN and a reset in one."""
        return self.first.flags & (_SYN | _RST) == _SYN | _RST


class Seen(NamedTuple):
    """All that tshark saw of one file."""

    packets: int
    streams: dict[int, Stream]
    quoted: dict[int, int]
    """Streams that are in quotations alone, with the first frame of each."""

    def handshakes(self) -> int:
        return sum(stream.complete > 0 for stream in self.streams.values())

    def hellos(self) -> int:
        """Streams with a ClientHello."""
        return sum(stream.hello_frame > 0 for stream in self.streams.values())


class Shape(NamedTuple):
    """What frame.protocols tells of the last TCP layer of a frame; of the first one where others are `carried`."""

    version: int
    """Of the IP under it."""
    quoted: bool
    carried: bool
    """TCP inside of TCP: a protocol that carries packets as data (OpenFlow, RPCAP)."""
    above: frozenset[str]


def read(lines: Iterable[str]) -> Seen:
    """Takes tshark's lines, one a frame, `FIELDS` separated by tabs. Lines of another form are left out."""
    streams: dict[int, Stream] = {}
    quoted: dict[int, int] = {}
    shapes: dict[str, Shape] = {}
    packets = 0
    last_column = len(FIELDS) - 1
    for line in lines:
        cells = line.rstrip("\r\n").split("\t", last_column)
        if len(cells) <= last_column or not cells[0].isdecimal():
            continue
        packets += 1
        if not cells[4]:
            continue
        shape = shapes.get(cells[3])
        if shape is None:
            if len(shapes) >= _MOST_SHAPES:
                shapes.clear()
            shape = shapes[cells[3]] = shape_of(cells[3])
        numbers = [int(number) for number in cells[4].split(",") if number.isdecimal()]
        if not numbers:
            continue
        frame = int(cells[0])
        if shape.quoted:
            for number in numbers:
                if number not in streams:
                    quoted.setdefault(number, frame)
            continue
        if shape.carried:
            for number in numbers[1:]:
                if number not in streams:
                    quoted.setdefault(number, frame)
            numbers = numbers[:1]
            cells = [cell.partition(",")[0] for cell in cells[: _OF_SEGMENT + 1]] + [""] * (last_column - _OF_SEGMENT)
        for number, own in segments(numbers, cells):
            ends = ends_of(own, shape.version)
            quoted.pop(number, None)
            if number not in streams:
                streams[number] = Stream(_opening(frame, ends[0], own), (min(ends), max(ends)))
            take(streams[number], frame, ends, own, shape)
    return Seen(packets, dict(sorted(streams.items())), quoted)


def segments(numbers: list[int], cells: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Each segment of a frame, with the cells that are its own: an aggregate (802.11) has several. What they carry is
    given to the last one."""
    for place, number in enumerate(numbers[:-1]):
        parts = [cell.split(",") for cell in cells[: _OF_SEGMENT + 1]]
        own = [part[place] if len(part) == len(numbers) else part[-1] for part in parts]
        yield number, own + [""] * (len(cells) - len(own))
    yield numbers[-1], cells


def shape_of(protocols: str) -> Shape:
    names = protocols.split(":")
    place = names.index("tcp") if "tcp" in names else len(names)
    under = names[:place]
    carried = "tcp" in names[place + 1 :] and not ("wlan" in under and "llc" in names[place:])
    version = next((6 if name == "ipv6" else 4 for name in reversed(under) if name in ("ip", "ipv6")), 4)
    return Shape(version, not QUOTING.isdisjoint(under), carried, frozenset(names[place + 1 :]))


def ends_of(cells: list[str], version: int) -> tuple[End, End]:
    """Sender and receiver."""
    ips = [cells[7], cells[8]] if version == 6 else [cells[5], cells[6]]
    sender, receiver = (spelled(last(ip), version) for ip in ips)
    return (sender, whole(last(cells[9]))), (receiver, whole(last(cells[10])))


def spelled(ip: str, version: int) -> str:
    """An address as the report writes it: IPv6 as inet_ntop does."""
    if version == 4:
        return ip
    try:
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, ip))
    except OSError:
        return ip


def last(cell: str) -> str:
    return cell.rsplit(",", 1)[-1]


def whole(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        return 0


def _opening(frame: int, sender: End, cells: list[str]) -> Opening:
    flags = whole(last(cells[11]), 16)
    length = whole(last(cells[14])) + (flags & _FIN)
    return Opening(frame, whole(last(cells[12])), whole(last(cells[13])), sender, flags, length)


def answers(answer: Opening, syns: list[Opening]) -> bool:
    """Whether a SYN-ACK acknowledges one of the SYNs, and no more than what that numbers; or a SYN crosses another
    one."""
    if not answer.flags & _ACK:
        return any(syn.sender != answer.sender for syn in syns)
    return any(syn.sender != answer.sender and 0 < (answer.ack - syn.isn) % WRAP <= 1 + syn.length for syn in syns)


def continues(stream: Stream, before: Stream) -> bool:
    """Whether the first segment of a stream goes on with the numbers of the one before: with both where both are known,
    as far as a window reaches."""
    first = stream.first
    seen = [
        (first.isn if sender == first.sender else first.ack) - number
        for sender, number in before.reached.items()
        if sender == first.sender or first.ack
    ]
    return bool(seen) and all(min(step % WRAP, -step % WRAP) < _MOST_IN_FLIGHT for step in seen)


def take(stream: Stream, frame: int, ends: tuple[End, End], cells: list[str], shape: Shape) -> None:
    """Adds one frame to its stream."""
    sender = ends[0]
    stream.reached[sender] = whole(last(cells[12]))
    flags = whole(last(cells[11]), 16)
    if flags & _SYN:
        openings = stream.syn_acks if flags & _ACK else stream.syns
        if len(openings) < _MOST_SYNS and not flags & _RST:
            openings.append(_opening(frame, sender, cells))
        joins = last(cells[15]) == _JOIN
        stream.join = joins and (stream.join or not flags & _ACK)
    elif flags & _ACK and not flags & _RST and not stream.complete and stream.syns:
        ack = whole(last(cells[13]))
        if any(
            answer.sender != sender and 0 < (ack - answer.isn) % WRAP < WRAP // 2 and answers(answer, stream.syns)
            for answer in (*stream.syn_acks, *stream.syns)
        ):
            stream.complete = frame
    if shape.above and len(stream.above) < _MOST_SYNS:
        stream.above |= shape.above
    if not stream.cut_frame and cells[1] != cells[2]:
        stream.cut_frame = frame
    if not stream.lost_frame and (cells[16] or cells[17]):
        stream.lost_frame = frame
    if not stream.hello_frame and cells[18] and _CLIENT_HELLO in cells[18].split(","):
        stream.hello_frame = frame
    for cell, messages, http in (
        (cells[19], stream.responses, 1),
        (cells[20], stream.responses, 2),
        (cells[21], stream.requests, 1),
        (cells[22], stream.requests, 2),
    ):
        if cell:
            messages += [Message(frame, word, sender, http) for word in cell.split(",")]
