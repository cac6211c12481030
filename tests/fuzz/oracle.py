"""What must hold whatever the capture: `run` makes a report of it, or the one line that says why there is none;
`faults` says what is wrong with a report.

Knows nothing of how the engine was built: the fuzzer compares what two builds of it make of the same bytes.
"""

from __future__ import annotations

import gc
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from verifier.errors import VerifierError
from verifier.judge.decide import Case, Counts, of_files
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.report.json import dump
from verifier.report.text import render
from verifier.sources import file, several
from verifier.sources.facts import Reading
from verifier.spelling import Style
from verifier.wire.engine import Engine
from verifier.wire.notes import Notes
from verifier.wire.packet import Packet

Record = dict[str, Any]
Frame = tuple[bytes, int, int, int]
"""Bytes, time in nanoseconds, length on the wire, link type: as `Engine.packet` takes them."""

EXPECTATIONS = (Expectations(), Expectations(max_extra=1, max_handshakes=2, min_reuse=0.5))


ACROSS = ("address-fallback", "address-rotation", "proxy-tunnel")
"""Causes that are seen on several pairs at once."""


class Outcome(NamedTuple):
    """All that a run says: equal bytes must give equal ones."""

    complaint: str = ""
    report: str = ""
    text: str = ""
    packets: int = 0


def run(paths: Sequence[str], kind: int = 0) -> Outcome:
    """Reads the files as `verify analyze` does. `kind` chooses expectations."""
    engine = Engine(kind)
    try:
        if len(paths) == 1:
            reading = Reading((file.read(paths[0], engine),))
        else:
            reading = several.read(paths, engine)
        return told(engine, reading, kind)
    except VerifierError as error:
        return Outcome(str(error))


def replay(frames: Iterable[Frame], reading: Reading, kind: int = 0) -> Outcome:
    """The same packets as from an interface, one call each."""
    engine = Engine(kind + 1)
    for frame in frames:
        engine.packet(*frame)
    return told(engine, reading, kind)


def told(engine: Engine, reading: Reading, kind: int) -> Outcome:
    counts = Counts(engine.packets, engine.tcp_packets)
    case = Case(engine.finish(), counts, reading.sources, reading.runs)
    report = of_files(case, Selection(), EXPECTATIONS[kind % len(EXPECTATIONS)])._replace(skipped=reading.skipped)
    return Outcome("", written(report), shown(report), counts.packets)


def written(report: Report) -> str:
    out = io.StringIO()
    dump(report, "exchanges", out.write)
    return out.getvalue()


def shown(report: Report) -> str:
    return render(report, Style(100, color=False, unicode=True), 0)


def frames(path: str) -> list[Frame]:
    """The packets of one file, each cut out of it."""
    feed = file.Feed(path)
    packet = Packet(Notes())
    found = []
    try:
        while feed.advance():
            packet.view = feed.reader.view
            while feed.reader.next(packet):
                data = bytes(feed.reader.view[packet.at : packet.end])
                found.append((data, packet.ts, packet.wire_end - packet.at, packet.link_type))
    finally:
        feed.close()
    return found


def reading_of(path: str) -> Reading:
    """The source of a file, as `run` has it, for `replay`."""
    return Reading((file.read(path, Engine()),))


# -- what a report must be like


def faults(outcome: Outcome) -> list[str]:
    """What contradicts itself; nothing in a sound report."""
    if outcome.complaint:
        return ["a complaint of several lines: " + outcome.complaint] if "\n" in outcome.complaint else []
    report: Record = json.loads(outcome.report)
    found = [*_totals(report), *_pairs(report), *_details(report), *_findings(report), *_verdict(report)]
    if not outcome.text.strip():
        found.append("no text")
    if any(ord(letter) < 32 and letter != "\n" for letter in outcome.text):
        found.append("a control character in the text")
    return found


def _totals(report: Record) -> Iterable[str]:
    totals, pairs = report["totals"], report["pairs"]
    for name in ("connections", "handshakes", "requests", "reused_requests", "extra_handshakes", "cost_ns"):
        added = sum(pair[name] for pair in pairs)
        if added != totals[name] and not (name == "connections" and added <= totals[name]):
            yield f"{name}: {totals[name]} in all, {added} in pairs"
    if totals["packets"] != sum(source["packets"] for source in report["sources"]):
        yield "packets of sources don't add up"
    if totals["tcp_packets"] > totals["packets"]:
        yield "more TCP packets than packets"
    if totals["responses"] > totals["requests"]:
        yield "more responses than requests"
    if any(value < 0 for value in totals.values()):
        yield "a total below 0"
    if len(report["connections"]) != totals["connections"] or len(report["exchanges"]) != totals["requests"]:
        yield "details and totals differ"


def _pairs(report: Record) -> Iterable[str]:
    for pair in report["pairs"]:
        extra = max(0, pair["handshakes"] - pair["lower_bound"]) if pair["lower_bound"] else 0
        if pair["extra_handshakes"] != extra:
            yield f"{pair['extra_handshakes']} extra in a pair, {extra} by its bound: {pair}"
        charged = sum(pair["causes"].values())
        if not extra <= charged <= pair["connections"]:
            yield f"{charged} causes for {extra} extra handshakes: {pair}"
        if pair["lower_bound"] < min(1, pair["requests"]) or pair["lower_bound"] < pair["peak_concurrency"]:
            yield f"a bound that is too low: {pair}"
        if pair["handshakes"] > pair["connections"]:
            yield f"more handshakes than connections: {pair}"


