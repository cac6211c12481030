"""Blocks of a packet ring as the kernel fills them (packet(7), TPACKET_V3), for what reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import craft

# include/uapi/linux/if_packet.h, as frames.py reads it: struct tpacket_block_desc; struct tpacket3_hdr and struct
# sockaddr_ll, 68 bytes, in front of the frame.
BLOCK = struct.Struct("=2I4I24x")
FRAME = struct.Struct("=6I2HIIHH8x")
LINK = struct.Struct("=H2siHBB8s")
FRAME_AT = 82
VLAN_VALID, VLAN_TPID_VALID = 1 << 4, 1 << 6
RECEIVED, OUTGOING = 0, 4


class Ringed(NamedTuple):
    """A frame, and what the kernel says of it."""

    data: bytes
    ts_ns: int
    wire_length: int
    protocol: int = 0x0800
    direction: int = RECEIVED
    tag: int | None = None
    """The VLAN tag that the kernel took out."""
    tag_type: int | None = None
    """None where the kernel does not say."""


def ringed(packets: Sequence[craft.Packet]) -> list[Ringed]:
    return [Ringed(packet.data, packet.ts_ns, packet.wire_length) for packet in packets]


def block(frames: Sequence[Ringed]) -> bytes:
    """They must fit one; the kernel's are not larger than 256 KiB, this one may be."""
    content = bytearray()
    for number, frame in enumerate(frames, 1):
        size = (FRAME_AT + len(frame.data) + 15) & ~15
        status = 1
        if frame.tag is not None:
            status |= VLAN_VALID | (VLAN_TPID_VALID if frame.tag_type is not None else 0)
        head = FRAME.pack(
            # The kernel's last frame has no next one.
            0 if number == len(frames) else size,
            frame.ts_ns // 10**9,
            frame.ts_ns % 10**9,
            len(frame.data),
            frame.wire_length,
            status,
            FRAME_AT,
            FRAME_AT + 14,
            0,
            frame.tag or 0,
            frame.tag_type or 0,
            0,
        )
        head += LINK.pack(17, frame.protocol.to_bytes(2, "big"), 1, 1, frame.direction, 6, b"")
        content += (head.ljust(FRAME_AT, b"\xee") + frame.data).ljust(size, b"\xee")
    return BLOCK.pack(1, 0, 1, len(frames), BLOCK.size, BLOCK.size + len(content)) + bytes(content)
