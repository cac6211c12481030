"""The report for people: the verdict first, then what happened, then the frames that show it, then how to go on.

A reader who stops after the first line knows the answer; one whose terminal has scrolled finds it again in the last.
Every list is bounded, so that a capture of a million requests prints no more than a screen or two, and is cheap to
print: details are asked for only where the totals are small, or for a bounded number of connections.
"""

from __future__ import annotations

from verifier.errors import INTERRUPTED
from verifier.figures import count, duration, ratio, size
from verifier.report import evidence
from verifier.report.happened import in_order, what_happened
from verifier.report.headline import sentence
from verifier.report.table import INDENT
from verifier.report.terminal import Role, columns, glyphs, hanging, paint, wrap
from verifier.report.wording import FEW, TOP, by_cause, extra_of, file_of, has_several
from verifier.spelling import Style, file_name, file_word, safe
from verifier.vocabulary import ClosedWith, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.judge.model import Expectation, Report
    from verifier.sources.facts import Source

_ROLES = {Verdict.PROVED: Role.GOOD, Verdict.REFUTED: Role.BAD, Verdict.INCONCLUSIVE: Role.UNSURE}
_LABEL = 13
"""Columns of the labels at the foot: the longest is `Exit status`."""
_NAMED = 3
"""Lost requests that are named at the top."""
_JOINED = 3
"""Files of one command line."""


def render(report: Report, style: Style, status: int) -> str:
    """The whole report, ending in a newline. `status` is the exit status that the process will have."""
    sections = (
        _verdict(report, style),
        what_happened(report, style),
        *_why(report, style),
        evidence.connections(report, style),
        _also_missing(report, style),
        _second_opinion(report, style),
    )
    foot = _foot(report, style, status, _files_named(sections))
    return "\n\n".join("\n".join(lines) for lines in (*sections, foot) if lines) + "\n"


def _why(report: Report, style: Style) -> list[list[str]]:
    if not report.findings:
        return []
    from verifier.report import why

    return [why.reasons(report, style), why.also_seen(report, style)]


# -- head


def _verdict(report: Report, style: Style) -> list[str]:
    role = _ROLES[report.verdict]
    signs = glyphs(style)
    mark = {Role.GOOD: signs.good, Role.BAD: signs.bad, Role.UNSURE: signs.unsure}[role]
    word = mark + report.verdict.upper()
    hang = " " * (columns(word) + 2)
    first, *rest = wrap(sentence(report), style.width - len(hang))
    lines = [f"{paint(word, role, style)}  {paint(first, Role.STRONG, style)}"]
    lines += [hang + paint(line, Role.STRONG, style) for line in rest]
    totals = report.totals
    for lost in _lost(report, style):
        lines += [hang + paint(line, Role.BAD, style) for line in wrap(lost, style.width - len(hang))]
    if report.verdict is Verdict.INCONCLUSIVE:
        lines += _missing(report, hang, style)
    elif totals.extra_handshakes and totals.cost_ns:
        lines += [hang + line for line in wrap(_cost(report), style.width - len(hang))]
    if totals.failed_attempts:
        were = "was" if totals.failed_attempts == 1 else "were"
        told = f"{count(totals.failed_attempts, 'attempt')} to connect {were} refused or not answered"
        lines += [hang + line for line in wrap(told, style.width - len(hang))]
    return lines


def _lost(report: Report, style: Style) -> list[str]:
    """Requests without a response, if all of what came is there to see."""
    if report.inconclusive_because or report.run:
        # A live run says below what failed, and why.
        return []
    totals = report.totals
    if totals.requests > FEW:
        lost = totals.requests - totals.responses
        return [f"{count(lost, 'request')} got no response in this capture"] if lost > 0 else []
    closed: list[str] = []
    still_open: list[str] = []
    for number, exchange in enumerate(in_order(report), 1):
        if exchange.status is None and exchange.response_frame is None and exchange.response_end_ns is None:
            carrier = report.details.connection(exchange.connection)
            name = safe(f"{exchange.method} {exchange.target or ''}".rstrip(), style)
            (still_open if carrier.closed_with is ClosedWith.NONE else closed).append(f"number {number}, {name}")
    return [
        f"{count(len(found), 'request')} {what}: {'; '.join(found[:_NAMED])}{' ...' if len(found) > _NAMED else ''}"
        for found, what in ((closed, "got no response"), (still_open, "had no response yet when the capture ended"))
        if found
    ]


