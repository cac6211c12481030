# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The result: one row a connection, one row an exchange, in typed columns. Bytes a row, not objects a row.

A column is a growing array; its typed view is an attribute for the engine's writes, and `column(name)` reads it from
Python. Absent times and frames are -1 and 0. Words (hosts, targets, ...) are interned: a column holds their number.
"""

from __future__ import annotations

import array

import cython

from verifier.wire.octets import in_large_pages, sparse, zeros

if cython.compiled:
    from cython.cimports.libc.string import memcpy
    from cython.cimports.verifier.wire.head import Head
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.octets import Text, transfer
else:
    from verifier.wire.head import Head
    from verifier.wire.notes import Notes
    from verifier.wire.octets import Text, transfer

FIRST_CAPACITY = 64
MANY = 1 << 15
VERY_MANY = 1 << 21
"""Rows, or bytes of words. 600,000 exchanges are copied once on the way, when they are 32,768; by doubling it were a
million rows in all."""
WORDS_LIMIT = cython.declare(cython.Py_ssize_t, 64 << 20)
"""Bytes of hosts, targets and other words together: 600,000 different targets of 100 bytes."""
RECENT_SLOTS = cython.declare(cython.Py_ssize_t, 4096)
"""A word seen again after about as many others may be kept twice."""
HASHED = cython.declare(cython.Py_ssize_t, 12)
"""Bytes at a word's end that its slot depends on: where targets differ."""
SPREAD_1 = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
SPREAD_2 = cython.declare(cython.ulonglong, 0xC2B2AE3D27D4EB4F)
"""Multipliers of xxHash64."""

# Numbers in the column `state` of a connection: how far its handshake got.
NOT_SEEN = 0
UNANSWERED = 1
REFUSED = 2
HALF = 3
COMPLETE = 4

# Numbers in the columns `closer` and `closed_with`.
NOBODY = 0
CLIENT = 1
SERVER = 2
BOTH = 3
FIN = 1
RST = 2

# Numbers in the column `protocol`.
OTHER = 0
HTTP1 = 1
H2 = 2
TLS = 3

# Bits of the column `flags` of an exchange.
RESPONSE_DONE = 1
REQUEST_CLOSE = 2
RESPONSE_CLOSE = 4
REQUEST_HTTP10 = 8
RESPONSE_HTTP10 = 16
RESPONSE_KEEP_ALIVE = 32
CLOSE_DELIMITED = 64
BODY_MISSING = 128
EARLY_RESPONSE = 256
CONTINUED = 512
HEAD_REQUEST = 2048
CONNECT_REQUEST = 4096
UPGRADED = 8192
PROXY_CONNECTION = 16384
CONNECTION_AUTH = 32768
DEPTH_UNSURE = 65536
"""Bytes are missing before it, where another request could have been."""
FORWARDED = 131072
"""A proxy or load balancer passed it on: Via, Forwarded, X-Forwarded-For, X-Amzn-Trace-Id."""
EXCESS = 262144
"""Bytes of the server follow the response that nobody asked for, and that are no response."""

# Bits of the column `flags` of a connection.
SYN_SEEN = 1
REQUESTS_MISSED = 2
"""Bytes are missing where a request could have been: more requests may have been made than are counted."""
RESPONSES_MISSED = 4
ENCRYPTED = 8
SUBFLOW = 16
CLIENT_STOPPED_READING = 32
UPGRADE = 128
TUNNEL = 256
FULL_CLOSE = 512
LATE_DATA = 1024
UNASKED_RESPONSE = 2048
SERVER_ASKS = 4096
"""The requests came from the side that accepted the connection."""
PAYLOAD_CUT = 8192
"""Packets of it were kept only in part (snaplen)."""
UNACKNOWLEDGED = 16384
"""The client's last bytes were never acknowledged."""
SERVER_ALERT = 32768
"""TLS: the server sent an alert behind its handshake: close_notify, as far as can be told."""
CLIENT_ALERT = 65536
GOAWAY = 131072
"""HTTP/2: the server announced that it takes no more streams."""
NOT_TAKEN = 4194304
"""Bytes of the server that the client never acknowledged."""
CLOSED_KNOWING = 2097152
"""The server's FIN or RST acknowledges all that the client had sent: it had the request."""
PROBES_UNHEARD = 1048576
"""The client's last segments were TCP keep-alive probes, several, and nothing came back."""
CLIENT_SPOKE_LAST = 524288
"""TLS: the last application data was the client's."""
RESET_BY_OTHER = 262144
"""The RST came with another hop limit than the server's SYN-ACK: from a machine nearer or farther."""


