# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""One packet under the lens: the buffer that holds it, where its layers begin and end, and the fields of its TCP
segment.

One object is filled again for each packet, so that nothing is allocated per packet. `end` is where the captured bytes
stop, `wire_end` where the layer's bytes stopped on the wire: a capture cut by a snaplen has `end` before `wire_end`,
and padding lies behind both.

IPv4: RFC 791. IPv6 and its extension headers: RFC 8200, RFC 4302. TCP: RFC 9293, its options: RFC 9293, RFC 8684
(MPTCP).
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note

if cython.compiled:
    from cython.cimports.verifier.wire.fragments import Fragments
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.octets import number16, number32
else:
    from verifier.wire.fragments import Fragments
    from verifier.wire.notes import Notes

# What comes next, as one number: an EtherType as it is, an IP protocol above it, a pcap link type above that.
IP_PROTOCOL = 0x10000
LINK_TYPE = 0x20000
IPV4 = 0x0800
IPV6 = 0x86DD
TCP = IP_PROTOCOL + 6

# And numbers of our own for layers without a registered one of those kinds.
LLC = 0x30001
WIFI = 0x30002
PPP = 0x30003
PADDED_WIFI = 0x30004
AGGREGATE = 0x30005

_PROTOCOL = cython.declare(cython.int, IP_PROTOCOL)
_TCP = cython.declare(cython.int, TCP)

# Or why nothing does.
OTHER = -1
"""Not TCP over IP."""
HELD = -2
"""A fragment of a datagram that is not complete yet."""
BAD = -3
"""Headers that contradict themselves or are cut off."""

FIN = 1
SYN = 2
RST = 4
ACK = 16

TUNNELS = (
    *(434, 1701, 2123, 2152, 3386, 3544, 4341, 4754, 4789, 4790, 5072, 5247),
    *(6081, 6635, 8472, 12220, 12222, 30030, 37008),
)
"""The UDP ports of tunnels."""

HOP_BY_HOP = cython.declare(cython.int, 0)
ROUTING = cython.declare(cython.int, 43)
FRAGMENT = cython.declare(cython.int, 44)
AUTHENTICATION = cython.declare(cython.int, 51)
DESTINATION = cython.declare(cython.int, 60)
MOBILITY = cython.declare(cython.int, 135)
SHIM = cython.declare(cython.int, 140)
HOME_ADDRESS = cython.declare(cython.int, 0xC9)

# The headers of Ethernet, IPv4 and TCP without options.
SHORTEST_PLAIN = cython.declare(cython.Py_ssize_t, 54)

# What a TCP header needs for us: ports, numbers, data offset and flags.
SHORTEST_TCP = cython.declare(cython.int, 14)


ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
MIX = cython.declare(cython.ulonglong, 0xFF51AFD7ED558CCD)
"""Of the finaliser of MurmurHash3 (fmix64)."""


def stirred(word: cython.ulonglong) -> cython.ulonglong:
    """Another number, and another one for each."""
    word = ((word ^ (word >> 33)) * MIX) & ALL_BITS
    return word ^ (word >> 33)


