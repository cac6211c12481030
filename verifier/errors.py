"""What stops `verify` itself. Oddities of a capture or a peer are notes in the report, never exceptions."""

from __future__ import annotations

INTERRUPTED = 130
"""The exit status after Ctrl-C: what a shell reports of a program that SIGINT ended, 128 + 2."""


class VerifierError(Exception):
    """One line that says what is wrong and where, and, where there is one, what mends it: exit status 2."""

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(f"{problem}; {mend}" if mend else problem)
        self.problem = problem
        self.mend = mend
