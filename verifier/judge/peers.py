"""What clients and servers are known to do, by what they call themselves in User-Agent and Server fields."""

from __future__ import annotations

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.wire.tables import Ledger

SECOND = 1_000_000_000
IDLE_EXPIRIES = (
    ("python-httpx/", 5 * SECOND),  # httpx.Limits.keepalive_expiry
    ("aiohttp/", 15 * SECOND),  # aiohttp.TCPConnector(keepalive_timeout)
    ("curl/", 118 * SECOND),  # CURLOPT_MAXAGE_CONN
    ("go-http-client/", 90 * SECOND),  # http.DefaultTransport.IdleConnTimeout
)
"""Idle times after which clients close a connection by themselves, where nothing else was set."""
NO_EXPIRY = ("python-requests/", "python-urllib3/")
"""urllib3 keeps a connection until it is needed, and finds out then whether the server has closed it."""
CLOSE_UNREAD = ("go-http-client/",)
"""Clients that close behind a response whose body was not read, short as it is, and behind no other, unless the request
says so (net/http: bodyEOFSignal)."""
NEVER_KEEP = ("gunicorn", "werkzeug/")
"""gunicorn's sync worker, which is its default, and Werkzeug's server since 2.1 close after each response."""
DO_NOT_PIPELINE = (
    "python-requests/",
    "python-urllib3/",
    "python-httpx/",
    "aiohttp/",
    "go-http-client/",
    "curl/",
    "node",
    "axios/",
    "okhttp/",
)
"""Clients that never send a request before the response to the one before is there."""


class Peers(NamedTuple):
    """Keys are words of the ledger."""

    expiries: dict[int, int]
    """User-Agent to the idle time after which such a client closes, in nanoseconds."""
    closers: frozenset[int]
    """Server fields of such as never keep a connection."""
    patient: frozenset[int]
    """User-Agents of such as close no idle connection by themselves."""
    readers: frozenset[int]
    """User-Agents of such as close right behind a response only where it was not read."""
    one_at_a_time: frozenset[int]
    """User-Agents of such as do not pipeline."""


def peers_of(ledger: Ledger) -> Peers:
    """Looks up the names that the capture has."""
    from verifier.judge.endings import distinct

    expiries: dict[int, int] = {}
    closers: set[int] = set()
    patient: set[int] = set()
    readers: set[int] = set()
    one_at_a_time: set[int] = set()
    for word in distinct(ledger.connections.column("agent")) - {0}:
        name = (ledger.words.text(word - 1) or "").lower()
        for known, expiry in IDLE_EXPIRIES:
            if known in name:
                expiries[word - 1] = expiry
        if any(known in name for known in NO_EXPIRY):
            patient.add(word - 1)
        if any(known in name for known in CLOSE_UNREAD):
            readers.add(word - 1)
        if any(known in name for known in DO_NOT_PIPELINE):
            one_at_a_time.add(word - 1)
    for word in distinct(ledger.connections.column("software")) - {0}:
        name = (ledger.words.text(word - 1) or "").lower()
        if name.startswith(NEVER_KEEP):
            closers.add(word - 1)
    return Peers(expiries, frozenset(closers), frozenset(patient), frozenset(readers), frozenset(one_at_a_time))
