"""The frames behind the counts, connection by connection, as Wireshark lists them."""

from __future__ import annotations

from itertools import islice

from verifier.figures import count, duration, endpoint
from verifier.report.table import INDENT, Cell, Column, Row, fits, lay_out
from verifier.report.terminal import Role, columns, elide, glyphs, hanging, paint
from verifier.report.wording import (
    FEW,
    TOP,
    elsewhere,
    file_of,
    handshake_frames,
    has_several,
    known,
    reuse,
)
from verifier.spelling import Style, safe
from verifier.vocabulary import ClosedWith, Closer, Handshake, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.judge.model import Connection, Exchange, Report

_SCANNED = 5000
"""Connections looked at in search of extra ones in a large capture: an object is made for each, some microseconds."""

_OPENING = {
    Handshake.COMPLETE: "handshake",
    Handshake.HALF: "half, the client's ACK is not in the capture",
    Handshake.REFUSED: "refused",
    Handshake.UNANSWERED: "never answered",
    Handshake.NOT_SEEN: "handshake not seen, the capture begins later",
}
_UNANSWERED_HALF = "half, the server's SYN-ACK is not in the capture"
"""The client went on all the same."""
_UNASKED = "the client's SYN is not in the capture"
"""It has one direction alone, or lost packets: it does not begin later."""
_FAILED = (Handshake.REFUSED, Handshake.UNANSWERED)
_CLOSER = {
    Closer.CLIENT: "the client closed first",
    Closer.SERVER: "the server closed first",
    Closer.BOTH: "both sides closed at once",
    Closer.NONE: "closed",
}


def connections(report: Report, style: Style) -> list[str]:
    """Every frame of few connections, the handshakes of some of many."""
    totals = report.totals
    if totals.connections == 0:
        return []
    if totals.connections * 3 + totals.requests <= FEW:
        return [*_heading("Evidence, by frame number", style), *_timelines(report, style)]
    found, what = _chosen(report)
    lines = [*_heading(f"Evidence, by frame number: {what}", style), *_table(found, report, style)]
    if len(found) < totals.connections:
        rest = totals.connections - len(found)
        shown = sum(connection.extra for connection in found)
        more = (
            f"{rest:,} more, none of them extra" if shown == totals.extra_handshakes else count(rest, "more connection")
        )
        told = f"and {more}: --json --detail connections has them all"
        lines += [INDENT + line for line in hanging(told, style.width - len(INDENT))]
    return lines


def _heading(text: str, style: Style) -> list[str]:
    return [paint(line, Role.STRONG, style) for line in hanging(text, style.width)]


def _chosen(report: Report) -> tuple[list[Connection], str]:
    if report.totals.connections <= TOP:
        return list(report.details.connections()), "all connections"
    scanned = islice(report.details.connections(), _SCANNED)
    found = list(islice((connection for connection in scanned if connection.extra), TOP))
    if not found:
        named = (number for finding in report.findings if finding.extra for number in finding.connections)
        found = [report.details.connection(number) for number in islice(named, TOP)]
    if found:
        extra = report.totals.extra_handshakes
        which = "the" if len(found) == extra else f"the first {len(found)} of"
        return found, f"{which} {count(extra, 'extra connection')}"
    return list(islice(report.details.connections(), TOP)), "first connections"


def _timelines(report: Report, style: Style) -> list[str]:
    exchanges_of: dict[int, list[Exchange]] = {}
    for exchange in report.details.exchanges():
        exchanges_of.setdefault(exchange.connection, []).append(exchange)
    lines: list[str] = []
    for connection in report.details.connections():
        where = file_of(connection.source) if has_several(report) else ""
        lines += _title(connection, where, style)
        lines += _timeline(connection, exchanges_of.get(connection.id, []), style)
    return lines


def _title(connection: Connection, where: str, style: Style) -> list[str]:
    """Its ends, name, file and cause; what has no room is told in the lines below."""
    ends = f"{endpoint(connection.client)} {glyphs(style).arrow} {endpoint(connection.server)}"
    name = safe(connection.tls.sni, style) if connection.tls is not None and connection.tls.sni else ""
    lines = [f"{INDENT}#{connection.id}  {ends}"]
    used = columns(lines[0])
    for text, role in ((name, None), (where, None), _reason(connection, style)):
        if text and used + 2 + columns(text) <= style.width:
            lines[-1] += f"  {paint(text, role, style)}"
            used += 2 + columns(text)
        elif text:
            lines += _frame_lines("", paint(text, role, style), style)
            used = _TEXT_AT + columns(text)
    return lines


def _timeline(connection: Connection, exchanges: list[Exchange], style: Style) -> list[str]:
    lines = _opening(connection, style)
    for exchange in exchanges:
        word, role = reuse(exchange.reuse)
        seen = (exchange.request_frame, exchange.response_frame)
        frames = ", ".join(f"{frame}" for frame in seen if frame is not None)
        status = "no response" if exchange.status is None else f"{exchange.status}"
        request = safe(f"{exchange.method} {exchange.target or ''}".rstrip(), style)
        tail = f"{_files(connection, exchange)}, {status}: "
        room = style.width - _TEXT_AT - len(tail) - len(word)
        lines += _frame_lines(frames, elide(request, room, style) + tail + paint(word, role, style), style)
    if not exchanges and connection.frames.first_request is not None:
        why = "encrypted" if connection.protocol is Protocol.TLS else "unreadable"
        where = elsewhere(connection, "first_request")
        lines += _frame_lines(f"{connection.frames.first_request}", f"first request{where}: {why}", style)
    if connection.handshake not in _FAILED:
        lines += _closing(connection, style)
    return lines


