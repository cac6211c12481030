"""Rows in their place: what compiled code takes a row for is how the tables lay it out."""

from __future__ import annotations

import os
import re

import pytest

from verifier.wire import rows
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


def struct(name: str) -> list[tuple[str, str]]:
    """The fields of a struct in rows.pxd, in their order, with the type code of each."""
    with open(os.path.splitext(rows.__file__)[0] + ".pxd", encoding="utf-8") as file:
        body = re.search(rf"cdef struct {name}:\n((?:    .*\n)+)", file.read())
    assert body is not None
    lines = re.findall(r"((?:unsigned )?(?:long long|int|short|char)) (.*)\n", body[1])
    return [(field, C_TYPES[kind]) for kind, fields in lines for field in fields.split(", ")]


@pytest.mark.parametrize(("name", "table"), [("ExchangeRow", ExchangeTable()), ("ConnectionRow", ConnectionTable())])
def test_a_row_is_what_the_table_lays_out(name: str, table: ExchangeTable | ConnectionTable) -> None:
    in_row = [(key, view.format) for key, view in table.columns().items() if view.strides != (view.itemsize,)]
    assert struct(name) == in_row
