"""The report for programs: the JSON contract, `schema.json` beside this file.

Written piece by piece, a record of a list to a line: the detail lists are read from the judge's tables as they are
written, so that a million exchanges never stand in memory, and `grep` finds a whole record. Characters outside ASCII
are escaped: the text is UTF-8 under any locale, and harmless on a terminal, whatever a capture brings.
"""

from __future__ import annotations

from itertools import islice

from verifier import __version__
from verifier.report.schema import CONTRACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Literal, TypeAlias

    from verifier.judge.model import (
        Connection,
        Endpoint,
        Evidence,
        Exchange,
        Expectation,
        Finding,
        Measured,
        Pair,
        Report,
        RunRequest,
        Tls,
    )
    from verifier.sources.facts import LiveFacts, Source

    Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
    Record: TypeAlias = dict[str, Value]
    Detail = Literal["summary", "connections", "exchanges"]
    """`exchanges` includes the connections."""

_BATCH = 256
"""Records encoded at once. Measured on 200,000 exchanges, Python 3.11: 3.6 us each alone, 2.0 us in batches of 256."""


def dump(report: Report, detail: Detail, write: Callable[[str], object]) -> None:
    """Hands the report to `write` in pieces that together are one JSON object and a newline."""
    encode = _encoder()
    lead = "{\n"
    for name, value in _head(report):
        write(f'{lead}"{name}": {encode(value)}')
        lead = ",\n"
    for name, records in _lists(report, detail):
        write(f'{lead}"{name}": [')
        _write_records(records, encode, write)
        write("]")
    write("\n}\n")


def dump_line(report: Report, detail: Detail, write: Callable[[str], object]) -> None:
    """The same object on one line, as JSON Lines has it: line breaks stand between values alone, never in a string."""
    dump(report, detail, lambda text: write(text.replace("\n", "")))
    write("\n")


def _encoder() -> Callable[[Value], str]:
    """Compact JSON in ASCII, as `json.JSONEncoder(allow_nan=False).encode` makes it.

    `json` itself imports `re` to decode with, 6 ms where all of a small capture takes 22: here is what it encodes with.
    """
    try:
        from _json import encode_basestring_ascii, make_encoder

        # markers (of what is inside itself), default, encoder, indent, two separators, sort_keys, skipkeys, allow_nan
        pieces = make_encoder(None, _refused, encode_basestring_ascii, None, ": ", ", ", False, False, False)
    except (ImportError, TypeError):  # a Python that has it elsewhere, or wants something else
        from json import JSONEncoder

        return JSONEncoder(allow_nan=False).encode
    return lambda value: "".join(pieces(value, 0))


