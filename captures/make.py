"""Makes the sample captures beside it: the same bytes every time, by the builders in tests/craft.py alone.

    python captures/make.py [FOLDER]

Each function below is one sample and says what it shows; its name is the file's. What a reader must find in each is in
expected.json, written by hand from what the function says, never from a program's output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "tests"))

from craft import (  # noqa: E402  (the line above says where it is)
    DESTINATION,
    HOP_BY_HOP,
    NULL_LITTLE,
    RAW,
    SLL2,
    START_NS,
    WRAP,
    Conversation,
    Interface,
    IPv6,
    Pcapng,
    PcapStyle,
    Segment,
    chunked,
    cut,
    get,
    merged,
    noise,
    ok,
    packets,
    pcap,
    pcapng,
    request_head,
    response_head,
    retimed,
    sealed,
    tls12_opening,
    tls13_opening,
    vlan,
    with_ipv6,
)

SECOND = 1_000_000_000


def one_by_one(count: int, *headers: str) -> list[Conversation]:
    """Conversations one after another, each from a port of its own, with its handshake and one exchange."""
    talks = []
    for number in range(count):
        talk = Conversation(
            ("10.0.0.1", 40000 + number), isns=(1_000 + 5_000 * number, 700_000), now=START_NS + number * SECOND
        )
        talk.handshake()
        talk.request(get(f"/{number + 1}"))
        talk.response(ok(b"hello", *headers))
        talks.append(talk)
    return talks


def twice(talk: Conversation) -> Conversation:
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    return talk


def reused() -> bytes:
    """One connection, two requests, the client closes: what a Session does."""
    talk = twice(Conversation())
    talk.close("client")
    return pcap(talk.packets())


def no_session() -> bytes:
    """Three requests one after another, each on a connection of its own that the client closes."""
    talks = one_by_one(3)
    for talk in talks:
        talk.close("client")
    return pcap(packets(merged(*talks)))


def server_closes_each() -> bytes:
    """Three requests; every response says `Connection: close`, and the server does."""
    talks = one_by_one(3, "Connection: close")
    for talk in talks:
        talk.close("server")
    return pcapng(packets(merged(*talks)))


def server_idle_timeout() -> bytes:
    """The server closes a connection idle for 5 s; the client notices at its next request, and opens another."""
    first, second = one_by_one(2)
    first.pause(5)
    first.fin("server")
    first.ack("client")
    first.pause(3)
    first.fin("client")
    second = Conversation(("10.0.0.1", 40001), isns=(90_000, 800_000), now=first.now)
    second.handshake()
    second.exchange(2)
    return pcap(packets(merged(first, second)))


def pipelined() -> bytes:
    """Three requests in one segment, three responses in one segment."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/1") + get("/2") + get("/3"))
    talk.response(ok(b"one") + ok(b"two") + ok(b"three"))
    talk.close("client")
    return pcap(talk.packets())


def concurrent() -> bytes:
    """Three requests at once need three connections; one of these carries a fourth request afterwards."""
    talks = [Conversation(("10.0.0.1", 40000 + number), now=START_NS + number) for number in range(3)]
    for talk in talks:
        talk.handshake()
        talk.request(get("/slow"))
        talk.pause(1)
        talk.response(ok())
    talks[1].exchange(4)
    return pcap(packets(merged(*talks)))


def refused_fallback() -> bytes:
    """`localhost`: ::1 refuses, 127.0.0.1 serves both requests."""
    refused = Conversation(("::1", 50000), ("::1", 8080))
    refused.syn()
    refused.reset("server")
    talk = twice(Conversation(("127.0.0.1", 40000), ("127.0.0.1", 8080), now=refused.now))
    return pcap(packets(merged(refused, talk), NULL_LITTLE))


def framing() -> bytes:
    """One connection, six requests: chunks and a trailer, HEAD, 204, 100-continue, 304, a body that the close ends."""
    talk = Conversation()
    talk.handshake()
    talk.request(get("/chunked"))
    talk.send(
        "server",
        response_head("200 OK", "Transfer-Encoding: chunked") + chunked(b"one", noise(2000), trailers=("X-Sum: 1",)),
        1000,
    )
    talk.request(request_head("HEAD", "/head"))
    talk.response(response_head("200 OK", "Content-Length: 2003"))
    talk.request(request_head("DELETE", "/1"))
    talk.response(response_head("204 No Content"))
    talk.request(request_head("POST", "/up", "Content-Length: 4", "Expect: 100-continue"))
    talk.response(response_head("100 Continue"))
    talk.request(b"body")
    talk.response(ok())
    talk.request(get("/cached", 'If-None-Match: "1"'))
    talk.response(response_head("304 Not Modified", "Content-Length: 2003"))
    talk.request(get("/stream"))
    talk.response(response_head("200 OK", "Content-Type: text/plain") + b"until the end " + ok(b"not a response"))
    talk.close("server")
    return pcap(talk.packets())


def tls12() -> bytes:
    """TLS 1.2, then records that may be one request and response, or several."""
    talk = Conversation(server=("10.0.0.2", 443))
    tls12_opening(talk)
    talk.request(sealed(120))
    talk.response(sealed(800))
    talk.say("client", "PA", sealed(26, 21, "alert"))
    talk.close("client")
    return pcap(talk.packets())


