"""Several captures read as one, in the order of time: rotated sets, folders, captures of several machines.

Each file is opened for a moment, to see when it begins; then they are read in that order, each opened when its time has
come. So files that don't overlap are read one behind the other, with one open at a time; those that do are merged
packet by packet, by `verifier.wire.merge`. Files without times come first. Where two begin at the same time their names
decide, with numbers in them taken as numbers.

What is named on the command line must be a capture. What was found in a folder, or by a pattern, may be something else:
it is skipped, and the report says so (see `beside`). A capture found there that can't be read, or what is one by its
name alone, is in the report as a source that is not whole, so that nothing is proved without it.
"""

from __future__ import annotations

import os

from verifier.errors import VerifierError
from verifier.sources import operands
from verifier.sources.beside import gaps, is_beside, is_next
from verifier.sources.facts import Reading, Skipped, Source
from verifier.sources.file import CHUNK, STANDARD_INPUT, Empty, Feed, Manner, tell_nobody
from verifier.spelling import file_name
from verifier.wire.merge import NEVER, Lane, Merged
from verifier.wire.records import INVERSION_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from verifier.sources.file import Tell
    from verifier.sources.operands import Found
    from verifier.wire.engine import Engine

FIRST_LOOK = 1 << 16
"""Bytes read at first, to see when a file begins; more where the first packet is not in them."""
FEW = 16
"""Files that may have large chunks, even where they all overlap: 12 MiB."""
SMALL_CHUNK = 1 << 16
MOST_OPEN = 200
"""Files that may overlap at a time. Of 256 open files, the least that systems allow by default (macOS), some are in
use."""

MOST_LOADS = 2
"""How often a file may be read on to see whether all that is left of it is due by the time at which the next one
begins, but for `INVERSION_NS`. Then they don't overlap: of a rotated set the order of the files is the order in which
packets were written."""


class _Entry:
    """One file among several."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.begin_ns = 0
        self.feed: Feed | None = None
        self.lane: Lane | None = None
        self.source: Source | None = None
        """What there is to say of it, once it is read."""
        self.is_next = False
        """It is empty, and by its name the next of a rotated set."""

    def look(self) -> None:
        """Opens the file, and finds out when it begins. One that can be opened again is closed."""
        path = self.found.path
        feed = Feed(path, Manner(FIRST_LOOK, self.found.named))
        lane = Lane(feed.reader, 0)
        try:
            while not lane.pull() and feed.advance():
                pass
            feed.refuse_beside_networks()
        except BaseException:
            feed.close()
            raise
        self.begin_ns = lane.due_ns
        if path != STANDARD_INPUT and os.path.isfile(path):
            feed.close()
        else:
            self.feed, self.lane = feed, lane

    def open(self, number: int, chunk: int) -> Lane:
        """The file's lane among all; its place among the sources is `number`."""
        if self.feed is None or self.lane is None:
            self.feed = Feed(self.found.path, Manner(chunk, self.found.named))
            self.lane = Lane(self.feed.reader, number)
        self.lane.source = number
        return self.lane

    def advance(self) -> bool:
        """Loads what comes next; False at the end, where the file is closed."""
        assert self.feed is not None
        assert self.lane is not None
        if self.feed.advance():
            return True
        self.feed.close()
        times = (self.lane.first_ns, self.lane.last_ns) if self.lane.first_ns >= 0 else (None, None)
        self.source = self.feed.source(self.lane.packets, self.lane.bytes, times)
        self.feed = None
        return False

    def ends_by(self, limit_ns: int) -> bool:
        """Whether nothing in the file is due later. What is read to find out waits for its turn."""
        assert self.feed is not None
        assert self.lane is not None
        for _ in range(MOST_LOADS):
            if not self.lane.within(limit_ns):
                return False
            self.feed.keep()
            if not self.feed.advance():
                return True
        return False

    def fail(self, error: VerifierError) -> None:
        """The file can't be read."""
        self.source = unread(self.found.path, error)


def unread(path: str, error: VerifierError) -> Source:
    """What there is to say of a file that can't be read."""
    return Source(
        name=path,
        live=False,
        format="unknown",
        packets=0,
        bytes=0,
        first_ns=None,
        last_ns=None,
        truncated=True,
        dropped=None,
        problem=_without_name(error, path),
    )


def _without_name(error: VerifierError, name: str) -> str:
    return error.problem.removeprefix(f"{file_name(name)}: ")


