"""Whole reports on crafted captures: which connections count, several files as one, expectations against evidence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from craft import (
    START_NS,
    Address,
    Conversation,
    Interface,
    Packet,
    Pcapng,
    Segment,
    cut,
    get,
    merged,
    ok,
    packets,
    pcap,
    pcapng,
    sealed,
    tls13_opening,
)
from examine import examine, examine_file, reasons, saved, story

from verifier.app import analyze
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

pytestmark = pytest.mark.core

S = 1_000_000_000
NOTHING_EXPECTED = Expectations()


def talk(
    number: int, *hosts: str, client: str = "10.0.0.1", server: Address = ("10.0.0.2", 80), after_s: float = 0
) -> Conversation:
    """A connection with one exchange for each host, closed by the client."""
    said = Conversation((client, 40000 + number), server, now=START_NS + round(after_s * S))
    said.handshake()
    for host in hosts:
        said.request(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        said.response(ok())
    said.close("client")
    return said


def tls_talk(number: int, sni: str, server: Address = ("10.0.0.2", 443), after_s: float = 0) -> Conversation:
    said = Conversation(("10.0.0.1", 40000 + number), server, now=START_NS + round(after_s * S))
    tls13_opening(said, sni)
    said.say("client", "PA", sealed(200))
    said.say("server", "PA", sealed(300))
    said.close("client")
    return said


def select(captured: Sequence[Packet], selection: Selection, expectations: Expectations = NOTHING_EXPECTED) -> Report:
    with saved(pcapng(captured)) as path:
        return analyze([path], selection, expectations)


def ids(report: Report) -> list[int]:
    return [connection.id for connection in report.details.connections()]


# -- which connections count


def mixed() -> list[Packet]:
    """Eight connections, by place: whose they are and where they go."""
    return packets(
        merged(
            talk(0, "a.example", "a.example", after_s=0),
            talk(1, "b.example", after_s=1),
            talk(2, "a.example:8080", server=("10.0.0.2", 8080), after_s=2),
            talk(3, "A.Example", client="10.0.0.9", after_s=3),
            tls_talk(4, "c.example", after_s=4),
            talk(5, "[2001:db8::2]", client="2001:db8::1", server=("2001:db8::2", 80), after_s=5),
            talk(6, "a.example", server=("10.0.0.3", 80), after_s=6),
            talk(7, "one.example", "two.example", server=("10.0.0.4", 3128), after_s=7),
        )
    )


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Selection(ports=(80,)), [0, 1, 3, 5, 6]),
        (Selection(ports=(8080, 443)), [2, 4]),
        (Selection(ports=(40001,)), []),
        (Selection(clients=("10.0.0.9",)), [3]),
        (Selection(clients=("10.0.0.9", "2001:db8::1")), [3, 5]),
        (Selection(clients=("10.0.0.2",)), []),
        (Selection(hosts=("10.0.0.3",)), [6]),
        (Selection(hosts=("2001:db8::2",)), [5]),
        (Selection(hosts=("10.0.0.1",)), []),
        (Selection(hosts=("a.example",)), [0, 2, 3, 6]),
        (Selection(hosts=("c.example",)), [4]),
        (Selection(hosts=("b.example", "c.example", "10.0.0.3")), [1, 4, 6]),
        (Selection(hosts=("example",)), []),
        (Selection(hosts=("one.example",)), [7]),
        (Selection(hosts=("two.example",)), [7]),
        (Selection(hosts=("a.example",), ports=(80,)), [0, 3, 6]),
        (Selection(hosts=("a.example",), ports=(80,), clients=("10.0.0.1",)), [0, 6]),
        (Selection(hosts=("a.example",), ports=(443,)), []),
    ],
    ids=str,
)
def test_selection(selection: Selection, wanted: list[int]) -> None:
    report = select(mixed(), selection)
    assert ids(report) == wanted
    assert report.totals.connections == len(wanted) == sum(pair.connections for pair in report.pairs)
    assert {exchange.connection for exchange in report.details.exchanges()} <= set(wanted)
    assert report.totals.requests == len(list(report.details.exchanges()))


def test_what_is_not_selected_changes_nothing() -> None:
    """Neither extra handshakes nor missing evidence of others count."""
    wasteful = [talk(10 + number, "b.example", server=("10.0.0.3", 80), after_s=number) for number in range(3)]
    headless = talk(20, "c.example", server=("10.0.0.4", 80))
    good = talk(30, "a.example", "a.example")
    captured = packets(in_time([*merged(*wasteful, good, tls_talk(40, "d.example")), *headless.segments[3:]]))
    assert select(captured, Selection()).verdict == "refuted"
    assert select(captured, Selection(hosts=("10.0.0.3",))).verdict == "refuted"
    for selection in (Selection(hosts=("a.example",)), Selection(hosts=("10.0.0.2",), ports=(80,))):
        report = select(captured, selection)
        assert report.verdict == "proved"
        assert report.inconclusive_because == ()
        assert (report.totals.handshakes, report.totals.requests, report.totals.reused_requests) == (1, 2, 1)
        assert report.totals.packets == len(captured)


def test_nothing_selected_proves_nothing() -> None:
    for expectations in (Expectations(), Expectations(max_handshakes=0), Expectations(min_reuse=0)):
        report = select(mixed(), Selection(ports=(1,)), expectations)
        assert report.verdict == "inconclusive"
        assert reasons(report) == {"no-request"}
        assert report.pairs == ()


# -- several files


def analysed(folder: Path, parts: Sequence[Sequence[Packet]], expectations: Expectations = NOTHING_EXPECTED) -> Report:
    """The report on these parts, each a file, given in this order."""
    paths = []
    for number, part in enumerate(parts):
        paths.append(os.fspath(folder / f"{number}.pcap"))
        Path(paths[-1]).write_bytes(pcap(part))
    return analyze(paths, Selection(), expectations)


def summary(report: Report) -> tuple[object, ...]:
    """What does not depend on how the packets were spread over files."""
    exchanges = [
        exchange._replace(request_frame=0, response_frame=0, source=0, response_source=None)
        for exchange in report.details.exchanges()
    ]
    return report.verdict, report.expectations, report.totals, report.pairs, story(report), exchanges, reasons(report)


def rotated() -> list[Packet]:
    """Two connections of one pair, the second opened while the first is busy."""
    first = Conversation(now=START_NS)
    first.handshake()
    for number in range(4):
        first.exchange(number)
        first.pause(1)
    second = Conversation(("10.0.0.1", 40001), now=START_NS + 2 * S)
    second.handshake()
    second.exchange(1)
    second.exchange(2)
    return packets(merged(first, second))


def test_files_of_one_capture_are_read_as_one(tmp_path: Path) -> None:
    whole = rotated()
    expected = summary(examine(whole))
    for at in range(1, len(whole)):
        assert summary(analysed(tmp_path, [whole[:at], whole[at:]])) == expected, at


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_files_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    """A shell sorts by name; a capture is in the order of its times."""
    whole = rotated()
    third = len(whole) // 3
    parts = [whole[:third], whole[third : 2 * third], whole[2 * third :]]
    report = analysed(tmp_path, [parts[place] for place in order])
    assert summary(report) == summary(examine(whole))


@pytest.mark.parametrize("swapped", [False, True])
def test_files_that_overlap_in_time(tmp_path: Path, swapped: bool) -> None:
    """Two points of capture: the second has a connection that was busy in the middle of the first's long exchange."""
    long = Conversation(now=START_NS)
    long.handshake()
    long.request(get("/long"))
    long.pause(10)
    long.response(ok())
    short = Conversation(("10.0.0.1", 40001), now=START_NS + 5 * S)
    short.handshake()
    short.exchange()
    parts = [long.packets(), short.packets()]
    report = analysed(tmp_path, parts[::-1] if swapped else parts)
    assert [exchange.target for exchange in report.details.exchanges()] == ["/long", "/1"]
    assert (report.totals.handshakes, report.totals.lower_bound, report.totals.extra_handshakes) == (2, 2, 0)
    assert report.verdict == "proved"


