"""The short ways of the compiled engine against the long ones: what `read` takes behind one check, packet by packet
through `packet`, which knows no short way; a head that is compared with the last one, and one that is read."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from craft import START_NS, Conversation, Packet, PcapStyle, Segment, Side, cut, get, noise, ok, packets, pcap, retimed
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.wire import tables
from verifier.wire.engine import Engine
from verifier.wire.pcap import HEADER, PcapReader
from verifier.wire.tables import Ledger

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "captures")

settings.register_profile("usual", deadline=None, derandomize=True)
settings.load_profile("usual")

Written = tuple[dict[str, list[int]], dict[str, list[int]], list[tuple[str, int, int]], tuple[int, ...]]


def written(engine: Engine) -> Written:
    """All that the engine wrote down, words by their text."""
    ledger: Ledger = engine.finish()
    columns = [
        {name: list(column) for name, column in table.columns().items()}
        for table in (ledger.connections, ledger.exchanges)
    ]
    for name in ("method", "target", "host"):
        columns[1][name] = [ledger.words.text(number) for number in columns[1][name]]  # type: ignore[misc]
    counts = (engine.packets, engine.tcp_packets, engine.bytes, engine.first_ns, engine.last_ns)
    return columns[0], columns[1], ledger.notes.seen(), counts


def nobody(engine: Engine) -> None:
    """Keeps no engine."""


def by_file(captured: list[Packet], keep: Callable[[Engine], None] = nobody) -> Written:
    content = pcap(captured, PcapStyle(nanoseconds=True))
    engine = Engine()
    keep(engine)
    reader = PcapReader(content[:HEADER])
    reader.load(memoryview(content)[HEADER:], len(content) - HEADER)
    engine.read(reader)
    return written(engine)


def one_by_one(captured: list[Packet], keep: Callable[[Engine], None] = nobody) -> Written:
    engine = Engine()
    keep(engine)
    for packet in captured:
        engine.packet(packet.data, packet.ts_ns, packet.wire_length, packet.link_type)
    return written(engine)


def talks(scripts: list[list[tuple[int, int]]], closers: list[str]) -> list[Segment]:
    """Connections at once, some on the 4-tuple of one before them; bodies in pieces of some size."""
    segments: list[Segment] = []
    for number, script in enumerate(scripts):
        begin = START_NS + number % 3 * 700_000 + number // 3 * 60_000_000
        talk = Conversation(("10.0.0.1", 40000 + number % 3), isns=(1_000 + number * 7_000_000, 700_000), now=begin)
        talk.handshake()
        for turn, (body, size) in enumerate(script):
            talk.request(get(f"/{number}/{turn}"))
            if body % 5 == 0:
                talk.ack("server")
            data = ok(noise(body))
            for at in range(0, len(data), size):
                talk.say("server", "PA" if at + size >= len(data) else "A", data[at : at + size])
            talk.ack("client")
        closer = closers[number % len(closers)]
        if closer:
            talk.close("client" if closer == "client" else "server")
        segments += talk.segments
    return sorted(segments, key=lambda segment: segment.ts_ns)


scripts = st.lists(
    st.lists(st.tuples(st.integers(0, 300), st.integers(40, 400)), min_size=1, max_size=4), min_size=1, max_size=6
)


@settings(max_examples=300)
@given(
    scripts,
    st.lists(st.sampled_from(["client", "server", ""]), min_size=1, max_size=3),
    st.lists(st.integers(0, 3), min_size=1, max_size=9),
    st.lists(st.integers(0, 300), max_size=3),
    st.sampled_from([65535, 65535, 65535, 120, 66]),
)
def test_short_and_long_way(
    script: list[list[tuple[int, int]]], closers: list[str], delays: list[int], lost: list[int], snaplen: int
) -> None:
    """Whole, in disorder, with segments lost or there twice, and cut."""
    segments = talks(script, closers)
    gone = {place % len(segments) for place in lost}
    late = sorted(
        (place + delays[place % len(delays)] * (len(lost) > 1), place)
        for place in range(len(segments))
        if place not in gone
    )
    order = [place for _, place in late for _ in range(2 if place in lost[:1] else 1)]
    captured = cut(packets(retimed(segments[place] for place in order)), snaplen)
    assert by_file(captured) == one_by_one(captured)


def test_the_samples() -> None:
    """Time that goes back, options, VLAN tags, IPv6: with what the sample captures have."""
    for name in sorted(os.listdir(FOLDER)):
        if os.path.isdir(os.path.join(FOLDER, name)):
            continue
        with open(os.path.join(FOLDER, name), "rb") as file:
            content = file.read()
        if content[:4] != b"\xd4\xc3\xb2\xa1":
            continue
        link_type = int.from_bytes(content[20:24], "little")
        captured: list[Packet] = []
        at = HEADER
        while at + 16 <= len(content):
            seconds, fraction, size, length = (
                int.from_bytes(content[at + i : at + i + 4], "little") for i in (0, 4, 8, 12)
            )
            if at + 16 + size > len(content):
                break
            time = seconds * 1_000_000_000 + fraction * 1000
            captured.append(Packet(content[at + 16 : at + 16 + size], time, max(length, size), link_type))
            at += 16 + size
        assert by_file(captured) == one_by_one(captured), name


def test_a_tag_that_comes_and_goes() -> None:
    """Tagged at first, plain later, and the ports used anew: the same connections, of the same networks."""
    talk = Conversation()
    talk.handshake()
    tagged = [
        packet._replace(data=packet.data[:12] + b"\x81\x00\x00\x0a" + packet.data[12:]) for packet in talk.packets()
    ]
    for number in range(2):
        talk.exchange(number)
    again = Conversation(isns=(5_000_000, 90_000_000), now=talk.now + 10**9)
    again.handshake()
    again.exchange(0)
    again.close("client")
    captured = [*tagged, *talk.packets()[len(tagged) :], *again.packets()]
    engines: list[Engine] = []
    assert by_file(captured, engines.append) == one_by_one(captured, engines.append)
    one, other = (engine.ledger.connections for engine in engines)
    assert list(one.doubts) == list(other.doubts)
    assert list(one.networks or ()) == list(other.networks or ())


# Heads

targets = st.sampled_from(["/", "/a", "/a?b=c", "/with space", "/ ", " /", "*", "/" + "x" * 40, "http://h/"])
methods = st.sampled_from(["GET", "POST", "HEAD", "GETS"])
fields = st.sampled_from(
    ["Host: a\r\n", "Host: b\r\nConnection: close\r\n", "", "X: y\r\nHost:  a \r\n", "Host: aa\r\n"]
)
ends = st.sampled_from([" HTTP/1.1\r\n", " HTTP/1.0\r\n", "  HTTP/1.1\r\n", " HTTP/1.1\n"])
heads = st.builds(lambda *parts: "{} {}{}{}\r\n".format(*parts).encode(), methods, targets, ends, fields)
answers = st.builds(
    lambda status, field: f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n{field}\r\nok".encode(),
    st.sampled_from(["200 OK", "404 Not Found", "200"]),
    st.sampled_from(["", "Connection: close\r\n", "Connection: keep-alive\r\n", "Server: x\r\n"]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(heads, answers), min_size=1, max_size=6))
def test_heads_compared_and_read(pairs: list[tuple[bytes, bytes]]) -> None:
    """Each exchange on a connection of its own: the same in one engine, which remembers heads, as in one for each."""
    captures: list[list[Packet]] = []
    for number, (head, answer) in enumerate(pairs):
        talk = Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 60_000_000)
        talk.handshake()
        talk.request(head)
        talk.response(answer)
        captures.append(talk.packets())
    told = ("method", "target", "host", "status", "flags", "depth")
    together = by_file([packet for capture in captures for packet in capture])[1]
    apart = [by_file(capture)[1] for capture in captures]
    assert [together[name] for name in told] == [[row for each in apart for row in each[name]] for name in told]


LONG = "Cookie: " + "x" * 1100 + "\r\n"
"""With it a head is longer than one that is remembered."""


def sent(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[bytes]:
    """Bytes put together from some of these."""
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(
        lambda chosen: "".join(chosen).encode()
    )


of_clients = sent(
    st.sampled_from(["GET /a", "GET /b", "HEAD /a", "POST /a", "CONNECT a:1"]),
    " HTTP/1.1\r\nHost: a\r\n",
    st.sampled_from(["", "User-Agent: x\r\n", "User-Agent: y\r\n", "Connection: close\r\n", LONG]),
    st.sampled_from(["\r\n", "\r\n", "Content-Length: 2\r\n\r\nxy", "Content-Length: 2\r\n\r\n"]),
)
of_servers = sent(
    "HTTP/1.1 ",
    st.sampled_from(["200 OK", "200 OK", "204 No Content", "302 Found", "100 Continue", "101 Switching Protocols"]),
    "\r\n",
    st.sampled_from(["", "Connection: close\r\n", "Keep-Alive: timeout=5, max=9\r\n", "Keep-Alive: max=8\r\n"]),
    st.sampled_from(["", "Server: x\r\n", "Server: y\r\n", "Location: /a\r\n", "WWW-Authenticate: NTLM\r\n", LONG]),
    st.sampled_from(
        [
            "Content-Length: 2\r\n\r\nok",
            "Content-Length: 3\r\n\r\nyes",
            "Content-Length: 3\r\n\r\ny",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "\r\n",
        ]
    ),
)
HEAD_BYTES = 7
"""Of a head, that come before the rest of it."""


@settings(max_examples=600)
@given(
    st.tuples(of_clients, of_servers, of_clients, of_servers),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=16),
)
def test_heads_in_one_segment_and_in_two(
    messages: tuple[bytes, bytes, bytes, bytes], script: list[tuple[int, int, int]]
) -> None:
    """Two connections on which four messages come in any order, often a request and its response; now and then one is
    lost, or only begins. A head that is cut in two is never compared with the last one: what is written down is the
    same."""
    captures: list[list[Packet]] = []
    for pieces in (1, 2):
        dialogues = [Conversation(("10.0.0.1", 40000 + number)) for number in range(2)]
        for talk in dialogues:
            talk.handshake()
        captured = [packet for talk in dialogues for packet in talk.packets()]
        for number, choice, fate in script:
            talk = dialogues[number]
            before = len(talk.segments)
            for which in (choice & 2, choice | 1) if fate >= 5 else (choice,):
                side: Side = "server" if which % 2 else "client"
                message = messages[which][: HEAD_BYTES if fate == 1 else None]
                parts = [message] if pieces == 1 else [message[:HEAD_BYTES], message[HEAD_BYTES:]]
                for part in filter(None, parts):
                    talk.say(side, "PA", part)
            if fate == 0:
                before = len(talk.segments)
            talk.ack("client" if choice % 2 else "server")
            captured += packets(talk.segments[before:])
        captures.append(captured)
    whole, in_two = (by_file(capture) for capture in captures)
    exchanges = ("connection", "depth", "method", "target", "host", "status", "flags", "location")
    assert sorted(zip(*(whole[1][name] for name in exchanges), strict=True)) == sorted(
        zip(*(in_two[1][name] for name in exchanges), strict=True)
    )  # bytes that are missing are given up by the count of segments: the order may differ
    connections = ("requests", "responses", "flags", "agent", "software", "keep_timeout", "keep_max", "body_left")
    assert [whole[0][name] for name in connections] == [in_two[0][name] for name in connections]


def test_a_response_that_came_first_is_no_request_to_compare_with() -> None:
    """Before anybody has asked, either side may be the one that does. Found by fuzzing."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    captured: list[Packet] = []
    for number, message in enumerate((answer, b"x" + answer)):
        talk = Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 60_000_000)
        talk.handshake()
        talk.response(message)
        captured += talk.packets()
    connections, exchanges, _notes, _counts = by_file(captured)
    assert connections["requests"] == [0, 0]
    assert connections["responses"] == [1, 0]
    assert exchanges["connection"] == []


