"""Tables on the terminal, and as the README has them."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def seconds(value: float) -> str:
    return f"{value * 1e3:,.0f} ms" if value < 10 else f"{value:,.1f} s"


def show(title: str, heads: Sequence[str], table: Sequence[Sequence[str]], markdown: bool) -> None:
    if markdown:
        print(f"\n{title}\n\n| {' | '.join(heads)} |")
        print(f"|---{'|---:' * (len(heads) - 1)}|")
        for row in table:
            print(f"| {f'`{row[0]}`'} | {' | '.join(row[1:])} |")
    else:
        widths = [max(len(row[place]) for row in (heads, *table)) for place in range(len(heads))]
        print(f"\n{title}")
        for row in (heads, *table):
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            print(f"  {'  '.join(cells)}".rstrip())
    sys.stdout.flush()
