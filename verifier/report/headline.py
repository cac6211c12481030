"""The verdict in one sentence: the counts, then what they mean. Words chosen by the report's numbers, no new numbers.

The sentence may say less than the report knows, never more: "no request re-used a connection" only where every request
could be read.
"""

from __future__ import annotations

from verifier.report.figures import count, duration, ratio
from verifier.report.wording import by_cause, extra_of
from verifier.vocabulary import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.judge.model import Expectation, Finding, Report, Totals


def sentence(report: Report) -> str:
    totals = report.totals
    if report.verdict is Verdict.INCONCLUSIVE:
        return _inconclusive(totals)
    meaning = _proved(totals) if report.verdict is Verdict.PROVED else _refuted(report)
    return f"{_counts(totals)}: {meaning}"


def _counts(totals: Totals) -> str:
    return f"{count(totals.requests, 'request')}, {count(totals.handshakes, 'handshake')}"


def _inconclusive(totals: Totals) -> str:
    if totals.requests or totals.handshakes:
        return f"{_counts(totals)} seen, but evidence is missing"
    return f"no request and no handshake in {count(totals.packets, 'packet')}"


def _proved(totals: Totals) -> str:
    if totals.extra_handshakes:
        return f"{totals.extra_handshakes:,} more than needed, within what is accepted"
    if totals.requests == 0:
        return "within what is accepted"
    if totals.handshakes == 0:
        return "the connections were opened before the capture began"
    if totals.handshakes == totals.requests == 1:
        return "one request needs one connection"
    if totals.reused_requests and totals.connections == 1:
        return "the connection was re-used"
    return "no connection was opened in vain"


def _refuted(report: Report) -> str:
    totals = report.totals
    if totals.extra_handshakes == 0:
        missed = [expectation for expectation in report.expectations if expectation.met is False]
        return " and ".join(_breach(expectation) for expectation in missed)
    if totals.reused_requests == 0 and totals.unknown_requests == 0 and totals.requests == totals.handshakes:
        return f"no re-use, where {count(totals.lower_bound, 'connection')} would do{_because(report)}"
    return f"{totals.extra_handshakes:,} more than needed{_because(report)}"


def _because(report: Report) -> str:
    """The biggest cause, as sure as it is, and whether it is all of them."""
    cause, findings = next(iter(by_cause(report.findings)), ("", ()))
    extra = extra_of(findings)
    if not extra:
        return ""
    from verifier.catalogue import CAUSES, UNKNOWN

    known = CAUSES.get(cause, UNKNOWN)
    if known is UNKNOWN:
        return f"; {UNKNOWN.brief}"
    sure = all(finding.confidence == "certain" for finding in findings)
    share = "" if extra >= report.totals.extra_handshakes else "mostly "
    return f", {'' if sure else 'probably '}{share}because {known.brief}{_limit(findings)}"


def _limit(findings: Sequence[Finding]) -> str:
    """The limit that was measured, if it is the same wherever it was."""
    limits = {(measured.value, measured.unit) for finding in findings for measured in finding.measured[:1]}
    if len(limits) != 1:
        return ""
    value, unit = limits.pop()
    if unit == "s":
        return f" after {duration(round(value * 1e9))}"
    return f" after {count(round(value), unit.removesuffix('s'))}"


def _breach(expectation: Expectation) -> str:
    if expectation.name == "max-handshakes":
        return f"at most {expectation.limit:,.0f} expected"
    if expectation.name == "min-reuse" and expectation.measured is not None:
        return (
            f"{ratio(expectation.measured)} of the requests re-used a connection, {ratio(expectation.limit)} expected"
        )
    return f"{expectation.name} is not met"
