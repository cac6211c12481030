"""What stops `verify` itself. Oddities of a capture or a peer are notes in the report, never exceptions."""

from __future__ import annotations

COULD_NOT_RUN = 2
"""The exit status where there is no verdict."""
INTERRUPTED = 130
"""The exit status after Ctrl-C: what a shell reports of a program that SIGINT ended, 128 + 2."""


class VerifierError(Exception):
    """One line that says what is wrong and where, and, where there is one, what mends it. The exit status is
    COULD_NOT_RUN."""

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(f"{problem}; {mend}" if mend else problem)
        self.problem = problem
        self.mend = mend
