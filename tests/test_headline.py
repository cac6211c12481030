from __future__ import annotations

import pytest
from craft import START_NS, Conversation, get, merged, packets, tls13_opening
from examine import examine
from reports import (
    encrypted,
    idle_timeout,
    inconclusive,
    long_run,
    many_causes,
    proved,
    refuted,
    separate_pools,
    totals,
    with_findings,
)

from verifier.judge.model import Expectation, Finding, Report
from verifier.report.headline import sentence
from verifier.report.text import render
from verifier.spelling import Style
from verifier.vocabulary import Verdict


def because(*findings: Finding) -> Report:
    return with_totals(refuted()._replace(findings=findings), reused_requests=1)


def with_totals(report: Report, **changes: int) -> Report:
    return report._replace(totals=report.totals._replace(**changes))


ONE_EACH = proved()._replace(totals=totals(connections=3, requests=3, needed=3))
BEFORE = with_totals(proved(), handshakes=0, reused_requests=1)
UNREADABLE = with_totals(refuted(), unknown_requests=3)
TUNNELLED = with_totals(proved(), requests=3, reused_requests=2, connect_requests=1)
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
        (encrypted()._replace(verdict=Verdict.PROVED), "requests unknown, 1 handshake: within what is accepted"),
        (TUNNELLED, "2 requests and 1 CONNECT, 1 handshake: the connection was re-used"),
        (with_totals(TUNNELLED, requests=2), "1 request and 1 CONNECT, 1 handshake: one request needs one connection"),
        (with_totals(refuted(), connect_requests=3), "3 CONNECTs, 3 handshakes: 2 more than needed"),
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


def secret(port: int, second: int, server: tuple[str, int] = ("10.0.0.2", 443)) -> Conversation:
    """A TLS connection, opened and closed."""
    talk = Conversation(("10.0.0.1", port), server, now=START_NS + second * 10**9)
    tls13_opening(talk)
    talk.close("client")
    return talk


def refused(port: int) -> Conversation:
    talk = Conversation(("10.0.0.1", port), ("10.0.0.9", 443), now=START_NS)
    talk.syn()
    talk.reset("server")
    return talk


@pytest.mark.parametrize(
    ("talks", "said"),
    [
        (
            [secret(40000, 0)],
            "1 handshake: whatever was requested went over this one connection, but the requests can't be read",
        ),
        (
            [refused(39999), secret(40000, 1)],
            "1 handshake: whatever was requested went over this one connection, but the requests can't be read",
        ),
        (
            [secret(40000, 0), secret(40001, 5)],
            "2 handshakes, 1 more than needed if each carried requests, which can't be read",
        ),
        (
            [secret(40000, 0), secret(40001, 0)],
            "2 handshakes; whether fewer would have done only the requests tell, and they can't be read",
        ),
        (
            [secret(40000, 0), secret(40001, 5, ("10.0.0.3", 443))],
            "2 handshakes, one for each client and server, but the requests can't be read",
        ),
    ],
    ids=["one", "one attempt failed", "two", "at once", "two servers"],
)
def test_what_handshakes_say_where_nothing_can_be_read(talks: list[Conversation], said: str) -> None:
    report = examine(packets(merged(*talks)))
    assert (report.verdict, sentence(report)) == (Verdict.INCONCLUSIVE, said)
    drawn = render(report, Style(120, color=False, unicode=True), 3)
    (row,) = [line for line in drawn.splitlines() if line.startswith("  10.0.0.1 → 10.0.0.2:443 ")]
    _, _, _, connections, handshakes, _, extra, *requests = row.split()
    assert connections == handshakes
    assert requests[:2] == ["unknown", "unknown"]
    assert extra == ("0" if handshakes == "1" else "1" if "1 more" in said else "unknown")


def test_requests_that_nobody_can_read_are_not_none() -> None:
    """The capture begins inside of a TLS connection."""
    report = examine(packets(secret(40000, 0).segments[3:]))
    assert sentence(report) == "requests unknown, 0 handshakes seen, but evidence is missing"


def test_a_connection_in_place_of_one_that_was_forgotten_is_told_beside_the_verdict() -> None:
    """It is no extra one by the count: the other has a request without an end."""
    old, new = Conversation(now=START_NS), Conversation(("10.0.0.1", 40001), now=START_NS + 403 * 10**9)
    old.handshake()
    old.exchange(1)
    old.now += 400 * 10**9
    old.say("client", "PA", get("/again"))
    for _ in range(4):
        old.now += 10**9
        old.segments.append(old.segments[-1]._replace(ts_ns=old.now))
    new.handshake()
    new.exchange(2)
    report = examine(packets(merged(old, new)))
    assert report.totals.extra_handshakes == 0
    assert sentence(report).endswith(
        ": no handshake counts as extra, but 1 connection was opened, probably because something between client and"
        " server forgot idle connections"
    )


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            with_findings(),
            "no re-use, where 1 connection would do, because the server closed idle connections after 5.0 s",
        ),
        (because(idle_timeout()), "2 more than needed, because the server closed idle connections after 5.0 s"),
        (
            because(idle_timeout()._replace(extra=1)),
            "2 more than needed, 1 of them because the server closed idle connections after 5.0 s",
        ),
        (
            with_totals(because(idle_timeout()), extra_handshakes=3),
            "3 more than needed, mostly because the server closed idle connections after 5.0 s",
        ),
        (
            because(separate_pools()._replace(extra=2)),
            "2 more than needed, probably because several pools in the client did not share connections",
        ),
        (
            because(separate_pools()),
            "2 more than needed, probably 1 of them because several pools in the client did not share connections",
        ),
        (because(idle_timeout()._replace(cause="unknown")), "2 more than needed; the packets don't show why"),
        (because(idle_timeout()._replace(extra=0)), "2 more than needed"),
        (
            many_causes(),
            "132,725 more than needed, 60,000 of them because the server closed idle connections after 5.0 s",
        ),
    ],
)
def test_the_biggest_cause(report: Report, said: str) -> None:
    assert sentence(report).partition(": ")[2] == said


def test_a_limit_is_told_where_all_agree_on_it() -> None:
    timeout = idle_timeout()
    other = timeout._replace(pair=1, measured=(timeout.measured[0]._replace(value=60.0),))
    assert sentence(because(timeout, other)).endswith("the server closed idle connections")
    limit = timeout.measured[0]._replace(value=100.0, unit="requests")
    report = because(timeout._replace(cause="max-requests-announced", measured=(limit,)))
    assert sentence(report).endswith("the server ended connections at its limit after 100 requests")
