"""Connections inside of tunnels: told apart where addresses overlap, and one where packets were captured twice."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
import tshark
from craft import ETHERNET, MACS, START_NS, WRAP, Conversation, Packet, Segment, Side, get, noise, ok, whole
from examine import examine, note_codes, reasons, saved, story, totals, written
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.app import analyze, cross_checked
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.wire.networks import Tunnels

MS = 1_000_000

Wrap = Callable[[bytes, bool], bytes]
"""An Ethernet frame of an inner IP packet, which the client sent or the server."""


def ends(upstream: bool, pair: tuple[str, str] = ("192.0.2.1", "192.0.2.2")) -> tuple[bytes, bytes]:
    """The outer addresses of a direction."""
    near, far = (socket.inet_aton(address) for address in pair)
    return (near, far) if upstream else (far, near)


def outer(protocol: int, body: bytes, between: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0)
    return MACS + b"\x08\x00" + head + between[0] + between[1] + body


def datagram(port: int, body: bytes, between: tuple[bytes, bytes], source: int = 50_000) -> bytes:
    return outer(17, struct.pack(">HHHH", source, port, 8 + len(body), 0) + body, between)


def plain(ip: bytes, upstream: bool) -> bytes:
    return ETHERNET.frame(ip)


def vxlan(vni: int, pair: tuple[str, str] = ("192.0.2.1", "192.0.2.2")) -> Wrap:
    """The source port is by the inner flow's hash, as RFC 7348 has it: another one for each direction."""
    head = struct.pack(">II", 0x08000000, vni << 8)
    return lambda ip, up: datagram(4789, head + ETHERNET.frame(ip), ends(up, pair), 50_000 + up)


def geneve(vni: int) -> Wrap:
    head = struct.pack(">BBHI", 0, 0, 0x6558, vni << 8)
    return lambda ip, up: datagram(6081, head + ETHERNET.frame(ip), ends(up))


def gre(key: int) -> Wrap:
    return lambda ip, up: outer(47, struct.pack(">HHI", 0x2000, 0x0800, key) + ip, ends(up))


def nvgre(subnet: int) -> Wrap:
    head = struct.pack(">HHI", 0x2000, 0x6558, subnet << 8)
    return lambda ip, up: outer(47, head + ETHERNET.frame(ip), ends(up))


def erspan(session: int) -> Wrap:
    head = struct.pack(">HHI", 0x1000, 0x88BE, 9) + struct.pack(">HHI", 0x1001, session, 0)
    return lambda ip, up: outer(47, head + ETHERNET.frame(ip), ends(True))


def gtp(up_teid: int, down_teid: int) -> Wrap:
    """Each direction has the identifier that its receiver chose."""

    def wrap(ip: bytes, up: bool) -> bytes:
        return datagram(2152, struct.pack(">BBHI", 0x30, 255, len(ip), up_teid if up else down_teid) + ip, ends(up))

    return wrap


def mpls(up_label: int, down_label: int) -> Wrap:
    """A label of the way, which changes, above that of the network."""

    def wrap(ip: bytes, up: bool) -> bytes:
        labels = struct.pack(">II", (ip[5] + 16) << 12 | 64, (up_label if up else down_label) << 12 | 0x100 | 64)
        return MACS + b"\x88\x47" + labels + ip

    return wrap


def ip_in_ip(pair: tuple[str, str]) -> Wrap:
    return lambda ip, up: outer(4, ip, ends(up, pair))


def gre_between(pair: tuple[str, str]) -> Wrap:
    return lambda ip, up: outer(47, struct.pack(">HH", 0, 0x0800) + ip, ends(up, pair))


def vlan(number: int) -> Wrap:
    return lambda ip, up: MACS + struct.pack(">HH", 0x8100, number) + b"\x08\x00" + ip


