# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""How each connection ended, as a set of plain facts: who closed first, at what moment of its last exchange, and what
the messages had said about it.

Facts only: which of them makes which cause is the table of `verifier.judge.causes`; what repeats among connections is
added by `verifier.judge.repetition`. Moments are told by the clock of the capture:
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
    """By this name, because compiled code takes `list[int]` and the `list` of the .pxd for two types."""

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
MOST_SHOWN = 1000
"""Exchanges kept of each kind of oddity."""
CLOSE_IS_SHORTER = cython.declare(cython.uint, len("keep-alive") - len("close"))

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
CLOSE_FITS = cython.declare(cython.ulonglong, facts.CLOSE_FITS)
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
CLOSED_BEFORE_REQUEST = cython.declare(cython.ulonglong, facts.CLOSED_BEFORE_REQUEST)
COUNT_ANNOUNCED = cython.declare(cython.ulonglong, facts.COUNT_ANNOUNCED)
NO_EXPIRY = cython.declare(cython.ulonglong, facts.NO_EXPIRY)
SPENT = cython.declare(cython.ulonglong, facts.SPENT)
NEVER_KEEPS = cython.declare(cython.ulonglong, facts.NEVER_KEEPS)
ALL_FACTS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


class Endings:
    """A column for each thing known of a connection, by row. `bits`: the facts of `verifier.judge.facts`, none where it
    does not count, or never was there for requests as far as the capture shows. `count`: its requests, or turns where
    they are encrypted. `first`, `last`: rows of its exchanges, -1 for none; `prior`: the one before the last, plus one.

    `told` has facts that a live client knows of its connections. `exchanges` are those of the packets, and turns for
    connections that have none: see `speech`.
    """

    def __init__(self, tally: Tally, exchanges: ExchangeTable, peers: Peers, told: dict[int, int]) -> None:
        self.tally = tally
        self.table = tally.table
        self.exchanges = exchanges
        self.closers: Known = Known(peers.closers)
        self.patient: Known = Known(peers.patient)
        self.told = told
        rows = self.table.rows
        self.bits = memoryview(zeros("Q", rows))
        self.count = memoryview(zeros("I", rows))
        self.first = memoryview(zeros("i", rows))
        self.last = memoryview(zeros("i", rows))
        self.prior = memoryview(zeros("i", rows))
        self.chained = False
        self.chain = memoryview(zeros("i", 0))
        """By exchange: the next one on the same connection, plus one, 0 for none. Made where it is first asked for."""
        self.ignored_closes: list[int] = []
        """Exchanges whose request asked for a close, and whose connection went on."""
        self.overlapping: list[int] = []
        """Exchanges that began before the one before on the same connection was over."""
        self.excess: list[int] = []
        """Exchanges with bytes behind their response, whose connection went on."""
        self.short: list[int] = []
        """Connections whose server closed in the middle of a response."""
        self.said: Said = Said(exchanges, tally.pairs)
        self._thread()
        row: cython.Py_ssize_t
        for row in range(rows):
            if self.bits[row]:
                self._end(row)
        self.said.settle()
        self.members: Members = Members(self)

    def _thread(self) -> cython.int:
        """Strings the exchanges of each connection together."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        before: cython.Py_ssize_t
        for row in range(self.table.rows):
            self.first[row] = -1
            self.last[row] = -1
            if self.tally.pair_of[row] >= 0 and (self.tally.is_handshake(row) or self.table.state[row] == NOT_SEEN):
                self.bits[row] = ALL_FACTS  # those that it has come later
        for row in range(exchanges.rows):
            owner = exchanges.connection[row]
            pair = self.tally.pair_of[owner]
            if pair < 0:
                continue
            before = self.last[owner]
            if before >= 0:
                self._follows(before, row)
                self.prior[owner] = before + 1
                if self.bits[owner]:
                    self.said.follow(pair, before, 1)
            else:
                self.first[owner] = row
            self.last[owner] = row
            self.count[owner] += 1
        return 0

    def _follows(self, before: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """One exchange after another on the same connection."""
        exchanges: ExchangeTable = self.exchanges
        flags: cython.uint = exchanges.flags[before]
        frame: cython.uint = exchanges.request_frame[row]
        if flags & REQUEST_CLOSE and flags & DONE:
            keep(self.ignored_closes, before)
        if frame and (exchanges.end_frame[before] > frame or not flags & DONE):
            keep(self.overlapping, row)
        if flags & EXCESS_BYTES:
            keep(self.excess, before)
        return 0

    def following(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The next exchange on the same connection, -1 for none."""
        if not self.chained:
            self._chain()
        return self.chain[at] - 1

    def _chain(self) -> cython.int:
        """Links each exchange to the next on its connection, as far as `last` goes."""
        exchanges: ExchangeTable = self.exchanges
        latest = memoryview(zeros("i", self.table.rows))
        row: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        self.chained = True
        self.chain = memoryview(zeros("i", exchanges.rows))
        for row in range(exchanges.rows):
            owner = exchanges.connection[row]
            if row > self.last[owner]:
                continue
            if latest[owner]:
                self.chain[latest[owner] - 1] = row + 1
            latest[owner] = row + 1
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
        if self.patient.has(table.agent[row]):
            bits |= NO_EXPIRY
        if self.closers.has(table.software[row]):
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
        if self.last[row] >= 0:
            self._forget_too_late(row, closer)
            self.said.answer(self.tally.pair_of[row], self.last[row], 1)
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
        prior: cython.Py_ssize_t = -1
        following: cython.Py_ssize_t = self.following(at)
        while following >= 0 and exchanges.request_ns[following] <= table.closed[row] + self.soon(row):
            prior = at
            at = following
            count += 1
            following = self.following(at)
        self.last[row] = at
        self.prior[row] = prior + 1
        self.chain[at] = 0
        while following >= 0:
            self.said.follow(self.tally.pair_of[row], at, -1)
            at = following
            following = self.following(at)
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
        return self._rested(row)

    def _rested(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """Whether a connection was idle before it was closed, or for no time."""
        soon: cython.longlong = self.soon(row)
        if self.table.closer[row] == BY_CLIENT and soon < CLIENT_SOON_NS and not self._alerted(row):
            soon = CLIENT_SOON_NS
        return AT_ONCE if self._rest(row) <= soon else IDLE

    def gap(self, row: cython.Py_ssize_t) -> cython.longlong:
        """From the last byte of a connection's last response, or the last payload where that can't be read, to its
        first close, in nanoseconds; -1 where that is not known."""
        if not self.bits[row] & (AT_ONCE | IDLE):
            return -1
        if self.last[row] < 0 and self.table.active[row] > self.table.closed[row]:
            return -1
        return self._rest(row)

    def _rest(self, row: cython.Py_ssize_t) -> cython.longlong:
        """From the end of what a connection carried to its close."""
        table: ConnectionTable = self.table
        closed: cython.longlong = table.odd_ns[row] if self._alerted(row) else table.closed[row]
        return max(0, closed - self._ended(row))

    def _alerted(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether an alert of the server is its close, though its FIN may come as late as the client's answer."""
        table: ConnectionTable = self.table
        return table.flags[row] & SERVER_ALERT != 0 and self._ended(row) <= table.odd_ns[row] < table.closed[row]

    def _ended(self, row: cython.Py_ssize_t) -> cython.longlong:
        """When the last response ended, or the last payload came."""
        return self.exchanges.end_ns[self.last[row]] if self.last[row] >= 0 else self.table.active[row]

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
        if self.said.is_bodiless(last):
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
        prior: cython.Py_ssize_t = self.prior[row] - 1
        if prior >= 0:
            if exchanges.octets[last] and exchanges.octets[last] + CLOSE_IS_SHORTER == exchanges.octets[prior]:
                bits |= CLOSE_FITS | (SPENT if closed >= 0 and closed - end <= self.soon(row) else 0)
            pause: cython.longlong = self.pause(row)
            if pause > self.soon(row):
                bits |= AFTER_PAUSE
            if pause >= LONG_PAUSE_NS:
                bits |= LONG_PAUSE
        if table.closer[row] == BY_CLIENT and 0 <= closed < end and gave_up(table, row):
            # What came after the client had closed was refused: it had given up.
            if closed < exchanges.response_ns[last] or exchanges.response_ns[last] < 0:
                return bits | WAITING | (QUICKLY if closed - exchanges.request_ns[last] < QUICK_NS else 0)
            return bits | PARTIAL
        if flags & DONE:
            if closed < 0:
                return bits
            return bits | self._rested(row)
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

    def pause(self, row: cython.Py_ssize_t) -> cython.longlong:
        """How long the connection was idle before its last request, 0 where that is its first."""
        exchanges: ExchangeTable = self.exchanges
        prior: cython.Py_ssize_t = self.prior[row] - 1
        return 0 if prior < 0 else max(0, exchanges.request_ns[self.last[row]] - exchanges.end_ns[prior])


class Said:
    """What the responses on each pair's connections said of the next request, and how many requests came all the same:
    columns by pair."""

    def __init__(self, exchanges: ExchangeTable, pairs: int) -> None:
        self.exchanges = exchanges
        self.pair = -1
        self.like = 0
        self.times = 0
        """How many exchanges like this one of this pair are not counted yet."""
        self.answered = memoryview(zeros("i", pairs))
        self.closing = memoryview(zeros("i", pairs))
        self.closing_errors = memoryview(zeros("i", pairs))
        self.kept = memoryview(zeros("i", pairs))
        """Responses below 400 that do not say close."""
        self.followed = memoryview(zeros("i", pairs))
        """Exchanges that others follow on their connection."""
        self.bodiless = memoryview(zeros("i", pairs))
        """... of which these have a response without a body."""

    def answer(self, pair: cython.Py_ssize_t, at: cython.Py_ssize_t, times: cython.int) -> cython.int:
        """Counts an exchange; `times` -1 takes it back."""
        status: cython.int = self.exchanges.status[at]
        if status == 0:
            return 0
        self.answered[pair] += times
        if self.exchanges.flags[at] & RESPONSE_CLOSE:
            self.closing[pair] += times
            if status >= 400:
                self.closing_errors[pair] += times
        elif status < 400:
            self.kept[pair] += times
        return 0

    def follow(self, pair: cython.Py_ssize_t, at: cython.Py_ssize_t, times: cython.int) -> cython.int:
        """Counts an exchange that another one follows. One like the one before, as they mostly are, is put down with
        that: see `settle`."""
        if (
            pair != self.pair
            or self.exchanges.flags[at] != self.exchanges.flags[self.like]
            or self.exchanges.status[at] != self.exchanges.status[self.like]
        ):
            self.settle()
            self.pair = pair
            self.like = at
        self.times += times
        return 0

    def settle(self) -> cython.int:
        """Counts what was put down."""
        times: cython.int = self.times
        self.times = 0
        if times == 0:
            return 0
        self.followed[self.pair] += times
        if self.is_bodiless(self.like):
            self.bodiless[self.pair] += times
        return self.answer(self.pair, self.like, times)

    def is_bodiless(self, at: cython.Py_ssize_t) -> cython.bint:
        """Whether a response has no body by its nature (RFC 9112, section 6.3)."""
        return self.exchanges.flags[at] & HEAD_REQUEST != 0 or self.exchanges.status[at] in (204, 304)


class Members:
    """The connections of each pair that has several, in the order of their first packets: those of one pair behind
    those of another. `pairs`: which pairs these are, in the order of their first members."""

    def __init__(self, endings: Endings) -> None:
        tally: Tally = endings.tally
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        total: cython.Py_ssize_t = 0
        self.many = 0
        self.pairs = memoryview(zeros("i", tally.pairs))
        self.starts = memoryview(zeros("i", tally.pairs))
        self.sizes = memoryview(zeros("i", tally.pairs))
        for row in range(tally.table.rows):
            pair = tally.pair_of[row]
            if endings.bits[row] and tally.connections[pair] > 1:
                if self.sizes[pair] == 0:
                    self.pairs[self.many] = pair
                    self.many += 1
                self.sizes[pair] += 1
                total += 1
        self.rows = memoryview(zeros("i", total))
        total = 0
        for row in range(self.many):
            pair = self.pairs[row]
            self.starts[pair] = total
            total += self.sizes[pair]
            self.sizes[pair] = 0
        for row in range(tally.table.rows):
            pair = tally.pair_of[row]
            if endings.bits[row] and tally.connections[pair] > 1:
                self.rows[self.starts[pair] + self.sizes[pair]] = row
                self.sizes[pair] += 1

    def of(self, pair: cython.Py_ssize_t) -> memoryview:
        """Those of one pair; none where it has but one connection."""
        return memoryview(self.rows)[self.starts[pair] : self.starts[pair] + self.sizes[pair]]

    def with_several(self) -> memoryview:
        """The pairs that have members."""
        return memoryview(self.pairs)[: self.many]


class Known:
    """Whether a column's words are among some: asked for the same one again and again."""

    def __init__(self, words: frozenset[int]) -> None:
        self.words = words
        self.last = 0
        self.found = False

    def has(self, number: cython.int) -> cython.bint:
        """`number` is a word's, plus one; 0 is none."""
        if number != self.last:
            self.last = number
            self.found = number - 1 in self.words
        return self.found


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
