"""The part of README.md that is made from the catalogue: `make causes` writes it, a test compares it."""

from __future__ import annotations

from pathlib import Path

from verifier.catalogue import CAUSES
from verifier.report.catalogue import markdown

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- causes: written by `make causes` -->\n"
END = "<!-- end of causes -->\n"


def renewed(text: str) -> str:
    """`text` of a README with the table of causes as the catalogue has it now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{README}: the marks around the table of causes are gone")
    return f"{before}{BEGIN}\n{markdown(CAUSES.values())}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
