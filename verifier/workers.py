"""Work on many things at once, each in a process of its own, told in their order.

A process is forked for each: it has all that is imported already, costs 1.5 ms of processor time (Python 3.11), gives
back its memory when it is done, and what kills it (a capture that takes more memory than there is) kills nothing else.
Not `multiprocessing`: its pool takes 27 ms to import where a small capture takes 22 whole, keeps its processes, and
hangs where one of them is killed.

What a process has to tell is text, through a pipe, and its exit status. Results wait for those before them: some in
memory, up to a bound, then in the pipe, and a process whose pipe is full waits, too. So memory is bounded, however long
the texts are.

No process outlives the one that it works for, however that ends. It holds one end of a pipe of which that one has the
other, and nobody writes into: the kernel sends it SIGIO when the other end is gone (fcntl(2): F_SETOWN, O_ASYNC), which
ends it in the middle of whatever it does. Not PR_SET_PDEATHSIG: that is Linux's alone, and by way of `ctypes`.

Where there is no `fork` (Windows), the work is done in this process, one thing after the other.
"""

from __future__ import annotations

import gc
import os
import sys
from time import monotonic

from verifier.errors import VerifierError
from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType
    from typing import NoReturn

    Write = Callable[[str], object]

MOST_WAITING = 64 << 20
"""Bytes of results that wait in memory for those before them. No more is begun, or listened to, above that."""
WHOLE = 8 << 20
"""A result up to this size is handed out in one piece, once its process has ended well or not; a longer one in pieces
as they come."""
PIPE = 1 << 16
"""Bytes read at once: what a pipe holds on Linux (pipe(7))."""
GRACE_S = 2.0
"""How long a process that is asked to end may take for it."""

_ENDING = (2, 15)
"""SIGINT and SIGTERM (POSIX gives them these numbers)."""
FAILED = 70
"""The exit status of a process whose work has raised what it should not: EX_SOFTWARE of sysexits.h."""
OUT_OF_MEMORY = 71
"""EX_OSERR of sysexits.h."""


class Result(NamedTuple):
    """What the work on one thing has told so far."""

    number: int
    """Its place among all."""
    text: str
    status: int | None
    """What the work returned; below 0 the signal that ended its process; None where more text is to come."""


