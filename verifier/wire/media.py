# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""First headers that few captures have: media beside Ethernet, PPP and 802.11, and what capture devices put in front of
a frame.

`link` comes here where it does not know a link type, and imports this module no sooner: who does not need it does not
wait for it. `first_header` reads one header and says what comes next, as `link` does.

Link types: https://www.tcpdump.org/linktypes.html. Token ring: IEEE 802.5; FDDI: RFC 1390; ARCNET: RFC 1051, 1201; IP
over Fibre Channel: RFC 2625; over InfiniBand: RFC 4391; over IEEE 1394: Apple; ATM: RFC 2684; AX.25 2.2; DOCSIS: MULPI
3.1, 6.2; ERF: Endace, ERF types; Juniper: tcpdump's print-juniper.c; PKTAP: Apple's bsd/net/pktap.h; DSA tags: Linux,
net/dsa; mPackets: IEEE 802.3br.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note
from verifier.wire import packet as layers

if cython.compiled:
    from cython.cimports.verifier.wire.link import ether_type, family, has, raw, skip
    from cython.cimports.verifier.wire.packet import Packet
else:
    from verifier.wire.link import ether_type, family, has, raw, skip
    from verifier.wire.packet import Packet

IPV4 = cython.declare(cython.int, layers.IPV4)
IPV6 = cython.declare(cython.int, layers.IPV6)
OTHER = cython.declare(cython.int, layers.OTHER)
LINK = cython.declare(cython.int, layers.LINK_TYPE)
ETHERNET = cython.declare(cython.int, layers.LINK_TYPE + 1)
ATM = cython.declare(cython.int, layers.LINK_TYPE + 100)
RAW = cython.declare(cython.int, layers.LINK_TYPE + 101)
CISCO_HDLC = cython.declare(cython.int, layers.LINK_TYPE + 104)
FRAME_RELAY = cython.declare(cython.int, layers.LINK_TYPE + 107)
LLC = cython.declare(cython.int, layers.LLC)
PPP = cython.declare(cython.int, layers.PPP)
MPLS = cython.declare(cython.int, 0x8847)

AF_INET6_OF_SOLARIS = 26

SKIPPED = {
    8: (16, RAW),  # SLIP: direction, and what was compressed
    16: (0, RAW),  # classical IP over ATM, by several systems' numbers
    18: (0, RAW),
    19: (0, RAW),
    106: (0, RAW),
    122: (16, LLC),  # IP over Fibre Channel
    240: (4, ETHERNET),  # netANALYZER, without and with the preamble
    241: (12, ETHERNET),
    259: (8, ETHERNET),  # EPON: the preamble has the link's number
    282: (4, ETHERNET),  # Broadcom's tag in front
}
"""Link types whose header has one size: that, and what follows."""

TYPED = {
    138: (16, 18),  # Apple's IP over IEEE 1394
    242: (40, 44),  # IP over InfiniBand
    281: (16, 18),  # tags of switch chips behind the addresses: Broadcom, DSA, and DSA with an EtherType of its own
    284: (16, 18),
    285: (20, 22),
}
"""Link types with an EtherType: where it lies, and the size of the header."""

# ERF types, by what the record holds behind its header.
ERF_HDLC = (1, 10, 15, 19)
ERF_ETHERNET = (2, 11, 16, 20)
ERF_AAL5 = 4
ERF_HDLC_OF_CHANNEL = (5, 17)
ERF_AAL5_OF_CHANNEL = 9
ERF_IP = (22, 23)

JUNIPER_MAGIC = 0x4D4743
JUNIPER_NO_LINK = 2
JUNIPER_EXTENSIONS = 0x80
JUNIPER = {
    130: 0,
    131: OTHER,  # frame relay over several links: only where the link header is left out
    133: 0,
    135: 0,
    136: 0,
    137: 0,
    167: ETHERNET,
    178: ETHERNET,
    179: PPP,
    180: FRAME_RELAY,
    181: CISCO_HDLC,
    183: 0,
    200: OTHER,
}
"""Juniper's link types, and what follows their common header; 0 where that is told by another header."""
JUNIPER_PROTOCOLS = {2: IPV4, 3: MPLS, 4: IPV4, 5: MPLS, 6: IPV6, 7: MPLS, 8: IPV6, 80: LLC, 200: PPP, 201: CISCO_HDLC}


