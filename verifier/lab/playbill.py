"""What `verify demo` says of scenes: their list, what is staged, whether the diagnosis names it, the table of `--all`.

Pure: scenes and performances in, text out."""

from __future__ import annotations

from verifier import __version__
from verifier.figures import count
from verifier.report.table import Cell, Column, lay_out
from verifier.report.terminal import Role, glyphs, paint, wrap
from verifier.spelling import Style, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.lab.perform import Performance
    from verifier.lab.scene import Scene

NO_FAULT = "no finding: nothing is at fault"
_GAP = "  "
_WIDE = 100
"""From so many columns on the table has all of its own: the sentences in the last one then have 40 and more."""


def listing(scenes: Iterable[Scene], style: Style) -> str:
    """A line for each scene, more where it has more to say than the terminal is wide."""
    scenes = tuple(scenes)
    width = max(len(scene.cause) for scene in scenes)
    lines = []
    for scene in scenes:
        first, *rest = wrap(scene.summary, style.width - width - len(_GAP))
        lines.append(scene.cause.ljust(width) + _GAP + first)
        lines += [" " * width + _GAP + line for line in rest]
    return "\n".join(lines) + "\n"


def prologue(scene: Scene, style: Style) -> str:
    """What is staged, to stand before the report."""
    return "\n".join([paint(f"Staged: {scene.cause}", Role.STRONG, style), *wrap(scene.summary, style.width)]) + "\n\n"


def epilogue(performance: Performance, style: Style) -> str:
    """Whether the diagnosis names what was staged, to stand behind the report."""
    signs = glyphs(style)
    cause = performance.scene.cause
    if performance.named:
        text, role = f"{signs.good}The diagnosis names what was staged: {cause}.", Role.GOOD
    else:
        found = performance.diagnosed or "no cause"
        text, role = f"{signs.bad}The diagnosis names {found}, and staged was {cause}.", Role.BAD
    return f"\n{paint(text, role, style)}\n"


def table(performances: Sequence[Performance], seconds: float, style: Style) -> str:
    """A line for each performance, how many were named, and of captures that could not be saved the first reason."""
    heads = (
        Column("STAGED", "left"),
        Column("DIAGNOSED", "left"),
        *((Column("CONFIDENCE", "left"), Column("SECONDS", "right")) if style.width >= _WIDE else ()),
        Column("FINDING", "left", least=12, wraps=True),
    )
    named = sum(performance.named for performance in performances)
    role = Role.GOOD if named == len(performances) else Role.BAD
    outcome = f"{named} of {count(len(performances), 'cause')} diagnosed as staged, in {seconds:.1f} s"
    rows = [_row(performance, style) for performance in performances]
    if style.width < _WIDE:
        rows = [row[:2] + row[4:] for row in rows]
    lines = [*lay_out(heads, rows, style), "", paint(outcome, role, style)]
    lives = [performance.report.live for performance in performances]
    unsaved = [live.save_problem for live in lives if live is not None and live.save_problem]
    if unsaved:
        lines.append(paint(f"{count(len(unsaved), 'capture')} not saved: {safe(unsaved[0], style)}", Role.BAD, style))
    return "\n".join(lines) + "\n"


def _row(performance: Performance, style: Style) -> tuple[Cell, ...]:
    finding = performance.finding
    return (
        Cell(performance.scene.cause),
        Cell("as staged", Role.GOOD) if performance.named else Cell(performance.diagnosed or "no cause", Role.BAD),
        Cell("-" if finding is None else finding.confidence),
        Cell(f"{performance.seconds:.1f}"),
        Cell(NO_FAULT if finding is None else safe(_first_sentence(finding.text), style)),
    )


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


def dump(performances: Sequence[Performance], seconds: float) -> str:
    """The table as one JSON object, and a newline."""
    import json

    whole = {
        "version": __version__,
        "all_named": all(performance.named for performance in performances),
        "seconds": round(seconds, 3),
        "scenes": [_record(performance) for performance in performances],
    }
    return json.dumps(whole, indent=1) + "\n"


def _record(performance: Performance) -> dict[str, object]:
    finding = performance.finding
    return {
        "staged": performance.scene.cause,
        "named": performance.named,
        "diagnosed": performance.diagnosed,
        "confidence": None if finding is None else finding.confidence,
        "blame": None if finding is None else finding.blame,
        "text": None if finding is None else finding.text,
        "verdict": performance.report.verdict,
        "saved_as": performance.report.live.saved_as if performance.report.live is not None else None,
        "seconds": round(performance.seconds, 3),
    }
