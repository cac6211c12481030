"""requests, observed: which connection carried each request, when, and what the kernel counted on it.

Nothing of what requests and urllib3 decide is changed: pools, retries, redirects, proxies and TLS stay theirs. They are
watched at the three places that they offer for it:

- an `HTTPAdapter` is called once for each hop of a redirect, so each call is one `Hop`;
- a pool makes its connections by its `ConnectionCls`, documented to be replaceable on the pool itself; that also covers
  pools behind HTTP and SOCKS proxies. The replacement derives from the class it replaces and only adds notes;
- a connection's `_new_conn` makes the one TCP connection of each (re-)connecting, so each call is one `Link`. A pooled
  connection object whose server had closed connects anew with no trace outside: the same object, another Link.

A socket is really closed when both the connection and the response that still reads from it have let go of it
(http.client gives the socket of a `Connection: close` response away), so the kernel's counters are read at each of
these moments, and the last reading stands. A TLS handshake that fails closes the socket out of sight: no counters then.

Which hop a connection works for is known by the thread: requests does all work of a request in the thread that asked.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from requests.utils import urldefragauth
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse

from verifier.clients.failures import describe, timed_out
from verifier.clients.run import Connect, Counters, Endpoint, Request
from verifier.clients.tcpinfo import read_counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from urllib3.connectionpool import HTTPConnectionPool

OnConnect = Callable[[str, int], None]
"""Called with the host and port that are about to be connected to: the proxy's, where there is one."""

INTERRUPTED = "interrupted"
DISCARDING_LOGGER = "urllib3.connectionpool"
DISCARDING = "Connection pool is full, discarding connection"
"""urllib3's own words, since 1.0."""


class Link:
    """One TCP connection of the run, or an attempt at one: a `run.Connect` in the making."""

    __slots__ = (
        "client",
        "counters",
        "discarded",
        "ended_ns",
        "error",
        "host",
        "index",
        "port",
        "server",
        "socket",
        "started_ns",
    )

    def __init__(self, index: int, host: str, port: int) -> None:
        self.index = index
        self.host = host
        self.port = port
        self.started_ns = time.time_ns()
        self.ended_ns = 0
        self.client: Endpoint | None = None
        self.server: Endpoint | None = None
        self.error: str | None = None
        self.counters: Counters | None = None
        self.discarded = False
        self.socket: weakref.ReferenceType[socket.socket] | None = None
        """Weak, so that being observed never keeps a socket open."""

    def connected(self, sock: socket.socket) -> None:
        self.ended_ns = time.time_ns()
        self.socket = weakref.ref(sock)
        # Unbound: a SOCKS socket's own methods name what lies behind its proxy, not what it is connected to.
        self.client = _endpoint(socket.socket.getsockname(sock))
        try:
            self.server = _endpoint(socket.socket.getpeername(sock))
        except OSError:  # ENOTCONN: already reset by the server, which counts as connected all the same
            self.server = None

    def count(self, sock: socket.socket) -> None:
        counters = read_counters(sock)
        if counters is not None:
            self.counters = counters

    def finished(self) -> Connect:
        error = self.error or (None if self.ended_ns else INTERRUPTED)
        ended_ns = self.ended_ns or time.time_ns()
        return Connect(
            self.host,
            self.port,
            self.started_ns,
            ended_ns,
            self.client,
            self.server,
            error,
            self.counters,
            self.discarded,
        )


class Hop:
    """One request sent, redirects being others: a `run.Request` in the making."""

    __slots__ = (
        "_settled",
        "asked_close",
        "ended_ns",
        "error",
        "http10",
        "link",
        "method",
        "number",
        "said_close",
        "sent_ns",
        "started_ns",
        "status",
        "timed_out",
        "url",
    )

    def __init__(self, number: int, method: str, url: str) -> None:
        self.number = number
        self.method = method
        self.url = url
        self.asked_close = False
        self.said_close = False
        self.http10 = False
        self.timed_out = False
        self.started_ns = time.time_ns()
        self.sent_ns: int | None = None
        self.ended_ns = 0
        self.status: int | None = None
        self.error: str | None = None
        self.link: Link | None = None
        self._settled = False

    def answered(self, response: Response) -> None:
        self.status = response.status_code
        options = _options(response.headers)
        self.said_close = "close" in options
        self.http10 = getattr(response.raw, "version", 11) == 10 and "keep-alive" not in options
        self.ended_ns = time.time_ns()

    def body_read(self) -> None:
        if not self._settled:
            self.ended_ns = time.time_ns()

    def settle(self) -> None:
        """What happens to the response from now on is not the request's any more."""
        self._settled = True

    def failed(self, error: str) -> None:
        self.error = error
        self.ended_ns = time.time_ns()
        self._settled = True

    def finished(self) -> Request:
        error = self.error or (None if self.ended_ns else INTERRUPTED)
        link = None if self.link is None else self.link.index
        return Request(
            self.number,
            self.method,
            self.url,
            self.started_ns,
            self.ended_ns or time.time_ns(),
            self.status,
            error,
            link,
            self.sent_ns,
            self.asked_close,
            self.said_close,
            self.http10,
            self.timed_out,
        )


