"""Joins the parts: from what the user asked for to a report. Imports only what each job runs."""

from __future__ import annotations

import errno
import gc
import os
import time

from verifier.errors import VerifierError
from verifier.judge.decide import Case, Counts, of_files
from verifier.sources import file
from verifier.sources.facts import Reading
from verifier.spelling import file_name
from verifier.wire.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Literal

    from verifier.clients.session import Plan
    from verifier.judge.model import Report
    from verifier.judge.options import Expectations, Selection
    from verifier.lab.perform import Performance
    from verifier.sources.facts import Skipped
    from verifier.sources.file import Tell
    from verifier.sources.operands import Found
    from verifier.sources.options import CaptureWish

    Progress = Callable[[int, int], None]

DEMO_TIMEOUT_S = 10.0
CLOSING_DEADLINE_S = 0.5
"""How long a run waits for its connections to be closed by both sides. Measured with httpbin on loopback: 1 to 22 ms.
"""


def new_engine(control_only: bool = False) -> Engine:
    return Engine(int.from_bytes(os.urandom(8), "big"), control_only)


def analyze(
    paths: Sequence[str], selection: Selection, expectations: Expectations, tell: Tell = file.tell_nobody
) -> Report:
    """The report on saved captures: files, folders, patterns and `-`, read as one in the order of time. How far that is
    goes to `tell`."""
    return _judged(lambda engine: read(paths, engine, tell), selection, expectations)


def analyze_alone(found: Found, selection: Selection, expectations: Expectations) -> Report:
    """The report on one file, found in a folder or by a pattern or named itself."""
    path, named = found.path, found.named
    if not os.path.isfile(path):
        return analyze((path,), selection, expectations)
    manner = file.USUAL._replace(guess=named)
    return _judged(lambda engine: Reading((file.read(path, engine, manner),)), selection, expectations)


def unread(path: str, error: VerifierError, expectations: Expectations) -> Report:
    """The report on a file that can't be read: inconclusive, as whatever lacks a capture."""
    from verifier.judge.model import Failure
    from verifier.judge.options import Selection
    from verifier.sources import several

    case = Case(new_engine().finish(), Counts(0, 0), (several.unread(path, error),))
    return of_files(case, Selection(), expectations)._replace(error=Failure(error.problem, error.mend))


def _judged(load: Callable[[Engine], Reading], selection: Selection, expectations: Expectations) -> Report:
    """The report on what `load` reads into an engine. MemoryError where there is no room for it."""
    # Reading and judging make no cycles: the collector would only visit all open connections again and again.
    gc.disable()
    try:
        case, skipped = _case(load)
        return of_files(case, selection, expectations)._replace(skipped=skipped)
    except OSError as error:
        if error.errno == errno.ENOMEM:  # of a table that could not grow in place
            raise MemoryError from error
        raise
    finally:
        gc.enable()


def _case(load: Callable[[Engine], Reading]) -> tuple[Case, tuple[Skipped, ...]]:
    """What the captures hold, and what is no capture. The engine is gone by then: it is of no use to the judge."""
    engine = new_engine()
    reading = load(engine)
    case = Case(engine.finish(), Counts(engine.packets, engine.tcp_packets), reading.sources, reading.runs)
    return case, reading.skipped


def read(paths: Sequence[str], engine: Engine, tell: Tell) -> Reading:
    """Reads saved captures into the engine."""
    if len(paths) == 1 and (paths[0] == file.STANDARD_INPUT or os.path.isfile(paths[0])):
        return Reading((file.read(paths[0], engine, tell=tell),))
    from verifier.sources import several

    return several.read(paths, engine, tell)


def cross_checked(
    paths: Sequence[str], selection: Selection, expectations: Expectations, tell: Tell = file.tell_nobody
) -> Report:
    """As `analyze`, and what tshark counts beside it: on all connections of each file, each file for itself."""
    from verifier.judge.options import Expectations as Defaults
    from verifier.judge.options import Selection as Everything
    from verifier.opinion import check, tshark

    program = tshark.find()
    report = analyze(paths, selection, expectations, tell)
    tell("tshark counts, too")
    if len(report.sources) == 1 and selection == Everything():
        return report._replace(opinion=check.second_opinion(program, [report]))
    alone = (analyze([source.name], Everything(), Defaults()) for source in report.sources)
    return report._replace(opinion=check.second_opinion(program, alone))


def http(plan: Plan, wish: CaptureWish, expectations: Expectations, progress: Progress) -> Report:
    """Carries out the plan under capture: the report on a live run."""
    from verifier.sources import interface, rights

    if wish.interface is not None:
        interface.find(wish.interface)  # a name misspelled needs no rights to be told
    rights.require()
    name = wish.interface or interface.leading_to(first_hop(plan.urls[0])).name
    path = wish.path or unused_path()
    with _Saving(path, "kept"):
        return _observed(plan, wish._replace(interface=name, path=path), expectations, progress)


