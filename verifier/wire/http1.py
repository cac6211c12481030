# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""HTTP/1 on a connection, recognised by content, on any port and from any side: messages framed by RFC 9112, section 6,
paired into exchanges.

Each direction is a `Lane`, a small state machine that knows nothing of its role; a lane's role shows in its first start
line. Where the framing is lost (bytes missing from the capture, a capture that begins inside a message, a broken
message) the lane looks for the next segment that begins with a start line. Whatever is not HTTP/1 ends there too, and
counts nothing.

Bounds: a head of `LONGEST_HEAD` bytes, a chunk line of `LONGEST_LINE`, `MOST_WAITING` requests without a response.
"""

from __future__ import annotations

from _collections import deque  # `collections` itself imports 1.3 ms more

import cython

from verifier.wire import head as heads
from verifier.wire import notes as note
from verifier.wire import tables

if cython.compiled:
    from cython.cimports.verifier.wire.h2 import H2
    from cython.cimports.verifier.wire.head import Head, look_at
    from cython.cimports.verifier.wire.octets import copy
    from cython.cimports.verifier.wire.packet import Packet
    from cython.cimports.verifier.wire.rows import exchange_row
    from cython.cimports.verifier.wire.speech import Speech
    from cython.cimports.verifier.wire.tables import ExchangeTable, Ledger
    from cython.cimports.verifier.wire.tls import Tls, looks_like_tls
else:
    from verifier.wire.h2 import H2
    from verifier.wire.head import Head
    from verifier.wire.octets import copy
    from verifier.wire.packet import Packet
    from verifier.wire.rows import exchange_row
    from verifier.wire.speech import Speech
    from verifier.wire.tables import ExchangeTable, Ledger
    from verifier.wire.tls import Tls, looks_like_tls

LONGEST_HEAD = cython.declare(cython.Py_ssize_t, 256 << 10)
"""Bytes. Servers stop far below: Apache at 8 KiB a field, nginx at 32 KiB, Node at 16 KiB."""
MOST_UNREAD = cython.declare(cython.Py_ssize_t, 64 << 20)
"""Bytes of heads and lines without their end, of all connections."""
LONGEST_LINE = cython.declare(cython.Py_ssize_t, 16 << 10)
"""Bytes of a chunk's size line or a trailer, as in Node's and nginx's limits for a head."""
SOCKS = (4, 5)
"""The versions of SOCKS, with which both sides begin (RFC 1928, section 3)."""
REQUEST_TIMEOUT = cython.declare(cython.int, 408)
MOST_WAITING = cython.declare(cython.Py_ssize_t, 10000)
"""Zeek stops at 100 pending requests (http max_pending_requests)."""

# The states of a lane.
HEAD = cython.declare(cython.int, 0)
LENGTH = cython.declare(cython.int, 1)
CHUNK_SIZE = cython.declare(cython.int, 2)
CHUNK_DATA = cython.declare(cython.int, 3)
CHUNK_END = cython.declare(cython.int, 4)
TRAILERS = cython.declare(cython.int, 5)
UNTIL_CLOSE = cython.declare(cython.int, 6)
LOST = cython.declare(cython.int, 7)
"""Looking for a segment that begins with a start line."""
RAW = cython.declare(cython.int, 8)
"""No HTTP any more: behind a 101."""
BODY_OR_HEAD = cython.declare(cython.int, 9)
"""The request has its response, and none of its body was sent, of which it had asked whether to: that comes, or is left
out and the next request comes (RFC 9110, section 10.1.1)."""

HTTP1 = cython.declare(cython.int, tables.HTTP1)
HTTP2 = cython.declare(cython.int, tables.H2)
TLS = cython.declare(cython.int, tables.TLS)

RESPONSE_DONE = cython.declare(cython.uint, tables.RESPONSE_DONE)
REQUEST_CLOSE = cython.declare(cython.uint, tables.REQUEST_CLOSE)
RESPONSE_CLOSE = cython.declare(cython.uint, tables.RESPONSE_CLOSE)
REQUEST_HTTP10 = cython.declare(cython.uint, tables.REQUEST_HTTP10)
RESPONSE_HTTP10 = cython.declare(cython.uint, tables.RESPONSE_HTTP10)
RESPONSE_KEEP_ALIVE = cython.declare(cython.uint, tables.RESPONSE_KEEP_ALIVE)
CLOSE_DELIMITED = cython.declare(cython.uint, tables.CLOSE_DELIMITED)
EARLY_RESPONSE = cython.declare(cython.uint, tables.EARLY_RESPONSE)
HEAD_REQUEST = cython.declare(cython.uint, tables.HEAD_REQUEST)
CONNECT_REQUEST = cython.declare(cython.uint, tables.CONNECT_REQUEST)
UPGRADED = cython.declare(cython.uint, tables.UPGRADED)
DEPTH_UNSURE = cython.declare(cython.uint, tables.DEPTH_UNSURE)
CONNECTION_AUTH = cython.declare(cython.uint, tables.CONNECTION_AUTH)
REQUESTS_MISSED = cython.declare(cython.uint, tables.REQUESTS_MISSED)
RESPONSES_MISSED = cython.declare(cython.uint, tables.RESPONSES_MISSED)
UNASKED_RESPONSE = cython.declare(cython.uint, tables.UNASKED_RESPONSE)
TUNNEL = cython.declare(cython.uint, tables.TUNNEL)
ENCRYPTED = cython.declare(cython.uint, tables.ENCRYPTED)

