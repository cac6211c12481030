"""Which connection went before a new one: among several that were open, idle, busy or closed."""

from __future__ import annotations

import pytest
from craft import (
    START_NS,
    STEP_NS,
    Conversation,
    get,
    merged,
    ok,
    packets,
    response_head,
)
from examine import examine
from hypothesis import given, settings
from hypothesis import strategies as st
from talks import (
    SERVER,
    S,
    Script,
    Talks,
    after,
    answered,
    before,
    causes,
    closing,
    connections,
    diagnosed,
    exchanges,
    followed,
    in_turn,
    lineage,
    moved,
    of_segments,
    opened,
    refusal,
)

from verifier.judge.model import Report

MS = 1_000_000
OTHER = ("10.0.0.3", 80)


def at(seconds: float) -> int:
    return START_NS + round(seconds * S)


def busy(number: int, begin: float, end: float) -> Conversation:
    """A connection with one exchange from and to these seconds, opened just before."""
    talk = opened(number, at(begin) - 3 * STEP_NS)
    moved(talk, at(begin)).say("client", "PA", get(f"/{number}"))
    moved(talk, at(end)).say("server", "PA", ok())
    return talk


# -- none before


def test_the_first_has_none() -> None:
    assert before(diagnosed(in_turn(1, exchanges(3)))) == [-1]


def test_connections_to_other_servers_do_not_count() -> None:
    first = opened(0, at(0))
    closing("server")(first)
    other = opened(1, at(1), OTHER)
    other.exchange()
    assert before(diagnosed([first, other])) == [-1, -1]


def test_connections_of_other_clients_do_not_count() -> None:
    first = opened(0, at(0))
    closing("server")(first)
    other = opened(1, at(1), SERVER, "10.0.0.9")
    other.exchange()
    report = diagnosed([first, other])
    assert (before(report), causes(report)) == ([-1, -1], [None, None])


def test_what_the_peak_needed_has_none() -> None:
    report = diagnosed([busy(0, 1, 2), busy(1, 1.5, 2.5)])
    assert (before(report), causes(report)) == ([-1, -1], [None, "concurrency"])


# -- which of several


def test_each_follows_the_one_that_was_closed() -> None:
    assert before(diagnosed(in_turn(5, closing("client")))) == [-1, 0, 1, 2, 3]


def test_the_last_closed_is_followed_and_each_only_once() -> None:
    """Two were needed at once; both are closed, the first one last; then two more are opened, one after the other."""
    first, second = busy(0, 1, 2), busy(1, 1.5, 2.5)
    second.close("server")
    moved(first, at(3)).close("server")
    third = moved(opened(2, at(4)), at(4.1))
    closing("server", 0.2)(third)
    fourth = opened(3, at(5))
    fourth.exchange()
    assert before(diagnosed([first, second, third, fourth])) == [-1, -1, 0, 2]


def test_an_idle_one_comes_before_a_closed_one() -> None:
    """One was closed, but another was open and free: there was no need of a new one."""
    first, second = busy(0, 1, 2), busy(1, 1.5, 2.5)
    second.close("server")
    third = opened(2, at(4))
    third.exchange()
    moved(first, at(5)).exchange()
    report = diagnosed([first, second, third])
    assert before(report) == [-1, -1, 0]
    assert causes(report)[2] == "separate-pools"


def test_the_one_that_the_client_closes_in_the_same_breath_comes_first() -> None:
    """urllib3 finds out that a pooled connection was closed when it needs it, and opens another: though others were
    free, for other threads."""
    first, second = busy(0, 1, 2), busy(1, 1.5, 2.5)
    moved(second, at(7.5)).fin("server")
    second.ack("client")
    moved(first, at(6)).exchange()
    third_at = at(9)
    moved(second, third_at - 200_000).fin("client")
    third = opened(2, third_at)
    third.exchange()
    moved(first, at(10)).exchange()
    report = diagnosed([first, second, third])
    assert before(report) == [-1, -1, 1]
    assert causes(report)[2] == "server-idle-timeout"


