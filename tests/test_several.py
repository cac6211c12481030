"""Several captures as one: rotated sets, files that overlap, each frame with its number in its file."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from craft import START_NS, Conversation, Interface, Packet, Pcapng, cut, fragmented, merged, packets, pcap, pcapng
from examine import note_codes, reasons, story, totals

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.report.json import dump
from verifier.report.text import render
from verifier.spelling import Style

pytestmark = pytest.mark.core

ROOT = Path(__file__).parent.parent
TIME_LIMIT_S = 60
SECOND = 10**9


def read(*paths: Path | str) -> Report:
    return analyze([os.fspath(path) for path in paths], Selection(), Expectations())


def saved(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def captured(second: int = 0, port: int = 40000, exchanges: int = 2) -> list[Packet]:
    return conversation(second, port, exchanges).packets()


def conversation(second: int = 0, port: int = 40000, exchanges: int = 2) -> Conversation:
    talk = Conversation(("10.0.0.1", port), now=START_NS + second * SECOND)
    talk.handshake()
    for number in range(exchanges):
        talk.exchange(number)
    talk.close("client")
    return talk


def traffic() -> list[Packet]:
    """Connections that overlap, some that fail, some cut off, over a minute: 1,196 packets."""
    talks = []
    for number in range(40):
        talk = Conversation(("10.0.0.1", 40000 + number % 25), ("10.0.0.2", 80 + number % 3), (number * 7000, 9))
        talk.now = START_NS + number * 700_000_000
        talk.handshake()
        for place in range(number % 9):
            talk.exchange(place)
            talk.pause(0.9)
        if number % 7:
            talk.close("client" if number % 2 else "server")
        elif number % 5:
            talk.reset("server")
        talks.append(talk)
    return packets(merged(*talks))


# -- a rotated set


def contract(report: Report) -> dict[str, Any]:
    pieces: list[str] = []
    dump(report, "exchanges", pieces.append)
    whole: dict[str, Any] = json.loads("".join(pieces))
    return whole


def without_frames(value: Any) -> Any:
    """Without what names a place in a file."""
    if isinstance(value, dict):
        places = {
            "frame",
            "frames",
            "first_frame",
            "request_frame",
            "response_frame",
            "source",
            "sources",
            "frame_sources",
            "close_source",
            "response_source",
        }
        return {name: without_frames(inner) for name, inner in value.items() if name not in places}
    return [without_frames(inner) for inner in value] if isinstance(value, list) else value


def global_frames(report: Report) -> list[tuple[int | None, ...]]:
    """The frames of every connection and exchange, counted through all files in their order."""
    before = [0]
    for source in report.sources:
        before.append(before[-1] + source.packets)

    def overall(frame: int | None, source: int) -> int | None:
        assert frame is None or 1 <= frame <= report.sources[source].packets
        return None if frame is None else before[source] + frame

    found: list[tuple[int | None, ...]] = []
    for exchange in report.details.exchanges():
        answered_in = exchange.source if exchange.response_source is None else exchange.response_source
        frames = overall(exchange.request_frame, exchange.source), overall(exchange.response_frame, answered_in)
        found.append((exchange.connection, *frames))
    for connection in report.details.connections():
        seen = connection.frames
        named = {name: getattr(seen, name) for name in ("syn", "synack", "ack", "first_request", "first_close")}
        sources = connection.elsewhere or {}
        assert connection.source not in sources.values()
        places = (overall(frame, sources.get(name, connection.source)) for name, frame in named.items())
        found.append((connection.id, *places))
    return found


def test_a_close_in_another_file_than_the_handshake(tmp_path: Path) -> None:
    """Its frame is one of that file, and the report says so."""
    whole = captured()
    first = saved(tmp_path, "a.pcap", pcap(whole[:-4]))
    second = saved(tmp_path, "b.pcap", pcap(whole[-4:]))
    report = read(first, second)
    (connection,) = report.details.connections()
    assert (connection.source, connection.elsewhere, connection.frames.first_close) == (0, {"first_close": 1}, 1)
    (described,) = contract(report)["connections"]
    assert (described["frame_sources"], described["close_source"]) == ({"first_close": 1}, 1)
    assert "1  FIN (file 2): the client closed first" in render(report, Style(120, color=False, unicode=True), 0)


def test_a_close_in_another_file_where_connections_are_rows(tmp_path: Path) -> None:
    """Of more requests than are shown one by one, too."""
    whole = captured(exchanges=40)
    first = saved(tmp_path, "a.pcap", pcap(whole[:-4]))
    second = saved(tmp_path, "b.pcap", pcap(whole[-4:]))
    assert "client FIN 1 (file 2)" in render(read(first, second), Style(120, color=False, unicode=True), 0)


def test_each_frame_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Of the handshake, and of the exchange, each is named with its file."""
    whole = captured()
    files = [saved(tmp_path, f"{place}.pcap", pcap([each])) for place, each in enumerate(whole)]
    report = read(*files)
    (connection,) = report.details.connections()
    assert connection.frames[:3] == (1, 1, 1)
    assert dict(connection.elsewhere or {}) == {
        "synack": 1,
        "ack": 2,
        "first_request": 3,
        "first_close": len(whole) - 4,
    }
    (described,) = contract(report)["connections"]
    first, *_ = contract(report)["exchanges"]
    assert described["frame_sources"] == connection.elsewhere
    assert (first["source"], first["response_source"]) == (3, 5)
    text = render(report, Style(120, color=False, unicode=True), 0)
    assert "1, 1, 1  SYN, SYN-ACK (file 2), ACK (file 3): handshake" in text
    assert "(file 4, response in file 6), 200: " in text


