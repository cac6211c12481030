"""Connections and exchanges as values, made one at a time from the tables: for what is shown, never for all at once."""

from __future__ import annotations

from _bisect import bisect_right

from verifier.judge import model
from verifier.judge.order import Order
from verifier.judge.tally import reuse
from verifier.vocabulary import ClosedWith, Closer, Handshake, Protocol, Reuse
from verifier.wire.connection import spelled
from verifier.wire.tables import RESPONSE_DONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.judge.diagnose import Diagnosis
    from verifier.judge.tally import Tally
    from verifier.wire.merge import Runs
    from verifier.wire.tables import ExchangeTable, Ledger

# The words of the numbers in the tables, in the order of the numbers: see verifier.wire.tables, and
# verifier.judge.tally.
HANDSHAKES = (Handshake.NOT_SEEN, Handshake.UNANSWERED, Handshake.REFUSED, Handshake.HALF, Handshake.COMPLETE)
CLOSERS = (Closer.NONE, Closer.CLIENT, Closer.SERVER, Closer.BOTH)
CLOSED_WITH = (ClosedWith.NONE, ClosedWith.FIN, ClosedWith.RST)
PROTOCOLS = (Protocol.OTHER, Protocol.HTTP1, Protocol.H2, Protocol.TLS)
REUSES = (Reuse.NEW, Reuse.REUSED, Reuse.PRE_EXISTING, Reuse.UNKNOWN)
TLS_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}


def address(high: int, low: int, version: int) -> str:
    """An address of the tables as text."""
    if version == 4:
        return ".".join(map(str, low.to_bytes(4, "big")))
    from _socket import AF_INET6, inet_ntop  # `socket` itself imports 3 ms more: enums and selectors

    return inet_ntop(AF_INET6, (high << 64 | low).to_bytes(16, "big"))


class Numbering:
    """The engine numbers packets through all its sources; a reader of one file wants that file's numbers."""

    def __init__(self, runs: Runs | None) -> None:
        """`runs` tells which frame of which source each packet was; None where there is one source."""
        self.runs = runs if runs is not None and runs.first else None

    def local(self, frame: int) -> int | None:
        """The frame's number in its own file, 1-based; None for none."""
        if not frame:
            return None
        if self.runs is None:
            return frame
        run = self._run(self.runs, frame)
        return self.runs.local[run] + frame - self.runs.first[run]

    def source(self, frame: int) -> int:
        """The index of the source that has this frame."""
        return 0 if self.runs is None else self.runs.source[self._run(self.runs, frame)]

    def named(self, frame: int) -> str:
        """The frame in words: `frame 12`, or among several files `frame 12 (file 2)`."""
        where = "" if self.runs is None else f" (file {self.source(frame) + 1})"
        return f"frame {self.local(frame)}{where}"

    def _run(self, runs: Runs, frame: int) -> int:
        """The run that the frame is in: the last that begins with it or before."""
        return max(bisect_right(runs.first, frame) - 1, 0)


_FRAMES = ("syn_frame", "synack_frame", "ack_frame", "request_frame", "close_frame")
"""The columns that have the frames of a connection, in the order of `model.Frames`."""


class Details:
    """Only the connections that count, and their exchanges."""

    def __init__(self, ledger: Ledger, exchanges: ExchangeTable, tally: Tally, frames: Numbering) -> None:
        self.ledger = ledger
        self.table = exchanges
        self.tally = tally
        self.frames = frames
        self.columns = ledger.connections.columns()
        self.rows = exchanges.columns()
        self.diagnosis: Diagnosis | None = None
        """Why connections were opened, once that is known."""

    def connections(self) -> Iterator[model.Connection]:
        """In the order of first packets."""
        for row in range(self.ledger.connections.rows):
            if self.tally.pair(row) >= 0:
                yield self.connection(row)

    def exchanges(self) -> Iterator[model.Exchange]:
        """In the order of requests."""
        order = Order(self.rows["request_ns"], self.table.rows)
        for row in map(order.row, range(self.table.rows)):
            if self.tally.pair(self.rows["connection"][row]) >= 0:
                yield self._exchange(row)

    def endpoint(self, row: int, side: int) -> model.Endpoint:
        column = self.columns
        ip = address(column[f"hi{side}"][row], column[f"lo{side}"][row], column["version"][row])
        return model.Endpoint(ip, column[f"port{side}"][row])

    def connection(self, row: int) -> model.Connection:
        column = {name: values[row] for name, values in self.columns.items()}
        client = column["client"]
        tls = self.ledger.connections.tls.get(row)
        begun_in = self.frames.source(column["first_frame"])
        return model.Connection(
            id=row,
            pair=self.tally.pair(row),
            client=self.endpoint(row, client),
            server=self.endpoint(row, 1 - client),
            opened_ns=column["opened"],
            closed_ns=column["closed"] if column["closed"] >= 0 else None,
            handshake=HANDSHAKES[column["state"]],
            handshake_ns=column["handshake_ns"] if column["handshake_ns"] >= 0 else None,
            tls_ns=column["tls_ns"] - 1 if column["tls_ns"] else None,
            requests=column["requests"],
            responses=column["responses"],
            first_closer=CLOSERS[column["closer"]],
            closed_with=CLOSED_WITH[column["closed_with"]],
            history=spelled(column["history_early"], column["history_late"], client),
            protocol=PROTOCOLS[column["protocol"]],
            tls=tls_of(tls) if tls is not None else None,
            cause=None if self.diagnosis is None else self.diagnosis.cause(row),
            frames=model.Frames(*(self.frames.local(column[name]) for name in _FRAMES)),
            source=begun_in,
            extra=bool(self.tally.is_extra(row)),
            elsewhere=self._elsewhere(column, begun_in),
        )

    def _elsewhere(self, column: dict[str, int], begun_in: int) -> dict[str, int] | None:
        """The sources of a connection's frames that are not in the one that it began in."""
        if self.frames.runs is None:
            return None
        columns = zip(model.Frames._fields, _FRAMES, strict=True)
        found = {name: self.frames.source(column[frame]) for name, frame in columns if column[frame]}
        return {name: source for name, source in found.items() if source != begun_in} or None

    def _exchange(self, row: int) -> model.Exchange:
        column = {name: values[row] for name, values in self.rows.items()}
        text = self.ledger.words.text
        connection = column["connection"]
        asked_in = self.frames.source(column["request_frame"])
        answered_in = self.frames.source(column["response_frame"]) if column["response_frame"] else asked_in
        state, flags = self.columns["state"][connection], self.columns["flags"][connection]
        return model.Exchange(
            connection=connection,
            depth=column["depth"],
            method=text(column["method"]) or "",
            target=text(column["target"]),
            host=text(column["host"]),
            status=column["status"] or None,
            reuse=REUSES[reuse(state, flags, column["flags"], column["depth"])],
            request_ns=column["request_ns"],
            response_end_ns=column["end_ns"] if column["flags"] & RESPONSE_DONE else None,
            request_frame=self.frames.local(column["request_frame"]),
            response_frame=self.frames.local(column["response_frame"]),
            source=asked_in,
            response_source=None if answered_in == asked_in else answered_in,
        )


def tls_of(found: tuple[bytes, bytes, int, int]) -> model.Tls:
    """What the hellos said; None for what they did not say."""
    name, alpn, version, resumed = found
    return model.Tls(
        sni=name.decode("latin-1") or None,
        alpn=alpn.decode("latin-1") or None,
        version=TLS_VERSIONS.get(version, f"0x{version:04x}") if version else None,
        resumed=bool(resumed) if resumed >= 0 else None,
    )
