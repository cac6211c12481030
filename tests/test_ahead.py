"""Large files, read ahead by a thread: the same answers as from the chunks that small files are read in."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest
from craft import START_NS, Conversation, pcap
from examine import totals

from verifier.app import analyze
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.sources.file import LARGE

BODY = 40_000
EXCHANGES = 260
"""Enough for a capture of more than LARGE bytes."""


@pytest.fixture(scope="module")
def large() -> bytes:
    talk = Conversation(now=START_NS)
    talk.handshake()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY
    for number in range(EXCHANGES):
        talk.request(b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % number)
        talk.response(head + bytes([65 + number % 26]) * BODY)
    talk.close("client")
    content = pcap(talk.packets())
    assert len(content) > LARGE
    return content


def analysed(path: Path, content: bytes) -> Report:
    path.write_bytes(content)
    return analyze([str(path)], Selection(), Expectations())


def test_the_same_as_in_small_chunks(tmp_path: Path, large: bytes) -> None:
    ahead = analysed(tmp_path / "large.pcap", large)
    packed = analysed(tmp_path / "large.pcap.gz", gzip.compress(large, 1))
    assert ahead.verdict == "proved"
    assert totals(ahead) == totals(packed)
    assert ahead.totals.requests == EXCHANGES
    assert list(ahead.details.exchanges()) == list(packed.details.exchanges())


@pytest.mark.parametrize("short", [1, 20, 3 << 20])
def test_a_cut_large_file_is_read_up_to_the_cut(tmp_path: Path, large: bytes, short: int) -> None:
    report = analysed(tmp_path / "cut.pcap", large[:-short])
    assert report.sources[0].truncated
    assert report.verdict == "inconclusive"
    assert f"at byte {len(large) - short}" not in report.sources[0].problem
    assert "ends inside a record at byte" in report.sources[0].problem


def test_damage_ends_the_reading_and_the_thread(tmp_path: Path, large: bytes) -> None:
    middle = len(large) // 2
    damaged = large[:middle] + b"\xff" * 70_000 + large[middle + 70_000 :]
    before = threading.active_count()
    report = analysed(tmp_path / "damaged.pcap", damaged)
    assert report.sources[0].truncated
    assert "damaged" in report.sources[0].problem
    assert 0 < report.totals.requests < EXCHANGES
    assert threading.active_count() == before