def test_frames_are_of_their_own_file(tmp_path: Path) -> None:
    first, second = talk(0, "a.example"), talk(1, "a.example", after_s=5)
    report = analysed(tmp_path, [first.packets(), second.packets()])
    connections = list(report.details.connections())
    assert [(connection.source, connection.frames.syn) for connection in connections] == [(0, 1), (1, 1)]
    exchanges = list(report.details.exchanges())
    assert [(exchange.source, exchange.request_frame) for exchange in exchanges] == [(0, 4), (1, 4)]
    assert report.verdict == "refuted"


def test_one_damaged_file_of_several(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pcap", tmp_path / "bad.pcap"
    good.write_bytes(pcap(talk(0, "a.example", "a.example").packets()))
    bad.write_bytes(pcap(talk(1, "a.example", server=("10.0.0.3", 80), after_s=5).packets())[:-5])
    report = analyze([str(good), str(bad)], Selection(), Expectations())
    assert [source.truncated for source in report.sources] == [False, True]
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"capture-truncated"}
    assert report.totals.requests == 3


# -- expectations


def wasteful(count: int = 3) -> list[Conversation]:
    return [talk(number, "a.example", after_s=number) for number in range(count)]


@pytest.mark.parametrize(
    ("expectations", "verdict"),
    [
        (Expectations(), "refuted"),
        (Expectations(max_extra=1), "refuted"),
        (Expectations(max_extra=2), "proved"),
        (Expectations(max_handshakes=2), "refuted"),
        (Expectations(max_handshakes=3), "proved"),
        (Expectations(min_reuse=0.0), "proved"),
        (Expectations(min_reuse=0.1), "refuted"),
        (Expectations(max_extra=2, max_handshakes=3, min_reuse=0.0), "proved"),
        (Expectations(max_extra=2, max_handshakes=2), "refuted"),
    ],
    ids=str,
)
def test_expectations(expectations: Expectations, verdict: str) -> None:
    assert examine(packets(merged(*wasteful())), expectations).verdict == verdict


