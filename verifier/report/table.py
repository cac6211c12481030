"""Lays rows of cells out in columns as wide as their widest cell.

Where the terminal is narrower, one elastic column gives way first, by being cut or wrapped; then spare columns go."""

from __future__ import annotations

from verifier.report.terminal import Role, columns, elide, paint, wrap
from verifier.spelling import Style
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INDENT = "  "
_GAP = "  "


class Column(NamedTuple):
    title: str
    align: str
    """`left` or `right`."""
    least: int = 0
    """Above 0: cut to fit the terminal, down to this width; at most one column of a table."""
    spare: int = 0
    """Above 0: left out where cutting is not enough, the highest first."""
    wraps: bool = False
    """What has no room goes on in the next lines, in place of being cut."""


class Cell(NamedTuple):
    text: str
    role: Role | None = None


Row = tuple[Cell, ...]


def fits(heads: tuple[Column, ...], rows: Sequence[Row], width: int) -> bool:
    """Whether `width` has room for the table, cut and without its spare columns where need be."""
    heads, rows = _without_spare(heads, rows, width)
    return _total(_narrowest(heads, _widths(heads, rows))) <= width


def _without_spare(
    heads: tuple[Column, ...], rows: Sequence[Row], width: int
) -> tuple[tuple[Column, ...], Sequence[Row]]:
    """The table less the spare columns that `width` has no room for."""
    for spare in sorted((head.spare for head in heads if head.spare), reverse=True):
        if _total(_narrowest(heads, _widths(heads, rows))) <= width:
            break
        at = next(index for index, head in enumerate(heads) if head.spare == spare)
        heads = heads[:at] + heads[at + 1 :]
        rows = [row[:at] + row[at + 1 :] for row in rows]
    return heads, rows


def lay_out(heads: tuple[Column, ...], rows: Sequence[Row], style: Style) -> list[str]:
    """Lines of the table, titles first."""
    heads, rows = _without_spare(heads, rows, style.width)
    widths = _widths(heads, rows)
    excess = max(_total(widths) - style.width, 0)
    narrowest = _narrowest(heads, widths)
    widths = [max(width - excess, least) for width, least in zip(widths, narrowest, strict=True)]
    titles = tuple(Cell(head.title, Role.FAINT) for head in heads)
    return [_line(heads, widths, line, style) for row in (titles, *rows) for line in _wrapped(heads, widths, row)]


def _wrapped(heads: tuple[Column, ...], widths: list[int], row: Row) -> list[Row]:
    """The row in as many lines as its wrapping column takes."""
    at = next((index for index, head in enumerate(heads) if head.wraps), None)
    if at is None or at >= len(row):
        return [row]
    first, *rest = wrap(row[at].text, widths[at])
    blank = Cell("")
    return [
        (*row[:at], row[at]._replace(text=first), *row[at + 1 :]),
        *((*(blank for _ in row[:at]), row[at]._replace(text=text)) for text in rest),
    ]


def _widths(heads: tuple[Column, ...], rows: Sequence[Row]) -> list[int]:
    widths = [len(head.title) for head in heads]
    for row in rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], columns(cell.text))
    return widths


def _narrowest(heads: tuple[Column, ...], widths: list[int]) -> list[int]:
    return [min(width, head.least) if head.least else width for head, width in zip(heads, widths, strict=True)]


def _total(widths: list[int]) -> int:
    return len(INDENT) + sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(heads: tuple[Column, ...], widths: list[int], row: Row, style: Style) -> str:
    """Painted after it is padded, and without blanks at its end."""
    parts = []
    for head, width, cell in zip(heads, widths, row, strict=False):
        text = elide(cell.text, width, style)
        blank = " " * (width - columns(text))
        painted = paint(text, cell.role, style)
        parts.append(blank + painted if head.align == "right" else painted + blank)
    return (INDENT + _GAP.join(parts)).rstrip()
