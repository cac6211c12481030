"""Saved captures: a file, or standard input, read in chunks into the engine.

The format is told by content, never by name. Damage ends the reading of that file: what came before stands, and the
source says so.
"""

from __future__ import annotations

import os
import sys

from verifier.errors import VerifierError
from verifier.sources.facts import Source
from verifier.wire import pcap
from verifier.wire.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from gzip import GzipFile
    from io import FileIO
    from typing import TypeVar

    from verifier.wire.records import Reader

    Outcome = TypeVar("Outcome")

CHUNK = 1 << 19
"""Bytes asked for at once. Between 256 KiB and 4 MiB it made no difference above the noise of 10 % (1.1 GB capture)."""
MOST_PADDING = 3
"""Bytes that may lack at the very end: blocks are padded to four bytes, and some writers leave that out."""
HEADROOM = 1 << 18
"""Bytes in front of a chunk, for what is left of a record at the end of the one before: 256 KiB are the largest packets
that capture programs write."""
NOTHING = memoryview(b"")
STANDARD_INPUT = "-"
SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
GZIP = b"\x1f\x8b"

# Files that people mistake for captures, or captures in a form that is read elsewhere: how they begin, what they are,
# what to do.
KNOWN_OTHERS = (
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first: zstd -d {}"),
    (b"\xfd7zXZ\x00", "compressed with xz", "unpack it first: xz -dk {}"),
    (b"BZh", "compressed with bzip2", "unpack it first: bunzip2 -k {}"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it first: lz4 -d {}"),
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip {}"),
    (b"snoop\x00\x00\x00", "a snoop capture", "convert it first: editcap -F pcapng {} converted.pcapng"),
    (b"GMBU", "a Network Monitor capture", "convert it first: editcap -F pcapng {} converted.pcapng"),
)


def read(path: str, engine: Engine) -> Source:
    """Reads all of the capture at `path` (`-`: standard input) into the engine. VerifierError where it is none."""
    return _fed(path, engine, _Feed.read)


def begins_ns(path: str) -> int:
    """The time of the capture's first packet; 0 where it has none. Errors as in `read`."""
    glimpse = Engine()
    _fed(path, glimpse, _Feed.glimpse)
    return max(glimpse.first_ns, 0)


def _fed(path: str, engine: Engine, job: Callable[[_Feed, FileIO], Outcome]) -> Outcome:
    """Does a job of a feed on the open file; what the system says against it becomes one line."""
    shown = "standard input" if path == STANDARD_INPUT else path
    try:
        with _opened(path) as raw:
            return job(_Feed(shown, path, engine), raw)
    except FileNotFoundError as error:
        raise VerifierError(f"{shown}: no such file") from error
    except IsADirectoryError as error:
        raise VerifierError(f"{shown}: is a folder", f"name the files in it: {shown.rstrip('/')}/*") from error
    except PermissionError as error:
        raise VerifierError(f"{shown}: not readable by this user", f"sudo chmod a+r {shown}") from error
    except OSError as error:
        raise VerifierError(f"{shown}: cannot be read: {error.strerror or error}") from error


def _opened(path: str) -> FileIO:
    if path == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise VerifierError(
                "standard input is a terminal", "pipe a capture into it: tcpdump -i lo -w - | verify analyze -"
            )
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    return open(path, "rb", buffering=0)


class _Feed:
    """One file on its way into the engine."""

    def __init__(self, shown: str, path: str, engine: Engine) -> None:
        self.shown = shown
        self.path = path
        self.engine = engine
        self.format = ""
        self.problem = ""
        self.buffer = bytearray(pcap.HEADER)
        """The file's first bytes, by which its format is told."""
        self.filled = 0

    def read(self, raw: FileIO) -> Source:
        packets, size = self.engine.packets, self.engine.bytes
        self.engine.first_ns = -1
        source = self._unpacked(raw)
        reader = self._reader(source)
        self._all(source, reader)
        engine = self.engine
        return Source(
            name=self.path,
            live=False,
            format=self.format,
            packets=engine.packets - packets,
            bytes=engine.bytes - size,
            first_ns=engine.first_ns if engine.first_ns >= 0 else None,
            last_ns=engine.last_ns if engine.first_ns >= 0 else None,
            truncated=bool(self.problem),
            dropped=reader.dropped if reader.dropped >= 0 else None,
            problem=self.problem,
        )

    def glimpse(self, raw: FileIO) -> None:
        """Reads the first chunk, and no more."""
        source = self._unpacked(raw)
        reader = self._reader(source)
        begin = self.filled
        self.buffer += bytes(CHUNK)
        self._fill(source, begin + CHUNK)
        self._feed(reader, memoryview(self.buffer)[: self.filled])

    def _fill(self, source: FileIO | GzipFile, wanted: int) -> None:
        """Reads until the buffer has `wanted` bytes, or the source has no more."""
        view = memoryview(self.buffer)
        while self.filled < wanted and not self.problem:
            got = self._read_some(source, view[self.filled :])
            if not got:
                break
            self.filled += got

    def _read_some(self, source: FileIO | GzipFile, room: memoryview) -> int:
        """Bytes read into `room`; 0 at the end, or where a compressed file is damaged."""
        if not self.format.endswith(".gz"):
            return source.readinto(room) or 0
        import zlib

        try:
            # One raw read at a time: `readinto` would lose what it has unpacked already where a later one fails.
            piece = source.read1(len(room))  # type: ignore[union-attr]  # a GzipFile here
        except (EOFError, zlib.error) as error:
            self.problem = f"the compressed file is damaged: {error}"
        except OSError as error:
            if error.errno is not None:
                raise
            self.problem = f"the compressed file is damaged: {error}"  # gzip.BadGzipFile
        else:
            room[: len(piece)] = piece
            return len(piece)
        return 0

    def _unpacked(self, raw: FileIO) -> FileIO | GzipFile:
        """The source itself, or what comes out of it where it is compressed."""
        self._fill(raw, 4)
        if not self.buffer.startswith(GZIP):
            return raw
        from verifier.sources.gunzip import opened

        self.format = ".gz"
        head = bytes(self.buffer[: self.filled])
        self.filled = 0
        return opened(head, raw)

    def _reader(self, source: FileIO | GzipFile) -> Reader:
        """The reader for the format that the first bytes show."""
        self._fill(source, pcap.HEADER)
        head = bytes(self.buffer[: min(self.filled, pcap.HEADER)])
        if self.problem and len(head) < pcap.HEADER:
            raise VerifierError(f"{self.shown}: {self.problem}")
        if not head:
            raise VerifierError(f"{self.shown}: the file is empty", "capture something into it, or name another")
        if pcap.recognised(head):
            problem = pcap.header_problem(head)
            if problem:
                raise VerifierError(f"{self.shown}: damaged capture: {problem}")
            self.format = "pcap" + self.format
            self.filled -= pcap.HEADER
            self.buffer[: self.filled] = self.buffer[pcap.HEADER : pcap.HEADER + self.filled]
            return pcap.PcapReader(head)
        if head.startswith(SECTION_HEADER):
            from verifier.wire.pcapng import PcapngReader

            self.format = "pcapng" + self.format
            return PcapngReader()
        for begin, what, mend in KNOWN_OTHERS:
            if head.startswith(begin):
                raise VerifierError(f"{self.shown}: {what}", mend.format(self.shown))
        raise VerifierError(
            f"{self.shown}: not a capture (it begins with {head[:8].hex(' ')})",
            "pcap and pcapng are read; write one with: tcpdump -i lo -w capture.pcap",
        )

    def _chunks(self, source: FileIO | GzipFile) -> Iterator[tuple[bytearray, int]]:
        """Buffers with the next bytes in them, from HEADROOM up to the number beside it."""
        buffer = bytearray(HEADROOM + CHUNK)
        room = memoryview(buffer)[HEADROOM:]
        while not self.problem:
            size = self._read_some(source, room)
            if not size:
                return
            yield buffer, HEADROOM + size

    def _all(self, source: FileIO | GzipFile, reader: Reader) -> None:
        """Chunk after chunk; what is left of a record at the end of one goes in front of the next."""
        rest = bytes(self.buffer[: self.filled])
        self._feed(reader, memoryview(rest))
        rest = rest[reader.at :]
        for buffer, end in self._chunks(source):
            begin = HEADROOM - len(rest)
            if begin >= 0:
                buffer[begin:HEADROOM] = rest
                view = memoryview(buffer)[begin:end]
            else:  # a record of more than HEADROOM bytes
                view = memoryview(rest + buffer[HEADROOM:end])
            self._feed(reader, view)
            if reader.problem:
                break
            rest = bytes(view[reader.at :])
            reader.load(NOTHING, 0)
        if reader.problem:
            self.problem = reader.problem
        elif rest and not self.problem:
            self.problem = f"the file ends inside a record at byte {reader.base}"
        elif reader.owed > MOST_PADDING and not self.problem:
            self.problem = f"the file ends inside a block, {reader.owed} bytes before the block's end"

    def _feed(self, reader: Reader, view: memoryview) -> None:
        reader.load(view, len(view))
        self.engine.read(reader)
