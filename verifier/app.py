"""Joins the parts: from what the user asked for to a report. Imports only what each job runs."""

from __future__ import annotations

import os

from verifier.judge.decide import Case, Counts, of_files
from verifier.sources import file
from verifier.wire.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.clients.session import Plan
    from verifier.judge.model import Report
    from verifier.judge.options import Expectations, Selection
    from verifier.sources.options import CaptureWish

    Progress = Callable[[int, int], None]


def new_engine() -> Engine:
    return Engine(int.from_bytes(os.urandom(8), "big"))


def analyze(paths: Sequence[str], selection: Selection, expectations: Expectations) -> Report:
    """The report on saved captures, read one behind the other as one."""
    engine = new_engine()
    sources = tuple(file.read(path, engine) for path in paths)
    case = Case(engine.finish(), Counts(engine.packets, engine.tcp_packets), sources)
    return of_files(case, selection, expectations)
