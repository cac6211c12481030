"""Untrusted input, by hypothesis: any bytes give a report or a VerifierError, and disorder changes no count.

The first half damages files, the second half bends conversations whose truth is known: cut into other segments,
shuffled within a small window, repeated, with segments lost. There must never be a false `proved` or `refuted`.
"""

from __future__ import annotations

import gzip
import json
import os

import pytest
from craft import (
    START_NS,
    Conversation,
    Interface,
    Packet,
    Pcapng,
    Segment,
    Side,
    get,
    noise,
    ok,
    packets,
    pcap,
    pcapng,
    retimed,
)
from examine import examine, examine_file, story, totals
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from verifier.errors import VerifierError
from verifier.judge.model import Report

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "captures")

with open(os.path.join(FOLDER, "expected.json"), encoding="utf-8") as listing:
    NAMES: list[str] = list(json.load(listing))

settings.register_profile("captures", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("captures")


def sample(name: str) -> bytes:
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read()


SAMPLES = {name: sample(name) for name in NAMES}
MAGICS = (
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\xc3\xd4",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x0a\x0d\x0d\x0a",
    b"\x1f\x8b\x08\x00",
    b"\x34\xcd\xb2\xa1",
    b"\x28\xb5\x2f\xfd",
)


def outcome(content: bytes) -> tuple[Report | None, str]:
    try:
        return examine_file(content), ""
    except VerifierError as error:
        return None, str(error)


def survives(content: bytes) -> Report | None:
    """The report, walked through to its last exchange; None where one line says what is wrong."""
    report, complaint = outcome(content)
    if report is None:
        assert complaint
        assert "\n" not in complaint
        return None
    packets_seen = report.totals.packets
    for connection in report.details.connections():
        assert connection.closed_ns is None or connection.closed_ns >= connection.opened_ns
        assert all(frame is None or 1 <= frame <= packets_seen for frame in connection.frames)
    for exchange in report.details.exchanges():
        assert exchange.response_end_ns is None or exchange.response_end_ns >= exchange.request_ns
    assert all(1 <= note.first_frame <= max(packets_seen, 1) and note.count > 0 for note in report.notes)
    return report


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from((b"", *MAGICS)))
@example(b"", b"")
@example(b"\x00" * 24, b"")
def test_any_bytes(rest: bytes, magic: bytes) -> None:
    survives(magic + rest)


@settings(max_examples=150)
@given(st.data())
def test_any_frames(data: st.DataObject) -> None:
    """A file that is right, with packets that are anything at all on any link."""
    kind = data.draw(st.sampled_from([0, 1, 9, 12, 101, 104, 108, 113, 127, 147, 228, 229, 239, 276]))
    frames = data.draw(st.lists(st.binary(max_size=120), max_size=8))
    times = data.draw(st.lists(st.integers(0, 2**32 * 10**9), min_size=len(frames), max_size=len(frames)))
    captured = [Packet(frame, time, len(frame), kind) for frame, time in zip(frames, times, strict=True)]
    assert survives(pcapng(captured)) is not None


@settings(max_examples=300)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=6),
    st.integers(0, 6000),
    st.integers(0, 40),
)
def test_damaged_captures(name: str, edits: list[tuple[int, int]], cut_at: int, cut_out: int) -> None:
    """Bytes changed anywhere, some taken out."""
    content = bytearray(SAMPLES[name])
    for place, value in edits:
        content[place % len(content)] = value
    cut_at %= len(content)
    del content[cut_at : cut_at + cut_out]
    survives(bytes(content))


@settings(max_examples=300)
@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 7)), min_size=1, max_size=3))
def test_damaged_packets(name: str, flips: list[tuple[int, int]]) -> None:
    """Single bits changed behind the file's header."""
    content = bytearray(SAMPLES[name])
    for place, bit in flips:
        content[24 + place % (len(content) - 24)] ^= 1 << bit
    survives(bytes(content))


@settings(max_examples=100)
@given(st.sampled_from([name for name in NAMES if name != "cut-short.pcap"]), st.integers(0, 6000))
def test_cut_captures(name: str, size: int) -> None:
    """A prefix of a capture is analysed as far as it goes, says that it was cut, and proves nothing."""
    content = SAMPLES[name]
    report = survives(content[: size % len(content)])
    if report is None:
        return
    whole_report = survives(content)
    assert whole_report is not None
    assert report.totals.packets <= whole_report.totals.packets
    assert report.totals.requests <= whole_report.totals.requests
    if report.sources[0].truncated:
        assert report.verdict != "proved"


