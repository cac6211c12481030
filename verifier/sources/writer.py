"""The saved capture: pcapng (draft-ietf-opsawg-pcapng), written as packets come.

Head and end are built by pure functions, the blocks of packets by `Frames`. `CaptureWriter` collects whole blocks in
one buffer that it keeps, and gives them to the kernel in large writes: a file left by a crash of this process ends with
a whole block. A file that can't be written any more is remembered as `problem`; the capture goes on without it.

A file that is there already is replaced where nothing but a capture of this program is lost with it, as scripts that
run twice have it. Anything else in its place was hardly meant, and is left alone.
"""

from __future__ import annotations

import os
import stat
import struct

from verifier.errors import VerifierError
from verifier.figures import plural
from verifier.sources.frames import Frames
from verifier.spelling import file_name
from verifier.values import NamedTuple

BUFFER_BYTES = 1 << 19
"""Blocks are collected up to this many bytes: room for the largest packet (filter.SNAPLEN), or for the longest end."""

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
INTERFACE_STATISTICS = 5

_MAGIC = 0x1A2B3C4D
_COMMENT = 1
_SHB_HARDWARE = 2
_SHB_OS = 3
_SHB_USERAPPL = 4
_IF_NAME = 2
_IF_TSRESOL = 9
_IF_FILTER = 11
_IF_OS = 12
_ISB_STARTTIME = 2
_ISB_ENDTIME = 3
_ISB_IFRECV = 4
_ISB_IFDROP = 5
_NANOSECONDS = 9
_PROGRAM = b"verify "
"""How the program calls itself in the head of a file, before its version."""
_LONGEST_HEAD = 1 << 12
"""Bytes in which the head of a file of ours tells whose it is: it takes some 120."""

_OPTION = struct.Struct("<HH")
_FRAMING = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_PADS = (b"", b"\0\0\0", b"\0\0", b"\0")
"""By length modulo 4, what fills it up to 32 bits."""

Options = tuple[tuple[int, bytes], ...]


class Origin(NamedTuple):
    """Where packets come from: the head of the file."""

    program: str
    system: str
    hardware: str
    interface: str
    link_type: int
    snaplen: int
    filter: str
    """What the kernel let through, in libpcap's language."""


class Statistics(NamedTuple):
    """The end of the file. Times are nanoseconds since the epoch."""

    started_ns: int
    ended_ns: int
    received: int
    """Packets that came through the filter, dropped ones included."""
    dropped: int
    comment: str


def section_header(origin: Origin) -> bytes:
    named = ((_SHB_HARDWARE, origin.hardware), (_SHB_OS, origin.system), (_SHB_USERAPPL, origin.program))
    # The section's length is not known while it is written: -1.
    body = struct.pack("<IHHq", _MAGIC, 1, 0, -1) + _options(tuple((code, _text(text)) for code, text in named))
    return _block(SECTION_HEADER, body)


def interface_description(origin: Origin) -> bytes:
    options = (
        (_IF_NAME, _text(origin.interface)),
        (_IF_TSRESOL, bytes([_NANOSECONDS])),
        # A zero byte says that a libpcap filter string follows.
        (_IF_FILTER, b"\0" + _text(origin.filter)),
        (_IF_OS, _text(origin.system)),
    )
    return _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", origin.link_type, 0, origin.snaplen) + _options(options))


def interface_statistics(statistics: Statistics) -> bytes:
    options = (
        (_COMMENT, _text(statistics.comment)),
        (_ISB_STARTTIME, _time(statistics.started_ns)),
        (_ISB_ENDTIME, _time(statistics.ended_ns)),
        (_ISB_IFRECV, struct.pack("<Q", statistics.received)),
        (_ISB_IFDROP, struct.pack("<Q", statistics.dropped)),
    )
    return _block(INTERFACE_STATISTICS, struct.pack("<I", 0) + _time(statistics.ended_ns) + _options(options))


