# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The frames in a block of the packet ring (packet(7), TPACKET_V3), for the engine and for the saved file.

Compiled with the engine, which takes the frames where they lie: a reader like those of saved captures. Nothing is made
for each of them; in Python alone a packet cost 2.5 us of processor time, with its engine and its file.

Everything here is in the byte order of this machine, as the kernel writes it, but for what a packet says of itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cython

from verifier.wire.octets import Octets

if cython.compiled:
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.octets import copy, transfer
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Reader
else:
    from verifier.wire.notes import Notes
    from verifier.wire.octets import copy, transfer
    from verifier.wire.packet import Packet
    from verifier.wire.records import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

# include/uapi/linux/if_packet.h: struct tpacket_block_desc, after version and offset of private data: status, number of
# frames, offset of the first, bytes in use.
FRAMES_AT = cython.declare(cython.Py_ssize_t, 12)
FIRST_AT = cython.declare(cython.Py_ssize_t, 16)
# struct tpacket3_hdr: offset of the next frame, sec, nsec, captured, wire, status, offset of the bytes; tag, tag's
# EtherType; then struct sockaddr_ll with EtherType and direction.
NSEC_AT = cython.declare(cython.Py_ssize_t, 8)
SEC_AT = cython.declare(cython.Py_ssize_t, 4)
CAPTURED_AT = cython.declare(cython.Py_ssize_t, 12)
WIRE_AT = cython.declare(cython.Py_ssize_t, 16)
STATUS_AT = cython.declare(cython.Py_ssize_t, 20)
OFFSET_AT = cython.declare(cython.Py_ssize_t, 24)
TAG_AT = cython.declare(cython.Py_ssize_t, 32)
TAG_TYPE_AT = cython.declare(cython.Py_ssize_t, 36)
PROTOCOL_AT = cython.declare(cython.Py_ssize_t, 50)
DIRECTION_AT = cython.declare(cython.Py_ssize_t, 58)
VLAN_VALID = cython.declare(cython.uint, 1 << 4)
VLAN_TPID_VALID = cython.declare(cython.uint, 1 << 6)
OUTGOING = cython.declare(cython.uint, 4)
DOT1Q = cython.declare(cython.uint, 0x8100)
ADDRESSES = cython.declare(cython.Py_ssize_t, 12)
"""Bytes of an Ethernet frame in front of its tags."""
TAG = cython.declare(cython.Py_ssize_t, 4)

NANOSECONDS = cython.declare(cython.longlong, 1_000_000_000)
LOW_BITS = cython.declare(cython.longlong, 0xFFFFFFFF)
# draft-ietf-opsawg-pcapng, 4.3
ENHANCED_PACKET = cython.declare(cython.uint, 6)
ENHANCED_HEAD = cython.declare(cython.Py_ssize_t, 28)
ENHANCED_SIZE = cython.declare(cython.Py_ssize_t, 32)


