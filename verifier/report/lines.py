"""Independent captures for people: a line for each, and how many came out how.

Lines are told one by one, each by the process that read its file: how wide a column is has to be known before the first
number. So numbers have the width of their titles, the words for what was found have what the terminal leaves, and the
name stands last, where it may be as long as it is.
"""

from __future__ import annotations

from verifier.figures import count
from verifier.report.table import INDENT
from verifier.report.terminal import Role, columns, glyphs, hanging, paint, wrap
from verifier.report.wording import TOP, asked, by_cause, unreadable
from verifier.spelling import Style, file_name, safe
from verifier.values import NamedTuple
from verifier.vocabulary import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.errors import VerifierError
    from verifier.judge.model import Report
    from verifier.sources.facts import Skipped

_GAP = "  "
_SPARE = ("CONNECTIONS", "REQUESTS", "HANDSHAKES")
"""Numbers that are left off where there is no room, in this order."""
_SHOWN: tuple[str, ...] = ("REQUESTS", "CONNECTIONS", "HANDSHAKES", "EXTRA")
_WHY = (20, 44)
"""Columns for the words, at least and at most: the longest name of a cause has 44 letters."""
_NAME = 24
"""Columns for the name of a file, at least, if it has so many."""
_LABEL = 13

_ROLES = {Verdict.PROVED: Role.GOOD, Verdict.REFUTED: Role.BAD, Verdict.INCONCLUSIVE: Role.UNSURE}
_NOT_READ = "NOT READ"


class Outcomes(NamedTuple):
    """How many files came out how."""

    proved: int
    refuted: int
    inconclusive: int
    not_read: int


class Layout(NamedTuple):
    """The columns of all lines, known before the first."""

    style: Style
    numbers: tuple[str, ...]
    why: int
    name: int
    """0: as wide as it needs."""


