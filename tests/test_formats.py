"""Capture files of every kind hold the same packets: the same report comes out, with the same times and frames."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from craft import START_NS, Conversation, Interface, Order, Packet, Pcapng, PcapStyle, pcap, pcapng
from examine import Totals, examine_file, note_codes, reasons, story, totals

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.options import Expectations, Selection

TIME_LIMIT_S = 60
TWICE = ["complete: new reused; client fin"]
ORDERS: tuple[Order, ...] = ("<", ">")

needs_editcap = pytest.mark.skipif(
    not shutil.which("editcap"), reason="editcap is not installed (apt-get install wireshark-common)"
)


def captured() -> list[Packet]:
    talk = Conversation(now=START_NS + 123_456_000)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    talk.close("client")
    return talk.packets()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap(order: Order, nanoseconds: bool) -> None:
    report = examine_file(pcap(captured(), PcapStyle(order, nanoseconds)))
    assert story(report) == TWICE
    (source,) = report.sources
    assert (source.format, source.packets, source.truncated, source.dropped) == ("pcap", 15, False, None)
    assert (source.first_ns, source.last_ns) == (captured()[0].ts_ns, captured()[-1].ts_ns)
    assert source.bytes == sum(len(packet.data) for packet in captured())


MORE = [(0xA1B2C3D4, 0), (0xA1B2CD34, 8), (0xA1B2C3D4, 8), (0xA1B2C3D4, 4), (0xA1B2CD34, 12)]
"""Magic, and bytes behind the four numbers of a record: of tcpdump, Kuznetzov's, Red Hat 6.1, Nokia, SuSE 6.3."""


def with_more(packets: Sequence[Packet], order: Order, magic: int, more: bytes) -> bytes:
    """A pcap file, records with more in their headers."""
    whole = pcap(packets, PcapStyle(order))
    parts = [struct.pack(order + "I", magic), whole[4:24]]
    at = 24
    for packet in packets:
        parts += [whole[at : at + 16], more, packet.data]
        at += 16 + len(packet.data)
    return b"".join(parts)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("magic", "more"), MORE)
@pytest.mark.parametrize("filler", [0, 2, 255])
def test_pcap_with_more_in_its_records(order: Order, magic: int, more: int, filler: int) -> None:
    """Whether or not the magic says so."""
    content = with_more(captured(), order, magic, bytes([filler]) * more)
    report = examine_file(content)
    assert story(report) == TWICE
    (source,) = report.sources
    assert (source.format, source.packets, source.truncated) == ("pcap", 15, False)
    assert source.last_ns == captured()[-1].ts_ns


@pytest.mark.parametrize(("magic", "more"), MORE)
def test_two_records_tell_what_more_there_is(magic: int, more: int) -> None:
    (source,) = examine_file(with_more(captured()[:2], "<", magic, bytes(more))).sources
    assert (source.packets, source.truncated) == (2, False)


@needs_editcap
@pytest.mark.parametrize("kind", ["modpcap", "rh6_1pcap", "nokiapcap", "suse6_3pcap"])
def test_pcap_as_editcap_writes_it(tmp_path: Path, kind: str) -> None:
    usual, other = tmp_path / "usual", tmp_path / "other"
    usual.write_bytes(pcap(captured()))
    subprocess.run(["editcap", "-F", kind, usual, other], check=True, timeout=TIME_LIMIT_S)
    assert story(examine_file(other.read_bytes())) == TWICE


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("resolution", [None, 3, 6, 9, 0x80 | 10, 0x80 | 20, 0x80 | 30])
def test_pcapng_resolutions(order: Order, resolution: int | None) -> None:
    report = examine_file(pcapng(captured(), order, resolution))
    assert story(report) == TWICE
    (source,) = report.sources
    assert (source.format, source.packets) == ("pcapng", 15)
    tick = (
        10 ** (9 - (6 if resolution is None else resolution))
        if not (resolution or 0) & 0x80
        else 10**9 >> ((resolution or 0) & 0x7F)
    )
    assert source.first_ns is not None
    assert abs(source.first_ns - captured()[0].ts_ns) <= tick // 2 + 1


