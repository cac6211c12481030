"""The words and limits that the tables and the evidence share."""

from __future__ import annotations

from verifier.figures import count, duration
from verifier.report.terminal import Role
from verifier.vocabulary import Handshake, Reason, Reuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.judge.model import Connection, Finding, Pair, Report, Totals

FEW = 20
"""Requests that are shown one by one: with the verdict they fit a screen of some 40 lines."""
TOP = 10
"""Rows shown of what is too many to show."""

_REUSE = {
    Reuse.NEW: ("new", None),
    Reuse.REUSED: ("re-used", Role.GOOD),
    Reuse.PRE_EXISTING: ("pre-existing", Role.UNSURE),
    Reuse.UNKNOWN: ("unknown", Role.UNSURE),
}


def reuse(kind: Reuse) -> tuple[str, Role | None]:
    return _REUSE[kind]


def by_cause(findings: Sequence[Finding]) -> list[tuple[str, tuple[Finding, ...]]]:
    """Findings of the same cause together, those that cost most handshakes first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.cause, []).append(finding)
    sorted_groups = [(code, tuple(sorted(group, key=lambda finding: -finding.extra))) for code, group in groups.items()]
    return sorted(sorted_groups, key=lambda group: -extra_of(group[1]))


def extra_of(findings: Sequence[Finding]) -> int:
    return sum(finding.extra for finding in findings)


def asked(totals: Totals) -> int:
    """The requests that a user's program made: CONNECT prepares them, and stands beside."""
    return totals.requests - totals.connect_requests


def requests(totals: Totals) -> str:
    """`2 requests`, `2 requests and 1 CONNECT`, `1 CONNECT`."""
    made, tunnels = count(asked(totals), "request"), count(totals.connect_requests, "CONNECT")
    if not totals.connect_requests:
        return made
    return f"{made} and {tunnels}" if asked(totals) else tunnels


def unreadable(report: Report) -> bool:
    """Whether no request is known because none can be read: how many there were is not known either."""
    codes = {missing.code for missing in report.inconclusive_because}
    return not asked(report.totals) and bool(codes & {Reason.REQUESTS_UNREADABLE, Reason.BYTES_MISSING})


def known(number: int, pair: Pair) -> str:
    """What was seen of a pair; where that is nothing, and not all could be seen, it is no 0."""
    return f"{number:,}" if number or pair.counted else "unknown"


def has_several(report: Report) -> bool:
    """Frames are numbered in each file from 1: of several, a number alone says too little."""
    return len(report.sources) > 1


def file_of(source: int) -> str:
    """What a file is called beside its frames: its place on the command line, which the foot names it by, too."""
    return f"file {source + 1}"


def elsewhere(connection: Connection, name: str) -> str:
    """` (file 2)`, where this frame is in another file than the connection's first packet."""
    source = (connection.elsewhere or {}).get(name)
    return "" if source is None else f" ({file_of(source)})"


def handshake_frames(connection: Connection) -> str:
    """`3, 4, 5 in 0.21 ms`, `3, 4 half`, `3 refused`."""
    frames = connection.frames
    named = (("syn", frames.syn), ("synack", frames.synack), ("ack", frames.ack))
    seen = ", ".join(f"{frame}{elsewhere(connection, name)}" for name, frame in named if frame is not None)
    if connection.handshake is Handshake.NOT_SEEN:
        return "not seen"
    if connection.handshake is not Handshake.COMPLETE:
        return f"{seen} {connection.handshake}"
    return seen if connection.handshake_ns is None else f"{seen} in {duration(connection.handshake_ns)}"
