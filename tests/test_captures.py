"""The sample captures: the script makes these bytes, and `verify` and tshark find in them what expected.json says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import tshark
from examine import reasons

from verifier.app import analyze
from verifier.catalogue import CAUSES
from verifier.judge.options import Expectations, Selection

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "captures")

with open(os.path.join(FOLDER, "expected.json"), encoding="utf-8") as listing:
    EXPECTED: dict[str, dict[str, Any]] = json.load(listing)

COUNTED = (
    "connections",
    "handshakes",
    "failed_attempts",
    "requests",
    "responses",
    "reused_requests",
    "extra_handshakes",
)


def sample(name: str) -> str:
    return os.path.join(FOLDER, name)


@pytest.mark.parametrize("name", EXPECTED)
def test_verify_finds_what_is_expected(name: str) -> None:
    expected = EXPECTED[name]
    report = analyze([sample(name)], Selection(), Expectations())
    assert {field: getattr(report.totals, field) for field in COUNTED} == {field: expected[field] for field in COUNTED}
    assert [str(connection.first_closer) for connection in report.details.connections()] == expected["first_closers"]
    assert report.verdict == expected["verdict"]
    assert sorted(reasons(report)) == expected["because"]
    assert report.sources[0].truncated == (name == "cut-short.pcap")


@pytest.mark.parametrize("name", EXPECTED)
def test_tshark_finds_what_is_expected(name: str) -> None:
    if not tshark.installed():
        pytest.skip(tshark.ABSENT)
    expected = EXPECTED[name] | EXPECTED[name].get("tshark", {})
    seen = tshark.count(sample(name))
    assert (seen.connections, seen.handshakes) == (expected["connections"], expected["handshakes"])
    assert (sum(seen.requests), sum(seen.responses)) == (expected["requests"], expected["responses"])


def test_the_script_makes_these_bytes(tmp_path: os.PathLike[str]) -> None:
    subprocess.run([sys.executable, sample("make.py"), os.fspath(tmp_path)], check=True, timeout=60)
    made = sorted(os.listdir(tmp_path))
    assert made == sorted(EXPECTED)
    for name in made:
        with open(os.path.join(tmp_path, name), "rb") as new, open(sample(name), "rb") as kept:
            assert new.read() == kept.read(), f"captures/make.py makes another {name}"


def test_every_sample_is_expected_and_described() -> None:
    files = [name for name in os.listdir(FOLDER) if name.endswith((".pcap", ".pcapng"))]
    assert sorted(files) == sorted(EXPECTED)
    with open(sample("README.md"), encoding="utf-8") as readme:
        text = readme.read()
    assert [name for name in files if f"`{name}`" not in text] == []


@pytest.mark.parametrize("code", CAUSES)
def test_each_cause_is_told_from_its_recording_alone(code: str) -> None:
    report = analyze([sample(os.path.join("causes", f"{code}.pcapng"))], Selection(), Expectations())
    if code == "concurrency":
        assert not report.findings  # nobody's fault, and no handshake too many
        assert any(code in pair.causes for pair in report.pairs)
    else:
        assert report.findings[0].cause == code


def test_every_cause_has_its_recording() -> None:
    assert sorted(os.listdir(sample("causes"))) == sorted(f"{code}.pcapng" for code in CAUSES)
