"""The ways to count handshakes and requests wrongly, each as a crafted capture with what is true of it.

One test or more for each row of the catalogue of counting pitfalls, then the orders in which segments can reach a
capture. tshark's count stands beside ours; where it is known to count otherwise, the test says what it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from craft import (
    DESTINATION,
    ETHERNET,
    FAST_OPEN_COOKIE,
    HOP_BY_HOP,
    LINKS,
    MACS,
    MPTCP_CAPABLE,
    MPTCP_JOIN,
    MSS,
    PADDED,
    ROUTING,
    START_NS,
    STEP_NS,
    TIMESTAMPS,
    WRAP,
    Address,
    Conversation,
    Interface,
    IPv4,
    IPv6,
    Packet,
    Pcapng,
    Segment,
    Side,
    chunked,
    client_hello,
    cut,
    doubled,
    fragmented,
    get,
    ipv6,
    merged,
    noise,
    ok,
    packets,
    pcap,
    request_head,
    response_head,
    retimed,
    sealed,
    server_hello,
    tcp,
    tls13_opening,
    vlan,
    whole,
    with_ipv4,
    with_ipv6,
)
from examine import Totals, examine, examine_file, note_codes, reasons, saved, second_opinion, story, totals

from verifier.app import analyze
from verifier.judge.model import Frames
from verifier.judge.options import Expectations, Selection
from verifier.report.headline import sentence

ONCE = ["complete: new; none none"]
TWICE = ["complete: new reused; none none"]
TWO_REQUESTS = Totals(1, 1, 2, 2)

V6_CLIENT = ("2001:db8::1", 40000)
V6_SERVER = ("2001:db8::2", 80)


def reused() -> Conversation:
    """The plain case that most tests bend: one connection, two requests, still open."""
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    return talk


def then(before: Conversation, isns: tuple[int, int]) -> Conversation:
    """A conversation on the same addresses and ports, after another one."""
    after = Conversation(before.ends["client"].address, before.ends["server"].address, isns, before.now)
    after.pause(1)
    return after


# Opening


def test_syn_retransmission_is_the_same_connection() -> None:
    talk = Conversation()
    first = talk.syn()
    talk.pause(1)
    talk.again(first)
    talk.pause(2)
    talk.again(first)
    talk.synack()
    talk.ack("client")
    talk.exchange()
    report = examine(talk.packets())
    assert story(report) == ONCE
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())
    assert "syn-retransmission" in note_codes(report)


def test_synack_retransmission_is_the_same_handshake() -> None:
    talk = Conversation()
    talk.syn()
    answer = talk.synack()
    talk.again(answer)
    talk.ack("client")
    talk.again(answer)
    talk.ack("client")
    talk.exchange()
    report = examine(talk.packets())
    assert story(report) == ONCE
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())


@pytest.mark.parametrize("number", [1_000, 700_000, 900_000_000])
@pytest.mark.parametrize("taken", ["first", "second"])
def test_synacks_with_two_numbers(taken: str, number: int) -> None:
    """The client says by its acknowledgement which of them it took."""
    talk = Conversation(isns=(1_000, 5_000_000))
    talk.syn()
    first = talk.synack()
    talk.segments.append(first._replace(seq=number))
    if taken == "second":
        talk.ends["server"].next = number + 1
    talk.ack("client")
    talk.exchange(1)
    talk.exchange(2)
    captured = packets(retimed(talk.segments))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS
    assert second_opinion(captured).handshakes <= 1  # tshark 4.6 makes a stream of each, and completes none
    assert report.verdict == "proved"
    assert next(iter(report.details.connections())).frames.synack == (2 if taken == "first" else 3)


def test_a_reset_with_syn_opens_nothing() -> None:
    talk = reused()
    talk.close("client")
    talk.say("server", "SRA")
    report = examine(talk.packets())
    assert totals(report) == TWO_REQUESTS


def test_refused_attempt_is_not_a_handshake() -> None:
    talk = Conversation()
    talk.syn()
    talk.reset("server")
    report = examine(talk.packets())
    assert story(report) == ["refused: -; server rst"]
    assert totals(report) == Totals(1, 0, 0, 0) == second_opinion(talk.packets())
    assert report.totals.failed_attempts == 1
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"no-request"}


def test_refused_attempt_tried_again_with_the_same_number_is_one_attempt() -> None:
    """Windows sends a refused SYN again, number and all."""
    talk = Conversation()
    for _ in range(3):
        talk.ends["client"].next = 1_000
        talk.syn()
        talk.reset("server")
        talk.pause(0.5)
    report = examine(talk.packets())
    assert story(report) == ["refused: -; server rst"]
    assert totals(report) == Totals(1, 0, 0, 0)
    assert second_opinion(talk.packets()) in (totals(report), Totals(3, 0, 0, 0))  # tshark 4.6 counts each


def test_unanswered_attempt_is_not_a_handshake() -> None:
    talk = Conversation()
    first = talk.syn()
    talk.pause(1)
    talk.again(first)
    report = examine(talk.packets())
    assert story(report) == ["unanswered: -; none none"]
    assert totals(report) == Totals(1, 0, 0, 0) == second_opinion(talk.packets())
    assert report.totals.failed_attempts == 1


def test_a_client_that_resets_its_own_attempt_was_not_refused() -> None:
    talk = Conversation()
    talk.syn()
    talk.pause(60)
    talk.reset("client")
    report = examine(talk.packets())
    assert [line.split(":")[0] for line in story(report)] == ["unanswered"]
    assert report.totals.failed_attempts == 1


def test_half_handshake_is_not_counted() -> None:
    talk = Conversation()
    talk.syn()
    talk.synack()
    talk.exchange(1)
    half = talk.segments[:2]
    other = Conversation(("10.0.0.1", 40001))
    other.handshake()
    other.exchange()
    captured = packets(sorted([*half, *other.segments], key=lambda segment: segment.ts_ns))
    report = examine(captured)
    assert story(report) == ["half: -; none none", "complete: new; none none"]
    assert totals(report) == Totals(2, 1, 1, 1) == second_opinion(captured)


def test_client_reset_does_not_complete_a_handshake() -> None:
    """A SYN scan: SYN, SYN-ACK, RST without ACK."""
    talk = Conversation()
    talk.syn()
    talk.synack()
    talk.reset("client", "R")
    report = examine(talk.packets())
    assert story(report) == ["half: -; client rst"]
    assert totals(report) == Totals(1, 0, 0, 0) == second_opinion(talk.packets())


@pytest.mark.parametrize("begun", [1, 2, 3])
@pytest.mark.parametrize("last", ["RST", "ACK"])
def test_numbers_tell_of_bytes_that_nobody_acknowledged(begun: int, last: str) -> None:
    """Of the second connection no more than this: the client sent something before that is not in the capture. A reset
    or a half handshake alone would be an attempt that it took back."""
    other = Conversation(("10.0.0.1", 40001), now=START_NS + 10**9)
    other.handshake()
    alone = other.segments[:begun]
    other.say("client", "PA", get("/2"))
    if last == "RST":
        other.reset("client", "R")
    else:
        other.ack("client")
    report = examine(packets(reused().segments + alone + other.segments[-1:]))
    assert report.verdict == "inconclusive"
    assert "bytes-missing" in reasons(report)


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_tells_of_bytes_that_it_acknowledges(side: Side) -> None:
    talk = reused()
    talk.request(get("/3"))
    if side == "client":
        talk.response(ok())
    del talk.segments[-2:]
    talk.reset(side)
    report = examine(talk.packets())
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


def test_numbers_ahead_of_bytes_that_come_later_tell_of_nothing() -> None:
    """The capture has neighbours the other way round."""
    talk = reused()
    talk.reset("client")
    segments = talk.segments
    asked = next(place for place, segment in enumerate(segments) if segment.payload == get("/2"))
    again = segments[asked]._replace(seq=segments[asked].seq + len(get("/2")), payload=b"", flags="A")
    report = examine(packets([*segments[:asked], again, *segments[asked:]]))
    assert report.verdict == "proved"
    assert story(report) == ["complete: new reused; client rst"]
    behind_it = segments[:asked] + segments[asked + 1 :]
    assert examine(packets(behind_it)).verdict == "inconclusive"


@pytest.mark.parametrize("third", ["data", "fin"])
def test_data_or_fin_completes_a_handshake(third: str) -> None:
    talk = Conversation()
    talk.syn()
    talk.synack()
    if third == "data":
        talk.exchange()
    else:
        talk.fin("client")
    report = examine(talk.packets())
    assert story(report) == (ONCE if third == "data" else ["complete: -; client fin"])
    assert totals(report)[:2] == (1, 1) == second_opinion(talk.packets())[:2]


def test_simultaneous_open_is_one_connection() -> None:
    talk = Conversation()
    ours = talk.syn()
    theirs = talk.say("server", "S", b"", MSS)
    talk.segments.append(ours._replace(flags="SA", ack=theirs.seq + 1, ts_ns=talk.now))
    talk.segments.append(theirs._replace(flags="SA", ack=ours.seq + 1, ts_ns=talk.now + STEP_NS))
    talk.now += 2 * STEP_NS
    talk.exchange(1)
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())
    assert "simultaneous-open" in note_codes(report)


@pytest.mark.parametrize("ending", ["closed", "reset", "left open"])
def test_port_reuse_with_another_isn_is_another_connection(ending: str) -> None:
    first = reused()
    if ending == "closed":
        first.close("client")
    elif ending == "reset":
        first.reset("client")
    second = then(first, (3_000_000, 9_000_000))
    second.handshake()
    second.exchange()
    captured = packets(first.segments + second.segments)
    report = examine(captured)
    assert [line.split(";")[0] for line in story(report)] == ["complete: new reused", "complete: new"]
    assert totals(report) == Totals(2, 2, 3, 3) == second_opinion(captured)
    assert "port-reuse" in note_codes(report)


@pytest.mark.parametrize("ending", ["closed", "reset"])
def test_port_reuse_with_the_same_isn_after_a_close_is_another_connection(ending: str) -> None:
    first = reused()
    if ending == "closed":
        first.close("client")
    else:
        first.reset("server")
    second = then(first, (1_000, 700_000))
    second.handshake()
    second.exchange(1)
    second.exchange(2)
    captured = packets(first.segments + second.segments)
    report = examine(captured)
    assert [line.split(";")[0] for line in story(report)] == ["complete: new reused", "complete: new reused"]
    assert totals(report) == Totals(2, 2, 4, 4)
    assert second_opinion(captured).connections in (1, 2)  # tshark 4.0 merges them


def test_a_late_syn_of_the_same_isn_without_a_close_is_a_retransmission() -> None:
    talk = Conversation()
    first = talk.syn()
    talk.synack()
    talk.ack("client")
    talk.again(first)
    talk.exchange(1)
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_fast_open_data_in_the_syn_is_a_request() -> None:
    talk = Conversation()
    talk.syn(get("/1"), MSS + FAST_OPEN_COOKIE)
    talk.synack()
    talk.response(ok())
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())
    assert "fast-open" in note_codes(report)


@pytest.mark.parametrize("refused", [False, True])
def test_a_request_in_a_syn_that_nobody_takes_proves_nothing(refused: bool) -> None:
    """No handshake is there to prove anything by; and answers may be missing from the capture."""
    talk = Conversation()
    talk.syn(get("/1"), MSS + FAST_OPEN_COOKIE)
    if refused:
        talk.say("server", "RA", ack=talk.ends["client"].next)
    report = examine(talk.packets())
    assert (report.verdict, reasons(report)) == ("inconclusive", {"handshake-not-seen"})
    assert totals(report)[:3] == (1, 0, 1)


def test_an_attempt_with_a_request_in_its_syn_may_fail() -> None:
    """Where the client then connects without one, it was a middlebox that dropped it (RFC 7413, section 4.2.1)."""
    first = Conversation()
    first.syn(get("/1"), MSS + FAST_OPEN_COOKIE)
    second = another()
    second.close("client")
    report = examine([*first.packets(), *second.packets()])
    assert (report.verdict, report.totals.failed_attempts) == ("proved", 1)


def test_fast_open_data_that_the_server_did_not_take_counts_once() -> None:
    talk = Conversation()
    talk.syn(get("/1"), MSS + FAST_OPEN_COOKIE)
    talk.ends["client"].next = 1_001
    talk.synack()
    talk.ack("client")
    talk.request(get("/1"))
    talk.response(ok())
    report = examine(talk.packets())
    assert story(report) == ONCE
    assert totals(report)[:3] == (1, 1, 1)


def test_a_syn_with_data_and_fin_is_acknowledged_in_whole() -> None:
    talk = Conversation()
    talk.say("client", "SF", get("/1"))
    talk.synack()
    talk.ack("client")
    talk.response(ok())
    report = examine(talk.packets())
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())


def test_multipath_join_is_a_subflow() -> None:
    talk = Conversation()
    talk.syn(options=MSS + MPTCP_CAPABLE)
    talk.synack(MSS + MPTCP_CAPABLE)
    talk.ack("client")
    talk.exchange(1)
    join = Conversation(("10.0.0.9", 40001), now=talk.now)
    join.syn(options=MSS + MPTCP_JOIN)
    join.synack(MSS + MPTCP_JOIN)
    join.ack("client")
    talk.now = join.now
    talk.exchange(2)
    captured = packets(merged(talk, join))
    report = examine(captured)
    assert totals(report).handshakes == 1
    assert report.totals.extra_handshakes == 0
    assert "mptcp-join" in note_codes(report)
    assert second_opinion(captured) == Totals(2, 2, 2, 2)


@pytest.mark.parametrize("accepted", [True, False])
def test_subflows_that_carry_requests_prove_nothing(accepted: bool) -> None:
    """Each may have any part of the messages of its connection, which is not in the capture. Where the server, or a
    middlebox, answers as to a plain SYN, there is no subflow."""
    talks = []
    now = START_NS
    for number in range(4):
        talk = Conversation(("10.0.0.1", 40000 + number), now=now)
        talk.syn(options=MSS + MPTCP_JOIN)
        talk.synack(MSS + MPTCP_JOIN if accepted else MSS)
        talk.ack("client")
        talk.exchange(number)
        talk.close("client")
        talks.append(talk)
        now = talk.now
    report = examine(packets(merged(*talks)))
    assert report.verdict == ("inconclusive" if accepted else "refuted")
    assert reasons(report) == ({"bytes-missing"} if accepted else set())
    assert totals(report).handshakes == (0 if accepted else 4)


def test_happy_eyeballs_loser_is_not_extra() -> None:
    """IPv6 answers late: its handshake completes, carries nothing, and is closed."""
    loser = Conversation(V6_CLIENT, V6_SERVER)
    loser.syn()
    winner = Conversation(now=loser.now + 250_000_000)
    winner.handshake()
    loser.now = winner.now
    loser.synack()
    loser.ack("client")
    loser.close("client")
    winner.now = loser.now
    winner.exchange(1)
    winner.exchange(2)
    captured = packets(merged(loser, winner))
    report = examine(captured)
    assert story(report) == ["complete: -; client fin", "complete: new reused; none none"]
    assert report.totals.extra_handshakes == 0
    assert report.verdict == "proved"
    assert second_opinion(captured) == Totals(2, 2, 2, 2)


def test_address_fallback_after_a_refusal_is_not_extra() -> None:
    failed = Conversation(V6_CLIENT, V6_SERVER)
    failed.syn()
    failed.reset("server")
    talk = Conversation(now=failed.now)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    captured = packets(merged(failed, talk))
    report = examine(captured)
    assert story(report) == ["refused: -; server rst", "complete: new reused; none none"]
    assert totals(report) == Totals(2, 1, 2, 2) == second_opinion(captured)
    assert (report.totals.failed_attempts, report.totals.extra_handshakes) == (1, 0)
    assert report.verdict == "proved"


# What the capture didn't see


def test_a_capture_that_starts_inside_a_connection() -> None:
    captured = packets(reused().segments[3:])
    report = examine(captured)
    assert story(report) == ["not-seen: pre-existing reused; none none"]
    assert totals(report) == Totals(1, 0, 2, 2) == second_opinion(captured)
    assert report.verdict == "inconclusive"
    assert "handshake-not-seen" in reasons(report)


@pytest.mark.parametrize("first", [4, 5, 6, 7])
def test_a_capture_that_starts_inside_an_exchange(first: int) -> None:
    """From the response on, or from the acknowledgements around it: who is the client must still come out right."""
    report = examine(packets(reused().segments[first:]))
    assert story(report) == ["not-seen: pre-existing; none none"]
    (connection,) = report.details.connections()
    assert (connection.client, connection.server) == (("10.0.0.1", 40000), ("10.0.0.2", 80))
    assert report.verdict == "inconclusive"


def test_a_capture_that_starts_inside_a_body() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    talk.send("server", ok(noise(5000)), 1000)
    talk.exchange(2)
    report = examine(packets(talk.segments[7:]))
    assert story(report) == ["not-seen: pre-existing; none none"]


@pytest.mark.parametrize("lost", ["syn", "synack"])
def test_a_handshake_with_a_lost_segment_proves_nothing(lost: str) -> None:
    segments = reused().segments
    del segments[0 if lost == "syn" else 1]
    report = examine(packets(segments))
    (connection,) = report.details.connections()
    assert connection.handshake in (("half", "not-seen") if lost == "syn" else ("half",))
    assert (connection.client, connection.server) == (("10.0.0.1", 40000), ("10.0.0.2", 80))
    assert totals(report)[1:3] == (0, 2) == second_opinion(packets(segments))[1:3]
    assert report.totals.failed_attempts == 0
    assert report.verdict == "inconclusive"


def ended(how: str) -> Conversation:
    """A connection that refutes what `reused` proves, in eight segments."""
    talk = another()
    if how == "reset":
        talk.reset("client", "R")
    else:
        del talk.segments[4]  # an acknowledgement that the response makes needless
        talk.fin("client")
        talk.fin("server")
    return talk


@pytest.mark.parametrize("how", ["reset", "closed"])
def test_whatever_is_lost_of_a_connection_the_rest_of_it_proves_nothing(how: str) -> None:
    """Unless no more is left of it than any connection has that was there before the capture, or never answered: no
    bytes, and nothing of its handshake but a SYN."""
    segments = ended(how).segments
    assert len(segments) == 8
    whole_one = reused().segments
    for lost in range(1, 1 << len(segments)):
        left = [segment for place, segment in enumerate(segments) if not lost >> place & 1]
        report = examine(packets(whole_one + left))
        if any(segment.payload or segment.flags == "SA" for segment in left):
            assert report.verdict != "proved", left
        if report.verdict == "proved":
            assert report.totals.handshakes == 1
            assert "S" not in "".join(segment.flags for segment in left) or len(left) == 1


def test_a_syn_ack_that_its_client_did_not_ask_for_opens_nothing() -> None:
    """Somebody else uses its address."""
    other = another()
    other.reset("client", "R")
    report = examine(packets([*reused().segments, other.segments[1], other.segments[-1]._replace(seq=1001)]))
    assert report.verdict == "proved"


def test_bytes_at_the_beginning_of_a_capture_that_acknowledge_what_is_not_there() -> None:
    """A response whose request was lost, between an acknowledgement and both ends' closes."""
    talk = another()
    talk.close("server")
    response, server_fin, client_fin = talk.segments[5], talk.segments[7], talk.segments[9]
    report = examine(packets([talk.segments[2], response, server_fin, client_fin]))
    assert totals(report) == Totals(1, 0, 0, 0)
    assert "response-without-request" in note_codes(report)
    assert report.verdict == "inconclusive"


