"""The packet ring on scapy's socket: real frames on real interfaces of a network namespace."""

from __future__ import annotations

import os
from mmap import PAGESIZE

import pytest
from apart import in_own_network

from verifier.errors import VerifierError
from verifier.sources.filter import Keep, Wanted, program
from verifier.sources.interface import Interface, find
from verifier.sources.ring import BLOCK_BYTES, LINK_TYPES, PacketRing, link_type_of

NOTHING = program(Wanted(1, Keep.FULL, frozenset(), 0, outgoing=False))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a packet socket is root's")

WATCH = """
import socket, sys, time
from verifier.sources.filter import Keep, Wanted, program
from verifier.sources.interface import find
from verifier.sources.frames import Frames
from verifier.sources.ring import PacketRing, link_type_of

def opened(name, size=1 << 20, ports=None):
    interface = find(name)
    wanted = Wanted(link_type_of(interface), Keep.FULL, ports, 0, outgoing=not interface.loopback)
    return PacketRing(interface, size, program(wanted))

def take(ring, count, loopback=False):
    found, end = [], time.monotonic() + 10
    frames = Frames(1, loopback, 0x88B5)
    while len(found) < count and time.monotonic() < end:
        block = ring.read()
        if block is None:
            ring.wait()
        else:
            frames.take(block)
            found += frames
    return found
"""


def test_link_types() -> None:
    here = Interface("x0", 1, 1, up=True, loopback=False, address=b"")
    assert {hardware: link_type_of(here._replace(hardware=hardware)) for hardware in LINK_TYPES} == {
        1: 1,
        772: 1,
        0xFFFE: 101,
        519: 101,
        512: 101,
    }
    with pytest.raises(VerifierError, match="can't capture on x0: its link type"):
        link_type_of(here._replace(hardware=801))


@needs_root
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (1, 2 * PAGESIZE),
        (100_000, 3 << 15),
        (1 << 20, 1 << 20),
        (10 * BLOCK_BYTES + 1, 10 * BLOCK_BYTES),
    ],
)
def test_the_ring_is_as_large_as_asked(asked: int, granted: int) -> None:
    ring = PacketRing(find("lo"), asked, NOTHING)
    assert ring.bytes == granted
    ring.close()


def test_an_interface_that_is_down() -> None:
    said = in_own_network(
        WATCH
        + """
from verifier.errors import VerifierError
try:
    opened("lo")
except VerifierError as error:
    print(error)
"""
    )
    assert said == "interface lo is down; `ip link set lo up` mends it\n"


def test_going_down_is_reported() -> None:
    said = in_own_network(
        WATCH
        + """
run("ip link set lo up")
ring = opened("lo")
run("ip link set lo down")
print(ring.wait())
print(ring.fault())
"""
    )
    assert said == "[Errno 100] Network is down\nNone\n"


def test_frames_come_with_tag_time_and_wire_length() -> None:
    said = in_own_network(
        WATCH
        + """
run("ip link add near type veth peer name far")
run("ip link set near up"); run("ip link set far up")
ring = opened("near")
ip = bytes.fromhex("45000028000000004006000001020304050607081f90005000000000000000005002000000000000")
macs = find("near").address + find("far").address
plain = macs + b"\\x08\\x00" + ip
tagged = macs + b"\\x81\\x00\\x00\\x07\\x08\\x00" + ip
double = macs + b"\\x88\\xa8\\x00\\x05\\x81\\x00\\x00\\x07\\x08\\x00" + ip
before = time.time_ns()
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
    for frame in (plain, tagged, double):
        out.sendto(frame, ("far", 0))
    out.sendto(plain, ("near", 0))
found = take(ring, 4)
after = time.time_ns()
print([data for data, _, _, _ in found] == [plain, tagged, double, plain])
print([wire == len(data) for data, _, wire, _ in found])
times = [ts for _, ts, _, _ in found]
print([before <= ts <= after for ts in times], sorted(times) == times)
print(ring.dropped())
ring.close()
"""
    )
    assert said.splitlines() == ["True", "[True, True, True, True]", "[True, True, True, True] True", "0"]


def test_loopback_shows_each_frame_once() -> None:
    said = in_own_network(
        WATCH
        + """
run("ip link set lo up")
ring = opened("lo")
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    peer, _ = server.accept()
    client.sendall(b"x" * 10)
    peer.recv(10)
    peer.close()
syns = [data for data, _, _, _ in take(ring, 6, loopback=True) if data[47] & 2]
print(len(syns))
ring.detach()
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    peer, _ = server.accept()
    peer.close()
syns = [data for data, _, _, _ in take(ring, 6, loopback=True) if data[23] == 6 and data[47] & 2]
print(len(syns))
"""
    )
    assert said.split() == ["2", "2"]


def test_a_tun_device_gives_raw_ip() -> None:
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("the kernel has no tun")
    said = in_own_network(
        WATCH
        + """
import fcntl, os, struct
run("ip tuntap add dev tun9 mode tun")
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH14x", b"tun9", 0x1001))
run("ip link set tun9 up")
run("ip addr add 192.0.2.1/24 dev tun9")
ring = opened("tun9", ports=frozenset({80}))
print(find("tun9").hardware, link_type_of(find("tun9")))
with socket.socket() as client:
    client.setblocking(False)
    client.connect_ex(("192.0.2.9", 81))
    client.connect_ex(("192.0.2.9", 81))
with socket.socket() as client:
    client.setblocking(False)
    client.connect_ex(("192.0.2.9", 80))
    (sent, ts, wire, link_type), *_ = take(ring, 1)
print(sent[0] >> 4, sent[9], int.from_bytes(sent[22:24], "big"), wire == len(sent))
os.write(tun, sent[:12] + sent[16:20] + sent[12:16] + sent[22:24] + sent[20:22] + sent[24:])
(back, *_), *_ = take(ring, 1)
print(back[0] >> 4, int.from_bytes(back[20:22], "big"))
"""
    )
    assert said.splitlines() == ["65534 101", "4 6 80 True", "4 80"]
