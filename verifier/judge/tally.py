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
    H2,
    HALF,
    HTTP1,
    LATE_DATA,
    NOT_SEEN,
    NOT_TAKEN,
    PAYLOAD_CUT,
    REFUSED,
    REQUEST_CLOSE,
    RESPONSE_DONE,
    RST,
    SUBFLOW,
    TUNNEL,
    UNANSWERED,
    UPGRADED,
)

if cython.compiled:
    from cython.cimports.verifier.wire.flows import mixed
    from cython.cimports.verifier.wire.rows import connection_row, exchange_row
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.wire.flows import mixed
    from verifier.wire.rows import connection_row, exchange_row
    from verifier.wire.tables import ConnectionTable, ExchangeTable

FIRST_PAIRS = 8
FIRST_ROOM = 16
LOOKED_AT = cython.declare(cython.Py_ssize_t, 32)
"""Places that are looked at for one that is over, before the heap is asked."""
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

# Why requests can't be read, or bytes are not known, of one connection or of several.
HIDDEN = 1
"""Encrypted."""
FRAMED = 2
"""HTTP/2."""
CUT_OFF = 4
"""By the snaplen."""
UNTOLD = 8
"""Bytes that are there can't be told apart into messages, or show that others are not."""
_HIDDEN = cython.declare(cython.int, HIDDEN)
_FRAMED = cython.declare(cython.int, FRAMED)
_CUT_OFF = cython.declare(cython.int, CUT_OFF)
_UNTOLD = cython.declare(cython.int, UNTOLD)

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

FOREVER = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
LAST_FRAME = cython.declare(cython.uint, 0xFFFFFFFF)
Times = memoryview
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
        self.curious = self.pairs > 1
        self.connect_requests = 0
        """Of the exchanges, those that ask a proxy for a tunnel."""
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
            if busy.begin(pair, connection, end_ns, self.ends_frame):
                self.marks[connection] |= NEEDED
            if pair in tunnelled and exchanges.flags[row] & CONNECT_REQUEST and not depth:
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

    def lacking(self, runner_knows: cython.bint) -> list[tuple[int, int, int]]:
        """(how many connections, the first of them, why: HIDDEN, FRAMED, CUT_OFF, UNTOLD) whose handshake is missing,
        whose requests are unreadable, of which bytes are missing.

        Only connections of pairs that speak HTTP or TLS, and those that lost bytes before that could show.
        `runner_knows`: the client's own account stands for what is encrypted.
        """
        table: ConnectionTable = self.table
        counts = [0, 0, 0]
        firsts = [-1, -1, -1]
        whys = [0, 0, 0]
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        state: cython.int
        flags: cython.uint
        cut: cython.bint
        lost: cython.bint
        carried: cython.bint
        taken_back: cython.bint
        half: cython.bint
        failed: cython.bint
        for row in range(table.rows):
            pair = self.pair_of[row]
            if pair < 0:
                continue
            state = table.state[row]
            flags = table.flags[row]
            carried = table.bytes0[row] > 0 or table.bytes1[row] > 0 or table.missing[row] > 0
            cut = flags & LOST != 0 and flags & PAYLOAD_CUT != 0 and not table.missing[row]
            lost = table.missing[row] > 0 or flags & LATE_DATA != 0 or (flags & LOST != 0 and not cut)
            # Of an MPTCP connection each subflow may have any part of a message: none can be read alone.
            lost = lost or (flags & SUBFLOW != 0 and carried)
            if not (self.requests[pair] or self.unreadable[pair] or self.speaks[pair] or cut or lost):
                continue
            for place in range(3):
                if place == 0:
                    # A half one without bytes counts where the client went on, or may have: not where it took its SYN
                    # back. Of some the SYN-ACK alone is there.
                    taken_back = table.closer[row] == CLIENT and table.closed_with[row] == RST
                    half = state == HALF or table.synack_frame[row] > 0
                    # A request in a SYN (fast open) that is not taken is an attempt that failed where the client then
                    # connected. Where it never did, nothing is there to prove anything by.
                    failed = state in (REFUSED, UNANSWERED) and (not carried or self.handshakes[pair] > 0)
                    if state == COMPLETE or failed or not (carried or (half and not taken_back)):
                        continue
                    if state == HALF and self.halves_count:
                        continue
                elif place == 1:
                    if runner_knows or not carried or not (cut or flags & ENCRYPTED):
                        continue
                    if not flags & ENCRYPTED:
                        whys[place] |= _CUT_OFF
                    else:
                        whys[place] |= _FRAMED if table.protocol[row] == H2 else _HIDDEN
                elif not lost:
                    # Acknowledged and never seen: the capture lost packets, whatever they were.
                    continue
                elif not table.missing[row] and not flags & LATE_DATA:
                    whys[place] |= _UNTOLD
                counts[place] += 1
                if firsts[place] < 0:
                    firsts[place] = row
        return list(zip(counts, firsts, whys, strict=True))

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


