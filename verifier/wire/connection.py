# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""A TCP connection while it is open: its handshake, its two halves, what speaks on it, and how it closed.

The handshake is complete when a segment of the client acknowledges the SYN-ACK (RFC 9293, section 3.5). The first
closer is the side whose FIN or RST came first; FINs that cross have no first. A connection is closed in full when both
FINs are acknowledged, or with an RST that falls into the window.

Bytes reach the speech in the order in which they were sent, and a side's bytes never before the other side's bytes that
they acknowledge: so that a response is read after its request even where the capture has them the other way round.
Where bytes do not come, they are given up as missing from the capture after `PATIENCE` more segments, if the other side
acknowledged them or the bounds are reached, or else at the end.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note
from verifier.wire import packet as layers
from verifier.wire import records, tables

if cython.compiled:
    from cython.cimports.verifier.wire.half import Half, Piece
    from cython.cimports.verifier.wire.http1 import Http1
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.rows import connection_row
    from cython.cimports.verifier.wire.seq import diff, plus
    from cython.cimports.verifier.wire.speech import Speech
    from cython.cimports.verifier.wire.tables import ConnectionTable, Ledger
    from cython.cimports.verifier.wire.tls import Tls, looks_like_tls
else:
    from verifier.wire.half import Half, Piece
    from verifier.wire.http1 import Http1
    from verifier.wire.packet import Packet
    from verifier.wire.rows import connection_row
    from verifier.wire.seq import diff, plus
    from verifier.wire.speech import Speech
    from verifier.wire.tables import ConnectionTable, Ledger
    from verifier.wire.tls import Tls, looks_like_tls

NOT_SEEN = cython.declare(cython.int, tables.NOT_SEEN)
UNANSWERED = cython.declare(cython.int, tables.UNANSWERED)
REFUSED = cython.declare(cython.int, tables.REFUSED)
HALF_OPEN = cython.declare(cython.int, tables.HALF)
COMPLETE = cython.declare(cython.int, tables.COMPLETE)

# Who closed first: a side, or one of these.
NO_SIDE = cython.declare(cython.int, -1)
BOTH_SIDES = cython.declare(cython.int, 2)
NOBODY = cython.declare(cython.int, tables.NOBODY)
CLIENT = cython.declare(cython.int, tables.CLIENT)
SERVER = cython.declare(cython.int, tables.SERVER)
BOTH = cython.declare(cython.int, tables.BOTH)
WITH_FIN = cython.declare(cython.int, tables.FIN)
WITH_RST = cython.declare(cython.int, tables.RST)

FIN = cython.declare(cython.uint, layers.FIN)
SYN = cython.declare(cython.uint, layers.SYN)
RST = cython.declare(cython.uint, layers.RST)
ACK = cython.declare(cython.uint, layers.ACK)
ANY = cython.declare(cython.uint, layers.FIN | layers.SYN | layers.RST | layers.ACK)

PATIENCE = cython.declare(cython.int, 16)
"""Segments of the connection. Captures swap neighbours (several receive queues, several interfaces), not more."""
MOST_PIECES = cython.declare(cython.Py_ssize_t, 4096)
MOST_HELD = cython.declare(cython.Py_ssize_t, 8 << 20)
"""Bytes held out of order for one direction: above the largest receive buffer Linux grants by default (tcp_rmem: 6
MiB)."""
MOST_HELD_IN_ALL = cython.declare(cython.Py_ssize_t, 128 << 20)
"""Bytes held out of order for all connections, with what it costs to hold them. A connection that would hold more gives
up what it waits for."""
LONGEST_IP = cython.declare(cython.Py_ssize_t, 0xFFFF)
"""Bytes of an IP packet without jumbo extension: what two bytes of a connection hold of its SYN's length."""
LARGEST_WINDOW = cython.declare(cython.longlong, 16 << 20)
"""Bytes: above the largest receive buffers that systems grant by default (Linux 6 MiB, Windows 16 MiB)."""
FARTHEST = cython.declare(cython.longlong, 1 << 30)
"""The largest window there is (RFC 7323, section 2.3): a number farther ahead is no acknowledgement of ours."""

FAR_NS = cython.declare(cython.longlong, 1_000_000)
"""A client that takes longer to answer a SYN-ACK is on another machine than the capture: it does so at once."""

# Whether a segment's numbers are a connection's.
NUMBERS_ODD = 0
NUMBERS_FIT = 2
ODD = cython.declare(cython.int, NUMBERS_ODD)
UNSURE = cython.declare(cython.int, 1)
FITS = cython.declare(cython.int, NUMBERS_FIT)

