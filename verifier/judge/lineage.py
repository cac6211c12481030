# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Which connection went before each one that its pair could have done without, and how the two stand to each other.

At the moment of a new connection's SYN its pair's earlier ones are looked at in this order: one that was closed, and
that the client lets go in the same breath as it opens the new one; one that is open and idle; one that was closed, and
that nothing has replaced yet, the last closed first; one that is open and busy. Each closed connection is replaced
once.
"""

from __future__ import annotations

import cython

from verifier.judge import facts
from verifier.judge.facts import (
    ADJACENT,
    AFTER_CHALLENGE,
    ALIAS,
    BESIDE_OTHER,
    BESIDE_RESPONSE,
    BOTH_ENCRYPTED,
    CLOSED,
    CLOSES_UNREAD,
    ELSEWHERE,
    ERROR,
    FEW_EXTRA,
    FORWARDED,
    GIVEN_UP,
    GOES_ON,
    IN_TURN,
    IN_VAIN,
    JUST_IDLE,
    KNOWING,
    LEADS_ELSEWHERE,
    NEW_REUSED,
    NEW_UNUSED,
    ONE_EXTRA,
    OPEN_BUSY,
    OPEN_IDLE,
    OTHER_AGENT,
    OTHER_NAME,
    PAIR_OVERLAPS,
    PAIR_REUSES,
    PARTIAL,
    REDIRECTED,
    REFUSED_BETWEEN,
    REUSED_BEFORE,
    SPENT,
    TAKING_TIME,
    TOGETHER,
    UNUSED,
    UPGRADED,
)
from verifier.wire import tables
from verifier.wire.octets import zeros
from verifier.wire.tables import (
    CLIENT,
    CLOSED_KNOWING,
    CONNECT_REQUEST,
    CONNECTION_AUTH,
    ENCRYPTED,
    NOT_SEEN,
)

if cython.compiled:
    from cython.cimports.verifier.judge.busy import Heap
    from cython.cimports.verifier.judge.endings import Endings, Members, is_tunnel
    from cython.cimports.verifier.judge.openings import Failures, Openings
    from cython.cimports.verifier.judge.order import Order
    from cython.cimports.verifier.judge.tally import Tally, ends_whole
    from cython.cimports.verifier.wire.rows import connection_row
    from cython.cimports.verifier.wire.tables import (
        ConnectionTable,
        ExchangeTable,
        Words,
    )
else:
    from verifier.judge.busy import Heap
    from verifier.judge.endings import Endings, Members, is_tunnel
    from verifier.judge.openings import Failures, Openings
    from verifier.judge.order import Order
    from verifier.judge.tally import Tally, ends_whole
    from verifier.wire.rows import connection_row
    from verifier.wire.tables import ConnectionTable, ExchangeTable, Words

TYPE_CHECKING = False
if TYPE_CHECKING:
    Numbers = memoryview

# Where a row of `Line` is.
AWAY = cython.declare(cython.int, 0)
OPEN = cython.declare(cython.int, 1)
LOST = cython.declare(cython.int, 2)

# How a connection that is not the first of its pair stands to those before it; 0 where that is not known.
IN_USE = cython.declare(cython.int, 1)
"""All of them were in use when it was opened."""
LATER = cython.declare(cython.int, 2)
"""It was opened although one was not."""

MOST_OPEN = cython.declare(cython.int, 64)
"""Connections of a pair, open or given up, that are looked at for each new one, the newest: bounded work where a client
leaks them."""
REST_NS = cython.declare(cython.longlong, 20_000_000)
"""A connection idle for less may have been in use when the client decided to open another one. Measured with eight
threads of requests that start at once: 1 to 10 ms from the decision to the SYN."""
SAME_NS = cython.declare(cython.longlong, 2_000_000)
"""The SYN of the new one may be captured this much before the close of the old one."""
BREATH_NS = cython.declare(cython.longlong, 50_000_000)
"""Between the close of the old and the SYN of the new one. Measured with urllib3 and httpx: below 1 ms; a name is
resolved in between."""
STOPPED_NS = cython.declare(cython.longlong, 500_000_000)
"""A response that goes on pauses for less, mostly: two retransmissions."""
TAKING_NS = cython.declare(cython.longlong, 30_000_000)
"""Beyond a round trip: a server that closes without having seen a request does so sooner."""
RESPONSE_NS = cython.declare(cython.longlong, 5_000_000)
"""From a response to the close of another connection that makes room for its own. Measured with httpx: 0.4 to 4 ms."""
REDIRECT_NS = cython.declare(cython.longlong, 5_000_000_000)
TUNNEL_MADE = cython.declare(cython.uint, tables.TUNNEL)
MOST_OTHERS = 256
"""Exchanges of others that are looked at for one of the same client."""
MOST_BACK = 16
"""Exchanges of a client that are looked at in search of the redirect that sent it."""

DEAD = cython.declare(cython.ulonglong, facts.WAITING | facts.UNACKNOWLEDGED)


class Lineage:
    """What went before each connection, `before`, and how the two stand to each other, `bits`: the facts of
    `verifier.judge.facts`. `in_use`, by pair: how many were opened while all others were in use."""

    def __init__(self, tally: Tally, endings: Endings, words: Words) -> None:
        self.tally = tally
        self.table = tally.table
        self.endings = endings
        self.exchanges = endings.exchanges
        self.words = words
        rows = self.table.rows
        self.before = memoryview(zeros("i", rows))
        """Plus one, 0 for none."""
        self.source = memoryview(zeros("i", rows))
        """The exchange whose redirect led here, plus one, 0 for none."""
        self.bits = memoryview(zeros("I", rows))
        self.standing = memoryview(zeros("B", rows))
        self.reached = memoryview(zeros("i", rows))
        self.openings: Openings | None = None
        """Made where it is first asked for."""
        self.by_request: Order | None = None
        """Made where it is first asked for, too."""
        self.in_use = memoryview(zeros("i", tally.pairs))
        older = memoryview(zeros("i", rows))
        newer = memoryview(zeros("i", rows))
        where = memoryview(zeros("B", rows))
        # A connection is in one of them at most.
        self.open: Line = Line(older, newer, where, OPEN)
        self.lost: Line = Line(older, newer, where, LOST)
        self.way_ns = 0
        """From a response to the first that its client can do about it, as captured: a bit less than there and back."""
        self.buried = memoryview(zeros("B", rows))
        """Connections that are open, and whose place another one has taken."""
        self.failures: Failures = Failures(tally)
        self.closings: Heap = Heap()
        """The open ones by when they close."""
        self.in_vain = False
        """No connection of the pair that is looked at carried a request."""
        self.places: dict[str, int] = {}
        """Where that pair's connections have led so far: the one closed last of each, -1 for none."""
        self.refused: dict[int, str] = {}
        """By row of a connection that led nowhere in the end: the tunnel that was asked for."""
        members: Members = endings.members
        place: cython.Py_ssize_t
        for place in range(members.many):
            self._walk(members.pairs[place], members)
        # What served the walk alone goes, before more is made.
        nothing = memoryview(zeros("i", 0))
        self.open = self.lost = Line(nothing, nothing, memoryview(zeros("B", 0)), AWAY)
        self.buried = memoryview(zeros("B", 0))
        self.openings = None

    def predecessor(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The connection that went before, -1 where none did or none was looked for."""
        return self.before[row] - 1

    def redirect(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The exchange whose redirect led to a connection that another one went before, -1 for none."""
        return self.source[row] - 1

    def was_in_use(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether all earlier connections of the pair were in use when this one was opened."""
        return self.standing[row] == IN_USE

    def is_later(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether a connection was opened although its pair had one."""
        return self.standing[row] == LATER

    def _walk(self, pair: cython.Py_ssize_t, members: Members) -> cython.int:
        """Goes through a pair's connections in order, keeping those that are open and those that nothing replaced."""
        table: ConnectionTable = self.table
        row: cython.Py_ssize_t
        place: cython.Py_ssize_t
        closed: cython.longlong
        moment: cython.longlong
        latest: cython.longlong = -1
        begin: cython.Py_ssize_t = members.starts[pair]
        self.way_ns = self._least_away(members, pair) * 7 // 8
        self.open.begin()
        self.lost.begin()
        self.closings.size = 0
        self.places.clear()
        self.in_vain = self._is_in_vain(pair, members)
        for place in range(begin, begin + members.sizes[pair]):
            row = members.rows[place]
            closed = table.closed[row]
            moment = table.opened[row]
            latest = max(latest, moment)
            while self.closings.size and self.closings.keys[0] <= moment:
                self._retire(self.closings.pop())
            elsewhere: cython.bint = self._leads_elsewhere(row)
            if place > begin and elsewhere:
                self.bits[row] = LEADS_ELSEWHERE
                self.standing[row] = LATER
            elif place > begin and self._is_unneeded(row):
                self._meet(pair, row)
                self.standing[row] = LATER
            elif place > begin and table.state[row] != NOT_SEEN:
                self.standing[row] = IN_USE
                self.in_use[pair] += 1
            self.open.add(row)
            if 0 <= closed <= moment:
                self._retire(row)
            elif closed > latest:
                self.closings.push(closed, row, row)
        return 0

    def _leads_elsewhere(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether none of the pair's connections so far could have carried what this one does, as tunnels lead to one
        place each."""
        if not self.table.tunnels:
            return False
        place: str = self._place(row)
        if place in self.places:
            return False
        self.places[place] = -1
        return not self.tally.is_extra(row) and self.table.state[row] != NOT_SEEN

    def _is_in_vain(self, pair: cython.Py_ssize_t, members: Members) -> cython.bint:
        """Whether none of a pair's connections carried a request."""
        begin: cython.Py_ssize_t = members.starts[pair]
        place: cython.Py_ssize_t
        for place in range(begin, begin + members.sizes[pair]):
            if not self.endings.bits[members.rows[place]] & UNUSED:
                return False
        return True

    def _least_away(self, members: Members, pair: cython.Py_ssize_t) -> cython.longlong:
        """How far the pair's client is from the capture, there and back, by the SYN-ACK that it answered soonest; 0
        where it is near."""
        row: cython.int
        place: cython.Py_ssize_t
        begin: cython.Py_ssize_t = members.starts[pair]
        least: cython.longlong = -1
        for place in range(begin, begin + members.sizes[pair]):
            row = members.rows[place]
            if self.tally.is_handshake(row) and (least < 0 or self.table.away[row] < least):
                least = self.table.away[row]
                if least == 0:
                    break
        return max(0, least)

    def _retire(self, row: cython.Py_ssize_t) -> cython.int:
        """A connection is closed: nothing has taken its place, unless that was known before."""
        if self.open.holds(row):
            self.open.remove(row)
            # What was upgraded could not have been used again, whoever closed it.
            if not self.buried[row] and not self.endings.bits[row] & UPGRADED:
                self.lost.add(row)
                if self.table.tunnels:
                    self.places[self._place(row)] = row
        return 0

    def _is_unneeded(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether something has to account for this connection, other than that all before it were in use."""
        if self.table.state[row] == NOT_SEEN:
            return False
        return self.tally.is_extra(row) or not self.tally.is_needed(row) or self._dead_one(row) >= 0

    def _dead_one(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """An open connection that is in use by its looks, and of no use in truth: its request had been sent again when
        this one was opened, and was never acknowledged, or its response never went on. -1 for none."""
        other: cython.Py_ssize_t = self.open.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if not self.buried[other] and self._is_of_no_use(row, other):
                return other
            other = self.open.older[other]
            steps += 1
        return -1

    def _is_of_no_use(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        return self._unheard(row, other) or self._given_up(row, other) or self._is_spare_tunnel(row, other)

    def _is_spare_tunnel(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether an open connection is a tunnel to the same place as the new one, with nothing under way inside."""
        if not self.table.flags[other] & TUNNEL_MADE or self._is_apart(row, other):
            return False
        current: cython.Py_ssize_t = self.current(other, self.table.opened[row])
        return current >= 0 and not self._makes_tunnel(current) and not self._busy(other, self.table.opened[row])

    def _makes_tunnel(self, exchange: cython.Py_ssize_t) -> cython.bint:
        return is_tunnel(self.exchanges.flags[exchange], self.exchanges.status[exchange])

    def _place(self, row: cython.Py_ssize_t) -> str:
        """Where a connection leads to through its server, or should have led, where that was refused; else empty."""
        place: str = self.endings.leads_to(row)
        last: cython.Py_ssize_t = self.endings.last[row]
        if place or last < 0 or not self.exchanges.flags[last] & CONNECT_REQUEST:
            return place
        if row not in self.refused:
            target: cython.int = self.exchanges.target[last]
            self.refused[row] = "" if target < 0 else (self.words.text(target) or "").lower()
        return self.refused[row]

    def _is_apart(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether neither can carry what the other does: tunnels to two places, or one and no tunnel."""
        return bool(self.table.tunnels) and self._place(row) != self._place(other)

    def _may_replace(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether one may do what the other did, for the same program."""
        return not self._is_apart(row, other) and self._same_agent(row, other)

    def _unheard(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether the last request of an open connection is never acknowledged, however often it is sent."""
        if self.endings.bits[other] & DEAD != DEAD or not self.table.again_frame[other]:
            return False
        return self.endings.asked_ns[other] < self.table.opened[row]

    def _given_up(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether a response of known length had stopped in the middle, for good."""
        if not self.endings.bits[other] & PARTIAL or self.table.body_left[other] <= 0:
            return False
        end: cython.longlong = self.endings.ended_ns[other]
        return end >= 0 and self.table.opened[row] - end > STOPPED_NS

    def _meet(self, pair: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """Finds the connection that went before."""
        moment: cython.longlong = self.table.opened[row]
        chosen: cython.Py_ssize_t = self._let_go(row, moment)
        relation: cython.uint = CLOSED
        if chosen < 0:
            chosen = self._going_one(row, moment)
        if chosen < 0:
            chosen = self._dead_one(row)
            relation = OPEN_BUSY
            if chosen >= 0:
                self.buried[chosen] = 1
                if self._is_spare_tunnel(row, chosen):
                    relation = OPEN_IDLE
        if chosen < 0:
            chosen = self._idle_one(row, moment, False)
            relation = OPEN_IDLE
        if chosen < 0:
            chosen = self._lost_one(row)
            relation = CLOSED
        if chosen < 0:
            chosen = self._idle_one(row, moment, True)
            relation = OPEN_IDLE
        if chosen < 0:
            chosen = self._newest(self.open, row)
            relation = OPEN_BUSY
        if chosen < 0:
            # Another program's, whose place this one does not take.
            chosen = self._newest(self.lost, row)
            if chosen >= 0:
                self.before[row] = chosen + 1
                self.bits[row] = CLOSED | self._compare(pair, row, chosen)
            return 0
        if relation == CLOSED:
            if self.lost.holds(chosen):
                self.lost.remove(chosen)
            else:
                self.buried[chosen] = 1
        self.before[row] = chosen + 1
        self.bits[row] = relation | self._compare(pair, row, chosen)
        return 0

    def _newest(self, line: Line, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The newest in a line that leads where this one does, -1 for none."""
        other: cython.Py_ssize_t = line.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if not self._is_apart(row, other):
                return other
            other = line.older[other]
            steps += 1
        return -1

    def _lost_one(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The connection closed last of those whose place nothing has taken, -1 for none."""
        other: cython.Py_ssize_t = self.lost.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if self._may_replace(row, other):
                return other
            other = self.lost.older[other]
            steps += 1
        if self.table.tunnels:
            other = self.places.get(self._place(row), -1)
            if other >= 0 and self.lost.holds(other) and self._may_replace(row, other):
                return other
            return self._refused_one(row)
        return -1

    def _refused_one(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The same, of those that became no tunnel, as that was refused: these could have led to any place."""
        other: cython.Py_ssize_t = self.lost.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if other in self.refused and self.endings.bits[other] & ERROR and self._same_agent(row, other):
                return other
            other = self.lost.older[other]
            steps += 1
        return -1

    def _same_agent(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether both may be of the same program, by what it calls itself: where either says nothing, they may."""
        one: cython.int = self.table.agent[row]
        two: cython.int = self.table.agent[other]
        if one in (0, two) or not two:
            return True
        if self.endings.bits[row] & self.endings.bits[other] & FORWARDED:
            return True  # the names are those of others
        return self.words.same(one - 1, two - 1)

    def _one_passes_on(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether one of the two is a proxy's, that asks for others, and one is not."""
        return (self.endings.bits[row] ^ self.endings.bits[other]) & FORWARDED != 0

    def _let_go(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.Py_ssize_t:
        """A closed connection whose end the client closed right around this moment, -1 for none."""
        other: cython.Py_ssize_t = self.lost.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if self._breath(other, moment) and self._may_replace(row, other):
                return other
            other = self.lost.older[other]
            steps += 1
        return -1

    def _going_one(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.Py_ssize_t:
        """An open connection that is over all the same: its last exchange said so, or the client lets go of it before
        it asks anything on the new one. -1 for none."""
        asked: cython.longlong = moment if self.endings.first[row] < 0 else self.endings.begun_ns[row]
        left: cython.longlong
        other: cython.Py_ssize_t = self.open.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            if not self.buried[other] and self._may_replace(row, other):
                spent: cython.bint = self.endings.bits[other] & SPENT != 0
                if spent and self._until(other, self.endings.last[other]) <= moment:
                    return other
                left = self._left(other)
                if moment < left <= asked:
                    return other
            other = self.open.older[other]
            steps += 1
        return -1

    def _breath(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.bint:
        """Whether the client closed its end of a connection right around this moment."""
        left: cython.longlong = self._left(row)
        return left >= 0 and abs(left - moment) <= BREATH_NS

    def _left(self, row: cython.Py_ssize_t) -> cython.longlong:
        """When the client closed its end, -1 where it did not."""
        if self.table.closer[row] == CLIENT:
            return self.table.closed[row]
        return self.table.answered[row] if self.table.answered_with[row] else -1

    def _idle_one(self, row: cython.Py_ssize_t, moment: cython.longlong, of_others: cython.bint) -> cython.Py_ssize_t:
        """An open connection that was not in use: the one used last, but rather one that could have been shared. Of the
        same program, or else of others too."""
        chosen: cython.Py_ssize_t = -1
        latest: cython.longlong = -1
        end: cython.longlong
        alike: cython.bint
        shared: cython.bint = False
        other: cython.Py_ssize_t = self.open.newest
        steps: cython.int = 0
        while other >= 0 and steps < MOST_OPEN:
            alone: cython.bint = not of_others and not self._same_agent(row, other)
            usable: cython.bint = not alone and not self._is_apart(row, other) and not self._busy(other, moment)
            if usable and not self._is_taken(other, row, moment):
                end = self._rests_since(other, moment)
                alike = self._same_name(row, other)
                if (alike and not shared) or (alike == shared and end > latest):
                    chosen = other
                    latest = end
                    shared = alike
            other = self.open.older[other]
            steps += 1
        return chosen

    def _is_taken(self, row: cython.Py_ssize_t, new: cython.Py_ssize_t, moment: cython.longlong) -> cython.bint:
        """Whether an idle connection was asked again before the first response on the new one was there: it may have
        been taken for that request already when the new one was opened."""
        first: cython.Py_ssize_t = self.endings.first[new]
        current: cython.Py_ssize_t = self.current(row, moment)
        if first < 0 or current < 0 or self.endings.last[row] == current:
            return False
        return self.tally.end(self.exchanges, first, new) > self.exchanges.request_ns[self.endings.following(current)]

    def current(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.Py_ssize_t:
        """The last exchange of a connection that began before this moment, -1 for none."""
        exchanges: ExchangeTable = self.exchanges
        at: cython.Py_ssize_t = self.endings.first[row]
        last: cython.Py_ssize_t = self.endings.last[row]
        if at < 0 or self.endings.begun_ns[row] > moment:
            return -1
        if self.endings.asked_ns[row] <= moment:
            return last
        # Moments mostly come in order: go on from where the last one was.
        if exchanges.request_ns[self.reached[row]] <= moment and self.reached[row] > at:
            at = self.reached[row]
        following: cython.Py_ssize_t = self.endings.following(at)
        while following >= 0 and exchanges.request_ns[following] <= moment:
            at = following
            following = self.endings.following(at)
        self.reached[row] = at
        return at

    def _busy(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.bint:
        """Whether an exchange was under way, for all that the client knew; a connection that was not ready yet, or
        whose requests can't be read, is in use."""
        at: cython.Py_ssize_t = self.current(row, moment)
        if at >= 0:
            return self._until(row, at) + self.way_ns > moment
        if self.endings.first[row] >= 0:
            return self.table.state[row] != NOT_SEEN  # opened for a request that had not gone out yet
        return not self.endings.bits[row] & UNUSED or self._opening(row, moment)

    def _opening(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.bint:
        """Whether its handshake was under way."""
        table: ConnectionTable = self.table
        ready: cython.longlong = table.opened[row] + max(0, table.handshake_ns[row]) + max(0, table.tls_ns[row] - 1)
        return table.state[row] != NOT_SEEN and moment <= ready + REST_NS

    def _rests_since(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.longlong:
        """Since when it was idle."""
        at: cython.Py_ssize_t = self.current(row, moment)
        return self._until(row, at) if at >= 0 else self.table.opened[row]

    def _until(self, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.longlong:
        """When one of a connection's exchanges stopped being busy."""
        if at == self.endings.last[row] and ends_whole(self.endings.flags[row], self.table.closer[row]):
            return self.endings.ended_ns[row]
        return self.tally.end(self.exchanges, at, row)

    # -- two connections

    def _compare(self, pair: cython.Py_ssize_t, row: cython.Py_ssize_t, before: cython.Py_ssize_t) -> cython.uint:
        """How the two stand to each other."""
        this = connection_row(self.table, row)
        gone = connection_row(self.table, before)
        moment: cython.longlong = this.opened
        first: cython.Py_ssize_t = self.endings.first[row]
        bits: cython.uint = self._left_at(before, moment)
        if self.endings.count[row] > 1:
            bits |= NEW_REUSED
        if self.endings.bits[row] & UNUSED:
            bits |= NEW_UNUSED
        if self.in_vain:
            bits |= IN_VAIN
        if self.tally.reused[pair]:
            bits |= PAIR_REUSES
        if self.tally.peak[pair] > 1:
            bits |= PAIR_OVERLAPS
        if gone.opened <= moment and self._opening(before, moment):
            bits |= TOGETHER
        if this.flags & gone.flags & ENCRYPTED:
            bits |= BOTH_ENCRYPTED
        if gone.closed < 0 and self._given_up(row, before):
            bits |= GIVEN_UP
        following: cython.Py_ssize_t = self._next_opened(before)
        if following == row:
            bits |= ADJACENT
        elif following >= 0 and self.tally.pair_of[following] != pair:
            bits |= ELSEWHERE if self._used_others(before, pair) else BESIDE_OTHER
        if not self._same_name(row, before):
            bits |= self._named_otherwise(row, before)
        source: cython.Py_ssize_t = self._redirect(row, first)
        if source >= 0:
            self.source[row] = source + 1
            bits |= REDIRECTED
        if not self._same_agent(row, before):
            bits |= OTHER_AGENT
        if self.endings.readers.has(self.table.agent[before]) and not self.endings.bits[before] & FORWARDED:
            bits |= CLOSES_UNREAD
        if gone.flags & CLOSED_KNOWING:
            bits |= KNOWING
        waited: cython.longlong = gone.closed - self.endings.asked_ns[before]
        if self.endings.last[before] >= 0 and gone.closed >= 0 and waited > TAKING_NS + max(0, gone.handshake_ns):
            bits |= TAKING_TIME
        if self.tally.handshakes[pair] - self.tally.least[pair] < self.tally.least[pair]:
            bits |= FEW_EXTRA
        if self.tally.handshakes[pair] - self.tally.least[pair] == 1:
            bits |= ONE_EXTRA
        if gone.closer == CLIENT and not bits & ADJACENT and self._beside_response(before, pair):
            bits |= BESIDE_RESPONSE
        if self.failures.latest(pair, moment) >= max(gone.opened, gone.closed):
            bits |= REFUSED_BETWEEN
        if bits & BOTH_ENCRYPTED and self._in_turn(row, before):
            bits |= IN_TURN
        return bits

    def _left_at(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.uint:
        """In what state a connection was at this moment."""
        current: cython.Py_ssize_t = self.current(row, moment)
        if current < 0:
            return JUST_IDLE if moment - self.table.opened[row] < REST_NS else 0
        bits: cython.uint = 0
        flags: cython.uint = self.endings.flags[row]
        status: cython.int = self.endings.status[row]
        if current != self.endings.last[row]:
            bits |= GOES_ON
            flags = self.exchanges.flags[current]
            status = self.exchanges.status[current]
        if moment - self._until(row, current) < REST_NS:
            bits |= JUST_IDLE
        first: cython.Py_ssize_t = self.endings.first[row]
        if self._makes_tunnel(first):
            first = self.endings.following(first)
        if current > first >= 0:
            bits |= REUSED_BEFORE
        if flags & CONNECTION_AUTH and status in (401, 407):
            bits |= AFTER_CHALLENGE
        return bits

    def _name(self, row: cython.Py_ssize_t) -> str:
        """What the server was called: the first Host field in lower case, else the TLS server name; empty for none."""
        first: cython.Py_ssize_t = self.endings.first[row]
        if first >= 0 and self.exchanges.host[first] >= 0:
            return (self.words.text(self.exchanges.host[first]) or "").lower()
        found = self.table.tls.get(row)
        return found[0].decode("latin-1").lower() if found is not None else ""

    def _same_name(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether both connections call the server the same."""
        if 0 <= self.endings.host[row] == self.endings.host[other]:
            return True
        return bool(self._name(row) == self._name(other))

    def _named_otherwise(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.uint:
        one = self._name(row)
        two = self._name(other)
        if not one or not two:
            # A ClientHello names no address (RFC 6066, section 3): who says none may be calling the server by its own.
            nameless: cython.Py_ssize_t = other if one else row
            return OTHER_NAME if (one or two) and nameless in self.table.nameless else 0
        from verifier.judge.names import is_alias

        return OTHER_NAME | ALIAS if is_alias(one, two) else OTHER_NAME

    def _in_turn(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether the exchanges of the two never overlap, as those of one thread do not."""
        exchanges: ExchangeTable = self.exchanges
        one: cython.Py_ssize_t = self.endings.first[row]
        two: cython.Py_ssize_t = self.endings.first[other]
        steps: cython.Py_ssize_t = 0
        while one >= 0 and two >= 0 and steps < 4096:
            steps += 1
            if exchanges.request_ns[one] < exchanges.request_ns[two]:
                if self.tally.end(exchanges, one, row) > exchanges.request_ns[two]:
                    return False
                one = self.endings.following(one)
            else:
                if self.tally.end(exchanges, two, other) > exchanges.request_ns[one]:
                    return False
                two = self.endings.following(two)
        return True

    # -- the client's other doings

    def _same_client(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether both have the same client address."""
        table: ConnectionTable = self.table
        high: cython.ulonglong = table.hi0[row] if table.client[row] == 0 else table.hi1[row]
        low: cython.ulonglong = table.lo0[row] if table.client[row] == 0 else table.lo1[row]
        if table.client[other] == 0:
            return high == table.hi0[other] and low == table.lo0[other]
        return high == table.hi1[other] and low == table.lo1[other]

    def _same_asker(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether both have the same client address, and neither or both are a proxy's."""
        return self._same_client(row, other) and not self._one_passes_on(row, other)

    def _next_opened(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The connection that the client opened right after it had closed this one, -1 where it opened none."""
        left: cython.longlong = self._left(row)
        if left < 0:
            return -1
        if self.openings is None:
            self.openings = Openings(self.tally)
        other: cython.Py_ssize_t = self.openings.first(row, left - SAME_NS)
        if other < 0 or self.table.opened[other] > left + BREATH_NS or not self._same_agent(other, row):
            return -1
        if self._one_passes_on(other, row):
            return -1
        return other

    def _by_request(self) -> Order:
        """The exchanges in the order of their requests."""
        if self.by_request is None:
            self.by_request = Order(self.exchanges.request_ns, self.exchanges.rows)
        return self.by_request

    def _beside_response(self, row: cython.Py_ssize_t, pair: cython.Py_ssize_t) -> cython.bint:
        """Whether a response of another server to the same client ended just before this connection was closed."""
        exchanges: ExchangeTable = self.exchanges
        if self.tally.pairs < 2 or self.endings.last[row] < 0 or self.endings.gap(row) < REST_NS:
            return False
        left: cython.longlong = self._left(row)
        since: cython.longlong = max(left - RESPONSE_NS, self.endings.ended_ns[row])
        order: Order = self._by_request()
        place: cython.Py_ssize_t = order.lower(left) - 1
        last: cython.Py_ssize_t = max(0, place - MOST_BACK)
        at: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        while place >= last:
            at = order.row(place)
            owner = exchanges.connection[at]
            near: cython.bint = since < exchanges.end_ns[at] <= left
            if near and self.tally.pair_of[owner] not in (-1, pair) and self._same_asker(owner, row):
                return True
            place -= 1
        return False

    def _used_others(self, row: cython.Py_ssize_t, pair: cython.Py_ssize_t) -> cython.bint:
        """Whether the client asked other servers between this connection's last response and its close."""
        if self.endings.last[row] < 0:
            return False
        since: cython.longlong = self.endings.ended_ns[row]
        exchanges: ExchangeTable = self.exchanges
        order: Order = self._by_request()
        place: cython.Py_ssize_t = order.lower(since)
        last: cython.Py_ssize_t = min(exchanges.rows, place + MOST_OTHERS)
        at: cython.Py_ssize_t
        owner: cython.Py_ssize_t
        while place < last:
            at = order.row(place)
            owner = exchanges.connection[at]
            if exchanges.request_ns[at] >= self._left(row):
                break
            if self.tally.pair_of[owner] != pair and self._same_asker(owner, row) and self._same_agent(owner, row):
                return True
            place += 1
        return False

    def redirect_to(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The exchange that redirected the client to what this connection is asked first, -1 for none."""
        return self._redirect(row, self.endings.first[row])

    def _redirect(self, row: cython.Py_ssize_t, first: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The exchange just before this connection that redirected its client to what it asks for first, or -1."""
        if first < 0 or not self.endings.redirects:
            return -1
        exchanges: ExchangeTable = self.exchanges
        moment: cython.longlong = self.table.opened[row]
        order: Order = self._by_request()
        place: cython.Py_ssize_t = order.lower(moment) - 1
        last: cython.Py_ssize_t = max(0, place - MOST_BACK)
        other: cython.Py_ssize_t
        while place >= last:
            other = order.row(place)
            if moment - exchanges.request_ns[other] > REDIRECT_NS:
                break
            redirects: cython.bint = exchanges.location[other] != 0
            if redirects and self._same_client(exchanges.connection[other], row) and self._leads(other, row, first):
                return other
            place -= 1
        return -1

    def _leads(self, redirect: cython.Py_ssize_t, row: cython.Py_ssize_t, exchange: cython.Py_ssize_t) -> cython.bint:
        """Whether a Location is the URL of a connection's first request. Of one inside TLS only the server's name is
        known."""
        from verifier.judge.names import leads_to, leads_to_server

        location = self.words.text(self.exchanges.location[redirect] - 1) or ""
        if self.exchanges.target[exchange] < 0:
            return leads_to_server(location, self._name(row))
        target = self.words.text(self.exchanges.target[exchange]) or ""
        return leads_to(location, (self.words.text(self.exchanges.host[exchange]) or "").lower(), target)


class Line:
    """Rows in a line, the newest in front: any can be taken out at once. Lines can share their columns, where no row
    is in two of them: `where` tells in which one it is, by the `mark` of the line."""

    def __init__(self, older: Numbers, newer: Numbers, where: Numbers, mark: int) -> None:
        self.newest = -1
        self.older = older
        self.newer = newer
        self.where = where
        self.mark = mark

    def begin(self) -> cython.int:
        """Anew, for rows that were never in it."""
        self.newest = -1
        return 0

    def holds(self, row: cython.Py_ssize_t) -> cython.bint:
        return self.where[row] == self.mark

    def add(self, row: cython.Py_ssize_t) -> cython.int:
        """Puts a row in front."""
        self.where[row] = self.mark
        self.older[row] = self.newest
        self.newer[row] = -1
        if self.newest >= 0:
            self.newer[self.newest] = row
        self.newest = row
        return 0

    def remove(self, row: cython.Py_ssize_t) -> cython.int:
        if self.newer[row] >= 0:
            self.older[self.newer[row]] = self.older[row]
        else:
            self.newest = self.older[row]
        if self.older[row] >= 0:
            self.newer[self.older[row]] = self.newer[row]
        self.where[row] = AWAY
        return 0
