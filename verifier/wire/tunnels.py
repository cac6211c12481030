# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Tags and tunnels that few captures have. As with `media`, `link` imports this module when one is met.

Provider backbone bridging: IEEE 802.1ah; R-TAG: IEEE 802.1CB; HSR: IEC 62439-3; MACsec: IEEE 802.1AE; TRILL: RFC 6325;
NSH: RFC 8300; EtherIP: RFC 3378; PIM: RFC 7761; L2TP: RFC 2661; LISP: RFC 9300; MPLS and GRE over UDP: RFC 7510, 8086;
LWAPP: RFC 5412; Mobile IP: RFC 3519; AYIYA: draft-massar-v6ops-ayiya; TZSP: Wireshark's packet-tzsp.c; WCCP:
draft-mclaggan-wccp-v2rev1; batman-adv: Linux, uapi/linux/batadv_packet.h; Cisco's metadata, Arista's time stamps:
tcpdump.
"""

from __future__ import annotations

import cython

from verifier.wire import packet as layers

if cython.compiled:
    from cython.cimports.verifier.wire.link import ether_type, has, raw, routing_encapsulation, skip
    from cython.cimports.verifier.wire.packet import Packet
else:
    from verifier.wire.link import ether_type, has, raw, routing_encapsulation, skip
    from verifier.wire.packet import Packet

IPV4 = cython.declare(cython.int, layers.IPV4)
IPV6 = cython.declare(cython.int, layers.IPV6)
MPLS = cython.declare(cython.int, 0x8847)
NSH = cython.declare(cython.int, 0x894F)
OTHER = cython.declare(cython.int, layers.OTHER)
PROTOCOL = cython.declare(cython.int, layers.IP_PROTOCOL)
LINK = cython.declare(cython.int, layers.LINK_TYPE)
ETHERNET = cython.declare(cython.int, layers.LINK_TYPE + 1)
WIFI = cython.declare(cython.int, layers.WIFI)
PPP = cython.declare(cython.int, layers.PPP)

# Kinds of identifiers, above their bits; `link` has those below.
SERVICE = cython.declare(cython.ulonglong, 16 << 32)
LAYER_2 = cython.declare(cython.ulonglong, 17 << 32)

NEXT = {1: IPV4, 2: IPV6, 3: ETHERNET, 4: NSH, 5: MPLS}
"""What a service header, and VXLAN's generic extension, say of what follows (RFC 8300, section 2.2)."""
BATMAN = {0x40: 10, 0x42: 18, 0x01: 14}
"""Packet types of its version 15 that carry a frame: unicast, with an address of the sender, broadcast."""
BATMAN_VERSION = 15


