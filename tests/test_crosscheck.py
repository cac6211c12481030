"""`--cross-check`: tshark's counts beside ours, and the rule for each known way in which they differ."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tshark as judge
from conftest import CORPUS
from craft import (
    MPTCP_JOIN,
    START_NS,
    Conversation,
    Interface,
    Link,
    Packet,
    Pcapng,
    chunked,
    cut,
    get,
    ok,
    packets,
    pcap,
    request_head,
    response_head,
)
from jsonschema import Draft202012Validator

from verifier import app
from verifier.errors import VerifierError
from verifier.judge.model import Connection, Exchange
from verifier.judge.options import Expectations, Selection
from verifier.opinion import check
from verifier.opinion.model import Difference, Opinion, What
from verifier.report import schema
from verifier.report.json import dump
from verifier.report.opinion import section
from verifier.report.text import render
from verifier.spelling import Style

pytestmark = pytest.mark.skipif(not judge.installed(), reason=judge.ABSENT)

ETHERNET_HEAD = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0"
ROOT = Path(__file__).parent.parent
PLAIN = Style(120, color=False, unicode=False)


def opinion_on(folder: Path, *files: bytes, selection: Selection = Selection()) -> Opinion:
    paths = []
    for number, content in enumerate(files):
        path = folder / f"{number}.pcap"
        path.write_bytes(content)
        paths.append(str(path))
    opinion = app.cross_checked(paths, selection, Expectations()).opinion
    assert opinion is not None
    return opinion


def counts(opinion: Opinion) -> dict[str, tuple[int, int]]:
    return {str(each.what): (each.ours, each.theirs) for each in opinion.counts}


def rules_of(opinion: Opinion) -> set[tuple[str, str | None]]:
    return {(str(each.what), each.rule and each.rule.name) for each in opinion.differences}


def talk(port: int = 80, client_port: int = 40000) -> Conversation:
    talk = Conversation(client=("10.0.0.1", client_port), server=("10.0.0.2", port))
    talk.handshake()
    return talk


def closed() -> Conversation:
    conversation = talk()
    conversation.exchange(1)
    conversation.exchange(2)
    conversation.close("client")
    return conversation


def test_both_agree(tmp_path: Path) -> None:
    opinion = opinion_on(tmp_path, pcap(closed().packets()))
    assert counts(opinion) == {"connections": (1, 1), "handshakes": (1, 1), "requests": (2, 2), "responses": (2, 2)}
    assert opinion.agrees
    assert opinion.tool == "tshark"
    assert opinion.version[0].isdigit()
    assert (opinion.unexplained, opinion.differences, opinion.problems) == (0, (), ())


def udp(payload: bytes, port: int) -> bytes:
    datagram = struct.pack(">HHHH", 50000, port, 8 + len(payload), 0) + payload
    return ip(17, datagram)


def ip(protocol: int, body: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0)
    return ETHERNET_HEAD + head + b"\x0a\0\0\x09" + b"\x0a\0\0\x01" + body


def quoted(by: bytes) -> list[Packet]:
    """A conversation, and an ICMP error that quotes a packet of another one."""
    frame = ip(1, b"\x03\x01\0\0\0\0\0\0" + by)
    return [*closed().packets(), Packet(frame, START_NS + 10**10, len(frame), 1)]


def icmp() -> list[Packet]:
    other = Conversation(client=("10.0.0.1", 41000), server=("10.0.0.7", 80))
    other.syn()
    return quoted(other.packets()[0].data[14:])


def same_isn() -> list[Packet]:
    first = closed()
    second = Conversation(now=first.now + 10**9)
    second.handshake()
    second.exchange(1)
    return packets(first.segments + second.segments)


def late_syn() -> list[Packet]:
    every = closed().packets()
    return [*every[3:], *every[:3]]


def answer_alone() -> list[Packet]:
    first = closed()
    second = Conversation(isns=(50_000, 60_000), now=first.now + 10**9)
    second.handshake()
    second.request(get("/1"))
    return packets(first.segments + second.segments[1:])


def tried_again() -> list[Packet]:
    refused = Conversation()
    for _ in range(3):
        refused.syn()
        refused.reset("server")
        refused.ends["client"].next -= 1
    return refused.packets()


def answered_again() -> list[Packet]:
    """Two servers answer, or a middlebox does, and the client goes on with the second."""
    asked = Conversation()
    asked.syn()
    asked.synack()
    asked.ends["server"].next = 900_000
    asked.say("server", "SA")
    asked.ack("client")
    asked.exchange(1)
    return asked.packets()


def piece() -> list[Packet]:
    """The first piece of a datagram, not all of it captured; of the others nothing is there."""
    asked = talk()
    asked.request(get("/", "X: " + "x" * 200))
    (packet,) = cut(packets([asked.segments[3]]), 150)
    data = bytearray(packet.data)
    data[20] |= 0x20
    return [packet._replace(data=bytes(data))]


def subflow() -> list[Packet]:
    joining = Conversation(client=("10.0.0.1", 41000))
    joining.syn(options=MPTCP_JOIN)
    joining.synack(MPTCP_JOIN)
    joining.ack("client")
    return packets(closed().segments + joining.segments)


def both_sides() -> list[Packet]:
    near = Conversation(isns=(0x12345678, 0x9ABCDEF0))
    near.handshake()
    near.exchange(1)
    near.close("client")
    far = [
        segment._replace(sender=("198.51.100.1", 47000), ts_ns=segment.ts_ns + 1000)
        if segment.sender[0] == "10.0.0.1"
        else segment._replace(receiver=("198.51.100.1", 47000), ts_ns=segment.ts_ns - 1000)
        for segment in near.segments
    ]
    return packets(sorted(near.segments + far, key=lambda segment: segment.ts_ns))


def interim() -> list[Packet]:
    posted = talk()
    posted.request(request_head("POST", "/up", "Content-Length: 5", "Expect: 100-continue"))
    posted.response(response_head("100 Continue"))
    posted.request(b"12345")
    posted.response(ok())
    return posted.packets()


def tunnel() -> list[Packet]:
    through = talk(3128)
    through.request(request_head("CONNECT", "a.example:80"))
    through.response(response_head("200 Connection established"))
    through.exchange(1)
    return through.packets()


def method() -> list[Packet]:
    asked = talk()
    asked.request(request_head("PURGE", "/1"))
    asked.response(ok())
    return asked.packets()


def no_version() -> list[Packet]:
    asked = talk()
    asked.request(b"GET /\r\nHost: a.example\r\n\r\n")
    return asked.packets()


def both_ask() -> list[Packet]:
    asked = talk()
    asked.exchange(1)
    asked.response(get("/of-the-server"))
    return asked.packets()


def no_length() -> list[Packet]:
    asked = talk()
    asked.request(get("/1"))
    asked.response(response_head("200 OK", "Content-Length: +2") + b"ok")
    asked.exchange(2)
    return asked.packets()


def sip() -> list[Packet]:
    asked = talk(5060)
    asked.exchange(1)
    return asked.packets()


def disordered() -> list[Packet]:
    asked = talk()
    head = get("/1")
    first, second = asked.send("client", head, len(head) // 2 + 1)
    asked.segments[-2:] = [second._replace(ts_ns=first.ts_ns), first._replace(ts_ns=second.ts_ns)]
    asked.ack("server")
    asked.response(ok())
    asked.exchange(2)
    return asked.packets()


def endless() -> list[Packet]:
    asked = talk()
    asked.request(get("/1"))
    asked.response(response_head("200 OK", "Content-Length: 5000") + b"x" * 100)
    return asked.packets()


def unasked() -> list[Packet]:
    asked = talk()
    asked.exchange(1)
    asked.response(ok())
    return asked.packets()


def http2() -> list[Packet]:
    asked = talk()
    settings = bytes.fromhex("000000040000000000")
    asked.request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + bytes.fromhex("0000050105000000018287848641"))
    asked.response(settings + bytes.fromhex("0000010105000000018" + "8"))
    return asked.packets()


def head_pipelined() -> list[Packet]:
    asked = talk()
    asked.request(request_head("HEAD", "/1") + get("/2"))
    asked.response(response_head("200 OK", "Content-Length: 4000") + ok())
    return asked.packets()


def carried() -> list[Packet]:
    """A switch sends its controller packets that it has no rule for (OpenFlow 1.0)."""
    switch = Conversation(("10.1.1.1", 50000), ("10.1.1.2", 6633))
    switch.handshake()
    for packet in closed().packets()[:5]:
        size = len(packet.data)
        switch.request(struct.pack(">BBHIIHHBB", 1, 10, 18 + size, 7, 0xFFFFFFFF, size, 1, 0, 0) + packet.data)
    return switch.packets()


def reset_by_a_syn() -> list[Packet]:
    """What no TCP sends: a SYN with another number that resets, too, inside of a connection."""
    asked = talk()
    asked.exchange(1)
    stray = Conversation(isns=(1_000_000, 60_000), now=asked.now)
    stray.say("client", "SR")
    return packets(asked.segments + stray.segments)


RULES = {
    "same-isn": (same_isn, {"connections", "handshakes", "requests", "responses"}),
    "syn-after-data": (late_syn, {"connections"}),
    "syn-not-captured": (answer_alone, {"connections"}),
    "tried-again": (tried_again, {"connections"}),
    "answered-again": (answered_again, {"connections", "handshakes"}),
    "datagram-in-pieces": (piece, {"connections", "requests"}),
    "quoted-headers": (icmp, {"connections"}),
    "syn-and-rst": (reset_by_a_syn, {"connections"}),
    "mptcp-subflow": (subflow, {"handshakes"}),
    "address-translated": (both_sides, {"connections", "handshakes", "requests", "responses"}),
    "interim-responses": (interim, {"responses"}),
    "connect-tunnel": (tunnel, {"requests", "responses"}),
    "method-unknown": (method, {"requests"}),
    "start-line": (no_version, {"requests"}),
    "other-role": (both_ask, {"requests"}),
    "bad-framing": (no_length, {"responses"}),
    "another-dissector": (sip, {"requests", "responses"}),
    "out-of-order": (disordered, {"requests"}),
    "unfinished-body": (endless, {"responses"}),
    "response-without-request": (unasked, {"responses"}),
    "http2": (http2, {"requests", "responses"}),
    "dissector-missed": (head_pipelined, {"responses"}),
}
OF_SOME_VERSIONS = frozenset(
    ("same-isn", "syn-after-data", "syn-not-captured", "connect-tunnel", "tried-again", "answered-again")
)
"""Rules for what tshark 4.0.17 counts otherwise and 4.6.9 does not, or the other way round."""


@pytest.mark.parametrize("first", [0, 3])
def test_packets_that_a_connection_carries(tmp_path: Path, first: int) -> None:
    opinion = opinion_on(tmp_path, pcap(carried()[first:]))
    assert rules_of(opinion) == {("connections", "quoted-headers")}
    assert counts(opinion)["requests"] == (0, 0)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (get("http://b.example/"), ok()),
        (
            request_head("CONNECT", "a.example:80"),
            response_head("407 Proxy Authentication Required", "Content-Length: 4") + b"auth",
        ),
    ],
    ids=["plain", "refused"],
)
def test_a_tunnel_behind_something_else(tmp_path: Path, asked: bytes, answer: bytes) -> None:
    through = talk(3128)
    through.request(asked)
    through.response(answer)
    through.request(request_head("CONNECT", "a.example:80"))
    through.response(response_head("200 Connection established"))
    through.exchange(1)
    through.exchange(2)
    opinion = opinion_on(tmp_path, pcap(through.packets()))
    assert {rule for _, rule in rules_of(opinion)} <= {"connect-tunnel"}
    assert counts(opinion)["requests"][0] == 4


def test_a_response_that_nobody_asked_for_and_a_request_that_nobody_answered(tmp_path: Path) -> None:
    asked = talk()
    asked.exchange(1)
    asked.response(ok())
    asked.request(get("/2"))
    opinion = opinion_on(tmp_path, pcap(asked.packets()))
    assert counts(opinion)["responses"] == (1, 2)
    assert rules_of(opinion) == {("responses", "response-without-request")}


def test_a_response_behind_one_that_ends_with_the_connection(tmp_path: Path) -> None:
    asked = talk()
    asked.request(get("/1"))
    asked.response(response_head("200 OK", "Transfer-Encoding: chunked, gzip") + chunked(b"one"))
    asked.exchange(2)
    opinion = opinion_on(tmp_path, pcap(asked.packets()))
    assert rules_of(opinion) == {("responses", "bad-framing")}


def test_a_syn_behind_acknowledgements(tmp_path: Path) -> None:
    every = closed().packets()
    opinion = opinion_on(tmp_path, pcap([every[4], every[2], every[0], every[1], every[3], *every[5:]]))
    assert counts(opinion)["connections"] == (1, 2)
    assert {rule for _, rule in rules_of(opinion)} == {"syn-after-data"}


def test_a_syn_behind_its_answer(tmp_path: Path) -> None:
    every = closed().packets()
    opinion = opinion_on(tmp_path, pcap([every[4], every[2], every[1], every[0], *every[3:4], *every[5:]]))
    assert opinion.agrees or {rule for _, rule in rules_of(opinion)} == {"syn-after-data"}


@pytest.mark.parametrize(
    ("in_syn", "acknowledged", "handshakes"),
    [(b"", 0, 1), (b"", 7, 0), (get("/1"), 0, 1), (b"1234", 4, 1), (b"", -1, 0)],
)
def test_what_a_syn_ack_may_acknowledge(tmp_path: Path, in_syn: bytes, acknowledged: int, handshakes: int) -> None:
    """The SYN, and data that it had: with another number it is no answer, in both counts."""
    opened = Conversation()
    opened.syn(in_syn)
    opened.say("server", "SA", ack=1001 + acknowledged)
    opened.ack("client")
    opinion = opinion_on(tmp_path, pcap(opened.packets()))
    assert counts(opinion)["handshakes"] == (handshakes, handshakes)
    assert not {rule for _, rule in rules_of(opinion)} - {"syn-not-captured"}


def test_an_answer_that_resets(tmp_path: Path) -> None:
    opened = Conversation()
    opened.syn()
    opened.say("server", "SAR")
    opened.ack("client")
    assert counts(opinion_on(tmp_path, pcap(opened.packets())))["handshakes"] == (0, 0)


def test_a_simultaneous_open(tmp_path: Path) -> None:
    opened = Conversation()
    opened.syn()
    opened.say("server", "S")
    for side in ("client", "server"):
        opened.ends[side].next -= 1  # the SYN again (RFC 9293, figure 7)
        opened.say(side, "SA")
    opened.ack("client")
    opened.ack("server")
    opinion = opinion_on(tmp_path, pcap(opened.packets()))
    assert counts(opinion)["handshakes"] == (1, 1)
    assert opinion.agrees


def test_a_syn_behind_packets_of_its_connection_and_another_connection_behind_it(tmp_path: Path) -> None:
    """As many streams as connections, and they don't fit: tshark's first one has no SYN, its second has both."""
    first = closed()
    second = Conversation(isns=(50_000_000, 60_000_000), now=first.now + 10**9)
    second.handshake()
    second.exchange(1)
    every = packets(first.segments + second.segments)
    syn = every.pop(0)
    every.insert(6, syn._replace(ts_ns=every[5].ts_ns))
    opinion = opinion_on(tmp_path, pcap(every))
    assert counts(opinion)["connections"][0] == 2
    assert {rule for _, rule in rules_of(opinion)} <= {"syn-after-data"}


@pytest.mark.parametrize("name", RULES)
def test_each_rule(name: str, tmp_path: Path) -> None:
    make, what = RULES[name]
    opinion = opinion_on(tmp_path, pcap(make()))
    if opinion.agrees and name in OF_SOME_VERSIONS:
        return
    assert rules_of(opinion) == {(each, name) for each in what}
    assert not opinion.agrees
    assert opinion.unexplained == 0
    last = len(make())
    for difference in opinion.differences:
        assert difference.frames
        assert all(1 <= frame <= last for frame in difference.frames)
        assert difference.rule is not None
        assert difference.rule.reference


def test_a_header_that_stops_tshark(tmp_path: Path) -> None:
    """SLIP has no dissector in tshark: it sees frames, and no TCP in them."""
    slip = Link(8, lambda ip: b"\x00\x45" + bytes(14) + ip)
    opinion = opinion_on(tmp_path, pcap(closed().packets(slip)))
    assert {rule for _, rule in rules_of(opinion)} == {"below-tcp"}
    assert [each.frames for each in opinion.differences if each.what == "connections"] == [(1,)]
    assert not opinion.unexplained


@pytest.mark.parametrize("offset", [0, 0x40, 0xF0])
def test_heads_with_a_fault(tmp_path: Path, offset: int) -> None:
    """An offset below five words, or behind the packet's end."""
    (packet,) = packets([talk().syn()])
    data = bytearray(packet.data)
    data[46] = offset
    opinion = opinion_on(tmp_path, pcap([packet._replace(data=bytes(data))]))
    assert rules_of(opinion) == {("connections", "bad-heads")}
    assert opinion.differences[0].frames == (1,)


