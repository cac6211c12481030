# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The pcap file format (draft-ietf-opsawg-pcap): micro- and nanoseconds, both byte orders, Kuznetzov's longer record
header, and what was written before version 2.4: the two lengths of a record the other way round (section 4).

Some systems wrote more behind the four numbers of a record without saying so: there the first records tell how much
(as in Wireshark, wiretap/libpcap.c).
"""

from __future__ import annotations

import array

import cython

from verifier.wire import records
from verifier.wire.octets import Octets

if cython.compiled:
    from cython.cimports.libc.string import memcpy
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Reader, recognise
else:
    from verifier.wire.packet import Packet
    from verifier.wire.records import Reader

HEADER = 24
NATIVE_BIG = array.array("H", b"\x00\x01")[0] == 1
"""Whether this machine's own byte order is the big one: numbers of that order are read without turning them."""
LARGEST_RECORD = cython.declare(cython.longlong, records.LARGEST_RECORD)

# Magic, as a big-endian number: (nanoseconds in a tick, bytes in a record's header).
MAGICS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}
UNSAID = {0xA1B2C3D4: (24, 20), 0xA1B2CD34: (28,)}
"""Bytes in a record's header, in files whose magic says otherwise: of Red Hat 6.1 and Nokia, and of SuSE 6.3."""
TELLING = cython.declare(cython.int, 3)
"""Records, one behind the other, that tell it."""
LARGEST_TELLING = cython.declare(cython.uint, 256 << 10)
"""Bytes of such a record: the largest packets that capture programs write."""
FARTHEST_APART = cython.declare(cython.longlong, 366 * 86400)
"""Seconds between such records."""

AIX = (2, 2)
"""The version that AIX's tcpdump writes: nanoseconds, and its own numbers for links (RFC 1573, ifType)."""
LINKS_OF_AIX = {6: 1, 9: 6, 15: 10, 24: 0}
"""Ethernet, token ring, FDDI, loopback."""


def recognised(head: bytes) -> str:
    """The byte order, `big` or `little`, of a file that begins with `head`; empty where it is no pcap file."""
    if int.from_bytes(head[:4], "big") in MAGICS:
        return "big"
    return "little" if int.from_bytes(head[:4], "little") in MAGICS else ""


def header_problem(head: bytes) -> str:
    """What makes a file unreadable although its magic fits; empty where nothing does."""
    order = "big" if recognised(head) == "big" else "little"
    if len(head) < HEADER:
        return f"the file ends inside its header, after {len(head)} of {HEADER} bytes"
    link = int.from_bytes(head[20:24], order)  # type: ignore[arg-type]
    if link & 0x03FF0000:
        return f"reserved bits of the link type are set (0x{link:08x})"
    return ""


class PcapReader(Reader):
    """Reads records; `head` is the file's first 24 bytes, which the loaded buffers do not repeat."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.big = recognised(head) == "big"
        order = "big" if self.big else "little"
        magic = int.from_bytes(head[:4], order)  # type: ignore[arg-type]
        self.tick, self.header = MAGICS[magic]
        self.link_type = int.from_bytes(head[20:24], order) & 0xFFFF  # type: ignore[arg-type]
        self.base = HEADER
        version = (int.from_bytes(head[4:6], order), int.from_bytes(head[6:8], order))  # type: ignore[arg-type]
        self.old = version < (2, 4) or version == (543, 0)
        if version == AIX:
            self.tick = 1
            self.link_type = LINKS_OF_AIX.get(self.link_type, self.link_type)
        self.native = self.big == NATIVE_BIG and not self.old
        self.unsaid: tuple[int, ...] = () if self.old else UNSAID.get(magic, ())

    def load(self, view: Octets, end: cython.Py_ssize_t) -> None:
        Reader.load(self, view, end)
        if self.base > HEADER:
            self.unsaid = ()
        size: cython.Py_ssize_t
        for size in self.unsaid:
            if self._sound(self.header) < 0 and self._sound(size) > 1:
                self.header = size

    def _sound(self, header: cython.Py_ssize_t) -> cython.int:
        """How many of the first records, as far as they are loaded, may be such with headers of this size; -1 where one
        can't be."""
        at: cython.Py_ssize_t = 0
        first: cython.longlong = -1
        count: cython.int = 0
        while count < TELLING and at + header <= self.end:
            seconds: cython.longlong = self.u32(at)
            captured: cython.uint = self.u32(at + 8)
            if first < 0:
                first = seconds
            if (
                self.u32(at + 4) >= 1000000
                or captured > self.u32(at + 12)
                or captured > LARGEST_TELLING
                or not -FARTHEST_APART <= seconds - first <= FARTHEST_APART
            ):
                return -1
            count += 1
            at += header + captured
        return count

    def next(self, packet: Packet) -> cython.bint:
        at: cython.Py_ssize_t = self.at
        body: cython.Py_ssize_t = at + self.header
        if body > self.end:
            return False
        seconds: cython.longlong
        fraction: cython.longlong
        captured: cython.longlong
        length: cython.longlong
        if cython.compiled and self.native:
            words = cython.declare(cython.uint[4])
            self.view[body - 1]  # the bounds check of the whole header
            memcpy(words, cython.address(self.view[at]), 16)
            seconds = words[0]
            fraction = words[1]
            captured = words[2]
            length = words[3]
        else:
            seconds = self.u32(at)
            fraction = self.u32(at + 4)
            captured = self.u32(at + 8)
            length = self.u32(at + 12)
            if self.old and captured > length:
                captured, length = length, captured
        if captured > LARGEST_RECORD:
            return self.fail(f"a record claims {captured} bytes")
        if body + captured > self.end:
            return False
        packet.ts = seconds * 1000000000 + fraction * self.tick
        packet.at = body
        packet.end = body + captured
        packet.wire_end = body + (length if length > captured else captured)
        packet.link_type = self.link_type
        self.at = body + captured
        return True

    def look(self, packet: Packet) -> cython.Py_ssize_t:
        """As for any reader, without the way through `next`."""
        count: cython.Py_ssize_t = 0
        if cython.compiled:
            if not self.native or self.end == 0:
                return Reader.look(self, packet)
            words = cython.declare(cython.uint[4])
            at: cython.Py_ssize_t = self.at
            end: cython.Py_ssize_t = self.end
            body: cython.Py_ssize_t
            captured: cython.Py_ssize_t
            seconds: cython.longlong
            fraction: cython.longlong
            self.view[end - 1]  # the bounds check of all that is loaded
            while count < self.reach:
                body = at + self.header
                if body > end:
                    break
                memcpy(words, cython.address(self.view[at]), 16)
                captured = words[2]
                if captured > end - body or captured > LARGEST_RECORD:
                    break
                seconds = words[0]
                fraction = words[1]
                glimpse = cython.address(self.glimpses[count])
                glimpse.ts = seconds * 1000000000 + fraction * self.tick
                glimpse.at = cython.cast(cython.uint, body)
                glimpse.size = words[2]
                glimpse.wire_size = words[3] if words[3] > words[2] else words[2]
                glimpse.link_type = self.link_type
                glimpse.usual = 0
                if captured:
                    recognise(glimpse, cython.address(self.view[body]))
                count += 1
                at = body + captured
            self.at = at
            if count == 0:  # a record that is not whole, or is damaged
                return Reader.look(self, packet)
        return count