def read(paths: Sequence[str], engine: Engine, tell: Tell = tell_nobody) -> Reading:
    """Reads all captures that the paths stand for (files, folders, patterns, `-`) into the engine."""
    files = operands.files(paths, tell)
    entries, skipped = _looked_at([_Entry(found) for found in files.found], tell)
    merged = Merged()
    try:
        _read(entries, engine, merged, tell)
    finally:
        for entry in entries:
            if entry.feed is not None:
                entry.feed.close()
    lacking = gaps([entry.found.path for entry in entries])
    if _is_rotated(entries):
        skipped += [Skipped(entry.found.path, _NEXT) for entry in entries if entry.is_next]
        entries = [entry for entry in entries if not entry.is_next]
    sources = tuple(_before_gap(entry.source, lacking) for entry in entries if entry.source is not None)
    return Reading(sources, merged.runs, (*skipped, *files.skipped))


def _before_gap(source: Source, lacking: Mapping[str, int]) -> Source:
    """What there is to say of a file: `lacking` has how many of its set behind it are not there."""
    count = lacking.get(source.name, 0)
    if not count or source.truncated:
        return source
    files = "the next file of its set is" if count == 1 else f"the next {count:,} files of its set are"
    return source._replace(truncated=True, problem=f"by the numbers in the names {files} not there")


_NEXT = "the file is empty: the next of its set, into which nothing was written yet"


def _is_rotated(entries: list[_Entry]) -> bool:
    """Whether the captures follow one another, as those of a rotated set do, and not those of several machines."""
    ended_ns: int | None = None
    captures = 0
    for entry in entries:
        if entry.source is not None and entry.source.last_ns is not None:
            if ended_ns is not None and ended_ns > entry.begin_ns + INVERSION_NS:
                return False
            ended_ns = entry.source.last_ns
            captures += 1
    return captures > 1


def _looked_at(entries: list[_Entry], tell: Tell) -> tuple[list[_Entry], list[Skipped]]:
    """The captures among them, in the order of their beginnings; those that can't be read stand last. VerifierError
    where a folder or a pattern led to neither."""
    captures: list[_Entry] = []
    failed: list[_Entry] = []
    empty: list[tuple[_Entry, VerifierError]] = []
    unwritten: list[_Entry] = []
    """Those of them that should be captures."""
    beside: dict[str, list[Skipped]] = {}
    """By the folder or the pattern that led to them."""
    for number, entry in enumerate(entries):
        tell(f"files looked at: {number:,} of {len(entries):,}")
        name = entry.found.path
        try:
            entry.look()
        except VerifierError as error:
            if entry.found.named:
                raise
            if isinstance(error, Empty):
                empty.append((entry, error))
            elif is_beside(entry.found, error):
                beside.setdefault(entry.found.operand, []).append(Skipped(name, _without_name(error, name)))
            else:
                entry.fail(error)
                failed.append(entry)
        else:
            captures.append(entry)
    for entry, problem in empty:
        name = entry.found.path
        if is_beside(entry.found, problem):
            beside.setdefault(entry.found.operand, []).append(Skipped(name, _without_name(problem, name)))
        else:
            entry.fail(problem)
            failed.append(entry)
            unwritten.append(entry)
    if len(unwritten) == 1:  # behind one of several a set went on
        (entry,) = unwritten
        begins = {each.found.path: each.begin_ns for each in captures if each.begin_ns > 0}
        entry.is_next = is_next(entry.found.path, begins)
    fruitful = {entry.found.operand for entry in (*captures, *failed)}
    for operand, files in beside.items():
        if operand not in fruitful:
            raise operands.no_capture_in(operand, files)
    captures.sort(key=lambda entry: (entry.begin_ns, operands.natural(entry.found.path)))
    return captures + failed, [each for files in beside.values() for each in files]


def _read(entries: list[_Entry], engine: Engine, merged: Merged, tell: Tell) -> None:
    readable = [entry for entry in entries if entry.source is None]
    chunk = CHUNK if len(readable) <= FEW else SMALL_CHUNK
    opened = 0
    is_open = 0
    while True:
        engine.read(merged)
        tell(f"captures read: {opened - is_open:,} of {len(readable):,}, packets: {engine.packets:,}")
        lane = merged.hungry
        if lane is not None:
            if not readable[lane.source].advance():
                merged.drop(lane)
                is_open -= 1
        elif opened < len(readable):
            until_ns = readable[opened].begin_ns + INVERSION_NS
            lane = merged.only()
            if lane is not None and merged.upcoming_ns < until_ns and readable[lane.source].ends_by(until_ns):
                merged.upcoming_ns = until_ns
                continue
            if is_open == MOST_OPEN:
                raise VerifierError(
                    f"more than {MOST_OPEN} captures overlap in time",
                    "merge them first (mergecap -w merged.pcapng ...), or have each on its own: verify analyze --each",
                )
            entry = readable[opened]
            try:
                merged.add(entry.open(opened, chunk))
                is_open += 1
            except VerifierError as error:
                if entry.found.named:
                    raise
                entry.fail(error)  # gone, or made anew, since it was looked at
            opened += 1
            merged.upcoming_ns = readable[opened].begin_ns if opened < len(readable) else NEVER
        else:
            break
