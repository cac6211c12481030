from __future__ import annotations

import pytest
from reports import encrypted, inconclusive, long_run, proved, refuted, totals

from verifier.judge.model import Expectation, Report
from verifier.report.headline import sentence
from verifier.vocabulary import Verdict


def with_totals(report: Report, **changes: int) -> Report:
    return report._replace(totals=report.totals._replace(**changes))


ONE_EACH = proved()._replace(totals=totals(connections=3, requests=3, needed=3))
BEFORE = with_totals(proved(), handshakes=0, reused_requests=1)
UNREADABLE = with_totals(refuted(), unknown_requests=3)
TOLERATED = long_run()._replace(verdict=Verdict.PROVED)
NOTHING = with_totals(inconclusive(), requests=0, handshakes=0, packets=12)
BROKEN = proved()._replace(
    verdict=Verdict.REFUTED,
    expectations=(
        Expectation("max-extra", 0, 0, met=True),
        Expectation("max-handshakes", 0, 1, met=False),
        Expectation("min-reuse", 0.9, 0.5, met=False),
    ),
)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (proved(), "2 requests, 1 handshake: the connection was re-used"),
        (ONE_EACH, "3 requests, 3 handshakes: no connection was opened in vain"),
        (proved()._replace(totals=totals(1, 1)), "1 request, 1 handshake: one request needs one connection"),
        (BEFORE, "2 requests, 0 handshakes: the connections were opened before the capture began"),
        (TOLERATED, "1,000 requests, 10 handshakes: 9 more than needed, within what is accepted"),
        (encrypted()._replace(verdict=Verdict.PROVED), "0 requests, 1 handshake: within what is accepted"),
        (refuted(), "3 requests, 3 handshakes: no re-use, where 1 connection would do"),
        (long_run(), "1,000 requests, 10 handshakes: 9 more than needed"),
        (UNREADABLE, "3 requests, 3 handshakes: 2 more than needed"),
        (
            BROKEN,
            "2 requests, 1 handshake: at most 0 expected and 50 % of the requests re-used a connection, 90 % expected",
        ),
        (inconclusive(), "2 requests, 1 handshake seen, but evidence is missing"),
        (NOTHING, "no request and no handshake in 12 packets"),
    ],
)
def test_the_verdict_in_one_sentence(report: Report, said: str) -> None:
    assert sentence(report) == said
