"""Raw frames from the kernel: scapy's listening socket, with a packet ring that kernel and program share (packet(7),
TPACKET_V3).

The kernel writes frames one behind the other into blocks, each with its nanosecond time stamp, wire length and VLAN
tag; a block is handed over when it is full or `BLOCK_TIME_MS` old, and is the kernel's again once read. Against
`recvmsg` on the same socket, measured in Python on frames already queued: 0.8 us a frame instead of 5.6, and a frame
takes its own length and 82 bytes, not a socket buffer, so that the same memory lasts through a longer pause. A large
ring needs no more rights than the socket, where a large SO_RCVBUF does.

scapy's own `recv_raw` reads the same frames, but gives seconds as a float, in which a time of today has 238 ns steps.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import select
import socket
import struct
import sys

from verifier.errors import VerifierError
from verifier.sources.filter import LINKTYPE_ETHERNET, LINKTYPE_RAW
from verifier.sources.interface import Interface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scapy.arch.linux import L2ListenSocket

BLOCK_BYTES = 1 << 18
"""Holds the longest frame there is without BIG TCP (64 KiB from segmentation offload); longer ones are cut, and their
wire length says so."""
BLOCK_TIME_MS = 4
"""The longest a frame waits in a block. Each block may then be nearly empty, so 256 blocks bridge a pause of the
reader of a second or more."""
LEAST_BLOCKS = 2
LARGEST_SHARE = 4
"""The buffer is taken from the kernel's memory, which is never swapped out: at most this part of it."""
MOST_BYTES = 0xFFFFFFFF * BLOCK_BYTES
"""What a request for a ring can describe: it counts blocks in 32 bits. How much of it there is memory for, the kernel
tells."""

# include/uapi/linux/if_arp.h
ARPHRD_ETHER = 1
ARPHRD_PPP = 512
ARPHRD_RAWIP = 519
ARPHRD_LOOPBACK = 772
ARPHRD_NONE = 0xFFFE
LINK_TYPES = {
    ARPHRD_ETHER: LINKTYPE_ETHERNET,
    ARPHRD_LOOPBACK: LINKTYPE_ETHERNET,
    # A tun device has no link header at all; the kernel's PPP puts its own on below the place where packets are
    # captured (ppp_start_xmit) and takes it off before (ppp_receive_nonmp_frame).
    ARPHRD_NONE: LINKTYPE_RAW,
    ARPHRD_RAWIP: LINKTYPE_RAW,
    ARPHRD_PPP: LINKTYPE_RAW,
}

# include/uapi/linux/if_packet.h
_SOL_PACKET = 263
_PACKET_RX_RING = 5
_PACKET_STATISTICS = 6
_PACKET_VERSION = 10
_TPACKET_V3 = 2
_TP_STATUS_USER = 1
_ETH_P_ALL = 3
# asm-generic/socket.h
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

_REQUEST = struct.Struct("=7I")
_STATISTICS = struct.Struct("=3I")
# struct tpacket_block_desc: after version and offset of private data, status, number of packets, offset of the first,
# bytes in use.
_BLOCK = struct.Struct("=8x4I")
_STATUS = struct.Struct("=I")
_STATUS_AT = 8
_BPF = struct.Struct("@HP")


def link_type_of(interface: Interface) -> int:
    """The LINKTYPE_ of what a packet socket gives there. VerifierError for a link that we can't read."""
    known = LINK_TYPES.get(interface.hardware)
    if known is None:
        raise VerifierError(
            f"can't capture on {interface.name}: its link type (ARPHRD {interface.hardware}) is none that verify reads",
            "--interface takes Ethernet, loopback, tun and ppp",
        )
    return known