def layout(names: Sequence[str], style: Style) -> Layout:
    """Columns that fit into `style.width`, for files with these names; names are whole where that is 0."""
    longest = max((columns(file_name(name, style)) for name in names), default=0)
    if not style.width:
        return Layout(style, _SHOWN, _WHY[1], 0)
    numbers = _SHOWN
    for spare in _SPARE:
        if _left(numbers, style) >= _WHY[0] + len(_GAP) + min(longest, _NAME):
            break
        numbers = tuple(title for title in numbers if title != spare)
    left = _left(numbers, style) - len(_GAP)
    why = min(max(left - longest, _WHY[0]), _WHY[1])
    return Layout(style, numbers, why, max(left - why, _NAME // 2))


def _left(numbers: tuple[str, ...], style: Style) -> int:
    """What the verdict and the numbers leave of a line."""
    return style.width - len(INDENT) - _verdict_width(style) - sum(len(_GAP) + len(title) for title in numbers) - 2


def _verdict_width(style: Style) -> int:
    return len(glyphs(style).good) + len(Verdict.INCONCLUSIVE)


def titles(place: Layout) -> str:
    """The line above all others."""
    style = place.style
    cells = ["VERDICT".ljust(_verdict_width(style)), *place.numbers, "WHY".ljust(place.why), "FILE"]
    return INDENT + paint(_GAP.join(cells), Role.FAINT, style) + "\n"


def line(report: Report, path: str, place: Layout) -> str:
    """What came out of one file."""
    style = place.style
    role = _ROLES[report.verdict]
    signs = glyphs(style)
    mark = {Role.GOOD: signs.good, Role.BAD: signs.bad, Role.UNSURE: signs.unsure}[role]
    cells = [paint(f"{mark}{report.verdict.upper()}".ljust(_verdict_width(style)), role, style)]
    cells += [_number(report, title, style) for title in place.numbers]
    why = _cut(_why(report), place.why, style)
    name = file_name(path, style)
    cells += [why.ljust(place.why), _tail(name, place.name, style) if place.name else name]
    return INDENT + _GAP.join(cells) + "\n"


def _number(report: Report, title: str, style: Style) -> str:
    totals = report.totals
    number = {
        "REQUESTS": asked(totals),
        "CONNECTIONS": totals.connections,
        "HANDSHAKES": totals.handshakes,
        "EXTRA": totals.extra_handshakes,
    }[title]
    uncounted = title == "REQUESTS" or (title == "EXTRA" and totals.handshakes > 1)
    shown = "?" if uncounted and not number and unreadable(report) else f"{number:,}"
    return paint(shown.rjust(len(title)), Role.STRONG if title == "EXTRA" and number else None, style)


def _why(report: Report) -> str:
    """The first cause of extra handshakes; of an inconclusive verdict, the first thing that is missing."""
    if report.verdict is Verdict.INCONCLUSIVE:
        first, *others = [missing.code.replace("-", " ") for missing in report.inconclusive_because] or [""]
    else:
        codes = [code for code, findings in by_cause(report.findings) if any(finding.extra for finding in findings)]
        if not codes:
            return _breach(report)
        from verifier.catalogue import CAUSES, UNKNOWN

        first, *others = [CAUSES.get(code, UNKNOWN).title for code in codes]
    return f"{first}, {len(others)} more" if others else first


def _breach(report: Report) -> str:
    """What was expected and is not met, where no handshake was extra."""
    return ", ".join(f"{each.name} not met" for each in report.expectations if each.met is False)


def _cut(text: str, width: int, style: Style) -> str:
    """Words that are too long lose their end."""
    mark = glyphs(style).ellipsis
    return text if len(text) <= width else text[: width - len(mark)].rstrip() + mark


def _tail(name: str, width: int, style: Style) -> str:
    """Of a long name the end: files of one folder, or of one set, differ there."""
    if columns(name) <= width:
        return name
    mark = glyphs(style).ellipsis
    begin = len(name)
    while columns(name[begin - 1 :]) <= width - len(mark):
        begin -= 1
    return mark + name[begin:]


def unread(error: VerifierError, place: Layout) -> str:
    """What is wrong with a file, and what mends it, in place of the numbers."""
    style = place.style
    word = (("! " if style.unicode else "") + _NOT_READ).ljust(_verdict_width(style))
    hang = INDENT + " " * len(word) + _GAP
    words = safe(str(error), style)
    first, *rest = wrap(words, max(style.width - len(hang), 1)) if style.width else [words]
    return "\n".join([f"{INDENT}{paint(word, Role.BAD, style)}{_GAP}{first}", *(hang + each for each in rest)]) + "\n"


def summary(outcomes: Outcomes, skipped: Sequence[Skipped], status: int, style: Style) -> str:
    """How many came out how, what was skipped, and the exit status."""
    words = (
        (outcomes.proved, "proved", Role.GOOD),
        (outcomes.refuted, "refuted", Role.BAD),
        (outcomes.inconclusive, "inconclusive", Role.UNSURE),
        (outcomes.not_read, "not read", Role.BAD),
    )
    parts = [paint(f"{number:,} {word}", role if number else None, style) for number, word, role in words]
    told = [f"{file_name(name, style)}: {safe(why, style)}" for name, why in skipped[:TOP]]
    if len(skipped) > TOP:
        told.append(f"and {count(len(skipped) - TOP, 'more file')}")
    if style.width:
        told = [line for text in told for line in hanging(text, style.width - _LABEL)]
    rows = [("" if index else "Skipped", text) for index, text in enumerate(told)]
    rows.append(("In full", "verify analyze FILE"))
    rows.append(("Exit status", f"{status}, {_meaning(outcomes, status)}"))
    foot = "".join(f"{paint(label.ljust(_LABEL), Role.FAINT, style)}{text}\n" for label, text in rows)
    return f"\n{count(sum(outcomes), 'file')}: {', '.join(parts)}\n\n{foot}"


def _meaning(outcomes: Outcomes, status: int) -> str:
    """What the worst of the files is."""
    if outcomes.not_read:
        return "not all were read"
    worst = "refuted" if outcomes.refuted else "inconclusive" if outcomes.inconclusive else "proved"
    return f"{worst}, as --exit-zero asks" if status == 0 and worst != "proved" else worst
