"""The pcapng writer: what it writes, other programs read without complaint; what it can't write, it says."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import craft
import pytest
from ringblock import block, ringed

from verifier.errors import VerifierError
from verifier.sources.filter import SNAPLEN
from verifier.sources.frames import Frames
from verifier.sources.writer import (
    CaptureWriter,
    Origin,
    Statistics,
    interface_description,
    section_header,
)

ORIGIN = Origin("verify 1.2", "Linux 6.1", "x86_64", "lo", 1, 262144, "tcp")
START = craft.START_NS
END = Statistics(START, START + 5_000_000_000, received=12, dropped=2, comment="TCP ports captured: 80")

needs_wireshark = pytest.mark.skipif(
    shutil.which("capinfos") is None or shutil.which("tshark") is None,
    reason="tshark and capinfos judge the files (apt-get install tshark)",
)


def packets(count: int) -> list[craft.Packet]:
    """Frames of every length modulo 4."""
    talk = craft.Conversation()
    talk.handshake()
    for number in range(count - 3):
        talk.say("client", "PA", craft.noise(number % 1400))
    return talk.packets()


def ring(*some: craft.Packet) -> Frames:
    """Packets as a block of the ring has them."""
    frames = Frames(1, loopback=False, marker=0x88B5)
    frames.take(block(ringed(some)))
    return frames


def write(path: Path, frames: list[craft.Packet], origin: Origin = ORIGIN) -> CaptureWriter:
    writer = CaptureWriter(str(path), origin)
    for first in range(0, len(frames), 100):
        writer.frames(ring(*frames[first : first + 100]))
    writer.close(END)
    return writer


def output(*command: str) -> str:
    """What a program says on standard output; it must have nothing to complain about."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    complaints = [line for line in done.stderr.splitlines() if "This could be dangerous" not in line]
    assert done.returncode == 0, done.stderr
    assert complaints == []
    return done.stdout


def listed(path: Path) -> list[tuple[str, int, int]]:
    """Time, captured and wire length of each packet, as tshark reads them."""
    fields = ["-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len"]
    rows = (line.split("\t") for line in output("tshark", "-n", "-r", str(path), "-T", "fields", *fields).splitlines())
    return [(time, int(captured), int(wire)) for time, captured, wire in rows]


@needs_wireshark
def test_tshark_reads_what_was_written(tmp_path: Path) -> None:
    frames = packets(300)
    cut = frames[7]
    frames[7] = cut._replace(data=cut.data[:55], wire_length=len(cut.data))
    writer = write(tmp_path / "a.pcapng", frames)
    assert writer.problem == ""
    assert writer.packets == 300
    expected = [(f"{f.ts_ns // 10**9}.{f.ts_ns % 10**9:09}", len(f.data), f.wire_length) for f in frames]
    assert listed(tmp_path / "a.pcapng") == expected


@needs_wireshark
def test_capinfos_knows_where_it_comes_from(tmp_path: Path) -> None:
    write(tmp_path / "a.pcapng", packets(10))
    said = output("capinfos", str(tmp_path / "a.pcapng"))
    for fact in (
        "Capture application: verify 1.2",
        "Capture oper-sys:    Linux 6.1",
        "Capture hardware:    x86_64",
        "Name = lo",
        "Time resolution = 0x09",
        "Filter string = tcp",
        "Capture length = 262144",
        "Number of packets:   10",
        "Number of stat entries = 1",
    ):
        assert fact in said
    # tshark reads the file as blocks, too, and only so shows the counters at its end.
    blocks = output("tshark", "-r", str(tmp_path / "a.pcapng"), "-X", "read_format:MIME Files Format", "-V")
    for fact in (
        "Number of Received Packets = 12",
        "Number of Dropped Packets = 2",
        "Comment = TCP ports captured: 80",
    ):
        assert fact in blocks


@needs_wireshark
@pytest.mark.parametrize("origin", [ORIGIN, Origin("é 漢字", "ö", "x", "br-ü", 101, 0, "tcp")], ids=["ours", "foreign"])
def test_no_packet_is_a_capture_too(tmp_path: Path, origin: Origin) -> None:
    write(tmp_path / "none.pcapng", [], origin)
    assert "Number of packets:   0" in output("capinfos", str(tmp_path / "none.pcapng"))


@needs_wireshark
def test_the_largest_packets(tmp_path: Path) -> None:
    large = craft.Packet(craft.noise(SNAPLEN), START, 300_000, 1)
    writer = write(tmp_path / "large.pcapng", [large] * 5)
    assert listed(tmp_path / "large.pcapng") == [(f"{START // 10**9}.000000000", SNAPLEN, 300_000)] * 5
    assert writer.packets == 5