class Busy:
    """Counts the intervals that are under way, of all pairs side by side. `peaks`, a column by pair, has the most there
    were. Intervals are half-open, and come in the order of their beginnings.

    Ends are ordered by time and, where times are equal, by frame: clocks can be coarse. What is over is looked for only
    where it matters: when a pair would have more intervals than ever before. And an interval that begins on a
    connection whose last one is over takes the place of that one, as nearly all do; others take one that a look around
    finds. The old end stays behind in the heap, where it is never later than the true one, until it comes to the front.
    """

    def __init__(self, peaks: Numbers, connections: int) -> None:
        """`connections`: how many there are, where intervals are of connections."""
        self.peaks = peaks
        self.count = memoryview(zeros("i", len(peaks)))
        """By pair: intervals under way, and those that are over and not taken out yet."""
        self.place_of = memoryview(zeros("i", connections))
        """By connection: the place of its last interval, plus one, 0 for none."""
        self.heap = Heap()
        """The places, by an end of each that is its true one, or sooner."""
        self.free = -1
        """The first place that nothing is in, -1 for none; the others follow in `pairs`."""
        self.ends = memoryview(zeros("q", FIRST_ROOM))
        self.frames = memoryview(zeros("I", FIRST_ROOM))
        self.pairs = memoryview(zeros("i", FIRST_ROOM))
        self.owners = memoryview(zeros("i", FIRST_ROOM))
        self.places = 0
        self.hand = 0
        self.newest = -1
        """The place of the interval that began last."""
        self.moment = -1
        self.frame = 0

    def go_to(self, moment: cython.longlong, frame: cython.uint) -> cython.int:
        """From now on it is this moment, with this frame, 0 for none: what ends with it is over if its frame came
        before."""
        if frame == 0:
            frame = LAST_FRAME
        if moment == self.moment and frame < self.frame:
            # A head that was complete late. What this makes over already stays so, but for the interval just begun.
            self._clear(-1, self.newest)
        self.moment = moment
        self.frame = frame
        return 0

    def begin(
        self, pair: cython.Py_ssize_t, owner: cython.Py_ssize_t, end: cython.longlong, frame: cython.uint
    ) -> cython.bint:
        """An interval of a pair begins now. `owner` is its connection, -1 where nothing follows on the same. Whether
        there are more now than ever before."""
        place: cython.Py_ssize_t = self.place_of[owner] - 1 if owner >= 0 else -1
        if place >= 0:
            before: cython.longlong = self.ends[place]
            before_frame: cython.uint = self.frames[place]
            if self._over(before, before_frame) and not sooner(end, frame, before, before_frame):
                self.ends[place] = end
                self.frames[place] = frame
                self.newest = place
                return False
            self.owners[place] = -1
        return self._begin_elsewhere(pair, owner, end, frame)

    def _begin_elsewhere(
        self, pair: cython.Py_ssize_t, owner: cython.Py_ssize_t, end: cython.longlong, frame: cython.uint
    ) -> cython.bint:
        """An interval begins that can't take the place of the last one on its connection."""
        place: cython.Py_ssize_t
        if self.count[pair] and self.count[pair] >= self.peaks[pair]:
            place = self._left(pair, end, frame)
            if place >= 0:
                if self.owners[place] >= 0:
                    self.place_of[self.owners[place]] = 0
                self._put(place, pair, owner, end, frame)
                return False
            self._clear(pair, -1)
        place = self._place()
        self._put(place, pair, owner, end, frame)
        self.heap.push(end, frame, place)
        self.count[pair] += 1
        if self.count[pair] <= self.peaks[pair]:
            return False
        self.peaks[pair] = self.count[pair]
        return True

    def _put(
        self,
        place: cython.Py_ssize_t,
        pair: cython.Py_ssize_t,
        owner: cython.Py_ssize_t,
        end: cython.longlong,
        frame: cython.uint,
    ) -> cython.int:
        self.pairs[place] = pair
        self.owners[place] = owner
        self.ends[place] = end
        self.frames[place] = frame
        self.newest = place
        if owner >= 0:
            self.place_of[owner] = place + 1
        return 0

    def _left(self, pair: cython.Py_ssize_t, end: cython.longlong, frame: cython.uint) -> cython.Py_ssize_t:
        """The place of an interval of the pair that is over, among the next few places; -1 where none is there. It can
        be that of one that ends then."""
        steps: cython.Py_ssize_t = min(LOOKED_AT, self.places)
        hand: cython.Py_ssize_t = self.hand
        found: cython.Py_ssize_t = -1
        while steps and found < 0:
            steps -= 1
            hand = hand + 1 if hand + 1 < self.places else 0
            if (
                self.pairs[hand] == pair
                and self._over(self.ends[hand], self.frames[hand])
                and not sooner(end, frame, self.ends[hand], self.frames[hand])
            ):
                found = hand
        self.hand = hand
        return found

    def _over(self, end: cython.longlong, frame: cython.uint) -> cython.bint:
        if end != self.moment:
            return end < self.moment
        return frame == 0 or frame < self.frame or self.frame == LAST_FRAME

    def _clear(self, pair: cython.Py_ssize_t, spared: cython.Py_ssize_t) -> cython.int:
        """Takes out what is over, until the pair has room below its peak; of no pair, everything but what is in the
        place that is spared."""
        place: cython.Py_ssize_t
        met: cython.bint = False
        while self.heap.size and self._over(self.heap.keys[0], self.heap.seconds[0]):
            if pair >= 0 and self.count[pair] < self.peaks[pair]:
                break
            place = self.heap.values[0]
            if not self._over(self.ends[place], self.frames[place]):
                self.heap.replace(self.ends[place], self.frames[place], place)
                continue
            self.heap.pop()
            if place == spared:
                met = True
                continue
            self.count[self.pairs[place]] -= 1
            if self.owners[place] >= 0:
                self.place_of[self.owners[place]] = 0
            self.ends[place] = FOREVER
            self.pairs[place] = self.free
            self.free = place
        if met:
            self.heap.push(self.ends[spared], self.frames[spared], spared)
        return 0

    def _place(self) -> cython.Py_ssize_t:
        """One that nothing is in."""
        place: cython.Py_ssize_t
        if self.free < 0 and self.places == len(self.ends):
            self._clear(-1, -1)
            if self.heap.size * 2 > self.places:
                self.ends = memoryview(widened(self.ends, self.places * 2))
                self.frames = memoryview(widened(self.frames, self.places * 2))
                self.pairs = memoryview(widened(self.pairs, self.places * 2))
                self.owners = memoryview(widened(self.owners, self.places * 2))
        if self.free < 0:
            self.places += 1
            return self.places - 1
        place = self.free
        self.free = self.pairs[place]
        return place


