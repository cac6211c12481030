"""What pairs are counted to: their lower bounds above all, laid beside a search that tries every colouring.

A `Line` is one connection with the times of its exchanges, in milliseconds: `Line([(0, 10), (20, 30)])` carries two
requests, whose responses end 10 ms after they began. `packets_of` makes the capture of several lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest
from craft import (
    MPTCP_JOIN,
    MSS,
    START_NS,
    Address,
    Conversation,
    Packet,
    Segment,
    get,
    merged,
    ok,
    packets,
    response_head,
)
from examine import examine, reasons
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.judge.model import Pair, Report
from verifier.judge.order import ordered

pytestmark = pytest.mark.core

MS = 1_000_000
HANDSHAKE_MS = 2
"""From SYN to the ACK of a crafted handshake."""
SERVER = ("10.0.0.2", 80)

Span = tuple[int, int]


class Line(NamedTuple):
    spans: Sequence[Span]
    client: str = "10.0.0.1"
    server: Address = SERVER
    opened: int | None = None
    """None: just before the first exchange."""


def talk_of(line: Line, number: int) -> Conversation:
    """The connection of a line, still open."""
    opened = line.opened if line.opened is not None else line.spans[0][0] - HANDSHAKE_MS - 1
    talk = Conversation((line.client, 40000 + number), line.server, now=START_NS + opened * MS)
    talk.handshake()
    for place, (begin, end) in enumerate(line.spans):
        at(talk, begin).say("client", "PA", get(f"/{place}"))
        at(talk, end).say("server", "PA", ok())
    return talk


def at(talk: Conversation, moment: int) -> Conversation:
    """The same conversation, and what is said next is said at this moment."""
    talk.now = START_NS + moment * MS
    return talk


def packets_of(*lines: Line) -> list[Packet]:
    """The capture of these lines; of what has one time, what servers said stands first."""
    segments = merged(*(talk_of(line, number) for number, line in enumerate(lines)))
    return packets(sorted(segments, key=lambda segment: (segment.ts_ns, segment.sender[1] >= 40000)))


def pair_of(*lines: Line) -> Pair:
    """The one pair of these lines."""
    (pair,) = examine(packets_of(*lines)).pairs
    return pair


def peak_with(talk: Conversation, *lines: Line) -> int:
    """The peak concurrency of a conversation by hand and lines beside it."""
    others = [talk_of(line, 100 + number) for number, line in enumerate(lines)]
    (pair,) = examine(packets(merged(talk, *others))).pairs
    return pair.peak_concurrency


# -- the lower bound


@pytest.mark.parametrize(
    ("spans", "bound"),
    [
        ([(0, 10)], 1),
        ([(0, 10), (20, 30)], 1),
        ([(0, 10), (10, 20)], 1),
        ([(0, 11), (10, 20)], 2),
        ([(0, 10), (0, 10)], 2),
        ([(0, 10), (0, 10), (10, 20), (10, 20)], 2),
        ([(0, 30), (5, 10), (10, 15), (15, 20)], 2),
        ([(0, 30), (5, 10), (9, 15), (14, 20)], 3),
        ([(0, 100), (1, 99), (2, 98), (3, 97), (50, 51)], 5),
        ([(start, start + 1) for start in range(40)], 1),
        ([(start, 100 - start) for start in range(40)], 40),
        ([(start, 50 + start) for start in range(40)], 40),
    ],
)
def test_each_exchange_on_a_connection_of_its_own(spans: list[Span], bound: int) -> None:
    pair = pair_of(*(Line([span]) for span in spans))
    assert pair.peak_concurrency == pair.lower_bound == bound
    assert pair.handshakes == len(spans)
    assert pair.extra_handshakes == len(spans) - bound
    assert pair.cost_ns == pair.extra_handshakes * HANDSHAKE_MS * MS


def test_a_request_and_its_response_at_one_time() -> None:
    """The exchange took less than a tick of the clock, and needed a connection all the same."""
    instant = talk_of(Line([(5, 5)]), 0)
    (pair,) = examine(instant.packets()).pairs
    assert pair.lower_bound == 1
    assert peak_with(instant, Line([(0, 10)])) == 2
    assert peak_with(instant, Line([(5, 5)])) == 1, "one was over before the other began"
    assert peak_with(instant, Line([(5, 10)])) == 1


def test_at_one_time_the_order_of_packets_tells_which_was_first() -> None:
    """The clock is too coarse for it. An end before a beginning is no overlap: the interval is half-open."""
    ends = talk_of(Line([(0, 10)]), 0)
    begins = talk_of(Line([(10, 20)]), 1)
    (pair,) = examine(packets(merged(ends, begins))).pairs
    assert (pair.lower_bound, pair.extra_handshakes) == (1, 1)
    (pair,) = examine(packets(merged(begins, ends))).pairs
    assert (pair.lower_bound, pair.extra_handshakes) == (2, 0)


def test_pipelined_requests_overlap_on_one_connection() -> None:
    talk = Conversation()
    talk.handshake()
    at(talk, 10).say("client", "PA", get("/1") + get("/2"))
    at(talk, 20).say("server", "PA", ok() + ok())
    (pair,) = examine(talk.packets()).pairs
    assert (pair.requests, pair.handshakes, pair.extra_handshakes) == (2, 1, 0)
    assert pair.lower_bound in (1, 2)


def test_a_request_that_comes_in_pieces_is_busy_from_its_first_byte() -> None:
    """Its head is whole only when others are over; rows are in the order of first bytes all the same."""
    slow = Conversation()
    slow.handshake()
    head = get("/slow")
    at(slow, 10).say("client", "PA", head[:9])
    at(slow, 50).say("client", "PA", head[9:])
    at(slow, 60).say("server", "PA", ok())
    others = [talk_of(Line([(20, 30)]), 100), talk_of(Line([(30, 40)]), 101)]
    report = examine(packets(merged(slow, *others)))
    assert [exchange.target for exchange in report.details.exchanges()] == ["/slow", "/0", "/0"]
    assert [exchange.request_ns for exchange in report.details.exchanges()] == [
        START_NS + moment * MS for moment in (10, 20, 30)
    ]
    assert report.pairs[0].lower_bound == 2
    assert report.totals.extra_handshakes == 1


def test_many_slow_heads_are_in_the_order_of_their_first_bytes() -> None:
    """First bytes in one order, whole heads in the other."""
    talks = []
    for number in range(10):
        talk = Conversation(("10.0.0.1", 40000 + number), now=START_NS)
        talk.handshake()
        head = get(f"/{number}")
        at(talk, 10 + number).say("client", "PA", head[:7])
        at(talk, 60 - number).say("client", "PA", head[7:])
        at(talk, 61 - number).say("server", "PA", ok())
        talks.append(talk)
    report = examine(packets(merged(*talks)))
    assert [exchange.target for exchange in report.details.exchanges()] == [f"/{number}" for number in range(10)]
    assert report.pairs[0].lower_bound == 10


@given(st.lists(st.integers(-3, 30) | st.integers(0, 10**18), max_size=60))
def test_rows_in_the_order_of_their_times(times: list[int]) -> None:
    found = ordered(memoryview(array("q", times)), len(times))
    assert list(found) == sorted(range(len(times)), key=times.__getitem__)


@pytest.mark.parametrize("seed", range(6))
def test_the_peak_of_many_overlapping_exchanges(seed: int) -> None:
    """Far more at once than are looked at before the heap is asked, of two pairs, by reckoning point by point."""
    random = Random(seed)
    longest = random.choice((3, 40, 400))
    lines: list[Line] = []
    for number in range(150):
        spans: list[Span] = []
        begin = random.randrange(1000)
        for _ in range(random.randrange(1, 4)):
            end = begin + random.randrange(1, longest)
            spans.append((begin, end))
            begin = end + random.randrange(3)
        lines.append(Line(spans, server=("10.0.0.3", 80) if number % 3 else SERVER))
    for pair in examine(packets_of(*lines)).pairs:
        spans = [span for line in lines if line.server == pair.server for span in line.spans]
        assert pair.peak_concurrency == max(
            sum(begin <= moment < end for begin, end in spans) for moment in {begin for begin, _ in spans}
        )


# -- responses that never end


def asked(moment: int = 0) -> Conversation:
    """A connection whose request nobody has answered yet."""
    talk = Conversation(now=START_NS + (moment - HANDSHAKE_MS - 1) * MS)
    talk.handshake()
    at(talk, moment).say("client", "PA", get("/endless"))
    return talk


def begun(moment: int = 20) -> Conversation:
    """A response of 1,000 bytes of which a few have come by this moment."""
    talk = asked()
    at(talk, moment).say("server", "PA", response_head("200 OK", "Content-Length: 1000") + b"few")
    return talk


LATER = Line([(50, 60)])
"""An exchange beside it, at a time when the other one may be over."""


def test_a_server_that_never_answers_keeps_it_busy_to_the_end() -> None:
    assert peak_with(asked(), LATER) == 2


def test_a_response_that_never_ends_keeps_it_busy_to_the_end() -> None:
    assert peak_with(begun(), LATER) == 2


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_until_the_server_closes(how: str) -> None:
    for moment, peak in ((40, 1), (50, 1), (55, 2)):
        for talk in (asked(), begun()):
            at(talk, moment)
            if how == "fin":
                talk.close("server")
            else:
                talk.reset("server")
            assert peak_with(talk, LATER) == peak, (moment, how)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_client_that_closes_first_has_done_with_it_at_its_last_byte(how: str) -> None:
    for last, peak in ((20, 1), (50, 1), (55, 2)):
        talk = at(begun(last), 90)
        if how == "fin":
            talk.fin("client")
        else:
            talk.reset("client")
        assert peak_with(talk, LATER) == peak, last


def test_a_client_that_gives_up_waiting_was_busy_until_then() -> None:
    for moment, peak in ((40, 1), (55, 2)):
        talk = at(asked(), moment)
        talk.close("client")
        assert peak_with(talk, LATER) == peak


def test_a_client_that_stops_reading_has_done_with_it_at_its_last_byte() -> None:
    talk = begun()
    talk.ack("client")
    talk.segments[-1] = talk.segments[-1]._replace(window=0)
    assert peak_with(talk, LATER) == 1
    assert peak_with(talk, Line([(10, 19)])) == 2


def test_a_response_that_ends_with_the_connection_ends_there() -> None:
    talk = asked()
    at(talk, 20).say("server", "PA", response_head("200 OK", "Connection: close") + b"body")
    at(talk, 55).close("server")
    assert peak_with(talk, LATER) == 2
    assert peak_with(talk, Line([(56, 70)])) == 1


# -- pairs


def test_pairs_are_clients_and_servers_in_the_order_of_their_first_connections() -> None:
    report = examine(
        packets_of(
            Line([(0, 10)]),
            Line([(20, 30)], client="10.0.0.9"),
            Line([(40, 50)], server=("10.0.0.2", 8080)),
            Line([(60, 70)], server=("10.0.0.3", 80)),
            Line([(80, 90)]),
            Line([(100, 110)], client="2001:db8::1", server=("2001:db8::2", 80)),
        )
    )
    assert [(pair.client, pair.server, pair.handshakes) for pair in report.pairs] == [
        ("10.0.0.1", ("10.0.0.2", 80), 2),
        ("10.0.0.9", ("10.0.0.2", 80), 1),
        ("10.0.0.1", ("10.0.0.2", 8080), 1),
        ("10.0.0.1", ("10.0.0.3", 80), 1),
        ("2001:db8::1", ("2001:db8::2", 80), 1),
    ]
    assert [pair.extra_handshakes for pair in report.pairs] == [1, 0, 0, 0, 0]
    assert report.totals.lower_bound == 5
    assert report.totals.extra_handshakes == 1


def test_concurrency_of_one_pair_is_no_excuse_for_another() -> None:
    """Three at once to one server; three in turn to another."""
    other = ("10.0.0.3", 80)
    report = examine(
        packets_of(
            *(Line([(0, 100)]) for _ in range(3)),
            *(Line([(start, start + 5)], server=other) for start in (10, 20, 30)),
        )
    )
    assert [(pair.lower_bound, pair.extra_handshakes) for pair in report.pairs] == [(3, 0), (1, 2)]
    assert report.verdict == "refuted"


def test_fewer_handshakes_than_the_bound_make_up_for_nothing() -> None:
    """Two connections of one pair were open before the capture began: no extra ones, and none to set off others."""
    lines = [talk_of(Line([(0, 100)]), number) for number in range(2)]
    before = [segment for segment in merged(*lines) if "S" not in segment.flags]
    other = [talk_of(Line([(start, start + 5)], server=("10.0.0.3", 80)), 10 + start) for start in (10, 20)]
    report = examine(packets(in_time([*before, *merged(*other)])))
    found = {pair.server.ip: pair for pair in report.pairs}
    assert (found["10.0.0.2"].handshakes, found["10.0.0.2"].lower_bound) == (0, 2)
    assert (found["10.0.0.2"].extra_handshakes, found["10.0.0.3"].extra_handshakes) == (0, 1)


def test_totals_are_the_sums_of_the_pairs() -> None:
    report = examine(
        packets_of(
            Line([(0, 10), (20, 30)]), Line([(40, 50)]), Line([(0, 5), (6, 9)], client="10.0.0.7"), Line([(60, 70)])
        )
    )
    total, pairs = report.totals, report.pairs
    assert total.connections == sum(pair.connections for pair in pairs) == 4
    assert total.handshakes == sum(pair.handshakes for pair in pairs) == 4
    assert total.requests == sum(pair.requests for pair in pairs) == 6
    assert total.reused_requests == sum(pair.reused_requests for pair in pairs) == 2
    assert total.lower_bound == sum(pair.lower_bound for pair in pairs) == 2
    assert total.extra_handshakes == sum(pair.extra_handshakes for pair in pairs) == 2
    assert total.cost_ns == sum(pair.cost_ns for pair in pairs) == 2 * HANDSHAKE_MS * MS


# -- what is no handshake


def test_failed_attempts_are_counted_apart() -> None:
    refused = Conversation(("10.0.0.1", 50000), now=START_NS)
    refused.syn()
    refused.reset("server")
    unanswered = Conversation(("10.0.0.1", 50001), now=START_NS)
    unanswered.syn()
    report = examine(packets(merged(refused, unanswered, talk_of(Line([(50, 60), (70, 80)]), 0))))
    (pair,) = report.pairs
    assert (pair.connections, pair.handshakes, pair.failed_attempts) == (3, 1, 2)
    assert (pair.lower_bound, pair.extra_handshakes, pair.cost_ns) == (1, 0, 0)
    assert report.totals.failed_attempts == 2
    assert report.verdict == "proved"


def test_subflows_are_neither_handshakes_nor_extra() -> None:
    join = Conversation(("10.0.0.1", 50000), now=START_NS)
    join.syn(options=MSS + MPTCP_JOIN)
    join.synack(MSS + MPTCP_JOIN)
    join.ack("client")
    (pair,) = examine(packets(merged(join, talk_of(Line([(50, 60)]), 0)))).pairs
    assert (pair.connections, pair.handshakes, pair.extra_handshakes, pair.cost_ns) == (2, 1, 0, 0)


def test_a_pair_without_requests_has_no_bound_and_nothing_extra() -> None:
    talks = [Conversation(("10.0.0.1", 40000 + number), ("10.0.0.2", 22), now=START_NS) for number in range(3)]
    for talk in talks:
        talk.handshake()
        talk.say("server", "PA", b"SSH-2.0-OpenSSH_9.2\r\n")
        talk.say("client", "PA", b"SSH-2.0-OpenSSH_9.2\r\n")
    (pair,) = examine(packets(merged(*talks))).pairs
    assert (pair.handshakes, pair.requests, pair.lower_bound, pair.extra_handshakes, pair.cost_ns) == (3, 0, 0, 0, 0)


def test_a_connection_that_nobody_used_is_extra() -> None:
    idle = Conversation(("10.0.0.1", 50000), now=START_NS + 20 * MS)
    idle.handshake()
    report = examine(packets(merged(talk_of(Line([(10, 15), (50, 60)]), 0), idle)))
    assert (report.totals.handshakes, report.totals.lower_bound, report.totals.extra_handshakes) == (2, 1, 1)
    assert report.verdict == "refuted"


# -- cost


def test_the_cost_is_that_of_the_later_handshakes() -> None:
    """10, 20 and 30 ms of handshake: the first is needed."""
    talks = []
    for number, duration in enumerate((10, 20, 30)):
        talk = Conversation(("10.0.0.1", 40000 + number))
        at(talk, number * 100).syn()
        at(talk, number * 100 + duration - 1).synack()
        at(talk, number * 100 + duration).ack("client")
        at(talk, number * 100 + 50).say("client", "PA", get())
        at(talk, number * 100 + 60).say("server", "PA", ok())
        talks.append(talk)
    report = examine(packets(merged(*talks)))
    assert (report.totals.extra_handshakes, report.totals.cost_ns) == (2, 50 * MS)


def test_a_handshake_that_carried_data_at_once_is_timed_to_that_data() -> None:
    """No third segment of its own: the request acknowledges the SYN-ACK."""
    talks = []
    for number in range(2):
        talk = Conversation(("10.0.0.1", 40000 + number))
        at(talk, number * 100).syn()
        at(talk, number * 100 + 5).synack()
        at(talk, number * 100 + 7).say("client", "PA", get())
        at(talk, number * 100 + 9).say("server", "PA", ok())
        talks.append(talk)
    assert examine(packets(merged(*talks))).totals.cost_ns == 7 * MS


# -- beside a search that tries everything


def fewest_connections(spans: Sequence[Span]) -> int:
    """The fewest connections that can carry the exchanges, found by trying: each on a free one, or a new one."""
    ordered = sorted(spans)

    def place(at_: int, free_from: tuple[int, ...], best: int) -> int:
        if len(free_from) >= best:
            return best
        if at_ == len(ordered):
            return len(free_from)
        begin, end = ordered[at_]
        for used in sorted(set(free_from)):
            if used <= begin:
                rest = list(free_from)
                rest.remove(used)
                best = place(at_ + 1, tuple(sorted([*rest, end])), best)
        return place(at_ + 1, tuple(sorted([*free_from, end])), best)

    return place(0, (), len(ordered) + 1)


@st.composite
def traffic(draw: st.DrawFn) -> list[Line]:
    """Up to seven exchanges of one pair, laid on connections in any way that they can be."""
    spans = draw(
        st.lists(st.tuples(st.integers(10, 30), st.integers(1, 12)).map(lambda two: (two[0], sum(two))), max_size=7)
    )
    lines: list[list[Span]] = []
    for span in sorted(spans):
        free = [line for line in lines if line[-1][1] < span[0]]
        choice = draw(st.integers(0, len(free)))
        if choice == len(free):
            lines.append([span])
        else:
            free[choice].append(span)
    return [Line(spans) for spans in draw(st.permutations(lines))]


@settings(max_examples=150, deadline=None)
@given(traffic())
def test_the_lower_bound_is_what_trying_finds(lines: list[Line]) -> None:
    report = examine(packets_of(*lines))
    spans = [span for line in lines for span in line.spans]
    fewest = fewest_connections(spans)
    handshakes = len(lines)
    assert report.totals.requests == report.totals.responses == len(spans)
    assert report.totals.lower_bound == fewest
    assert report.totals.handshakes == handshakes
    assert report.totals.extra_handshakes == handshakes - fewest
    assert report.totals.cost_ns == (handshakes - fewest) * HANDSHAKE_MS * MS
    assert report.totals.reused_requests == len(spans) - handshakes
    if reasons(report) != {"close-race"}:  # opened while all others were in use: what no two exchanges show
        assert verdict_by_hand(handshakes - fewest, len(spans)) == report.verdict
    assert in_order(report)


def verdict_by_hand(extra: int, requests: int) -> str:
    if not requests:
        return "inconclusive"
    return "refuted" if extra else "proved"


@settings(max_examples=100, deadline=None)
@given(traffic())
def test_which_connections_are_extra(lines: list[Line]) -> None:
    """As many as there are too many; never the first of the pair; and they cost what they took to open."""
    report = examine(packets_of(*lines))
    connections = list(report.details.connections())
    extra = [connection for connection in connections if connection.extra]
    assert len(extra) == report.totals.extra_handshakes
    assert not connections or not connections[0].extra
    assert report.totals.cost_ns == sum(connection.handshake_ns or 0 for connection in extra)
    assert all(connection.cause for connection in extra)


@pytest.mark.parametrize(
    ("lines", "extra"),
    [
        ([[(0, 10)]], "."),
        ([[(0, 10)], [(20, 30)], [(40, 50)]], ".xx"),
        ([[(0, 10)], [(5, 15)]], ".."),
        ([[(0, 10)], [(5, 15)], [(20, 30)]], "..x"),
        ([[(0, 10)], [(20, 30)], [(40, 50)], [(45, 55)]], ".xx."),
        ([[(0, 10)], [(20, 30), (60, 70)], [(40, 50)], [(45, 55)], [(47, 57)]], ".xx.."),
        ([[(0, 10), (50, 60)], [(20, 30), (55, 65)]], ".."),
        ([[(0, 10)], [(20, 30)], [(40, 60), (70, 90)], [(75, 80)]], ".xx."),
    ],
    ids=str,
)
def test_what_brought_the_pair_to_its_peak_is_not_extra(lines: list[list[Span]], extra: str) -> None:
    """The first of the pair is not, nor those that more requests at once than ever before had need of; where these are
    fewer than the bound, the earliest others are let off."""
    report = examine(packets_of(*(Line(spans) for spans in lines)))
    assert "".join("x" if connection.extra else "." for connection in report.details.connections()) == extra


def test_each_pair_has_extra_ones_of_its_own() -> None:
    lines = [Line([(start, start + 5)], server=(f"10.0.0.{2 + start // 10 % 2}", 80)) for start in range(0, 60, 10)]
    report = examine(packets_of(*lines))
    assert [connection.extra for connection in report.details.connections()] == [False, False, True, True, True, True]
    assert [pair.extra_handshakes for pair in report.pairs] == [2, 2]


def in_order(report: Report) -> bool:
    times = [exchange.request_ns for exchange in report.details.exchanges()]
    return times == sorted(times)


def in_time(segments: Sequence[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda segment: segment.ts_ns)