def test_the_blocks_are_framed_alike() -> None:
    for made in (section_header(ORIGIN), interface_description(ORIGIN)):
        assert len(made) % 4 == 0
        assert int.from_bytes(made[4:8], "little") == len(made) == int.from_bytes(made[-4:], "little")


@needs_wireshark
def test_a_crash_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "crash.pcapng"
    child = os.fork()
    if child == 0:
        writer = CaptureWriter(str(path), ORIGIN)
        for number, frame in enumerate(packets(5000)):
            writer.frames(ring(frame))
            if number == 99:
                writer.flush()
        os._exit(9)
    os.waitpid(child, 0)
    read = len(listed(path))
    assert 100 < read < 5000


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "a.pcapng", tmp_path):
        with pytest.raises(VerifierError, match="can't write") as caught:
            CaptureWriter(str(path), ORIGIN)
        assert str(path) in caught.value.problem
        assert "--write" in caught.value.mend


@pytest.mark.parametrize(
    "content",
    [
        b"notes",
        craft.pcap(packets(10)),
        craft.pcapng(packets(10)),
        section_header(ORIGIN._replace(program="Dumpcap (Wireshark) 4.0.17")) + interface_description(ORIGIN),
        section_header(ORIGIN)[:40],
        bytes(5000),
    ],
    ids=["notes", "pcap", "pcapng", "dumpcap's", "cut inside its head", "zeros"],
)
def test_what_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "it's.pcapng"
    path.write_bytes(content)
    with pytest.raises(VerifierError, match="it exists, and verify did not write it") as caught:
        CaptureWriter(str(path), ORIGIN)
    assert caught.value.mend == "give --write another name"
    assert path.read_bytes() == content


def test_a_capture_of_ours_is_replaced(tmp_path: Path) -> None:
    """Also one that a crash left, and an empty file, as `mktemp` makes them."""
    path = tmp_path / "a.pcapng"
    path.touch()
    write(path, packets(500), ORIGIN._replace(program="verify 9.9", hardware="a machine"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    link = tmp_path / "latest.pcapng"
    link.symlink_to(path)
    write(link, packets(10))
    assert link.is_symlink()
    shorter = tmp_path / "b.pcapng"
    write(shorter, packets(10))
    assert path.read_bytes() == shorter.read_bytes()


def test_a_link_to_what_is_not_there_yet(tmp_path: Path) -> None:
    link = tmp_path / "latest.pcapng"
    link.symlink_to(tmp_path / "a.pcapng")
    write(link, packets(10))
    assert (tmp_path / "a.pcapng").stat().st_size > 0


def test_a_disk_is_no_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    try:
        os.mknod(disk, stat.S_IFBLK | 0o600, os.makedev(7, 255))
    except PermissionError:
        pytest.skip("making a device is root's")
    with pytest.raises(VerifierError, match="it is a disk, and no file"):
        CaptureWriter(str(disk), ORIGIN)


def test_a_device_without_room() -> None:
    writer = CaptureWriter("/dev/full", ORIGIN)
    assert "No space left on device" in writer.problem
    assert "/dev/full" in writer.problem
    writer.frames(ring(craft.Packet(b"x", START, 1, 1)))
    writer.flush()
    writer.close(END)
    assert writer.packets == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system is root's")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "verify-test", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@needs_wireshark
def test_a_full_disk_ends_the_file_at_a_whole_block(small_disk: Path) -> None:
    path = small_disk / "a.pcapng"
    writer = CaptureWriter(str(path), ORIGIN)
    for frame in packets(2000):
        writer.frames(ring(frame))
        if not writer.problem:
            writer.flush()
    writer.close(END)
    assert "No space left on device" in writer.problem
    assert f"after {writer.packets} packets" in writer.problem
    assert 0 < writer.packets < 2000
    assert len(listed(path)) == writer.packets


@needs_wireshark
def test_a_size_limit_ends_the_file_at_a_whole_block(tmp_path: Path) -> None:
    path = tmp_path / "limited.pcapng"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        writer = CaptureWriter(str(path), ORIGIN)
        for frame in packets(2000):
            writer.frames(ring(frame))
        writer.close(END)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in writer.problem
    assert len(listed(path)) == writer.packets


def test_a_pipe_whose_reader_went_away(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = subprocess.Popen([sys.executable, "-c", f"open({str(path)!r}, 'rb').read(1)"])
    writer = CaptureWriter(str(path), ORIGIN)
    reader.wait(30)
    for frame in packets(100):
        writer.frames(ring(frame))
    writer.close(END)
    assert "Broken pipe" in writer.problem
