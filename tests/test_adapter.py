"""What the runner knows of its connections, held against what the server saw."""

from __future__ import annotations

import ssl
import threading
from itertools import pairwise

import pytest
import requests
import trustme
from server import CLOSE, PATIENCE, RECEIVE, RESET, Receive, Send, Server, Step, Tunnel, Wait, ok, redirect

from verifier.clients.adapter import ObservedAdapter, Recorder
from verifier.clients.run import Run
from verifier.clients.session import Plan, run

ALWAYS: list[Step] = [ok()] * 1000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"


def carry_out(plan: Plan) -> Run:
    return run(plan, lambda host, port: None, lambda done, planned: None)


def tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def assert_agrees(made: Run, server: Server) -> None:
    """Every request of the run went over the connection that the server read it from."""
    carried = {}
    for connection in server.connections:
        for raw in connection.requests:
            target = raw.split()[1].decode()
            assert target not in carried, "give each request a URL of its own"
            carried[target] = connection.peer
    assert len(made.requests) == len(carried)
    for request in made.requests:
        assert request.connect is not None
        assert made.connects[request.connect].client == carried["/" + request.url.rpartition("/")[2]]


# -- which connection


def test_a_server_that_closes_after_each_response() -> None:
    with Server([[ok(), CLOSE]]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(5))))
    assert [request.connect for request in made.requests] == [0, 1, 2, 3, 4]
    assert_agrees(made, server)


def test_a_server_that_announces_its_closing() -> None:
    with Server([[ok(b"x", "Connection: close"), CLOSE]]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(3))))
    assert [request.connect for request in made.requests] == [0, 1, 2]
    assert_agrees(made, server)


def test_a_server_that_closes_every_third() -> None:
    with Server([[ok(), ok(), ok(), CLOSE]]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(8))))
    assert [request.connect for request in made.requests] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert_agrees(made, server)


@pytest.mark.parametrize(
    "response",
    [
        CHUNKED,
        ok(b""),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + ok(),
        ok(b"x" * 500_000),
    ],
    ids=["chunked", "empty", "204", "304", "100-continue", "large"],
)
@pytest.mark.parametrize("session", [True, False])
def test_bodies_of_every_framing_are_read_and_timed(response: bytes, session: bool) -> None:
    with Server([[response] * 3]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(3)), session=session))
    assert [request.error for request in made.requests] == [None] * 3
    assert len(made.connects) == (1 if session else 3)
    assert_agrees(made, server)
    for request in made.requests:
        assert request.sent_ns is not None
        assert request.started_ns <= request.sent_ns < request.ended_ns