def test_a_header_that_stops_tshark_in_some_frames(tmp_path: Path) -> None:
    """Ethernet in MPLS behind a control word: tshark guesses by the addresses whether there is one, here of the
    SYN-ACK's frame wrongly."""

    def in_mpls(packet: Packet, ends: bytes) -> Packet:
        data = ETHERNET_HEAD[:12] + b"\x88\x47\0\1\x01\x40" + bytes(4) + ends + packet.data[12:]
        return packet._replace(data=data, wire_length=len(data))

    known, unknown = bytes.fromhex("080027bc2fa1525400123502"), bytes.fromhex("525400123502080027bc2fa1")
    every = closed().packets()
    captured = [in_mpls(packet, unknown if packet is every[1] else known) for packet in every]
    opinion = opinion_on(tmp_path, pcap(captured))
    assert {what: mine for what, (mine, _) in counts(opinion).items()} == {
        "connections": 1, "handshakes": 1, "requests": 2, "responses": 2,
    }  # fmt: skip
    assert opinion.agrees or rules_of(opinion) == {("handshakes", "below-tcp")}


def test_an_ip_head_of_another_version(tmp_path: Path) -> None:
    """Loopback of an address family that does not exist: tshark takes it for IPv4's number, calls the IPv6 behind it
    bogus, and reads on."""
    asked = Conversation(("2001:db8::1", 40000), ("2001:db8::2", 80))
    asked.handshake()
    bogus = Link(0, lambda ip: b"\x18\0\x08\0" + ip)
    opinion = opinion_on(tmp_path, pcap(asked.packets(bogus)))
    assert counts(opinion)["connections"] == (0, 1)
    assert {rule for _, rule in rules_of(opinion)} == {"bad-heads"}