def test_files_that_are_named_are_listed(tmp_path: Path) -> None:
    """Of many files the report lists the first, and those of whose frames it speaks. They are in the order of time: one
    with packets behind those without."""
    quiet = [saved(tmp_path, f"{place:02}.pcap", pcap([])) for place in range(14)]
    report = read(*quiet[:12], saved(tmp_path, "12.pcap", pcap(captured())), *quiet[13:])
    text = render(report, Style(120, color=False, unicode=True), 0)
    assert "10.0.0.2:80  file 14" in text
    assert f"file 14, {tmp_path / '12.pcap'}: " in text
    assert "file 10, " in text
    assert "file 11, " not in text
    assert "and 3 more captures" in text


def test_a_note_names_the_file_of_its_frame(tmp_path: Path) -> None:
    """So do the words for what is missing: the frame is one of the second file's."""
    whole = captured(second=10, port=40001)
    late = [*whole[:4], *cut(whole[4:5], 40), *whole[5:]]
    first = saved(tmp_path, "a.pcap", pcap(captured()))
    second = saved(tmp_path, "b.pcap", pcap(late))
    report = read(first, second)
    (note,) = contract(report)["notes"]
    assert note == {"code": "tcp-header-cut", "count": 1, "first_frame": 5, "source": 1}
    assert "first in frame 5 (file 2)" in report.inconclusive_because[0].text
    shown = render(report, Style(120, color=False, unicode=True), 0)
    assert "tcp-header-cut (cut off before the end of its headers): 1 time, first in" in shown
    alone = read(second)
    assert contract(alone)["notes"] == [note | {"source": 0}]
    assert "file" not in alone.inconclusive_because[0].text
    second.rename(tmp_path / "set")  # the only capture of a folder is one file, too
    first.unlink()
    assert "(file" not in render(read(tmp_path), Style(120, color=False, unicode=True), 0)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("write", [pcap, pcapng])
