from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from reports import (
    encrypted,
    from_file,
    inconclusive,
    long_run,
    many_causes,
    many_pairs,
    proved,
    refuted,
    second_opinion,
    two_pairs,
    with_findings,
)

from verifier import vocabulary
from verifier.app import analyze, unread
from verifier.errors import VerifierError
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection
from verifier.report import schema
from verifier.report.json import dump

SCHEMA = json.loads(schema.text())
VALIDATOR = Draft202012Validator(SCHEMA)
CAPTURES = Path(__file__).parent.parent / "captures"
EVERY = [
    proved, refuted, inconclusive, from_file, two_pairs, long_run, with_findings, many_causes, encrypted, second_opinion
]  # fmt: skip


def loaded(report: Report) -> Any:
    pieces: list[str] = []
    dump(report, "exchanges", pieces.append)
    return json.loads("".join(pieces))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == schema.CONTRACT


@pytest.mark.parametrize("make", EVERY)
def test_every_report_is_valid(make: Any) -> None:
    VALIDATOR.validate(loaded(make()))


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.pcap*")), ids=lambda path: path.name)
def test_the_report_on_every_sample_capture_is_valid(path: Path) -> None:
    report = loaded(analyze([str(path)], Selection(), Expectations()))
    VALIDATOR.validate(report)
    assert list(unknown(report, SCHEMA, "")) == []


def test_a_summary_is_valid() -> None:
    pieces: list[str] = []
    dump(many_pairs(), "summary", pieces.append)
    VALIDATOR.validate(json.loads("".join(pieces)))


@pytest.mark.parametrize("make", EVERY)
def test_nothing_is_said_that_the_schema_does_not_know(make: Any) -> None:
    assert list(unknown(loaded(make()), SCHEMA, "")) == []


def unknown(value: Any, rule: dict[str, Any], where: str) -> Iterator[str]:
    """Names in `value` that `rule` has no property for."""
    if "$ref" in rule:
        rule = SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "additionalProperties" not in rule:
        for name, inner in value.items():
            known = rule.get("properties", {}).get(name)
            if known is None:
                yield f"{where}.{name}"
            else:
                yield from unknown(inner, known, f"{where}.{name}")
    elif isinstance(value, list) and value:
        yield from unknown(value[0], rule["items"], f"{where}[]")


def required(rule: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in rule.get("required", ()):
        yield (*path, name)
    for name, inner in rule.get("properties", {}).items():
        yield from required(inner.get("items", inner), (*path, name))


@pytest.mark.parametrize("path", list(required(SCHEMA, ())), ids=".".join)
def test_every_fixed_name_is_demanded(path: tuple[str, ...]) -> None:
    report = loaded(with_findings())
    report["notes"] = [{"code": "odd", "count": 1, "first_frame": 1}]
    report["skipped"] = [{"path": "notes.txt", "why": "the file is empty"}]
    report["inconclusive_because"] = loaded(inconclusive())["inconclusive_because"]
    report["connections"] = loaded(encrypted())["connections"]
    report["cross_check"] = loaded(second_opinion())["cross_check"]
    report["error"] = loaded(unread("absent.pcap", VerifierError("absent.pcap: no such file"), Expectations()))["error"]
    VALIDATOR.validate(report)
    at = report
    for name in path[:-1]:
        at = at[name]
        at = at[0] if isinstance(at, list) else at
    del at[path[-1]]
    assert not VALIDATOR.is_valid(report)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (vocabulary.Verdict, SCHEMA["properties"]["verdict"]),
        (vocabulary.Reason, SCHEMA["properties"]["inconclusive_because"]["items"]["properties"]["code"]),
        (vocabulary.Reuse, SCHEMA["$defs"]["reuse"]),
        (vocabulary.Handshake, SCHEMA["properties"]["connections"]["items"]["properties"]["handshake"]),
        (vocabulary.Closer, SCHEMA["properties"]["connections"]["items"]["properties"]["first_closer"]),
        (vocabulary.ClosedWith, SCHEMA["properties"]["connections"]["items"]["properties"]["closed_with"]),
        (vocabulary.Protocol, SCHEMA["properties"]["connections"]["items"]["properties"]["protocol"]),
    ],
)
def test_closed_sets_are_those_of_the_vocabulary(words: type[vocabulary.Word], rule: dict[str, Any]) -> None:
    assert set(rule["enum"]) == {str(word) for word in words}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "maybe"),
        (("schema",), "verifier/2"),
        (("totals", "handshakes"), -1),
        (("pairs", 0, "server"), "127.0.0.1:8080"),
        (("pairs", 0, "causes"), {"bad-luck": 1}),
        (("connections", 0, "cause"), "bad-luck"),
        (("connections", 0, "frames", "syn"), 0),
        (("exchanges", 0, "request_ns"), 1.5),
        (("exchanges", 0, "reuse"), "re-used"),
    ],
)
def test_other_meanings_are_refused(path: tuple[str | int, ...], value: object) -> None:
    report = loaded(proved())
    at = report
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not VALIDATOR.is_valid(report)