def demo(wish: CaptureWish, expectations: Expectations, progress: Progress) -> Report:
    """Two GETs to httpbin on loopback through one Session. Without the right to capture, in a network namespace of its
    own."""
    name = _loopback(wish)
    from verifier.clients.session import Plan
    from verifier.lab.httpbin import Httpbin

    path = wish.path or unused_path()
    with _Saving(path, "kept" if wish.path else "removed"), Httpbin() as httpbin:
        plan = Plan(urls=(f"{httpbin.url}/get",), per_url=2, timeout=DEMO_TIMEOUT_S)
        return _observed(plan, wish._replace(interface=name, path=path), expectations, progress)


def demo_cause(cause: str, wish: CaptureWish, expectations: Expectations) -> Performance:
    """Stages one cause on loopback."""
    name = _loopback(wish)
    from verifier.lab.perform import perform
    from verifier.lab.scenes import SCENES
    from verifier.sources.live import CaptureOptions

    path = wish.path or unused_path()
    options = CaptureOptions(name, path, wish.packets, buffer_bytes=wish.buffer_bytes)
    with _Saving(path, "kept" if wish.path else "removed"):
        return perform(SCENES[cause], options, expectations)


def demo_all(wish: CaptureWish, progress: Progress) -> list[Performance]:
    """Stages every cause there is a scene for, in the order of the scenes. The path that is wished for is a folder,
    which gets the capture of each."""
    name = _loopback(wish)
    from verifier.lab.perform import perform_all
    from verifier.lab.scenes import SCENES

    if wish.path is not None:
        try:
            os.makedirs(wish.path, exist_ok=True)
        except OSError as error:
            raise VerifierError(f"can't make the folder {file_name(wish.path)}: {error.strerror}") from error
    performances = []
    with _Saving(wish.path or os.devnull, "kept"):
        for performance in perform_all(tuple(SCENES.values()), name, wish.path):
            performances.append(performance)
            progress(len(performances), len(SCENES))
    order = list(SCENES)
    return sorted(performances, key=lambda performance: order.index(performance.scene.cause))


def _loopback(wish: CaptureWish) -> str:
    """The interface of a demonstration. Without the right to capture this process first moves to a network namespace of
    its own."""
    from verifier.sources import interface, namespace, rights

    if wish.interface is not None and not interface.find(wish.interface).loopback:
        rights.require()  # a network of its own has no other interface
    if not rights.may_capture():
        namespace.enter()
    return wish.interface or interface.leading_to("127.0.0.1").name


def _observed(plan: Plan, wish: CaptureWish, expectations: Expectations, progress: Progress) -> Report:
    """Runs the client inside of a capture on the interface that is wished for."""
    from verifier.clients import session
    from verifier.judge.decide import of_run
    from verifier.sources.filter import Keep
    from verifier.sources.live import CaptureOptions, LiveCapture

    engine = new_engine(wish.packets is Keep.CONTROL)
    options = CaptureOptions(
        interface=wish.interface or "",
        path=wish.path,
        packets=wish.packets,
        buffer_bytes=wish.buffer_bytes,
    )
    with LiveCapture(options, engine.read) as capture:
        run = session.run(plan, lambda _host, port: capture.allow(port), progress)
        # The servers' last FINs are nobody's evidence, but a capture with them reads better.
        capture.wait_until(lambda: engine.open_connections == 0, CLOSING_DEADLINE_S)
        source, live = capture.drain()
    case = Case(engine.finish(), Counts(engine.packets, engine.tcp_packets), (source,))
    return of_run(case, run, live, expectations)


class _Saving:
    """What becomes of the file of a live run, or the folder, where that does not come to its end: `removed`, as nobody
    has asked for it, and the run can be had again; or `kept`, and whoever pressed Ctrl-C is told so."""

    def __init__(self, path: str, then: Literal["kept", "removed"]) -> None:
        self._path = path
        self._then = then
        self._before = self._written()

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None or self._written() == self._before:
            return
        if self._then == "removed":
            os.unlink(self._path)
        elif kind is KeyboardInterrupt:
            raise KeyboardInterrupt(f"what was captured by then is in {file_name(self._path)}") from error

    def _written(self) -> int | None:
        """When it was, as its file system has it; None where there is none."""
        try:
            return os.stat(self._path).st_mtime_ns
        except OSError:
            return None


def first_hop(url: str) -> str:
    """The address that a request for this URL is sent to first: the server's, or that of the proxy that the environment
    names."""
    import socket

    from requests.utils import get_environ_proxies, select_proxy
    from urllib3.util import parse_url

    target = parse_url(select_proxy(url, get_environ_proxies(url)) or url)
    host = (target.host or "").strip("[]")
    try:
        return str(socket.getaddrinfo(host, target.port or 80, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        raise VerifierError(
            f"{host}: the name is not resolved", f"check its spelling, or the name service: getent hosts {host}"
        ) from error


def unused_path() -> str:
    """Where a capture is saved that nobody named: in the current folder where that can be written and has not been
    removed, else with other temporary files."""
    folder = "" if os.access(".", os.W_OK) and os.stat(".").st_nlink else tempfile_folder()
    stem = time.strftime("verify-%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = os.path.join(folder, f"{stem}{'' if number == 1 else f'-{number}'}.pcapng")
        if not os.path.exists(path):
            return path
    shown = folder or "this folder"
    raise VerifierError(f"{shown} has a thousand captures of this second already", "name one with --write FILE")


def tempfile_folder() -> str:
    import tempfile

    return tempfile.gettempdir()