def test_a_lost_third_segment_is_made_up_for_by_data() -> None:
    segments = reused().segments
    del segments[2]
    report = examine(packets(segments))
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(packets(segments))


def test_one_direction_alone() -> None:
    """A capture on an asymmetric path: no SYN-ACK, no response, and not a failed attempt."""
    segments = [segment for segment in reused().segments if segment.sender[1] == 40000]
    report = examine(packets(segments))
    assert [line.split(":")[0] for line in story(report)] == ["half"]
    assert totals(report) == Totals(1, 0, 2, 0) == second_opinion(packets(segments))
    assert report.totals.failed_attempts == 0
    assert report.verdict == "inconclusive"


def test_control_packets_alone_count_half_handshakes() -> None:
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 10**9) for number in range(3)]
    for talk in talks:
        talk.handshake()
        talk.exchange()
        talk.close("client")
    segments = [segment for segment in merged(*talks) if set(segment.flags) & set("SFR")]
    report = examine(packets(segments))
    assert totals(report)[:2] == (3, 3)
    assert report.totals.requests == 0


def test_dropped_packets_take_away_the_proof() -> None:
    file = Pcapng()
    file.interface(Interface(1))
    for packet in reused().packets():
        file.packet(packet)
    file.statistics(received=20, dropped=3)
    report = examine_file(file.bytes())
    assert story(report) == TWICE
    assert report.sources[0].dropped == 3
    assert report.verdict == "inconclusive"
    assert "dropped-packets" in reasons(report)


def test_no_dropped_packets_leave_the_proof() -> None:
    file = Pcapng()
    file.interface(Interface(1))
    for packet in reused().packets():
        file.packet(packet)
    file.statistics(received=20, dropped=0)
    report = examine_file(file.bytes())
    assert report.sources[0].dropped == 0
    assert report.verdict == "proved"


