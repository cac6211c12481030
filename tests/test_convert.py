"""Captures in formats of other programs, converted by editcap on the way; and what is no capture of a network."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from craft import START_NS, Conversation, Interface, Order, Packet, Pcapng, PcapStyle, pcap
from examine import story, totals

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

ROOT = Path(__file__).parent.parent
TIME_LIMIT_S = 60
TWICE = ["complete: new reused; client fin"]

needs_editcap = pytest.mark.skipif(
    not shutil.which("editcap"), reason="editcap is not installed (apt-get install wireshark-common)"
)


def captured(exchanges: int = 2) -> list[Packet]:
    talk = Conversation(now=START_NS)
    talk.handshake()
    for number in range(exchanges):
        talk.exchange(number)
    talk.close("client")
    return talk.packets()


def read(*paths: Path) -> Report:
    return analyze([os.fspath(path) for path in paths], Selection(), Expectations())


def problem_of(path: Path) -> str:
    with pytest.raises(VerifierError) as raised:
        read(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def written(folder: Path, kind: str, packets: list[Packet]) -> Path:
    """A capture in the format that editcap calls `kind`."""
    source = folder / "source.pcap"
    source.write_bytes(pcap(packets))
    path = folder / "capture"
    subprocess.run(["editcap", "-F", kind, source, path], check=True, timeout=TIME_LIMIT_S)
    source.unlink()
    return path


def erf(packets: list[Packet]) -> bytes:
    """Endace's format (ERF types reference guide, version 11): a record for each frame, Ethernet's with two bytes of
    padding in front."""
    content = b""
    for packet in packets:
        seconds, rest = divmod(packet.ts_ns, 10**9)
        body = bytes(2) + packet.data
        content += struct.pack("<Q", seconds << 32 | (rest << 32) // 10**9)
        content += struct.pack(">BBHHH", 2, 4, 16 + len(body), 0, packet.wire_length) + body
    return content


KINDS = ["snoop", "netmon1", "netmon2", "visual", "lanalyzer", "5views", "ngsniffer", "ngwsniffer_2_0"]
"""Told by their first bytes."""
GUESSED = ["k12text", "commview-ncf"]


@needs_editcap
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0x1C0001AC, 0x1C0001AB])
def test_ixia(tmp_path: Path, order: Order, magic: int) -> None:
    """pcap, but for its magic and for the size of all records behind the header."""
    content = pcap(captured(), PcapStyle(order))
    path = tmp_path / "capture"
    path.write_bytes(
        struct.pack(order + "I", magic) + content[4:24] + struct.pack(order + "I", len(content) - 24) + content[24:]
    )
    assert read(path).totals.requests == 2


@needs_editcap
@pytest.mark.parametrize("kind", [*KINDS, *GUESSED])
def test_formats_of_other_programs(tmp_path: Path, kind: str) -> None:
    report = read(written(tmp_path, kind, captured()))
    (source,) = report.sources
    assert source.format == f"{kind.removesuffix('_2_0')} through editcap"
    assert (source.packets, source.truncated) == (15, False)
    assert story(report) == TWICE
    assert report.verdict == "proved"
    assert [exchange.request_frame for exchange in report.details.exchanges()] == [4, 8]


@needs_editcap
def test_erf(tmp_path: Path) -> None:
    path = tmp_path / "capture.erf"
    path.write_bytes(erf(captured()))
    report = read(path)
    assert report.sources[0].format == "erf through editcap"
    assert story(report) == TWICE


@needs_editcap
@pytest.mark.parametrize("kind", ["snoop", "netmon2", "visual"])
def test_compressed(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind, captured())
    path.write_bytes(gzip.compress(path.read_bytes()))
    report = read(path)
    assert report.sources[0].format == f"{kind}.gz through editcap"
    assert story(report) == TWICE


@needs_editcap
def test_no_room_to_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What editcap can't read from front to back has to be a file."""
    path = written(tmp_path, "netmon2", captured())
    path.write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    assert problem_of(path) == (
        f"{path}: it can't be unpacked into {tmp_path / 'absent'}: No such file or directory; make room there, or name"
        " another folder: export TMPDIR=FOLDER"
    )


@needs_editcap
def test_from_standard_input(tmp_path: Path) -> None:
    path = written(tmp_path, "snoop", captured())
    with path.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", "verifier", "analyze", "-", "--json"],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT_S,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"format": "snoop through editcap"' in done.stdout


@needs_editcap
def test_among_others(tmp_path: Path) -> None:
    """A connection that begins in one format, and goes on in another."""
    whole = captured(4)
    written(tmp_path, "snoop", whole[:9]).rename(tmp_path / "1.snoop")
    (tmp_path / "2.pcap").write_bytes(pcap(whole[9:]))
    (tmp_path / "notes.txt").write_text("text, which no magic number tells from a capture")
    report = read(tmp_path)
    assert [source.format for source in report.sources] == ["snoop through editcap", "pcap"]
    assert story(report) == ["complete: new reused reused reused; client fin"]
    assert [os.path.basename(name) for name, _ in report.skipped] == ["notes.txt"]