def test_head() -> None:
    with Server([[b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"] * 2]) as server:
        made = carry_out(Plan((server.url + "/1", server.url + "/2"), method="HEAD"))
    assert [request.connect for request in made.requests] == [0, 0]


@pytest.mark.parametrize("session", [True, False])
def test_threads_and_connections_that_come_and_go(session: bool) -> None:
    scripts: list[list[Step]]
    scripts = [[*[ok(b"x" * (number * 311 % 5000))] * (1 + number % 4), CLOSE] for number in range(400)]
    with Server(scripts) as server:
        urls = tuple(f"{server.url}/{number}" for number in range(400))
        made = carry_out(Plan(urls, concurrency=8, session=session))
    failed = [request for request in made.requests if request.error]
    assert failed == []
    assert_agrees(made, server)
    assert len(made.connects) == len(server.connections)
    by_connection: dict[int, list[tuple[int, int]]] = {}
    for request in made.requests:
        assert request.sent_ns is not None
        assert request.connect is not None
        assert request.sent_ns >= made.connects[request.connect].ended_ns
        by_connection.setdefault(request.connect, []).append((request.sent_ns, request.ended_ns))
    for intervals in by_connection.values():
        for (_, ended_ns), (sent_ns, _) in pairwise(sorted(intervals)):
            assert ended_ns <= sent_ns


def test_pools_are_evicted_as_without_notes() -> None:
    with Server([ALWAYS], host="0.0.0.0") as server:
        # Twelve hosts in turn, and requests keeps pools for ten: each has lost its pool when its second turn comes.
        urls = [f"http://127.0.0.{number}:{server.port}/" for number in range(1, 13)] * 2
        with requests.Session() as session:
            for url in urls:
                session.get(url)
        plain = len(server.connections)
        made = carry_out(Plan(tuple(urls)))
        assert len(made.connects) == len(server.connections) - plain == plain == 24
    for connect in made.connects:
        assert connect.counters is not None


# -- redirects


def test_each_hop_of_a_redirect_is_a_request() -> None:
    with Server([[redirect("/2"), redirect("/3"), ok(), ok()]]) as server:
        made = carry_out(Plan((server.url + "/1", server.url + "/4")))
    assert [(request.number, request.status) for request in made.requests] == [(1, 302), (1, 302), (1, 200), (2, 200)]
    assert [request.connect for request in made.requests] == [0, 0, 0, 0]
    assert_agrees(made, server)
    for one, following in pairwise(made.requests):
        assert one.ended_ns <= following.started_ns


def test_a_redirect_to_another_server() -> None:
    with Server([ALWAYS]) as target, Server([[redirect(f"{target.url}/b"), redirect(f"{target.url}/d")]]) as server:
        made = carry_out(Plan((server.url + "/a", server.url + "/c")))
    assert [request.connect for request in made.requests] == [0, 1, 0, 1]
    assert [connect.port for connect in made.connects] == [server.port, target.port]


def test_a_redirect_of_a_post_becomes_a_get() -> None:
    with Server([[redirect("/2"), ok()]]) as server:
        made = carry_out(Plan((server.url + "/1",), method="POST", data=b"x"))
    assert [request.method for request in made.requests] == ["POST", "GET"]


# -- addresses


def test_ipv6() -> None:
    with Server([ALWAYS], host="::1") as server:
        made = carry_out(Plan((server.url,)))
    assert made.connects[0].server == ("::1", server.port)
    assert made.connects[0].client == server.connections[0].peer
    assert made.connects[0].host == "::1"


def test_an_ipv4_address_mapped_into_ipv6_is_named_as_the_packets_do() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((f"http://[::ffff:127.0.0.1]:{server.port}/",)))
    assert made.connects[0].server == ("127.0.0.1", server.port)
    assert made.connects[0].client == server.connections[0].peer


def test_a_name_is_recorded_as_it_was_given() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((f"http://localhost:{server.port}/",)))
    assert made.connects[0].host == "localhost"
    assert made.connects[0].server == ("127.0.0.1", server.port)


def test_credentials_of_the_url_are_sent_and_not_recorded() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((f"http://user:secret@127.0.0.1:{server.port}/x#part",)))
    assert b"\r\nAuthorization: Basic " in server.requests[0]
    assert made.requests[0].url == f"http://127.0.0.1:{server.port}/x"


# -- the kernel's counters


@pytest.mark.parametrize(
    "script",
    [
        [ok(b"x" * 100_000)] * 3,
        [CHUNKED] * 3,
        # The body of these is read after the connection has been given up by its object.
        [ok(b"x" * 3_000_000, "Connection: close"), CLOSE],
        [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000, CLOSE],
    ],
    ids=["length", "chunked", "announced", "close-delimited"],
)
@pytest.mark.parametrize("session", [True, False])
def test_counters_are_those_of_the_whole_connection(script: list[Step], session: bool) -> None:
    with Server([script]) as server:
        made = carry_out(Plan((server.url,), method="POST", data=b"y" * 10_000, per_url=3, session=session))
    assert len(made.connects) == len(server.connections)
    for connect, connection in zip(made.connects, server.connections, strict=True):
        assert connect.counters is not None
        assert connect.counters.bytes_received == connection.bytes_sent
        assert connect.counters.bytes_acked == connection.bytes_received + 1  # the SYN
    assert sum(connection.bytes_received for connection in server.connections) > 30_000


def test_a_connection_that_broke_was_counted_too() -> None:
    with Server([[RECEIVE, Send(ok(b"x" * 100)[:-50]), CLOSE]]) as server:
        made = carry_out(Plan((server.url,)))
    assert made.requests[0].error == "response cut short: 50 of 100 bytes"
    assert made.requests[0].status == 200
    assert made.requests[0].connect == 0
    assert made.connects[0].counters is not None
    assert made.connects[0].counters.bytes_received == server.connections[0].bytes_sent


def test_a_request_reset_by_the_server_was_carried() -> None:
    with Server([[ok(), RECEIVE, RESET], ALWAYS]) as server:
        made = carry_out(Plan((server.url,), per_url=3))
    assert [request.connect for request in made.requests] == [0, 0, 1]
    assert [request.error for request in made.requests] == [None, "connection reset by the server", None]
    assert [request.status for request in made.requests] == [200, None, 200]