@settings(max_examples=60)
@given(st.sampled_from(NAMES), st.integers(0, 2000), st.booleans())
def test_cut_and_damaged_gzip(name: str, place: int, damage: bool) -> None:
    content = bytearray(gzip.compress(SAMPLES[name], mtime=0))
    place %= len(content)
    if damage:
        content[place] ^= 0x55
    else:
        del content[place:]
    survives(bytes(content))


@pytest.mark.parametrize("length", [0, 1, 11, 13, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_that_lie(length: int) -> None:
    """A record or block that says it is larger than any memory, or smaller than itself."""
    talk = Conversation()
    talk.handshake()
    content = bytearray(pcap(talk.packets()))
    content[24 + 8 : 24 + 12] = length.to_bytes(4, "little")
    survives(bytes(content))
    content = bytearray(pcapng(talk.packets()))
    content[28 + 4 : 28 + 8] = length.to_bytes(4, "little")
    survives(bytes(content))
    content = bytearray(pcapng(talk.packets()))
    content[28 + 20 + 4 : 28 + 20 + 8] = length.to_bytes(4, "little")
    survives(bytes(content))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 10), st.binary(max_size=60)), max_size=6), st.sampled_from(["<", ">"]))
def test_any_blocks(blocks: list[tuple[int, bytes]], order: str) -> None:
    """Blocks of every kind with any content, between packets that are right."""
    file = Pcapng("<" if order == "<" else ">")
    file.interface(Interface(1))
    talk = Conversation()
    talk.handshake()
    for packet in talk.packets():
        file.packet(packet)
    for kind, body in blocks:
        file.block(kind, body)
    for packet in talk.packets():
        file.packet(packet)
    survives(file.bytes())


# One conversation, bent


class Plan:
    """Requests and responses of known number and bytes, closed in the end: what is there can't be argued about."""

    def __init__(self, bodies: list[int], sizes: list[int]) -> None:
        self.talk = Conversation(isns=((1 << 32) - 200, (1 << 32) - 3000))
        self.talk.handshake()
        for number, body in enumerate(bodies, 1):
            self._send("client", get(f"/{number}", "Cookie: " + "c" * (body % 50)), sizes)
            self._send("server", ok(noise(body, f"body {number}")), sizes)
        self.talk.close("client")
        self.requests = len(bodies)

    def _send(self, side: Side, data: bytes, sizes: list[int]) -> None:
        at = turn = 0
        while at < len(data):
            size = sizes[turn % len(sizes)]
            self.talk.say(side, "PA", data[at : at + size])
            at, turn = at + size, turn + 1
        self.talk.ack("server" if side == "client" else "client")


plans = st.builds(
    Plan, st.lists(st.integers(0, 400), min_size=1, max_size=5), st.lists(st.integers(1, 300), min_size=1, max_size=4)
)


def expected_story(plan: Plan) -> list[str]:
    return ["complete: " + " ".join(["new"] + ["reused"] * (plan.requests - 1)) + "; client fin"]


@settings(max_examples=100)
@given(plans)
def test_segmentation_changes_nothing(plan: Plan) -> None:
    report = examine(plan.talk.packets())
    assert story(report) == expected_story(plan)
    assert report.verdict == "proved"


