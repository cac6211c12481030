from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import pytest
import requests
from server import CLOSE, PATIENCE, RECEIVE, RESET, Send, Server, Step, Wait, ok, refused_port

from verifier.clients.run import Run
from verifier.clients.session import Plan, parse_header, parse_method, parse_url, run
from verifier.errors import VerifierError

ALWAYS: list[Step] = [ok()] * 100


def carry_out(plan: Plan) -> Run:
    return run(plan, lambda host, port: None, lambda done, planned: None)


@contextmanager
def once(condition: Callable[[Server], bool], server: Server, action: Callable[[], object]) -> Iterator[None]:
    """While the block runs, wait for the condition in a thread of its own, then act."""
    failures: list[BaseException] = []

    def watch() -> None:
        try:
            server.wait_for(condition)
        except AssertionError as error:
            failures.append(error)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert failures == []


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# -- what the user writes


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8000/x", "http://localhost:8000/x"),
        ("localhost:8000/x", "http://localhost:8000/x"),
        ("localhost", "http://localhost"),
        ("  https://example.test/a?b=c#d ", "https://example.test/a?b=c#d"),
        ("HTTPS://example.test", "HTTPS://example.test"),
        ("[::1]:8000/x", "http://[::1]:8000/x"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("user:secret@example.test/", "http://user:secret@example.test/"),
        ("bücher.test/ä", "http://bücher.test/ä"),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert parse_url(text) == url
    assert parse_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/path",
        "http://",
        "http:///x",
        "ftp://example.test/",
        "file:///etc/passwd",
        "ws://example.test/",
        "http://a b/",
        "http://example.test/\r\nX: y",
        "http://example.test:99999/",
        "http://example.test:port/",
        "http://example.test:0/",
        "http://[::1/",
        "http://.example.test/",
        "http://*/",
    ],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(VerifierError) as raised:
        parse_url(text)
    assert raised.value.mend
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Accept: text/html", ("Accept", "text/html")),
        ("accept:text/html", ("accept", "text/html")),
        ("X-Empty:", ("X-Empty", "")),
        ("X-Time: 12:30", ("X-Time", "12:30")),
        ("X-Latin: é", ("X-Latin", "é")),
        ("X-Tab: a\tb", ("X-Tab", "a\tb")),
    ],
)
def test_headers(text: str, header: tuple[str, str]) -> None:
    assert parse_header(text) == header


@pytest.mark.parametrize("text", ["", "Accept", ": x", "Bad Name: x", "X: a\r\nY: b", "X: \x00", "X: 日本", "Ä: x"])
def test_what_is_no_header(text: str) -> None:
    with pytest.raises(VerifierError) as raised:
        parse_header(text)
    assert raised.value.mend


@pytest.mark.parametrize("text", ["", "GET IT", "GET/", "GÉT", "GET\n"])
def test_what_is_no_method(text: str) -> None:
    with pytest.raises(VerifierError, match="not an HTTP method"):
        parse_method(text)
    assert parse_method("PROPFIND") == "PROPFIND"


# -- connections and requests


def test_one_session_uses_one_connection() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url,), per_url=5))
    assert len(server.connections) == 1
    assert len(server.requests) == 5
    assert [request.connect for request in made.requests] == [0] * 5
    assert made.connects[0].client == server.connections[0].peer
    assert made.connects[0].server == ("127.0.0.1", server.port)
    assert made.planned == 5
    assert made.client == f"python-requests/{version('requests')}"
    assert not made.interrupted


def test_without_a_session_each_request_has_its_own() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url,), per_url=5, session=False))
    assert [request.connect for request in made.requests] == [0, 1, 2, 3, 4]
    assert [connect.client for connect in made.connects] == [connection.peer for connection in server.connections]
    # Each is closed before the next is opened, as requests.get does.
    for one, next_one in zip(made.requests, made.connects[1:], strict=False):
        assert one.ended_ns <= next_one.started_ns


def test_without_a_session_requests_are_those_of_the_plain_library() -> None:
    with Server([ALWAYS]) as server:
        requests.request("POST", server.url + "/p", headers={"X-One": "1"}, data=b"body")
        carry_out(Plan((server.url + "/p",), method="post", headers=(("X-One", "1"),), data=b"body", session=False))
    assert server.requests[0] == server.requests[1]


def test_urls_are_taken_in_turn() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url + "/a", server.url + "/b"), per_url=2))
    assert [request.split()[1] for request in server.requests] == [b"/a", b"/b", b"/a", b"/b"]
    assert [(request.number, request.url[-1]) for request in made.requests] == [(1, "a"), (2, "b"), (3, "a"), (4, "b")]


def test_method_headers_and_body_are_sent() -> None:
    headers = (("Accept", "text/a"), ("accept", "text/b"), ("X-Latin", "é"))
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url,), method="PUT", headers=headers, data=b"\x00\xff"))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT / HTTP/1.1\r\n")
    assert b"\r\nAccept: text/a, text/b" in head
    assert b"\r\nX-Latin: \xe9" in head
    assert body == b"\x00\xff"
    assert made.requests[0].method == "PUT"


