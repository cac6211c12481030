"""The bits that situations are made of."""

from __future__ import annotations

from verifier.judge import facts
from verifier.judge.causes import RULES

BITS = {name: value for name, value in vars(facts).items() if name.isupper() and isinstance(value, int)}
FIRST_OF_TWO = "OPEN_IDLE"
"""The first name of the second word."""


def words() -> tuple[dict[str, int], dict[str, int]]:
    names = list(BITS)
    at = names.index(FIRST_OF_TWO)
    return {name: BITS[name] for name in names[:at]}, {name: BITS[name] for name in names[at:]}


def test_each_fact_is_a_bit_of_its_own() -> None:
    for word in words():
        assert all(value.bit_count() == 1 for value in word.values())
        assert len(set(word.values())) == len(word)
        assert max(word.values()) < 1 << 64


def test_rows_ask_of_each_word_what_it_has() -> None:
    ended, stands = (sum(word.values()) for word in words())
    for rule in RULES:
        assert not (rule.ended | rule.either | rule.unless) & ~ended, rule
        assert not (rule.stands | rule.not_stands) & ~stands, rule


def test_no_row_contradicts_itself() -> None:
    for rule in RULES:
        assert not (rule.ended & rule.unless), rule
        assert not (rule.stands & rule.not_stands), rule
        assert not rule.either or rule.either & ~rule.unless, rule
        closers = rule.ended & (facts.CLIENT_FIRST | facts.SERVER_FIRST | facts.BOTH_FIRST | facts.STILL_OPEN)
        assert closers.bit_count() <= 1, rule
        states = rule.stands & (facts.OPEN_IDLE | facts.OPEN_BUSY | facts.CLOSED)
        assert states.bit_count() <= 1, rule
