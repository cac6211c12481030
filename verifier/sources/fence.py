"""Marker frames that prove a capture open, and drained.

A fence is a frame that we send on the captured interface and that the capture itself must see. One seen at the start
shows that the capture is open; one sent after the last packet and seen shows that everything before it has been read.
On loopback a sent packet waits in a queue of the CPU that sent it, and meets the capture only when that CPU takes it
out (net/core/dev.c, enqueue_to_backlog): so a fence is sent from every CPU that this process may run on, and stands
in each queue behind all that was sent before.

Fences go to the interface's own address, with an EtherType for experiments that nobody listens to. A full queue may
drop one, so one that stays away is sent again until the deadline. Nothing here sleeps: waits end when the reading
thread reports a fence.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from time import monotonic

from verifier.sources.filter import FENCE_MARK_OFFSET, FENCE_PROTOCOL, LINKTYPE_ETHERNET
from verifier.sources.interface import Interface
from verifier.values import NamedTuple

# Eight bytes that name us to whoever finds one of these frames. The first is not 0x4? or 0x6?, which raw IP links
# would take for IP.
_MAGIC = b"\x0fverify\0"
_MARK = struct.Struct(">8sII")
assert len(_MAGIC) == FENCE_MARK_OFFSET
# The least Ethernet payload (IEEE 802.3, 3.2.7), so that no driver pads with what lay in memory.
_PAYLOAD = 46

AGAIN_S = 0.25
"""A fence that has not come back after this long is sent again. They come back within 5 ms on an idle machine (one
block time of the ring)."""

# The kernel takes a wider mask than the machine has CPUs and keeps what is allowed (sched_setaffinity(2)); 8192 is
# its largest NR_CPUS (x86).
_ANY_CPU = range(8192)


class Link(NamedTuple):
    """Where fences are sent."""

    interface: Interface
    link_type: int
    mark: int
    """Tells the fences of this capture from those of another: 32 random bits."""


def frame(link: Link, sequence: int) -> bytes:
    """A fence as it is sent. `sequence` from 0 to 2**32 - 1."""
    payload = _MARK.pack(_MAGIC, link.mark, sequence).ljust(_PAYLOAD, b"\0")
    if link.link_type != LINKTYPE_ETHERNET:
        return payload
    address = link.interface.address
    return address + address + FENCE_PROTOCOL.to_bytes(2, "big") + payload


def sequence_of(data: bytes, link: Link) -> int | None:
    """The sequence number of a captured fence; None for a frame that is not a fence of this capture."""
    start = 14 if link.link_type == LINKTYPE_ETHERNET else 0
    if len(data) < start + _MARK.size:
        return None
    magic, mark, sequence = _MARK.unpack_from(data, start)
    return int(sequence) if magic == _MAGIC and mark == link.mark else None


class Fences:
    """Sends fences and waits for them. One thread calls `passed`, the reading thread calls `arrived` and `abandon`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sequence = 0
        self._changed = threading.Condition()
        self._sent_from: dict[int, int] = {}
        """CPU by sequence number, of the fences sent since `passed` was called: any of a CPU's proves what it is to
        prove."""
        self._missing: set[int] = set()
        """The CPUs none of whose fences was seen yet."""
        self._abandoned = False

    def passed(self, deadline_s: float) -> bool:
        """Sends a fence from each CPU and waits until the capture has seen one of each. False where some stayed away
        for `deadline_s` seconds."""
        end = monotonic() + deadline_s
        again = AGAIN_S
        try:
            cpus = allowed_cpus()
            with self._changed:
                self._sent_from.clear()
                self._missing = cpus
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as out:
                while not self._abandoned:
                    self._send(out)
                    with self._changed:
                        now = monotonic()
                        if self._changed.wait_for(self._settled, max(0.0, min(again, end - now))):
                            return bool(self._sent_from) and not self._missing and not self._abandoned
                    if monotonic() >= end:
                        return False
                    again *= 2
        except OSError:
            # The interface is down or gone, or a sandbox forbids us the other CPUs: nothing was proved, and False
            # says so.
            return False
        return False

    def arrived(self, data: bytes) -> None:
        """Takes a frame of FENCE_PROTOCOL that the capture saw."""
        sequence = sequence_of(data, self._link)
        if sequence is not None:
            with self._changed:
                self._missing.discard(self._sent_from.get(sequence, -1))
                if not self._missing:
                    self._changed.notify_all()

    def abandon(self) -> None:
        """Ends all waiting: nobody reads any more."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def _settled(self) -> bool:
        return not self._missing or self._abandoned

    def _send(self, out: socket.socket) -> None:
        """One fence from each CPU whose fences stayed away so far."""
        own = os.sched_getaffinity(0)
        with self._changed:
            cpus = sorted(self._missing)
        try:
            for cpu in cpus:
                try:
                    os.sched_setaffinity(0, {cpu})
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    # Taken off line, or out of our reach, since the list was made: nobody sends from there any more.
                    with self._changed:
                        self._missing.discard(cpu)
                    continue
                with self._changed:
                    sequence, self._sequence = self._sequence, self._sequence + 1
                    self._sent_from[sequence] = cpu
                try:
                    out.sendto(frame(self._link, sequence), (self._link.interface.name, FENCE_PROTOCOL))
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    # The sending queue is full: this one stays away, and the next round tries again.
        finally:
            os.sched_setaffinity(0, own)


def allowed_cpus() -> set[int]:
    """Every CPU that this process may run on, also those outside its present mask: a server may be there."""
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, _ANY_CPU)
        return os.sched_getaffinity(0)
    finally:
        os.sched_setaffinity(0, own)
