# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""How each connection ended, as a set of plain facts: who closed first, at what moment of its last exchange, what the
messages had said about it, and whether the same limit shows on other connections of its pair.

Facts only: which of them makes which cause is the table of `verifier.judge.causes`. Connections are compared
within pairs that have several. Moments are told by the clock of the capture:
`AT_ONCE` is within `SOON_NS` and two handshakes of the response's last byte, for a server on a busy machine answers its
own close late, and idle timeouts shorter than that are not met.
"""

from __future__ import annotations

import cython

from verifier.judge import facts
from verifier.judge.peers import Peers
from verifier.wire import tables
from verifier.wire.octets import zeros

if cython.compiled:
    from cython.cimports.verifier.judge.tally import Tally, gave_up
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.judge.tally import Tally, gave_up
    from verifier.wire.tables import ConnectionTable, ExchangeTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Words = memoryview
    Rows = list[int]
    """Rows of the connection table, or times. By this name, because compiled code takes `list[int]` and the `list` of
    the .pxd for two types."""

SOON_NS = cython.declare(cython.longlong, 50_000_000)
"""Measured on loopback: servers that close after a response do so within 1 ms, 20 ms under load."""
CLIENT_SOON_NS = cython.declare(cython.longlong, 150_000_000)
"""A client may have work to do with a response before it closes. Idle limits of clients are seconds."""
QUICK_NS = cython.declare(cython.longlong, 20_000_000)
"""No timeout is set shorter: a client that gives up within it does not wait for the answer."""
STALL_NS = cython.declare(cython.longlong, 200_000_000)
"""So long without a byte, in the middle of a response: more than the longest usual delayed acknowledgement."""
LONG_PAUSE_NS = cython.declare(cython.longlong, 100_000_000_000)
"""Above the idle timeouts that servers have by default (nginx 75 s), below those of gateways (350 s)."""
INSTANT_NS = cython.declare(cython.longlong, 100_000_000)
"""Closes within it are one event, where the connections had been idle for different times."""
MOST_SHOWN = 1000
"""Exchanges kept of each kind of oddity."""
CLOSE_IS_SHORTER = cython.declare(cython.uint, len("keep-alive") - len("close"))
TICK_NS = cython.declare(cython.longlong, 1_000_000)
MANY_AT_ONCE = 4
"""Connections closed in one instant, of which less has to differ."""
NEIGHBOURS = cython.declare(cython.Py_ssize_t, 64)
"""Connections of a pair that are looked at around one: as many are not open at once but in load tests."""

NOT_SEEN = cython.declare(cython.int, tables.NOT_SEEN)
H2 = cython.declare(cython.int, tables.H2)
WITH_RST = cython.declare(cython.int, tables.RST)
BY_NOBODY = cython.declare(cython.int, tables.NOBODY)
BY_CLIENT = cython.declare(cython.int, tables.CLIENT)
BY_SERVER = cython.declare(cython.int, tables.SERVER)

# Flags of exchanges.
DONE = cython.declare(cython.uint, tables.RESPONSE_DONE)
REQUEST_CLOSE = cython.declare(cython.uint, tables.REQUEST_CLOSE)
RESPONSE_CLOSE = cython.declare(cython.uint, tables.RESPONSE_CLOSE)
REQUEST_HTTP10 = cython.declare(cython.uint, tables.REQUEST_HTTP10)
RESPONSE_HTTP10 = cython.declare(cython.uint, tables.RESPONSE_HTTP10)
KEEP_ALIVE = cython.declare(cython.uint, tables.RESPONSE_KEEP_ALIVE)
CLOSE_DELIMITED = cython.declare(cython.uint, tables.CLOSE_DELIMITED)
EARLY_RESPONSE = cython.declare(cython.uint, tables.EARLY_RESPONSE)
HEAD_REQUEST = cython.declare(cython.uint, tables.HEAD_REQUEST)
CONNECT_REQUEST = cython.declare(cython.uint, tables.CONNECT_REQUEST)
UPGRADED_TO = cython.declare(cython.uint, tables.UPGRADED)
PROBES_UNHEARD = cython.declare(cython.uint, tables.PROBES_UNHEARD)
FORWARDED_ON = cython.declare(cython.uint, tables.FORWARDED)
EXCESS_BYTES = cython.declare(cython.uint, tables.EXCESS)

# Flags of connections.
LOST = cython.declare(cython.uint, tables.REQUESTS_MISSED | tables.RESPONSES_MISSED | tables.LATE_DATA)
ENCRYPTED_ON = cython.declare(cython.uint, tables.ENCRYPTED)
UNASKED_RESPONSE = cython.declare(cython.uint, tables.UNASKED_RESPONSE)
UNACKNOWLEDGED_LAST = cython.declare(cython.uint, tables.UNACKNOWLEDGED)
STOPPED_READING = cython.declare(cython.uint, tables.CLIENT_STOPPED_READING)
SERVER_ALERT = cython.declare(cython.uint, tables.SERVER_ALERT)
GOAWAY_SEEN = cython.declare(cython.uint, tables.GOAWAY)
RESET_BY_OTHER = cython.declare(cython.uint, tables.RESET_BY_OTHER)
SPOKE_LAST = cython.declare(cython.uint, tables.CLIENT_SPOKE_LAST)

# The facts.
CLIENT_FIRST = cython.declare(cython.ulonglong, facts.CLIENT_FIRST)
SERVER_FIRST = cython.declare(cython.ulonglong, facts.SERVER_FIRST)
BOTH_FIRST = cython.declare(cython.ulonglong, facts.BOTH_FIRST)
STILL_OPEN = cython.declare(cython.ulonglong, facts.STILL_OPEN)
BY_RESET = cython.declare(cython.ulonglong, facts.BY_RESET)
UNUSED = cython.declare(cython.ulonglong, facts.UNUSED)
WAITING = cython.declare(cython.ulonglong, facts.WAITING)
PARTIAL = cython.declare(cython.ulonglong, facts.PARTIAL)
AT_ONCE = cython.declare(cython.ulonglong, facts.AT_ONCE)
IDLE = cython.declare(cython.ulonglong, facts.IDLE)
SAID_CLOSE = cython.declare(cython.ulonglong, facts.SAID_CLOSE)
ASKED_CLOSE = cython.declare(cython.ulonglong, facts.ASKED_CLOSE)
HTTP10_RESPONSE = cython.declare(cython.ulonglong, facts.HTTP10_RESPONSE)
HTTP10_REQUEST = cython.declare(cython.ulonglong, facts.HTTP10_REQUEST)
NO_LENGTH = cython.declare(cython.ulonglong, facts.NO_LENGTH)
EARLY = cython.declare(cython.ulonglong, facts.EARLY)
ERROR = cython.declare(cython.ulonglong, facts.ERROR)
BODILESS = cython.declare(cython.ulonglong, facts.BODILESS)
OUTLIVED = cython.declare(cython.ulonglong, facts.OUTLIVED)
COUNT_TOGETHER = cython.declare(cython.ulonglong, facts.COUNT_TOGETHER)
ONLY_BODILESS = cython.declare(cython.ulonglong, facts.ONLY_BODILESS)
CLOSE_FITS = cython.declare(cython.ulonglong, facts.CLOSE_FITS)
COUNT_BY_SERVER = cython.declare(cython.ulonglong, facts.COUNT_BY_SERVER)
UNHEARD = cython.declare(cython.ulonglong, facts.UNHEARD)
ALERT_ANSWERS = cython.declare(cython.ulonglong, facts.ALERT_ANSWERS)
TUNNEL = cython.declare(cython.ulonglong, facts.TUNNEL)
UPGRADED = cython.declare(cython.ulonglong, facts.UPGRADED)
FORWARDED = cython.declare(cython.ulonglong, facts.FORWARDED)
EXCESS = cython.declare(cython.ulonglong, facts.EXCESS)
UNASKED = cython.declare(cython.ulonglong, facts.UNASKED)
ALERT = cython.declare(cython.ulonglong, facts.ALERT)
GOAWAY = cython.declare(cython.ulonglong, facts.GOAWAY)
ENCRYPTED = cython.declare(cython.ulonglong, facts.ENCRYPTED)
IS_H2 = cython.declare(cython.ulonglong, facts.IS_H2)
SEVERAL = cython.declare(cython.ulonglong, facts.SEVERAL)
DAMAGED = cython.declare(cython.ulonglong, facts.DAMAGED)
OTHER_HOPS = cython.declare(cython.ulonglong, facts.OTHER_HOPS)
UNACKNOWLEDGED = cython.declare(cython.ulonglong, facts.UNACKNOWLEDGED)
QUICKLY = cython.declare(cython.ulonglong, facts.QUICKLY)
STALLED = cython.declare(cython.ulonglong, facts.STALLED)
AFTER_PAUSE = cython.declare(cython.ulonglong, facts.AFTER_PAUSE)
LONG_PAUSE = cython.declare(cython.ulonglong, facts.LONG_PAUSE)
PAUSE_PAST_LIMIT = cython.declare(cython.ulonglong, facts.PAUSE_PAST_LIMIT)
CLOSED_BEFORE_REQUEST = cython.declare(cython.ulonglong, facts.CLOSED_BEFORE_REQUEST)
COUNT_REPEATS = cython.declare(cython.ulonglong, facts.COUNT_REPEATS)
COUNT_ANNOUNCED = cython.declare(cython.ulonglong, facts.COUNT_ANNOUNCED)
ALWAYS_ONE = cython.declare(cython.ulonglong, facts.ALWAYS_ONE)
ALWAYS_SAID = cython.declare(cython.ulonglong, facts.ALWAYS_SAID)
AGE_REPEATS = cython.declare(cython.ulonglong, facts.AGE_REPEATS)
GAP_REPEATS = cython.declare(cython.ulonglong, facts.GAP_REPEATS)
GAP_ANNOUNCED = cython.declare(cython.ulonglong, facts.GAP_ANNOUNCED)
GAP_KNOWN = cython.declare(cython.ulonglong, facts.GAP_KNOWN)
GAP_ABOVE_REUSE = cython.declare(cython.ulonglong, facts.GAP_ABOVE_REUSE)
ONLY_ERRORS = cython.declare(cython.ulonglong, facts.ONLY_ERRORS)
NO_EXPIRY = cython.declare(cython.ulonglong, facts.NO_EXPIRY)
SPENT = cython.declare(cython.ulonglong, facts.SPENT)
OTHERS_SAID_NOTHING = cython.declare(cython.ulonglong, facts.OTHERS_SAID_NOTHING)
SAME_INSTANT = cython.declare(cython.ulonglong, facts.SAME_INSTANT)
NEVER_KEEPS = cython.declare(cython.ulonglong, facts.NEVER_KEEPS)
OTHERS_KEPT = cython.declare(cython.ulonglong, facts.OTHERS_KEPT)

TOLD = cython.declare(cython.ulonglong, facts.TOLD)
MOMENTS = cython.declare(cython.ulonglong, facts.UNUSED | facts.WAITING | facts.PARTIAL | facts.AT_ONCE | facts.IDLE)
MANY_SAID = 4
"""Responses that all say close, before a server is said never to keep a connection."""


class Endings:
    """A column for each thing known of a connection, by row. `bits`: the facts of `verifier.judge.facts`. `gap`: from
    the last byte of its last response, or the last payload where that can't be read, to its first close, -1 where there
    is none. `count`: its requests, or turns where they are encrypted. `first`, `last`: rows of its exchanges, -1 for
    none.

    `told` has facts that a live client knows of its connections. `exchanges` are those of the packets, and turns for
    connections that have none: see `speech`.
    """

    def __init__(self, tally: Tally, exchanges: ExchangeTable, peers: Peers, told: dict[int, int]) -> None:
        self.tally = tally
        self.table = tally.table
        self.exchanges = exchanges
        self.prior = -1
        self.expiries = peers.expiries
        self.closers = peers.closers
        self.patient = peers.patient
        self.told = told
        rows = self.table.rows
        self.bits = memoryview(zeros("Q", rows))
        self.gap = memoryview(zeros("q", rows))
        self.pause = memoryview(zeros("q", rows))
        self.count = memoryview(zeros("I", rows))
        self.first = memoryview(zeros("i", rows))
        self.last = memoryview(zeros("i", rows))
        self.next = memoryview(zeros("i", exchanges.rows))
        """The next exchange on the same connection, -1 for none."""
        self.ignored_closes: list[int] = []
        """Exchanges whose request asked for a close, and whose connection went on."""
        self.overlapping: list[int] = []
        """Exchanges that began before the one before on the same connection was over."""
        self.excess: list[int] = []
        """Exchanges with bytes behind their response, whose connection went on."""
        self.short: list[int] = []
        """Connections whose server closed in the middle of a response."""
        self.members: dict[int, list[int]] = {}
        """Handshakes of each pair that has several connections, in the order of their first packets."""
        self.discarded: list[int] = []
        """Connections of these that the client closed at once while it went on with others."""
        self._thread()
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for row in range(rows):
            pair = tally.pair_of[row]
            if pair >= 0 and (tally._is_handshake(row) or self.table.state[row] == NOT_SEEN):
                self._end(row)
                if tally.connections[pair] > 1:
                    self.members.setdefault(pair, []).append(row)
        self.limits: dict[int, int] = {}
        """Pair to the idle time after which its server closes, where that shows."""
        self.longest: dict[int, int] = {}
        """Pair to the longest time that one of its connections was idle and then used again."""
        self.by_server: dict[tuple[int, int, int], list[int]] = {}
        """What each server closed by itself, whoever its client was."""
        for pair, members in self.members.items():
            self._compare(pair, members)
        for closed in self.by_server.values():
            self._instants(closed)

    def _thread(self) -> cython.int:
        """Strings the exchanges of each connection together."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        for row in range(self.table.rows):
            self.first[row] = -1
            self.last[row] = -1
        for row in range(exchanges.rows):
            owner = exchanges.connection[row]
            self.next[row] = -1
            if self.tally.pair_of[owner] < 0:
                continue
            if self.last[owner] >= 0:
                self._follows(self.last[owner], row)
            else:
                self.first[owner] = row
            self.last[owner] = row
            self.count[owner] += 1
        return 0

    def _follows(self, before: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """One exchange after another on the same connection."""
        exchanges: ExchangeTable = self.exchanges
        self.next[before] = row
        if exchanges.flags[before] & REQUEST_CLOSE and exchanges.flags[before] & DONE:
            keep(self.ignored_closes, before)
        frame: cython.uint = exchanges.request_frame[row]
        if frame and (exchanges.end_frame[before] > frame or not exchanges.flags[before] & DONE):
            keep(self.overlapping, row)
        if exchanges.flags[before] & EXCESS_BYTES:
            keep(self.excess, before)
        return 0

    def soon(self, row: cython.Py_ssize_t) -> cython.longlong:
        """What counts as at once on this connection, in nanoseconds."""
        handshake: cython.longlong = self.table.handshake_ns[row]
        return SOON_NS + (2 * handshake if handshake > 0 else 0)

    # -- one connection

    def _end(self, row: cython.Py_ssize_t) -> cython.int:
        """Writes down what one connection shows by itself."""
        table: ConnectionTable = self.table
        flags: cython.uint = table.flags[row]
        bits: cython.ulonglong = 0
        closer: cython.int = table.closer[row]
        if closer == BY_NOBODY:
            bits |= STILL_OPEN
        elif closer == BY_CLIENT and flags & SERVER_ALERT and table.odd_frame[row] < table.close_frame[row]:
            bits |= SERVER_FIRST  # its alert said so before the client's FIN
        elif closer == BY_CLIENT:
            bits |= CLIENT_FIRST
        elif closer == BY_SERVER:
            bits |= SERVER_FIRST
        else:
            bits |= BOTH_FIRST
        if table.closed_with[row] == WITH_RST:
            bits |= BY_RESET
        if flags & LOST:
            bits |= DAMAGED
        if table.protocol[row] == H2:
            self.count[row] = table.turns[row]
        elif flags & ENCRYPTED_ON:
            bits |= ENCRYPTED
            if self._speaks_h2(row):
                bits |= IS_H2
        if self.table.agent[row] - 1 in self.patient:
            bits |= NO_EXPIRY
        if self.table.software[row] - 1 in self.closers:
            bits |= NEVER_KEEPS
        if flags & UNASKED_RESPONSE:
            bits |= UNASKED
        if flags & PROBES_UNHEARD:
            bits |= UNHEARD
        if flags & SERVER_ALERT:
            bits |= ALERT
            if self.last[row] >= 0 and table.odd_frame[row] > self.exchanges.request_frame[self.last[row]]:
                bits |= ALERT_ANSWERS
        if flags & GOAWAY_SEEN:
            bits |= GOAWAY
        if flags & RESET_BY_OTHER:
            bits |= OTHER_HOPS
        if flags & UNACKNOWLEDGED_LAST:
            bits |= UNACKNOWLEDGED
        if self.count[row] > 1:
            bits |= SEVERAL
        if table.keep_max[row] in (1, 2):  # max=0 or max=1, plus one
            bits |= COUNT_ANNOUNCED
        self.gap[row] = -1
        if self.last[row] >= 0:
            self._forget_too_late(row, closer)
            bits |= self._spoken(row, self.last[row])
        else:
            bits |= self._unread(row)
        if bits & PARTIAL and bits & SERVER_FIRST and not bits & DAMAGED:
            keep(self.short, row)
        if self.told:
            bits |= self.told.get(row, 0)
        self.bits[row] = bits
        return 0

    def _forget_too_late(self, row: cython.Py_ssize_t, closer: cython.int) -> cython.int:
        """Leaves out requests that were sent long after the server had closed: the client had not looked. What closed
        the connection happened before."""
        exchanges: ExchangeTable = self.exchanges
        table: ConnectionTable = self.table
        last: cython.Py_ssize_t = self.last[row]
        at: cython.Py_ssize_t = self.first[row]
        if closer != BY_SERVER or last == at or exchanges.request_ns[last] <= table.closed[row] + self.soon(row):
            return 0
        count: cython.uint = 1
        while self.next[at] >= 0 and exchanges.request_ns[self.next[at]] <= table.closed[row] + self.soon(row):
            at = self.next[at]
            count += 1
        self.last[row] = at
        self.next[at] = -1
        self.count[row] = count
        return 0

    def _speaks_h2(self, row: cython.Py_ssize_t) -> cython.bint:
        found = self.table.tls.get(row)
        return found is not None and found[1] == b"h2"

    def _unread(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """The moment of the close, where no message could be read."""
        table: ConnectionTable = self.table
        if table.turns[row] == 0 and table.request_frame[row] == 0:
            return UNUSED
        if table.closed[row] < 0 or table.active[row] < 0:
            return 0
        if table.flags[row] & SPOKE_LAST:
            return WAITING
        if table.active[row] > table.closed[row]:
            return IDLE  # the client went on, on a connection that was closed: since when it was idle can't be told
        return self._rested(row, table.active[row])

    def _rested(self, row: cython.Py_ssize_t, end: cython.longlong) -> cython.ulonglong:
        """Keeps how long a connection was idle before it was closed; whether that was no time. An alert of the server
        is its close, though its FIN may come as late as the client's answer."""
        table: ConnectionTable = self.table
        closed: cython.longlong = table.closed[row]
        soon: cython.longlong = self.soon(row)
        if table.flags[row] & SERVER_ALERT and end <= table.odd_ns[row] < closed:
            closed = table.odd_ns[row]
        elif table.closer[row] == BY_CLIENT and soon < CLIENT_SOON_NS:
            soon = CLIENT_SOON_NS
        self.gap[row] = max(0, closed - end)
        return AT_ONCE if self.gap[row] <= soon else IDLE

    def _spoken(self, row: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.ulonglong:
        """What the last exchange says, and the moment of the close."""
        exchanges: ExchangeTable = self.exchanges
        flags: cython.uint = exchanges.flags[last]
        status: cython.int = exchanges.status[last]
        bits: cython.ulonglong = 0
        if flags & REQUEST_CLOSE:
            bits |= ASKED_CLOSE
        if flags & RESPONSE_CLOSE:
            bits |= SAID_CLOSE
        if flags & REQUEST_HTTP10 and not flags & KEEP_ALIVE:
            bits |= HTTP10_REQUEST
        if flags & RESPONSE_HTTP10 and not flags & KEEP_ALIVE:
            bits |= HTTP10_RESPONSE
        if flags & CLOSE_DELIMITED:
            bits |= NO_LENGTH
        if bits and flags & DONE:
            bits |= SPENT
        if flags & EARLY_RESPONSE:
            bits |= EARLY
        if status >= 400:
            bits |= ERROR
        if self._is_bodiless(last):
            bits |= BODILESS
        if flags & CONNECT_REQUEST:
            bits |= TUNNEL
        if flags & UPGRADED_TO:
            bits |= UPGRADED
        if flags & FORWARDED_ON:
            bits |= FORWARDED
        if flags & EXCESS_BYTES:
            bits |= EXCESS
        if self.first[row] != last and exchanges.flags[self.first[row]] & CONNECT_REQUEST:
            bits |= TUNNEL
        return bits | self._moment(row, last)

    def _moment(self, row: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.ulonglong:
        """When in the last exchange the connection was closed, or where it stands."""
        table: ConnectionTable = self.table
        exchanges: ExchangeTable = self.exchanges
        flags: cython.uint = exchanges.flags[last]
        closed: cython.longlong = table.closed[row]
        end: cython.longlong = exchanges.end_ns[last]
        bits: cython.ulonglong = 0
        if self.first[row] != last:
            self.pause[row] = self._pause(row, last)
            if exchanges.octets[last] and exchanges.octets[last] + CLOSE_IS_SHORTER == exchanges.octets[self.prior]:
                bits |= CLOSE_FITS | (SPENT if closed >= 0 and closed - end <= self.soon(row) else 0)
            if self.pause[row] > self.soon(row):
                bits |= AFTER_PAUSE
            if self.pause[row] >= LONG_PAUSE_NS:
                bits |= LONG_PAUSE
        if table.closer[row] == BY_CLIENT and 0 <= closed < end and gave_up(table, row):
            # What came after the client had closed was refused: it had given up.
            if closed < exchanges.response_ns[last] or exchanges.response_ns[last] < 0:
                return bits | WAITING | (QUICKLY if closed - exchanges.request_ns[last] < QUICK_NS else 0)
            return bits | PARTIAL
        if flags & DONE:
            if closed < 0:
                return bits
            return bits | self._rested(row, end)
        if exchanges.status[last] == 0:
            if closed >= 0 and closed <= exchanges.request_ns[last] and table.close_frame[row] < self._frame(last):
                bits |= CLOSED_BEFORE_REQUEST
            elif closed >= 0 and closed - exchanges.request_ns[last] < QUICK_NS:
                bits |= QUICKLY
            return bits | WAITING
        if closed >= 0 and closed - exchanges.response_ns[last] < QUICK_NS:
            bits |= QUICKLY
        if closed >= 0 and end >= 0 and closed - end > STALL_NS and not table.flags[row] & STOPPED_READING:
            bits |= STALLED
        return bits | PARTIAL

    def _frame(self, exchange: cython.Py_ssize_t) -> cython.uint:
        """The request's frame; of a request that only the client knows, a very late one."""
        frame: cython.uint = self.exchanges.request_frame[exchange]
        return frame if frame else 0xFFFFFFFF

    def _pause(self, row: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.longlong:
        """How long the connection was idle before its last request; leaves the exchange before that in `prior`."""
        exchanges: ExchangeTable = self.exchanges
        before: cython.Py_ssize_t = self.first[row]
        while self.next[before] != last and self.next[before] >= 0:
            before = self.next[before]
        self.prior = before
        return max(0, exchanges.request_ns[last] - exchanges.end_ns[before])

    # -- the connections of one pair

    def _compare(self, pair: cython.Py_ssize_t, members: Rows) -> cython.int:
        """Looks for what repeats among the connections of a pair."""
        row: cython.Py_ssize_t
        bits: cython.ulonglong
        server_idle: list[int] = []
        client_idle: list[int] = []
        at_once: list[int] = []
        self._short_timers(members)
        for row in members:
            bits = self.bits[row]
            if bits & DAMAGED or (bits & IDLE and self.gap[row] < 0):
                continue
            if bits & IDLE and bits & (SERVER_FIRST | BOTH_FIRST):
                server_idle.append(row)
            elif bits & IDLE and bits & CLIENT_FIRST:
                client_idle.append(row)
            elif bits & AT_ONCE and self._is_limited(bits) and self.table.state[row] != NOT_SEEN:
                at_once.append(row)
            if bits & SERVER_FIRST and not bits & SAID_CLOSE:
                self.by_server.setdefault(self._server(row), []).append(row)
        same_gap = self._same_gap(server_idle)
        if same_gap:
            self.limits[pair] = self.gap[same_gap[len(same_gap) // 2]]
        self._same_gap(client_idle)
        self._counts(at_once)
        self._ages(at_once + server_idle)
        self._announced(pair, server_idle)
        self._outlived(server_idle, members)
        self._expected(client_idle, members)
        self._headers(members)
        self._bodiless(members)
        if (self.tally.peak[pair] > 1 and self.tally.reused[pair]) or self.tally.unreadable[pair]:
            self._kept(members)
        limit: cython.longlong = self.limits.get(pair, 0)
        if limit:
            for row in members:
                if self.bits[row] & WAITING and self.pause[row] > limit * 3 // 2:
                    self.bits[row] |= PAUSE_PAST_LIMIT
        return 0

    def idle_gaps(self, pair: cython.Py_ssize_t, closers: cython.ulonglong) -> list[int]:
        """How long the pair's connections were idle, that one of these sides closed then."""
        row: cython.Py_ssize_t
        gaps: list[int] = []
        for row in self.members.get(pair, ()):
            if self.bits[row] & IDLE and self.bits[row] & closers and self.gap[row] >= 0:
                gaps.append(self.gap[row])
        return gaps

    def limited(self, pair: cython.Py_ssize_t, count: cython.uint) -> tuple[int, int]:
        """How many of the pair's connections the server closed behind the response of this number, and behind any."""
        row: cython.Py_ssize_t
        seen: cython.Py_ssize_t = 0
        closed: cython.Py_ssize_t = 0
        for row in self.members.get(pair, ()):
            if self.bits[row] & AT_ONCE and self._is_limited(self.bits[row]):
                closed += 1
                seen += self.count[row] == count
        return seen, closed

    def _is_limited(self, bits: cython.ulonglong) -> cython.bint:
        """Whether the server may have ended a connection behind a response: inside TLS it may have said so, and the
        client been the first to act on it."""
        return bits & (SERVER_FIRST | SAID_CLOSE) != 0 or (bits & ENCRYPTED != 0 and not bits & TOLD)

    def _server(self, row: cython.Py_ssize_t) -> tuple[int, int, int]:
        """Address and port of the server."""
        table: ConnectionTable = self.table
        if table.client[row] == 0:
            return table.hi1[row], table.lo1[row], table.port1[row]
        return table.hi0[row], table.lo0[row], table.port0[row]

    def _same_gap(self, rows: Rows) -> list[int]:
        """Marks the largest group that was idle equally long, as far as timers go; returns it. None where all of it was
        closed in one instant: a program that ends shows no timer."""
        group = [rows[place] for place in alike([self.gap[row] for row in rows])]
        closed = [self.table.closed[row] for row in group]
        if not group or max(closed) - min(closed) <= INSTANT_NS:
            return []
        for row in group:
            self.bits[row] |= GAP_REPEATS
        return group

    def _short_timers(self, members: Rows) -> cython.int:
        """Takes closes for those of an idle timer that follow the response soon, but always after the same time."""
        row: cython.Py_ssize_t
        bits: cython.ulonglong
        soon: list[int] = []
        gaps: list[int] = []
        for row in members:
            bits = self.bits[row]
            if bits & AT_ONCE and bits & SERVER_FIRST and not bits & (SAID_CLOSE | SPENT) and self.gap[row] > QUICK_NS:
                soon.append(row)
                gaps.append(self.gap[row])
        if len(gaps) > 1 and max(gaps) - min(gaps) <= min(gaps) // 10:
            for row in soon:
                self.bits[row] = (self.bits[row] & ~AT_ONCE) | IDLE
        return 0

    def _counts(self, rows: Rows) -> cython.int:
        """Whether the server closed after the same number of responses each time."""
        numbers: dict[int, int] = {}
        row: cython.Py_ssize_t
        for row in rows:
            numbers[self.count[row]] = numbers.get(self.count[row], 0) + 1
        if len(rows) < 2:
            return 0
        usual = max(numbers, key=numbers.__getitem__)
        if numbers[usual] < 2 or numbers[usual] * 3 < len(rows) * 2:
            return 0
        by_server: cython.bint = False
        for row in rows:
            if self.count[row] == usual and self.bits[row] & (SERVER_FIRST | SAID_CLOSE):
                by_server = True
        group = [row for row in rows if self.count[row] == usual]
        fact: cython.ulonglong = COUNT_TOGETHER if self._together(group) else COUNT_REPEATS
        for row in rows:
            if self.count[row] == usual and usual > 1:
                self.bits[row] |= fact | (COUNT_BY_SERVER if by_server and fact == COUNT_REPEATS else 0)
            if usual == 1 and len(numbers) == 1:
                self.bits[row] |= ALWAYS_ONE
        return 0

    def _together(self, rows: Rows) -> cython.bint:
        """Whether connections were open side by side, and all were closed in one instant: a limit that all reach at
        once, or one event."""
        opened = [self.table.opened[row] for row in rows]
        closed = [self.table.closed[row] for row in rows]
        spread: cython.longlong = max(closed) - min(closed)
        # One that is opened just as the one before it is closed overlaps with that one, too.
        return spread <= INSTANT_NS and min(closed) - max(opened) > spread

    def _ages(self, rows: Rows) -> cython.int:
        """Whether the server closed connections of the same age, where nothing else repeats."""
        others = [row for row in rows if not self.bits[row] & (COUNT_REPEATS | ALWAYS_ONE | GAP_REPEATS | SAID_CLOSE)]
        ages = [max(0, self.table.closed[row] - self.table.opened[row]) for row in others]
        group = [others[place] for place in alike(ages)]
        opened = [self.table.opened[row] for row in group]
        # Opened together and closed together, they are of the same age whatever closed them.
        if group and max(opened) - min(opened) > leeway(min(ages)):
            for row in group:
                self.bits[row] |= AGE_REPEATS
        return 0

    def _announced(self, pair: cython.Py_ssize_t, rows: Rows) -> cython.int:
        """Whether idle times are what Keep-Alive fields had said: not less, and at most a tenth and a second more."""
        row: cython.Py_ssize_t
        said: cython.longlong
        for row in rows:
            said = (cython.cast(cython.longlong, self.table.keep_timeout[row]) - 1) * 1_000_000_000
            if said > 0 and said * 95 // 100 <= self.gap[row] <= said * 11 // 10 + 1_000_000_000:
                self.bits[row] |= GAP_ANNOUNCED
                self.limits.setdefault(pair, said)
        return 0

    def _outlived(self, rows: Rows, members: Rows) -> cython.int:
        """Whether the server closed after an idle time that other connections had lived through."""
        row: cython.Py_ssize_t
        longest: cython.longlong = -1
        for row in members if rows else ():
            longest = max(longest, self._longest_pause(row))
        for row in rows:
            if longest > self.gap[row] + leeway(self.gap[row]):
                self.bits[row] |= OUTLIVED
        return 0

    def _expected(self, rows: Rows, members: Rows) -> cython.int:
        """Whether a client that closes idle connections keeps to what its kind does, or to a limit that its re-use
        shows: never re-used after as long a pause."""
        row: cython.Py_ssize_t
        longest: cython.longlong = -1
        if not rows:
            return 0
        for row in members:
            longest = max(longest, self._longest_pause(row))
        if longest >= 0:
            self.longest[self.tally.pair_of[members[0]]] = longest
        for row in rows:
            known: cython.longlong = self.expiries.get(self.table.agent[row] - 1, 0)
            if known and known * 98 // 100 <= self.gap[row]:
                self.bits[row] |= GAP_KNOWN
            if 0 <= longest < self.gap[row]:
                self.bits[row] |= GAP_ABOVE_REUSE
        return 0

    def _longest_pause(self, row: cython.Py_ssize_t) -> cython.longlong:
        """The longest time that a connection was idle and then re-used, -1 where it never was."""
        exchanges: ExchangeTable = self.exchanges
        longest: cython.longlong = -1
        at: cython.Py_ssize_t = self.first[row]
        while at >= 0 and self.next[at] >= 0:
            longest = max(longest, exchanges.request_ns[self.next[at]] - exchanges.end_ns[at])
            at = self.next[at]
        return longest

    def _headers(self, members: Rows) -> cython.int:
        """Whether every response of the pair says close, or those of errors alone."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.Py_ssize_t
        at: cython.Py_ssize_t
        answered: cython.Py_ssize_t = 0
        closing: cython.Py_ssize_t = 0
        closing_errors: cython.Py_ssize_t = 0
        kept: cython.Py_ssize_t = 0
        for row in members:
            at = self.first[row]
            while at >= 0:
                if exchanges.status[at]:
                    answered += 1
                    if exchanges.flags[at] & RESPONSE_CLOSE:
                        closing += 1
                        closing_errors += exchanges.status[at] >= 400
                    else:
                        kept += exchanges.status[at] < 400
                at = self.next[at]
        for row in members:
            if closing == answered and closing >= MANY_SAID:
                self.bits[row] |= ALWAYS_SAID
            if closing == closing_errors:
                self.bits[row] |= ONLY_ERRORS
                if kept:
                    self.bits[row] |= OTHERS_SAID_NOTHING
        return 0

    def _bodiless(self, members: Rows) -> cython.int:
        """Whether the server closes behind responses without a body, and behind no others."""
        row: cython.Py_ssize_t
        at: cython.Py_ssize_t
        bits: cython.ulonglong
        kept: cython.bint = False
        closed: list[int] = []
        for row in members:
            bits = self.bits[row]
            if bits & AT_ONCE and bits & SERVER_FIRST and not bits & SPENT:
                if not bits & BODILESS:
                    return 0
                closed.append(row)
            at = self.first[row]
            while at >= 0 and self.next[at] >= 0:
                if self._is_bodiless(at):
                    return 0
                kept = True
                at = self.next[at]
        for row in closed if kept else ():
            self.bits[row] |= ONLY_BODILESS
        return 0

    def _is_bodiless(self, at: cython.Py_ssize_t) -> cython.bint:
        """Whether a response has no body by its nature (RFC 9112, section 6.3)."""
        return self.exchanges.flags[at] & HEAD_REQUEST != 0 or self.exchanges.status[at] in (204, 304)

    def _instants(self, rows: Rows) -> cython.int:
        """Whether the server closed several at one instant, that had not been idle equally long."""
        table: ConnectionTable = self.table
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        begin: cython.Py_ssize_t = 0
        ordered = [row for _, row in sorted([(table.closed[row], row) for row in rows])]
        for place in range(1, len(ordered) + 1):
            if place < len(ordered):
                row = ordered[place]
                moment: cython.longlong = table.closed[ordered[begin]]
                if table.closed[row] - moment <= INSTANT_NS and table.opened[row] <= moment:
                    continue
            if place - begin > 1 and self._differ(ordered[begin:place]):
                for row in ordered[begin:place]:
                    self.bits[row] |= SAME_INSTANT
            begin = place
        return 0

    def _differ(self, rows: Rows) -> cython.bint:
        """Whether connections were closed in states in which no one timer, and no one limit, ends them all.

        A server that looks at its connections now and then closes all whose time is over together: their idle times
        differ by no more than it waits between two looks.
        """
        row: cython.Py_ssize_t
        shortest: cython.longlong = -1
        longest: cython.longlong = 0
        first: cython.ulonglong = self.bits[rows[0]] & MOMENTS
        for row in rows:
            if self.bits[row] & MOMENTS != first:
                return True
            longest = max(longest, self.gap[row])
            shortest = self.gap[row] if shortest < 0 else min(shortest, self.gap[row])
        if first & AT_ONCE:
            # Each right behind a response of its own is a limit; all together, whatever the time since, is not.
            apart: cython.longlong = self.table.closed[rows[-1]] - self.table.closed[rows[0]]
            return len(rows) > 2 and longest - shortest > 4 * apart + TICK_NS
        if not first & IDLE:
            return True
        return longest - shortest > max(INSTANT_NS, longest // (4 if len(rows) >= MANY_AT_ONCE else 2))

    def _kept(self, members: Rows) -> cython.int:
        """Whether a connection that the client closed at once was one of several, of which it went on with others."""
        row: cython.Py_ssize_t
        other: cython.Py_ssize_t
        place: cython.Py_ssize_t
        near: cython.Py_ssize_t
        closed: cython.longlong
        for place in range(len(members)):
            row = members[place]
            if not self.bits[row] & CLIENT_FIRST or not self.bits[row] & AT_ONCE:
                continue
            closed = self.table.closed[row]
            for near in range(max(0, place - NEIGHBOURS), min(len(members), place + NEIGHBOURS)):
                other = members[near]
                if other == row or self.last[other] < 0 or self.table.opened[other] >= closed:
                    continue
                if self.exchanges.request_ns[self.last[other]] > closed and self._alive(other, closed):
                    self.bits[row] |= OTHERS_KEPT
                    keep(self.discarded, row)
                    break
        return 0

    def _alive(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.bint:
        """Whether a connection was open, and had been asked, at a moment."""
        if 0 <= self.table.closed[row] <= moment:
            return False
        return self.exchanges.request_ns[self.first[row]] < moment


def distinct(values: Words) -> set[int]:
    """The different numbers of a column, in which the same ones mostly stand together."""
    found: set[int] = set()
    last: cython.int = -1
    at: cython.Py_ssize_t
    for at in range(len(values)):
        if values[at] != last:
            last = values[at]
            found.add(last)
    return found


def keep(rows: Rows, row: cython.Py_ssize_t) -> cython.int:
    """Adds one of what is shown by its first few."""
    if len(rows) < MOST_SHOWN:
        rows.append(row)
    return 0


def speech(exchanges: ExchangeTable, turns: ExchangeTable, connections: cython.Py_ssize_t) -> ExchangeTable:
    """The exchanges, and the turns of connections that have none, in the order of their requests."""
    if not turns.rows:
        return exchanges
    readable = bytearray(connections)
    merged = ExchangeTable()
    row: cython.Py_ssize_t
    turn: cython.Py_ssize_t = 0
    for row in range(exchanges.rows):
        # What is said inside of a tunnel is not.
        if not exchanges.flags[row] & CONNECT_REQUEST:
            readable[exchanges.connection[row]] = 1
    for row in range(exchanges.rows):
        while turn < turns.rows and turns.request_ns[turn] < exchanges.request_ns[row]:
            if not readable[turns.connection[turn]]:
                merged.add_from(turns, turn)
            turn += 1
        merged.add_from(exchanges, row)
    while turn < turns.rows:
        if not readable[turns.connection[turn]]:
            merged.add_from(turns, turn)
        turn += 1
    return merged


def leeway(time: int) -> int:
    """How much later than the shortest of them times of one timer may be, on a busy machine: a tenth, and for short
    ones up to 100 ms, but no more than a quarter."""
    return max(0, time // 10, min(100_000_000, time // 4))


def alike(times: list[int]) -> list[int]:
    """The places of the most times that are the same, as far as timers go. Empty where fewer than two are."""
    order = sorted(range(len(times)), key=times.__getitem__)
    best_from = best_to = 0
    low = 0
    for high in range(len(order)):
        while times[order[high]] - times[order[low]] > leeway(times[order[low]]):
            low += 1
        if high + 1 - low > best_to - best_from:
            best_from, best_to = low, high + 1
    return order[best_from:best_to] if best_to - best_from > 1 else []