PREFACE = cython.declare(cython.int, 24)
"""Bytes with which an HTTP/2 client begins (RFC 9113, section 3.4)."""
PREFACE_REST = cython.declare(cython.int, 6)
"""Those of them that stand behind what looks like a head."""
EXCESS = cython.declare(cython.uint, tables.EXCESS)
FORWARDED = cython.declare(cython.uint, tables.FORWARDED)
RELAYED = cython.declare(cython.uint, tables.RELAYED)
LONGEST_METHOD = cython.declare(cython.Py_ssize_t, heads.LONGEST_METHOD)
INVALID = cython.declare(cython.Py_ssize_t, heads.INVALID)


@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Lane:
    """One direction: where in a message its next byte stands."""

    def begin(self) -> cython.int:
        self.state = HEAD
        self.left = 0
        self.whole = 0
        """What `left` was before the body of a request that expects to be told whether to send it; 0 where it began, or
        there is none such."""
        self.held: bytearray | None = None
        """The beginning of a head or of a line that is not complete yet."""
        self.fresh = True
        """At the beginning of a message: nothing of its head was seen yet."""
        self.strayed = False
        """Bytes went by, before HTTP was recognised, that could not be told to be messages."""
        self.first_ns = 0
        self.first_frame = 0
        self.last_ns = -1
        self.last_frame = 0
        self.row = -1
        """The exchange that the message under way belongs to, -1 where none is known."""
        return 0

    def lose(self) -> cython.int:
        """The framing is lost: look for the next start line."""
        self.state = LOST
        self.held = None
        self.fresh = True
        self.row = -1
        return 0


