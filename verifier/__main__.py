"""The program: `verify`, which is `python -m verifier`. How its process begins and ends; what it does is in cli.py.

A run may be over in 22 ms, so what Python does around it counts: taking the interpreter down, object by object, would
be another 3 ms (Python 3.11; with a large result many more).
"""

from __future__ import annotations

import os
import sys

from verifier.errors import COULD_NOT_RUN, INTERRUPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn


def run() -> NoReturn:
    """Runs the command line, and ends the process with its exit status."""
    sys.excepthook = _unexpected
    from verifier.cli import main  # takes milliseconds, in which somebody may press Ctrl-C

    status = main()
    if _watched():
        sys.exit(status)
    # Nothing is left to be done: `main` has flushed what it wrote, and left its `with` blocks.
    os._exit(status)


def _unexpected(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> NoReturn:
    """What nothing has provided for is told as Python tells it; but Python's status, 1, would say "refuted". Ctrl-C
    before there is anything to interrupt is told as later."""
    if kind is KeyboardInterrupt:
        sys.stderr.write("verify: interrupted\n")
        sys.exit(INTERRUPTED)
    sys.__excepthook__(kind, error, traceback)
    sys.exit(COULD_NOT_RUN)


def _watched() -> bool:
    """Whether somebody may be waiting for the interpreter's own end: threads, functions that are to be called then, a
    profiler, a debugger, `python -i`."""
    monitoring = getattr(sys, "monitoring", None)  # of Python 3.12 and newer, with at most six users
    return (
        "threading" in sys.modules
        or "atexit" in sys.modules
        or sys.getprofile() is not None
        or sys.gettrace() is not None
        or (monitoring is not None and any(map(monitoring.get_tool, range(6))))
        or bool(sys.flags.inspect)
    )


if __name__ == "__main__":
    run()
