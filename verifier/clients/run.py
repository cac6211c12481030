"""What a live client knows of its own run: values only, made by the runner and read by the judge.

Times are integer nanoseconds since the epoch, by the clock that stamps captured packets (CLOCK_REALTIME).
"""

from __future__ import annotations

from verifier.values import NamedTuple

Endpoint = tuple[str, int]
"""An IP address as text, without a zone, and a port."""


class Counters(NamedTuple):
    """The client kernel's own count for one socket (TCP_INFO), read just before the socket was closed."""

    segments_out: int
    bytes_acked: int
    """Payload bytes the peer acknowledged (the SYN counts as one)."""
    bytes_received: int
    """Payload bytes received in order."""


class Connect(NamedTuple):
    """One connection that the client opened, or failed to open."""

    host: str
    port: int
    started_ns: int
    ended_ns: int
    client: Endpoint | None
    """The local end; None where the attempt failed."""
    server: Endpoint | None
    error: str | None
    counters: Counters | None
    """None where the attempt failed, or the system has no TCP_INFO."""
    discarded: bool = False
    """The client's pool had no room to take it back, and closed it."""


class Request(NamedTuple):
    """One request as the client sent it; each hop of a redirect is one."""

    number: int
    """1-based place among the requests the user asked for; the hops of a redirect share it."""
    method: str
    url: str
    started_ns: int
    ended_ns: int
    """When the response's last byte had been read, or the request failed."""
    status: int | None
    error: str | None
    connect: int | None
    """Index into `Run.connects` of the connection that carried it; None where none did."""
    sent_ns: int | None = None
    """When it had its connection, open and its own, and began to be written; None where it never got that far. From
    here to `ended_ns` it keeps that connection busy: these intervals of one connection never overlap."""
    asked_close: bool = False
    """The request said `Connection: close`."""
    said_close: bool = False
    """The response did."""
    http10: bool = False
    """The response was HTTP/1.0, and did not say keep-alive."""
    timed_out: bool = False
    """The client gave up waiting."""

    @property
    def began_ns(self) -> int:
        """When it began to be written, or, where it never was, when it was asked for."""
        return self.started_ns if self.sent_ns is None else self.sent_ns


class Run(NamedTuple):
    """Everything the runner did, in the order of starting."""

    client: str
    """Name and version of the client library, as in its User-Agent: `python-requests/2.34.2`."""
    planned: int
    """How many requests the user asked for."""
    requests: tuple[Request, ...]
    connects: tuple[Connect, ...]
    interrupted: bool
    session: bool = True
    """All requests went through one Session."""
    unread: bool = False
    """Bodies were left unread."""
