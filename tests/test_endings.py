"""How connections end: the moments, where one kind of close becomes another, and what repeats among them."""

from __future__ import annotations

import pytest
from craft import (
    CLOSE_NOTIFY,
    STEP_NS,
    WRAP,
    Conversation,
    Side,
    get,
    h2_frame,
    ok,
    response_head,
    sealed,
)
from hypothesis import given
from hypothesis import strategies as st
from talks import (
    S,
    Talks,
    after,
    answered,
    causes,
    closing,
    connections,
    diagnosed,
    each,
    exchanges,
    finding,
    followed,
    in_secret,
    in_turn,
    moved,
    of_segments,
    opened,
    secured,
    secured12,
)

from verifier.judge.endings import distinct

MS = 1_000_000


def last_cause(talks: Talks) -> str | None:
    return causes(diagnosed(talks))[-1]


def slow_handshake(seconds: float) -> Conversation:
    """A server so far away."""
    talk = Conversation()
    talk.syn()
    talk.pause(seconds)
    talk.synack()
    talk.ack("client")
    return talk


# -- at once, or after an idle time


@pytest.mark.parametrize(("gap", "cause"), [(0.0, "no-session"), (0.04, "no-session"), (0.2, "client-idle-expiry")])
def test_at_once_is_within_fifty_milliseconds(gap: float, cause: str) -> None:
    assert last_cause(in_turn(4, closing("client", gap), pause=1)) == cause


@pytest.mark.parametrize(
    ("distance", "gap", "cause"),
    [
        (0.0, 0.3, "server-idle-timeout"),
        (0.4, 0.3, "server-never-keeps-alive"),
        (0.4, 0.8, "server-never-keeps-alive"),
        (0.4, 1.0, "server-idle-timeout"),
    ],
)
def test_at_once_takes_longer_from_far_away(distance: float, gap: float, cause: str) -> None:
    """A capture at the client sees a FIN up to a round trip late."""
    first = slow_handshake(distance)
    closing("server", gap)(first)
    assert last_cause(followed(first)) == cause


def test_the_clock_starts_with_the_last_byte_of_the_body() -> None:
    first = opened()
    first.request(get())
    body = ok(b"x" * 3000)
    for part in (body[:1000], body[1000:2000], body[2000:]):
        first.response(part)
        first.pause(0.3)
    first.close("server")
    found = finding(diagnosed(followed(first)), "server-idle-timeout")
    assert "302 ms" in found.text


def test_a_late_acknowledgement_and_a_probe_are_no_activity() -> None:
    first = opened()
    first.exchange()
    for _ in range(3):
        first.pause(1)
        probe = first.ack("client")
        first.segments[-1] = probe._replace(seq=(probe.seq - 1) % WRAP)
        first.ack("server")
    first.pause(2)
    first.close("server")
    assert "5.01 s" in finding(diagnosed(followed(first)), "server-idle-timeout").text


def test_a_retransmitted_response_does_not_start_the_clock_anew() -> None:
    first = opened()
    first.exchange()
    response = first.segments[-2]
    first.pause(0.2)
    first.again(response)
    first.pause(4.8)
    first.close("server")
    assert "5.00 s" in finding(diagnosed(followed(first)), "server-idle-timeout").text


@pytest.mark.parametrize("late", [0.0, 3.0])
@pytest.mark.parametrize("gap", [0.0, 5.0])
def test_when_the_client_answers_a_close_tells_nothing(gap: float, late: float) -> None:
    """urllib3 and httpx close their end when they next use the connection: just before the SYN of the new one."""

    def script(talk: Conversation) -> None:
        talk.exchange()
        talk.pause(gap)
        talk.fin("server")
        talk.ack("client")
        talk.pause(late)
        talk.fin("client")
        talk.ack("server")

    expected = "server-idle-timeout" if gap else "server-never-keeps-alive"
    assert causes(diagnosed(in_turn(4, script, pause=0.0003))) == [None, *[expected] * 3]


