# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The engine: packets in, rows out, incrementally; the same for saved files and live captures.

A connection is a 4-tuple and the initial sequence number of its SYN. It is an object from its first packet until it is
closed and `LINGER` others have closed after it; then its row is all that is left of it, so that memory follows open
connections and the tables. Packets are numbered from 1 in the order of arrival.
"""

from __future__ import annotations

import array

import cython

from verifier.wire import connection as connections
from verifier.wire import notes as note
from verifier.wire import packet as layers
from verifier.wire import records, tables
from verifier.wire.networks import Tunnels
from verifier.wire.twins import alike

if cython.compiled:
    from cython.cimports.verifier.wire.connection import Connection
    from cython.cimports.verifier.wire.flows import Flows, lately
    from cython.cimports.verifier.wire.half import Half, Piece
    from cython.cimports.verifier.wire.link import decode
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.records import Reader
    from cython.cimports.verifier.wire.seq import diff, plus
    from cython.cimports.verifier.wire.tables import Ledger
else:
    from verifier.wire.connection import Connection
    from verifier.wire.flows import Flows
    from verifier.wire.half import Half, Piece
    from verifier.wire.link import decode
    from verifier.wire.notes import Notes
    from verifier.wire.packet import Packet
    from verifier.wire.records import Reader
    from verifier.wire.seq import diff, plus
    from verifier.wire.tables import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    Rows = list[int]

COMPILED: bool = cython.compiled
"""Whether this module runs as compiled code."""

LINGER = cython.declare(cython.Py_ssize_t, 1024)
"""Closed connections that are kept whole, for segments that the capture shows late."""

TCP = cython.declare(cython.int, layers.TCP)
OTHER = cython.declare(cython.int, layers.OTHER)
ETHERNET = cython.declare(cython.int, 1)
AGGREGATE = cython.declare(cython.int, layers.AGGREGATE - layers.LINK_TYPE)
ACK_LETTER = cython.declare(cython.int, connections.LETTERS.index("a"))
DATA_LETTER = cython.declare(cython.int, connections.LETTERS.index("d"))
ACK_SEEN = cython.declare(cython.uint, 1 << (ACK_LETTER * 2))
DATA_SEEN = cython.declare(cython.uint, 1 << (DATA_LETTER * 2))
"""Bits of what a connection's side 0 was seen to do; those of side 1 are the doubles."""
RST = cython.declare(cython.uint, layers.RST)
SYN = cython.declare(cython.uint, layers.SYN)
ACK = cython.declare(cython.uint, layers.ACK)
NOT_SEEN = cython.declare(cython.int, tables.NOT_SEEN)
UNANSWERED = cython.declare(cython.int, tables.UNANSWERED)
COMPLETE = cython.declare(cython.int, tables.COMPLETE)
LATE_DATA = cython.declare(cython.uint, tables.LATE_DATA)
ODD = cython.declare(cython.int, connections.NUMBERS_ODD)
FITS = cython.declare(cython.int, connections.NUMBERS_FIT)
SURE = cython.declare(cython.int, connections.NUMBERS_FIT * 2 + 1)
"""A connection whose numbers and whose tunnel are those of a segment."""
MOST_LEARNT = cython.declare(cython.Py_ssize_t, 16)
"""Tunnels that a connection is known by: both directions, copies of them, and a few changes of route."""
MOST_BESIDE = cython.declare(cython.Py_ssize_t, 8)
"""Connections on one 4-tuple. Another one takes the place of the oldest. With 16 a capture of nothing but SYNs in other
tunnels took 9 us a packet."""
LARGEST_FRAME = cython.declare(cython.longlong, 0xFFFFFFFF)
"""Frame numbers are 32 bits wide in the tables: they begin anew behind 4,294,967,295 packets."""
LATEST_NS = cython.declare(cython.longlong, records.LATEST_NS)
INVERSION_NS = cython.declare(cython.longlong, records.INVERSION_NS)


