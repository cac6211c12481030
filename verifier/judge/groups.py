# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Later connections, put together: those of one pair whose situation is the same, and what some of them share."""

from __future__ import annotations

import cython

from verifier.judge import facts
from verifier.judge.facts import ADJACENT, AFTER_PAUSE, WAITING
from verifier.wire.octets import widened, zeros

if cython.compiled:
    from cython.cimports.verifier.judge.endings import Endings
    from cython.cimports.verifier.judge.lineage import Lineage
    from cython.cimports.verifier.judge.repetition import Numbering
    from cython.cimports.verifier.wire.tables import ConnectionTable
else:
    from verifier.judge.endings import Endings
    from verifier.judge.lineage import Lineage
    from verifier.judge.repetition import Numbering
    from verifier.wire.tables import ConnectionTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Numbers = memoryview
    Decide = Callable[[int, int, bool], int]

FIRST_GROUPS = 16
MOST_LOST = 2
"""Unanswered requests that a summary names."""

ENCRYPTED_BEFORE = cython.declare(cython.ulonglong, facts.ENCRYPTED)


class Group:
    """Later connections of one pair whose situation was given the same number. `first`: the first of them."""

    def __init__(self, pair: int, number: int, first: int) -> None:
        self.pair = pair
        self.number = number
        self.first = first
        self.size = 0


class Groups:
    """The later connections by pair and by the number that `decide` gives to their situation, which it is asked once
    for each: how the one before ended, how the two stand, and whether the new one is extra. `all`: the groups, in the
    order of their first ones."""

    def __init__(self, lineage: Lineage, decide: Decide) -> None:
        self.lineage = lineage
        self.tally = lineage.tally
        self.table = lineage.table
        self.endings = lineage.endings
        self.of = memoryview(zeros("i", self.table.rows))
        """By connection: the number of its group, plus one."""
        self.all: list[Group] = []
        self._put_together(decide)

    def number(self, row: cython.Py_ssize_t) -> int | None:
        """The number of the group that a connection is in; None for the first of its pair, and those that were
        needed."""
        return self.of[row] - 1 if self.of[row] else None

    def _put_together(self, decide: Decide) -> cython.int:
        numbers: dict[tuple[int, int, bool], int] = {}
        known: dict[tuple[int, int], int] = {}
        counts = memoryview(zeros("i", FIRST_GROUPS))
        lineage: Lineage = self.lineage
        row: cython.Py_ssize_t
        pair: cython.Py_ssize_t
        before: cython.Py_ssize_t
        ended: cython.ulonglong
        extra: cython.bint
        group: cython.Py_ssize_t = -1
        # The situation of the last one, which mostly comes again.
        last_pair: cython.Py_ssize_t = -1
        last_ended: cython.ulonglong = 0
        last_bits: cython.uint = 0
        last_extra: cython.bint = False
        for row in range(self.table.rows):
            if not lineage.is_later(row):
                continue
            pair = self.tally.pair_of[row]
            before = lineage.predecessor(row)
            ended = self.endings.bits[before] if before >= 0 else 0
            extra = self.tally.is_extra(row)
            if pair != last_pair or ended != last_ended or lineage.bits[row] != last_bits or extra != last_extra:
                last_pair = pair
                last_ended = ended
                last_bits = lineage.bits[row]
                last_extra = extra
                situation = (ended, last_bits, extra)
                number = numbers.get(situation)
                if number is None:
                    number = decide(*situation)
                    numbers[situation] = number
                group = known.setdefault((pair, number), len(known))
                if group == len(self.all):
                    self.all.append(Group(pair, number, row))
                    if group == len(counts):
                        counts = memoryview(widened(counts, group * 2))
            counts[group] += 1
            self.of[row] = group + 1
        for group in range(len(self.all)):
            cython.cast(Group, self.all[group]).size = counts[group]
        return 0

    def gathered(self, places: Sequence[int], sizes: Sequence[int]) -> list[memoryview]:
        """The connections of the groups that have the same place, in their order: `places`, by group, are indices of
        the result, -1 for none; `sizes`, by place, how many there are."""
        begin: cython.Py_ssize_t = 0
        group: cython.Py_ssize_t
        row: cython.Py_ssize_t
        rows = memoryview(zeros("i", sum(sizes)))
        ends = memoryview(zeros("i", len(sizes) + 1))
        place_of = memoryview(zeros("i", len(self.all) + 1))
        for group in range(len(self.all)):
            place_of[group] = places[group]
        for group in range(len(sizes)):
            ends[group] = begin
            begin += sizes[group]
        for row in range(self.table.rows):
            if self.of[row] > 0 and place_of[self.of[row] - 1] >= 0:
                group = place_of[self.of[row] - 1]
                rows[ends[group]] = row
                ends[group] += 1
        whole = memoryview(rows)
        return [whole[ends[group] - sizes[group] : ends[group]] for group in range(len(sizes))]

    def summary(self, rows: Numbers) -> Summary:
        """Adds up some later connections."""
        table: ConnectionTable = self.table
        endings: Endings = self.endings
        lineage: Lineage = self.lineage
        found: Summary = Summary()
        counts: Numbering = Numbering()
        place: cython.Py_ssize_t
        row: cython.Py_ssize_t
        before: cython.Py_ssize_t
        last: cython.Py_ssize_t
        gap: cython.longlong
        status: cython.int = -1
        for place in range(len(rows)):
            row = rows[place]
            if self.tally.is_extra(row):
                found.extra += 1
                found.cost_ns += max(0, table.handshake_ns[row]) + max(0, table.tls_ns[row] - 1)
                found.packets += table.setup_packets[row]
                found.octets += table.setup_bytes[row]
            before = lineage.predecessor(row)
            if before < 0:
                continue
            gap = endings.gap(before)
            if gap >= 0:
                found.gap.take(gap)
                found.came.take(table.opened[row] - (table.closed[before] - gap))
            if lineage.bits[row] & ADJACENT:
                found.adjacent += 1
            if endings.bits[before] & WAITING and not endings.bits[before] & ENCRYPTED_BEFORE:
                found.unanswered += 1
                if len(found.lost) < MOST_LOST:
                    found.lost.append(endings.last[before])
            if endings.bits[before] & AFTER_PAUSE:
                found.pause.take(endings.pause(before))
            if table.body_left[before]:
                found.left.take(table.body_left[before])
                found.lengths += table.body_left[before] > 0
            if endings.count[before]:
                found.count.take(endings.count[before])
                counts.add(endings.count[before])
            last = endings.last[before]
            if last >= 0:
                if table.closed[before] >= 0:
                    found.waited.take(table.closed[before] - endings.asked_ns[before])
                if endings.status[before] != status:
                    status = endings.status[before]
                    found.statuses.add(status)
        found.counts = counts.counted()
        return found


