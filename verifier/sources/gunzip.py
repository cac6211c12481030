"""Decompression of a gzip file whose first bytes have been read already, as they must be from a pipe. Imported only
where one is met."""

from __future__ import annotations

import gzip
import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO

READ_AHEAD = 1 << 18


class _Rejoined(io.RawIOBase):
    """`head`, and then the rest of `raw`."""

    def __init__(self, head: bytes, raw: FileIO) -> None:
        super().__init__()
        self.head = head
        self.raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if self.head:
            size = min(len(room), len(self.head))
            room[:size] = self.head[:size]
            self.head = self.head[size:]
            return size
        return self.raw.readinto(room) or 0


def opened(head: bytes, raw: FileIO) -> gzip.GzipFile:
    """What the gzip file unpacks to; `head` is what was read of it so far."""
    return gzip.GzipFile(fileobj=io.BufferedReader(_Rejoined(head, raw), READ_AHEAD))
