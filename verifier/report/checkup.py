"""What `verify doctor` found, a row for each thing that capturing needs, and what mends what is missing."""

from __future__ import annotations

from verifier.report.terminal import Role, columns, paint, wrap
from verifier.spelling import Style, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.doctor import Row

_MARK = 4
"""Columns of the widest mark."""


def render(rows: Sequence[Row], style: Style) -> str:
    """A mark, the name and what was found; below it the commands that mend what is missing. What is not needed for the
    main job is marked less loudly."""
    width = max((columns(row.name) for row in rows), default=0)
    hang = " " * (_MARK + width + 4)
    lines = []
    for row in rows:
        word, role = _mark(row)
        first, *rest = wrap(safe(row.detail, style), style.width - len(hang))
        lines.append(f"{paint(word.ljust(_MARK), role, style)}  {row.name.ljust(width)}  {first}")
        lines += [hang + line for line in rest]
        if not row.ok and row.mend:
            lines += [f"{hang}{paint(safe(mend, style), Role.STRONG, style)}" for mend in row.mend.split("\n")]
    return "\n".join(lines) + "\n"


def _mark(row: Row) -> tuple[str, Role]:
    if row.ok:
        return "ok", Role.GOOD
    return ("FAIL", Role.BAD) if row.needed else ("lack", Role.UNSURE)
