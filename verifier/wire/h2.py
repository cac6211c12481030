# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""HTTP/2 in the clear, as far as the re-use of its connection goes: frames (RFC 9113, section 4.1), the streams that
the client opens, and the server's GOAWAY. Header fields are compressed, and are not read.
"""

from __future__ import annotations

import cython

from verifier.wire import tables

if cython.compiled:
    from cython.cimports.verifier.wire.octets import copy
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.speech import Speech
    from cython.cimports.verifier.wire.tables import Ledger
else:
    from verifier.wire.octets import copy
    from verifier.wire.packet import Packet
    from verifier.wire.speech import Speech
    from verifier.wire.tables import Ledger

FRAME_HEADER = 9
DATA = 0
HEADERS = 1
GOAWAY_FRAME = 7
GOAWAY = cython.declare(cython.uint, tables.GOAWAY)


class Flow:
    """One direction: its place in the frames."""

    def __init__(self) -> None:
        self.header = b""
        self.left = 0
        """Bytes to pass over before the next frame begins."""
        self.lost = False


class H2(Speech):
    def begin(self, ledger: Ledger, row: cython.Py_ssize_t) -> cython.int:
        Speech.begin(self, ledger, row)
        self.protocol = tables.H2
        self.flow0 = Flow()
        self.flow1 = Flow()
        self.newest = 0
        return 0

    def preface(self, side: cython.int, left: cython.int) -> cython.int:
        """`side` is the client's, and so many bytes of its preface (RFC 9113, section 3.4) are still to come."""
        self.asker = side
        flow: Flow = self.flow0 if side == 0 else self.flow1
        flow.left = left
        return 0

    def data(self, packet: Packet, side: cython.int) -> cython.int:
        flow: Flow = self.flow0 if side == 0 else self.flow1
        at: cython.Py_ssize_t = packet.at
        end: cython.Py_ssize_t = at + packet.have
        step: cython.longlong
        while at < end and not flow.lost:
            step = flow.left if flow.left < end - at else end - at
            flow.left -= step
            at += step
            if at < end:
                step = min(FRAME_HEADER - len(flow.header), end - at)
                flow.header += copy(packet.view, at, at + step)
                at += step
                if len(flow.header) == FRAME_HEADER:
                    self._frame(packet, side, flow)
        return 0

    def gap(self, packet: Packet, side: cython.int, size: cython.longlong) -> cython.int:
        flow: Flow = self.flow0 if side == 0 else self.flow1
        if size <= flow.left:
            flow.left -= size
        else:
            flow.lost = True
        return 0

    def end(self, packet: Packet, side: cython.int) -> cython.int:
        return 0

    def close(self) -> cython.int:
        return 0

    def _frame(self, packet: Packet, side: cython.int, flow: Flow) -> cython.int:
        """A frame begins."""
        header: bytes = flow.header
        flow.header = b""
        flow.left = (header[0] << 16) | (header[1] << 8) | header[2]
        kind: cython.int = header[3]
        stream: cython.longlong = ((header[5] & 127) << 24) | (header[6] << 16) | (header[7] << 8) | header[8]
        if kind == GOAWAY_FRAME and side != self.asker and not self.flags & GOAWAY:
            self.flags |= GOAWAY
            self.ledger.connections.odd_frame[self.row] = packet.frame
        elif kind == HEADERS or kind == DATA:
            self.active_ns = packet.ts
            if side == self.asker and stream > self.newest:
                self.newest = stream
                self.turns += 1
        return 0