def test_twenty_files_cut_from_one_capture(tmp_path: Path, write: Any, suffix: str) -> None:
    whole = traffic()
    one = read(saved(tmp_path, "whole.pcap", write(whole)))
    folder = tmp_path / "set"
    folder.mkdir()
    size = -(-len(whole) // 20)
    for number in range(20):
        piece = write(whole[number * size : (number + 1) * size])
        # As tcpdump -C names them; given as the shell would sort them.
        name = f"capture.pcap{number or ''}{suffix}"
        saved(folder, name, gzip.compress(piece) if suffix else piece)
    twenty = read(*sorted(folder.iterdir()))
    assert len(twenty.sources) == 20
    assert without_frames(contract(twenty)) == without_frames(contract(one))
    assert global_frames(twenty) == global_frames(one)
    assert without_frames(contract(read(folder))) == without_frames(contract(one))
    assert without_frames(contract(read(str(folder / "*.pcap*")))) == without_frames(contract(one))


def test_a_connection_that_crosses_files_is_one(tmp_path: Path) -> None:
    whole = captured(exchanges=4)
    paths = [saved(tmp_path, f"{number}.pcap", pcap(whole[at : at + 4])) for number, at in enumerate(range(0, 23, 4))]
    report = read(*reversed(paths))
    assert story(report) == ["complete: new reused reused reused; client fin"]
    assert report.verdict == "proved"
    assert [source.name for source in report.sources] == [str(path) for path in paths]
    exchanges = list(report.details.exchanges())
    # Frames 4, 8, 12 and 16 of the whole: each the last of its file.
    assert [(exchange.source, exchange.request_frame) for exchange in exchanges] == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_numbers_in_names_decide_where_times_do_not(tmp_path: Path) -> None:
    """A clock of whole seconds."""
    whole = [packet._replace(ts_ns=START_NS) for packet in captured(exchanges=4)]
    paths = [saved(tmp_path, f"x.pcap{at or ''}", pcap([packet])) for at, packet in enumerate(whole)]
    report = read(*sorted(paths))
    assert story(report) == ["complete: new reused reused reused; client fin"]
    assert [source.name for source in report.sources] == [str(path) for path in paths]


def test_a_ring_whose_first_file_is_the_latest(tmp_path: Path) -> None:
    """tcpdump -C -W 3 begins anew with the first name."""
    whole = captured(exchanges=4)
    for name, begin in (("0", 16), ("1", 0), ("2", 8)):
        saved(tmp_path, f"ring.pcap{name}", pcap(whole[begin : begin + 8]))
    report = read(tmp_path)
    assert story(report) == ["complete: new reused reused reused; client fin"]


def test_packets_a_little_out_of_order_at_the_cut(tmp_path: Path) -> None:
    """Two processors stamp packets: the last of a file may be later than the first of the next, which was written
    later all the same."""
    whole = conversation(exchanges=40).packets()
    cut = 4 * 20 + 3  # before an acknowledgement of a response, which is given an earlier time
    early = whole[cut]._replace(ts_ns=whole[cut - 1].ts_ns - 90_000)
    late = [whole[cut - 1]]
    first = saved(tmp_path, "1.pcap", pcap([*whole[: cut - 1], *late]))
    second = saved(tmp_path, "2.pcap", pcap([early, *whole[cut + 1 :]]))
    report = read(first, second)
    one = read(saved(tmp_path, "one.pcap", pcap([*whole[: cut - 1], *late, early, *whole[cut + 1 :]])))
    assert without_frames(contract(report)) == without_frames(contract(one))
    assert global_frames(report) == global_frames(one)


def test_a_cut_file_amid_a_set(tmp_path: Path) -> None:
    whole = captured(exchanges=4)
    saved(tmp_path, "1.pcap", pcap(whole[:8]))
    saved(tmp_path, "2.pcap", pcap(whole[8:16])[:-3])
    saved(tmp_path, "3.pcap", pcap(whole[16:]))
    report = read(tmp_path)
    assert [(source.truncated, source.packets) for source in report.sources] == [(False, 8), (True, 7), (False, 7)]
    assert report.verdict == "inconclusive"
    assert reasons(report) >= {"capture-truncated"}
    assert report.totals.requests == 3


def test_a_file_that_goes_while_others_are_read(tmp_path: Path) -> None:
    for number in range(3):
        saved(tmp_path, f"{number}.pcap", pcap(captured(number * 10, 40000 + number)))

    def told(far: str) -> None:
        if "captures read" in far:
            (tmp_path / "2.pcap").unlink(missing_ok=True)

    report = analyze([str(tmp_path)], Selection(), Expectations(), told)
    assert [source.problem for source in report.sources] == ["", "", "no such file"]
    assert (report.verdict, totals(report)) == ("inconclusive", (2, 2, 4, 4))


def test_overwritten_files_amid_a_set_prove_nothing(tmp_path: Path) -> None:
    """Each with a connection that need not have been: what is left of them looks like one that was re-used."""
    for number in range(4):
        talk = captured(number, 40000 + number, 1 if number else 2)
        saved(tmp_path, f"set_{number:05}_2026112213171{number}.pcap", pcap(talk))
    assert read(tmp_path).verdict == "refuted"
    for number, content in ((1, b""), (2, b"overwritten with text\n"), (3, b"\0" * 4096)):
        saved(tmp_path, f"set_{number:05}_2026112213171{number}.pcap", content)
    report = read(tmp_path)
    assert (report.verdict, reasons(report), report.skipped) == ("inconclusive", {"capture-truncated"}, ())
    assert len(report.inconclusive_because) == 3
    shown = " ".join(render(report, Style(120, color=False, unicode=True), 3).split())
    for number, why in ((1, "the file is empty"), (2, "not a capture"), (3, "not a capture")):
        assert f"set_{number:05}_2026112213171{number}.pcap: {why}" in shown
    assert "not read: the file is empty" in shown


@pytest.mark.parametrize(
    ("numbers", "lacking"),
    [
        ([1, 2, 3], ""),
        ([7, 8, 9], ""),
        ([8, 9, 1], ""),
        ([1, 3, 4], "the next file of its set is"),
        ([1, 2, 12], "the next 9 files of its set are"),
    ],
    ids=["whole", "ring", "begun anew", "one", "nine"],
)
@pytest.mark.parametrize("name", ["set_{:05}_2026112213171{}.pcapng", "set_2026112213171{1}_{0:05}.pcapng.cap"])
def test_numbered_files_that_are_not_there_prove_nothing(
    tmp_path: Path, numbers: list[int], lacking: str, name: str
) -> None:
    """A ring that lost its oldest files is whole from there on."""
    for place, number in enumerate(numbers):
        saved(tmp_path, name.format(number, place), pcap(captured(place * 10, 40000 + place)))
    saved(tmp_path, "other_00008_20261122131719.pcapng", pcap(captured(40, 40040)))
    report = tolerant(tmp_path)
    assert report.verdict == ("inconclusive" if lacking else "proved")
    assert reasons(report) == ({"capture-truncated"} if lacking else set())
    assert [source.problem for source in report.sources if source.truncated] == (
        [f"by the numbers in the names {lacking} not there"] if lacking else []
    )


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (["x.pcap", "x.pcap1", "x.pcap2"], "proved"),
        (["x.pcap", "x.pcap2"], "inconclusive"),
        (["x.pcap8", "x.pcap9", "x.pcap10"], "proved"),
        (["x.pcap8", "x.pcap10"], "inconclusive"),
        (["x.pcap2", "x.pcap3", "x.pcap0", "x.pcap1"], "proved"),
        (["x.pcap3", "x.pcap0", "x.pcap1"], "inconclusive"),
        (["x.pcap", "x.pcap1.gz", "x.pcap2"], "proved"),
        (["x.pcap", "y.pcap2", "x1.pcap", "x3.pcap"], "proved"),
        (["x.pcap20231114", "x.pcap20231201"], "proved"),
    ],
)
def test_files_of_tcpdump_that_are_not_there_prove_nothing(tmp_path: Path, names: list[str], verdict: str) -> None:
    """`tcpdump -C` numbers them behind the name, from 1, or with -W all of them."""
    for place, name in enumerate(names):
        content = pcap(captured(place * 10, 40000 + place))
        saved(tmp_path, name, gzip.compress(content) if name.endswith(".gz") else content)
    report = tolerant(tmp_path)
    assert report.verdict == verdict
    assert reasons(report) == ({"capture-truncated"} if verdict == "inconclusive" else set())


