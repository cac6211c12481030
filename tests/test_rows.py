"""Rows in their place: what the judge takes a row for is how the tables lay it out."""

from __future__ import annotations

import os
import re

import pytest

from verifier.judge import rows
from verifier.wire.tables import ConnectionTable, ExchangeTable

C_TYPES = {
    "long long": "q",
    "unsigned long long": "Q",
    "int": "i",
    "unsigned int": "I",
    "unsigned short": "H",
    "unsigned char": "B",
}
"""What the struct declares, and the type code of such a column."""


def struct(name: str) -> dict[str, str]:
    """The fields of a struct in rows.pxd, in their order, with the type code of each."""
    with open(os.path.splitext(rows.__file__)[0] + ".pxd", encoding="utf-8") as file:
        body = re.search(rf"cdef struct {name}:\n((?:    .*\n)+)", file.read())
    assert body is not None
    found = {}
    for line in body[1].splitlines():
        kind, names = re.fullmatch(r"((?:unsigned )?(?:long long|int|short|char)) (.*)", line.strip()).groups()  # type: ignore[union-attr]
        found.update(dict.fromkeys(names.split(", "), C_TYPES[kind]))
    return found


@pytest.mark.parametrize(
    ("name", "row", "table"),
    [("Exchange", rows.Exchange, ExchangeTable()), ("Connection", rows.Connection, ConnectionTable())],
)
def test_a_row_is_what_the_table_lays_out(
    name: str, row: type[rows.Exchange] | type[rows.Connection], table: ExchangeTable | ConnectionTable
) -> None:
    in_row = {key: view.format for key, view in table.columns().items() if view.strides != (view.itemsize,)}
    assert list(row._fields) == list(in_row)
    assert struct(name) == in_row