def first_header(packet: Packet, kind: cython.int) -> cython.int:
    """The frame's first header, by its link type."""
    at: cython.Py_ssize_t = packet.at
    if kind in SKIPPED:
        size, following = SKIPPED[kind]
        return skip(packet, size, following)
    if kind in TYPED:
        place, size = TYPED[kind]
        return ether_type(packet, place, size)
    if kind in JUNIPER:
        return juniper(packet, kind)
    if kind in (12, 14, 101):
        return behind_remains(packet)
    if kind == 3:
        return amateur_radio(packet)
    if kind == 202:  # AX.25 behind a command of the modem's
        packet.at += 1
        return amateur_radio(packet)
    if kind == 6:
        return token_ring(packet)
    if kind == 7:
        return arcnet(packet, at + 2)
    if kind == 129:  # Linux gives an offset, and no packets of its own for exceptions
        return arcnet(packet, at + 4)
    if kind == 10:
        if not has(packet, 13):
            return packet.bad()
        return skip(packet, 13, LLC) if packet.view[at] & 0x70 == 0x50 else OTHER
    if kind == 11:
        return ATM
    if kind == 99:
        return firewall(packet)
    if kind == 123:
        return sun_atm(packet)
    if kind == 143:
        return cable(packet)
    if kind == 197:
        return endace(packet)
    if kind == 226:
        if not has(packet, 24):
            return packet.bad()
        number = packet.view[at + 1]
        return skip(packet, 24, IPV6) if number == AF_INET6_OF_SOLARIS else family(packet, 24, number)
    if kind == 252:
        return upper_layer(packet)
    if kind == 258 or kind == 149:
        return apple_tap(packet)
    if kind == 274:
        return merging_frames(packet)
    packet.notes.add(note.LINK_TYPE_UNKNOWN, packet.frame)
    return OTHER


def behind_remains(packet: Packet) -> cython.int:
    """Linux's PPP and ISDN devices leave headers in front of what should be IP alone: all of PPP's, behind addresses or
    a byte that mean nothing, or zeros (Wireshark, packet-raw.c)."""
    at: cython.Py_ssize_t = packet.at
    size: cython.Py_ssize_t
    for size in (0, 6, 1):
        if has(packet, size + 2) and packet.u16(at + size) == 0xFF03:
            return skip(packet, size, PPP)
    if has(packet, 11) and packet.u64(at) == 0 and packet.u16(at + 8) == 0:
        packet.at += 10
        return raw(packet)
    return OTHER if has(packet, 11) else packet.other()


def amateur_radio(packet: Packet) -> cython.int:
    """AX.25: addresses of 7 bytes, the last one marked, control, protocol identifier."""
    at: cython.Py_ssize_t = packet.at
    while at + 7 <= packet.end and not packet.view[at + 6] & 1:
        at += 7
    packet.at = at + 7
    if not has(packet, 2):
        return packet.bad()
    control: cython.int = packet.view[at + 7] & 0xEF
    if control & 1 and control != 3:  # neither information nor unnumbered information
        return OTHER
    return skip(packet, 2, IPV4) if packet.view[at + 8] == 0xCC else OTHER


def token_ring(packet: Packet) -> cython.int:
    """Access control, frame control, addresses, and a route where the source's first bit says so."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 15):
        return packet.bad()
    if packet.view[at + 1] & 0xC0 != 0x40:
        return OTHER
    return skip(packet, 14 + (packet.view[at + 14] & 0x1F if packet.view[at + 8] & 0x80 else 0), LLC)


def arcnet(packet: Packet, at: cython.Py_ssize_t) -> cython.int:
    """The packet type, at `at`; RFC 1201's types go on with a split flag and a sequence number. Of a packet in several
    frames only the first is read."""
    if at + 5 > packet.end:
        return packet.bad()
    kind: cython.int = packet.view[at]
    if kind == 0xF0:
        packet.at = at + 1
        return IPV4
    if packet.view[at + 1] == 0xFF:
        at += 4
    packet.at = at + 4
    if packet.at > packet.end or (packet.view[at + 1] and not packet.view[at + 1] & 1):  # the first one's is odd
        return OTHER
    return IPV4 if kind == 0xD4 else IPV6 if kind == 0xC4 else OTHER


def firewall(packet: Packet) -> cython.int:
    """Symantec's: an EtherType in a header of 44 bytes, or farther behind in one of 56."""
    if not has(packet, 44):
        return packet.bad()
    if packet.u16(packet.at + 6):
        return ether_type(packet, 6, 44)
    return ether_type(packet, 18, 56)


def sun_atm(packet: Packet) -> cython.int:
    """Traffic type, VPI, VCI; LAN emulation has an Ethernet frame behind two bytes of its own."""
    if not has(packet, 7):
        return packet.bad()
    if packet.view[packet.at] & 0x0F == 1:
        return skip(packet, 6, ETHERNET)
    packet.at += 4
    return ATM if packet.view[packet.at] == 0xAA else raw(packet)