def test_dropped_packets_leave_a_refutation_that_rests_on_handshakes() -> None:
    file = Pcapng()
    file.interface(Interface(1))
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 10**9) for number in range(2)]
    for talk in talks:
        talk.handshake()
        talk.exchange()
        talk.close("client")
    for packet in packets(merged(*talks)):
        file.packet(packet)
    file.statistics(received=20, dropped=3)
    assert examine_file(file.bytes(), Expectations(max_handshakes=1)).verdict == "refuted"
    assert examine_file(file.bytes()).verdict == "inconclusive"  # the lost requests may have been concurrent


@pytest.mark.parametrize("first", [True, False], ids=["first request", "later request"])
def test_missing_request_bytes(first: bool) -> None:
    talk = Conversation()
    talk.handshake()
    for number in range(1, 4):
        talk.exchange(number)
    lost = 3 if first else 7
    report = examine(packets(talk.segments[:lost] + talk.segments[lost + 1 :]))
    assert totals(report)[:2] == (1, 1)
    assert report.totals.requests in (2, 3)
    assert "unknown" in story(report)[0] or report.totals.requests == 2
    assert "bytes-missing" in note_codes(report)
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("held", [20, 130, 300])
def test_bytes_are_given_up_when_they_are_acknowledged(held: int) -> None:
    """However many segments wait for them by then."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    pieces = talk.send("server", ok(noise(100 * (held + 1))), 100)
    talk.ack("client")
    acknowledged = len(talk.segments) - 1
    talk.exchange(2)
    report = examine(packets([segment for segment in talk.segments if segment is not pieces[2]]))
    assert [note.first_frame for note in report.notes if note.code == "bytes-missing"] == [acknowledged]


def test_missing_response_bytes_do_not_lose_requests() -> None:
    """A gap inside a body whose length is known hides no request; what follows is read as before."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    pieces = talk.send("server", ok(noise(5000)), 1000)
    talk.ack("client")
    talk.exchange(2)
    segments = [segment for segment in talk.segments if segment is not pieces[2]]
    report = examine(packets(segments))
    assert report.totals.requests == 2
    assert story(report)[0].startswith("complete: ")
    assert "bytes-missing" in note_codes(report)
    assert second_opinion(packets(segments), "FALSE").requests == 2


def test_reading_goes_on_after_a_gap() -> None:
    """A lost response head: the next response is found again, at the start of a segment."""
    talk = Conversation()
    talk.handshake()
    for number in range(1, 5):
        talk.exchange(number)
    lost = next(place for place, segment in enumerate(talk.segments) if segment.payload == get("/2")) + 2
    captured = packets(talk.segments[:lost] + talk.segments[lost + 1 :])
    report = examine(captured)
    assert totals(report)[:3] == (1, 1, 4)
    assert totals(report) == Totals(1, 1, 4, 3) == second_opinion(captured, "FALSE")


@pytest.mark.parametrize("snaplen", [54, 60, 75])
def test_a_snaplen_that_cuts_requests_off_leaves_handshakes(snaplen: int) -> None:
    captured = cut(reused().packets(), snaplen)
    report = examine(captured)
    assert totals(report)[:2] == (1, 1) == second_opinion(captured)[:2]
    assert not {exchange.reuse for exchange in report.details.exchanges()} & {"new", "reused"}
    assert report.verdict == "inconclusive"
    assert "requests-unreadable" in reasons(report)


def test_handshakes_can_be_judged_where_requests_are_cut_off() -> None:
    report = examine(cut(reused().packets(), 54), Expectations(max_handshakes=1))
    (met,) = [expectation.met for expectation in report.expectations if expectation.name == "max-handshakes"]
    assert met is True


def test_a_snaplen_that_cuts_bodies_off_leaves_requests() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1, noise(1000))
    talk.exchange(2, noise(1000))
    report = examine(cut(talk.packets(), 200))
    assert story(report) == TWICE
    assert totals(report)[:3] == (1, 1, 2)


def behind(captured: list[Packet]) -> list[Packet]:
    """A capture that proves re-use by itself, and behind it these packets."""
    return [*reused().packets(), *captured]


def another(client: Address = ("10.0.0.1", 40001), server: Address = ("10.0.0.2", 80)) -> Conversation:
    """The connection that refutes it."""
    talk = Conversation(client, server, now=START_NS + 10**9)
    talk.handshake()
    talk.exchange(1)
    return talk


@pytest.mark.parametrize("snaplen", [0, 10, 14, 20, 33, 40])
def test_packets_cut_off_before_their_flags_may_be_anybodys(snaplen: int) -> None:
    other = another()
    report = examine(behind(cut(other.packets(), snaplen)))
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"packets-unreadable"}
    assert examine(behind(other.packets())).verdict == "refuted"


def test_zeros_written_over_a_file_read_as_packets_of_which_nothing_is_there() -> None:
    zeros = reused().packets()[0]._replace(data=b"", ts_ns=0, wire_length=0)
    report = examine(behind([zeros] * 5))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"packets-unreadable"})


@pytest.mark.parametrize("link", sorted({link.link_type for link in LINKS.values()} | {105, 107, 119, 127, 197, 239}))
def test_a_frame_of_nothing_but_zeros_is_a_hole_in_the_file(link: int) -> None:
    """Nobody sends one: the record's head was written, and what it stands before was not."""
    hole = Packet(bytes(74), START_NS + 10**9, 74, link)
    report = examine(behind([hole]))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"packets-unreadable"})
    assert note_codes(report) == {"packet-blank"}


@pytest.mark.parametrize("kept", [14, 34])
def test_a_frame_of_which_headers_are_zeros_is_one_too(kept: int) -> None:
    (syn, *_) = another().packets()
    report = examine(behind([syn._replace(data=syn.data[:kept] + bytes(len(syn.data) - kept))]))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"packets-unreadable"})
    assert note_codes(report) == {"packet-blank"}


def test_frames_with_zeros_in_front_are_no_holes() -> None:
    """Loopback has no addresses; a datagram of zeros has headers."""
    datagram = struct.pack(">BBHHHBBH4s4sHHHH", 0x45, 0, 68, 1, 0, 64, 17, 0, bytes(4), bytes(4), 9, 9, 48, 0) + bytes(
        40
    )
    frames = [bytes(12) + b"\x08\x00" + datagram, bytes(12) + b"\x08\x06" + bytes(46), bytes(59) + b"\x01"]
    report = examine(behind([Packet(frame, START_NS + 10**9, len(frame), 1) for frame in frames]))
    assert report.verdict == "proved"
    assert note_codes(report) == set()


@pytest.mark.parametrize("size", [34, 40, 48, 54, 57])
def test_packets_that_were_cut_on_their_way_may_be_anybodys(size: int) -> None:
    """Mirror ports cut packets, and the capture has them for whole: only their IP length tells."""
    (syn, *_) = another().packets()
    report = examine(behind([syn._replace(data=syn.data[:size], wire_length=size)]))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"packets-unreadable"})


@pytest.mark.parametrize("size", range(54, 62))
def test_packets_cut_off_inside_of_extension_headers_may_be_anybodys(size: int) -> None:
    talk = another(("2001:db8::1", 40001), V6_SERVER)
    captured = cut(talk.packets(network=with_ipv6(IPv6(extensions=(HOP_BY_HOP,)))), size)
    assert reasons(examine(behind(captured))) == {"packets-unreadable"}


def test_a_packet_that_is_whole_and_has_no_header_hides_nothing() -> None:
    """Whoever received it found the same."""
    (runt, *_) = cut(reused().packets(), 20)
    report = examine(behind([runt._replace(wire_length=20)]))
    assert report.verdict == "proved"
    assert "malformed-packet" in note_codes(report)


def test_a_wire_length_that_lies_is_not_a_cut() -> None:
    """The packet is whole by its IP length; the file says it was longer on the wire."""
    captured = [packet._replace(wire_length=packet.wire_length * 2) for packet in reused().packets()]
    report = examine(captured)
    assert story(report) == TWICE
    assert report.verdict == "proved"


def test_a_vantage_point_sees_one_client_behind_an_address_translator() -> None:
    """Packets can't tell clients apart that share an address: one pair, and the connections are its own."""
    talks = [Conversation(("192.0.2.1", 40000 + number)) for number in range(2)]
    for talk in talks:
        talk.handshake()
        talk.exchange(1)
        talk.exchange(2)
    report = examine(packets(merged(*talks)))
    (pair,) = report.pairs
    assert (pair.client, pair.connections, pair.requests) == ("192.0.2.1", 2, 4)


# Copies


def translated(segments: Sequence[Segment], how: str) -> list[Segment]:
    """The same on the other side of a machine that translates addresses, a moment later, or before where they come from
    there."""

    def other(end: Address) -> Address:
        if how == "source":
            return ("198.51.100.1", end[1] + 7000) if end[0] == "10.0.0.1" else end
        return ("172.17.0.2", 8080) if end == ("10.0.0.2", 80) else end

    return [
        segment._replace(
            sender=other(segment.sender),
            receiver=other(segment.receiver),
            ts_ns=segment.ts_ns + (20_000 if segment.sender[0] == "10.0.0.1" else -20_000),
            ttl=segment.ttl - 1,
        )
        for segment in segments
    ]


def on_the_way(count: int) -> list[Segment]:
    """Connections whose numbers are random, as those of all systems are."""
    talks: list[Conversation] = []
    for number in range(count):
        talk = Conversation(("10.0.0.1", 40000 + number), isns=(0x12345678 - number * 0x1234567, 0x9ABCDEF0 + number))
        talk.now = talks[-1].now if talks else START_NS
        talk.handshake()
        talk.exchange(1)
        talk.exchange(2)
        talk.close("client")
        talks.append(talk)
    return merged(*talks)


@pytest.mark.parametrize("how", ["source", "destination"])
@pytest.mark.parametrize("count", [1, 3])
def test_both_sides_of_an_address_translation_are_one(how: str, count: int) -> None:
    """`tcpdump -i any` on a machine that forwards: containers behind a bridge, a published port."""
    near = on_the_way(count)
    both = sorted(near + translated(near, how), key=lambda segment: segment.ts_ns)
    report = examine(packets(both), Expectations(max_handshakes=count))
    assert report.verdict == "proved"
    assert totals(report) == Totals(count, count, 2 * count, 2 * count)
    assert note_codes(report) == {"address-translated"}
    assert second_opinion(packets(both)) == Totals(2 * count, 2 * count, 4 * count, 4 * count)
    report = examine(packets(both))
    assert report.verdict == ("proved" if count == 1 else "refuted")
    assert report.totals.extra_handshakes == count - 1


def test_the_far_side_of_an_address_translation_counts_where_it_is_asked_for() -> None:
    near = on_the_way(1)
    both = sorted(near + translated(near, "source"), key=lambda segment: segment.ts_ns)
    with saved(pcap(packets(both))) as path:
        report = analyze([path], Selection(clients=("198.51.100.1",)), Expectations())
    assert (report.verdict, totals(report)) == ("proved", TWO_REQUESTS)


