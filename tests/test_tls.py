"""TLS without keys: whose turn it is, and alerts, told from records alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from craft import (
    CHACHA20,
    CHANGE_CIPHER_SPEC,
    CLOSE_NOTIFY,
    CLOSE_NOTIFY_12,
    START_NS,
    Conversation,
    client_hello,
    request_head,
    response_head,
    sealed,
    server_hello,
    tls12_opening,
    tls13_opening,
    tls_record,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from talks import connections, diagnosed, in_secret, of_segments, opened, secured, secured12

from verifier.judge.details import Details
from verifier.judge.model import Report
from verifier.wire import tables


def column(report: Report, name: str) -> int:
    """A value of the first connection's row."""
    assert isinstance(report.details, Details)
    return int(report.details.columns[name][0])


def alerted(report: Report) -> bool:
    """Whether an alert of the server was seen."""
    return bool(column(report, "flags") & tables.SERVER_ALERT)


def spoke_last(report: Report) -> str:
    return "client" if column(report, "flags") & tables.CLIENT_SPOKE_LAST else "server"


# -- turns


@pytest.mark.parametrize("begin", [secured, secured12])
def test_each_time_that_the_client_speaks_behind_the_server_is_a_turn(begin: Callable[[], Conversation]) -> None:
    talk = begin()
    for _ in range(4):
        in_secret(talk)
    report = diagnosed([talk])
    assert column(report, "turns") == 4
    assert spoke_last(report) == "server"
    assert report.totals.requests == 0


def test_a_handshake_has_no_turn() -> None:
    for talk in (secured(), secured12()):
        report = diagnosed([talk])
        assert column(report, "turns") == 0
        (connection,) = connections(report)
        assert connection.frames.first_request is None


def test_many_records_of_one_side_are_one_turn() -> None:
    talk = secured()
    for _ in range(3):
        talk.send("client", sealed(1000) * 3, 700)
        talk.ack("server")
        talk.send("server", sealed(5000) * 2, 1400)
        talk.ack("client")
    assert column(diagnosed([talk]), "turns") == 3


def test_a_request_without_an_answer() -> None:
    talk = secured()
    in_secret(talk)
    talk.request(sealed(300))
    report = diagnosed([talk])
    assert column(report, "turns") == 2
    assert spoke_last(report) == "client"


def secured_with_chacha20() -> Conversation:
    """One with TLS 1.2 and ChaCha20-Poly1305, whose records carry no nonce."""
    talk = Conversation()
    tls12_opening(talk, suite=CHACHA20)
    return talk


CHACHA = "1.2 with ChaCha20"
SETTLED = {"1.3": sealed(26), "1.2": sealed(33), CHACHA: sealed(25)}
"""The acknowledgement of SETTINGS, in HTTP/2: nine bytes, sealed."""
CONTROL = {"1.3": sealed(34), "1.2": sealed(41), CHACHA: sealed(33)}
"""GOAWAY or PING."""
BRIEF = {"1.3": sealed(35), "1.2": sealed(42), CHACHA: sealed(34)}
"""One byte more: a request of HTTP/2, of which the server knows nearly all."""
BEGIN: dict[str, Callable[[], Conversation]] = {"1.3": secured, "1.2": secured12, CHACHA: secured_with_chacha20}


@pytest.mark.parametrize("version", BEGIN)
@pytest.mark.parametrize("frames", [SETTLED, CONTROL])
def test_what_http2_says_of_the_connection_behind_a_response_is_no_request(
    version: str, frames: dict[str, bytes]
) -> None:
    talk = BEGIN[version]()
    in_secret(talk)
    talk.request(frames[version])
    talk.close("client")
    report = diagnosed([talk])
    assert column(report, "turns") == 1
    assert spoke_last(report) == "server"


@pytest.mark.parametrize("version", BEGIN)
def test_a_record_too_long_for_what_http2_says_of_the_connection_is_a_request(version: str) -> None:
    talk = BEGIN[version]()
    in_secret(talk)
    talk.request(BRIEF[version])
    talk.close("client")
    report = diagnosed([talk])
    assert column(report, "turns") == 2
    assert spoke_last(report) == "client"


