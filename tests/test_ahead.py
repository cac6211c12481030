"""Another process reads ahead: the same report as without, whatever the file, its format and its damage; and no process
is left behind."""

from __future__ import annotations

import bz2
import errno
import glob
import gzip
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from craft import START_NS, Conversation, Interface, Packet, Pcapng, merged, packets, pcap, pcapng
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.app import analyze, new_engine
from verifier.errors import VerifierError
from verifier.judge.options import Expectations, Selection
from verifier.report.json import dump
from verifier.sources import ahead, file
from verifier.sources.file import Feed

ROOT = Path(__file__).parent.parent
SMALL = 1 << 12
TIME_LIMIT_S = 60
SAMPLES = sorted(glob.glob(str(ROOT / "captures" / "**" / "*.pcap*"), recursive=True))

pytestmark = pytest.mark.skipif(not ahead.possible(), reason="reading ahead takes a compiled engine and two cores")


@pytest.fixture
def every_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """However small, files are read ahead, in chunks so small that records lie across them."""
    monkeypatch.setattr(file, "LARGE", dict.fromkeys(("", ".gz", ".bz2"), 0))
    monkeypatch.setattr(ahead, "CHUNK", SMALL)
    yield monkeypatch
    with pytest.raises(ChildProcessError):  # no process is left
        os.waitpid(-1, os.WNOHANG)


def outcome(*paths: str | Path) -> Any:
    """The whole report, or what was said against it."""
    pieces: list[str] = []
    try:
        report = analyze([os.fspath(path) for path in paths], Selection(), Expectations())
    except VerifierError as error:
        return str(error)
    dump(report, "exchanges", pieces.append)
    return json.loads("".join(pieces))


def both(patch: pytest.MonkeyPatch, *paths: str | Path) -> tuple[Any, Any]:
    """The outcome where another process reads ahead, and where none does."""
    told = outcome(*paths)
    with patch.context() as alone:
        alone.setattr(ahead, "possible", lambda: False)
        return told, outcome(*paths)


def traffic(connections: int = 30) -> list[Packet]:
    talks = []
    for number in range(connections):
        talk = Conversation(("10.0.0.1", 40000 + number), now=START_NS + number * 50_000_000)
        talk.handshake()
        for turn in range(number % 7):
            talk.exchange(turn)
        talk.close("client" if number % 2 else "server")
        talks.append(talk)
    return packets(merged(*talks))


@pytest.mark.parametrize("path", SAMPLES, ids=os.path.basename)
def test_samples(path: str, every_file: pytest.MonkeyPatch) -> None:
    told, alone = both(every_file, path)
    assert told == alone


def test_it_is_another_process(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(traffic()))
    feed = Feed(str(path))
    try:
        assert feed.ahead is not None
        assert feed.ahead.process != os.getpid()
    finally:
        feed.close()


def test_small_files_are_read_here(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(traffic()))
    feed = Feed(str(path))
    try:
        assert feed.ahead is None
    finally:
        feed.close()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_compressed(tmp_path: Path, every_file: pytest.MonkeyPatch, pack: Any) -> None:
    path = tmp_path / "x"
    path.write_bytes(pack(pcap(traffic())))
    told, alone = both(every_file, path)
    assert told == alone
    path.write_bytes(pack(pcap(traffic()))[:-20])
    told, alone = both(every_file, path)
    assert told == alone
    assert "ends inside" in str(told)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 60_000), spot=st.integers(0, 60_000), value=st.integers(0, 255), ng=st.booleans())
def test_damage(tmp_path: Path, every_file: pytest.MonkeyPatch, cut: int, spot: int, value: int, ng: bool) -> None:
    content = bytearray((pcapng if ng else pcap)(traffic(12)))
    content[spot % len(content)] = value
    path = tmp_path / "x"
    path.write_bytes(content[: max(24, cut % len(content))])
    told, alone = both(every_file, path)
    assert told == alone


