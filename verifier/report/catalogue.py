"""The catalogue of causes for people: as a list, a cause in full, and as the table in the README."""

from __future__ import annotations

from verifier.catalogue import OR_IN_CLIENT, OTHER
from verifier.report.table import INDENT, Cell, Column, lay_out
from verifier.report.terminal import Role, columns, paint, wrap
from verifier.spelling import Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.catalogue import Cause

_BLAME = {
    "client": "mostly for the client to change",
    "server": "mostly for the server to change",
    "path": "mostly to be changed between client and server",
    "nobody": "nothing to change, or not known",
}
_WIDEST = 100
"""Columns of running text: longer lines are hard to read."""


def overview(causes: Iterable[Cause], style: Style) -> str:
    """A line for each cause, below whose it mostly is to change."""
    of_blame: dict[str, list[Cause]] = {blame: [] for blame in _BLAME}
    for cause in causes:
        of_blame[cause.blame].append(cause)
    heads = (Column("CAUSE", "left"), Column("WHAT IT IS", "left", least=20))
    every = [cause for found in of_blame.values() for cause in found]
    rows = [(Cell(cause.code, Role.STRONG), Cell(cause.title)) for cause in every]
    titles, *drawn = lay_out(heads, rows, style)
    lines = [*wrap("Why a client opens another connection, although it had one before:", style.width), "", titles]
    for blame, found in of_blame.items():
        if found:
            lines += ["", paint(_BLAME[blame].capitalize(), Role.STRONG, style), *drawn[: len(found)]]
            del drawn[: len(found)]
    lines += ["", *wrap("In full, with what to change: verify causes no-session, for instance.", style.width)]
    return "\n".join(lines) + "\n"


def explain(cause: Cause, style: Style) -> str:
    """All that is known of one cause."""
    sections = (
        ("What happens", _text(cause.explanation, style)),
        ("How packets show it", _text(cause.evidence, style)),
        ("Not to be confused with", _text(cause.apart, style)),
        ("What packets can't tell", _text(cause.settle, style)),
        ("What to do", _text(cause.advice, style)),
        ("In the client", _by_name(cause.clients, style)),
        ("In the server", _by_name(cause.servers, style)),
        ("Met by others", [INDENT + address for address in cause.reading]),
    )
    lines = [f"{paint(cause.code, Role.STRONG, style)}: {cause.title}", _BLAME[cause.blame]]
    for title, body in sections:
        if body:
            lines += ["", paint(title, Role.STRONG, style), *body]
    return "\n".join(lines) + "\n"


def _text(text: str, style: Style) -> list[str]:
    return [INDENT + line for line in wrap(text, min(style.width, _WIDEST) - len(INDENT))] if text else []


def _by_name(texts: Mapping[str, str], style: Style) -> list[str]:
    width = max(map(columns, texts), default=0)
    hang = " " * (len(INDENT) + width + 2)
    lines: list[str] = []
    for name, text in texts.items():
        first, *rest = wrap(text, min(style.width, _WIDEST) - len(hang))
        lines += [f"{INDENT}{paint(name.ljust(width), Role.FAINT, style)}  {first}", *(hang + line for line in rest)]
    return lines


def markdown(causes: Iterable[Cause]) -> str:
    """A table of GitHub's Markdown: what it is, whose it is to mend, how packets show it, what mends it."""
    lines = ["| cause | blame | in the packets | what to do |", "|---|---|---|---|"]
    lines += [
        f"| `{cause.code}`<br>{cause.title} | {cause.blame} | {cause.evidence} | {_briefly(cause)} |"
        for cause in causes
    ]
    return "\n".join(lines) + "\n"


def _briefly(cause: Cause) -> str:
    """What to change on either side, in general terms."""
    other = cause.clients.get(OTHER)
    return f"{cause.advice} {OR_IN_CLIENT}{other}" if other else cause.advice


def dump(causes: Iterable[Cause]) -> str:
    """A JSON array of objects, a cause to a line."""
    from json import JSONEncoder

    encode = JSONEncoder().encode
    return "[\n" + ",\n".join(encode(dict(cause._asdict())) for cause in causes) + "\n]\n"