def _details(report: Record) -> Iterable[str]:
    frames_in = [source["packets"] for source in report["sources"]]
    most = max(frames_in, default=0)
    requests: Counter[int] = Counter()
    responses: Counter[int] = Counter()
    causes: defaultdict[int, Counter[str | None]] = defaultdict(Counter)
    extra: Counter[int] = Counter()
    ids = [connection["id"] for connection in report["connections"]]
    left_out = sum(note["count"] for note in report["notes"] if note["code"] == "address-translated")
    if ids != sorted(set(ids)) or (ids and not 0 <= ids[0] <= ids[-1] < len(ids) + left_out):
        yield "connections are not numbered in their order"
    known = set(ids)
    for exchange in report["exchanges"]:
        if exchange["connection"] not in known:
            yield f"an exchange on no connection: {exchange}"
            continue
        requests[exchange["connection"]] += 1
        responses[exchange["connection"]] += exchange["status"] is not None
        if exchange["depth"] < 1 or (exchange["response_end_ns"] or 1 << 63) < exchange["request_ns"]:
            yield f"an exchange that can't be: {exchange}"
        if any(frame is not None and not 1 <= frame <= most for frame in _values(exchange, "_frame")):
            yield f"a frame that is not there: {exchange}"
    for connection in report["connections"]:
        place = connection["id"]
        causes[connection["pair"]][connection["cause"]] += 1
        extra[connection["pair"]] += connection["extra"]
        if connection["extra"] and connection["cause"] is None:
            yield f"an extra connection without a cause: {connection}"
        # A response to nothing is one, too.
        if connection["requests"] != requests[place] or connection["responses"] < responses[place]:
            yield f"exchanges of connection {place} don't add up: {connection}"
        if any(frame is not None and not 1 <= frame <= most for frame in connection["frames"].values()):
            yield f"a frame that is not there: {connection}"
        if (connection["closed_ns"] or 1 << 63) < connection["opened_ns"]:
            yield f"closed before it was opened: {connection}"
        if any(number is not None and number < 0 for number in _values(connection, "_ns")):
            yield f"a time below 0: {connection}"
        if (connection["first_closer"] == "none") != (connection["closed_with"] == "none"):
            yield f"closed by nobody: {connection}"
    for place, pair in enumerate(report["pairs"]):
        del causes[place][None]
        if causes[place] != pair["causes"] or extra[place] != pair["extra_handshakes"]:
            yield f"causes of connections and of their pair differ: {causes[place]}, {extra[place]}, {pair}"
    for note in report["notes"]:
        if note["count"] < 1 or not 0 <= note["first_frame"] <= max(most, 1):
            yield f"a note that can't be: {note}"


def _values(record: Record, ending: str) -> list[Any]:
    return [value for name, value in record.items() if name.endswith(ending)]


def _findings(report: Record) -> Iterable[str]:
    extra: Counter[int] = Counter()
    frames_in = {source["path"]: source["packets"] for source in report["sources"]}
    most = max(frames_in.values(), default=0)
    connections = {connection["id"]: connection for connection in report["connections"]}
    for finding in report["findings"]:
        if not 0 <= finding["pair"] < len(report["pairs"]):
            yield f"a finding on no pair: {finding}"
            continue
        if len(set(finding["connections"])) != len(finding["connections"]):
            yield f"a connection twice in a finding: {finding}"
        extra[finding["pair"]] += finding.get("extra", 0)
        for number in finding["connections"]:
            if number not in connections:
                yield f"a finding on a connection that is not there: {finding}"
                continue
            connection = connections[number]
            if connection["pair"] != finding["pair"] and finding["cause"] not in ACROSS:
                yield f"a finding on a connection of another pair: {finding}, {connection}"
        if any(not 1 <= evidence["frame"] <= most for evidence in finding["evidence"]):
            yield f"evidence that is not there: {finding}"
        if finding.get("extra", 0) > len(set(finding["connections"])) and finding.get("extra", 0):
            yield f"more extra handshakes than connections: {finding}"
        for measured in finding.get("measured", ()):
            if not 0 < measured["seen"] <= measured["of"] or measured["value"] < 0:
                yield f"a measure that can't be: {finding}"
    for place, pair in enumerate(report["pairs"]):
        if extra[place] > pair["extra_handshakes"]:
            yield f"findings for {extra[place]} extra handshakes: {pair}"


def _verdict(report: Record) -> Iterable[str]:
    met = [expectation["met"] for expectation in report["expectations"]]
    if report["verdict"] == "proved" and (report["inconclusive_because"] or not all(met)):
        yield "proved, although something is missing or not met"
    if report["verdict"] == "refuted" and False not in met:
        yield "refuted, although nothing is broken"
    if report["verdict"] == "inconclusive" and not report["inconclusive_because"]:
        yield "inconclusive, and nothing is missing"
    if any(source["truncated"] for source in report["sources"]) and report["verdict"] == "proved":
        yield "proved by a capture that is cut short"


def memory_mb() -> float:
    """The most memory that this process had in use so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def saved(contents: Sequence[bytes], folder: str) -> list[str]:
    """Files with these contents, by names that are the same each time, in the current folder."""
    os.chdir(folder)
    names = [f"capture-{place}" for place in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        with open(name, "wb") as out:
            out.write(content)
    gc.collect() if gc.get_count()[2] > 100 else None
    return names
