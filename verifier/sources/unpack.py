"""Compressed captures, unpacked as they are read: gzip, bzip2, xz, zstd, lz4. Imported only where one is met.

All decompressors take pieces and give pieces, so that memory is bounded whatever a file unpacks to. A compressed file
is one member or several behind each other, as parallel compressors and `cat` make them. Damage ends the reading: what
came out before stands, and `problem` says what is wrong. No bytes of the input are asked for before they are needed:
what comes through a pipe is unpacked as it comes.
"""

from __future__ import annotations

from verifier.sources.file import ReaderMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from verifier.sources.file import Stream

    class Decompressor(Protocol):
        """What the decompressors of bz2, lzma, zstd and lz4 have in common."""

        @property
        def eof(self) -> bool: ...
        @property
        def needs_input(self) -> bool: ...
        @property
        def unused_data(self) -> bytes | None: ...
        def decompress(self, data: bytes, max_length: int) -> bytes:
            """Up to `max_length` bytes; the rest stays inside, and is asked for with b""."""


PIECE = 1 << 12
"""Compressed bytes given to a decompressor at once. From 4 to 64 KiB made no difference above the noise."""
LEAST = 1 << 10
"""Bytes unpacked at once, at least."""
READ_AHEAD = 1 << 18
"""Compressed bytes read from the file at once."""
MOST_MEMORY = 256 << 20
"""Bytes that a file may have its decompressor use; xz -9 needs 65 MiB, zstd --ultra -22 128 MiB."""
MOST_EMPTY = 1000
"""Members without content behind each other: each costs as much time as some kilobytes of content."""
MOST_TIMES = 1000
FREE_OF_BOUND = 128 << 20
"""A file may unpack to that many bytes, and beyond to MOST_TIMES its size. Repetitive traffic gets 100 times smaller;
bzip2 and zstd can make zeros smaller by a factor of 20,000."""
SKIPPABLE = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))
"""How frames begin that zstd (RFC 8878, 3.1.2) and lz4 pass over."""


class Gunzip:
    """zlib's decompressor with the methods of the others. What comes before damage comes out to the last byte."""

    def __init__(self) -> None:
        import zlib

        self.error = zlib.error
        self.inner = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.damaged = False

    @property
    def eof(self) -> bool:
        return self.inner.eof

    @property
    def needs_input(self) -> bool:
        return not self.inner.unconsumed_tail and not self.damaged

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self.damaged:
            raise self.error("damaged before")
        data = data or self.inner.unconsumed_tail
        before = self.inner.copy()
        try:
            return self.inner.decompress(data, max_length)
        except self.error:
            self.damaged = True
        # Once more, byte by byte: what came out of the piece before the damage is lost with the exception.
        self.inner = before
        whole = b""
        for place in range(len(data)):
            try:
                whole += self.inner.decompress(data[place : place + 1], max_length)
            except self.error:
                break
        return whole


class Kind:
    """One way to compress. `make` makes a decompressor, `error` is what it raises where its input is damaged."""

    def __init__(
        self, name: str, begins: tuple[bytes, ...], make: Callable[[], Decompressor], error: type[Exception]
    ) -> None:
        self.name = name
        self.begins = begins
        self.make = make
        self.error = error


def _gzip() -> Kind:
    from zlib import error

    return Kind("gzip", (b"\x1f\x8b",), Gunzip, error)


def _bzip2() -> Kind:
    from bz2 import BZ2Decompressor

    return Kind("bzip2", (b"BZh",), BZ2Decompressor, OSError)


def _xz() -> Kind:
    from lzma import FORMAT_XZ, LZMADecompressor, LZMAError

    return Kind("xz", (b"\xfd7zXZ\x00",), lambda: LZMADecompressor(FORMAT_XZ, memlimit=MOST_MEMORY), LZMAError)


def _zstd() -> Kind:
    import sys

    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor, ZstdError
    else:
        from backports.zstd import ZstdDecompressor, ZstdError

    # Its own bound on memory is a window of 128 MiB.
    return Kind("zstd", (b"\x28\xb5\x2f\xfd", *SKIPPABLE), ZstdDecompressor, ZstdError)


def _lz4() -> Kind:
    from lz4.frame import LZ4FrameDecompressor

    return Kind("lz4", (b"\x04\x22\x4d\x18", *SKIPPABLE), LZ4FrameDecompressor, RuntimeError)


