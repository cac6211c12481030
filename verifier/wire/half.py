# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""One direction of a TCP connection: what its sender sent so far, put in order (RFC 9293, section 3.4).

A connection has two halves, alike; which one is the client's is decided outside. Bytes that the capture shows twice are
taken once, the first copy stands. Bytes ahead of their turn are kept as pieces until the hole before them is filled, or
is known to be one.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note
from verifier.wire import packet as layers

if cython.compiled:
    from cython.cimports.verifier.wire.octets import copy
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.seq import diff, plus
else:
    from verifier.wire.octets import copy
    from verifier.wire.packet import Packet
    from verifier.wire.seq import diff, plus

PIECE = cython.declare(cython.Py_ssize_t, 256)
"""What it is taken to cost to hold a segment, beside its bytes: two objects with their headers, and some room."""


class Piece:
    """A segment that waits for its turn, with what its packet said of it."""

    def __init__(self, packet: Packet, seq: cython.uint, fin: cython.bint, early: cython.bint) -> None:
        self.seq = seq
        self.data = copy(packet.view, packet.at, packet.at + packet.have)
        self.length = packet.length
        self.fin = fin
        self.early = early
        """It acknowledges what was not captured before it."""
        self.ack = packet.ack
        self.acks = packet.flags & layers.ACK != 0
        self.ts = packet.ts
        self.frame = packet.frame


@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Half:
    def begin(self) -> cython.int:
        self.known = False
        """Whether `next` is: from the SYN, or from the first bytes seen."""
        self.next = 0
        """Sequence number of the next byte in order."""
        self.isn = 0
        self.isn_known = False
        self.acked = 0
        """The highest acknowledgement this side has sent, of the other's bytes."""
        self.acks = False
        self.fin_known = False
        self.fin_seq = 0
        """Sequence number of the FIN itself."""
        self.ended = False
        """The FIN's turn has come: everything before it was taken, or is known to be missing."""
        self.pieces: list[Piece] | None = None
        self.held_bytes = 0
        self.packets = 0
        self.largest = 0
        """Payload bytes of the largest packet."""
        self.bytes = 0
        self.gaps = False
        """Whether bytes are missing."""
        self.closed_window = False
        self.sent = 0
        """The number of a RST or of an acknowledgement that was farther than all bytes were then: what comes before it
        was sent."""
        self.says_sent = False
        self.foretold_ns = -1
        """When the other side acknowledged what has not been captured yet, -1 for none."""
        return 0

    def start(self, seq: cython.uint) -> cython.int:
        """The SYN's number is `seq`: the first byte is the one behind it. What came before the SYN stands."""
        if not self.begins_behind(seq):
            self.next = plus(seq, 1)
        self.isn = seq
        self.isn_known = True
        self.known = True
        return 0

    def begins_behind(self, seq: cython.uint) -> cython.bint:
        """Whether bytes were taken, or only their number is known, whose SYN has not been seen, and has this number."""
        return not self.isn_known and self.known and diff(self.next, plus(seq, 1)) == self.bytes + self.ended

    def hold(self, packet: Packet, seq: cython.uint, fin: cython.bint, early: cython.bint) -> cython.int:
        """Keeps the segment for later, in order of sequence numbers, the first of equal ones in front."""
        piece = Piece(packet, seq, fin, early)
        if self.pieces is None:
            self.pieces = []
        pieces: list[Piece] = self.pieces
        place: cython.Py_ssize_t = len(pieces)
        while place and diff(cython.cast(Piece, pieces[place - 1]).seq, seq) > 0:
            place -= 1
        if place:
            before = cython.cast(Piece, pieces[place - 1])
            if before.seq == seq and before.length >= piece.length and before.fin >= piece.fin:
                packet.notes.add(note.RETRANSMISSION, packet.frame)
                return 0
        pieces.insert(place, piece)
        self.held_bytes += len(piece.data) + PIECE
        return 0

    def first(self) -> Piece | None:
        """The piece that comes next, if any is held."""
        return self.pieces[0] if self.pieces else None

    def drop_first(self) -> cython.int:
        if self.pieces is not None:
            piece = cython.cast(Piece, self.pieces.pop(0))
            self.held_bytes -= len(piece.data) + PIECE
            if not self.pieces:
                self.pieces = None
        return 0