SYN_SEEN = cython.declare(cython.uint, tables.SYN_SEEN)
SUBFLOW = cython.declare(cython.uint, tables.SUBFLOW)
CLIENT_STOPPED_READING = cython.declare(cython.uint, tables.CLIENT_STOPPED_READING)
LATE_DATA = cython.declare(cython.uint, tables.LATE_DATA)
REQUESTS_MISSED = cython.declare(cython.uint, tables.REQUESTS_MISSED)
RESPONSES_MISSED = cython.declare(cython.uint, tables.RESPONSES_MISSED)
PAYLOAD_CUT = cython.declare(cython.uint, tables.PAYLOAD_CUT)
PROBES = cython.declare(cython.uint, 2)
"""Keep-alive probes without an answer, before the other end is taken for gone: one may have been lost."""
NOT_TAKEN = cython.declare(cython.uint, tables.NOT_TAKEN)
CLOSED_KNOWING = cython.declare(cython.uint, tables.CLOSED_KNOWING)
PROBES_UNHEARD = cython.declare(cython.uint, tables.PROBES_UNHEARD)
UNACKNOWLEDGED = cython.declare(cython.uint, tables.UNACKNOWLEDGED)
CLOCKS_APART = cython.declare(cython.uint, tables.CLOCKS_APART)
INVERSION_NS = cython.declare(cython.longlong, records.INVERSION_NS)
RESET_BY_OTHER = cython.declare(cython.uint, tables.RESET_BY_OTHER)

# Letters of the history, as in Zeek's conn.log, a bit each; the originator's are upper case there.
LETTERS = "shadfrgtw"
FULL_WORD = cython.declare(cython.ulonglong, (1 << 55) - 1)
"""Below it a word of history has room for another letter: it holds eleven at the most."""
HISTORY_SYN = cython.declare(cython.int, 0)
HISTORY_SYNACK = cython.declare(cython.int, 1)
HISTORY_ACK = cython.declare(cython.int, 2)
HISTORY_DATA = cython.declare(cython.int, 3)
HISTORY_FIN = cython.declare(cython.int, 4)
HISTORY_RST = cython.declare(cython.int, 5)
HISTORY_GAP = cython.declare(cython.int, 6)
HISTORY_AGAIN = cython.declare(cython.int, 7)
HISTORY_WINDOW = cython.declare(cython.int, 8)


