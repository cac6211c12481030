# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True
"""What the readers of both file formats share: a window onto the file's bytes, and a packet filled from the next
record.

A reader is loaded with a buffer (`load`) and asked for packets (`next`) until it has no whole record left; the caller
then moves the rest (from `at`) to the front of a buffer with more bytes behind it, and loads again. Where a record is
damaged the reader stops for good: `problem` says what is wrong, at which byte.
"""

from __future__ import annotations

import cython

from verifier.wire.octets import Octets

if cython.compiled:
    from cython.cimports.verifier.wire.packet import Packet
else:
    from verifier.wire.packet import Packet


LARGEST_RECORD = 16 << 20
"""Bytes. Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD is 256 KiB; only D-Bus and USB go beyond, to 128 MiB."""
LATEST_NS = 1 << 62
"""The year 2116: times behind it are damage, and sums of two still fit 64 bits."""
# In place of a packet's time.
NO_TIME = -1
OUT_OF_RANGE = -2


class Reader:
    def __init__(self) -> None:
        self.view = memoryview(b"")
        self.at = 0
        self.end = 0
        self.base = 0
        self.big = False
        self.problem = ""
        self.dropped = -1
        """Packets that the capture says it dropped, -1 where it does not say."""
        self.owed = 0
        """Bytes still to be passed over, behind those that are loaded."""

    def load(self, view: Octets, end: cython.Py_ssize_t) -> None:
        """Go on reading at the front of `view`; `end` bytes of it are there. What lay before `at` is done with."""
        self.base += self.at
        self.view = view
        self.at = 0
        self.end = end

    def next(self, packet: Packet) -> cython.bint:
        """Fills `packet` from the next record: `at`, `end`, `wire_end`, `ts`, `link_type`. False where no whole record
        is left."""
        raise NotImplementedError

    def fail(self, problem: str) -> cython.bint:
        """Stops the reader at the record that begins at `at`."""
        self.problem = f"damaged: {problem} at byte {self.base + self.at}"
        self.end = self.at
        return False

    def u16(self, at: cython.Py_ssize_t) -> cython.uint:
        if self.big:
            return (cython.cast(cython.uint, self.view[at]) << 8) | self.view[at + 1]
        return (cython.cast(cython.uint, self.view[at + 1]) << 8) | self.view[at]

    def u32(self, at: cython.Py_ssize_t) -> cython.uint:
        if self.big:
            return (
                (cython.cast(cython.uint, self.view[at]) << 24)
                | (cython.cast(cython.uint, self.view[at + 1]) << 16)
                | (cython.cast(cython.uint, self.view[at + 2]) << 8)
                | self.view[at + 3]
            )
        return (
            (cython.cast(cython.uint, self.view[at + 3]) << 24)
            | (cython.cast(cython.uint, self.view[at + 2]) << 16)
            | (cython.cast(cython.uint, self.view[at + 1]) << 8)
            | self.view[at]
        )
