"""What happened, as one table: per request where there are few or a live run made them, else per pair."""

from __future__ import annotations

from verifier.figures import count, duration, endpoint
from verifier.judge.pairs import busiest
from verifier.report.table import INDENT, Cell, Column, Row, fits, lay_out
from verifier.report.terminal import Role, columns, glyphs, hanging, paint, wrap
from verifier.report.wording import (
    FEW,
    TOP,
    file_of,
    handshake_frames,
    has_several,
    known,
    requests,
    reuse,
    unreadable,
)
from verifier.spelling import Style, safe
from verifier.vocabulary import Handshake, Reuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.judge.model import Connection, Exchange, Pair, Report, RunRequest

_PER_REQUEST = (
    Column("#", "right"),
    Column("REQUEST", "left", least=12),
    Column("STATUS", "left", spare=2),
    Column("CONNECTION", "left"),
    Column("TIME", "right", spare=4),
    Column("HANDSHAKE FRAMES", "left"),
)
_PAUSE = Column("PAUSE", "right", spare=3)
"""Before the request: how long none of its pair was under way; only where one of them is long."""
_LONG_PAUSE_NS = 1_000_000_000
"""Shorter than the idle limits of clients and servers."""
_WHY = Column("WHY", "left", spare=1)
"""The cause of a new connection; only where one is known."""
_FILE = Column("IN", "left")
"""Behind frames: the file that they are of."""
_FIGURES = (
    Column("CONNECTIONS", "right", spare=1),
    Column("HANDSHAKES", "right"),
    Column("NEEDED", "right"),
    Column("EXTRA", "right"),
    Column("REQUESTS", "right"),
    Column("RE-USED", "right"),
    Column("COST", "right", spare=2),
)
_SAYS_NOTHING = ("", "unknown")
_NEEDED = "NEEDED: the most requests that ran at the same time, a connection for each."
_NEEDED_APART = f"{_NEEDED[:-1]}, counted apart for each place that a tunnel leads to."
_MOSTLY = Column("MOSTLY WHY", "left", spare=3)
"""The cause of most extra handshakes of a pair."""


def what_happened(report: Report, style: Style) -> list[str]:
    if report.run:
        return _requests(report, style)
    if 0 < report.totals.requests <= FEW:
        return _exchanges(report, style) or _pairs(report, style)
    return _pairs(report, style)


# -- per request of a live run


def _requests(report: Report, style: Style) -> list[str]:
    """In a long run, neighbours that re-used a connection share a row: the handshakes stand out."""
    run = sorted(report.run, key=lambda request: request.number)
    groups = [[request] for request in run] if len(run) <= FEW else _grouped(run)
    rows = [_group_row(report, group, style) for group in groups[:FEW]]
    lines = lay_out(*_with_reasons(_PER_REQUEST, rows), style)
    rest = [request for group in groups[FEW:] for request in group]
    if rest:
        reused = sum(request.reuse is Reuse.REUSED for request in rest)
        lines.append(f"{INDENT}and {count(len(rest), 'more request')}, {reused:,} of them re-used a connection")
    lines += _failures(report, style)
    return [*lines, "", *_pairs(report, style)] if len(report.pairs) > 1 else lines


def _grouped(run: list[RunRequest]) -> list[list[RunRequest]]:
    groups: list[list[RunRequest]] = []
    for request in run:
        if groups and _is_plain(request) and _is_plain(groups[-1][0]):
            groups[-1].append(request)
        else:
            groups.append([request])
    return groups


def _is_plain(request: RunRequest) -> bool:
    return request.reuse is Reuse.REUSED and request.error is None


def _group_row(report: Report, group: list[RunRequest], style: Style) -> Row:
    if len(group) == 1:
        return _request_row(report, group[0], style)
    statuses = sorted({str(request.status) for request in group})
    first, last = group[0].number, group[-1].number  # the same, where one was led on and on
    word, role = reuse(Reuse.REUSED)
    return (
        Cell(f"{first:,}" if first == last else f"{first:,}-{last:,}"),
        Cell(count(len(group), "request")),
        Cell(statuses[0] if len(statuses) == 1 else f"{len(statuses)} kinds"),
        Cell(word, role),
        Cell(""),
        Cell("none"),
        Cell(""),
    )


def _request_row(report: Report, request: RunRequest, style: Style) -> Row:
    carrier = None if request.connection is None else report.details.connection(request.connection)
    unsent = request.error is not None and carrier is None
    authority, path = _split(request.url)
    target = authority + path if len(report.pairs) > 1 else path
    return (
        Cell(f"{request.number:,}"),
        Cell(safe(f"{request.method} {target}", style)),
        _status(request.status, request.error),
        Cell("") if unsent else _connection_cell(request.reuse, carrier),
        Cell(duration(request.duration_ns)),
        Cell("" if unsent else _handshake(request.reuse, carrier)),
        _reason(request.reuse, carrier, style),
    )