@needs_editcap
def test_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path, "snoop", captured())
    path.write_bytes(path.read_bytes()[:-9])
    report = read(path)
    (source,) = report.sources
    assert (source.packets, source.truncated) == (14, True)
    assert "cut short" in source.problem
    assert report.verdict == "inconclusive"


@needs_editcap
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_at_once(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "capture"
    content = b"snoop\x00\x00\x00" + b"\xff" * 60
    path.write_bytes(gzip.compress(content) if packed else content)
    said = problem_of(path)
    assert said.startswith(f"{path}: a snoop capture, which editcap can't convert: ")


@needs_editcap
@pytest.mark.parametrize(
    "content", [b"\xd4", b'{"a": 1}', b"\x00\x00\x00\x18ftypmp42", b"-----BEGIN CERTIFICATE-----\n"]
)
def test_what_captype_knows_beside_captures(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(content)
    assert problem_of(path).startswith(f"{path}: not a capture (it begins with {content[:8].hex(' ')})")


@needs_editcap
@pytest.mark.parametrize(
    ("guess", "content"),
    [
        ("vwr80211", b"TCP packets:\t" + b"797\t(1.00 per flow)\nby port:\t639\n" * 400),
        ("camins", b"from itertools import filterfalse\n" * 30),
        ("erf", "Größe der Pakete: 1.500 Byte\n".encode() * 200),
    ],
)
def test_text_that_captype_takes_for_a_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guess: str, content: bytes
) -> None:
    """What it takes it for depends on its version: said here by another program of the name."""
    program = tmp_path / "bin" / "captype"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1: {guess}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    path = tmp_path / "results.pcap.out"
    path.write_bytes(content)
    assert problem_of(path).startswith(f"{path}: not a capture (it begins with {content[:8].hex(' ')})")


@needs_editcap
def test_what_captype_takes_for_a_capture_and_editcap_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "captype"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$1: vwr80211"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    path = tmp_path / "results"
    path.write_bytes(b"\x01\x02\x00\xff" * 50)
    assert problem_of(path).startswith(f"{path}: not a capture (it begins with 01 02 00 ff")


@needs_editcap
def test_a_name_that_looks_like_an_option(tmp_path: Path) -> None:
    written(tmp_path, "snoop", captured()).rename(tmp_path / "-v")
    done = subprocess.run(
        [sys.executable, "-m", "verifier", "analyze", "--", "-v"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def without_wireshark(path: Path, empty: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verifier", "analyze", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env={"PATH": str(empty), "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"snoop\x00\x00\x00" + bytes(60), "a snoop capture, which editcap converts, and that is not installed"),
        (b"GMBU" + bytes(60), "a Network Monitor capture, which editcap converts, and that is not installed"),
        (erf(captured()), "not a capture (it begins with "),
    ],
    ids=["snoop", "netmon", "erf"],
)
def test_where_editcap_is_not_installed(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(content)
    empty = tmp_path / "empty"
    empty.mkdir()
    done = without_wireshark(path, empty)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert what in done.stderr
    assert "apt-get install wireshark-common" in done.stderr


# -- what carries no TCP


@pytest.mark.parametrize(
    ("link_type", "name"),
    [
        (189, "USB (usbmon)"),
        (220, "USB (usbmon)"),
        (249, "USB (USBPcap)"),
        (227, "a CAN bus"),
        (271, "sockets between virtual machines (vsock)"),
    ],
)
def test_links_that_are_no_networks_are_refused_by_name(tmp_path: Path, link_type: int, name: str) -> None:
    packets = [packet._replace(link_type=link_type) for packet in captured()]
    file = Pcapng()
    file.interface(Interface(link_type))
    for packet in packets:
        file.packet(packet)
    for content in (pcap(packets), file.bytes(), gzip.compress(pcap(packets))):
        path = tmp_path / "capture"
        path.write_bytes(content)
        assert problem_of(path).startswith(f"{path}: captured on {name}, link type {link_type}, which carries no TCP; ")
    (tmp_path / "network.pcap").write_bytes(pcap(captured()))
    report = read(tmp_path)
    assert [os.path.basename(path) for path, _ in report.skipped] == ["capture"]
    assert report.verdict == "proved"


def test_a_network_beside_usb_is_read(tmp_path: Path) -> None:
    """As Wireshark writes it that captures on all interfaces."""
    file = Pcapng()
    file.interface(Interface(1))
    file.interface(Interface(220))
    for packet in captured():
        file.packet(packet)
    path = tmp_path / "capture"
    path.write_bytes(file.bytes())
    assert totals(read(path)) == (1, 1, 2, 2)
