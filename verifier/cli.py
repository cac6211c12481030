"""argv in, exit status out: the only place that prints and exits.

Exit status everywhere: 0 proved, 1 refuted, 2 could not run, 3 inconclusive, 130 interrupted. Standard output has the
report and nothing else; what goes wrong is one line on standard error. What a command needs is imported when it runs:
`verify analyze` never loads requests or scapy.
"""

from __future__ import annotations

import gc
import os
import sys
from time import monotonic

from verifier import arguments
from verifier.errors import COULD_NOT_RUN, INTERRUPTED, VerifierError
from verifier.figures import count
from verifier.spelling import Style
from verifier.vocabulary import EXIT_STATUS, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

    from verifier.arguments import Analyze, Demo, Output, Words
    from verifier.judge.model import Report

READER_GONE = 141
"""What a shell reports of a program that SIGPIPE ended: 128 + 13."""

_PLAIN_WIDTH = 120
"""Columns where there is no terminal to ask: a log or a pipe is searched, and cut values can't be found."""
_NARROWEST = 60
_GARBAGE = 50_000
"""New objects before they are looked through for cycles, where Python has 700: a small capture makes fewer, and no
capture makes much garbage. That takes 1 ms less. A client that is observed runs as it does elsewhere."""


def main(argv: list[str] | None = None) -> int:
    """Runs one command line (`sys.argv` where None), and returns the exit status of the process."""
    try:
        words = arguments.read(sys.argv[1:] if argv is None else argv)
        if words.answer:
            _say(words.answer)
            return 0
        return _RUN[words.command.name](words)
    except VerifierError as error:
        _complain(str(error))
        return COULD_NOT_RUN
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "verifier":
            raise
        # Not one of ours: an installation that lacks what the package asks for.
        _complain(f"Python's {error.name} is not installed; {sys.executable} -m pip install {error.name}")
        return COULD_NOT_RUN
    except MemoryError:
        _complain("memory ran out")
        return COULD_NOT_RUN
    except ReaderGone:
        return READER_GONE
    except KeyboardInterrupt as stop:
        _complain("; ".join(("interrupted", *map(str, stop.args))))
        return INTERRUPTED


# -- commands


def _demo(words: Words) -> int:
    options = arguments.demo(words)
    if options.list:
        return _list_scenes(options)
    if options.all:
        return _demo_all(options)
    if options.cause is not None:
        return _demo_cause(options, options.cause)
    from verifier import app

    with Progress(sys.stderr, monotonic) as progress:
        report = app.demo(options.capture, options.expectations, progress)
    return _deliver(report, options.output)


def _list_scenes(options: Demo) -> int:
    from verifier.lab import playbill
    from verifier.lab.scenes import SCENES

    text = playbill.listing(SCENES.values(), _style(options.output.color))
    _say(text)
    return 0


def _demo_cause(options: Demo, cause: str) -> int:
    from verifier import app
    from verifier.lab import playbill

    performance = app.demo_cause(cause, options.capture, options.expectations)
    if options.output.json:
        return _deliver(performance.report, options.output)
    style = _style(options.output.color)
    before, after = playbill.prologue(performance.scene, style), playbill.epilogue(performance, style)
    _say(before)
    status = _deliver(performance.report, options.output)
    _say(after)
    return status


def _demo_all(options: Demo) -> int:
    from verifier import app
    from verifier.lab import playbill

    began = monotonic()
    with Progress(sys.stderr, monotonic, "scene") as progress:
        performances = app.demo_all(options.capture, progress)
    seconds = monotonic() - began
    if options.output.json:
        text = playbill.dump(performances, seconds)
    else:
        text = playbill.table(performances, seconds, _style(options.output.color))
    _say(text)
    named = all(performance.named for performance in performances)
    return 0 if named or options.output.exit_zero else 1


def _http(words: Words) -> int:
    options = arguments.http(words)
    from verifier import app

    with Progress(sys.stderr, monotonic) as progress:
        report = app.http(options.plan, options.capture, options.expectations, progress)
    return _deliver(report, options.output)


def _analyze(words: Words) -> int:
    options = arguments.analyze(words)
    if options.each:
        return _analyze_each(options)
    if "-" in options.paths:
        _hear_writer_out()
    usual = gc.get_threshold()
    gc.set_threshold(_GARBAGE)
    try:
        from verifier import lean

        lean.import_without_collections()
        from verifier import app

        analyze = app.cross_checked if options.cross_check else app.analyze
        # What writes into the pipe says on the same terminal what it does.
        with Progress(None if "-" in options.paths else sys.stderr, monotonic) as progress:
            report = analyze(options.paths, options.selection, options.expectations, progress.say)
        return _deliver(report, options.output)
    finally:
        gc.set_threshold(*usual)


