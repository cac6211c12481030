"""What repeats among connections: times that are the same, as far as timers go."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talks import S

from verifier.judge.repetition import alike, leeway

MS = 1_000_000


def column(times: list[int]) -> memoryview:
    """Times as a column of a table."""
    return memoryview(array("q", times))


@given(st.lists(st.integers(0, 100 * S), max_size=12))
def test_the_largest_group_of_times_that_are_alike(times: list[int]) -> None:
    places = list(alike(column(times)))
    chosen = sorted(times[place] for place in places)
    assert len(set(places)) == len(places) != 1

    def together(low: int, high: int) -> bool:
        return high - low <= leeway(low)

    assert not chosen or together(chosen[0], chosen[-1])
    largest = max((sum(low <= time and together(low, time) for time in times) for low in times), default=0)
    assert len(chosen) == (largest if largest > 1 else 0)


@pytest.mark.parametrize(
    ("times", "places"),
    [
        ([], []),
        ([5 * S], []),
        ([5 * S, 5 * S], [0, 1]),
        ([5 * S, 6 * S], []),
        ([9 * S, 5 * S, 5_400 * MS, 20 * S], [1, 2]),
        ([60 * S, 65 * S, 75 * S], [0, 1]),
        ([1 * S, 2 * S, 4 * S, 8 * S], []),
    ],
    ids=str,
)
def test_which_times_are_alike(times: list[int], places: list[int]) -> None:
    assert sorted(alike(column(times))) == places
