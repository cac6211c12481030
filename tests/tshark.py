"""tshark as an independent judge: what it counts in a capture file, from its own dissection and nothing of ours.

It reads the file once and prints one line a TCP packet; the handshakes are worked out here from raw sequence numbers,
because tshark has no such count. TCP headers quoted in ICMP errors are not packets. Segments out of order are
re-ordered first (`tcp.reassemble_out_of_order`): without that, tshark 4.0 loses responses, and with it, it stalls at
a gap, so `count` takes either mode.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import Literal, NamedTuple

FIELDS = (
    "tcp.stream",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "http.request.method",
    "http.response.code",
    "tls.handshake.type",
)
TIME_LIMIT_S = 120
ABSENT = "tshark is not installed: this test needs it as the second opinion (apt-get install tshark)"

Reordering = Literal["TRUE", "FALSE"]


class Count(NamedTuple):
    """What tshark sees. `requests` and `responses` are HTTP/1, per stream that has any, in the order of the streams."""

    connections: int
    handshakes: int
    requests: tuple[int, ...]
    responses: tuple[int, ...]
    hellos: int
    """Streams with a ClientHello."""


def installed() -> bool:
    return shutil.which("tshark") is not None


def count(path: str, reordering: Reordering = "TRUE") -> Count:
    """Counts of one file; what tshark says about damage at the end of it doesn't matter here."""
    command = [
        "tshark",
        "-n",
        "-r",
        path,
        "-o",
        f"tcp.reassemble_out_of_order:{reordering}",
        "-Y",
        "tcp and not icmp and not icmpv6",
    ]
    command += ["-T", "fields", "-E", "separator=/t"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    streams: dict[int, Stream] = {}
    for line in done.stdout.splitlines():
        number, ipv4, ipv6, port, flags, seq, ack, methods, codes, tls = line.split("\t")
        numbers = (int(last(flags), 16), int(last(seq)), int(last(ack) or 0))
        for other in number.split(",")[:-1]:
            streams.setdefault(int(other), Stream())
        stream = streams.setdefault(int(last(number)), Stream())
        stream.take((last(ipv4) or last(ipv6), last(port)), numbers)
        stream.requests += len(values(methods))
        stream.responses += len(values(codes))
        stream.hello |= "1" in values(tls)
    ordered = [streams[key] for key in sorted(streams)]
    return Count(
        len(ordered),
        sum(stream.complete for stream in ordered),
        tuple(stream.requests for stream in ordered if stream.requests),
        tuple(stream.responses for stream in ordered if stream.responses),
        sum(stream.hello for stream in ordered),
    )


def values(cell: str) -> list[str]:
    return cell.split(",") if cell else []


def last(cell: str) -> str:
    """Of a packet in a packet, the inner one."""
    return cell.rsplit(",", 1)[-1]


class Stream:
    """One of tshark's streams: counts its messages, and finds SYN, SYN-ACK and a segment that acknowledges it."""

    def __init__(self) -> None:
        self.requests = 0
        self.responses = 0
        self.hello = False
        self.complete = False
        self._opened = False
        self._answers: set[tuple[tuple[str, str], int]] = set()

    def take(self, sender: tuple[str, str], numbers: tuple[int, int, int]) -> None:
        flags, seq, ack = numbers
        syn, rst, acknowledges = flags & 0x02, flags & 0x04, flags & 0x10
        if syn and not acknowledges:
            self._opened = True
        elif syn:
            self._answers.add((sender, seq))
        elif acknowledges and not rst and self._opened:
            self.complete |= any(
                side != sender and 0 < (ack - isn) % (1 << 32) < 1 << 31 for side, isn in self._answers
            )
