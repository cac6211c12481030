from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time

import pytest

from verifier.clients.session import Plan, run
from verifier.errors import VerifierError
from verifier.lab.httpbin import Httpbin

PATHS = ("/get", "/status/204", "/status/304", "/stream/3", "/bytes/100000", "/redirect/2", "/status/500", "/gzip")


def urls(httpbin: Httpbin) -> tuple[str, ...]:
    return tuple(httpbin.url + path for path in PATHS)


def test_every_kind_of_response_keeps_the_connection() -> None:
    with Httpbin() as httpbin:
        made = run(Plan(urls(httpbin), per_url=2), lambda host, port: None, lambda done, planned: None)
    assert [request.error for request in made.requests if request.error] == []
    assert len(made.connects) == 1
    hops = 3  # of /redirect/2
    assert len(made.requests) == 2 * (len(PATHS) - 1 + hops)


def test_one_connection_serves_raw_http_too() -> None:
    with Httpbin() as httpbin:
        client = http.client.HTTPConnection("127.0.0.1", httpbin.port)
        client.connect()
        sock = client.sock
        for method, path in (("GET", "/get"), ("HEAD", "/get"), ("POST", "/post"), ("GET", "/get")):
            client.request(method, path, body=b"a=1" if method == "POST" else None)
            response = client.getresponse()
            response.read()
            assert response.status == 200
            assert response.getheader("Connection") is None
            assert client.sock is sock
        client.close()


def test_many_clients_at_once() -> None:
    with Httpbin() as httpbin:
        plan = Plan((httpbin.url + "/get",), per_url=100, concurrency=50, session=False)
        made = run(plan, lambda host, port: None, lambda done, planned: None)
    assert [request.status for request in made.requests] == [200] * 100
    assert len(made.connects) == 100


def test_it_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Httpbin() as httpbin:
        run(Plan(urls(httpbin)), lambda host, port: None, lambda done, planned: None)
        with socket.create_connection(("127.0.0.1", httpbin.port)) as sock:
            sock.sendall(b"nonsense\r\n\r\n")
            sock.recv(1)
        with socket.create_connection(("127.0.0.1", httpbin.port)) as sock:
            sock.sendall(b"GET /bytes/100000 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_stopping_is_quick_and_closes_idle_connections() -> None:
    with Httpbin() as httpbin:
        sock = socket.create_connection(("127.0.0.1", httpbin.port))
        sock.settimeout(5)
        sock.sendall(b"GET /status/200 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
    assert time.monotonic() - began < 1
    while sock.recv(65536):
        pass
    sock.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", httpbin.port))


def test_the_server_connects_to_nothing_itself() -> None:
    # In a process of its own, because an audit hook stays for good.
    program = (
        "import sys; from verifier.lab.httpbin import Httpbin\n"
        "sys.addaudithook(lambda event, args: print(args) if event == 'socket.connect' else None)\n"
        "with Httpbin(): pass\n"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (made.stdout, made.stderr) == ("", "")


def test_two_at_once() -> None:
    with Httpbin() as first, Httpbin() as second:
        assert first.port != second.port
        made = run(Plan((first.url, second.url)), lambda host, port: None, lambda done, planned: None)
        assert [request.status for request in made.requests] == [200, 200]


def test_without_httpbin_the_error_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpbin", None)
    with pytest.raises(VerifierError, match="httpbin is not installed; pip install httpbin"):
        Httpbin().__enter__()