def cable(packet: Packet) -> cython.int:
    """DOCSIS: only packet PDUs (types 0 and 2) have Ethernet inside, behind an extended header that may be there."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 6):
        return packet.bad()
    if packet.view[at] & 0x40 or packet.view[at] & 0x3E:
        return OTHER
    return skip(packet, 6 + (packet.view[at + 1] if packet.view[at] & 1 else 0), ETHERNET)


def endace(packet: Packet) -> cython.int:
    """ERF: 16 bytes, extension headers of 8 as long as the type's first bit is set, then by type."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 16):
        return packet.bad()
    more: cython.int = packet.view[at + 8]
    kind: cython.int = more & 0x7F
    length: cython.Py_ssize_t = packet.u16(at + 14)
    packet.at += 16
    while more & 0x80:
        if not has(packet, 8):
            return packet.bad()
        more = packet.view[packet.at]
        packet.at += 8
    if kind in ERF_ETHERNET:
        return bounded(packet, 2, length, ETHERNET)
    if kind in ERF_IP:
        return RAW
    if kind in ERF_HDLC:
        return PPP
    if kind in ERF_HDLC_OF_CHANNEL:
        return skip(packet, 4, PPP)
    if kind == ERF_AAL5:
        return skip(packet, 4, ATM)
    return skip(packet, 8, ATM) if kind == ERF_AAL5_OF_CHANNEL else OTHER


def bounded(packet: Packet, size: cython.Py_ssize_t, length: cython.Py_ssize_t, following: cython.int) -> cython.int:
    """Passes over `size` bytes; what follows had `length` bytes on the wire, and padding lies behind."""
    packet.wire_end = packet.at + size + length
    packet.end = min(packet.end, packet.wire_end)
    return skip(packet, size, following)


def juniper(packet: Packet, kind: cython.int) -> cython.int:
    """Magic, flags, extensions, which old systems leave out; then the frame, or, where its link header is left out, the
    protocol's number."""
    at: cython.Py_ssize_t = packet.at
    flags: cython.int = 0
    if has(packet, 4) and packet.u32(at) >> 8 == JUNIPER_MAGIC:
        flags = packet.view[at + 3]
        packet.at += 4
    if flags & JUNIPER_EXTENSIONS:
        if not has(packet, 2):
            return packet.bad()
        packet.at += 2 + packet.u16(at + 4)
    at = packet.at
    if not has(packet, 4):
        return packet.bad()
    if flags & JUNIPER_NO_LINK:  # in the order of the router's processor, which is the little one
        return skip(packet, 4, JUNIPER_PROTOCOLS.get(packet.view[at], OTHER) if packet.u16(at + 2) == 0 else OTHER)
    if kind == 130:
        return skip(packet, 0 if packet.u16(at) in (0x21, 0x57, 0xFF03) else 2, PPP)
    if kind == 133:
        return skip(packet, 4, JUNIPER_PROTOCOLS.get(packet.view[at], OTHER))
    if kind == 135 or kind == 137:
        packet.at += 8 if kind == 135 else 4
        return juniper_atm(packet)
    if kind == 136:
        return skip(packet, 16 if flags & 1 else 12, RAW)
    if kind == 183:
        return skip(packet, 18, RAW)
    return JUNIPER[kind]


def juniper_atm(packet: Packet) -> cython.int:
    """What is behind the cookie of an ATM module is told by its first bytes."""
    if not has(packet, 3):
        return packet.bad()
    first: cython.int = packet.view[packet.at]
    if first == 0xAA or first == 0xFE:
        return ATM
    if packet.u16(packet.at) in (0x21, 0x57):
        return PPP
    return raw(packet)


def upper_layer(packet: Packet) -> cython.int:
    """Wireshark's exported PDUs: values of type and length name the protocol. Those below TCP have packets inside."""
    at: cython.Py_ssize_t = packet.at
    name = b""
    while at + 4 <= packet.end:
        kind: cython.int = packet.u16(at)
        size: cython.Py_ssize_t = packet.u16(at + 2)
        at += 4
        if kind == 0:
            packet.at = at
            if name in (b"ip", b"ipv6"):
                return raw(packet)
            return ETHERNET if name.startswith(b"eth") else OTHER
        if at + size > packet.end:
            break
        if kind == 12:
            name = bytes([packet.view[place] for place in range(at, at + size)]).rstrip(b"\0")
        at += size
    return packet.bad()


def apple_tap(packet: Packet) -> cython.int:
    """PKTAP: its own length, a record type (1 is a packet), the link type of what follows; all little-endian."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 12):
        return packet.bad()
    size: cython.Py_ssize_t = packet.view[at] | (packet.view[at + 1] << 8)
    if packet.view[at + 4] != 1 or size < 12 or packet.view[at + 2] or packet.view[at + 3]:
        return OTHER
    return skip(packet, size, LINK + (packet.view[at + 8] | (packet.view[at + 9] << 8)))


def merging_frames(packet: Packet) -> cython.int:
    """IEEE 802.3br: behind the preamble a delimiter says whether the frame is whole (express)."""
    at: cython.Py_ssize_t
    for at in range(packet.at, min(packet.at + 8, packet.end)):
        if packet.view[at] != 0x55:
            return skip(packet, at + 1 - packet.at, ETHERNET) if packet.view[at] == 0xD5 else OTHER
    return packet.other()