def test_threads_share_one_session() -> None:
    everyone = threading.Event()
    script: list[Step] = [RECEIVE, Wait(everyone), Send(ok()), *ALWAYS]
    with Server([script]) as server, once(lambda server: len(server.requests) == 4, server, everyone.set):
        made = carry_out(Plan((server.url,), per_url=40, concurrency=4))
    assert len(server.connections) == 4
    assert len(server.requests) == 40
    assert {request.number for request in made.requests} == set(range(1, 41))
    for request in made.requests:
        assert request.connect is not None


@pytest.mark.parametrize(("pool_maxsize", "discarded"), [(1, True), (None, False)])
def test_a_small_pool_discards_connections(pool_maxsize: int | None, discarded: bool) -> None:
    three, closed = threading.Event(), threading.Event()
    script: list[Step] = [RECEIVE, Wait(three), Send(ok()), RECEIVE, Wait(closed), Send(ok())]

    def some_closed(server: Server) -> bool:
        return any(connection.done.is_set() for connection in server.connections)

    with Server([script]) as server:
        with once(lambda server: len(server.requests) == 3, server, three.set):
            # The fourth request is held back until a connection has been discarded, or, with room in the pool for
            # all, until it has arrived.
            met = some_closed if discarded else lambda server: len(server.requests) == 4
            with once(met, server, closed.set):
                made = carry_out(Plan((server.url,), per_url=4, concurrency=3, pool_maxsize=pool_maxsize))
        assert len(server.connections) == 3
    # One is taken back, of those that come back at about the same time.
    assert sum(connect.discarded for connect in made.connects) == (2 if discarded else 0)


def test_nobody_else_hears_of_what_is_discarded(caplog: pytest.LogCaptureFixture) -> None:
    """Who listens to urllib3 hears it as before; the runner's own ear is gone after the run."""
    ears = list(logging.getLogger("urllib3.connectionpool").handlers)
    test_a_small_pool_discards_connections(1, discarded=True)
    assert logging.getLogger("urllib3.connectionpool").handlers == ears
    assert "discarding connection" in caplog.text


@pytest.mark.parametrize("session", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_how_it_was_run_is_in_the_account(session: bool, stream: bool) -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url,), per_url=2, session=session, stream=stream))
    assert (made.session, made.unread) == (session, stream)


def test_more_threads_than_requests() -> None:
    with Server([ALWAYS]) as server:
        made = carry_out(Plan((server.url,), per_url=2, concurrency=50))
    assert len(made.requests) == 2


def test_a_pause_between_the_requests_of_a_thread() -> None:
    with Server([ALWAYS]) as server:
        began = time.monotonic()
        made = carry_out(Plan((server.url,), per_url=3, pause=0.1))
        took = time.monotonic() - began
    for one, following in zip(made.requests, made.requests[1:], strict=False):
        assert following.started_ns - one.ended_ns >= 100_000_000
    assert took < 10  # and none after the last


def test_an_unread_body_keeps_its_connection() -> None:
    body = b"x" * 50_000_000
    with Server([[ok(body)]]) as server:
        made = carry_out(Plan((server.url,), per_url=2, stream=True))
    assert [request.connect for request in made.requests] == [0, 1]
    assert [request.status for request in made.requests] == [200, 200]
    assert [request.error for request in made.requests] == [None, None]
    for connect in made.connects:
        assert connect.counters is not None
        assert connect.counters.bytes_received < len(body)
    # The headers of the first were there before the second was sent.
    assert made.requests[0].ended_ns <= made.requests[1].started_ns


def test_unread_bodies_without_a_session() -> None:
    with Server([[ok(b"x" * 50_000_000)]]) as server:
        made = carry_out(Plan((server.url,), per_url=3, stream=True, session=False))
        server.wait_for(lambda server: all(connection.done.is_set() for connection in server.connections))
    assert [request.status for request in made.requests] == [200] * 3


def test_a_failed_request_is_recorded_and_the_run_goes_on() -> None:
    with Server([ALWAYS]) as server:
        nobody = f"http://127.0.0.1:{refused_port()}/"
        made = carry_out(Plan((nobody, server.url), per_url=2))
    assert [request.error for request in made.requests] == ["connection refused", None] * 2
    assert [request.connect for request in made.requests] == [None, 1, None, 1]
    assert [connect.error for connect in made.connects] == ["connection refused", None, "connection refused"]
    assert made.connects[0].client is None
    assert made.connects[0].counters is None


