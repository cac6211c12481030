# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""From a frame to its TCP segment: link layers, tags and tunnels, one step at a time. `media` has the link types that
are rare.

`decode` follows the layers until TCP, or until it is clear that there is none. Each step reads one header at
`packet.at` and says what comes next, as one number (see `packet`): an EtherType, an IP protocol, or a link type. Tags
and tunnels lie outside the segment, so they are passed over, and are not part of a connection's key; what identifies
them goes into `packet.tunnel`, for addresses that several tunnels have in common (see `networks`). Depth is bounded, so
that a frame of nothing but tags ends.

Link types: https://www.tcpdump.org/linktypes.html. Ethernet and tags: IEEE 802.1Q; MPLS: RFC 3032, 4385; PPPoE: RFC
2516; PPP: RFC 1661; frame relay: RFC 2427; GRE: RFC 2784, 2890; PPTP's GRE: RFC 2637; ERSPAN: draft-foschiano-erspan;
VXLAN: RFC 7348; Geneve: RFC 8926; GTP-U: 3GPP TS 29.281; CAPWAP: RFC 5415; Teredo: RFC 4380; 802.11: IEEE 802.11-2020,
9.2; radiotap: radiotap.org.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note
from verifier.wire import packet as layers

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
else:
    from verifier.wire.packet import Packet

IPV4 = cython.declare(cython.int, layers.IPV4)
IPV6 = cython.declare(cython.int, layers.IPV6)
PROTOCOL = cython.declare(cython.int, layers.IP_PROTOCOL)
LINK = cython.declare(cython.int, layers.LINK_TYPE)
TCP = cython.declare(cython.int, layers.TCP)
ETHERNET = cython.declare(cython.int, layers.LINK_TYPE + 1)
OTHER = cython.declare(cython.int, layers.OTHER)
MOST_LAYERS = cython.declare(cython.int, 100)

MPLS = cython.declare(cython.int, 0x8847)
ETHERTYPE_BRIDGED = 0x6558
ETHERTYPE_ERSPAN_2 = 0x88BE
ETHERTYPE_ERSPAN_3 = 0x22EB
ETHERTYPE_PPP = 0x880B

LLC = cython.declare(cython.int, layers.LLC)
WIFI = cython.declare(cython.int, layers.WIFI)
PPP = cython.declare(cython.int, layers.PPP)
PADDED_WIFI = cython.declare(cython.int, layers.PADDED_WIFI)
AGGREGATE = cython.declare(cython.int, layers.AGGREGATE)

# Kinds of tunnels and tags, above the bits of their identifiers.
VLAN = cython.declare(cython.ulonglong, 1 << 32)
LABEL = cython.declare(cython.ulonglong, 2 << 32)
SESSION = cython.declare(cython.ulonglong, 3 << 32)
MIRROR = cython.declare(cython.ulonglong, 4 << 32)
ROUTING = cython.declare(cython.ulonglong, 5 << 32)
OVERLAY = cython.declare(cython.ulonglong, 6 << 32)
USER = cython.declare(cython.ulonglong, 7 << 32)
ACCESS = cython.declare(cython.ulonglong, 8 << 32)
TEREDO = cython.declare(cython.ulonglong, 9 << 32)
PORT = cython.declare(cython.ulonglong, 10 << 32)
"""Whatever else is told by its UDP port."""


def decode(packet: Packet, link_type: cython.int) -> cython.int:
    """Follows the layers of the frame at `packet.at`: TCP and its fields filled, or OTHER, HELD or BAD."""
    layer: cython.int = LINK + link_type
    for _ in range(MOST_LAYERS):
        if layer == IPV4:
            layer = packet.ipv4()
        elif layer == TCP:
            return packet.tcp()
        elif layer == IPV6:
            layer = packet.ipv6()
        elif layer < 0:
            return layer
        else:
            layer = step(packet, layer)
    return packet.bad()