def behind_ether_type(packet: Packet, kind: cython.int) -> cython.int:
    """What one of these EtherTypes announces."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 8):
        return packet.bad()
    if kind == 0x88E7:
        packet.tagged(SERVICE | (packet.u32(at) & 0xFFFFFF))
        return skip(packet, 4, ETHERNET)
    if kind == 0x892F or kind == 0xF1C1:
        return ether_type(packet, 4, 6)
    if kind == 0x8909:
        return ether_type(packet, 6, 8)
    if kind == 0x88E5:
        if packet.view[at] & 0x0C:  # encrypted, or changed in another way
            return OTHER
        return ether_type(packet, 14, 16) if packet.view[at] & 0x20 else ether_type(packet, 6, 8)
    if kind == 0x22F3:
        return skip(packet, 6 + ((packet.u16(at) >> 6) & 0x1F) * 4, ETHERNET)
    if kind == NSH:
        return skip(packet, (packet.view[at + 1] & 0x3F) * 4, following(packet.view[at + 3]))
    if kind == 0x883E:  # version 1 has no header of its own
        return IPV4 if packet.view[at] >> 4 == 4 else raw_behind(packet, 4)
    if kind == 0x4305:
        size = BATMAN.get(packet.view[at], 0) if packet.view[at + 1] == BATMAN_VERSION else 0
        return skip(packet, size, ETHERNET) if size else OTHER
    if kind == 0xD28B:
        size = 12 if packet.u16(at + 2) & 0x10 else 10
        return ether_type(packet, size, size + 2)
    return OTHER


def following(number: cython.int) -> cython.int:
    return NEXT.get(number, OTHER)


def raw_behind(packet: Packet, size: cython.Py_ssize_t) -> cython.int:
    """Passes over `size` bytes; IP follows, of the version that it says."""
    packet.at += size
    return raw(packet)


def over_ip(packet: Packet, protocol: cython.int) -> cython.int:
    """What one of these IP protocols announces."""
    at: cython.Py_ssize_t = packet.at
    if not has(packet, 8):
        return packet.bad()
    if protocol == 51:
        return skip(packet, (packet.view[at + 1] + 2) * 4, PROTOCOL + packet.view[at])
    if protocol == 97:
        return skip(packet, 2, ETHERNET)
    if protocol == 103:
        return raw_behind(packet, 8) if packet.view[at] == 0x21 else OTHER
    return OTHER


def over_udp(packet: Packet, body: cython.Py_ssize_t, port: cython.int) -> cython.int:
    """What lies behind a UDP header to, or from, one of these ports; at least eight bytes."""
    packet.at = body
    if port == 1701:
        return layer_2(packet)
    if port == 434:  # Mobile IP: of its messages, 4 is a packet
        return raw_behind(packet, 4) if packet.view[body] == 4 else OTHER
    if port == 3386:  # GTP, version 0
        return raw_behind(packet, 20) if packet.view[body] >> 5 == 0 and packet.view[body + 1] == 255 else OTHER
    if port == 4341 or port == 30030:  # the latter are Juniper's mirrors
        return raw_behind(packet, 8)
    if port == 4754:
        return routing_encapsulation(packet)
    if port == 4790:
        return skip(packet, 8, following(packet.view[body + 3]))
    if port == 5072:  # AYIYA: an identity and a signature, each of a length of its own; 1 is a packet to forward
        if packet.view[body + 2] & 15 != 1:
            return OTHER
        size: cython.Py_ssize_t = 8 + (1 << (packet.view[body] >> 4)) + (packet.view[body + 1] >> 4) * 4
        return skip(packet, size, PROTOCOL + packet.view[body + 3])
    if port == 6635:
        return MPLS
    if port == 12220:
        return ETHERNET
    if port == 12222:  # the fourth bit of the flags is that of control messages
        return OTHER if packet.view[body] & 4 else skip(packet, 6, WIFI)
    return sniffed(packet) if port == 37008 else OTHER


def layer_2(packet: Packet) -> cython.int:
    """L2TP version 2: a data message has PPP inside, behind fields that may be there."""
    at: cython.Py_ssize_t = packet.at
    flags: cython.int = packet.u16(at)
    if flags & 0x8000 or flags & 15 != 2:
        return OTHER
    if at + 8 <= packet.end:  # the tunnel and the session in it, as the receiver numbers them
        packet.tagged(LAYER_2 | packet.u32(at + (4 if flags & 0x4000 else 2)))
    at += 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200:
        if at + 2 > packet.end:
            return packet.bad()
        at += 2 + packet.u16(at)
    return skip(packet, at - packet.at, PPP)


def sniffed(packet: Packet) -> cython.int:
    """TZSP: version, type, link; then tags up to the one that ends them."""
    at: cython.Py_ssize_t = packet.at
    kind: cython.int = packet.u16(at + 2)
    if packet.view[at] != 1:
        return OTHER
    at += 4
    while at < packet.end and packet.view[at] != 1:
        if packet.view[at] == 0:
            at += 1
        elif at + 1 < packet.end:
            at += 2 + packet.view[at + 1]
        else:
            break
    if at >= packet.end:
        return packet.bad()
    packet.at = at + 1
    if kind == 1:
        return ETHERNET
    if kind == 0x12:
        return WIFI
    return LINK + kind if kind in (119, 127) else OTHER
