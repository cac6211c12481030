from __future__ import annotations

from verifier.report.table import Cell, Column, fits, lay_out
from verifier.report.terminal import Role
from verifier.spelling import Style

HEADS = (Column("#", "right"), Column("REQUEST", "left", least=12), Column("TIME", "right", spare=1))
ROWS = [
    (Cell("1"), Cell("GET /a/very/long/path/that/goes/on"), Cell("0.2 ms", Role.GOOD)),
    (Cell("10"), Cell("GET /日本"), Cell("12 ms")),
]


def drawn(width: int) -> list[str]:
    return lay_out(HEADS, ROWS, Style(width, color=False, unicode=True))


def test_columns_as_wide_as_their_widest_cell() -> None:
    assert drawn(80) == [
        "   #  REQUEST                               TIME",
        "   1  GET /a/very/long/path/that/goes/on  0.2 ms",
        "  10  GET /日本                            12 ms",
    ]


def test_one_column_gives_way_first() -> None:
    assert drawn(32) == [
        "   #  REQUEST               TIME",
        "   1  GET /a/ve…/goes/on  0.2 ms",
        "  10  GET /日本            12 ms",
    ]


def test_then_the_spare_column_goes() -> None:
    assert drawn(25) == [
        "   #  REQUEST",
        "   1  GET /a/ve…t/goes/on",
        "  10  GET /日本",
    ]


def test_what_cannot_fit_is_not_cut_to_nothing() -> None:
    assert drawn(5)[1] == "   1  GET /a…es/on"
    assert fits(HEADS, ROWS, 18)
    assert not fits(HEADS, ROWS, 17)


def test_a_column_that_wraps_is_cut_nowhere() -> None:
    heads = (HEADS[0], Column("WHAT", "left", least=10, wraps=True), HEADS[2])
    rows = [(Cell("1"), Cell("a sentence of some words"), Cell("2 s")), (Cell("2"), Cell("short"), Cell("10 ms"))]
    assert lay_out(heads, rows, Style(25, color=False, unicode=True)) == [
        "  #  WHAT            TIME",
        "  1  a sentence of    2 s",
        "     some words",
        "  2  short          10 ms",
    ]


def test_colour_takes_no_columns() -> None:
    plain = drawn(80)
    painted = lay_out(HEADS, ROWS, Style(80, color=True, unicode=True))
    assert painted[1] == plain[1].replace("0.2 ms", "\x1b[1;32m0.2 ms\x1b[0m")
