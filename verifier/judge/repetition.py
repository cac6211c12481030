# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""What repeats among the connections of a pair, and among those of a server: the same idle time, the same number of
requests, the same age, the same instant. Added to the facts of `verifier.judge.endings`.

A limit is one where several connections show it, as far as timers go: `leeway`.
"""

from __future__ import annotations

import cython

from verifier.judge import facts
from verifier.judge.facts import (
    AGE_REPEATS,
    ALWAYS_ONE,
    ALWAYS_SAID,
    AT_ONCE,
    BODILESS,
    BOTH_FIRST,
    CLIENT_FIRST,
    COUNT_BY_SERVER,
    COUNT_REPEATS,
    COUNT_TOGETHER,
    DAMAGED,
    ENCRYPTED,
    FORWARDED,
    GAP_ABOVE_REUSE,
    GAP_ANNOUNCED,
    GAP_KNOWN,
    GAP_REPEATS,
    IDLE,
    IS_H2,
    ONLY_BODILESS,
    ONLY_ERRORS,
    OTHERS_KEPT,
    OTHERS_SAID_NOTHING,
    OUTLIVED,
    PAUSE_PAST_LIMIT,
    SAID_CLOSE,
    SAME_INSTANT,
    SERVER_FIRST,
    SPENT,
    TOLD,
    WAITING,
)
from verifier.judge.peers import Peers
from verifier.wire.octets import zeros
from verifier.wire.tables import CONNECT_REQUEST, NOT_SEEN

if cython.compiled:
    from cython.cimports.verifier.judge.endings import Endings, is_tunnel, keep
    from cython.cimports.verifier.judge.order import ordered
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable
else:
    from verifier.judge.endings import Endings, is_tunnel, keep
    from verifier.judge.order import ordered
    from verifier.wire.tables import ConnectionTable, ExchangeTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    Times = memoryview
    Numbers = memoryview
    Pairs = list[int]
    ByServer = dict[tuple[int, int, int], list[int]]
    """By these names, because compiled code takes `list[int]` and the `list` of the .pxd for two types."""

QUICK_NS = cython.declare(cython.longlong, 20_000_000)
"""Servers set no idle timeout shorter."""
INSTANT_NS = cython.declare(cython.longlong, 100_000_000)
"""Closes within it are one event, where the connections had been idle for different times."""
TICK_NS = cython.declare(cython.longlong, 1_000_000)
MANY_AT_ONCE = 4
"""Connections closed in one instant, of which less has to differ."""
NEIGHBOURS = cython.declare(cython.Py_ssize_t, 64)
"""Connections of a pair that are looked at around one: as many are not open at once but in load tests."""
SETTLING = cython.declare(cython.Py_ssize_t, 2)
"""Turns of HTTP/2 inside of TLS that a connection may have for one request: the settings of both sides go before."""
MANY_SAID = 4
"""Responses that all say close, before a server is said never to keep a connection."""

MOMENTS = cython.declare(cython.ulonglong, facts.UNUSED | facts.WAITING | facts.PARTIAL | facts.AT_ONCE | facts.IDLE)
LIMITED = cython.declare(
    cython.ulonglong, facts.COUNT_REPEATS | facts.ALWAYS_ONE | facts.GAP_REPEATS | facts.SAID_CLOSE
)


class Repetition:
    """Marks what repeats in the facts of `endings`. `longest`: pair to the longest time that one of its connections was
    idle and then used again, where either side closed idle ones. `discarded`: connections that the client closed at
    once while it went on with others of the pair."""

    def __init__(self, endings: Endings, peers: Peers) -> None:
        self.endings = endings
        self.bits = endings.bits
        self.tally = endings.tally
        self.table = endings.table
        self.exchanges = endings.exchanges
        self.members = endings.members
        self.expiries = peers.expiries
        self.longest: dict[int, int] = {}
        self.discarded: list[int] = []
        place: cython.Py_ssize_t
        most: cython.Py_ssize_t = 0
        for place in range(self.members.many):
            most = max(most, self.members.sizes[self.members.pairs[place]])
        self.room = memoryview(zeros("i", most))
        self.rows = self.at_once = self.idle = self.by_client = self.room[:0]
        """Those of one pair, and of these the ones that were closed at once, that the server closed when idle, and that
        the client did."""
        self.said = endings.said
        by_server: dict[tuple[int, int, int], list[int]] = {}
        for place in range(self.members.many):
            self._compare(self.members.pairs[place], by_server)
        self.room = self.rows = self.at_once = self.idle = self.by_client = memoryview(zeros("i", 0))
        for pairs in by_server.values():
            self._instants(pairs)

    def _compare(self, pair: cython.Py_ssize_t, by_server: ByServer) -> cython.int:
        """Looks for what repeats among the connections of a pair."""
        self.rows = self._of(pair)
        self._short_timers()
        if self._sort():
            by_server.setdefault(self._server(self.rows[0]), []).append(pair)
        limit: cython.longlong = self._same_gap(self.idle)
        self._same_gap(self.by_client)
        self._counts()
        self._ages()
        announced: cython.longlong = self._announced()
        if len(self.idle) or len(self.by_client):
            self._outlived(pair, self._longest_pause())
        self._headers(pair)
        self._bodiless(pair)
        if (self.tally.peak[pair] > 1 and self.tally.reused[pair]) or self.tally.unreadable[pair]:
            self._kept()
        self._past_limit(limit if limit >= 0 else announced)
        return 0

    def _of(self, pair: cython.Py_ssize_t) -> Numbers:
        """The connections of a pair."""
        begin: cython.Py_ssize_t = self.members.starts[pair]
        return self.members.rows[begin : begin + self.members.sizes[pair]]

    def _kind(self, row: cython.Py_ssize_t) -> cython.int:
        """0 for one that was closed at once by a limit, maybe; 1, 2 for one that its server, its client closed when
        idle; 3 for others."""
        bits: cython.ulonglong = self.bits[row]
        if self._is_unsure(row, bits):
            return 3
        if bits & IDLE and bits & (SERVER_FIRST | BOTH_FIRST):
            return 1
        if bits & IDLE and bits & CLIENT_FIRST:
            return 2
        return 0 if bits & AT_ONCE and self._is_limited(bits) and self.table.state[row] != NOT_SEEN else 3

    def _is_unsure(self, row: cython.Py_ssize_t, bits: cython.ulonglong) -> cython.bint:
        """Whether the capture does not show how a connection ended."""
        return bits & DAMAGED != 0 or (bits & IDLE != 0 and self.endings.gap(row) < 0)

    def _closed_unsaid(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the server closed by itself, and had not said so."""
        bits: cython.ulonglong = self.bits[row]
        return bits & SERVER_FIRST != 0 and not bits & SAID_CLOSE and not self._is_unsure(row, bits)

    def _sort(self) -> cython.bint:
        """Sorts a pair's connections by kind. Whether its server closed one by itself."""
        row: cython.int
        kind: cython.int
        at_once: cython.Py_ssize_t = 0
        idle: cython.Py_ssize_t = 0
        by_client: cython.Py_ssize_t = 0
        unsaid: cython.bint = False
        for row in self.rows:
            kind = self._kind(row)
            at_once += kind == 0
            idle += kind == 1
            by_client += kind == 2
            unsaid = unsaid or self._closed_unsaid(row)
        self.at_once = self.room[:at_once]
        self.idle = self.room[at_once : at_once + idle]
        self.by_client = self.room[at_once + idle : at_once + idle + by_client]
        at_once = idle = by_client = 0
        for row in self.rows:
            kind = self._kind(row)
            if kind == 0:
                self.at_once[at_once] = row
                at_once += 1
            elif kind == 1:
                self.idle[idle] = row
                idle += 1
            elif kind == 2:
                self.by_client[by_client] = row
                by_client += 1
        return unsaid

    def idle_gaps(self, pair: cython.Py_ssize_t, closers: cython.ulonglong) -> Times:
        """How long the pair's connections were idle, that one of these sides closed then, in nanoseconds."""
        row: cython.int
        found: cython.Py_ssize_t = 0
        gaps = memoryview(zeros("q", self.members.sizes[pair]))
        for row in self._of(pair):
            if self.bits[row] & IDLE and self.bits[row] & closers and self.endings.gap(row) >= 0:
                gaps[found] = self.endings.gap(row)
                found += 1
        return gaps[:found]

    def limited(self, pair: cython.Py_ssize_t, count: cython.uint) -> tuple[int, int]:
        """How many of the pair's connections the server closed behind the response of this number, and behind any."""
        row: cython.int
        seen: cython.Py_ssize_t = 0
        closed: cython.Py_ssize_t = 0
        for row in self._of(pair):
            if self.bits[row] & AT_ONCE and self._is_limited(self.bits[row]):
                closed += 1
                seen += self.endings.count[row] == count
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

    # -- times

    def _same_gap(self, rows: Numbers) -> cython.longlong:
        """Marks the largest group that was idle equally long, as far as timers go; returns the time that is in its
        middle, -1 for none. None where all of it was closed in one instant: a program that ends shows no timer."""
        if len(rows) < 2:
            return -1
        place: cython.int
        gaps = memoryview(zeros("q", len(rows)))
        for place in range(len(rows)):
            gaps[place] = self.endings.gap(rows[place])
        group = alike(gaps)
        if not len(group):
            return -1
        first: cython.longlong = self.table.closed[rows[group[0]]]
        last: cython.longlong = first
        for place in group:
            first = min(first, self.table.closed[rows[place]])
            last = max(last, self.table.closed[rows[place]])
        if last - first <= INSTANT_NS:
            return -1
        for place in group:
            self.bits[rows[place]] |= GAP_REPEATS
        return gaps[group[len(group) // 2]]

    def _short_timers(self) -> cython.int:
        """Takes closes for those of an idle timer that follow the response soon, but always after the same time."""
        row: cython.int
        gap: cython.longlong
        found: cython.Py_ssize_t = 0
        shortest: cython.longlong = 0
        longest: cython.longlong = 0
        for row in self.rows:
            if self._is_soon(row):
                gap = self.endings.gap(row)
                shortest = min(shortest, gap) if found else gap
                longest = max(longest, gap)
                found += 1
        if found > 1 and longest - shortest <= shortest // 10:
            for row in self.rows:
                if self._is_soon(row):
                    self.bits[row] = (self.bits[row] & ~AT_ONCE) | IDLE
        return 0

    def _is_soon(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the server closed soon, and not at once, behind a response that did not say so."""
        bits: cython.ulonglong = self.bits[row]
        if not bits & AT_ONCE or not bits & SERVER_FIRST or bits & (SAID_CLOSE | SPENT):
            return False
        return self.endings.gap(row) > QUICK_NS

    def _counts(self) -> cython.int:
        """Whether the server closed after the same number of responses each time."""
        if len(self.at_once) < 2:
            return 0
        numbers: Numbering = Numbering()
        row: cython.int
        for row in self.at_once:
            numbers.add(self.endings.count[row])
        usual: cython.Py_ssize_t = numbers.usual()
        times: cython.Py_ssize_t = numbers.of[usual]
        if times < 2 or times * 3 < len(self.at_once) * 2:
            return 0
        alone: cython.bint = len(numbers.of) == 1
        by_server: cython.bint = False
        for row in self.at_once:
            if self.endings.count[row] == usual and self.bits[row] & (SERVER_FIRST | SAID_CLOSE):
                by_server = True
        fact: cython.ulonglong = COUNT_TOGETHER if self._together(usual) else COUNT_REPEATS
        if by_server and fact == COUNT_REPEATS:
            fact |= COUNT_BY_SERVER
        for row in self.at_once:
            if self.endings.count[row] == usual and usual > (SETTLING if self.bits[row] & IS_H2 else 1):
                self.bits[row] |= fact
            if usual == 1 and alone:
                self.bits[row] |= ALWAYS_ONE
        return 0

    def _together(self, count: cython.Py_ssize_t) -> cython.bint:
        """Whether the connections with this number of requests were open side by side, and all were closed in one
        instant: a limit that all reach at once, or one event."""
        row: cython.int
        opened: cython.longlong = -1
        first: cython.longlong = -1
        last: cython.longlong = -1
        for row in self.at_once:
            if self.endings.count[row] == count:
                opened = max(opened, self.table.opened[row])
                last = max(last, self.table.closed[row])
                first = self.table.closed[row] if first < 0 else min(first, self.table.closed[row])
        # One that is opened just as the one before it is closed overlaps with that one, too.
        return last - first <= INSTANT_NS and first - opened > last - first

    def _ages(self) -> cython.int:
        """Whether the server closed connections of the same age, where nothing else repeats."""
        place: cython.int
        found: cython.Py_ssize_t = self._unlimited(self.at_once, self.room[:0])
        found += self._unlimited(self.idle, self.room[:0])
        if found < 2:
            return 0
        rows = memoryview(zeros("i", found))
        found = self._unlimited(self.at_once, rows)
        self._unlimited(self.idle, rows[found:])
        ages = memoryview(zeros("q", len(rows)))
        youngest: cython.longlong = -1
        for place in range(len(rows)):
            ages[place] = max(0, self.table.closed[rows[place]] - self.table.opened[rows[place]])
            youngest = ages[place] if youngest < 0 else min(youngest, ages[place])
        group = alike(ages)
        if not len(group):
            return 0
        first: cython.longlong = self.table.opened[rows[group[0]]]
        last: cython.longlong = first
        for place in group:
            first = min(first, self.table.opened[rows[place]])
            last = max(last, self.table.opened[rows[place]])
        # Opened together and closed together, they are of the same age whatever closed them.
        if last - first > leeway(youngest):
            for place in group:
                self.bits[rows[place]] |= AGE_REPEATS
        return 0

    def _unlimited(self, rows: Numbers, found: Numbers) -> cython.Py_ssize_t:
        """How many of these no other limit closed; where there is room for them, they are put there."""
        row: cython.int
        number: cython.Py_ssize_t = 0
        for row in rows:
            if not self.bits[row] & LIMITED:
                if len(found):
                    found[number] = row
                number += 1
        return number

    def _announced(self) -> cython.longlong:
        """Whether idle times are what Keep-Alive fields had said: not less, and at most a tenth and a second more.
        Returns the first time that was said so, 0 for none."""
        row: cython.int
        said: cython.longlong
        limit: cython.longlong = 0
        for row in self.idle:
            said = (cython.cast(cython.longlong, self.table.keep_timeout[row]) - 1) * 1_000_000_000
            if said > 0 and said * 95 // 100 <= self.endings.gap(row) <= said * 11 // 10 + 1_000_000_000:
                self.bits[row] |= GAP_ANNOUNCED
                limit = limit or said
        return limit

    def _outlived(self, pair: cython.Py_ssize_t, longest: cython.longlong) -> cython.int:
        """Whether a side closed after an idle time that other connections had lived through; whether a client that
        closes idle connections keeps to what its kind does, or to a limit that its re-use shows: never re-used after as
        long a pause. `longest` is the longest that was lived through, -1 for none."""
        row: cython.int
        gap: cython.longlong
        for row in self.idle:
            gap = self.endings.gap(row)
            if longest > gap + leeway(gap):
                self.bits[row] |= OUTLIVED
        if longest >= 0:
            self.longest[pair] = longest
        for row in self.by_client:
            gap = self.endings.gap(row)
            known: cython.longlong = self.expiries.get(self.table.agent[row] - 1, 0)
            if known and known * 98 // 100 <= gap and not self.bits[row] & FORWARDED:
                self.bits[row] |= GAP_KNOWN
            if 0 <= longest < gap:
                self.bits[row] |= GAP_ABOVE_REUSE
            if longest > gap + leeway(gap):
                self.bits[row] |= OUTLIVED
        return 0

    def _longest_pause(self) -> cython.longlong:
        """The longest time that a connection of the pair was idle and then re-used, -1 where none ever was. The first
        request in a tunnel re-uses nothing."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.int
        at: cython.Py_ssize_t
        following: cython.Py_ssize_t
        longest: cython.longlong = -1
        for row in self.rows:
            at = self.endings.first[row]
            if at == self.endings.last[row]:
                continue
            following = self.endings.following(at)
            while following >= 0:
                if not is_tunnel(exchanges.flags[at], exchanges.status[at]):
                    longest = max(longest, exchanges.request_ns[following] - exchanges.end_ns[at])
                at = following
                following = self.endings.following(at)
        return longest

    def _past_limit(self, limit: cython.longlong) -> cython.int:
        """Whether a request without response came after a longer pause than the server's limit, well beyond it."""
        row: cython.int
        if not limit:
            return 0
        for row in self.rows:
            if self.bits[row] & WAITING and self.endings.pause(row) > limit * 3 // 2:
                self.bits[row] |= PAUSE_PAST_LIMIT
        return 0

    # -- messages

    def _headers(self, pair: cython.Py_ssize_t) -> cython.int:
        """Whether every response of the pair says close, or those of errors alone."""
        row: cython.int
        closing: cython.int = self.said.closing[pair]
        bits: cython.ulonglong = 0
        if closing == self.said.answered[pair] and closing >= MANY_SAID:
            bits |= ALWAYS_SAID
        if closing == self.said.closing_errors[pair]:
            bits |= ONLY_ERRORS
            if self.said.kept[pair]:
                bits |= OTHERS_SAID_NOTHING
        if bits:
            for row in self.rows:
                self.bits[row] |= bits
        return 0

    def _bodiless(self, pair: cython.Py_ssize_t) -> cython.int:
        """Whether the server closes behind responses without a body, and behind no others."""
        row: cython.int
        if not self.said.followed[pair] or self.said.bodiless[pair]:
            return 0
        for row in self.rows:
            if self._closed_behind(row) and not self.bits[row] & BODILESS:
                return 0
        for row in self.rows:
            if self._closed_behind(row):
                self.bits[row] |= ONLY_BODILESS
        return 0

    def _closed_behind(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the server closed right behind a response that had not made clear that it would be the last."""
        bits: cython.ulonglong = self.bits[row]
        return bits & AT_ONCE != 0 and bits & SERVER_FIRST != 0 and not bits & SPENT

    # -- instants

    def _instants(self, pairs: Pairs) -> cython.int:
        """Whether the server of these pairs closed several at one instant, that had not been idle equally long."""
        table: ConnectionTable = self.table
        rows = self._unsaid_of(pairs)
        place: cython.Py_ssize_t
        other: cython.Py_ssize_t
        row: cython.Py_ssize_t
        begin: cython.Py_ssize_t = 0
        moment: cython.longlong
        for place in range(1, len(rows) + 1):
            if place < len(rows):
                row = rows[place]
                moment = table.closed[rows[begin]]
                if table.closed[row] - moment <= INSTANT_NS and table.opened[row] <= moment:
                    continue
            if place - begin > 1 and self._differ(rows[begin:place]):
                for other in range(begin, place):
                    self.bits[rows[other]] |= SAME_INSTANT
            begin = place
        return 0

    def _unsaid_of(self, pairs: Pairs) -> Numbers:
        """What a server closed by itself, in the order of closes."""
        pair: cython.Py_ssize_t
        place: cython.Py_ssize_t
        row: cython.int
        found: cython.Py_ssize_t = 0
        for pair in pairs:
            for row in self._of(pair):
                found += self._closed_unsaid(row)
        rows = memoryview(zeros("i", found))
        keys = memoryview(zeros("q", found))
        found = 0
        for pair in pairs:
            for row in self._of(pair):
                if self._closed_unsaid(row):
                    rows[found] = row
                    keys[found] = row
                    found += 1
        if len(pairs) > 1:
            self._reorder(rows, keys)
        for place in range(found):
            keys[place] = self.table.closed[rows[place]]
        self._reorder(rows, keys)
        return rows

    def _reorder(self, rows: Numbers, keys: Times) -> cython.int:
        """Brings rows into the order of their keys; the keys stay where they are."""
        place: cython.Py_ssize_t
        order = ordered(keys, len(rows))
        for place in range(len(rows)):
            order[place] = rows[order[place]]
        for place in range(len(rows)):
            rows[place] = order[place]
        return 0

    def _differ(self, rows: Numbers) -> cython.bint:
        """Whether connections were closed in states in which no one timer, and no one limit, ends them all.

        A server that looks at its connections now and then closes all whose time is over together: their idle times
        differ by no more than it waits between two looks.
        """
        row: cython.int
        shortest: cython.longlong = -1
        longest: cython.longlong = 0
        gap: cython.longlong
        first: cython.ulonglong = self.bits[rows[0]] & MOMENTS
        for row in rows:
            if self.bits[row] & MOMENTS != first:
                return True
            gap = self.endings.gap(row)
            longest = max(longest, gap)
            shortest = gap if shortest < 0 else min(shortest, gap)
        if first & AT_ONCE:
            # Each right behind a response of its own is a limit; all together, whatever the time since, is not.
            apart: cython.longlong = self.table.closed[rows[len(rows) - 1]] - self.table.closed[rows[0]]
            return len(rows) > 2 and longest - shortest > 4 * apart + TICK_NS
        if not first & IDLE:
            return True
        return longest - shortest > max(INSTANT_NS, longest // (4 if len(rows) >= MANY_AT_ONCE else 2))

    # -- the client

    def _kept(self) -> cython.int:
        """Whether a connection that the client closed at once was one of several, of which it went on with others."""
        rows = self.rows
        place: cython.Py_ssize_t
        row: cython.int
        steps: cython.Py_ssize_t
        for place in range(len(rows)):
            row = rows[place]
            if not self.bits[row] & CLIENT_FIRST or not self.bits[row] & AT_ONCE:
                continue
            # The nearest are the most likely to be open.
            for steps in range(1, NEIGHBOURS + 1):
                if (place >= steps and self._goes_on(rows[place - steps], row)) or (
                    steps < NEIGHBOURS and place + steps < len(rows) and self._goes_on(rows[place + steps], row)
                ):
                    self.bits[row] |= OTHERS_KEPT
                    keep(self.discarded, row)
                    break
        return 0

    def _goes_on(self, other: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.bint:
        """Whether another connection was open, and had been asked, when this one was closed, and is asked again. What
        leads to another place would have had a pool of its own, and to ask for a tunnel is not to use it."""
        closed: cython.longlong = self.table.closed[row]
        if self.endings.last[other] < 0 or self.table.opened[other] >= closed:
            return False
        if self.endings.asked_ns[other] <= closed or 0 <= self.table.closed[other] <= closed:
            return False
        if not self.table.tunnels:
            return self.endings.begun_ns[other] < closed
        if self.endings.leads_to(row) != self.endings.leads_to(other):
            return False
        first: cython.Py_ssize_t = self.endings.first[other]
        while first >= 0 and self.exchanges.flags[first] & CONNECT_REQUEST:
            first = self.endings.following(first)
        return first >= 0 and self.exchanges.request_ns[first] < closed


class Numbering:
    """How often each number was met, in the order of first meetings. The same one mostly comes again and again."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        self.last = -1
        self.times = 0

    def add(self, number: cython.Py_ssize_t) -> cython.int:
        if number != self.last:
            self._settle()
            self.last = number
        self.times += 1
        return 0

    def _settle(self) -> cython.int:
        if self.times:
            self.of[self.last] = self.of.get(self.last, 0) + self.times
        self.times = 0
        return 0

    def counted(self) -> dict[int, int]:
        """Number to how often."""
        self._settle()
        return self.of

    def usual(self) -> cython.Py_ssize_t:
        """The number that was met most often; of several the first. There is one."""
        counts = self.counted()
        return max(counts, key=counts.__getitem__)


def leeway(time: cython.longlong) -> cython.longlong:
    """How much later than the shortest of them times of one timer may be, on a busy machine: a tenth, and for short
    ones up to 100 ms, but no more than a quarter."""
    return max(0, time // 10, min(100_000_000, time // 4))


def alike(times: Times) -> Numbers:
    """The places of the most times that are the same, as far as timers go, in their order. Empty where fewer than two
    are."""
    order = ordered(times, len(times))
    best_from: cython.Py_ssize_t = 0
    best_to: cython.Py_ssize_t = 0
    low: cython.Py_ssize_t = 0
    high: cython.Py_ssize_t
    for high in range(len(times)):
        while times[order[high]] - times[order[low]] > leeway(times[order[low]]):
            low += 1
        if high + 1 - low > best_to - best_from:
            best_from = low
            best_to = high + 1
    return order[best_from:best_to] if best_to - best_from > 1 else order[:0]
