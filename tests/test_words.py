"""Sentences: grammar of numbers, and no sentence with a hole in it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.catalogue import CAUSES
from verifier.judge.causes import RULES
from verifier.judge.words import AFTER_UNUSED, GIVEN_UP, UNUSED, Group, listed, number, sentence, span, spread

SAID = {
    "server": ["10.0.0.2:80"],
    "gap": ["5.00 s", "1.00 s to 9.00 s"],
    "pause": ["2.00 s", ""],
    "waited": ["3.00 s", "1.00 ms to 3.00 s"],
    "counts": ["1", "100", "3 to 7"],
    "statuses": ["200", "413 and 503"],
    "names": ["a.example and b.example", "a.example"],
    "left": ["", "12,000"],
    "came": ["", "6.00 s"],
    "reused": ["", "8.00 s"],
}
"""What each field of words can be, the first where nothing else is asked for."""
KINDS = {name: str(kind) for name, kind in Group.__annotations__.items()}


def group(**fields: Any) -> Group:
    """One connection, whose predecessor carried one request, in the clear; and what is given."""
    words = {name: SAID.get(name, [""])[0] for name, kind in KINDS.items() if kind == "str"}
    plain: dict[str, Any] = {**dict.fromkeys(KINDS, False), **words, "most": 2, "kinds": {GIVEN_UP: 1}}
    return Group(**{**plain, "new": 1, "one": True, **fields})


PLAIN = group()


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (0, "0.00 ms"),
        (350_000, "0.35 ms"),
        (9_990_000, "9.99 ms"),
        (10_000_000, "10 ms"),
        (120_400_000, "120 ms"),
        (1_000_000_000, "1.00 s"),
        (5_004_000_000, "5.00 s"),
        (99_990_000_000, "99.99 s"),
        (350_000_000_000, "350 s"),
        (7_199_000_000_000, "7199 s"),
        (37_613_000_000_000, "10 h 27 min"),
    ],
)
def test_durations(nanoseconds: int, words: str) -> None:
    assert span(nanoseconds) == words


@given(st.integers(0, 7 * 10**12))
def test_durations_are_never_far_off(nanoseconds: int) -> None:
    value, unit = span(nanoseconds).split(" ")
    back = float(value) * {"ms": 1e6, "s": 1e9}[unit]
    assert abs(back - nanoseconds) <= max(nanoseconds * 0.051, 5_000)


def test_numbers() -> None:
    assert (number(1, "request"), number(2, "request"), number(12_345, "request")) == (
        "1 request",
        "2 requests",
        "12,345 requests",
    )


def test_spreads() -> None:
    assert spread([], str) == ""
    assert spread([5], str) == spread([5, 5], str) == "5"
    assert spread([7, 3, 5], str) == "3 to 7"
    assert spread([5_001_000_000, 5_003_000_000], span) == "5.00 s"


def test_lists() -> None:
    assert [listed(list("abcd"[:count])) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize("cause", sorted({rule.cause for rule in RULES}))
def test_each_cause_of_the_table_has_its_own_sentence(cause: str) -> None:
    if cause != "unknown":
        assert sentence(cause, PLAIN) != sentence("unknown", PLAIN)
        assert sentence(cause, PLAIN) != sentence("no-session", PLAIN) or cause == "no-session"


def any_field(name: str, kind: str) -> st.SearchStrategy[object]:
    if kind == "str":
        return st.sampled_from(SAID.get(name, [""]))
    if kind == "bool":
        return st.booleans()
    if name == "kinds":
        return st.dictionaries(st.sampled_from(range(9)), st.sampled_from([1, 2, 1200]), min_size=1)
    return st.sampled_from([1, 2, 3, 1200] if name == "new" else [2, 30])


groups = st.fixed_dictionaries({name: any_field(name, kind) for name, kind in KINDS.items()}).map(
    lambda fields: group(**{**fields, "one": fields["counts"] == "1"})
)


@given(st.sampled_from(sorted(CAUSES)), groups)
def test_sentences_have_no_holes(cause: str, some: Group) -> None:
    text = sentence(cause, some)
    assert text[0] == text[0].strip()
    assert not text.endswith((".", " ", ","))
    assert not re.search(r"  | [,.;:)]|\(\)|None|\b1 \w+s\b(?!:)", text.replace("1 to", "")), text


@given(st.sampled_from(sorted(CAUSES)), groups)
def test_a_thousand_connections_are_spoken_of_in_the_plural(cause: str, some: Group) -> None:
    text = sentence(cause, some._replace(new=1200))
    assert "1,20" in text or cause in ("host-spelling", "address-fallback", "address-rotation", "fork"), text


@pytest.mark.parametrize(
    ("cause", "changes", "words"),
    [
        ("server-idle-timeout", {}, "the server closed its connection 5.00 s after the last response"),
        ("server-reset-idle", {"with_reset": True}, "the server reset its connection 5.00 s after"),
        ("server-idle-timeout", {"new": 12}, "closed 12 connections"),
        ("max-requests-silent", {"counts": "100", "one": False}, "after 100 requests"),
        ("error-closes", {"statuses": "400 and 413"}, "(400 and 413)"),
        ("short-body", {"left": "12,000"}, "12,000 bytes were still to come"),
        ("short-body", {"left": "1"}, "1 byte was still to come"),
        ("body-unread", {"left": "1"}, "(1 byte never came)"),
        ("host-spelling", {}, "a.example and b.example"),
        ("client-timeout", {}, "3.00 s after the request"),
        ("keepalive-race", {}, "idle for 2.00 s"),
        ("alpn-fanout", {"new": 2}, "3 TLS connections"),
        ("unknown", {"kinds": {UNUSED: 1}}, "1 connection opened and never used"),
        (
            "unknown",
            {"new": 23, "kinds": {AFTER_UNUSED: 5, UNUSED: 18}},
            "23 connections opened, and nothing in the packets says why: 5 after one that was closed unused and 18",
        ),
        (
            "unknown",
            {"new": 2300, "kinds": {AFTER_UNUSED: 5, UNUSED: 18}},
            "why: some after one that was closed unused",
        ),
    ],
)
def test_a_sentence_has_the_numbers_of_its_capture(cause: str, changes: dict[str, object], words: str) -> None:
    assert words in sentence(cause, group(**changes))


def test_what_is_encrypted_was_not_read() -> None:
    """That a header announced the close is likely where TLS hides it, and not seen."""
    assert "answered with `Connection: close`" in sentence("response-close-header", PLAIN)
    assert "what it said is encrypted" in sentence("response-close-header", group(encrypted=True))
    assert "answered with" not in sentence("response-close-header", group(encrypted=True))
    several = group(encrypted=True, one=False, counts="3 to 7")
    assert "after what looks like 3 to 7 requests" in sentence("max-requests-announced", several)


@pytest.mark.parametrize("most", [0, 1])
def test_a_pool_is_full_also_where_requests_are_not_known_to_overlap(most: int) -> None:
    assert "made up to" not in sentence("pool-full", group(most=most))
    assert "made up to 2 requests" in sentence("pool-full", PLAIN)