def test_a_connection_that_opens_after_the_interruption_carries_nothing() -> None:
    recorder = Recorder(lambda host, port: None, None)
    with Server([ALWAYS]) as server, requests.Session() as session:
        session.mount("http://", ObservedAdapter(recorder, None))
        recorder.interrupt()
        with pytest.raises(requests.ConnectionError):
            session.get(server.url)
        server.wait_for(lambda server: len(server.connections) == 1 and server.connections[0].done.is_set())
        assert server.requests == []
    assert recorder.connects()[0].error == "interrupted"


# -- TLS


def test_tls_keeps_its_connection_and_is_counted() -> None:
    with Server([ALWAYS], tls=tls()) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(3)), verify_tls=False))
    assert [request.connect for request in made.requests] == [0, 0, 0]
    assert_agrees(made, server)
    assert made.connects[0].error is None
    assert made.connects[0].counters is not None
    assert made.connects[0].counters.bytes_received > 3 * len(ok())


def test_tls_that_the_server_closes() -> None:
    with Server([[ok(b"x" * 100_000, "Connection: close"), CLOSE]], tls=tls()) as server:
        made = carry_out(Plan((server.url + "/1", server.url + "/2"), verify_tls=False))
    assert [request.connect for request in made.requests] == [0, 1]
    assert_agrees(made, server)
    for connect in made.connects:
        assert connect.counters is not None
        assert connect.counters.bytes_received > 100_000


def test_a_failed_tls_handshake_is_a_connection_that_carried_nothing() -> None:
    with Server([ALWAYS], tls=tls()) as server:
        made = carry_out(Plan((server.url,)))
    assert made.requests[0].connect is None
    assert made.requests[0].sent_ns is None
    assert made.requests[0].error is not None
    assert made.requests[0].error.startswith("certificate not trusted: ")
    assert made.connects[0].client == server.connections[0].peer
    assert made.connects[0].error is None


# -- proxies


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxied(plan: Plan) -> tuple[Run, list[tuple[str, int]]]:
    calls: list[tuple[str, int]] = []
    made = run(plan, lambda host, port: calls.append((host, port)), lambda done, planned: None)
    return made, calls