def test_heads_with_a_fault_in_a_file_that_is_cut_short(tmp_path: Path) -> None:
    """tshark says so and ends with an error, and what it printed holds."""
    (packet,) = packets([Conversation(client=("10.0.0.1", 41000)).syn()])
    data = bytearray(packet.data)
    data[46] = 0
    content = pcap([packet._replace(data=bytes(data)), *closed().packets()])
    assert rules_of(opinion_on(tmp_path, content[:-5])) == {("connections", "bad-heads")}


def with_options_behind_the_end(packet: Packet) -> Packet:
    """Its head would be longer than what there is."""
    data = bytearray(packet.data)
    data[46] = 0xF0
    return packet._replace(data=bytes(data))


def test_a_head_with_a_fault_opens_a_stream_of_a_connection_that_is_there(tmp_path: Path) -> None:
    """Good segments go on in that stream: what matters is what opens it."""
    talked = closed()
    every = talked.packets()
    (syn,) = packets([Conversation(isns=(1_000_000, 60_000), now=START_NS).syn()])
    every.insert(5, with_options_behind_the_end(syn)._replace(ts_ns=every[4].ts_ns))
    opinion = opinion_on(tmp_path, pcap(every))
    assert counts(opinion)["connections"] == (1, 2)
    assert {rule for _, rule in rules_of(opinion)} == {"bad-heads"}


