"""Work in processes of its own: order, statuses, long texts, and what goes wrong."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from verifier.workers import FAILED, OUT_OF_MEMORY, WHOLE, Result, Workers, processors

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from verifier.workers import Write


def all_of(workers: Workers) -> list[Result]:
    with workers:
        return list(workers.results())


def test_results_come_in_order_however_long_each_takes() -> None:
    reading, writing = os.pipe()

    def work(number: int, write: Write) -> int:
        """The first waits for the second."""
        if number == 0:
            os.read(reading, 1)
        else:
            os.write(writing, b"x")
        write(f"told by {number}")
        return number

    told = all_of(Workers(2, work, 2))
    os.close(reading)
    os.close(writing)
    assert told == [(0, "told by 0", 0), (1, "told by 1", 1)]


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_many(at_once: int) -> None:
    def work(number: int, write: Write) -> int:
        write(f"{number}," * 1000 * (number % 4))
        return number % 3

    told = all_of(Workers(40, work, at_once))
    assert told == [(number, f"{number}," * 1000 * (number % 4), number % 3) for number in range(40)]


def test_no_more_at_once_than_asked_for() -> None:
    """Each writes its number of the parent's other children, as Linux has it."""
    if not os.path.exists("/proc/self/task"):
        pytest.skip("children are known from Linux's /proc")
    parent = os.getpid()

    def children() -> int:
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            return len(file.read().split())

    def work(number: int, write: Write) -> int:
        write(str(children()))
        return 0

    others = children()
    assert max(int(text) for _, text, _ in all_of(Workers(20, work, 3))) <= 3 + others


def test_a_long_text_comes_in_pieces_of_whole_characters() -> None:
    piece = "aé→𝄞" * 50_000
    times = 3 * WHOLE // len(piece.encode())

    def work(number: int, write: Write) -> int:
        for _ in range(times):
            write(piece)
        return 0

    told = all_of(Workers(2, work, 2))
    assert [status for _, _, status in told].count(0) == 2
    assert len(told) > 2
    for number in (0, 1):
        assert "".join(text for of, text, _ in told if of == number) == piece * times


def test_what_goes_wrong_in_one_leaves_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    def work(number: int, write: Write) -> int:
        write("begun")
        if number == 0:
            raise MemoryError
        if number == 1:
            raise ZeroDivisionError("on purpose")
        if number == 2:
            os.kill(os.getpid(), 9)
        return 0

    told = all_of(Workers(4, work, 2))
    assert [status for _, _, status in told] == [OUT_OF_MEMORY, FAILED, -9, 0]
    complained = capfd.readouterr().err
    assert complained.count("Traceback") == 1
    assert complained.endswith("ZeroDivisionError: on purpose\n")


def test_what_still_runs_ends_with_the_context() -> None:
    """Even what pays no heed when it is asked to."""
    reading, writing = os.pipe()

    def work(number: int, write: Write) -> int:
        if number:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(writing, str(os.getpid()).encode())
            signal.pause()
        write(os.read(reading, 10).decode())
        return 0

    with Workers(2, work, 2) as workers:
        first = next(workers.results())
    os.close(reading)
    os.close(writing)
    with pytest.raises(ProcessLookupError):
        os.kill(int(first.text), 0)


def test_the_parents_work_does_not_grow_with_what_waits() -> None:
    """The first ends last, so all others wait for it. What the parent calls is counted: a walk over what waits, at each
    event, would be some hundred calls a process."""
    count = 300
    reading, writing = os.pipe()

    def work(number: int, write: Write) -> int:
        left = 0 if number else count - 1
        while left:
            left -= len(os.read(reading, left))
        if number:
            os.write(writing, b"x")
        write("told")
        return 0

    calls = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        told = all_of(Workers(count, work, 2))
    finally:
        sys.setprofile(before)
    os.close(reading)
    os.close(writing)
    assert told == [(number, "told", 0) for number in range(count)]
    assert calls < 200 * count


@contextmanager
def children_unheeded() -> Iterator[None]:
    """As in a process whose parent had SIGCHLD ignored."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_where_the_ends_of_children_are_ignored() -> None:
    def work(number: int, write: Write) -> int:
        write("told")
        return number

    with children_unheeded():
        assert all_of(Workers(3, work, 2)) == [(number, "told", number) for number in range(3)]
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN


def test_a_status_that_another_one_took_leaves_signals_as_they_were() -> None:
    naming, named = os.pipe()
    holding, held = os.pipe()

    def work(number: int, write: Write) -> int:
        """The second is there until the first was told."""
        if number:
            os.write(named, str(os.getpid()).encode())
            os.read(holding, 1)
        else:
            write(os.read(naming, 10).decode())
        return 0

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Workers(2, work, 2) as workers:
        results = workers.results()
        first = next(results)
        os.write(held, b"x")
        os.waitpid(int(first.text), 0)
        with pytest.raises(ChildProcessError):
            next(results)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
    for pipe in (naming, named, holding, held):
        os.close(pipe)


def test_processors_are_those_that_may_be_used() -> None:
    assert processors() >= 1
    if hasattr(os, "sched_getaffinity"):
        assert processors() == len(os.sched_getaffinity(0))


def test_without_fork_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()
    monkeypatch.delattr("os.fork")

    def work(number: int, write: Write) -> int:
        write(str(os.getpid()))
        return number

    assert all_of(Workers(3, work, 2)) == [(number, str(here), number) for number in range(3)]
