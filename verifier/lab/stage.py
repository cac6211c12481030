"""What scenes are played on: scripted servers on loopback, a thread for each connection.

A script is a function that takes one accepted connection (`Peer`), and reads and writes it like a dialogue. Where it
returns, the server closes: with a FIN, or, after `peer.reset()`, with a RST.

    def one_response(peer):
        peer.request()
        peer.last(response("Connection: close"))

    server = stage.server(one_response)
    with session() as client:
        client.get(server.url)
        server.wait_closed()

A scene sleeps only where time itself is the cause. All other waits are for events, and bounded by PATIENCE_S.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from verifier.errors import VerifierError
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

PATIENCE_S = 10.0
"""How long a wait for an event may take. Only a scene that is broken meets it."""

LOOPBACK = "127.0.0.1"
ANY_PORT = 0

_BACKLOG = 64
_SO_ATTACH_FILTER = 26  # include/uapi/asm-generic/socket.h
_PASS_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # struct sock_filter: BPF_RET | BPF_K, 0 bytes
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, for 0 s (socket(7))


def response(*headers: str, body: bytes = b"ok", status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """A response with a Content-Length. `headers` are whole lines, such as `Connection: close`."""
    lines = (f"{version} {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1") + body


class Request(NamedTuple):
    """The head of a request. A body behind it is left to be read."""

    target: str
    head: str
    """All of it, with the empty line."""


class Peer:
    """One accepted connection, as the script of the server sees it.

    Reading ends quietly where the client has closed. Writing to a client that has gone raises ConnectionError, which
    ends the script, and nothing else.
    """

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        """0 for the server's first connection."""
        self._buffer = b""
        self._close_with_rst = False

    def request(self, within: float | None = None) -> Request | None:
        """The next request; None where the client closed, or was silent for `within` seconds."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._receive(within):
                return None
        head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
        text = (head + end).decode("latin-1")
        return Request(text.split(" ", 2)[1], text)

    def requests(self, within: float | None = None) -> Iterator[Request]:
        """Request by request, until the client closes or is silent for `within` seconds."""
        while (request := self.request(within)) is not None:
            yield request

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; none where the client closed before."""
        while len(self._buffer) < size:
            if not self._receive(None):
                return b""
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def last(self, data: bytes) -> None:
        """Sends what is the last before the close, and has the FIN travel in its segment: however busy the machine,
        nobody can then take the time between the two for a pause of the server's."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.send(data)

    def reset(self) -> None:
        """The close will be a RST."""
        self._close_with_rst = True

    def wait_unread(self) -> None:
        """Waits until there is something to read, or the client closed, and leaves it unread."""
        self.sock.recv(1, socket.MSG_PEEK)

    def until_closed(self) -> None:
        """Reads, and throws away, until the client has closed."""
        while self._receive(None):
            self._buffer = b""

    def stop_reading(self) -> None:
        """Wakes a script that waits for the client: to it, the client has closed. Nothing of it is on the wire."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    def deafen(self) -> None:
        """From now on nothing that the client sends reaches this side, and nothing tells the client so: as where a box
        between the two has forgotten the connection. A filter on the socket lets nothing through (socket(7))."""
        nothing = ctypes.create_string_buffer(_PASS_NOTHING)
        program = struct.pack("HP", 1, ctypes.addressof(nothing))
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def close(self) -> None:
        """Closes this side, and returns when the client's kernel has heard of it."""
        if self._close_with_rst:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.sock.close()
        else:
            with contextlib.suppress(OSError):  # the client was faster
                self.sock.shutdown(socket.SHUT_WR)
        settle()

    def _receive(self, within: float | None) -> bool:
        self.sock.settimeout(PATIENCE_S if within is None else within)
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, TimeoutError):
            data = b""
        finally:
            self.sock.settimeout(PATIENCE_S)
        self._buffer += data
        return bool(data)


Script = Callable[[Peer], None]


def keep_alive(peer: Peer) -> None:
    """The script of a server without fault: it answers, and waits for more."""
    for _ in peer.requests():
        peer.send(response())


class Server:
    """A listening socket, whose connections follow a script."""

    def __init__(self, script: Script, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.host: str
        self.port: int
        self.host, self.port = listener.getsockname()[:2]
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self.failures: list[BaseException] = []
        self._script = script
        self._listener = listener
        self._tls = tls
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Semaphore(0)
        self._start(self._accept)

    def wait_closed(self) -> None:
        """Waits until one connection more was closed by this side."""
        if not self._closed.acquire(timeout=PATIENCE_S):
            raise VerifierError(f"a scene's server (port {self.port}) closed no connection within {PATIENCE_S:.0f} s")

    def stop(self) -> None:
        """Stops listening, and closes every connection that waits for a request, all at once."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            peer.stop_reading()

    def join(self) -> None:
        """Waits for the threads, and lets go of the sockets."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for peer in self._peers:
            peer.sock.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name=f"scene-{self.port}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # `stop` was called
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, len(self._peers))
            self._peers.append(peer)
            self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                if self._tls is not None:
                    peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
                self._script(peer)
            peer.close()
            self._closed.release()
            if peer.sock.fileno() >= 0:
                peer.until_closed()
        except BaseException as failure:  # noqa: BLE001 - raised by the stage, where the scene ends
            self.failures.append(failure)
            # Or the client would wait for it.
            peer.sock.close()


class Stage:
    """The servers of one scene. A context manager, which ends them."""

    def __init__(self, allow: Callable[[int], None]) -> None:
        """`allow` is told each server port before anybody can connect to it."""
        self._allow = allow
        self._servers: list[Server] = []

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(sorted({server.port for server in self._servers}))

    def server(
        self, script: Script = keep_alive, host: str = LOOPBACK, port: int = ANY_PORT, tls: ssl.SSLContext | None = None
    ) -> Server:
        """A server that listens already."""
        try:
            listener = socket.create_server((host, port), backlog=_BACKLOG)
        except OSError as error:
            raise VerifierError(f"can't listen on {host}: {error.strerror}") from error
        self._allow(listener.getsockname()[1])
        self._servers.append(Server(script, listener, tls))
        return self._servers[-1]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for server in self._servers:
            server.stop()
        for server in self._servers:
            server.join()
        failures = [failure for server in self._servers for failure in server.failures]
        # A client's failure is the consequence; Ctrl-C is none.
        if failures and (error is None or isinstance(error, VerifierError)):
            raise VerifierError(f"a server of the scene failed: {failures[0]!r}") from failures[0]


def settle() -> None:
    """Returns when what this thread sent on loopback so far has arrived: a datagram to ourselves stands behind it in
    the queue of this CPU."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(PATIENCE_S)
        own.bind((LOOPBACK, ANY_PORT))
        own.connect(own.getsockname())
        own.send(b"\0")
        own.recv(1)
