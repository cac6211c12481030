"""The next chunk of a large file is read while the engine works on the last one: by a thread, since a read lets go of
Python's lock.

Imported for large files alone: `threading` takes longer to import than a small capture to analyse. Measured on a
capture of 1.1 GB in the page cache, with two processors: see `make bench`.
"""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

CHUNK = 2 << 20
"""Bytes. Each chunk costs two thread switches; below 1 MiB they showed."""
BUFFERS = 3
"""One that the engine works on, one that is read, one between them."""


def chunks(raw: FileIO, headroom: int) -> Iterator[tuple[bytearray, int]]:
    """Buffers with the file's next bytes in them, from `headroom` up to the number beside it. A buffer is filled anew
    once the next one is asked for."""
    free: SimpleQueue[bytearray | None] = SimpleQueue()
    full: SimpleQueue[tuple[bytearray, int] | OSError] = SimpleQueue()
    for _ in range(BUFFERS):
        free.put(bytearray(headroom + CHUNK))

    def work() -> None:
        while (buffer := free.get()) is not None:
            try:
                size = raw.readinto(memoryview(buffer)[headroom:]) or 0
            except OSError as error:
                full.put(error)
                return
            full.put((buffer, headroom + size))
            if not size:
                return

    reader = Thread(target=work, name="verify-read-ahead", daemon=True)
    reader.start()
    try:
        while True:
            item = full.get()
            if isinstance(item, OSError):
                raise item
            buffer, end = item
            if end == headroom:
                return
            yield buffer, end
            free.put(buffer)
    finally:
        free.put(None)
        reader.join()