def test_an_http_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server([ALWAYS]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        made, calls = proxied(Plan(("http://one.invalid/1", "http://two.invalid/2")))
    assert [request.split()[1] for request in proxy.requests] == [b"http://one.invalid/1", b"http://two.invalid/2"]
    assert calls == [("127.0.0.1", proxy.port)]
    assert [request.connect for request in made.requests] == [0, 0]
    assert made.connects[0].server == ("127.0.0.1", proxy.port)
    assert (made.connects[0].host, made.connects[0].port) == ("127.0.0.1", proxy.port)


def test_a_tunnel_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    established = b"HTTP/1.1 200 Connection established\r\n\r\n"
    with Server([ALWAYS], tls=tls()) as target, Server([[established, Tunnel(target.port)]]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        made, calls = proxied(Plan(("https://localhost/1", "https://localhost/2"), verify_tls=False))
    assert proxy.requests[0].startswith(b"CONNECT localhost:443 ")
    assert calls == [("127.0.0.1", proxy.port)]
    assert [(request.connect, request.status) for request in made.requests] == [(0, 200), (0, 200)]
    assert made.connects[0].client == proxy.connections[0].peer
    assert made.connects[0].counters is not None


def test_a_tunnel_through_a_proxy_that_itself_speaks_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    established = b"HTTP/1.1 200 Connection established\r\n\r\n"
    with Server([ALWAYS], tls=tls()) as target, Server([[established, Tunnel(target.port)]], tls=tls()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        made, calls = proxied(Plan(("https://localhost/1", "https://localhost/2"), verify_tls=False))
    assert calls == [("127.0.0.1", proxy.port)]
    assert [(request.connect, request.status) for request in made.requests] == [(0, 200), (0, 200)]
    assert made.connects[0].client == proxy.connections[0].peer
    assert made.connects[0].counters is not None


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server([[ok(status="407 Proxy Authentication Required"), CLOSE]]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        made, _ = proxied(Plan(("https://localhost/",)))
    assert made.requests[0].error == "proxy: Tunnel connection failed: 407 Proxy Authentication Required"
    assert made.requests[0].connect is None
    assert made.connects[0].client == proxy.connections[0].peer


def test_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socks", reason="PySocks is not installed")
    greeting: list[Step] = [
        Receive(3),
        Send(b"\x05\x00"),
        Receive(10),
        Send(b"\x05\x00\x00\x01" + bytes([192, 0, 2, 1]) + b"\x00\x50"),
    ]
    with Server([[*greeting, *ALWAYS]]) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        made, calls = proxied(Plan(("http://192.0.2.1/1", "http://192.0.2.1/2")))
    assert calls == [("127.0.0.1", proxy.port)]
    assert [(request.connect, request.status) for request in made.requests] == [(0, 200), (0, 200)]
    assert made.connects[0].server == ("127.0.0.1", proxy.port)
    assert made.connects[0].client == proxy.connections[0].peer


def test_threads_behind_one_proxy_are_all_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = threading.Event()
    with Server([[RECEIVE, Wait(everyone), Send(ok()), *ALWAYS]]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)

        def release() -> None:
            proxy.wait_for(lambda server: len(server.requests) == 6)
            everyone.set()

        releasing = threading.Thread(target=release)
        releasing.start()
        made, _ = proxied(Plan(tuple(f"http://one.invalid/{number}" for number in range(60)), concurrency=6))
        releasing.join(PATIENCE)
    assert {connect.client for connect in made.connects} == {connection.peer for connection in proxy.connections}
    assert len(made.connects) == 6
    assert [request.error for request in made.requests] == [None] * 60
    assert all(request.connect is not None for request in made.requests)


# -- what it knows of closes


def test_who_asked_for_the_close() -> None:
    with Server([[ok(), ok(b"x", "Connection: close"), CLOSE], ALWAYS]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(3))))
    assert [request.said_close for request in made.requests] == [False, True, False]
    assert [request.asked_close for request in made.requests] == [False] * 3


@pytest.mark.parametrize(
    ("value", "asked"), [("close", True), ("Close", True), ("keep-alive, close", True), ("keep-alive", False)]
)
def test_a_header_of_the_user_that_asks_for_the_close(value: str, asked: bool) -> None:
    with Server([[ok(), CLOSE]]) as server:
        made = carry_out(Plan((server.url,), headers=(("Connection", value),)))
    assert [request.asked_close for request in made.requests] == [asked]


@pytest.mark.parametrize(
    ("header", "said"),
    [("Connection: CLOSE", True), ("connection: keep-alive , close", True), ("Connection: keep-alive", False)],
)
def test_a_response_that_announces_the_close(header: str, said: bool) -> None:
    with Server([[ok(b"x", header), CLOSE]]) as server:
        made = carry_out(Plan((server.url,)))
    assert [request.said_close for request in made.requests] == [said]


@pytest.mark.parametrize(
    ("response", "old"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
    ],
    ids=["1.0", "1.0 with keep-alive", "1.1"],
)
def test_a_response_of_http_10(response: bytes, old: bool) -> None:
    with Server([[response, CLOSE]]) as server:
        made = carry_out(Plan((server.url,)))
    assert [request.http10 for request in made.requests] == [old]


def test_each_hop_says_its_own() -> None:
    with Server([[redirect("/1", "Connection: close"), CLOSE], ALWAYS]) as server:
        made = carry_out(Plan((server.url + "/0",)))
    assert [request.said_close for request in made.requests] == [True, False]


def test_a_client_that_gave_up_waiting() -> None:
    with Server([[ok(), RECEIVE], ALWAYS]) as server:
        made = carry_out(Plan(tuple(f"{server.url}/{number}" for number in range(3)), timeout=0.3))
    assert [request.timed_out for request in made.requests] == [False, True, False]
    assert [request.connect for request in made.requests] == [0, 0, 1]


def test_a_client_that_gave_up_in_the_middle_of_a_body() -> None:
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all"
    with Server([[part]]) as server:
        made = carry_out(Plan((server.url,), timeout=0.3))
    (request,) = made.requests
    assert request.error is not None
    assert request.timed_out


@pytest.mark.parametrize("script", [[RECEIVE, RESET], [RECEIVE, CLOSE]], ids=["reset", "closed"])
def test_a_server_that_broke_off_is_no_timeout(script: list[Step]) -> None:
    with Server([script]) as server:
        made = carry_out(Plan((server.url,), timeout=10))
    (request,) = made.requests
    assert request.error is not None
    assert not request.timed_out