@pytest.mark.parametrize(("alpn", "turns"), [("h2", 1), ("http/1.1", 2)])
def test_two_frames_about_an_http2_connection_in_one_record_are_no_request(alpn: str, turns: int) -> None:
    """curl sends two WINDOW_UPDATEs, 26 bytes, behind a response, also when the server has closed."""
    talk = secured12(alpn=alpn)
    in_secret(talk)
    talk.say("server", "PA", CLOSE_NOTIFY_12)
    talk.say("server", "FA")
    talk.request(sealed(50))
    talk.close("client")
    report = diagnosed([talk])
    assert column(report, "turns") == turns
    assert spoke_last(report) == ("server" if turns == 1 else "client")


@pytest.mark.parametrize(
    ("alpn", "last", "done"),
    [
        (("h2", "http/1.1"), CLOSE_NOTIFY, False),
        (("h2", "http/1.1"), sealed(200) + CLOSE_NOTIFY, True),
        (("h2", "http/1.1"), b"", True),
        (("http/1.1",), CLOSE_NOTIFY, True),
    ],
)
def test_a_goaway_before_the_close_is_no_part_of_the_response(alpn: Sequence[str], last: bytes, done: bool) -> None:
    """Where HTTP/2 may be spoken; and where something follows it, or no alert, it was none."""
    talk = Conversation()
    tls13_opening(talk, alpn=alpn)
    in_secret(talk)
    talk.pause(5)
    goaway_at = talk.now
    talk.response(CONTROL["1.3"])
    if last:
        talk.say("server", "PA", last)
    talk.close("server")
    report = diagnosed([talk])
    assert isinstance(report.details, Details)
    turns = report.details.ledger.turns
    assert turns.rows == 1
    assert (turns.column("end_ns")[0] >= goaway_at) == done


@pytest.mark.parametrize("version", BEGIN)
def test_a_short_record_that_is_answered_is_a_request(version: str) -> None:
    """Of HTTP/2, where the server knows all fields of it from those before."""
    talk = BEGIN[version]()
    in_secret(talk)
    talk.pause(1)
    talk.request(CONTROL[version])
    talk.response(sealed(400))
    assert column(diagnosed([talk]), "turns") == 2


@pytest.mark.parametrize("version", BEGIN)
def test_what_goes_before_a_request_is_not_part_of_it(version: str) -> None:
    talk = BEGIN[version]()
    in_secret(talk)
    talk.request(CONTROL[version])
    talk.pause(3)
    request_at = talk.now
    talk.request(sealed(200))
    talk.response(sealed(400))
    report = diagnosed([talk])
    assert isinstance(report.details, Details)
    turns = report.details.ledger.turns
    assert list(turns.column("request_ns")[: turns.rows])[1] >= request_at


def test_tickets_in_the_middle_are_taken_for_an_answer() -> None:
    """They look like data: what comes behind them is a turn of its own. There is no telling."""
    talk = secured()
    talk.request(sealed(300))
    talk.response(sealed(250))
    talk.response(sealed(900))
    assert column(diagnosed([talk]), "turns") == 1


def test_the_first_request_is_the_record_behind_the_finished() -> None:
    talk = secured()
    talk.pause(0.1)
    talk.request(sealed(300))
    (connection,) = connections(diagnosed([talk]))
    frame = connection.frames.first_request
    assert frame is not None
    assert talk.segments[frame - 1].payload == sealed(300)


def test_a_request_in_the_segment_of_the_finished() -> None:
    talk = Conversation(server=("10.0.0.2", 443))
    talk.handshake()
    talk.say("client", "PA", client_hello())
    talk.say("server", "PA", server_hello() + CHANGE_CIPHER_SPEC + sealed(900))
    talk.say("client", "PA", CHANGE_CIPHER_SPEC + sealed(53, seed="finished") + sealed(300))
    talk.response(sealed(900))
    assert column(diagnosed([talk]), "turns") == 1


# -- alerts


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_close_notify(side: str, version: str) -> None:
    talk, alert = (secured(), CLOSE_NOTIFY) if version == "1.3" else (secured12(), CLOSE_NOTIFY_12)
    in_secret(talk)
    talk.say("client" if side == "client" else "server", "PA", alert)
    report = diagnosed([talk])
    assert alerted(report) == (side == "server")
    assert column(report, "turns") == 1, "it is no data"
    assert spoke_last(report) == "server"
    assert bool(column(report, "flags") & tables.CLIENT_ALERT) == (side == "client")
    assert talk.segments[column(report, "odd_frame") - 1].payload == alert