class CaptureWriter:
    """One capture file being written."""

    def __init__(self, path: str, origin: Origin) -> None:
        """Opens the file, empties it, and writes its head. VerifierError where it can't be opened, or has something in
        it that is not to be lost."""
        self.path = path
        self.packets = 0
        """Packets in the file; those still collected are not."""
        self.problem = ""
        """Why writing stopped, for the reader; empty while all is well."""
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._filled = 0
        self._collected = 0
        """Packets among what is `_filled`."""
        self._written = 0
        try:
            self._file = _opened(path)
        except OSError as error:
            raise VerifierError(_explain(path, error), "--write FILE saves the capture elsewhere") from error
        self._put(section_header(origin) + interface_description(origin))
        self.flush()

    def frames(self, frames: Frames) -> None:
        """Adds those of a block, each of at most filter.SNAPLEN bytes. Once there is a `problem`, it does nothing."""
        while frames.unsaved and not self.problem:
            before = frames.unsaved
            self._filled = frames.save(self._buffer, self._filled)
            self._collected += before - frames.unsaved
            if frames.unsaved:
                self.flush()

    def flush(self) -> None:
        """Gives all collected blocks to the kernel."""
        left = self._buffer[: self._filled]
        if self.problem or not left:
            return
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            self._give_up(error)
        else:
            self._written += self._filled
            self.packets += self._collected
        self._filled = self._collected = 0

    def close(self, statistics: Statistics) -> None:
        """Ends the file. To be called once."""
        self.flush()
        self._put(interface_statistics(statistics))
        self.flush()
        try:
            os.close(self._file)
        except OSError as error:
            # A network file system may report here what it could not write before (close(2)).
            self.problem = self.problem or _explain(self.path, error)

    def _put(self, blocks: bytes) -> None:
        """Adds blocks to what is flushed: there they fit in."""
        self._buffer[self._filled : self._filled + len(blocks)] = blocks
        self._filled += len(blocks)

    def _give_up(self, error: OSError) -> None:
        self.problem = _explain(self.path, error)
        try:
            os.ftruncate(self._file, self._written)
        except OSError:
            # A device or a pipe can't be cut back; readers then report the packet that is cut short, and `problem`
            # says why.
            return
        if self._written:
            self.problem += f" (it ends after {self.packets} {plural(self.packets, 'packet')})"


def _opened(path: str) -> int:
    """The file, empty. VerifierError where it has something in it that is not to be lost."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        if stat.S_ISBLK(os.stat(path).st_mode):
            raise VerifierError(f"can't write {file_name(path)}: it is a disk, and no file", "--write takes a file")
    except FileNotFoundError:
        flags |= os.O_CREAT
    file = os.open(path, flags, 0o666)
    try:
        status = os.fstat(file)  # somebody may have made it meanwhile
        # A pipe or /dev/null takes what comes and loses nothing; a folder the system refuses.
        if stat.S_ISREG(status.st_mode) and status.st_size:
            if not _ours(path, status):
                problem = f"can't write {file_name(path)}: it exists, and verify did not write it"
                raise VerifierError(problem, "give --write another name")
            os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def _ours(path: str, status: os.stat_result) -> bool:
    """Whether the file of this status, found at the path, begins as those of this program do: with a section header
    that names it. One that can't be read is nobody's to replace."""
    try:
        with open(path, "rb", buffering=0) as file:
            if not os.path.samestat(os.fstat(file.fileno()), status):
                return False  # another one took its place
            head = file.read(_LONGEST_HEAD)
    except OSError:
        return False
    if len(head) < 28 or struct.unpack_from("<I4xI", head) != (SECTION_HEADER, _MAGIC):
        return False
    end = min(len(head), _LENGTH.unpack_from(head, 4)[0]) - _LENGTH.size
    at = 24
    while at + _OPTION.size <= end:
        code, length = _OPTION.unpack_from(head, at)
        at += _OPTION.size
        if code == _SHB_USERAPPL:
            return head.startswith(_PROGRAM, at, end)
        at += length + 3 & ~3
    return False


def _explain(path: str, error: OSError) -> str:
    return f"can't write {file_name(path)}: {error.strerror}"


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return _FRAMING.pack(kind, total) + body + _LENGTH.pack(total)


def _options(options: Options) -> bytes:
    """Options with the end mark."""
    coded = b"".join(_OPTION.pack(code, len(value)) + value + _PADS[len(value) & 3] for code, value in options)
    return coded + _OPTION.pack(0, 0)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:65535]


def _time(ts_ns: int) -> bytes:
    return struct.pack("<II", ts_ns >> 32, ts_ns & 0xFFFFFFFF)
