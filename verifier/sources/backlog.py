"""What was read and not yet looked at: a queue between the thread that empties the kernel's ring and the one that
does the work.

The ring must be emptied without delay, whatever the disk or the engine take their time for: a disk may hold up a
write for seconds. So blocks wait here, up to a limit. Beyond it the reading thread waits, the ring fills up, and the
kernel counts what it drops: a loss is never unnoticed.
"""

from __future__ import annotations

import threading
from collections import deque


class Backlog:
    """Blocks in the order they were put. One thread puts, one takes; any thread may close or nudge."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._blocks: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._nudged = False
        self._changed = threading.Condition()

    def put(self, block: bytes) -> bool:
        """Adds a block; waits while there are too many. False, and the block is not added, once closed."""
        with self._changed:
            # One block always goes in, however large.
            self._changed.wait_for(lambda: self._closed or not self._blocks or self._size + len(block) <= self._limit)
            if self._closed:
                return False
            self._blocks.append(block)
            self._size += len(block)
            self._changed.notify_all()
            return True

    def take(self) -> bytes | None:
        """The oldest block; None where there is none now."""
        with self._changed:
            if not self._blocks:
                return None
            block = self._blocks.popleft()
            self._size -= len(block)
            self._changed.notify_all()
            return block

    def wait(self) -> bool:
        """Waits for a block or a nudge. False once it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._nudged or self._closed)
            self._nudged = False
            return bool(self._blocks) or not self._closed

    def nudge(self) -> None:
        """Ends the present or next `wait`."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def close(self) -> None:
        """Lets no more in. What is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