@pytest.mark.parametrize("answer", ["F", "R"])
def test_a_client_that_answers_a_close_with_a_reset_did_not_close_first(answer: str) -> None:
    """It had bytes unread: the server had closed before."""

    def script(talk: Conversation) -> None:
        talk.exchange()
        talk.pause(5)
        talk.fin("server")
        talk.ack("client")
        talk.say("client", f"{answer}A")

    report = diagnosed(in_turn(3, script))
    assert causes(report)[1:] == ["server-idle-timeout"] * 2
    assert [str(connection.first_closer) for connection in connections(report)][:2] == ["server"] * 2


def test_a_capture_of_the_server_side_sees_the_same() -> None:
    """Segments of the client come late, those of the server early: here by 20 ms."""
    talks = in_turn(3, closing("server", 5, exchanges(2, 0.4)), pause=1)
    for talk in talks:
        talk.segments = [
            segment._replace(ts_ns=segment.ts_ns + (20 * MS if segment.sender[1] != 80 else 0))
            for segment in talk.segments
        ]
    assert causes(diagnosed(talks))[1:] == ["server-idle-timeout"] * 2


# -- the request has no response


@pytest.mark.parametrize(
    ("waited", "cause"),
    [(0.001, "client-fault"), (0.015, "client-fault"), (0.03, "client-timeout"), (30, "client-timeout")],
)
def test_nobody_gives_up_within_milliseconds(waited: float, cause: str) -> None:
    first = opened()
    first.exchange()
    first.request(get("/slow"))
    first.pause(waited)
    first.close("client")
    assert last_cause(followed(first)) == cause


def test_a_response_that_comes_after_the_client_has_closed() -> None:
    """It is refused: late, for a client that gave up."""
    first = opened()
    first.request(get("/slow"))
    first.pause(2)
    first.fin("client")
    first.ack("server")
    first.pause(1)
    first.say("server", "PA", ok())
    first.say("client", "R")
    assert last_cause(followed(first)) == "client-timeout"


@pytest.mark.parametrize(("stall", "cause"), [(0.1, "body-unread"), (0.4, "client-timeout")])
def test_a_body_that_stalls(stall: float, cause: str) -> None:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 5000") + b"x" * 1000)
    first.pause(stall)
    first.close("client")
    assert last_cause(followed(first)) == cause


def test_a_body_that_stalls_because_the_client_does_not_read() -> None:
    first = opened()
    first.request(get())
    first.response(response_head("200 OK", "Content-Length: 5000") + b"x" * 1000)
    first.ack("client")
    first.pause(2)
    first.close("client")
    first.segments[5:] = [segment._replace(window=0) for segment in first.segments[5:]]
    assert last_cause(followed(first)) == "body-unread"


@pytest.mark.parametrize(
    ("pause", "cause"), [(0.0, "keepalive-race"), (60, "keepalive-race"), (101, "path-dropped"), (3600, "path-dropped")]
)
def test_gateways_forget_what_servers_would_have_closed_long_before(pause: float, cause: str) -> None:
    first = opened()
    exchanges(2)(first)
    first.pause(pause)
    first.request(get("/late"))
    first.reset("server")
    assert last_cause(followed(first)) == cause


def test_a_pause_well_above_the_limit_that_the_server_keeps() -> None:
    """It closes after 5 s elsewhere: here it did not, or its FIN never came."""
    first, second = in_turn(2, closing("server", 5, exchanges(2)))
    third = opened(5, after(second, 1))
    third.exchange()
    third.pause(9)
    third.request(get("/late"))
    third.reset("server")
    assert last_cause(followed(first, second, third)) == "path-dropped"


def test_a_pause_about_as_long_as_the_limit_that_the_server_keeps() -> None:
    first, second = in_turn(2, closing("server", 5, exchanges(2)))
    third = opened(5, after(second, 1))
    third.exchange()
    third.pause(5)
    third.request(get("/late"))
    third.reset("server")
    assert last_cause(followed(first, second, third)) == "keepalive-race"


# -- what repeats


def test_one_close_after_the_count_of_others_is_what_theirs_was() -> None:
    report = diagnosed(followed(*in_turn(3, closing("server", before=exchanges(4)))))
    assert causes(report) == [None, *["max-requests-silent"] * 3]


def test_counts_that_differ_are_no_limit() -> None:
    report = diagnosed(followed(*each(*[closing("server", before=exchanges(count)) for count in (2, 3, 5, 4)])))
    found = finding(report, "max-requests-silent")
    assert (found.confidence, found.measured) == ("consistent", ())