@pytest.mark.parametrize(("numbers", "verdict"), [([1, 2, 3, 4], "proved"), ([1, 2, 4, 5], "inconclusive")])
def test_numbered_files_of_which_some_are_compressed_are_one_set(
    tmp_path: Path, numbers: list[int], verdict: str
) -> None:
    for place, number in enumerate(numbers):
        content = pcap(captured(place * 10, 40000 + place))
        name = f"set_{number:05}_2026112213171{place}.pcapng"
        saved(tmp_path, *((f"{name}.gz", gzip.compress(content)) if place < 2 else (name, content)))
    assert tolerant(tmp_path).verdict == verdict


def rotated(folder: Path, numbers: Sequence[int], name: str = "set_{:05}.pcap") -> None:
    """A capture for each number, one behind the other in the order given."""
    for place, number in enumerate(numbers):
        saved(folder, name.format(number), pcap(captured(place * 10, 40000 + place)))


def tolerant(folder: Path) -> Report:
    """Proved, if nothing is missing."""
    return analyze([str(folder)], Selection(), Expectations(max_extra=9))


@pytest.mark.parametrize(
    ("numbers", "empty", "name"),
    [
        ([1, 2, 3], 4, "set_{:05}.pcap"),
        ([8, 9, 10], 11, "set{}.pcap"),
        ([3, 4, 0, 1], 2, "ring.pcap{}"),
        ([1, 2, 3, 4], 0, "ring.pcap{}"),
        ([1, 2], 3, "set_{0:05}_2026112213171{0}.pcapng"),
        ([8, 9], 10, "set-2026-11-{0:02}_{0:02}:00.pcap"),
    ],
    ids=["dumpcap", "numbers", "ring", "ring anew", "times", "times alone"],
)
def test_the_next_file_of_a_set_is_empty_and_hides_nothing(
    tmp_path: Path, numbers: list[int], empty: int, name: str
) -> None:
    rotated(tmp_path, numbers, name)
    path = saved(tmp_path, name.format(empty), b"")
    report = tolerant(tmp_path)
    assert (report.verdict, len(report.sources)) == ("proved", len(numbers))
    ((skipped, why),) = report.skipped
    assert (skipped, why) == (
        str(path),
        "the file is empty: the next of its set, into which nothing was written yet",
    )
    assert f"{path.name}: the file is empty" in render(report, Style(400, color=False, unicode=True), 0)


