"""Why connections were opened that need not have been: due to whom, what it costs, what to change.

Written for somebody who never read about keep-alive. Findings of the same cause are told once, at the pair that lost
most by it; the first few in full, the others in a line each, so that the section fits a screen however many there are.
"""

from __future__ import annotations

from verifier.figures import count, duration, endpoint, size
from verifier.report.table import INDENT
from verifier.report.terminal import Role, columns, elide, glyphs, hanging, paint, wrap
from verifier.report.wording import TOP, by_cause, extra_of, file_of, has_several
from verifier.spelling import Style, safe
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.catalogue import Cause
    from verifier.judge.model import Evidence, Finding, Measured, Report

_IN_FULL = 3
"""Causes told in full."""
_CITED = 6
"""Frames and connections cited per cause."""
_CHAINS = 2
"""Further connections whose frames are cited, without their notes."""
_OPENS = "SYN of "
"""Begins the note of the frame that ends a chain: how the connection before was used and closed, then a new one."""
_LABEL = 10
"""Columns of the labels: the longest is `Measured`."""
_MARGIN = INDENT * 2
_WIDEST = 110
"""Columns of running text: longer lines are hard to read."""

_INTRODUCTION = (
    "A new connection costs a handshake, a round trip before its request; one that is kept open (keep-alive) saves "
    "that. SYN opens a connection, FIN closes it, RST breaks it off. Why new ones were opened anyway:"
)
_DUE_TO = {
    "client": "the client",
    "server": "the server",
    "path": "something between client and server (a NAT, firewall, proxy or load balancer)",
    "nobody": "neither side in particular",
}
_FIX = {
    "client": "Fix in the client",
    "server": "Fix in the server",
}
"""What lies between the two is changed in neither, or in both."""


class _Group(NamedTuple):
    """Findings of one cause."""

    cause: Cause
    findings: tuple[Finding, ...]
    """The one that cost most handshakes first."""

    @property
    def first(self) -> Finding:
        return self.findings[0]


def reasons(report: Report, style: Style) -> list[str]:
    """The causes of extra handshakes, the biggest first."""
    groups = [group for group in _grouped(report) if extra_of(group.findings)]
    if not groups:
        return []
    lines = [paint("Why", Role.STRONG, style), *_paragraph(_INTRODUCTION, INDENT, style)]
    for number, group in enumerate(groups[:_IN_FULL], 1):
        lines += ["", *_in_full(f"{number}. " if len(groups) > 1 else "", group, report, style)]
    rest = groups[_IN_FULL:]
    if rest:
        lines.append("")
    for number, group in enumerate(rest[: TOP - _IN_FULL], _IN_FULL + 1):
        lines.append(_in_a_line(f"{number}. ", group, style))
    if len(groups) > TOP:
        lines.append(f"{INDENT}and {count(len(groups) - TOP, 'more cause')}: --json has them all")
    return [*lines, "", *_read_more(groups[:_IN_FULL], style)]


def also_seen(report: Report, style: Style) -> list[str]:
    """What is worth knowing although it cost no handshake here."""
    groups = [group for group in _grouped(report) if not extra_of(group.findings)]
    if not groups:
        return []
    lines = [paint("Also seen, at no extra handshake", Role.STRONG, style)]
    for group in groups[:_IN_FULL]:
        finding = group.first
        lines += [*_title("", group, Role.UNSURE, style), *_body(safe(finding.text, style), style)]
        lines += _labelled("Frames", _frames(finding.evidence, report, style), style)
        if finding.blame != "nobody":
            advice = [safe(line, style) for line in finding.advice.split("\n")]
            lines += _labelled("Fix", [part for line in advice for part in _wrapped(line, style)], style)
    for group in groups[_IN_FULL:TOP]:
        lines += _title("", group, Role.UNSURE, style)
    if len(groups) > TOP:
        lines.append(f"{INDENT}and {len(groups) - TOP:,} more: --json has them all")
    return lines


def _grouped(report: Report) -> list[_Group]:
    if not report.findings:
        return []
    from verifier.catalogue import CAUSES, UNKNOWN

    # A code that the catalogue lacks keeps its name.
    return [
        _Group(CAUSES.get(code) or UNKNOWN._replace(code=code), findings)
        for code, findings in by_cause(report.findings)
    ]


# -- one cause


