"""What clients and servers are known to do, by what they call themselves in User-Agent and Server fields."""

from __future__ import annotations

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.wire.tables import Ledger

SECOND = 1_000_000_000
IDLE_EXPIRIES = {
    "python-httpx": 5 * SECOND,  # httpx.Limits.keepalive_expiry
    "aiohttp": 15 * SECOND,  # aiohttp.TCPConnector(keepalive_timeout)
    "curl": 118 * SECOND,  # CURLOPT_MAXAGE_CONN
    "go-http-client": 90 * SECOND,  # http.DefaultTransport.IdleConnTimeout
}
"""Idle times after which clients close a connection by themselves, where nothing else was set."""
NO_EXPIRY = frozenset(("python-requests", "python-urllib3"))
"""urllib3 keeps a connection until it is needed, and finds out then whether the server has closed it."""
CLOSE_UNREAD = frozenset(("go-http-client",))
"""Clients that close behind a response whose body was not read, short as it is, and behind no other, unless the request
says so (net/http: bodyEOFSignal)."""
NEVER_KEEP = frozenset(("gunicorn", "werkzeug"))
"""gunicorn's sync worker, which is its default, and Werkzeug's server since 2.1 close after each response."""
_OF_NODE = ("node", "undici", "node-fetch", "node-superagent", "axios", "got")
DO_NOT_PIPELINE = NO_EXPIRY | IDLE_EXPIRIES.keys() | {"okhttp", *_OF_NODE}
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
    from verifier import products
    from verifier.judge.endings import distinct

    expiries: dict[int, int] = {}
    closers: set[int] = set()
    patient: set[int] = set()
    readers: set[int] = set()
    one_at_a_time: set[int] = set()
    for word in distinct(ledger.connections.column("agent")) - {0}:
        names = set(products.names(ledger.words.text(word - 1)))
        for known in names & IDLE_EXPIRIES.keys():
            expiries[word - 1] = IDLE_EXPIRIES[known]
        if names & NO_EXPIRY:
            patient.add(word - 1)
        if names & CLOSE_UNREAD:
            readers.add(word - 1)
        if names & DO_NOT_PIPELINE:
            one_at_a_time.add(word - 1)
    for word in distinct(ledger.connections.column("software")) - {0}:
        if NEVER_KEEP.intersection(products.names(ledger.words.text(word - 1))):
            closers.add(word - 1)
    return Peers(expiries, frozenset(closers), frozenset(patient), frozenset(readers), frozenset(one_at_a_time))
