"""A scripted server on loopback: each connection follows a script, and what it did is there to be asserted.

    with Server([[ok(), ok(), CLOSE], [ok()]]) as server:     # the first connection, then all the others
        ...
    assert len(server.connections) == 2

A script is a list of steps. Plain bytes: read one whole request, then send these bytes. The other steps are below.
After its last step a connection stays open until the client closes it or the test is over: closing first is a step,
never a default.

No sleeps: every wait is for a condition, and bounded by PATIENCE. An exception in a server thread fails the test that
started the server. One thread per connection, so a script may block without harm to the others.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple

PATIENCE = 20.0
"""Seconds after which any wait of a test gives up: long, so that only a real hang meets it."""

_CLOSE_AFTER_LINGER_0 = struct.pack("ii", 1, 0)


class Send(NamedTuple):
    """Send these bytes without waiting for a request."""

    data: bytes


class Receive(NamedTuple):
    """Read one whole request and don't answer it; or, with a size, as many bytes of whatever it is."""

    size: int | None = None


class Close(NamedTuple):
    """Close this side with a FIN, and read on until the client closes too.

    The FIN travels in the segment of the last bytes sent before it: a client that has read these can already know.
    """


class Reset(NamedTuple):
    """Close this side with a RST."""


class Wait(NamedTuple):
    """Wait until the test sets the event (or is over)."""

    event: threading.Event


class Tunnel(NamedTuple):
    """Carry bytes both ways between the client and this loopback port until both have closed."""

    port: int


Step = bytes | Send | Receive | Close | Reset | Wait | Tunnel

CLOSE = Close()
RESET = Reset()
RECEIVE = Receive()


def ok(body: bytes = b"ok", *headers: str, status: str = "200 OK") -> bytes:
    """A response with a Content-Length; `headers` are whole lines, such as `Connection: close`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, *headers: str) -> bytes:
    return ok(b"over there", f"Location: {location}", *headers, status="302 Found")


class Connection:
    """One accepted connection, as the server saw it."""

    def __init__(self, peer: tuple[str, int], number: int) -> None:
        self.peer = peer
        """Address and port of the client."""
        self.number = number
        self.requests: list[bytes] = []
        """Each request's head, with the body after it."""
        self.bytes_received = 0
        """TCP payload, requests or not, where the connection is not TLS."""
        self.bytes_sent = 0
        self.done = threading.Event()
        """Set when this side has closed."""
        self.client_closed = threading.Event()
        """Set when the client's FIN or RST has been read."""
        self.requested = threading.Event()
        """Set when the first whole request has been read."""
        self._buffer = b""

    def receive(self, sock: socket.socket) -> bytes:
        """Some bytes, or none where the client has closed."""
        try:
            data = sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.client_closed.set()
        self.bytes_received += len(data)
        return data

    def send(self, sock: socket.socket, data: bytes) -> None:
        # A client that has gone away is often the very thing under test: its script then ends quietly.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            sock.sendall(data)
            self.bytes_sent += len(data)

    def read_request(self, sock: socket.socket) -> bool:
        """Read one request, with a body framed by Content-Length or chunks. False where the client closed instead."""
        head = self._read_until(sock, lambda buffer: _end_of(b"\r\n\r\n", buffer))
        if head is None:
            return False
        length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
        if re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
            body = self._read_until(sock, lambda buffer: _end_of(b"0\r\n\r\n", buffer))
        elif length:
            wanted = int(length.group(1))
            body = self._read_until(sock, lambda buffer: wanted if len(buffer) >= wanted else -1)
        else:
            body = b""
        if body is None:
            return False
        self.requests.append(head + body)
        self.requested.set()
        return True

    def read_bytes(self, sock: socket.socket, size: int) -> bool:
        """Read that many bytes. False where the client closed instead."""
        return self._read_until(sock, lambda buffer: size if len(buffer) >= size else -1) is not None

    def _read_until(self, sock: socket.socket, end_of: Callable[[bytes], int]) -> bytes | None:
        while (end := end_of(self._buffer)) < 0:
            data = self.receive(sock)
            if not data:
                return None
            self._buffer += data
        taken, self._buffer = self._buffer[:end], self._buffer[end:]
        return taken


Observe = Callable[[socket.socket, Connection], None]