def pppoe(session: int) -> Wrap:
    return lambda ip, up: MACS + b"\x88\x64" + struct.pack(">BBHH", 0x11, 0, session, len(ip) + 2) + b"\x00\x21" + ip


def l2tp(up_session: int, down_session: int) -> Wrap:
    """Each direction has the identifier that its receiver chose."""

    def wrap(ip: bytes, up: bool) -> bytes:
        head = struct.pack(">HHHH", 0x4002, len(ip) + 12, 7, up_session if up else down_session)
        return datagram(1701, head + b"\xff\x03\x00\x21" + ip, ends(up), 1701)

    return wrap


def backbone(service: int) -> Wrap:
    return lambda ip, up: MACS + b"\x88\xe7" + struct.pack(">I", service) + ETHERNET.frame(ip)


PAIRS = {
    "vxlan": (vxlan(1), vxlan(2)),
    "vxlan between others": (vxlan(1), vxlan(1, ("192.0.2.1", "192.0.2.3"))),
    "geneve": (geneve(1), geneve(2)),
    "gre": (gre(1), gre(2)),
    "gre between others": (gre_between(("192.0.2.1", "192.0.2.2")), gre_between(("192.0.2.1", "192.0.2.3"))),
    "nvgre": (nvgre(5000), nvgre(5001)),
    "erspan": (erspan(1), erspan(2)),
    "gtp-u": (gtp(1, 2), gtp(3, 4)),
    "mpls": (mpls(100, 200), mpls(101, 201)),
    "ip in ip": (ip_in_ip(("192.0.2.1", "192.0.2.2")), ip_in_ip(("192.0.2.3", "192.0.2.4"))),
    "vlan": (vlan(10), vlan(20)),
    "pppoe": (pppoe(1), pppoe(2)),
    "l2tp": (l2tp(1, 2), l2tp(3, 4)),
    "provider backbone": (backbone(1), backbone(2)),
    "plain and vxlan": (plain, vxlan(1)),
    "vxlan and plain": (vxlan(1), plain),
    "vxlan in vlans": (
        lambda ip, up: tagged(vxlan(1)(ip, up), 10),
        lambda ip, up: tagged(vxlan(1)(ip, up), 20),
    ),
}  # fmt: skip


def tagged(frame: bytes, number: int) -> bytes:
    return frame[:12] + struct.pack(">HH", 0x8100, number) + frame[12:]


class Heard(NamedTuple):
    """A segment as a tunnel carries it."""

    segment: Segment
    wrap: Wrap


def captured(heard: Iterable[Heard]) -> list[Packet]:
    """In the order of time."""
    found = []
    for segment, wrap in sorted(heard, key=lambda each: each.segment.ts_ns):
        for ip in whole(segment):
            frame = wrap(ip, segment.sender[1] != 80)
            found.append(Packet(frame, segment.ts_ns, len(frame), 1))
    return found