def test_a_sound_head_opens_another_connection(tmp_path: Path) -> None:
    """The same, and no fault: both count two."""
    every = closed().packets()
    (syn,) = packets([Conversation(isns=(1_000_000, 60_000), now=START_NS).syn()])
    every.insert(5, syn._replace(ts_ns=every[4].ts_ns))
    assert counts(opinion_on(tmp_path, pcap(every)))["connections"] == (2, 2)


def test_the_syn_of_a_handshake_has_a_fault(tmp_path: Path) -> None:
    syn, *others = talk().packets()
    opinion = opinion_on(tmp_path, pcap([with_options_behind_the_end(syn), *others]))
    assert counts(opinion)["handshakes"] == (0, 1)
    assert rules_of(opinion) == {("handshakes", "bad-heads")}


def remote_desktop() -> Conversation:
    """VNC, on a port that tshark knows nothing of: recognised by its first words, and these open a conversation."""
    desktop = talk(6900)
    desktop.response(b"RFB 003.008\n")
    desktop.request(b"RFB 003.008\n")
    desktop.response(b"\x01\x01")
    desktop.request(b"\x01")
    return desktop


def test_a_dissector_begins_a_stream_inside_a_connection(tmp_path: Path) -> None:
    desktop = remote_desktop()
    desktop.close("client")
    opinion = opinion_on(tmp_path, pcap(desktop.packets()))
    assert counts(opinion) == {"connections": (1, 2), "handshakes": (1, 1), "requests": (0, 0), "responses": (0, 0)}
    assert rules_of(opinion) == {("connections", "conversation-of-a-dissector")}
    assert opinion.unexplained == 0


