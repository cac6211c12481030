"""Untrusted input, by hypothesis: any bytes give a report or a VerifierError, and disorder changes no count.

The first half damages files, the second half bends conversations whose truth is known: cut into other segments,
shuffled within a small window, repeated, with segments lost. There must never be a false `proved` or `refuted`.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from craft import (
    START_NS,
    Conversation,
    Interface,
    Packet,
    Pcapng,
    PcapStyle,
    Segment,
    Side,
    fragmented,
    get,
    noise,
    ok,
    packets,
    pcap,
    pcapng,
    retimed,
)
from examine import examine, examine_file, note_codes, reasons, story, totals
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from verifier.app import analyze
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

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
    if reasons(report) == {"close-race"}:  # opened while all others were in use, and free again before it was ready
        assert scene.extra
        assert report.verdict == "inconclusive"
    else:
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


# What fuzzing found: a test each


def test_requests_captured_behind_their_close() -> None:
    """Idle times and waits below zero are none."""
    captured: list[Packet] = []
    now = START_NS
    for number in range(4):
        talk = Conversation(("10.0.0.1", 40000 + number), now=now)
        talk.handshake()
        request = talk.say("client", "PA", get("/"))
        talk.ack("server")
        talk.close("client")
        late = talk.segments.pop(talk.segments.index(request))
        captured += packets([*talk.segments, late._replace(ts_ns=talk.now + 5_000_000 * (number + 1))])
        now = talk.now + 1_000_000_000
    assert survives(pcap(captured)) is not None


def test_a_syn_captured_behind_a_close() -> None:
    talk = Conversation()
    talk.handshake()
    talk.fin("client")
    syn, *rest = talk.segments
    (connection,) = examine(packets(retimed([*rest, syn]))).details.connections()
    assert connection.closed_ns is not None
    assert connection.closed_ns >= connection.opened_ns


def failed_attempts(number: int) -> list[Segment]:
    segments: list[Segment] = []
    for place in range(number):
        talk = Conversation(("10.0.0.1", 50000 + place), ("10.0.0.9", 80), now=START_NS + place * 1_000_000)
        talk.syn()
        talk.say("server", "RA", ack=talk.ends["client"].next)
        segments += talk.segments
    return segments


def test_attempts_that_lead_to_the_same_connection() -> None:
    """The connection is named once."""
    talk = Conversation(now=START_NS + 20_000_000)
    talk.handshake()
    talk.exchange()
    talk.close("client")
    report = examine(packets([*failed_attempts(2), *talk.segments]))
    (finding,) = report.findings
    assert (finding.cause, finding.connections) == ("address-fallback", (2,))
    assert len(set(finding.evidence)) == len(finding.evidence)


def test_a_connection_that_was_open_before_is_no_second_try() -> None:
    talk = Conversation(now=START_NS + 20_000_000)
    talk.handshake()
    talk.exchange()
    assert examine(packets([*failed_attempts(1), *talk.segments[3:]])).findings == ()


def test_nothing_is_inconclusive_without_a_reason() -> None:
    """Connections that carry no HTTP, and may have been opened while the capture ran."""
    talk = Conversation()
    talk.handshake()
    talk.exchange()
    talk.close("client")
    strangers = [Conversation(("10.0.0.1", 50000 + number), now=talk.now) for number in range(2)]
    for stranger in strangers:
        stranger.ack("client")
    captured = packets(talk.segments + [stranger.segments[0] for stranger in strangers])
    report = examine(captured, Expectations(max_handshakes=2))
    assert report.verdict == "inconclusive"
    assert reasons(report) == {"handshake-not-seen"}
    assert examine(captured, Expectations(max_handshakes=3)).verdict == "proved"


@pytest.mark.parametrize("back", [2, 10, 40])
@pytest.mark.parametrize("body", [10, 100, 700])
def test_a_file_read_on_while_its_packets_wait(tmp_path: Path, body: int, back: int) -> None:
    """What unpacks piece by piece, into another buffer each time, and ends behind the time at which the next begins."""
    talk = Conversation()
    talk.handshake()
    for number in range(60):
        talk.request(get(f"/{number}"))
        talk.response(ok(noise(body, str(number))))
    talk.close("client")
    segments = [segment._replace(ts_ns=START_NS + place * 10_000) for place, segment in enumerate(talk.segments)]
    first, second = tmp_path / "1.pcap.gz", tmp_path / "2.pcap.gz"
    for cut in range(103, 143, 4):
        # An acknowledgement of the client's, by an earlier clock.
        early = segments[cut - 1]._replace(ts_ns=segments[cut - back].ts_ns)
        first.write_bytes(gzip.compress(pcap(packets(segments[: cut - 1]), PcapStyle(nanoseconds=True))))
        second.write_bytes(gzip.compress(pcap(packets([early, *segments[cut:]]), PcapStyle(nanoseconds=True))))
        report = analyze([str(first), str(second)], Selection(), Expectations())
        assert totals(report) == (1, 1, 60, 60)
        assert note_codes(report) <= {"time-went-back"}
        assert report.verdict == "proved"


def test_fragments_that_overlap_and_come_in_any_order() -> None:
    talk = Conversation()
    talk.handshake()
    talk.request(get("/" + "x" * 300))
    talk.response(ok(b""))
    talk.close("client")
    for size in (8, 24, 64):
        captured = talk.packets(network=fragmented(size))
        expected = story(examine(captured))
        assert expected == ["complete: new; client fin"]
        begin = 3 + next(place for place, packet in enumerate(captured[3:]) if len(packet.data) <= 34 + size)
        pieces = captured[begin : begin + 5]
        shuffled = [*captured[:begin], *reversed(pieces), *pieces[1:3], *captured[begin + 5 :]]
        assert story(examine(shuffled)) == expected
