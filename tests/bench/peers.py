#!/usr/bin/env python3
"""What people would otherwise use to count connections and requests, as they would write it, and what each answers.

Programs are run with the usual options. Libraries have no such command: the lines below are the loop that their
documentation leads to. Run as a script (`peers.py scapy FILE`), this file is one of those loops, in a process of its
own, and prints its answer as JSON.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

SYN = "tcp[tcpflags] & tcp-syn != 0"
SYNS = "every SYN counts as a connection, every SYN-ACK as a handshake: also repeated ones"
PORTS = "a port used again may count as the same connection, or each direction of one as a connection"
STARTS = f"{SYNS}; a request is a packet that begins with a method, so one in pieces smaller than that is none"


VERDICTS = (0, 1, 3)
"""Exit statuses of `verify`: proved, refuted, inconclusive."""


class Answer(NamedTuple):
    """None: it does not say."""

    packets: int | None = None
    connections: int | None = None
    handshakes: int | None = None
    requests: int | None = None


class Peer(NamedTuple):
    name: str
    command: Callable[[str], list[str]]
    """The command line that reads this file."""
    answer: Callable[[Iterable[str]], Answer]
    """Understands the lines that it prints."""
    most_packets: int | None
    """How much of a capture it is given: what takes it some seconds. None: all."""
    needs: str
    """A program, or `python:` and a module."""
    differs: str = ""
    """Why its answer may be another than ours."""
    statuses: Collection[int] = (0,)
    """The exit statuses with which it has read the file."""

    def missing(self) -> str:
        """What it lacks here; empty where nothing."""
        kind, colon, module = self.needs.partition(":")
        if colon:
            return "" if importlib.util.find_spec(module) else f"the Python package {module} is not installed"
        return "" if shutil.which(kind) else f"{kind} is not installed"


def _verify(lines: Iterable[str]) -> Answer:
    totals = json.loads("".join(lines))["totals"]
    return Answer(totals["packets"], totals["connections"], totals["handshakes"], totals["requests"])


def _capinfos(lines: Iterable[str]) -> Answer:
    number = next(line for line in lines if line.startswith("Number of packets"))
    return Answer(packets=int(number.partition(":")[2]))


def _tcpdump(lines: Iterable[str]) -> Answer:
    """A SYN is as near as it comes to a connection, a SYN-ACK to a handshake: repeated ones count again."""
    counts = {"Flags [S]": 0, "Flags [S.]": 0}
    for line in lines:
        for flags in counts:
            counts[flags] += flags in line
    return Answer(connections=counts["Flags [S]"], handshakes=counts["Flags [S.]"])


def _tcptrace(lines: Iterable[str]) -> Answer:
    """`(complete)` is a connection with SYNs and FINs both ways, not a handshake."""
    packets, connections = None, 0
    for line in lines:
        if found := re.match(r"(\d+) packets seen", line):
            packets = int(found[1])
        connections += bool(re.match(r" *\d+: ", line))
    return Answer(packets, connections)


def _conversations(lines: Iterable[str]) -> Answer:
    return Answer(connections=sum("<->" in line for line in lines))


def _lines(lines: Iterable[str]) -> Answer:
    return Answer(requests=sum(1 for _ in lines))


def _loop(lines: Iterable[str]) -> Answer:
    return Answer(**json.loads("".join(lines)))


def _library(name: str) -> Callable[[str], list[str]]:
    return lambda path: [sys.executable, __file__, name, path]


def on_one_core(peer: Peer) -> Peer:
    return peer._replace(
        name=f"{peer.name}, one core", command=lambda path: ["taskset", "-c", "0", *peer.command(path)]
    )


VERSIONS = (["capinfos", "--version"], ["tcpdump", "--version"], ["tcptrace", "-version"], ["tshark", "--version"])
MODULES = ("dpkt", "scapy", "pyshark")


def versions() -> list[str]:
    """What runs beside ours, as it names itself."""
    found = []
    for command in VERSIONS:
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"[0-9]\.[0-9]", line)]
            found.append(lines[0].partition(" (Git")[0].strip().rstrip(".") if lines else command[0])
    for module in MODULES:
        try:
            found.append(f"{module} {importlib.metadata.version(module)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peers(verify: str) -> list[Peer]:
    """Ours first; `verify` is its path."""
    return [
        Peer(
            "verify analyze --json",
            lambda path: [verify, "analyze", path, "--json"],
            _verify,
            None,
            verify,
            statuses=VERDICTS,
        ),
        Peer("capinfos -c", lambda path: ["capinfos", "-M", "-c", path], _capinfos, None, "capinfos"),
        Peer("tcpdump, SYN filter", lambda path: ["tcpdump", "-nr", path, SYN], _tcpdump, None, "tcpdump", SYNS),
        Peer("tcptrace", lambda path: ["tcptrace", "-n", path], _tcptrace, 1_000_000, "tcptrace", PORTS),
        Peer(
            "tshark -z conv,tcp",
            lambda path: ["tshark", "-n", "-q", "-r", path, "-z", "conv,tcp"],
            _conversations,
            200_000,
            "tshark",
            PORTS,
        ),
        Peer(
            "tshark -Y http.request",
            lambda path: ["tshark", "-n", "-r", path, "-Y", "http.request"],
            _lines,
            100_000,
            "tshark",
            "a client's port may stand for another protocol: all of 48898 is AMS to tshark",
        ),
        Peer("dpkt", _library("dpkt"), _loop, 100_000, "python:dpkt", STARTS),
        Peer("scapy", _library("scapy"), _loop, 10_000, "python:scapy", STARTS),
        Peer("pyshark", _library("pyshark"), _loop, 1_000, "python:pyshark"),
    ]


# -- the loops


METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"OPTIONS ", b"PATCH ")


def dpkt_loop(path: str) -> Answer:
    import dpkt

    packets = connections = handshakes = requests = 0
    with open(path, "rb") as file:
        for _time, data in dpkt.pcap.Reader(file):
            packets += 1
            frame = dpkt.ethernet.Ethernet(data)
            tcp = getattr(frame.data, "data", None)
            if not isinstance(tcp, dpkt.tcp.TCP):
                continue
            if tcp.flags & dpkt.tcp.TH_SYN:
                connections += not tcp.flags & dpkt.tcp.TH_ACK
                handshakes += bool(tcp.flags & dpkt.tcp.TH_ACK)
            requests += tcp.data.startswith(METHODS)
    return Answer(packets, connections, handshakes, requests)


def scapy_loop(path: str) -> Answer:
    from scapy.layers.inet import TCP  # with the layers that are here, and not `scapy.all` with every one
    from scapy.utils import PcapReader

    packets = connections = handshakes = requests = 0
    with PcapReader(path) as reader:
        for packet in reader:
            packets += 1
            if TCP not in packet:
                continue
            tcp = packet[TCP]
            if tcp.flags.S:
                connections += not tcp.flags.A
                handshakes += bool(tcp.flags.A)
            requests += bytes(tcp.payload).startswith(METHODS)
    return Answer(packets, connections, handshakes, requests)


def pyshark_loop(path: str) -> Answer:
    import asyncio

    import pyshark

    packets = handshakes = requests = 0
    streams = set()
    loop = asyncio.new_event_loop()
    capture = pyshark.FileCapture(path, keep_packets=False, eventloop=loop)
    for packet in capture:
        packets += 1
        if "TCP" in packet:
            streams.add(packet.tcp.stream)
            handshakes += packet.tcp.flags_syn in ("1", "True") and packet.tcp.flags_ack in ("1", "True")
        requests += "HTTP" in packet and hasattr(packet.http, "request_method")
    capture.close()
    return Answer(packets, len(streams), handshakes, requests)


LOOPS = {"dpkt": dpkt_loop, "scapy": scapy_loop, "pyshark": pyshark_loop}


if __name__ == "__main__":
    print(json.dumps(LOOPS[sys.argv[1]](sys.argv[2])._asdict()))