@pytest.mark.parametrize("resolution", [0, 12, 0x80 | 62])
def test_pcapng_resolutions_that_few_use(resolution: int) -> None:
    """Seconds, picoseconds and finer: whatever still fits 64 bits."""
    file = Pcapng()
    file.interface(Interface(1, 0, resolution, START_NS // 10**9))
    for packet in captured():
        file.packet(packet)
    report = examine_file(file.bytes())
    assert story(report) == TWICE
    assert report.sources[0].first_ns is not None
    assert abs(report.sources[0].first_ns - captured()[0].ts_ns) <= (5 * 10**8 if resolution == 0 else 1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("offset", [-3600, 1_600_000_000])
def test_pcapng_time_offset(order: Order, offset: int) -> None:
    file = Pcapng(order)
    file.interface(Interface(1, 0, 9, offset))
    for packet in captured():
        file.packet(packet)
    report = examine_file(file.bytes())
    assert story(report) == TWICE
    assert report.sources[0].first_ns == captured()[0].ts_ns


def test_pcapng_sections_and_interfaces() -> None:
    """Interfaces are numbered anew in each section, and byte order may change."""
    packets = captured()
    file = Pcapng("<")
    file.interface(Interface(113))
    file.interface(Interface(1, 0, 9))
    for packet in packets[:6]:
        file.packet(packet, 1)
    file.section(">")
    file.interface(Interface(1))
    for packet in packets[6:]:
        file.packet(packet, 0)
    report = examine_file(file.bytes())
    assert story(report) == TWICE
    assert report.sources[0].last_ns == packets[-1].ts_ns


@pytest.mark.parametrize("order", ORDERS)
def test_pcapng_simple_and_old_packet_blocks(order: Order) -> None:
    for write in (Pcapng.simple, Pcapng.old_packet):
        file = Pcapng(order)
        file.interface(Interface(1))
        for packet in captured():
            write(file, packet)
        report = examine_file(file.bytes())
        assert story(report) == TWICE
        assert report.sources[0].packets == 15


def test_pcapng_simple_packets_are_cut_at_the_snaplen() -> None:
    """A Simple Packet Block has no captured length: the interface's snaplen is it."""
    file = Pcapng()
    file.interface(Interface(1, 54))
    for packet in captured():
        file.simple(packet._replace(data=packet.data[:54]))
    report = examine_file(file.bytes())
    assert totals(report)[:3] == (1, 1, 0)
    assert "requests-unreadable" in reasons(report)


@pytest.mark.parametrize("order", ORDERS)
def test_pcapng_unknown_blocks_are_skipped(order: Order) -> None:
    file = Pcapng(order)
    file.block(0x80000001, b"local use")
    file.interface(Interface(1))
    file.block(4, b"\x00\x00\x00\x00")
    for packet in captured():
        file.packet(packet)
        file.block(0x0BAD, b"custom block of odd length!")
    assert story(examine_file(file.bytes())) == TWICE


@pytest.mark.parametrize("kind", [1, 3, 6, 0x0BAD])
@pytest.mark.parametrize("order", ORDERS)
def test_pcapng_a_block_that_ends_as_another_is_damage(order: Order, kind: int) -> None:
    """A block's size is at both its ends: of one that says too much packets would be a part."""
    file = Pcapng(order)
    file.interface(Interface(1))
    for packet in captured():
        file.packet(packet)
    content = file.bytes()
    swallowed = Pcapng(order)
    swallowed.interface(Interface(1))
    begin = len(swallowed.bytes())
    for packet in captured()[:3]:
        swallowed.packet(packet)
    body = swallowed.bytes()[begin:]
    body = body[8 : len(body) if kind == 6 else len(body) // 4 * 4]
    for size, end, packets in ((len(body) + 8, b"", 15), (len(body) + 12, b"\x01\x02\x03\x04", 15)):
        report = examine_file(content + struct.pack(order + "II", kind, size) + body + end)
        assert (report.sources[0].packets, report.sources[0].truncated) == (packets, True)
        assert f"a block of {size} bytes ends as one of " in report.sources[0].problem
        assert (report.verdict, reasons(report)) == ("inconclusive", {"capture-truncated"})


def test_pcapng_the_end_of_a_large_block_is_looked_at_too() -> None:
    """One that is never in memory whole."""
    file = Pcapng()
    file.interface(Interface(1))
    for packet in captured():
        file.packet(packet)
    file.block(0x0BAD, bytes(1_500_000))
    content = file.bytes()
    assert examine_file(content).verdict == "proved"
    assert examine_file(content[:-4]).sources[0].truncated
    assert examine_file(content[:-1] + b"\x01").sources[0].truncated


@pytest.mark.parametrize("order", ORDERS)
def test_pcapng_packets_can_say_what_was_dropped_before_them(order: Order) -> None:
    count = [Pcapng(order).option(4, struct.pack(order + "Q", number)) + bytes(4) for number in range(3)]
    for dropped in (0, 1, 2):
        new, old = Pcapng(order), Pcapng(order)
        for file in (new, old):
            file.interface(Interface(1))
        for place, packet in enumerate(captured()):
            new.packet(packet, options=count[dropped] if place in (4, 9) else b"")
            old.old_packet(packet, dropped=dropped if place in (4, 9) else 0xFFFF)
        for file in (new, old):
            alone = examine_file(file.bytes())
            assert alone.sources[0].dropped == (2 * dropped or None)
            assert reasons(alone) == ({"dropped-packets"} if dropped else set())
            file.statistics(received=20, dropped=0)
            assert (examine_file(file.bytes()).sources[0].dropped or 0) == 2 * dropped
            file.statistics(received=20, dropped=9)
            assert examine_file(file.bytes()).sources[0].dropped == 9


def test_pcapng_packet_of_an_interface_that_is_not_there() -> None:
    file = Pcapng()
    file.interface(Interface(1))
    packets = captured()
    for packet in packets[:10]:
        file.packet(packet)
    file.interfaces.append(Interface(1))
    file.packet(packets[10], 1)
    report = examine_file(file.bytes())
    assert report.sources[0].truncated
    assert report.totals.packets == 10
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_gzip(write: Callable[[list[Packet]], bytes]) -> None:
    content = write(captured())
    report = examine_file(gzip.compress(content))
    assert story(report) == TWICE
    assert report.sources[0].format == f"{'pcap' if write is pcap else 'pcapng'}.gz"
    half = len(content) // 2
    assert story(examine_file(gzip.compress(content[:half]) + gzip.compress(content[half:]))) == TWICE


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_a_file_cut_short_is_analysed_up_to_the_cut(write: Callable[[list[Packet]], bytes]) -> None:
    content = write(captured())
    report = examine_file(content[:-7])
    (source,) = report.sources
    assert source.truncated
    assert source.packets == 14
    assert source.problem
    assert totals(report) == Totals(1, 1, 2, 2)
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"capture-truncated"}


def test_a_damaged_record_ends_the_reading() -> None:
    content = bytearray(pcap(captured()))
    at = 24
    for _ in range(8):
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
    content[at + 8 : at + 12] = b"\x00\x00\x42\x00"
    report = examine_file(bytes(content))
    assert (report.sources[0].truncated, report.sources[0].packets) == (True, 8)
    assert str(at) in report.sources[0].problem
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("version", [(2, 2), (2, 3), (543, 0)])
def test_lengths_the_other_way_round(order: Order, version: tuple[int, int]) -> None:
    """Before version 2.4 a record's header had the length on the wire first."""
    parts = [struct.pack(order + "IHHiIII", 0xA1B2C3D4, *version, 0, 0, 65535, 1)]
    for packet in captured():
        data = packet.data
        parts.append(struct.pack(order + "IIII", packet.ts_ns // 10**9, 0, len(data) + 4, len(data)) + data)
    report = examine_file(b"".join(parts))
    assert story(report) == TWICE
    assert report.sources[0].packets == 15


@pytest.mark.parametrize("order", ORDERS)
def test_captures_of_aix(order: Order) -> None:
    """Version 2.2: nanoseconds, and interface types in place of link types."""
    content = bytearray(pcap(captured(), PcapStyle(order, nanoseconds=True)))
    content[:4] = struct.pack(order + "I", 0xA1B2C3D4)
    content[6:8] = struct.pack(order + "H", 2)
    content[20:24] = struct.pack(order + "I", 6)
    report = examine_file(bytes(content))
    assert story(report) == TWICE
    assert report.sources[0].first_ns == captured()[0].ts_ns


def test_an_empty_capture_is_no_error() -> None:
    for content in (pcap([]), pcapng([]), Pcapng().bytes()):
        report = examine_file(content)
        assert totals(report) == Totals(0, 0, 0, 0)
        assert reasons(report) == {"no-request"}


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"not a capture, but text\n" * 40, b"\x7fELF" + bytes(400), b"\xa1\xb2"]
)
def test_what_is_no_capture_is_an_error_in_one_line(content: bytes) -> None:
    with pytest.raises(VerifierError) as raised:
        examine_file(content)
    assert "\n" not in str(raised.value)


def test_link_type_with_checksum_bits() -> None:
    """The upper bits of the link type field can say that frames end in a checksum of 4 bytes."""
    content = bytearray(pcap(captured()))
    content[20:24] = (1 | 0x04000000 | 2 << 28).to_bytes(4, "little")
    assert story(examine_file(bytes(content))) == TWICE


def test_several_files_are_several_sources(tmp_path: os.PathLike[str]) -> None:
    paths = []
    for number in range(2):
        paths.append(os.path.join(tmp_path, f"{number}.pcap"))
        with open(paths[-1], "wb") as file:
            file.write(pcap(captured()))
    report = analyze(paths, Selection(), Expectations())
    assert [source.name for source in report.sources] == paths
    assert [source.packets for source in report.sources] == [15, 15]
    assert report.totals.packets == 30


def test_standard_input() -> None:
    script = (
        "from verifier.app import analyze\nfrom verifier.judge.options import Expectations, Selection\n"
        "report = analyze(['-'], Selection(), Expectations())\n"
        "print(report.verdict, report.totals.requests, report.sources[0].packets)"
    )
    for content in (pcap(captured()), pcapng(captured()), gzip.compress(pcap(captured()))):
        done = subprocess.run(
            [sys.executable, "-c", script], input=content, capture_output=True, check=True, timeout=60
        )
        assert done.stdout.split() == [b"proved", b"2", b"15"]


def test_a_late_time_is_kept() -> None:
    """Seconds beyond 2**31, and a fraction beyond a second, are what the file says."""
    packets = [packet._replace(ts_ns=packet.ts_ns + 2_000_000_000 * 10**9) for packet in captured()]
    report = examine_file(pcap(packets, PcapStyle(nanoseconds=True)))
    assert report.sources[0].first_ns == packets[0].ts_ns
    assert story(report) == TWICE
    assert "time-out-of-range" not in note_codes(report)