def tenant(number: int, requests: int = 2) -> Conversation:
    """All have the same addresses and ports, at the same time; only initial numbers differ."""
    talk = Conversation(isns=(number * 0x3456789A % WRAP, number * 0x5432FEDC % WRAP), now=START_NS + number * MS // 3)
    talk.handshake()
    for each in range(requests):
        talk.exchange(number * 10 + each)
    return talk


def closed(number: int, requests: int = 2) -> Conversation:
    talk = tenant(number, requests)
    talk.close("client")
    return talk


def through(talk: Conversation, wrap: Wrap) -> list[Heard]:
    return [Heard(segment, wrap) for segment in talk.segments]


def targets(report: Report) -> list[list[str | None]]:
    """Of each connection, what was requested on it."""
    exchanges = list(report.details.exchanges())
    return [
        [exchange.target for exchange in exchanges if exchange.connection == connection.id]
        for connection in report.details.connections()
    ]


# -- told apart


@pytest.mark.parametrize("name", PAIRS)
def test_two_networks_with_the_same_addresses(name: str) -> None:
    """Both clients re-use their connections, packet by packet in turn: proved, each by itself."""
    first, second = PAIRS[name]
    report = examine(captured([*through(closed(1), first), *through(closed(2), second)]))
    assert totals(report) == (2, 2, 4, 4)
    assert targets(report) == [["/10", "/11"], ["/20", "/21"]]
    assert story(report) == ["complete: new reused; client fin"] * 2
    assert report.verdict == "proved"
    assert len(report.pairs) == 2
    assert note_codes(report) == {"addresses-shared"}


@pytest.mark.parametrize("name", ["vxlan", "gtp-u", "plain and vxlan"])
def test_what_tshark_makes_of_it(name: str) -> None:
    """It has a stream for each SYN, gives what follows to the newest, and the difference is explained."""
    if not tshark.installed():
        pytest.skip(tshark.ABSENT)
    first, second = PAIRS[name]
    heard = captured([*through(closed(1), first), *through(closed(2), second)])
    with saved(written(heard)) as path:
        opinion = cross_checked([path], Selection(), Expectations()).opinion
    assert opinion is not None
    assert opinion.counts[0].ours == 2
    assert opinion.counts[0].theirs >= 2
    assert opinion.unexplained == 0
    assert {each.rule.name for each in opinion.differences if each.rule} == {"shared-addresses"}


def test_three_networks_and_a_plain_one() -> None:
    wraps = [vxlan(1), plain, vxlan(2), vxlan(3)]
    heard = [each for number, wrap in enumerate(wraps, 1) for each in through(closed(number), wrap)]
    report = examine(captured(heard))
    assert totals(report) == (4, 4, 8, 8)
    assert report.verdict == "proved"
    assert len(report.pairs) == 4


def test_a_waste_of_connections_in_one_of_two() -> None:
    """The second network's client needs a connection for each request; the first one's doesn't."""
    heard = through(closed(1, 4), vxlan(1))
    for number in (2, 3, 4):
        talk = closed(number, 1)
        later = (number - 2) * 20 * MS
        heard += [Heard(each._replace(ts_ns=each.ts_ns + later), vxlan(2)) for each in talk.segments]
    report = examine(captured(heard))
    assert totals(report)[:3] == (4, 4, 7)
    assert [pair.extra_handshakes for pair in report.pairs] == [0, 2]
    assert report.verdict == "refuted"


def test_networks_are_told_apart_for_all_their_pairs() -> None:
    """What overlaps once shows that the tunnels are of two networks; other connections there need not overlap."""
    heard = [*through(closed(1), vxlan(1)), *through(closed(2), vxlan(2))]
    for number, wrap in ((3, vxlan(1)), (4, vxlan(2))):
        talk = Conversation(
            ("10.0.0.1", 41000 + number), isns=(number << 24, number << 28), now=START_NS + number * 10**9
        )
        talk.handshake()
        talk.exchange(1)
        talk.close("client")
        heard += through(talk, wrap)
    report = examine(captured(heard))
    assert totals(report)[:3] == (4, 4, 6)
    assert [pair.connections for pair in report.pairs] == [2, 2]


def test_the_port_used_anew_in_one_of_two() -> None:
    """Each network goes on by itself: a SYN takes the place of what was before it in its own tunnel."""
    heard = [*through(tenant(1), vxlan(1)), *through(closed(2, 9), vxlan(2))]
    again = tenant(3)
    heard += [Heard(each._replace(ts_ns=each.ts_ns + 11 * MS), vxlan(1)) for each in again.segments]
    report = examine(captured(heard))
    assert totals(report)[:3] == (3, 3, 13)
    assert targets(report) == [["/10", "/11"], [f"/{number}" for number in range(20, 29)], ["/30", "/31"]]
    assert note_codes(report) == {"addresses-shared", "port-reuse"}


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_handshake_that_is_not_in_the_capture(lost: int) -> None:
    """The second connection begins without its SYN, SYN-ACK or ACK."""
    second = through(closed(2), vxlan(2))[lost:]
    report = examine(captured([*through(closed(1), vxlan(1)), *second]))
    assert totals(report)[::2] == (2, 4)
    assert targets(report) == [["/10", "/11"], ["/20", "/21"]]
    assert report.verdict == "inconclusive"
    assert story(report)[0] == "complete: new reused; client fin"


def test_one_that_is_never_heard_of_again_is_no_proof() -> None:
    """The same client may have come by another way, its close unseen; or there are two of them."""
    first, second = tenant(1), closed(2)
    heard = through(first, vxlan(1))
    heard += [Heard(each._replace(ts_ns=each.ts_ns + 10**9), vxlan(2)) for each in second.segments]
    report = examine(captured(heard))
    assert totals(report) == (2, 2, 4, 4)
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"networks-unsure"}


