"""`weigh` as a table: what was expected, counted and missing, and the only verdict that may come of it."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.judge.model import Expectation, Missing
from verifier.judge.options import Expectations
from verifier.judge.verdict import Measured, weigh
from verifier.vocabulary import Reason, Verdict

pytestmark = pytest.mark.core

KEPT = Measured(
    connections=1,
    handshakes=1,
    perhaps_handshakes=0,
    requests=4,
    reused=3,
    perhaps_reused=0,
    extra=0,
    certain_extra=0,
    requests_known=True,
)
"""One connection, four requests one behind the other."""
WASTED = KEPT._replace(connections=4, handshakes=4, reused=0, extra=3, certain_extra=3)
"""The same on four connections."""
WASTED_PERHAPS = WASTED._replace(certain_extra=0, requests_known=False)
"""As many handshakes, but there may have been more requests than are counted."""
KEPT_PERHAPS = KEPT._replace(requests_known=False)

EXPECTED = {
    "nothing": Expectations(),
    "max-extra": Expectations(max_extra=1),
    "max-handshakes": Expectations(max_handshakes=2),
    "min-reuse": Expectations(min_reuse=0.5),
    "all three": Expectations(max_extra=1, max_handshakes=2, min_reuse=0.5),
}
"""KEPT meets each of them, WASTED breaks each."""

proved, refuted, inconclusive = Verdict.PROVED, Verdict.REFUTED, Verdict.INCONCLUSIVE


def missing(*codes: Reason) -> list[Missing]:
    return [Missing(code, f"because of {code}") for code in codes]


def verdict(expected: Expectations, measured: Measured, *codes: Reason) -> Verdict:
    return weigh(expected, measured, missing(*codes))[0]


# -- nothing is missing


@pytest.mark.parametrize("name", EXPECTED)
def test_complete_evidence_decides(name: str) -> None:
    assert verdict(EXPECTED[name], KEPT) is proved
    assert verdict(EXPECTED[name], WASTED) is refuted


class Limit(NamedTuple):
    """An expectation just where it turns."""

    expected: Expectations
    measured: Measured
    verdict: Verdict


LIMITS = [
    Limit(Expectations(max_extra=3), WASTED, proved),
    Limit(Expectations(max_extra=2), WASTED, refuted),
    Limit(Expectations(max_extra=0), KEPT, proved),
    Limit(Expectations(max_handshakes=4), WASTED, proved),
    Limit(Expectations(max_handshakes=3), WASTED, refuted),
    Limit(Expectations(max_handshakes=0), KEPT, refuted),
    Limit(Expectations(max_handshakes=0), KEPT._replace(handshakes=0), proved),
    Limit(Expectations(max_handshakes=0), KEPT._replace(handshakes=0, connections=0), inconclusive),
    Limit(Expectations(min_reuse=0.75), KEPT, proved),
    Limit(Expectations(min_reuse=0.76), KEPT, refuted),
    Limit(Expectations(min_reuse=0.0), WASTED, proved),
    Limit(Expectations(min_reuse=1.0), KEPT, refuted),
]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.expected} {limit.verdict}")
def test_limits_are_inclusive(limit: Limit) -> None:
    assert verdict(limit.expected, limit.measured) is limit.verdict


def test_no_request_has_no_share_of_reuse() -> None:
    nothing = KEPT._replace(requests=0, reused=0)
    for ratio in (0.0, 0.5, 1.0):
        result, (expectation,) = weigh(Expectations(min_reuse=ratio), nothing, [])
        assert result is inconclusive
        assert expectation == Expectation("min-reuse", ratio, None, None)


def test_one_broken_expectation_is_enough() -> None:
    result, results = weigh(Expectations(max_extra=9, max_handshakes=3, min_reuse=0.0), WASTED, [])
    assert result is refuted
    assert [item.met for item in results] == [True, False, True]


def test_what_is_reported_of_each_expectation() -> None:
    assert weigh(EXPECTED["all three"], WASTED, [])[1] == (
        Expectation("max-extra", 1, 3, False),
        Expectation("max-handshakes", 2, 4, False),
        Expectation("min-reuse", 0.5, 0.0, False),
    )
    assert weigh(Expectations(), KEPT, [])[1] == (Expectation("max-extra", 0, 0, True),)


def test_the_default_holds_only_where_nothing_is_expected() -> None:
    assert [item.name for item in weigh(Expectations(max_handshakes=9), WASTED, [])[1]] == ["max-handshakes"]
    assert [item.name for item in weigh(Expectations(min_reuse=0.0), WASTED, [])[1]] == ["min-reuse"]


# -- something is missing


@pytest.mark.parametrize(("name", "reason"), list(product(EXPECTED, Reason)))
def test_missing_evidence_takes_the_proof_away(name: str, reason: Reason) -> None:
    """But for handshakes alone, which are whole where requests merely can't be read."""
    still = name == "max-handshakes" and reason is Reason.REQUESTS_UNREADABLE
    assert verdict(EXPECTED[name], KEPT_PERHAPS, reason) is (proved if still else inconclusive)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.REQUESTS_UNREADABLE])
