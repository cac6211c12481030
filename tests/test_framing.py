"""HTTP/1 message framing by RFC 9112, seen from outside: what was sent, and which exchanges that is.

Each case runs three ways, after h11's tests: every message in one segment, byte by byte, and with the next message in
the same segment (all that one side says in one segment), where the protocol lets the client go on without waiting.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import pytest
from craft import Conversation, Side, chunked, get, noise, ok, packets, request_head, response_head, retimed
from examine import examine, reasons, second_opinion, story, totals
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.judge.model import Report


class Case(NamedTuple):
    said: tuple[tuple[Side, bytes], ...]
    exchanges: tuple[tuple[str, int | None], ...]
    """(method, final status) in order; None where the capture holds no final response."""
    in_turn: bool = False
    """The client has to wait for an answer before it goes on."""
    tshark_differs: str = ""
    """Why tshark's request count is not asked for."""


NEXT: tuple[tuple[Side, bytes], ...] = (("client", get("/next")), ("server", ok(b"next")))
NEXT_EXCHANGE = ("GET", 200)


def answered(request: bytes, response: bytes) -> tuple[tuple[Side, bytes], ...]:
    return (("client", request), ("server", response))


CASES: dict[str, Case] = {
    "length": Case((*answered(get(), ok(b"twelve bytes")), *NEXT), (("GET", 200), NEXT_EXCHANGE)),
    "zero length": Case((*answered(get(), ok(b"")), *NEXT), (("GET", 200), NEXT_EXCHANGE)),
    "length twice the same": Case(
        (*answered(get(), response_head("200 OK", "Content-Length: 4", "Content-Length: 4") + b"body"), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "length in a list": Case(
        (*answered(get(), response_head("200 OK", "Content-Length: 4, 4") + b"body"), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "refused before its body, which never comes": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 400", "Expect: 100-continue")),
            ("server", response_head("417 Expectation Failed", "Content-Length: 0")),
            *NEXT,
        ),
        (("POST", 417), NEXT_EXCHANGE),
        in_turn=True,
        tshark_differs="tshark takes what follows for the body",
    ),
    "answered before its body, which looks like a head": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 27")),
            ("server", response_head("404 No", "Content-Length: 0")),
            ("client", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[:27]),
            *NEXT,
        ),
        (("POST", 404), NEXT_EXCHANGE),
        in_turn=True,
    ),
    "answered before its body, a letter": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 1")),
            ("server", response_head("404 No", "Content-Length: 0")),
            ("client", b"x"),
            *NEXT,
        ),
        (("POST", 404), NEXT_EXCHANGE),
        in_turn=True,
    ),
    "refused before its body, which comes": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 12", "Expect: 100-continue")),
            ("server", response_head("401 No", "Content-Length: 0")),
            ("client", b"GETs no hea\n"),
            *NEXT,
        ),
        (("POST", 401), NEXT_EXCHANGE),
        in_turn=True,
    ),
    "identity, which is no coding": Case(
        (
            *answered(get(), response_head("200 OK", "Transfer-Encoding: identity", "Content-Length: 4") + b"body"),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "a request that claims version 2.0": Case(
        (*answered(b"GET / HTTP/2.0\r\nHost: a.example\r\n\r\n", response_head("505 No", "Content-Length: 0")), *NEXT),
        (("GET", 505), NEXT_EXCHANGE),
    ),
    "a radio station": Case(
        answered(b"GET /radio HTTP/1.0\r\n\r\n", b"ICY 200 OK\r\nicy-name: one\r\n\r\n" + noise(200)), (("GET", 200),)
    ),
    "a method that begins as a radio station does": Case(
        (*answered(request_head("ICY", "/"), ok()), *NEXT),
        (("ICY", 200), NEXT_EXCHANGE),
        tshark_differs="tshark does not know the method",
    ),
    "header names in any case, blanks around values": Case(
        (*answered(get(), response_head("200 OK", "cOnTeNt-lEnGtH: \t 4 \t ") + b"body"), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "an upgrade to nothing": Case(
        (*answered(get(), response_head("101 Switching Protocols", "Content-Length: 4")), *NEXT),
        (("GET", 101), NEXT_EXCHANGE),
    ),
    "zeros in front of lengths": Case(
        (
            *answered(request_head("POST", "/", f"Content-Length: {'0' * 40}4") + b"body", ok()),
            *answered(
                get(), response_head("200 OK", "Transfer-Encoding: chunked") + b"0" * 20 + b"4\r\nbody\r\n0\r\n\r\n"
            ),
            *NEXT,
        ),
        (("POST", 200), ("GET", 200), NEXT_EXCHANGE),
    ),
    "a list of codings with empty members": Case(
        (
            *answered(get(), response_head("200 OK", "Transfer-Encoding: , chunked , ,") + chunked(b"one")),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "fields folded into several lines": Case(
        (
            *answered(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\t 4 \r\n \r\nX: chunked\r\n more\r\n\r\nbody", ok()
            ),
            *answered(
                get(),
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n" + chunked(b"HTTP/1.1 200 OK\r\n"),
            ),
            *NEXT,
        ),
        (("POST", 200), ("GET", 200), NEXT_EXCHANGE),
        tshark_differs="tshark takes the response to end with its head",
    ),
    "request with a body": Case(
        (*answered(request_head("POST", "/", "Content-Length: 9") + b"name=joe!", ok()), *NEXT),
        (("POST", 200), NEXT_EXCHANGE),
    ),
    "request body that looks like a request": Case(
        (*answered(request_head("PUT", "/", f"Content-Length: {len(get('/no'))}") + get("/no"), ok()), *NEXT),
        (("PUT", 200), NEXT_EXCHANGE),
    ),
    "response body that looks like a response": Case(
        (*answered(get(), ok(response_head("500 No", "Content-Length: 0"))), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "chunked": Case(
        (*answered(get(), response_head("200 OK", "Transfer-Encoding: chunked") + chunked(b"one", b"two" * 20)), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "chunked with trailers": Case(
        (
            *answered(
                get(),
                response_head("200 OK", "Transfer-Encoding: chunked", "Trailer: Expires")
                + chunked(b"one", b"two", trailers=("Expires: never", "X-Sum: 12")),
            ),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "chunk extensions and letters of both cases": Case(
        (
            *answered(
                get(),
                response_head("200 OK", "Transfer-Encoding: Chunked")
                + b'A;name="v;\\"x"\r\n0123456789\r\n1a ; q\r\n'
                + b"z" * 26
                + b"\r\n000\r\n\r\n",
            ),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "chunks that look like messages": Case(
        (
            *answered(
                get(),
                response_head("200 OK", "Transfer-Encoding: chunked")
                + chunked(ok(b"no"), b"0\r\n\r\n", response_head("404 No")),
            ),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "chunked request": Case(
        (*answered(request_head("POST", "/", "Transfer-Encoding: chunked") + chunked(b"up", get("/no")), ok()), *NEXT),
        (("POST", 200), NEXT_EXCHANGE),
    ),
    "chunked wins over length": Case(
        (
            *answered(
                get(),
                response_head("200 OK", "Content-Length: 3", "Transfer-Encoding: chunked")
                + chunked(b"longer than three"),
            ),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "another coding before chunked": Case(
        (*answered(get(), response_head("200 OK", "Transfer-Encoding: gzip, chunked") + chunked(noise(90))), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "HEAD": Case(
        (*answered(request_head("HEAD", "/"), response_head("200 OK", "Content-Length: 5000")), *NEXT),
        (("HEAD", 200), NEXT_EXCHANGE),
    ),
    "HEAD, chunked": Case(
        (*answered(request_head("HEAD", "/"), response_head("200 OK", "Transfer-Encoding: chunked")), *NEXT),
        (("HEAD", 200), NEXT_EXCHANGE),
    ),
    "204": Case(
        (*answered(request_head("DELETE", "/1"), response_head("204 No Content")), *NEXT),
        (("DELETE", 204), NEXT_EXCHANGE),
    ),
    "304 with a length": Case(
        (*answered(get("/", 'If-None-Match: "1"'), response_head("304 Not Modified", "Content-Length: 1234")), *NEXT),
        (("GET", 304), NEXT_EXCHANGE),
    ),
    "1xx before the final response": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 4", "Expect: 100-continue")),
            ("server", response_head("100 Continue")),
            ("client", b"body"),
            ("server", response_head("102 Processing") + response_head("103 Early Hints", "Link: <a>") + ok()),
            *NEXT,
        ),
        (("POST", 200), NEXT_EXCHANGE),
    ),
    "final response instead of 100": Case(
        (
            *answered(
                request_head("POST", "/", "Content-Length: 0", "Expect: 100-continue"),
                response_head("417 No", "Content-Length: 2") + b"no",
            ),
            *NEXT,
        ),
        (("POST", 417), NEXT_EXCHANGE),
    ),
    "body ended by the close": Case(
        (
            *answered(
                get(), response_head("200 OK", "Content-Type: text/plain") + b"all that follows " + ok(b"is body")
            ),
        ),
        (("GET", 200),),
    ),
    "HTTP/1.0 kept alive": Case(
        (
            *answered(
                b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            ),
            *answered(b"GET /2 HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nto the end"),
        ),
        (("GET", 200), ("GET", 200)),
    ),
    "CONNECT": Case(
        (
            *answered(request_head("CONNECT", "a.example:443"), response_head("200 Connected")),
            ("client", b"SSH-2.0-here\r\n" + noise(200)),
            ("server", b"SSH-2.0-there\r\n" + noise(500)),
        ),
        (("CONNECT", 200),),
        in_turn=True,
    ),
    "CONNECT with a length in its answer": Case(
        (
            *answered(request_head("CONNECT", "a.example:443"), response_head("200 Connected", "Content-Length: 9999")),
            ("client", b"SSH-2.0-here\r\n" + noise(200)),
            ("server", b"SSH-2.0-there\r\n" + noise(500)),
        ),
        (("CONNECT", 200),),
        in_turn=True,
    ),
    "CONNECT refused": Case(
        (
            *answered(request_head("CONNECT", "a.example:443"), response_head("403 No", "Content-Length: 2") + b"no"),
            *NEXT,
        ),
        (("CONNECT", 403), NEXT_EXCHANGE),
        in_turn=True,
    ),
    "Upgrade": Case(
        (
            *answered(
                get("/ws", "Connection: Upgrade", "Upgrade: websocket"),
                response_head("101 Switching Protocols", "Upgrade: websocket"),
            ),
            ("server", b"\x81\x03hey"),
            ("client", b"\x81\x83abcdxyz"),
        ),
        (("GET", 101),),
        in_turn=True,
    ),
    "Upgrade not taken": Case(
        (*answered(get("/", "Connection: Upgrade", "Upgrade: h2c"), ok()), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
        in_turn=True,
    ),
    "empty line before a request": Case(
        (*answered(get(), ok()), *answered(b"\r\n" + get("/2"), ok())), (("GET", 200), ("GET", 200))
    ),
    "bare LF line ends": Case(
        (
            *answered(b"GET / HTTP/1.1\nHost: a.example\n\n", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
            *answered(
                b"POST /2 HTTP/1.1\nHost: a.example\nContent-Length: 2\n\nup", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"
            ),
        ),
        (("GET", 200), ("POST", 200)),
    ),
    "folded header": Case(
        (*answered(get("/", "X-Long: one\r\n two\r\n\tthree"), ok(b"ok", "X-Fold: a\r\n Content-Length: 99")), *NEXT),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "no reason phrase": Case(
        (
            *answered(get(), b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
            *answered(get("/2"), b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"),
        ),
        (("GET", 200), ("GET", 404)),
    ),
    "forms of the target": Case(
        (
            *answered(b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", ok()),
            *answered(b"GET http://a.example:8080/x?y=z HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", ok()),
        ),
        (("OPTIONS", 200), ("GET", 200)),
    ),
    "methods that few know": Case(
        (
            *answered(request_head("NOTIFY", "/event"), ok(b"")),
            *answered(request_head("PROPFIND", "/dav"), response_head("207 Multi-Status", "Content-Length: 1") + b"x"),
            *answered(request_head("M-SEARCH", "*"), ok(b"")),
            *NEXT,
        ),
        (("NOTIFY", 200), ("PROPFIND", 207), ("M-SEARCH", 200), NEXT_EXCHANGE),
    ),
    "long head": Case(
        (
            *answered(get("/", *(f"X-{number}: {'v' * 200}" for number in range(40))), ok(b"ok", "X: " + "w" * 3000)),
            *NEXT,
        ),
        (("GET", 200), NEXT_EXCHANGE),
    ),
    "errors that stay": Case(
        (
            *answered(get("/no"), response_head("404 Not Found", "Content-Length: 9") + b"not found"),
            *answered(get("/bad"), response_head("500 Oh", "Transfer-Encoding: chunked") + chunked(b"oh")),
            *NEXT,
        ),
        (("GET", 404), ("GET", 500), NEXT_EXCHANGE),
    ),
    "no answer to the last": Case((*answered(get(), ok()), ("client", get("/2"))), (("GET", 200), ("GET", None))),
    "a refusal before the body is sent": Case(
        (
            ("client", request_head("POST", "/", "Content-Length: 100000") + b"begin"),
            ("server", response_head("413 Too Large", "Connection: close", "Content-Length: 3") + b"big"),
        ),
        (("POST", 413),),
        tshark_differs="it waits for the body",
    ),
}

Way = Literal["whole", "byte by byte", "together"]


def conversation(said: tuple[tuple[Side, bytes], ...], way: Way) -> Conversation:
    talk = Conversation()
    talk.handshake()
    if way == "together":
        for side in ("client", "server"):
            talk.say(side, "PA", b"".join(data for who, data in said if who == side))
    else:
        for side, data in said:
            talk.send(side, data, 1 if way == "byte by byte" else len(data))
    talk.ack("client")
    talk.close("server")
    return talk


def seen(report: Report) -> tuple[tuple[str, int | None], ...]:
    return tuple((exchange.method, exchange.status) for exchange in report.details.exchanges())


WAYS: tuple[Way, ...] = ("whole", "byte by byte", "together")
RUNS = [(name, way) for name, case in CASES.items() for way in WAYS if way != "together" or not case.in_turn]
"""Where the client can't go on before the answer, there is no conversation with everything together."""


@pytest.mark.parametrize(("name", "way"), RUNS)
def test_exchanges(name: str, way: Way) -> None:
    case = CASES[name]
    talk = conversation(case.said, way)
    report = examine(talk.packets())
    assert seen(report) == case.exchanges
    assert [exchange.depth for exchange in report.details.exchanges()] == list(range(1, len(case.exchanges) + 1))
    assert totals(report)[:3] == (1, 1, len(case.exchanges))
    assert report.totals.responses == sum(status is not None for _, status in case.exchanges)
    assert report.verdict == "proved"
    if way == "whole" and not case.tshark_differs:
        assert second_opinion(talk.packets()).requests == len(case.exchanges)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.in_turn])
def test_exchanges_in_segments_of_odd_sizes(name: str) -> None:
    """Messages that begin and end in the middle of segments."""
    case = CASES[name]
    for size in (7, 64):
        talk = Conversation()
        talk.handshake()
        for side in ("client", "server"):
            talk.send(side, b"".join(data for who, data in case.said if who == side), size)
        talk.close("server")
        assert seen(examine(talk.packets())) == case.exchanges


# -- the same messages in other segments

BODIES = (b"", b"b", b"0\r\n\r\n", get("/no"), response_head("500 No"), b"\r\n" * 9, b"\0" * 40, noise(300))
SIDES: tuple[Side, Side] = ("client", "server")
INTERIM = (b"", b"", response_head("100 Continue"), response_head("103 Early Hints", "Link: <a>"))
FIELDS = (
    "User-Agent: a",
    "Accept: */*",
    "X-Long: " + "v" * 300,
    "X-Fold: a\r\n b",
    "Cookie:",
    "Connection: keep-alive",
)


@st.composite
def framed(draw: st.DrawFn, start: str, may_have_body: bool) -> bytes:
    """A message that is framed as it should be."""
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=3))
    body = draw(st.sampled_from(BODIES)) if may_have_body else b""
    if body and draw(st.booleans()):
        middle = draw(st.integers(0, len(body)))
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        fields.append("Transfer-Encoding: chunked")
        body = chunked(*pieces, trailers=draw(st.sampled_from([(), ("X-Sum: 1",), ("A: b", " c")])))
    elif may_have_body:
        fields.append(f"Content-Length: {len(body)}")
    line_end = draw(st.sampled_from(["\r\n", "\r\n", "\n"]))
    return line_end.join([start, "Host: a.example", *fields, "", ""]).encode() + body


class Said(NamedTuple):
    request: bytes
    response: bytes
    exchange: tuple[str, int]


@st.composite
def exchanges(draw: st.DrawFn) -> Said:
    method = draw(st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "DELETE"]))
    status = draw(st.sampled_from([200, 200, 200, 204, 304, 404]))
    target = draw(st.sampled_from(["/", "/a", "/a b", "/" + "long" * 40, "http://a.example/?q=1"]))
    request = draw(framed(f"{method} {target} HTTP/1.1", method == "POST"))
    interim = draw(st.sampled_from(INTERIM))
    response = draw(framed(f"HTTP/1.1 {status} Fine", status not in (204, 304) and method != "HEAD"))
    return Said(request, interim + response, (method, status))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[list[Said]], list[list[int]]]:
    """Exchanges, in groups that are pipelined, and for each side's part of a group the places where it is cut."""
    said = draw(st.lists(exchanges(), min_size=1, max_size=3))
    groups = draw(st.lists(st.lists(st.sampled_from(said), min_size=1, max_size=2), min_size=1, max_size=4))
    cuts = draw(st.lists(st.lists(st.integers(0, 900), max_size=5), min_size=2 * len(groups), max_size=2 * len(groups)))
    return groups, cuts


@settings(deadline=None)
@given(conversations())
def test_messages_are_the_same_in_whatever_segments(spoken: tuple[list[list[Said]], list[list[int]]]) -> None:
    groups, cuts = spoken
    talk = Conversation()
    talk.handshake()
    for number, group in enumerate(groups):
        for part, side in enumerate(SIDES):
            data = b"".join(each.request if side == "client" else each.response for each in group)
            places = sorted({0, len(data), *(place % len(data) for place in cuts[2 * number + part])})
            for begin, end in pairwise(places):
                talk.say(side, "PA", data[begin:end])
    talk.ack("client")
    report = examine(talk.packets())
    wanted = [each.exchange for group in groups for each in group]
    assert seen(report) == tuple(wanted)
    assert story(report) == [f"complete: {' '.join(['new'] + ['reused'] * (len(wanted) - 1))}; none none"]
    assert report.verdict == "proved"


@pytest.mark.parametrize("apart", [False, True])
def test_addresses_in_bytes_that_a_proxy_puts_in_front(apart: bool) -> None:
    """Version 2 of the PROXY protocol, section 2.2."""
    front = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((10, 0, 0, 7, 10, 0, 0, 8, 0x9C, 0x40, 0, 80))
    talk = Conversation()
    talk.handshake()
    for data in (front, get()) if apart else (front + get(),):
        talk.request(data)
    talk.response(ok())
    talk.exchange(2)
    report = examine(talk.packets())
    assert seen(report) == (("GET", 200), ("GET", 200))
    assert report.verdict == "proved"


@pytest.mark.parametrize("size", [1, 7, 40, 100])
def test_a_line_that_a_proxy_puts_in_front(size: int) -> None:
    """Version 1 of the PROXY protocol, in whatever segments."""
    talk = Conversation()
    talk.handshake()
    talk.send("client", b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n" + get(), size)
    talk.response(ok())
    talk.exchange(2)
    report = examine(talk.packets())
    assert seen(report) == (("GET", 200), ("GET", 200))
    assert report.verdict == "proved"


def test_fields_of_an_exchange() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(request_head("POST", "/up?load=1", "Content-Length: 2") + b"hi")
    talk.send("server", ok(noise(300)), 100)
    talk.ack("client")
    (exchange,) = examine(talk.packets()).details.exchanges()
    assert (exchange.connection, exchange.depth) == (0, 1)
    assert (exchange.method, exchange.target, exchange.host, exchange.status) == (
        "POST",
        "/up?load=1",
        "a.example",
        200,
    )
    assert (exchange.request_frame, exchange.response_frame) == (4, 6)
    assert exchange.request_ns == talk.segments[3].ts_ns
    assert exchange.response_end_ns == talk.segments[8].ts_ns


def test_framing_that_cannot_be_known_proves_nothing() -> None:
    """Lengths that contradict one another: where the next message begins is anybody's guess (RFC 9112 6.3, rule 5)."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    talk.response(response_head("200 OK", "Content-Length: 4", "Content-Length: 40") + b"body" * 10)
    report = examine(packets(talk.segments))
    assert report.totals.requests == 1
    assert "http-framing" in {note.code for note in report.notes}


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("blank", [" ", "\t", "  "])
@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_a_blank_behind_the_name_of_a_field_that_frames(name: str, blank: str, way: Way) -> None:
    """Some see the field, and some don't (RFC 9112 5.1): the body of a request may be another one, and a response may
    have ended, or not."""
    body = chunked(get("/2")) if name == "transfer-encoding" else get("/2")
    field = f"{name}{blank}: {'chunked' if name == 'transfer-encoding' else len(body)}"
    asked = examine(conversation((*answered(request_head("POST", "/", field) + body, ok()), *NEXT), way).packets())
    first = conversation(answered(get(), response_head("200 OK", field) + body), way).segments[:-4]
    later = Conversation(("10.0.0.1", 40001), now=first[-1].ts_ns + 10**9)
    later.handshake()
    later.exchange(2)
    for report in (asked, examine(packets(first + later.segments))):
        assert report.verdict == "inconclusive"
        assert "http-framing" in {note.code for note in report.notes}


def followed(*said: tuple[Side, bytes]) -> Report:
    """The report on these messages, and on a second connection that is opened when all is said."""
    talk = Conversation()
    talk.handshake()
    for side, data in said:
        talk.send(side, data, len(data))
        talk.ack("server" if side == "client" else "client")
    later = Conversation(("10.0.0.1", 40001), now=talk.now + 10**9)
    later.handshake()
    later.exchange(2)
    return examine(packets(talk.segments + later.segments))


ENDLESS = ("Connection: keep-alive", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, gzip")


@pytest.mark.parametrize("field", ENDLESS)
@pytest.mark.parametrize("body", [b"", b"hello", chunked(b"hello")])
def test_a_request_behind_a_response_that_only_the_close_can_end(field: str, body: bytes) -> None:
    """It has ended before, nobody knows where: it keeps its connection in use no longer, as far as that goes."""
    report = followed(*answered(get(), response_head("200 OK", field) + body), *NEXT)
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})
    assert report.totals.requests == 3


def test_a_request_sent_before_the_response_that_the_close_ends() -> None:
    """A client that pipelines can't know."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1") + get("/2"))
    talk.response(response_head("200 OK") + b"to the end")
    talk.close("server")
    report = examine(talk.packets())
    assert (report.verdict, seen(report)) == ("proved", (("GET", 200), ("GET", None)))


@pytest.mark.parametrize("following", [response_head("204 No Content"), ok(b""), ok()])
def test_chunks_without_the_empty_line_at_their_end(following: bytes) -> None:
    """A start line is no trailer: the response has ended without what ends it."""
    unended = response_head("200 OK", "Transfer-Encoding: chunked") + chunked(b"one")[:-2]
    report = followed(*answered(get(), unended), *answered(get("/2"), following))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})
    assert "http-framing" in {note.code for note in report.notes}


def test_trailers_in_several_lines() -> None:
    body = chunked(b"one", trailers=("X-Sum: 1: 2", " folded", "\tand folded", "X-Other:"))
    case = (*answered(get(), response_head("200 OK", "Transfer-Encoding: chunked") + body), *NEXT)
    for way in WAYS:
        assert examine(conversation(case, way).packets()).verdict == "proved"


@pytest.mark.parametrize("excess", [b"\0\1", "\u00e4\u00f6".encode()])
def test_bytes_that_go_on_in_front_of_the_next_response(excess: bytes) -> None:
    """The response is not at the beginning of its segment, and not found."""
    report = followed(*answered(get(), ok() + excess), *answered(get("/2"), excess + ok()))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_word_that_no_method_is_as_long_as(way: Way) -> None:
    """In place of a response, in whatever segments."""
    report = examine(conversation(answered(get(), b"x" * 33), way).packets())
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize("answer", [ok(), b"<html>"])
def test_an_answer_behind_a_response_that_nobody_asked_for_and_the_close_ends(answer: bytes) -> None:
    """It can't be told from that one's body."""
    timeout = response_head("408 Request Timeout", "Connection: close")
    report = followed(*answered(get(), ok()), ("server", timeout), *answered(get("/2"), answer))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize("unread", [get("/x"), get("/x") + b"\0" + ok()])
def test_a_request_in_place_of_a_response(unread: bytes) -> None:
    report = followed(*answered(get(), unread), *NEXT)
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


def test_a_request_behind_a_response_is_in_excess() -> None:
    report = followed(*answered(get(), ok() + get("/x")), *NEXT)
    assert seen(report) == (("GET", 200), ("GET", 200), ("GET", 200))
    assert "excess-bytes" in [found.cause for found in report.findings]


def test_a_response_of_the_client_with_requests_behind_it() -> None:
    """They do not begin their segment, and are not found."""
    report = examine(conversation((*answered(get(), ok()), ("client", ok() + b"\0" + get("/2"))), "whole").packets())
    assert report.totals.requests == 1
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_length_that_contradicts_one_in_the_next_line(way: Way) -> None:
    head = f"POST / HTTP/1.1\r\nContent-Length: {len(get('/2'))}\r\nContent-Length:\r\n 0\r\n\r\n".encode()
    report = examine(conversation((*answered(head + get("/2"), ok()), *NEXT), way).packets())
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize(("zeros", "verdict"), [(1, "proved"), (500, "proved"), (512, "inconclusive")])
def test_zeros_in_a_target(zeros: int, verdict: str) -> None:
    """So many are a hole in the file, which another request may lie in; in a head like the one before it, too."""
    for first in (get("/1"), get("/" + "\0" * zeros)):
        talk = Conversation()
        talk.handshake()
        for request in (first, get("/" + "\0" * zeros), get("/3")):
            talk.request(request)
            talk.response(ok())
        report = examine(talk.packets())
        assert (report.verdict, report.totals.requests) == (verdict, 3)


@pytest.mark.parametrize("size", [20, 40])
@pytest.mark.parametrize("goes_on", [True, False])
def test_zeros_in_a_head_are_a_hole_in_the_file(goes_on: bool, size: int) -> None:
    """A response of which nobody knows how long it is keeps its connection in use, as far as that goes."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    head = response_head("200 OK", "Server: a", "Content-Length: 2")
    talk.response(head[:size] + bytes(500 - size))
    if goes_on:
        talk.response(b"\r\n\r\nok")
    later = Conversation(("10.0.0.1", 40001), now=talk.now + 10**9)
    later.handshake()
    later.exchange(2)
    report = examine(packets(talk.segments + later.segments))
    assert (report.verdict, reasons(report)) == ("inconclusive", {"bytes-missing"})


@pytest.mark.parametrize("begun", [b"GET /2 HTTP/1.1\r\nHost: a.example\r\nCookie: ", b"POST /2 HTTP/1.1\r\n"])
def test_a_first_head_that_is_not_over_when_the_capture_ends(begun: bytes) -> None:
    """The connection is in use, beside another one that is: nothing shows that it was opened in vain."""
    busy = Conversation()
    busy.handshake()
    busy.request(get("/1"))
    other = Conversation(("10.0.0.1", 40001), now=busy.now)
    other.handshake()
    other.request(begun)
    report = examine(packets(busy.segments + other.segments))
    assert (report.verdict, totals(report)[:3]) == ("inconclusive", (2, 2, 1))
    assert "http-head-unfinished" in {note.code for note in report.notes}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("length", [4, 40, 400])
def test_a_body_after_all_that_ends_inside_of_what_began_like_a_head(length: int, swapped: bool) -> None:
    """It was put aside as a head, beyond where the body ends: what stands behind that is not known, and not read."""
    talk = Conversation()
    talk.handshake()
    talk.request(request_head("POST", "/1", f"Content-Length: {length}", "Expect: 100-continue"))
    talk.response(ok())
    talk.send("client", b"GET /" + b"x" * 500 + b" that is none\n", 500)
    if swapped:
        talk.segments[-2:] = reversed(talk.segments[-2:])
    talk.request(get("/2"))
    talk.response(ok())
    report = examine(packets(retimed(talk.segments)))
    assert report.totals.requests == 2
    assert report.verdict == "inconclusive"
    assert "http-framing" in {note.code for note in report.notes}


def test_a_head_that_never_ends_is_no_request_yet() -> None:
    talk = Conversation()
    talk.handshake()
    talk.exchange(1)
    talk.request(b"GET /2 HTTP/1.1\r\nHost: a.example\r\nX-More: ")
    report = examine(talk.packets())
    assert report.totals.requests == 1
    assert "http-head-unfinished" in {note.code for note in report.notes}


def test_a_head_without_end_is_bounded() -> None:
    """Two megabytes of header: named, not kept."""
    talk = Conversation()
    talk.handshake()
    talk.send("client", b"GET / HTTP/1.1\r\n" + b"X-Header: value\r\n" * 120_000, 32_000)
    report = examine(talk.packets())
    assert "http-head-too-long" in {note.code for note in report.notes}
    assert report.verdict == "inconclusive"


def test_more_requests_without_answers_than_anyone_pipelines() -> None:
    talk = Conversation()
    talk.handshake()
    for start in range(0, 3000, 500):
        talk.request(b"".join(get(f"/{number}") for number in range(start, start + 500)))
    report = examine(talk.packets())
    assert report.totals.requests == 3000
    assert report.verdict in ("proved", "inconclusive")


# -- bytes of the server that belong to no response


@pytest.mark.parametrize("way", ["in the same segment", "in one of its own", "byte by byte"])
@pytest.mark.parametrize("excess", [b"\r\n", b"\n", b"more", b"<html></html>\r\n", b"\x00" * 40])
def test_bytes_behind_a_response(way: str, excess: bytes) -> None:
    """The next exchange is read all the same, and the bytes are told."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    if way == "in the same segment":
        talk.response(ok() + excess)
    elif way == "in one of its own":
        talk.response(ok())
        talk.response(excess)
    else:
        talk.response(ok())
        talk.send("server", excess, 1)
        talk.ack("client")
    talk.exchange(2)
    report = examine(talk.packets())
    assert seen(report) == (("GET", 200), ("GET", 200))
    (found,) = report.findings
    assert (found.cause, found.extra) == ("excess-bytes", 0)
    frame = found.evidence[0].frame
    assert frame == (6 if way == "in the same segment" else 8)


@pytest.mark.parametrize("way", ["together", "apart"])
def test_empty_lines_of_the_client_are_not_in_excess(way: str) -> None:
    """Old browsers send one behind the body of a POST, and servers pass over it (RFC 9112 2.2)."""
    talk = Conversation()
    talk.handshake()
    post = request_head("POST", "/", "Content-Length: 4") + b"body"
    if way == "together":
        talk.request(post + b"\r\n")
    else:
        talk.request(post)
        talk.request(b"\r\n")
    talk.response(ok())
    talk.exchange(2)
    report = examine(talk.packets())
    assert seen(report) == (("POST", 200), ("GET", 200))
    assert report.findings == ()
    assert report.verdict == "proved"


def test_an_empty_line_between_responses_to_pipelined_requests() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1") + get("/2"))
    talk.response(ok() + b"\r\n" + ok())
    report = examine(talk.packets())
    assert seen(report) == (("GET", 200), ("GET", 200))


def test_the_bytes_of_a_body_are_not_in_excess() -> None:
    """Neither where it ends with its connection, nor where it is empty by its status, nor in chunks."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1"))
    talk.response(response_head("200 OK", "Transfer-Encoding: chunked") + chunked(b"one", trailers=("X: y",)))
    talk.request(get("/2"))
    talk.response(response_head("304 Not Modified", "Content-Length: 500"))
    talk.request(get("/3"))
    talk.response(response_head("200 OK") + b"to the end\r\n\r\n")
    talk.response(b"of the connection")
    talk.close("server")
    report = examine(talk.packets())
    assert seen(report) == (("GET", 200), ("GET", 304), ("GET", 200))
    assert report.findings == ()


def test_a_body_behind_the_response_to_head() -> None:
    """Bytes in excess, which a client may take for the next response."""
    talk = Conversation()
    talk.handshake()
    talk.request(request_head("HEAD", "/"))
    talk.response(response_head("200 OK", "Content-Length: 9") + b"<p>no</p>")
    talk.exchange(2)
    report = examine(talk.packets())
    assert seen(report) == (("HEAD", 200), ("GET", 200))
    assert [found.cause for found in report.findings] == ["excess-bytes"]
