# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""From a 4-tuple to the row of the newest connection that has it: an open-addressing hash table, either direction of a
segment finding the same row.

Addresses are 128 bits in two words (IPv4 with a zero high word and its IP version kept beside it), so that a lookup
compares numbers and allocates nothing. The hash is keyed, so that a capture cannot be made to collide. In front of it
the 4-tuples of IPv4 that were met last have a place each, by a hash that costs next to nothing: who collides there is
looked up in the table.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import grown, in_large_pages

if cython.compiled:
    from cython.cimports.verifier.wire.flows import lately
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.rows import connection_row
    from cython.cimports.verifier.wire.tables import ConnectionTable
else:
    from verifier.wire.packet import Packet
    from verifier.wire.rows import connection_row
    from verifier.wire.tables import ConnectionTable

FIRST_SIZE = 256
LOW_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFF)
ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
# The finaliser of MurmurHash3 (fmix64).
MIX_1 = cython.declare(cython.ulonglong, 0xFF51AFD7ED558CCD)
MIX_2 = cython.declare(cython.ulonglong, 0xC4CEB9FE1A85EC53)


def mixed(word: cython.ulonglong) -> cython.ulonglong:
    word ^= word >> 33
    word = (word * MIX_1) & ALL_BITS
    word ^= word >> 33
    word = (word * MIX_2) & ALL_BITS
    return word ^ (word >> 33)


def all_free(size: int) -> memoryview:
    """So many places. Lookups jump about in them: with pages of 4 KiB most would wait for an address to be translated,
    too."""
    region = memoryview(in_large_pages(grown(bytearray(), 8 * size)))
    return region.cast("Q")


