from __future__ import annotations

import pytest

from verifier.figures import count, duration, ratio, size


def test_counts() -> None:
    assert count(1, "handshake") == "1 handshake"
    assert count(0, "handshake") == "0 handshakes"
    assert count(613_293, "request") == "613,293 requests"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ms"),
        (640, "640 ns"),
        (1_000, "0.001 ms"),
        (9_400, "0.009 ms"),
        (210_000, "0.21 ms"),
        (994_999, "0.99 ms"),
        (999_000, "1.0 ms"),
        (1_900_000, "1.9 ms"),
        (9_949_999, "9.9 ms"),
        (12_000_000, "12 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.0 s"),
        (5_000_000_000, "5.0 s"),
        (59_949_999_999, "59.9 s"),
        (59_999_999_999, "1 min"),
        (200_000_000_000, "3 min 20 s"),
        (3_599_600_000_000, "1 h"),
        (7_500_000_000_000, "2 h 5 min"),
        (172_769_000_000_000, "47 h 59 min"),
        (172_800_000_000_000, "2 days"),
        (273_600_000_000_000, "3 days 4 h"),
        (864_000_000_000_000, "10 days"),
        (423_230_400_000_000_000, "4,898 days"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (2040, "2.04 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (1_160_000_000, "1.16 GB"),
        (3_000_000_000_000, "3 TB"),
    ],
)
def test_sizes(octets: int, text: str) -> None:
    assert size(octets) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (1 / 3, "33.3 %"), (0.999999, "99.9 %"), (0.0000001, "0.1 %")],
)
def test_a_share_is_not_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert ratio(share) == text