def sooner(end: cython.longlong, frame: cython.uint, other: cython.longlong, other_frame: cython.uint) -> cython.bint:
    """Whether one moment comes before the other: by time, and by a number where times are equal."""
    return end < other or (end == other and frame < other_frame)


class Heap:
    """A binary heap with the least in front (Knuth, 5.2.3): by key, and by a second number where keys are equal."""

    def __init__(self) -> None:
        self.size = 0
        self.keys = memoryview(zeros("q", FIRST_ROOM))
        self.seconds = memoryview(zeros("I", FIRST_ROOM))
        self.values = memoryview(zeros("i", FIRST_ROOM))

    def push(self, key: cython.longlong, second: cython.uint, value: cython.Py_ssize_t) -> cython.int:
        """Adds a value."""
        place: cython.Py_ssize_t = self.size
        above: cython.Py_ssize_t
        if place == len(self.keys):
            self.keys = memoryview(widened(self.keys, place * 2))
            self.seconds = memoryview(widened(self.seconds, place * 2))
            self.values = memoryview(widened(self.values, place * 2))
        self.size += 1
        while place:
            above = (place - 1) // 2
            if not sooner(key, second, self.keys[above], self.seconds[above]):
                break
            self._put(place, self.keys[above], self.seconds[above], self.values[above])
            place = above
        return self._put(place, key, second, value)

    def pop(self) -> cython.Py_ssize_t:
        """Takes the first value out."""
        value: cython.Py_ssize_t = self.values[0]
        self.size -= 1
        self.replace(self.keys[self.size], self.seconds[self.size], self.values[self.size])
        return value

    def replace(self, key: cython.longlong, second: cython.uint, value: cython.Py_ssize_t) -> cython.int:
        """Takes the first value out, and adds one."""
        place: cython.Py_ssize_t = 0
        below: cython.Py_ssize_t = 1
        least: cython.longlong
        other: cython.longlong
        while below < self.size:
            least = self.keys[below]
            if below + 1 < self.size:
                other = self.keys[below + 1]
                if other < least or (other == least and self.seconds[below + 1] < self.seconds[below]):
                    below += 1
                    least = other
            if least > key or (least == key and self.seconds[below] >= second):
                break
            self._put(place, least, self.seconds[below], self.values[below])
            place = below
            below = place * 2 + 1
        return self._put(place, key, second, value)

    def _put(
        self, place: cython.Py_ssize_t, key: cython.longlong, second: cython.uint, value: cython.Py_ssize_t
    ) -> cython.int:
        self.keys[place] = key
        self.seconds[place] = second
        self.values[place] = value
        return 0


