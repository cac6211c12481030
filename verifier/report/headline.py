"""The verdict in one sentence: the counts, then what they mean. Words chosen by the report's numbers, no new numbers.

The sentence may say less than the report knows, never more: "no request re-used a connection" only where every request
could be read.
"""

from __future__ import annotations

from verifier.figures import count, duration, ratio
from verifier.report.wording import asked, by_cause, extra_of, requests, unreadable
from verifier.vocabulary import Reason, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.judge.model import Expectation, Finding, Report

FORGOTTEN = "path-dropped"
"""The one cause of connections opened in vain that the count does not show."""


def sentence(report: Report) -> str:
    if report.verdict is Verdict.INCONCLUSIVE:
        return _inconclusive(report)
    meaning = _proved(report) if report.verdict is Verdict.PROVED else _refuted(report)
    return f"{_counts(report)}: {meaning}"


def _counts(report: Report) -> str:
    totals = report.totals
    told = "requests unknown" if unreadable(report) and not totals.requests else requests(totals)
    return f"{told}, {count(totals.handshakes, 'handshake')}"


def _inconclusive(report: Report) -> str:
    totals = report.totals
    if {missing.code for missing in report.inconclusive_because} == {Reason.REQUESTS_UNREADABLE} and totals.handshakes:
        return _unreadable(report)
    if totals.requests or totals.handshakes or unreadable(report):
        return f"{_counts(report)} seen, but evidence is missing"
    return f"no request and no handshake in {count(totals.packets, 'packet')}"


def _unreadable(report: Report) -> str:
    """What handshakes say alone, where all of them are in the capture, and nothing is missing but what was asked."""
    totals = report.totals
    if totals.requests:
        return f"{_counts(report)} seen; other requests can't be read, and they may have needed more connections"
    if totals.connections - totals.failed_attempts == totals.handshakes == 1:
        return "1 handshake: whatever was requested went over this one connection, but the requests can't be read"
    handshakes = count(totals.handshakes, "handshake")
    if totals.connections == totals.handshakes == len(report.pairs):
        return f"{handshakes}, one for each client and server, but the requests can't be read"
    if totals.extra_handshakes:
        return (
            f"{handshakes}, {totals.extra_handshakes:,} more than needed if each carried requests, which can't be read"
        )
    return f"{handshakes}; whether fewer would have done only the requests tell, and they can't be read"


def _proved(report: Report) -> str:
    totals = report.totals
    forgotten = [finding for finding in report.findings if finding.cause == FORGOTTEN and not finding.extra]
    if forgotten and not totals.extra_handshakes:
        return f"no handshake counts as extra, but {_in_place(forgotten)}"
    if totals.extra_handshakes:
        return f"{totals.extra_handshakes:,} more than needed, within what is accepted"
    if totals.requests == 0:
        return "within what is accepted"
    if any(missing.code is Reason.REQUESTS_UNREADABLE for missing in report.inconclusive_because):
        return "within what is accepted; other requests can't be read"
    if totals.handshakes == 0:
        return "the connections were opened before the capture began"
    if totals.handshakes == asked(totals) == 1:
        return "one request needs one connection"
    if totals.reused_requests and totals.connections == 1:
        return "the connection was re-used"
    return "no connection was opened in vain"


def _in_place(findings: Sequence[Finding]) -> str:
    """Connections in place of others that are in use for good, by the count: with a request that went nowhere."""
    from verifier.catalogue import CAUSES

    number = sum(len(finding.connections) for finding in findings)
    opened = f"{count(number, 'connection')} {'was' if number == 1 else 'were'} opened"
    sure = all(finding.confidence == "certain" for finding in findings)
    return f"{opened}, {'' if sure else 'probably '}because {CAUSES[FORGOTTEN].brief}"


def _refuted(report: Report) -> str:
    totals = report.totals
    if totals.extra_handshakes == 0:
        missed = [expectation for expectation in report.expectations if expectation.met is False]
        return " and ".join(_breach(expectation) for expectation in missed)
    each = totals.reused_requests == 0 and totals.unknown_requests == 0 and totals.requests == totals.handshakes
    # What is asked inside of a tunnel may be known to nobody.
    if each and not totals.connect_requests:
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
    return f", {'' if sure else 'probably '}{_share(extra, report.totals.extra_handshakes)}because" + (
        f" {known.brief}{_limit(findings)}"
    )


def _share(part: int, whole: int) -> str:
    """In front of `because`: how many of them."""
    if part >= whole:
        return ""
    return "mostly " if part * 2 > whole else f"{part:,} of them "


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
