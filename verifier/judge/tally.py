# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
# `initializedcheck`, here and beside: a view that was never set has no items, so that its bounds are check enough.
"""Counting: connections and exchanges into pairs, and each pair's lower bound.

The lower bound is the pair's peak concurrency: the most exchanges busy at once. Busy is a half-open interval, from a
request's first byte to its response's last, so colouring the intervals needs as many connections as overlap at one
point, and no more. Exchanges are in the order of their requests, so one pass that counts those under way finds the
peak. Two kinds of connections can't carry just any request, so that more may be needed: what was upgraded carries none
any more, and a tunnel leads to one place.
"""

from __future__ import annotations

import cython

from verifier.judge.busy import FOREVER
from verifier.wire import tables
from verifier.wire.connection import LETTERS
from verifier.wire.octets import Octets, widened, zeros
from verifier.wire.tables import (
    CLIENT,
    CLIENT_STOPPED_READING,
    COMPLETE,
    CONNECT_REQUEST,
    DEPTH_UNSURE,
    ENCRYPTED,
    EXCESS,
    HALF,
    HTTP1,
    NOT_SEEN,
    NOT_TAKEN,
    REFUSED,
    REQUEST_CLOSE,
    RESPONSE_DONE,
    SUBFLOW,
    TUNNEL,
    UNANSWERED,
    UPGRADED,
)

if cython.compiled:
    from cython.cimports.verifier.judge.busy import Busy
    from cython.cimports.verifier.judge.order import Order
    from cython.cimports.verifier.wire.flows import mixed
    from cython.cimports.verifier.wire.rows import connection_row, exchange_row
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.judge.busy import Busy
    from verifier.judge.order import Order
    from verifier.wire.flows import mixed
    from verifier.wire.rows import connection_row, exchange_row
    from verifier.wire.tables import ConnectionTable, ExchangeTable

FIRST_PAIRS = 8
ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
HISTORY_RST = cython.declare(cython.ulonglong, LETTERS.index("r"))
LOST = cython.declare(cython.uint, tables.REQUESTS_MISSED | tables.RESPONSES_MISSED)
UNUSUAL = cython.declare(cython.uint, tables.RESPONSE_DONE | tables.UPGRADED | tables.CONNECT_REQUEST)
"""Flags of which an exchange that ends with its response has the first alone."""

# How an exchange used its connection.
NEW = 0
REUSED = 1
PRE_EXISTING = 2
UNKNOWN = 3
_NEW = cython.declare(cython.int, NEW)
_REUSED = cython.declare(cython.int, REUSED)
_PRE_EXISTING = cython.declare(cython.int, PRE_EXISTING)
_UNKNOWN = cython.declare(cython.int, UNKNOWN)

# What `Tally` notes of a connection, in one byte.
EXTRA = cython.declare(cython.int, 1)
"""One of its pair's extra handshakes."""
NEEDED = cython.declare(cython.int, 2)
"""It carried the request which made a new peak."""
MOST = cython.declare(cython.int, 4)
"""With it more were open than ever before, of pairs whose requests are unreadable."""
NOT_EXTRA = cython.declare(cython.int, 255 - 1)

TYPE_CHECKING = False
if TYPE_CHECKING:
    Pairs = set[int]

Numbers = memoryview


def reuse(
    connection_state: cython.int, connection_flags: cython.uint, exchange_flags: cython.uint, depth: cython.uint
) -> cython.int:
    """What an exchange of this depth did with its connection."""
    if depth > 1:
        return _REUSED
    if connection_state == NOT_SEEN:
        return _PRE_EXISTING
    if exchange_flags & DEPTH_UNSURE or connection_flags & SUBFLOW:
        return _UNKNOWN
    return _NEW


def ends_whole(exchange_flags: cython.uint, closer: cython.int) -> cython.bint:
    """Whether an exchange was plainly busy until its response ended."""
    return exchange_flags & UNUSUAL == RESPONSE_DONE and closer != CLIENT