def _in_full(number: str, group: _Group, report: Report, style: Style) -> list[str]:
    finding = group.first
    return [
        *_title(number, group, Role.BAD, style),
        *_body(safe(_told(group, report), style), style),
        *_labelled("Means", _wrapped(group.cause.explanation, style), style),
        *_labelled("Measured", _measurements(finding, style), style),
        *_labelled("Due to", _wrapped(_due_to(finding, report, style), style), style),
        *_labelled("Cost", _wrapped(_cost(group, report), style), style),
        *_labelled("Opened", _wrapped(_opened(group, report, style), style), style),
        *_labelled("Frames", _frames(finding.evidence, report, style), style),
        *_fix(finding, style),
    ]


def _fix(finding: Finding, style: Style) -> list[str]:
    """A heading and a paragraph for each side that can change something."""
    from verifier.catalogue import OR_IN_CLIENT

    lines = []
    for line in finding.advice.split("\n"):
        other = line.startswith(OR_IN_CLIENT)
        heading = OR_IN_CLIENT.rstrip(": ") if other else _FIX.get(finding.blame, "Fix")
        lines.append(f"{_MARGIN}{paint(heading, Role.GOOD, style)}")
        lines += _paragraph(safe(line.removeprefix(OR_IN_CLIENT), style), _MARGIN + INDENT, style)
    return lines


def _read_more(groups: Sequence[_Group], style: Style) -> list[str]:
    """A command for each."""
    lead = "To read more:"
    commands = [f"verify causes {safe(group.cause.code, style)}" for group in groups]
    return [f"{INDENT}{' ' * len(lead) if index else lead} {command}" for index, command in enumerate(commands)]


def _title(number: str, group: _Group, role: Role, style: Style) -> list[str]:
    code = paint(safe(group.cause.code, style), role, style)
    title = f"{number}{code}: {paint(group.cause.title, Role.STRONG, style)}"
    return [INDENT + line for line in hanging(title, style.width - len(INDENT))]


def _told(group: _Group, report: Report) -> str:
    """What happened; of several pairs, at the one that lost most."""
    if len(group.findings) == 1:
        return group.first.text
    pair = report.pairs[group.first.pair]
    return f"Between {pair.client} and {endpoint(pair.server)}: {group.first.text}"


def _in_a_line(number: str, group: _Group, style: Style) -> str:
    code = safe(group.cause.code, style)
    cost = count(extra_of(group.findings), "extra handshake")
    room = style.width - columns(f"{INDENT}{number}{code}: {cost}, ")
    title = elide(group.cause.title, room, style)
    return f"{INDENT}{number}{paint(code, Role.BAD, style)}: {cost}, {title}"


def _due_to(finding: Finding, report: Report, style: Style) -> str:
    """Whose ways they are, how sure that is, and what else it could be."""
    whose = _DUE_TO.get(finding.blame, safe(finding.blame, style))
    if finding.cause == "unknown":
        known = "not known: the" if finding.blame == "nobody" else f"{whose}; why it did so, the"
        return f"{known} packets don't tell."
    others = [_named(code, style) for code in finding.also]
    if finding.confidence == "certain":
        also = f" Besides, this holds: {'; '.join(others)}." if others else ""
        proof = "the packets and what the client knows leave" if report.run else "the packets leave"
        return f"{whose}. Certain: {proof} no other explanation.{also}"
    also = f" It could also be {' or '.join(others)}." if others else ""
    return f"{whose}, as it seems: the packets fit, but can't prove it.{also}"


def _named(code: str, style: Style) -> str:
    from verifier.catalogue import CAUSES

    known = CAUSES.get(code)
    return f"{known.title} ({code})" if known is not None else safe(code, style)


def _cost(group: _Group, report: Report) -> str:
    extra = extra_of(group.findings)
    whole = report.totals.extra_handshakes
    time = sum(finding.cost_ns for finding in group.findings)
    packets = sum(finding.packets for finding in group.findings)
    octets = sum(finding.bytes for finding in group.findings)
    share = f"{extra:,} of the {whole:,} extra handshakes" if extra < whole else count(extra, "extra handshake")
    figures = [share]
    if time:
        figures.append(f"{duration(time)} of waiting" + (f", {duration(time // extra)} each" if extra > 1 else ""))
    if packets:
        figures.append(count(packets, "packet") + (f" ({size(octets)} of TLS)" if octets else ""))
    return "; ".join(figures)


def _opened(group: _Group, report: Report, style: Style) -> str:
    """The connections that need not have been."""
    finding = group.first
    cited = ", ".join(f"#{number}" for number in finding.connections[:_CITED])
    more = f" and {len(finding.connections) - _CITED:,} more" if len(finding.connections) > _CITED else ""
    noun = "connection" if len(finding.connections) == 1 else "connections"
    where = f"{noun} {cited}{more}" if cited else ""
    if len(report.pairs) > 1 and len(group.findings) == 1:
        pair = report.pairs[finding.pair]
        where = f"{pair.client} {glyphs(style).arrow} {endpoint(pair.server)}: {where}"
    if len(group.findings) > 1:
        others = group.findings[1:]
        pairs = len({other.pair for other in others} - {finding.pair})
        place = f" at {count(pairs, 'more pair')}" if pairs else ""
        where += f"; the same{place} for {count(extra_of(others), 'extra handshake')}"
    return safe(where, style)


