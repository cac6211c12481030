"""The kernel filters, run by the kernel: a filter attached to a socket of our own meets crafted frames sent to it."""

from __future__ import annotations

import ctypes
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import craft
import pytest

from verifier.sources.filter import (
    FENCE_PROTOCOL,
    MOST_PORTS,
    SNAPLEN,
    UNSURE_HEADERS,
    Keep,
    Op,
    Wanted,
    assemble,
    describe,
    program,
)

ETHERNET, RAW = 1, 101
SO_ATTACH_FILTER = 26
MARK = 0xA1B2C3D4
PORT = 80

Judge = Callable[[bytes], "int | None"]


@contextmanager
def kernel(wanted: Wanted) -> Iterator[Judge]:
    """Gives a function that says how many bytes of a frame the kernel keeps; None for a frame that the filter stops."""
    code = program(wanted)
    place = ctypes.create_string_buffer(code, len(code))
    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sending, receiving:
        receiving.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(code) // 8, ctypes.addressof(place))
        )
        receiving.setblocking(False)

        def kept(frame: bytes) -> int | None:
            sending.send(frame)
            try:
                received = receiving.recv(1 << 19)
            except BlockingIOError:
                return None
            assert frame.startswith(received)
            return len(received)

        yield kept


def wanted(
    keep: Keep = Keep.FULL, ports: frozenset[int] | None = frozenset({PORT}), link_type: int = ETHERNET
) -> Wanted:
    return Wanted(link_type, keep, ports, MARK, outgoing=True)


def segment(flags: str = "PA", payload: bytes = b"hello", server: craft.Address = ("10.0.0.2", PORT)) -> craft.Segment:
    talk = craft.Conversation(("fd00::1" if ":" in server[0] else "10.0.0.1", 40000), server)
    return talk.say("client", flags, payload)


def frames(one: craft.Segment, network: craft.Network = craft.whole, link: craft.Link = craft.ETHERNET) -> list[bytes]:
    return [link.frame(ip) for ip in network(one)]


