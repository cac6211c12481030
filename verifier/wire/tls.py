# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""TLS on a connection, read without keys: records, the two hellos, and the moment from which requests can flow.

Records: RFC 8446, section 5.1. Hellos: RFC 8446, section 4.1; RFC 5246, section 7.4.1. Server name: RFC 6066; ALPN: RFC
7301. Requests inside are not readable: the connection says so by the flag ENCRYPTED, and counts none.

The handshake is over, for the cost of a connection, when the client can send its request: in TLS 1.3 with the client's
Finished, which is its first record of application data behind the ServerHello; before 1.3 when both sides have sent the
record behind their ChangeCipherSpec.
"""

from __future__ import annotations

import cython

from verifier.wire import notes as note
from verifier.wire import tables
from verifier.wire.octets import Octets

if cython.compiled:
    from cython.cimports.verifier.wire.octets import copy
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.speech import Speech
    from cython.cimports.verifier.wire.tables import ExchangeTable, Ledger
else:
    from verifier.wire.octets import copy
    from verifier.wire.packet import Packet
    from verifier.wire.speech import Speech
    from verifier.wire.tables import ExchangeTable, Ledger

CHANGE_CIPHER_SPEC = cython.declare(cython.int, 20)
ALERT = cython.declare(cython.int, 21)
SEALED_ALERT = cython.declare(cython.longlong, 19)
"""Bytes of a TLS 1.3 record that holds an alert: level, description, content type, 16 bytes of authentication (RFC
8446, sections 5.2 and 6). One byte of data and its padding would look the same."""
FRAME_HEADER = cython.declare(cython.longlong, 9)
"""Bytes of a frame of HTTP/2 that says nothing more, as the acknowledgement of SETTINGS (RFC 9113, section 4.1): no
request of either version is as short."""
LARGEST_CONTROL = cython.declare(cython.longlong, 17)
"""Bytes of WINDOW_UPDATE, RST_STREAM, PING and a bare GOAWAY at most (RFC 9113, section 6). A request of HTTP/1 is
longer; one of HTTP/2 whose fields are all known to the server may be as short."""
LARGEST_CONTROLS = cython.declare(cython.longlong, 64)
"""Bytes of several of those in one record: curl 8.23 sends two WINDOW_UPDATEs, 26 bytes, when a response is whole."""
SEALING = cython.declare(cython.longlong, 17)
"""Bytes that TLS 1.3 adds to what a record holds: content type and authentication (RFC 8446, section 5.2)."""
SEALING_12 = cython.declare(cython.longlong, 24)
"""... and TLS 1.2 with AES-GCM: nonce and authentication (RFC 5288, section 3)."""
SEALING_POLY1305 = cython.declare(cython.longlong, 16)
"""... and TLS 1.2 with ChaCha20-Poly1305: authentication alone (RFC 7905, section 2)."""
POLY1305 = range(0xCCA8, 0xCCAF)
"""Cipher suites (RFC 7905, section 2)."""
SERVER_ALERT = cython.declare(cython.uint, tables.SERVER_ALERT)
CLIENT_ALERT = cython.declare(cython.uint, tables.CLIENT_ALERT)
RESPONSE_DONE = cython.declare(cython.uint, tables.RESPONSE_DONE)
HANDSHAKE = cython.declare(cython.int, 22)
APPLICATION_DATA = cython.declare(cython.int, 23)
LARGEST_RECORD = cython.declare(cython.longlong, (1 << 14) + 2048)
"""Bytes: TLSCiphertext of RFC 5246, section 6.2.3; TLS 1.3 allows less."""
LARGEST_HELLO = 1 << 16
CLIENT_HELLO = 1
SERVER_HELLO = 2
RECORD_HEADER = 5
LONGEST_NAME = 255
"""Bytes of a server name that are kept: host names have no more (RFC 1035, section 2.3.4)."""

EXTENSION_SERVER_NAME = 0
EXTENSION_ALPN = 16
EXTENSION_PRE_SHARED_KEY = 41
EXTENSION_SUPPORTED_VERSIONS = 43
TLS13 = 0x0304
# A HelloRetryRequest is a ServerHello with this in place of random bytes (RFC 8446, section 4.1.3).
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def looks_like_tls(view: Octets, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Whether view[at:end] begins like a record: type, version 3.0 to 3.4, a length that records have."""
    if at + 5 > end:
        return at < end and view[at] == HANDSHAKE and (at + 1 == end or view[at + 1] == 3)
    size: cython.int = (view[at + 3] << 8) | view[at + 4]
    return 20 <= view[at] <= 23 and view[at + 1] == 3 and view[at + 2] <= 4 and 0 < size <= LARGEST_RECORD


