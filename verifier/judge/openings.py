# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""What a client did at some moment, beside the connection that is looked at: which others it opened, to any server, and
which attempts failed.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import zeros
from verifier.wire.tables import REFUSED, UNANSWERED

if cython.compiled:
    from cython.cimports.verifier.judge.order import Order
    from cython.cimports.verifier.judge.tally import Tally
    from cython.cimports.verifier.wire.tables import ConnectionTable
else:
    from verifier.judge.order import Order
    from verifier.judge.tally import Tally
    from verifier.wire.tables import ConnectionTable


class Failures:
    """When attempts to connect failed: those of one pair behind those of another, each in the order of their times."""

    def __init__(self, tally: Tally) -> None:
        table: ConnectionTable = tally.table
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        place: cython.Py_ssize_t
        total: cython.Py_ssize_t = 0
        self.ends = memoryview(zeros("i", tally.pairs + 1))
        """Where those of each pair end; one before, where they begin."""
        for row in range(table.rows):
            if tally.pair_of[row] >= 0 and table.state[row] in (REFUSED, UNANSWERED):
                self.ends[tally.pair_of[row]] += 1
                total += 1
        self.times = memoryview(zeros("q", total))
        if total == 0:
            return
        total = 0
        for pair in range(tally.pairs + 1):
            place = total
            total += self.ends[pair]
            self.ends[pair] = place
        order: Order = Order(table.opened, table.rows)
        for place in range(table.rows):
            row = order.row(place)
            pair = tally.pair_of[row]
            if pair >= 0 and table.state[row] in (REFUSED, UNANSWERED):
                self.times[self.ends[pair]] = table.opened[row]
                self.ends[pair] += 1

    def latest(self, pair: cython.Py_ssize_t, moment: cython.longlong) -> cython.longlong:
        """The last time at this moment or before that an attempt of the pair failed, -1 for none."""
        low: cython.Py_ssize_t = self.ends[pair - 1] if pair else 0
        first: cython.Py_ssize_t = low
        high: cython.Py_ssize_t = self.ends[pair]
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] <= moment:
                low = middle + 1
            else:
                high = middle
        return self.times[low - 1] if low > first else -1


class Openings:
    """The connections of each client in the order in which it opened them: the rows of one behind those of another."""

    def __init__(self, tally: Tally) -> None:
        table: ConnectionTable = tally.table
        self.table = table
        self.tally = tally
        self.client_of = memoryview(zeros("i", tally.pairs))
        """By pair."""
        numbers: dict[tuple[int, int], int] = {}
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        for pair in range(tally.pairs):
            row = tally.first_row[pair]
            if table.client[row] == 0:
                address = (table.hi0[row], table.lo0[row])
            else:
                address = (table.hi1[row], table.lo1[row])
            self.client_of[pair] = numbers.setdefault(address, len(numbers))
        self.rows = memoryview(zeros("i", table.rows))
        self.starts = memoryview(zeros("i", len(numbers) + 2))
        """Where the rows of each client begin; those of the next one begin where they end."""
        self.found = 0
        """Where the last answer was: the next one is mostly near."""
        client: cython.Py_ssize_t
        place: cython.Py_ssize_t
        order: Order = Order(table.opened, table.rows)
        for row in range(table.rows):
            if tally.pair_of[row] >= 0:
                client = self.client_of[tally.pair_of[row]]
                self.starts[client + 2] += 1
        for client in range(2, len(self.starts)):
            self.starts[client] += self.starts[client - 1]
        for place in range(table.rows):
            row = order.row(place)
            if tally.pair_of[row] >= 0:
                client = self.client_of[tally.pair_of[row]]
                self.rows[self.starts[client + 1]] = row
                self.starts[client + 1] += 1

    def first(self, row: cython.Py_ssize_t, moment: cython.longlong) -> cython.Py_ssize_t:
        """The first connection beside this one that its client opened at this moment or later, -1 for none."""
        client: cython.Py_ssize_t = self.client_of[self.tally.pair_of[row]]
        low: cython.Py_ssize_t = self.starts[client]
        end: cython.Py_ssize_t = self.starts[client + 1]
        high: cython.Py_ssize_t = end
        middle: cython.Py_ssize_t
        step: cython.Py_ssize_t = 1
        if low <= self.found < end:
            # From there in growing steps, to either side.
            middle = self.found
            if self.table.opened[self.rows[middle]] < moment:
                low = middle + 1
                while middle + step < end and self.table.opened[self.rows[middle + step]] < moment:
                    low = middle + step + 1
                    step *= 2
                high = min(end, middle + step)
            else:
                high = middle
                while middle - step >= low and not self.table.opened[self.rows[middle - step]] < moment:
                    high = middle - step
                    step *= 2
                low = max(low, middle - step)
        while low < high:
            middle = (low + high) // 2
            if self.table.opened[self.rows[middle]] < moment:
                low = middle + 1
            else:
                high = middle
        self.found = low if low < end else end - 1
        if low < end and self.rows[low] == row:
            low += 1
        return self.rows[low] if low < end else -1