def _failures(report: Report, style: Style) -> list[str]:
    failed = [request for request in report.run if request.error]
    lines = []
    for request in failed[:TOP]:
        head = paint(f"request {request.number:,} failed:", Role.BAD, style)
        told = hanging(f"{head} {safe(request.error or '', style)}", style.width - len(INDENT))
        lines += [INDENT + line for line in told]
    if len(failed) > TOP:
        lines.append(f"{INDENT}and {count(len(failed) - TOP, 'more failed request')}")
    return lines


def _split(url: str) -> tuple[str, str]:
    """Authority without user and password, and the rest from the path on."""
    rest = url.partition("://")[2] or url
    ends = [at for at in (rest.find("/"), rest.find("?"), rest.find("#")) if at >= 0]
    authority = rest[: min(ends, default=len(rest))]
    return authority.rpartition("@")[2], rest[len(authority) :] or "/"


# -- per exchange of a capture


def in_order(report: Report) -> list[Exchange]:
    """As the table numbers them, from 1: in the order of the requests. For few: it is all of them."""
    return sorted(report.details.exchanges(), key=lambda exchange: (exchange.request_ns, exchange.depth))


def _exchanges(report: Report, style: Style) -> list[str]:
    """In the order of the requests. Of several pairs each has its own heading."""
    found = in_order(report)
    carriers = [report.details.connection(exchange.connection) for exchange in found]
    pauses = _pauses(found, carriers)
    paused = max(pauses, default=0) >= _LONG_PAUSE_NS
    rows_of: dict[int, list[Row]] = {}
    for number, (exchange, carrier, pause) in enumerate(zip(found, carriers, pauses, strict=True), 1):
        row = _exchange_row(number, exchange, carrier, style)
        if paused:
            row = (row[0], Cell(duration(pause) if pause else ""), *row[1:])
        if has_several(report):
            row = (*row[:-1], _file(exchange.reuse, carrier), row[-1])
        rows_of.setdefault(carrier.pair, []).append(row)
    if not rows_of:
        return []
    heads = (_PER_REQUEST[0], _PAUSE, *_PER_REQUEST[1:]) if paused else _PER_REQUEST
    heads = (*heads, _FILE) if has_several(report) else heads
    every = [row for rows in rows_of.values() for row in rows]
    titles, *drawn = lay_out(*_with_reasons(heads, every), style)
    if len(rows_of) == 1:
        return [*_pair_heading(report.pairs[min(rows_of)], style), titles, *drawn]
    lines = [titles]
    for index, rows in rows_of.items():
        lines += ["", *_pair_heading(report.pairs[index], style), *drawn[: len(rows)]]
        del drawn[: len(rows)]
    return lines


def _pauses(found: list[Exchange], carriers: list[Connection]) -> list[int]:
    """Before each request, the nanoseconds since the last response of its pair; 0 where one was still under way, or is
    not there. Up to the SYN, where a connection was opened for it."""
    ended: dict[int, int | None] = {}
    pauses = []
    for exchange, carrier in zip(found, carriers, strict=True):
        begun = carrier.opened_ns if exchange.reuse is Reuse.NEW else exchange.request_ns
        last = ended.get(carrier.pair)
        pauses.append(0 if last is None else max(begun - last, 0))
        end = exchange.response_end_ns
        ended[carrier.pair] = None if end is None else max(end, last or 0)
    return pauses


def _pair_heading(pair: Pair, style: Style) -> list[str]:
    """In two lines where one is too short."""
    name = _pair_name(pair, style)
    outcome = f"{count(pair.handshakes, 'handshake')}, {pair.lower_bound} needed"
    heading = INDENT + paint(name, Role.STRONG, style)
    painted = paint(outcome, Role.BAD if pair.extra_handshakes else None, style)
    if len(INDENT) + columns(name) + 2 + columns(outcome) <= style.width:
        return [f"{heading}  {painted}"]
    return [heading, INDENT + INDENT + painted]


def _exchange_row(number: int, exchange: Exchange, carrier: Connection, style: Style) -> Row:
    took = "" if exchange.response_end_ns is None else duration(max(exchange.response_end_ns - exchange.request_ns, 0))
    return (
        Cell(str(number)),
        Cell(safe(f"{exchange.method} {exchange.target or ''}".rstrip(), style)),
        _status(exchange.status, None),
        _connection_cell(exchange.reuse, carrier),
        Cell(took),
        Cell(_handshake(exchange.reuse, carrier)),
        _reason(exchange.reuse, carrier, style),
    )


# -- cells that both share


def _status(status: int | None, error: str | None) -> Cell:
    if status is not None:
        return Cell(str(status))
    return Cell("failed", Role.BAD) if error else Cell("none", Role.UNSURE)


