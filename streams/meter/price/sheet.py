"""What one model costs: periods of time, and in each period bands of input length, each with a rate a token class.

A `Sheet` is pure data, made by the book (`book.py`) and by the operator's file (`overrides.py`) and walked by the
rate table (`table.py`). Rates are pico-USD (1e-12 USD) a token, exact, as `Fraction`: USD per million tokens times
1,000,000. The last period whose rule is active wins; when none is, the first one does. Both are the law of
genai-prices, mirrored here, so that a call older than the first dated price is charged the oldest price known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from streams.meter.price.status import FREE, PRICED

Ints = NDArray[np.int64]

DAY_MS = 86_400_000
PICO_PER_TOKEN = 1_000_000
"""Pico-USD a token for one USD per million tokens: 1e12 / 1e6."""


def pico_rate(usd_per_million: Decimal) -> Fraction:
    """Pico-USD a token, exact, of a price in USD per million tokens."""
    return Fraction(usd_per_million) * PICO_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-USD a token by class, and pico-USD a call (`fixed`). `output` None: output of this model has no price."""

    input: Fraction
    output: Fraction | None
    cache_read: Fraction
    cache_write: Fraction
    fixed: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Band:
    """`rates` hold for the whole call when its input tokens, cached ones included, are more than `above`."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Between:
    """Active from `start_ms` (inclusive) to `end_ms` (exclusive), epoch ms UTC; None is open."""

    start_ms: int | None = None
    end_ms: int | None = None

    def active(self, time_ms: Ints) -> NDArray[np.bool_]:
        """Which of the times the rule holds for."""
        held = np.ones(len(time_ms), dtype=np.bool_)
        if self.start_ms is not None:
            held &= time_ms >= self.start_ms
        if self.end_ms is not None:
            held &= time_ms < self.end_ms
        return held


@dataclass(frozen=True, slots=True)
class Daily:
    """Active each day from `start_us` (inclusive) to `end_us` (exclusive), microseconds after midnight UTC."""

    start_us: int
    end_us: int

    def active(self, time_ms: Ints) -> NDArray[np.bool_]:
        """Which of the times the rule holds for; an interval whose end is before its start crosses midnight."""
        of_day = (time_ms % DAY_MS) * 1000
        if self.end_us < self.start_us:
            return (of_day >= self.start_us) | (of_day < self.end_us)
        return (of_day >= self.start_us) & (of_day < self.end_us)


@dataclass(frozen=True, slots=True)
class Period:
    """One price: when (`rule`), how much (`bands`, rising; the first is above -1), by whose word (`source`, `ref`).

    `status` is PRICED, FREE (the book says this model costs nothing) or a reason why there is no price; a period
    without a price has no bands.
    """

    rule: Between | Daily
    bands: tuple[Band, ...]
    source: str
    ref: str
    status: int = PRICED

    @property
    def charged(self) -> bool:
        """Whether this period gives a figure."""
        return self.status in (PRICED, FREE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All periods of one model, later ones taking precedence over earlier ones. Never empty."""

    periods: tuple[Period, ...]

    def select(self, time_ms: Ints) -> NDArray[np.int64]:
        """Index of the period that each time falls in."""
        chosen = np.zeros(len(time_ms), dtype=np.int64)
        for index, period in enumerate(self.periods):
            chosen[period.rule.active(time_ms)] = index
        return chosen

    def edges(self) -> Sequence[int] | None:
        """Sorted times (epoch ms) at which the period may change; None when it changes by time of day."""
        found: set[int] = set()
        for period in self.periods:
            if isinstance(period.rule, Daily):
                return None
            found.update(edge for edge in (period.rule.start_ms, period.rule.end_ms) if edge is not None)
        return sorted(found)

    def constant(self, edges: Sequence[int] | None, first_ms: int, last_ms: int) -> int | None:
        """The one period of all times from `first_ms` to `last_ms`, or None when there may be several."""
        if edges is None or bisect_right(edges, first_ms) != bisect_right(edges, last_ms):
            return None
        return int(self.select(np.array([first_ms], dtype=np.int64))[0])