def processors() -> int:
    """How many processes may run at the same time: the processors that this one may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """One process, and what it has told that was not handed out."""

    def __init__(self, number: int, pid: int, pipe: int, life: int) -> None:
        self.number = number
        self.pid = pid
        self.pipe = pipe
        self.life = life
        """The end of a pipe that it lives as long as."""
        self.told = bytearray()
        self.status: int | None = None


class Workers:
    """Processes that do `work` for each number below `count`, at most `at_once` of them at a time. `work` is given the
    number and where to write its text, and returns its status, from 0 to 63. Leaving the context ends all that still
    run."""

    def __init__(self, count: int, work: Callable[[int, Write], int], at_once: int) -> None:
        self._count = count
        self._work = work
        self._at_once = at_once
        self._begun: dict[int, _Worker] = {}
        """By number: those that run, and those that have ended and wait for one before them."""
        self._running: dict[int, _Worker] = {}
        """By pipe: those that run. Few, where thousands may wait."""
        self._held = 0
        """Bytes that were told, and not handed out."""
        self._first = 0
        """The number of the one whose turn it is."""
        self._next = 0
        """The number of the one to begin next."""
        self._restore: Callable[[], object] | None = None

    def __enter__(self) -> Workers:
        if hasattr(os, "fork"):
            import fcntl  # noqa: F401 - once for all that are forked
            import signal
            from select import poll

            self._poll = poll()
            # Who starts this process may have SIGCHLD ignored; then the system would keep no status (waitpid(2)).
            before = [
                (number, signal.signal(number, handler))
                for number, handler in ((signal.SIGCHLD, signal.SIG_DFL), (signal.SIGTERM, _terminated))
            ]
            self._restore = lambda: [signal.signal(number, handler) for number, handler in before]
            gc.freeze()  # what is there now is shared: a collector that visits it would copy it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._restore is not None:
            try:
                self._end_all()
            finally:
                self._restore()
                gc.unfreeze()

    def results(self) -> Iterator[Result]:
        """What each tells, in order, as soon as it can be told. VerifierError where no process can be
        had."""
        if not hasattr(os, "fork"):
            yield from self._here()
            return
        while True:
            self._begin()
            first = self._begun.get(self._first)
            if first is None:
                return
            if first.status is not None:
                del self._begun[self._first]
                self._first += 1
            if first.status is not None or len(first.told) > WHOLE:
                length = len(first.told)
                text = _taken(first)
                self._held -= length - len(first.told)
                yield Result(first.number, text, first.status)
            else:
                self._listen()

    def _here(self) -> Iterator[Result]:
        for number in range(self._count):
            told: list[str] = []
            status = self._work(number, told.append)
            yield Result(number, "".join(told), status)

    def _waiting(self) -> int:
        """Bytes that wait for those before them."""
        first = self._begun.get(self._first)
        return self._held - (len(first.told) if first is not None else 0)

    def _begin(self) -> None:
        while self._next < self._count and self._waiting() <= MOST_WAITING:
            running = len(self._running)
            if running >= self._at_once:
                break
            try:
                self._fork(self._next)
            except OSError as error:
                if not running:
                    raise VerifierError(
                        f"can't start a process: {error.strerror}", "see ulimit -u and ulimit -n"
                    ) from error
                self._at_once = running
                break
            self._next += 1

    def _fork(self, number: int) -> None:
        """Begins the work on one. Signals wait until the child is one, and the parent knows of it."""
        import signal
        from select import POLLIN

        reading, writing = os.pipe()
        try:
            living, life = os.pipe()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            pid = os.fork()
            if pid == 0:
                for worker in (*self._running.values(), _Worker(number, pid, reading, life)):
                    os.close(worker.pipe)
                    os.close(worker.life)
                _child(
                    lambda: _end_with(parent, living),
                    lambda: self._do(number, writing),
                    lambda how: signal.pthread_sigmask(how, _ENDING),
                )
            self._begun[number] = self._running[reading] = _Worker(number, pid, reading, life)
            self._poll.register(reading, POLLIN)
        except OSError:
            os.close(reading)
            os.close(life)
            raise
        finally:
            os.close(writing)
            os.close(living)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _do(self, number: int, writing: int) -> int:
        with os.fdopen(writing, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as pipe:
            return self._work(number, pipe.write)

    def _listen(self) -> None:
        """Waits until one that may be listened to says something: the first always, others as long as there is room."""
        if self._waiting() > MOST_WAITING:
            self._take(self._begun[self._first])  # where nothing is in the pipe reading it waits
        else:
            for pipe, _ in self._poll.poll():
                self._take(self._running[pipe])

    def _take(self, worker: _Worker) -> None:
        """Takes what is in a process' pipe; its status where it has ended."""
        piece = os.read(worker.pipe, PIPE)
        if piece:
            worker.told += piece
            self._held += len(piece)
        else:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        """Waits for the end of a process. Signals wait meanwhile: half of this done could not be mended."""
        from signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask

        before = pthread_sigmask(SIG_BLOCK, _ENDING)
        try:
            self._poll.unregister(worker.pipe)
            del self._running[worker.pipe]
            os.close(worker.pipe)
            _, status = os.waitpid(worker.pid, 0)
            worker.status = os.waitstatus_to_exitcode(status)
        finally:
            os.close(worker.life)  # not before it has ended: it would end of that
            pthread_sigmask(SIG_SETMASK, before)

    def _end_all(self) -> None:
        """Ends what still runs: asked to, a process also ends the programs that it has started."""
        running = list(self._running.values())
        if not running:
            return
        import signal
        from select import POLLIN, poll

        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            for worker in running:
                os.kill(worker.pid, signal.SIGTERM)
            deadline = monotonic() + GRACE_S
            for worker in running:
                waiting = poll()
                waiting.register(worker.pipe, POLLIN)
                while worker.status is None and waiting.poll(max(deadline - monotonic(), 0) * 1000):
                    self._take(worker)
                if worker.status is None:
                    os.kill(worker.pid, signal.SIGKILL)
                    self._end(worker)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _taken(worker: _Worker) -> str:
    """What a process has told, as text; the begun character at the end of a piece stays for the next one."""
    told = worker.told
    until = len(told)
    if worker.status is None:
        while until and told[until - 1] & 0xC0 == 0x80:
            until -= 1
        until -= until > 0 and told[until - 1] >= 0xC0
    text = told[:until].decode("utf-8", "surrogateescape")
    del told[:until]
    return text


def _terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - called as all signal handlers
    """SIGTERM ends this process like Ctrl-C: not without those that it began."""
    raise SystemExit(128 + number)


def _end_with(parent: int, living: int) -> None:
    """Has the kernel end this process when `parent` is gone, which has the other end of the pipe `living`."""
    from fcntl import F_SETFL, F_SETOWN, fcntl
    from signal import SIG_DFL, SIGIO, signal

    if not hasattr(os, "O_ASYNC"):  # it ends when it next tells something
        return
    signal(SIGIO, SIG_DFL)
    try:
        fcntl(living, F_SETOWN, os.getpid())
        fcntl(living, F_SETFL, os.O_ASYNC)
    except OSError:  # a system that has this for other files alone
        return
    if os.getppid() != parent:
        os._exit(FAILED)


def _child(begin: Callable[[], None], work: Callable[[], int], mask: Callable[[int], object]) -> NoReturn:
    """The life of a process that was forked, with its signals blocked: `mask` changes that. Nothing that it raises
    reaches what its parent was about."""
    from signal import SIG_BLOCK, SIG_UNBLOCK, SIGTERM, default_int_handler, signal

    status = FAILED
    try:
        try:
            begin()
            signal(SIGTERM, default_int_handler)  # the same for those that it starts itself
            mask(SIG_UNBLOCK)
            status = work()
        except MemoryError:
            status = OUT_OF_MEMORY
        finally:
            mask(SIG_BLOCK)
            kind, error, traceback = sys.exc_info()
            # Stopped by its parent, or with it, or left without one, it has nobody to tell.
            if kind is not None and error is not None and issubclass(kind, Exception) and kind is not BrokenPipeError:
                sys.excepthook(kind, error, traceback)
    finally:
        os._exit(status)
