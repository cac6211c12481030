"""Tags and tunnels: whatever a packet travels in, its connection is told."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest
from craft import ETHERNET, MACS, Conversation, Link, Packet, checksum, fragmented, get, ok
from examine import Totals, examine, second_opinion, story, totals

TWICE = ["complete: new reused; client fin"]
TWO_REQUESTS = Totals(1, 1, 2, 2)
Frame = Callable[[bytes], bytes]


def captured(frame: Frame, version: int = 4) -> list[Packet]:
    talk = Conversation() if version == 4 else Conversation(("2001:db8::1", 40000), ("2001:db8::2", 80))
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    talk.close("client")
    return talk.packets(Link(1, frame))


def behind(head: bytes, frame: Frame) -> Frame:
    return lambda ip: head + frame(ip)


def authenticated(frame: Frame) -> Frame:
    """MACsec's ICV, 16 bytes, behind it."""
    return lambda ip: frame(ip) + bytes(16)


def either(ip: bytes) -> bytes:
    return ip


def ether_type(ip: bytes) -> bytes:
    return (b"\x86\xdd" if ip[0] >> 4 == 6 else b"\x08\x00") + ip


def in_ip(protocol: int, frame: Frame) -> Frame:
    def packet(ip: bytes) -> bytes:
        body = frame(ip)
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0)
        head += socket.inet_aton("198.51.100.1") + socket.inet_aton("198.51.100.2")
        return ethernet(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body)

    return packet


def in_udp(port: int, head: bytes, frame: Frame) -> Frame:
    def datagram(ip: bytes) -> bytes:
        body = head + frame(ip)
        return struct.pack(">HHHH", 33333, port, 8 + len(body), 0) + body

    return in_ip(17, datagram)


ethernet = ETHERNET.frame
ppp: Frame = lambda ip: (b"\x00\x57" if ip[0] >> 4 == 6 else b"\x00\x21") + ip  # noqa: E731
snap = behind(b"\xaa\xaa\x03\x00\x00\x00", ether_type)
LABEL = struct.pack(">I", 99 << 12 | 1 << 8 | 64)
SERVICE = b"\x0f\xc6\x01\x03\x00\x00\x01\xff" + bytes(16)
WIFI = b"\x08\x01\x00\x00" + MACS + MACS[:6] + b"\x00\x00"
REAL_MACS = b"\x00\x1b\x21\x11\x22\x33\x00\x1b\x21\x44\x55\x66"


def authentication(ip: bytes) -> bytes:
    return bytes([41 if ip[0] >> 4 == 6 else 4, 4]) + bytes(22) + ip


