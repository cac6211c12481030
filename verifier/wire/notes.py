# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Oddities of a capture or a peer, by name, counted, each with the first frame that shows it. Never exceptions."""

from __future__ import annotations

import array

import cython

# The place in this tuple is the number by which the engine knows a note.
CODES = (
    "malformed-packet",
    "tcp-header-cut",
    "payload-cut",
    "ip-length-zero",
    "fragment-lost",
    "link-type-unknown",
    "time-went-back",
    "time-out-of-range",
    "syn-retransmission",
    "simultaneous-open",
    "port-reuse",
    "port-reuse-same-isn",
    "fast-open",
    "mptcp-join",
    "retransmission",
    "out-of-order",
    "bytes-missing",
    "reorder-limit",
    "reset-out-of-window",
    "data-after-close",
    "http-resync",
    "http-framing",
    "http-head-too-long",
    "http-head-unfinished",
    "response-without-request",
    "excess-bytes",
    "request-queue-limit",
    "tls-malformed",
    "word-limit",
    "handshake-mismatch",
    "addresses-shared",
    "tunnel-limit",
    "packet-blank",
    "times-disordered",
    "answered-before",
)

MALFORMED = 0
TCP_HEADER_CUT = 1
PAYLOAD_CUT = 2
IP_LENGTH_ZERO = 3
FRAGMENT_LOST = 4
LINK_TYPE_UNKNOWN = 5
TIME_WENT_BACK = 6
TIME_OUT_OF_RANGE = 7
SYN_RETRANSMISSION = 8
SIMULTANEOUS_OPEN = 9
PORT_REUSE = 10
PORT_REUSE_SAME_ISN = 11
FAST_OPEN = 12
MPTCP_JOIN = 13
RETRANSMISSION = 14
OUT_OF_ORDER = 15
BYTES_MISSING = 16
REORDER_LIMIT = 17
RESET_OUT_OF_WINDOW = 18
DATA_AFTER_CLOSE = 19
HTTP_RESYNC = 20
HTTP_FRAMING = 21
HTTP_HEAD_TOO_LONG = 22
HTTP_HEAD_UNFINISHED = 23
RESPONSE_WITHOUT_REQUEST = 24
EXCESS_BYTES = 25
REQUEST_QUEUE_LIMIT = 26
TLS_MALFORMED = 27
WORD_LIMIT = 28
HANDSHAKE_MISMATCH = 29
ADDRESSES_SHARED = 30
TUNNEL_LIMIT = 31
PACKET_BLANK = 32
TIMES_DISORDERED = 33
ANSWERED_BEFORE = 34


class Notes:
    """One counter and one first frame for each code."""

    def __init__(self) -> None:
        self.counts = memoryview(array.array("q", bytes(8 * len(CODES))))
        self.frames = memoryview(array.array("q", bytes(8 * len(CODES))))

    def add(self, code: cython.int, frame: cython.uint) -> cython.int:
        if self.counts[code] == 0:
            self.frames[code] = frame
        self.counts[code] += 1
        return 0

    def seen(self) -> list[tuple[str, int, int]]:
        """(code, count, first frame) of each note that was made, in the order of the codes."""
        return [(CODES[i], self.counts[i], self.frames[i]) for i in range(len(CODES)) if self.counts[i]]