def step(packet: Packet, layer: cython.int) -> cython.int:
    """One header that is neither IP nor TCP; returns what comes next."""
    if layer >= LLC:
        if layer == LLC:
            return logical_link(packet)
        if layer == AGGREGATE:
            return aggregate(packet)
        return point_to_point(packet) if layer == PPP else wifi(packet, layer == PADDED_WIFI)
    if layer >= LINK:
        return link(packet, layer - LINK)
    if layer >= PROTOCOL:
        return inside_ip(packet, layer - PROTOCOL)
    return inside_frame(packet, layer)


def skip(packet: Packet, size: cython.Py_ssize_t, following: cython.int) -> cython.int:
    """Passes over a header of `size` bytes."""
    packet.at += size
    return following if packet.at <= packet.end else packet.bad()


def has(packet: Packet, size: cython.Py_ssize_t) -> cython.bint:
    return packet.at + size <= packet.end


def link(packet: Packet, kind: cython.int) -> cython.int:
    """The frame's first header, by its link type."""
    at: cython.Py_ssize_t = packet.at
    if kind == 1:
        return ethernet(packet)
    if kind == 228:
        return raw(packet)
    if kind in (12, 14, 101):
        following: cython.int = raw(packet)
        return following if following != OTHER else elsewhere(packet, kind)
    if kind == 229:
        return IPV6 if raw(packet) == IPV6 else OTHER
    if kind == 0 or kind == 108:
        if not has(packet, 4):
            return packet.bad()
        return PPP if packet.u16(at) == 0xFF03 else family(packet, 4, packet.u32(at))  # some PPP devices say so
    if kind == 109:  # OpenBSD's encapsulated IP: family, SPI, flags
        return family(packet, 12, packet.u32(at)) if has(packet, 12) else packet.bad()
    if kind == 113:
        return ether_type(packet, 14, 16)
    if kind == 276:
        return ether_type(packet, 0, 20)
    if kind in (104, 112):
        return ether_type(packet, 2, 4)
    if kind == 51:
        return skip(packet, 6, PPP)
    if kind in (9, 50):
        return PPP
    if kind in (166, 204):  # with a direction byte in front
        return skip(packet, 1, PPP)
    if kind == 205:  # C HDLC with a direction byte in front
        return ether_type(packet, 3, 5)
    if kind == 100:
        return LLC
    if kind == 107:
        return frame_relay(packet)
    if kind == 117:  # OpenBSD's packet filter log: length, address family
        if not has(packet, 4):
            return packet.bad()
        return family(packet, (packet.view[at] + 3) & ~3, packet.view[at + 1])
    if kind == 239:
        return netfilter_log(packet)
    if kind == 253:
        return ether_type(packet, 14, 16)
    return wifi_capture(packet, kind)


def ethernet(packet: Packet) -> cython.int:
    at: cython.Py_ssize_t = packet.at
    following: cython.int = ether_type(packet, 12, 14)
    if following == LLC and packet.u32(at) & 0xFDFFFFFF == 0x01000C00:  # Cisco's ISL: another frame inside
        return skip(packet, 12, ETHERNET)
    return following


def wifi_capture(packet: Packet, kind: cython.int) -> cython.int:
    """802.11, bare or behind one of the headers that captures put in front of it."""
    at: cython.Py_ssize_t = packet.at
    if kind == 105:
        return WIFI
    if kind not in (119, 127, 163, 192):
        return elsewhere(packet, kind)
    if not has(packet, 8):
        return packet.bad()
    if kind == 127:
        return radiotap(packet)
    if kind == 192:  # per-packet information: version, flags, length, link type
        inner: cython.int = packet.view[at + 4] | (packet.view[at + 5] << 8)
        return skip(packet, packet.view[at + 2] | (packet.view[at + 3] << 8), LINK + inner)
    if kind == 119 and packet.u32(at) & 0xFFFFF000 != 0x80211000:
        return skip(packet, 144 if has(packet, 144) else 0, WIFI)  # Prism, of fixed length, or nothing
    return skip(packet, packet.u32(at + 4), WIFI)  # AVS: magic, length