def _measurements(finding: Finding, style: Style) -> list[str]:
    return [line for each in finding.measured[:_CITED] for line in hanging(_measured(each, style), _room(style))]


def _measured(measured: Measured, style: Style) -> str:
    value = f"{measured.value:,.2f}" if measured.unit == "s" else f"{measured.value:,.0f}"
    return safe(
        f"{measured.name} = {value} {measured.unit}, shown by {measured.seen:,} of {count(measured.of, 'connection')}",
        style,
    )


def _frames(evidence: Sequence[Evidence], report: Report, style: Style) -> list[str]:
    """What led to the first new connection, a frame to a line; what led to the next ones, each in a line."""
    if not evidence:
        return []
    first, *others = _chains(evidence)
    shown = _in_order(first[:_CITED])
    width = max(len(str(each.frame)) for each in shown)
    room = _room(style) - width - 2
    lines = []
    for each in shown:
        where = f" ({file_of(each.source)})" if has_several(report) else ""
        note = elide(safe(each.note, style), room - len(where), style)
        lines.append(f"{paint(str(each.frame).rjust(width), Role.FAINT, style)}  {note}{where}")
    for chain in others[:_CHAINS]:
        lines += _wrapped(safe(_in_short(chain, first, report), style), style)
    hidden = len(first[_CITED:]) + sum(map(len, others[_CHAINS:]))
    if hidden:
        lines.append(paint(f"and {count(hidden, 'more frame')}: --json has them all", Role.FAINT, style))
    return lines


def _chains(evidence: Sequence[Evidence]) -> list[list[Evidence]]:
    """Each up to the SYN of a new connection."""
    chains: list[list[Evidence]] = [[]]
    for each in evidence:
        if chains[-1] and chains[-1][-1].note.startswith(_OPENS):
            chains.append([])
        chains[-1].append(each)
    return chains


def _in_order(chain: list[Evidence]) -> list[Evidence]:
    """By frame, where the numbers of all are of one file."""
    return sorted(chain, key=lambda each: each.frame) if len({each.source for each in chain}) == 1 else chain


def _in_short(chain: list[Evidence], like: list[Evidence], report: Report) -> str:
    """`18, 20, 21 and 24: the same for #2`."""
    sources = {each.source for each in chain}
    found = [
        f"{each.frame} ({file_of(each.source)})" if len(sources) > 1 else f"{each.frame}" for each in _in_order(chain)
    ]
    frames = list(dict.fromkeys(found))
    listed = f"{', '.join(frames[:-1])} and {frames[-1]}" if len(frames) > 1 else frames[0]
    where = f" ({file_of(chain[0].source)})" if has_several(report) and len(sources) == 1 else ""
    note = chain[-1].note
    if not note.startswith(_OPENS):
        return f"{listed}{where}: {note}"
    same = "the same " if [_kind(each) for each in chain] == [_kind(each) for each in like] else ""
    return f"{listed}{where}: {same}for {note.removeprefix(_OPENS).partition(':')[0]}"


def _kind(evidence: Evidence) -> str:
    """A note without what differs between connections that end alike: numbers, and how long something took."""
    return "".join(char for char in evidence.note.partition(",")[0] if not char.isdigit())


# -- lay-out


def _body(text: str, style: Style) -> list[str]:
    first = text.partition(" ")[0]
    # A name keeps its case.
    return _paragraph(text[:1].upper() + text[1:] if first.isalpha() else text, _MARGIN, style)


def _paragraph(text: str, margin: str, style: Style) -> list[str]:
    return [margin + line for line in wrap(text, min(style.width, _WIDEST) - len(margin))]


def _wrapped(text: str, style: Style) -> list[str]:
    return wrap(text, _room(style)) if text else []


def _room(style: Style) -> int:
    return min(style.width, _WIDEST) - len(_MARGIN) - _LABEL


def _labelled(label: str, texts: list[str], style: Style) -> list[str]:
    blank = " " * _LABEL
    head = paint(label, Role.FAINT, style) + " " * (_LABEL - columns(label))
    return [f"{_MARGIN}{blank if index else head}{text}" for index, text in enumerate(texts)]
