"""Confidence intervals at 95 %, without a statistics package."""

from __future__ import annotations

import math

Z = 1.959964


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Wilson's interval of a share; (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share = hits / of
    middle = share + Z * Z / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of))
    scale = 1 + Z * Z / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def poisson(count: int) -> tuple[float, float]:
    """The exact (Garwood) interval of a count, by the Wilson-Hilferty approximation of chi-squared; good to 1 % from
    one event on.
    """
    return (0.0 if not count else _gamma(count, -Z)), _gamma(count + 1, Z)


def _gamma(shape: int, z: float) -> float:
    return shape * (1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))) ** 3


def quantile(values: list[float], share: float) -> float | None:
    """The order statistic at `share`; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