def test_unreadable_requests_beside_worse(reason: Reason) -> None:
    assert verdict(Expectations(max_handshakes=2), KEPT_PERHAPS, Reason.REQUESTS_UNREADABLE, reason) is inconclusive


@pytest.mark.parametrize(("name", "reason"), list(product(EXPECTED, Reason)))
def test_only_handshakes_refute_where_requests_are_not_known(name: str, reason: Reason) -> None:
    counts_handshakes = EXPECTED[name].max_handshakes is not None
    assert verdict(EXPECTED[name], WASTED_PERHAPS, reason) is (refuted if counts_handshakes else inconclusive)


@pytest.mark.parametrize("reason", list(Reason))
def test_handshakes_that_were_seen_stay_seen(reason: Reason) -> None:
    assert verdict(Expectations(max_handshakes=3), WASTED, reason) is refuted


@pytest.mark.parametrize("name", EXPECTED)
def test_a_pair_whose_requests_are_known_refutes_beside_one_whose_are_not(name: str) -> None:
    """Two extra handshakes are certain, a third is not."""
    measured = WASTED._replace(certain_extra=2, requests_known=False)
    by_other_means = name == "min-reuse"
    assert verdict(EXPECTED[name], measured, Reason.REQUESTS_UNREADABLE) is (
        inconclusive if by_other_means else refuted
    )
    assert verdict(Expectations(max_extra=2), measured, Reason.REQUESTS_UNREADABLE) is inconclusive


@pytest.mark.parametrize(
    ("perhaps", "expected"), [(0, refuted), (1, refuted), (2, inconclusive), (4, inconclusive)], ids=str
)
def test_requests_that_perhaps_re_used_count_neither_way(perhaps: int, expected: Verdict) -> None:
    measured = WASTED._replace(perhaps_reused=perhaps)
    assert verdict(Expectations(min_reuse=0.5), measured, Reason.HANDSHAKE_NOT_SEEN) is expected
    assert verdict(Expectations(min_reuse=0.5), measured) is expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(3, refuted), (4, inconclusive), (5, inconclusive), (6, proved)], ids=str
)
def test_handshakes_that_perhaps_were_made_count_neither_way(limit: int, expected: Verdict) -> None:
    """Four that were seen, and two connections of which nobody knows."""
    measured = WASTED._replace(perhaps_handshakes=2)
    assert verdict(Expectations(max_handshakes=limit), measured) is expected


# -- all at once


@st.composite
def counts(draw: st.DrawFn) -> Measured:
    """Counts that can come of one capture."""
    requests = draw(st.integers(0, 6))
    reused = draw(st.integers(0, requests))
    extra = draw(st.integers(0, 4))
    handshakes = draw(st.integers(extra, extra + 4))
    known = draw(st.booleans())
    return Measured(
        connections=draw(st.integers(handshakes, handshakes + 2)),
        handshakes=handshakes,
        perhaps_handshakes=draw(st.integers(0, 1)),
        requests=requests,
        reused=reused,
        perhaps_reused=draw(st.integers(0, requests - reused)),
        extra=extra,
        certain_extra=extra if known else draw(st.integers(0, extra)),
        requests_known=known,
    )


def maybe(values: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | values


expectations = st.builds(
    Expectations,
    max_extra=maybe(st.integers(0, 5)),
    max_handshakes=maybe(st.integers(0, 8)),
    min_reuse=st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)


handshakes_alone = st.integers(4, 9).map(lambda limit: Expectations(max_handshakes=limit))


@settings(max_examples=500)
@given(expectations | handshakes_alone, counts(), st.lists(st.sampled_from(list(Reason)), max_size=3))
def test_never_a_false_verdict(expected: Expectations, measured: Measured, codes: list[Reason]) -> None:
    result, results = weigh(expected, measured, missing(*codes))
    rests_on_handshakes = expected.max_extra is None and expected.min_reuse is None
    if result is proved:
        assert results
        assert all(item.met is True for item in results)
        if expected.max_handshakes is not None and rests_on_handshakes:
            assert set(codes) <= {Reason.REQUESTS_UNREADABLE}
            assert measured.handshakes + measured.perhaps_handshakes <= expected.max_handshakes
        else:
            assert not codes
        for item in results:
            assert item.measured is not None
            assert item.measured >= item.limit if item.name == "min-reuse" else item.measured <= item.limit
    if result is refuted:
        assert any(item.met is False for item in results)
        over = expected.max_handshakes is not None and measured.handshakes > expected.max_handshakes
        assert over or measured.certain_extra or measured.requests_known
    assert (result is refuted) == any(item.met is False for item in results)


@given(expectations, counts(), st.sampled_from(list(Reason)))
def test_more_missing_evidence_never_makes_a_verdict_firmer(
    expected: Expectations, measured: Measured, code: Reason
) -> None:
    before, after = verdict(expected, measured), verdict(expected, measured, code)
    assert after in (before, inconclusive)