@pytest.mark.parametrize("what", ["numbers", "way", "ends"])
def test_connections_that_are_alike_are_not_one(what: str) -> None:
    """Of other numbers; or one after another, as from a machine that makes its numbers up; or of the same machines."""
    near = on_the_way(1)
    far = translated(near, "source")
    if what == "numbers":
        far = [s._replace(seq=s.seq + 1) if s.sender[1] == 80 else s._replace(ack=s.ack + 1) for s in far]
        far = [s._replace(ack=0) if s.flags == "S" else s for s in far]
    elif what == "way":
        far = [segment._replace(ts_ns=segment.ts_ns + 10**9) for segment in far]
    else:
        far = [
            s._replace(sender=("10.0.0.1", 47000)) if s.sender[1] != 80 else s._replace(receiver=("10.0.0.1", 47000))
            for s in far
        ]
    report = examine(packets(sorted(near + far, key=lambda segment: segment.ts_ns)))
    assert totals(report) == Totals(2, 2, 4, 4)
    assert note_codes(report) == ({"translation-unsure"} if what == "way" else set())


@pytest.mark.parametrize("after_ns", [0, 2_000, 3 * STEP_NS], ids=["same time", "at once", "later"])
def test_packets_seen_twice_count_once(after_ns: int) -> None:
    """Loopback in both directions, `any`, a mirror port."""
    talk = reused()
    talk.close("client")
    captured = sorted(doubled(talk.packets(), after_ns), key=lambda packet: packet.ts_ns)
    report = examine(captured)
    assert story(report) == ["complete: new reused; client fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)
    assert report.verdict == "proved"


def test_packets_seen_on_two_devices_count_once() -> None:
    """A bond, veth or bridge on `any`: the same packet in and out, one of them with a tag and a hop fewer."""
    talk = reused()
    inside = talk.packets()
    hop = [segment._replace(ttl=63, ts_ns=segment.ts_ns + 5_000) for segment in talk.segments]
    outside = packets(hop, vlan((0x8100, 100)))
    captured = sorted(inside + outside, key=lambda packet: packet.ts_ns)
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


@pytest.mark.parametrize("direction", ["both", "client", "server"])
def test_duplicates_of_one_direction(direction: str) -> None:
    talk = reused()
    captured: list[Packet] = []
    for segment in talk.segments:
        copies = (
            2
            if direction == "both"
            or segment.sender == talk.ends["client" if direction == "client" else "server"].address
            else 1
        )
        captured += packets([segment]) * copies
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


# Lengths, checksums, links


@pytest.mark.parametrize("version", [4, 6])
def test_offloaded_segments_with_zero_ip_length(version: int) -> None:
    talk = Conversation() if version == 4 else Conversation(V6_CLIENT, V6_SERVER)
    talk.handshake()
    talk.exchange(1, noise(32_000))
    talk.exchange(2, noise(70_000))
    zero = with_ipv4(IPv4(total_length=0)) if version == 4 else with_ipv6(IPv6(payload_length=0))

    def network(segment: Segment) -> list[bytes]:
        return zero(segment) if len(segment.payload) > 1460 else whole(segment)

    captured = talk.packets(network=network)
    report = examine(captured)
    assert story(report) == TWICE
    assert "ip-length-zero" in note_codes(report)
    assert totals(report) == TWO_REQUESTS
    if version == 4:
        assert second_opinion(captured) == TWO_REQUESTS


def test_offloaded_segments_of_true_length() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1, noise(32_768))
    talk.exchange(2, noise(60_000))
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_padding_of_short_frames_is_not_payload() -> None:
    talk = reused()
    talk.request(b"GET / HTTP/1.1\r\n\r\n")
    report = examine(talk.packets(PADDED))
    assert totals(report) == Totals(1, 1, 3, 2) == second_opinion(talk.packets(PADDED))
    assert "bytes-missing" not in note_codes(report)


def test_wrong_checksums_are_ignored() -> None:
    """Checksums that the network card was to fill in."""
    captured = [
        packet._replace(data=packet.data[:24] + b"\x00\x00" + packet.data[26:50] + b"\xbe\xef" + packet.data[52:])
        for packet in reused().packets()
    ]
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


def test_vlan_tags_are_no_part_of_a_connection() -> None:
    talk = reused()
    captured: list[Packet] = []
    for place, segment in enumerate(talk.segments):
        tags = vlan((0x8100, 5)) if segment.sender[1] == 80 else vlan((0x88A8, 9), (0x8100, 6))
        captured += packets([segment], ETHERNET if place > 8 else tags)
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


@pytest.mark.parametrize(
    ("link", "version"),
    [
        (link, version)
        for link in LINKS
        for version in (4, 6)
        if link not in ("raw ipv4", "raw ipv6") or str(version) in link
    ],
)
def test_links(link: str, version: int) -> None:
    talk = reused() if version == 4 else Conversation(V6_CLIENT, V6_SERVER)
    if version == 6:
        talk.handshake()
        talk.exchange(1)
        talk.exchange(2)
    captured = talk.packets(LINKS[link])
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS
    assert report.verdict == "proved"
    if version == 4:
        assert second_opinion(captured) == TWO_REQUESTS


def test_an_unknown_link_type_is_named() -> None:
    captured = [packet._replace(link_type=147) for packet in reused().packets()]
    report = examine(captured)
    assert totals(report) == Totals(0, 0, 0, 0)
    assert "link-type-unknown" in note_codes(report)
    assert report.verdict == "inconclusive"


def test_two_link_types_in_one_capture() -> None:
    talk = reused()
    captured = packets(talk.segments[:5]) + packets(talk.segments[5:], LINKS["sll2"])
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


def test_ipv4_options() -> None:
    captured = reused().packets(network=with_ipv4(IPv4(options=b"\x94\x04\x00\x00\x01\x01\x01\x01")))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


@pytest.mark.parametrize("headers", [(HOP_BY_HOP,), (DESTINATION,), (HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION)])
def test_ipv6_extension_headers(headers: tuple[tuple[int, bytes], ...]) -> None:
    talk = Conversation(V6_CLIENT, V6_SERVER)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    captured = talk.packets(network=with_ipv6(IPv6(headers)))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


FragmentOrder = Callable[[list[Packet]], list[Packet]]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    "order",
    [lambda pieces: pieces, lambda pieces: pieces[::-1], lambda pieces: pieces + pieces[:2]],
    ids=["in order", "backwards", "repeated"],
)
def test_fragments_are_put_together(version: int, order: FragmentOrder) -> None:
    talk = Conversation() if version == 4 else Conversation(V6_CLIENT, V6_SERVER)
    talk.handshake()
    talk.exchange(1, noise(1200))
    talk.request(get("/2", "Cookie: " + "c" * 900))
    talk.response(ok(noise(1300, "second")))
    captured: list[Packet] = []
    for segment in talk.segments:
        captured += order(packets([segment], network=fragmented(256)))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS
    assert report.totals.tcp_packets >= len(talk.segments)
    assert second_opinion(captured) == TWO_REQUESTS


def test_options_that_were_fragmented_with_the_segment() -> None:
    """RFC 8200, section 4.5: what is for the destination alone comes behind the fragment header."""

    def network(segment: Segment) -> list[bytes]:
        body = b"\x06\0\x01\x04\0\0\0\0" + tcp(segment)
        pieces = []
        for at in range(0, len(body), 16):
            field = struct.pack(">BHI", 0, at | (at + 16 < len(body)), segment.ip_id)
            piece = bytearray(ipv6(segment, body[at : at + 16], IPv6(((44, field),))))
            piece[40] = 60
            pieces.append(bytes(piece))
        return pieces

    talk = Conversation(V6_CLIENT, V6_SERVER)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    captured = talk.packets(network=network)
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


def test_a_lost_fragment_is_missing_bytes() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1", "Cookie: " + "c" * 900))
    talk.response(ok())
    talk.exchange(2)
    captured = talk.packets(network=fragmented(256))
    del captured[4]
    report = examine(captured)
    assert totals(report)[:2] == (1, 1)
    assert report.verdict == "inconclusive"
    assert note_codes(report) & {"fragment-lost", "bytes-missing"}


def part(offset: int, more: bool, protocol: int = 17, ports: tuple[int, int] = (53, 40000)) -> Packet:
    """A fragment of 64 bytes: by itself it completes nothing."""
    body = struct.pack(">HHHH", *ports, 1480, 0) + bytes(56) if offset == 0 else noise(64, f"part {offset}")
    field = offset // 8 | 0x2000 * more
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 84, 7, field, 64, protocol, 0, b"\x0a\0\0\x09", b"\x0a\0\0\x01")
    frame = bytes(12) + b"\x08\x00" + head + body
    return Packet(frame, START_NS + 10**9, len(frame), 1)


@pytest.mark.parametrize(
    "parts",
    [[part(0, True)], [part(0, True), part(128, False)], [part(64, True), part(0, True)]],
    ids=["first alone", "middle lost", "end lost"],
)
def test_parts_of_a_datagram_that_is_no_tunnel_hide_nothing(parts: list[Packet]) -> None:
    """Large answers of a name server, say: a filter by port has their first parts alone."""
    report = examine(behind(parts))
    assert report.verdict == "proved"
    assert note_codes(report) == set()


@pytest.mark.parametrize(
    "lone",
    [
        part(64, False),
        part(0, True, ports=(40000, 4789)),
        part(0, True, ports=(2152, 40000)),
        part(0, True, protocol=6),
        part(0, True, protocol=47),
    ],
    ids=["ports unknown", "VXLAN", "GTP-U", "TCP", "GRE"],
)
def test_parts_of_what_may_be_a_connection_hide_one(lone: Packet) -> None:
    report = examine(behind([lone]))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"packets-unreadable"})
    assert note_codes(report) == {"fragment-lost"}


def test_tcp_options_are_skipped() -> None:
    talk = reused()
    captured = packets([segment._replace(options=TIMESTAMPS) for segment in talk.segments])
    assert story(examine(captured)) == TWICE


def test_quoted_headers_in_icmp_errors_are_not_packets() -> None:
    talk = reused()
    quoted = whole(talk.segments[0])[0][:28]
    error = (
        b"\x45\x00"
        + (28 + len(quoted)).to_bytes(2, "big")
        + bytes(4)
        + b"\x40\x01\x00\x00\x0a\x00\x00\x02\x0a\x00\x00\x01"
    )
    error += b"\x03\x03" + bytes(6) + quoted
    frame = MACS + b"\x08\x00" + error
    captured = [*talk.packets(), Packet(frame, talk.now, len(frame), 1)]
    report = examine(captured)
    assert story(report) == TWICE
    assert report.totals.tcp_packets == len(talk.segments)
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)


