"""The kernel's own account of one TCP socket: what it sent and received, whatever a capture saw of it.

Source: `struct tcp_info` of linux/tcp.h, whose fields never move; new ones are only added at its end. Those that are
read here came with Linux 4.2 (2015). Other systems have no TCP_INFO, or another struct under that name.
"""

from __future__ import annotations

import socket
import struct
import sys

from verifier.clients.run import Counters

# u8 tcpi_state at byte 0. In these (include/net/tcp_states.h) the peer's FIN has been received, and the kernel counts
# it as a byte: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING. After a RST the state is CLOSE, which doesn't tell.
_FIN_RECEIVED = (6, 8, 9, 11)
# u64 tcpi_bytes_acked at byte 120, u64 tcpi_bytes_received at 128, u32 tcpi_segs_out at 136.
_FIELDS = struct.Struct("@QQI")
_OFFSET = 120
_SIZE = _OFFSET + _FIELDS.size


def read_counters(sock: socket.socket) -> Counters | None:
    """The counters of a connected socket, now. None where it is already closed, or the system doesn't count.

    A segment is what the receiver's MSS allows; a captured frame can hold several (segmentation offload), so in a
    complete capture there can be fewer frames than segments. Bytes are exact.
    """
    if sys.platform != "linux":
        return None
    try:
        # The bare descriptor's option: a TLS or SOCKS socket is asked for its TCP one, whatever it overrides.
        info = socket.socket.getsockopt(sock, socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return None  # EBADF: closed. ENOPROTOOPT, EPERM: a sandbox that emulates sockets without TCP_INFO.
    if len(info) < _SIZE:
        return None
    acked, received, segments_out = _FIELDS.unpack_from(info, _OFFSET)
    return Counters(segments_out, acked, received - (info[0] in _FIN_RECEIVED))
