"""Confidence intervals of shares and of differences of shares, without a statistics package.

    wilson           E. B. Wilson (1927), the score interval of one share
    difference       MOVER (Zou, Huang, Zhang 2009) of Wilson intervals for a weighted sum of differences; with one
                     stratum it is Newcombe's hybrid score interval (1998, method 10)

All take `confidence` two-sided: 0.95 leaves 2.5 % on each side. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist


@lru_cache(maxsize=64)
def normal_quantile(confidence: float) -> float:
    """The z that leaves (1 - confidence) / 2 above it."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of hits / of; (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    share = hits / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    low = 0.0 if hits == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if hits == of else min(1.0, (middle + spread) / scale)
    return low, high


@dataclass(frozen=True, slots=True)
class Counts:
    """Successes among runs."""

    hits: int
    of: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """Two arms that may be compared: what is, and what it would be replaced by; `weight` of any scale, >= 0."""

    present: Counts
    other: Counts
    weight: float


@dataclass(frozen=True, slots=True)
class Difference:
    """`other` less `present`, weighted over strata: an estimate and its interval."""

    estimate: float
    low: float
    high: float


def difference(strata: Sequence[Stratum], confidence: float = 0.95) -> Difference | None:
    """Over strata that have runs in both arms; None when there is none (or all weights are 0)."""
    usable = [stratum for stratum in strata if stratum.present.of and stratum.other.of and stratum.weight > 0]
    total = sum(stratum.weight for stratum in usable)
    if not total:
        return None
    estimate = below = above = 0.0
    for stratum in usable:
        weight = stratum.weight / total
        present, other = stratum.present, stratum.other
        share, replaced = other.hits / other.of, present.hits / present.of
        low, high = wilson(other.hits, other.of, confidence)
        replaced_low, replaced_high = wilson(present.hits, present.of, confidence)
        estimate += weight * (share - replaced)
        below += weight**2 * ((share - low) ** 2 + (replaced_high - replaced) ** 2)
        above += weight**2 * ((high - share) ** 2 + (replaced - replaced_low) ** 2)
    return Difference(estimate, max(-1.0, estimate - math.sqrt(below)), min(1.0, estimate + math.sqrt(above)))
