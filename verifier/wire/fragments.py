# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""IP fragments put together again (RFC 791, section 3.2; RFC 8200, section 4.5). The first copy of a byte stands.

Bounded: at most `MOST_DATAGRAMS` are open at once, each of 64 KiB at most; past that the oldest is given up and noted.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note

if cython.compiled:
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.octets import copy
    from cython.cimports.verifier.wire.packet import Packet
else:
    from typing import TYPE_CHECKING

    from verifier.wire.notes import Notes
    from verifier.wire.octets import copy

    if TYPE_CHECKING:
        from verifier.wire.packet import Packet

MOST_DATAGRAMS = 1024
LARGEST_DATAGRAM = 65535
MOST_PIECES = 8192
"""A datagram of 64 KiB in pieces of 8 bytes, the smallest there are."""
MOST_HELD = 2 * LARGEST_DATAGRAM
"""Bytes of one datagram, overlaps included."""

Key = tuple[int, int, int, int, int, int, int]


class Datagram:
    """The pieces of one datagram so far: (offset, bytes), and where it ends once its last piece is there."""

    def __init__(self, frame: int) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.seen: set[tuple[int, int]] = set()
        self.held = 0
        self.total = -1
        self.frame = frame

    def add(self, offset: int, piece: bytes) -> None:
        """One more piece, unless one of this place and size is there."""
        if (offset, len(piece)) not in self.seen:
            self.seen.add((offset, len(piece)))
            self.pieces.append((offset, piece))
            self.held += len(piece)

    def whole(self) -> bytes | None:
        """All the bytes, once none is missing."""
        if self.total < 0 or self.held < self.total:
            return None
        data = bytearray()
        for offset, piece in sorted(self.pieces, key=lambda pair: pair[0]):
            if offset > len(data):
                return None
            data += piece[len(data) - offset :]
        return bytes(data[: self.total]) if len(data) >= self.total else None


class Fragments:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.open: dict[Key, Datagram] = {}

    def add(
        self, packet: Packet, protocol: cython.int, number: cython.uint, offset: cython.uint, more: cython.bint
    ) -> bytes | None:
        """The whole datagram's payload where this fragment, at packet.at, completes it."""
        key = (packet.version, packet.src_hi, packet.src_lo, packet.dst_hi, packet.dst_lo, protocol, number)
        if packet.wire_end > packet.end or offset + (packet.end - packet.at) > LARGEST_DATAGRAM:
            self.notes.add(note.FRAGMENT_LOST, packet.frame)
            return None
        datagram = self.open.get(key)
        if datagram is None:
            if len(self.open) >= MOST_DATAGRAMS:
                oldest = next(iter(self.open))
                self.notes.add(note.FRAGMENT_LOST, self.open.pop(oldest).frame)
            datagram = self.open[key] = Datagram(packet.frame)
        if len(datagram.pieces) >= MOST_PIECES or datagram.held > MOST_HELD:
            self.notes.add(note.FRAGMENT_LOST, datagram.frame)
            del self.open[key]
            return None
        piece = copy(packet.view, packet.at, packet.end)
        datagram.add(offset, piece)
        if not more:
            datagram.total = offset + len(piece)
        whole = datagram.whole()
        if whole is not None:
            del self.open[key]
        return whole

    def finish(self) -> cython.int:
        """Notes each datagram that never became whole."""
        for datagram in self.open.values():
            self.notes.add(note.FRAGMENT_LOST, datagram.frame)
        self.open.clear()
        return 0