class Frames(Reader):
    """The frames of one block after the other: `take` a block, then `save` it, and read it or iterate. On loopback the
    ring has each packet twice, when it is sent and when it is received: the former are left out, and so are marker
    frames, which are kept apart.
    """

    def __init__(self, link_type: int, loopback: bool, marker: int) -> None:
        """`marker` is the EtherType of marker frames."""
        super().__init__()
        self.link_type = link_type
        self.loopback = loopback
        self.marker = marker
        self.big = sys.byteorder == "big"
        self.packets = 0
        """In this block, as the next four, too."""
        self.bytes = 0
        self.first_ns = -1
        self.last_ns = -1
        self.markers: list[bytes] = []
        self.unsaved = 0
        """How many are still to be saved."""
        self.left = 0
        """Frames of the block from `at` on."""
        self.unsaved_at = 0
        self.target = memoryview(bytearray())

    def take(self, block: bytes) -> None:
        """Goes on with this block. IndexError where it is none."""
        self.load(block if cython.compiled else memoryview(block), len(block))
        self.packets = self.bytes = 0
        self.first_ns = self.last_ns = -1
        self.markers = []
        self.rewind()
        self.unsaved_at = self.at
        while self.left > 0:
            if self.u32(self.at + STATUS_AT) & VLAN_VALID:
                self.take(self._with_tags(block))
                return
            if self._counts():
                self.last_ns = self._time()
                if not self.packets:
                    self.first_ns = self.last_ns
                self.packets += 1
                self.bytes += self._captured()
            elif not self._leaves():
                begin: cython.Py_ssize_t = self._begin()
                self.markers.append(copy(self.view, begin, begin + self._captured()))
            self._step()
        self.unsaved = self.packets
        self.rewind()

    def rewind(self) -> None:
        """To the block's first frame."""
        self.left = self.u32(FRAMES_AT)
        self.at = self.u32(FIRST_AT)

    def next(self, packet: Packet) -> cython.bint:
        while self.left > 0 and not self._counts():
            self._step()
        if self.left <= 0:
            return False
        wire: cython.Py_ssize_t = self.u32(self.at + WIRE_AT)
        packet.at = self._begin()
        packet.end = packet.at + self._captured()
        packet.wire_end = packet.at + wire if packet.at + wire > packet.end else packet.end
        packet.ts = self._time()
        packet.link_type = self.link_type
        self._step()
        return True

    def __iter__(self) -> Iterator[tuple[bytes, int, int, int]]:
        """Bytes, nanoseconds since the epoch, length on the wire and LINKTYPE_ number of each frame."""
        packet: Packet = Packet(Notes())
        self.rewind()
        packet.view = self.view
        while self.next(packet):
            yield (
                copy(packet.view, packet.at, packet.end),
                packet.ts,
                packet.wire_end - packet.at,
                packet.link_type,
            )

    def save(self, into: Octets, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Writes the frames that are `unsaved` to `into` from `at` on, as Enhanced Packet Blocks, as many as have room;
        where they end. Reading begins anew afterwards."""
        room: cython.Py_ssize_t = len(into)
        total: cython.Py_ssize_t
        size: cython.Py_ssize_t
        ts: cython.longlong
        self.target = into
        self.at = self.unsaved_at
        while self.unsaved > 0:
            if self._counts():
                size = self._captured()
                total = ENHANCED_SIZE + ((size + 3) & ~3)
                if at + total > room:
                    break
                ts = self._time()
                self._put(at + total - 8, 0)  # the padding; what else it meets is written below
                self._put(at, ENHANCED_PACKET)
                self._put(at + 4, total)
                self._put(at + 8, 0)
                self._put(at + 12, ts >> 32)
                self._put(at + 16, ts & LOW_BITS)
                self._put(at + 20, size)
                self._put(at + 24, self.u32(self.at + WIRE_AT))
                transfer(self.view, self._begin(), into, at + ENHANCED_HEAD, size)
                self._put(at + total - 4, total)
                at += total
                self.unsaved -= 1
            self._step()
        self.unsaved_at = self.at
        self.rewind()
        return at

    def _step(self) -> cython.int:
        self.at += self.u32(self.at)
        self.left -= 1
        return 0

    def _counts(self) -> cython.bint:
        """Whether it is neither a marker nor one that is going to be received, too."""
        at: cython.Py_ssize_t = self.at + PROTOCOL_AT
        kind: cython.uint = (cython.cast(cython.uint, self.view[at]) << 8) | self.view[at + 1]
        return kind != self.marker and not self._leaves()

    def _leaves(self) -> cython.bint:
        """Whether the frame was seen on loopback when it was sent."""
        return self.loopback and self.view[self.at + DIRECTION_AT] == OUTGOING

    def _begin(self) -> cython.Py_ssize_t:
        return self.at + self.u16(self.at + OFFSET_AT)

    def _captured(self) -> cython.Py_ssize_t:
        return self.u32(self.at + CAPTURED_AT)

    def _time(self) -> cython.longlong:
        return cython.cast(cython.longlong, self.u32(self.at + SEC_AT)) * NANOSECONDS + self.u32(self.at + NSEC_AT)

    def _with_tags(self, block: bytes) -> bytes:
        """The block with the VLAN tags that the kernel took out back in their frames, which begin four bytes earlier
        for it: there is room between a frame and its header."""
        whole = bytearray(block)
        order: Literal["little", "big"] = "big" if self.big else "little"
        self.rewind()
        while self.left > 0:
            at: cython.Py_ssize_t = self.at
            status = self.u32(at + STATUS_AT)
            if status & VLAN_VALID:
                begin = self._begin()
                addresses = min(ADDRESSES, self._captured())
                kind = self.u16(at + TAG_TYPE_AT) if status & VLAN_TPID_VALID else DOT1Q
                tag = self.u32(at + TAG_AT) & 0xFFFF
                whole[begin - TAG : begin + addresses] = (
                    whole[begin : begin + addresses] + kind.to_bytes(2, "big") + tag.to_bytes(2, "big")
                )
                whole[at + OFFSET_AT : at + OFFSET_AT + 2] = (begin - TAG - at).to_bytes(2, order)
                for place, value in (
                    (CAPTURED_AT, self._captured() + TAG),
                    (WIRE_AT, self.u32(at + WIRE_AT) + TAG),
                    (STATUS_AT, status & ~VLAN_VALID),
                ):
                    whole[at + place : at + place + 4] = value.to_bytes(4, order)
            self._step()
        return bytes(whole)

    def _put(self, at: cython.Py_ssize_t, value: cython.longlong) -> cython.int:
        """Writes 32 bits, little-endian."""
        if cython.compiled:
            self.target[at + 3]  # the bounds check, with that of the next line, of all four bytes
            first: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(self.target[at]))
            first[0] = value & 0xFF
            first[1] = (value >> 8) & 0xFF
            first[2] = (value >> 16) & 0xFF
            first[3] = (value >> 24) & 0xFF
            return 0
        self.target[at : at + 4] = value.to_bytes(4, "little")
        return 0
