"""Splitting is exact, fair to a unit, and the same each time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.plans.share import split

WEIGHTS = st.lists(st.integers(0, 10**18) | st.fractions(0, 10**9), min_size=1, max_size=30).filter(any)


@given(st.integers(0, 10**24), WEIGHTS)
def test_shares_add_up_and_none_is_off_by_a_unit(amount: int, weights: list[int | Fraction]) -> None:
    shares = split(amount, weights)
    total = sum(map(Fraction, weights), Fraction(0))
    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - amount * Fraction(weight) / total) < 1
        assert share >= 0
        assert weight or not share, "who has no weight has no share"


@given(st.integers(0, 10**15), WEIGHTS, st.integers(1, 1000))
def test_only_the_proportion_of_weights_counts(amount: int, weights: list[int | Fraction], factor: int) -> None:
    assert split(amount, weights) == split(amount, [weight * factor for weight in weights])


def test_left_units_go_to_the_largest_remainders_then_to_the_first() -> None:
    assert split(10, [1, 1, 1]) == [4, 3, 3]
    assert split(100, [Fraction(1, 3), Fraction(1, 6), Fraction(1, 2)]) == [33, 17, 50]
    assert split(0, [5, 0]) == [0, 0]


@pytest.mark.parametrize(("amount", "weights"), [(1, []), (1, [0, 0]), (-1, [1]), (1, [2, -1])])
def test_what_cannot_be_split_is_refused(amount: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="split by weights"):
        split(amount, weights)