def test_what_a_dissector_begins_beside_what_a_syn_begins(tmp_path: Path) -> None:
    """Ports that are used again: each connection is one, whatever the dissector does."""
    first = remote_desktop()
    first.close("client")
    second = Conversation(server=("10.0.0.2", 6900), isns=(3_000_000, 9_000_000), now=first.now + 10**9)
    second.handshake()
    second.exchange(1)
    opinion = opinion_on(tmp_path, pcap(packets(first.segments + second.segments)))
    assert counts(opinion)["connections"] == (2, 3)
    assert rules_of(opinion) == {("connections", "conversation-of-a-dissector")}


def test_what_goes_on_elsewhere_is_no_doing_of_a_dissector(tmp_path: Path) -> None:
    """Our report on one connection, tshark's on two with other numbers: nothing explains that."""
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(remote_desktop().packets()))
    report = app.analyze([str(path)], Selection(), Expectations())
    other = Conversation(server=("10.0.0.2", 6900), isns=(3_000_000_000, 9_000_000), now=START_NS)
    other.handshake()
    other.exchange(1)
    other.exchange(2)
    mixed = remote_desktop().packets()[:3] + other.packets()
    path.write_bytes(pcap(mixed[: report.totals.packets]))
    opinion = check.second_opinion(judge.program(), [report])
    assert counts(opinion)["connections"] == (1, 2)
    assert opinion.unexplained > 0