V6 = ("fd00::2", PORT)
OPTIONS = craft.IPv4(options=b"\x07\x27\x04" + b"\x00" * 36)
TAG = (0x8100, 7)
LINKS = {
    "ethernet": craft.ETHERNET,
    "padded": craft.PADDED,
    "vlan": craft.vlan(TAG),
    "qinq": craft.vlan((0x88A8, 5), TAG),
    "old qinq": craft.vlan((0x9100, 5), TAG),
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("server", [("10.0.0.2", PORT), V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("keep", Keep)
def test_ports_and_flags_decide(link: craft.Link, server: craft.Address, keep: Keep) -> None:
    with kernel(wanted(keep)) as kept:
        for flags in ("S", "SA", "FA", "RA", "R", "A", "PA"):
            one = segment(flags, server=server)
            back = one._replace(sender=one.receiver, receiver=one.sender)
            control = bool(set(flags) & set("SFR"))
            for each in (one, back):
                (frame,) = frames(each, link=link)
                assert (kept(frame) is not None) == (control or keep is not Keep.CONTROL), flags
            other = (server[0], PORT + 1)
            assert kept(frames(one._replace(receiver=other), link=link)[0]) is None


@pytest.mark.parametrize("link_type", [ETHERNET, RAW])
def test_every_port_where_none_is_named(link_type: int) -> None:
    link = craft.ETHERNET if link_type == ETHERNET else craft.RAW
    with kernel(wanted(ports=None, link_type=link_type)) as kept:
        for port in (1, 80, 65535):
            assert kept(frames(segment(server=("10.0.0.2", port)), link=link)[0])


def test_raw_ip_of_both_versions() -> None:
    with kernel(wanted(link_type=RAW)) as kept:
        for server in (("10.0.0.2", PORT), V6):
            assert kept(frames(segment(server=server), link=craft.RAW)[0])
            assert kept(frames(segment(server=(server[0], 81)), link=craft.RAW)[0]) is None
        assert kept(b"\x0fverify" + b"\0" * 40) is None


def test_full_keeps_every_byte() -> None:
    with kernel(wanted()) as kept:
        for size in (0, 1, 1400, 65000):
            one = segment(payload=craft.noise(size))
            frame = craft.ETHERNET.frame(craft.ipv4(one, craft.tcp(one), craft.IPv4(total_length=0)))
            assert kept(frame) == len(frame)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("options", [b"", craft.TIMESTAMPS, b"\x01" * 40], ids=["bare", "timestamps", "most"])
def test_headers_are_kept_to_the_byte(link: craft.Link, options: bytes) -> None:
    payload = craft.noise(500)
    with kernel(wanted(Keep.HEADERS)) as kept:
        for server in (("10.0.0.2", PORT), V6):
            one = segment(payload=payload, server=server)._replace(options=options)
            (frame,) = frames(one, link=link)
            assert kept(frame) == len(frame) - len(payload)
        one = segment(payload=payload)._replace(options=options)
        (frame,) = frames(one, craft.with_ipv4(OPTIONS), link)
        assert kept(frame) == len(frame) - len(payload)


def test_a_senseless_tcp_length_still_leaves_the_header() -> None:
    (frame,) = frames(segment(payload=b"x" * 200))
    broken = frame[:46] + b"\x00" + frame[47:]
    with kernel(wanted(Keep.HEADERS)) as kept:
        assert kept(broken) == 14 + 20 + 20


@pytest.mark.parametrize("keep", Keep)
def test_fragments_pass_and_only_tcp_ones(keep: Keep) -> None:
    first, *rest = frames(segment("SA", craft.noise(3000)), craft.fragmented(1000))
    other = frames(segment("SA", craft.noise(3000), ("10.0.0.2", 81)), craft.fragmented(1000))
    enough = UNSURE_HEADERS if keep is Keep.HEADERS else SNAPLEN
    with kernel(wanted(keep)) as kept:
        assert kept(first)
        assert [kept(frame) for frame in rest] == [min(len(frame), enough) for frame in rest]
        # A first fragment has ports and can be told apart; a later one has none, so it passes.
        assert kept(other[0]) is None
        assert kept(other[1])
        udp = rest[0][:23] + b"\x11" + rest[0][24:]
        assert kept(udp) is None


@pytest.mark.parametrize("keep", Keep)
def test_a_first_fragment_too_short_for_the_flags_passes(keep: Keep) -> None:
    first, *_ = frames(segment("S", craft.noise(100)), craft.fragmented(8))
    with kernel(wanted(keep)) as kept:
        assert kept(first) == len(first)


@pytest.mark.parametrize("keep", Keep)
def test_ipv6_extension_headers_pass(keep: Keep) -> None:
    chains = [(craft.HOP_BY_HOP,), (craft.ROUTING,), (craft.DESTINATION,), (craft.HOP_BY_HOP, craft.DESTINATION)]
    with kernel(wanted(keep)) as kept:
        for chain in chains:
            assert kept(frames(segment("S", server=V6), craft.with_ipv6(craft.IPv6(chain)))[0])
        for frame in frames(segment("S", craft.noise(3000), V6), craft.fragmented(1000)):
            assert kept(frame)


@pytest.mark.parametrize("keep", Keep)
def test_what_is_surely_not_wanted_stays_out(keep: Keep) -> None:
    (ip,) = craft.whole(segment("S"))
    (ip6,) = craft.whole(segment("S", server=V6))
    strangers = {
        "arp": craft.MACS + b"\x08\x06" + b"\0" * 28,
        "udp": craft.ETHERNET.frame(ip[:9] + b"\x11" + ip[10:]),
        "udp6": craft.ETHERNET.frame(ip6[:6] + b"\x11" + ip6[7:]),
        "icmp6": craft.ETHERNET.frame(ip6[:6] + b"\x3a" + ip6[7:]),
        "empty vlan": craft.MACS + b"\x81\x00\x00\x07\x08\x06" + b"\0" * 28,
        "short": craft.MACS,
        "shorter": b"\0",
    }
    with kernel(wanted(keep)) as kept:
        for name, frame in strangers.items():
            assert kept(frame) is None, name


def test_behind_three_tags_nobody_looks() -> None:
    with kernel(wanted()) as kept:
        assert kept(frames(segment(server=("10.0.0.2", 81)), link=craft.vlan(TAG, TAG, TAG))[0])


@pytest.mark.parametrize("ports", [frozenset[int](), frozenset({PORT}), None], ids=["none", "one", "all"])
@pytest.mark.parametrize("keep", Keep)
def test_only_our_own_fences_pass(ports: frozenset[int] | None, keep: Keep) -> None:
    def fence(mark: int) -> bytes:
        return (
            craft.MACS + FENCE_PROTOCOL.to_bytes(2, "big") + b"\x0fverify\0" + struct.pack(">II", mark, 1) + b"\0" * 30
        )

    with kernel(wanted(keep, ports)) as kept:
        assert kept(fence(MARK)) == 60
        assert kept(fence(MARK ^ 1)) is None
        assert kept(fence(MARK)[:20]) is None


def test_without_a_port_nothing_else_passes() -> None:
    with kernel(wanted(ports=frozenset())) as kept:
        for network in (craft.whole, craft.fragmented(8)):
            for frame in frames(segment("S"), network):
                assert kept(frame) is None


def test_many_ports() -> None:
    few = frozenset(range(1000, 1000 + MOST_PORTS))
    with kernel(wanted(ports=few)) as kept:
        for port, passes in ((999, False), (1000, True), (1000 + MOST_PORTS - 1, True), (1000 + MOST_PORTS, False)):
            assert (kept(frames(segment(server=("10.0.0.2", port)))[0]) is not None) == passes
    with kernel(wanted(ports=few | {999})) as kept:
        assert kept(frames(segment(server=("10.0.0.2", 5)))[0]), "with too many ports every port passes"


@pytest.mark.parametrize("keep", Keep)
def test_no_frame_of_ours_is_ever_lost(keep: Keep) -> None:
    """Any mixture of what the layers may put before TCP, and any cut behind the ports."""
    dice = random.Random(20240501)
    with kernel(wanted(keep)) as kept:
        for _ in range(2000):
            server = dice.choice([("10.0.0.2", PORT), V6])
            one = segment(dice.choice(["S", "SA", "FA", "RA"]), craft.noise(dice.randrange(60)), server)
            one = one._replace(options=b"\x01" * (4 * dice.randrange(11)))
            if dice.random() < 0.5:
                one = one._replace(sender=one.receiver, receiver=one.sender)
            if ":" in server[0]:
                chain = dice.choices([craft.HOP_BY_HOP, craft.ROUTING, craft.DESTINATION], k=dice.randrange(3))
                network = craft.with_ipv6(craft.IPv6(tuple(chain)))
            elif dice.random() < 0.3:
                network = craft.fragmented(8 * dice.randrange(1, 5))
            else:
                network = craft.with_ipv4(craft.IPv4(b"\x01" * (4 * dice.randrange(11)), dice.choice([None, 0])))
            tags = dice.choices([(0x8100, 5), (0x88A8, 6), (0x9100, 7)], k=dice.randrange(4))
            for frame in frames(one, network, craft.vlan(*tags)):
                assert kept(frame), frame.hex()


def test_a_wrong_program_is_not_assembled() -> None:
    with pytest.raises(ValueError, match="jump"):
        assemble(["back", Op(0x06), Op(0x05, yes="back")])
    with pytest.raises(ValueError, match="256 instructions long"):
        assemble([Op(0x15, 1, "far"), *[Op(0x06)] * 256, "far", Op(0x06)])
    with pytest.raises(ValueError, match="link type"):
        program(wanted(link_type=113))


def test_the_description_is_a_libpcap_filter() -> None:
    assert describe(Keep.FULL) == describe(Keep.HEADERS) == "tcp"
    assert "tcp-syn" in describe(Keep.CONTROL)
