"""From counts to a verdict. Nothing here reads packets: it weighs what was counted against what was expected, and
against what is missing.

Missing evidence has two strengths. Handshakes may be missing: packets were lost, or the capture does not cover the run.
Or requests alone may be: encrypted, or cut off by the snaplen. A handshake that was seen stays seen, so
`max-handshakes` is broken by counting, whatever is missing; it is met only if no handshake can be missing. What rests
on requests (`max-extra`, `min-reuse`) is broken only where all requests of the pair are known (a lost one may have been
concurrent), and met only where nothing is missing at all.
"""

from __future__ import annotations

from verifier.judge.model import Expectation, Missing
from verifier.values import NamedTuple
from verifier.vocabulary import Reason, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.judge.options import Expectations

LEAVES_HANDSHAKES = frozenset({Reason.REQUESTS_UNREADABLE})
"""Reasons that say nothing against the handshakes: TLS, or a snaplen, hides requests and no SYN."""


class Measured(NamedTuple):
    """What was counted, over all pairs."""

    connections: int
    handshakes: int
    perhaps_handshakes: int
    """Connections of which the capture does not show whether their handshake was made while it ran."""
    requests: int
    reused: int
    perhaps_reused: int
    """Requests of which the capture does not show whether they re-used their connection."""
    extra: int
    certain_extra: int
    """Extra handshakes of the pairs all whose requests are known."""
    requests_known: bool
    """Every request of every pair is known."""
    twice_handshakes: int = 0
    """Of the handshakes those that may be others of these, seen a second time."""


def weigh(
    expected: Expectations, measured: Measured, missing: Sequence[Missing]
) -> tuple[Verdict, tuple[Expectation, ...]]:
    """The verdict, and each expectation with what was measured."""
    complete = not missing
    handshakes_whole = all(item.code in LEAVES_HANDSHAKES for item in missing)
    results: list[Expectation] = []
    max_extra = expected.max_extra
    if max_extra is None and expected.max_handshakes is None and expected.min_reuse is None:
        max_extra = 0
    if max_extra is not None:
        met = judged(measured.certain_extra > max_extra, complete and measured.extra <= max_extra)
        results.append(Expectation("max-extra", max_extra, measured.extra, met))
    if expected.max_handshakes is not None:
        limit = expected.max_handshakes
        seen = measured.connections > 0
        most = measured.handshakes + measured.perhaps_handshakes
        certain = measured.handshakes - measured.twice_handshakes
        met = judged(certain > limit, seen and handshakes_whole and most <= limit)
        results.append(Expectation("max-handshakes", limit, measured.handshakes, met))
    if expected.min_reuse is not None:
        ratio = best = None
        if measured.requests:
            ratio = measured.reused / measured.requests
            best = (measured.reused + measured.perhaps_reused) / measured.requests
        broken = best is not None and best < expected.min_reuse and measured.requests_known
        met = judged(broken, complete and ratio is not None and ratio >= expected.min_reuse)
        results.append(Expectation("min-reuse", expected.min_reuse, ratio, met))
    if any(item.met is False for item in results):
        return Verdict.REFUTED, tuple(results)
    if all(item.met for item in results):
        return Verdict.PROVED, tuple(results)
    return Verdict.INCONCLUSIVE, tuple(results)


def judged(broken: bool, met: bool) -> bool | None:
    """True, False, or None where neither is certain."""
    if broken:
        return False
    return True if met else None