def _connection_cell(kind: Reuse, carrier: Connection | None) -> Cell:
    word, role = reuse(kind)
    if carrier is None:
        return Cell(word, role)
    if kind is Reuse.NEW and carrier.extra:
        return Cell(f"#{carrier.id} {word}, extra", Role.BAD)
    return Cell(f"#{carrier.id} {word}", role)


def _handshake(kind: Reuse, carrier: Connection | None) -> str:
    if kind is Reuse.REUSED:
        return "none"
    if carrier is None:
        return "not in the packets"
    if kind is Reuse.UNKNOWN and carrier.handshake is Handshake.COMPLETE:
        return "unknown"
    return handshake_frames(carrier)


def _reason(kind: Reuse, carrier: Connection | None, style: Style) -> Cell:
    """Why the request's connection was opened."""
    if kind is not Reuse.NEW or carrier is None or carrier.cause is None:
        return Cell("")
    return Cell(safe(carrier.cause, style), Role.BAD if carrier.extra else None)


def _with_reasons(heads: tuple[Column, ...], rows: list[Row]) -> tuple[tuple[Column, ...], list[Row]]:
    """A table whose rows end in a reason, without that column where it would say nothing."""
    if any(row[-1].text not in _SAYS_NOTHING for row in rows):
        return (*heads, _WHY), rows
    return heads, [row[:-1] for row in rows]


def _file(kind: Reuse, carrier: Connection) -> Cell:
    """The file that `_handshake` has frames of, if it has any."""
    shown = kind is not Reuse.REUSED and carrier.frames.syn is not None
    return Cell(file_of(carrier.source) if shown else "")


# -- per pair


def _pairs(report: Report, style: Style) -> list[str]:
    if not report.pairs:
        return []
    top = busiest(report.pairs, TOP)
    costly = {finding.cause for finding in report.findings if finding.extra}
    causes = [Cell(safe(_main_cause(pair, costly), style)) for pair in top]
    rows = [(Cell(_pair_name(pair, style)), *_figures(pair), cause) for pair, cause in zip(top, causes, strict=True)]
    figures: tuple[Column, ...] = (*_FIGURES, _MOSTLY)
    if all(cause.text in _SAYS_NOTHING for cause in causes):
        figures, rows = _FIGURES, [row[:-1] for row in rows]
    heads = (Column(f"CLIENT {glyphs(style).arrow} SERVER", "left"), *figures)
    lines = lay_out(heads, rows, style) if fits(heads, rows, style.width) else _stacked(figures, rows, style)
    hidden = len(report.pairs) - len(top)
    if hidden:
        lines.append(f"{INDENT}and {count(hidden, 'more pair')}")
    if report.totals.extra_handshakes:
        needed = _NEEDED_APART if report.totals.connect_requests else _NEEDED
        lines += [INDENT + line for line in wrap(needed, style.width - len(INDENT))]
    if len(report.pairs) > 1:
        lines += [INDENT + line for line in wrap(_sums(report), style.width - len(INDENT))]
    return lines


def _stacked(heads: tuple[Column, ...], rows: list[Row], style: Style) -> list[str]:
    """For names too long for a column of their own: each on a line above its figures."""
    titles, *figures = lay_out(heads, [row[1:] for row in rows], style)
    lines = [titles]
    for row, line in zip(rows, figures, strict=True):
        lines += [INDENT + paint(row[0].text, Role.STRONG, style), line]
    return lines


def _figures(pair: Pair) -> Row:
    return (
        Cell(f"{pair.connections:,}"),
        Cell(f"{pair.handshakes:,}"),
        Cell(known(pair.lower_bound, pair)),
        Cell(
            "0" if pair.handshakes < 2 else known(pair.extra_handshakes, pair),
            Role.BAD if pair.extra_handshakes else None,
        ),
        Cell(known(pair.requests, pair)),
        Cell(known(pair.reused_requests, pair), Role.GOOD if pair.reused_requests else None),
        Cell(duration(pair.cost_ns) if pair.extra_handshakes else ""),
    )


def _main_cause(pair: Pair, costly: set[str]) -> str:
    """The cause of most of its connections that need not have been opened, of those that are any's at all."""
    faults = {code: number for code, number in pair.causes.items() if code in costly}
    return max(faults, key=lambda code: faults[code]) if faults and pair.extra_handshakes else ""


def _sums(report: Report) -> str:
    totals = report.totals
    return (
        f"All {count(len(report.pairs), 'pair')}: {count(totals.connections, 'connection')}, "
        f"{count(totals.handshakes, 'handshake')} ({totals.extra_handshakes:,} extra), "
        + (
            "requests unknown"
            if unreadable(report) and not totals.requests
            else f"{requests(totals)} ({totals.reused_requests:,} re-used)"
        )
    )


def _pair_name(pair: Pair, style: Style) -> str:
    return safe(f"{pair.client} {glyphs(style).arrow} {endpoint(pair.server)}", style)