_KINDS: dict[str, tuple[Callable[[], Kind], str, str]] = {
    ".gz": (_gzip, "zlib", "gzip -d"),
    ".bz2": (_bzip2, "bz2", "bzip2 -d"),
    ".xz": (_xz, "lzma", "xz -d"),
    ".zst": (_zstd, "backports.zstd", "zstd -d"),
    ".lz4": (_lz4, "lz4", "lz4 -d"),
}
"""By the ending that a compressor gives its files: the kind, the Python package, the program that unpacks too."""


class Unpacked:
    """What a compressed file unpacks to. `head` is what was read of it so far, by which `suffix` was told."""

    def __init__(self, shown: str, suffix: str, head: bytes, upstream: Stream) -> None:
        make, package, program = _KINDS[suffix]
        try:
            self.kind = make()
        except ImportError as error:
            # A Python built without one of the libraries, or an installation without dependencies.
            mend = f"python -m pip install {package}, or unpack it first: {program} {shown}"
            raise ReaderMissing(f"{shown}: Python's {package} is missing, which unpacks {suffix}", mend) from error
        self.problem = ""
        self.upstream = upstream
        self.buffer = bytearray(max(READ_AHEAD, len(head)))
        """Bytes of the file, of which those from `at` to `end` were not given to a decompressor yet."""
        self.buffer[: len(head)] = head
        self.at = 0
        self.end = len(head)
        self.taken = 0
        """Bytes of the file that were."""
        self.given = 0
        """Bytes that came out."""
        self.member: Decompressor | None = None
        self.members = 0
        self.empty = 0
        """Members without content since the last that had some."""
        self.silent = True
        """Whether nothing came out of this member yet."""

    def readinto(self, room: memoryview) -> int:
        """Puts the next bytes into `room`, and tells how many; 0 at the end, or where a problem ends the reading."""
        while not self.problem:
            if self.member is None and not self._begin():
                break
            piece = self._unpack(len(room))
            if piece:
                room[: len(piece)] = piece
                return len(piece)
        return 0

    def close(self) -> None:
        self.upstream.close()

    def _read(self) -> bool:
        """Reads more of the file, behind what is left of it; False where there is no more."""
        left = self.buffer[self.at : self.end]
        self.buffer[: len(left)] = left
        self.at = 0
        self.end = len(left)
        size = self.upstream.readinto(memoryview(self.buffer)[self.end :])
        self.end += size
        return bool(size)

    def _begin(self) -> bool:
        """Begins a member; False where none follows."""
        if self.members:
            while True:  # over padding: of tapes, and of xz itself
                padding = self.end - self.at - len(self.buffer[self.at : self.end].lstrip(b"\0"))
                self.at += padding
                self.taken += padding
                if self.at < self.end:
                    break
                if not self._read():
                    return False
            longest = max(map(len, self.kind.begins))
            while self.end - self.at < longest and self._read():
                pass
            if not self.buffer[self.at : self.at + longest].startswith(self.kind.begins):
                self.problem = f"what follows at byte {self.taken} of the compressed file is not {self.kind.name}"
                return False
        self.members += 1
        self.member = self.kind.make()
        self.silent = True
        return True

    def _unpack(self, most: int) -> bytes:
        """Bytes that come out next; none where the decompressor wants more, a member ends, or a problem is met."""
        member = self.member
        assert member is not None
        piece = b""
        over = False
        if member.needs_input:
            over = self.at == self.end and not self._read()
            piece = bytes(self.buffer[self.at : min(self.at + PIECE, self.end)])
            self.at += len(piece)
            self.taken += len(piece)
        try:
            # What damage interrupts is lost: never more at once than what came out before, so that half of it stands.
            unpacked = member.decompress(piece, min(most, max(self.given, LEAST)))
        except self.kind.error as error:
            self.problem = self._damage(error)
            return b""
        self.given += len(unpacked)
        self.silent = self.silent and not unpacked
        if member.eof:
            unused = len(member.unused_data or b"")  # the end of the piece
            self.at -= unused
            self.taken -= unused
            self._end()
        elif over and not unpacked:
            self.problem = f"the compressed file ends inside its {self.kind.name} data, at byte {self.taken}"
        if self.given > FREE_OF_BOUND and self.given > MOST_TIMES * self.taken:
            self.problem = f"the compressed file unpacks to more than {MOST_TIMES} times its size"
        return unpacked

    def _end(self) -> None:
        """A member ended."""
        self.member = None
        self.empty = self.empty + 1 if self.silent else 0
        if self.empty > MOST_EMPTY:
            self.problem = f"the compressed file has more than {MOST_EMPTY} empty parts behind each other"

    def _damage(self, error: Exception) -> str:
        if "memory" in str(error).lower():
            return f"the compressed file needs more than {MOST_MEMORY >> 20} MiB to be unpacked"
        return f"the compressed file is damaged near byte {self.taken}"
