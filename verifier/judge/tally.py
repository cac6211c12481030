# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Counting: connections and exchanges into pairs, and each pair's lower bound.

The lower bound is the pair's peak concurrency: the most exchanges busy at once. Busy is a half-open interval, from a request's first byte to its
response's last, so colouring the intervals needs as many connections as overlap at one point, and no more. Exchanges are in the order
of their requests, so one pass with a heap of the ends under way finds the peak.
"""

from __future__ import annotations

import array
import heapq

import cython

from verifier.wire import connection as connections
from verifier.wire import tables

if cython.compiled:
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.wire.tables import ConnectionTable, ExchangeTable

COMPLETE = cython.declare(cython.int, connections.HANDSHAKES.index("complete"))
HALF = cython.declare(cython.int, connections.HANDSHAKES.index("half"))
NOT_SEEN = cython.declare(cython.int, connections.HANDSHAKES.index("not-seen"))
REFUSED = cython.declare(cython.int, connections.HANDSHAKES.index("refused"))
UNANSWERED = cython.declare(cython.int, connections.HANDSHAKES.index("unanswered"))
CLIENT_CLOSED = cython.declare(cython.int, connections.CLOSERS.index("client"))
RESPONSE_DONE = cython.declare(cython.uint, tables.RESPONSE_DONE)
SUBFLOW = cython.declare(cython.uint, tables.SUBFLOW)
ENCRYPTED = cython.declare(cython.uint, tables.ENCRYPTED)
LOST = cython.declare(cython.uint, tables.REQUESTS_MISSED | tables.RESPONSES_MISSED)
LATE_DATA = cython.declare(cython.uint, tables.LATE_DATA)
PAYLOAD_CUT = cython.declare(cython.uint, tables.PAYLOAD_CUT)
REQUESTS_MISSED = cython.declare(cython.uint, tables.REQUESTS_MISSED)
CLIENT_STOPPED_READING = cython.declare(cython.uint, tables.CLIENT_STOPPED_READING)

# How an exchange used its connection, as numbers; the words in the same order.
REUSES = ("new", "reused", "pre-existing", "unknown")
NEW = cython.declare(cython.int, 0)
REUSED = cython.declare(cython.int, 1)
PRE_EXISTING = cython.declare(cython.int, 2)
UNKNOWN = cython.declare(cython.int, 3)

FIELDS = (
    "connections", "handshakes", "half", "not_seen", "failed", "requests", "responses", "reused", "unknown",
    "peak", "unreadable", "missed", "cost_ns", "first_row",
)  # fmt: skip


def reuse(connection_state: cython.int, connection_flags: cython.uint, depth: cython.uint) -> cython.int:
    """What an exchange of this depth did with a connection of this state and these flags."""
    if depth > 1:
        return REUSED
    if connection_flags & REQUESTS_MISSED:
        return UNKNOWN  # there may have been one before it
    return PRE_EXISTING if connection_state == NOT_SEEN else NEW


class Tally:
    """One row a pair, in the order of their first connections: a column for each of `FIELDS`.

    `wanted` says, for each connection, whether it counts; `capture_end_ns` ends what nothing else ends; `halves_count` is for captures
    of control packets alone, which have no third segment to show.
    """

    def __init__(
        self, table: ConnectionTable, wanted: bytes, capture_end_ns: int, halves_count: bool
    ) -> None:
        self.table = table
        self.wanted = wanted if cython.compiled else memoryview(wanted)
        self.end_ns = capture_end_ns
        self.halves_count = halves_count
        self.pairs = 0
        self.pair_of = memoryview(array.array("i", bytes(4 * table.rows)))
        """Pair of each connection, -1 where it does not count."""
        self.numbers: dict[tuple[int, ...], int] = {}
        self.fields: dict[str, list[int]] = {name: [] for name in FIELDS}
        self._connections()

    def pair(self, row: cython.Py_ssize_t) -> cython.int:
        """The pair of a connection, -1 where the connection does not count."""
        return self.pair_of[row]

    def _connections(self) -> cython.int:
        """Counts each connection that is wanted into its pair."""
        table: ConnectionTable = self.table
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        state: cython.int
        flags: cython.uint
        fields = self.fields
        total: list[int] = fields["connections"]
        handshakes: list[int] = fields["handshakes"]
        for row in range(table.rows):
            self.pair_of[row] = -1
            if not self.wanted[row]:
                continue
            pair = self._pair(row)
            self.pair_of[row] = pair
            total[pair] += 1
            state = table.state[row]
            flags = table.flags[row]
            if flags & SUBFLOW:
                continue
            if state == COMPLETE or (state == HALF and self.halves_count):
                handshakes[pair] += 1
            elif state == REFUSED or state == UNANSWERED:
                fields["failed"][pair] += 1
            elif table.bytes0[row] or table.bytes1[row] or table.missing[row]:
                fields["half" if state == HALF else "not_seen"][pair] += 1
            if flags & ENCRYPTED:
                fields["unreadable"][pair] += 1
            if flags & LOST:
                fields["missed"][pair] += 1
        return 0

    def _pair(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The pair of a connection, made where it is the first."""
        table: ConnectionTable = self.table
        if table.client[row] == 0:
            key = (table.hi0[row], table.lo0[row], table.hi1[row], table.lo1[row], table.port1[row], table.scope[row])
        else:
            key = (table.hi1[row], table.lo1[row], table.hi0[row], table.lo0[row], table.port0[row], table.scope[row])
        found = self.numbers.get(key)
        if found is not None:
            return found
        self.numbers[key] = self.pairs
        for name, column in self.fields.items():
            column.append(row if name == "first_row" else 0)
        self.pairs += 1
        return self.pairs - 1

    def add_exchanges(self, exchanges: ExchangeTable) -> None:
        """Counts the exchanges, which are in the order of their requests, and finds each pair's peak."""
        table: ConnectionTable = self.table
        ends: list[Ends] = [Ends() for _ in range(self.pairs)]
        responses: list[int] = self.fields["responses"]
        requests: list[int] = self.fields["requests"]
        reused: list[int] = self.fields["reused"]
        unknown: list[int] = self.fields["unknown"]
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        kind: cython.int
        for row in range(exchanges.rows):
            connection = exchanges.connection[row]
            pair = self.pair_of[connection]
            if pair < 0:
                continue
            requests[pair] += 1
            if exchanges.status[row]:
                responses[pair] += 1
            kind = reuse(table.state[connection], table.flags[connection], exchanges.depth[row])
            if kind == REUSED:
                reused[pair] += 1
            elif kind == UNKNOWN:
                unknown[pair] += 1
            cython.cast(Ends, ends[pair]).begin(exchanges.request_ns[row], self._end(exchanges, row, connection))
        peaks: list[int] = self.fields["peak"]
        for pair in range(self.pairs):
            peaks[pair] = cython.cast(Ends, ends[pair]).peak

    def _end(
        self, exchanges: ExchangeTable, row: cython.Py_ssize_t, connection: cython.Py_ssize_t
    ) -> cython.longlong:
        """When the exchange stopped being busy."""
        table: ConnectionTable = self.table
        end: cython.longlong = exchanges.end_ns[row]
        if exchanges.flags[row] & RESPONSE_DONE:
            return end
        # A response that never ends: busy until the connection closes, unless the client stopped reading it.
        if end >= 0 and (table.closer[connection] == CLIENT_CLOSED or table.flags[connection] & CLIENT_STOPPED_READING):
            return end
        return table.closed[connection] if table.closed[connection] >= 0 else self.end_ns

    def count_cost(self, lower_bounds: list[int]) -> None:
        """Adds up `cost_ns`: from SYN to ready for a request, of each pair's handshakes behind its first `lower_bounds`."""
        table: ConnectionTable = self.table
        left: list[int] = list(lower_bounds)
        cost: list[int] = [0] * self.pairs
        self.fields["cost_ns"] = cost
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for row in range(table.rows):
            pair = self.pair_of[row]
            if pair < 0 or table.state[row] != COMPLETE or table.flags[row] & SUBFLOW:
                continue
            if left[pair] > 0:
                left[pair] -= 1
                continue
            cost[pair] += table.handshake_ns[row]
            if table.tls_ns[row] > 0:
                cost[pair] += table.tls_ns[row]

    def lacking(self, runner_knows: cython.bint) -> list[tuple[int, int]]:
        """(how many connections, the first of them) whose handshake is missing, whose requests are unreadable, of which bytes are missing.

        Only connections of pairs that make requests. `runner_knows`: the client's own account stands for what is encrypted.
        """
        table: ConnectionTable = self.table
        requests: list[int] = self.fields["requests"]
        unreadable: list[int] = self.fields["unreadable"]
        counts = [0, 0, 0]
        firsts = [-1, -1, -1]
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        state: cython.int
        flags: cython.uint
        cut: cython.bint
        for row in range(table.rows):
            pair = self.pair_of[row]
            if pair < 0 or not (table.bytes0[row] or table.bytes1[row] or table.missing[row]):
                continue
            state = table.state[row]
            flags = table.flags[row]
            cut = flags & LOST and flags & PAYLOAD_CUT and not table.missing[row]
            if not (requests[pair] or unreadable[pair] or cut):
                continue
            for place in range(3):
                if place == 0:
                    if state == COMPLETE or state == REFUSED or state == UNANSWERED:
                        continue
                elif place == 1:
                    if not cut and (runner_knows or not flags & ENCRYPTED):
                        continue
                elif (cut or not flags & LOST) and not flags & LATE_DATA:
                    continue
                counts[place] += 1
                if firsts[place] < 0:
                    firsts[place] = row
        return list(zip(counts, firsts, strict=True))

    def most_open(self, pair: cython.Py_ssize_t) -> cython.int:
        """The most connections of a pair that were open at once: no more requests than that were ever under way."""
        table: ConnectionTable = self.table
        ends = Ends()
        row: cython.Py_ssize_t
        for row in range(table.rows):
            if self.pair_of[row] == pair and (table.bytes0[row] or table.bytes1[row]):
                ends.begin(table.opened[row], table.closed[row] if table.closed[row] >= 0 else self.end_ns)
        return ends.peak


class Ends:
    """The ends of the intervals under way, as a binary heap with the soonest in front (Knuth, 5.2.3); `peak` is the most there were."""

    def __init__(self) -> None:
        self.heap: list[int] = []
        self.busy = 0
        self.peak = 0
        self.only = 0

    def begin(self, start: cython.longlong, end: cython.longlong) -> cython.int:
        """An interval [start, end) begins; none begins before one that was there already."""
        if self.busy == 1:
            # One at a time, the common case, needs no heap.
            if self.only <= start:
                self.only = end
                return 0
            self.heap = [self.only]
        elif self.busy == 0:
            self.only = end
            self.busy = 1
            self.peak = max(self.peak, 1)
            return 0
        while self.heap and self.heap[0] <= start:
            heapq.heappop(self.heap)
        if not self.heap:
            self.only = end
            self.busy = 1
            return 0
        heapq.heappush(self.heap, end)
        self.busy = len(self.heap)
        if self.busy > self.peak:
            self.peak = self.busy
        return 0