class Words:
    """Byte strings, one behind the other in one buffer, each with a number. A word that was among the last seen keeps
    its number.

    Bounded: past `WORDS_LIMIT` bytes new words get number -1, and the report says so.
    """

    def __init__(self) -> None:
        self.count = 0
        self.filled = 0
        self.buffer_array = zeros("B", 1024)
        self.buffer = memoryview(self.buffer_array)
        self.starts_array = zeros("I", 64)
        self.starts = memoryview(self.starts_array)
        self.recent = memoryview(array.array("i", [-1] * RECENT_SLOTS))
        self.hashes = memoryview(zeros("I", RECENT_SLOTS))
        self.single = Text()

    def add(self, text: Text, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The number of the word that stands between `at` and `end`."""
        size: cython.Py_ssize_t = end - at
        hashed: cython.uint
        if cython.compiled and size >= 8:
            text.view[end - 1]  # the bounds check, with that of the next line
            first: cython.p_const_uchar = cython.address(text.view[end - HASHED if size > HASHED else at])
            front = cython.declare(cython.ulonglong)
            back = cython.declare(cython.ulonglong)
            memcpy(cython.address(front), first, 8)
            memcpy(cython.address(back), cython.address(text.view[end - 8]), 8)
            hashed = cython.cast(cython.uint, (front * SPREAD_1 + back * SPREAD_2 + size) >> 32)
        else:
            hashed = text.hashed(end - HASHED if size > HASHED else at, end, size)
        slot: cython.Py_ssize_t = (hashed ^ (hashed >> 12)) & (RECENT_SLOTS - 1)
        if self.hashes[slot] == hashed and self.holds(self.recent[slot], text, at, end):
            return self.recent[slot]
        if self.filled + size > WORDS_LIMIT:
            return -1
        if self.filled + size > len(self.buffer) or self.count + 2 > len(self.starts):
            self._room(size)
        if not cython.compiled:
            transfer(text.view, at, self.buffer, self.filled, size)
        elif size > 0:
            text.view[end - 1]  # the bounds checks, with those of the next line, of both ranges
            self.buffer[self.filled + size - 1]
            memcpy(cython.address(self.buffer[self.filled]), cython.address(text.view[at]), size)
        self.filled += size
        number: cython.Py_ssize_t = self.count
        self.count += 1
        self.starts[self.count] = self.filled
        self.recent[slot] = number
        self.hashes[slot] = hashed
        return number

    def holds(
        self, number: cython.Py_ssize_t, text: Text, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.bint:
        """Whether the word with this number stands between `at` and `end`; -1 is none."""
        if number < 0 or self.starts[number + 1] - self.starts[number] != end - at:
            return False
        return text.equals(at, end, self.buffer, self.starts[number])

    def same(self, one: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether two numbers stand for the same word: it has another one where it was not among the last seen."""
        size: cython.Py_ssize_t = self.starts[one + 1] - self.starts[one]
        at: cython.Py_ssize_t = self.starts[one]
        there: cython.Py_ssize_t = self.starts[other]
        place: cython.Py_ssize_t
        if self.starts[other + 1] - self.starts[other] != size:
            return False
        for place in range(size):  # noqa: SIM110 - compiled, a loop is one, and `all` is a generator
            if self.buffer[at + place] != self.buffer[there + place]:
                return False
        return True

    def number(self, word: bytes) -> cython.int:
        """The number of a word."""
        self.single.look(word if cython.compiled else memoryview(word))
        return self.add(self.single, 0, len(word))

    def text(self, number: int) -> str | None:
        """The word, read as Latin-1 (RFC 9110, section 5.5), or None."""
        if number < 0:
            return None
        return bytes(self.buffer_array[self.starts_array[number] : self.starts_array[number + 1]]).decode("latin-1")

    def _room(self, size: cython.Py_ssize_t) -> cython.int:
        """Makes sure that one more word of `size` bytes fits."""
        if self.filled + size > len(self.buffer):
            self.buffer_array = widened_in_large_pages(self.buffer_array, larger(self.filled + size))
            self.buffer = memoryview(self.buffer_array)
        if self.count + 2 > len(self.starts):
            self.starts_array = widened(self.starts_array, larger(self.count + 2))
            self.starts = memoryview(self.starts_array)
        return 0


def larger(least: int) -> int:
    """A capacity with room to grow: the double; far more where memory is taken only as it is written to, because each
    time what there is has to be copied."""
    if least >= MANY and sparse():
        return max(VERY_MANY, least * 4)
    return max(FIRST_CAPACITY, least * 2)


def widened(old: array.array[int] | memoryview, capacity: int) -> array.array[int] | memoryview:
    """A zeroed array of `capacity` items that begins with those of `old`."""
    return refilled(zeros(memoryview(old).format, capacity), old)


def widened_in_large_pages(old: array.array[int] | memoryview, capacity: int) -> array.array[int] | memoryview:
    """As `widened`: for what will be filled to megabytes where it is large at all."""
    return refilled(in_large_pages(zeros(memoryview(old).format, capacity)), old)


def refilled(new: array.array[int] | memoryview, old: array.array[int] | memoryview) -> array.array[int] | memoryview:
    """`new`, which begins with the items of `old` now."""
    memoryview(new)[: len(old)] = memoryview(old)
    return new


class ConnectionTable:
    """One row a connection, in the order of first packets. Side 0 sent the first packet, side 1 is its peer.

    `closer`, `closed`, `closed_with`, `close_frame`: the first FIN or RST; `answered`, `answered_with`, `answer_frame`:
    the first one of the other side. `active`: when the last payload came, TLS alerts left out. `turns`: how often the
    client spoke anew inside TLS or HTTP/2. `again_frame`: the last time that it sent something once more. `odd_frame`:
    the first bytes that nobody asked the server for, an alert, or a GOAWAY; `odd_status`: of a response to nothing.
    `setup_packets`, `setup_bytes`: packets and payload until it could carry a request, TLS included.
    `agent`, `software`: words of User-Agent and Server, plus one, 0 for none. `keep_timeout`, `keep_max`: the last
    Keep-Alive field, plus one. `body_left`: bytes that the last response announced and never had, -1 for unknown.
    """

    COLUMNS = (
        ("hi0", "Q"), ("lo0", "Q"), ("hi1", "Q"), ("lo1", "Q"), ("port0", "H"), ("port1", "H"), ("version", "B"),
        ("opened", "q"), ("closed", "q"), ("last", "q"), ("handshake_ns", "q"), ("tls_ns", "q"),
        ("first_frame", "I"), ("syn_frame", "I"), ("synack_frame", "I"), ("ack_frame", "I"), ("close_frame", "I"),
        ("request_frame", "I"), ("requests", "I"), ("responses", "I"), ("flags", "I"),
        ("history_early", "Q"), ("history_late", "Q"),
        ("packets0", "I"), ("packets1", "I"), ("largest0", "I"), ("largest1", "I"),
        ("bytes0", "Q"), ("bytes1", "Q"), ("missing", "Q"),
        ("client", "B"), ("state", "B"), ("closer", "B"), ("closed_with", "B"), ("protocol", "B"),
        ("answered_with", "B"), ("answered", "q"), ("answer_frame", "I"),
        ("active", "q"), ("turns", "I"), ("again_frame", "I"), ("odd_frame", "I"), ("odd_ns", "q"), ("odd_status", "H"),
        ("setup_packets", "I"), ("setup_bytes", "Q"), ("agent", "i"), ("software", "i"),
        ("keep_timeout", "I"), ("keep_max", "I"), ("body_left", "q"),
    )  # fmt: skip

    def __init__(self) -> None:
        self.rows = 0
        self.capacity = 0
        self.arrays: dict[str, array.array[int] | memoryview] = {name: array.array(code) for name, code in self.COLUMNS}
        self.tls: dict[int, tuple[bytes, bytes, int, int]] = {}
        """Row to (server name, ALPN protocol, version, resumed: 1, 0, or -1 where not known)."""
        self._grow()

    def add(self) -> cython.Py_ssize_t:
        """A new row, all zero."""
        if self.rows == self.capacity:
            self._grow()
        self.rows += 1
        return self.rows - 1

    def column(self, name: str) -> memoryview:
        """The column's values, one for each row."""
        return memoryview(self.arrays[name])[: self.rows]

    def columns(self) -> dict[str, memoryview]:
        """All columns, by name."""
        return {name: self.column(name) for name in self.arrays}

    def _wider(self, name: str) -> memoryview:
        """The column with room for `capacity` rows. One after the other: the old one goes before the next is made."""
        self.arrays[name] = widened(self.arrays[name], self.capacity)
        return memoryview(self.arrays[name])

    def _grow(self) -> cython.int:
        self.capacity = larger(self.capacity)
        self.hi0 = self._wider("hi0")
        self.lo0 = self._wider("lo0")
        self.hi1 = self._wider("hi1")
        self.lo1 = self._wider("lo1")
        self.port0 = self._wider("port0")
        self.port1 = self._wider("port1")
        self.version = self._wider("version")
        self.opened = self._wider("opened")
        self.closed = self._wider("closed")
        self.last = self._wider("last")
        self.handshake_ns = self._wider("handshake_ns")
        self.tls_ns = self._wider("tls_ns")
        self.first_frame = self._wider("first_frame")
        self.syn_frame = self._wider("syn_frame")
        self.synack_frame = self._wider("synack_frame")
        self.ack_frame = self._wider("ack_frame")
        self.close_frame = self._wider("close_frame")
        self.request_frame = self._wider("request_frame")
        self.requests = self._wider("requests")
        self.responses = self._wider("responses")
        self.flags = self._wider("flags")
        self.history_early = self._wider("history_early")
        self.history_late = self._wider("history_late")
        self.packets0 = self._wider("packets0")
        self.packets1 = self._wider("packets1")
        self.largest0 = self._wider("largest0")
        self.largest1 = self._wider("largest1")
        self.bytes0 = self._wider("bytes0")
        self.bytes1 = self._wider("bytes1")
        self.missing = self._wider("missing")
        self.client = self._wider("client")
        self.state = self._wider("state")
        self.closer = self._wider("closer")
        self.closed_with = self._wider("closed_with")
        self.protocol = self._wider("protocol")
        self.answered_with = self._wider("answered_with")
        self.answered = self._wider("answered")
        self.answer_frame = self._wider("answer_frame")
        self.active = self._wider("active")
        self.turns = self._wider("turns")
        self.again_frame = self._wider("again_frame")
        self.odd_frame = self._wider("odd_frame")
        self.odd_ns = self._wider("odd_ns")
        self.odd_status = self._wider("odd_status")
        self.setup_packets = self._wider("setup_packets")
        self.setup_bytes = self._wider("setup_bytes")
        self.agent = self._wider("agent")
        self.software = self._wider("software")
        self.keep_timeout = self._wider("keep_timeout")
        self.keep_max = self._wider("keep_max")
        self.body_left = self._wider("body_left")
        return 0


class ExchangeTable:
    """One row an exchange, in the order in which request heads were complete. `location`: word of the response's
    Location, plus one, 0 for none. `octets`: in a turn, bytes of the server's records."""

    COLUMNS = (
        ("connection", "I"), ("depth", "I"), ("method", "i"), ("target", "i"), ("host", "i"), ("status", "H"),
        ("flags", "I"), ("request_ns", "q"), ("response_ns", "q"), ("end_ns", "q"),
        ("request_frame", "I"), ("response_frame", "I"), ("end_frame", "I"), ("location", "i"), ("octets", "I"),
    )  # fmt: skip

    def __init__(self) -> None:
        self.rows = 0
        self.capacity = 0
        self.arrays: dict[str, array.array[int] | memoryview] = {name: array.array(code) for name, code in self.COLUMNS}
        self._grow()

    def add(self) -> cython.Py_ssize_t:
        """A new row, all zero."""
        if self.rows == self.capacity:
            self._grow()
        self.rows += 1
        return self.rows - 1

    def column(self, name: str) -> memoryview:
        """The column's values, one for each row."""
        return memoryview(self.arrays[name])[: self.rows]

    def columns(self) -> dict[str, memoryview]:
        """All columns, by name."""
        return {name: self.column(name) for name in self.arrays}

    def _wider(self, name: str) -> memoryview:
        """The column with room for `capacity` rows. One after the other: the old one goes before the next is made."""
        self.arrays[name] = widened_in_large_pages(self.arrays[name], self.capacity)
        return memoryview(self.arrays[name])

    def _grow(self) -> cython.int:
        self.capacity = larger(self.capacity)
        self.connection = self._wider("connection")
        self.depth = self._wider("depth")
        self.method = self._wider("method")
        self.target = self._wider("target")
        self.host = self._wider("host")
        self.status = self._wider("status")
        self.flags = self._wider("flags")
        self.request_ns = self._wider("request_ns")
        self.response_ns = self._wider("response_ns")
        self.end_ns = self._wider("end_ns")
        self.request_frame = self._wider("request_frame")
        self.response_frame = self._wider("response_frame")
        self.end_frame = self._wider("end_frame")
        self.location = self._wider("location")
        self.octets = self._wider("octets")
        return 0

    def add_from(self, other: ExchangeTable, row: cython.Py_ssize_t) -> cython.int:
        """Appends one row of another table."""
        here: cython.Py_ssize_t = self.add()
        self.connection[here] = other.connection[row]
        self.depth[here] = other.depth[row]
        self.method[here] = other.method[row]
        self.target[here] = other.target[row]
        self.host[here] = other.host[row]
        self.status[here] = other.status[row]
        self.flags[here] = other.flags[row]
        self.request_ns[here] = other.request_ns[row]
        self.response_ns[here] = other.response_ns[row]
        self.end_ns[here] = other.end_ns[row]
        self.request_frame[here] = other.request_frame[row]
        self.response_frame[here] = other.response_frame[row]
        self.end_frame[here] = other.end_frame[row]
        self.location[here] = other.location[row]
        self.octets[here] = other.octets[row]
        return 0

    def extend(self, records: list[dict[str, int]]) -> None:
        """Appends rows given as values by column."""
        for record in records:
            row = self.add()
            for name, value in record.items():
                self.arrays[name][row] = value


class Ledger:
    """Everything the engine writes down: shared by all connections of one engine."""

    def __init__(self, notes: Notes, control_only: bool) -> None:
        self.notes = notes
        self.control_only = control_only
        """Only SYN, FIN and RST were captured: bytes are missing by intent, and nothing is made of it."""
        self.held = 0
        """Bytes that connections hold out of order, with what it costs to hold them."""
        self.unread = 0
        """Bytes of heads and lines that are kept until their end comes."""
        self.connections = ConnectionTable()
        self.exchanges = ExchangeTable()
        self.turns = ExchangeTable()
        """What stands for exchanges where these are encrypted: from the client's first data to the server's last before
        the client spoke again. No words, no status."""
        self.words = Words()
        self.request_head = Head()
        self.response_head = Head()
        self.other_response_head = Head()
        """Where heads are read: for all connections, as each is done with before the next."""

    def response_heads_swapped(self) -> Head:
        """The head of the response before last, where the next one is read."""
        self.response_head, self.other_response_head = self.other_response_head, self.response_head
        return self.response_head