def test_one_report_has_all_that_was_expected() -> None:
    report = examine(packets(merged(*wasteful())), Expectations(max_extra=5, max_handshakes=1, min_reuse=0.0))
    assert [(item.name, item.limit, item.measured, item.met) for item in report.expectations] == [
        ("max-extra", 5, 2, True),
        ("max-handshakes", 1, 3, False),
        ("min-reuse", 0.0, 0.0, True),
    ]


def test_a_request_on_an_older_connection_may_have_re_used_it() -> None:
    """One of two re-used for certain: half. The other is the first that the capture shows of its connection."""
    older = talk(0, "a.example", "a.example").segments[3:]
    report = examine(packets(older), Expectations(min_reuse=0.9))
    assert story(report) == ["not-seen: pre-existing reused; client fin"]
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"handshake-not-seen"}
    assert examine(packets(older), Expectations(min_reuse=0.5)).verdict == "inconclusive"


def test_older_connections_do_not_hide_that_others_were_not_re_used() -> None:
    """At best one of four requests re-used its connection."""
    older = talk(9, "a.example").segments[3:]
    captured = packets(in_time([*older, *merged(*wasteful())]))
    assert examine(captured, Expectations(min_reuse=0.2)).verdict == "inconclusive"
    assert examine(captured, Expectations(min_reuse=0.5)).verdict in ("refuted", "inconclusive")
    assert examine(captured, Expectations(max_handshakes=2)).verdict == "refuted"


def with_drops(captured: Sequence[Packet]) -> bytes:
    file = Pcapng()
    file.interface(Interface(1))
    for packet in captured:
        file.packet(packet)
    file.statistics(received=len(captured), dropped=1)
    return file.bytes()


def test_one_packet_that_was_dropped() -> None:
    (missing,) = examine_file(with_drops(packets(in_time(merged(*wasteful()))))).inconclusive_because
    assert missing.text.startswith("the kernel dropped 1 packet before the capture ")
    assert missing.text.endswith(" could have it")