def test_a_record_larger_than_chunks(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    large = Packet(random.Random(1).randbytes(1_000_000), START_NS, 1_000_000, 1)
    path = tmp_path / "x"
    path.write_bytes(pcap([*traffic(3), large, *traffic(2), large]))
    told, alone = both(every_file, path)
    assert told == alone
    assert told["totals"]["packets"] == len(traffic(3)) + len(traffic(2)) + 2


def test_records_without_bytes(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    empty = Packet(b"", START_NS, 0, 1)
    path = tmp_path / "x"
    path.write_bytes(pcap([empty] * 5000 + traffic(1) + [empty]))
    told, alone = both(every_file, path)
    assert told == alone
    assert not told["sources"][0]["truncated"]


def test_what_is_no_network_after_all(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    path = tmp_path / "usb.pcapng"
    usb = Packet(bytes(64), START_NS, 64, 220)
    path.write_bytes(pcapng([usb] * 1000))
    told, alone = both(every_file, path)
    assert told == alone
    assert "usbmon" in told


def test_files_that_overlap_and_follow(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    """Several are told at once, in turn, and some keep what they have while more is read."""
    whole = traffic(60)
    third = len(whole) // 3
    parts = [whole[:third], whole[third : 2 * third], whole[2 * third :], whole[::2], whole[1::2]]
    for number, part in enumerate(parts):
        (tmp_path / f"{number}.pcap").write_bytes(pcap(part))
    for chosen in ([0, 1, 2], [3, 4], [0, 3, 1, 4]):
        told, alone = both(every_file, *(tmp_path / f"{number}.pcap" for number in chosen))
        assert told == alone


def test_what_is_in_use_stays_as_it_is(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    """A chunk that is kept while all others come and go, many times around the ring."""
    content = pcap([Packet(bytes((number % 251,)) * 1000, START_NS + number, 1000, 1) for number in range(1000)])
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    feed = Feed(str(path))
    try:
        assert feed.ahead is not None
        first = feed.ahead.next()
        assert first is not None
        as_it_was = bytes(first.view)
        rest = []
        while (chunk := feed.ahead.copy()) is not None:
            rest.append(bytes(chunk.view))
        assert len(rest) > 10 * ahead.CHUNKS
        assert bytes(first.view) == as_it_was
    finally:
        feed.close()
    assert as_it_was == content[24 : 24 + len(as_it_was)]
    assert rest[-1][-1000:] == content[-1000:]


def test_where_no_process_can_be_had(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    """The file is read here, then."""

    def none_left() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(traffic(3)))
    pipes = len(os.listdir("/proc/self/fd"))
    every_file.setattr(os, "fork", none_left)
    assert outcome(path)["totals"]["connections"] == 3
    assert len(os.listdir("/proc/self/fd")) == pipes


def test_under_a_parent_that_ignores_its_children(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(traffic(3)))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert outcome(path)["totals"]["connections"] == 3
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_several_link_types(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    plain = traffic(8)
    raw = [Packet(packet.data[14:], packet.ts_ns, packet.wire_length - 14, 101) for packet in plain]
    path = tmp_path / "x.pcapng"
    path.write_bytes(pcapng([one for pair in zip(plain, raw, strict=True) for one in pair]))
    told, alone = both(every_file, path)
    assert told == alone


def test_a_process_that_dies(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    """What it had read is judged, and the report says that the rest is missing."""
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(traffic() * 40))
    feed = Feed(str(path))
    engine = new_engine()
    try:
        assert feed.ahead is not None
        assert feed.advance()
        os.kill(feed.ahead.process, signal.SIGKILL)
        engine.read(feed.reader)
        while feed.advance():
            engine.read(feed.reader)
        source = feed.source(engine.packets, engine.bytes, (None, None))
    finally:
        feed.close()
    assert engine.packets
    assert source.truncated
    assert "ended unexpectedly" in source.problem


READER = """
import os, sys
from verifier.sources import ahead, file
ahead.CHUNK = 1 << 12
file.LARGE = {"": 0}
feed = file.Feed("x.pcap")
assert feed.ahead is not None
feed.advance()
print(feed.ahead.process, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_it_ends_with_the_process_it_reads_for(tmp_path: Path, number: signal.Signals) -> None:
    """Which may be killed while chunks are read, or while all of them are full."""
    (tmp_path / "x.pcap").write_bytes(pcap(traffic() * 40))
    holding, held = os.pipe()
    reader = subprocess.Popen(
        [sys.executable, "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=(held,),
    )
    os.close(held)
    try:
        assert reader.stdout is not None
        assert int(reader.stdout.readline()) != reader.pid
        reader.send_signal(number)
        assert reader.wait(TIME_LIMIT_S) == -number
        gone = select.poll()
        gone.register(holding, select.POLLIN)
        assert gone.poll(TIME_LIMIT_S * 1000)  # nobody holds the other end any more
        assert os.read(holding, 1) == b""
    finally:
        reader.kill()
        reader.communicate()
        os.close(holding)


def test_interfaces_that_say_what_they_dropped(tmp_path: Path, every_file: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.pcapng"
    writer = Pcapng()
    writer.interface(Interface())
    for packet in traffic(3):
        writer.packet(packet)
    writer.statistics(1000, 7)
    path.write_bytes(b"".join(writer.parts))
    told, alone = both(every_file, path)
    assert told == alone
    assert told["sources"][0]["dropped"] == 7