class _Task(threading.local):
    """What this thread is about: the user's n-th request, and its hop under way."""

    number: int = 0
    hop: Hop | None = None
    closed: Link | None = None
    """The connection that it closed last."""


class Recorder:
    """What all adapters and connections of one run have noted. Made once, used by all threads of the run."""

    def __init__(self, on_connect: OnConnect, timeout: float | None) -> None:
        self._on_connect = on_connect
        self._timeout = timeout
        self._lock = threading.Lock()
        self._calling = threading.Lock()
        self._task = _Task()
        self._hops: list[Hop] = []
        self._links: list[Link] = []
        self._observed: dict[type[HTTPConnection], type[HTTPConnection]] = {}
        self._interrupted_ns: int | None = None

    # -- called by the runner

    def begin(self, number: int) -> None:
        """This thread starts on the user's n-th request."""
        self._task.number = number
        self._task.hop = None

    def end(self) -> None:
        """The request that this thread had begun has its response, read as far as the user wished."""
        hop = self._task.hop
        if hop is None:
            return
        hop.settle()
        # A body that only ends with its connection looks complete where the connection was shut down.
        if self._interrupted_ns is not None and hop.ended_ns >= self._interrupted_ns:
            hop.failed(INTERRUPTED)

    def fail(self, method: str, url: str, error: BaseException) -> None:
        """The request that this thread had begun raised this; `method` and `url` where it got no further than that."""
        hop = self._task.hop or self.open_hop(method, url)
        hop.failed(self._told(error))
        hop.timed_out = timed_out(error) and self._interrupted_ns is None

    def interrupt(self) -> None:
        """Wake all threads that wait for a server, by shutting down their sockets. Nothing is connected to any more."""
        self._interrupted_ns = time.time_ns()
        for sock in self._sockets():
            # ENOTCONN, EBADF: it closed by itself meanwhile.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is still open although its Session is closed.

        Pools and responses close their sockets as soon as nothing refers to them any more; a past exception can (its
        traceback leads to frames that hold them), until the garbage collector comes by. The run doesn't wait for that.
        """
        for link in list(self._links):
            sock = None if link.socket is None else link.socket()
            if sock is not None and sock.fileno() != -1:
                link.count(sock)
                # Not sock.close(), which leaves it open for a response that is still reading from it.
                os.close(sock.detach())

    def requests(self) -> tuple[Request, ...]:
        return tuple(hop.finished() for hop in list(self._hops))

    def connects(self) -> tuple[Connect, ...]:
        return tuple(link.finished() for link in list(self._links))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hears urllib3 say that it discards a connection: nothing else tells why one was closed."""
        logger = logging.getLogger(DISCARDING_LOGGER)
        handler = _Discards(self)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    # -- called by the adapter and its connections

    def closed(self, link: Link) -> None:
        self._task.closed = link

    def discarded(self) -> None:
        """A full pool has just closed, in this thread, the connection that it was given back."""
        if self._task.closed is not None:
            self._task.closed.discarded = True

    def open_hop(self, method: str, url: str) -> Hop:
        with self._lock:
            hop = Hop(self._task.number, method, url)
            self._hops.append(hop)
        self._task.hop = hop
        return hop

    def open_link(self, host: str, port: int) -> Link:
        """Announce a connection that is about to be opened. The time that takes is not the request's."""
        with self._calling:  # one at a time: the caller's function needs no lock of its own
            self._on_connect(host, port)
        with self._lock:
            link = Link(len(self._links), host, port)
            self._links.append(link)
        hop = self._task.hop
        if hop is not None and hop.link is None:
            hop.started_ns = link.started_ns
        return link

    def connected(self, link: Link, connection: HTTPConnection, sock: socket.socket) -> None:
        link.connected(sock)
        if self._interrupted_ns is not None:
            sock.close()
            raise NewConnectionError(connection, INTERRUPTED)

    def refused(self, link: Link, error: BaseException) -> None:
        link.error = self._told(error)
        link.ended_ns = time.time_ns()

    def carried(self, link: Link, sent_ns: int) -> None:
        hop = self._task.hop
        if hop is not None:
            hop.link = link
            hop.sent_ns = sent_ns

    def current_hop(self) -> Hop | None:
        return self._task.hop

    def observed(self, kind: type[HTTPConnection]) -> type[HTTPConnection]:
        """The class that makes the same connections as `kind`, and notes them here. Idempotent."""
        if issubclass(kind, ObservedConnection):
            return kind
        known = self._observed.get(kind)
        if known is None:
            # The same name, because urllib3 puts it into its messages.
            known = self._observed[kind] = type(kind.__name__, (ObservedConnection, kind), {"recorder": self})
        return known

    def _told(self, error: BaseException) -> str:
        return describe(error, self._timeout) if self._interrupted_ns is None else INTERRUPTED

    def _sockets(self) -> list[socket.socket]:
        sockets = [link.socket() for link in list(self._links) if link.socket is not None]
        return [sock for sock in sockets if sock is not None]


