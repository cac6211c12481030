# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Counting: connections and exchanges into pairs, and each pair's lower bound.

The lower bound is the pair's peak concurrency: the most exchanges busy at once. Busy is a half-open interval, from a
request's first byte to its response's last, so colouring the intervals needs as many connections as overlap at one
point, and no more. Exchanges are in the order of their requests, so one pass with a heap of the ends under way finds
the peak.
"""

from __future__ import annotations

import array

import cython

from verifier.wire import tables
from verifier.wire.connection import LETTERS
from verifier.wire.octets import Octets, zeros

if cython.compiled:
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.wire.tables import ConnectionTable, ExchangeTable

HISTORY_RST = cython.declare(cython.ulonglong, LETTERS.index("r"))
COMPLETE = cython.declare(cython.int, tables.COMPLETE)
HALF = cython.declare(cython.int, tables.HALF)
NOT_SEEN = cython.declare(cython.int, tables.NOT_SEEN)
REFUSED = cython.declare(cython.int, tables.REFUSED)
UNANSWERED = cython.declare(cython.int, tables.UNANSWERED)
CLIENT_CLOSED = cython.declare(cython.int, tables.CLIENT)
NOT_TAKEN = cython.declare(cython.uint, tables.NOT_TAKEN)
RESPONSE_DONE = cython.declare(cython.uint, tables.RESPONSE_DONE)
REQUEST_CLOSE = cython.declare(cython.uint, tables.REQUEST_CLOSE)
EXCESS = cython.declare(cython.uint, tables.EXCESS)
SUBFLOW = cython.declare(cython.uint, tables.SUBFLOW)
ENCRYPTED = cython.declare(cython.uint, tables.ENCRYPTED)
LOST = cython.declare(cython.uint, tables.REQUESTS_MISSED | tables.RESPONSES_MISSED)
LATE_DATA = cython.declare(cython.uint, tables.LATE_DATA)
PAYLOAD_CUT = cython.declare(cython.uint, tables.PAYLOAD_CUT)
DEPTH_UNSURE = cython.declare(cython.uint, tables.DEPTH_UNSURE)
UPGRADED = cython.declare(cython.uint, tables.UPGRADED)
CONNECT_REQUEST = cython.declare(cython.uint, tables.CONNECT_REQUEST)
TUNNEL = cython.declare(cython.uint, tables.TUNNEL)
HTTP1 = cython.declare(cython.int, tables.HTTP1)
WITH_RST = cython.declare(cython.int, tables.RST)
CLIENT_STOPPED_READING = cython.declare(cython.uint, tables.CLIENT_STOPPED_READING)

# How an exchange used its connection.
NEW = 0
REUSED = 1
PRE_EXISTING = 2
UNKNOWN = 3
_NEW = cython.declare(cython.int, NEW)
_REUSED = cython.declare(cython.int, REUSED)
_PRE_EXISTING = cython.declare(cython.int, PRE_EXISTING)
_UNKNOWN = cython.declare(cython.int, UNKNOWN)

TYPE_CHECKING = False
if TYPE_CHECKING:
    Order = list[int] | None
    Pairs = set[int]
    Several = list["Ends | None"]

FOREVER = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
Times = memoryview

NOTHING = array.array("q")


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
        "unreadable", "missed", "speaks", "unsure", "cost_ns", "first_row", "least",
    )  # fmt: skip

    def __init__(self, table: ConnectionTable, wanted: bytes, capture_end_ns: int, halves_count: bool) -> None:
        self.table = table
        self.end_ns = capture_end_ns
        self.pair_of = memoryview(zeros("i", table.rows))
        """Pair of each connection, -1 where it does not count."""
        first_rows = self._number_pairs(wanted if cython.compiled else memoryview(wanted))
        self.pairs = len(first_rows)
        arrays = {name: zeros("q", self.pairs) for name in self.FIELDS}
        arrays["first_row"] = array.array("q", first_rows)
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
        self.cost_ns = memoryview(arrays["cost_ns"])
        self.extra = memoryview(zeros("B", table.rows))
        self.needed = memoryview(zeros("B", table.rows))
        """Connections that carried the request which made a new peak."""
        self.most = memoryview(zeros("B", table.rows))
        """Connections with which more were open than ever before, of pairs whose requests are unreadable."""
        self.halves_count = halves_count
        self.curious = self.pairs > 1
        """Whether there may be something to explain: more than whole exchanges, one after another, on one connection.
        """
        self._connections()

    def pair(self, row: cython.Py_ssize_t) -> cython.int:
        """The pair of a connection, -1 where the connection does not count."""
        return self.pair_of[row]

    def is_extra(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether a connection is one of its pair's extra handshakes."""
        return self.extra[row] != 0

    def field(self, name: str) -> list[int]:
        """One column, a number for each pair."""
        return list(self.arrays[name])

    def _number_pairs(self, wanted: Octets) -> list[int]:
        """Gives each connection that is wanted its pair's number; returns the first connection of each pair."""
        table: ConnectionTable = self.table
        numbers: dict[int, int] = {}
        first_rows: list[int] = []
        row: cython.Py_ssize_t
        before: cython.Py_ssize_t = -1
        networks = table.networks
        for row in range(table.rows):
            if not wanted[row]:
                self.pair_of[row] = -1
                continue
            if before >= 0 and networks is None and self._same_pair(row, before):
                self.pair_of[row] = self.pair_of[before]
                continue
            before = row
            if table.client[row] == 0:
                client = int(table.hi0[row]) << 64 | table.lo0[row]
                server = int(table.hi1[row]) << 64 | table.lo1[row]
                service = table.port1[row]
            else:
                client = int(table.hi1[row]) << 64 | table.lo1[row]
                server = int(table.hi0[row]) << 64 | table.lo0[row]
                service = table.port0[row]
            # One number takes a third of the memory of a tuple: there may be a million pairs.
            key = ((client << 128 | server) << 16 | service) << 8 | table.version[row]
            if networks is not None:
                key = networks[row] << 280 | key
            number = numbers.setdefault(key, len(first_rows))
            if number == len(first_rows):
                first_rows.append(row)
            self.pair_of[row] = number
        return first_rows

    def _same_pair(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether two connections with their clients on side 0 are of the same pair."""
        table: ConnectionTable = self.table
        return (
            table.client[row] == 0
            and table.client[other] == 0
            and table.port1[row] == table.port1[other]
            and table.lo0[row] == table.lo0[other]
            and table.lo1[row] == table.lo1[other]
            and table.hi0[row] == table.hi0[other]
            and table.hi1[row] == table.hi1[other]
            and table.version[row] == table.version[other]
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
                continue
            if table.responses[row] or table.protocol[row] == HTTP1:
                self.speaks[pair] += 1
            if self._is_handshake(row):
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

    def _is_handshake(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the connection counts as a handshake."""
        state: cython.int = self.table.state[row]
        return not self.table.flags[row] & SUBFLOW and (state == COMPLETE or (state == HALF and self.halves_count))

    def add_exchanges(self, exchanges: ExchangeTable) -> None:
        """Counts the exchanges, and finds each pair's peak."""
        table: ConnectionTable = self.table
        ends: Several = [None] * self.pairs
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        kind: cython.int
        order = in_order(exchanges.request_ns, exchanges.rows)
        upgraded: set[int] = set()
        place: cython.Py_ssize_t
        for place in range(exchanges.rows):
            row = place if order is None else order[place]
            connection = exchanges.connection[row]
            pair = self.pair_of[connection]
            if pair < 0:
                continue
            self.requests[pair] += 1
            if exchanges.status[row]:
                self.responses[pair] += 1
            kind = reuse(table.state[connection], table.flags[connection], exchanges.flags[row], exchanges.depth[row])
            if kind == _REUSED:
                self.reused[pair] += 1
            elif kind == _PRE_EXISTING:
                self.pre_existing[pair] += 1
            elif kind == _UNKNOWN:
                self.unknown[pair] += 1
            if self._is_inside(exchanges, row, connection):
                continue
            self.ends_frame = exchanges.end_frame[row]
            end_ns: cython.longlong = self._end(exchanges, row, connection)
            if ends_of(ends, pair).begin(
                exchanges.request_ns[row], exchanges.request_frame[row], end_ns, self.ends_frame
            ):
                self.needed[connection] = 1
            if exchanges.flags[row] & UPGRADED:
                upgraded.add(pair)
            if exchanges.flags[row] & (REQUEST_CLOSE | EXCESS) or not exchanges.flags[row] & RESPONSE_DONE:
                self.curious = True
        for pair in range(self.pairs):
            self.peak[pair] = peak_of(ends, pair)
            self.least[pair] = self.peak[pair]
            if self.connections[pair] > 1 or self.peak[pair] > 1:
                self.curious = True
        if upgraded:
            self._use_up(exchanges, order, upgraded)

    def _is_inside(
        self, exchanges: ExchangeTable, row: cython.Py_ssize_t, connection: cython.Py_ssize_t
    ) -> cython.bint:
        """Whether an exchange is inside of a tunnel, which is busy itself."""
        return self.table.flags[connection] & TUNNEL != 0 and not exchanges.flags[row] & CONNECT_REQUEST

    def _use_up(self, exchanges: ExchangeTable, order: Order, upgraded: Pairs) -> cython.int:
        """Finds the lower bound of pairs with connections that were upgraded to another protocol: such a one can't
        carry a request ever again (RFC 9110, section 7.8), so it counts as in use to the end."""
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        connection: cython.Py_ssize_t
        end_ns: cython.longlong
        ends: dict[int, Ends] = {number: Ends() for number in upgraded}
        for place in range(exchanges.rows):
            row = place if order is None else order[place]
            connection = exchanges.connection[row]
            pair = self.pair_of[connection]
            if pair not in ends or self._is_inside(exchanges, row, connection):
                continue
            self.ends_frame = exchanges.end_frame[row]
            end_ns = self._end(exchanges, row, connection)
            if exchanges.flags[row] & UPGRADED:
                end_ns = FOREVER
            if cython.cast(Ends, ends[pair]).begin(
                exchanges.request_ns[row], exchanges.request_frame[row], end_ns, self.ends_frame
            ):
                self.needed[connection] = 1
        for pair in upgraded:
            self.least[pair] = max(self.peak[pair], cython.cast(Ends, ends[pair]).peak)
        return 0

    def _end(self, exchanges: ExchangeTable, row: cython.Py_ssize_t, connection: cython.Py_ssize_t) -> cython.longlong:
        """When the exchange stopped being busy."""
        table: ConnectionTable = self.table
        end: cython.longlong = exchanges.end_ns[row]
        flags: cython.uint = exchanges.flags[row]
        tunnel: cython.bint = flags & CONNECT_REQUEST != 0 and 200 <= exchanges.status[row] < 300
        closed: cython.longlong = table.closed[connection]
        if table.closer[connection] == CLIENT_CLOSED and 0 <= closed < end and gave_up(table, connection):
            # What was under way when the client closed is refused by an RST: nobody reads it.
            self.ends_frame = table.close_frame[connection]
            return closed
        if flags & RESPONSE_DONE and not flags & UPGRADED and not tunnel:
            return end
        # A response that never ends, and what is no HTTP any more: busy until the connection closes, unless the client
        # stopped reading.
        stopped: cython.bint = not flags & RESPONSE_DONE and end >= 0
        if stopped and (table.closer[connection] == CLIENT_CLOSED or table.flags[connection] & CLIENT_STOPPED_READING):
            return end
        self.ends_frame = table.close_frame[connection]
        return closed if closed >= 0 else self.end_ns

    def mark_extra(self, lower_bounds: list[int]) -> None:
        """Marks each pair's handshakes above its lower bound as extra, and adds up what they cost: from SYN to ready
        for a request.

        Not extra are the pair's first, those that brought it to its peak, and, where these are fewer than the bound,
        the earliest others. A pair with lower bound 0 shows no request, and has no extra ones.
        """
        table: ConnectionTable = self.table
        bounds = memoryview(array.array("q", lower_bounds))
        spare = memoryview(array.array("q", lower_bounds))
        begun = memoryview(zeros("B", self.pairs))
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for pair in range(self.pairs):
            self.cost_ns[pair] = 0
        for row in range(table.rows):
            pair = self.pair_of[row]
            self.extra[row] = 0
            if pair < 0 or bounds[pair] == 0 or not self._is_handshake(row):
                continue
            self.extra[row] = 1
            if not begun[pair] or ((self.needed[row] or self.most[row]) and spare[pair] > 0):
                begun[pair] = 1
                spare[pair] -= 1
                self.extra[row] = 0
        for row in range(table.rows):
            if not self.extra[row]:
                continue
            pair = self.pair_of[row]
            if spare[pair] > 0:
                spare[pair] -= 1
                self.extra[row] = 0
                continue
            if table.handshake_ns[row] > 0:
                self.cost_ns[pair] += table.handshake_ns[row]
            if table.tls_ns[row] > 0:
                self.cost_ns[pair] += table.tls_ns[row] - 1

    def lacking(self, runner_knows: cython.bint) -> list[tuple[int, int]]:
        """(how many connections, the first of them) whose handshake is missing, whose requests are unreadable, of which
        bytes are missing.

        Only connections of pairs that speak HTTP or TLS, and those that lost bytes before that could show.
        `runner_knows`: the client's own account stands for what is encrypted.
        """
        table: ConnectionTable = self.table
        counts = [0, 0, 0]
        firsts = [-1, -1, -1]
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        state: cython.int
        flags: cython.uint
        cut: cython.bint
        lost: cython.bint
        carried: cython.bint
        taken_back: cython.bint
        for row in range(table.rows):
            pair = self.pair_of[row]
            if pair < 0:
                continue
            state = table.state[row]
            flags = table.flags[row]
            carried = table.bytes0[row] > 0 or table.bytes1[row] > 0 or table.missing[row] > 0
            cut = flags & LOST != 0 and flags & PAYLOAD_CUT != 0 and not table.missing[row]
            lost = table.missing[row] > 0 or flags & LATE_DATA != 0 or (flags & LOST != 0 and not cut)
            if not (self.requests[pair] or self.unreadable[pair] or self.speaks[pair] or cut or lost):
                continue
            for place in range(3):
                if place == 0:
                    # A half one without bytes counts where the client went on, or may have: not where it took its SYN
                    # back.
                    taken_back = table.closer[row] == CLIENT_CLOSED and table.closed_with[row] == WITH_RST
                    if state in (COMPLETE, REFUSED, UNANSWERED) or not (carried or (state == HALF and not taken_back)):
                        continue
                    if state == HALF and self.halves_count:
                        continue
                elif place == 1:
                    if runner_knows or not carried or not (cut or flags & ENCRYPTED):
                        continue
                elif not lost:
                    # Acknowledged and never seen: the capture lost packets, whatever they were.
                    continue
                counts[place] += 1
                if firsts[place] < 0:
                    firsts[place] = row
        return list(zip(counts, firsts, strict=True))

    def most_open(self) -> list[int]:
        """For each pair the most of its connections that were open at once: no more requests than that were ever under
        way."""
        table: ConnectionTable = self.table
        ends: Several = [None] * self.pairs
        order = in_order(table.opened, table.rows)
        place: cython.Py_ssize_t
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for place in range(table.rows):
            row = place if order is None else order[place]
            pair = self.pair_of[row]
            if pair >= 0 and (table.bytes0[row] or table.bytes1[row]):
                closed: cython.longlong = table.closed[row] if table.closed[row] >= 0 else self.end_ns
                if ends_of(ends, pair).begin(table.opened[row], table.first_frame[row], closed, table.close_frame[row]):
                    self.most[row] = 1
        return [peak_of(ends, pair) for pair in range(self.pairs)]


def ends_of(ends: Several, pair: cython.Py_ssize_t) -> Ends:
    """A pair's, made where it is the first time: of a million pairs few carry requests."""
    known = ends[pair]
    if known is None:
        known = ends[pair] = Ends()
    return known


def peak_of(ends: Several, pair: cython.Py_ssize_t) -> cython.Py_ssize_t:
    known = ends[pair]
    return 0 if known is None else known.peak


def in_order(times: Times, rows: cython.Py_ssize_t) -> list[int] | None:
    """The rows in the order of their times; None where they are in it already, as nearly all are.

    A head in several segments is complete behind others that began later, and files can be given in any order.
    """
    row: cython.Py_ssize_t
    for row in range(1, rows):
        if times[row] < times[row - 1]:
            # Of numbers alone: a typed view of the column has no such order of its own.
            known = [times[row] for row in range(rows)]
            return sorted(range(rows), key=known.__getitem__)
    return None


class Ends:
    """The ends of the intervals under way, as a binary heap with the soonest in front (Knuth, 5.2.3).

    Ends are ordered by time and, where times are equal, by frame: clocks can be coarse. `peak` is the most there were.
    """

    def __init__(self) -> None:
        self.size = 0
        self.peak = 0
        self.room = 0
        self.heap = memoryview(NOTHING)
        self.frames = memoryview(NOTHING)

    def begin(
        self, start: cython.longlong, start_frame: cython.longlong, end: cython.longlong, end_frame: cython.longlong
    ) -> cython.bint:
        """An interval [start, end) begins; none begins before one that was there already. Frame 0 is none. Whether
        there are more now than ever before."""
        if end > start and self.size and self._over(start, start_frame):
            self._sink(end, end_frame)  # in the place of the one that is over
            while self._over(start, start_frame):
                self._pop()
        else:
            while self.size and self._over(start, start_frame):
                self._pop()
            self._push(end, end_frame)
        if self.size <= self.peak:
            return False
        self.peak = self.size
        return True

    def _over(self, start: cython.longlong, start_frame: cython.longlong) -> cython.bint:
        """Whether the soonest end comes before `start`, or with it."""
        if self.heap[0] != start:
            return self.heap[0] < start
        return not start_frame or not self.frames[0] or self.frames[0] < start_frame

    def _before(self, place: cython.Py_ssize_t, end: cython.longlong, frame: cython.longlong) -> cython.bint:
        """Whether the end at `place` is sooner than this one."""
        return self.heap[place] < end or (self.heap[place] == end and self.frames[place] < frame)

    def _push(self, end: cython.longlong, frame: cython.longlong) -> cython.int:
        place: cython.Py_ssize_t = self.size
        above: cython.Py_ssize_t
        if place == self.room:
            self._grow()
        self.size += 1
        while place:
            above = (place - 1) // 2
            if self._before(above, end, frame):
                break
            self.heap[place] = self.heap[above]
            self.frames[place] = self.frames[above]
            place = above
        self.heap[place] = end
        self.frames[place] = frame
        return 0

    def _pop(self) -> cython.int:
        """Takes the soonest end away."""
        self.size -= 1
        return self._sink(self.heap[self.size], self.frames[self.size])

    def _sink(self, end: cython.longlong, frame: cython.longlong) -> cython.int:
        """Puts an end in the place of the soonest, and it and later ones in order."""
        place: cython.Py_ssize_t = 0
        below: cython.Py_ssize_t = 1
        other: cython.Py_ssize_t
        size: cython.Py_ssize_t = self.size
        if cython.compiled:
            # One bounds check for all places: each is below `size`, or 0.
            heap = cython.address(self.heap[0])
            frames = cython.address(self.frames[0])
            if size:
                self.heap[size - 1]
                self.frames[size - 1]
        else:
            heap = self.heap
            frames = self.frames
        while below < size:
            other = below + 1
            if other < size and (
                heap[other] < heap[below] or (heap[other] == heap[below] and frames[other] < frames[below])
            ):
                below = other
            if heap[below] > end or (heap[below] == end and frames[below] >= frame):
                break
            heap[place] = heap[below]
            frames[place] = frames[below]
            place = below
            below = place * 2 + 1
        heap[place] = end
        frames[place] = frame
        return 0

    def _grow(self) -> cython.int:
        """Room for twice as many."""
        room: cython.Py_ssize_t = max(4, self.room * 2)
        ends = zeros("q", room)
        frames = zeros("q", room)
        memoryview(ends)[: self.room] = self.heap[: self.room]
        memoryview(frames)[: self.room] = self.frames[: self.room]
        self.heap = memoryview(ends)
        self.frames = memoryview(frames)
        self.room = room
        return 0
