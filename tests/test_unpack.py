"""Compressed captures: every compression, in members, cut, damaged, and made to do harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from craft import START_NS, Conversation, Packet, merged, packets, pcap, pcapng
from examine import examine_file, reasons, saved, totals

from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.sources import unpack

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

ROOT = Path(__file__).parent.parent
TIME_LIMIT_S = 60
SKIPPED = struct.pack("<II", 0x184D2A53, 5) + b"notes"
"""A frame that zstd (RFC 8878, 3.1.2) and lz4 pass over."""


def lz4(content: bytes) -> bytes:
    """One frame of stored blocks (LZ4 Frame Format 1.6.1): no block checksums, no content checksum."""
    import lz4.frame  # type: ignore[import-untyped, unused-ignore]

    packed: bytes = lz4.frame.compress(content)  # type: ignore[attr-defined, unused-ignore]
    return packed


def zst(content: bytes) -> bytes:
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


Compress = Callable[[bytes], bytes]
ALL: dict[str, Compress] = {"gz": gz, "bz2": bz2.compress, "xz": lzma.compress, "zst": zst, "lz4": lz4}
every = pytest.mark.parametrize(("suffix", "compress"), ALL.items(), ids=list(ALL))


def captured() -> list[Packet]:
    talk = Conversation(now=START_NS)
    talk.handshake()
    talk.exchange(1)
    talk.exchange(2)
    talk.close("client")
    return talk.packets()


def many(number: int = 300) -> list[Packet]:
    talks = [Conversation(("10.0.0.1", 40000 + place), now=START_NS + place * 10**9) for place in range(number)]
    for talk in talks:
        talk.handshake()
        talk.exchange(talk.ends["client"].address[1], body=os.urandom(400))
        talk.close("client")
    return packets(merged(*talks))


def report_or_problem(content: bytes) -> Report | str:
    try:
        return examine_file(content)
    except VerifierError as error:
        return str(error)


@every
@pytest.mark.parametrize("write", [pcap, pcapng])
def test_what_comes_out_is_read(suffix: str, compress: Compress, write: Callable[[list[Packet]], bytes]) -> None:
    report = examine_file(compress(write(captured())))
    (source,) = report.sources
    assert (source.format, source.packets, source.truncated) == (f"{write.__name__}.{suffix}", 15, False)
    assert (report.verdict, totals(report)) == ("proved", (1, 1, 2, 2))


@every
@pytest.mark.parametrize("between", [b"", bytes(512)], ids=["none", "zeros"])
def test_members_behind_each_other(suffix: str, compress: Compress, between: bytes) -> None:
    content = pcap(many())
    third = len(content) // 3
    pieces = [content[:10], content[10:third], b"", content[third:]]
    report = examine_file(between.join(map(compress, pieces)) + between)
    assert not report.sources[0].truncated
    assert totals(report) == (300, 300, 300, 300)


@pytest.mark.parametrize("compress", [zst, lz4])
def test_frames_that_are_passed_over(compress: Compress) -> None:
    content = pcap(captured())
    report = examine_file(compress(content[:100]) + SKIPPED + compress(content[100:]) + SKIPPED)
    assert (report.verdict, report.sources[0].truncated) == ("proved", False)


def test_a_frame_that_is_passed_over_comes_first() -> None:
    assert examine_file(SKIPPED + zst(pcap(captured()))).verdict == "proved"


@every
def test_refuse_behind_it_is_damage(suffix: str, compress: Compress) -> None:
    packed = compress(pcap(captured()))
    report = examine_file(packed + b"refuse")
    assert report.sources[0].packets == 15
    assert f"byte {len(packed)} " in report.sources[0].problem
    assert report.verdict == "inconclusive"


@every
def test_cut_anywhere_it_is_an_error_or_inconclusive(suffix: str, compress: Compress) -> None:
    packed = compress(pcap(captured()))
    for size in range(7, len(packed)):
        report = report_or_problem(packed[:size])
        if isinstance(report, str):
            assert "compressed file" in report
            assert "\n" not in report
        else:
            assert report.sources[0].truncated
            assert report.verdict == "inconclusive"
            assert reasons(report) >= {"capture-truncated"}


@pytest.mark.parametrize("suffix", ["bz2", "zst", "lz4"])
def test_cut_inside_its_first_block_there_is_nothing_to_read(suffix: str) -> None:
    packed = ALL[suffix](pcap(captured()))
    said = report_or_problem(packed[: len(packed) // 2])
    assert isinstance(said, str)
    assert said.endswith(f", at byte {len(packed) // 2}: nothing of it can be unpacked; copy it again")


@every
def test_cut_in_its_middle_the_first_part_is_read(suffix: str, compress: Compress) -> None:
    content = pcap(many())
    first, second = compress(content[: len(content) // 2]), compress(content[len(content) // 2 :])
    packed = first + second
    (source,) = examine_file(packed[:-20]).sources
    assert source.truncated
    assert f"byte {len(packed) - 20}" in source.problem
    assert 1500 <= source.packets <= 3300


@every
def test_damage_never_proves(suffix: str, compress: Compress) -> None:
    """What comes out before stands. What changes unnoticed, in an lz4 frame without checksum, is not ours to find."""
    content = pcap(many(60))
    packed = compress(content)
    for at in range(30, len(packed), max(len(packed) // 40, 1)):
        damaged = packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]
        report = report_or_problem(damaged)
        if isinstance(report, str):
            assert "\n" not in report
        else:
            assert report.verdict != "proved" or suffix == "lz4"
            assert report.totals.packets <= 660


def test_all_that_gzip_holds_before_damage_is_read() -> None:
    """To the last byte, as a wrong checksum at the very end shows."""
    content = pcap(many())
    packed = bytearray(gz(content))
    packed[-6] ^= 1
    (source,) = examine_file(bytes(packed)).sources
    assert (source.truncated, source.packets) == (True, 3300)
    assert "damaged" in source.problem


@every
def test_compressed_twice(suffix: str, compress: Compress) -> None:
    with pytest.raises(VerifierError, match=rf"compressed twice \(\.gz\.{suffix}\)"):
        examine_file(compress(gz(pcap(captured()))))


@every
def test_something_else_is_compressed(suffix: str, compress: Compress) -> None:
    with pytest.raises(VerifierError, match="not a capture"):
        examine_file(compress(b"something else altogether, for once"))


@every
def test_nothing_is_compressed(suffix: str, compress: Compress) -> None:
    with pytest.raises(VerifierError, match="is empty"):
        examine_file(compress(b""))


# -- made to do harm


def test_many_empty_members_are_given_up() -> None:
    with pytest.raises(VerifierError, match="empty parts"):
        examine_file(gz(b"") * (unpack.MOST_EMPTY + 2))
    report = examine_file(gz(pcap(captured())) + gz(b"") * (unpack.MOST_EMPTY + 2))
    assert report.sources[0].packets == 15
    assert "empty parts" in report.sources[0].problem
    assert examine_file(gz(b"") * 9 + gz(pcap(captured())) + gz(b"") * 9).verdict == "proved"


def zeros(size: int) -> bytes:
    """gzip of a pcap header and then so many zeros, each sixteen of which are an empty record."""
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(pcap([]))
    piece = bytes(1 << 20)
    for _ in range(size >> 20):
        packed += packer.compress(piece)
    return packed + packer.flush()


SCRIPT = (
    "import sys\nfrom verifier.app import analyze\nfrom verifier.judge.options import Expectations, Selection\n"
    "report = analyze(sys.argv[1:], Selection(), Expectations())\n"
    "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
    "print(report.sources[0].packets, peak.split()[1], report.sources[0].problem)\n"
)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is told by Linux")
def test_a_bomb_takes_no_memory() -> None:
    """A megabyte for every kilobyte: 64 MiB of nothing."""
    packed = zeros(64 << 20)
    assert len(packed) < 100_000
    with saved(packed) as path:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, path],
            capture_output=True,
            text=True,
            check=True,
            timeout=TIME_LIMIT_S,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    count, kilobytes, *problem = done.stdout.split()
    assert (int(count), problem) == (4 << 20, [])
    assert int(kilobytes) < 40_000


def test_a_bomb_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is free of the bound, here less of it, to be fast."""
    monkeypatch.setattr(unpack, "FREE_OF_BOUND", 1 << 20)
    monkeypatch.setattr(unpack, "MOST_TIMES", 500)
    report = examine_file(zeros(16 << 20))
    (source,) = report.sources
    assert "more than 500 times its size" in source.problem
    assert (1 << 20) // 16 <= source.packets < (16 << 20) // 16
    assert report.verdict == "inconclusive"