class _Discards(logging.Handler):
    """Takes the one warning that urllib3's pools have; others go to whoever else listens."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(logging.WARNING)
        self._recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(DISCARDING):
            self._recorder.discarded()


class ObservedAdapter(HTTPAdapter):
    """The adapter that a Session mounts by itself, with notes taken."""

    def __init__(self, recorder: Recorder, pool_maxsize: int | None) -> None:
        self._recorder = recorder
        if pool_maxsize is None:
            super().__init__()
        else:
            super().__init__(pool_maxsize=pool_maxsize)

    def send(  # noqa: PLR0913  # the parameters are those of the method it extends
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> Response:
        # Credentials in the URL are for the server, not for reports.
        hop = self._recorder.open_hop(request.method or "", urldefragauth(request.url or ""))
        hop.asked_close = "close" in _options(request.headers)
        response = super().send(request, stream, timeout, verify, cert, proxies)
        hop.answered(response)
        return response

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: dict[str, str] | None = None, cert: Any = None
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        # Each thread does so before it uses the pool, so none of them meets a pool that isn't observed.
        if issubclass(pool.ConnectionCls, HTTPConnection):  # always; its declared type is an abstract one
            pool.ConnectionCls = self._recorder.observed(pool.ConnectionCls)
        return pool


class ObservedResponse(http.client.HTTPResponse):
    """The response that http.client reads from the socket: tells when the last of its body has been read."""

    _watched: tuple[socket.socket, Link, Hop | None] | None = None

    def watch(self, sock: socket.socket, link: Link, hop: Hop | None) -> None:
        self._watched = (sock, link, hop)

    def _close_conn(self) -> None:
        # http.client calls this as soon as the body is complete, before urllib3 gives the connection back to its pool.
        if self._watched is not None:
            sock, link, hop = self._watched
            link.count(sock)
            if hop is not None:
                hop.body_read()
        super()._close_conn()  # type: ignore[misc]  # not in typeshed, but in http.client since Python 3.1


class ObservedConnection(HTTPConnection):
    """Extends whichever connection class it is combined with, by `Recorder.observed`."""

    recorder: ClassVar[Recorder]
    response_class = ObservedResponse
    _link: Link | None = None

    def _new_conn(self) -> socket.socket:
        self._link = None
        link = self.recorder.open_link(*self._peer())
        try:
            sock = super()._new_conn()
            self.recorder.connected(link, self, sock)
        except BaseException as error:  # noted, not handled
            self.recorder.refused(link, error)
            raise
        self._link = link
        return sock

    def _peer(self) -> tuple[str, int]:
        """Host and port of the TCP connection: with a SOCKS proxy not the connection's own `host` and `port`."""
        socks = getattr(self, "_socks_options", None)
        if socks is not None:
            return str(socks["proxy_host"]), int(socks["proxy_port"] or 1080)
        return self._dns_host.strip("[]"), self.port

    def connect(self) -> None:
        super().connect()
        # Only now, because TLS moves the descriptor to a socket object of its own.
        sock = _tcp_socket(self.sock)
        if self._link is not None and sock is not None:
            self._link.socket = weakref.ref(sock)

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        began_ns = time.time_ns()
        try:
            super().endheaders(message_body, encode_chunked=encode_chunked)  # connects first where it has to
        finally:
            if self._link is not None and self.sock is not None:
                self.recorder.carried(self._link, max(began_ns, self._link.ended_ns))

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 does: its own kind of response
        sock, link = _tcp_socket(self.sock), self._link
        response = super().getresponse()
        original = response._original_response
        if isinstance(original, ObservedResponse) and sock is not None and link is not None:
            original.watch(sock, link, self.recorder.current_hop())
        return response

    def close(self) -> None:
        sock = _tcp_socket(self.sock)
        if self._link is not None and sock is not None:
            self._link.count(sock)
            self.recorder.closed(self._link)
        super().close()


def _options(headers: Mapping[str, str | bytes]) -> set[str]:
    """The members of the Connection field."""
    value = headers.get("Connection", "")
    text = value if isinstance(value, str) else value.decode("latin-1")
    return {option.strip().lower() for option in text.split(",")}


def _tcp_socket(sock: Any) -> socket.socket | None:
    """What holds the descriptor: TLS inside the TLS to a proxy is an object of urllib3's around a socket."""
    inner = sock if isinstance(sock, socket.socket) else getattr(sock, "socket", None)
    return inner if isinstance(inner, socket.socket) else None


def _endpoint(address: tuple[Any, ...]) -> Endpoint:
    """As it stands in the packets: without a zone, and IPv4 where it is mapped into IPv6 (`::ffff:192.0.2.1`)."""
    ip = str(address[0]).partition("%")[0]
    if ":" in ip:
        mapped = ipaddress.IPv6Address(ip).ipv4_mapped
        ip = ip if mapped is None else str(mapped)
    return ip, int(address[1])
