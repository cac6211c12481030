# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The pcapng file format (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces each with a link type, a
time resolution and a time offset of its own, packets in enhanced, simple and the obsolete packet blocks, drop counts
from interface statistics.

Blocks of other kinds are passed over, and never held in memory whole. A block has its size at both ends: where these
differ the file is damaged, and packets may lie inside of what is no block.
"""

from __future__ import annotations

import cython

from verifier.wire import records

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Reader
else:
    from verifier.wire.packet import Packet
    from verifier.wire.records import Reader

SECTION = cython.declare(cython.uint, 0x0A0D0D0A)
INTERFACE = cython.declare(cython.uint, 1)
OBSOLETE_PACKET = cython.declare(cython.uint, 2)
SIMPLE_PACKET = cython.declare(cython.uint, 3)
NAME_RESOLUTION = cython.declare(cython.uint, 4)
STATISTICS = cython.declare(cython.uint, 5)
ENHANCED_PACKET = cython.declare(cython.uint, 6)

LARGEST_RECORD = cython.declare(cython.longlong, records.LARGEST_RECORD)
LATEST_NS = cython.declare(cython.ulonglong, records.LATEST_NS)
NO_TIME = cython.declare(cython.longlong, records.NO_TIME)
OUT_OF_RANGE = cython.declare(cython.longlong, records.OUT_OF_RANGE)
MOST_INTERFACES = 1 << 16
MOST_DROPPED = 1 << 40
"""For one interface: a count above is damage, and 65,536 such counts still fit 64 bits."""

OPTION_TSRESOL = 9
OPTION_TSOFFSET = 14
OPTION_IFDROP = 5
OPTION_OSDROP = 7
OPTION_DROPCOUNT = 4
"""Of a packet: how many were dropped since the one before it."""
UNKNOWN_DROPS = cython.declare(cython.uint, 0xFFFF)


class Interface:
    """One interface description: link type, snaplen, and how its ticks become nanoseconds."""

    def __init__(self, link_type: int, snaplen: int) -> None:
        self.link_type = link_type
        self.snaplen = snaplen
        self.times = 1000
        self.over = 1
        self.shift = 0
        self.offset_ns = 0
        self.dropped = -1
        self.dropped_between = 0
        """The sum of what packets say was dropped before them."""

    def set_resolution(self, code: int) -> None:
        """`code` as in if_tsresol: a power of 10, or of 2 with the high bit set, below one second."""
        power = code & 0x7F
        self.times, self.over, self.shift = 1, 1, 0
        if code & 0x80:
            self.shift = power
            self.times = 1000000000
        elif power <= 9:
            self.times = 10 ** (9 - power)
        else:
            self.over = 10 ** min(power - 9, 18)

    def nanoseconds(self, ticks: cython.ulonglong) -> cython.longlong:
        """Ticks since the epoch as nanoseconds, or OUT_OF_RANGE."""
        whole: cython.ulonglong
        rest: cython.ulonglong
        shift: cython.int = self.shift
        if shift:
            whole = ticks >> shift if shift < 64 else 0
            rest = ticks - (whole << shift) if shift < 64 else ticks
            while shift > 32:  # keep 32 bits of fraction: a quarter of a nanosecond
                rest >>= 1
                shift -= 1
            if whole > LATEST_NS // self.times:
                return OUT_OF_RANGE
            return cython.cast(cython.longlong, whole * self.times + ((rest * self.times) >> shift)) + self.offset_ns
        ticks = ticks // self.over
        if ticks > LATEST_NS // self.times:
            return OUT_OF_RANGE
        return cython.cast(cython.longlong, ticks * self.times) + self.offset_ns


class PcapngReader(Reader):
    """Reads blocks from the file's first byte on."""

    def __init__(self) -> None:
        super().__init__()
        self.interfaces: list[Interface] = []
        self.closing = 0
        """The size of the block that is passed over, as its end has to say again; 0 where none is, or where its size is
        no multiple of four: then writers differ in where that stands."""

    def next(self, packet: Packet) -> cython.bint:
        at: cython.Py_ssize_t
        kind: cython.uint
        size: cython.longlong
        while True:
            if self.owed:
                if not self._pass_over():
                    return False
            at = self.at
            if at + 12 > self.end:
                return False
            kind = self.u32(at)
            if kind == SECTION:
                if not self._section(at):
                    return False
            size = self.u32(at + 4)
            if size < 12:
                return self.fail(f"a block claims {size} bytes")
            if kind != SECTION and (kind > ENHANCED_PACKET or kind == NAME_RESOLUTION):
                # Name resolution, secrets, custom blocks: nothing in them that we need.
                self.owed = (size + 3) & ~3
                self.closing = 0 if size & 3 else size
                continue
            if size > LARGEST_RECORD:
                return self.fail(f"a block claims {size} bytes")
            if at + size > self.end:
                return False
            if size & 3 == 0 and self.u32(at + size - 4) != size:
                return self._torn(size, self.u32(at + size - 4))
            if kind == ENHANCED_PACKET:
                if self._enhanced(packet, at, size):
                    return True
            elif kind == SIMPLE_PACKET:
                if self._simple(packet, at, size):
                    return True
            elif kind == OBSOLETE_PACKET:
                if self._obsolete(packet, at, size):
                    return True
            elif kind == INTERFACE:
                self._interface(at, size)
            elif kind == STATISTICS:
                self._statistics(at, size)
            if self.problem:
                return False
            self.at = at + ((size + 3) & ~3)
            if self.at > self.end:
                self.owed = self.at - self.end
                self.at = self.end

    def _pass_over(self) -> cython.bint:
        """Moves on by `owed` bytes as far as they are there; whether all were. The last four are taken together."""
        step: cython.longlong = self.end - self.at
        if self.closing:
            if self.owed > step:
                step = min(step, self.owed - 4)
            elif self.u32(self.at + self.owed - 4) != self.closing:
                return self._torn(self.closing, self.u32(self.at + self.owed - 4))
        if self.owed <= step:
            self.at += self.owed
            self.owed = 0
            self.closing = 0
            return True
        self.at += step
        self.owed -= step
        return False

    def _torn(self, size: cython.longlong, end: cython.longlong) -> cython.bint:
        return self.fail(f"a block of {size} bytes ends as one of {end}")

    def _section(self, at: cython.Py_ssize_t) -> cython.bint:
        """A section begins: its byte order, and no interfaces yet."""
        magic: cython.uint = self.u32(at + 8)
        if magic == 0x4D3C2B1A:
            self.big = not self.big
        elif magic != 0x1A2B3C4D:
            return self.fail("a section without a byte-order magic")
        if self.at + self.u32(at + 4) <= self.end:
            self.interfaces = []
        return True

    def _interface(self, at: cython.Py_ssize_t, size: cython.longlong) -> cython.int:
        if size < 20 or len(self.interfaces) >= MOST_INTERFACES:
            self.fail("an interface description that is too short" if size < 20 else "too many interfaces")
            return 0
        interface = Interface(self.u16(at + 8), self.u32(at + 12))
        for code, place, length in self._options(at + 16, at + size - 4):
            if code == OPTION_TSRESOL and length >= 1:
                interface.set_resolution(self.view[place])
            elif code == OPTION_TSOFFSET and length >= 8:
                seconds = self._u64(place)
                seconds -= (seconds >> 63) << 64
                if abs(seconds) < 1 << 32:
                    interface.offset_ns = seconds * 1000000000
        self.interfaces.append(interface)
        return 0

    def _statistics(self, at: cython.Py_ssize_t, size: cython.longlong) -> cython.int:
        """Packets dropped so far on one interface: the last word of each counts."""
        number: cython.Py_ssize_t
        if size < 24:
            return 0
        number = self.u32(at + 8)
        if number >= len(self.interfaces):
            return 0
        dropped = -1
        for code, place, length in self._options(at + 20, at + size - 4):
            if code in (OPTION_IFDROP, OPTION_OSDROP) and length == 8:
                dropped = max(dropped, 0) + self._u64(place)
        if dropped >= 0:
            interface = cython.cast(Interface, self.interfaces[number])
            self._drops(interface, max(min(dropped, MOST_DROPPED), interface.dropped_between))
        return 0

    def _drops(self, interface: Interface, dropped: cython.longlong) -> cython.int:
        """So many packets were dropped on one interface in all."""
        before = interface.dropped if interface.dropped >= 0 else 0
        interface.dropped = dropped
        self.dropped = (self.dropped if self.dropped >= 0 else 0) + interface.dropped - before
        return 0

    def _dropped_before(self, number: cython.Py_ssize_t, dropped: cython.longlong) -> cython.int:
        """A packet says that so many before it were dropped."""
        interface = cython.cast(Interface, self.interfaces[number])
        interface.dropped_between = min(interface.dropped_between + dropped, MOST_DROPPED)
        self._drops(interface, max(interface.dropped, interface.dropped_between))
        return 0

    def _u64(self, at: cython.Py_ssize_t) -> int:
        first = self.u32(at)
        second = self.u32(at + 4)
        return (int(first) << 32) | second if self.big else (int(second) << 32) | first

    def _options(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> list[tuple[int, int, int]]:
        """(code, place, length) of each option in a block."""
        found: list[tuple[int, int, int]] = []
        while at + 4 <= end:
            code = self.u16(at)
            length: cython.Py_ssize_t = self.u16(at + 2)
            if code == 0 or at + 4 + length > end:
                break
            found.append((code, at + 4, length))
            at += 4 + ((length + 3) & ~3)
        return found

    def _enhanced(self, packet: Packet, at: cython.Py_ssize_t, size: cython.longlong) -> cython.bint:
        if size < 32:
            return self.fail("a packet block that is too short")
        if not self._packet(packet, at, size, self.u32(at + 8)):
            return False
        behind: cython.Py_ssize_t = (packet.end + 3 - at) & ~3
        if behind + 8 <= size - 4:
            for code, place, length in self._options(at + behind, at + size - 4):
                if code == OPTION_DROPCOUNT and length == 8 and self._u64(place):
                    self._dropped_before(self.u32(at + 8), min(self._u64(place), MOST_DROPPED))
        return True

    def _obsolete(self, packet: Packet, at: cython.Py_ssize_t, size: cython.longlong) -> cython.bint:
        if size < 32:
            return self.fail("a packet block that is too short")
        if not self._packet(packet, at, size, self.u16(at + 8)):
            return False
        dropped: cython.uint = self.u16(at + 10)
        if dropped and dropped != UNKNOWN_DROPS:
            self._dropped_before(self.u16(at + 8), dropped)
        return True

    def _packet(
        self, packet: Packet, at: cython.Py_ssize_t, size: cython.longlong, number: cython.Py_ssize_t
    ) -> cython.bint:
        """The fields that enhanced and obsolete packet blocks have in the same places."""
        captured: cython.longlong = self.u32(at + 20)
        length: cython.longlong = self.u32(at + 24)
        if number >= len(self.interfaces):
            return self.fail(f"a packet of interface {number}, which is not described")
        if captured > size - 32:
            return self.fail(f"a packet block of {size} bytes claims {captured} captured bytes")
        interface = cython.cast(Interface, self.interfaces[number])
        packet.ts = interface.nanoseconds((cython.cast(cython.ulonglong, self.u32(at + 12)) << 32) | self.u32(at + 16))
        packet.at = at + 28
        packet.end = at + 28 + captured
        packet.wire_end = at + 28 + (length if length > captured else captured)
        packet.link_type = interface.link_type
        self._behind(at, size)
        return True

    def _simple(self, packet: Packet, at: cython.Py_ssize_t, size: cython.longlong) -> cython.bint:
        if size < 16:
            return self.fail("a packet block that is too short")
        if not self.interfaces:
            return self.fail("a packet of interface 0, which is not described")
        interface = cython.cast(Interface, self.interfaces[0])
        length: cython.longlong = self.u32(at + 8)
        captured: cython.longlong = min(length, size - 16)
        if interface.snaplen and captured > interface.snaplen:
            captured = interface.snaplen
        packet.ts = NO_TIME
        packet.at = at + 12
        packet.end = at + 12 + captured
        packet.wire_end = at + 12 + (length if length > captured else captured)
        packet.link_type = interface.link_type
        self._behind(at, size)
        return True

    def _behind(self, at: cython.Py_ssize_t, size: cython.longlong) -> cython.int:
        """Moves on behind the block, whose padding may not be there yet."""
        self.at = at + ((size + 3) & ~3)
        if self.at > self.end:
            self.owed = self.at - self.end
            self.at = self.end
        return 0
