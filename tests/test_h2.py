"""HTTP/2 in the clear: frames, streams and GOAWAY, whole and cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from craft import (
    H2_DATA,
    H2_GOAWAY,
    H2_HEADERS,
    H2_PREFACE,
    H2_SETTINGS,
    Conversation,
    get,
    h2_frame,
    h2_goaway,
    response_head,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from talks import after, causes, connections, diagnosed, finding, in_turn, opened

from verifier.judge.details import Details
from verifier.judge.model import Report
from verifier.wire.tables import GOAWAY

SETTINGS = h2_frame(H2_SETTINGS)
PING = 6


def asked(stream: int) -> bytes:
    return h2_frame(H2_HEADERS, stream, b"\x82\x84\x86", 5)


def answer(stream: int, body: bytes = b"ok") -> bytes:
    return h2_frame(H2_HEADERS, stream, b"\x88", 4) + h2_frame(H2_DATA, stream, body, 1)


def spoken(*parts: tuple[str, bytes]) -> Conversation:
    """A connection with a preface, and then these."""
    talk = opened()
    talk.request(H2_PREFACE + SETTINGS)
    talk.response(SETTINGS)
    for side, data in parts:
        talk.request(data) if side == "client" else talk.response(data)
    return talk


def column(report: Report, name: str) -> int:
    """A value of the first connection's row."""
    assert isinstance(report.details, Details)
    return int(report.details.columns[name][0])


def test_streams_are_counted() -> None:
    report = diagnosed(
        [spoken(("client", asked(1)), ("server", answer(1)), ("client", asked(3) + asked(5)), ("server", answer(5)))]
    )
    assert [str(connection.protocol) for connection in connections(report)] == ["h2"]
    assert column(report, "turns") == 3
    assert report.totals.requests == 0, "their fields are not read"


def test_a_stream_in_many_frames_is_one() -> None:
    upload = [("client", h2_frame(H2_DATA, 1, b"x" * 100)) for _ in range(5)]
    report = diagnosed([spoken(("client", asked(1)), *upload, ("server", answer(1)))])
    assert column(report, "turns") == 1


def test_settings_and_pings_are_no_streams() -> None:
    report = diagnosed(
        [spoken(("client", h2_frame(PING, 0, b"12345678")), ("server", h2_frame(PING, 0, b"12345678", 1)))]
    )
    assert column(report, "turns") == 0


def test_a_goaway_of_the_server() -> None:
    talk = spoken(("client", asked(1)), ("server", answer(1)), ("server", h2_goaway(1)))
    report = diagnosed([talk])
    assert column(report, "flags") & GOAWAY
    frame = column(report, "odd_frame")
    assert talk.segments[frame - 1].payload == h2_goaway(1)


@pytest.mark.parametrize(
    ("side", "data"),
    [("client", h2_goaway(0)), ("server", h2_frame(H2_DATA, 1, h2_goaway(0))), ("server", h2_frame(PING, 0, bytes(8)))],
    ids=["the client's", "inside of data", "another frame"],
)
def test_what_is_no_goaway_of_the_server(side: str, data: bytes) -> None:
    report = diagnosed([spoken(("client", asked(1)), ("server", answer(1)), (side, data))])
    assert not column(report, "flags") & GOAWAY


CUT = answer(1) + h2_frame(PING, 0, bytes(8)) + h2_goaway(7)


@settings(max_examples=60)
@given(st.lists(st.integers(1, len(CUT) - 1), max_size=8))
def test_frames_cut_anywhere(places: list[int]) -> None:
    edges = [0, *sorted(set(places)), len(CUT)]
    pieces = [("server", CUT[low:high]) for low, high in pairwise(edges)]
    report = diagnosed([spoken(("client", asked(1)), *pieces)])
    assert column(report, "flags") & GOAWAY
    assert column(report, "turns") == 1


def test_byte_by_byte_from_the_preface_on() -> None:
    talk = opened()
    for place in range(len(H2_PREFACE + SETTINGS + asked(1))):
        talk.say("client", "PA", (H2_PREFACE + SETTINGS + asked(1))[place : place + 1])
    talk.ack("server")
    talk.response(SETTINGS + answer(1) + h2_goaway(1))
    report = diagnosed([talk])
    assert [str(connection.protocol) for connection in connections(report)] == ["h2"]
    assert column(report, "turns") == 1
    assert column(report, "flags") & GOAWAY


def test_a_hole_inside_of_a_frame_and_one_across() -> None:
    """The first leaves the frames whole; behind the second none is looked for."""
    inside = spoken(("client", asked(1)))
    body = h2_frame(H2_DATA, 1, b"x" * 900)
    parts = inside.send("server", body, 300)
    inside.ack("client")
    inside.response(h2_goaway(1))
    inside.segments.remove(parts[1])
    assert column(diagnosed([inside]), "flags") & GOAWAY
    across = spoken(("client", asked(1)))
    lost = across.say("server", "PA", body)
    across.response(h2_goaway(1))
    across.segments.remove(lost)
    assert not column(diagnosed([across]), "flags") & GOAWAY


def test_by_upgrade() -> None:
    talk = opened()
    talk.request(
        get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
    )
    talk.response(response_head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c"))
    talk.request(H2_PREFACE + SETTINGS)
    talk.response(SETTINGS + answer(1))
    talk.request(asked(3))
    talk.response(answer(3) + h2_goaway(3))
    report = diagnosed([talk])
    assert report.totals.requests == 1
    assert column(report, "flags") & GOAWAY


def test_connections_that_end_with_a_goaway() -> None:
    def script(talk: Conversation) -> None:
        talk.request(H2_PREFACE + SETTINGS)
        talk.response(SETTINGS)
        talk.request(asked(1))
        talk.response(answer(1) + h2_goaway(1))
        talk.close("server")

    talks = in_turn(4, script)
    report = diagnosed(talks)
    found = finding(report, "h2-goaway")
    assert (found.extra, found.confidence, found.blame) == (3, "certain", "server")
    assert causes(report)[1:] == ["h2-goaway"] * 3
    assert any(evidence.note.startswith("GOAWAY") for evidence in found.evidence)


def test_a_goaway_that_the_client_outlives_is_not_the_end() -> None:
    """The connection goes on to the end of its streams; a new one takes the next."""
    first = spoken(("client", asked(1)), ("server", h2_goaway(1)), ("server", answer(1)))
    first.close("client")
    second = opened(1, after(first, 0.1))
    second.request(H2_PREFACE + SETTINGS + asked(1))
    second.response(SETTINGS + answer(1))
    assert causes(diagnosed([first, second])) == [None, "h2-goaway"]


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_behind_the_preface(data: bytes) -> None:
    talk = spoken(("client", data or b"x"), ("server", data or b"x"))
    talk.close("client")
    report = diagnosed([talk])
    assert report.totals.connections == 1
    assert report.totals.requests == 0


def test_lengths_of_frames_are_three_bytes() -> None:
    assert h2_frame(H2_GOAWAY, 0, bytes(70_000))[:5] == b"\x01\x11\x70\x07\x00"
    talk = spoken(("client", asked(1)))
    talk.send("server", h2_frame(H2_DATA, 1, bytes(70_000)) + h2_goaway(1), 32_000)
    report = diagnosed([talk])
    assert column(report, "flags") & GOAWAY