def test_among_idle_ones_it_is_the_one_used_last() -> None:
    first, second = busy(0, 1, 2), busy(1, 1.5, 2.5)
    third = opened(2, at(4))
    third.exchange()
    assert before(diagnosed([first, second, third])) == [-1, -1, 1]


def test_among_idle_ones_it_is_rather_one_of_the_same_name() -> None:
    """The other could not have been shared, for all that the client knew."""
    first = busy(0, 1, 2)
    second = opened(1, at(1.5) - 3 * STEP_NS)
    second.say("client", "PA", b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n")
    moved(second, at(2.5)).say("server", "PA", ok())
    third = opened(2, at(4))
    third.exchange()
    report = diagnosed([first, second, third])
    assert before(report) == [-1, -1, 0]
    assert causes(report)[2] == "no-session"


def test_a_busy_one_is_not_idle() -> None:
    """Both are in use as the third is opened; it waits, and by the time it asks one is free."""
    first, second = busy(0, 1, 5), busy(1, 1.5, 5.5)
    third = opened(2, at(4))
    moved(third, at(6)).exchange()
    report = diagnosed([first, second, third])
    assert causes(report) == [None, "concurrency", "unknown"]
    assert "while the others were in use" in report.findings[0].text


def test_one_that_is_just_being_opened_is_in_use() -> None:
    """Its request has not gone out yet."""
    first = opened(0, at(1))
    second = opened(1, at(1.01))
    moved(first, at(1.5)).exchange()
    moved(second, at(2)).exchange()
    report = diagnosed([first, second])
    assert causes(report) == [None, "unknown"]
    assert "while the others were in use" in report.findings[0].text


def test_a_websocket_is_in_use() -> None:
    first = opened()
    answered(
        response_head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"),
        get("/", "Upgrade: websocket", "Connection: Upgrade"),
    )(first)
    second = opened(1, at(3))
    closing("server", 5)(second)
    third = opened(2, after(second, 1))
    third.exchange()
    moved(first, after(third, 1)).response(b"\x81\x01x")
    report = diagnosed([first, second, third])
    assert causes(report) == [None, "concurrency", "server-idle-timeout"]
    assert before(report)[2] == 1


def test_a_request_that_nobody_hears_is_given_up() -> None:
    """The connection is open, and asked again and again; the client opens another, which is answered."""
    first = opened()
    first.exchange()
    first.pause(400)
    request = first.say("client", "PA", get("/2"))
    for number in range(5):
        first.pause(0.2 * 2**number)
        first.again(request)
    second, third = opened(1, after(first, 1)), opened(2, after(first, 5))
    second.exchange()
    moved(first, after(second, 0.1)).again(request)
    report = diagnosed([first, second])
    assert (before(report)[1], causes(report)[1]) == (0, "path-dropped")
    third.exchange()
    report = diagnosed([first, second, third])
    assert before(report)[2] == 1, "each is given up once"


def test_a_port_that_is_used_again() -> None:
    first = opened()
    closing("server", 5)(first)
    second = Conversation(isns=(5_000_000, 9_000_000), now=after(first, 1))
    second.handshake()
    second.exchange()
    report = diagnosed([first, second])
    assert (before(report), causes(report)) == ([-1, 0], [None, "server-idle-timeout"])


def test_a_syn_that_was_sent_again_is_one_connection() -> None:
    first = opened()
    closing("server", 5)(first)
    second = Conversation(("10.0.0.1", 40001), now=after(first, 0.1))
    syn = second.syn()
    second.pause(1)
    second.again(syn)
    second.synack()
    second.ack("client")
    second.exchange()
    report = diagnosed([first, second])
    assert causes(report) == [None, "server-idle-timeout"]


# -- how the two stand to each other


@pytest.mark.parametrize(
    ("location", "host", "target", "follows"),
    [
        ("/new", "a.example", "/new", True),
        ("http://a.example/new", "a.example", "/new", True),
        ("http://A.EXAMPLE/new", "a.example", "/new", True),
        ("//b.example/new", "b.example", "/new", True),
        ("http://b.example", "b.example", "/", True),
        ("http://b.example/new#part", "b.example", "/new", True),
        ("http://b.example:8080/new", "b.example", "/new", False),
        ("http://b.example/other", "b.example", "/new", False),
        ("http://c.example/new", "b.example", "/new", False),
    ],
)
def test_a_location_is_followed(location: str, host: str, target: str, follows: bool) -> None:
    first = opened()
    answered(response_head("302 Found", f"Location: {location}", "Content-Length: 0"))(first)
    second = opened(1, after(first, 0.002))
    second.request(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    second.response(ok())
    assert (causes(diagnosed([first, second]))[1] == "redirect") == follows


@pytest.mark.parametrize(("later", "follows"), [(0.5, True), (60, False)])
def test_a_location_is_followed_at_once(later: float, follows: bool) -> None:
    first = opened()
    answered(response_head("302 Found", "Location: /new", "Content-Length: 0"))(first)
    second = opened(1, after(first, later))
    second.request(get("/new"))
    second.response(ok())
    assert (causes(diagnosed([first, second]))[1] == "redirect") == follows


def test_a_location_of_a_response_that_is_no_redirect() -> None:
    first = opened()
    answered(response_head("201 Created", "Location: /new", "Content-Length: 0"))(first)
    second = opened(1, after(first, 0.002))
    second.request(get("/new"))
    second.response(ok())
    assert causes(diagnosed([first, second]))[1] != "redirect"


@pytest.mark.parametrize(("when", "cause"), [(0.1, "server-restart"), (-1.0, "server-idle-timeout")])
def test_attempts_that_failed_after_the_close(when: float, cause: str) -> None:
    first = opened()
    closing("server", 3)(first)
    report = diagnosed([*followed(first, pause=1), refusal(9, after(first, when))])
    assert causes(report)[-1 if when > 0 else 2] == cause


def test_attempts_at_another_server_that_failed_mean_nothing() -> None:
    first = opened()
    closing("server", 3)(first)
    report = diagnosed([*followed(first, pause=1), refusal(9, after(first, 0.1), OTHER)])
    assert "server-restart" not in causes(report)


def test_turning_to_another_server_is_eviction_where_the_connection_was_in_use() -> None:
    """Closed as another server's connection is opened, and needed again soon after: as pools that are too small do, in
    turn with ten others."""
    talks = round_robin(servers=4, rounds=3)
    report = diagnosed(talks)
    found = {connection.server.ip: connection.cause for connection in connections(report)}
    assert set(found.values()) == {"pool-evicted"}
    assert set(causes(report)) == {None, "pool-evicted"}


def round_robin(servers: int, rounds: int) -> Talks:
    """A pool with room for all servers but one: the one used longest ago is closed as the next is opened."""
    talks: Talks = []
    now = START_NS
    held: list[Conversation] = []
    for number in range(servers * rounds):
        if len(held) == servers - 1:
            moved(held.pop(0), now - 300_000).close("client")
        talk = opened(number, now, (f"10.0.1.{number % servers}", 80))
        host = f"GET / HTTP/1.1\r\nHost: h{number % servers}.example\r\n\r\n".encode()
        talk.request(host)
        talk.response(ok())
        held.append(talk)
        talks.append(talk)
        now = after(talk, 0.07)
    return talks


# -- any capture


moments = st.integers(0, 40)


@st.composite
def any_talks(draw: st.DrawFn) -> Talks:
    """Connections to one server, anyhow."""
    talks: Talks = []
    for number in range(draw(st.integers(1, 6))):
        talk = opened(number, at(draw(moments) / 4))
        for _ in range(draw(st.integers(0, 3))):
            talk.request(get())
            talk.pause(draw(st.sampled_from([0, 0.02, 0.5])))
            if draw(st.integers(0, 5)):
                talk.response(ok())
            talk.pause(draw(st.sampled_from([0, 0.02, 3])))
        script: Script = draw(st.sampled_from([lambda _: None, closing("client"), closing("server"), reset]))
        script(talk)
        talks.append(talk)
    return talks


def reset(talk: Conversation) -> None:
    talk.reset("server")


@settings(max_examples=150)
@given(any_talks())
def test_what_holds_of_any_capture(talks: Talks) -> None:
    report = examine(packets(merged(*talks)))
    check(report)


def check(report: Report) -> None:
    found = connections(report)
    earlier = before(report)
    first: dict[int, int] = {}
    closed_and_followed: list[int] = []
    for connection in found:
        one = earlier[connection.id]
        if connection.handshake not in ("complete", "not-seen"):
            assert connection.cause is None
            continue
        if first.setdefault(connection.pair, connection.id) == connection.id or connection.handshake == "not-seen":
            assert connection.cause is None
            assert one == -1
            continue
        assert connection.cause is not None
        if connection.extra:
            assert connection.id in {row for finding in report.findings for row in finding.connections}
        if one < 0:
            continue
        assert found[one].pair == connection.pair
        assert one < connection.id
        assert found[one].opened_ns <= connection.opened_ns
        closed_ns = found[one].closed_ns
        if closed_ns is not None and closed_ns <= connection.opened_ns:
            closed_and_followed.append(one)
    assert len(closed_and_followed) == len(set(closed_and_followed)), "each closed connection is followed once"
    assert sum(finding.extra for finding in report.findings) == report.totals.extra_handshakes
    assert sum(finding.cost_ns for finding in report.findings) == report.totals.cost_ns
    lines = lineage(report)
    if lines is not None:
        in_use = {connection.id for connection in found if lines.was_in_use(connection.id)}
        later = {connection.id for connection in found if lines.is_later(connection.id)}
        assert later == {connection.id for connection in found if connection.cause} - in_use


def test_many_open_connections_are_looked_at_in_bounded_time() -> None:
    """A client that leaks: each connection is opened beside all others, which are idle for good."""
    talks = in_turn(700, exchanges(1), pause=0.001)
    report = diagnosed(talks)
    assert causes(report)[1:] == ["no-session"] * 699


def test_segments_without_a_handshake_begin_a_pair() -> None:
    first = opened()
    closing("server", 5, exchanges(2))(first)
    second = followed(first)[1]
    report = of_segments([*first.segments[3:], *second.segments])
    assert before(report) == [-1, 0]


@pytest.mark.parametrize("rest", [2, 4])
def test_the_end_of_a_connection_from_before_the_capture(rest: int) -> None:
    """Its FIN is the first that the capture has of it: it is not open, and stands in nobody's way."""
    first = opened(9)
    closing("server")(first)
    second = opened(0, after(first, 1))
    closing("server", 5)(second)
    third = followed(second)[1]
    fourth = opened(5, after(third, 1))
    fourth.exchange()
    segments = [*first.segments[-rest:], *second.segments, *third.segments, *fourth.segments]
    report = of_segments(segments)
    assert causes(report)[-2:] == ["server-idle-timeout", "no-session"]
    assert before(report)[-2:] == [1, 2]


def test_a_connection_that_is_opened_and_closed_in_one_tick() -> None:
    """By a coarse clock."""
    first = opened()
    closing("server")(first)
    instant = [segment._replace(ts_ns=START_NS) for segment in first.segments]
    second = opened(1, after(first, 1))
    closing("server", 5)(second)
    third = followed(second)[1]
    assert before(of_segments([*instant, *second.segments, *third.segments])) == [-1, 0, 1]