def _cost(report: Report) -> str:
    """Of all extra handshakes, and what the biggest of several causes has of that."""
    totals = report.totals
    whole = f"{count(totals.extra_handshakes, 'extra handshake')} cost {duration(totals.cost_ns)} of waiting"
    cause, findings = next(iter(by_cause(report.findings)), ("", ()))
    extra = extra_of(findings)
    if not 0 < extra < totals.extra_handshakes or cause == "unknown":
        return whole
    saved = sum(finding.cost_ns for finding in findings)
    return f"{whole}; fixing cause 1 below would save {extra:,} of them, {duration(saved)}"


def _missing(report: Report, hang: str, style: Style) -> list[str]:
    lines = []
    for missing in report.inconclusive_because:
        first, *rest = wrap(f"{safe(missing.text, style)} ({missing.code})", style.width - len(hang) - 2)
        lines += [f"{hang}- {first}", *(f"{hang}  {line}" for line in rest)]
    return lines


def _mends(report: Report, style: Style) -> list[str]:
    """What would make another verdict of an inconclusive one. Of a live run it is the run that says it."""
    if report.verdict is not Verdict.INCONCLUSIVE or report.live is not None:
        return []
    return list(dict.fromkeys(safe(missing.mend, style) for missing in report.inconclusive_because if missing.mend))


def _also_missing(report: Report, style: Style) -> list[str]:
    """What is missing without being the verdict: an inconclusive one has said it at the top."""
    if report.verdict is Verdict.INCONCLUSIVE or not report.inconclusive_because:
        return []
    return [paint("Missing, though not for this verdict", Role.STRONG, style), *_missing(report, INDENT, style)]


def _second_opinion(report: Report, style: Style) -> list[str]:
    if report.opinion is None:
        return []
    from verifier.report import opinion

    return opinion.section(report.opinion, style)


# -- foot


def _foot(report: Report, style: Style, status: int, named: set[str]) -> list[str]:
    return [
        *_labelled("Expected", _wrapped([_expectation(each, style) for each in report.expectations], style), style),
        *_labelled("To settle", _wrapped(_mends(report, style), style), style),
        *_labelled("Notes", _wrapped(_notes(report), style), style),
        *_labelled("Capture", _wrapped(_captures(report, style, named), style), style),
        *_labelled("Skipped", _wrapped(_skipped(report, style), style), style),
        *_labelled("Saved as", _saved(report, style), style),
        *_labelled("Wireshark", _command(report, style), style),
        *_labelled("As JSON", _as_json(report, style), style),
        *_labelled("Exit status", [_exit(report, status, style)], style),
    ]


def _labelled(label: str, texts: list[str], style: Style) -> list[str]:
    """The label stands before the first of the lines."""
    margin = " " * _LABEL
    head = paint(label.ljust(_LABEL), Role.FAINT, style)
    return [f"{margin if index else head}{text}" for index, text in enumerate(texts)]


def _wrapped(texts: list[str], style: Style) -> list[str]:
    """To stand beside a label. Commands are not wrapped: they are there to be copied."""
    return [line for text in texts for line in hanging(text, style.width - _LABEL)]


def _notes(report: Report) -> list[str]:
    if not report.notes:
        return []
    from verifier.report.notes import MEANING

    lines = []
    for note in report.notes[:TOP]:
        where = f" ({file_of(note.source)})" if has_several(report) else ""
        seen = f"{count(note.count, 'time')}, first in frame {note.first_frame}{where}"
        lines.append(f"{note.code} ({MEANING[note.code]}): {seen}")
    if len(report.notes) > TOP:
        lines.append(f"and {count(len(report.notes) - TOP, 'more note')}: --json has them all")
    return lines


def _expectation(expectation: Expectation, style: Style) -> str:
    limit, measured = expectation.limit, expectation.measured
    if expectation.name == "min-reuse":
        wanted = f"at least {ratio(limit)} of requests re-use a connection"
        found = "unknown" if measured is None else ratio(measured)
    else:
        noun = "extra handshake" if expectation.name == "max-extra" else "handshake"
        wanted = f"at most {count(int(limit), noun)}" if limit else f"no {noun}s"
        found = "unknown" if measured is None else f"{measured:,.0f}"
    if expectation.met is None:
        return f"{wanted}: {found} seen, {paint('unproven', Role.UNSURE, style)}"
    outcome = paint("met", Role.GOOD, style) if expectation.met else paint("not met", Role.BAD, style)
    return f"{wanted}: {found} seen, {outcome}"