class Extent:
    """The least and the most of some values that are there."""

    def __init__(self) -> None:
        self.least = -1
        self.most = -1

    def take(self, value: cython.longlong) -> cython.int:
        """Negative values are not there."""
        if value >= 0:
            self.least = value if self.least < 0 else min(self.least, value)
            self.most = max(self.most, value)
        return 0


class Summary:
    """What some later connections, and those before them, have in common. Extents of: `gap`, `pause`, `waited` (from
    the last request to the close), `count`, `left` (bytes that never came, of `lengths` responses), `came` (from the
    last response to the new SYN). `statuses` of last responses; `counts`, how many connections carried how many
    requests; `unanswered` requests, the first of them in `lost`; `adjacent`, how many were closed as the new ones were
    opened; `extra` ones, and what they cost: `cost_ns`, `packets`, `octets`."""

    def __init__(self) -> None:
        self.gap = Extent()
        self.pause = Extent()
        self.waited = Extent()
        self.count = Extent()
        self.left = Extent()
        self.came = Extent()
        self.lost: list[int] = []
        self.unanswered = 0
        self.adjacent = 0
        self.statuses: set[int] = set()
        self.counts: dict[int, int] = {}
        self.extra = 0
        self.cost_ns = 0
        self.packets = 0
        self.octets = 0
        self.lengths = 0