def _hear_writer_out() -> None:
    """Ctrl-C at `tcpdump -w - | verify -` goes to both programs. It is meant for the one that writes: what that wrote
    is read to its end, and reported."""
    import signal

    def interrupted(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _complain("reading what is left in the pipe; Ctrl-C again ends at once")

    signal.signal(signal.SIGINT, interrupted)


def _analyze_each(options: Analyze) -> int:
    from verifier import each

    output = options.output
    if output.json:
        form: each.Form = each.Objects(output.detail, options.expectations)
    else:
        style = _style(output.color)
        # Where nobody's terminal bounds it, the name of a file stays whole: lines are searched for it.
        bounded = os.environ.get("COLUMNS") or (sys.stdout is not None and sys.stdout.isatty())
        form = each.Lines(style if bounded else style._replace(width=0))
    with Progress(sys.stderr, monotonic) as progress:
        files = each.Each(options.paths, options.selection, options.expectations, form, progress.say)
    for text in files:
        _say(text)
    status = 0 if output.exit_zero and files.worst != COULD_NOT_RUN else files.worst
    _say(files.closing(status))
    return status


def _open(words: Words) -> int:
    from verifier import wireshark

    path = wireshark.checked(arguments.only_file(words))
    opening = wireshark.opening(path, wireshark.look_around())
    obstacle = opening.obstacle or wireshark.start(opening.command)
    text = wireshark.outcome(opening, obstacle, _style("never"))
    _say(text)
    return 0


def _doctor(words: Words) -> int:
    from verifier import doctor
    from verifier.report import checkup

    rows = doctor.examine()
    text = checkup.render(rows, _style(arguments.color(words)))
    _say(text)
    return 0 if doctor.able(rows) else COULD_NOT_RUN


def _causes(words: Words) -> int:
    options = arguments.causes(words)
    from verifier.report import catalogue

    if options.json:
        text = catalogue.dump(options.causes)
    elif options.in_full:
        text = catalogue.explain(options.causes[0], _style(options.color))
    else:
        text = catalogue.overview(options.causes, _style(options.color))
    _say(text)
    return 0


def _schema(words: Words) -> int:  # noqa: ARG001 - called as all the others
    from verifier.report import schema

    text = schema.text()
    _say(text)
    return 0


_RUN: dict[str, Callable[[Words], int]] = {
    "demo": _demo,
    "http": _http,
    "analyze": _analyze,
    "open": _open,
    "doctor": _doctor,
    "causes": _causes,
    "schema": _schema,
}


# -- output


class ReaderGone(Exception):
    """Nobody reads standard output any more: `verify ... | head`."""


def status_of(report: Report, output: Output) -> int:
    if any(missing.code is Reason.INTERRUPTED for missing in report.inconclusive_because):
        return INTERRUPTED
    return 0 if output.exit_zero else EXIT_STATUS[report.verdict]


def _deliver(report: Report, output: Output) -> int:
    status = status_of(report, output)
    if output.json:
        from verifier.report.json import dump

        _put(lambda write: dump(report, output.detail, write))
    else:
        from verifier.report.text import render

        text = render(report, _style(output.color), status)
        _say(text)
    return status


def _put(produce: Callable[[Callable[[str], object]], object]) -> None:
    """Has `produce` write to standard output, and sees to it that all of it got there."""
    if sys.stdout is None:
        raise VerifierError("can't write to standard output: it is closed")
    written = _Out(sys.stdout)
    produce(written.write)
    written.flush()


def _say(text: str) -> None:
    _put(lambda write: write(text))


class _Out:
    """Standard output, with its failures told from those of what is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            raise self._failure(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> Exception:
        """Without the rest of the buffer, which Python would try to write, and complain of, as it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            return ReaderGone()
        return VerifierError(f"can't write to standard output: {error.strerror}")


def _complain(problem: str) -> None:
    if sys.stderr is None:
        return
    from verifier.spelling import safe

    try:
        sys.stderr.write(f"verify: {safe(problem, _plain(sys.stderr))}\n")
        sys.stderr.flush()
    except OSError:
        # Nowhere is left to say it; the exit status still does.
        return


def _style(color: str) -> Style:
    """What standard output can show."""
    if sys.stdout is None:
        return Style(_PLAIN_WIDTH, color=False, unicode=False)
    plain = _plain(sys.stdout)
    return plain._replace(color=color == "always" or (color == "auto" and _wants_color(sys.stdout)))


def _plain(stream: TextIO) -> Style:
    encoding = (stream.encoding or "").lower().replace("-", "")
    return Style(_width(stream), color=False, unicode=encoding.startswith("utf") and os.environ.get("TERM") != "linux")


def _width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and 0 < int(columns) < 10_000:
        return max(int(columns), _NARROWEST)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, _NARROWEST) if stream.isatty() else _PLAIN_WIDTH
    except OSError:
        return _PLAIN_WIDTH


def _wants_color(stream: TextIO) -> bool:
    """https://no-color.org: a NO_COLOR that is not empty. A dumb terminal knows no colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Progress:
    """One line on a terminal, drawn again as work goes on, and wiped at the end. Elsewhere nothing."""

    _EVERY_S = 0.1
    _AFTER_S = 0.5
    """A short run shows none."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float], noun: str = "request") -> None:
        """`clock` tells seconds, and never goes back."""
        self._noun = noun
        self._stream = stream if stream is not None and stream.isatty() else None
        self._clock = clock
        self._next = clock() + self._AFTER_S
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, planned: int) -> None:
        share = f"  {done * 100 // planned} %" if planned else ""
        self.say(f"{done:,} of {count(planned, self._noun)}{share}")

    def say(self, far: str) -> None:
        """Shows how far the work is, unless that was done a moment ago."""
        if self._stream is None:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._EVERY_S
        self._draw(far)
        self._shown = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            self._draw("")

    def _draw(self, text: str) -> None:
        """CR, the text, and EL (ECMA-48, 8.3.41): erase to the end of the line."""
        assert self._stream is not None
        try:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
        except OSError:
            # Progress that can't be shown must not stop the run.
            self._stream = None