@pytest.mark.parametrize(
    ("expectations", "verdict"),
    [
        (Expectations(), "inconclusive"),
        (Expectations(max_extra=9), "inconclusive"),
        (Expectations(max_handshakes=9), "inconclusive"),
        (Expectations(max_handshakes=2), "refuted"),
        (Expectations(min_reuse=0.9), "inconclusive"),
        (Expectations(min_reuse=0.0), "inconclusive"),
    ],
    ids=str,
)
def test_lost_packets_leave_only_handshakes_that_are_there(expectations: Expectations, verdict: str) -> None:
    report = examine_file(with_drops(packets(merged(*wasteful()))), expectations)
    assert report.verdict == verdict
    assert reasons(report) == {"dropped-packets"}


@pytest.mark.parametrize(
    ("expectations", "verdict"),
    [
        (Expectations(), "inconclusive"),
        (Expectations(max_extra=9), "inconclusive"),
        (Expectations(max_handshakes=9), "inconclusive"),
        (Expectations(max_handshakes=2), "refuted"),
        (Expectations(min_reuse=0.9), "inconclusive"),
    ],
    ids=str,
)
def test_a_file_that_ends_too_early_may_lack_anything(expectations: Expectations, verdict: str) -> None:
    report = examine_file(pcap(packets(merged(*wasteful())))[:-5], expectations)
    assert report.verdict == verdict
    assert reasons(report) == {"capture-truncated"}


def encrypted(count: int = 3) -> list[Packet]:
    return packets(merged(*(tls_talk(number, "a.example", after_s=number) for number in range(count))))


def headers_alone() -> list[Packet]:
    return cut(packets(merged(*wasteful())), 54)


@pytest.mark.parametrize("captured", [encrypted(), headers_alone()], ids=["encrypted", "cut off"])
@pytest.mark.parametrize(
    ("expectations", "verdict"),
    [
        (Expectations(), "inconclusive"),
        (Expectations(max_extra=9), "inconclusive"),
        (Expectations(max_handshakes=3), "proved"),
        (Expectations(max_handshakes=2), "refuted"),
        (Expectations(min_reuse=0.9), "inconclusive"),
        (Expectations(max_handshakes=3, max_extra=9), "inconclusive"),
    ],
    ids=str,
)
def test_handshakes_alone_can_be_judged_unread(
    captured: list[Packet], expectations: Expectations, verdict: str
) -> None:
    report = examine(captured, expectations)
    assert report.verdict == verdict
    assert reasons(report) == {"requests-unreadable"}


def test_bytes_that_were_lost_prove_nothing() -> None:
    """A capture that has lost a request has lost packets: perhaps a whole connection, too."""
    said = talk(0, "a.example", "a.example", "a.example")
    captured = packets([*said.segments[:7], *said.segments[8:]])
    for expectations in (Expectations(), Expectations(max_handshakes=5), Expectations(min_reuse=0.1)):
        report = examine(captured, expectations)
        assert reasons(report) == {"bytes-missing"}
        assert report.verdict == "inconclusive", expectations


def because(captured: Sequence[Packet]) -> dict[str, tuple[str, str]]:
    """What is missing, and what would settle it, by reason."""
    return {missing.code: (missing.text, missing.mend) for missing in examine(captured).inconclusive_because}


def test_requests_that_are_encrypted_are_said_to_be() -> None:
    text, mend = because(packets(tls_talk(0, "a.example").segments))["requests-unreadable"]
    assert text.startswith("the requests of a connection can't be read: encrypted by TLS (connection 0,")
    assert "--max-handshakes" in mend
    assert "verify http" in mend


def test_requests_in_http2_are_said_to_be() -> None:
    said = Conversation()
    said.handshake()
    said.request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    text, mend = because(said.packets())["requests-unreadable"]
    assert text.startswith("the requests of a connection can't be read: HTTP/2 (")
    assert "--max-handshakes" in mend
    assert "TLS" not in mend


def test_requests_that_are_cut_off_are_said_to_be() -> None:
    text, mend = because(cut(packets(talk(0, "a.example").segments), 54))["requests-unreadable"]
    assert text.startswith("the requests of a connection can't be read: cut off by the snaplen (")
    assert "-s 0" in mend
    assert "--max-handshakes" not in mend