@pytest.mark.parametrize("session", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_everything_is_closed_at_the_end(session: bool, stream: bool) -> None:
    cut = ok(b"x" * 100)[:-50]
    scripts: list[list[Step]] = [[ok()], [RECEIVE, Send(cut)], [RECEIVE, Send(cut), CLOSE], [RECEIVE, Send(cut), RESET]]
    scripts = [*scripts, [RECEIVE], [RECEIVE, CLOSE]] * 3
    before = len(os.listdir("/proc/self/fd"))
    with Server(scripts) as server:
        urls = (*[server.url] * 6, f"http://127.0.0.1:{refused_port()}", "http://nohost.invalid")
        held = len(os.listdir("/proc/self/fd"))
        made = carry_out(Plan(urls, per_url=3, session=session, stream=stream, timeout=0.1))
        server.wait_for(lambda server: all(connection.done.is_set() for connection in server.connections))
        assert len(os.listdir("/proc/self/fd")) == held
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(made.requests) == 24
    for connect in made.connects:
        assert (connect.counters is None) == (connect.client is None)


def test_not_verifying_warns_of_nothing(tls_server: Server) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = carry_out(Plan((tls_server.url,), per_url=2, verify_tls=False))
    assert [request.status for request in made.requests] == [200, 200]
    assert len(made.connects) == 1
    assert caught == []


@pytest.fixture
def tls_server() -> Iterator[Server]:
    import ssl

    import trustme

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Server([ALWAYS], tls=context) as server:
        yield server


# -- callbacks


def test_on_connect_comes_before_the_connection() -> None:
    calls: list[tuple[str, int, int]] = []
    with Server([[ok(), CLOSE]]) as server:

        def on_connect(host: str, port: int) -> None:
            calls.append((host, port, len(server.connections)))

        run(Plan((server.url,), per_url=3), on_connect, lambda done, planned: None)
    assert calls == [("127.0.0.1", server.port, number) for number in range(3)]


def test_on_connect_is_never_called_twice_at_once() -> None:
    inside = threading.Lock()

    def on_connect(host: str, port: int) -> None:
        assert inside.acquire(blocking=False)
        os.sched_yield()
        inside.release()

    with Server([ALWAYS]) as server:
        made = run(Plan((server.url,), 50, 10, session=False), on_connect, lambda done, planned: None)
    assert len(made.connects) == 50


@pytest.mark.parametrize("error", [VerifierError("the capture is lost"), RuntimeError("a bug")])
@pytest.mark.parametrize("concurrency", [1, 5])
def test_what_on_connect_raises_ends_the_run(error: Exception, concurrency: int) -> None:
    def on_connect(host: str, port: int) -> None:
        raise error

    with Server([ALWAYS]) as server:
        with pytest.raises(type(error)) as raised:
            run(Plan((server.url,), 100, concurrency), on_connect, lambda done, planned: None)
        assert raised.value is error
        assert server.connections == []


def test_the_time_of_on_connect_is_not_the_request_s() -> None:
    ended_ns: list[int] = []

    def on_connect(host: str, port: int) -> None:
        ended_ns.append(time.time_ns())

    with Server([ALWAYS]) as server:
        made = run(Plan((server.url,)), on_connect, lambda done, planned: None)
    assert ended_ns[0] <= made.connects[0].started_ns
    assert ended_ns[0] <= made.requests[0].started_ns


def test_progress() -> None:
    calls: list[tuple[int, int]] = []
    threads: set[threading.Thread] = set()
    seen = threading.Event()

    def on_progress(done: int, planned: int) -> None:
        calls.append((done, planned))
        threads.add(threading.current_thread())
        if done == 2:
            seen.set()

    with Server([[ok(), ok(), RECEIVE, Wait(seen), Send(ok())]]) as server:
        run(Plan((server.url,), per_url=3), lambda host, port: None, on_progress)
    assert (2, 3) in calls
    assert calls[-1] == (3, 3)
    assert calls == sorted(calls)
    assert threads == {threading.current_thread()}


# -- Ctrl-C


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize(("session", "script", "answered"), [(True, [ok(), RECEIVE], 1), (False, [RECEIVE], 0)])
def test_ctrl_c_while_waiting_for_the_server(
    concurrency: int, session: bool, script: list[Step], answered: int
) -> None:
    with Server([script]) as server:

        def all_wait(server: Server) -> bool:
            waiting = [connection for connection in server.connections if len(connection.requests) == answered + 1]
            return len(waiting) == concurrency

        with once(all_wait, server, interrupt):
            began = time.monotonic()
            made = carry_out(Plan((server.url,), per_url=10_000, concurrency=concurrency, session=session))
        assert time.monotonic() - began < PATIENCE / 2
        server.wait_for(lambda server: all(connection.done.is_set() for connection in server.connections))
    assert made.interrupted
    assert made.planned == 10_000
    assert [request.error for request in made.requests].count("interrupted") == concurrency
    assert len(made.requests) == len(server.requests)
    for connect in made.connects:
        assert connect.client is not None
        assert connect.counters is not None


def test_ctrl_c_while_a_body_arrives_on_a_connection_to_be_closed() -> None:
    endless = Send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody")
    with Server([[RECEIVE, endless]]) as server, once(lambda server: len(server.requests) == 1, server, interrupt):
        made = carry_out(Plan((server.url,)))
    assert made.interrupted
    assert made.requests[0].error == "interrupted"


def test_ctrl_c_wakes_a_pause() -> None:
    with Server([ALWAYS]) as server, once(lambda server: len(server.requests) == 1, server, interrupt):
        began = time.monotonic()
        made = carry_out(Plan((server.url,), per_url=2, pause=100 * PATIENCE))
    assert time.monotonic() - began < PATIENCE
    assert made.interrupted
    assert [request.number for request in made.requests] == [1]