def unsure(*clients: str) -> list[Packet]:
    """For each client a connection that is never heard of again, and one on the same ends in another tunnel."""
    heard: list[Heard] = []
    for number, client in enumerate(clients):
        for vni, isns in enumerate(((1000, 5000), (11000, 15000))):
            talk = Conversation((client, 40000), now=START_NS + number * MS, isns=isns)
            talk.handshake()
            talk.exchange(1)
            heard += [Heard(each._replace(ts_ns=each.ts_ns + vni * 10**9), vxlan(vni)) for each in talk.segments]
    return captured(heard)


def why_inconclusive(packets: list[Packet], selection: Selection) -> list[str]:
    with saved(written(packets)) as path:
        return [missing.text for missing in analyze([path], selection, Expectations()).inconclusive_because]


def test_a_doubt_is_told_in_the_right_number() -> None:
    tail = "the addresses and ports of one that was open in another tunnel, first in frame"
    whose = "may be of the same client, or of another network with the same addresses"
    one = unsure("10.0.0.1")
    assert why_inconclusive(one, Selection()) == [f"1 connection has {tail} {len(one) // 2 + 1}: it {whose}"]
    two = unsure("10.0.0.1", "10.0.0.5")
    assert why_inconclusive(two, Selection()) == [f"2 connections have {tail} {len(two) // 2 + 1}: they {whose}"]


def test_doubts_of_others_are_no_matter() -> None:
    """Only those of connections that were asked for count."""
    other = Conversation(("10.0.0.7", 40000), now=START_NS + 5 * MS)
    other.handshake()
    other.exchange(1)
    packets = [*unsure("10.0.0.1"), *other.packets()]
    assert why_inconclusive(packets, Selection(clients=("10.0.0.7",))) == []
    assert len(why_inconclusive(packets, Selection(clients=("10.0.0.1",)))) == 1
    assert why_inconclusive(packets, Selection(ports=(81,))) == [
        f"none of the {len(packets)} packets belongs to a TCP connection that was asked for"
    ]


def beside(late: bool, shut: bool) -> list[Heard]:
    """The port is used anew in another VLAN; one retransmission of what was before it comes `late`."""
    first = Conversation()
    first.handshake()
    first.exchange(0)
    first.exchange(1)
    said = [segment for segment in first.segments if segment.payload][-1]
    if shut:
        first.close("client")
    second = Conversation(isns=(1_500_000_000, 2_500_000_000), now=first.now + 10**9)
    second.handshake()
    second.exchange(2)
    if late:
        first.now = second.now
        first.again(said)
    second.pause(0.1)
    second.exchange(3)
    second.close("client")
    return [*through(first, vlan(10)), *through(second, vlan(20))]


@pytest.mark.parametrize("late", [False, True])
def test_a_late_retransmission_is_no_sign_of_life(late: bool) -> None:
    """Whether the connection was closed decides, with the retransmission or without."""
    assert examine(captured(beside(late, shut=True))).verdict == "refuted"
    report = examine(captured(beside(late, shut=False)))
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"networks-unsure"}