# Time


def test_a_long_idle_time_splits_nothing() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.pause(7 * 24 * 3600)
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_time_that_steps_back_keeps_the_order_of_the_file() -> None:
    talk = reused()
    talk.close("client")
    captured = [
        packet._replace(ts_ns=packet.ts_ns - (5_000_000_000 if place > 4 else 0))
        for place, packet in enumerate(talk.packets())
    ]
    report = examine(captured)
    assert story(report) == ["complete: new reused; client fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)
    assert "time-went-back" in note_codes(report)
    (connection,) = report.details.connections()
    assert connection.handshake_ns is not None
    assert connection.handshake_ns >= 0
    assert connection.closed_ns is None or connection.closed_ns >= connection.opened_ns
    assert all(
        exchange.response_end_ns is None or exchange.response_end_ns >= exchange.request_ns
        for exchange in report.details.exchanges()
    )
    assert report.totals.cost_ns >= 0


def talks_of_two(concurrent: bool) -> tuple[list[Segment], list[Segment], list[Segment]]:
    """A request, the connection of another one, and the response to the first, which lasts for ten seconds."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    begun = len(talk.segments)
    if not concurrent:
        talk.pause(10)
        talk.response(ok())
    other = Conversation(("10.0.0.1", 40001), now=talk.now + STEP_NS)
    other.handshake()
    other.exchange(2)
    if concurrent:
        talk.now = other.now
        talk.response(ok())
        return talk.segments[:begun], other.segments, talk.segments[begun:]
    return talk.segments[:begun], talk.segments[begun:], other.segments


@pytest.mark.parametrize("concurrent", [True, False])
@pytest.mark.parametrize("step_ns", [500_000, 5_000_000_000])
def test_a_clock_that_is_set_back_makes_and_hides_concurrency(concurrent: bool, step_ns: int) -> None:
    """By their times requests are under way at once that were not, or the other way round. A little disorder is that of
    captures on several processors."""
    first, second, third = talks_of_two(concurrent)
    truth = "proved" if concurrent else "refuted"
    assert examine(packets(first + second + third)).verdict == truth
    if concurrent:
        second = [segment._replace(ts_ns=segment.ts_ns - step_ns) for segment in second]
    third = [segment._replace(ts_ns=segment.ts_ns - step_ns) for segment in third]
    report = examine(packets(first + second + third))
    if step_ns < STEP_NS:
        assert (report.verdict, note_codes(report)) == (truth, set())
    else:
        assert (report.verdict, reasons(report)) == ("inconclusive", {"times-unsure"})
        assert "times-disordered" in note_codes(report)


def test_a_single_time_that_is_wrong_makes_no_concurrency() -> None:
    first, second, third = talks_of_two(concurrent=False)
    second = [segment._replace(ts_ns=segment.ts_ns + 10**18) for segment in second[:1]] + second[1:]
    report = examine(packets(first + second + third))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"times-unsure"})


@pytest.mark.parametrize("near", ["10.0.0.1", "10.0.0.2"])
def test_two_interfaces_written_in_turn_make_no_concurrency(near: str) -> None:
    """Each has one direction (a tap, and `dumpcap -i a -i b`): in the file requests stand in front of the responses to
    those before them, and that they followed one another the times alone know."""
    first = Conversation()
    first.handshake()
    for number in range(3):
        first.exchange(number)
    second = another()
    whole = first.segments + second.segments
    assert examine(packets(whole)).verdict == "refuted"

    def written(segment: Segment) -> tuple[int, bool]:
        return segment.ts_ns // (5 * STEP_NS), segment.sender[0] != near

    report = examine(packets(sorted(whole, key=written)))
    assert report.verdict != "proved"
    assert "times-disordered" in note_codes(report)


def in_turn(count: int) -> list[Segment]:
    """Connections of one request each, one after another."""
    talks: list[Conversation] = []
    for number in range(count):
        talk = Conversation(("10.0.0.1", 40000 + number), isns=(number * 7777, number * 99_999))
        talk.now = talks[-1].now if talks else START_NS
        talk.handshake()
        talk.exchange(number)
        talks.append(talk)
    return merged(*talks)


@pytest.mark.parametrize("late_ns", [500_000_000, 3_600_000_000_000])
def test_captures_of_two_clocks_make_no_concurrency(late_ns: int) -> None:
    """All packets, by a clock that is fast, and those of the client alone, by one that is not: by their times each
    request waits for its response until all others have gone out."""
    whole = in_turn(4)
    assert examine(packets(whole)).verdict == "refuted"
    late = [segment._replace(ts_ns=segment.ts_ns + late_ns) for segment in whole]
    for asked in (
        [segment for segment in whole if segment.sender[1] != 80],
        # A part of the client's packets alone, and what the server says of them.
        [segment for segment in whole if not segment.payload or segment.sender[1] != 80],
    ):
        report = examine(packets(sorted(asked + late, key=lambda segment: segment.ts_ns)))
        assert (report.verdict, reasons(report)) == ("inconclusive", {"times-unsure"})
        assert "answered-before" in note_codes(report)
    report = examine(packets(sorted(whole + late, key=lambda segment: segment.ts_ns)))
    assert report.verdict != "proved"


@pytest.mark.parametrize("server_late_ns", [-500_000_000, -20_000_000])
def test_a_direction_with_a_clock_of_its_own_hides_no_concurrency(server_late_ns: int) -> None:
    """Responses that come before their requests: what was under way at once does not show."""
    one, other = Conversation(), Conversation(("10.0.0.1", 40001), now=START_NS + 10_500_000)
    for talk in (one, other):
        talk.handshake()
        talk.say("client", "PA", get("/"))
        talk.pause(0.1)
        talk.say("server", "PA", ok())
        talk.ack("client")
    whole = merged(one, other)
    assert examine(packets(whole)).verdict == "proved"
    moved = [s if s.sender[1] != 80 else s._replace(ts_ns=s.ts_ns + server_late_ns) for s in whole]
    report = examine(packets(sorted(moved, key=lambda segment: segment.ts_ns)))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"times-unsure"})


def test_neighbours_that_change_places_are_of_one_clock() -> None:
    """As captures on several processors have them."""
    segments = in_turn(2)
    answer = next(place for place, segment in enumerate(segments) if segment.payload.startswith(b"HTTP"))
    segments[answer] = segments[answer]._replace(ts_ns=segments[answer + 1].ts_ns + 300_000)
    report = examine(packets(sorted(segments, key=lambda segment: segment.ts_ns)))
    assert (report.verdict, "answered-before" in note_codes(report)) == ("refuted", False)


@pytest.mark.parametrize("apart_ns", [0, 100, 300_000])
def test_a_request_captured_just_before_the_response_that_it_acknowledges(apart_ns: int) -> None:
    """It is not pipelined: the two were never under way at once, and a second connection was needless."""
    talk = reused()
    segments = talk.segments
    asked = next(place for place, segment in enumerate(segments) if segment.payload == get("/2"))
    answer = next(place for place, segment in enumerate(segments) if segment.payload == ok())
    moment = segments[asked].ts_ns
    swapped = [
        *segments[:answer],
        segments[asked],
        segments[answer]._replace(ts_ns=moment + apart_ns),
        segments[answer + 1]._replace(ts_ns=moment + apart_ns),
        *segments[asked + 1 :],
    ]
    other = then(talk, (3_000_000, 5_000_000))
    other.handshake()
    other.exchange(1)
    report = examine(packets([*swapped, *other.segments]))
    assert (report.verdict, report.totals.lower_bound) == ("refuted", 1)
    assert totals(report) == Totals(2, 2, 3, 3)


def test_times_in_disorder_matter_only_to_what_was_under_way_at_once() -> None:
    """A capture behind another one in one file: each pair's packets are in order, or it has one connection."""
    alone, late = reused(), Conversation(("10.0.0.3", 40001), now=START_NS - 10**9)
    late.handshake()
    late.exchange(1)
    late.exchange(2)
    report = examine(packets(alone.segments + late.segments))
    assert (report.verdict, note_codes(report)) == ("proved", {"times-disordered"})
    first, second, third = talks_of_two(concurrent=True)
    behind_it = [segment._replace(ts_ns=segment.ts_ns - 10**12) for segment in first + second + third]
    report = examine(
        packets(
            alone.segments[:-2]
            + [s._replace(sender=other_end(s.sender), receiver=other_end(s.receiver)) for s in behind_it]
        )
    )
    assert (report.verdict, note_codes(report)) == ("proved", {"times-disordered"})


def other_end(address: Address) -> Address:
    """The same machine in another network."""
    return address[0].replace("10.0.0.", "10.0.7."), address[1]


def test_handshake_time_that_steps_back_is_not_negative() -> None:
    captured = [
        packet._replace(ts_ns=packet.ts_ns - (600_000_000_000_000_000 if place else 0))
        for place, packet in enumerate(reused().packets())
    ]
    (connection,) = examine(captured).details.connections()
    assert connection.handshake_ns is None or connection.handshake_ns >= 0


def test_frames_and_times_of_a_connection() -> None:
    talk = reused()
    talk.close("server")
    (connection,) = examine(talk.packets()).details.connections()
    assert connection.frames == Frames(1, 2, 3, 4, 12)
    assert connection.opened_ns == START_NS
    assert connection.handshake_ns == 2 * STEP_NS
    assert (connection.first_closer, connection.closed_with) == ("server", "fin")


# Closing


@pytest.mark.parametrize("first", ["client", "server"])
def test_first_closer(first: str) -> None:
    talk = reused()
    talk.close("client" if first == "client" else "server")
    report = examine(talk.packets())
    assert story(report) == [f"complete: new reused; {first} fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


@pytest.mark.parametrize("seen_first", ["client", "server"])
def test_simultaneous_close_has_two_closers(seen_first: str) -> None:
    talk = reused()
    sides = ("client", "server") if seen_first == "client" else ("server", "client")
    acknowledged = {"client": talk.ends["server"].next, "server": talk.ends["client"].next}
    for side in sides:
        talk.say("client" if side == "client" else "server", "FA", ack=acknowledged[side])
    talk.ack("client")
    talk.ack("server")
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused; both fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


@pytest.mark.parametrize("flags", ["R", "RA"])
@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset_closes(first: str, flags: str) -> None:
    talk = reused()
    talk.reset("client" if first == "client" else "server", flags)
    report = examine(talk.packets())
    assert story(report) == [f"complete: new reused; {first} rst"]
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_a_reset_after_a_fin_is_an_echo() -> None:
    """The server closes, the client had unread bytes and answers with RST: the server closed first."""
    talk = reused()
    talk.fin("server")
    talk.reset("client", "R")
    talk.reset("client", "R")
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused; server fin"]


def test_a_storm_of_resets_is_one_close() -> None:
    talk = reused()
    for _ in range(5):
        talk.reset("server")
    talk.reset("client", "R")
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused; server rst"]


def test_data_after_the_other_side_closed_is_still_read() -> None:
    """A client may finish sending, close its half, and read on."""
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.say("client", "PA", get("/2"))
    talk.fin("client")
    talk.response(ok())
    talk.fin("server")
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused; client fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_a_fin_with_the_last_bytes() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.request(get("/2"))
    talk.say("server", "FPA", ok())
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused; server fin"]
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_a_repeated_fin_is_one_close() -> None:
    talk = reused()
    last = talk.fin("server")
    talk.again(last)
    talk.ack("client")
    talk.again(last)
    talk.fin("client")
    talk.ack("server")
    assert story(examine(talk.packets())) == ["complete: new reused; server fin"]


# What looks like a request and isn't, and the other way round


def test_pipelined_requests_in_one_segment() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1") + get("/2") + get("/3"))
    talk.response(ok(b"1") + ok(b"2") + ok(b"3"))
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused reused; none none"]
    assert totals(report) == Totals(1, 1, 3, 3) == second_opinion(talk.packets())
    assert [exchange.target for exchange in report.details.exchanges()] == ["/1", "/2", "/3"]


def test_interim_responses_are_not_final() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(request_head("POST", "/up", "Content-Length: 5", "Expect: 100-continue"))
    talk.response(response_head("100 Continue"))
    talk.request(b"12345")
    talk.response(response_head("103 Early Hints", "Link: </a.css>; rel=preload"))
    talk.response(ok())
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS
    assert second_opinion(talk.packets()) == Totals(1, 1, 2, 4)  # tshark counts the interim ones
    assert [exchange.status for exchange in report.details.exchanges()] == [200, 200]


def test_a_tunnel_is_one_request() -> None:
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.request(request_head("CONNECT", "a.example:443"))
    talk.response(response_head("200 Connection established"))
    talk.request(sealed(300))
    talk.response(sealed(3000))
    talk.request(sealed(200))
    report = examine(talk.packets())
    assert story(report) == ONCE
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())
    (exchange,) = report.details.exchanges()
    assert (exchange.method, exchange.target, exchange.status) == ("CONNECT", "a.example:443", 200)


@pytest.mark.parametrize("size", [1, 3, 5000])
def test_requests_in_an_encrypted_tunnel_cannot_be_read(size: int) -> None:
    """However the tunnel's bytes are cut into segments."""
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.request(request_head("CONNECT", "a.example:443"))
    talk.response(response_head("200 Connection established"))
    talk.send("client", client_hello(), size)
    talk.send("server", server_hello() + sealed(300), size)
    talk.send("client", sealed(200), size)
    talk.send("server", sealed(700), size)
    report = examine(talk.packets())
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"requests-unreadable"}


