"""Every way a request can fail that loopback can bring about, in the words the user reads."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trustme
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import InvalidSchema
from server import CLOSE, RECEIVE, RESET, Send, Server, Step, ok, redirect, refused_port
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from verifier.clients.failures import describe
from verifier.clients.run import Run
from verifier.clients.session import Plan, run


def carry_out(plan: Plan) -> Run:
    return run(plan, lambda host, port: None, lambda done, planned: None)


def error_of(made: Run) -> str:
    assert len(made.requests) >= 1
    error = made.requests[-1].error
    assert error is not None
    assert "\n" not in error
    return error


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([RECEIVE, CLOSE], "connection closed by the server without a response"),
        ([RECEIVE, RESET], "connection reset by the server"),
        ([RECEIVE, Send(ok(b"x" * 10)[:-7]), CLOSE], "response cut short: 3 of 10 bytes"),
        ([RECEIVE, Send(ok(b"x")[:-1]), CLOSE], "response cut short: 0 of 1 byte"),
        ([RECEIVE, Send(ok(b"x" * 10)[:-7]), RESET], "connection reset by the server"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", CLOSE],
            "response cut short: 3 of 5 bytes",
        ),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", CLOSE],
            "response cut short, or malformed in its chunks",
        ),
        ([b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE], "not an HTTP response: SSH-2.0-OpenSSH_9.2"),
        ([b"HTTP/1.1 abc\r\n\r\n", CLOSE], "not an HTTP response: HTTP/1.1 abc"),
        ([ok(b"not gzip", "Content-Encoding: gzip")], "body not decodable as its Content-Encoding says"),
        ([redirect("/again")] * 100, "too many redirects"),
        ([redirect("ftp://localhost/")], "No connection adapters were found for 'ftp://localhost/'"),
    ],
)
def test_what_a_server_can_do(script: list[Step], text: str) -> None:
    with Server([script]) as server:
        assert error_of(carry_out(Plan((server.url,)))) == text


def test_refused() -> None:
    made = carry_out(Plan((f"http://127.0.0.1:{refused_port()}",)))
    assert error_of(made) == "connection refused"
    assert made.connects[0].error == "connection refused"


def test_refused_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port()}")
    assert error_of(carry_out(Plan(("http://one.invalid",)))) == "proxy: connection refused"


def test_a_name_that_does_not_resolve() -> None:
    made = carry_out(Plan(("http://nohost.invalid:81/x",)))
    assert error_of(made) == "name not resolved: nohost.invalid"
    assert made.connects[0].error == "name not resolved: nohost.invalid"
    assert (made.connects[0].host, made.connects[0].port, made.connects[0].client) == ("nohost.invalid", 81, None)


def test_a_name_that_no_name_can_be() -> None:
    made = carry_out(Plan((f"http://{'a' * 70}.test/",)))
    assert "label empty or too long" in error_of(made)
    assert made.requests[0].connect is None


def test_a_response_that_does_not_come() -> None:
    with Server([[RECEIVE]]) as server:
        made = carry_out(Plan((server.url,), timeout=0.1))
    assert error_of(made) == "timed out after 0.1 s"
    assert made.requests[0].ended_ns - made.requests[0].started_ns >= 100_000_000
    assert made.requests[0].connect == 0


def test_a_body_that_does_not_come() -> None:
    with Server([[RECEIVE, Send(ok(b"x" * 10)[:-7])]]) as server:
        made = carry_out(Plan((server.url,), timeout=0.1))
    assert error_of(made) == "timed out after 0.1 s"
    assert made.requests[0].status == 200


@contextmanager
def silent_port() -> Iterator[int]:
    """A port whose SYNs are not answered: its queue of connections to be accepted is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_is_not_answered(scheme: str) -> None:
    with silent_port() as port:
        made = carry_out(Plan((f"{scheme}://127.0.0.1:{port}/",), timeout=0.1))
    assert error_of(made) == "connecting timed out after 0.1 s"
    assert made.connects[0].error == "connecting timed out after 0.1 s"
    assert made.connects[0].client is None


def test_tls_with_an_untrusted_certificate() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Server([[ok()]], tls=context) as server:
        error = error_of(carry_out(Plan((server.url,))))
    assert error.startswith("certificate not trusted: ")
    assert "--insecure" in error


def test_tls_to_a_server_that_speaks_none() -> None:
    with Server([[Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), CLOSE]]) as server:
        error = error_of(carry_out(Plan((server.url.replace("http:", "https:"),))))
    assert error.startswith("TLS failed: ")
    assert error.endswith(" (is it http?)")


def test_a_body_whose_redirect_can_not_be_followed_keeps_its_status() -> None:
    with Server([[redirect("http://localhost:99999/")]]) as server:
        made = carry_out(Plan((server.url,)))
    assert made.requests[0].status == 302
    assert error_of(made)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EADDRNOTAVAIL, "no free local port or address (see net.ipv4.ip_local_port_range)"),
        (errno.EMFILE, "too many open files (raise the limit: ulimit -n)"),
        (errno.EHOSTUNREACH, "no route to the host"),
        (errno.ENETUNREACH, "network unreachable"),
        (errno.ETIMEDOUT, "timed out (no answer to the system's retransmissions)"),
        (errno.ENOBUFS, os.strerror(errno.ENOBUFS).lower()),
    ],
)
def test_what_the_system_can_say(number: int, text: str) -> None:
    pool = HTTPConnectionPool("127.0.0.1", 1)
    connection = pool._new_conn()
    wrapped = NewConnectionError(connection, "Failed to establish a new connection")  # type: ignore[arg-type]
    wrapped.__cause__ = OSError(number, os.strerror(number))
    error = RequestsConnectionError(MaxRetryError(pool, "/", wrapped))
    assert describe(error, None) == text


def test_a_socks_proxy_without_its_library_names_the_command_that_mends_it() -> None:
    """In the words of requests 2.34, which raises nothing finer."""
    error = InvalidSchema("Missing dependencies for SOCKS support.")
    assert describe(error, None).endswith(f"{sys.executable} -m pip install PySocks")
