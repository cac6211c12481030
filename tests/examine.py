"""Crafted packets in, verdict and counts out: `verifier.app.analyze`, and tshark beside it on the same file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import tshark
from craft import Packet, pcap, pcapng

from verifier.app import analyze
from verifier.judge.model import Report
from verifier.judge.options import Expectations, Selection

DEFAULTS = Expectations()


class Totals(NamedTuple):
    """What a test expects of a whole capture, in the order in which one says it."""

    connections: int
    handshakes: int
    requests: int
    responses: int


@contextmanager
def saved(content: bytes, suffix: str = ".pcap") -> Iterator[str]:
    """The path of a file with this content, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="verify-test-") as folder:
        path = os.path.join(folder, f"capture{suffix}")
        with open(path, "wb") as file:
            file.write(content)
        yield path


def written(captured: Sequence[Packet]) -> bytes:
    """pcap where one link type is enough, pcapng elsewhere."""
    return pcap(captured) if len({packet.link_type for packet in captured}) < 2 else pcapng(captured)


def examine(captured: Sequence[Packet], expectations: Expectations = DEFAULTS) -> Report:
    return examine_file(written(captured), expectations)


def examine_file(content: bytes, expectations: Expectations = DEFAULTS) -> Report:
    with saved(content) as path:
        return analyze([path], Selection(), expectations)


def totals(report: Report) -> Totals:
    counted = report.totals
    return Totals(counted.connections, counted.handshakes, counted.requests, counted.responses)


def second_opinion(captured: Sequence[Packet], reordering: tshark.Reordering = "TRUE") -> Totals:
    """tshark's totals of the same packets; the test is skipped where there is no tshark."""
    if not tshark.installed():
        pytest.skip(tshark.ABSENT)
    with saved(written(captured)) as path:
        seen = tshark.count(path, reordering)
    return Totals(seen.connections, seen.handshakes, sum(seen.requests), sum(seen.responses))


def story(report: Report) -> list[str]:
    """One line a connection: `complete: new reused; server fin`, a dash where it carried no request."""
    lines = []
    exchanges = list(report.details.exchanges())
    for connection in report.details.connections():
        uses = " ".join(str(exchange.reuse) for exchange in exchanges if exchange.connection == connection.id)
        lines.append(f"{connection.handshake}: {uses or '-'}; {connection.first_closer} {connection.closed_with}")
    return lines


def note_codes(report: Report) -> set[str]:
    return {note.code for note in report.notes}


def reasons(report: Report) -> set[str]:
    return {str(missing.code) for missing in report.inconclusive_because}
