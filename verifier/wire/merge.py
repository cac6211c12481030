# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Several captures as one, in the order of time: a reader made of readers.

The packets of one file stay in their order, which need not be that of their times. Of several files the one whose next
packet is the earliest has its turn, and keeps it while no other has an earlier one: of equal times the file that had
its turn goes on. Files that don't overlap are so read one behind the other.

`next` asks for more by returning False: `hungry` is then the lane that has no whole record left, to be loaded anew or
dropped; or None, where the next packet is later than `upcoming_ns`, the time at which another file begins, which is to
be added first; or where no lane is left.

Frames are numbered through all files by the engine. `Runs` leads back: each time that another file has its turn a run
begins.
"""

from __future__ import annotations

import array

import cython

from verifier.wire import records
from verifier.wire.notes import Notes

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Reader
else:
    from verifier.wire.packet import Packet
    from verifier.wire.records import Reader

LATEST_NS = cython.declare(cython.longlong, records.LATEST_NS)
NEVER = 0x7FFFFFFFFFFFFFFF
MOST_AHEAD = cython.declare(cython.Py_ssize_t, 4096)
"""Packets of a file that may wait for their turn."""


class Runs:
    """For each run of packets of one file: the number of its first packet among all, its file's place among the
    sources, the number of that packet in its file. Numbers count from 1. A packet of the worst of mixtures costs 12
    bytes; a rotated set has one run a file."""

    def __init__(self) -> None:
        self.first = array.array("I")
        self.source = array.array("I")
        self.local = array.array("I")

    def add(self, first: int, source: int, local: int) -> None:
        self.first.append(first & 0xFFFFFFFF)
        self.source.append(source)
        self.local.append(local & 0xFFFFFFFF)


class Lane:
    """One file among several: its reader, what was read of it, and the packets that wait for their turn."""

    def __init__(self, reader: Reader, source: int) -> None:
        self.reader = reader
        self.source = source
        self.packets = 0
        self.bytes = 0
        self.first_ns = -1
        self.last_ns = -1
        self.clock_ns = 0
        """The time of the packet that was read last; of one without a time, that of the packet before."""
        self.waiting = False
        """Whether the next packet is known; it is due at `due_ns`."""
        self.due_ns = 0
        self.view = reader.view
        self.ts = 0
        self.at = 0
        self.end = 0
        self.wire_end = 0
        self.link_type = 0
        self.behind: list[Lane] = []
        """Packets that were read further ahead, each waiting in a lane of its own."""
        self.before = False
        """Whether the packet that was read last may lie in another buffer than the reader's."""

    def pull(self) -> bool:
        """Reads a packet ahead of its turn; False where the reader has no whole record."""
        return self.waiting or self.ahead(Packet(Notes()))

    def within(self, limit_ns: cython.longlong) -> bool:
        """Reads on ahead; whether all that the reader has is due by then. It may be loaded anew, from another buffer,
        as long as packets wait."""
        packet: Packet = Packet(Notes())
        one: Lane
        self.before = True
        while self.clock_ns <= limit_ns and len(self.behind) < MOST_AHEAD:
            one = Lane(self.reader, self.source)
            one.clock_ns = self.clock_ns
            if not one.ahead(packet):
                return True
            self.clock_ns = one.clock_ns
            self.behind.append(one)
        return False

    def ahead(self, packet: Packet) -> cython.bint:
        """The next packet waits for its turn. `packet` is only where it is read."""
        one: Lane
        if self.behind:
            one = self.behind.pop(0)
            one.release(packet)
            self.due_ns = one.due_ns
            self.view = one.view
            self.before = True
        elif self.reader.next(packet):
            self.tell(packet)
            self.due_ns = self.clock_ns
            self.view = self.reader.view
            self.before = False
        else:
            return False
        self.hold(packet)
        return True

    def tell(self, packet: Packet) -> cython.int:
        """Notes the time of a packet."""
        if 0 <= packet.ts <= LATEST_NS:
            self.clock_ns = packet.ts
        return 0

    def hold(self, packet: Packet) -> cython.int:
        """`packet` waits for its turn."""
        self.ts = packet.ts
        self.at = packet.at
        self.end = packet.end
        self.wire_end = packet.wire_end
        self.link_type = packet.link_type
        self.waiting = True
        return 0

    def release(self, packet: Packet) -> cython.int:
        """The waiting packet has its turn."""
        packet.view = self.view
        packet.ts = self.ts
        packet.at = self.at
        packet.end = self.end
        packet.wire_end = self.wire_end
        packet.link_type = self.link_type
        self.waiting = False
        return 0

    def count(self, packet: Packet) -> cython.int:
        self.packets += 1
        self.bytes += packet.end - packet.at
        if 0 <= packet.ts <= LATEST_NS:
            if self.first_ns < 0:
                self.first_ns = packet.ts
            if packet.ts > self.last_ns:
                self.last_ns = packet.ts
        return 0


class Merged(Reader):
    """`upcoming_ns`: the time at which the next file begins; NEVER where none follows."""

    def __init__(self) -> None:
        super().__init__()
        self.reach = 1  # they are not all in one view
        self.runs = Runs()
        self.lanes: list[Lane] = []
        self.hungry: Lane | None = None
        self.upcoming_ns = NEVER
        self.current: Lane | None = None
        """Whose turn it is; None where that is to be settled."""
        self.until_ns = 0
        """Up to when it keeps its turn."""
        self.total = 0
        self.latest = -1
        """The source of the last run."""

    def add(self, lane: Lane) -> None:
        self.lanes.append(lane)
        self.current = None

    def drop(self, lane: Lane) -> None:
        self.lanes.remove(lane)
        self.current = None

    def only(self) -> Lane | None:
        """The lane, where there is one alone."""
        return self.lanes[0] if len(self.lanes) == 1 else None

    def next(self, packet: Packet) -> cython.bint:
        lane: Lane | None = self.current
        if lane is not None and lane.before:
            lane = None
        if lane is not None:
            if not lane.reader.next(packet):
                return self.wants(lane)
            lane.tell(packet)
            if lane.clock_ns > self.until_ns:
                lane.due_ns = lane.clock_ns
                lane.view = lane.reader.view
                lane.hold(packet)
                lane = None
        if lane is None:
            lane = self.turn(packet)
            if lane is None:
                return False
            lane.release(packet)
            self.view = lane.view
        lane.count(packet)
        self.total += 1
        return True

    def wants(self, lane: Lane | None) -> cython.bint:
        """Nothing can be read before the caller has seen to this lane, or, where None, has added another."""
        self.hungry = lane
        self.current = None
        return False

    def turn(self, packet: Packet) -> Lane | None:
        """The lane whose waiting packet is the earliest; of several the one that had its turn, or the first. None where
        nothing can be read."""
        best: Lane | None = None
        lane: Lane
        self.until_ns = self.upcoming_ns
        for lane in self.lanes:
            if not lane.waiting and not lane.ahead(packet):
                self.wants(lane)
                return None
            if best is None:
                best = lane
            elif lane.due_ns < best.due_ns or (lane.due_ns == best.due_ns and lane.source == self.latest):
                self.until_ns = min(self.until_ns, best.due_ns)
                best = lane
            else:
                self.until_ns = min(self.until_ns, lane.due_ns)
        if best is None or best.due_ns > self.upcoming_ns:
            self.wants(None)
            return None
        self.current = best
        if best.source != self.latest:
            self.latest = best.source
            self.runs.add(self.total + 1, best.source, best.packets + 1)
        return best