def test_a_window_that_takes_too_much_memory() -> None:
    """A zstd frame that claims a window of 2 GiB (RFC 8878, 3.1.1.1.2)."""
    with pytest.raises(VerifierError, match="more than 256 MiB"):
        examine_file(b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([21 << 3]) + bytes(40))


def test_an_xz_that_takes_too_much_memory() -> None:
    """LZMA2 with a dictionary of 1.5 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    packed = bytearray(lzma.compress(pcap(captured()), check=lzma.CHECK_NONE, filters=filters))
    with pytest.raises(VerifierError, match="more than 256 MiB"):
        examine_file(bytes(packed))


# -- what is not installed


def test_a_package_that_is_missing(tmp_path: Path) -> None:
    """Python without it, as an installation without dependencies would be."""
    path = tmp_path / "capture.pcap.lz4"
    path.write_bytes(lz4(pcap(captured())))
    script = "import sys\nsys.modules['lz4'] = None\nfrom verifier.cli import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "analyze", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "python -m pip install lz4" in done.stderr
    assert f"lz4 -d {path}" in done.stderr


# -- from a pipe


@every
def test_it_is_unpacked_as_it_comes(suffix: str, compress: Compress) -> None:
    """Through a pipe whose writer brings a byte at a time."""
    packed = compress(pcap(captured()))
    with subprocess.Popen(
        [sys.executable, "-m", "verifier", "analyze", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        for at in range(len(packed)):
            process.stdin.write(packed[at : at + 1])
        said, _ = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 0
    assert f'"format": "pcap.{suffix}"'.encode() in said
