"""Saved captures: a file, or standard input, read in chunks into the engine.

The format is told by content, never by name. Damage ends the reading of that file: what came before stands, and the
source says so.
"""

from __future__ import annotations

import os
import sys

from verifier.errors import VerifierError
from verifier.sources.facts import Source
from verifier.spelling import file_name, file_word
from verifier.values import NamedTuple
from verifier.wire import pcap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO
    from typing import Literal, Protocol

    from verifier.sources.ahead import Ahead
    from verifier.wire.engine import Engine
    from verifier.wire.pcapng import PcapngReader
    from verifier.wire.records import Reader

    Tell = Callable[[str], object]
    """Takes how far the reading is, for whoever waits for it."""

    class Stream(Protocol):
        """Where bytes come from."""

        problem: str
        """What ended it too early, for the reader; empty where nothing did."""

        def readinto(self, room: memoryview) -> int:
            """Puts the next bytes into `room`, and tells how many; 0 at the end."""

        def close(self) -> None: ...


CHUNK = 1 << 19
"""Bytes asked for at once. Between 256 KiB and 4 MiB it made no difference above the noise of 10 % (1.1 GB capture)."""
MOST_PADDING = 3
"""Bytes that may lack at the very end: blocks are padded to four bytes, and some writers leave that out."""
HEADROOM = 1 << 18
"""Bytes in front of a chunk, for what is left of a record at the end of the one before: 256 KiB are the largest packets
that capture programs write."""
LARGE = {"": 64 << 20, ".zst": 4 << 20, ".lz4": 8 << 20}
"""Bytes of a file from which on another process reads ahead, by its compression: copying or unpacking then takes
several times the millisecond that the process costs. The other compressions take so long to unpack that little is left
to be saved: 400 MB, in gzip, were read no faster."""
STANDARD_INPUT = "-"
SECTION_HEADER = b"\x0a\x0d\x0d\x0a"