@pytest.mark.parametrize(
    ("numbers", "empty"),
    [([1, 2, 4], 3), ([1, 3, 4], 2), ([3, 4, 0, 1], 5), ([1], 2), ([2, 3], 1)],
    ids=["amid", "near the begin", "amid a ring", "one other", "at the begin"],
)
def test_an_empty_file_elsewhere_in_a_set_proves_nothing(tmp_path: Path, numbers: list[int], empty: int) -> None:
    rotated(tmp_path, numbers)
    saved(tmp_path, f"set_{empty:05}.pcap", b"")
    assert (tolerant(tmp_path).verdict, reasons(tolerant(tmp_path))) == ("inconclusive", {"capture-truncated"})


def test_several_empty_files_behind_a_set_prove_nothing(tmp_path: Path) -> None:
    """The set went on behind the first of them: it is a full disk that leaves such files."""
    rotated(tmp_path, [1, 2])
    for number in (3, 4):
        saved(tmp_path, f"set_{number:05}.pcap", b"")
    assert (tolerant(tmp_path).verdict, tolerant(tmp_path).skipped) == ("inconclusive", ())


@pytest.mark.parametrize(
    ("name", "empty"),
    [("eth0-{}.pcap", "eth1-0.pcap"), ("host1/set{}.pcap", "host2/set1.pcap"), ("host1/set{}.pcap", "host2/set9.pcap")],
)
def test_an_empty_file_of_another_interface_or_machine_proves_nothing(tmp_path: Path, name: str, empty: str) -> None:
    for folder in {os.path.dirname(name), os.path.dirname(empty)} - {""}:
        (tmp_path / folder).mkdir()
    rotated(tmp_path, [0, 1], name)
    saved(tmp_path, empty, b"")
    assert (tolerant(tmp_path).verdict, tolerant(tmp_path).skipped) == ("inconclusive", ())