def test_cut_heads(tmp_path: Path) -> None:
    """Of a head that ends behind its flags we count the connection; tshark 4.0 makes no stream of it."""
    asked = Conversation(("2001:db8::1", 40000), ("2001:db8::2", 80))
    asked.handshake()
    opinion = opinion_on(tmp_path, pcap(cut(asked.packets(), 68)))
    assert opinion.agrees or {rule for _, rule in rules_of(opinion)} == {"cut-headers"}


def test_a_connection_is_named_where_there_is_one(tmp_path: Path) -> None:
    captured = packets(closed().segments + talk(client_port=41000).segments) + method()[3:]
    other = Conversation(client=("10.0.0.1", 42000), now=START_NS + 10**10)
    other.handshake()
    other.request(request_head("PURGE", "/1"))
    opinion = opinion_on(tmp_path, pcap(captured + other.packets()))
    (difference,) = [each for each in opinion.differences if each.what is What.REQUESTS and each.connection == 2]
    assert difference.frames == (len(captured) + 4,)
    assert "10.0.0.1:42000 to 10.0.0.2:80: 1 here, 0 in tshark" in difference.text


def test_cut_packets(tmp_path: Path) -> None:
    """Of the requests only the beginning is there: whatever tshark makes of it, the snaplen is why."""
    asked = talk()
    for number in range(3):
        asked.request(get(f"/{number}", "X: " + "x" * 200))
        asked.response(ok())
    opinion = opinion_on(tmp_path, pcap(cut(asked.packets(), 150)))
    assert opinion.unexplained == 0
    assert {name for _, name in rules_of(opinion)} <= {"cut-packets", "response-without-request"}


def test_each_file_alone(tmp_path: Path) -> None:
    """A connection that goes on in the next file is one in the report; the opinion is on each file for itself."""
    every = closed().packets()
    later = [packet._replace(ts_ns=packet.ts_ns + 10**11) for packet in method()]
    opinion = opinion_on(tmp_path, pcap(every[:7]), pcap(every[7:]), pcap(later))
    assert opinion.files == 3
    assert counts(opinion)["connections"] == (3, 3)
    assert [(each.connection, each.source) for each in opinion.differences] == [(None, 2)]


def test_all_connections_whatever_is_selected(tmp_path: Path) -> None:
    captured = packets(closed().segments + talk(8080).segments)
    opinion = opinion_on(tmp_path, pcap(captured), selection=Selection(ports=(8080,)))
    assert counts(opinion)["connections"] == (2, 2)
    assert opinion.agrees


def test_nothing_explains_it(tmp_path: Path) -> None:
    """Our report on one file beside tshark's on another: what no rule covers is flagged, and said first."""
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(closed().packets()))
    report = app.analyze([str(path)], Selection(), Expectations())
    path.write_bytes(pcap([*talk(client_port=41000).packets(), *icmp()[-1:] * (report.totals.packets - 3)]))
    opinion = check.second_opinion(judge.program(), [report])
    assert opinion.unexplained > 0
    text = render(report._replace(opinion=opinion), PLAIN, 0)
    assert "that nothing explains" in text
    assert "connections, nothing explains it (frame 1): " in text


class _Doctored:
    """Details with a mistake in them."""

    def __init__(self, connections: list[Connection], exchanges: list[Exchange]) -> None:
        self._connections = connections
        self._exchanges = exchanges

    def connections(self) -> Iterator[Connection]:
        return iter(self._connections)

    def connection(self, number: int) -> Connection:
        return next(each for each in self._connections if each.id == number)

    def exchanges(self) -> Iterator[Exchange]:
        return iter(self._exchanges)


