"""Captures by others, against reference counts on which four programs agree.

The captures are not part of the project: the folder is named by VERIFY_CORPUS, and these tests are skipped where there
is none. Where the reference is wrong, or counts something else, the tables below say what is true and which frames
show it; each was looked at in tshark.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

FOLDER = os.environ.get("VERIFY_CORPUS") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "shared", "corpus"
)


class Truth(NamedTuple):
    """What is right where the reference isn't, and the frames that show it."""

    value: int
    why: str


DIFFERENCES: dict[tuple[str, str], Truth] = {
    ("pcapplusplus--tcp-reassembly.pcap", "connections"): Truth(
        1,
        "frame 66 is an sFlow datagram over UDP that quotes the heads of 7 sampled TCP packets: reports, not packets",
    ),
    ("ndpi--http_on_sip_port.pcap", "requests"): Truth(
        1, "frame 3 is a GET of HTTP/1.1 from port 5060, which tshark gives to SIP"
    ),
}

# Responses: the reference counts those that tshark shows without re-ordering: it loses what came out of order, and
# whatever has no end in the capture, and it counts interim ones. Ours are the final responses to requests that the
# capture holds, from their heads on; a response to a request that isn't there is a note.
RESPONSES: dict[str, Truth] = {
    "suricata-verify--TLPW1-tcp-174.56.47.59-10.3.11.101-tcp-80-49309.pcap": Truth(
        1, "the head is in frame 7; the body has no end in the capture"
    ),
    "mercury--dns_packet.capture2.pcap": Truth(
        59,
        "48 bodies that a close ends which is not in the capture: streams 166 to 213, the first in frames 5035-5041",
    ),
    "mercury--http_auth.pcap": Truth(
        2, "the second head is in frame 10; 40 of 43 bytes of its body follow before the FIN"
    ),
    "pcaps--dns.cap": Truth(17, "four came out of order, whole: their heads are in frames 38, 139, 163 and 166"),
    "ndpi--1kxun.pcap": Truth(
        121,
        "7 bodies have no end in the capture (heads in frames 582, 1058, 1138, 1349, 1361, 1524, 1588),"
        " and 4 of the reference are `100 Continue` (frames 483, 498, 536, 544)",
    ),
    "ndpi--http_on_sip_port.pcap": Truth(1, "frame 4, which tshark gives to SIP"),
    "ndpi--instagram.pcap": Truth(4, "four bodies have no end in the capture (heads in frames 80, 130, 240, 467)"),
    "ndpi--weibo.pcap": Truth(
        14,
        "four came out of order (streams 6, 10, 10, 11: tshark finds them with re-ordering on),"
        " five bodies have no end in the capture (streams 10, 11, 12, 14, 16)",
    ),
    "zeek--zero-length-bodies-with-drops.pcap": Truth(
        7, "the response in frame 35 answers a request that is missing from the capture: client bytes 10702 to 11976"
    ),
}


def reference() -> Iterator[dict[str, Any]]:
    path = os.path.join(FOLDER, "expected.jsonl")
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


REFERENCE = {entry["file"]: entry for entry in reference()}
READABLE = [name for name, entry in REFERENCE.items() if entry["packets"] or not entry["unreadable"]]


@pytest.fixture(scope="module")
def reports(corpus: str | os.PathLike[str]) -> dict[str, Report]:
    return {name: analyze([os.path.join(corpus, name)], Selection(), Expectations()) for name in READABLE}


def expected(name: str, field: str) -> int:
    truth = DIFFERENCES.get((name, field))
    return truth.value if truth else REFERENCE[name][field]


@pytest.mark.parametrize("name", READABLE)
def test_connections_and_handshakes(reports: dict[str, Report], name: str) -> None:
    counted = reports[name].totals
    assert counted.connections == expected(name, "connections")
    assert counted.handshakes == expected(name, "handshakes")


@pytest.mark.parametrize("name", READABLE)
def test_requests(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    assert report.totals.requests == expected(name, "requests")
    if (name, "requests") not in DIFFERENCES:
        each = [connection.requests for connection in report.details.connections() if connection.requests]
        assert each == REFERENCE[name]["requests_per_connection"]


@pytest.mark.parametrize("name", READABLE)
def test_responses(reports: dict[str, Report], name: str) -> None:
    truth = RESPONSES.get(name)
    assert reports[name].totals.responses == (truth.value if truth else REFERENCE[name]["responses"])


@pytest.mark.parametrize("name", READABLE)
def test_packets(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    assert report.totals.packets == REFERENCE[name]["packets"]
    assert report.sources[0].truncated == (REFERENCE[name]["cut_short"] or REFERENCE[name]["unreadable"])


@pytest.mark.parametrize("name", READABLE)
def test_tls(reports: dict[str, Report], name: str) -> None:
    hellos = [
        connection
        for connection in reports[name].details.connections()
        if connection.tls and connection.protocol == "tls"
    ]
    assert len(hellos) >= REFERENCE[name]["tls_client_hellos"]


@pytest.mark.parametrize("name", READABLE)
def test_every_statement_has_its_frames(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    last = report.totals.packets
    for connection in report.details.connections():
        frames = [frame for frame in connection.frames if frame is not None]
        assert all(1 <= frame <= last for frame in frames)
        if connection.handshake == "complete":
            syn, synack, ack = connection.frames[:3]
            assert syn is not None
            assert ack is not None
            assert syn < ack
            assert synack is not None
        assert (connection.frames.first_close is None) == (connection.first_closer == "none")
    for exchange in report.details.exchanges():
        assert exchange.request_frame is None or 1 <= exchange.request_frame <= last
        assert exchange.reuse != "reused" or exchange.depth > 1
    if report.verdict == "proved":
        assert not report.inconclusive_because


def test_the_files_that_nobody_reads(corpus: str | os.PathLike[str]) -> None:
    """No packet of them can be read: one line says so, or an empty report; never a verdict."""
    for name in sorted(set(REFERENCE) - set(READABLE)):
        try:
            report = analyze([os.path.join(corpus, name)], Selection(), Expectations())
        except VerifierError:
            continue
        assert report.totals.packets == 0
        assert report.verdict == "inconclusive"