def test_an_empty_file_older_than_the_latest_of_its_set_proves_nothing(tmp_path: Path) -> None:
    rotated(tmp_path, [0, 1])
    path = saved(tmp_path, "set_00002.pcap", b"")
    assert tolerant(tmp_path).verdict == "proved"
    os.utime(path, ns=(START_NS, START_NS))
    assert tolerant(tmp_path).verdict == "inconclusive"


def test_a_packed_file_of_nothing_behind_a_set_proves_nothing(tmp_path: Path) -> None:
    """It was packed because the set went on."""
    for number in range(2):
        saved(tmp_path, f"set{number}.pcap.gz", gzip.compress(pcap(captured(number * 10, 40000 + number))))
    saved(tmp_path, "set2.pcap.gz", gzip.compress(b""))
    assert tolerant(tmp_path).verdict == "inconclusive"


def test_an_empty_file_beside_captures_of_other_machines_proves_nothing(tmp_path: Path) -> None:
    """Their captures overlap, or are called otherwise: what the empty one lacks may be from any time."""
    for number in (1, 2):
        saved(tmp_path, f"node{number}.pcap", pcap(captured(0, 40000 + number)))
    saved(tmp_path, "node3.pcap", b"")
    assert tolerant(tmp_path).verdict == "inconclusive"
    saved(tmp_path, "node2.pcap", pcap(captured(10, 40002)))
    assert tolerant(tmp_path).verdict == "proved"
    saved(tmp_path, "gateway.pcap", pcap(captured(20, 40003)))
    assert tolerant(tmp_path).verdict == "inconclusive"


def usb(link_type: int = 249) -> bytes:
    """A pcapng of USB."""
    file = Pcapng()
    file.interface(Interface(link_type))
    file.packet(Packet(b"\x1b\x00" + bytes(60), START_NS, 62, link_type))
    return file.bytes()


def test_a_capture_of_usb_beside_those_of_networks(tmp_path: Path) -> None:
    saved(tmp_path, "a.pcapng", pcapng(captured()))
    path = saved(tmp_path, "b.pcapng", usb())
    report = read(tmp_path)
    assert (report.verdict, len(report.sources)) == ("proved", 1)
    ((skipped, why),) = report.skipped
    assert (skipped, why) == (str(path), "captured on USB (USBPcap), link type 249, which carries no TCP")


@pytest.mark.parametrize("behind", [pcapng(captured(5, 40001)), b"\0\0\0"], ids=["a network", "damage"])
def test_a_capture_of_usb_with_more_behind_it_proves_nothing(tmp_path: Path, behind: bytes) -> None:
    saved(tmp_path, "a.pcapng", pcapng(captured()))
    saved(tmp_path, "b.pcapng", usb() + behind)
    report = read(tmp_path)
    assert (report.verdict, reasons(report), report.skipped) == ("inconclusive", {"capture-truncated"}, ())


def beside_usb(captured: Sequence[Packet], dropped: int) -> bytes:
    """A pcapng of USB, of more than is looked at first, and of a network behind it."""
    file = Pcapng()
    file.interface(Interface(249))
    for _ in range(3000):
        file.packet(Packet(b"\x1b\x00" + bytes(60), START_NS, 62, 249))
    number = file.interface(Interface())
    for packet in captured:
        file.packet(packet, number)
    file.statistics(100, dropped, number)
    return file.bytes()


