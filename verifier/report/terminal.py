"""What a terminal needs to know: colours, glyphs, and the width of text.

What strangers wrote has passed `safe` of spelling.py before it is laid out. Escape sequences of our own are made in
`paint` alone, after lay-out, so that they never count as width.
"""

from __future__ import annotations

from verifier.spelling import Style
from verifier.values import NamedTuple
from verifier.vocabulary import Word


class Role(Word):
    """What a piece of text means to the reader. The value is its SGR code (ECMA-48, 8.3.117)."""

    GOOD = "1;32"
    BAD = "1;31"
    UNSURE = "1;33"
    STRONG = "1"
    FAINT = "2"


class Glyphs(NamedTuple):
    arrow: str
    ellipsis: str
    good: str
    bad: str
    unsure: str


_UNITS = frozenset(("ns", "ms", "s", "min", "h", "B", "kB", "MB", "GB", "TB", "%"))
_UNICODE = Glyphs(arrow="→", ellipsis="…", good="✓ ", bad="✗ ", unsure="? ")
_ASCII = Glyphs(arrow="->", ellipsis="...", good="", bad="", unsure="")
_OURS = dict.fromkeys(map(ord, "".join(_UNICODE)))
"""For `str.translate`: without our own glyphs, each of which takes one column."""


def glyphs(style: Style) -> Glyphs:
    return _UNICODE if style.unicode else _ASCII


def paint(text: str, role: Role | None, style: Style) -> str:
    if role is None or not style.color or not text:
        return text
    return f"\x1b[{role}m{text}\x1b[0m"


def columns(text: str) -> int:
    """How many columns `text` takes, for text that `safe` has passed."""
    if text.isascii() or text.translate(_OURS).isascii():
        return len(text)
    import unicodedata

    total = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        total += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return total


def elide(text: str, width: int, style: Style) -> str:
    """`text` in at most `width` columns. The middle goes first: the ends of a path or an address tell most."""
    if columns(text) <= width:
        return text
    mark = glyphs(style).ellipsis
    room = max(width - len(mark), 0)
    head = _prefix(text, room - room // 2)
    tail = _prefix(text[::-1], room // 2)[::-1]
    return f"{head}{mark}{tail}"[: max(width, 0)]


def _prefix(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += columns(char)
        if used > width:
            return text[:index]
    return text


def wrap(text: str, width: int) -> list[str]:
    """`text`, which may be painted, in lines of at most `width` columns, broken at spaces, but not between a number and
    its unit; a longer word keeps a line of its own."""
    lines = [""]
    used = 0
    for word in _words(text):
        size = columns(_bare(word))
        if lines[-1] and used + 1 + size > width:
            lines.append(word)
            used = size
        else:
            lines[-1], used = (f"{lines[-1]} {word}", used + 1 + size) if lines[-1] else (word, size)
    return lines


def hanging(text: str, width: int) -> list[str]:
    """`text` as it is where it has room, else wrapped, with all lines but the first indented."""
    if columns(_bare(text)) <= width:
        return [text]
    first, *rest = wrap(text, width - 2)
    return [first, *(f"  {line}" for line in rest)]


def _bare(text: str) -> str:
    """Without what `paint` put around it."""
    if "\x1b" not in text:
        return text
    first, *rest = text.split("\x1b[")
    return first + "".join(piece.partition("m")[2] for piece in rest)


def _words(text: str) -> list[str]:
    """What stays on one line: `5.0 s` is one word."""
    words: list[str] = []
    for word in text.split(" "):  # names of files may have several blanks behind each other
        if words and words[-1][-1:].isdigit() and word.rstrip(".,:;)") in _UNITS:
            words[-1] = f"{words[-1]} {word}"
        else:
            words.append(word)
    return words