LONGEST_MAGIC = 6
COMPRESSIONS = (
    (b"\x1f\x8b", ".gz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"\x04\x22\x4d\x18", ".lz4"),
    (b"\xfd7zXZ\x00", ".xz"),
    (b"BZh", ".bz2"),
    *((bytes((number, 0x2A, 0x4D, 0x18)), ".zst") for number in range(0x50, 0x60)),  # a frame that zstd passes over
)
"""How compressed files begin, and the ending that names the compression."""

ARCHIVES = (
    (b"PK\x03\x04", "a zip archive", "unzip {}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "7z x {}"),
    (b"\x1f\x9d", "compressed with compress", "uncompress {}"),
    (b"\x02\x21\x4c\x18", "compressed with an early lz4", "lz4 -d {}"),
)
"""What captures are sent around in and is not unpacked here: how it begins, what it is, what unpacks it."""
TAR_MAGIC = b"ustar"
TAR_MAGIC_AT = 257
"""Where the head of the first file in a tar archive has it (POSIX.1-2001, pax: ustar Interchange Format)."""

NO_NETWORK = {
    **dict.fromkeys((186, 288, 293, 294, 295), "USB"),
    **dict.fromkeys((189, 220), "USB (usbmon)"),
    249: "USB (USBPcap)",
    266: "USB (Darwin)",
    **dict.fromkeys((190, 227), "a CAN bus"),
    231: "D-Bus",
    271: "sockets between virtual machines (vsock)",
}
"""Link types of what is captured beside networks, and carries no TCP."""


class NoCapture(VerifierError):
    """What was named is no capture of network packets at all, where a damaged one still is."""


class NoNetwork(NoCapture):
    """It is a capture, and known to have no packets of a network."""


class Empty(NoCapture):
    """There is nothing in it."""


class Unopened(VerifierError):
    """The system does not let it be opened, or its first bytes be read: nothing is known of its content."""


class ReaderMissing(VerifierError):
    """What would read this kind of file is not installed here."""


class Manner(NamedTuple):
    """How a file is read."""

    chunk: int = CHUNK
    guess: bool = True
    """Whether content that no magic number tells is shown to Wireshark's `captype`."""


USUAL = Manner()


def tell_nobody(_far: str) -> None:
    """Where nobody waits."""


def read(path: str, engine: Engine, manner: Manner = USUAL, tell: Tell = tell_nobody) -> Source:
    """Reads all of the capture at `path` (`-`: standard input) into the engine. VerifierError where it is none."""
    packets, size = engine.packets, engine.bytes
    engine.first_ns = -1
    feed = Feed(path, manner)
    try:
        while feed.advance():
            engine.read(feed.reader)
            tell(f"packets read: {engine.packets:,}")
    finally:
        feed.close()
    times = (engine.first_ns, engine.last_ns) if engine.first_ns >= 0 else (None, None)
    return feed.source(engine.packets - packets, engine.bytes - size, times)


class Plain:
    """A file's own bytes."""

    problem = ""

    def __init__(self, raw: FileIO) -> None:
        self.raw = raw

    def readinto(self, room: memoryview) -> int:
        return self.raw.readinto(room) or 0

    def close(self) -> None:
        self.raw.close()


class Feed:
    """One capture file, pulled chunk by chunk into the reader for its format. VerifierError where it can't be opened,
    NoCapture where it is none."""

    def __init__(self, path: str, manner: Manner = USUAL) -> None:
        self.path = path
        self.shown = "standard input" if path == STANDARD_INPUT else file_name(path)
        self.manner = manner
        self.format = ""
        self.problem = ""
        self.suffix = ""
        """The compression, by the ending that it gives files."""
        self.left = b""
        """The file's first bytes, by which its format was told, as far as they are the reader's."""
        self.view = memoryview(b"")
        """What the reader has, beginning at `begin` of the buffer."""
        self.begin = 0
        self.buffer = memoryview(b"")
        """Where chunks are put, behind `headroom` bytes for the rest of the one before."""
        self.headroom = HEADROOM
        self.kept = False
        """Whether what was loaded once has to stay as it is."""
        self.described: PcapngReader | None = None
        """The reader of a pcapng file, until it has met interfaces, and their link types are known to be of use."""
        self.ahead: Ahead | None = None
        """The process that reads the file, where that is not done here."""
        self.stream: Stream = Plain(self._opened())
        try:
            self.reader = self._reader()
            self._read_ahead()
        except OSError as error:
            self.close()
            raise self._refused(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.stream.close()
        if self.ahead is not None:
            self.ahead.close()

    def advance(self) -> bool:
        """Loads the reader with what comes next, behind what it has left; False where no more comes."""
        if self.ahead is not None:
            return self._advance_told(self.ahead)
        reader = self.reader
        if self.left:
            self._load(memoryview(self.left))
            self.left = b""
            return True
        self.refuse_beside_networks()
        if reader.problem:
            self.problem = reader.problem
            return False
        rest = bytes(self.view[reader.at :])
        if not self.buffer:
            self.headroom, chunk = self._room()
            self.buffer = memoryview(bytearray(self.headroom + chunk))
        size = self._read(self.buffer[self.headroom :])
        if not size:
            self._end(rest)
            return False
        self.begin = self.headroom - len(rest)
        if self.begin >= 0:
            self.buffer[self.begin : self.headroom] = rest
            self._load(self.buffer[self.begin : self.headroom + size])
        else:  # a record of more than the headroom
            self._load(memoryview(rest + self.buffer[self.headroom : self.headroom + size]))
        return True

    def _room(self) -> tuple[int, int]:
        """Bytes in front of a chunk, and of a chunk: no more than a small file has, as Python sets all of them to zero.
        That took 0.4 ms."""
        size = os.fstat(self.stream.raw.fileno()).st_size if isinstance(self.stream, Plain) else 0
        return (size, size) if 0 < size < min(HEADROOM, self.manner.chunk) else (HEADROOM, self.manner.chunk)

    def keep(self) -> None:
        """What is loaded stays as it is: the next chunk goes elsewhere."""
        self.buffer = memoryview(b"")
        self.kept = True

    def refuse_beside_networks(self) -> None:
        """NoNetwork where what was read so far is of links that are no networks; asked until a first link is known."""
        if self.described is not None and self.described.interfaces:
            self._refuse_beside_networks([interface.link_type for interface in self.described.interfaces])
            self.described = None

    def fill(self, buffer: memoryview, headroom: int) -> None:
        """The next chunk goes into this buffer, behind so many bytes."""
        self.buffer = buffer
        self.headroom = headroom

    def source(self, packets: int, size: int, times: tuple[int | None, int | None]) -> Source:
        """What there is to say of the file, once it is read: `packets` of `size` bytes came out of it."""
        return Source(
            name=self.path,
            live=False,
            format=self.format,
            packets=packets,
            bytes=size,
            first_ns=times[0],
            last_ns=times[1],
            truncated=bool(self.problem),
            dropped=self.reader.dropped if self.reader.dropped >= 0 else None,
            problem=self.problem,
        )

    # -- opening

    def _opened(self) -> FileIO:
        if self.path == STANDARD_INPUT:
            if sys.stdin is None or sys.stdin.isatty():
                what = "closed" if sys.stdin is None else "a terminal"
                raise VerifierError(
                    f"standard input is {what}",
                    "pipe a capture into it: tcpdump -i lo -B 65536 -w - | verify analyze -",
                )
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        try:
            return open(self.path, "rb", buffering=0)
        except OSError as error:
            raise self._refused(error) from error
        except ValueError as error:  # a NUL in the name
            raise VerifierError(f"{self.shown}: no such file") from error

    def _refused(self, error: OSError) -> Unopened:
        """What the system says against it, in one line."""
        shown = self.shown
        if isinstance(error, FileNotFoundError):
            return Unopened(f"{shown}: no such file")
        if isinstance(error, PermissionError):
            from verifier.sources.rights import as_root, elevated

            # What others are not to read is not opened to them; and of a file nothing but reading needs the right.
            reading = as_root(f"cat {file_word(self.path)}")
            mend = elevated(sys.argv) if os.path.isdir(self.path) else f"{reading} | verify analyze -"
            return Unopened(f"{shown}: not readable by this user", mend)
        return Unopened(f"{shown}: cannot be read: {error.strerror or error}")

    def _reader(self) -> Reader:
        """The reader for the format that the first bytes show."""
        head = self._unpacked(self._head(b"", LONGEST_MAGIC))
        head = self._head(head, pcap.HEADER)
        if self.stream.problem and len(head) < pcap.HEADER:
            # bzip2, zstd and lz4 give whole blocks alone: of a small capture that is cut they give nothing.
            raise VerifierError(f"{self.shown}: {self.stream.problem}: nothing of it can be unpacked", "copy it again")
        if not head:
            if self.path == STANDARD_INPUT:
                raise Empty(f"{self.shown}: nothing came", "see what the program in front of the pipe says")
            raise Empty(f"{self.shown}: the file is empty", "capture something into it, or name another")
        if not pcap.recognised(head) and not head.startswith(SECTION_HEADER):
            head = self._converted(head)
        if head.startswith(SECTION_HEADER):
            from verifier.wire import pcapng

            self.format = self.format or f"pcapng{self.suffix}"
            self.left = head
            self.described = pcapng.PcapngReader()
            return self.described
        problem = pcap.header_problem(head)
        if problem:
            raise VerifierError(f"{self.shown}: damaged capture: {problem}")
        self.format = f"pcap{self.suffix}"
        order: Literal["big", "little"] = "big" if pcap.recognised(head) == "big" else "little"
        self._refuse_beside_networks((int.from_bytes(head[20:24], order) & 0xFFFF,))
        return pcap.PcapReader(head)

    def _head(self, begun: bytes, wanted: int) -> bytes:
        """The first `wanted` bytes, of which some are read already; fewer where there are no more."""
        head = bytearray(wanted)
        filled = len(begun)
        head[:filled] = begun
        while filled < wanted:
            size = self.stream.readinto(memoryview(head)[filled:])
            if not size:
                break
            filled += size
        return bytes(head[:filled])

    def _unpacked(self, head: bytes) -> bytes:
        """The same first bytes, or where they show a compressed file, the first of what comes out of it."""
        suffix = compression(head)
        if not suffix:
            return head
        from verifier.sources.unpack import Unpacked

        self.suffix = suffix
        self.stream = Unpacked(self.shown, suffix, head, self.stream)
        head = self._head(b"", LONGEST_MAGIC)
        if compression(head):
            raise VerifierError(f"{self.shown}: compressed twice ({compression(head)}{suffix})", "unpack it once first")
        return head

    def _converted(self, head: bytes) -> bytes:
        """The first bytes of what comes out of a capture of another format."""
        for begin, what, program in ARCHIVES:
            if head.startswith(begin):
                raise NoCapture(f"{self.shown}: {what}", f"unpack it first: {program.format(file_word(self.path))}")
        head = self._head(head, TAR_MAGIC_AT + len(TAR_MAGIC))
        if head.startswith(TAR_MAGIC, TAR_MAGIC_AT):
            packed = f", packed ({self.suffix})" if self.suffix else ""
            raise NoCapture(f"{self.shown}: a tar archive{packed}", f"unpack it first: tar -xf {file_word(self.path)}")
        from verifier.sources import convert

        wanted = convert.Wanted(self.path, self.shown, head, self.manner.guess and not self.suffix)
        kind = convert.kind_of(wanted)
        self.stream = convert.Converted(wanted, kind, self.stream)
        self.format = f"{kind.name}{self.suffix} through editcap"
        head = self._head(b"", pcap.HEADER)
        if not head.startswith(SECTION_HEADER):
            if not kind.begins:  # captype's guess was wrong
                raise convert.no_capture(wanted)
            raise NoCapture(f"{self.shown}: {kind.what}, which editcap can't convert: {self.stream.problem}")
        return head

    def _refuse_beside_networks(self, link_types: Sequence[int]) -> None:
        """NoNetwork where all packets are of links that are no networks."""
        if NO_NETWORK.keys() >= set(link_types):
            link_type = link_types[0]
            raise NoNetwork(
                f"{self.shown}: captured on {NO_NETWORK[link_type]}, link type {link_type}, which carries no TCP",
                "capture on a network: tcpdump -i any -w capture.pcap",
            )

    # -- reading

    def _read_ahead(self) -> None:
        """Has another process read what follows, where that is worth it."""
        if self.manner.chunk != CHUNK or not self._is_large():
            return
        from verifier.sources import ahead

        if ahead.possible():
            from contextlib import suppress

            with suppress(OSError):  # no room for another process, or for what it tells: it is read here
                self.ahead = ahead.Ahead(self)
                self.reader = self.ahead.reader

    def _is_large(self) -> bool:
        """Whether this is a file, no pipe, whose reading takes long."""
        if self.path == STANDARD_INPUT or self.format.endswith("editcap"):
            return False
        try:
            return os.path.getsize(self.path) >= LARGE.get(self.suffix, sys.maxsize)
        except OSError:  # gone since it was opened
            return False

    def _advance_told(self, ahead: Ahead) -> bool:
        chunk = ahead.copy() if self.kept else ahead.next()
        if chunk is None:
            last = ahead.last
            if last.refused is not None:
                raise NoNetwork(*last.refused)
            self.problem = last.problem
            self.reader.dropped = last.dropped
            return False
        ahead.reader.tell(*chunk)
        return True

    def _load(self, view: memoryview) -> None:
        self.view = view
        self.reader.load(view, len(view))

    def _read(self, room: memoryview) -> int:
        """Bytes read into `room`; 0 where nothing comes any more, and `problem` where something else was expected."""
        try:
            size = self.stream.readinto(room)
        except OSError as error:
            self.problem = f"the file can't be read any further: {error.strerror or error}"
            return 0
        self.problem = self.stream.problem
        return size

    def _end(self, rest: bytes) -> None:
        """Whether the file ends where it may."""
        reader = self.reader
        if self.problem:
            return
        if rest:
            self.problem = f"the file ends inside a record at byte {reader.base + reader.at}"
        elif reader.owed > MOST_PADDING:
            self.problem = f"the file ends inside a block, {reader.owed} bytes before the block's end"


def compression(head: bytes) -> str:
    """The ending that names the compression of a file that begins with `head`; empty where it is none."""
    return next((suffix for begin, suffix in COMPRESSIONS if head.startswith(begin)), "")