def test_new_bytes_that_nobody_acknowledges_are_no_sign_of_life() -> None:
    """A server that goes on writing to a client that has begun anew, in another tunnel."""
    first, second = tenant(1), closed(2)
    heard = [Heard(each._replace(ts_ns=each.ts_ns + 10**9), vxlan(2)) for each in second.segments]
    first.pause(1.002)
    first.say("server", "PA", ok())
    report = examine(captured([*through(first, vxlan(1)), *heard]))
    assert report.verdict == "inconclusive"
    assert "networks-unsure" in reasons(report)


def test_a_late_segment_of_something_older_is_no_second_connection() -> None:
    """It is in another VLAN than the connection that has its port now; that one goes on, and shows nothing."""
    older, newer = closed(1), closed(2, 4)
    said = [segment for segment in older.segments if segment.payload][-1]
    middle = newer.segments[len(newer.segments) // 2].ts_ns
    stray = Heard(said._replace(ts_ns=middle + 1), vlan(20))
    report = examine(captured([*through(newer, vlan(10)), stray]))
    assert report.verdict == "inconclusive"
    assert "networks-unsure" in reasons(report)


def alternating() -> list[Heard]:
    """Two connections with the same ports that take turns, in VLANs 10 and 20."""
    first = Conversation()
    first.handshake()
    first.exchange(7)
    second = Conversation(isns=(1_500_000_000, 2_500_000_000), now=START_NS + 10**9)
    second.handshake()
    second.exchange(9)
    for number in range(2):
        for talk in (first, second):
            talk.pause(2)
            talk.exchange(number)
    return [*through(first, vlan(10)), *through(second, vlan(20))]


def test_two_networks_that_a_connection_joins() -> None:
    """One rule parts them, another one joins them: nobody knows, whatever the order."""
    heard = alternating()
    report = examine(captured(heard))
    assert (report.verdict, len(report.pairs)) == ("proved", 2)
    for now in (START_NS - 10**9, START_NS + 20 * 10**9):
        both = Conversation(("10.0.0.1", 40005), server=("10.0.0.9", 80), now=now)
        both.handshake()
        both.exchange(0)
        both.exchange(1)
        asymmetric = [Heard(each, vlan(10) if each.sender[1] == 40005 else vlan(20)) for each in both.segments]
        report = examine(captured([*heard, *asymmetric]))
        assert report.verdict == "inconclusive"
        assert reasons(report) == {"networks-unsure"}


def test_a_third_tunnel_that_meets_neither() -> None:
    """The same ends in a tunnel of which nothing shows whose it is: a client on another way, or another network."""
    third = Conversation(("10.0.0.1", 40005), now=START_NS + 30 * 10**9)
    third.handshake()
    third.exchange(0)
    report = examine(captured([*alternating(), *through(third, vlan(30))]))
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"networks-unsure"}
    elsewhere = Conversation(("10.0.0.7", 40005), now=START_NS + 30 * 10**9)
    elsewhere.handshake()
    elsewhere.exchange(0)
    assert examine(captured([*alternating(), *through(elsewhere, vlan(30))])).verdict == "proved"


def test_a_single_number_joins_nothing_by_chance() -> None:
    """The capture begins inside. What a server sends in the other VLAN acknowledges a number within a window of what
    the client sent in this one: that alone doesn't make one network of the two."""
    one = Conversation(("10.0.0.1", 40005), isns=(1_000, 700_000), now=START_NS - 10**9)
    one.say("client", "PA", b"x")
    one.say("server", "A", ack=5_000_000)
    heard = [Heard(segment, wrap) for segment, wrap in zip(one.segments, (vlan(10), vlan(20)), strict=True)]
    report = examine(captured([*heard, *alternating()]))
    assert [pair.requests for pair in report.pairs if pair.requests] == [3, 3]