@pytest.mark.parametrize(("sent", "said", "sure"), [(5, 5.0, True), (5, 5.9, True), (5, 3.0, False), (5, 8.0, False)])
def test_what_keep_alive_said_is_compared_with_what_was_done(sent: int, said: float, sure: bool) -> None:
    script = closing("server", said, answered(ok(b"ok", f"Keep-Alive: timeout={sent}, max=100")))
    found = finding(diagnosed(followed(*in_turn(1, script))), "server-idle-timeout")
    assert (found.confidence == "certain") == sure


@pytest.mark.parametrize("left", ["timeout=5, max=0", "max=1", "timeout=5,max=1"])
def test_the_last_of_those_that_keep_alive_counted(left: str) -> None:
    script = closing("server", before=answered(ok(b"ok", f"Keep-Alive: {left}", "Connection: close")))
    assert last_cause(followed(*in_turn(1, script))) == "max-requests-announced"


@pytest.mark.parametrize(
    ("agent", "gap", "sure"),
    [
        ("python-httpx/0.28.1", 5.1, True),
        ("python-httpx/0.28.1", 3.0, False),
        ("Python/3.11 aiohttp/3.14.5", 15.0, True),
        ("curl/8.5.0", 119.0, True),
        ("Go-http-client/1.1", 90.0, True),
        ("python-requests/2.34.2", 119.0, False),
    ],
)
def test_what_clients_do_by_default(agent: str, gap: float, sure: bool) -> None:
    script = closing("client", gap, answered(ok(), get("/", f"User-Agent: {agent}")))
    report = diagnosed(followed(*in_turn(1, script), pause=0))
    certain = [found.cause for found in report.findings if found.confidence == "certain"]
    assert certain == ["client-idle-expiry"] * sure


def test_many_responses_that_all_say_close_are_a_habit() -> None:
    script = closing("server", before=answered(ok(b"ok", "Connection: close")))
    assert causes(diagnosed(in_turn(2, script)))[1:] == ["response-close-header"]
    assert causes(diagnosed(in_turn(10, script)))[1:] == ["server-never-keeps-alive"] * 9


def test_a_response_that_does_not_say_close_breaks_the_habit() -> None:
    script = closing("server", before=answered(ok(b"ok", "Connection: close")))
    report = diagnosed(each(*[script] * 5, closing("server", 1), script))
    assert "server-never-keeps-alive" not in causes(report)


def test_the_same_instant_with_one_timer_is_no_restart() -> None:
    """Two connections that came to rest together are closed together."""
    first, second = opened(0), opened(1)
    for talk in (first, second):
        talk.request(get("/both"))
        talk.pause(0.05)
    for talk in (first, second):
        talk.response(ok())
        talk.pause(5)
        talk.close("server")
    assert last_cause(followed(first, second)) == "server-idle-timeout"


# -- inside of TLS


def test_tickets_behind_the_handshake_are_no_response() -> None:
    report = diagnosed([secured()])
    assert report.totals.requests == 0
    talk = secured()
    talk.pause(5)
    talk.close("server")
    assert last_cause(followed(talk)) != "server-idle-timeout", "it never carried a request"


@pytest.mark.parametrize("turns", [1, 3])
def test_turns_stand_for_requests(turns: int) -> None:
    """The same number of turns before each close: the limit is told in them."""

    def script(talk: Conversation) -> None:
        for _ in range(turns):
            in_secret(talk)
        talk.close("server")

    report = diagnosed(followed(*in_turn(4, script, begin=secured)))
    found = report.findings[0]
    assert found.confidence == "consistent"
    if turns > 1:
        assert [(limit.value, limit.seen, limit.of) for limit in found.measured] == [(turns, 4, 4)]
    else:
        assert found.measured == ()


def test_a_response_in_many_records_is_one_turn() -> None:
    def script(talk: Conversation) -> None:
        for _ in range(3):
            talk.request(sealed(100) + sealed(50))
            for _ in range(5):
                talk.response(sealed(900))
        talk.close("server")

    report = diagnosed(followed(*in_turn(3, script, begin=secured)))
    assert [limit.value for limit in report.findings[0].measured] == [3]