def _refused(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _write_records(records: Iterable[Record], encode: Callable[[Value], str], write: Callable[[str], object]) -> None:
    """A record to a line. A batch is encoded as one list, then broken where a record begins.

    A record begins with its first name in quotes; in a string a quote follows a backslash, so the match is never inside
    one, and no record holds a list of records that begin with the same name.
    """
    source = iter(records)
    lead = "\n"
    while batch := list(islice(source, _BATCH)):
        start = f'{{"{next(iter(batch[0]))}": '
        write(lead + encode(list(batch))[1:-1].replace(f"}}, {start}", f"}},\n{start}"))
        lead = ",\n"
    if lead != "\n":
        write("\n")


def _head(report: Report) -> Iterator[tuple[str, Value]]:
    yield "schema", CONTRACT
    yield "version", __version__
    yield "verdict", report.verdict
    yield "expectations", [_expectation(expectation) for expectation in report.expectations]
    yield (
        "inconclusive_because",
        [
            {"code": missing.code, "text": _text(missing.text), "mend": _text(missing.mend) or None}
            for missing in report.inconclusive_because
        ],
    )
    yield "sources", [_source(source) for source in report.sources]
    yield "skipped", [{"path": _text(skipped.name), "why": _text(skipped.why)} for skipped in report.skipped]
    yield "totals", dict(report.totals._asdict())
    yield "client", _text(report.client)
    yield "live", None if report.live is None else _live(report.live)
    if report.opinion is not None:
        from verifier.report import opinion

        yield "cross_check", opinion.record(report.opinion)
    if report.error is not None:
        yield "error", {"problem": _text(report.error.problem), "mend": _text(report.error.mend) or None}


def _lists(report: Report, detail: Detail) -> Iterator[tuple[str, Iterable[Record]]]:
    yield "pairs", map(_pair, report.pairs)
    yield "findings", map(_finding, report.findings)
    yield "notes", (dict(note._asdict()) for note in report.notes)
    yield "run", map(_request, report.run)
    if detail != "summary":
        yield "connections", map(_connection, report.details.connections())
    if detail == "exchanges":
        yield "exchanges", map(_exchange, report.details.exchanges())


def _expectation(expectation: Expectation) -> Record:
    return {
        "name": expectation.name,
        "limit": _number(expectation.limit),
        "measured": None if expectation.measured is None else _number(expectation.measured),
        "met": expectation.met,
    }


def _source(source: Source) -> Record:
    return {
        "interface" if source.live else "path": _text(source.name),
        "format": source.format,
        "packets": source.packets,
        "bytes": source.bytes,
        "first_ns": source.first_ns,
        "last_ns": source.last_ns,
        "truncated": source.truncated,
        "dropped": source.dropped,
        "problem": _text(source.problem) or None,
    }


def _live(live: LiveFacts) -> Record:
    return {
        "opened": live.opened,
        "drained": live.drained,
        "control_only": live.control_only,
        "saved_as": _text(live.saved_as),
        "save_problem": _text(live.save_problem) or None,
    }


def _pair(pair: Pair) -> Record:
    return {
        "client": pair.client,
        "server": _endpoint(pair.server),
        "connections": pair.connections,
        "handshakes": pair.handshakes,
        "failed_attempts": pair.failed_attempts,
        "requests": pair.requests,
        "reused_requests": pair.reused_requests,
        "unknown_requests": pair.unknown_requests,
        "peak_concurrency": pair.peak_concurrency,
        "lower_bound": pair.lower_bound,
        "extra_handshakes": pair.extra_handshakes,
        "cost_ns": pair.cost_ns,
        "causes": dict(pair.causes),
    }


def _finding(finding: Finding) -> Record:
    return {
        "cause": finding.cause,
        "confidence": finding.confidence,
        "blame": finding.blame,
        "pair": finding.pair,
        "connections": list(finding.connections),
        "text": _text(finding.text),
        "advice": _text(finding.advice),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "also": list(finding.also),
        "measured": [_measured(measured) for measured in finding.measured],
        "extra": finding.extra,
        "cost_ns": finding.cost_ns,
        "packets": finding.packets,
        "bytes": finding.bytes,
    }


def _evidence(evidence: Evidence) -> Record:
    return {"frame": evidence.frame, "note": _text(evidence.note), "source": evidence.source}


def _measured(measured: Measured) -> Record:
    return {
        "name": _text(measured.name),
        "value": _number(measured.value),
        "unit": measured.unit,
        "seen": measured.seen,
        "of": measured.of,
    }


def _request(request: RunRequest) -> Record:
    return {
        "number": request.number,
        "method": _text(request.method),
        "url": _text(request.url),
        "status": request.status,
        "error": _text(request.error),
        "duration_ns": request.duration_ns,
        "connection": request.connection,
        "reuse": request.reuse,
    }


def _connection(connection: Connection) -> Record:
    frames = connection.frames
    return {
        "id": connection.id,
        "pair": connection.pair,
        "client": _endpoint(connection.client),
        "server": _endpoint(connection.server),
        "opened_ns": connection.opened_ns,
        "closed_ns": connection.closed_ns,
        "handshake": connection.handshake,
        "handshake_ns": connection.handshake_ns,
        "tls_ns": connection.tls_ns,
        "requests": connection.requests,
        "responses": connection.responses,
        "first_closer": connection.first_closer,
        "closed_with": connection.closed_with,
        "history": connection.history,
        "protocol": connection.protocol,
        "tls": None if connection.tls is None else _tls(connection.tls),
        "cause": connection.cause,
        "extra": connection.extra,
        "frames": {
            "syn": frames.syn,
            "synack": frames.synack,
            "ack": frames.ack,
            "first_request": frames.first_request,
            "first_close": frames.first_close,
        },
        "source": connection.source,
        **({} if connection.elsewhere is None else _elsewhere(connection.elsewhere)),
    }


def _elsewhere(sources: Mapping[str, int]) -> Record:
    close = {"close_source": sources["first_close"]} if "first_close" in sources else {}
    return {"frame_sources": dict(sources), **close}


def _tls(tls: Tls) -> Record:
    return {"sni": _text(tls.sni), "alpn": _text(tls.alpn), "version": tls.version, "resumed": tls.resumed}


def _exchange(exchange: Exchange) -> Record:
    return {
        "connection": exchange.connection,
        "depth": exchange.depth,
        "method": _text(exchange.method),
        "target": _text(exchange.target),
        "host": _text(exchange.host),
        "status": exchange.status,
        "reuse": exchange.reuse,
        "request_ns": exchange.request_ns,
        "response_end_ns": exchange.response_end_ns,
        "request_frame": exchange.request_frame,
        "response_frame": exchange.response_frame,
        "source": exchange.source,
        **({} if exchange.response_source is None else {"response_source": exchange.response_source}),
    }


def _endpoint(end: Endpoint) -> Record:
    return {"ip": end.ip, "port": end.port}


def _number(value: float) -> float:
    """A whole number without a fraction: `0`, not `0.0`."""
    return int(value) if value == int(value) else value


def _text(value: str | None) -> str | None:
    """Without lone surrogates (a file name that is not UTF-8): strict parsers refuse them (RFC 8259, 8.2)."""
    if value is None or value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
