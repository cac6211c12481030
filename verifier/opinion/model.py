"""What a second opinion on a capture is: counts side by side, and each difference between them."""

from __future__ import annotations

from verifier.values import NamedTuple
from verifier.vocabulary import Word


class What(Word):
    """What both count."""

    CONNECTIONS = "connections"
    HANDSHAKES = "handshakes"
    REQUESTS = "requests"
    RESPONSES = "responses"


class Count(NamedTuple):
    what: What
    ours: int
    theirs: int


class Rule(NamedTuple):
    """A known way in which the other program counts otherwise."""

    name: str
    text: str
    """For people: what the other program does, and what is done here."""
    reference: str
    """Where that is written down, or how it was shown."""


class Difference(NamedTuple):
    what: What
    ours: int
    theirs: int
    connection: int | None
    """`Connection.id` in the report; None where the report has no such connection, or more than one takes part, or
    where several files were read as one and each was checked alone."""
    frames: tuple[int, ...]
    """1-based, in their file: those that show it, some of them where there are many."""
    rule: Rule | None
    """None where nothing explains it."""
    text: str
    """For people: where it is, and what each saw."""
    source: int = 0
    """Index into `Report.sources`."""


class Opinion(NamedTuple):
    """Of one file, or of several, each alone."""

    tool: str
    version: str
    counts: tuple[Count, ...]
    differences: tuple[Difference, ...]
    left_off: int
    """Differences beyond the bound on their number; they are among the counts."""
    problems: tuple[str, ...]
    """Files that the other program could not read, and why: they are not among the counts."""
    files: int
    """How many files were checked; those with a problem included."""

    @property
    def unexplained(self) -> int:
        return sum(difference.rule is None for difference in self.differences) + self.left_off

    @property
    def agrees(self) -> bool:
        return not (self.differences or self.left_off or self.problems)
