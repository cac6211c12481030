"""Tables and words: what was written stays, however they grow."""

from __future__ import annotations

from verifier.wire.octets import PAGED
from verifier.wire.tables import ExchangeTable, Words

MANY = 3 * PAGED // 64
"""Rows of 64 bytes that were copied at first, and moved by pages later."""


def record(number: int) -> dict[str, int]:
    """A row of values that no other row has. Few rows have a location, which stands apart."""
    values = {"request_ns": -number, "end_ns": number << 33, "connection": number, "status": number & 0xFFFF}
    return values | ({"location": number} if number % 5000 == 7 else {})


def test_rows_stay_as_the_table_grows() -> None:
    table = ExchangeTable()
    table.extend([record(number) for number in range(MANY)])
    assert table.rows == MANY
    assert list(table.column("request_ns")) == [-number for number in range(MANY)]
    assert list(table.column("end_ns")) == [number << 33 for number in range(MANY)]
    assert list(table.column("connection")) == list(range(MANY))
    assert list(table.column("status")) == [number & 0xFFFF for number in range(MANY)]
    assert [number for number in table.column("location") if number] == list(range(7, MANY, 5000))
    assert not any(table.column("octets"))


def test_a_column_that_is_looked_at_stays_while_the_table_grows() -> None:
    table = ExchangeTable()
    seen = {}
    for number in range(MANY):
        table.extend([record(number)])
        if number & (number - 1) == 0:
            seen[number] = table.columns()
    for number, columns in seen.items():
        assert len(columns["end_ns"]) == number + 1
        assert columns["end_ns"][number] == number << 33
    assert list(table.column("connection")) == list(range(MANY))
    assert [number for number in table.column("location") if number] == list(range(7, MANY, 5000))


def test_a_new_row_is_zero() -> None:
    table = ExchangeTable()
    table.extend([{}] * MANY)
    assert not any(any(column) for column in table.columns().values())


def test_words_stay_as_there_are_more() -> None:
    words = Words()
    several = [b"/%d/%s" % (number, b"x" * (number % 50)) for number in range(PAGED // 8)]
    numbers = [words.number(word) for word in several]
    assert [words.text(number) for number in numbers] == [word.decode() for word in several]
    assert numbers == sorted(set(numbers))
