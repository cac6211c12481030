# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""IP fragments put together again (RFC 791, section 3.2; RFC 8200, section 4.5). The first copy of a byte stands.

Bounded: at most `MOST_DATAGRAMS` are open at once, each of 64 KiB at most, with `MOST_BYTES` in `MOST_PIECES_IN_ALL`
together; past that the oldest is given up and noted.
"""

from __future__ import annotations

from _bisect import bisect_left, bisect_right

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

UDP = cython.declare(cython.int, 17)
MOST_DATAGRAMS = 1024
LARGEST_DATAGRAM = 65535
MOST_PIECES = 8192
"""A datagram of 64 KiB in pieces of 8 bytes, the smallest there are."""
MOST_HELD = 2 * LARGEST_DATAGRAM
"""Bytes of one datagram, overlaps included."""
MOST_PIECES_IN_ALL = 1 << 17
MOST_BYTES = 64 << 20

Key = tuple[int, ...]


class Datagram:
    """The pieces of one datagram so far: (offset, bytes), and where it ends once its last piece is there."""

    def __init__(self, frame: int) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.seen: set[tuple[int, int]] = set()
        self.begins: list[int] = []
        self.ends: list[int] = []
        """What is covered: intervals apart from each other, in order."""
        self.held = 0
        self.total = -1
        self.frame = frame
        self.barren = False
        """By its ports it is UDP that carries nothing of interest, were it whole."""

    def add(self, offset: int, piece: bytes) -> None:
        """One more piece, unless one of this place and size is there."""
        if (offset, len(piece)) not in self.seen:
            self.seen.add((offset, len(piece)))
            self.pieces.append((offset, piece))
            self.held += len(piece)
            self._cover(offset, offset + len(piece))

    def _cover(self, begin: int, end: int) -> None:
        """Joins an interval with those that it touches."""
        first = bisect_left(self.ends, begin)
        behind = bisect_right(self.begins, end)
        if first < behind:
            begin = min(begin, self.begins[first])
            end = max(end, self.ends[behind - 1])
        self.begins[first:behind] = [begin]
        self.ends[first:behind] = [end]

    def whole(self) -> bytes | None:
        """All the bytes, once none is missing."""
        if self.total < 0 or not self.begins or self.begins[0] > 0 or self.ends[0] < self.total:
            return None
        data = bytearray()
        for offset, piece in sorted(self.pieces, key=lambda pair: pair[0]):
            data += piece[len(data) - offset :]
            if len(data) >= self.total:
                break
        return bytes(data[: self.total])


class Fragments:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.open: dict[Key, Datagram] = {}
        self.pieces = 0
        self.held = 0
        """Pieces of all datagrams, and bytes in them."""

    def add(
        self, packet: Packet, protocol: cython.int, number: cython.uint, offset: cython.uint, more: cython.bint
    ) -> bytes | None:
        """The whole datagram's payload where this fragment, at packet.at, completes it. One of which parts are lost is
        noted, unless its first part is there and is of UDP that is no tunnel."""
        ends = (packet.src_hi, packet.src_lo, packet.dst_hi, packet.dst_lo)
        key = (packet.tunnel, packet.version, *ends, protocol, number)
        barren: cython.bint = protocol == UDP and offset == 0 and not packet.may_lead_on()
        datagram = self.open.get(key)
        if packet.wire_end > packet.end or offset + (packet.end - packet.at) > LARGEST_DATAGRAM:
            if not barren and (datagram is None or not datagram.barren):
                self.notes.add(note.FRAGMENT_LOST, packet.frame)
            return None
        if datagram is None:
            datagram = self.open[key] = Datagram(packet.frame)
        if barren:
            datagram.barren = True
        if len(datagram.pieces) >= MOST_PIECES or datagram.held > MOST_HELD:
            self._give_up(key)
            return None
        pieces, held = len(datagram.pieces), datagram.held
        piece = copy(packet.view, packet.at, packet.end)
        datagram.add(offset, piece)
        if not more:
            datagram.total = offset + len(piece)
        self.pieces += len(datagram.pieces) - pieces
        self.held += datagram.held - held
        whole = datagram.whole()
        if whole is not None:
            self._forget(key)
            return whole
        while len(self.open) > MOST_DATAGRAMS or self.pieces > MOST_PIECES_IN_ALL or self.held > MOST_BYTES:
            self._give_up(next(iter(self.open)))
        return None

    def _give_up(self, key: Key) -> None:
        self._lose(self.open[key])
        self._forget(key)

    def _lose(self, datagram: Datagram) -> None:
        if not datagram.barren:
            self.notes.add(note.FRAGMENT_LOST, datagram.frame)

    def _forget(self, key: Key) -> None:
        datagram = self.open.pop(key)
        self.pieces -= len(datagram.pieces)
        self.held -= datagram.held

    def finish(self) -> cython.int:
        """Notes each datagram that never became whole."""
        for datagram in self.open.values():
            self._lose(datagram)
        self.open.clear()
        return 0