@pytest.mark.parametrize("greeting", [b"\5\1\0", b"\4\1\1\xbb\xc0\0\2\1\0"])
def test_requests_in_tls_through_socks_cannot_be_read(greeting: bytes) -> None:
    """Beside plain ones through the same proxy."""
    server = ("10.0.0.2", 7890)
    plain = Conversation(server=server)
    plain.handshake()
    plain.exchange(1)
    plain.exchange(2)
    talks = [plain]
    for number in range(2):
        talk = Conversation(("10.0.0.1", 40001 + number), server, now=talks[-1].now + 10**9)
        talk.handshake()
        talk.request(greeting)
        if greeting[0] == 5:
            talk.response(b"\5\0")
            talk.request(b"\5\1\0\1\xc0\0\2\1\1\xbb")
            talk.response(b"\5\0\0\1" + bytes(6))
        else:
            talk.response(b"\0\x5a" + bytes(6))
        talk.request(client_hello())
        talk.response(server_hello() + sealed(300))
        talk.request(sealed(200))
        talk.response(sealed(700))
        talk.close("client")
        talks.append(talk)
    report = examine(packets(merged(*talks)))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"requests-unreadable"})
    assert totals(report) == Totals(3, 3, 2, 2)


def test_requests_in_a_readable_tunnel_are_requests() -> None:
    """The tunnel is one request, and what is said inside it counts after it; tshark 4.0 doesn't look inside."""
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.request(request_head("CONNECT", "a.example:80"))
    talk.response(response_head("200 Connection established"))
    talk.exchange(1)
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == ["complete: new reused reused; none none"]
    assert totals(report) == Totals(1, 1, 3, 3)
    assert sentence(report).startswith("2 requests and 1 CONNECT, 1 handshake: the connection was re-used")
    assert second_opinion(talk.packets()) in (Totals(1, 1, 1, 1), totals(report))


def test_requests_in_front_of_a_tunnel_are_under_way_as_any() -> None:
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.say("client", "PA", get("http://a.example/1"))
    other = Conversation(("10.0.0.1", 40001), ("10.0.0.2", 3128), (1, 2), talk.now)
    other.handshake()
    other.exchange(1)
    other.close("client")
    talk.now = other.now
    talk.response(ok())
    talk.request(request_head("CONNECT", "a.example:80"))
    talk.response(response_head("200 Connection established"))
    report = examine(packets(merged(talk, other)))
    assert (report.verdict, report.totals.lower_bound) == ("proved", 2)


def test_a_tunnel_through_a_tunnel_is_not_in_use_twice() -> None:
    now = START_NS
    talks = []
    for number in range(2):
        talk = Conversation(("10.0.0.1", 40000 + number), ("10.0.0.2", 3128), now=now)
        talk.handshake()
        for target in ("b.example:3128", "a.example:22"):
            talk.request(request_head("CONNECT", target))
            talk.response(response_head("200 Connection established"))
        talk.request(b"SSH-2.0-here\r\n")
        talk.response(b"SSH-2.0-there\r\n")
        talk.close("client")
        talks.append(talk)
        now = talk.now + 10**9
    report = examine(packets(merged(*talks)))
    assert (report.verdict, report.totals.lower_bound) == ("refuted", 1)


@pytest.mark.parametrize("unread", [b"\0" + get("/2"), ok() + b"\0" + get("/2")])
def test_requests_in_a_tunnel_that_are_not_told_apart(unread: bytes) -> None:
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.request(request_head("CONNECT", "a.example:80"))
    talk.response(response_head("200 Connection established"))
    talk.exchange(1)
    talk.request(unread)
    report = examine(talk.packets())
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


def test_a_refused_tunnel_leaves_http() -> None:
    """A proxy asks for credentials, and gets them on the same connection."""
    talk = Conversation(server=("10.0.0.2", 3128))
    talk.handshake()
    talk.request(request_head("CONNECT", "a.example:443"))
    talk.response(response_head("407 Proxy Authentication Required", "Content-Length: 4") + b"auth")
    talk.request(request_head("CONNECT", "a.example:443", "Proxy-Authorization: Basic eDp5"))
    talk.response(response_head("200 Connection established"))
    talk.request(sealed(300))
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())
    assert sentence(report).startswith("2 CONNECTs, 1 handshake seen")


def test_after_an_upgrade_nothing_is_http() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(request_head("GET", "/chat", "Upgrade: websocket", "Connection: Upgrade"))
    talk.response(response_head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"))
    talk.request(b"\x81\x05hello")
    talk.response(b"\x81\x10" + get("/not-a-request")[:16])
    talk.request(get("/not-a-request"))
    report = examine(talk.packets())
    assert story(report) == ONCE
    assert totals(report) == Totals(1, 1, 1, 1) == second_opinion(talk.packets())
    (exchange,) = report.details.exchanges()
    assert exchange.status == 101


@pytest.mark.parametrize("probe", [b"", b"\x00"], ids=["empty", "one byte"])
def test_keep_alive_probes_are_not_requests(probe: bytes) -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    for _ in range(3):
        talk.pause(75)
        after = talk.ends["client"].next
        talk.ends["client"].next = (after - 1) % WRAP
        talk.say("client", "A", probe)
        talk.ends["client"].next = after
        talk.ack("server")
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())
    assert report.verdict == "proved"


def test_window_probes_are_not_requests_of_their_own() -> None:
    """A zero-window probe carries the next byte, which is sent again once the window opens."""
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    probe = talk.say("client", "A", get("/2")[:1])
    talk.ends["client"].next = probe.seq
    talk.ack("server")
    talk.pause(1)
    talk.request(get("/2"))
    talk.response(ok())
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report)[:3] == (1, 1, 2)


def test_session_tickets_are_not_a_response() -> None:
    talk = Conversation(server=("10.0.0.2", 443))
    tls13_opening(talk)
    talk.request(sealed(120, seed="request"))
    talk.response(sealed(500, seed="response"))
    report = examine(talk.packets())
    (connection,) = report.details.connections()
    assert (connection.protocol, connection.responses) == ("tls", 0)
    assert connection.tls is not None
    assert connection.tls.sni == "a.example"
    assert totals(report)[:2] == (1, 1) == second_opinion(talk.packets())[:2]
    assert report.verdict == "inconclusive"
    assert "requests-unreadable" in reasons(report)


def test_excess_bytes_after_a_body_are_not_a_response() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    talk.response(ok(b"body") + b"excess\r\n")
    talk.exchange(2)
    report = examine(talk.packets())
    assert report.totals.requests == 2
    assert "excess-bytes" in note_codes(report)


def test_an_unsolicited_response_is_named() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.pause(60)
    talk.say("server", "PA", response_head("408 Request Timeout", "Connection: close", "Content-Length: 0"))
    talk.fin("server")
    report = examine(talk.packets())
    assert story(report) == ["complete: new; server fin"]
    assert "response-without-request" in note_codes(report)


def test_a_request_on_any_port() -> None:
    """tshark gives these ports to other dissectors; content decides here."""
    for port in (22, 139, 443, 5060, 5432, 50505):
        talk = Conversation(server=("10.0.0.2", port))
        talk.handshake()
        talk.exchange(1)
        talk.exchange(2)
        assert story(examine(talk.packets())) == TWICE


def test_other_protocols_have_no_requests() -> None:
    for first, answer in (
        (b"EHLO a.example\r\n", b"250 hello\r\n"),
        (b"\x00\x01\x02\x03" * 9, b"\xff" * 40),
        (b"WHO #channel\r\n", b":irc 352\r\n"),
    ):
        talk = Conversation(server=("10.0.0.2", 2500))
        talk.handshake()
        talk.say("server", "PA", b"220 ready\r\n")
        talk.request(first)
        talk.response(answer)
        report = examine(talk.packets())
        assert totals(report) == Totals(1, 1, 0, 0)
        (connection,) = report.details.connections()
        assert connection.protocol == "other"