@pytest.mark.parametrize(
    ("content", "dropped"), [([], 5), (cut(captured(5, 40001), 20), 0)], ids=["lost", "without TCP heads"]
)
def test_a_capture_of_usb_with_a_network_of_which_nothing_is_kept_proves_nothing(
    tmp_path: Path, content: list[Packet], dropped: int
) -> None:
    saved(tmp_path, "a.pcapng", pcapng(captured()))
    saved(tmp_path, "b.pcapng", beside_usb(content, dropped))
    assert (read(tmp_path).verdict, read(tmp_path).skipped) == ("inconclusive", ())


# -- files that overlap


def split(whole: Sequence[Packet], parts: int, seed: int) -> list[list[Packet]]:
    """Each packet in one of so many captures, by chance."""
    chance = random.Random(seed)
    captures: list[list[Packet]] = [[] for _ in range(parts)]
    for packet in whole:
        captures[chance.randrange(parts)].append(packet)
    return captures


@pytest.mark.parametrize("parts", [2, 3, 30])
def test_packets_scattered_over_files_come_together(tmp_path: Path, parts: int) -> None:
    whole = traffic()
    one = read(saved(tmp_path, "whole.pcap", pcap(whole)))
    captures = split(whole, parts, parts)
    paths = []
    for number, capture in enumerate(captures):
        write = (pcap, pcapng)[number % 2]
        paths.append(saved(tmp_path, f"{number}.pcap", write(capture)))
    report = read(*paths)
    assert without_frames(contract(report)) == without_frames(contract(one))
    # Every frame is where the report says it is, by its time.
    by_name = {str(path): capture for path, capture in zip(paths, captures, strict=True)}
    for exchange in report.details.exchanges():
        assert exchange.request_frame is not None
        packet = by_name[report.sources[exchange.source].name][exchange.request_frame - 1]
        assert packet.ts_ns == exchange.request_ns
    for source in report.sources:
        capture = by_name[source.name]
        assert (source.packets, source.bytes) == (len(capture), sum(len(packet.data) for packet in capture))
        assert (source.first_ns, source.last_ns) == (capture[0].ts_ns, capture[-1].ts_ns)


def test_a_file_for_each_direction(tmp_path: Path) -> None:
    """As a network tap writes them."""
    whole = captured(exchanges=5)
    client = [packet for packet in whole if packet.data[26:30] == bytes((10, 0, 0, 1))]
    server = [packet for packet in whole if packet not in client]
    report = read(saved(tmp_path, "tx.pcap", pcap(client)), saved(tmp_path, "rx.pcap", pcap(server)))
    assert story(report) == ["complete: new reused reused reused reused; client fin"]
    assert report.verdict == "proved"


def test_the_same_traffic_captured_twice(tmp_path: Path) -> None:
    """On two interfaces that it passes: packets repeat, connections and requests do not."""
    whole = traffic()
    later = [packet._replace(ts_ns=packet.ts_ns + 20_000) for packet in whole]
    one = read(saved(tmp_path, "one.pcap", pcap(whole)))
    report = read(saved(tmp_path, "eth0.pcap", pcap(whole)), saved(tmp_path, "eth1.pcap", pcap(later)))
    assert totals(report) == totals(one)


def test_more_files_than_may_overlap(tmp_path: Path) -> None:
    from verifier.sources.several import MOST_OPEN

    whole = captured(exchanges=60)
    for number in range(MOST_OPEN + 1):
        saved(tmp_path, f"{number}.pcap", pcap([whole[number], whole[-1]]))
    with pytest.raises(VerifierError, match="mergecap"):
        read(tmp_path)
    (tmp_path / "0.pcap").unlink()
    assert read(tmp_path).totals.packets == 2 * MOST_OPEN


