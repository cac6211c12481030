from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from verifier.clients.run import Counters
from verifier.clients.tcpinfo import read_counters

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client and a server socket, connected over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def receive(sock: socket.socket, size: int) -> None:
    while size:
        size -= len(sock.recv(size))


def counters(sock: socket.socket) -> Counters:
    found = read_counters(sock)
    assert found is not None
    return found


def test_a_new_connection_has_its_handshake_alone() -> None:
    with connected() as (client, _):
        found = counters(client)
        assert (found.segments_out, found.bytes_acked, found.bytes_received) == (2, 1, 0)


def test_bytes_of_both_directions_are_exact() -> None:
    with connected() as (client, server):
        for size in (1, 100, 250_000):
            client.sendall(b"x" * size)
            receive(server, size)
            server.sendall(b"y" * 7)
            receive(client, 7)
        assert counters(client).bytes_received == 21
        assert counters(client).bytes_acked == 1 + 1 + 100 + 250_000
        assert counters(server).bytes_received == 1 + 100 + 250_000


def test_a_fin_is_not_a_byte() -> None:
    with connected() as (client, server):
        server.sendall(b"y" * 10)
        server.shutdown(socket.SHUT_WR)
        receive(client, 10)
        assert client.recv(1) == b""
        assert counters(client).bytes_received == 10


def test_each_small_message_is_a_segment() -> None:
    with connected() as (client, server):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before = counters(client)
        for _ in range(5):
            client.sendall(b"ping")
            receive(server, 4)
            server.sendall(b"pong")
            receive(client, 4)
        # Each at least; at most one more for each, where the other side's acknowledgement went ahead of its answer.
        assert 5 <= counters(client).segments_out - before.segments_out <= 10


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss (iproute2) is not installed")
def test_ss_agrees() -> None:
    with connected() as (client, server):
        client.sendall(b"x" * 5000)
        receive(server, 5000)
        server.sendall(b"y" * 300)
        receive(client, 300)
        port = client.getsockname()[1]
        said = subprocess.run(["ss", "-tinH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
        known = {name: int(number) for name, number in re.findall(r"(\w+):(\d+)\b", said)}
        found = counters(client)
        assert found.bytes_received == known["bytes_received"] == 300
        assert found.bytes_acked == known["bytes_acked"]
        assert found.segments_out == known["segs_out"]


def test_a_closed_socket_has_none() -> None:
    with connected() as (client, _):
        client.close()
        assert read_counters(client) is None


@pytest.mark.parametrize(
    ("family", "kind"), [(socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM)]
)
def test_a_socket_of_another_protocol_has_none(family: socket.AddressFamily, kind: socket.SocketKind) -> None:
    with socket.socket(family, kind) as sock:
        assert read_counters(sock) is None