def test_other_protocols_are_never_extra() -> None:
    """Three mail connections beside HTTP that is re-used: nothing was expected of them."""
    talk = reused()
    mails = [
        Conversation(("10.0.0.1", 41000 + number), ("10.0.0.3", 25), now=talk.now + number * 10**9)
        for number in range(3)
    ]
    for mail in mails:
        mail.handshake()
        mail.response(b"220 ready\r\n")
        mail.request(b"QUIT\r\n")
        mail.close("client")
    report = examine(packets(merged(talk, *mails)))
    assert totals(report) == Totals(4, 4, 2, 2)
    assert report.totals.extra_handshakes == 0
    assert report.verdict == "proved"


def test_http2_without_tls_is_not_read_as_http1() -> None:
    talk = Conversation()
    talk.handshake()
    talk.say("server", "PA", bytes.fromhex("000000040000000000"))
    talk.request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
    talk.response(bytes.fromhex("000000040100000000") + bytes.fromhex("0000050104000000018287848641"))
    report = examine(talk.packets())
    (connection,) = report.details.connections()
    assert connection.protocol == "h2"
    assert totals(report) == Totals(1, 1, 0, 0) == second_opinion(talk.packets())
    assert report.verdict == "inconclusive"
    assert "requests-unreadable" in reasons(report)


def test_encrypted_connections_beside_readable_ones_prove_nothing() -> None:
    talk = reused()
    secret = Conversation(("10.0.0.1", 41000), ("10.0.0.2", 443), now=talk.now)
    tls13_opening(secret)
    secret.request(sealed(120))
    secret.response(sealed(700))
    report = examine(packets(merged(talk, secret)))
    assert totals(report) == Totals(2, 2, 2, 2)
    assert report.verdict == "inconclusive"
    assert "requests-unreadable" in reasons(report)


# Orders in which segments can reach a capture


def long_talk(isns: tuple[int, int] = (1_000, 700_000)) -> Conversation:
    """Three exchanges in small segments, so that there is something to mix up."""
    talk = Conversation(isns=isns)
    talk.handshake()
    for number in range(1, 4):
        talk.send("client", get(f"/{number}", "Cookie: " + "c" * 40), 20)
        talk.ack("server")
        talk.send("server", ok(noise(150, f"body {number}")), 30)
        talk.ack("client")
    return talk


THRICE = ["complete: new reused reused; none none"]
THREE_REQUESTS = Totals(1, 1, 3, 3)


@pytest.mark.parametrize("before", [1, 21, 60, 250])
def test_sequence_numbers_wrap(before: int) -> None:
    talk = long_talk((WRAP - before, WRAP - before - 7))
    report = examine(talk.packets())
    assert story(report) == THRICE
    assert totals(report) == THREE_REQUESTS == second_opinion(talk.packets())


@pytest.mark.parametrize("before", [0, 21, 60])
def test_segments_out_of_order(before: int) -> None:
    """Neighbours of the same direction change places, before and across the wrap."""
    talk = long_talk((WRAP - before, WRAP - before) if before else (1_000, 700_000))
    segments = talk.segments[:3]
    rest = talk.segments[3:]
    while rest:
        if len(rest) > 1 and rest[0].payload and rest[1].payload and rest[0].sender == rest[1].sender:
            segments += [rest[1], rest[0]]
            rest = rest[2:]
        else:
            segments.append(rest.pop(0))
    captured = packets(retimed(segments))
    report = examine(captured)
    assert story(report) == THRICE
    assert totals(report) == THREE_REQUESTS == second_opinion(captured)


@pytest.mark.parametrize("held", [20, 140, 300])
def test_what_does_not_come_is_given_up_however_long_it_was_waited_for(held: int) -> None:
    """Bytes of a response are missing, what follows them is acknowledged late, and the connection is reset meanwhile.
    Found by fuzzing."""
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.request(get("/2"))
    talk.say("server", "PA", b"x" * 10)
    talk.segments.pop()
    for _ in range(held):
        talk.say("server", "A", b"y")
    talk.reset("server", "R")
    talk.request(get("/3"))
    talk.request(get("/4"))
    assert totals(examine(talk.packets())).requests == 4


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (0, 2, 1, 3), (2, 0, 1, 3), (3, 0, 1, 2), (0, 2, 3, 4, 5, 1)], ids=str)
def test_a_handshake_out_of_order(order: tuple[int, ...]) -> None:
    segments = reused().segments
    captured = packets(retimed([*(segments[place] for place in order), *segments[len(order) :]]))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS
    assert report.verdict == "proved"


@pytest.mark.parametrize("order", [(2, 1, 3), (2, 3, 1), (3, 2, 1)], ids=str)
def test_the_rest_of_a_handshake_out_of_order(order: tuple[int, ...]) -> None:
    segments = reused().segments
    captured = packets(retimed([*(segments[place] for place in order), *segments[4:]]))
    report = examine(captured)
    assert totals(report) == Totals(1, 0, 2, 2) == second_opinion(captured)
    assert report.verdict == "inconclusive"


def test_whole_messages_backwards() -> None:
    talk = Conversation()
    talk.handshake()
    for number in range(1, 3):
        request = talk.send("client", get(f"/{number}"), 5)
        talk.segments[-len(request) :] = reversed(request)
        talk.ack("server")
        response = talk.send("server", ok(noise(200)), 10)
        talk.segments[-len(response) :] = reversed(response)
        talk.ack("client")
    captured = packets(retimed(talk.segments))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS


def test_a_response_captured_before_its_request() -> None:
    """Directions that take different queues to the capture: counts stand, and no time runs backwards."""
    talk = reused()
    request = next(place for place, segment in enumerate(talk.segments) if segment.payload == get("/2"))
    order = [*range(request), request + 2, request, request + 1, *range(request + 3, len(talk.segments))]
    captured = packets(retimed(talk.segments[place] for place in order))
    report = examine(captured)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(captured)
    assert [exchange.status for exchange in report.details.exchanges()] == [200, 200]
    for exchange in report.details.exchanges():
        assert exchange.response_end_ns is not None
        assert exchange.response_end_ns >= exchange.request_ns


