# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Which connections carry requests that had come in on others: both hops of a proxy are in the capture.

What a proxy asks for, it was asked for itself: by a request to its own address, with the same method and target, that
began before and whose response began after. The User-Agent of such a request, and the Server field of the response that
goes back, are mostly not the proxy's own. Looked for only where the client of one pair is at the address of another
pair's server.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import zeros

if cython.compiled:
    from cython.cimports.verifier.judge.order import Order
    from cython.cimports.verifier.judge.tally import Tally
    from cython.cimports.verifier.wire.tables import ConnectionTable, ExchangeTable, Words
else:
    from verifier.judge.order import Order
    from verifier.judge.tally import Tally
    from verifier.wire.tables import ConnectionTable, ExchangeTable, Words

MOST_BACK = cython.declare(cython.Py_ssize_t, 64)
"""Earlier requests that are looked at for the one that was passed on, the nearest first."""
TRIED = cython.declare(cython.int, 16)
"""Requests of a pair that are looked at before it is given up."""


class Relays:
    """`exchanges` are those of the packets, of which the turns of encrypted connections have no target."""

    def __init__(self, tally: Tally, exchanges: ExchangeTable, words: Words) -> None:
        self.tally = tally
        self.table = tally.table
        self.exchanges = exchanges
        self.words = words
        found: cython.bint = self._meet()
        self.inner = memoryview(zeros("B", self.table.rows if found else 0))
        """By connection: whether a request on it was found to have come to its client's own door."""
        self.outer = memoryview(zeros("i", exchanges.rows if found else 0))
        """By exchange: the row, plus one, of the request that it may have been made for; 0 for none."""
        self.tried = memoryview(zeros("i", tally.pairs if found else 0))
        self.matched = memoryview(zeros("i", tally.pairs if found else 0))
        self.asked_by: dict[tuple[int, int], int] = {}
        """How many requests of one pair were found to have come in on another one."""
        self.relay = memoryview(zeros("B", tally.pairs if found else 0))
        """By pair: whether its client passes on what it is asked."""
        self.before = memoryview(zeros("B", tally.pairs if found else 0))
        """By pair: whether its server was seen to ask another one for what it was asked, and has that one's name."""
        if found:
            self._look()
            self._decide()
            self._name()

    def passes_on(self, row: cython.Py_ssize_t) -> cython.bint:
        """Whether a connection carries what its client was asked for by others."""
        if not len(self.inner) or self.tally.pair_of[row] < 0:
            return False
        return self.inner[row] != 0 and self.relay[self.tally.pair_of[row]] != 0

    def relays(self, pair: cython.Py_ssize_t) -> cython.bint:
        """Whether a pair's server asks another one for what it is asked, and has the name of that: it may be passed on,
        too."""
        return len(self.before) != 0 and self.before[pair] != 0

    def _meet(self) -> cython.bint:
        """Whether the client of a pair is where another pair's server is."""
        pair: cython.Py_ssize_t
        last: cython.Py_ssize_t = -1
        if self.tally.pairs < 2:
            return False
        servers: set[tuple[int, int]] = set()
        for pair in range(self.tally.pairs):
            # Mostly the one of the pair before.
            if last < 0 or not self._same(self.tally.first_row[last], 1, self.tally.first_row[pair], 1):
                servers.add(self._address(self.tally.first_row[pair], 1))
                last = pair
        last = -1
        for pair in range(self.tally.pairs):
            if last < 0 or not self._same(self.tally.first_row[last], 0, self.tally.first_row[pair], 0):
                if self._address(self.tally.first_row[pair], 0) in servers:
                    return True
                last = pair
        return False

    def _address(self, row: cython.Py_ssize_t, of_server: cython.int) -> tuple[int, int]:
        if self.table.client[row] ^ of_server == 0:
            return self.table.hi0[row], self.table.lo0[row]
        return self.table.hi1[row], self.table.lo1[row]

    def _same(
        self, one: cython.Py_ssize_t, one_of_server: cython.int, two: cython.Py_ssize_t, two_of_server: cython.int
    ) -> cython.bint:
        """Whether an end of one connection has the address of an end of another."""
        table: ConnectionTable = self.table
        high: cython.ulonglong = table.hi0[one]
        low: cython.ulonglong = table.lo0[one]
        if table.client[one] ^ one_of_server:
            high = table.hi1[one]
            low = table.lo1[one]
        if table.client[two] ^ two_of_server:
            return high == table.hi1[two] and low == table.lo1[two]
        return high == table.hi0[two] and low == table.lo0[two]

    def _look(self) -> cython.int:
        """Looks for the request behind each request."""
        exchanges: ExchangeTable = self.exchanges
        order: Order = Order(exchanges.request_ns, exchanges.rows)
        place: cython.Py_ssize_t
        at: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        outer: cython.Py_ssize_t
        # Mostly the same two again.
        last_pair: cython.Py_ssize_t = -1
        last_outer: cython.Py_ssize_t = -1
        times: cython.int = 0
        for place in range(exchanges.rows):
            at = order.row(place)
            pair = self.tally.pair_of[exchanges.connection[at]]
            if pair < 0 or exchanges.target[at] < 0:
                continue
            if self.tried[pair] >= TRIED and self.matched[pair] * 2 < self.tried[pair]:
                continue
            outer = self._outer(order, place, at)
            self.tried[pair] += 1
            if outer < 0:
                continue
            self.outer[at] = outer + 1
            self.matched[pair] += 1
            self.inner[exchanges.connection[at]] = 1
            outer = self.tally.pair_of[exchanges.connection[outer]]
            if pair != last_pair or outer != last_outer:
                self._count(last_pair, last_outer, times)
                last_pair = pair
                last_outer = outer
                times = 0
            times += 1
        return self._count(last_pair, last_outer, times)

    def _count(self, pair: cython.Py_ssize_t, outer: cython.Py_ssize_t, times: cython.int) -> cython.int:
        if times:
            self.asked_by[pair, outer] = self.asked_by.get((pair, outer), 0) + times
        return 0

    def _decide(self) -> cython.int:
        """Half of a pair's requests have to be passed on: fewer may have met their like by chance.

        Where many ask for the same at once, what a proxy is asked for falls into the time of what it asks, too, though
        less often: it can't for the first.
        """
        pair: cython.Py_ssize_t
        outer: cython.Py_ssize_t
        first: cython.Py_ssize_t
        owned = memoryview(zeros("i", self.tally.pairs))
        for (pair, outer), times in self.asked_by.items():
            if times * self.tried[outer] > self.asked_by.get((outer, pair), 0) * self.tried[pair]:
                owned[pair] += times
        for pair in range(self.tally.pairs):
            first = self.tally.first_row[pair]
            # On one machine any client is where any server is, and two programs may meet by chance.
            least: cython.int = 1 if self._same(first, 0, first, 1) else 2
            self.relay[pair] = owned[pair] != 0 and owned[pair] * least >= self.tried[pair]
        return 0

    def _name(self) -> cython.int:
        """Finds the servers that may have the name of another one."""
        exchanges: ExchangeTable = self.exchanges
        row: cython.Py_ssize_t
        front: cython.Py_ssize_t
        for row in range(exchanges.rows):
            if self.outer[row] and self.passes_on(exchanges.connection[row]):
                front = exchanges.connection[self.outer[row] - 1]
                if self._named_alike(front, exchanges.connection[row]):
                    self.before[self.tally.pair_of[front]] = 1
        return 0

    def _named_alike(self, row: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether the servers of two connections call themselves the same."""
        one: cython.int = self.table.software[row]
        two: cython.int = self.table.software[other]
        return one != 0 and two != 0 and self.words.same(one - 1, two - 1)

    def _outer(self, order: Order, place: cython.Py_ssize_t, inner: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The nearest earlier request that may have been passed on as this one, -1 for none."""
        last: cython.Py_ssize_t = max(0, place - MOST_BACK)
        while place > last:
            place -= 1
            other: cython.Py_ssize_t = order.row(place)
            if self._holds(other, inner):
                return other
        return -1

    def _holds(self, outer: cython.Py_ssize_t, inner: cython.Py_ssize_t) -> cython.bint:
        """Whether one exchange may have been made for the sake of the other."""
        exchanges: ExchangeTable = self.exchanges
        front: cython.Py_ssize_t = exchanges.connection[outer]
        back: cython.Py_ssize_t = exchanges.connection[inner]
        # Where the proxy had no answer, it gave one of its own later, or none.
        until: cython.longlong = max(exchanges.response_ns[inner], exchanges.request_ns[inner])
        if exchanges.target[outer] < 0 or 0 <= exchanges.response_ns[outer] < until:
            return False
        if exchanges.response_ns[outer] < 0 and (
            exchanges.response_ns[inner] >= 0 or 0 <= self.table.closed[front] < exchanges.request_ns[inner]
        ):
            return False
        if self.tally.pair_of[front] in (-1, self.tally.pair_of[back]) or not self._same(front, 1, back, 0):
            return False
        if exchanges.method[outer] < 0 or exchanges.method[inner] < 0:
            return False
        if exchanges.method[outer] != exchanges.method[inner] and not self.words.same(
            exchanges.method[outer], exchanges.method[inner]
        ):
            return False
        if exchanges.target[outer] == exchanges.target[inner]:
            return True
        if not self.words.ends_alike(exchanges.target[outer], exchanges.target[inner]):
            return False
        if self.words.same(exchanges.target[outer], exchanges.target[inner]):
            return True
        from verifier.judge.names import is_target_of

        asked = self.words.text(exchanges.target[outer]) or ""
        return is_target_of(asked, self.words.text(exchanges.target[inner]) or "")