class Flows:
    """`side` after a lookup: 0 where the segment was sent by the row's side 0, else 1."""

    def __init__(self, table: ConnectionTable, seed: int) -> None:
        self.table = table
        self.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.size = FIRST_SIZE
        self.used = 0
        self.places = all_free(FIRST_SIZE)
        """Each holds a row, plus one, and above it 32 bits of the hash; 0 where it is free."""
        self.side = 0
        self.slot = 0
        self.hash = 0

    def known(self, packet: Packet) -> cython.Py_ssize_t:
        """The row of the segment's connection where it is among those met lately; -1 says nothing."""
        if cython.compiled and packet.version == 4:
            addresses: cython.ulonglong = (packet.src_lo << 32) | packet.dst_lo
            ports: cython.uint = (packet.src_port << 16) | packet.dst_port
            place = lately(self, addresses, ports)
            if place.addresses == addresses and place.ports == ports:
                self.side = place.side
                return place.row - 1
        return -1

    def _remember(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """`known` finds the row from now on, for segments in either direction; `side` is that of this one."""
        if cython.compiled and packet.version == 4:
            addresses: cython.ulonglong = (packet.dst_lo << 32) | packet.src_lo
            ports: cython.uint = (packet.dst_port << 16) | packet.src_port
            place = lately(self, addresses, ports)
            place.addresses = addresses
            place.ports = ports
            place.row = row + 1
            place.side = 1 - self.side
            # This direction behind the other: they are one where both ends are the same.
            addresses = (packet.src_lo << 32) | packet.dst_lo
            ports = (packet.src_port << 16) | packet.dst_port
            place = lately(self, addresses, ports)
            place.addresses = addresses
            place.ports = ports
            place.row = row + 1
            place.side = self.side
        return 0

    def forget(self, packet: Packet) -> cython.int:
        """`known` does not find the segment's connection any more: several have its 4-tuple."""
        if cython.compiled and packet.version == 4:
            lately(self, (packet.src_lo << 32) | packet.dst_lo, (packet.src_port << 16) | packet.dst_port).row = 0
            lately(self, (packet.dst_lo << 32) | packet.src_lo, (packet.dst_port << 16) | packet.src_port).row = 0
        return 0

    def find(self, packet: Packet) -> cython.Py_ssize_t:
        """The row of the segment's connection, or -1; remembers the place for `put`."""
        # Each end keyed and spread, then added, so that both directions find the same place.
        a: cython.ulonglong = self._spread(packet.src_hi, packet.src_lo, packet.src_port)
        b: cython.ulonglong = self._spread(packet.dst_hi, packet.dst_lo, packet.dst_port)
        self.hash = cython.cast(cython.uint, ((a + b) & ALL_BITS) >> 32)
        mask: cython.Py_ssize_t = self.size - 1
        slot: cython.Py_ssize_t = self.hash & mask
        row: cython.Py_ssize_t
        place: cython.ulonglong = self.places[slot]
        while place:
            if place >> 32 == self.hash:
                row = cython.cast(cython.Py_ssize_t, place & LOW_BITS) - 1
                if self.is_of(packet, row):
                    self.slot = slot
                    self._remember(packet, row)
                    return row
            slot = (slot + 1) & mask
            place = self.places[slot]
        self.slot = slot
        return -1

    def _spread(self, high: cython.ulonglong, low: cython.ulonglong, port: cython.ulonglong) -> cython.ulonglong:
        """One end as a number that can't be foreseen without the seed."""
        if high:
            low = mixed(low ^ mixed(high ^ self.seed))
        return mixed(low ^ self.seed ^ (port << 40))  # above the 32 bits of an IPv4 address

    def is_of(self, packet: Packet, row: cython.Py_ssize_t) -> cython.bint:
        """Whether the row's 4-tuple is the segment's, in either direction."""
        table: ConnectionTable = self.table
        of = connection_row(table, row)
        version: cython.int = of.version
        if version != packet.version:
            return False
        if (
            of.port0 == packet.src_port
            and of.port1 == packet.dst_port
            and of.lo0 == packet.src_lo
            and of.lo1 == packet.dst_lo
            and (version == 4 or (table.hi0[row] == packet.src_hi and table.hi1[row] == packet.dst_hi))
        ):
            self.side = 0
            return True
        self.side = 1
        return (
            of.port0 == packet.dst_port
            and of.port1 == packet.src_port
            and of.lo0 == packet.dst_lo
            and of.lo1 == packet.src_lo
            and (version == 4 or (table.hi0[row] == packet.dst_hi and table.hi1[row] == packet.src_hi))
        )

    def put(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """The 4-tuple that `find` was asked for belongs to `row` from now on, whose side 0 sent the segment."""
        table: ConnectionTable = self.table
        if packet.version != 4:
            table.hi0[row] = packet.src_hi
            table.hi1[row] = packet.dst_hi
        of = connection_row(table, row)
        of.lo0 = packet.src_lo
        of.lo1 = packet.dst_lo
        of.port0 = cython.cast(cython.ushort, packet.src_port)
        of.port1 = cython.cast(cython.ushort, packet.dst_port)
        of.version = cython.cast(cython.uchar, packet.version)
        self.side = 0
        self._remember(packet, row)
        if self.places[self.slot] == 0:
            self.used += 1
        self.places[self.slot] = (cython.cast(cython.ulonglong, self.hash) << 32) | cython.cast(cython.uint, row + 1)
        if self.used * 4 > self.size * 3:
            self._grow()
        return 0

    def _grow(self) -> cython.int:
        """Doubles the table: at most three quarters full, a lookup of what is there passes two and a half places at the
        worst, and one of what is not eight and a half (Knuth, 6.4), which is a cache line or two."""
        old = self.places
        old_size: cython.Py_ssize_t = self.size
        self.size = old_size * 2
        self.places = all_free(self.size)
        mask: cython.Py_ssize_t = self.size - 1
        slot: cython.Py_ssize_t
        i: cython.Py_ssize_t
        for i in range(old_size):
            if old[i]:
                slot = (old[i] >> 32) & mask
                while self.places[slot]:
                    slot = (slot + 1) & mask
                self.places[slot] = old[i]
        return 0
