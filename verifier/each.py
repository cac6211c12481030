"""Independent captures: every file one of its own, analysed in a process of its own, told in the order of the operands.

What a folder or a pattern leads to beside captures is skipped, as where files are one capture. A file that can't be
read, named or found, what is a capture by its name alone, and a process that dies over one, are results like others:
the rest is read all the same.
"""

from __future__ import annotations

from verifier import app
from verifier.errors import COULD_NOT_RUN, VerifierError
from verifier.report import lines
from verifier.sources import operands
from verifier.sources.beside import is_beside
from verifier.sources.facts import Skipped
from verifier.sources.file import tell_nobody
from verifier.sources.operands import Found, Fruitless
from verifier.spelling import Style, file_name, file_word
from verifier.vocabulary import EXIT_STATUS, Verdict
from verifier.workers import OUT_OF_MEMORY, Workers, processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from verifier.judge.model import Report
    from verifier.judge.options import Expectations, Selection
    from verifier.report.json import Detail
    from verifier.report.lines import Outcomes
    from verifier.sources.file import Tell
    from verifier.workers import Result, Write

    class Form(Protocol):
        """How results are told."""

        def opening(self, names: Sequence[str]) -> str: ...

        def read(self, path: str, report: Report, write: Write) -> None: ...

        def unread(self, path: str, error: VerifierError, write: Write) -> None: ...

        def closing(self, outcomes: Outcomes, skipped: Sequence[Skipped], status: int) -> str: ...


SKIPPED = 4
"""What a process returns for something beside captures: else it is the exit status that the file has alone."""
PROVED, REFUTED, INCONCLUSIVE = (EXIT_STATUS[verdict] for verdict in Verdict)
WORST_FIRST = (COULD_NOT_RUN, REFUTED, INCONCLUSIVE, PROVED)
_KILLED = 9
"""SIGKILL (signal(7))."""


class Lines:
    """A line for each file."""

    def __init__(self, style: Style) -> None:
        """Names are whole where `style` has no width, 0."""
        self._style = style
        self._layout = lines.layout((), style)

    def opening(self, names: Sequence[str]) -> str:
        self._layout = lines.layout(names, self._style)
        return lines.titles(self._layout)

    def read(self, path: str, report: Report, write: Write) -> None:
        write(lines.line(report, path, self._layout))

    def unread(self, path: str, error: VerifierError, write: Write) -> None:  # noqa: ARG002 - named in the error
        write(lines.unread(error, self._layout))

    def closing(self, outcomes: Outcomes, skipped: Sequence[Skipped], status: int) -> str:
        return lines.summary(outcomes, skipped, status, self._style)


class Objects:
    """JSON Lines: the report of each file on one line."""

    def __init__(self, detail: Detail, expectations: Expectations) -> None:
        self._detail = detail
        self._expectations = expectations

    def opening(self, names: Sequence[str]) -> str:  # noqa: ARG002 - as the other form
        return ""

    def read(self, path: str, report: Report, write: Write) -> None:  # noqa: ARG002 - named in the report
        from verifier.report.json import dump_line

        dump_line(report, self._detail, write)

    def unread(self, path: str, error: VerifierError, write: Write) -> None:
        self.read(path, app.unread(path, error, self._expectations), write)

    def closing(self, outcomes: Outcomes, skipped: Sequence[Skipped], status: int) -> str:  # noqa: ARG002
        return ""