def beside(path: Path, ours: list[Packet], theirs: list[Packet]) -> Opinion:
    """tshark's opinion on one capture beside our report on another, of as many packets: as if we were wrong."""
    assert len(ours) == len(theirs)
    path.write_bytes(pcap(ours))
    report = app.analyze([str(path)], Selection(), Expectations())
    path.write_bytes(pcap(theirs))
    return check.second_opinion(judge.program(), [report])


def test_a_request_that_we_count_twice_is_no_doing_of_tshark(tmp_path: Path) -> None:
    """Its first words are in plain sight, and once only."""
    twice, once = talk(), talk()
    twice.request(get("/1") * 2)
    once.request(get("/1", "X: " + "x" * (len(get("/1")) - 5)))
    opinion = beside(tmp_path / "one.pcap", twice.packets(), once.packets())
    assert rules_of(opinion) == {("requests", None)}


def test_a_request_that_we_miss_is_not_explained_by_a_body_without_an_end(tmp_path: Path) -> None:
    """tshark shows a request less when it doesn't wait for bodies, and that is no reason for us."""
    path = tmp_path / "one.pcap"
    path.write_bytes((ROOT / "captures" / "framing.pcap").read_bytes())
    report = app.analyze([str(path)], Selection(), Expectations())
    opinion = check.second_opinion(judge.program(), [report])
    assert not [each for each in opinion.differences if each.what is What.REQUESTS]
    first, *others = report.details.exchanges()
    connections = [
        each._replace(requests=each.requests - (each.id == first.connection)) for each in report.details.connections()
    ]
    opinion = check.second_opinion(judge.program(), [report._replace(details=_Doctored(connections, others))])
    (difference,) = [each for each in opinion.differences if each.what is What.REQUESTS]
    assert difference.rule is None


def test_a_connection_that_we_lose_is_not_explained_by_options_that_are_cut(tmp_path: Path) -> None:
    known, other = talk().packets(), talk(client_port=40001).packets()
    opinion = beside(tmp_path / "one.pcap", cut(known + known, 54), cut(known + other, 54))
    assert rules_of(opinion) == {("connections", None), ("handshakes", None)}


def test_it_never_changes_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(same_isn()))
    alone = app.analyze([str(path)], Selection(), Expectations())
    checked = app.cross_checked([str(path)], Selection(), Expectations())
    assert checked._replace(opinion=None, details=alone.details) == alone


def test_in_the_json(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(interim()))
    pieces: list[str] = []
    dump(app.cross_checked([str(path)], Selection(), Expectations()), "summary", pieces.append)
    report = json.loads("".join(pieces))
    Draft202012Validator(json.loads(schema.text())).validate(report)
    checked = report["cross_check"]
    assert checked["counts"]["responses"] == {"ours": 1, "theirs": 2}
    assert (checked["tool"], checked["agrees"], checked["unexplained"]) == ("tshark", False, 0)
    (difference,) = checked["differences"]
    assert (difference["rule"], difference["reference"]) == ("interim-responses", "RFC 9110, 15.2")
    assert (difference["connection"], difference["frames"]) == (0, [6])


def test_in_the_text(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(interim()))
    text = render(app.cross_checked([str(path)], Selection(), Expectations()), PLAIN, 0)
    assert "Second opinion, tshark " in text
    assert ": every difference has its rule" in text
    assert "- responses -1, interim-responses (frame 6): tshark counts 1xx responses" in text


def test_the_json_has_no_such_field_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(interim()))
    pieces: list[str] = []
    dump(app.analyze([str(path)], Selection(), Expectations()), "summary", pieces.append)
    assert "cross_check" not in json.loads("".join(pieces))


def test_a_file_that_tshark_cannot_read(tmp_path: Path) -> None:
    """A packet of a link type that this tshark refuses is still counted by us, if at all; the opinion says why there is
    none."""
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(closed().packets()))
    report = app.analyze([str(path)], Selection(), Expectations())
    path.write_bytes(b"no capture at all")
    opinion = check.second_opinion(judge.program(), [report])
    assert counts(opinion)["connections"] == (0, 0)
    assert not opinion.agrees
    (problem,) = opinion.problems
    assert problem.startswith(f"{path}: tshark can't read it: ")
    assert problem in " ".join(render(report._replace(opinion=opinion), PLAIN._replace(width=9999), 0).split())


def test_frames_are_told_in_their_order() -> None:
    more = Difference(What.REQUESTS, 2, 1, 0, (9, 4), None, "one more")
    opinion = Opinion("tshark", "4.0", (), (more, more._replace(frames=(7, 4))), 0, (), 1)
    assert "(frames 4, 7, 9)" in "\n".join(section(opinion, PLAIN))