class Packet:
    """The fields of the packet being decoded. Numbers of absent options are -1."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.fragments = Fragments(notes)
        self.view = memoryview(b"")
        self.swapped = False
        self.frame = 0
        self.ts = 0
        self.link_type = 0
        self.tunnel = 0
        """What the packet lies in, as a number: 0 for no tunnel and no tag. See `tagged` and `tunnelled`."""
        self.claimed = 0
        """Where the packet ends by its last IP header."""
        self.rest_end = 0
        self.rest_wire_end = 0
        self.rest_tunnel = 0
        self.rest = 0
        """Where the next frame of an aggregate begins, up to `rest_end` and `rest_wire_end`, in the same tunnel; 0 for
        none."""

    def u16(self, at: cython.Py_ssize_t) -> cython.uint:
        if cython.compiled:
            self.view[at + 1]  # the bounds check, with that of the next line: one for the number, not one for each byte
            first: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(self.view[at]))
            return (cython.cast(cython.uint, first[0]) << 8) | first[1]
        return (self.view[at] << 8) | self.view[at + 1]

    def u32(self, at: cython.Py_ssize_t) -> cython.uint:
        if cython.compiled:
            self.view[at + 3]
            first: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(self.view[at]))
            return (
                (cython.cast(cython.uint, first[0]) << 24)
                | (cython.cast(cython.uint, first[1]) << 16)
                | (cython.cast(cython.uint, first[2]) << 8)
                | first[3]
            )
        return (self.u16(at) << 16) | self.u16(at + 2)

    def u64(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        return (cython.cast(cython.ulonglong, self.u32(at)) << 32) | self.u32(at + 4)

    def bad(self) -> cython.int:
        """No header is where one has to be. Of a packet that the capture cut off there might have been one, and TCP
        behind it, and of one whose rest is blank; one that is here in whole is nobody's segment, as whoever received it
        found the same."""
        code: cython.int = note.MALFORMED
        if self.end < self.wire_end:
            code = note.TCP_HEADER_CUT
        elif self.blank(self.at, self.end):
            code = note.PACKET_BLANK
        self.notes.add(code, self.frame)
        return BAD

    def blank(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
        """Whether nothing but zeros stands there: nobody sends such headers, but they are what is read where a file has
        a hole, or was torn."""
        if at >= end:
            return False
        while at < end and self.view[at] == 0:
            at += 1
        return at == end

    def other(self) -> cython.int:
        """Too little is here to say what comes next. It is not TCP, unless the capture cut that off."""
        return self.bad() if self.end < self.wire_end else OTHER

    def tagged(self, number: cython.ulonglong) -> cython.int:
        """What follows lies inside of what has this number, and that in all that was met before."""
        self.tunnel = cython.cast(cython.uint, stirred(self.tunnel ^ (number + 1)) & 0xFFFFFFFF)
        return 0

    def tunnelled(self, number: cython.ulonglong) -> cython.int:
        """What follows lies inside of a tunnel between the two addresses that were read last. They count in either
        order, so that both directions have the same number where the tunnel has one identifier for both."""
        source: cython.ulonglong = stirred(self.src_hi ^ stirred(self.src_lo))
        target: cython.ulonglong = stirred(self.dst_hi ^ stirred(self.dst_lo))
        self.tagged((source + target) & ALL_BITS)
        return self.tagged(number)

    def next_of_aggregate(self) -> cython.bint:
        """Goes on to the next frame of an aggregate; whether there is one. None behind fragments put together."""
        self.at = self.rest
        self.end = self.rest_end
        self.wire_end = self.rest_wire_end
        self.tunnel = self.rest_tunnel
        self.rest = 0
        return self.at > 0 and not self.swapped

    def swap(self, data: bytes) -> cython.int:
        """Go on reading in `data`, a datagram put together from fragments."""
        self.view = data if cython.compiled else memoryview(data)
        self.swapped = True
        self.at = 0
        self.end = len(data)
        self.wire_end = len(data)
        self.claimed = len(data)
        return 0

    def ipv4(self) -> cython.int:
        """Reads the header at `at`; returns what comes next."""
        at: cython.Py_ssize_t = self.at
        if at + 20 > self.end:
            return self.bad()
        first: cython.uint = self.view[at]
        header: cython.Py_ssize_t = (first & 15) * 4
        total: cython.Py_ssize_t = self.u16(at + 2)
        if first >> 4 != 4 or header < 20:
            return IPV6 if first >> 4 == 6 else self.bad()
        self.claimed = at + total
        if total == 0:
            # Segmentation offload: the length did not fit, so the frame's own length stands.
            self.notes.add(note.IP_LENGTH_ZERO, self.frame)
        elif total < header:
            return self.bad()
        elif at + total < self.wire_end:
            self.wire_end = at + total
            if self.wire_end < self.end:
                self.end = self.wire_end
        if at + header > self.end:
            return self.bad()
        self.src_hi = 0
        self.dst_hi = 0
        self.src_lo = self.u32(at + 12)
        self.dst_lo = self.u32(at + 16)
        self.version = 4
        self.hops = self.view[at + 8]
        protocol: cython.int = self.view[at + 9]
        fragment: cython.uint = self.u16(at + 6)
        self.at = at + header
        if fragment & 0x3FFF:
            return self.fragment(protocol, self.u16(at + 4), (fragment & 0x1FFF) * 8, fragment & 0x2000 != 0)
        return _PROTOCOL + protocol

    def ipv6(self) -> cython.int:
        """Reads the header at `at` and its extension headers; returns what comes next."""
        at: cython.Py_ssize_t = self.at
        if at + 40 > self.end or self.view[at] >> 4 != 6:
            return self.bad()
        total: cython.Py_ssize_t = self.u16(at + 4)
        self.claimed = at + 40 + total
        if total and at + 40 + total < self.wire_end:
            self.wire_end = at + 40 + total
            if self.wire_end < self.end:
                self.end = self.wire_end
        self.src_hi = self.u64(at + 8)
        self.src_lo = self.u64(at + 16)
        self.dst_hi = self.u64(at + 24)
        self.dst_lo = self.u64(at + 32)
        self.version = 6
        self.hops = self.view[at + 7]
        following: cython.int = self.view[at + 6]
        if total == 0 and following != HOP_BY_HOP:  # where a jumbogram says its length (RFC 2675)
            self.notes.add(note.IP_LENGTH_ZERO, self.frame)
        self.at = at + 40
        return self.extensions(following)

    def extensions(self, following: cython.int) -> cython.int:
        """Reads the extension headers at `at`, of which the first one is of this kind; returns what comes next."""
        at: cython.Py_ssize_t = self.at
        while at + 8 <= self.end:
            if following in (HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY, SHIM):
                if following == ROUTING:
                    self._route(at)
                elif following == DESTINATION:
                    self._at_home(at)
                following = self.view[at]
                at += (self.view[at + 1] + 1) * 8
            elif following == AUTHENTICATION:
                following = self.view[at]
                at += (self.view[at + 1] + 2) * 4
            elif following == FRAGMENT:
                self.at = at + 8
                offset: cython.uint = self.u16(at + 2)
                if offset & 0xFFF9 == 0:  # an atomic fragment, RFC 6946
                    following = self.view[at]
                    at += 8
                    continue
                return self.fragment(self.view[at], self.u32(at + 4), offset & 0xFFF8, offset & 1 != 0)
            else:
                break
        if at + 8 > self.end and (
            at > self.end or following in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY, SHIM)
        ):
            return self.bad()
        self.at = at
        return _PROTOCOL + following

    def _route(self, at: cython.Py_ssize_t) -> cython.int:
        """A connection is with the last address of a route that lies ahead: in what the checksum covers, too (RFC 8200,
        section 8.1). Types 0 (RFC 5095), 2 (RFC 6275, 6.4) and 4 (RFC 8754: in reverse order)."""
        kind: cython.int = self.view[at + 2]
        size: cython.Py_ssize_t = self.view[at + 1] * 8
        if self.view[at + 3] and size >= 16 and at + 8 + size <= self.end and kind in (0, 2, 4):
            at += 8 + (size - 16 if kind == 0 else 0)
            self.dst_hi = self.u64(at)
            self.dst_lo = self.u64(at + 8)
        return 0

    def _at_home(self, at: cython.Py_ssize_t) -> cython.int:
        """A mobile node's connection is with its home address (RFC 6275, section 6.3)."""
        end: cython.Py_ssize_t = min(self.end, at + (self.view[at + 1] + 1) * 8)
        at += 2
        while at + 2 <= end:
            if self.view[at] == HOME_ADDRESS and self.view[at + 1] == 16 and at + 18 <= end:
                self.src_hi = self.u64(at + 2)
                self.src_lo = self.u64(at + 10)
                break
            at += 2 + self.view[at + 1] if self.view[at] else 1
        return 0

    def may_lead_on(self) -> cython.bint:
        """Whether something may lie behind the UDP header at `at`: its ports are a tunnel's, or are not there."""
        at: cython.Py_ssize_t = self.at
        return at + 4 > self.end or self.u16(at) in TUNNELS or self.u16(at + 2) in TUNNELS

    def fragment(self, protocol: cython.int, number: cython.uint, offset: cython.uint, more: cython.bint) -> cython.int:
        """Keeps the fragment; goes on in the whole datagram where this one completes it."""
        if protocol in (4, 6, 17, 41, 43, 47, 51, 60, 97, 135, 137, 140, 143):
            whole = self.fragments.add(self, protocol, number, offset, more)
            if whole is None:
                return HELD
            self.swap(whole)
            return _PROTOCOL + protocol
        return OTHER

    def tcp(self) -> cython.int:
        """Reads the TCP header at `at`; returns TCP, or why not."""
        at: cython.Py_ssize_t = self.at
        if at + SHORTEST_TCP > self.end:
            self.notes.add(note.TCP_HEADER_CUT, self.frame)
            return BAD
        header: cython.Py_ssize_t = (self.view[at + 12] >> 4) * 4
        if header < 20 or at + header > self.wire_end:
            if header < 20 or at + header > self.claimed:
                return self.bad()
            # By its IP length the header was whole once: the packet was cut before it was captured, as mirrors do.
            self.notes.add(note.TCP_HEADER_CUT, self.frame)
            return BAD
        self.src_port = self.u16(at)
        self.dst_port = self.u16(at + 2)
        self.seq = self.u32(at + 4)
        self.ack = self.u32(at + 8)
        self.flags = self.view[at + 13]
        # Where the capture cut the header behind the flags, the window is not known: take it as open.
        self.window = self.u16(at + 14) if at + 16 <= self.end else 0xFFFF
        self.options = at + 20
        self.at = at + header
        self.length = self.wire_end - self.at
        self.have = self.end - self.at if self.end > self.at else 0
        return _TCP

    def plain(self) -> cython.bint:
        """Whether the frame at `at` is what nearly all are: TCP in IPv4 in Ethernet, in whole headers, not a fragment.
        Then its fields are filled as `ipv4` and `tcp` would; else nothing was touched."""
        if cython.compiled:
            begin: cython.Py_ssize_t = self.at
            size: cython.Py_ssize_t = self.end - begin
            if size < SHORTEST_PLAIN:
                return False
            self.view[self.end - 1]  # the bounds check, with that of the next line, of all `size` bytes
            first: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(self.view[begin]))
            if first[12] != 8 or first[13] != 0 or first[14] != 0x45 or first[23] != 6:
                return False
            if first[20] & 0x3F or first[21]:
                return False
            whole: cython.Py_ssize_t = 14 + number16(first + 16)
            header: cython.Py_ssize_t = 34 + (first[46] >> 4) * 4
            if header < SHORTEST_PLAIN or header > size or header > whole:
                return False
            if begin + whole < self.wire_end:
                self.wire_end = begin + whole
                if self.wire_end < self.end:
                    self.end = self.wire_end
            self.hops = first[22]
            self.src_hi = 0
            self.dst_hi = 0
            self.src_lo = number32(first + 26)
            self.dst_lo = number32(first + 30)
            self.version = 4
            self.src_port = number16(first + 34)
            self.dst_port = number16(first + 36)
            self.seq = number32(first + 38)
            self.ack = number32(first + 42)
            self.flags = first[47]
            self.window = number16(first + 48)
            self.options = begin + 54
            self.at = begin + header
            self.length = self.wire_end - self.at
            self.have = self.end - self.at
            return True
        return False

    def joins(self) -> cython.bint:
        """Whether the options of a SYN add it to an MPTCP connection: MP_JOIN (RFC 8684, section 3.2)."""
        at: cython.Py_ssize_t = self.options
        end: cython.Py_ssize_t = self.at if self.at < self.end else self.end
        kind: cython.int
        size: cython.Py_ssize_t
        while at + 3 <= end:
            kind = self.view[at]
            if kind == 0:
                break
            if kind == 1:
                at += 1
                continue
            size = self.view[at + 1]
            if kind == 30 and size >= 3 and self.view[at + 2] >> 4 == 1:
                return True
            if size < 2:
                break
            at += size
        return False