def test_an_alert_that_answers_the_other_side_s_is_no_news() -> None:
    for first, second in (("client", "server"), ("server", "client")):
        talk = secured()
        in_secret(talk)
        talk.say("client" if first == "client" else "server", "PA", CLOSE_NOTIFY)
        talk.say("client" if second == "client" else "server", "PA", CLOSE_NOTIFY)
        report = diagnosed([talk])
        assert alerted(report) == (first == "server")
        assert bool(column(report, "flags") & tables.CLIENT_ALERT) == (first == "client")
        assert column(report, "odd_frame") == len(talk.segments) - 1


def test_a_client_that_goes_on_behind_an_alert_has_not_closed() -> None:
    talk = secured12()
    in_secret(talk)
    talk.say("client", "PA", CLOSE_NOTIFY_12)
    in_secret(talk)
    assert not column(diagnosed([talk]), "flags") & tables.CLIENT_ALERT


@pytest.mark.parametrize("size", [1, 17, 18, 20, 21, 100])
def test_records_of_another_size_are_no_alert_in_tls_13(size: int) -> None:
    talk = secured()
    in_secret(talk)
    talk.response(sealed(size))
    assert not alerted(diagnosed([talk]))


def test_data_of_any_size_is_no_alert_in_tls_12() -> None:
    talk = secured12()
    in_secret(talk)
    talk.response(sealed(19))
    assert not alerted(diagnosed([talk]))


def test_an_alert_in_the_clear() -> None:
    """The server refuses the ClientHello."""
    talk = Conversation(server=("10.0.0.2", 443))
    talk.handshake()
    talk.request(client_hello())
    talk.response(tls_record(21, b"\x02\x28"))
    talk.close("server")
    report = diagnosed([talk])
    assert alerted(report)
    assert report.findings == ()


def test_an_alert_behind_data_in_one_segment() -> None:
    talk = secured()
    talk.request(sealed(200))
    talk.response(sealed(900) + CLOSE_NOTIFY)
    report = diagnosed([talk])
    assert alerted(report)
    assert spoke_last(report) == "server"


def test_an_alert_does_not_move_the_last_activity() -> None:
    talk = secured()
    in_secret(talk)
    last = [segment for segment in talk.segments if segment.payload][-1]
    talk.pause(5)
    talk.say("server", "PA", CLOSE_NOTIFY)
    assert column(diagnosed([talk]), "active") == last.ts_ns


# -- cut, lost, and inside of something else


SPOKEN = sealed(400) + sealed(30) + CLOSE_NOTIFY


@settings(max_examples=60)
@given(st.lists(st.integers(1, len(SPOKEN) - 1), max_size=6))
def test_records_cut_anywhere(places: list[int]) -> None:
    talk = secured()
    talk.request(sealed(200))
    edges = [0, *sorted(set(places)), len(SPOKEN)]
    for place, low in enumerate(edges[:-1]):
        talk.response(SPOKEN[low : edges[place + 1]])
    report = diagnosed([talk])
    assert alerted(report)
    assert column(report, "turns") == 1


def test_what_is_lost_inside_of_a_record_hides_no_alert() -> None:
    talk = secured()
    talk.request(sealed(200))
    parts = talk.send("server", sealed(2000), 500)
    talk.ack("client")
    talk.response(CLOSE_NOTIFY)
    report = of_segments([segment for segment in talk.segments if segment is not parts[1]])
    assert alerted(report)


def test_tls_inside_of_a_tunnel() -> None:
    talk = opened(now=START_NS)
    talk.request(request_head("CONNECT", "b.example:443"))
    talk.response(response_head("200 Connection established"))
    talk.request(client_hello("b.example"))
    talk.response(server_hello() + CHANGE_CIPHER_SPEC + sealed(900))
    talk.request(CHANGE_CIPHER_SPEC + sealed(53, seed="finished"))
    for _ in range(2):
        in_secret(talk)
    talk.say("server", "PA", CLOSE_NOTIFY)
    report = diagnosed([talk])
    (connection,) = connections(report)
    assert connection.tls is not None
    assert connection.tls.sni == "b.example"
    assert column(report, "turns") == 2
    assert alerted(report)


@settings(max_examples=60)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_behind_the_handshake(said: bytes, answered: bytes) -> None:
    talk = secured()
    for data in (said, answered):
        if data:
            talk.request(data) if data is said else talk.response(data)
    report = diagnosed([talk])
    assert report.totals.connections == 1
    assert 0 <= column(report, "turns") <= 1
