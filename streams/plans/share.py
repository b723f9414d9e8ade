"""Splitting an amount exactly: the shares are whole units and add up to the amount, always.

By largest remainder: each share is its exact part rounded down, and the units that are left go to the largest
remainders, of equal ones to the first. No share differs from its exact part by a unit or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def split(amount: int, weights: Sequence[int | Fraction]) -> list[int]:
    """`amount` (>= 0) by `weights` (>= 0, one of them more). Raises `ValueError` for others."""
    total = sum(weights, Fraction(0))
    if amount < 0 or total <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("an amount is split by weights that are not negative and not all nothing")
    exact = [amount * Fraction(weight) / total for weight in weights]
    shares = [part.numerator // part.denominator for part in exact]
    left = amount - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda at: (shares[at] - exact[at], at))
    for at in by_remainder[:left]:
        shares[at] += 1
    return shares