def gave_up(table: ConnectionTable, row: cython.Py_ssize_t) -> cython.bint:
    """Whether an RST of the client is in a connection's history, and bytes of the server that it never acknowledged: of
    a client that closed first, it answers what came too late. One that only closed its own direction reads on."""
    if not table.flags[row] & NOT_TAKEN:
        return False
    wanted: cython.ulonglong = HISTORY_RST * 2 + table.client[row] + 1
    letters: cython.ulonglong = table.history_early[row]
    while letters:
        if letters & 31 == wanted:
            return True
        letters >>= 5
    return False


class Tally:
    """One row a pair, in the order of their first connections: a column for each of `FIELDS`.

    `wanted` says, for each connection, whether it counts; `capture_end_ns` ends what nothing else ends; `halves_count`
    is for captures of control packets alone, which have no third segment to show.
    """

    FIELDS = (
        "connections", "handshakes", "failed", "requests", "responses", "reused", "pre_existing", "unknown", "peak",
        "unreadable", "missed", "speaks", "unsure", "first_row", "least", "extra", "cost_ns",
    )  # fmt: skip

    def __init__(self, table: ConnectionTable, wanted: bytes, capture_end_ns: int, halves_count: bool) -> None:
        self.table = table
        self.end_ns = capture_end_ns
        self.ends_frame = 0
        self.pair_of = memoryview(zeros("i", table.rows))
        """Pair of each connection, -1 where it does not count."""
        self.pairs = 0
        self.first_row = memoryview(zeros("i", FIRST_PAIRS))
        self._number_pairs(wanted if cython.compiled else memoryview(wanted))
        arrays = {name: zeros("q" if name == "cost_ns" else "i", self.pairs) for name in self.FIELDS}
        arrays["first_row"] = self.first_row[: self.pairs]
        self.arrays = arrays
        self.connections = memoryview(arrays["connections"])
        self.handshakes = memoryview(arrays["handshakes"])
        self.failed = memoryview(arrays["failed"])
        self.requests = memoryview(arrays["requests"])
        self.responses = memoryview(arrays["responses"])
        self.reused = memoryview(arrays["reused"])
        self.pre_existing = memoryview(arrays["pre_existing"])
        self.unknown = memoryview(arrays["unknown"])
        self.peak = memoryview(arrays["peak"])
        self.least = memoryview(arrays["least"])
        """The fewest connections that could have carried the exchanges: the peak, if upgraded ones stay in use."""
        self.unreadable = memoryview(arrays["unreadable"])
        self.missed = memoryview(arrays["missed"])
        self.speaks = memoryview(arrays["speaks"])
        self.unsure = memoryview(arrays["unsure"])
        self.extra = memoryview(arrays["extra"])
        self.cost_ns = memoryview(arrays["cost_ns"])
        self.marks = memoryview(zeros("B", table.rows))
        """EXTRA, NEEDED, MOST: by connection."""
        self.halves_count = halves_count
        self.connect_requests = 0
        """Of the exchanges, those that ask a proxy for a tunnel."""
        self.curious = self.pairs > 1
        """Whether there may be something to explain: more than whole exchanges, one after another, on one connection.
        """
        self._connections()

    def pair(self, row: cython.Py_ssize_t) -> cython.int:
        """The pair of a connection, -1 where the connection does not count."""
        return self.pair_of[row]

    def is_extra(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether a connection is one of its pair's extra handshakes."""
        return self.marks[row] & EXTRA != 0

    def is_needed(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether a connection carried the request which made a new peak."""
        return self.marks[row] & NEEDED != 0

    def field(self, name: str) -> memoryview:
        """One column, a number for each pair."""
        return memoryview(self.arrays[name])

    def _number_pairs(self, wanted: Octets) -> cython.int:
        """Gives each connection that is wanted its pair's number, in the order of their first connections.

        The pairs are found in an open-addressing hash table that is at most half full. Its hash is keyed by Python's
        own secret, so that a capture can't be made to collide.
        """
        table: ConnectionTable = self.table
        secret: cython.ulonglong = hash(b"pairs") & ALL_BITS
        slots = memoryview(zeros("i", 2 * FIRST_PAIRS))
        slot: cython.Py_ssize_t
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        before: cython.Py_ssize_t = -1
        for row in range(table.rows):
            if not wanted[row]:
                self.pair_of[row] = -1
                continue
            if before >= 0 and self._same_pair(row, before):
                self.pair_of[row] = self.pair_of[before]
                continue
            before = row
            slot = self._slot(slots, row, secret)
            if slots[slot] == 0:
                if self.pairs * 2 == len(slots):
                    self.first_row = memoryview(widened(self.first_row, self.pairs * 2))
                    slots = memoryview(zeros("i", self.pairs * 4))
                    for pair in range(self.pairs):
                        slots[self._slot(slots, self.first_row[pair], secret)] = pair + 1
                    slot = self._slot(slots, row, secret)
                self.first_row[self.pairs] = row
                self.pairs += 1
                slots[slot] = self.pairs
            self.pair_of[row] = slots[slot] - 1
        return 0

    def _slot(self, slots: Numbers, row: cython.Py_ssize_t, secret: cython.ulonglong) -> cython.Py_ssize_t:
        """Where the table of pairs has the pair of this connection, or has room for it: pairs plus one, 0 for none."""
        table: ConnectionTable = self.table
        high: cython.ulonglong = table.hi1[row]
        low: cython.ulonglong = table.lo1[row]
        port: cython.ulonglong = table.port1[row]
        hashed: cython.ulonglong
        if table.client[row] == 0:
            hashed = mixed(table.lo0[row] ^ mixed(table.hi0[row] ^ secret))
        else:
            hashed = mixed(low ^ mixed(high ^ secret))
            high = table.hi0[row]
            low = table.lo0[row]
            port = table.port0[row]
        hashed = mixed(low ^ mixed(high ^ hashed) ^ (port << 40))  # above the 32 bits of an IPv4 address
        mask: cython.Py_ssize_t = len(slots) - 1
        slot: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, hashed >> 32) & mask
        while slots[slot] and not self._same_pair(row, self.first_row[slots[slot] - 1]):
            slot = (slot + 1) & mask
        return slot

    def _same_pair(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether two connections are of the same pair."""
        table: ConnectionTable = self.table
        if table.version[row] != table.version[other]:
            return False
        if table.networks is not None and table.networks[row] != table.networks[other]:
            return False
        port: cython.int = table.port1[row] if table.client[row] == 0 else table.port0[row]
        if port != (table.port1[other] if table.client[other] == 0 else table.port0[other]):
            return False
        if table.client[row] == table.client[other]:
            return (
                table.lo0[row] == table.lo0[other]
                and table.lo1[row] == table.lo1[other]
                and table.hi0[row] == table.hi0[other]
                and table.hi1[row] == table.hi1[other]
            )
        return (
            table.lo0[row] == table.lo1[other]
            and table.lo1[row] == table.lo0[other]
            and table.hi0[row] == table.hi1[other]
            and table.hi1[row] == table.hi0[other]
        )

    def _connections(self) -> cython.int:
        """Counts the connections into their pairs."""
        table: ConnectionTable = self.table
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        state: cython.int
        flags: cython.uint
        for row in range(table.rows):
            pair = self.pair_of[row]
            if pair < 0:
                continue
            self.connections[pair] += 1
            state = table.state[row]
            flags = table.flags[row]
            if flags & SUBFLOW:
                if table.bytes0[row] or table.bytes1[row]:
                    self.missed[pair] += 1
                continue
            if table.responses[row] or table.protocol[row] == HTTP1:
                self.speaks[pair] += 1
            if self.is_handshake(row):
                self.handshakes[pair] += 1
            elif state in (REFUSED, UNANSWERED):
                self.failed[pair] += 1
            else:
                self.unsure[pair] += 1
            if flags & ENCRYPTED:
                self.unreadable[pair] += 1
            if flags & LOST:
                self.missed[pair] += 1
        return 0

    def is_handshake(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the connection counts as a handshake."""
        this = connection_row(self.table, row)
        return not this.flags & SUBFLOW and (this.state == COMPLETE or (this.state == HALF and self.halves_count))

    def add_exchanges(self, exchanges: ExchangeTable) -> None:
        """Counts the exchanges, and finds each pair's peak."""
        # They nearly always are in the order of their requests: whether they are shows on the way.
        if not self._walk(exchanges, None):
            self._begin_anew()
            self._walk(exchanges, Order(exchanges.request_ns, exchanges.rows))

    def _begin_anew(self) -> cython.int:
        """Forgets what a walk has counted that found the exchanges out of order."""
        pair: cython.Py_ssize_t
        row: cython.Py_ssize_t
        self.connect_requests = 0
        for pair in range(self.pairs):
            self.requests[pair] = 0
            self.pre_existing[pair] = 0
            self.unknown[pair] = 0
            self.peak[pair] = 0
        for row in range(self.table.rows):
            self.marks[row] = 0
        return 0

    def _walk(self, exchanges: ExchangeTable, order: Order | None) -> cython.bint:
        """Counts the exchanges in this order, or as they stand. Whether their times never fall."""
        table: ConnectionTable = self.table
        busy: Busy = Busy(self.peak, table.rows)
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        flags: cython.uint
        kind: cython.int
        end_ns: cython.longlong
        latest: cython.longlong = -FOREVER
        upgraded: set[int] = set()
        tunnelled: set[int] = set()
        # By pair: the fewer, where what is counted is all the others.
        unanswered = memoryview(zeros("i", self.pairs))
        first = memoryview(zeros("i", self.pairs))
        place: cython.Py_ssize_t
        for place in range(exchanges.rows):
            row = place if order is None else order.row(place)
            this = exchange_row(exchanges, row)
            if this.request_ns < latest:
                return False
            latest = this.request_ns
            connection = this.connection
            pair = self.pair_of[connection]
            if pair < 0:
                continue
            carrier = connection_row(table, connection)
            flags = this.flags
            self.requests[pair] += 1
            if not this.status:
                unanswered[pair] += 1
            if this.depth <= 1:
                first[pair] += 1
                kind = reuse(carrier.state, carrier.flags, flags, this.depth)
                if kind == _PRE_EXISTING:
                    self.pre_existing[pair] += 1
                elif kind == _UNKNOWN:
                    self.unknown[pair] += 1
            if carrier.flags & TUNNEL:
                tunnelled.add(pair)
                self.connect_requests += flags & CONNECT_REQUEST != 0
                continue
            if ends_whole(flags, carrier.closer):
                end_ns = this.end_ns
                self.ends_frame = this.end_frame
            else:
                end_ns = self.end(exchanges, row, connection)
                self.connect_requests += flags & CONNECT_REQUEST != 0
                if flags & UPGRADED:
                    upgraded.add(pair)
            busy.go_to(latest, this.request_frame)
            if busy.begin(pair, connection, end_ns, self.ends_frame):
                self.marks[connection] |= NEEDED
            if flags & (REQUEST_CLOSE | EXCESS) or not flags & RESPONSE_DONE:
                self.curious = True
        for pair in range(self.pairs):
            self.responses[pair] = self.requests[pair] - unanswered[pair]
            self.reused[pair] = self.requests[pair] - first[pair]
            self.least[pair] = self.peak[pair]
            if self.connections[pair] > 1 or self.peak[pair] > 1:
                self.curious = True
        if upgraded or tunnelled:
            self._narrow(exchanges, upgraded | tunnelled, tunnelled)
        return True

    def _inside(self, exchanges: ExchangeTable, row: cython.Py_ssize_t, connection: cython.Py_ssize_t) -> cython.bint:
        """Whether an exchange was seen inside of a tunnel."""
        if not self.table.flags[connection] & TUNNEL:
            return False
        return exchanges.depth[row] > self.table.tunnels[connection][0]

    def _narrow(self, exchanges: ExchangeTable, narrowed: Pairs, tunnelled: Pairs) -> cython.int:
        """Finds the peak and the lower bound of pairs with connections that can't carry just any request.

        What was upgraded to another protocol can't carry one ever again (RFC 9110, section 7.8): it counts as in use to
        the end. A tunnel whose requests are known is in use while one of them is, any other until its connection
        closes. And each leads to one place: as many are needed as were in use at once to each of them, and beside them
        for what goes through none. A CONNECT that is refused leads nowhere.
        """
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        end_ns: cython.longlong
        table: ConnectionTable = self.table
        known: set[int] = set()
        groups: dict[tuple[int, str], int] = {}
        for row in range(exchanges.rows):
            connection = exchanges.connection[row]
            if self.pair_of[connection] in narrowed:
                for to in ("", table.tunnels[connection][1]) if connection in table.tunnels else ("",):
                    groups.setdefault((self.pair_of[connection], to), len(groups))
                # What the client says of its own requests names no frames.
                if self._inside(exchanges, row, connection) or not exchanges.request_frame[row]:
                    known.add(connection)
        self.curious = self.curious or bool(tunnelled)
        for connection in range(table.rows):
            if self.pair_of[connection] in narrowed:
                self.marks[connection] = 0
        peaks = memoryview(zeros("i", self.pairs))
        by_group = memoryview(zeros("i", len(groups)))
        busy: Busy = Busy(peaks, table.rows)
        busy_to: Busy = Busy(by_group, table.rows)
        order: Order = Order(exchanges.request_ns, exchanges.rows)
        for place in range(exchanges.rows):
            row = order.row(place)
            connection = exchanges.connection[row]
            pair = self.pair_of[connection]
            if pair not in narrowed:
                continue
            end_ns = self.end(exchanges, row, connection)
            depth, to = table.tunnels.get(connection, (0, ""))
            if exchanges.request_frame[row] and exchanges.depth[row] == depth and connection in known:
                end_ns = exchanges.end_ns[row]
                self.ends_frame = exchanges.end_frame[row]
            busy.go_to(exchanges.request_ns[row], exchanges.request_frame[row])
            busy_to.go_to(exchanges.request_ns[row], exchanges.request_frame[row])
            refused: cython.bint = pair in tunnelled and exchanges.flags[row] & CONNECT_REQUEST != 0 and not depth
            most: cython.bint = busy.begin(pair, connection, end_ns, self.ends_frame)
            # Where tunnels are, more at once, to several places, makes no second one to the same place needed.
            if most and (refused or pair not in tunnelled):
                self.marks[connection] |= NEEDED
            if refused:
                continue
            if exchanges.flags[row] & UPGRADED:
                end_ns = FOREVER
            if busy_to.begin(groups[(pair, to)], connection, end_ns, self.ends_frame):
                self.marks[connection] |= NEEDED
        for pair in narrowed:
            self.peak[pair] = peaks[pair]
            self.least[pair] = 0
        for (pair, _), place in groups.items():
            self.least[pair] += by_group[place]
        for pair in narrowed:
            self.least[pair] = max(self.least[pair], self.peak[pair])
        return 0

    def peaks_in_order(self, exchanges: ExchangeTable) -> memoryview:
        """For each pair the most exchanges that were busy at once if packets were sent in the order in which they
        stand, whatever their times."""
        table: ConnectionTable = self.table
        peaks = memoryview(zeros("i", self.pairs))
        begins = memoryview(zeros("q", exchanges.rows))
        busy: Busy = Busy(peaks, table.rows)
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        for row in range(exchanges.rows):
            begins[row] = exchanges.request_frame[row]
        order: Order = Order(begins, exchanges.rows)
        for place in range(exchanges.rows):
            row = order.row(place)
            connection = exchanges.connection[row]
            if self.pair_of[connection] < 0:
                continue
            if self._inside(exchanges, row, connection):
                continue  # of a tunnel, which is busy itself
            self.end(exchanges, row, connection)
            busy.go_to(begins[row], 0)
            busy.begin(self.pair_of[connection], connection, self.ends_frame if self.ends_frame else FOREVER, 0)
        return peaks

    def end(self, exchanges: ExchangeTable, row: cython.Py_ssize_t, connection: cython.Py_ssize_t) -> cython.longlong:
        """When the exchange stopped being busy; leaves the frame of it in `ends_frame`, 0 for none."""
        table: ConnectionTable = self.table
        end: cython.longlong = exchanges.end_ns[row]
        flags: cython.uint = exchanges.flags[row]
        self.ends_frame = exchanges.end_frame[row]
        closed: cython.longlong = table.closed[connection]
        if closed < end and closed >= 0 and table.closer[connection] == CLIENT and gave_up(table, connection):
            # What was under way when the client closed is refused by an RST: nobody reads it.
            self.ends_frame = table.close_frame[connection]
            return closed
        if flags & UNUSUAL == RESPONSE_DONE:
            return end
        tunnel: cython.bint = flags & CONNECT_REQUEST != 0 and 200 <= exchanges.status[row] < 300
        if flags & RESPONSE_DONE and not flags & UPGRADED and not tunnel:
            return end
        # A response that never ends, and what is no HTTP any more: busy until the connection closes, unless the client
        # stopped reading.
        stopped: cython.bint = not flags & RESPONSE_DONE and end >= 0
        if stopped and (table.closer[connection] == CLIENT or table.flags[connection] & CLIENT_STOPPED_READING):
            return end
        self.ends_frame = table.close_frame[connection]
        return closed if closed >= 0 else self.end_ns

    def mark_extra(self, bounds: Numbers) -> None:
        """Marks each pair's handshakes above its lower bound as extra, counts them, and adds up what they cost: from
        SYN to ready for a request.

        Not extra are the pair's first, those that brought it to its peak, and, where these are fewer than the bound,
        the earliest others. A pair with lower bound 0 shows no request, and has no extra ones.
        """
        table: ConnectionTable = self.table
        spare = memoryview(zeros("i", self.pairs))
        begun = memoryview(zeros("B", self.pairs))
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for pair in range(self.pairs):
            spare[pair] = bounds[pair]
            self.cost_ns[pair] = 0
            self.extra[pair] = max(0, self.handshakes[pair] - bounds[pair]) if bounds[pair] else 0
        for row in range(table.rows):
            pair = self.pair_of[row]
            self.marks[row] &= NOT_EXTRA
            if pair < 0 or bounds[pair] == 0 or not self.is_handshake(row):
                continue
            if not begun[pair] or (self.marks[row] and spare[pair] > 0):
                begun[pair] = 1
                spare[pair] -= 1
            else:
                self.marks[row] |= EXTRA
        for row in range(table.rows):
            if not self.marks[row] & EXTRA:
                continue
            pair = self.pair_of[row]
            if spare[pair] > 0:
                spare[pair] -= 1
                self.marks[row] &= NOT_EXTRA
                continue
            if table.handshake_ns[row] > 0:
                self.cost_ns[pair] += table.handshake_ns[row]
            if table.tls_ns[row] > 0:
                self.cost_ns[pair] += table.tls_ns[row] - 1

    def most_open(self) -> memoryview:
        """For each pair the most of its connections that were open at once: no more requests than that were ever under
        way."""
        table: ConnectionTable = self.table
        peaks = memoryview(zeros("i", self.pairs))
        busy: Busy = Busy(peaks, 0)
        order: Order = Order(table.opened, table.rows)
        place: cython.Py_ssize_t
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for place in range(table.rows):
            row = order.row(place)
            pair = self.pair_of[row]
            if pair >= 0 and (table.bytes0[row] or table.bytes1[row]):
                closed: cython.longlong = table.closed[row] if table.closed[row] >= 0 else self.end_ns
                busy.go_to(table.opened[row], table.first_frame[row])
                if busy.begin(pair, -1, closed, table.close_frame[row]):
                    self.marks[row] |= MOST
        return peaks