def test_a_response_captured_before_the_end_of_its_request() -> None:
    """Wherever the request was cut in two."""
    first = get("/1")
    for size in range(1, len(first)):
        talk = Conversation()
        talk.handshake()
        talk.say("client", "PA", first[:size])
        talk.say("client", "PA", first[size:])
        talk.ack("server")
        talk.response(ok())
        talk.exchange(2)
        order = [0, 1, 2, 3, 5, 6, 4, *range(7, len(talk.segments))]
        report = examine(packets(retimed(talk.segments[place] for place in order)))
        assert (size, story(report)) == (size, TWICE)
        assert (size, totals(report)) == (size, TWO_REQUESTS)


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("swapped", [1, 2])
def test_a_request_captured_before_the_response_that_it_acknowledges(swapped: int, pieces: int) -> None:
    """They followed one another: that the response is under way beside the request makes no other connection needed."""
    talk = Conversation()
    talk.handshake()
    for number in (1, 2):
        talk.say("client", "PA", get(f"/{number}"))
        body = ok(noise(900))
        talk.send("server", body, -(-len(body) // pieces))
    request = 3 + 1 + pieces
    order = [*range(request - min(swapped, pieces)), request]
    talk.segments = retimed(
        talk.segments[place] for place in order + [place for place in range(len(talk.segments)) if place not in order]
    )
    later = Conversation(("10.0.0.1", 40001), now=talk.now + 10**9)
    later.handshake()
    later.exchange(3)
    captured = packets(merged(talk, later))
    report = examine(captured)
    assert totals(report) == Totals(2, 2, 3, 3) == second_opinion(captured)
    assert (report.verdict, report.totals.lower_bound) == ("refuted", 1)


def test_a_response_is_not_given_to_a_request_that_came_after_it() -> None:
    """The first request is missing: its response acknowledges nothing of the second one, so it is no answer to it."""
    talk = Conversation()
    talk.handshake()
    lost = talk.say("client", "PA", get("/1"))
    talk.ack("server")
    talk.response(response_head("404 Not Found", "Content-Length: 0"))
    talk.request(get("/2"))
    report = examine(packets([segment for segment in talk.segments if segment is not lost]))
    assert [(exchange.target, exchange.status) for exchange in report.details.exchanges()] == [("/2", None)]
    assert report.verdict == "inconclusive"


def test_a_response_after_a_gap_is_not_given_to_a_later_request() -> None:
    """An interim response is lost, the final one follows; the second request is made after both, and not answered."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    lost = talk.say("server", "PA", response_head("103 Early Hints", "Link: <a>"))
    talk.response(ok())
    talk.request(get("/2"))
    report = examine(packets([segment for segment in talk.segments if segment is not lost]))
    first, second = report.details.exchanges()
    assert (second.target, second.status) == ("/2", None)
    assert first.status in (200, None)
    assert report.verdict == "inconclusive"


def late(talk: Conversation, number: int) -> Segment:
    """Takes a segment out of a capture that just had it: its receiver has nothing behind it, either."""
    segment = talk.segments.pop(number)
    talk.say("client", "A", ack=segment.seq)
    return segment


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("lost", [0, 1])
def test_a_response_lasts_until_what_was_lost_of_it_is_sent_again(lost: int, chunks: bool) -> None:
    """Its last bytes were there before, and of no use to the client, which needed another connection meanwhile."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    body = b"x" * 3000
    response = response_head("200 OK", "Transfer-Encoding: chunked") + chunked(body) if chunks else ok(body)
    talk.send("server", response, 1200)
    segment = late(talk, 5 + lost)
    meanwhile = Conversation(("10.0.0.1", 40001), isns=(1, 2), now=talk.now + STEP_NS)
    meanwhile.handshake()
    meanwhile.exchange(2)
    talk.pause(0.2)
    again = talk.again(segment)
    talk.ack("client")
    captured = packets(merged(talk, meanwhile))
    report = examine(captured)
    assert totals(report) == Totals(2, 2, 2, 2) == second_opinion(captured)
    assert (report.verdict, report.totals.lower_bound) == ("proved", 2)
    first = next(iter(report.details.exchanges()))
    assert first.response_end_ns == again.ts_ns


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("size", [40, 1000])
def test_a_request_is_under_way_before_what_was_lost_of_it_is_sent_again(size: int, before: int) -> None:
    """A capture at the server: the rest of the request says when it was sent, at the latest."""
    talk = Conversation()
    talk.handshake()
    for _ in range(before):
        talk.exchange(1)
    segments = talk.send("client", request_head("POST", "/2", "Content-Length: 1500") + b"x" * 1500, size)
    talk.segments.remove(segments[0])
    talk.say("server", "A", ack=segments[0].seq)
    meanwhile = Conversation(("10.0.0.1", 40001), isns=(1, 2), now=talk.now + STEP_NS)
    meanwhile.handshake()
    meanwhile.exchange(3)
    meanwhile.exchange(4)
    talk.pause(0.2)
    talk.again(segments[0])
    talk.response(ok())
    talk.exchange(5)
    captured = packets(merged(talk, meanwhile))
    report = examine(captured)
    assert totals(report) == Totals(2, 2, 4 + before, 4 + before)
    assert (report.verdict, report.totals.lower_bound) == ("proved", 2)
    post = next(exchange for exchange in report.details.exchanges() if exchange.method == "POST")
    assert post.request_ns == segments[1].ts_ns


def test_a_response_lasts_until_its_fin_where_that_ends_it_and_came_before() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    talk.send("server", response_head("200 OK") + b"x" * 3000, 1200)
    talk.fin("server")
    segment = late(talk, 6)
    talk.pause(0.2)
    again = talk.again(segment)
    talk.ack("client")
    (exchange,) = examine(talk.packets()).details.exchanges()
    assert exchange.response_end_ns == again.ts_ns


def test_segments_repeated() -> None:
    talk = long_talk()
    captured = packets(
        retimed(copy for segment in talk.segments for copy in (segment, segment._replace(ip_id=segment.ip_id ^ 0x7000)))
    )
    report = examine(captured)
    assert story(report) == THRICE
    assert totals(report) == THREE_REQUESTS == second_opinion(captured)


def test_segments_repeated_long_after() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    first = list(talk.segments[3:])
    talk.exchange(2)
    for segment in first:
        talk.again(segment)
    talk.exchange(3)
    report = examine(talk.packets())
    assert story(report) == THRICE
    assert totals(report) == THREE_REQUESTS == second_opinion(talk.packets())


def test_segments_overlap() -> None:
    """A retransmission that takes other boundaries: it repeats old bytes and brings new ones."""
    talk = Conversation()
    talk.handshake()
    request = get("/1", "Cookie: " + "c" * 40)
    start = talk.ends["client"].next
    for low, high in ((0, 30), (10, 50), (5, 20), (45, len(request))):
        talk.ends["client"].next = start + low
        talk.say("client", "PA", request[low:high])
    response = ok(noise(300))
    start = talk.ends["server"].next
    for low, high in ((0, 100), (50, 60), (90, 250), (240, len(response))):
        talk.ends["server"].next = start + low
        talk.say("server", "PA", response[low:high])
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(talk.packets())


def test_overlaps_out_of_order() -> None:
    """Waiting pieces that overlap one another, filled from the front."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    response = ok(noise(300))
    start = talk.ends["server"].next
    for low, high in ((200, 300), (150, 260), (100, 120), (110, 190), (0, 105), (290, len(response))):
        talk.ends["server"].next = start + low
        talk.say("server", "PA", response[low:high])
    talk.ends["server"].next = start + len(response)
    talk.exchange(2)
    report = examine(talk.packets())
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS


def test_a_response_lasts_until_what_was_lost_of_it_comes() -> None:
    """The last segments were captured long before the one that was lost on the way, and is sent again."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    sent = talk.send("server", ok(noise(4000)), 1460)
    talk.segments.remove(sent[1])
    other = Conversation(("10.0.0.1", 40001), now=talk.now + 10 * STEP_NS)
    other.handshake()
    other.exchange(2)
    talk.pause(1)
    again = talk.again(sent[1])
    talk.ack("client")
    talk.exchange(3)
    segments = merged(talk, other)
    report = examine(packets(segments))
    assert (report.verdict, report.totals.lower_bound) == ("proved", 2)
    first = next(report.details.exchanges())
    assert first.response_end_ns == again.ts_ns


def test_segments_repeated_beyond_two_gibibytes() -> None:
    """By then the numbers are nearer to the first one from the other side."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    step, steps = 60_000, 36_000
    talk.say("server", "PA", response_head("200 OK", f"Content-Length: {step * steps}"))
    captured = talk.packets()
    talk.segments.clear()
    filler = bytes(step)
    (one,) = packets([talk.say("server", "PA", filler)])
    sent = one.data
    for place in range(steps):
        seq = (talk.ends["server"].next + (place - 1) * step) % WRAP
        data = sent[:38] + struct.pack(">I", seq) + sent[42:100]
        captured.append(Packet(data, talk.now + place, one.wire_length, one.link_type))
    captured.append(captured[-1]._replace(ts_ns=talk.now + steps))
    talk.segments.clear()
    talk.now += steps + 1
    talk.ends["server"].next = (talk.ends["server"].next + (steps - 1) * step) % WRAP
    talk.ack("client")
    talk.exchange(2)
    report = examine(captured + talk.packets())
    assert (report.verdict, story(report)) == ("proved", TWICE)


def test_an_old_segment_from_before_the_window_is_ignored() -> None:
    talk = reused()
    last = talk.segments[-1]
    talk.segments.append(last._replace(seq=(last.seq - 70_000) % WRAP, payload=get("/old"), flags="PA", ts_ns=talk.now))
    talk.now += STEP_NS
    talk.exchange(3)
    report = examine(talk.packets())
    assert report.totals.requests == 3
    assert totals(report)[:2] == (1, 1)


def test_a_capture_of_many_connections_keeps_them_apart() -> None:
    talks = [Conversation((f"10.0.{number}.1", 40000 + number), now=START_NS + number * 7) for number in range(50)]
    for talk in talks:
        talk.handshake()
        talk.exchange(1)
        talk.exchange(2)
        talk.close("server")
    captured = packets(merged(*talks))
    report = examine(captured)
    assert story(report) == ["complete: new reused; server fin"] * 50
    assert totals(report) == Totals(50, 50, 100, 100) == second_opinion(captured)


# Concurrency and the lower bound


def test_concurrent_requests_need_their_connections() -> None:
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number) for number in range(3)]
    for talk in talks:
        talk.handshake()
        talk.exchange()
        talk.close("client")
    report = examine(packets(merged(*talks)))
    (pair,) = report.pairs
    assert (pair.peak_concurrency, pair.lower_bound, pair.extra_handshakes) == (3, 3, 0)
    assert report.verdict == "proved"


def test_sequential_requests_on_connections_of_their_own_are_refuted() -> None:
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 10**9) for number in range(3)]
    for talk in talks:
        talk.handshake()
        talk.exchange()
        talk.close("client")
    captured = packets(merged(*talks))
    report = examine(captured)
    assert story(report) == ["complete: new; client fin"] * 3
    assert totals(report) == Totals(3, 3, 3, 3) == second_opinion(captured)
    (pair,) = report.pairs
    assert (pair.peak_concurrency, pair.lower_bound, pair.extra_handshakes) == (1, 1, 2)
    assert report.verdict == "refuted"


def test_an_empty_capture_proves_nothing() -> None:
    report = examine([])
    assert totals(report) == Totals(0, 0, 0, 0)
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"no-request"}


def test_a_request_captured_before_its_answer_keeps_others_company() -> None:
    """A response is captured 0.9 ms behind the request that acknowledges it; another connection's request and response
    lie in between, and needed a connection of their own."""
    us = 1_000
    one, other = Conversation(), Conversation(("10.0.0.1", 40001), now=START_NS + 300 * STEP_NS)
    one.handshake()
    one.exchange(0)
    moment = START_NS + 1000 * STEP_NS
    one.now = moment - 500 * STEP_NS
    one.say("client", "PA", get("/1"))
    one.say("server", "PA", ok(b"one"))
    one.segments[-1] = one.segments[-1]._replace(ts_ns=moment + 900 * us)
    one.now = moment
    one.say("client", "PA", get("/2"))
    one.now = moment + 5 * STEP_NS
    one.response(ok(b"two"))
    other.handshake()
    other.exchange(0)
    other.now = moment + 100 * us
    other.say("client", "PA", get("/other"))
    other.now = moment + 500 * us
    other.say("server", "PA", ok())
    report = examine(packets(merged(one, other)))
    assert (report.verdict, report.totals.lower_bound) == ("proved", 2)


PROXY = ("10.0.0.2", 3128)


def through(number: int, now: int, *script: str) -> Conversation:
    """What a client says to its proxy on one connection: `tunnel`, `inside` it, `plain`, `upgrade`, `close`."""
    talk = Conversation(
        ("10.0.0.1", 40000 + number), PROXY, (1_000 + number * 100_000, 700_000 + number * 100_000), now
    )
    talk.handshake()
    for what in script:
        if what == "tunnel":
            talk.request(request_head("CONNECT", "a.example:80"))
            talk.response(response_head("200 Connection established"))
        elif what == "upgrade":
            talk.request(get("http://b.example/ws", "Connection: Upgrade", "Upgrade: websocket"))
            talk.response(response_head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"))
        elif what == "close":
            talk.close("client")
        else:
            talk.request(get("/" if what == "inside" else "http://b.example/"))
            talk.response(ok())
    return talk


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (("tunnel", "inside"), ("plain",), "proved"),
        (("upgrade", "close"), ("tunnel", "inside"), "proved"),
        (("upgrade",), ("tunnel", "inside"), "proved"),
        (("tunnel", "inside"), ("tunnel", "inside"), "refuted"),
        (("plain",), ("plain",), "refuted"),
    ],
)
def test_what_one_connection_to_a_proxy_can_carry(first: Sequence[str], second: Sequence[str], verdict: str) -> None:
    """A tunnel carries nothing but what goes to its place, and what was upgraded nothing any more."""
    one = through(0, START_NS, *first)
    report = examine(packets(merged(one, through(1, one.now + 10**9, *second))))
    assert report.verdict == verdict
    assert report.totals.lower_bound == (2 if verdict == "proved" else 1)


def test_tunnels_whose_order_depends_on_a_clock() -> None:
    """Each to the same place, one after another; the last one's times are set back into the first one's."""
    talks: list[Conversation] = []
    for number in range(3):
        now = talks[-1].now + 10**9 if talks else START_NS
        talks.append(through(number, now, "tunnel", "inside"))
    assert examine(packets(merged(*talks))).verdict == "refuted"
    back = talks[2].segments[0].ts_ns - talks[0].segments[0].ts_ns
    late = [segment._replace(ts_ns=segment.ts_ns - back) for segment in talks[2].segments]
    report = examine(packets([*merged(*talks[:2]), *late]))
    assert report.verdict != "proved"


def test_a_copy_of_a_syn_that_comes_late_is_of_no_other_clock() -> None:
    talks: list[Conversation] = []
    for number in range(2):
        now = talks[-1].now + 10**8 if talks else START_NS
        talk = Conversation(("10.0.0.1", 40000 + number), now=now, isns=(1_000 + number * 10**6, 5_000_000 + number))
        talk.handshake()
        talk.exchange(1)
        talk.close("client")
        talks.append(talk)
    segments = merged(*talks)
    copy = segments[0]._replace(ts_ns=segments[0].ts_ns + 6 * STEP_NS)
    report = examine(packets(sorted([*segments, copy], key=lambda segment: segment.ts_ns)))
    assert (report.verdict, report.totals.extra_handshakes) == ("refuted", 1)
