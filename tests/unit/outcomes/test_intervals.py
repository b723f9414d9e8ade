"""Intervals against scipy and against published tables; their coverage where it can be computed exactly."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.outcomes.intervals import Counts, Stratum, difference, normal_quantile, wilson

stats: Any = importlib.import_module("scipy.stats")

counts = st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.999])


def compared(present: tuple[int, int], other: tuple[int, int], weight: float = 1.0) -> Stratum:
    return Stratum(Counts(*present), Counts(*other), weight)


@given(counts, confidences)
def test_wilson_is_that_of_scipy(count: tuple[int, int], confidence: float) -> None:
    expected = stats.binomtest(*count).proportion_ci(confidence, method="wilson")
    assert wilson(*count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(confidences)
def test_quantiles_are_those_of_scipy(confidence: float) -> None:
    assert normal_quantile(confidence) == pytest.approx(stats.norm.isf((1 - confidence) / 2), rel=1e-12)


def test_nothing_is_known_of_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(counts, confidences)
def test_wilson_holds_the_share_and_narrows_with_more_runs(count: tuple[int, int], confidence: float) -> None:
    hits, of = count
    low, high = wilson(hits, of, confidence)
    assert 0 <= low <= hits / of <= high <= 1
    narrow = wilson(4 * hits, 4 * of, confidence)
    assert narrow[1] - narrow[0] < high - low
    assert wilson(of - hits, of, confidence) == pytest.approx((1 - high, 1 - low), abs=1e-12)


# R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17
# (1998) 873-890, table II, method 10: first proportion less the second, 95 %.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_one_stratum_is_newcombes_interval(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = difference([compared(second, first)])
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.lists(st.tuples(counts, counts, st.floats(0.1, 10)), min_size=1, max_size=6), confidences)
def test_a_difference_turns_with_its_sides(
    strata: list[tuple[tuple[int, int], tuple[int, int], float]], confidence: float
) -> None:
    one = difference([compared(a, b, weight) for a, b, weight in strata], confidence)
    other = difference([compared(b, a, weight * 3) for a, b, weight in strata], confidence)
    assert one is not None
    assert other is not None
    assert -1 <= one.low <= one.estimate <= one.high <= 1
    assert (-other.high, -other.estimate, -other.low) == pytest.approx((one.low, one.estimate, one.high), abs=1e-9)


def test_strata_without_both_arms_say_nothing() -> None:
    assert difference([]) is None
    assert difference([compared((1, 2), (0, 0)), compared((0, 0), (1, 2)), compared((1, 2), (1, 2), 0.0)]) is None
    with_empty = difference([compared((1, 9), (3, 9)), compared((0, 0), (9, 9), 5.0)])
    assert with_empty == difference([compared((1, 9), (3, 9))])


@pytest.mark.parametrize(("p", "n"), [(0.5, 20), (0.9, 40), (0.98, 60)])
def test_coverage_of_the_difference_is_near_what_it_says(p: float, n: int) -> None:
    """Summed over all outcomes of two samples of one size: the hybrid score interval keeps 93 % and more at 95 %."""
    mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    covered = sum(
        mass[a] * mass[b]
        for a in range(n + 1)
        for b in range(n + 1)
        if (found := difference([compared((a, n), (b, n))])) and found.low <= 0 <= found.high
    )
    assert 0.93 <= covered <= 1
