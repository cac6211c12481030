"""The report as values: exactly the JSON contract, field for field, plus what only a live run knows.

Renderers read this and compute no facts of their own. Times are integer nanoseconds since the epoch, durations integer
nanoseconds, frames 1-based within their source. Named tuples, not dataclasses: importing `dataclasses` alone takes
longer than analysing a small capture.
"""

from __future__ import annotations

from verifier.sources.facts import LiveFacts, Skipped, Source
from verifier.values import NamedTuple
from verifier.vocabulary import (
    ClosedWith,
    Closer,
    Handshake,
    Protocol,
    Reason,
    Reuse,
    Verdict,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol as Interface

    from verifier.opinion.model import Opinion

    class Details(Interface):
        """Makes connections and exchanges one at a time, so that a large capture never becomes a list of objects."""

        def connections(self) -> Iterator[Connection]:
            """In the order of first packets."""

        def exchanges(self) -> Iterator[Exchange]:
            """In the order of requests."""

        def connection(self, number: int) -> Connection:
            """The connection with this id."""


class Endpoint(NamedTuple):
    ip: str
    port: int


class Expectation(NamedTuple):
    """`name` is the option that sets it: `max-extra`, `max-handshakes`, `min-reuse`. `met` is None where unproven."""

    name: str
    limit: float
    measured: float | None
    met: bool | None


class Missing(NamedTuple):
    """One kind of evidence that is missing, and where: frames where there are any."""

    code: Reason
    text: str
    mend: str = ""
    """What would settle it; empty where nothing is known to."""


class Totals(NamedTuple):
    packets: int
    tcp_packets: int
    connections: int
    handshakes: int
    failed_attempts: int
    requests: int
    responses: int
    reused_requests: int
    unknown_requests: int
    lower_bound: int
    extra_handshakes: int
    cost_ns: int
    connect_requests: int = 0
    """Of the requests, those that ask a proxy for a tunnel (CONNECT)."""


class Pair(NamedTuple):
    """One client address and one server address and port."""

    client: str
    server: Endpoint
    connections: int
    handshakes: int
    failed_attempts: int
    requests: int
    reused_requests: int
    unknown_requests: int
    peak_concurrency: int
    lower_bound: int
    extra_handshakes: int
    cost_ns: int
    causes: dict[str, int]
    counted: bool = True
    """Whether the packets, or the live client, tell all its requests: else there may be more, and more re-used."""


class Evidence(NamedTuple):
    """`frame` is 1-based within `Report.sources[source]`."""

    frame: int
    note: str
    source: int = 0


class Measured(NamedTuple):
    """A limit of somebody's that the packets give away: `value` in `unit` (`s` or `requests`), shown by `seen` of the
    `of` connections that could show it."""

    name: str
    value: float
    unit: str
    seen: int
    of: int


class Finding(NamedTuple):
    cause: str
    confidence: str
    """`certain` where packets (or the live client) decide, `consistent` where `text` names what would."""
    blame: str
    pair: int
    """Index into `Report.pairs`."""
    connections: Sequence[int]
    """The connections that were opened because of it; where it opened none, those that show it."""
    text: str
    advice: str
    evidence: tuple[Evidence, ...]
    also: tuple[str, ...] = ()
    """Other causes that fit: those that the packets can't tell from this one, and those that hold besides."""
    measured: tuple[Measured, ...] = ()
    extra: int = 0
    """How many extra handshakes it accounts for: 0 for what cost none."""
    cost_ns: int = 0
    """Time from SYN to ready, of those."""
    packets: int = 0
    """Packets until those could carry a request: of the handshake, and of TLS where there is any."""
    bytes: int = 0
    """Payload of those packets: of TLS."""


class Note(NamedTuple):
    code: str
    count: int  # type: ignore[assignment]  # the contract's name; nobody counts in a tuple of these
    first_frame: int
    source: int = 0
    """Index into `Report.sources` of the one that has that frame."""


class Frames(NamedTuple):
    """None where the packet is not in the capture."""

    syn: int | None
    synack: int | None
    ack: int | None
    first_request: int | None
    first_close: int | None


class Tls(NamedTuple):
    sni: str | None
    alpn: str | None
    version: str | None
    resumed: bool | None


class Connection(NamedTuple):
    id: int
    pair: int
    client: Endpoint
    server: Endpoint
    opened_ns: int
    closed_ns: int | None
    handshake: Handshake
    handshake_ns: int | None
    """SYN to the client segment that acknowledged the SYN-ACK."""
    tls_ns: int | None
    requests: int
    responses: int
    first_closer: Closer
    closed_with: ClosedWith
    history: str
    protocol: Protocol
    tls: Tls | None
    cause: str | None
    """Why it was opened although its pair had one before: null for the first. `concurrency` is a cause and no fault."""
    frames: Frames
    source: int = 0
    """Index into `Report.sources` of the one that has its first packet."""
    extra: bool = False
    """Whether it is one of its pair's extra handshakes."""
    elsewhere: Mapping[str, int] | None = None
    """Of its frames that another source has: the index of that source, by name."""


class Exchange(NamedTuple):
    connection: int
    depth: int
    method: str
    target: str | None
    host: str | None
    status: int | None
    reuse: Reuse
    request_ns: int
    response_end_ns: int | None
    request_frame: int | None
    response_frame: int | None
    source: int = 0
    """Index into `Report.sources` of the one that has the request."""
    response_source: int | None = None
    """That of the response, where it is another one."""


class RunRequest(NamedTuple):
    """A request as the live client knows it, with the connection the packets show for it."""

    number: int
    method: str
    url: str
    status: int | None
    error: str | None
    duration_ns: int
    connection: int | None
    """`Connection.id`; None where the packets show none."""
    reuse: Reuse


class Failure(NamedTuple):
    """Why a file could not be read."""

    problem: str
    mend: str
    """What to do about it; empty where nothing is known to help."""


class Report(NamedTuple):
    verdict: Verdict
    expectations: tuple[Expectation, ...]
    inconclusive_because: tuple[Missing, ...]
    sources: tuple[Source, ...]
    totals: Totals
    pairs: Sequence[Pair]
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    details: Details
    live: LiveFacts | None = None
    client: str | None = None
    run: tuple[RunRequest, ...] = ()
    opinion: Opinion | None = None
    """What another program counts in the same files, where it was asked."""
    skipped: tuple[Skipped, ...] = ()
    """Files that were found beside the sources, and not read."""
    error: Failure | None = None
    """Of one file among independent ones: why it could not be read."""
