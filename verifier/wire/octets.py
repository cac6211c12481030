# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""Reading bytes out of a buffer: the few operations worth a call into C, each with an equal in plain Python."""

from __future__ import annotations

import array

import cython

if cython.compiled:
    from cython.cimports.libc.string import memchr, memcmp, memcpy

Octets = memoryview
"""A buffer of bytes. The `.pxd` files type such arguments `const unsigned char[:]`."""


TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

    Region = bytearray | mmap.mmap

LOW_BITS = cython.declare(cython.uint, 0xFFFFFFFF)
PAGED = 1 << 18
"""Bytes from which on zeros are taken from the system page by page."""


def sparse() -> bool:
    """Whether large zeros take memory only as they are written to."""
    import mmap

    return hasattr(mmap, "MAP_PRIVATE")


def zeros(code: str, size: int) -> array.array[int] | memoryview:
    """`size` zeros of this type code. Of many, memory is taken only as they are written to, where the system can."""
    octets = array.array(code).itemsize * size
    if octets < PAGED or not sparse():
        return array.array(code, bytes(octets))
    import mmap

    region = mmap.mmap(-1, octets, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return memoryview(region).cast(code)  # type: ignore[call-overload, no-any-return]


def widened(old: array.array[int] | memoryview, size: int) -> array.array[int] | memoryview:
    """`size` numbers: those of `old`, then zeros."""
    new = zeros(memoryview(old).format, size)
    memoryview(new)[: len(old)] = memoryview(old)
    return new


def grown(region: Region, octets: int) -> Region:
    """`octets` bytes: those of `region`, then zeros, which of many take memory only as they are written to. Where the
    system can move memory nothing is copied, so that what was not written to takes none afterwards, either; nobody may
    look at the region meanwhile."""
    if octets < PAGED or not sparse():
        return bytearray(region[:]) + bytearray(octets - len(region))
    import mmap

    if isinstance(region, mmap.mmap):
        try:
            region.resize(octets)
        except (BufferError, SystemError):  # somebody looks at it after all; a system that can't move memory
            pass
        else:
            return region
    larger = mmap.mmap(-1, octets, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    larger[: len(region)] = region[:]
    return larger


def in_large_pages(region: Region) -> Region:
    """The same region. Where memory is taken only as it is written to, Linux is asked to give it 2 MiB at a time: it
    takes a fifth of the time that as much in pages of 4 KiB takes."""
    advise = getattr(region, "madvise", None)
    if advise is not None:
        import mmap

        try:
            advise(mmap.MADV_HUGEPAGE)
        except (AttributeError, OSError):  # a system without such pages
            return region
    return region


def copy(view: Octets, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytes:
    """view[at:end] as bytes."""
    if at >= end:
        return b""
    if not cython.compiled:
        return bytes(view[at:end])
    view[end - 1]
    start: cython.p_char = cython.cast(cython.p_char, cython.address(view[at]))
    return start[: end - at]


def transfer(
    source: Octets, source_at: cython.Py_ssize_t, target: Octets, target_at: cython.Py_ssize_t, size: cython.Py_ssize_t
) -> cython.int:
    """Copies `size` bytes from one buffer's place to another's."""
    if size <= 0:
        return 0
    if not cython.compiled:
        target[target_at : target_at + size] = source[source_at : source_at + size]
        return 0
    source[source_at + size - 1]
    target[target_at + size - 1]
    memcpy(cython.address(target[target_at]), cython.address(source[source_at]), size)
    return 0


class Text:
    """A buffer that is read as text. An object, because compiled code copies the 200 bytes of a typed view for each
    call it is handed to."""

    def __init__(self) -> None:
        self.view = memoryview(b"")

    def look(self, view: Octets) -> cython.int:
        """Reads in `view` from now on."""
        if cython.compiled:
            # The same buffer as before, for nearly every head: an object that is held can't be another at its place.
            size: cython.Py_ssize_t = len(view)
            if size and size == len(self.view) and cython.address(view[0]) == cython.address(self.view[0]):
                return 0
        self.view = view
        return 0

    def find(self, wanted: cython.uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Index of the first `wanted` between `at` and `end`, or -1."""
        if at >= end:
            return -1
        if not cython.compiled:
            place = bytes(self.view[at:end]).find(wanted)
            return place if place < 0 else at + place
        self.view[end - 1]  # the bounds check of the whole range
        start: cython.p_uchar = cython.cast(cython.p_uchar, cython.address(self.view[at]))
        hit: cython.p_uchar = cython.cast(cython.p_uchar, memchr(start, wanted, end - at))
        if hit == cython.NULL:
            return -1
        return at + (hit - start)

    def is_word(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, word: bytes) -> cython.bint:
        """Whether the text is `word` in any case. `word` is lower case, and letters, digits and hyphens only."""
        if end - at != len(word):
            return False
        i: cython.Py_ssize_t
        letter: cython.int
        for i in range(end - at):
            letter = self.view[at + i]
            if 65 <= letter <= 90:
                letter |= 32
            if letter != word[i]:
                return False
        return True

    def matches(self, at: cython.Py_ssize_t, word: bytes) -> cython.bint:
        """Whether `word` stands at `at`, byte for byte; so many bytes are there."""
        if not cython.compiled:
            return bytes(self.view[at : at + len(word)]) == word
        self.view[at + len(word) - 1]
        return memcmp(cython.address(self.view[at]), cython.cast(cython.p_char, word), len(word)) == 0

    def hashed(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, start: cython.uint) -> cython.uint:
        """A number made of `start` and of the bytes between `at` and `end`."""
        i: cython.Py_ssize_t
        for i in range(at, end):
            start = (start * 31 + self.view[i]) & LOW_BITS
        return start