def _files_named(sections: Iterable[list[str]]) -> set[str]:
    """The numbers of the files that these lines name, as `file_of` does; perhaps others, where a name looks like it."""
    text = " ".join(word for lines in sections for line in lines for word in line.split())
    return {after.split(maxsplit=1)[0].strip("(),;:.") for after in text.split("file ")[1:] if after.strip()}


def _captures(report: Report, style: Style, named: set[str]) -> list[str]:
    """The first files, and of the others those that the lines above or the notes name."""
    lines = []
    noted = {note.source for note in report.notes[:TOP]}
    listed = [
        (place, source)
        for place, source in enumerate(report.sources)
        if place < TOP or place in noted or f"{place + 1}" in named
    ]
    for place, source in listed[: TOP * 2]:
        name = f"{file_of(place)}, " if has_several(report) else ""
        lines.append(name + _source(source, report, style))
        cut = "" if not source.truncated else "not read" if source.format == "unknown" else "cut short"
        wrong = [text for text in (cut, safe(source.problem, style)) if text]
        if wrong:
            lines.append(paint(": ".join(wrong), Role.UNSURE, style))
    rest = len(report.sources) - len(listed[: TOP * 2])
    if rest:
        lines.append(f"and {count(rest, 'more capture')}: --json has them all")
    return lines


def _skipped(report: Report, style: Style) -> list[str]:
    """Files beside the captures."""
    lines = [f"{file_name(name, style)}: {safe(why, style)}" for name, why in report.skipped[:TOP]]
    if len(report.skipped) > TOP:
        lines.append(f"and {count(len(report.skipped) - TOP, 'more file')}")
    return lines


def _saved(report: Report, style: Style) -> list[str]:
    """Where the packets of a live run are, and what went wrong in saving them."""
    if report.live is None:
        return []
    if report.live.save_problem:
        return _wrapped([paint(f"not saved: {safe(report.live.save_problem, style)}", Role.UNSURE, style)], style)
    return [] if report.live.saved_as is None else [file_name(report.live.saved_as, style)]


def _source(source: Source, report: Report, style: Style) -> str:
    parts = [count(source.packets, "packet"), size(source.bytes)]
    if source.first_ns is not None and source.last_ns is not None and source.packets > 1:
        took = source.last_ns - source.first_ns
        parts[-1] += f" over {duration(took)}" if took >= 0 else ", the last one earlier than the first"
    if source.dropped is not None:
        parts.append(paint(f"{source.dropped:,} dropped", Role.BAD, style) if source.dropped else "none dropped")
    if report.live is not None and report.live.control_only:
        parts.append("SYN, FIN and RST alone")
    return f"{file_name(source.name, style)}: {', '.join(parts)}"


def _command(report: Report, style: Style) -> list[str]:
    """How to look at the packets: for the one file that there is."""
    paths = _files(report)
    return [f"verify open {file_word(paths[0], style)}"] if len(paths) == 1 else []


def _as_json(report: Report, style: Style) -> list[str]:
    """How to get all that is left off above."""
    paths = _files(report)
    if not 0 < len(paths) <= _JOINED:
        return []
    return [f"verify analyze {' '.join(file_word(path, style) for path in paths)} --json --detail exchanges"]


def _files(report: Report) -> list[str]:
    """Where the packets are; nowhere if one of them came from standard input, or a pipe that a shell made."""
    live = report.live
    names = [source.name for source in report.sources] if live is None else [live.saved_as] if live.saved_as else []
    return [] if any(name == "-" or name.startswith("/dev/") for name in names) else names


def _exit(report: Report, status: int, style: Style) -> str:
    if status == INTERRUPTED:
        return f"{status}, interrupted"
    word = paint(report.verdict, _ROLES[report.verdict], style)
    forgiven = status == 0 and report.verdict is not Verdict.PROVED
    return f"{status}, {word}{', as --exit-zero asks' if forgiven else ''}"