def elsewhere(packet: Packet, kind: cython.int) -> cython.int:
    """A link type that few captures have."""
    from verifier.wire import media

    return media.first_header(packet, kind)


def radiotap(packet: Packet) -> cython.int:
    """Version, pad, length, fields that are present, all little-endian. Of the fields, only the flags matter: whether
    padding lies between the frame's header and what it carries."""
    at: cython.Py_ssize_t = packet.at
    flags_at: cython.Py_ssize_t = at + 8
    size: cython.Py_ssize_t = packet.view[at + 2] | (packet.view[at + 3] << 8)
    more: cython.int = packet.view[at + 7]
    while more & 0x80 and flags_at + 4 <= packet.end:
        more = packet.view[flags_at + 3]
        flags_at += 4
    if packet.view[at + 4] & 1:  # a time of 8 bytes, aligned, comes first
        flags_at = at + ((flags_at - at + 7) & ~7) + 8
    padded: cython.bint = packet.view[at + 4] & 2 != 0 and flags_at < packet.end and packet.view[flags_at] & 0x20 != 0
    return skip(packet, size, PADDED_WIFI if padded else WIFI)


def ether_type(packet: Packet, type_at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.int:
    """A header of `size` bytes whose EtherType lies at `type_at`; a small one is a length, and LLC follows."""
    if not has(packet, size):
        return packet.bad()
    kind: cython.int = packet.u16(packet.at + type_at)
    packet.at += size
    return kind if kind >= 0x0600 else LLC


def raw(packet: Packet) -> cython.int:
    if not has(packet, 1):
        return packet.bad()
    version: cython.int = packet.view[packet.at] >> 4
    if version == 4:
        return IPV4
    return IPV6 if version == 6 else OTHER


def family(packet: Packet, size: cython.Py_ssize_t, number: cython.uint) -> cython.int:
    """An address family, in either byte order: 2 is IPv4 everywhere, IPv6 is 10, 24, 28 or 30 by system."""
    if number > 0xFFFF:
        number = ((number & 0xFF) << 24) | ((number & 0xFF00) << 8) | ((number >> 8) & 0xFF00) | (number >> 24)
    if number == 2:
        return skip(packet, size, IPV4)
    if number in (10, 24, 28, 30):
        return skip(packet, size, IPV6)
    return skip(packet, size, number) if number in (0x0800, 0x86DD) else OTHER  # some write an EtherType instead


def inside_frame(packet: Packet, kind: cython.int) -> cython.int:
    """What an EtherType announces, beside IP."""
    at: cython.Py_ssize_t = packet.at
    if kind in (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300):
        if has(packet, 2) and packet.u16(at) & 0xFFF:  # VLAN 0 is none: a priority alone
            packet.tagged(VLAN | (packet.u16(at) & 0xFFF))
        return ether_type(packet, 2, 4)
    if kind in (MPLS, 0x8848):
        return label(packet)
    if kind == 0x8870:  # a frame too long for a length
        return LLC
    if kind == 0x8864:
        if has(packet, 4):
            packet.tagged(SESSION | packet.u16(at + 2))
        return skip(packet, 6, PPP)
    if kind == ETHERTYPE_PPP:
        return PPP
    if kind == ETHERTYPE_BRIDGED:
        return ETHERNET
    if kind == ETHERTYPE_ERSPAN_2:
        if has(packet, 4):
            packet.tagged(MIRROR | (packet.u16(at + 2) & 0x3FF))
        return skip(packet, 8, ETHERNET)
    if kind == ETHERTYPE_ERSPAN_3:
        if not has(packet, 12):
            return packet.bad()
        packet.tagged(MIRROR | (packet.u16(at + 2) & 0x3FF))
        return skip(packet, 20 if packet.view[at + 11] & 1 else 12, ETHERNET)
    if kind == 0x8926:  # VN-tag
        return ether_type(packet, 4, 6)
    if kind == 0x8903:  # FabricPath: a whole Ethernet header follows
        return skip(packet, 2, ETHERNET)
    if kind == 0x893F:  # E-tag
        return ether_type(packet, 6, 8)
    if kind in (0x22F3, 0x4305, 0x883E, 0x88E5, 0x88E7, 0x8909, 0x892F, 0x894F, 0xD28B, 0xF1C1):
        from verifier.wire import tunnels

        return tunnels.behind_ether_type(packet, kind)
    return OTHER


def label(packet: Packet) -> cython.int:
    """One MPLS label; under the last lies IP by its version, or Ethernet, with or without a control word."""
    if not has(packet, 5):
        return packet.bad()
    at: cython.Py_ssize_t = packet.at
    last: cython.int = packet.view[at + 2] & 1
    packet.at += 4
    if not last:
        return MPLS
    packet.tagged(LABEL | (packet.u32(at) >> 12))  # the last says whose packet it is, those before it the way
    version: cython.int = packet.view[at + 4] >> 4
    if version == 4:
        return IPV4
    if version == 6:
        return IPV6
    if version == 1:  # an associated channel (RFC 4385), by the numbers of PPP
        kind: cython.int = packet.u16(at + 6) if has(packet, 4) else 0
        return skip(packet, 4, IPV4 if kind == 0x21 else IPV6 if kind == 0x57 else OTHER)
    # An address may begin with zeros, as a control word does: tell by what would be its EtherType.
    if version == 0 and not (has(packet, 14) and common(packet.u16(at + 16)) and not common_behind(packet, at + 20)):
        return skip(packet, 4, ETHERNET)
    return ETHERNET


def common(kind: cython.int) -> cython.bint:
    """Whether it is an EtherType that frames are likely to have."""
    return kind in (0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8, MPLS, 0x8864)


def common_behind(packet: Packet, at: cython.Py_ssize_t) -> cython.bint:
    return at + 2 <= packet.end and common(packet.u16(at))


def point_to_point(packet: Packet) -> cython.int:
    """PPP, with or without the HDLC address and control bytes, its protocol in two bytes or one. Cisco's HDLC, which
    has other addresses, is met in its place."""
    if not has(packet, 2):
        return packet.bad()
    number: cython.int = packet.u16(packet.at)
    if number == 0x0F00 or number == 0x8F00:
        return ether_type(packet, 2, 4)
    if number == 0xFF03:
        packet.at += 2
    if not has(packet, 2):
        return packet.bad()
    number = packet.view[packet.at]
    if number & 1:
        packet.at += 1
    else:
        number = packet.u16(packet.at)
        packet.at += 2
    if number == 0x21 or number == 0x0800:  # some write an EtherType instead
        return IPV4
    if number == 0x57 or number == 0x86DD:
        return IPV6
    if number == 0x3D:
        return multilink(packet)
    if number == 0x31:  # bridging (RFC 3518): flags, the kind of frame
        if not has(packet, 2):
            return packet.other()
        return skip(packet, 2, ETHERNET) if packet.view[packet.at + 1] == 1 else OTHER
    return MPLS if number in (0x281, 0x283) else OTHER


def multilink(packet: Packet) -> cython.int:
    """PPP over several links (RFC 1990), with the long sequence number: packets that were not taken apart."""
    if not has(packet, 4):
        return packet.bad()
    return skip(packet, 4, PPP) if packet.view[packet.at] & 0xC0 == 0xC0 else apart(packet)


def apart(packet: Packet) -> cython.int:
    """A part of a packet that was taken apart on its way, of a kind that is not put together here."""
    packet.notes.add(note.FRAGMENT_LOST, packet.frame)
    return OTHER


def logical_link(packet: Packet) -> cython.int:
    """IEEE 802.2 LLC: IP in SNAP, or directly."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 3):
        return packet.other()
    if packet.view[at] == 0xAA and packet.view[at + 1] == 0xAA:
        if not has(packet, 8):
            return packet.bad()
        if packet.u32(at + 2) == 0x030080C2:  # a bridged frame (RFC 2684, section 5.2)
            return skip(packet, 10, ETHERNET) if packet.u16(at + 6) in (1, 7) else OTHER
        if packet.u32(at + 2) == 0x030017F2 and packet.u16(at + 6) == 0x0800:  # Apple's direct links (AWDL)
            return ether_type(packet, 14, 16)
        return ether_type(packet, 6, 8)
    if packet.view[at] == 0x06 and packet.view[at + 1] == 0x06:
        return skip(packet, 3, IPV4)
    if packet.view[at] == 0xFE and packet.view[at + 1] == 0xFE:
        if not has(packet, 4):
            return packet.other()
        packet.at += 4
        return network_layer(packet.view[at + 3])
    return OTHER


def network_layer(number: cython.int) -> cython.int:
    """What a network layer protocol identifier announces (ISO/IEC TR 9577)."""
    if number == 0xCC:
        return IPV4
    if number == 0x8E:
        return IPV6
    return PPP if number == 0xCF else OTHER


def frame_relay(packet: Packet) -> cython.int:
    """RFC 2427: address, control, protocol identifier."""
    at: cython.Py_ssize_t = packet.at
    while at < packet.end and not packet.view[at] & 1:
        at += 1
    at += 1
    if at + 3 > packet.end:
        return packet.bad()
    if packet.view[at] != 3:  # Cisco's form: an EtherType behind the address
        packet.at = at
        return ether_type(packet, 0, 2)
    at += 1
    if packet.view[at] == 0:
        at += 1
    packet.at = at + 1
    kind: cython.int = packet.view[at]
    if kind != 0x80:
        return network_layer(kind)
    if has(packet, 5) and packet.u32(at) == 0x800080C2:  # a bridged frame
        return skip(packet, 5, ETHERNET) if packet.u16(at + 4) in (1, 7) else OTHER
    return ether_type(packet, 3, 5)


def netfilter_log(packet: Packet) -> cython.int:
    """Linux's NFLOG: family, then values of type and length in the capturing host's byte order; 9 is the packet."""
    if not has(packet, 4):
        return packet.bad()
    at: cython.Py_ssize_t = packet.at + 4
    size: cython.Py_ssize_t
    kind: cython.int
    while at + 4 <= packet.end:
        size = packet.view[at] | (packet.view[at + 1] << 8)
        kind = packet.view[at + 2] | (packet.view[at + 3] << 8)
        if size < 4 or kind > 0x7F:
            size = packet.u16(at)
            kind = packet.u16(at + 2)
        if size < 4:
            return packet.bad()
        if kind == 9:
            packet.at = at + 4
            packet.wire_end = min(packet.wire_end, at + size)
            packet.end = min(packet.end, packet.wire_end)
            return raw(packet)
        at += (size + 3) & ~3
    return OTHER


def inside_ip(packet: Packet, protocol: cython.int) -> cython.int:
    """What an IP protocol number announces, beside TCP: tunnels."""
    if protocol == 17:
        return udp(packet)
    if protocol == 47:
        return routing_encapsulation(packet)
    if protocol in (43, 60, 135, 140) and packet.version == 6 and has(packet, 8):  # behind fragments put together
        return packet.extensions(protocol)
    if protocol not in (4, 41, 51, 97, 103, 137, 143):
        return OTHER
    if protocol != 51:  # an authentication header is no tunnel
        packet.tunnelled(protocol)
    if protocol == 4:
        return IPV4
    if protocol == 41:
        return IPV6
    if protocol == 137:
        return MPLS
    if protocol == 143:
        return ETHERNET
    from verifier.wire import tunnels

    return tunnels.over_ip(packet, protocol)


def routing_encapsulation(packet: Packet) -> cython.int:
    """GRE: optional checksum, key and sequence; version 1 (PPTP) has an acknowledgement as well."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 4):
        return packet.bad()
    flags: cython.int = packet.u16(at)
    kind: cython.int = packet.u16(at + 2)
    size: cython.Py_ssize_t = 4
    key: cython.uint = 0
    if flags & 0xC000:
        size += 4
    if flags & 0x2000:
        if has(packet, size + 4):
            # Version 1 has a length in its upper half.
            key = packet.u16(at + size + 2) if flags & 7 == 1 else packet.u32(at + size)
        size += 4
    packet.tunnelled(ROUTING | key)
    if flags & 0x1000:
        size += 4
    if flags & 7 == 1 and flags & 0x80:
        size += 4
    if flags & 0x4000:  # source routes, as long as they have a family or a length (RFC 1701)
        while has(packet, size + 4) and packet.u32(at + size) & 0xFFFF00FF:
            size += 4 + packet.view[at + size + 3]
        size += 4
    if 0x8200 <= kind < 0x8380:  # Aruba's access points
        return skip(packet, size, WIFI)
    if kind == ETHERTYPE_ERSPAN_2 and not flags & 0x1000:
        return skip(packet, size, ETHERNET)  # type I has no header of its own
    if kind == 0x6400:  # MikroTik's Ethernet over IP
        return skip(packet, size, ETHERNET)
    return skip(packet, size, LINK + 107 if kind == 0x6559 else kind)  # frame relay (RFC 1701)


def udp(packet: Packet) -> cython.int:
    """Tunnels over UDP, by their port."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 16):
        return packet.other() if packet.may_lead_on() else OTHER
    source: cython.int = packet.u16(at)
    target: cython.int = packet.u16(at + 2)
    body: cython.Py_ssize_t = at + 8
    size: cython.Py_ssize_t = packet.u16(at + 4)
    if size >= 8 and at + size < packet.wire_end:
        packet.wire_end = at + size
        packet.end = min(packet.end, packet.wire_end)
        if not has(packet, 16):
            return OTHER
    if target == 4789 or source == 4789 or (target == 8472 and packet.view[body] & 8):
        packet.tunnelled(OVERLAY | (packet.u32(body + 4) >> 8))
        return skip(packet, 16, ETHERNET)
    if (target == 6081 or source == 6081) and packet.view[body] >> 6 == 0:
        kind: cython.int = packet.u16(body + 2)
        packet.tunnelled(OVERLAY | (packet.u32(body + 4) >> 8))
        return skip(packet, 16 + (packet.view[body] & 0x3F) * 4, kind)
    if target in (2123, 2152) or source in (2123, 2152):
        return tunnelled_user_data(packet, body)
    if target == 5247 or source == 5247:
        return access_point(packet, body)
    if target == 3544 or source == 3544:
        return teredo(packet, body)
    if target not in (434, 1701, 3386, 4341, 4754, 4790, 5072, 6635, 12220, 12222, 30030, 37008):
        if source not in (434, 1701, 3386, 4341, 4754, 4790, 5072, 6635, 12220, 12222):
            return OTHER
        target = source
    if target == 4790 and not packet.view[body] & 4:  # VXLAN's generic extension, not used
        return OTHER
    from verifier.wire import tunnels

    packet.tunnelled(OVERLAY | (packet.u32(body + 4) >> 8) if target == 4790 else PORT | target)
    return tunnels.over_udp(packet, body, target)


def tunnelled_user_data(packet: Packet, body: cython.Py_ssize_t) -> cython.int:
    """GTP-U, version 1: only a G-PDU (255) carries a user's packet."""
    following: cython.int
    flags: cython.int = packet.view[body]
    if flags >> 5 != 1 or packet.view[body + 1] != 255:
        return OTHER
    at: cython.Py_ssize_t = body + 8
    if flags & 7:
        following = packet.view[at + 3] if at + 4 <= packet.end else 0
        at += 4
        while following and flags & 4 and at + 4 <= packet.end:
            size: cython.Py_ssize_t = packet.view[at] * 4
            if size == 0 or at + size > packet.end:
                return packet.bad()
            at += size
            following = packet.view[at - 1]
    packet.tunnelled(USER | packet.u32(body + 4))
    packet.at = at
    following = raw(packet)
    return ETHERNET if following == OTHER else following


def access_point(packet: Packet, body: cython.Py_ssize_t) -> cython.int:
    """CAPWAP's data channel where it is in the clear: 802.3 or 802.11 inside."""
    if packet.view[body] != 0:
        return OTHER
    size: cython.Py_ssize_t = (packet.view[body + 1] >> 3) * 4
    native: cython.int = packet.view[body + 2] & 1
    fragment: cython.int = packet.view[body + 3] & 0x80
    if size < 8:
        return OTHER
    if fragment:
        return apart(packet)
    packet.tunnelled(ACCESS)
    packet.at = body
    if not native:
        return skip(packet, size, ETHERNET)
    packet.at = body + size
    # Cisco's controllers send the two bytes of the frame control field the other way round.
    if has(packet, 2) and packet.view[packet.at] & 0x0C != 0x08 and packet.view[packet.at + 1] & 0x0C == 0x08:
        return wifi_data(packet, packet.view[packet.at + 1], packet.view[packet.at], False)
    return WIFI


def teredo(packet: Packet, body: cython.Py_ssize_t) -> cython.int:
    """IPv6 over UDP, behind an authentication and an origin indication that may be there."""
    at: cython.Py_ssize_t = body
    if packet.u16(at) == 1 and at + 4 <= packet.end:
        at += 13 + packet.view[at + 2] + packet.view[at + 3]
    if at + 2 <= packet.end and packet.u16(at) == 0:
        at += 8
    packet.tunnelled(TEREDO)
    packet.at = at
    return raw(packet)


def wifi(packet: Packet, padded: cython.bint) -> cython.int:
    """802.11: data frames in the clear."""
    if not has(packet, 24):
        return OTHER if has(packet, 1) and packet.view[packet.at] & 0x0C != 0x08 else packet.other()
    return wifi_data(packet, packet.view[packet.at], packet.view[packet.at + 1], padded)


def wifi_data(packet: Packet, control: cython.int, flags: cython.int, padded: cython.bint) -> cython.int:
    """A data frame with these two bytes of frame control: addresses, QoS, HT and mesh fields passed over, LLC follows.
    `padded` is a header filled up to four bytes."""
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:  # not data, no data, or protected
        return OTHER
    size: cython.Py_ssize_t = 24
    services: cython.int = 0
    if flags & 3 == 3:
        size += 6
    if control & 0x80:
        if not has(packet, size + 2):
            return packet.bad()
        services = packet.u16(packet.at + size)
        size += 2
        if flags & 0x80:
            size += 4
    if packet.end < packet.wire_end and not has(packet, size + 5):
        return packet.bad()
    if padded:
        size = (size + 3) & ~3
    elif has(packet, size + 5) and packet.u32(packet.at + size) == 0xAAAA and packet.view[packet.at + size + 4] == 3:
        size += 2  # drivers that fill up, too, and do not say so
    if services & 0x8000:
        return skip(packet, size, AGGREGATE)
    if services & 1 and flags & 2 and has(packet, size + 1) and packet.view[packet.at + size] < 3:
        size += 6 + 6 * packet.view[packet.at + size]  # how often a mesh passes it on, and for whom
    return skip(packet, size, LLC)


def aggregate(packet: Packet) -> cython.int:
    """One frame of an aggregate: addresses, its length, LLC; padding up to four bytes, and the next one."""
    if not has(packet, 14):
        return packet.bad()
    behind: cython.Py_ssize_t = packet.at + 14 + packet.u16(packet.at + 12)
    following: cython.Py_ssize_t = packet.at + ((behind - packet.at + 3) & ~3)
    if packet.end <= following + 14 < packet.wire_end:
        packet.bad()  # the next one is cut off
    elif following + 14 < packet.end:
        packet.rest = following
        packet.rest_end = packet.end
        packet.rest_wire_end = packet.wire_end
        packet.rest_tunnel = packet.tunnel
    packet.wire_end = min(packet.wire_end, behind)
    packet.end = min(packet.end, behind)
    return skip(packet, 14, LLC)