TUNNELS: dict[str, Frame] = {
    "provider backbone": behind(MACS + b"\x88\xe7\x00\x00\x01\x23", ethernet),
    "provider backbone, tagged": behind(MACS + b"\x88\xa8\x00\x05\x88\xe7\x00\x00\x01\x23", ethernet),
    "service header": behind(MACS + b"\x89\x4f" + SERVICE, ethernet),
    "macsec in the clear": authenticated(behind(MACS + b"\x88\xe5\x00\x00\x00\x00\x00\x01", ether_type)),
    "macsec with a channel": authenticated(behind(MACS + b"\x88\xe5\x20\x00\x00\x00\x00\x01" + bytes(8), ether_type)),
    "trill": behind(MACS + b"\x22\xf3\x00\x20\x00\x01\x00\x02", ethernet),
    "trill with options": behind(MACS + b"\x22\xf3\x00\x60\x00\x01\x00\x02" + bytes(4), ethernet),
    "cisco metadata": behind(MACS + b"\x89\x09\x01\x01\x00\x01\x00\x07", ether_type),
    "hsr": lambda ip: MACS + b"\x89\x2f" + struct.pack(">HH", len(ip) + 6, 7) + ether_type(ip),
    "r-tag": behind(MACS + b"\xf1\xc1\x00\x00\x00\x07", ether_type),
    "batman unicast": behind(MACS + b"\x43\x05\x40\x0f\x32\x01" + MACS[:6], ethernet),
    "batman with both addresses": behind(MACS + b"\x43\x05\x42\x0f\x32\x01" + MACS + b"\x01\x00", ethernet),
    "batman broadcast": behind(MACS + b"\x43\x05\x01\x0f\x32\x00" + bytes(4) + MACS[6:], ethernet),
    "arista time stamp": behind(MACS + b"\xd2\x8b\x00\x01\x00\x10" + bytes(8), ether_type),
    "mpls, ethernet without a control word": behind(MACS + b"\x88\x47" + LABEL, lambda ip: REAL_MACS + ether_type(ip)),
    "mpls, associated channel": lambda ip: (
        MACS + b"\x88\x47" + LABEL + (b"\x10\x00\x00\x57" if ip[0] >> 4 == 6 else b"\x10\x00\x00\x21") + ip
    ),
    "gre with a route": in_ip(47, behind(b"\x40\x00", lambda ip: ether_type(ip)[:2] + bytes(8) + ip)),
    "gre from an access point": in_ip(47, behind(b"\x00\x00\x82\x00" + WIFI, snap)),
    "gre, service header": in_ip(47, behind(b"\x00\x00\x89\x4f" + SERVICE, ethernet)),
    "gre, wccp 2": in_ip(47, behind(b"\x00\x00\x88\x3e" + bytes(4), either)),
    "gre, mikrotik": in_ip(47, lambda ip: struct.pack(">HHHH", 0x2001, 0x6400, 14 + len(ip), 0x0700) + ethernet(ip)),
    "gre, frame relay": in_ip(47, behind(b"\x00\x00\x65\x59\x18\x41", ether_type)),
    "a long frame": lambda ip: MACS + b"\x88\x70" + snap(ip),
    "apple's direct link": lambda ip: (
        MACS
        + struct.pack(">H", 16 + len(ip))
        + b"\xaa\xaa\x03\x00\x17\xf2\x08\x00\x03\x04\x01\x00\0\0"
        + ether_type(ip)
    ),
    "vxlan without a flag": in_udp(4789, b"\0\0\0\0\0\0\x07\0", ethernet),
    "mobile ip": in_udp(434, b"\x04\x04\0\0", either),
    "juniper's mirror": in_udp(30030, b"\0\0\0\x07\0\0\0\x08", either),
    "lwapp at layer 3": in_udp(12220, b"", ethernet),
    "etherip": in_ip(97, behind(b"\x30\x00", ethernet)),
    "authentication": in_ip(51, authentication),
    "pim register": in_ip(103, behind(b"\x21\x00\xde\xff" + bytes(4), either)),
    "vxlan-gpe, service header": in_udp(4790, b"\x0c\x00\x00\x04\x00\x00\x07\x00" + SERVICE, ethernet),
    "vxlan-gpe, mpls": in_udp(4790, b"\x0c\x00\x00\x05\x00\x00\x07\x00" + LABEL, either),
    "gtp, ethernet": in_udp(2152, b"\x30\xff", lambda ip: struct.pack(">HI", 14 + len(ip), 7) + ethernet(ip)),
    "gtp 0": in_udp(3386, b"\x1e\xff", lambda ip: struct.pack(">H", len(ip)) + bytes(16) + ip),
    "mpls over udp": in_udp(6635, LABEL, either),
    "gre over udp": in_udp(4754, b"\x00\x00", ether_type),
    "l2tp": in_udp(1701, b"\x00\x02\x00\x07\x00\x08\xff\x03", ppp),
    "l2tp with numbers and padding": in_udp(
        1701, b"\x0a\x02\x00\x07\x00\x08\x00\x01\x00\x01\x00\x02\x00\x00\xff\x03", ppp
    ),
    "lwapp": in_udp(12222, bytes(6) + WIFI, snap),
    "tzsp": in_udp(37008, b"\x01\x00\x00\x01\x0a\x01\xd0\x00\x01", ethernet),
    "tzsp, 802.11": in_udp(37008, b"\x01\x00\x00\x12\x01" + WIFI, snap),
    "ayiya": in_udp(
        5072, b"\x42\x52\x11", lambda ip: (b"\x29" if ip[0] >> 4 == 6 else b"\x04") + bytes(4 + 16 + 20) + ip
    ),
    "ayiya, unsigned": in_udp(
        5072, b"\x22\x00\x01", lambda ip: (b"\x29" if ip[0] >> 4 == 6 else b"\x04") + bytes(8) + ip
    ),
    "lisp": in_udp(4341, b"\x80\x00\x00\x01" + bytes(4), either),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("name", TUNNELS)
def test_tunnels(name: str, version: int) -> None:
    packets = captured(TUNNELS[name], version)
    report = examine(packets)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(packets)
    assert report.verdict == "proved"


def test_an_isl_frame() -> None:
    """Cisco's trunks have a whole frame inside another."""
    head = b"\x01\x00\x0c\x00\x00\x00" + MACS[6:] + b"\x00\x40\xaa\xaa\x03\x00\x00\x0c\x00\x0a" + bytes(4)
    assert story(examine(captured(behind(head, ethernet)))) == TWICE


@pytest.mark.parametrize("size", [0, 4])
def test_bridged_frames_with_and_without_a_control_word(size: int) -> None:
    frame: Frame = lambda ip: MACS + b"\x88\x47" + LABEL + bytes(size) + REAL_MACS + ether_type(ip)  # noqa: E731
    assert story(examine(captured(frame))) == TWICE


def test_what_is_encrypted_is_not_read() -> None:
    report = examine(captured(behind(MACS + b"\x88\xe5\x0c\x00\x00\x00\x00\x01", ether_type)))
    assert totals(report) == Totals(0, 0, 0, 0)


def with_header(ip: bytes, kind: int, rest: bytes) -> bytes:
    """An IPv6 packet with one more header in front of TCP."""
    header = bytes([ip[6]]) + rest
    return ip[:4] + struct.pack(">HB", len(ip) - 40 + len(header), kind) + ip[7:40] + header + ip[40:]


@pytest.mark.parametrize("kind", [0, 2, 4])
def test_a_connection_is_with_the_last_address_of_a_route(kind: int) -> None:
    """On the way there the server's address is in the routing header; the answers come without one."""

    def frame(ip: bytes) -> bytes:
        if ip[40:42] != struct.pack(">H", 40000):
            return ethernet(ip)
        route = bytes([2, kind, 1]) + bytes(4) + ip[24:40]
        return ethernet(with_header(ip[:24] + socket.inet_pton(socket.AF_INET6, "2001:db8::77") + ip[40:], 43, route))

    packets = captured(frame, 6)
    report = examine(packets)
    assert story(report) == TWICE
    assert totals(report) == TWO_REQUESTS == second_opinion(packets)


def test_a_connection_is_with_the_home_address() -> None:
    def frame(ip: bytes) -> bytes:
        if ip[40:42] != struct.pack(">H", 40000):
            return ethernet(ip)
        home = b"\x02\x01\x02\x00\x00\xc9\x10" + ip[8:24]
        return ethernet(with_header(ip[:8] + socket.inet_pton(socket.AF_INET6, "2001:db8::77") + ip[24:], 60, home))

    packets = captured(frame, 6)
    assert story(examine(packets)) == TWICE
    assert second_opinion(packets) == TWO_REQUESTS


def test_many_tunnels_in_each_other() -> None:
    frame = in_ip(4, either)
    for _ in range(20):
        frame = in_ip(4, lambda ip, inner=frame: inner(ip)[14:])  # type: ignore[misc]
    assert story(examine(captured(frame))) == TWICE


@pytest.mark.parametrize("name", TUNNELS)
def test_a_tunnel_cut_anywhere_may_be_anybodys(name: str) -> None:
    """No error, and a note as long as the flags are not there, which are followed by ten bytes of a SYN."""
    (packet, *_) = captured(TUNNELS[name])
    whole = packet.data.rstrip(b"\0")  # without what authenticates it, which is zeros here
    cut = [packet._replace(data=packet.data[:size]) for size in range(len(whole))]
    report = examine(cut)
    assert report.totals.packets == len(cut)
    assert [(note.code, note.count) for note in report.notes if note.code != "syn-retransmission"] == [
        ("tcp-header-cut", len(cut) - 10)
    ]


def test_fragments_of_one_number_in_two_tunnels() -> None:
    """The same ends and the same IP identification, at the same time, in two VLANs: each datagram stays its own."""

    def pieces(port: int, target: str, vlan: int) -> list[Packet]:
        talk = Conversation(("10.0.0.1", port))
        talk.handshake()
        talk.request(get(target))
        talk.response(ok(b"ok"))
        tag = struct.pack(">HH", 0x8100, vlan)
        return [
            packet._replace(data=packet.data[:12] + tag + packet.data[12:])
            for packet in talk.packets(network=fragmented(48))
        ]

    targets = ["/" + "a" * 60, "/" + "b" * 60]
    one, other = pieces(40000, targets[0], 10), pieces(40001, targets[1], 20)
    report = examine([packet for both in zip(one, other, strict=True) for packet in both])
    assert sorted(str(exchange.target) for exchange in report.details.exchanges()) == targets
