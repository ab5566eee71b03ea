"""Draws depend on their parts alone."""

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline import seeds


def test_the_same_parts_draw_the_same() -> None:
    """The parts with their lengths, hashed: a change here changes every dataset that was ever made."""
    assert seeds.digest(0, "split", "goal") == hashlib.sha256(b"1:05:split4:goal").digest()
    assert seeds.pick("abcdef", 7, "x") == seeds.pick("abcdef", 7, "x")


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_other_parts_draw_something_else(one: list[str], other: list[str]) -> None:
    """Also parts that spell the same when they are put together."""
    assert (seeds.digest(*one) == seeds.digest(*other)) is (one == other)


def test_draws_are_even() -> None:
    """Each of four options between a fifth and a third of the time."""
    found = Counter(seeds.pick("abcd", 0, n) for n in range(2000))
    assert all(400 < n < 667 for n in found.values()), found
    assert all(0 <= seeds.uniform(n) < 1 for n in range(100))