@settings(max_examples=200)
@given(plans, st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_small_disorder_changes_no_count(plan: Plan, delays: list[int]) -> None:
    """Each segment after the handshake comes up to three places late."""
    segments = plan.talk.segments
    order = sorted(range(3, len(segments)), key=lambda place: (place + delays[place % len(delays)], place))
    report = examine(packets(retimed(segments[:3] + [segments[place] for place in order])))
    assert totals(report) == (1, 1, plan.requests, plan.requests)
    assert report.totals.reused_requests == plan.requests - 1


@settings(max_examples=200)
@given(plans, st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_copies_change_no_count(plan: Plan, delays: list[int]) -> None:
    """A copy of each segment follows it at some distance, or not at all where the distance is 0.

    No copy of the SYN comes after the close: that would be another connection.
    """
    keyed: list[tuple[float, Segment]] = []
    for place, segment in enumerate(plan.talk.segments):
        keyed.append((place, segment))
        if delays[place % len(delays)]:
            keyed.append((place + delays[place % len(delays)] - 0.5, segment))
    keyed.sort(key=lambda pair: pair[0])
    report = examine(packets(retimed(segment for _, segment in keyed)))
    assert story(report) == expected_story(plan)
    assert report.verdict == "proved"


@settings(max_examples=300)
@given(plans, st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_losses_prove_and_refute_nothing(plan: Plan, lost: list[int]) -> None:
    """Any segments missing from the capture: one connection stays one, and a missing byte takes the proof away."""
    segments = plan.talk.segments
    gone = {place % len(segments) for place in lost}
    report = examine(packets([segment for place, segment in enumerate(segments) if place not in gone]))
    assert report.totals.connections <= 1
    assert report.totals.handshakes <= 1
    assert report.totals.requests <= plan.requests
    assert report.verdict != "refuted"
    if gone & {0, 1} or any(segments[place].payload for place in gone):
        assert report.verdict == "inconclusive"


@settings(max_examples=200)
@given(
    st.integers(2, 4), st.lists(st.integers(0, 200), max_size=3), st.lists(st.integers(0, 3), min_size=1, max_size=5)
)
def test_losses_never_prove_a_client_without_session(count: int, lost: list[int], delays: list[int]) -> None:
    """Each request on a connection of its own, one after another: whatever is missing, `proved` would be false."""
    segments: list[Segment] = []
    now = Conversation().now
    for number in range(count):
        talk = Conversation(("10.0.0.1", 40000 + number), now=now)
        talk.handshake()
        talk.pause(delays[number % len(delays)])
        talk.exchange(number)
        talk.close("client")
        now = talk.now
        segments += talk.segments
    gone = {place % len(segments) for place in lost}
    kept = [segment for place, segment in enumerate(segments) if place not in gone]
    report = examine(packets(kept))
    assert report.verdict != "proved"
    if not gone:
        assert report.verdict == "refuted"


# Several connections, whose truth is worked out beside them


class Scene:
    """Connections of one client to one server, some at once, with exchanges of known times, each closed in the end."""

    def __init__(self, scripts: list[tuple[int, list[tuple[int, int]]]]) -> None:
        self.segments: list[Segment] = []
        busy: list[tuple[int, int]] = []
        for number, (start, exchanges) in enumerate(scripts):
            talk = Conversation(
                ("10.0.0.1", 40000 + number), isns=(1_000, 700_000), now=START_NS + (start * 1_000 + number) * 1_000
            )
            talk.handshake()
            for turn, (pause, duration) in enumerate(exchanges):
                talk.now += pause * 1_000_000
                begin = talk.now
                talk.request(get(f"/{number}/{turn}"))
                talk.now += duration * 1_000_000
                busy.append((begin, talk.now))
                talk.response(ok(noise(20)))
            talk.close("client" if start % 2 else "server")
            self.segments += talk.segments
        self.segments.sort(key=lambda segment: segment.ts_ns)
        self.peak = max(sum(begin <= moment < end for begin, end in busy) for moment, _ in busy)
        self.extra = len(scripts) - self.peak


exchange_scripts = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=3)
scenes = st.builds(Scene, st.lists(st.tuples(st.integers(0, 200), exchange_scripts), min_size=1, max_size=4))


@settings(max_examples=200)
@given(scenes)
def test_verdicts_on_whole_captures(scene: Scene) -> None:
    report = examine(packets(scene.segments))
    assert (report.totals.lower_bound, report.totals.extra_handshakes) == (scene.peak, scene.extra)
    assert report.verdict == ("refuted" if scene.extra else "proved")


@settings(max_examples=600)
@given(
    scenes, st.lists(st.integers(0, 500), min_size=1, max_size=3), st.lists(st.integers(0, 2), min_size=1, max_size=5)
)
def test_verdicts_are_never_false(scene: Scene, lost: list[int], copies: list[int]) -> None:
    """Up to three segments missing, some there twice: whatever is said must be true of what really happened."""
    count = len(scene.segments)
    gone = {place % count for place in lost}
    captured: list[Packet] = []
    for place, segment in enumerate(scene.segments):
        if place not in gone:
            captured += packets([segment]) * (1 + (copies[place % len(copies)] == 1))
    verdict = examine(captured).verdict
    assert verdict != ("proved" if scene.extra else "refuted")
