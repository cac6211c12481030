# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""The head of an HTTP/1 message: start line and fields (RFC 9112, sections 2 to 5), read in place.

Only the fields that decide framing, re-use and blame are looked at. One object is filled again for each head.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import Octets, zeros

if cython.compiled:
    from cython.cimports.libc.string import memchr, memcmp
    from cython.cimports.verifier.wire.octets import Text, transfer
else:
    from verifier.wire.octets import Text, transfer

CR = cython.declare(cython.int, 13)
LF = cython.declare(cython.int, 10)
SP = cython.declare(cython.int, 32)
HTAB = cython.declare(cython.int, 9)

TOKEN = cython.declare(bytes, bytes(32 < letter < 127 and letter not in b'"(),/:;<=>?@[\\]{}' for letter in range(256)))
"""For each byte, whether a token, and so a method, can have it (RFC 9110, section 5.6.2)."""
LONGEST_METHOD = 32
"""Bytes. The longest registered method, UPDATEREDIRECTREF, has 17 (IANA HTTP Method Registry)."""

LONGEST_PROXY_LINE = cython.declare(cython.Py_ssize_t, 107)
"""Bytes of the line that a proxy puts in front of a connection's first request (PROXY protocol, section 2.1)."""
PROXY_HEAD = cython.declare(cython.Py_ssize_t, 12)
"""Bytes of its second version, behind the empty lines with which that begins (section 2.2)."""

# What `parse` returns instead of the place behind the head.
INCOMPLETE = -1
INVALID = -2

_LONGEST_METHOD = cython.declare(cython.Py_ssize_t, LONGEST_METHOD)
_INCOMPLETE = cython.declare(cython.Py_ssize_t, INCOMPLETE)
_INVALID = cython.declare(cython.Py_ssize_t, INVALID)

NO_LENGTH = cython.declare(cython.longlong, -1)
BAD_LENGTH = cython.declare(cython.longlong, -2)
UNKNOWN_WORD = cython.declare(cython.int, -2)
LONGEST_REMEMBERED = cython.declare(cython.Py_ssize_t, 1024)
"""Bytes. A longer head is read each time."""
SMALLEST_HOLE = cython.declare(cython.Py_ssize_t, 512)
"""Bytes of zeros that a file has where it was not written to: a sector. Fewer of them in a target are its own."""
MOST_DIGITS = cython.declare(cython.Py_ssize_t, 18)
"""10**18 - 1 is the largest body told apart; it still fits 64 bits."""