@cython.no_gc
@cython.cclass
class Http1(Speech):
    def begin(self, ledger: Ledger, row: cython.Py_ssize_t) -> cython.int:
        Speech.begin(self, ledger, row)
        self.lane0 = Lane.__new__(Lane)
        self.lane0.begin()
        self.lane1 = Lane.__new__(Lane)
        self.lane1.begin()
        self.head = ledger.request_head
        self.front = -1
        """The exchange whose response comes next, -1 where no request waits."""
        self.waiting: deque[int] | None = None
        """Those behind it: only where requests are pipelined, or a response is missing."""
        self.pipelined = False
        self.socks = False
        """Whether it began as connections through a SOCKS proxy do: of what follows, TLS is told."""
        self.inner: Speech | None = None
        """What speaks from here on: TLS inside a tunnel, HTTP/2 behind its preface."""
        return 0

    def data(self, packet: Packet, side: cython.int) -> cython.int:
        if self.inner is not None:
            self.inner.data(packet, side)
            self.ready_ns = self.inner.ready_ns
            return 0
        lane: Lane = self.lane0 if side == 0 else self.lane1
        if packet.ts >= lane.last_ns:
            lane.last_ns = packet.ts
            lane.last_frame = packet.frame
        else:
            # What was sent again, to fill a hole, comes later than what had been captured behind the hole: the receiver
            # has neither before.
            self._was_waiting(lane, side, packet.ts)
        at: cython.Py_ssize_t = packet.at
        end: cython.Py_ssize_t = at + packet.have
        step: cython.longlong
        state: cython.int
        behind: cython.Py_ssize_t
        while at < end:
            state = lane.state
            if state == LENGTH or state == CHUNK_DATA:
                step = end - at
                if step > lane.left:
                    step = lane.left
                lane.left -= step
                at += step
                if lane.left == 0:
                    if state == LENGTH:
                        self._message_end(lane, side)
                    else:
                        lane.state = CHUNK_END
            elif state == HEAD:
                if self.asker == 1 - side:
                    behind = self._response_again(lane, packet, at, end)
                else:
                    behind = self._request_again(lane, packet, at, end)
                if behind >= 0:
                    at = behind
                    continue
                at = self._head(lane, side, packet, at, end)
                if self._is_over():
                    return self._hand_over(packet, side, at, end)
            elif state == LOST:
                self.head.text.look(packet.view)
                if not self.head.plausible(at, min(end, at + LONGEST_METHOD)):
                    if not self.socks or not looks_like_tls(packet.view, at, end):
                        return self._pass_over(side)
                    self._to_tls()
                    return self._hand_over(packet, side, at, end)
                lane.state = HEAD
            elif state == RAW:
                break
            elif state == UNTIL_CLOSE:
                return self._pass_over(side) if lane.row < 0 else 0  # behind a response that nobody asked for
            elif state == BODY_OR_HEAD:
                lane.state = HEAD  # and where it is none: see `_body_after_all`
            else:
                at = self._line(lane, side, packet, at, end)
                if self._is_over():
                    return self._hand_over(packet, side, at, end)
        return 0

    def _was_waiting(self, lane: Lane, side: cython.int, moment: cython.longlong) -> cython.int:
        """What comes next was there at this moment, and waited for bytes in front of it, which were lost and sent
        again. So a request that it goes on with was under way before its first byte was seen."""
        if self.asker == 1 - side:
            return 0
        if not lane.fresh:
            lane.first_ns = min(lane.first_ns, moment)
        elif lane.row >= 0 and lane.state != HEAD:
            exchange = exchange_row(self.ledger.exchanges, lane.row)
            exchange.request_ns = min(exchange.request_ns, moment)
        return 0

    def _pass_over(self, side: cython.int) -> cython.int:
        """Bytes go by that are no head. The server's may have a response in them, where one is waited for."""
        if side != self.asker and self.front >= 0:
            self.flags |= RESPONSES_MISSED
        return 0

    def _is_over(self) -> cython.bint:
        """Whether something else than HTTP/1 speaks from here on."""
        return self.inner is not None

    def _hand_over(self, packet: Packet, side: cython.int, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The rest of the segment is not HTTP/1 any more. The packet is as it was, afterwards."""
        begin: cython.Py_ssize_t = packet.at
        have: cython.Py_ssize_t = packet.have
        if at < end and self.inner is not None:
            packet.at = at
            packet.have = end - at
            self.inner.data(packet, side)
            packet.at = begin
            packet.have = have
        return 0

    def _to_h2(self, side: cython.int, left: cython.int) -> cython.int:
        """HTTP/2 from here on: `side` is the client's, and has `left` bytes of its preface to send."""
        speech: H2 = H2.__new__(H2)
        speech.begin(self.ledger, self.row)
        speech.preface(side, left)
        self.inner = speech
        self.protocol = HTTP2
        self.flags |= ENCRYPTED
        return 0

    def _to_tls(self) -> cython.int:
        """TLS from here on."""
        self.inner = Tls.__new__(Tls)
        self.inner.begin(self.ledger, self.row)
        if self.protocol != HTTP1:
            self.protocol = TLS
        self.flags |= ENCRYPTED
        return 0

    def gap(self, packet: Packet, side: cython.int, size: cython.longlong) -> cython.int:
        if self.inner is not None:
            return self.inner.gap(packet, side, size)
        lane: Lane = self.lane0 if side == 0 else self.lane1
        state: cython.int = lane.state
        if (state == LENGTH or state == CHUNK_DATA) and size <= lane.left:
            # The framing stands: these bytes were announced, and nothing can hide among them.
            lane.left -= size
            if lane.left == 0:
                if state == LENGTH:
                    self._message_end(lane, side)
                else:
                    lane.state = CHUNK_END
            return 0
        if state == UNTIL_CLOSE or state == RAW:
            return 0
        if self.asker < 0:
            self.flags |= REQUESTS_MISSED | RESPONSES_MISSED
        elif side == self.asker:
            self.flags |= REQUESTS_MISSED
        else:
            self.flags |= RESPONSES_MISSED
        if state != LOST:
            self.ledger.notes.add(note.HTTP_RESYNC, packet.frame)
        self._keep_last_byte(lane)
        self._let_go(lane)
        lane.lose()
        return 0

    def end(self, packet: Packet, side: cython.int) -> cython.int:
        if self.inner is not None:
            return self.inner.end(packet, side)
        lane: Lane = self.lane0 if side == 0 else self.lane1
        if lane.state == UNTIL_CLOSE:
            if packet.ts >= lane.last_ns:
                lane.last_ns = packet.ts
                lane.last_frame = packet.frame
            self._message_end(lane, side)
        return 0

    def acknowledged(self, moment: cython.longlong) -> cython.bint:
        answers: Lane = self.lane1 if self.asker == 0 else self.lane0
        if self.inner is not None or answers.row < 0 or answers.state != HEAD:
            return False
        # The response had ended, however late the capture has its end: it is not under way beside the next request.
        exchange = exchange_row(self.ledger.exchanges, answers.row)
        exchange.end_ns = max(exchange.request_ns, min(exchange.end_ns, moment - 1))
        return True

    def close(self) -> cython.int:
        if self.inner is not None:
            self.inner.close()
            self.ready_ns = self.inner.ready_ns
            self.flags |= self.inner.flags
            self.turns = self.inner.turns
        self.active_ns = max(self.lane0.last_ns, self.lane1.last_ns)
        if self.inner is not None:
            self.active_ns = max(self.active_ns, self.inner.active_ns)
        self._keep_last_byte(self.lane0)
        self._keep_last_byte(self.lane1)
        self._unfinished(self.lane0, 0)
        self._unfinished(self.lane1, 1)
        self._let_go(self.lane0)
        self._let_go(self.lane1)
        return 0

    def _unfinished(self, lane: Lane, side: cython.int) -> cython.int:
        """Notes a head whose end never came: behind others, or the first, of which the start line is there."""
        if lane.held is not None and lane.state == HEAD and (self.protocol == HTTP1 or lane.held.find(b"\n") >= 0):
            self.ledger.notes.add(note.HTTP_HEAD_UNFINISHED, lane.first_frame)
            if self.asker == side or self.protocol != HTTP1:
                self.flags |= REQUESTS_MISSED
            elif self.front < 0:
                self._in_excess(lane, lane.first_frame)
            elif lane.held.find(b"\0") >= 0:
                self.flags |= RESPONSES_MISSED
        return 0

    def _keep_last_byte(self, lane: Lane) -> cython.int:
        """Writes down when the last byte of a response came that goes no further. Between messages there is none."""
        if lane.state != HEAD and lane.row >= 0 and (self.lane0 if self.asker == 0 else self.lane1) is not lane:
            if not self.ledger.exchanges.flags[lane.row] & RESPONSE_DONE:
                self._ends(lane, 0)
                self.body_left = lane.left if lane.state == LENGTH else -1
        return 0

    def _ends(self, lane: Lane, flags: cython.uint) -> cython.int:
        """Writes down when the last byte came. Never before the request, even where the capture has it so."""
        exchange = exchange_row(self.ledger.exchanges, lane.row)
        exchange.end_ns = max(lane.last_ns, exchange.request_ns)
        exchange.end_frame = lane.last_frame
        exchange.flags |= flags
        return 0

    def _request_again(
        self, lane: Lane, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Takes a request whose head is the last one's but for its target, where nothing is in its way and nothing
        waits for a response, and does with it what `_head` would: returns the place behind it, or -1, and nothing was
        touched."""
        if cython.compiled and lane.fresh and not lane.strayed and lane.held is None:
            head: Head = self.ledger.request_head
            answers: Lane = self.lane1 if lane is self.lane0 else self.lane0
            if not head.usual or head.status or self.front >= 0 or answers.held is not None:
                return -1
            packet.view[end - 1]  # the bounds check, with that of the next line, of all that is looked at
            target_end: cython.Py_ssize_t = head.target_again(cython.address(packet.view[at]), end - at)
            if target_end < 0:
                return -1
            look_at(head.text, packet)
            self.head = head
            self.asker = 0 if lane is self.lane0 else 1
            lane.first_ns = packet.ts
            lane.first_frame = packet.frame
            self._open_exchange(lane, self._word(at + head.target - head.start, at + target_end, packet))
            lane.state = head.next
            lane.left = head.length
            lane.whole = head.whole
            self.front = lane.row
            return at + target_end + head.last_size - head.last_target_end
        return -1

    def _response_again(
        self, lane: Lane, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """The same for a response whose head is the last one's or that of the one before, and which answers a request
        that is there in full and waits alone."""
        if cython.compiled and lane.fresh and not lane.strayed and lane.held is None:
            asks: Lane = self.lane0 if self.asker == 0 else self.lane1
            if self.front < 0 or self.waiting is not None or asks.state != HEAD:
                return -1
            answered = exchange_row(self.ledger.exchanges, self.front)
            if answered.flags & (HEAD_REQUEST | CONNECT_REQUEST):
                return -1
            packet.view[end - 1]  # the bounds check, with that of the next line, of all that is looked at
            first: cython.p_const_uchar = cython.address(packet.view[at])
            head: Head = self.ledger.response_head
            if not head.usual or not head.same(first, end - at):
                # Two kinds of responses take turns: a connection's last one says that it closes.
                head = self.ledger.other_response_head
                if not head.usual or not head.same(first, end - at):
                    return -1
                self.ledger.response_heads_swapped()
            self.head = head
            self._count_response()
            answered.status = cython.cast(cython.ushort, head.status)
            answered.response_ns = packet.ts
            answered.response_frame = packet.frame
            answered.flags |= head.flags
            lane.first_ns = packet.ts
            lane.first_frame = packet.frame
            lane.row = self.front
            lane.left = head.length
            lane.state = head.next
            if head.next == HEAD:
                self._message_end(lane, 1 - self.asker)
            return at + head.last_size
        return -1

    def _head(
        self, lane: Lane, side: cython.int, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Reads on in a head; returns where to go on."""
        letter: cython.int
        if lane.fresh:
            # Empty lines before a start line are passed over (RFC 9112, section 2.2).
            letter = packet.view[at]
            if (letter == 13 or letter == 10) and self.asker == 1 - side and self.front < 0:
                self._in_excess(lane, packet.frame)
            while letter == 13 or letter == 10:
                at += 1
                if at == end:
                    return at
                letter = packet.view[at]
            lane.first_ns = packet.ts
            lane.first_frame = packet.frame
            lane.fresh = False
        if self.asker != 1 - side:
            if self.head is not self.ledger.request_head:
                self.head = self.ledger.request_head
        else:
            self.head = self.ledger.response_heads_swapped()
        behind: cython.Py_ssize_t
        if lane.held is None:
            behind = self.head.parse(packet.view, at, end)
            if behind >= 0:
                self._message(lane, side, packet)
                return behind
            if behind == INVALID and self.requests == 0 and self.head.proxy_line:
                lane.fresh = True
                return self.head.proxy_line
            if behind == INVALID or end - at > LONGEST_HEAD or self._overfull(packet):
                return self._not_http(lane, side, packet, at, end)
            self._keep(lane, packet, at, end)
            return end
        return self._held_head(lane, side, packet, at, end)

    def _held_head(
        self, lane: Lane, side: cython.int, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """A head in several segments: collected until its empty line, then read."""
        before: cython.Py_ssize_t = 0 if lane.held is None else len(lane.held)
        held: bytearray = self._keep(lane, packet, at, end)
        self.head.text.look(packet.view)
        if self.head.text.find(10, at, end) < 0 and has_method(held, before):
            return self._unless_too_long(lane, side, packet, at, end)
        if held.find(b"\n", 0, before) < 0:
            # The start line was not complete before: see whether this can still be one.
            whole = bytes(held) if held.find(b"\n", before) >= 0 else bytes(held[: LONGEST_METHOD + 1])
            if self.head.parse(whole if cython.compiled else memoryview(whole), 0, len(whole)) == INVALID:
                if self.requests == 0 and self.head.proxy_line > before:
                    self._let_go(lane)
                    lane.fresh = True
                    return at + self.head.proxy_line - before
                return self._not_http(lane, side, packet, at, end)
        start: cython.Py_ssize_t = max(0, before - 3)
        bare: cython.Py_ssize_t = held.find(b"\n\n", start)
        full: cython.Py_ssize_t = held.find(b"\n\r\n", start)
        behind: cython.Py_ssize_t = bare + 2 if bare >= 0 else -1
        if full >= 0 and (behind < 0 or full + 3 < behind):
            behind = full + 3
        if behind < 0:
            return self._unless_too_long(lane, side, packet, at, end)
        head = bytes(held[:behind])
        if self.head.parse(head if cython.compiled else memoryview(head), 0, behind) < 0:
            return self._not_http(lane, side, packet, at, end)
        self._let_go(lane)
        self._message(lane, side, packet)
        return at + behind - before

    def _unless_too_long(
        self, lane: Lane, side: cython.int, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """What was put aside waits for more, where it may."""
        if self._overfull(packet):
            return self._not_http(lane, side, packet, at, end)
        if lane.held is not None and len(lane.held) > LONGEST_HEAD:
            self.ledger.notes.add(note.HTTP_HEAD_TOO_LONG, packet.frame)
            return self._not_http(lane, side, packet, at, end)
        return end

    def _keep(self, lane: Lane, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytearray:
        """Puts bytes aside until the rest of their head or line is there; all that the lane has of it."""
        if lane.held is None:
            lane.held = bytearray()
        lane.held += copy(packet.view, at, end)
        self.ledger.unread += end - at
        return lane.held

    def _overfull(self, packet: Packet) -> cython.bint:
        """Whether all connections together have too much put aside: then this one's messages are given up."""
        if self.ledger.unread <= MOST_UNREAD:
            return False
        self.ledger.notes.add(note.HTTP_HEAD_TOO_LONG, packet.frame)
        self.flags |= REQUESTS_MISSED | RESPONSES_MISSED
        return True

    def _let_go(self, lane: Lane) -> cython.int:
        if lane.held is not None:
            self.ledger.unread -= len(lane.held)
            lane.held = None
        return 0

    def _not_http(
        self, lane: Lane, side: cython.int, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """What stands where a start line should: another protocol, or bytes too many."""
        if side == self.asker and lane.whole:
            return self._body_after_all(lane, at, end)
        in_tunnel: cython.bint = self.flags & TUNNEL != 0 and 20 <= packet.view[at] <= 23
        if lane.held is None and (in_tunnel or looks_like_tls(packet.view, at, end)):
            # A tunnel that turns to TLS, or TLS behind a greeting of another kind.
            self._to_tls()
            return at
        if self.protocol != HTTP1:
            self.socks = self.socks or (not lane.strayed and packet.view[at] in SOCKS)
            lane.strayed = True
        elif not self.flags & TUNNEL or self._is_http_inside():
            excess: cython.bint = side != self.asker and self.front < 0
            self.ledger.notes.add(note.EXCESS_BYTES if excess else note.HTTP_FRAMING, packet.frame)
            self._missed(lane, side, packet)
        self._let_go(lane)
        lane.lose()
        return end

    def _is_http_inside(self) -> cython.bint:
        """Whether the client's last message was a request inside of its tunnel."""
        asks: Lane = self.lane0 if self.asker == 0 else self.lane1
        return asks.row >= 0 and self.ledger.exchanges.flags[asks.row] & CONNECT_REQUEST == 0

    def _body_after_all(self, lane: Lane, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """What could have been another request is the body of the one that has its response already."""
        before: cython.longlong = len(lane.held) - (end - at) if lane.held is not None else 0
        step: cython.longlong = min(end - at, lane.whole - before)
        self._let_go(lane)
        if step < 0:  # and more than the body was put aside: what stands behind it is not looked at again
            self.ledger.notes.add(note.HTTP_FRAMING, lane.first_frame)
            self.flags |= REQUESTS_MISSED
            lane.whole = 0
            lane.lose()
            return end
        lane.left = lane.whole - before - step
        lane.state = LENGTH
        if lane.left == 0:
            self._message_end(lane, self.asker)
        return at + step

    def _message(self, lane: Lane, side: cython.int, packet: Packet) -> cython.int:
        """A head is complete: open its exchange, or find the one it answers, and frame its body."""
        lane.fresh = True
        if lane.strayed:
            self.flags |= RESPONSES_MISSED if self.head.status else REQUESTS_MISSED
            lane.strayed = False
        if self.head.status:
            if self.asker == side:
                return self._out_of_role(lane, side, packet)
            self.asker = 1 - side
            return self._response(lane, packet)
        if self.asker == 1 - side:
            return self._out_of_role(lane, side, packet)
        self.asker = side
        if self.head.version == 20 and self.head.is_preface():
            return self._to_h2(side, PREFACE_REST)
        return self._request(lane, packet)

    def _in_excess(self, lane: Lane, frame: cython.uint) -> cython.int:
        """The server sends bytes behind its last response that nobody asked for. Empty lines are such bytes, too: only
        servers have to pass over them (RFC 9112, section 2.2)."""
        if self.ledger.connections.odd_frame[self.row] == 0:
            self.ledger.connections.odd_frame[self.row] = frame
        if lane.row >= 0:
            self.ledger.exchanges.flags[lane.row] |= EXCESS
        return 0

    def _drop_excess(self, lane: Lane) -> cython.int:
        """What the server's lane has of a head when the client asks anew, with nothing to answer before, is no head."""
        if lane.held is not None and lane.state == HEAD:
            self.ledger.notes.add(note.EXCESS_BYTES, lane.first_frame)
            self._in_excess(lane, lane.first_frame)
            self._let_go(lane)
            lane.fresh = True
        return 0

    def _out_of_role(self, lane: Lane, side: cython.int, packet: Packet) -> cython.int:
        """A request where responses flow, or the other way round: content that looks like a head."""
        self.ledger.notes.add(note.HTTP_FRAMING, packet.frame)
        self._missed(lane, side, packet)
        self._let_go(lane)
        lane.lose()
        return 0

    def _missed(self, lane: Lane, side: cython.int, packet: Packet) -> cython.int:
        """What follows on a lane of HTTP is not told apart, until a segment begins with a start line."""
        if side == self.asker:
            self.flags |= REQUESTS_MISSED
        elif self.front >= 0:
            self.flags |= RESPONSES_MISSED
        else:
            self._in_excess(lane, packet.frame)
        return 0

    def _request(self, lane: Lane, packet: Packet) -> cython.int:
        head: Head = self.head
        flags: cython.uint = 0
        size: cython.Py_ssize_t = head.method_end - head.method
        if head.product_end:
            head.product_word = self._word(head.product, head.product_end, packet)
        if head.close:
            flags |= REQUEST_CLOSE
        if head.version == 10:
            flags |= REQUEST_HTTP10
        if head.forwarded:
            flags |= FORWARDED
        if size == 4 and head.text.is_word(head.method, head.method_end, b"head"):
            flags |= HEAD_REQUEST
        elif size == 7 and head.text.is_word(head.method, head.method_end, b"connect"):
            flags |= CONNECT_REQUEST
        head.flags = flags
        head.method_word = self._word(head.method, head.method_end, packet)
        target: cython.int = self._word(head.target, head.target_end, packet)
        head.host_word = self._word(head.host, head.host_end, packet) if head.host_end else -1
        self._open_exchange(lane, target)
        lane.whole = 0  # of a request before, whose body was left out
        answers: Lane = self.lane1 if self.asker == 0 else self.lane0
        if self.front < 0:
            self._drop_excess(answers)
        elif answers.state == UNTIL_CLOSE:
            # Nobody asks anew behind a response that only the close can end: this one has ended, nobody knows where.
            self.ledger.notes.add(note.HTTP_FRAMING, packet.frame)
            self.flags |= RESPONSES_MISSED
        self._wait(lane.row, packet)
        if head.chunked:
            lane.state = CHUNK_SIZE
        elif head.length > 0:
            lane.state = LENGTH
            lane.left = head.length
            if head.expects:
                lane.whole = head.length
        else:
            if head.length < -1 or head.coded:
                # No length that a server must accept: it answers 400 and closes (RFC 9112, section 6.3). What follows
                # may be its body.
                self.ledger.notes.add(note.HTTP_FRAMING, packet.frame)
                self.flags |= REQUESTS_MISSED
            self._message_end(lane, self.asker)
        head.next = lane.state
        head.whole = lane.whole
        head.usual = (
            head.last_size > 0
            and not head.hinges_on_target()
            and (head.chunked or (head.length >= -1 and not head.coded))
            and head.method_word >= 0
            and (head.host_word >= 0 or head.host_end == 0)
            and (head.product_word >= 0 or head.product_end == 0)
        )
        return 0

    def _open_exchange(self, lane: Lane, target: cython.int) -> cython.int:
        """One request more, whose head is read, with this word for its target."""
        head: Head = self.head
        table: ExchangeTable = self.ledger.exchanges
        self.protocol = HTTP1
        if self.requests == 0:
            self.request_frame = lane.first_frame
            if head.product_end:
                self.ledger.connections.agent[self.row] = 1 + head.product_word
        self.requests += 1
        lane.row = table.add()
        exchange = exchange_row(table, lane.row)
        exchange.connection = self.row
        exchange.depth = self.requests
        exchange.method = head.method_word
        exchange.target = target
        exchange.host = head.host_word
        exchange.flags = head.flags | (DEPTH_UNSURE if self.flags & REQUESTS_MISSED else 0)
        exchange.request_ns = lane.first_ns
        exchange.request_frame = lane.first_frame
        exchange.response_ns = -1
        exchange.end_ns = -1
        return 0

    def _word(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, packet: Packet) -> cython.int:
        number: cython.int = self.ledger.words.add(self.head.text, at, end)
        if number < 0:
            self.ledger.notes.add(note.WORD_LIMIT, packet.frame)
        return number

    def _wait(self, row: cython.Py_ssize_t, packet: Packet) -> cython.int:
        """Queues a request for its response."""
        if self.front < 0:
            self.front = row
            return 0
        if self.waiting is None:
            self.waiting = deque()
        if len(self.waiting) >= MOST_WAITING:
            self.ledger.notes.add(note.REQUEST_QUEUE_LIMIT, packet.frame)
            self.flags |= RESPONSES_MISSED
            return 0
        self.waiting.append(row)
        other: Lane = self.lane1 if self.asker == 0 else self.lane0
        if other.state != LOST:
            self.pipelined = True
        return 0

    def _response(self, lane: Lane, packet: Packet) -> cython.int:
        head: Head = self.head
        exchanges: ExchangeTable = self.ledger.exchanges
        row: cython.Py_ssize_t = self.front
        self.protocol = HTTP1
        if 100 <= head.status < 200 and head.status != 101:
            return 0
        if head.product_end:
            head.product_word = self._word(head.product, head.product_end, packet)
        self._count_response()
        asked: cython.uint = 0
        if row < 0:
            self.ledger.notes.add(note.RESPONSE_WITHOUT_REQUEST, packet.frame)
            self.flags |= UNASKED_RESPONSE
            if self.ledger.connections.odd_status[self.row] == 0:
                self.ledger.connections.odd_frame[self.row] = lane.first_frame
                self.ledger.connections.odd_status[self.row] = head.status
            if head.status != REQUEST_TIMEOUT:  # which servers send unasked, before they close an idle connection
                self.flags |= REQUESTS_MISSED
        else:
            if self.waiting is not None and self.flags & RESPONSES_MISSED and not self.pipelined:
                # Responses were lost. Who does not pipeline had them before asking again: this one answers the last
                # request.
                row = self._last_waiting()
            exchange = exchange_row(exchanges, row)
            asked = exchange.flags
            exchange.status = cython.cast(cython.ushort, head.status)
            exchange.response_ns = lane.first_ns
            exchange.response_frame = lane.first_frame
            exchange.flags = asked | self._response_flags(row)
            if 300 <= head.status < 400 and head.location_end:
                exchanges.location[row] = 1 + self._word(head.location, head.location_end, packet)
        lane.row = row
        self._response_body(lane, asked)
        head.flags = self._response_flags(row) & ~EARLY_RESPONSE
        head.next = lane.state
        head.usual = (
            head.last_size > 0
            and not asked & (HEAD_REQUEST | CONNECT_REQUEST)
            and (lane.state == LENGTH or lane.state == CHUNK_SIZE or lane.state == HEAD)
            and head.status >= 200
            and not (300 <= head.status < 400 and head.location_end)
            and (head.product_word >= 0 or head.product_end == 0)
        )
        return 0

    def _count_response(self) -> cython.int:
        """One response more, and what its head says of the server."""
        head: Head = self.head
        self.responses += 1
        if self.responses == 1 and head.product_end:
            self.ledger.connections.software[self.row] = 1 + head.product_word
        if head.keep_timeout:
            self.ledger.connections.keep_timeout[self.row] = head.keep_timeout
        if head.keep_max:
            self.ledger.connections.keep_max[self.row] = head.keep_max
        return 0

    def _last_waiting(self) -> cython.Py_ssize_t:
        if self.waiting is not None and len(self.waiting):
            self.front = self.waiting.pop()
            self.waiting = None
        return self.front

    def _response_flags(self, row: cython.Py_ssize_t) -> cython.uint:
        """What the response's head says about re-use."""
        head: Head = self.head
        flags: cython.uint = 0
        if head.close:
            flags |= RESPONSE_CLOSE
        if head.keep_alive:
            flags |= RESPONSE_KEEP_ALIVE
        if head.version == 10:
            flags |= RESPONSE_HTTP10
        if head.bound_auth:
            flags |= CONNECTION_AUTH
        if head.forwarded:
            flags |= RELAYED
        request: Lane = self.lane0 if self.asker == 0 else self.lane1
        if request.row == row and request.state != HEAD and request.state != LOST:
            flags |= EARLY_RESPONSE
        return flags

    def _response_body(self, lane: Lane, asked: cython.uint) -> cython.int:
        """Frames the body of a response by RFC 9112, section 6.3."""
        head: Head = self.head
        if head.status == 101 and not head.upgrade:
            # It says of nothing that it would follow (RFC 9110, section 15.2.2): HTTP goes on.
            self._message_end(lane, 1 - self.asker)
        elif head.status == 101:
            self._message_end(lane, 1 - self.asker)
            if lane.row >= 0:
                self.ledger.exchanges.flags[lane.row] |= UPGRADED
            if head.to_tls:
                self.flags |= ENCRYPTED
            self.lane0.state = RAW
            self.lane1.state = RAW
            if head.h2c:
                self._to_h2(self.asker, PREFACE)
        elif asked & CONNECT_REQUEST and 200 <= head.status < 300:
            self._message_end(lane, 1 - self.asker)
            if not self.flags & TUNNEL:
                table: ExchangeTable = self.ledger.exchanges
                place: str = (self.ledger.words.text(table.target[lane.row]) or "").lower()
                place = self.ledger.connections.places.setdefault(place, place)
                self.ledger.connections.tunnels[self.row] = (table.depth[lane.row], place)
            self.flags |= TUNNEL
            self.lane0.state = HEAD
            self.lane1.state = HEAD
        elif asked & HEAD_REQUEST or head.status == 204 or head.status == 304:
            self._message_end(lane, 1 - self.asker)
        elif head.chunked:
            lane.state = CHUNK_SIZE
        elif head.length > 0 and not head.coded:
            lane.state = LENGTH
            lane.left = head.length
        elif head.length == 0 and not head.coded:
            self._message_end(lane, 1 - self.asker)
        else:
            lane.state = UNTIL_CLOSE
            if head.coded:
                self.ledger.notes.add(note.HTTP_FRAMING, lane.first_frame)
            elif head.length < -1:
                # Lengths that contradict each other: where the next response begins can't be known.
                self.ledger.notes.add(note.HTTP_FRAMING, lane.first_frame)
                self.flags |= RESPONSES_MISSED
            if lane.row >= 0:
                self.ledger.exchanges.flags[lane.row] |= CLOSE_DELIMITED
        return 0

    def _message_end(self, lane: Lane, side: cython.int) -> cython.int:
        """The message's last byte is there, in the segment of `lane.last_frame`."""
        lane.state = HEAD
        lane.fresh = True
        lane.whole = 0
        if side != self.asker:
            if lane.row >= 0:
                self._ends(lane, RESPONSE_DONE)
                request: Lane = self.lane0 if self.asker == 0 else self.lane1
                if request.state == LENGTH and request.row == lane.row and request.left == request.whole:
                    request.state = BODY_OR_HEAD
                if lane.row == self.front:
                    self.front = -1
                    if self.waiting is not None and len(self.waiting):
                        self.front = self.waiting.popleft()
        return 0

    def _line(
        self, lane: Lane, side: cython.int, packet: Packet, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Reads one line of chunked coding (RFC 9112, section 7.1): a size, the end of a chunk's data, or a trailer."""
        self.head.text.look(packet.view)
        line_end: cython.Py_ssize_t = self.head.text.find(10, at, end)
        held: cython.Py_ssize_t = 0 if lane.held is None else len(lane.held)
        if line_end < 0:
            if held + end - at > LONGEST_LINE or self._overfull(packet):
                return self._not_http(lane, side, packet, at, end)
            self._keep(lane, packet, at, end)
            return end
        line: bytes = copy(packet.view, at, line_end)
        if lane.held is not None:
            line = bytes(lane.held) + line
            self._let_go(lane)
        line = line.rstrip(b"\r")
        if lane.state == CHUNK_SIZE:
            size: cython.longlong = chunk_size(line)
            if size < 0:
                return self._not_http(lane, side, packet, at, end)
            lane.left = size
            lane.state = CHUNK_DATA if size else TRAILERS
        elif lane.state == CHUNK_END:
            if line:
                return self._not_http(lane, side, packet, at, end)
            lane.state = CHUNK_SIZE
        elif not line:
            self._message_end(lane, side)
        elif not is_field(line):
            # The empty line was left out, and this is the next message's, most likely.
            return self._not_http(lane, side, packet, at, end)
        return line_end + 1


def has_method(text: bytearray, end: cython.Py_ssize_t) -> cython.bint:
    """Whether the first `end` bytes of a start line, which it can be one of, have a method or a version in front: what
    follows can't make it less of one before its line ends."""
    i: cython.Py_ssize_t
    for i in range(min(end, LONGEST_METHOD)):  # noqa: SIM110 - compiled, a loop is one, and `any` is a generator
        if text[i] == 32 or (i == 4 and text[i] == 47):
            return True
    return False


def chunk_size(line: bytes) -> cython.longlong:
    """The size that a chunk's first line announces, extensions passed over, or -1 where it is none."""
    digits = line.partition(b";")[0].strip(b" \t")
    if not digits or len(digits.lstrip(b"0")) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
        return -1
    return int(digits, 16)


def is_field(line: bytes) -> cython.bint:
    """Whether the line of a trailer section is a field, or goes on with one (RFC 9112, section 5)."""
    name, colon, _ = line.partition(b":")
    return line[:1] in b" \t" or (colon != b"" and b" " not in name.rstrip(b" "))