def _files(connection: Connection, exchange: Exchange) -> str:
    """Where an exchange's frames are, if not in the connection's file."""
    asked, answered = exchange.source, exchange.response_source
    if answered is None:
        return "" if asked == connection.source else f" ({file_of(asked)})"
    request = "" if asked == connection.source else f"{file_of(asked)}, "
    return f" ({request}response in {file_of(answered)})"


def _reason(connection: Connection, style: Style) -> tuple[str, Role | None]:
    cause = safe(connection.cause or "", style)
    if connection.extra:
        return f"extra, cause {cause}" if cause else "extra", Role.BAD
    return (f"cause {cause}", Role.FAINT) if cause else ("", None)


def _opening(connection: Connection, style: Style) -> list[str]:
    frames = connection.frames
    refusal = frames.first_close if connection.handshake is Handshake.REFUSED else None
    named = (
        ("SYN", "syn", frames.syn),
        ("SYN-ACK", "synack", frames.synack),
        ("ACK", "ack", frames.ack),
        ("RST", "first_close", refusal),
    )
    seen = [(word + elsewhere(connection, name), frame) for word, name, frame in named if frame is not None]
    text = _OPENING[connection.handshake]
    if connection.handshake is Handshake.HALF and frames.synack is None:
        text = _UNANSWERED_HALF
    if connection.handshake is Handshake.NOT_SEEN and frames.synack is not None:
        text = _UNASKED
    if seen:
        text = f"{', '.join(name for name, _ in seen)}: {text}"
    if connection.handshake is Handshake.COMPLETE and connection.handshake_ns is not None:
        text += f" in {duration(connection.handshake_ns)}"
    if connection.tls_ns is not None:
        text += f", TLS ready {duration(connection.tls_ns)} later"
    return _frame_lines(", ".join(f"{frame}" for _, frame in seen), text, style)


def _closing(connection: Connection, style: Style) -> list[str]:
    if connection.closed_with is ClosedWith.NONE:
        return _frame_lines("", "still open where the capture ends", style)
    frame = connection.frames.first_close
    segment = "FIN" if connection.closed_with is ClosedWith.FIN else "RST"
    text = f"{segment}{elsewhere(connection, 'first_close')}: {_CLOSER[connection.first_closer]}"
    return _frame_lines("" if frame is None else f"{frame}", text, style)


_FRAMES = 12
"""Columns for frame numbers: three of them in a capture of a thousand packets."""
_TEXT_AT = len(INDENT) * 2 + _FRAMES + 2


def _frame_lines(frames: str, text: str, style: Style) -> list[str]:
    """Frames, and beside them what they show."""
    first, *rest = hanging(text, style.width - max(_TEXT_AT, len(INDENT) * 2 + len(frames) + 2))
    return [
        f"{INDENT * 2}{paint(frames.rjust(_FRAMES), Role.FAINT, style)}  {first}".rstrip(),
        *(" " * _TEXT_AT + line for line in rest),
    ]


def _table(found: list[Connection], report: Report, style: Style) -> list[str]:
    """A row for each connection; where that is too wide, its ends on a line above what else there is."""
    heads = _heads(report, found)
    rows = [_connection_row(connection, report, style) for connection in found]
    if fits(heads, rows, style.width):
        return lay_out(heads, rows, style)
    ends = 3 if has_several(report) else 2
    titles, *drawn = lay_out(heads[ends:], [row[ends:] for row in rows], style)
    lines = [titles]
    for row, line in zip(rows, drawn, strict=True):
        name = "  ".join(cell.text for cell in row[:ends])
        lines += [INDENT + part for part in hanging(name, style.width - len(INDENT))]
        lines.append(line)
    return lines


def _heads(report: Report, found: list[Connection]) -> tuple[Column, ...]:
    """Of a single pair the client's port tells the connections apart; of several it is not cut out of the middle."""
    several = len(report.pairs) > 1
    return (
        Column("#", "left"),
        Column("CLIENT AND SERVER", "left") if several else Column("CLIENT PORT", "right"),
        *((Column("IN", "left"),) if has_several(report) else ()),
        Column("HANDSHAKE FRAMES", "left"),
        Column("REQUESTS", "right", spare=2),
        Column("FIRST CLOSE", "left", spare=1),
        Column("CAUSE" if any(connection.cause for connection in found) else "", "left"),
    )


def _connection_row(connection: Connection, report: Report, style: Style) -> Row:
    several = len(report.pairs) > 1
    ends = f"{endpoint(connection.client)} {glyphs(style).arrow} {endpoint(connection.server)}"
    frame = connection.frames.first_close
    closed = "still open"
    if connection.closed_with is not ClosedWith.NONE:
        closed = f"{connection.first_closer} {connection.closed_with.upper()}"
        if frame is not None:
            closed += f" {frame}{elsewhere(connection, 'first_close')}"
    cause = Cell(safe(connection.cause or "", style), Role.BAD if connection.extra else None)
    return (
        Cell(f"#{connection.id}"),
        Cell(ends if several else str(connection.client.port)),
        *((Cell(file_of(connection.source)),) if has_several(report) else ()),
        Cell(handshake_frames(connection)),
        Cell(known(connection.requests, report.pairs[connection.pair])),
        Cell(closed),
        cause,
    )