class Head:
    """`status` is 0 in a request. Places are (from, to) in `text`, `product` that of User-Agent or Server; an end of 0
    is that of a field that is not there. `keep_timeout` (seconds) and `keep_max` are those of Keep-Alive, plus one.

    Heads repeat, byte for byte: a server's within the same second, a client's but for the target. So the last one is
    remembered with what it means, and one that is the same need not be read.
    """

    def __init__(self) -> None:
        self.text = Text()
        self.start = 0
        self.last = memoryview(zeros("B", LONGEST_REMEMBERED))
        self.last_size = 0
        """0 where the last one was not remembered: it was longer, or none."""
        self.last_line = 0
        """Bytes of `last` before its fields."""
        self.last_target_end = 0
        self.usual = False
        """Whether the last one means nothing more than what it gives its exchange, as follows, and its lane."""
        self.method_word = UNKNOWN_WORD
        self.host_word = UNKNOWN_WORD
        self.product_word = UNKNOWN_WORD
        self.flags = 0
        self.next = 0
        self.whole = 0
        """The state of the lane behind it, and that in which its body is left out."""
        self.proxy_line = 0
        """Where `parse` found no start line: the place behind the line of a proxy that it found instead, or 0."""

    def plausible(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
        """Whether the text, without a line end yet, can be the beginning of a start line."""
        i: cython.Py_ssize_t
        letter: cython.int
        for i in range(at, end):
            letter = self.text.view[i]
            if letter == SP:
                return i > at
            if letter == 47 and i == at + 4:  # the slash of HTTP/1.1
                return self.text.is_word(at, i, b"http")
            if not TOKEN[letter]:
                return False
            if i - at >= _LONGEST_METHOD:
                return False
        return end > at

    def version_at(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """10 for HTTP/1.0, 11 for HTTP/1.1 and so on where a version begins at `at`, else -1."""
        text: Text = self.text
        if at + 8 > end or text.view[at] != 72 or not text.matches(at, b"HTTP/") or text.view[at + 6] != 46:
            return -1
        major: cython.int = text.view[at + 5] - 48
        minor: cython.int = text.view[at + 7] - 48
        if major < 0 or major > 9 or minor < 0 or minor > 9:
            return -1
        return major * 10 + minor

    def parse(self, view: Octets, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Reads the head that begins at `at`: the place behind it, INCOMPLETE, or INVALID where this is no head."""
        text: Text = self.text
        text.look(view)
        self.start = at
        self.last_size = 0
        self.proxy_line = 0
        self.usual = False
        stop: cython.Py_ssize_t
        line_end: cython.Py_ssize_t = text.find(LF, at, end)
        if line_end < 0:
            return _INCOMPLETE if self.plausible(at, end) else _INVALID
        if not self.start_line(at, line_end):
            if line_end - at <= LONGEST_PROXY_LINE and self._starts(at, line_end, b"proxy"):
                self.proxy_line = line_end + 1
            elif at + PROXY_HEAD <= end and text.matches(at, b"\0\r\nQUIT\n"):
                # Version 2 of it, in bytes, behind empty lines: as many as its last two say.
                size: cython.Py_ssize_t = (text.view[at + PROXY_HEAD - 2] << 8) | text.view[at + PROXY_HEAD - 1]
                if at + PROXY_HEAD + size <= end:
                    self.proxy_line = at + PROXY_HEAD + size
            return _INVALID
        first_end: cython.Py_ssize_t = line_end
        while True:
            at = line_end + 1
            line_end = text.find(LF, at, end)
            if line_end < 0:
                return _INCOMPLETE
            stop = line_end
            if stop > at and text.view[stop - 1] == CR:
                stop -= 1
            if stop == at:
                if self._has_hole(line_end):
                    self.length = BAD_LENGTH
                self._remember(first_end, line_end + 1)
                return line_end + 1
            self.field(at, stop)

    def _remember(self, line_end: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The head that was read has the end of its first line at `line_end`, and ends at `end`."""
        size: cython.Py_ssize_t = end - self.start
        if size <= LONGEST_REMEMBERED:
            transfer(self.text.view, self.start, self.last, 0, size)
            self.last_size = size
            self.last_line = line_end + 1 - self.start
            self.last_target_end = self.target_end - self.start
        return 0

    def same(self, first: cython.p_const_uchar, size: cython.Py_ssize_t) -> cython.bint:
        """Whether the head that begins at `first` is the last one. `size` bytes are there."""
        if cython.compiled:
            return self.last_size <= size and memcmp(first, cython.address(self.last[0]), self.last_size) == 0
        return False

    def target_again(self, first: cython.p_const_uchar, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Where the target ends, from `first` on, of the request whose head begins there, if its method and the space
        behind that are those of the last one, then a target comes, then all that stood behind the last one's; else
        INCOMPLETE. `size` bytes are there."""
        if cython.compiled:
            last: cython.p_const_uchar = cython.address(self.last[0])
            target: cython.Py_ssize_t = self.target - self.start
            behind: cython.Py_ssize_t = self.last_target_end
            if target >= size or memcmp(first, last, target) != 0:
                return _INCOMPLETE
            hit: cython.p_const_uchar = cython.cast(cython.p_const_uchar, memchr(first + target, LF, size - target))
            if hit == cython.NULL:
                return _INCOMPLETE
            target_end: cython.Py_ssize_t = (hit - first) + 1 - (self.last_line - behind)
            if target_end <= target or first[target] == SP or first[target_end - 1] == SP:
                return _INCOMPLETE
            if self.last_size - behind > size - target_end:
                return _INCOMPLETE
            if target_end - target >= SMALLEST_HOLE and memchr(first + target, 0, target_end - target) != cython.NULL:
                return _INCOMPLETE
            if memcmp(first + target_end, last + behind, self.last_size - behind) != 0:
                return _INCOMPLETE
            return target_end
        return _INCOMPLETE

    def start_line(self, at: cython.Py_ssize_t, line_end: cython.Py_ssize_t) -> cython.bint:
        """Reads the start line text.view[at:line_end]; whether it is one. Forgets the head before."""
        text: Text = self.text
        stop: cython.Py_ssize_t = line_end
        if stop > at and text.view[stop - 1] == CR:
            stop -= 1
        self.length = NO_LENGTH
        self.chunked = False
        self.coded = False
        self.close = False
        self.keep_alive = False
        self.upgrade = False
        self.bound_auth = False
        self.h2c = False
        self.to_tls = False
        self.forwarded = False
        self.expects = False
        self.keep_timeout = 0
        self.keep_max = 0
        self.host = 0
        self.host_end = 0
        self.product = 0
        self.product_end = 0
        self.location = 0
        self.location_end = 0
        self.status = 0
        self.method = at
        self.method_end = at
        self.target = at
        self.target_end = at
        self.version = self.version_at(at, stop)
        if self.version >= 0:
            return self._status_line(at + 8, stop)
        if stop - at >= 7 and text.matches(at, b"ICY ") and self._status_line(at + 3, stop):
            self.version = 10  # radio stations (SHOUTcast) answer so to requests of HTTP
            return True
        self.status = 0
        return self._request_line(at, stop)

    def _has_hole(self, end: cython.Py_ssize_t) -> cython.bint:
        """Whether the head has zeros where a file has a hole, and had fields, or another message. No field may have one
        (RFC 9110, section 5.5)."""
        at: cython.Py_ssize_t = self.target if self.target_end - self.target >= SMALLEST_HOLE else self.target_end
        return self.text.find(0, at, end) >= 0

    def _status_line(self, i: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.bint:
        """RFC 9112, section 4, behind the version. Servers leave out the reason phrase, and the space before it."""
        text: Text = self.text
        if i >= stop or text.view[i] != SP:
            return False
        while i < stop and text.view[i] == SP:
            i += 1
        if i + 3 > stop:
            return False
        digit: cython.int
        k: cython.Py_ssize_t
        for k in range(i, i + 3):
            digit = text.view[k] - 48
            if digit < 0 or digit > 9:
                return False
            self.status = self.status * 10 + digit
        return self.status >= 100 and (i + 3 == stop or text.view[i + 3] == SP)

    def _request_line(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.bint:
        """RFC 9112, section 3: method, target, version. A target with spaces in it is taken as it is, as servers do."""
        text: Text = self.text
        if not self.plausible(at, stop):
            return False
        i: cython.Py_ssize_t = at
        i = text.find(SP, at, stop)
        if i < 0:
            i = stop
        self.method_end = i
        while i < stop and text.view[i] == SP:
            i += 1
        self.target = i
        while stop > i and text.view[stop - 1] == SP:
            stop -= 1
        if stop - 9 < i or text.view[stop - 9] != SP:
            return False
        self.version = self.version_at(stop - 8, stop)
        self.target_end = stop - 9
        while self.target_end > self.target and text.view[self.target_end - 1] == SP:
            self.target_end -= 1
        return self.version >= 0

    def is_preface(self) -> cython.bint:
        """Whether this request of version 2.0 is that with which HTTP/2's preface begins (RFC 9113, section 3.4)."""
        return self.target_end - self.target == 1 and self.text.is_word(self.method, self.method_end, b"pri")

    def hinges_on_target(self) -> cython.bint:
        """Whether this request with another target could be something else: HTTP/2's preface, or a radio's response."""
        return self.version == 20 or self.text.is_word(self.method, self.method_end, b"icy")

    def field(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """Reads one field line, where it is one that matters."""
        text: Text = self.text
        letter: cython.int = text.view[at] | 32
        # The first letters of those below: c e f h k l p s t u v w x.
        if letter not in (99, 101, 102, 104, 107, 108, 112, 115, 116, 117, 118, 119, 120):
            return self._folded(at, stop) if text.view[at] == SP or text.view[at] == HTAB else 0
        colon: cython.Py_ssize_t = at
        while colon < stop and text.view[colon] != 58:
            colon += 1
        size: cython.Py_ssize_t = colon - at
        if colon == stop or size < 3:
            return 0
        if text.view[colon - 1] == SP or text.view[colon - 1] == HTAB:
            return self._spaced(at, colon)
        if size > 18:
            return 0
        value: cython.Py_ssize_t = colon + 1
        while value < stop and (text.view[value] == SP or text.view[value] == HTAB):
            value += 1
        while stop > value and (text.view[stop - 1] == SP or text.view[stop - 1] == HTAB):
            stop -= 1
        if size == 4:
            if self.host_end == 0 and text.is_word(at, colon, b"host"):
                self.host = value
                self.host_end = stop
        elif size == 6:
            if text.is_word(at, colon, b"server"):
                self.product = value
                self.product_end = stop
            elif text.is_word(at, colon, b"expect"):
                self.expects = self._starts(value, stop, b"100-continue")
        elif size == 8:
            if text.is_word(at, colon, b"location"):
                self.location = value
                self.location_end = stop
        elif size == 7:
            if text.is_word(at, colon, b"upgrade"):
                self.upgrade = True
                self.h2c = self._starts(value, stop, b"h2c")
                self.to_tls = self._starts(value, stop, b"tls/")
        elif size == 10:
            if text.is_word(at, colon, b"connection"):
                self._connection(value, stop)
            elif text.is_word(at, colon, b"user-agent"):
                self.product = value
                self.product_end = stop
            elif text.is_word(at, colon, b"keep-alive"):
                self._keep_alive(value, stop)
        elif size == 14:
            if text.is_word(at, colon, b"content-length"):
                self.length_before = self.length  # of a field before it, where this one goes on in the next line
                self._length(value, stop)
        elif size == 16:
            if text.is_word(at, colon, b"www-authenticate"):
                self._authenticate(value, stop)
        elif size == 18:
            if text.is_word(at, colon, b"proxy-authenticate"):
                self._authenticate(value, stop)
        elif size == 17 and text.is_word(at, colon, b"transfer-encoding"):
            # No coding at all (RFC 2616, section 3.6), and no longer sent.
            if not text.is_word(value, stop, b"identity"):
                self.coded = True
                self.chunked = self._ends_chunked(value, stop)
        elif self._is_forwarding(at, colon):
            self.forwarded = True
        return 0

    def _spaced(self, at: cython.Py_ssize_t, colon: cython.Py_ssize_t) -> cython.int:
        """A name with a blank behind it. Some read it as if there were none, some pass over the field, and servers have
        to refuse it (RFC 9112, section 5.1): where it is one that frames, nobody knows where the message ends."""
        while colon > at and (self.text.view[colon - 1] == SP or self.text.view[colon - 1] == HTAB):
            colon -= 1
        if self.text.is_word(at, colon, b"content-length") or self.text.is_word(at, colon, b"transfer-encoding"):
            self.length = BAD_LENGTH
        return 0

    def _folded(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """A line that goes on with the value of the field before, as senders no longer may (RFC 9112, section 5.2):
        read where it matters to framing and re-use."""
        text: Text = self.text
        begin: cython.Py_ssize_t = at - 1
        while begin > self.start and text.view[begin - 1] != LF:
            begin -= 1
        while at < stop and (text.view[at] == SP or text.view[at] == HTAB):
            at += 1
        while stop > at and (text.view[stop - 1] == SP or text.view[stop - 1] == HTAB):
            stop -= 1
        colon: cython.Py_ssize_t = text.find(58, begin, at)
        if colon < 0 or at == stop:
            return 0
        if text.is_word(begin, colon, b"transfer-encoding"):
            self.coded = True
            self.chunked = self._ends_chunked(at, stop)
        elif text.is_word(begin, colon, b"content-length"):
            empty: cython.bint = True
            for begin in range(colon + 1, at):
                empty = empty and text.view[begin] in (SP, HTAB, CR, LF)
            self.length = self.length_before if empty else BAD_LENGTH
            self._length(at, stop)
        elif text.is_word(begin, colon, b"connection"):
            self._connection(at, stop)
        return 0

    def _is_forwarding(self, at: cython.Py_ssize_t, colon: cython.Py_ssize_t) -> cython.bint:
        """Whether this is a field that proxies and load balancers add to what they pass on."""
        text: Text = self.text
        size: cython.Py_ssize_t = colon - at
        if size == 3:
            return text.is_word(at, colon, b"via")
        if size == 9:
            return text.is_word(at, colon, b"forwarded")
        return size == 15 and (
            text.is_word(at, colon, b"x-forwarded-for") or text.is_word(at, colon, b"x-amzn-trace-id")
        )

    def _authenticate(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """A challenge whose answer counts for the connection, not for the request (RFC 4559, section 6)."""
        self.bound_auth = self.bound_auth or self._starts(at, stop, b"ntlm") or self._starts(at, stop, b"negotiate")
        return 0

    def _keep_alive(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """Keep-Alive: timeout=5, max=100 (RFC 2068, section 19.7.1.1; Apache and many others send it)."""
        while at < stop:
            if self._starts(at, stop, b"timeout="):
                self.keep_timeout = self._number(at + 8, stop) + 1
            elif self._starts(at, stop, b"max="):
                self.keep_max = self._number(at + 4, stop) + 1
            at = self.text.find(44, at, stop) + 1
            if at == 0:
                break
            while at < stop and (self.text.view[at] == SP or self.text.view[at] == HTAB):
                at += 1
        return 0

    def _number(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.uint:
        """The decimal number that begins at `at`, 0 where none does; its first nine digits."""
        number: cython.uint = 0
        start: cython.Py_ssize_t = at
        while at < stop and at - start < 9 and 48 <= self.text.view[at] <= 57:
            number = number * 10 + (self.text.view[at] - 48)
            at += 1
        return number

    def _connection(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """Connection: a comma-separated list, in which three members matter here."""
        text: Text = self.text
        comma: cython.Py_ssize_t
        last: cython.Py_ssize_t
        while at < stop:
            comma = text.find(44, at, stop)
            last = comma if comma >= 0 else stop
            while at < last and (text.view[at] == SP or text.view[at] == HTAB):
                at += 1
            comma = last
            while last > at and (text.view[last - 1] == SP or text.view[last - 1] == HTAB):
                last -= 1
            if last - at == 5:
                self.close = self.close or text.is_word(at, last, b"close")
            elif last - at == 7:
                self.upgrade = self.upgrade or text.is_word(at, last, b"upgrade")
            elif last - at == 10:
                self.keep_alive = self.keep_alive or text.is_word(at, last, b"keep-alive")
            at = comma + 1
        return 0

    def _length(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.int:
        """Content-Length: digits; a list or a repetition only of the same number (RFC 9110, section 8.6)."""
        text: Text = self.text
        number: cython.longlong = 0
        digits: cython.Py_ssize_t = 0
        letter: cython.int
        i: cython.Py_ssize_t
        for i in range(at, stop + 1):
            letter = text.view[i] if i < stop else 44
            if 48 <= letter <= 57 and digits < MOST_DIGITS:
                number = number * 10 + (letter - 48)
                digits = digits + 1 if number else 1  # zeros in front are many at times, and say nothing
            elif letter == 44 and digits and self.length in (NO_LENGTH, number):
                self.length = number
                number = 0
                digits = 0
            elif letter != SP or (digits and i + 1 < stop and 48 <= text.view[i + 1] <= 57):
                self.length = BAD_LENGTH
                return 0
        return 0

    def _starts(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t, word: bytes) -> cython.bint:
        """Whether the value begins with `word`, in any case."""
        return stop - at >= len(word) and self.text.is_word(at, at + len(word), word)

    def _ends_chunked(self, at: cython.Py_ssize_t, stop: cython.Py_ssize_t) -> cython.bint:
        """Whether `chunked` is the last member of the list, empty ones aside (RFC 9110, section 5.6.1)."""
        while stop > at and self.text.view[stop - 1] in (SP, HTAB, 44):
            stop -= 1
        if stop - at < 7 or not self.text.is_word(stop - 7, stop, b"chunked"):
            return False
        return stop - at == 7 or self.text.view[stop - 8] in (SP, HTAB, 44)