def test_after_a_close_it_is_just_the_next_connection() -> None:
    heard = through(closed(1), vxlan(1))
    heard += [Heard(each._replace(ts_ns=each.ts_ns + 10**9), vxlan(2)) for each in closed(2).segments]
    report = examine(captured(heard))
    assert totals(report) == (2, 2, 4, 4)
    assert report.verdict == "refuted"
    assert note_codes(report) == set()


def test_one_begins_while_another_waits_for_bytes() -> None:
    """Segments that are held out of order say, too, how far a connection had come."""
    first, second = tenant(1), tenant(2, 1)
    first.request(get("/late"))
    body = first.send("server", ok(noise(3_000)), 1_000)
    first.ack("client")
    rest = [segment for segment in first.segments if segment is not body[0]]
    rest.append(body[0]._replace(ts_ns=first.now + 20 * MS))
    begins = first.now + MS - second.segments[0].ts_ns
    heard = [Heard(segment, vlan(10)) for segment in rest]
    heard += [Heard(segment._replace(ts_ns=segment.ts_ns + begins), vlan(20)) for segment in second.segments]
    report = examine(captured(heard))
    assert targets(report) == [["/10", "/11", "/late"], ["/20"]]


def test_more_than_can_be_told_apart() -> None:
    """A SYN in every tunnel there is: bounded, and all are counted."""
    heard: list[Heard] = []
    for number in range(1, 60):
        talk = Conversation(isns=(number << 25, number << 26), now=START_NS + number * MS)
        talk.syn()
        heard += through(talk, vxlan(number))
    report = examine(captured(heard))
    assert totals(report).connections == 59
    assert "tunnel-limit" in note_codes(report)


def test_a_connection_in_more_tunnels_than_are_learnt() -> None:
    """The route changes with each segment: one connection still, and a note."""
    talk = closed(1, 9)
    heard = [Heard(segment, vlan(number)) for number, segment in enumerate(talk.segments, 1)]
    assert len(heard) > 20
    report = examine(captured(heard))
    assert totals(report) == (1, 1, 9, 9)
    assert note_codes(report) == {"tunnel-limit"}


def test_more_tunnels_than_have_numbers() -> None:
    """Nothing is told from them, and what was told before is unsure."""
    tunnels = Tunnels(most=3)
    assert tunnels.begun(0, 11)
    assert tunnels.begun(1, 12)
    tunnels.parted(1, 0)
    assert list(tunnels.networks(2) or ()) == [2, 3]
    assert tunnels.unsure() == []
    assert not tunnels.begun(2, 13)
    assert not tunnels.joined(12, 14)
    assert not tunnels.joined(13, 14)
    assert tunnels.begun(3, 11)
    assert tunnels.networks(4) is None
    assert tunnels.unsure() == [(1, 0)]


# -- copies


