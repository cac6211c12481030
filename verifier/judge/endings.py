# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
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
from verifier.judge.facts import (
    AFTER_PAUSE,
    ALERT,
    ALERT_ANSWERS,
    AT_ONCE,
    BODILESS,
    BOTH_FIRST,
    BY_RESET,
    CLIENT_FIRST,
    CLOSE_FITS,
    CLOSED_BEFORE_REQUEST,
    COUNT_ANNOUNCED,
    DAMAGED,
    ENCRYPTED,
    ERROR,
    FORWARDED,
    HTTP10_REQUEST,
    HTTP10_RESPONSE,
    IDLE,
    IS_H2,
    LONG_PAUSE,
    NEVER_KEEPS,
    NO_EXPIRY,
    PARTIAL,
    QUICKLY,
    SERVER_FIRST,
    SEVERAL,
    SPENT,
    STALLED,
    STILL_OPEN,
    TOLD,
    TUNNEL,
    UNUSED,
    WAITING,
)
from verifier.judge.peers import Peers
from verifier.wire import tables
from verifier.wire.octets import zeros
from verifier.wire.tables import (
    CLIENT,
    CLIENT_ALERT,
    CLIENT_SPOKE_LAST,
    CLIENT_STOPPED_READING,
    CONNECT_REQUEST,
    H2,
    HEAD_REQUEST,
    NOBODY,
    NOT_SEEN,
    PAYLOAD_CUT,
    RELAYED,
    REQUEST_CLOSE,
    REQUEST_HTTP10,
    RESPONSE_CLOSE,
    RESPONSE_DONE,
    RESPONSE_HTTP10,
    RESPONSE_KEEP_ALIVE,
    RST,
    SERVER,
    SERVER_ALERT,
)

if cython.compiled:
    from cython.cimports.verifier.judge.relays import Relays
    from cython.cimports.verifier.judge.tally import Tally, gave_up
    from cython.cimports.verifier.wire.rows import connection_row, exchange_row
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.judge.relays import Relays
    from verifier.judge.tally import Tally, gave_up
    from verifier.wire.rows import connection_row, exchange_row
    from verifier.wire.tables import ConnectionTable, ExchangeTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Words = memoryview
    FactsByFlags = tuple[tuple[int, int], ...]
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

AT_A_TIME = cython.declare(cython.Py_ssize_t, 64)
"""Connections whose exchanges are looked at one behind the other, before any is made something of."""
ALL_FACTS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
ENCRYPTED_ON = cython.declare(cython.uint, tables.ENCRYPTED)
EXCESS_BYTES = cython.declare(cython.uint, tables.EXCESS)
TUNNEL_MADE = cython.declare(cython.uint, tables.TUNNEL)
GOING_ON = cython.declare(cython.uint, tables.RESPONSE_DONE | tables.REQUEST_CLOSE | tables.EXCESS)
"""Flags of which an exchange that another one may follow has the first alone."""

# What flags say by themselves: any of these, and the fact is there.
SAID_OF_CONNECTION = (
    (tables.REQUESTS_MISSED | tables.RESPONSES_MISSED | tables.LATE_DATA, facts.DAMAGED),
    (tables.UNASKED_RESPONSE, facts.UNASKED),
    (tables.PROBES_UNHEARD, facts.UNHEARD),
    (tables.SERVER_ALERT, facts.ALERT),
    (tables.GOAWAY, facts.GOAWAY),
    (tables.RESET_BY_OTHER, facts.OTHER_HOPS),
    (tables.UNACKNOWLEDGED, facts.UNACKNOWLEDGED),
    (tables.TUNNEL, facts.TUNNEL),
)
SAID_OF_EXCHANGE = (
    (tables.REQUEST_CLOSE, facts.ASKED_CLOSE),
    (tables.RESPONSE_CLOSE, facts.SAID_CLOSE),
    (tables.CLOSE_DELIMITED, facts.NO_LENGTH),
    (tables.EARLY_RESPONSE, facts.EARLY),
    (tables.HEAD_REQUEST, facts.BODILESS),
    (tables.UPGRADED, facts.UPGRADED),
    (tables.FORWARDED, facts.FORWARDED),
    (tables.EXCESS, facts.EXCESS),
)
LAST_BY_WORD = cython.declare(
    cython.ulonglong,
    facts.ASKED_CLOSE | facts.SAID_CLOSE | facts.HTTP10_REQUEST | facts.HTTP10_RESPONSE | facts.NO_LENGTH,
)
"""Facts any of which makes an exchange the last one of its connection, once it is whole."""