def test_users_preferences_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wireshark"
    folder.mkdir()
    (folder / "preferences").write_text("tcp.desegment_tcp_streams: FALSE\nhttp.desegment_headers: FALSE\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    asked = talk()
    asked.send("client", get("/1"), 5)
    asked.ack("server")
    asked.response(ok())
    assert opinion_on(tmp_path, pcap(asked.packets())).agrees


@pytest.mark.parametrize("name", sorted(os.listdir(CORPUS)) if os.path.isdir(CORPUS) else ())
def test_captures_by_others(name: str) -> None:
    """Whatever tshark counts otherwise has its rule."""
    path = os.path.join(CORPUS, name)
    try:
        report = app.analyze([path], Selection(), Expectations())
    except VerifierError:
        return
    opinion = check.second_opinion(judge.program(), [report])
    assert [each for each in opinion.differences if each.rule is None] == []
    assert not opinion.problems


# -- the command line


def run(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verifier", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__))), **environment},
    )


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap(closed().packets()))
    return str(path)


def test_the_command(capture: str) -> None:
    done = run("analyze", capture, "--cross-check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Second opinion, tshark" in done.stdout
    assert "agrees" in done.stdout


def test_without_tshark(capture: str, tmp_path: Path) -> None:
    done = run("analyze", capture, "--cross-check", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("verify: --cross-check needs tshark, which is not installed; ")
    assert done.stderr.count("\n") == 1


def test_without_pyshark(capture: str, tmp_path: Path) -> None:
    (tmp_path / "pyshark.py").write_text("raise ImportError('No module named pyshark')\n")
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = run("analyze", capture, "--cross-check", PYTHONPATH=f"{tmp_path}{os.pathsep}{here}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("-m pip install 'pyshark>=0.6,<0.7'\n")
    assert done.stderr.count("\n") == 1


def test_a_config_of_somebody_else(capture: str, tmp_path: Path) -> None:
    """pyshark reads any config.ini of the current folder."""
    (tmp_path / "config.ini").write_text("[database]\nhost = x\n")
    done = run("analyze", capture, "--cross-check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "verify: pyshark reads ./config.ini: No section: 'tshark'; run this in another folder\n"


def test_standard_input_cannot_be_read_twice() -> None:
    done = run("analyze", "-", "--cross-check")
    assert done.returncode == 2
    assert "--cross-check reads a capture twice" in done.stderr


def test_a_capture_that_nobody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "none.pcap"
    path.write_bytes(b"no capture")
    with pytest.raises(VerifierError):
        app.cross_checked([str(path)], Selection(), Expectations())


def in_esp(packet: Packet) -> Packet:
    """In tunnel mode, with a cipher that changes nothing (RFC 4303, 2.4; RFC 2410): who has no keys can't know that."""
    inner = packet.data[14:]
    pad = -(len(inner) + 2) % 4
    frame = ip(50, struct.pack(">II", 0x100, 1) + inner + bytes(range(1, pad + 1)) + bytes((pad, 4)))
    return packet._replace(data=frame, wire_length=len(frame))


@pytest.mark.parametrize("keys", [False, True])
def test_what_tshark_has_keys_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: bool) -> None:
    """Connections that are all inside of what is encrypted, beside one that is not."""
    folder = tmp_path / "wireshark"
    folder.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    if keys:
        (folder / "preferences").write_text("esp.enable_encryption_decode: TRUE\n")
        (folder / "esp_sa").write_text('"IPv4","*","*","*","NULL","","NULL",""\n')
    hidden = talk(client_port=41000)
    hidden.exchange(1)
    every = closed().packets() + [in_esp(packet) for packet in hidden.packets()]
    opinion = opinion_on(tmp_path, pcap(every))
    assert counts(opinion)["connections"] == (1, 1 + keys)
    hidden_from_us = {"connections", "handshakes", "requests", "responses"} if keys else set()
    assert rules_of(opinion) == {(what, "decrypted") for what in hidden_from_us}


def test_secrets_in_the_capture(tmp_path: Path) -> None:
    """A Decryption Secrets Block without a use for tshark changes nothing."""
    file = Pcapng()
    secrets = b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"00" * 48 + b"\n"
    padded = secrets + b"\0" * (-len(secrets) % 4)
    file.block(0x0000000A, struct.pack("<II", 0x544C534B, len(secrets)) + padded)
    number = file.interface(Interface())
    for packet in closed().packets():
        file.packet(packet, number)
    assert opinion_on(tmp_path, file.bytes()).agrees
