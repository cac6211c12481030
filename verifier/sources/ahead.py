"""Reading ahead on another core: a second process reads a file, unpacks it where it is compressed, finds its records
and looks at their headers, while this one takes the packets of the chunks before.

The chunks lie in a ring of shared memory, with room for the glimpses of their records (verifier/wire/records.py). Two
pipes carry what the processes have to say: for each chunk that is ready its place in the ring, where it begins, how
many bytes and how many records it has; for each that is free again its place, so that none is filled that is still
looked at. The last chunk has no bytes, and is followed by what there is to say of the whole file. A process that ends
without that has failed, and so has the reading.
"""

from __future__ import annotations

import marshal
import os
import signal
import struct
import sys
from contextlib import suppress

from verifier.values import NamedTuple
from verifier.wire import records
from verifier.wire.notes import Notes
from verifier.wire.packet import Packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from verifier.sources.file import Feed, Stream
    from verifier.wire.records import Reader

CHUNKS = 8
"""3, 4 and 8 made no difference above the noise."""
CHUNK = 1 << 19
"""Bytes of each. From 512 KiB to 2 MiB made none either."""
HEADROOM = records.LARGEST_RECORD + (1 << 16)
"""Bytes in front of each, for a record that began in the one before. Memory is taken only of what is written to."""
LEAST_RECORD = 16
"""Bytes that a record takes at the least: its header in a pcap file."""
WORD = 8
GLIMPSE_BYTES = (CHUNK // LEAST_RECORD + 2) * records.GLIMPSE * WORD
"""Room for those of a chunk: of the records that begin in it, and of one that began before."""
READY = struct.Struct("iiii")


class Chunk(NamedTuple):
    """What comes next: the bytes, the glimpses of the records, how many these are."""

    view: memoryview
    room: memoryview
    glimpses: int


class Last(NamedTuple):
    """What there is to say of a file at its end: what ended it too early; packets that the capture says it dropped;
    why it is no capture after all, and what mends that."""

    problem: str
    dropped: int
    refused: tuple[str, str] | None


def possible() -> bool:
    """Whether another process can have a core of its own: the engine is compiled, there are two cores, the system can
    fork, and no thread runs that a fork would leave behind."""
    if not records.COMPILED or not hasattr(os, "fork") or not hasattr(os, "sched_getaffinity"):
        return False
    threading = sys.modules.get("threading")
    return len(os.sched_getaffinity(0)) > 1 and (threading is None or threading.active_count() == 1)


class Whole:
    """A stream that is read until there is no more room."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.problem = ""

    def readinto(self, room: memoryview) -> int:
        filled = 0
        while filled < len(room):
            try:
                size = self.stream.readinto(room[filled:])
            except OSError:
                if filled == 0:
                    raise
                break  # and comes again, when more is asked for
            if not size:
                break
            filled += size
        self.problem = self.stream.problem
        return filled

    def close(self) -> None:
        self.stream.close()


class Ahead:
    """`feed` as another process reads it. It is not to be advanced here."""

    def __init__(self, feed: Feed) -> None:
        import mmap

        self.ring = memoryview(mmap.mmap(-1, CHUNKS * (HEADROOM + CHUNK + GLIMPSE_BYTES)))
        self.ready = b""
        """What is known of chunks that are ready."""
        self.lent = -1
        """The place of the chunk that is in use, and to be given back."""
        self.over = False
        """Whether the process has said its last, or is gone."""
        self.last = Last("", -1, None)
        full, full_told = os.pipe()
        free, free_told = os.pipe()
        try:
            self.process = os.fork()
        except OSError:
            for pipe in (full, full_told, free, free_told):
                os.close(pipe)
            raise
        if self.process == 0:
            os.close(full)
            os.close(free_told)
            self._run(feed, full_told, free)
        os.close(full_told)
        os.close(free)
        self.full, self.free = full, free_told
        self.reader = records.Told()
        """Of what the process finds."""

    def next(self) -> Chunk | None:
        """The next chunk, None behind the last one. The one before is given back."""
        if self.lent >= 0:
            self._give_back(self.lent)
        self.lent, chunk = self._next()
        return chunk

    def copy(self) -> Chunk | None:
        """As `next`, but the chunk that is in use stays as it is, for good."""
        place, chunk = self._next()
        if chunk is None:
            return None
        size = chunk.glimpses * records.GLIMPSE
        copied = Chunk(
            memoryview(bytes(chunk.view)), memoryview(bytearray(chunk.room[:size].cast("B"))).cast("Q"), chunk.glimpses
        )
        self._give_back(place)
        return copied

    def close(self) -> None:
        """Ends the process, whatever it does."""
        os.close(self.full)
        os.close(self.free)
        if not self.over:
            os.kill(self.process, signal.SIGKILL)
        with suppress(ChildProcessError):  # whoever started this one had it ignore how its children end
            os.waitpid(self.process, 0)

    def _bytes(self, place: int) -> memoryview:
        """The room for a chunk, with that in front of it."""
        return self.ring[place * (HEADROOM + CHUNK) : (place + 1) * (HEADROOM + CHUNK)]

    def _glimpses(self, place: int) -> memoryview:
        begin = CHUNKS * (HEADROOM + CHUNK) + place * GLIMPSE_BYTES
        return self.ring[begin : begin + GLIMPSE_BYTES].cast("Q")

    def _next(self) -> tuple[int, Chunk | None]:
        """The place of the next chunk, and the chunk; -1 and None behind the last one."""
        while len(self.ready) < READY.size:
            told = b"" if self.over else os.read(self.full, 1 << 12)
            if not told:
                self.over = True
                self.last = Last("the process that read it ended unexpectedly", -1, None)
                return -1, None
            self.ready += told
        place, begin, size, count = READY.unpack_from(self.ready)
        self.ready = self.ready[READY.size :]
        if size == 0:
            self._hear_last()
            return -1, None
        return place, Chunk(self._bytes(place)[begin : begin + size], self._glimpses(place), count)

    def _hear_last(self) -> None:
        words = self.ready
        while told := os.read(self.full, 1 << 12):
            words += told
        self.over = True
        self.last = Last(*marshal.loads(words))  # noqa: S302 - from the process that was forked here

    def _give_back(self, place: int) -> None:
        with suppress(BrokenPipeError):  # it has read the whole file
            os.write(self.free, bytes((place,)))

    # -- the other process

    def _run(self, feed: Feed, full: int, free: int) -> NoReturn:
        """Fills chunk after chunk, and ends the process."""
        try:
            last = self._fill(feed, full, free)
            os.write(full, READY.pack(0, 0, 0, 0) + marshal.dumps(tuple(last)))
        except (OSError, KeyboardInterrupt, MemoryError):  # the other process is gone, or both are to end
            pass
        finally:
            unexpected = sys.exc_info()
            if unexpected[0] is not None:
                sys.excepthook(*unexpected)
            os._exit(0)

    def _fill(self, feed: Feed, full: int, free: int) -> Last:
        from verifier.sources.file import NoNetwork

        feed.stream = Whole(feed.stream)
        places = bytes(range(CHUNKS))
        try:
            while places or (places := os.read(free, CHUNKS)):
                place = places[0]
                feed.fill(self._bytes(place), HEADROOM)
                if not feed.advance():
                    break
                count = self._look(feed.reader, self._glimpses(place))
                if count:
                    os.write(full, READY.pack(place, feed.begin, len(feed.view), count))
                    places = places[1:]
        except NoNetwork as refused:
            return Last("", -1, (refused.problem, refused.mend))
        return Last(feed.problem, feed.reader.dropped, None)

    def _look(self, reader: Reader, room: memoryview) -> int:
        """Looks at all records that the reader has, and tells how many they are."""
        packet = Packet(Notes())
        count = 0
        while True:
            reader.look_into(room[count * records.GLIMPSE :])
            more = reader.look(packet)
            if not more:
                return count
            count += more