def tls13() -> bytes:
    """TLS 1.3 with two session tickets, then records that may be requests."""
    talk = Conversation(server=("10.0.0.2", 443))
    tls13_opening(talk)
    talk.request(sealed(120))
    talk.response(sealed(800))
    talk.request(sealed(130))
    talk.response(sealed(900))
    talk.close("client")
    return pcap(talk.packets())


def qinq_ipv6() -> bytes:
    """Two VLAN tags, IPv6 with extension headers, a nanosecond file in big-endian order."""
    talk = twice(Conversation(("2001:db8::1", 40000), ("2001:db8::2", 80)))
    talk.close("server")
    captured = talk.packets(vlan((0x88A8, 7), (0x8100, 5)), with_ipv6(IPv6((HOP_BY_HOP, DESTINATION))))
    return pcap(captured, PcapStyle(">", nanoseconds=True))


def any_interface() -> bytes:
    """Linux `any`: SLL2 frames, and each packet seen twice, as on two devices of one host."""
    talk = twice(Conversation())
    talk.close("client")
    captured = [copy for packet in talk.packets(SLL2) for copy in (packet, packet._replace(ts_ns=packet.ts_ns + 3_000))]
    return pcap(captured)


def two_interfaces() -> bytes:
    """Two sections of opposite byte orders; in each Ethernet in microseconds and raw IP in units of 2**-30 s."""
    talk = twice(Conversation())
    file = Pcapng("<")
    _both_interfaces(file, talk.segments[:7])
    file.section(">")
    _both_interfaces(file, talk.segments[7:])
    return file.bytes()


def _both_interfaces(file: Pcapng, segments: list[Segment]) -> None:
    """What the client sends on the one, what the server sends on the other."""
    file.interface(Interface(1, 65535))
    file.interface(Interface(101, 65535, 0x80 | 30))
    for segment in segments:
        from_client = segment.sender[1] == 40000
        (packet,) = packets([segment]) if from_client else packets([segment], RAW)
        file.packet(packet, 0 if from_client else 1)


def mid_connection() -> bytes:
    """The capture begins inside a connection: no handshake, two requests."""
    return pcap(packets(twice(Conversation()).segments[3:]))


def gap() -> bytes:
    """Four requests; the segment with the second one is not in the capture, its response is."""
    talk = Conversation()
    talk.handshake()
    for number in range(1, 5):
        talk.exchange(number)
    segments = [segment for segment in talk.segments if segment.payload != get("/2")]
    return pcap(packets(segments))


def snaplen_54() -> bytes:
    """Headers alone: the payload of two requests is cut off."""
    return pcap(cut(twice(Conversation()).packets(), 54), PcapStyle(snaplen=54))


def out_of_order() -> bytes:
    """Numbers wrap, segments change places, come twice and overlap; three requests all the same."""
    talk = Conversation(isns=(WRAP - 30, WRAP - 100))
    talk.handshake()
    for number in range(1, 4):
        talk.send("client", get(f"/{number}", "Cookie: " + "c" * 40), 20)
        talk.ack("server")
        talk.send("server", ok(noise(150, f"body {number}")), 30)
        talk.ack("client")
    segments: list[Segment] = []
    for place, segment in enumerate(talk.segments):
        if place % 5 == 4 and place > 3 and segment.payload:
            segments.insert(len(segments) - 1, segment)
        else:
            segments.append(segment)
        if place % 7 == 6:
            segments.append(segment)
    return pcap(packets(retimed(segments)))


def dropped() -> bytes:
    """Like `reused`, and the capturing kernel says that it dropped 3 packets."""
    file = Pcapng()
    file.interface(Interface(1))
    for packet in twice(Conversation()).packets():
        file.packet(packet)
    file.statistics(received=14, dropped=3)
    return file.bytes()


def cut_short() -> bytes:
    """Like `reused`, and the file ends inside its last packet."""
    talk = twice(Conversation())
    talk.close("client")
    return pcap(talk.packets())[:-20]


SAMPLES: dict[str, Callable[[], bytes]] = {
    "reused.pcap": reused,
    "no-session.pcap": no_session,
    "server-closes-each.pcapng": server_closes_each,
    "server-idle-timeout.pcap": server_idle_timeout,
    "pipelined.pcap": pipelined,
    "concurrent.pcap": concurrent,
    "refused-fallback.pcap": refused_fallback,
    "framing.pcap": framing,
    "tls12.pcap": tls12,
    "tls13.pcap": tls13,
    "qinq-ipv6.pcap": qinq_ipv6,
    "any-interface.pcap": any_interface,
    "two-interfaces.pcapng": two_interfaces,
    "mid-connection.pcap": mid_connection,
    "gap.pcap": gap,
    "snaplen-54.pcap": snaplen_54,
    "out-of-order.pcap": out_of_order,
    "dropped.pcapng": dropped,
    "cut-short.pcap": cut_short,
}


def main(folder: str) -> None:
    for name, make in SAMPLES.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(make())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else HERE)