@pytest.mark.parametrize("bodies", [(b"", b"ok", b"hello"), (b"ok", b"ok", b"hello"), (b"ok", b"", b"")])
@pytest.mark.parametrize("long", ["of the client", "of the server", "of both"])
def test_a_head_too_long_to_be_remembered_is_none_to_compare_with(bodies: tuple[bytes, ...], long: str) -> None:
    """What comes behind it is read for what it is."""
    field = "X-Long: " + "y" * 1100
    of_client = [field] if long != "of the server" else []
    of_server = [field] if long != "of the client" else []
    talk = Conversation()
    talk.handshake()
    talk.request(get("/first"))
    talk.response(ok(bodies[0]))
    talk.request(get("/long", *of_client))
    talk.response(ok(bodies[0], *of_server))
    for number, body in enumerate(bodies[1:]):
        talk.request(get(f"/{number}"))
        talk.response(ok(body, "Connection: close"))
    connections, exchanges, notes, _counts = by_file(talk.packets())
    assert (connections["requests"], connections["responses"], connections["flags"]) == ([4], [4], [tables.SYN_SEEN])
    assert [str(target) for target in exchanges["target"]] == ["/first", "/long", "/0", "/1"]
    closing = tables.RESPONSE_DONE | tables.RESPONSE_CLOSE
    assert exchanges["flags"] == [tables.RESPONSE_DONE] * 2 + [closing] * 2
    assert notes == []


