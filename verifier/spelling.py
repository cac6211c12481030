"""How text of strangers is written: so that it cannot harm who looks at it, and so that a shell reads it back.

Everything that a capture, a URL or a file name brings passes `safe` before it is laid out: no control character,
escape sequence or bidirectional override of a stranger reaches the terminal.
"""

from __future__ import annotations

from verifier.values import NamedTuple

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
"""What a shell leaves alone; only other words are worth the 7 ms of importing shlex."""


class Style(NamedTuple):
    """What the output can show. `width` is in columns and bounds tables; they are never stretched to it."""

    width: int
    color: bool
    unicode: bool


ANYWHERE = Style(0, color=False, unicode=True)
"""Of text that is made before it is known where it is shown."""


def safe(text: str, style: Style) -> str:
    """`text` with every character that the output can't show, or that would act on it, as its Python escape.

    `str.isprintable` is false for controls, format characters (the bidirectional overrides and isolates, zero-width
    characters), surrogates, and line and paragraph separators: Unicode categories C and Z but for the space.
    """
    if text.isprintable() and (style.unicode or text.isascii()):
        return text
    return "".join(
        char if char.isprintable() and (style.unicode or char.isascii()) else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8, as Python has it in names of files (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def file_name(name: str, style: Style = ANYWHERE) -> str:
    """The name as it is; one that `safe` would change as a word that a shell reads back."""
    return name if name and name.isprintable() and (style.unicode or name.isascii()) else shell_word(name, style)


def file_word(name: str, style: Style = ANYWHERE) -> str:
    """A file as one word of a command line, which no program takes for an option."""
    return shell_word(f"./{name}" if name.startswith("-") else name, style)


def shell_word(text: str, style: Style = ANYWHERE) -> str:
    """`text` as one word of a POSIX shell; what `safe` would change in the `$'...'` form of bash and zsh."""
    if text.isprintable() and (style.unicode or text.isascii()):
        if text and not text.strip(_PLAIN):
            return text
        import shlex

        return shlex.quote(text)
    import os

    octets = os.fsencode(text)
    body = "".join(chr(octet) if 32 <= octet < 127 and octet not in b"\\'" else f"\\x{octet:02x}" for octet in octets)
    return f"$'{body}'"