def test_many_files_that_do_not_overlap(tmp_path: Path) -> None:
    for number in range(300):
        saved(tmp_path, f"{number}.pcap", pcap(captured(number, 40000 + number, 1)))
    assert totals(read(tmp_path)) == (300, 300, 300, 300)


def test_fragments_of_a_packet_in_two_files(tmp_path: Path) -> None:
    """What is put together from two files is one packet, and the packets behind it are read from where they are."""
    whole = conversation(exchanges=3).packets(network=fragmented(32))
    report = read(saved(tmp_path, "even.pcap", pcap(whole[::2])), saved(tmp_path, "odd.pcap", pcap(whole[1::2])))
    one = read(saved(tmp_path, "one.pcap", pcap(whole)))
    assert totals(report) == totals(one) == (1, 1, 3, 3)


def test_files_without_packets_or_times_among_others(tmp_path: Path) -> None:
    """Without times they are read before the others."""
    timeless = Pcapng()
    timeless.interface(Interface(1))
    for packet in captured(port=40001):
        timeless.simple(packet)
    saved(tmp_path, "empty.pcap", pcap([]))
    saved(tmp_path, "empty.pcapng", Pcapng().bytes())
    saved(tmp_path, "full.pcap", pcap(captured()))
    saved(tmp_path, "timeless.pcapng", timeless.bytes())
    report = read(tmp_path)
    assert [source.packets for source in report.sources] == [0, 0, 15, 15]
    assert [source.first_ns for source in report.sources] == [None, None, None, START_NS]
    assert totals(report) == (2, 2, 4, 4)


def test_times_out_of_range_do_not_stop_the_others(tmp_path: Path) -> None:
    far = [packet._replace(ts_ns=0) for packet in captured(port=40001)]
    report = read(saved(tmp_path, "far.pcap", pcap(far)), saved(tmp_path, "near.pcap", pcap(captured())))
    assert totals(report) == (2, 2, 4, 4)


# -- pipes among them


def test_pipes_are_read_once(tmp_path: Path) -> None:
    """As a shell makes them for `<(command)`: they can't be opened again."""
    whole = traffic()
    one = read(saved(tmp_path, "whole.pcap", pcap(whole)))
    paths = [tmp_path / "first", tmp_path / "second"]
    half = len(whole) // 2
    writers = []
    for path, piece in zip(paths, (pcap(whole[:half]), gzip.compress(pcap(whole[half:]))), strict=True):
        os.mkfifo(path)
        writers.append(threading.Thread(target=path.write_bytes, args=(piece,)))
        writers[-1].start()
    report = read(*paths)
    for writer in writers:
        writer.join(TIME_LIMIT_S)
    assert without_frames(contract(report)) == without_frames(contract(one))


def test_standard_input_takes_its_place_in_time(tmp_path: Path) -> None:
    whole = captured(exchanges=4)
    first = saved(tmp_path, "first.pcap", pcap(whole[:8]))
    third = saved(tmp_path, "third.pcap", pcap(whole[16:]))
    done = subprocess.run(
        [sys.executable, "-m", "verifier", "analyze", "--json", str(third), "-", str(first)],
        input=pcap(whole[8:16]),
        capture_output=True,
        timeout=TIME_LIMIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    said = json.loads(done.stdout)
    assert [source["path"] for source in said["sources"]] == [str(first), "-", str(third)]
    assert said["totals"]["handshakes"] == 1


# -- notes keep their frames


def test_a_note_has_the_frame_of_its_file(tmp_path: Path) -> None:
    first, second = captured(), captured(10, 40001)
    repeated = [*second[:1], second[0]._replace(ts_ns=second[0].ts_ns + 1000), *second[1:]]
    report = read(saved(tmp_path, "a.pcap", pcap(first)), saved(tmp_path, "b.pcap", pcap(repeated)))
    assert "syn-retransmission" in note_codes(report)
    (note,) = (note for note in report.notes if note.code == "syn-retransmission")
    assert note.first_frame == 2
