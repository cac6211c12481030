# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The result: one row a connection, one row an exchange, in typed columns. Bytes a row, not objects a row.

Absent times and frames are -1 and 0. Words (hosts, targets, ...) are interned: a column holds their number.
"""

from __future__ import annotations

import array

import cython

from verifier.wire.octets import grown, in_large_pages, zeros

if cython.compiled:
    from cython.cimports.libc.string import memcmp, memcpy
    from cython.cimports.verifier.wire.half import Half
    from cython.cimports.verifier.wire.head import Head
    from cython.cimports.verifier.wire.notes import Notes
    from cython.cimports.verifier.wire.octets import Text, transfer
else:
    from verifier.wire.half import Half
    from verifier.wire.head import Head
    from verifier.wire.notes import Notes
    from verifier.wire.octets import Text, transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.wire.octets import Region

FIRST_CAPACITY = 64
MANY = cython.declare(cython.Py_ssize_t, 1 << 20)
"""Rows from which on a table only doubles: room that is not written to takes no memory, but has to be granted."""
NOTHING = bytearray(8)
"""What columns are laid out on that have no rows: zeros of any type."""
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
EARLY_RESPONSE = 256
HEAD_REQUEST = 2048
CONNECT_REQUEST = 4096
UPGRADED = 8192
CONNECTION_AUTH = 32768
DEPTH_UNSURE = 65536
"""Bytes are missing before it, where another request could have been."""
FORWARDED = 131072
"""A proxy or load balancer passed it on: Via, Forwarded, X-Forwarded-For, X-Amzn-Trace-Id."""
EXCESS = 262144
"""Bytes of the server follow the response that nobody asked for, and that are no response."""
RELAYED = 524288
"""A proxy passed the response on, as it says: Via."""

# Bits of the column `flags` of a connection.
SYN_SEEN = 1
REQUESTS_MISSED = 2
"""Bytes are missing where a request could have been: more requests may have been made than are counted."""
RESPONSES_MISSED = 4
ENCRYPTED = 8
SUBFLOW = 16
CLIENT_STOPPED_READING = 32
TUNNEL = 256
LATE_DATA = 1024
UNASKED_RESPONSE = 2048
PAYLOAD_CUT = 8192
"""Packets of it were kept only in part (snaplen)."""
UNACKNOWLEDGED = 16384
"""The client's last bytes were never acknowledged."""
SERVER_ALERT = 32768
"""TLS: the server sent an alert behind its handshake: close_notify, as far as can be told."""
CLIENT_ALERT = 65536
"""TLS: the client sent one first, and nothing behind it: a close, before its FIN."""
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
CLOCKS_APART = 8388608
"""Packets of it were captured well behind others that answer them: not all by the same clock."""
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
        self.letters: Region = bytearray(1024)
        self.buffer = memoryview(self.letters)
        self.places: Region = bytearray(256)
        self.starts = memoryview(self.places).cast("I")
        self.recent = memoryview(array.array("i", [-1] * RECENT_SLOTS))
        self.hashes = memoryview(zeros("I", RECENT_SLOTS))
        self.single = Text()

    def add(self, text: Text, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The number of the word that stands between `at` and `end`."""
        size: cython.Py_ssize_t = end - at
        hashed: cython.uint
        if cython.compiled and size >= 8:
            text.view[end - 1]  # the bounds check, with that of the next line
            first: cython.p_const_uchar = cython.address(text.view[at])
            front = cython.declare(cython.ulonglong)
            back = cython.declare(cython.ulonglong)
            memcpy(cython.address(front), first + (size - HASHED if size > HASHED else 0), 8)
            memcpy(cython.address(back), first + size - 8, 8)
            hashed = cython.cast(cython.uint, (front * SPREAD_1 + back * SPREAD_2 + size) >> 32)
        else:
            hashed = text.hashed(end - HASHED if size > HASHED else at, end, size)
        slot: cython.Py_ssize_t = (hashed ^ (hashed >> 12)) & (RECENT_SLOTS - 1)
        number: cython.Py_ssize_t = self.recent[slot]
        if self.hashes[slot] == hashed and number >= 0 and self._holds(number, text, at, size):
            return number
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
        number = self.count
        self.count += 1
        self.starts[self.count] = self.filled
        self.recent[slot] = number
        self.hashes[slot] = hashed
        return number

    def _holds(
        self, number: cython.Py_ssize_t, text: Text, at: cython.Py_ssize_t, size: cython.Py_ssize_t
    ) -> cython.bint:
        """Whether the word with this number is what `text` has at `at`, so many bytes long."""
        begin: cython.Py_ssize_t = self.starts[number]
        if self.starts[number + 1] - begin != size:
            return False
        if cython.compiled:
            if size == 0:
                return True
            text.view[at + size - 1]  # the bounds check, with that of the next line; what is held is all in the buffer
            return memcmp(cython.address(text.view[at]), cython.address(self.buffer[begin]), size) == 0
        return bool(text.view[at : at + size] == self.buffer[begin : begin + size])

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

    def ends_alike(self, one: cython.Py_ssize_t, other: cython.Py_ssize_t) -> cython.bint:
        """Whether the last bytes of two words are the same, eight of them, or as many as the shorter one has."""
        size: cython.Py_ssize_t = min(
            self.starts[one + 1] - self.starts[one], self.starts[other + 1] - self.starts[other], 8
        )
        back: cython.Py_ssize_t
        for back in range(1, size + 1):
            if self.buffer[self.starts[one + 1] - back] != self.buffer[self.starts[other + 1] - back]:
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
        return bytes(self.letters[self.starts[number] : self.starts[number + 1]]).decode("latin-1")

    def _room(self, size: cython.Py_ssize_t) -> cython.int:
        """Makes sure that one more word of `size` bytes fits."""
        if self.filled + size > len(self.buffer):
            self.buffer = memoryview(NOTHING)
            self.letters = in_large_pages(grown(self.letters, 2 * (self.filled + size)))
            self.buffer = memoryview(self.letters)
        if self.count + 2 > len(self.starts):
            self.starts = memoryview(NOTHING).cast("I")
            self.places = grown(self.places, 8 * (self.count + 2))
            self.starts = memoryview(self.places).cast("I")
        return 0


class Table:
    """Rows of typed columns, all zero at first, in memory that grows.

    What every row has stands in the rows themselves, one behind the other: so a row is written into two or three cache
    lines, not into one for each column. What few rows have stands apart, each column for itself: it takes no memory
    where nothing is written to it. `column(name)` reads either from Python; typed views are attributes, for the engine.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.capacity = 0
        self.width = 8
        """Bytes of a row."""
        self.taken = 0
        """Bytes of a row that the columns laid out so far take."""
        self.block: Region = bytearray()
        self.cells = memoryview(NOTHING)
        self.apart: dict[str, Region] = {}
        self.views: dict[str, memoryview] = {}
        self._grow()

    def add(self) -> cython.Py_ssize_t:
        """A new row, all zero."""
        if self.rows == self.capacity:
            self._grow()
        self.rows += 1
        return self.rows - 1

    def column(self, name: str) -> memoryview:
        """The column's values, one for each row."""
        return self.views[name][: self.rows]

    def columns(self) -> dict[str, memoryview]:
        """All columns, by name."""
        return {name: self.column(name) for name in self.views}

    def _grow(self) -> cython.int:
        """Room for several times as many rows."""
        capacity: cython.Py_ssize_t = max(FIRST_CAPACITY, self.capacity * (4 if self.capacity < MANY else 2))
        if self.capacity == 0 or not isinstance(self.block, bytearray):
            self.capacity = 0
            self._lay_out()  # on nothing: lets go of memory that could not be moved else, and measures a row
            self.width = (self.taken + 7) & ~7
        self.block = in_large_pages(grown(self.block, capacity * self.width))
        self.capacity = capacity
        self._lay_out()
        return 0

    def _lay_out(self) -> cython.int:
        """Makes the columns, by the two methods below; those of the largest items first, so that all are aligned."""
        self.taken = 0
        self.cells = memoryview(self.block if self.capacity else NOTHING)
        return 0

    def _in_row(self, name: str, code: str) -> memoryview:
        """A column of what every row has."""
        items = memoryview(self.cells).cast(code)  # type: ignore[call-overload]
        size: cython.Py_ssize_t = items.itemsize
        self.views[name] = items[self.taken // size :: self.width // size]
        self.taken += size
        return self.views[name]

    def _apart(self, name: str, code: str) -> memoryview:
        """A column of what few rows have."""
        size: cython.Py_ssize_t = array.array(code).itemsize
        if self.capacity:
            self.apart[name] = grown(self.apart.get(name, NOTHING), self.capacity * size)
        region = memoryview(self.apart[name] if self.capacity else NOTHING)
        self.views[name] = region.cast(code)  # type: ignore[call-overload]
        return self.views[name]


class ConnectionTable(Table):
    """One row a connection, in the order of first packets. Side 0 sent the first packet, side 1 is its peer.

    `closer`, `closed`, `closed_with`, `close_frame`: the first FIN or RST; `answered`, `answered_with`, `answer_frame`:
    the first one of the other side. `active`: when the last payload came, TLS alerts left out. `turns`: how often the
    client spoke anew inside TLS or HTTP/2. `again_frame`: the last time that it sent something once more. `odd_frame`:
    the first bytes that nobody asked the server for, an alert, or a GOAWAY; `odd_status`: of a response to nothing.
    `setup_packets`, `setup_bytes`: packets and payload until it could carry a request, TLS included.
    `agent`, `software`: words of User-Agent and Server, plus one, 0 for none. `keep_timeout`, `keep_max`: the last
    Keep-Alive field, plus one. `tls_ns`: from the end of the TCP handshake to that of TLS, plus one, 0 for none.
    `body_left`: bytes that the last response announced and never had, -1 for unknown. `away`: from the SYN-ACK to the
    client's answer, where that is more than a millisecond: how far the client is from where packets were captured,
    there and back. `numbers`: the initial sequence numbers of client and server, the client's above the other's 32
    bits, 0 where the handshake is not complete. `farther`: the hop limit of the client's SYN less that of the SYN-ACK,
    modulo 256: two fewer behind each router on the way to the server.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tls: dict[int, tuple[bytes, bytes, int, int]] = {}
        """Row to (server name, ALPN protocol, version, resumed: 1, 0, or -1 where not known)."""
        self.nameless: set[int] = set()
        """Rows of those whose ClientHello was seen, and names no server."""
        self.places: dict[str, str] = {}
        """Where tunnels lead to, in small letters: one object for each."""
        self.tunnels: dict[int, tuple[int, str]] = {}
        """Row to the depth of the exchange that made a tunnel of it, and where that leads."""
        self.networks: Sequence[int] | None = None
        """By row: 0, or the network that it is of, where several have addresses in common (see `networks`)."""
        self.told: set[frozenset[int]] = set()
        """Two such networks each that were told from each other."""
        self.doubts: list[tuple[int, int]] = []
        """Rows of two connections with one 4-tuple, of which nothing shows whether they are of one network."""
        self.twins: dict[int, int] = {}
        """Row of a connection to that of the first one whose handshake has the same two numbers (see `twins`)."""

    def _lay_out(self) -> cython.int:
        Table._lay_out(self)
        self.lo0 = self._in_row("lo0", "Q")
        self.lo1 = self._in_row("lo1", "Q")
        self.opened = self._in_row("opened", "q")
        self.closed = self._in_row("closed", "q")
        self.answered = self._in_row("answered", "q")
        self.active = self._in_row("active", "q")
        self.handshake_ns = self._in_row("handshake_ns", "q")
        self.bytes0 = self._in_row("bytes0", "Q")
        self.bytes1 = self._in_row("bytes1", "Q")
        self.history_early = self._in_row("history_early", "Q")
        self.numbers = self._in_row("numbers", "Q")
        self.packets0 = self._in_row("packets0", "I")
        self.packets1 = self._in_row("packets1", "I")
        self.largest0 = self._in_row("largest0", "I")
        self.largest1 = self._in_row("largest1", "I")
        self.first_frame = self._in_row("first_frame", "I")
        self.syn_frame = self._in_row("syn_frame", "I")
        self.synack_frame = self._in_row("synack_frame", "I")
        self.ack_frame = self._in_row("ack_frame", "I")
        self.close_frame = self._in_row("close_frame", "I")
        self.answer_frame = self._in_row("answer_frame", "I")
        self.request_frame = self._in_row("request_frame", "I")
        self.requests = self._in_row("requests", "I")
        self.responses = self._in_row("responses", "I")
        self.setup_packets = self._in_row("setup_packets", "I")
        self.flags = self._in_row("flags", "I")
        self.port0 = self._in_row("port0", "H")
        self.port1 = self._in_row("port1", "H")
        self.version = self._in_row("version", "B")
        self.client = self._in_row("client", "B")
        self.state = self._in_row("state", "B")
        self.closer = self._in_row("closer", "B")
        self.closed_with = self._in_row("closed_with", "B")
        self.answered_with = self._in_row("answered_with", "B")
        self.protocol = self._in_row("protocol", "B")
        self.farther = self._in_row("farther", "B")
        # IPv6, TLS, names that agents give themselves, and what is odd: a capture has none of it, or much.
        self.hi0 = self._apart("hi0", "Q")
        self.hi1 = self._apart("hi1", "Q")
        self.history_late = self._apart("history_late", "Q")
        self.tls_ns = self._apart("tls_ns", "q")
        self.turns = self._apart("turns", "I")
        self.setup_bytes = self._apart("setup_bytes", "Q")
        self.agent = self._apart("agent", "i")
        self.software = self._apart("software", "i")
        self.keep_timeout = self._apart("keep_timeout", "I")
        self.keep_max = self._apart("keep_max", "I")
        self.missing = self._apart("missing", "Q")
        self.body_left = self._apart("body_left", "q")
        self.again_frame = self._apart("again_frame", "I")
        self.odd_frame = self._apart("odd_frame", "I")
        self.odd_ns = self._apart("odd_ns", "q")
        self.odd_status = self._apart("odd_status", "H")
        self.away = self._apart("away", "q")
        return 0


class ExchangeTable(Table):
    """One row an exchange, in the order in which request heads were complete. `location`: word of the response's
    Location, plus one, 0 for none. `octets`: in a turn, bytes of the server's records."""

    def _lay_out(self) -> cython.int:
        Table._lay_out(self)
        self.request_ns = self._in_row("request_ns", "q")
        self.response_ns = self._in_row("response_ns", "q")
        self.end_ns = self._in_row("end_ns", "q")
        self.connection = self._in_row("connection", "I")
        self.depth = self._in_row("depth", "I")
        self.method = self._in_row("method", "i")
        self.target = self._in_row("target", "i")
        self.host = self._in_row("host", "i")
        self.flags = self._in_row("flags", "I")
        self.request_frame = self._in_row("request_frame", "I")
        self.response_frame = self._in_row("response_frame", "I")
        self.end_frame = self._in_row("end_frame", "I")
        self.status = self._in_row("status", "H")
        self.location = self._apart("location", "i")
        self.octets = self._apart("octets", "I")
        return 0

    def add_from(self, other: ExchangeTable, row: cython.Py_ssize_t) -> cython.int:
        """Appends one row of another table."""
        here: cython.Py_ssize_t = self.add()
        transfer(other.cells, row * self.width, self.cells, here * self.width, self.width)
        if other.location[row]:
            self.location[here] = other.location[row]
        if other.octets[row]:
            self.octets[here] = other.octets[row]
        return 0

    def extend(self, records: list[dict[str, int]]) -> None:
        """Appends rows given as values by column."""
        for record in records:
            row = self.add()
            for name, value in record.items():
                self.views[name][row] = value


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
        self.answered_before: dict[int, tuple[int, int, int]] = {}
        """By row of a connection whose SYN-ACK came with another number before, which nobody acknowledged yet: that,
        its frame and its hop limit."""
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
        self.silent: Half = Half.__new__(Half)
        """The half of every side that has sent nothing, and that nothing but a SYN was sent to."""
        self.silent.begin()

    def response_heads_swapped(self) -> Head:
        """The head of the response before last, where the next one is read."""
        self.response_head, self.other_response_head = self.other_response_head, self.response_head
        return self.response_head
