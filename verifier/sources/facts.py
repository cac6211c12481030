"""What a capture says of itself beside its packets: values only, made by a source and read by the judge."""

from __future__ import annotations

from verifier.values import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verifier.wire.merge import Runs


class Source(NamedTuple):
    """One capture file, or one interface captured live."""

    name: str
    """Path of the file, or name of the interface."""
    live: bool
    format: str
    """`pcap`, `pcapng`, or either with the compression that wrapped it (`pcap.gz`)."""
    packets: int
    bytes: int
    """Sum of the captured lengths."""
    first_ns: int | None
    last_ns: int | None
    truncated: bool
    dropped: int | None
    """Packets that the capturing kernel says it dropped; None where it did not say."""
    problem: str = ""
    """What went wrong in reading it, for the reader: of a file that is `truncated`, what and at which byte; of an
    interface, that it went down during the capture. Empty where nothing did."""


class LiveFacts(NamedTuple):
    """How well a live capture covers the run it stands for."""

    opened: bool
    """Every fence sent before the first request was seen by the capture itself."""
    drained: bool
    """Every fence sent after the last request was seen by the capture itself."""
    control_only: bool
    """A kernel filter let only SYN, FIN and RST through."""
    saved_as: str | None
    """Path of the capture file; None where saving failed."""
    save_problem: str
    """Why saving failed, for the reader; empty where it did not."""


class Skipped(NamedTuple):
    """A file that was found in a folder, by a pattern or a second time, and not read."""

    name: str
    why: str


class Reading(NamedTuple):
    """What was read of saved captures, beside their packets."""

    sources: tuple[Source, ...]
    runs: Runs | None = None
    """Which frame of which source each packet was; None where there is one source."""
    skipped: tuple[Skipped, ...] = ()
