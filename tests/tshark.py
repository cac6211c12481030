"""tshark as an independent judge: what it counts in a capture file, from its own dissection.

The product asks it for a second opinion; this is the same, without a comparison. Segments out of order are re-ordered
first (`tcp.reassemble_out_of_order`): without that, tshark 4.0 loses responses, and with it, it stalls at a gap, so
`count` takes either mode.
"""

from __future__ import annotations

import importlib.util
import shutil
from functools import cache
from typing import Literal, NamedTuple

from verifier.opinion import tshark

ABSENT = (
    "tshark or pyshark is not installed: this test needs them for the second opinion"
    " (apt-get install tshark; pip install pyshark)"
)

Reordering = Literal["TRUE", "FALSE"]


class Count(NamedTuple):
    """What tshark sees. `requests` and `responses` are HTTP/1, of each stream that has any, in their order."""

    connections: int
    handshakes: int
    requests: tuple[int, ...]
    responses: tuple[int, ...]
    hellos: int
    """Streams with a ClientHello."""


def installed() -> bool:
    return shutil.which("tshark") is not None and importlib.util.find_spec("pyshark") is not None


@cache
def program() -> tshark.Program:
    return tshark.find()


def count(path: str, reordering: Reordering = "TRUE") -> Count:
    """Counts of one file; what tshark says about damage at the end of it doesn't matter here."""
    wish = tshark.Wish(preferences={"tcp.reassemble_out_of_order": reordering})
    seen = tshark.read(program(), path, wish)
    streams = seen.streams.values()
    requests = [sum(message.http == 1 for message in stream.requests) for stream in streams]
    responses = [sum(message.http == 1 for message in stream.responses) for stream in streams]
    return Count(
        len(streams),
        seen.handshakes(),
        tuple(filter(None, requests)),
        tuple(filter(None, responses)),
        seen.hellos(),
    )