class Endings:
    """A column for each thing known of a connection, by row. `bits`: the facts of `verifier.judge.facts`, none where it
    does not count, or never was there for requests as far as the capture shows. `count`: its requests, or turns where
    they are encrypted, without those that made a tunnel of it. `first`, `last`: rows of its exchanges, -1 for none;
    `prior`: the one before the last, plus one.
    Of the exchanges: `begun_ns`, `asked_ns`, when the first, the last one was asked; `ended_ns`, when the last one
    ended, or the last payload came where there is none; `pause_ns`, from the end of the one before the last to the
    last; `host` of the first, `status` and `flags` of the last. `redirects`: whether any has a Location.

    `told` has facts that a live client knows of its connections, `relays` knows whose names are not their own.
    `exchanges` are those of the packets, and turns for connections that have none: see `speech`.
    """

    def __init__(
        self, tally: Tally, exchanges: ExchangeTable, peers: Peers, told: dict[int, int], relays: Relays
    ) -> None:
        self.tally = tally
        self.table = tally.table
        self.exchanges = exchanges
        self.closers: Known = Known(peers.closers)
        self.patient: Known = Known(peers.patient)
        self.readers: Known = Known(peers.readers)
        self.told = told
        self.relays = relays
        rows = self.table.rows
        self.bits = memoryview(zeros("Q", rows))
        self.count = memoryview(zeros("I", rows))
        self.first = memoryview(zeros("i", rows))
        self.last = memoryview(zeros("i", rows))
        self.prior = memoryview(zeros("i", rows))
        # What is asked again and again of exchanges, which stand anywhere in a table that no cache holds.
        self.begun_ns = memoryview(zeros("q", rows))
        self.asked_ns = memoryview(zeros("q", rows))
        self.ended_ns = memoryview(zeros("q", rows))
        self.pause_ns = memoryview(zeros("q", rows))
        self.host = memoryview(zeros("i", rows))
        self.flags = memoryview(zeros("I", rows))
        self.status = memoryview(zeros("H", rows))
        self.redirects = False
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
        self.crossed: list[int] = []
        """Connections that were kept, whose server closed about when the last request came, which got no response."""
        self.said: Said = Said(tally.pairs)
        self.by_connection: Meaning = Meaning(SAID_OF_CONNECTION)
        self.by_exchange: Meaning = Meaning(SAID_OF_EXCHANGE)
        self._thread()
        row: cython.Py_ssize_t
        begin: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t
        while begin < rows:
            # Looks that wait for memory wait together, where nothing else is done in between.
            end = min(begin + AT_A_TIME, rows)
            for row in range(begin, end):
                self._look(row)
            for row in range(begin, end):
                if self.bits[row]:
                    self._end(row)
            begin = end
        self.members: Members = Members(self)

    def _thread(self) -> cython.int:
        """Strings the exchanges of each connection together."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        before: cython.Py_ssize_t
        # Exchanges that others follow are mostly like the one that was met last: so many of its pair, and like it.
        like_pair: cython.Py_ssize_t = -1
        like_flags: cython.uint = 0
        like_status: cython.int = 0
        times: cython.int = 0
        for row in range(self.table.rows):
            self.first[row] = -1
            self.last[row] = -1
            self.host[row] = -1
            if self.tally.pair_of[row] >= 0 and (self.tally.is_handshake(row) or self.table.state[row] == NOT_SEEN):
                self.bits[row] = ALL_FACTS  # those that it has come later
        for row in range(exchanges.rows):
            this = exchange_row(exchanges, row)
            owner = this.connection
            if 300 <= this.status < 400 and exchanges.location[row]:
                self.redirects = True
            pair = self.tally.pair_of[owner]
            if pair < 0:
                continue
            before = self.last[owner]
            self.last[owner] = row
            if not is_tunnel(this.flags, this.status):
                self.count[owner] += 1
            if before < 0:
                self.first[owner] = row
                self.begun_ns[owner] = this.request_ns
                self.host[owner] = this.host
                continue
            self.prior[owner] = before + 1
            gone = exchange_row(exchanges, before)
            self.pause_ns[owner] = this.request_ns - gone.end_ns if gone.end_ns >= 0 else 0
            if gone.flags & GOING_ON != RESPONSE_DONE or gone.end_frame > this.request_frame:
                self._follows(before, row)
            if not self.bits[owner]:
                continue
            if pair != like_pair or gone.flags != like_flags or gone.status != like_status:
                if times:
                    self.said.follow(like_pair, like_flags, like_status, times)
                like_pair = pair
                like_flags = gone.flags
                like_status = gone.status
                times = 0
            times += 1
        if times:
            self.said.follow(like_pair, like_flags, like_status, times)
        return 0

    def _follows(self, before: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """One exchange after another on the same connection, where that is odd."""
        gone = exchange_row(self.exchanges, before)
        frame: cython.uint = self.exchanges.request_frame[row]
        if gone.flags & REQUEST_CLOSE and gone.flags & RESPONSE_DONE:
            keep(self.ignored_closes, before)
        if frame and (gone.end_frame > frame or not gone.flags & RESPONSE_DONE):
            keep(self.overlapping, row)
        if gone.flags & EXCESS_BYTES:
            keep(self.excess, before)
        return 0

    def _look(self, row: cython.Py_ssize_t) -> cython.int:
        """Takes down what is asked of a connection's last exchange."""
        if self.last[row] < 0:
            self.ended_ns[row] = self.table.active[row]
            return 0
        last = exchange_row(self.exchanges, self.last[row])
        self.asked_ns[row] = last.request_ns
        self.ended_ns[row] = last.end_ns
        self.flags[row] = last.flags
        self.status[row] = last.status
        return 0

    def leads_to(self, row: cython.Py_ssize_t) -> str:
        """The place that a connection leads to through its server, empty where it is no tunnel."""
        found = self.table.tunnels.get(row)
        return "" if found is None else found[1]

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
        handshake: cython.longlong = connection_row(self.table, row).handshake_ns
        return SOON_NS + (2 * handshake if handshake > 0 else 0)

    # -- one connection

    def _end(self, row: cython.Py_ssize_t) -> cython.int:
        """Writes down what one connection shows by itself."""
        table: ConnectionTable = self.table
        this = connection_row(table, row)
        bits: cython.ulonglong = self.by_connection.of(this.flags)
        if this.closer == NOBODY:
            bits |= STILL_OPEN
        elif this.closer == CLIENT:
            # An alert of the server says so before the client's FIN.
            bits |= SERVER_FIRST if bits & ALERT and table.odd_frame[row] < this.close_frame else CLIENT_FIRST
        elif this.flags & CLIENT_ALERT:
            bits |= CLIENT_FIRST  # the FIN of the server answers it
        else:
            bits |= SERVER_FIRST if this.closer == SERVER else BOTH_FIRST
        if this.closed_with == RST:
            bits |= BY_RESET
        if this.protocol == H2:
            self.count[row] = table.turns[row]
        elif this.flags & ENCRYPTED_ON:
            bits |= ENCRYPTED | (IS_H2 if self._speaks_h2(row) else 0)
        if self.closers.has(table.software[row]) and not self._is_relayed(row):
            bits |= NEVER_KEEPS
        last: cython.Py_ssize_t = self.last[row]
        if bits & ALERT and last >= 0 and table.odd_frame[row] > self.exchanges.request_frame[last]:
            bits |= ALERT_ANSWERS
        if self.count[row] > 1:
            bits |= SEVERAL
        if table.keep_max[row] in (1, 2):  # max=0 or max=1, plus one
            bits |= COUNT_ANNOUNCED
        if last >= 0:
            if this.closer == SERVER and self.asked_ns[row] > this.closed:
                self._forget_too_late(row)
            self.said.answer(self.tally.pair_of[row], self.flags[row], self.status[row], 1)
            bits |= self._spoken(row)
        else:
            bits |= self._unread(row)
        if self.relays.passes_on(row):
            bits |= FORWARDED
        if self.patient.has(table.agent[row]) and not bits & FORWARDED:
            bits |= NO_EXPIRY
        if bits & PARTIAL and bits & SERVER_FIRST and not bits & DAMAGED:
            keep(self.short, row)
        was_kept: cython.bint = bits & (SEVERAL | AFTER_PAUSE) != 0
        # A close behind the request is a timer's after a pause, and else may be of one that had not looked.
        unseen: cython.bint = bits & AFTER_PAUSE != 0 or (bits & QUICKLY != 0 and self.pause_ns[row] > 0)
        met: cython.bint = bits & CLOSED_BEFORE_REQUEST != 0 or (unseen and not bits & ENCRYPTED)
        if was_kept and met and bits & WAITING and bits & SERVER_FIRST and not bits & DAMAGED:
            keep(self.crossed, row)
        if self.told:
            bits |= self.told.get(row, 0)
            if bits & TOLD and this.flags & PAYLOAD_CUT:
                bits &= ~DAMAGED  # what was left out is what the client tells
        self.bits[row] = bits
        return 0

    def _is_relayed(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the server passes on what another one answers, and with it that one's name."""
        return self.flags[row] & RELAYED != 0 or self.relays.relays(self.tally.pair_of[row])

    def _forget_too_late(self, row: cython.Py_ssize_t) -> cython.int:
        """Leaves out requests that were sent long after the server had closed: the client had not looked. What closed
        the connection happened before."""
        exchanges: ExchangeTable = self.exchanges
        at: cython.Py_ssize_t = self.first[row]
        until: cython.longlong = self.table.closed[row] + self.soon(row)
        if self.last[row] == at or self.asked_ns[row] <= until:
            return 0
        count: cython.uint = not is_tunnel(exchanges.flags[at], exchanges.status[at])
        prior: cython.Py_ssize_t = -1
        following: cython.Py_ssize_t = self.following(at)
        while following >= 0 and exchanges.request_ns[following] <= until:
            prior = at
            at = following
            count += not is_tunnel(exchanges.flags[at], exchanges.status[at])
            following = self.following(at)
        self.last[row] = at
        self.prior[row] = prior + 1
        answered: cython.bint = prior >= 0 and exchanges.end_ns[prior] >= 0
        self.pause_ns[row] = exchanges.request_ns[at] - exchanges.end_ns[prior] if answered else 0
        self.chain[at] = 0
        while following >= 0:
            self.said.follow(self.tally.pair_of[row], exchanges.flags[at], exchanges.status[at], -1)
            at = following
            following = self.following(at)
        self.count[row] = count
        return self._look(row)

    def _speaks_h2(self, row: cython.Py_ssize_t) -> cython.bint:
        found = self.table.tls.get(row)
        return found is not None and found[1] == b"h2"

    def _unread(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """The moment of the close, where no message could be read."""
        this = connection_row(self.table, row)
        if self.table.turns[row] == 0 and this.request_frame == 0:
            return UNUSED
        if this.closed < 0 or this.active < 0:
            return 0
        if this.flags & CLIENT_SPOKE_LAST:
            return WAITING
        if this.active > this.closed:
            return IDLE  # the client went on, on a connection that was closed: since when it was idle can't be told
        return self._rested(row)

    def _rested(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """Whether a connection was idle before it was closed, or for no time."""
        soon: cython.longlong = self.soon(row)
        if self.table.closer[row] == CLIENT and soon < CLIENT_SOON_NS and not self._alerted(row):
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
        closed: cython.longlong = self.table.odd_ns[row] if self._alerted(row) else self.table.closed[row]
        return max(0, closed - self.ended_ns[row])

    def _alerted(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether an alert of the server is its close, though its FIN may come as late as the client's answer."""
        if not self.table.flags[row] & SERVER_ALERT:
            return False
        return self.ended_ns[row] <= self.table.odd_ns[row] < self.table.closed[row]

    def _spoken(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """What the last exchange says, and the moment of the close."""
        flags: cython.uint = self.flags[row]
        status: cython.int = self.status[row]
        bits: cython.ulonglong = self.by_exchange.of(flags)
        refused: cython.bint = flags & CONNECT_REQUEST != 0 and status >= 400
        if refused:
            bits |= TUNNEL
        if not flags & RESPONSE_KEEP_ALIVE:
            # Of a CONNECT the version says nothing: it is not meant to be followed by another request.
            bits |= HTTP10_REQUEST if flags & REQUEST_HTTP10 and not refused else 0
            bits |= HTTP10_RESPONSE if flags & RESPONSE_HTTP10 else 0
        if bits & LAST_BY_WORD and flags & RESPONSE_DONE:
            bits |= SPENT
        if refused or (status >= 400 and not self.table.flags[row] & TUNNEL_MADE):
            bits |= ERROR
        if is_bodiless(flags, status):
            bits |= BODILESS
        return bits | self._moment(row)

    def _moment(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """When in the last exchange the connection was closed, or where it stands."""
        this = connection_row(self.table, row)
        last: cython.Py_ssize_t = self.last[row]
        closed: cython.longlong = this.closed
        asked: cython.longlong = self.asked_ns[row]
        end: cython.longlong = self.ended_ns[row]
        bits: cython.ulonglong = 0
        if self.prior[row]:
            if self._shorter_by_close(row):
                bits |= CLOSE_FITS | (SPENT if closed >= 0 and closed - end <= self.soon(row) else 0)
            if self.pause_ns[row] > self.soon(row):
                bits |= AFTER_PAUSE
            if self.pause_ns[row] >= LONG_PAUSE_NS:
                bits |= LONG_PAUSE
        if this.closer == CLIENT and 0 <= closed < end and gave_up(self.table, row):
            # What came after the client had closed was refused: it had given up.
            begun: cython.longlong = self.exchanges.response_ns[last]
            if closed < begun or begun < 0:
                return bits | WAITING | (QUICKLY if closed - asked < QUICK_NS else 0)
            return bits | PARTIAL
        if self.flags[row] & RESPONSE_DONE:
            if closed < 0:
                return bits
            return bits | self._rested(row)
        if self.status[row] == 0:
            if closed >= 0 and closed <= asked and this.close_frame < self._frame(last):
                bits |= CLOSED_BEFORE_REQUEST
            elif closed >= 0 and closed - asked < QUICK_NS:
                bits |= QUICKLY
            return bits | WAITING
        if closed >= 0 and closed - self.exchanges.response_ns[last] < QUICK_NS:
            bits |= QUICKLY
        if closed >= 0 and end >= 0 and closed - end > STALL_NS and not this.flags & CLIENT_STOPPED_READING:
            bits |= STALLED
        return bits | PARTIAL

    def _shorter_by_close(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the last of several responses is shorter by as much as `close` is shorter than `keep-alive`."""
        if self.status[row]:
            return False  # it can be read, and is known from what it says
        octets: cython.uint = self.exchanges.octets[self.last[row]]
        return octets != 0 and octets + CLOSE_IS_SHORTER == self.exchanges.octets[self.prior[row] - 1]

    def _frame(self, exchange: cython.Py_ssize_t) -> cython.uint:
        """The request's frame; of a request that only the client knows, a very late one."""
        frame: cython.uint = self.exchanges.request_frame[exchange]
        return frame if frame else 0xFFFFFFFF

    def pause(self, row: cython.Py_ssize_t) -> cython.longlong:
        """How long the connection was idle before its last request, 0 where that is its first."""
        return max(0, self.pause_ns[row])


class Meaning:
    """What flags say by themselves: any of some flags, and a fact is there. Asked for the same ones again and again."""

    def __init__(self, facts_by_flags: FactsByFlags) -> None:
        self.flags = memoryview(zeros("I", len(facts_by_flags)))
        self.facts = memoryview(zeros("Q", len(facts_by_flags)))
        place: cython.Py_ssize_t
        for place in range(len(facts_by_flags)):
            self.flags[place], self.facts[place] = facts_by_flags[place]
        self.last = 0
        self.found = 0

    def of(self, flags: cython.uint) -> cython.ulonglong:
        """The facts."""
        place: cython.Py_ssize_t
        if flags != self.last:
            self.last = flags
            self.found = 0
            for place in range(len(self.flags)):
                if flags & self.flags[place]:
                    self.found |= self.facts[place]
        return self.found


class Said:
    """What the responses on each pair's connections said of the next request, and how many requests came all the same:
    columns by pair. What made a tunnel said nothing of it."""

    def __init__(self, pairs: int) -> None:
        self.answered = memoryview(zeros("i", pairs))
        self.closing = memoryview(zeros("i", pairs))
        self.closing_errors = memoryview(zeros("i", pairs))
        self.kept = memoryview(zeros("i", pairs))
        """Responses below 400 that do not say close."""
        self.followed = memoryview(zeros("i", pairs))
        """Exchanges that others follow on their connection."""
        self.bodiless = memoryview(zeros("i", pairs))
        """... of which these have a response without a body."""

    def answer(self, pair: cython.Py_ssize_t, flags: cython.uint, status: cython.int, times: cython.int) -> cython.int:
        """Counts exchanges; `times` below 0 takes them back."""
        if status == 0 or is_tunnel(flags, status):
            return 0
        self.answered[pair] += times
        if flags & RESPONSE_CLOSE:
            self.closing[pair] += times
            if status >= 400:
                self.closing_errors[pair] += times
        elif status < 400:
            self.kept[pair] += times
        return 0

    def follow(self, pair: cython.Py_ssize_t, flags: cython.uint, status: cython.int, times: cython.int) -> cython.int:
        """Counts exchanges that others follow; `times` below 0 takes them back."""
        if is_tunnel(flags, status):
            return 0
        self.followed[pair] += times
        if is_bodiless(flags, status):
            self.bodiless[pair] += times
        return self.answer(pair, flags, status, times)


def is_tunnel(flags: cython.uint, status: cython.int) -> cython.bint:
    """Whether an exchange made a tunnel of its connection (RFC 9110, section 9.3.6)."""
    return flags & CONNECT_REQUEST != 0 and 200 <= status < 300


def is_bodiless(flags: cython.uint, status: cython.int) -> cython.bint:
    """Whether a response has no body by its nature (RFC 9112, section 6.3)."""
    return flags & HEAD_REQUEST != 0 or status in (204, 304)


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