COPIES = {
    "plain and vxlan": (plain, vxlan(1)),
    "vxlan and plain": (vxlan(1), plain),
    "two vlans": (vlan(10), vlan(20)),
    "two vxlans": (vxlan(1), vxlan(2)),
    "gtp-u and plain": (gtp(1, 2), plain),
    "mpls and vxlan": (mpls(1, 2), vxlan(3)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_one_connection(name: str) -> None:
    first, second = COPIES[name]
    heard = []
    for segment, wrap in through(closed(1, 3), first):
        heard += [Heard(segment, wrap), Heard(segment._replace(ts_ns=segment.ts_ns + 2000), second)]
    report = examine(captured(heard))
    assert totals(report) == (1, 1, 3, 3)
    assert report.verdict == "proved"
    assert "addresses-shared" not in note_codes(report)


@pytest.mark.parametrize("direction", ["client", "server"])
@pytest.mark.parametrize("wrap", [vxlan(1), gtp(1, 2), vlan(7)])
def test_one_direction_is_tunnelled(direction: Side, wrap: Wrap) -> None:
    talk = closed(1, 3)
    sender = talk.ends[direction].address
    heard = [Heard(segment, wrap if segment.sender == sender else plain) for segment in talk.segments]
    report = examine(captured(heard))
    assert totals(report) == (1, 1, 3, 3)
    assert report.verdict == "proved"


def test_copies_of_two_networks() -> None:
    """A Kubernetes node: each packet plain and in VXLAN; beside it another network with the same addresses."""
    heard = []
    for segment, _ in through(closed(1, 3), plain):
        heard += [Heard(segment, plain), Heard(segment._replace(ts_ns=segment.ts_ns + 2000), vxlan(1))]
    report = examine(captured([*heard, *through(closed(2, 3), vxlan(2))]))
    assert totals(report) == (2, 2, 6, 6)
    assert targets(report) == [["/10", "/11", "/12"], ["/20", "/21", "/22"]]
    assert report.verdict == "proved"


def test_another_way_in_the_middle() -> None:
    """A handover, a change of route: numbers go on, in another tunnel, and the connection is one."""
    talk = closed(1, 6)
    half = len(talk.segments) // 2
    heard = [Heard(segment, gtp(1, 2)) for segment in talk.segments[:half]]
    heard += [Heard(segment, gtp(3, 4)) for segment in talk.segments[half:]]
    report = examine(captured(heard))
    assert totals(report) == (1, 1, 6, 6)
    assert report.verdict == "proved"


def test_a_repeated_syn_in_another_tunnel_is_the_same_one() -> None:
    talk = Conversation(isns=(5 << 24, 6 << 24))
    first = talk.syn()
    talk.pause(1)
    again = talk.again(first)
    talk.synack()
    talk.ack("client")
    talk.exchange(1)
    heard = [Heard(each, vxlan(2) if each in (again,) else vxlan(1)) for each in talk.segments]
    report = examine(captured(heard))
    assert totals(report) == (1, 1, 1, 1)
    assert note_codes(report) == {"syn-retransmission"}


def test_a_change_of_server_name_does_not_hide_a_large_response() -> None:
    """Bytes far ahead of the last ones, in the same tunnel: a gap of this connection, not another one."""
    talk = tenant(1)
    talk.ends["server"].next = (talk.ends["server"].next + (40 << 20)) % WRAP
    talk.response(ok())
    report = examine(captured(through(talk, vxlan(1))))
    assert totals(report).connections == 1


# -- whatever the order


@settings(max_examples=60, deadline=None)
@given(
    wraps=st.lists(st.sampled_from(list(PAIRS)), min_size=1, max_size=1),
    numbers=st.lists(
        st.tuples(st.integers(0, WRAP - 1), st.integers(0, WRAP - 1)), min_size=2, max_size=2, unique=True
    ),
    choices=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_however_two_networks_take_turns(wraps: list[str], numbers: list[tuple[int, int]], choices: list[bool]) -> None:
    """Each network's requests are its own, whatever numbers they begin with and whose packet comes next."""
    if numbers[0][0] == numbers[1][0]:
        return  # the same SYN
    queues: list[list[Heard]] = []
    for number, (isns, wrap) in enumerate(zip(numbers, PAIRS[wraps[0]], strict=True), 1):
        talk = Conversation(isns=isns)
        talk.handshake()
        talk.exchange(number * 10)
        talk.exchange(number * 10 + 1)
        talk.close("client")
        queues.append(through(talk, wrap))
    heard: list[Heard] = []
    for choice in [*choices, *([False] * 40), *([True] * 40)]:
        if queues[choice]:
            segment, wrap = queues[choice].pop(0)
            heard.append(Heard(segment._replace(ts_ns=START_NS + len(heard) * MS), wrap))
    report = examine(captured(heard))
    assert sorted(targets(report)) == [["/10", "/11"], ["/20", "/21"]]
    assert totals(report) == (2, 2, 4, 4)