class Direction:
    """One direction: its place in the records, and its hello while that is being collected."""

    def __init__(self) -> None:
        self.header = b""
        self.left = 0
        self.kind = 0
        self.hello: bytearray | None = bytearray()
        self.lost = False
        self.changed = False
        self.finished_ns = -1


class Tls(Speech):
    def begin(self, ledger: Ledger, row: cython.Py_ssize_t) -> cython.int:
        Speech.begin(self, ledger, row)
        self.protocol = tables.TLS
        self.flags = tables.ENCRYPTED
        self.direction0 = Direction()
        self.direction1 = Direction()
        self.name = b""
        self.alpn = b""
        self.version = 0
        self.sealing = SEALING_12
        self.resumed = -1
        self.session = b""
        self.answered = False
        self.speaker = -1
        self.turn = -1
        """Row of the turn under way."""
        self.short_frame = 0
        """The client's record behind the server's that may be a request, and is none if nothing answers it."""
        self.short_ns = -1
        self.server_ended = False
        self.agrees_on_h2 = False
        """Or may do so: TLS 1.3 hides what the server chose of the client's offer."""
        self.parting_frame = 0
        """The server's record that may be its GOAWAY, as long as nothing follows it."""
        self.parting_ns = -1
        return 0

    def data(self, packet: Packet, side: cython.int) -> cython.int:
        way: Direction = self.direction0 if side == 0 else self.direction1
        at: cython.Py_ssize_t = packet.at
        end: cython.Py_ssize_t = at + packet.have
        step: cython.longlong
        while at < end and not way.lost:
            if way.left:
                step = end - at
                if step > way.left:
                    step = way.left
                if way.kind == HANDSHAKE and way.hello is not None:
                    self._collect(way, side, copy(packet.view, at, at + step))
                way.left -= step
                at += step
                continue
            if not way.header and end - at >= RECORD_HEADER:
                self._record(packet, side, packet.view[at], packet.view[at + 1], packet.u16(at + 3))
                at += RECORD_HEADER
            else:
                step = min(RECORD_HEADER - len(way.header), end - at)
                way.header += copy(packet.view, at, at + step)
                at += step
                if len(way.header) == RECORD_HEADER:
                    head = way.header
                    way.header = b""
                    self._record(packet, side, head[0], head[1], (head[3] << 8) | head[4])
        return 0

    def gap(self, packet: Packet, side: cython.int, size: cython.longlong) -> cython.int:
        way: Direction = self.direction0 if side == 0 else self.direction1
        if size <= way.left:
            way.left -= size
            way.hello = None if way.kind == HANDSHAKE else way.hello
        else:
            way.lost = True
        return 0

    def end(self, packet: Packet, side: cython.int) -> cython.int:
        if side != self.asker:
            self.server_ended = True
        return 0

    def close(self) -> cython.int:
        self._part()
        if self.speaker >= 0 and self.speaker == self.asker:
            self.flags |= tables.CLIENT_SPOKE_LAST
        self.ledger.connections.tls[self.row] = (self.name, self.alpn, self.version, self.resumed)
        return 0

    def _record(
        self, packet: Packet, side: cython.int, kind: cython.int, major: cython.int, size: cython.longlong
    ) -> cython.int:
        """A record begins."""
        way: Direction = self.direction0 if side == 0 else self.direction1
        if kind < CHANGE_CIPHER_SPEC or kind > APPLICATION_DATA + 1 or major != 3 or size > LARGEST_RECORD:
            self.ledger.notes.add(note.TLS_MALFORMED, packet.frame)
            way.lost = True
            return 0
        way.kind = kind
        way.left = size
        if kind == CHANGE_CIPHER_SPEC:
            way.changed = True
            way.hello = None
        elif kind == ALERT or (kind == APPLICATION_DATA and size == SEALED_ALERT and self.version == TLS13):
            self._alert(packet, side)
        elif kind == HANDSHAKE:
            if way.changed and way.finished_ns < 0:
                way.finished_ns = packet.ts
                self._ready()
        elif kind == APPLICATION_DATA:
            way.hello = None
            if side == self.asker and self.answered:
                if self.version == TLS13 and self.ready_ns < 0:
                    self.ready_ns = packet.ts
                    return 0
                if self.request_frame == 0 and self.ready_ns >= 0:
                    self.request_frame = packet.frame
            if self.ready_ns >= 0:
                self._spoke(packet, side, size)
        return 0

    def _spoke(self, packet: Packet, side: cython.int, size: cython.longlong) -> cython.int:
        """Application data. A client that speaks behind the server, or first, asks anew, as far as can be told: frames
        of HTTP/2 that are about the connection alone are no requests."""
        table: ExchangeTable = self.ledger.turns
        holds: cython.longlong = size - self.sealing
        self.active_ns = packet.ts
        if side == self.asker:
            self.flags &= ~CLIENT_ALERT
            if self.speaker == side or holds <= FRAME_HEADER:
                return 0
            if holds <= (LARGEST_CONTROLS if self.agrees_on_h2 else LARGEST_CONTROL):
                self.short_frame = packet.frame
                self.short_ns = packet.ts
                return 0
            self._ask(packet.frame, packet.ts)
        else:
            if self.short_frame:
                self._ask(self.short_frame, self.short_ns)
            elif self.speaker == side and holds == LARGEST_CONTROL and self.agrees_on_h2:
                # A bare GOAWAY, most likely: no part of a response, however long that is over.
                self.parting_frame = packet.frame
                self.parting_ns = packet.ts
                return 0
            self.parting_frame = 0
            self._answer(packet.frame, packet.ts)
            if self.turn >= 0:
                table.octets[self.turn] += cython.cast(cython.uint, size)
        self.speaker = side
        return 0

    def _answer(self, frame: cython.uint, moment: cython.longlong) -> cython.int:
        """The server goes on with its part of the turn."""
        table: ExchangeTable = self.ledger.turns
        if self.turn >= 0:
            table.end_ns[self.turn] = moment
            table.end_frame[self.turn] = frame
            table.flags[self.turn] |= RESPONSE_DONE
        return 0

    def _part(self) -> cython.int:
        """What looked like a GOAWAY was part of a response, where nothing says that HTTP/2 is spoken, or ends."""
        if self.parting_frame and self.alpn != b"h2" and not self.flags & SERVER_ALERT:
            self._answer(self.parting_frame, self.parting_ns)
        self.parting_frame = 0
        return 0

    def _ask(self, frame: cython.uint, moment: cython.longlong) -> cython.int:
        """A turn begins."""
        table: ExchangeTable = self.ledger.turns
        self._part()
        self.short_frame = 0
        self.turns += 1
        self.turn = table.add()
        table.connection[self.turn] = self.row
        table.depth[self.turn] = self.turns
        table.method[self.turn] = -1
        table.target[self.turn] = -1
        table.host[self.turn] = -1
        table.request_ns[self.turn] = moment
        table.request_frame[self.turn] = frame
        table.end_ns[self.turn] = -1
        return 0

    def _alert(self, packet: Packet, side: cython.int) -> cython.int:
        """An alert: the last thing that a side says, close_notify (RFC 8446, section 6.1) or a failure. One that
        answers the other side's alert or FIN is no news."""
        if side == self.asker:
            if self.server_ended or self.flags & SERVER_ALERT:
                return 0
            self.flags |= CLIENT_ALERT
        elif self.flags & CLIENT_ALERT:
            return 0
        else:
            self.flags |= SERVER_ALERT
        if side == self.asker or self.ledger.connections.odd_frame[self.row] == 0:
            self.ledger.connections.odd_frame[self.row] = packet.frame
            self.ledger.connections.odd_ns[self.row] = packet.ts
        return 0

    def _ready(self) -> cython.int:
        first: cython.longlong = self.direction0.finished_ns
        second: cython.longlong = self.direction1.finished_ns
        if first >= 0 and second >= 0 and self.version != TLS13 and self.ready_ns < 0:
            self.ready_ns = max(first, second)
        return 0

    def _collect(self, way: Direction, side: cython.int, piece: bytes) -> cython.int:
        """Collects the first handshake message of a direction, across records, until it is whole."""
        hello: bytearray = way.hello if way.hello is not None else bytearray()
        hello += piece
        if len(hello) < 4:
            return 0
        kind: cython.int = hello[0]
        size: cython.Py_ssize_t = (hello[1] << 16) | (hello[2] << 8) | hello[3]
        if kind not in (CLIENT_HELLO, SERVER_HELLO) or size > LARGEST_HELLO:
            way.hello = None
            return 0
        if len(hello) < 4 + size:
            return 0
        message = bytes(hello[4 : 4 + size])
        way.hello = None
        if kind == CLIENT_HELLO:
            self.asker = side
            self._client_hello(message)
            return 0
        self.asker = 1 - side
        if message[2:34] == RETRY:
            way.hello = bytearray()  # the real one is still to come, and a second ClientHello
            return 0
        self.answered = True
        self._server_hello(message)
        return 0

    def _client_hello(self, message: bytes) -> cython.int:
        reader = Fields(message)
        reader.take(2 + 32)  # legacy version, random
        self.session = reader.block(1)
        reader.block(2)
        reader.block(1)
        for kind, body in reader.extensions():
            inner = Fields(body)
            if kind == EXTENSION_SERVER_NAME:
                names = Fields(inner.block(2))
                if names.number(1) == 0:
                    self.name = names.block(2)[:LONGEST_NAME]
            elif kind == EXTENSION_ALPN:
                self.agrees_on_h2 = b"\x02h2" in body
        if not self.name:
            self.ledger.connections.nameless.add(self.row)
        return 0

    def _server_hello(self, message: bytes) -> cython.int:
        reader = Fields(message)
        self.version = reader.number(2)
        reader.take(32)
        session = reader.block(1)
        if reader.number(2) in POLY1305:
            self.sealing = SEALING_POLY1305
        reader.number(1)
        key = False
        for kind, body in reader.extensions():
            inner = Fields(body)
            if kind == EXTENSION_SUPPORTED_VERSIONS:
                self.version = inner.number(2)
            elif kind == EXTENSION_ALPN:
                self.alpn = Fields(inner.block(2)).block(1)
            elif kind == EXTENSION_PRE_SHARED_KEY:
                key = True
        if self.version == TLS13:
            self.sealing = SEALING
            self.resumed = 1 if key else 0
        else:
            self.agrees_on_h2 = self.alpn == b"h2"
            # A server that resumes echoes the session that the client offered (RFC 5246, section 7.4.1.3; RFC 5077,
            # section 3.4).
            self.resumed = 1 if session and session == self.session else 0
        return 0


class Fields:
    """Takes numbers and length-prefixed blocks off the front of a message; what is not there is zero and empty."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> bytes:
        return self.take(self.number(size))

    def extensions(self) -> list[tuple[int, bytes]]:
        inner = Fields(self.block(2))
        found: list[tuple[int, bytes]] = []
        while inner.at + 4 <= len(inner.data):
            found.append((inner.number(2), inner.block(2)))
        return found