class Each:
    """All files that the operands stand for. Iterating it analyses them, and gives the text to print, in order."""

    def __init__(
        self,
        paths: Sequence[str],
        selection: Selection,
        expectations: Expectations,
        form: Form,
        tell: Tell = tell_nobody,
    ) -> None:
        """How far the search for files is goes to `tell`."""
        self._selection = selection
        self._expectations = expectations
        self._form = form
        self._files: list[Found | Fruitless] = []
        self._skipped: list[Skipped] = []
        self._beside: dict[str, list[Skipped]] = {}
        """Those of them that are beside captures, by the folder or the pattern that led to them."""
        self._counts = dict.fromkeys(WORST_FIRST, 0)
        self._fruitful: set[str] = set()
        """Operands that led to a capture, or to what should be one."""
        self._begun = False
        """Whether a part of a file's text was given already."""
        for each in operands.looked_up(paths, tell):
            if isinstance(each, Skipped):
                self._skipped.append(each)
            else:
                self._files.append(each)

    def __iter__(self) -> Iterator[str]:
        _load()
        yield self._form.opening([file.path for file in self._files if isinstance(file, Found)])
        with Workers(len(self._files), self._analyze, processors()) as workers:
            for result in workers.results():
                yield from self._told(result)
                if result.status is not None:
                    yield from self._fruitless_behind(result.number)

    @property
    def worst(self) -> int:
        """The exit status that the worst of the files has alone."""
        return next((status for status in WORST_FIRST if self._counts[status]), COULD_NOT_RUN)

    def closing(self, status: int) -> str:
        """What is said below all files."""
        counts = self._counts
        outcomes = lines.Outcomes(counts[PROVED], counts[REFUTED], counts[INCONCLUSIVE], counts[COULD_NOT_RUN])
        return self._form.closing(outcomes, self._skipped, status)

    def _analyze(self, number: int, write: Write) -> int:
        """The work on one file, in a process of its own."""
        file = self._files[number]
        if isinstance(file, Fruitless):
            self._form.unread(file.operand, VerifierError(f"{file_name(file.operand)}: {file.what}"), write)
            return COULD_NOT_RUN
        try:
            report = app.analyze_alone(file, self._selection, self._expectations)
        except VerifierError as error:
            if not file.named and is_beside(file, error):
                write(error.problem.removeprefix(f"{file_name(file.path)}: "))
                return SKIPPED
            self._form.unread(file.path, error, write)
            return COULD_NOT_RUN
        self._form.read(file.path, report, write)
        return EXIT_STATUS[report.verdict]

    def _told(self, result: Result) -> Iterator[str]:
        """The text to print of what a process has told."""
        status, file = result.status, self._files[result.number]
        if status == SKIPPED:
            skipped = Skipped(_name(file), result.text)
            self._skipped.append(skipped)
            self._beside.setdefault(file.operand, []).append(skipped)
        elif status is None or status in self._counts:
            yield result.text
        else:
            # What it has told of its file is not whole, and a line that was begun can't be taken back.
            yield "\n" if self._begun else ""
            yield self._unread(_name(file), _died(_name(file), status))
            status = COULD_NOT_RUN
        self._begun = status is None
        if status in self._counts:
            self._counts[status] += 1
            self._fruitful.add(file.operand)

    def _unread(self, name: str, error: VerifierError) -> str:
        told: list[str] = []
        self._form.unread(name, error, told.append)
        return "".join(told)

    def _fruitless_behind(self, number: int) -> Iterator[str]:
        """Says so, behind the last file of a folder or a pattern that led to no capture."""
        operand = self._files[number].operand
        if operand in self._fruitful or any(file.operand == operand for file in self._files[number + 1 : number + 2]):
            return
        yield self._unread(operand, operands.no_capture_in(operand, self._beside[operand]))
        self._counts[COULD_NOT_RUN] += 1


def _load() -> None:
    """Imports once what most files need: 58 small ones took 640 ms of processor time where each process did, and 450 so
    (Python 3.11)."""
    from verifier import catalogue  # noqa: F401
    from verifier.judge import diagnose  # noqa: F401
    from verifier.wire import pcapng  # noqa: F401


def _name(file: Found | Fruitless) -> str:
    return file.path if isinstance(file, Found) else file.operand


def _died(name: str, status: int) -> VerifierError:
    """What to say of a process that has not told how its file came out."""
    if status == OUT_OF_MEMORY:
        what = "memory ran out"
    elif status == -_KILLED:
        what = "the process that read it was killed, as the system does where memory runs out"
    elif status < 0:
        what = f"the process that read it was ended by signal {-status}"
    else:
        what = f"the process that read it failed, with status {status}"
    return VerifierError(f"{file_name(name)}: {what}", f"read it alone: verify analyze {file_word(name)}")
