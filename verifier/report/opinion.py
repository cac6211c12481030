"""The second opinion as it is shown: a section of the text, a field of the JSON."""

from __future__ import annotations

from verifier.figures import count, plural
from verifier.report.table import INDENT, Cell, Column, lay_out
from verifier.report.terminal import Role, paint, wrap
from verifier.report.wording import TOP, file_of
from verifier.spelling import Style, safe
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from verifier.opinion.model import Difference, Opinion, Rule

    Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
    Record: TypeAlias = dict[str, Value]

_MOST_FRAMES = 6
"""Of one kind of difference, in the text."""


class _Kind(NamedTuple):
    """Differences in the same count, by the same rule."""

    what: str
    rule: Rule | None
    members: list[Difference]


def section(opinion: Opinion | None, style: Style) -> list[str]:
    """Lines of the text; none where there is no opinion."""
    if opinion is None:
        return []
    role, word = _outcome(opinion)
    title = paint(f"Second opinion, {opinion.tool} {safe(opinion.version, style)}:", Role.STRONG, style)
    lines = [f"{title} {paint(word, role, style)}"]
    if opinion.files > 1:
        lines.append(f"{INDENT}each of the {opinion.files} files for itself")
    heads = (Column("", "left"), Column("HERE", "right"), Column(opinion.tool.upper(), "right"))
    rows = [
        (Cell(str(counted.what)), Cell(f"{counted.ours:,}"), Cell(f"{counted.theirs:,}")) for counted in opinion.counts
    ]
    lines += lay_out(heads, rows, style)
    for problem in opinion.problems[:TOP]:
        lines += _item(safe(problem, style), style)
    kinds = _kinds(opinion)
    for kind in kinds[:TOP]:
        lines += _item(_sentence(kind, opinion.files > 1, style), style)
    left = len(kinds) - TOP
    if left > 0 or opinion.left_off or len(opinion.problems) > TOP:
        lines.append(f"{INDENT}and more: --json has them")
    return lines


def record(opinion: Opinion) -> Record:
    """The field `cross_check`."""
    return {
        "tool": opinion.tool,
        "version": opinion.version,
        "files": opinion.files,
        "counts": {str(counted.what): {"ours": counted.ours, "theirs": counted.theirs} for counted in opinion.counts},
        "agrees": opinion.agrees,
        "unexplained": opinion.unexplained,
        "differences": [_difference(difference) for difference in opinion.differences],
        "left_off": opinion.left_off,
        "problems": [_text(problem) for problem in opinion.problems],
    }


def _difference(difference: Difference) -> Record:
    rule = difference.rule
    return {
        "what": difference.what,
        "ours": difference.ours,
        "theirs": difference.theirs,
        "connection": difference.connection,
        "frames": list(difference.frames),
        "source": difference.source,
        "rule": None if rule is None else rule.name,
        "text": difference.text if rule is None else f"{difference.text}: {rule.text}",
        "reference": None if rule is None else rule.reference,
    }


def _text(value: str) -> str:
    """Without lone surrogates, as everywhere in the JSON."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _outcome(opinion: Opinion) -> tuple[Role, str]:
    if opinion.agrees:
        return Role.GOOD, "agrees"
    if opinion.unexplained:
        return Role.BAD, f"{count(opinion.unexplained, 'difference')} that nothing explains"
    if opinion.differences:
        return Role.GOOD, "every difference has its rule"
    return Role.UNSURE, "none"


def _kinds(opinion: Opinion) -> list[_Kind]:
    """Without a rule first, then in the order of the file."""
    kinds: dict[tuple[str, str], _Kind] = {}
    for difference in sorted(opinion.differences, key=lambda each: each.rule is not None):
        key = (str(difference.what), difference.rule.name if difference.rule else "")
        kinds.setdefault(key, _Kind(str(difference.what), difference.rule, [])).members.append(difference)
    return list(kinds.values())


def _sentence(kind: _Kind, several: bool, style: Style) -> str:
    first = kind.members[0]
    frames = sorted({frame for member in kind.members if member.source == first.source for frame in member.frames})
    shown = ", ".join(str(frame) for frame in frames[:_MOST_FRAMES])
    place = f"{file_of(first.source)}, " if several else ""
    more = ", ..." if len(frames) > _MOST_FRAMES or any(each.source != first.source for each in kind.members) else ""
    at = f" ({place}{plural(len(frames), 'frame')} {shown}{more})" if shown else ""
    if kind.rule is None:
        return f"{kind.what}, nothing explains it{at}: {safe(first.text, style)}" + (
            f", and {len(kind.members) - 1} more such" if len(kind.members) > 1 else ""
        )
    net = sum(each.ours - each.theirs for each in kind.members)
    return f"{kind.what} {net:+,}, {kind.rule.name}{at}: {kind.rule.text} [{kind.rule.reference}]"


def _item(text: str, style: Style) -> list[str]:
    first, *rest = wrap(text, style.width - len(INDENT) - 2)
    return [f"{INDENT}- {first}", *(f"{INDENT}  {line}" for line in rest)]
