"""A live run laid beside its packets: which connection of the capture carried which request of the client.

The client knows the local port of each connection that it opened, and when: so that other traffic to the same server
never counts. Where the packets do not show the requests themselves (TLS, a capture of control packets), the client's
own stand for them.
"""

from __future__ import annotations

from ipaddress import ip_address

from verifier.figures import endpoint
from verifier.judge.facts import DISCARDED, LEFT_UNREAD, TIMED_OUT, TOLD, Account
from verifier.judge.model import Missing
from verifier.vocabulary import Reason
from verifier.wire import tables
from verifier.wire.tables import ExchangeTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.clients.run import Connect, Counters, Request, Run
    from verifier.wire.tables import Ledger

FAILED = (tables.REFUSED, tables.UNANSWERED)
LEEWAY_NS = 50_000_000
"""How far a SYN's kernel time may lie outside of the client's own times of the connect: both are CLOCK_REALTIME, which
may be slewed."""
ONE_SEGMENT = 536
"""Bytes that are sent in one segment, on any path (RFC 9293, section 3.7.1) and to windows of twice as much."""

Key = tuple[int, int, int]


class Attribution:
    """`rows`: the connection of each of `run.connects`, None where the capture has none. `wanted`: a byte for each
    connection of the capture. `exchanges`: those in the packets, and the client's where the packets show none, in the
    order of requests. `missing`: evidence that lacks."""

    def __init__(self, ledger: Ledger, run: Run, control_only: bool) -> None:
        self.ledger = ledger
        self.run = run
        self.control_only = control_only
        self.columns = ledger.connections.columns()
        self.missing: list[Missing] = []
        self.rows = self._match()
        wanted = bytearray(ledger.connections.rows)
        for row in self.rows:
            if row is not None:
                wanted[row] = 1
        self.wanted = bytes(wanted)
        self.carried: dict[int, list[Request]] = {}
        for request in run.requests:
            row = self.row_of(request)
            if row is not None:
                self.carried.setdefault(row, []).append(request)
        self.exchanges = self._exchanges()
        self._check_connections()
        self._check_requests()
        self._check_counters()

    def row_of(self, request: Request) -> int | None:
        """The connection that carried a request, as far as the capture has it."""
        return None if request.connect is None else self.rows[request.connect]

    def account(self) -> Account:
        """What the client says of the connections that the packets show."""
        facts: dict[int, int] = {}
        for connect, row in zip(self.run.connects, self.rows, strict=True):
            if row is not None and connect.discarded:
                facts[row] = facts.get(row, 0) | DISCARDED
        for row, requests in self.carried.items():
            if requests and requests[-1].timed_out:
                facts[row] = facts.get(row, 0) | TIMED_OUT
            if not self._is_read(row):
                facts[row] = facts.get(row, 0) | TOLD
            if self.run.unread:
                facts[row] = facts.get(row, 0) | LEFT_UNREAD
        redirected = len({request.number for request in self.run.requests}) < len(self.run.requests)
        return Account(facts, self.run.session, redirected, self.run.client)

    def peaks(self) -> dict[int, int]:
        """By one connection of each server: the most requests that the client had under way at that server at once."""
        return self._peaks([request.began_ns for request in self.run.requests])

    def asked(self) -> dict[int, int]:
        """The same, of requests that were under way or waited for a connection."""
        return self._peaks([request.started_ns for request in self.run.requests])

    def _peaks(self, starts: list[int]) -> dict[int, int]:
        """From when each request of the run is to count."""
        begun = dict(zip(map(id, self.run.requests), starts, strict=True))
        spans: dict[Key, list[tuple[int, int]]] = {}
        first: dict[Key, int] = {}
        for row, requests in self.carried.items():
            server = self._end(row, 1 - self.columns["client"][row])
            first.setdefault(server, row)
            for request in requests:
                start = begun[id(request)]
                # At equal times an end comes before a start: the intervals are half-open.
                spans.setdefault(server, []).extend([(start, 1), (request.ended_ns, -1)])
        peaks: dict[int, int] = {}
        for server, steps in spans.items():
            busy = peak = 0
            for _, step in sorted(steps):
                busy += step
                peak = max(peak, busy)
            peaks[first[server]] = peak
        return peaks

    def _end(self, row: int, side: int) -> Key:
        column = self.columns
        return column[f"hi{side}"][row], column[f"lo{side}"][row], column[f"port{side}"][row]

    def _match(self) -> list[int | None]:
        """For each connect the row with its two ends, opened while it was under way; failed ones by the server's end
        alone."""
        by_ends: dict[tuple[Key, Key], list[int]] = {}
        failed: dict[Key, list[int]] = {}
        for row in range(self.ledger.connections.rows):
            side = self.columns["client"][row]
            client, server = self._end(row, side), self._end(row, 1 - side)
            by_ends.setdefault((client, server), []).append(row)
            if self.columns["state"][row] in FAILED:
                failed.setdefault(server, []).append(row)
        taken: set[int] = set()
        matched: list[int | None] = []
        for connect in self.run.connects:
            if connect.client is not None and connect.server is not None:
                candidates = by_ends.get((key_of(connect.client), key_of(connect.server)), [])
            else:
                aims = [key_of(connect.server)] if connect.server else [key for key in failed if key[2] == connect.port]
                candidates = [row for key in aims for row in failed.get(key, [])]
            found = next((row for row in candidates if row not in taken and self._during(connect, row)), None)
            if found is not None:
                taken.add(found)
            matched.append(found)
        return matched

    def _during(self, connect: Connect, row: int) -> bool:
        return connect.started_ns - LEEWAY_NS <= self.columns["opened"][row] <= connect.ended_ns + LEEWAY_NS

    def _is_read(self, row: int) -> bool:
        """Whether the packets show the requests of this connection."""
        return self._could_be_read(row) and self.columns["protocol"][row] == tables.HTTP1

    def _could_be_read(self, row: int) -> bool:
        """Whether the packets should show the requests: whole, and in the clear."""
        return not self.control_only and not self.columns["flags"][row] & (tables.ENCRYPTED | tables.PAYLOAD_CUT)

    def _exchanges(self) -> ExchangeTable:
        """Exchanges of the packets and of the client, merged by the time of the request."""
        packets = self.ledger.exchanges
        column = packets.columns()
        records: list[dict[str, int]] = [
            {name: values[row] for name, values in column.items()}
            for row in range(packets.rows)
            if self.wanted[column["connection"][row]] and self._is_read(column["connection"][row])
        ]
        for row, requests in self.carried.items():
            if not self._is_read(row):
                records += [self._record(row, depth, request) for depth, request in enumerate(requests, 1)]
        records.sort(key=lambda record: record["request_ns"])
        table = ExchangeTable()
        table.extend(records)
        return table

    def _record(self, row: int, depth: int, request: Request) -> dict[str, int]:
        """A request of the client as an exchange; frames are not known."""
        word = self.ledger.words.number
        host, target = split_url(request.url)
        done = request.status is not None
        return {
            "connection": row,
            "depth": depth,
            "method": word(request.method.encode("latin-1", "replace")),
            "target": word(target.encode("latin-1", "replace")),
            "host": word(host.encode("latin-1", "replace")),
            "status": request.status or 0,
            "flags": (tables.RESPONSE_DONE if done else 0)
            | (tables.REQUEST_CLOSE if request.asked_close else 0)
            | (tables.RESPONSE_CLOSE if request.said_close else 0)
            | (tables.RESPONSE_HTTP10 if request.http10 else 0),
            "request_ns": request.began_ns,
            "response_ns": -1,
            "end_ns": request.ended_ns,
            "request_frame": 0,
            "response_frame": 0,
            "end_frame": 0,
        }

    def _check_connections(self) -> None:
        """The handshake of every connection that the client opened is in the packets."""
        whole = (tables.COMPLETE, tables.HALF) if self.control_only else (tables.COMPLETE,)
        lost = [
            connect
            for connect, row in zip(self.run.connects, self.rows, strict=True)
            if connect.client is not None and (row is None or self.columns["state"][row] not in whole)
        ]
        if lost:
            first = lost[0]
            ends = f"{shown(first.client)} to {shown(first.server)}"
            number = f"{len(lost)} of {len(self.run.connects)} handshakes that the client made"
            those, begin = (f"{number} is", "") if len(lost) == 1 else (f"{number} are", "the first ")
            if len(self.run.connects) == 1:
                those = "the one handshake that the client made is"
            text = f"{those} not whole in the capture, {begin}from {ends}"
            self.missing.append(Missing(Reason.CONNECTION_NOT_CAPTURED, text))

    def _check_requests(self) -> None:
        """Every request that the client sent is in the packets, where they can be read."""
        short = 0
        example = ""
        for row, requests in self.carried.items():
            seen = self.columns["requests"][row]
            if self._could_be_read(row):
                sent = sum(1 for request in requests if request.sent_ns is not None)
                if seen < sent:
                    short += sent - seen
                    example = example or f"connection {row} shows {seen} of {sent}"
        if short:
            those = "1 request that the client made is" if short == 1 else f"{short} requests that the client made are"
            text = f"{those} not in the packets: {example}"
            self.missing.append(Missing(Reason.REQUESTS_NOT_IN_PACKETS, text))

    def _check_counters(self) -> None:
        """The client's kernel counted no more segments and bytes than the capture has."""
        if self.control_only:
            return
        short: list[str] = []
        for connect, row in zip(self.run.connects, self.rows, strict=True):
            if row is None or connect.counters is None:
                continue
            shortfalls = self._shortfalls(row, connect.counters)
            if shortfalls:
                short.append(f"connection {row}: {', '.join(shortfalls)}")
        if short:
            number = "1 connection" if len(short) == 1 else f"{len(short)} connections"
            text = f"the kernel counted more than the capture has on {number}: {short[0]}"
            self.missing.append(Missing(Reason.SEGMENTS_MISSING, text))

    def _shortfalls(self, row: int, counted: Counters) -> list[str]:
        """Where the capture has less than the client's kernel counted. What was received is compared by its bytes
        alone: a packet can be several segments that were joined, on loopback by their sender, which cuts them to half
        of the largest window that it was told of, else on receipt; and its size doesn't tell how many."""
        column = self.columns
        client = column["client"][row]
        server = 1 - client
        # The kernel counts a SYN, and a FIN, as a byte each.
        fin = 1 if column["closed"][row] >= 0 else 0
        seen_and_counted = [
            (column[f"bytes{client}"][row], counted.bytes_acked - 1 - fin, "bytes sent"),
            (column[f"bytes{server}"][row], counted.bytes_received - fin, "bytes received"),
        ]
        if column[f"largest{client}"][row] <= ONE_SEGMENT:
            seen_and_counted.append((column[f"packets{client}"][row], counted.segments_out, "segments sent"))
        return [f"{seen} of {count} {what}" for seen, count, what in seen_and_counted if seen < count]


def key_of(end: tuple[str, int]) -> Key:
    """An endpoint as the tables have it."""
    parsed = ip_address(end[0].partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    number = int(mapped if mapped is not None else parsed)
    return number >> 64, number & 0xFFFFFFFFFFFFFFFF, end[1]


def shown(end: tuple[str, int] | None) -> str:
    if end is None:
        return "?"
    return endpoint(end)


def split_url(url: str) -> tuple[str, str]:
    """Host with port, and target, of an absolute URL."""
    rest = url.partition("://")[2]
    end = min((place for place in (rest.find("/"), rest.find("?"), rest.find("#")) if place >= 0), default=len(rest))
    target = rest[end:].partition("#")[0]
    return rest[:end].rpartition("@")[2], target if target.startswith("/") else f"/{target}"