@pytest.mark.parametrize("size", [18, 20, 27])
def test_other_small_records_are_no_alert(size: int) -> None:
    """A close_notify of TLS 1.3 is 24 bytes with its header: one more or less is data."""

    def script(talk: Conversation) -> None:
        in_secret(talk)
        talk.pause(5)
        talk.response(sealed(size))
        talk.close("server")

    assert "tls-close-notify" not in causes(diagnosed(in_turn(3, script, begin=secured)))


def test_an_alert_is_not_the_last_activity() -> None:
    """The idle time ends with it."""

    def script(talk: Conversation) -> None:
        in_secret(talk)
        talk.pause(5)
        talk.say("server", "PA", CLOSE_NOTIFY)
        talk.pause(0.02)
        talk.close("server")

    found = finding(diagnosed(followed(*in_turn(3, script, begin=secured))), "tls-close-notify")
    assert found.confidence == "certain"
    assert [(limit.name, round(limit.value), limit.seen) for limit in found.measured] == [("server idle timeout", 5, 3)]


def test_data_in_tls_12_is_never_taken_for_an_alert_by_its_size() -> None:
    def script(talk: Conversation) -> None:
        in_secret(talk)
        talk.pause(5)
        talk.response(sealed(19))
        talk.close("server")

    assert "tls-close-notify" not in causes(diagnosed(each(*[script] * 3, begin=secured12)))


# -- what is damaged says nothing


@pytest.mark.parametrize("lost", [3, 5])
def test_a_connection_with_messages_missing_explains_nothing(lost: int) -> None:
    first = opened()
    first.exchange(1)
    first.exchange(2)
    closing("server", 5)(first)
    following = followed(first)
    del first.segments[lost]
    report = of_segments([*first.segments, *following[1].segments])
    assert causes(report) == [None, "unknown"]


def test_bytes_missing_inside_of_a_body_hide_nothing() -> None:
    first = opened()
    first.request(get())
    parts = first.send("server", ok(b"x" * 4000), 1000)
    first.pause(5)
    first.close("server")
    following = followed(first)
    first.segments.remove(parts[2])
    report = of_segments([*first.segments, *following[1].segments])
    assert causes(report) == [None, "server-idle-timeout"]


# -- words


@given(st.lists(st.integers(0, 5)))
def test_distinct_numbers(numbers: list[int]) -> None:
    column = memoryview(bytearray(4 * len(numbers))).cast("i")
    for place, number in enumerate(numbers):
        column[place] = number
    assert distinct(column) == set(numbers)


# -- sides and clocks


@pytest.mark.parametrize("closer", ["client", "server"])
def test_the_capture_may_begin_with_the_server(closer: Side) -> None:
    """The first packet seen is the SYN-ACK's: roles are the same."""
    talks = in_turn(3, closing(closer, 5), pause=1)
    segments = [segment for talk in talks for segment in (talk.segments if talk is not talks[0] else talk.segments[1:])]
    expected = {"client": "client-idle-expiry", "server": "server-idle-timeout"}[closer]
    assert set(causes(of_segments(segments))[1:]) == {expected}


def test_a_clock_that_steps_back_makes_no_negative_gap() -> None:
    first = opened()
    first.exchange()
    first.now -= 2 * S
    first.close("server")
    first.now += 4 * S
    report = diagnosed([first])
    assert report.findings == ()
    second = followed(first)[1]
    report = of_segments([*first.segments, *second.segments])
    assert causes(report)[1] in ("server-never-keeps-alive", "max-requests-silent", "unknown")


def test_several_steps_of_the_clock_are_told_apart_by_frames() -> None:
    """All at one moment, as coarse clocks have it: order is that of the frames."""
    first = opened()
    first.exchange()
    first.fin("server")
    first.say("client", "PA", get("/late"))
    first.reset("server")
    segments = [segment._replace(ts_ns=first.segments[0].ts_ns) for segment in first.segments]
    second = opened(1, first.now + STEP_NS)
    second.exchange()
    assert causes(of_segments([*segments, *second.segments]))[1] == "keepalive-race"


def test_frames_of_http2_are_no_http1() -> None:
    assert len(h2_frame(0, 1, b"x")) == 10
    talk = moved(opened(), opened().now + S)
    talk.request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert diagnosed([talk]).totals.requests == 0
