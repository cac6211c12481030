"""Sends crafted frames on one end of a veth pair at a rate of one's choice: what a capture on the other end takes.

Connections of one request each, as in shapes.py, no two alike. Prepared in memory, and handed to the kernel 1,024 at a
time (sendmmsg(2)), past the queueing discipline: a million and more a second from one core, from Python.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from typing import NamedTuple

from shapes import RECORD, SERVER_PORT, Pattern, connection

CONNECTIONS = 8192
"""Prepared at a time; afterwards they get other ports and addresses."""
AT_ONCE = 1024
"""UIO_MAXIOV, which bounds sendmmsg(2), too."""
TICK_S = 0.001
PACKET_QDISC_BYPASS = 20
SOL_PACKET = 263
MMSGHDR, IOVEC = 64, 16
MARKER = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + struct.pack(
    ">BBHHHBBH4s4sHHHH", 0x45, 0, 44, 1, 0, 64, 17, 0, b"\x0a\0\0\1", b"\xc0\0\2\1", 9, SERVER_PORT, 24, 0
)


class Sent(NamedTuple):
    packets: int
    connections: int
    seconds: float

    @property
    def rate(self) -> float:
        """Packets a second."""
        return self.packets / self.seconds


class Sender:
    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self._socket.bind((interface, 0))
        self._pattern = Pattern(connection())
        self._each = len(self._pattern.packets)
        self._frames = self._pattern.copies(CONNECTIONS)
        self._next = 0
        self._prepare()
        self._heads = self._described()
        self._sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg

    def send(self, rate: float, seconds: float) -> Sent:
        """Whole connections, `rate` packets a second for that long."""
        count = max(1, int(rate * seconds) // self._each)
        total = count * self._each
        sent, lap = 0, 0
        began = time.perf_counter()
        while sent < total:
            due = min(total, int((time.perf_counter() - began + TICK_S) * rate))
            while sent < due:
                if lap == CONNECTIONS * self._each:
                    self._prepare()
                    lap = 0
                size = min(AT_ONCE, due - sent, CONNECTIONS * self._each - lap)
                done = self._sendmmsg(self._socket.fileno(), ctypes.byref(self._heads, lap * MMSGHDR), size, 0)
                if done < 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                sent += done
                lap += done
            time.sleep(max(0.0, min(TICK_S, began + sent / rate - time.perf_counter())))
        took = time.perf_counter() - began
        self._prepare()
        return Sent(total, count, took)

    def mark(self, words: bytes) -> None:
        """One datagram to the server's port that ends in these words, 16 bytes."""
        self._socket.send(MARKER + words)

    def close(self) -> None:
        self._socket.close()

    def _prepare(self) -> None:
        """Other connections than before."""
        self._pattern.clients(self._frames, self._next, CONNECTIONS)
        self._next += CONNECTIONS

    def _described(self) -> ctypes.Array[ctypes.c_char]:
        """An array of struct mmsghdr, one for each frame, and behind it the struct iovec of each."""
        start = ctypes.addressof((ctypes.c_char * len(self._frames)).from_buffer(self._frames))
        ends = [*self._pattern.starts[1:], self._pattern.size]
        places = [
            (start + copy * self._pattern.size + begin + RECORD, end - begin - RECORD)
            for copy in range(CONNECTIONS)
            for begin, end in zip(self._pattern.starts, ends, strict=True)
        ]
        memory = ctypes.create_string_buffer(len(places) * (MMSGHDR + IOVEC))
        vectors = ctypes.addressof(memory) + len(places) * MMSGHDR
        for number, place in enumerate(places):
            struct.pack_into("@QQ", memory, len(places) * MMSGHDR + number * IOVEC, *place)
            struct.pack_into("@PIPNPNiI", memory, number * MMSGHDR, 0, 0, vectors + number * IOVEC, 1, 0, 0, 0, 0)
        return memory
