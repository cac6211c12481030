from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.report.terminal import Role, columns, elide, hanging, paint, wrap
from verifier.spelling import Style, file_name, file_word, safe, shell_word

RICH = Style(80, color=True, unicode=True)
PLAIN = Style(80, color=False, unicode=True)
ASCII = Style(80, color=False, unicode=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/get?q=a b", "/get?q=a b"),
        ("/ü/日本", "/ü/日本"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("\u2066isolate\u2069", "\\u2066isolate\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028separator", "line\\u2028separator"),
        ("caf\udce9.pcap", "caf\\xe9.pcap"),
    ],
)
def test_strangers_text_is_made_harmless(text: str, shown: str) -> None:
    assert safe(text, PLAIN) == shown


def test_an_ascii_terminal_gets_ascii() -> None:
    assert safe("/ü/日", ASCII) == "/\\xfc/\\u65e5"


@given(st.text())
def test_whatever_comes_is_printable(text: str) -> None:
    assert safe(text, PLAIN).isprintable()
    assert safe(text, ASCII).isascii()
    safe(text, PLAIN).encode("utf-8")


def test_colours_only_where_wanted() -> None:
    assert paint("PROVED", Role.GOOD, RICH) == "\x1b[1;32mPROVED\x1b[0m"
    assert paint("PROVED", Role.GOOD, PLAIN) == "PROVED"
    assert paint("PROVED", None, RICH) == "PROVED"


def test_width_in_columns() -> None:
    assert columns("abc") == 3
    assert columns("日本") == 4
    assert columns("e\u0301") == 1


def test_the_middle_goes_first() -> None:
    assert elide("/a/long/path?page=2", 11, PLAIN) == "/a/lo…age=2"
    assert elide("/a/long/path?page=2", 11, ASCII) == "/a/l...ge=2"
    assert elide("short", 11, PLAIN) == "short"


@given(st.text(), st.integers(0, 30))
def test_elided_text_fits(text: str, width: int) -> None:
    assert columns(elide(safe(text, PLAIN), width, PLAIN)) <= width


def test_wrapped_at_spaces() -> None:
    assert wrap("the kernel dropped packets", 12) == ["the kernel", "dropped", "packets"]
    assert wrap("averyveryverylongword", 12) == ["averyveryverylongword"]
    assert wrap("", 12) == [""]


def test_what_has_no_room_hangs() -> None:
    assert hanging("the kernel dropped", 18) == ["the kernel dropped"]
    assert hanging("the kernel dropped packets", 18) == ["the kernel", "  dropped packets"]


def test_colours_take_no_room() -> None:
    text = f"the kernel {paint('dropped packets', Role.BAD, RICH)} here"
    assert hanging(text, 31) == [text]
    assert wrap(text, 18) == ["the kernel \x1b[1;31mdropped", "packets\x1b[0m here"]


def test_blanks_of_a_name_stay() -> None:
    assert wrap("two  blanks.pcap: empty", 30) == ["two  blanks.pcap: empty"]


def test_a_number_stays_with_its_unit() -> None:
    assert wrap("closed after 5.0 s.", 16) == ["closed after", "5.0 s."]
    assert wrap("in 3 min 20 s, or", 9) == ["in 3 min", "20 s, or"]
    assert wrap("the 5 servers", 6) == ["the 5", "servers"]


NAMES = [
    "plain.pcap",
    "two words.pcap",
    "it's.pcap",
    "esc\x1b[31m.pcap",
    "caf\udce9\n.pcap",
    "c\u202e\\.pcap",
    "日.pcap",
    "",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", [PLAIN, ASCII])
def test_a_shell_reads_the_word_back(name: str, style: Style) -> None:
    word = shell_word(name, style)
    assert safe(word, style) == word
    said = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
    assert said == name.encode("utf-8", "surrogateescape")


def test_a_file_is_no_option() -> None:
    assert file_word("-n.pcap") == "./-n.pcap"
    assert file_word("two words.pcap") == "'two words.pcap'"
    assert shell_word("-n") == "-n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", [PLAIN, ASCII])
def test_a_name_in_text_is_itself_or_what_a_shell_reads_back(name: str, style: Style) -> None:
    shown = file_name(name, style)
    assert safe(shown, style) == shown
    if shown != name:
        assert shown == shell_word(name, style)
        assert safe(name, style) != name or name == ""