class Server:
    """Listens on a free loopback port; `scripts[i]` is for the i-th connection, the last one for all further ones."""

    def __init__(
        self,
        scripts: Sequence[Sequence[Step]],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        at_end: Observe | None = None,
    ) -> None:
        """`at_end` is called with each raw TCP socket and its connection just before this side closes it."""
        self.connections: list[Connection] = []
        self._scripts = scripts
        self._tls = tls
        self._at_end = at_end
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((host, 0), family=_family(host), backlog=4096)
        self._listener.settimeout(None)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        authority = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{authority}:{self.port}"

    @property
    def requests(self) -> list[bytes]:
        """All requests, connection by connection."""
        return [request for connection in self.connections for request in connection.requests]

    def wait_for(self, condition: Callable[[Server], bool]) -> None:
        """Wait until the condition holds; it is looked at whenever a connection is accepted, heard or closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), PATIENCE):
                raise AssertionError(f"not met in {PATIENCE:.0f} s; connections: {len(self.connections)}")

    def __enter__(self) -> Server:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for step in [step for script in self._scripts for step in script]:
            if isinstance(step, Wait):
                step.event.set()
        for sock in [self._listener, *self._sockets]:
            # Wakes the thread that is blocked on it. One that has already closed needs no waking.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                self._failures.append(AssertionError(f"{thread.name} did not end"))
        self._listener.close()
        if self._failures and error is None:
            raise self._failures[0]

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        def kept() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread by __exit__
                self._failures.append(error)

        thread = threading.Thread(target=kept, name=f"server-{self.port}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return  # shut down by __exit__
            sock.settimeout(PATIENCE)
            connection = Connection(peer[:2], len(self.connections))
            with self._changed:
                self.connections.append(connection)
                self._sockets.append(sock)
                self._changed.notify_all()
            script = self._scripts[min(connection.number, len(self._scripts) - 1)]
            self._start(self._serve, sock, connection, script)

    def _serve(self, raw: socket.socket, connection: Connection, script: Sequence[Step]) -> None:
        sock = raw
        try:
            if self._tls:
                try:
                    sock = self._tls.wrap_socket(raw, server_side=True, suppress_ragged_eofs=True)
                except (OSError, ssl.SSLError):
                    connection.client_closed.set()
                    return
                with self._changed:
                    self._sockets.append(sock)
            self._play(sock, connection, script)
        finally:
            if self._at_end and sock.fileno() != -1:
                self._at_end(sock, connection)
            sock.close()
            connection.done.set()
            with self._changed:
                self._changed.notify_all()

    def _play(self, sock: socket.socket, connection: Connection, script: Sequence[Step]) -> None:
        for step, following in zip(script, [*script[1:], None], strict=True):
            if isinstance(following, Close) and hasattr(socket, "TCP_CORK"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            if isinstance(step, bytes):
                if not self._heard(sock, connection):
                    return
                connection.send(sock, step)
            elif isinstance(step, Receive):
                if not self._heard(sock, connection, step.size):
                    return
            elif isinstance(step, Send):
                connection.send(sock, step.data)
            elif isinstance(step, Wait):
                assert step.event.wait(PATIENCE), "the test never set the event"
            elif isinstance(step, Tunnel):
                self._tunnel(sock, connection, step.port)
                return
            elif isinstance(step, Reset):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_AFTER_LINGER_0)
                return
            else:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
                break
        while connection.receive(sock):
            pass

    def _heard(self, sock: socket.socket, connection: Connection, size: int | None = None) -> bool:
        heard = connection.read_request(sock) if size is None else connection.read_bytes(sock, size)
        with self._changed:
            self._changed.notify_all()
        return heard

    def _tunnel(self, sock: socket.socket, connection: Connection, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as upstream:
            with self._changed:
                self._sockets.append(upstream)

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := upstream.recv(65536):
                        sock.sendall(data)
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)

            returning = self._start(back)
            with contextlib.suppress(OSError):
                while data := connection.receive(sock):
                    upstream.sendall(data)
                upstream.shutdown(socket.SHUT_WR)
            returning.join(PATIENCE)


def _end_of(mark: bytes, buffer: bytes) -> int:
    """Where the mark ends, or -1."""
    start = buffer.find(mark)
    return -1 if start < 0 else start + len(mark)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def refused_port() -> int:
    """A loopback port that nobody listens on: bound and let go a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
