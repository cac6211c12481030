"""Rows of the tables in their place, for walks that look at several columns of each: compiled, a pointer after one
bounds check, where each column would have a check and a stride of its own. Uncompiled, their values."""

from __future__ import annotations

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.wire.tables import ConnectionTable, ExchangeTable


class Exchange(NamedTuple):
    """What stands in a row of the exchanges."""

    request_ns: int
    response_ns: int
    end_ns: int
    connection: int
    depth: int
    method: int
    target: int
    host: int
    flags: int
    request_frame: int
    response_frame: int
    end_frame: int
    status: int


class Connection(NamedTuple):
    """What stands in a row of the connections."""

    lo0: int
    lo1: int
    opened: int
    closed: int
    answered: int
    active: int
    handshake_ns: int
    bytes0: int
    bytes1: int
    history_early: int
    packets0: int
    packets1: int
    largest0: int
    largest1: int
    first_frame: int
    syn_frame: int
    synack_frame: int
    ack_frame: int
    close_frame: int
    answer_frame: int
    request_frame: int
    requests: int
    responses: int
    setup_packets: int
    flags: int
    port0: int
    port1: int
    version: int
    client: int
    state: int
    closer: int
    closed_with: int
    answered_with: int
    protocol: int


def exchange(table: ExchangeTable, row: int) -> Exchange:
    """A row as it is; only read, and not past the next row that is added."""
    return Exchange(*(table.views[name][row] for name in Exchange._fields))


def connection(table: ConnectionTable, row: int) -> Connection:
    """A row as it is; only read, and not past the next row that is added."""
    return Connection(*(table.views[name][row] for name in Connection._fields))