class Engine:
    """`seed` keys the hash of connections; it changes no result. `control_only`: the packets will be SYN, FIN and RST
    alone."""

    def __init__(self, seed: int = 0, control_only: bool = False) -> None:
        self.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.notes = Notes()
        self.ledger = Ledger(self.notes, control_only)
        self.flows = Flows(self.ledger.connections, seed)
        self.one = Packet(self.notes)
        self.live: list[Connection | None] = []
        """By row: the connection while it is an object."""
        self.closed = memoryview(array.array("i", [-1] * LINGER))
        """The rows closed last, in turn; `closings` is how many there were in all."""
        self.closings = 0
        self.several: dict[int, list[int]] = {}
        """Rows of the connections that have one 4-tuple, in different tunnels: by the newest of them."""
        self.learnt: dict[int, set[int]] = {}
        """By row of a connection: the tunnels that its segments come in, beside its first one's."""
        self.marks: dict[int, tuple[int, int]] = {}
        """By row of a connection that was open when the newest of its 4-tuple began: the numbers that its sides had
        reached then, -1 for unknown; until it goes on."""
        self.went_on: dict[int, int] = {}
        """By row of a connection that went on since: that newest one."""
        self.tunnels = Tunnels()
        self.tunnelled = False
        self.open_connections = 0
        self.packets = 0
        self.tcp_packets = 0
        self.bytes = 0
        self.first_ns = -1
        self.last_ns = -1

    def packet(self, data: bytes, ts_ns: int, wire_length: int, link_type: int) -> None:
        """One packet: its captured bytes, its time, its length on the wire, its pcap link type."""
        packet: Packet = self.one
        packet.view = data if cython.compiled else memoryview(data)
        packet.at = 0
        packet.end = len(data)
        packet.wire_end = wire_length if wire_length > packet.end else packet.end
        packet.ts = ts_ns
        packet.link_type = link_type
        self._take(packet)
        packet.swapped = False

    def read(self, reader: Reader) -> None:
        """Takes all whole records that the reader has."""
        packet: Packet = self.one
        packet.view = reader.view
        if cython.compiled:
            place: cython.Py_ssize_t
            count: cython.Py_ssize_t = reader.look(packet)
            while count:
                for place in range(count):
                    glimpse = cython.address(reader.glimpses[place])
                    if glimpse.usual and self._usual(packet, reader, place):
                        continue
                    packet.at = glimpse.at
                    packet.end = packet.at + glimpse.size
                    packet.wire_end = packet.at + glimpse.wire_size
                    packet.ts = glimpse.ts
                    packet.link_type = glimpse.link_type
                    self._take(packet)
                    if packet.swapped:
                        packet.view = reader.view
                        packet.swapped = False
                count = reader.look(packet)
        else:
            while reader.next(packet):
                self._take(packet)
                if packet.swapped:
                    packet.view = reader.view
                    packet.swapped = False

    def _usual(self, packet: Packet, reader: Reader, place: cython.Py_ssize_t) -> cython.bint:
        """Takes the segment, whose headers are what nearly all are, if its connection is so, too, and does with it what
        `_take` would, without asking for what is rare; else False, and nothing was touched.

        The usual: of a connection met lately that is steady, with bytes whose turn it is, or none, that acknowledges
        nothing that was not seen, and no earlier than what came before.
        """
        if cython.compiled:
            glimpse = cython.address(reader.glimpses[place])
            known = lately(self.flows, glimpse.addresses, glimpse.ports)
            if known.addresses != glimpse.addresses or known.ports != glimpse.ports or known.row == 0:
                return False
            connection = cython.cast(Connection, self.live[known.row - 1])
            if connection is None:
                return False
            side: cython.int = known.side
            half: Half = connection.half1 if side else connection.half0
            peer: Half = connection.half0 if side else connection.half1
            length: cython.uint = glimpse.length
            ack: cython.uint = glimpse.ack
            ts: cython.longlong = glimpse.ts
            if (
                not connection.steady
                or glimpse.seq != half.next
                or connection.tunnel != 0
                or self.first_ns < 0
                or ts < self.last_ns
                or ts > LATEST_NS
            ):
                return False
            if diff(ack, peer.next) > 0:
                return False
            self.packets += 1
            self.tcp_packets += 1
            self.bytes += glimpse.size
            self.last_ns = ts
            connection.last = ts
            half.packets += 1
            if not half.acks or diff(ack, half.acked) > 0:
                half.acked = ack
                half.acks = True
            half.closed_window = False
            if not connection.seen & ((DATA_SEEN if length else ACK_SEEN) << side):
                connection.note_history(DATA_LETTER if length else ACK_LETTER, side)
            if length:
                if length > half.largest:
                    half.largest = length
                half.next = plus(half.next, length)
                half.bytes += length
                packet.frame = cython.cast(cython.uint, self.packets & LARGEST_FRAME)
                packet.ts = ts
                packet.at = glimpse.payload
                packet.length = length
                packet.have = length
                if connection.speech is None:
                    connection.listen(packet)
                connection.speech.data(packet, side)
                if connection.setup_bytes == 0 and connection.speech.ready_ns >= 0:
                    connection.setup_packets = half.packets + peer.packets
                    connection.setup_bytes = half.bytes + peer.bytes
            return True
        return False

    def _take(self, packet: Packet) -> cython.int:
        self.packets += 1
        packet.frame = cython.cast(cython.uint, self.packets & LARGEST_FRAME)
        self.bytes += packet.end - packet.at
        packet.tunnel = 0
        if packet.ts < 0 or packet.ts > LATEST_NS:
            # No time, or one outside of the range: the packet's place in the file has to do.
            if packet.ts != records.NO_TIME:
                self.notes.add(note.TIME_OUT_OF_RANGE, packet.frame)
            packet.ts = self.last_ns if self.last_ns >= 0 else 0
        elif self.first_ns < 0:
            self.first_ns = packet.ts
            self.last_ns = packet.ts
        elif packet.ts > self.last_ns:
            self.last_ns = packet.ts
        elif packet.ts < self.last_ns - INVERSION_NS:
            self.notes.add(note.TIMES_DISORDERED, packet.frame)
        segments: cython.int = 0
        if packet.at == packet.end:
            # Nothing of it is there: cut off, or a file that was written over with zeros, which read as empty records.
            self.notes.add(note.TCP_HEADER_CUT, packet.frame)
            return 0
        begin: cython.Py_ssize_t = packet.at
        end: cython.Py_ssize_t = packet.end
        layer: cython.int = TCP
        if packet.link_type != ETHERNET or not packet.plain():
            layer = decode(packet, packet.link_type)
        if layer == TCP:
            segments += 1
            self._segment(packet)
        elif layer == OTHER and not packet.swapped and packet.blank(begin, end):
            self.notes.add(note.PACKET_BLANK, packet.frame)
        while packet.rest and packet.next_of_aggregate():
            if decode(packet, AGGREGATE) == TCP:
                segments += 1
                self._segment(packet)
        if segments:
            self.tcp_packets += 1
        return 0

    def _segment(self, packet: Packet) -> cython.int:
        row: cython.Py_ssize_t = self.flows.known(packet)
        if row < 0:
            row = self.flows.find(packet)
            if row >= 0 and self.several and row in self.several:
                row = self._among(packet, row)
        connection: Connection | None = None
        if row >= 0:
            connection = self.live[row]
            if connection is not None and packet.tunnel != connection.tunnel and self._elsewhere(packet, connection):
                return self._beside(packet, row)
        if row < 0 or (packet.flags & SYN and self._begins(packet, connection)):
            return self._open(packet, row)
        if connection is None:
            return self._late(packet, row)
        full: cython.bint = connection.full_close
        connection.take(packet, self.flows.side)
        if connection.full_close and not full:
            self.open_connections -= 1
            self._linger(packet, row)
        return 0

    # What follows is the rule that `networks` gives.

    def _among(self, packet: Packet, newest: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row of the segment's connection, of those that have its 4-tuple; the newest where none is an object."""
        self.flows.forget(packet)
        best: cython.Py_ssize_t = -1
        best_score: cython.int = -1
        score: cython.int
        row: cython.Py_ssize_t
        connection: Connection
        for row in reversed(self.several[newest]):
            if self.live[row] is None:
                continue
            connection = self._object(row)
            self.flows.is_of(packet, row)
            score = connection.fits(packet, self.flows.side) * 2 + self._comes_in(packet, connection)
            if score > best_score:
                best = row
                best_score = score
        if best < 0:
            del self.several[newest]
            best = newest
        self.flows.is_of(packet, best)
        if best_score == SURE and packet.flags & ACK and best in self.marks:
            self._goes_on(packet, best, newest)
        return best

    def _goes_on(self, packet: Packet, row: cython.Py_ssize_t, newest: cython.Py_ssize_t) -> cython.int:
        """Whether both ends of a connection are there since the newest of its 4-tuple began: one sent bytes that the
        other acknowledges, and neither had been seen. Bytes alone may be sent in vain, again and again; a FIN is
        acknowledged after a close, too."""
        connection = self._object(row)
        side: cython.int = self.flows.side
        peer: Half = connection.half1 if side == 0 else connection.half0
        mark: cython.longlong = self.marks[row][1 - side]
        if mark < 0:
            return 0
        before: cython.uint = cython.cast(cython.uint, mark)
        ack: cython.uint = packet.ack
        if peer.fin_known and diff(ack, peer.fin_seq) > 0:
            ack = peer.fin_seq
        if diff(ack, before) <= 0 or diff(peer.next, before) <= 0:
            return 0
        del self.marks[row]
        self.went_on[row] = newest
        other: cython.Py_ssize_t
        for other in self.several[newest]:
            if other != row and self.went_on.get(other) == newest:
                self.tunnels.parted(max(row, other), min(row, other))
        return 0

    def _mark(self, row: cython.Py_ssize_t) -> cython.int:
        """From here a connection has to go on."""
        connection = self._object(row)
        self.went_on.pop(row, None)
        self.marks.pop(row, None)
        if not connection.full_close:
            self.marks[row] = (
                self._reached(connection.half0, connection.half1),
                self._reached(connection.half1, connection.half0),
            )
        return 0

    def _reached(self, half: Half, peer: Half) -> cython.longlong:
        """The number behind all that one side has sent so far, as far as it shows; -1 for unknown."""
        if not half.known:
            return -1
        end: cython.uint = half.next
        if peer.acks and diff(peer.acked, end) > 0:
            end = peer.acked
        piece: Piece
        if half.pieces is not None:
            for piece in half.pieces:
                behind: cython.uint = plus(piece.seq, piece.length)
                if diff(behind, end) > 0:
                    end = behind
        return end

    def _comes_in(self, packet: Packet, connection: Connection) -> cython.bint:
        """Whether segments of a connection came in this one's tunnel."""
        if packet.tunnel == connection.tunnel:
            return True
        known = self.learnt.get(connection.row)
        return known is not None and packet.tunnel in known

    def _elsewhere(self, packet: Packet, connection: Connection) -> cython.bint:
        """Whether a segment in another tunnel than the connection's first is of another connection."""
        if self._comes_in(packet, connection):
            return False
        fits: cython.int = connection.fits(packet, self.flows.side)
        if fits == ODD:
            if packet.flags & RST:
                return False  # which opens nothing
            if packet.flags & (SYN | ACK) == SYN and connection.state == UNANSWERED:
                return self.flows.side == connection.client  # else a simultaneous open, as far as can be told
            return True
        if fits == FITS:
            known = self.learnt.setdefault(connection.row, set())
            if len(known) < MOST_LEARNT:
                known.add(packet.tunnel)
            else:
                self.notes.add(note.TUNNEL_LIMIT, packet.frame)
            if not self.tunnels.joined(connection.tunnel, packet.tunnel):
                self.notes.add(note.TUNNEL_LIMIT, packet.frame)
        return False

    def _beside(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """A connection begins on a 4-tuple that has one, or several, in other tunnels."""
        before: cython.Py_ssize_t = self.flows.find(packet)
        others = [other for other in self.several.pop(before, [before]) if self.live[other] is not None]
        open_still: cython.bint = not self._object(row).full_close
        if len(others) == MOST_BESIDE:
            self._supersede(packet, others.pop(0))
            self.notes.add(note.TUNNEL_LIMIT, packet.frame)
        began: cython.Py_ssize_t = self._add(packet)
        if open_still:
            self.notes.add(note.ADDRESSES_SHARED, packet.frame)
            self.tunnels.doubts[began] = row
        return self._share(packet, began, others)

    def _share(self, packet: Packet, row: cython.Py_ssize_t, others: Rows) -> cython.int:
        """The newest connection of the 4-tuple, and those beside it."""
        if others:
            others.append(row)
            self.several[row] = others
            other: cython.Py_ssize_t
            for other in others:
                self._mark(other)
            self.flows.forget(packet)
        return 0

    def _begins(self, packet: Packet, connection: Connection | None) -> cython.bint:
        """Whether a segment with SYN opens a new connection on a 4-tuple that has one."""
        side: cython.int = self.flows.side
        half: Half
        peer: Half
        if packet.flags & RST:
            return False
        if packet.flags & ACK:
            if connection is None:
                return True
            half = connection.half0 if side == 0 else connection.half1
            peer = connection.half1 if side == 0 else connection.half0
            if half.isn_known and half.isn == packet.seq:
                return False
            # Another number than before, and no answer to the SYN that is known: its own SYN is not in the capture.
            if connection.state == COMPLETE or connection.full_close:
                return not peer.isn_known or diff(packet.ack, plus(peer.isn, 1)) != 0
            if peer.isn_known or not peer.known:
                return False
            # Neither is known: the two segments before it may have come first.
            late: cython.bint = not half.known or half.begins_behind(packet.seq)
            return not late or not peer.begins_behind(plus(packet.ack, -1))
        if connection is None or connection.full_close:
            same: cython.bint = False
            if connection is not None:
                half = connection.half0 if side == 0 else connection.half1
                same = half.isn_known and half.isn == packet.seq
                if same and connection.synack_frame == 0:
                    return False  # asked again after a refusal: the same attempt
            self.notes.add(note.PORT_REUSE_SAME_ISN if same else note.PORT_REUSE, packet.frame)
            return True
        half = connection.half0 if side == 0 else connection.half1
        if half.isn_known and half.isn == packet.seq:
            return False
        if connection.state == UNANSWERED and side != connection.client:
            return False
        if connection.state == NOT_SEEN and half.begins_behind(packet.seq):
            return False  # the capture has it behind its own first bytes
        self.notes.add(note.PORT_REUSE, packet.frame)
        return True

    def _open(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """A connection begins, as far as the capture knows it, in place of that in `row`, if there is one."""
        before: cython.Py_ssize_t = -1  # as the flows found, who were asked for it
        if row >= 0:
            before = self.flows.find(packet)
            if self.live[row] is not None:
                self._supersede(packet, row)
        began: cython.Py_ssize_t = self._add(packet)
        if self.several and before in self.several:
            others = [other for other in self.several.pop(before) if self.live[other] is not None]
            self._share(packet, began, others)
        return 0

    def _supersede(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """Nothing more of a connection can be told from a new one's."""
        self.open_connections -= 0 if self._object(row).full_close else 1
        return self._finish(packet, row)

    def _add(self, packet: Packet) -> cython.Py_ssize_t:
        """The row of a new connection, whose 4-tuple `find` was asked for."""
        row: cython.Py_ssize_t = self.ledger.connections.add()
        if packet.tunnel or self.tunnelled:
            self.tunnelled = True
            if not self.tunnels.begun(row, packet.tunnel):
                self.notes.add(note.TUNNEL_LIMIT, packet.frame)
        self.flows.put(packet, row)
        connection: Connection = Connection.__new__(Connection)
        connection.begin(self.ledger, row, packet)
        self.live.append(connection)
        connection.take(packet, 0)
        if connection.full_close:
            self._linger(packet, row)
        else:
            self.open_connections += 1
        return row

    def _late(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """A segment of a connection that was closed and written down."""
        if packet.length and not packet.flags & SYN:
            self.notes.add(note.DATA_AFTER_CLOSE, packet.frame)
            self.ledger.connections.flags[row] |= LATE_DATA
        if self.flows.side == 0:
            self.ledger.connections.packets0[row] += 1
        else:
            self.ledger.connections.packets1[row] += 1
        return 0

    def _linger(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        place: cython.Py_ssize_t = self.closings % LINGER
        oldest: cython.Py_ssize_t = self.closed[place]
        self.closed[place] = row
        self.closings += 1
        if oldest >= 0 and self.live[oldest] is not None:
            self._finish(packet, oldest)
        return 0

    def _object(self, row: cython.Py_ssize_t) -> Connection:
        """The connection of a row that is one still."""
        connection = self.live[row]
        assert connection is not None
        return connection

    def _finish(self, packet: Packet, row: cython.Py_ssize_t) -> cython.int:
        """Writes a connection's row; `packet` is as it was before, afterwards."""
        connection: Connection = self._object(row)
        frame: cython.uint = packet.frame
        ts: cython.longlong = packet.ts
        connection.finish(packet)
        packet.frame = frame
        packet.ts = ts
        self.live[row] = None
        if self.learnt:
            self.learnt.pop(row, None)
        if self.marks:
            self.marks.pop(row, None)
        if self.went_on:
            self.went_on.pop(row, None)
        return 0

    def finish(self) -> Ledger:
        """No packet comes any more: every connection is written down. The engine is used up."""
        row: cython.Py_ssize_t
        self.one.fragments.finish()
        for row in range(len(self.live)):
            if self.live[row] is not None:
                self._finish(self.one, row)
        if self.tunnelled:
            self.ledger.connections.networks = self.tunnels.networks(self.ledger.connections.rows)
            self.ledger.connections.told = self.tunnels.told()
            self.ledger.connections.doubts = self.tunnels.unsure()
        self.live.clear()
        self.flows = Flows(self.ledger.connections, 0)  # what it held is needed elsewhere
        self.ledger.connections.twins = alike(self.ledger.connections, self.seed)
        return self.ledger
