# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""What the readers of both file formats share: a window onto the file's bytes, and a packet filled from the next
record.

A reader is loaded with a buffer (`load`) and asked for packets (`next`) until it has no whole record left; the caller
then moves the rest (from `at`) to the front of a buffer with more bytes behind it, and loads again. Where a record is
damaged the reader stops for good: `problem` says what is wrong, at which byte.

Compiled, many records are looked at together (`look`): of each there is a glimpse, 56 bytes that say where its packet
is and, where it is what nearly all are, what its headers say. Another process can look ahead and have the glimpses
`Told`.
"""

from __future__ import annotations

import array

import cython

from verifier.wire.octets import Octets

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Glimpse, recognise
else:
    from verifier.wire.packet import Packet

COMPILED: bool = cython.compiled
"""Whether this module runs as compiled code."""
Room = memoryview
"""A buffer of 64-bit numbers. The `.pxd` file types such arguments `unsigned long long[::1]`."""

LARGEST_RECORD = 16 << 20
"""Bytes. Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD is 256 KiB; only D-Bus and USB go beyond, to 128 MiB."""
LATEST_NS = 1 << 62
"""The year 2116: times behind it are damage, and sums of two still fit 64 bits."""
INVERSION_NS = 1_000_000
"""By how much a packet may be earlier than one written before it. In a capture of loopback by tcpdump on two processors
1 packet of 5,000 was, by up to 0.1 ms."""
# In place of a packet's time.
NO_TIME = -1
OUT_OF_RANGE = -2

GLIMPSE = 7
"""Words of 64 bits that a glimpse takes."""
TOGETHER = 32
"""Records that are looked at together: few enough that they and their glimpses stay in the nearest cache."""
WORDS = cython.declare(cython.Py_ssize_t, GLIMPSE)


class Reader:
    def __init__(self) -> None:
        self.view = memoryview(b"")
        self.at = 0
        self.end = 0
        self.base = 0
        self.big = False
        self.problem = ""
        self.dropped = -1
        """Packets that the capture says it dropped, -1 where it does not say."""
        self.owed = 0
        """Bytes still to be passed over, behind those that are loaded."""
        self.reach = TOGETHER
        """How many records `look` takes at most."""
        if cython.compiled:
            self.look_into(memoryview(array.array("Q", bytes(8 * GLIMPSE * TOGETHER))))

    def load(self, view: Octets, end: cython.Py_ssize_t) -> None:
        """Go on reading at the front of `view`; `end` bytes of it are there. What lay before `at` is done with."""
        self.base += self.at
        self.view = view
        self.at = 0
        self.end = end

    def next(self, packet: Packet) -> cython.bint:
        """Fills `packet` from the next record: `at`, `end`, `wire_end`, `ts`, `link_type`. False where no whole record
        is left."""
        raise NotImplementedError

    def look_into(self, room: Room) -> None:
        """Glimpses go into `room` from now on: 64-bit numbers, GLIMPSE for each of as many as it is to take."""
        self.room = room
        self.reach = len(room) // WORDS
        if cython.compiled:
            self.glimpses = cython.cast(cython.pointer(Glimpse), cython.address(self.room[0]))

    def look(self, packet: Packet) -> cython.Py_ssize_t:
        """Looks at the next records: how many they are, 0 where no whole one is left. `packet` is only where they are
        read. For compiled code."""
        count: cython.Py_ssize_t = 0
        if cython.compiled:
            while count < self.reach and self.next(packet):
                glimpse = cython.address(self.glimpses[count])
                glimpse.ts = packet.ts
                glimpse.at = cython.cast(cython.uint, packet.at)
                glimpse.size = cython.cast(cython.uint, packet.end - packet.at)
                glimpse.wire_size = cython.cast(cython.uint, packet.wire_end - packet.at)
                glimpse.link_type = packet.link_type
                glimpse.usual = 0
                if glimpse.size:
                    self.view[packet.end - 1]  # the bounds check, with that of the next line, of the whole packet
                    recognise(glimpse, cython.address(self.view[packet.at]))
                count += 1
        return count

    def fail(self, problem: str) -> cython.bint:
        """Stops the reader at the record that begins at `at`."""
        self.problem = f"damaged: {problem} at byte {self.base + self.at}"
        self.end = self.at
        return False

    def u16(self, at: cython.Py_ssize_t) -> cython.uint:
        if self.big:
            return (cython.cast(cython.uint, self.view[at]) << 8) | self.view[at + 1]
        return (cython.cast(cython.uint, self.view[at + 1]) << 8) | self.view[at]

    def u32(self, at: cython.Py_ssize_t) -> cython.uint:
        if self.big:
            return (
                (cython.cast(cython.uint, self.view[at]) << 24)
                | (cython.cast(cython.uint, self.view[at + 1]) << 16)
                | (cython.cast(cython.uint, self.view[at + 2]) << 8)
                | self.view[at + 3]
            )
        return (
            (cython.cast(cython.uint, self.view[at + 3]) << 24)
            | (cython.cast(cython.uint, self.view[at + 2]) << 16)
            | (cython.cast(cython.uint, self.view[at + 1]) << 8)
            | self.view[at]
        )


class Told(Reader):
    """What a reader in another process met: `tell` it, and it is read as if it were met here."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.taken = 0

    def tell(self, view: Octets, room: Room, count: cython.Py_ssize_t) -> None:
        """Go on with the records of `view`, of which `room` holds `count` glimpses."""
        self.load(view, len(view))
        self.look_into(room)
        self.count = min(count, self.reach)
        self.taken = 0

    def next(self, packet: Packet) -> cython.bint:
        if cython.compiled and self.taken < self.count:
            glimpse = cython.address(self.glimpses[self.taken])
            self.taken += 1
            packet.ts = glimpse.ts
            packet.at = glimpse.at
            packet.end = packet.at + glimpse.size
            packet.wire_end = packet.at + glimpse.wire_size
            packet.link_type = glimpse.link_type
            return True
        return False

    def look(self, packet: Packet) -> cython.Py_ssize_t:
        count: cython.Py_ssize_t = 0
        if cython.compiled and self.taken == 0:
            count = self.count
            self.taken = count
        return count
