"""A row of a table in its place: its columns as attributes, to be read and written until another row is added.

This is what Python does. Compiled code has rows.pxd instead: a pointer into the table, behind one bounds check, where
each column would have its own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from verifier.wire.tables import ConnectionTable, ExchangeTable, Table


class Row:
    def __init__(self, table: Table, number: int) -> None:
        if not 0 <= number < table.rows:
            raise IndexError(number)
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, column: str) -> Any:
        return getattr(self._table, column)[self._number]

    def __setattr__(self, column: str, value: int) -> None:
        getattr(self._table, column)[self._number] = value


def connection_row(table: ConnectionTable, row: int) -> Row:
    """What every connection has."""
    return Row(table, row)


def exchange_row(table: ExchangeTable, row: int) -> Row:
    """What every exchange has."""
    return Row(table, row)