@pytest.mark.parametrize("heads", [(b"PRI /x HTTP/2.0", b"PRI * HTTP/2.0"), (b"ICY /x HTTP/1.1", b"ICY 200 HTTP/1.1")])
def test_a_target_that_makes_it_no_request(heads: tuple[bytes, bytes]) -> None:
    """HTTP/2's preface, and the response of a radio station, whatever was read before them."""
    captured: list[Packet] = []
    for number, head in enumerate(heads):
        talk = Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 60_000_000)
        talk.handshake()
        talk.request(head + b"\r\nHost: a\r\n\r\n")
        captured += talk.packets()
    assert by_file(captured)[0]["requests"] == [1, 0]


def test_a_handshake_behind_its_own_bytes_has_no_time() -> None:
    """The file has the SYN and its answers behind the request, with their own times: the clock is later by then."""
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    captured = talk.packets()
    connections = by_file([*captured[3:5], *captured[:3], *captured[5:]])[0]
    assert connections["requests"] == [1]
    assert connections["handshake_ns"] == [-1]


def test_what_is_handed_on_is_not_cut() -> None:
    """HTTP/2 with its preface and its first frame in one segment: all of it is there, whichever way it is taken."""
    talk = Conversation()
    talk.handshake()
    talk.request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    talk.response(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert by_file(talk.packets()) == one_by_one(talk.packets())
    assert by_file(talk.packets())[2] == []
