"""What a live client's kernel counted, laid beside the packets."""

from __future__ import annotations

import pytest
from craft import Conversation, get, ok
from examine import reasons
from talks import SERVER, Account, told

from verifier.clients.run import Counters

pytestmark = pytest.mark.core

BODY = 40_000
"""Bytes, in one packet: of two segments, say, that loopback carries as one."""
SENT, RECEIVED = 2 * len(get("/")), 2 * len(ok(b"x" * BODY))


def talk() -> Conversation:
    """Two requests on one connection, and the responses in one packet each."""
    talk = Conversation(("127.0.0.1", 40000), SERVER)
    talk.handshake()
    for _ in range(2):
        talk.request(get("/"))
        talk.say("server", "PA", ok(b"x" * BODY))
        talk.ack("client")
    return talk


def counted(segments_out: int = 0, bytes_acked: int = 0, bytes_received: int = 0) -> Counters:
    """As many as the packets show, and these besides."""
    sent = [segment for segment in talk().segments if segment.sender != SERVER]
    return Counters(len(sent) + segments_out, 1 + SENT + bytes_acked, RECEIVED + bytes_received)


def test_what_the_kernel_counted_is_there() -> None:
    report = told([talk()], Account(counters=counted()))
    assert (report.verdict, reasons(report)) == ("proved", set())


@pytest.mark.parametrize(
    ("counters", "said"),
    [
        (counted(segments_out=1), "segments sent"),
        (counted(bytes_acked=1), "bytes sent"),
        (counted(bytes_received=1), "bytes received"),
    ],
    ids=["segments", "sent", "received"],
)
def test_what_it_counted_beyond_the_packets_is_missing(counters: Counters, said: str) -> None:
    report = told([talk()], Account(counters=counters))
    assert report.verdict == "inconclusive"
    (missing,) = report.inconclusive_because
    assert missing.code == "segments-missing"
    assert missing.text.endswith(said)