@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Connection:
    def begin(self, ledger: Ledger, row: cython.Py_ssize_t, packet: Packet) -> cython.int:
        """The first packet shows it. In place of `__init__`: see `Speech.begin`."""
        self.ledger = ledger
        self.row = row
        self.half0 = Half.__new__(Half)
        self.half0.begin()
        self.half1 = ledger.silent
        self.speech: Speech | None = None
        self.client = 0
        self.state = NOT_SEEN
        self.flags = 0
        self.last = packet.ts
        self.established = -1
        self.answered_ns = 0
        """When the SYN-ACK came, the last one of several."""
        self.synack_frame = 0
        self.closer = NO_SIDE
        self.probes = 0
        self.probed_at = 0
        self.setup_packets = 0
        self.setup_bytes = 0
        self.hops = 0
        self.syn_hops = 0
        self.full_close = False
        self.steady = False
        """Whether the handshake is complete, all bytes were taken, nothing was acknowledged before it came, and nobody
        has closed: what `Engine._usual` asks."""
        self.untimed = False
        self.syn_length = 0
        self.patience = 0
        self.seen = 0
        self.letters = 0
        line = connection_row(ledger.connections, row)
        line.opened = packet.ts
        line.closed = -1
        line.first_frame = packet.frame
        self.tunnel = packet.tunnel
        if packet.flags & SYN == 0 and packet.src_port < packet.dst_port:
            self.client = 1  # no better sign: servers have the lower port
        elif packet.flags & SYN and packet.flags & ACK:
            self.client = 1
        return 0

    def take(self, packet: Packet, side: cython.int) -> cython.int:
        """The next segment, sent by `side`."""
        self.steady = False
        if self.half1 is self.ledger.silent and (side == 1 or packet.flags & ANY != SYN or packet.length):
            self.half1 = Half.__new__(Half)
            self.half1.begin()
        half: Half = self.half0 if side == 0 else self.half1
        peer: Half = self.half1 if side == 0 else self.half0
        flags: cython.uint = packet.flags
        length: cython.Py_ssize_t = packet.length
        if packet.ts < self.last:
            self.ledger.notes.add(note.TIME_WENT_BACK, packet.frame)
            packet.ts = self.last
        else:
            self.last = packet.ts
        half.packets += 1
        if length > half.largest:
            half.largest = length
        if flags & RST:
            return self._reset(packet, side, half, peer)
        if flags & SYN:
            self._syn(packet, side, half, peer)
            if length == 0:
                return 0
        elif flags & ACK:
            if self.state == HALF_OPEN and side == self.client:
                self._acknowledged(packet, peer)
            elif self.state == UNANSWERED:
                self.state = HALF_OPEN  # somebody answered, out of the capture's sight
            if not half.acks or diff(packet.ack, half.acked) > 0:
                if half.acks and peer.packets == 0 and not peer.isn_known:
                    self._not_captured(1 - side)
                half.acked = packet.ack
                half.acks = True
                if not peer.isn_known or diff(packet.ack, peer.next) > 0:
                    self._foretells(packet, half, peer)
            if packet.window == 0 and side == self.client:
                self.note_history(HISTORY_WINDOW, side)
            half.closed_window = packet.window == 0
        if length or flags & FIN:
            self._payload(packet, side, half, peer)
        elif packet.seq != half.next and half.known and side == self.client:
            self._probe(packet, half, peer)
        elif not self.seen & (1 << (HISTORY_ACK * 2 + side)):
            self.note_history(HISTORY_ACK, side)
        if not half.known and flags & SYN == 0:
            half.next = packet.seq
            half.known = True
        if half.pieces is not None or peer.pieces is not None:
            self._settle(packet)
        if half.fin_known and peer.fin_known and not self.full_close:
            if half.acks and peer.acks and diff(half.acked, peer.fin_seq) > 0 and diff(peer.acked, half.fin_seq) > 0:
                self.full_close = True
        self.steady = (
            self.state == COMPLETE
            and not half.fin_known
            and not peer.fin_known
            and half.pieces is None
            and peer.pieces is None
            and half.isn_known
            and peer.isn_known
            and half.foretold_ns < 0
            and peer.foretold_ns < 0
            and not self.full_close
            and not self.ledger.control_only
        )
        return 0

    def fits(self, packet: Packet, side: cython.int) -> cython.int:
        """Whether the numbers of a segment of `side` are those of this connection: FITS, ODD where all that can be
        compared speak against it, else UNSURE. A single number has to be the very one that comes next, or came last:
        one in 128 lies within a window of it by chance."""
        half: Half = self.half0 if side == 0 else self.half1
        peer: Half = self.half1 if side == 0 else self.half0
        if packet.flags & SYN:
            if half.isn_known and half.isn == packet.seq:
                return FITS
            if packet.flags & ACK and peer.isn_known and 0 <= diff(packet.ack, plus(peer.isn, 1)) <= self.syn_length:
                return FITS
            return ODD
        if self.ledger.control_only:
            return UNSURE
        near: cython.int = 0
        far: cython.int = 0
        exact: cython.bint = False
        if half.known:
            exact = packet.seq == half.next or plus(packet.seq, packet.length) == half.next
            if -LARGEST_WINDOW <= diff(packet.seq, half.next) <= LARGEST_WINDOW:
                near += 1
            else:
                far += 1
        if packet.flags & ACK and peer.known:
            exact = exact or packet.ack == peer.next
            if -LARGEST_WINDOW <= diff(packet.ack, peer.next) <= LARGEST_WINDOW:
                near += 1
            else:
                far += 1
        if near and not far and (near > 1 or exact):
            return FITS
        return ODD if far and not near else UNSURE

    def _probe(self, packet: Packet, half: Half, peer: Half) -> cython.int:
        """An empty segment of the client with another number than the next one: a keep-alive probe (RFC 9293, section
        3.8.4) where it is the last one, or a sign of bytes that come later or are not in the capture."""
        self._says_sent(packet, half)
        if diff(packet.seq, half.next) == -1:
            self.probes = self.probes + 1 if peer.packets == self.probed_at else 1
            self.probed_at = peer.packets
            self.ledger.connections.again_frame[self.row] = packet.frame
        return 0

    def _says_sent(self, packet: Packet, half: Half) -> cython.int:
        """An empty segment has the number behind all that its sender sent."""
        if 0 < diff(packet.seq, half.sent if half.says_sent else half.next) <= LARGEST_WINDOW:
            half.sent = packet.seq
            half.says_sent = True
        return 0

    def note_history(self, kind: cython.int, side: cython.int) -> cython.int:
        """Notes the first time that a side does something: five bits a letter, twelve letters a word."""
        bit: cython.uint = cython.cast(cython.uint, 1) << (kind * 2 + side)
        if not self.seen & bit:
            self.seen |= bit
            letter: cython.ulonglong = kind * 2 + side + 1
            if self.letters <= FULL_WORD:
                self.letters = (self.letters << 5) | letter
            else:
                late = self.ledger.connections.history_late
                late[self.row] = (late[self.row] << 5) | letter
        return 0

    def _syn(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        table: ConnectionTable = self.ledger.connections
        if packet.flags & ACK:
            self.note_history(HISTORY_SYNACK, side)
            return self._syn_ack(packet, side, half, peer)
        self.note_history(HISTORY_SYN, side)
        if half.isn_known and half.isn == packet.seq and table.syn_frame[self.row]:
            self.ledger.notes.add(note.SYN_RETRANSMISSION, packet.frame)
            return 0
        if self.state == UNANSWERED and side != self.client:
            # Simultaneous open (RFC 9293, section 3.5): one connection, and each side's SYN is answered by the other's.
            self.ledger.notes.add(note.SIMULTANEOUS_OPEN, packet.frame)
            half.start(packet.seq)
            self.synack_frame = packet.frame
            self.state = HALF_OPEN
            return 0
        self.client = side
        self.flags |= SYN_SEEN
        table.syn_frame[self.row] = packet.frame
        self.syn_hops = packet.hops
        if self.synack_frame:
            self._came_late(packet, table.opened[self.row])
        if self.closer == NO_SIDE and half.bytes == 0:
            table.opened[self.row] = packet.ts
        else:  # the capture has the SYN behind a close, or behind bytes: when it was sent is not known
            self.untimed = True
        self.syn_length = min(packet.length + (packet.flags & FIN), LONGEST_IP)
        if packet.joins():
            self.flags |= SUBFLOW
            self.ledger.notes.add(note.MPTCP_JOIN, packet.frame)
        if self.synack_frame:  # it came before its SYN: the capture has them the other way round
            self.state = HALF_OPEN
            return 0
        half.start(packet.seq)
        self.state = UNANSWERED
        if packet.length:
            self.ledger.notes.add(note.FAST_OPEN, packet.frame)
        return 0

    def _syn_ack(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        if side == self.client and self.state == UNANSWERED:
            self.ledger.notes.add(note.HANDSHAKE_MISMATCH, packet.frame)
            return 0
        if side == self.client and self.state == HALF_OPEN:
            # Simultaneous open: the client's SYN-ACK acknowledges the other's SYN.
            if packet.ack == peer.next:
                self._acknowledged(packet, peer)
            return 0
        if self.state == COMPLETE or (half.isn_known and half.isn == packet.seq):
            self.ledger.notes.add(note.SYN_RETRANSMISSION, packet.frame)
            self.answered_ns = packet.ts
            return 0
        if self.ledger.connections.syn_frame[self.row]:
            ahead: cython.longlong = diff(packet.ack, plus(peer.isn, 1))
            if ahead < 0 or ahead > self.syn_length:
                self.ledger.notes.add(note.HANDSHAKE_MISMATCH, packet.frame)
                return 0
            self.state = HALF_OPEN
            if self.flags & SUBFLOW and packet.at <= packet.end and not packet.joins():
                self.flags ^= SUBFLOW  # the server, or a middlebox, took it for a plain SYN (RFC 8684, section 3.2)
        else:
            # The SYN is not in the capture; what it numbered is known from here.
            self.client = 1 - side
            peer.start(plus(packet.ack, -1))
        if half.isn_known:
            self.ledger.answered_before[self.row] = (half.isn, self.synack_frame, self.hops)
        half.start(packet.seq)
        self.flags &= ~RESPONSES_MISSED  # what is missing behind its number shows by itself
        if half.foretold_ns >= 0:
            self._foretold(packet, half)
        half.acked = packet.ack
        half.acks = True
        self.synack_frame = packet.frame
        self.answered_ns = packet.ts
        self.hops = packet.hops
        if self.ledger.control_only:
            # The acknowledgement will not be seen; the client sends it at once.
            self.established = packet.ts
        return 0

    def _acknowledged(self, packet: Packet, peer: Half) -> cython.int:
        """The client acknowledges: the SYN-ACK's number, or more."""
        if not peer.isn_known:
            return 0
        if self.ledger.answered_before:
            before = self.ledger.answered_before.pop(self.row, None)
            if before is not None and packet.ack == plus(before[0], 1):
                peer.start(before[0])
                self.synack_frame = before[1]
                self.hops = before[2]
        ahead: cython.longlong = diff(packet.ack, plus(peer.isn, 1))
        if 0 <= ahead < FARTHEST:
            self.state = COMPLETE
            mine: cython.uint = self.half0.isn if self.client == 0 else self.half1.isn
            line = connection_row(self.ledger.connections, self.row)
            line.numbers = (cython.cast(cython.ulonglong, mine) << 32) | peer.isn
            line.farther = cython.cast(cython.uchar, (self.syn_hops - self.hops) & 0xFF)
            self.setup_packets = self.half0.packets + self.half1.packets
            if not self.ledger.control_only:  # else this is its FIN
                self.ledger.connections.ack_frame[self.row] = packet.frame
                if not self.untimed:
                    self.established = packet.ts
                    if packet.ts - self.answered_ns > FAR_NS and self.answered_ns:
                        self.ledger.connections.away[self.row] = packet.ts - self.answered_ns
        return 0

    def _reset(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        self.note_history(HISTORY_RST, side)
        if self.state == UNANSWERED and side != self.client:
            # A closed port acknowledges the number of the SYN; any other reset is not for this one (RFC 9293,
            # 3.10.7.3).
            if packet.flags & ACK == 0 or diff(packet.ack, plus(peer.isn, 1)) not in (0, self.syn_length):
                self.ledger.notes.add(note.RESET_OUT_OF_WINDOW, packet.frame)
                return 0
            self.state = REFUSED
        elif half.known and not self._in_window(packet.seq, half, peer):
            self.ledger.notes.add(note.RESET_OUT_OF_WINDOW, packet.frame)
            return 0
        if side == self.client and half.known:
            self._says_sent(packet, half)
        if packet.flags & ACK and peer.known and 1 < diff(packet.ack, peer.next) <= LARGEST_WINDOW:
            half.acked = packet.ack  # bytes that are not in the capture, or that come later
            half.acks = True
        if self.closer == NO_SIDE:
            self._closes(packet, side, peer, WITH_RST)
            if side != self.client and self.hops and packet.hops != self.hops:
                self.flags |= RESET_BY_OTHER
        else:
            self._answers(packet, side, WITH_RST)
        if half.pieces is not None or peer.pieces is not None:
            self._settle(packet)
        self.full_close = True
        return 0

    def _in_window(self, seq: cython.uint, half: Half, peer: Half) -> cython.bint:
        """Whether the other side would take a RST or FIN with this number (RFC 9293, section 3.10.7.4): not below what
        it acknowledged, nor farther ahead than a window. What it acknowledged last may not be in the capture yet."""
        if 0 <= diff(seq, half.next) <= LARGEST_WINDOW:
            return True
        return peer.acks and 0 <= diff(seq, peer.acked) <= LARGEST_WINDOW

    def _finished(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        """A FIN, as soon as it is seen, in its turn or before."""
        half.fin_known = True
        half.fin_seq = plus(packet.seq, packet.length)
        self.note_history(HISTORY_FIN, side)
        if self.closer == NO_SIDE:
            return self._closes(packet, side, peer, WITH_FIN)
        self._answers(packet, side, WITH_FIN)
        first: cython.int = self.ledger.connections.closed_with[self.row]
        if self.closer != side and self.closer != BOTH_SIDES and first == WITH_FIN:
            if packet.flags & ACK == 0 or diff(packet.ack, peer.fin_seq) <= 0:
                self.closer = BOTH_SIDES  # sent before the other's FIN had arrived
        return 0

    def _closes(self, packet: Packet, side: cython.int, peer: Half, kind: cython.int) -> cython.int:
        """The first close, and whether it acknowledges all that the client has sent."""
        row = connection_row(self.ledger.connections, self.row)
        self.closer = side
        row.closed_with = cython.cast(cython.uchar, kind)
        row.closed = packet.ts
        row.close_frame = packet.frame
        if side != self.client and packet.flags & ACK and peer.bytes and diff(packet.ack, peer.next) >= 0:
            self.flags |= CLOSED_KNOWING
        return 0

    def _answers(self, packet: Packet, side: cython.int, kind: cython.int) -> cython.int:
        """A FIN or RST behind the first: kept where it is the other side's first."""
        row = connection_row(self.ledger.connections, self.row)
        if row.answered_with == 0 and self.closer != side:
            row.answered = packet.ts
            row.answered_with = cython.cast(cython.uchar, kind)
            row.answer_frame = packet.frame
        return 0

    def _payload(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        """Bytes, a FIN, or both: taken if it is their turn, else held."""
        seq: cython.uint = packet.seq
        fin: cython.bint = packet.flags & FIN != 0
        if packet.flags & SYN:
            seq = plus(seq, 1)
        if packet.length:
            self.note_history(HISTORY_DATA, side)
        if fin and not half.fin_known:
            if half.known and not self._in_window(plus(seq, packet.length), half, peer):
                fin = False  # of an earlier connection between the same ends
            else:
                self._finished(packet, side, half, peer)
        if self.ledger.control_only or (
            not half.isn_known and half.bytes == 0 and not half.gaps and half.pieces is None
        ):
            # The capture begins inside: with these bytes, wherever an acknowledgement or a keep-alive probe stood
            # before.
            if not self.ledger.control_only and half.known and 1 < diff(seq, half.next) <= LARGEST_WINDOW:
                self._not_captured(side)
            half.next = seq
            half.known = True
        ahead: cython.longlong = diff(seq, half.next)
        if ahead + packet.length + fin <= 0:
            if packet.length and half.isn_known and half.bytes < FARTHEST and diff(seq, half.isn) < 0:
                return self._stray(packet)  # beyond so many bytes numbers come round to the first ones again
            if packet.length:
                if side == self.client:
                    self.ledger.connections.again_frame[self.row] = packet.frame
                self.note_history(HISTORY_AGAIN, side)
                self.ledger.notes.add(note.RETRANSMISSION, packet.frame)
            return 0
        if ahead > FARTHEST or (self.full_close and ahead > 0):
            return self._stray(packet)
        if self.ledger.control_only:
            return self._deliver(packet, side, half, ahead, fin)
        early: cython.bint = self._early(packet.flags & ACK != 0, packet.ack, peer)
        if ahead > 0 or half.pieces is not None or early:
            if ahead > 0:
                self.ledger.notes.add(note.OUT_OF_ORDER, packet.frame)
            if half.pieces is None and peer.pieces is None:
                self.patience = 0
            held: cython.Py_ssize_t = half.held_bytes
            half.hold(packet, seq, fin, early)
            self.ledger.held += half.held_bytes - held
            return 0
        return self._deliver(packet, side, half, ahead, fin)

    def _not_captured(self, side: cython.int) -> cython.int:
        """What this side said in the time of the capture is not in it."""
        self.flags |= REQUESTS_MISSED if side == self.client else RESPONSES_MISSED
        return 0

    def _stray(self, packet: Packet) -> cython.int:
        """Bytes that can't be this connection's: of another one on the same 4-tuple, whose handshake is not in the
        capture."""
        self.ledger.notes.add(note.DATA_AFTER_CLOSE, packet.frame)
        self.flags |= LATE_DATA
        return 0

    def _early(self, acks: cython.bint, ack: cython.uint, peer: Half) -> cython.bint:
        """Whether a segment acknowledges bytes of the other side that have not been taken yet."""
        if not acks or not peer.known or peer.ended:
            return False
        ahead: cython.longlong = diff(ack, peer.next)
        if ahead == 1 and peer.fin_known and peer.fin_seq == peer.next:
            return False
        return 0 < ahead < FARTHEST

    def _deliver(
        self, packet: Packet, side: cython.int, half: Half, ahead: cython.longlong, fin: cython.bint
    ) -> cython.int:
        """It is the segment's turn: the part of it that is new (`ahead` is not above zero) goes to the speech."""
        fresh: cython.Py_ssize_t = packet.length + ahead
        if fresh > 0:
            packet.at -= ahead
            packet.have += ahead
            half.next = plus(half.next, fresh)
            half.bytes += fresh
            if half.foretold_ns >= 0 and half.isn_known:
                self._foretold(packet, half)
            if self.speech is None:
                self.listen(packet)
            have: cython.Py_ssize_t = packet.have  # of which the speech may hand a part to another
            if have > 0 and self.speech is not None:
                self.speech.data(packet, side)
                if self.setup_bytes == 0 and self.speech.ready_ns >= 0:
                    self.setup_packets = self.half0.packets + self.half1.packets
                    self.setup_bytes = self.half0.bytes + self.half1.bytes
            if have < fresh:
                self._cut(packet, side, fresh - (have if have > 0 else 0))
        if fin and not half.ended:
            half.ended = True
            half.foretold_ns = -1
            half.next = plus(half.next, 1)
            if self.speech is not None:
                self.speech.end(packet, side)
        return 0

    def _foretells(self, packet: Packet, half: Half, peer: Half) -> cython.int:
        """A segment acknowledges what has not been captured yet: bytes, or the SYN-ACK."""
        known: cython.bint = diff(packet.ack, peer.next) < FARTHEST if peer.isn_known else half.isn_known
        if known and peer.foretold_ns < 0:
            peer.foretold_ns = packet.ts
        return 0

    def _foretold(self, packet: Packet, half: Half) -> cython.int:
        """Here comes what was acknowledged before."""
        self._came_late(packet, half.foretold_ns)
        half.foretold_ns = -1
        return 0

    def _came_late(self, packet: Packet, before: cython.longlong) -> cython.int:
        """A segment was captured behind one that answers it, at this moment. A little behind is how captures swap
        neighbours; else the two were captured by different clocks."""
        if packet.ts - before > INVERSION_NS:
            self.flags |= CLOCKS_APART
            self.ledger.notes.add(note.ANSWERED_BEFORE, packet.frame)
        return 0

    def _cut(self, packet: Packet, side: cython.int, size: cython.Py_ssize_t) -> cython.int:
        """The capture kept only the front of the segment."""
        self.flags |= PAYLOAD_CUT
        self.ledger.notes.add(note.PAYLOAD_CUT, packet.frame)
        if self.speech is not None:
            self.speech.gap(packet, side, size)
        return 0

    def listen(self, packet: Packet) -> cython.int:
        """The first bytes of the connection decide what speaks on it."""
        if looks_like_tls(packet.view, packet.at, packet.at + packet.have):
            self.speech = Tls.__new__(Tls)
        else:
            self.speech = Http1.__new__(Http1)
        self.speech.begin(self.ledger, self.row)
        return 0

    def _settle(self, packet: Packet) -> cython.int:
        """Takes the held pieces whose turn has come; after `PATIENCE` segments without progress, gives up what does not
        come."""
        while self._turns(packet):
            self.patience = 0
        if self.half0.pieces is None and self.half1.pieces is None:
            return 0
        if self.patience <= PATIENCE:
            self.patience += 1
        if self.patience > PATIENCE or self._too_much(self.half0) or self._too_much(self.half1):
            if self._give_up(packet, False):
                self.patience = 0
                while self._turns(packet):
                    continue
        return 0

    def _too_much(self, half: Half) -> cython.bint:
        return half.pieces is not None and (
            len(half.pieces) > MOST_PIECES or half.held_bytes > MOST_HELD or self.ledger.held > MOST_HELD_IN_ALL
        )

    def _turns(self, packet: Packet) -> cython.bint:
        """Takes the next piece of each side if it may be taken; whether any was."""
        taken0: cython.bint = self._turn(packet, 0, self.half0, self.half1)
        taken1: cython.bint = self._turn(packet, 1, self.half1, self.half0)
        return taken0 or taken1

    def _turn(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.bint:
        piece: Piece | None = half.first()
        if piece is None:
            return False
        ahead: cython.longlong = diff(piece.seq, half.next)
        if ahead > 0 or self._early(piece.acks, piece.ack, peer):
            return False
        held: cython.Py_ssize_t = half.held_bytes
        half.drop_first()
        self.ledger.held -= held - half.held_bytes
        if ahead + piece.length + piece.fin > 0:
            self._replay(packet, side, half, piece, ahead)
        return True

    def _replay(self, packet: Packet, side: cython.int, half: Half, piece: Piece, ahead: cython.longlong) -> cython.int:
        """Delivers a piece as the packet that it was."""
        peer: Half = self.half1 if side == 0 else self.half0
        view = packet.view
        at: cython.Py_ssize_t = packet.at
        have: cython.Py_ssize_t = packet.have
        length: cython.Py_ssize_t = packet.length
        ts: cython.longlong = packet.ts
        frame: cython.uint = packet.frame
        packet.view = piece.data if cython.compiled else memoryview(piece.data)
        packet.at = 0
        packet.have = len(piece.data)
        packet.length = piece.length
        packet.ts = piece.ts
        packet.frame = piece.frame
        if piece.early and side == self.client and self.speech is not None:
            # A request that acknowledges a response came behind it, wherever the capture has the two.
            told: cython.bint = piece.ack == peer.next and self.speech.acknowledged(piece.ts)
            if not told and 0 <= ts - piece.ts <= INVERSION_NS:
                packet.ts = ts + 1
        self._deliver(packet, side, half, ahead, piece.fin)
        packet.view = view
        packet.at = at
        packet.have = have
        packet.length = length
        packet.ts = ts
        packet.frame = frame
        return 0

    def _give_up(self, packet: Packet, closing: cython.bint) -> cython.bint:
        """Declares missing what the earliest held piece waits for; whether there was something to declare."""
        side: cython.int = self._earliest()
        if side < 0:
            return False
        if self._too_much(self.half1) or self._too_much(self.half0):
            side = 0 if self._too_much(self.half0) else 1
        half: Half = self.half0 if side == 0 else self.half1
        peer: Half = self.half1 if side == 0 else self.half0
        piece: Piece | None = half.first()
        if piece is None:
            return False
        ahead: cython.longlong = diff(piece.seq, half.next)
        if ahead > 0:
            received: cython.bint = peer.acks and diff(peer.acked, half.next) > 0
            if not closing and not received and not self._too_much(half):
                return False  # not acknowledged: the sender may still send it again
            if not received and not closing:
                self.ledger.notes.add(note.REORDER_LIMIT, piece.frame)
            if closing:
                packet.frame = piece.frame  # which shows it
            self._lose(packet, side, half, ahead)
            return True
        size: cython.longlong = diff(piece.ack, peer.next)
        waiting: Piece | None = peer.first()
        if waiting is not None and diff(waiting.seq, peer.next) > 0:
            size = min(size, diff(waiting.seq, peer.next))
        if size == 1 and waiting is None:
            peer.ended = True  # more likely than one byte: a FIN that is not in the capture
        else:
            if closing:
                packet.frame = piece.frame
            self._lose(packet, 1 - side, peer, size)
        return True

    def _earliest(self) -> cython.int:
        """The side that holds the piece captured first."""
        first: Piece | None = self.half0.first()
        second: Piece | None = self.half1.first()
        if first is None:
            return -1 if second is None else 1
        return 0 if second is None or first.frame < second.frame else 1

    def _lose(self, packet: Packet, side: cython.int, half: Half, size: cython.longlong) -> cython.int:
        """The next `size` bytes of this half were sent, and are not in the capture."""
        half.next = plus(half.next, size)
        half.gaps = True
        half.foretold_ns = -1
        self.ledger.connections.missing[self.row] += size
        self.note_history(HISTORY_GAP, side)
        self.ledger.notes.add(note.BYTES_MISSING, packet.frame)
        if self.speech is None:
            self.speech = Http1.__new__(Http1)
            self.speech.begin(self.ledger, self.row)
        self.speech.gap(packet, side, size)
        return 0

    def finish(self, packet: Packet) -> cython.int:
        """Nothing more comes: takes what is held, counts what is missing at the ends, writes the connection's row."""
        table: ConnectionTable = self.ledger.connections
        packet.frame = table.close_frame[self.row] or table.first_frame[self.row]
        packet.ts = self.last
        while self.half0.pieces is not None or self.half1.pieces is not None:
            if not self._turns(packet) and not self._give_up(packet, True):
                break
        self.ledger.held -= self.half0.held_bytes + self.half1.held_bytes
        self._missing_tail(packet, 0, self.half0, self.half1)
        self._missing_tail(packet, 1, self.half1, self.half0)
        if self.speech is not None:
            self.speech.close()
        return self._write()

    def _missing_tail(self, packet: Packet, side: cython.int, half: Half, peer: Half) -> cython.int:
        """Bytes that the other side acknowledged, or that this one's numbers passed over, and that never came. A single
        one was a FIN."""
        if half.known and not half.ended and not self.ledger.control_only:
            size: cython.longlong = diff(peer.acked, half.next) if peer.acks else 0
            if half.says_sent:
                size = max(size, diff(half.sent, half.next))
            if 1 < size < FARTHEST:
                self._lose(packet, side, half, size)
        return 0

    def _write(self) -> cython.int:
        """The rest of the row: what is only known now, and what is not written down as it happens."""
        table: ConnectionTable = self.ledger.connections
        number: cython.Py_ssize_t = self.row
        row = connection_row(table, number)
        speech: Speech | None = self.speech
        client: Half
        if speech is not None:
            if speech.asker >= 0:
                if self.flags & SYN_SEEN == 0 and self.synack_frame == 0:
                    self.client = speech.asker
            self.flags |= speech.flags
            row.requests = speech.requests
            row.responses = speech.responses
            row.request_frame = speech.request_frame
            row.protocol = speech.protocol
            row.active = speech.active_ns
            if speech.turns:
                table.turns[number] = speech.turns
            if speech.body_left:
                table.body_left[number] = speech.body_left
        else:
            row.active = -1
        client = self.half0 if self.client == 0 else self.half1
        server: Half = self.half1 if self.client == 0 else self.half0
        if client.acks and server.bytes and diff(server.next, client.acked) > (1 if server.ended else 0):
            self.flags |= NOT_TAKEN
        if self.probes >= PROBES and server.packets == self.probed_at:
            self.flags |= PROBES_UNHEARD
        if client.bytes and server.acks and diff(client.next, server.acked) > (1 if client.ended else 0):
            self.flags |= UNACKNOWLEDGED
        if client.closed_window:
            self.flags |= CLIENT_STOPPED_READING
        row.handshake_ns = self.established - row.opened if self.established >= 0 else -1
        if speech is not None and speech.ready_ns >= 0 and self.established >= 0:
            table.tls_ns[number] = 1 + max(0, speech.ready_ns - self.established)
        row.synack_frame = self.synack_frame
        row.flags = self.flags
        if self.ledger.answered_before:
            self.ledger.answered_before.pop(number, None)
        row.packets0 = self.half0.packets
        row.packets1 = self.half1.packets
        row.largest0 = self.half0.largest
        row.largest1 = self.half1.largest
        row.bytes0 = self.half0.bytes
        row.bytes1 = self.half1.bytes
        row.client = self.client
        row.state = self.state
        if self.closer == NO_SIDE:
            row.closer = NOBODY
        elif self.closer == BOTH_SIDES:
            row.closer = BOTH
        else:
            row.closer = CLIENT if self.closer == self.client else SERVER
        row.setup_packets = self.setup_packets
        row.history_early = self.letters
        if self.setup_bytes:
            table.setup_bytes[number] = self.setup_bytes
        return 0


def spelled(early: int, late: int, client: int) -> str:
    """The letters of a history in the order of first sight, upper case for the client, which is side 0 or 1."""
    text = ""
    for packed in (late, early):
        rest = packed
        while rest:
            code = (rest & 31) - 1
            rest >>= 5
            letter = LETTERS[code >> 1]
            text = (letter.upper() if code & 1 == client else letter) + text
    return text