class PacketRing:
    """An open capture on one interface. Not for two threads at once, but for `attach` and `wake`."""

    def __init__(self, interface: Interface, buffer_bytes: int, program: bytes) -> None:
        """Opens it with the filter `program` in force from the first frame, and a buffer of up to `buffer_bytes`, at
        most MOST_BYTES. OSError where the kernel refuses (EPERM: rights)."""
        most = memory_bytes() // LARGEST_SHARE
        if buffer_bytes > most:
            # The kernel would try, for a minute, and kill whoever stands in the way.
            raise VerifierError(
                f"a buffer of {buffer_bytes >> 20:,} MiB is more than a quarter of this machine's memory",
                f"--buffer-size {most >> 20}M is the most",
            )
        self._socket = _listening_socket(interface.name)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._dropped = 0
        self._next = 0
        raw = self._socket.ins
        try:
            self._block_bytes, self._blocks = _make_ring(raw, buffer_bytes)
            self._ring = mmap.mmap(raw.fileno(), self._block_bytes * self._blocks)
            self.attach(program)
            raw.bind((interface.name, _ETH_P_ALL))
            if self.fault() is not None:
                raise VerifierError(
                    f"interface {interface.name} is down", f"`ip link set {interface.name} up` mends it"
                )
        except BaseException:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(raw.fileno(), select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def read(self) -> bytes | None:
        """A copy of the next block, for `Frames`; None where no block is ready."""
        start = self._next * self._block_bytes
        status, _, _, length = _BLOCK.unpack_from(self._ring, start)
        if not status & _TP_STATUS_USER:
            return None
        block = self._ring[start : start + length]
        _STATUS.pack_into(self._ring, start + _STATUS_AT, 0)
        self._next = (self._next + 1) % self._blocks
        return block

    def wait(self) -> OSError | None:
        """Until a block is ready, `wake` is called, or the socket has something to report, which is returned."""
        fault = None
        for descriptor, events in self._poll.poll():
            if descriptor == self._wake:
                os.eventfd_read(self._wake)
            elif events & select.POLLERR:
                fault = self.fault()
        return fault

    def wake(self) -> None:
        """Ends the present or next `wait`; from any thread."""
        os.eventfd_write(self._wake, 1)

    def attach(self, program: bytes) -> None:
        """Puts another filter in place of the present one in one step, from any thread. Frames that are sent after
        this returns meet the new one."""
        code = ctypes.create_string_buffer(program, len(program))
        self._socket.ins.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, _BPF.pack(len(program) // 8, ctypes.addressof(code))
        )

    def detach(self) -> None:
        """Lets every frame through."""
        self._socket.ins.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def fault(self) -> OSError | None:
        """What the kernel has to report of this socket (ENETDOWN: the interface went down), once."""
        number = self._socket.ins.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(number, os.strerror(number)) if number else None

    def dropped(self) -> int:
        """Frames that the kernel dropped so far for want of room."""
        _, drops, _ = _STATISTICS.unpack(self._socket.ins.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
        # Reading sets the kernel's counter back to zero (packet_getsockopt).
        self._dropped += drops
        return self._dropped

    @property
    def blocks(self) -> int:
        return self._blocks

    @property
    def bytes(self) -> int:
        """The size that the kernel granted."""
        return self._blocks * self._block_bytes

    def close(self) -> None:
        ring = getattr(self, "_ring", None)
        if ring is not None:
            ring.close()
        self._socket.close()
        os.close(self._wake)


def _listening_socket(name: str) -> L2ListenSocket:
    # scapy says by logging what it can't do for itself, and tells the user of link types that matter only to
    # dissection; both are checked here instead.
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    # This module alone: `scapy.all` brings every protocol there is, 0.7 s instead of 0.15.
    try:
        from scapy.arch.linux import L2ListenSocket
    except ImportError as error:
        raise VerifierError(f"scapy can't be loaded: {error}", f"{sys.executable} -m pip install scapy") from error

    try:
        # Protocol 0 receives nothing, so that no frame comes before the filter and the ring, nor of another interface.
        return L2ListenSocket(iface=name, type=0, promisc=False, nofilter=1)
    except ValueError as error:
        # scapy looks for the name in its own list of interfaces.
        raise VerifierError(f"scapy does not find interface {name}: {error}") from error


def memory_bytes() -> int:
    """This machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _make_ring(raw: socket.socket, buffer_bytes: int) -> tuple[int, int]:
    """Sets up the ring, as large as the memory allows up to `buffer_bytes`; the bytes of a block, and the blocks."""
    raw.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
    size = BLOCK_BYTES
    while size > mmap.PAGESIZE and size * LEAST_BLOCKS > buffer_bytes:
        size //= 2
    count = max(LEAST_BLOCKS, buffer_bytes // size)
    while True:
        try:
            raw.setsockopt(_SOL_PACKET, _PACKET_RX_RING, _REQUEST.pack(size, count, size, count, BLOCK_TIME_MS, 0, 0))
            return size, count
        except OSError as error:
            if error.errno != errno.ENOMEM or count // 2 < LEAST_BLOCKS:
                raise
            count //= 2