def test_requests_that_are_unreadable_for_several_reasons() -> None:
    both = [*cut(packets(talk(0, "a.example").segments), 54), *packets(tls_talk(1, "a.example", after_s=1).segments)]
    text, mend = because(both)["requests-unreadable"]
    assert text.startswith("the requests of 2 connections can't be read: encrypted by TLS, or cut off by the snaplen (")
    assert "-s 0" in mend
    assert "--max-handshakes" in mend


def test_bytes_that_are_not_there_are_not_told_apart_badly() -> None:
    said = talk(0, "a.example", "a.example", "a.example")
    lost, _ = because(packets([*said.segments[:7], *said.segments[8:]]))["bytes-missing"]
    assert lost.startswith("bytes of a connection are not in the capture (")
    odd = Conversation()
    odd.handshake()
    odd.request(get())
    odd.response(b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n")
    untold, _ = because(odd.packets())["bytes-missing"]
    assert untold.startswith("bytes of a connection are not in the capture, or can't be told apart into messages (")


def test_packets_that_cannot_be_read_are_not_said_to_be_of_something_else() -> None:
    """They may be TCP."""
    (syn, *_) = talk(0, "a.example").packets()
    found = because(cut([syn], 40))
    assert found["no-request"] == ("no HTTP request is in the packets that can be read", "")
    text, mend = found["packets-unreadable"]
    assert text == "1 packet could not be read: cut off before the headers end (tcp-header-cut), first in frame 1"
    assert "-s 0" in mend


def test_no_request_at_all_proves_nothing() -> None:
    """A capture of something else, or of the wrong interface."""
    shell = Conversation(("10.0.0.1", 40000), ("10.0.0.2", 22))
    shell.handshake()
    shell.say("server", "PA", b"SSH-2.0-OpenSSH_9.2\r\n")
    for expectations in (Expectations(), Expectations(max_handshakes=5), Expectations(min_reuse=0)):
        report = examine(shell.packets(), expectations)
        assert reasons(report) == {"no-request"}
        assert report.verdict == "inconclusive", expectations


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "the one packet does not belong to a TCP connection"),
        (1200, "none of the 1,200 packets belongs to a TCP connection"),
    ],
)
def test_without_tcp_nothing_was_asked_for_in_vain(number: int, said: str) -> None:
    """ARP alone: no option left anything out."""
    arp = b"\xff" * 6 + bytes(6) + b"\x08\x06" + bytes(28)
    captured = [Packet(arp, START_NS + each, len(arp), 1) for each in range(number)]
    (missing,) = examine(captured).inconclusive_because
    assert missing.text == said


def test_one_unreadable_pair_does_not_excuse_another() -> None:
    clear = [talk(10 + number, "b.example", server=("10.0.0.3", 80), after_s=number) for number in range(2)]
    captured = packets(merged(tls_talk(0, "a.example"), *clear))
    report = examine(captured)
    assert report.verdict == "refuted"
    assert reasons(report) == {"requests-unreadable"}
    assert examine(captured, Expectations(max_extra=1)).verdict == "inconclusive"


def test_the_reasons_name_where_to_look() -> None:
    (missing,) = examine(packets(talk(0, "a.example", "a.example").segments[3:])).inconclusive_because
    assert "connection 0" in missing.text
    assert "frame 1" in missing.text


def in_time(segments: Sequence[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda segment: segment.ts_ns)


def test_the_same_number_once_more_is_told_in_the_right_number() -> None:
    def said(*after_s: int) -> str:
        talks = [talk(1, "a", after_s=after) for after in after_s]
        (missing,) = examine([packet for each in talks for packet in each.packets()]).inconclusive_because
        return missing.text

    tail = "the initial sequence number of one closed before on the same ends, first in frame"
    frame = len(talk(1, "a").packets()) + 1
    assert said(0, 9) == f"1 connection has {tail} {frame}: the same traffic may be in the capture twice"
    assert said(0, 9, 18) == f"2 connections have {tail} {frame}: the same traffic may be in the capture twice"