class Order:
    """Rows in the order of their times, which is mostly the order that they have.

    A head in several segments is complete behind others that began later, and files can be given in any order.
    """

    def __init__(self, times: Times, rows: int) -> None:
        self.times = times
        self.rows = rows
        self.sorted = in_order(times, rows)
        """Whether they have that order already."""
        if not self.sorted:
            self.places = ordered(times, rows)

    def row(self, place: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row at a place of the order."""
        return place if self.sorted else self.places[place]

    def lower(self, moment: cython.longlong) -> cython.Py_ssize_t:
        """The first place whose time is not before the moment."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.rows
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) // 2
            if self.times[self.row(middle)] < moment:
                low = middle + 1
            else:
                high = middle
        return low


def in_order(times: Times, rows: cython.Py_ssize_t) -> cython.bint:
    """Whether times never fall from one row to the next."""
    row: cython.Py_ssize_t
    time: cython.longlong
    latest: cython.longlong = times[0] if rows else 0
    for row in range(rows):
        time = times[row]
        if time < latest:
            return False
        latest = time
    return True


def ordered(times: Times, rows: cython.Py_ssize_t) -> Numbers:
    """The rows in the order of their times, those of equal times in their own."""
    order = memoryview(zeros("i", rows))
    row: cython.Py_ssize_t
    for row in range(rows):
        order[row] = row
    reorder(times, order)
    return order


def reorder(times: Times, order: Numbers) -> cython.int:
    """Brings rows into the order of their times; those of equal times stay as they stand to each other.

    Merges neighbours of doubling width (Knuth, 5.2.4). Of two that are in order already, nothing is touched but where
    they meet: what is nearly sorted costs little more than a look.
    """
    rows: cython.Py_ssize_t = len(order)
    aside = memoryview(zeros("i", rows))
    width: cython.Py_ssize_t = 1
    middle: cython.Py_ssize_t
    while width < rows:
        middle = width
        while middle < rows:
            if times[order[middle]] < times[order[middle - 1]]:
                merge(times, order, aside, middle, width)
            middle += width * 2
        width *= 2
    return 0


def merge(
    times: Times, order: Numbers, aside: Numbers, middle: cython.Py_ssize_t, width: cython.Py_ssize_t
) -> cython.int:
    """Makes one of two neighbours that are in order each, of this width: they meet at `middle`."""
    high: cython.Py_ssize_t = min(len(order), middle + width)
    # What stands before the least of the second stays where it is.
    least: cython.longlong = times[order[middle]]
    begin: cython.Py_ssize_t = middle - width
    end: cython.Py_ssize_t = middle
    half: cython.Py_ssize_t
    while begin < end:
        half = (begin + end) // 2
        if times[order[half]] <= least:
            begin = half + 1
        else:
            end = half
    size: cython.Py_ssize_t = middle - begin
    place: cython.Py_ssize_t
    for place in range(size):
        aside[place] = order[begin + place]
    left: cython.Py_ssize_t = 0
    place = begin
    while left < size:
        if middle < high and times[order[middle]] < times[aside[left]]:
            order[place] = order[middle]
            middle += 1
        else:
            order[place] = aside[left]
            left += 1
        place += 1
    return 0
