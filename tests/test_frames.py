"""What a block of the packet ring holds, as the engine and the saved file get it."""

from __future__ import annotations

import craft
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringblock import OUTGOING, Ringed, block, ringed

from verifier.sources.frames import Frames
from verifier.wire.engine import Engine

MARKER = 0x88B5
START = craft.START_NS
LARGEST = (1 << 32) * 10**9 - 1
"""The last nanosecond that the kernel's clock of 32 bits has."""


def frames_of(some: list[Ringed], loopback: bool = False, link_type: int = 1) -> Frames:
    frames = Frames(link_type, loopback, MARKER)
    frames.take(block(some))
    return frames


def saved(frames: Frames, room: int) -> bytes:
    """All of them, through a buffer of `room` bytes."""
    buffer, whole = memoryview(bytearray(b"\xee" * room)), b""
    while frames.unsaved:
        before = frames.unsaved
        end = frames.save(buffer, 0)
        assert frames.unsaved < before
        whole += bytes(buffer[:end])
    return whole


def enhanced(data: bytes, ts_ns: int, wire_length: int) -> bytes:
    """draft-ietf-opsawg-pcapng, 4.3, with times in nanoseconds."""
    padded = data + b"\0" * (-len(data) % 4)
    fields = (6, 32 + len(padded), 0, ts_ns >> 32, ts_ns & 0xFFFFFFFF, len(data), wire_length)
    return b"".join(field.to_bytes(4, "little") for field in fields) + padded + fields[1].to_bytes(4, "little")


frames_found = st.lists(
    st.builds(
        Ringed,
        data=st.binary(max_size=200),
        ts_ns=st.integers(0, LARGEST),
        wire_length=st.integers(0, 1 << 31),
        protocol=st.sampled_from((0x0800, 0x86DD, MARKER)),
        direction=st.sampled_from((0, OUTGOING)),
        tag=st.none() | st.integers(0, 0xFFFF),
        tag_type=st.none() | st.sampled_from((0x8100, 0x88A8)),
    ),
    max_size=20,
)


@given(some=frames_found, loopback=st.booleans(), room=st.integers(300, 2000))
def test_engine_and_file_get_the_same(some: list[Ringed], loopback: bool, room: int) -> None:
    frames = frames_of(some, loopback)
    there = [each for each in some if not (loopback and each.direction == OUTGOING)]
    wanted, markers = [], []
    for each in there:
        data, wire = each.data, each.wire_length
        if each.tag is not None:
            tag = (each.tag_type or 0x8100).to_bytes(2, "big") + each.tag.to_bytes(2, "big")
            data, wire = data[:12] + tag + data[12:], wire + 4
        if each.protocol == MARKER:
            markers.append(data)
        else:
            wanted.append((data, each.ts_ns, wire))
    assert frames.markers == markers
    assert frames.packets == frames.unsaved == len(wanted)
    assert frames.bytes == sum(len(data) for data, _, _ in wanted)
    assert (frames.first_ns, frames.last_ns) == ((wanted[0][1], wanted[-1][1]) if wanted else (-1, -1))
    assert list(frames) == [(data, ts, max(wire, len(data)), 1) for data, ts, wire in wanted]
    assert saved(frames, room) == b"".join(enhanced(*each) for each in wanted)
    assert list(frames) == [(data, ts, max(wire, len(data)), 1) for data, ts, wire in wanted]


def test_the_engine_sees_what_a_file_would_show() -> None:
    talk = craft.Conversation()
    talk.handshake()
    for _ in range(3):
        talk.exchange()
    talk.close("client")
    packets = talk.packets()
    one, other = Engine(), Engine()
    for packet in packets:
        one.packet(packet.data, packet.ts_ns, packet.wire_length, 1)
    frames = Frames(1, False, MARKER)
    tagged = [each._replace(tag=7) if number % 3 == 0 else each for number, each in enumerate(ringed(packets))]
    for some in (tagged[:5], tagged[5:6], tagged[6:]):
        frames.take(block(some))
        frames.save(memoryview(bytearray(100_000)), 0)
        other.read(frames)
    for engine in (one, other):
        assert (engine.packets, engine.tcp_packets, engine.open_connections) == (len(packets), len(packets), 0)
        assert engine.finish().exchanges.rows == 3
    assert one.last_ns == other.last_ns


def test_a_block_without_frames() -> None:
    frames = frames_of([])
    assert (list(frames), frames.packets, frames.markers, saved(frames, 100)) == ([], 0, [], b"")


@pytest.mark.parametrize("size", [0, 47, 100])
def test_what_is_no_block(size: int) -> None:
    """Bounds are checked, whatever the kernel says."""
    with pytest.raises(IndexError):
        Frames(1, False, MARKER).take(block(ringed([craft.Packet(b"x" * 60, START, 60, 1)] * 3))[:size])
