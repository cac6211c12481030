from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from reports import (
    Counted,
    Listed,
    connection,
    encrypted,
    exchange,
    from_file,
    inconclusive,
    long_run,
    many_causes,
    many_pairs,
    proved,
    refuted,
    saved_file,
    two_pairs,
    with_findings,
)

from verifier.judge.model import Report
from verifier.report.json import dump

if TYPE_CHECKING:
    from verifier.report.json import Detail

EVERY = [proved, refuted, inconclusive, from_file, two_pairs, long_run, with_findings, many_causes, encrypted]


def dumped(report: Report, detail: Detail = "summary") -> str:
    pieces: list[str] = []
    dump(report, detail, pieces.append)
    return "".join(pieces)


def loaded(report: Report, detail: Detail = "summary") -> Any:
    return json.loads(dumped(report, detail))


def test_the_contract_in_its_order() -> None:
    assert list(loaded(proved(), "exchanges")) == [
        "schema",
        "version",
        "verdict",
        "expectations",
        "inconclusive_because",
        "sources",
        "skipped",
        "totals",
        "client",
        "live",
        "pairs",
        "findings",
        "notes",
        "run",
        "connections",
        "exchanges",
    ]


def test_a_live_run() -> None:
    report = loaded(proved(), "exchanges")
    assert report["schema"] == "verifier/1"
    assert report["verdict"] == "proved"
    assert report["expectations"] == [{"name": "max-extra", "limit": 0, "measured": 0, "met": True}]
    assert report["sources"][0]["interface"] == "lo"
    assert "path" not in report["sources"][0]
    assert report["totals"] == proved().totals._asdict()
    assert report["pairs"][0]["client"] == "127.0.0.1"
    assert report["pairs"][0]["server"] == {"ip": "127.0.0.1", "port": 8080}
    assert report["live"]["saved_as"] == "demo.pcapng"
    assert [request["reuse"] for request in report["run"]] == ["new", "reused"]
    assert report["connections"][0]["frames"] == {
        "syn": 3,
        "synack": 4,
        "ack": 5,
        "first_request": 6,
        "first_close": 14,
    }
    assert report["exchanges"][1] == {
        "connection": 0,
        "depth": 2,
        "method": "GET",
        "target": "/get",
        "host": "127.0.0.1:8080",
        "status": 200,
        "reuse": "reused",
        "request_ns": 1_700_000_000_004_000_000,
        "response_end_ns": 1_700_000_000_005_200_000,
        "request_frame": 10,
        "response_frame": 12,
        "source": 0,
    }


def test_a_finding() -> None:
    report = loaded(with_findings(), "connections")
    assert report["findings"] == [
        {
            "cause": "server-idle-timeout",
            "confidence": "certain",
            "blame": "server",
            "pair": 0,
            "connections": [1, 2],
            "text": with_findings().findings[0].text,
            "advice": with_findings().findings[0].advice,
            "evidence": [
                {"frame": 7, "note": "last byte of a response", "source": 0},
                {"frame": 9, "note": "FIN of the server, 5.00 s later", "source": 0},
            ],
            "also": [],
            "measured": [{"name": "server idle timeout", "value": 5, "unit": "s", "seen": 2, "of": 2}],
            "extra": 2,
            "cost_ns": 420_000,
            "packets": 14,
            "bytes": 924,
        }
    ]
    assert report["pairs"][0]["causes"] == {"server-idle-timeout": 2}
    assert [(each["cause"], each["extra"]) for each in report["connections"]] == [
        (None, False),
        ("server-idle-timeout", True),
        ("server-idle-timeout", True),
    ]


def test_a_saved_capture() -> None:
    report = loaded(from_file())
    assert report["sources"][0]["path"] == "demo.pcapng"
    assert report["sources"][0]["dropped"] is None
    assert report["client"] is None
    assert report["live"] is None
    assert report["run"] == []


def test_detail_adds_lists() -> None:
    assert not {"connections", "exchanges"} & set(loaded(proved()))
    assert "exchanges" not in loaded(proved(), "connections")
    assert loaded(encrypted(), "connections")["connections"][0]["tls"] == {
        "sni": "example.com",
        "alpn": "http/1.1",
        "version": "1.3",
        "resumed": False,
    }


@pytest.mark.parametrize("make", EVERY)
def test_a_record_to_a_line(make: Any) -> None:
    report = make()
    lines = dumped(report, "exchanges").splitlines()
    for name in ("pairs", "run", "connections", "exchanges"):
        records = loaded(report, "exchanges")[name]
        if records:
            at = lines.index(f'"{name}": [')
            assert [json.loads(line.rstrip(",")) for line in lines[at + 1 : at + 1 + len(records)]] == records


def test_text_that_looks_like_a_record_does_not_break_one() -> None:
    trap = 'a"}, {"connection": 1}, {"id": '
    details = Listed((connection(0, 3),), tuple(exchange(0, depth, 6, trap) for depth in range(1, 4)))
    got = loaded(proved()._replace(details=details), "exchanges")["exchanges"]
    assert [each["target"] for each in got] == [trap] * 3


def test_strangers_text_is_ascii_and_strict_json() -> None:
    evil = "\x1b[31m\u202e\udce9\u2028é"
    report = from_file()._replace(sources=(saved_file(evil, 1),))
    text = dumped(report)
    assert text.isascii()
    assert "\x1b" not in text
    path = json.loads(text)["sources"][0]["path"]
    assert path == "\x1b[31m\u202e\\udce9\u2028é"
    path.encode("utf-8")


def test_a_million_exchanges_are_never_in_memory() -> None:
    report = many_pairs()._replace(details=Counted(6_000))
    largest = 0

    def take(piece: str) -> None:
        nonlocal largest
        largest = max(largest, len(piece))

    dump(report, "exchanges", take)  # imports and caches are not what is measured
    tracemalloc.start()
    dump(report, "exchanges", take)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert largest < 200_000
