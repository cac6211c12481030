# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""How many intervals are under way at once: what one pass in the order of their beginnings shows."""

from __future__ import annotations

import cython

from verifier.wire.octets import widened, zeros

FIRST_ROOM = 16
LOOKED_AT = cython.declare(cython.Py_ssize_t, 32)
"""Places that are looked at for one that is over, before the heap is asked."""
FOREVER = 0x7FFFFFFFFFFFFFFF
"""The moment after all others."""
LAST_FRAME = cython.declare(cython.uint, 0xFFFFFFFF)
Numbers = memoryview


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
