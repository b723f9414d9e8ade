"""What one model costs: periods of time, and in each period bands of input length, each with a rate a token class.

A `Sheet` is pure data, made by the book (`book.py`) and by the operator's file (`overrides.py`) and walked by the
rate table (`table.py`). Rates are pico-USD (1e-12 USD) a token, exact, as `Fraction`: USD per million tokens times
1,000,000. The last period whose rule is active wins; when none is, the first one does. Both are the law of
genai-prices, mirrored here, so that a call older than the first dated price is charged the oldest price known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
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
    """Pico-USD a token by class, a call (`fixed`) and a microsecond of a call's duration (`per_us`).

    `output` None: output of this model has no price. `per_us` None: the duration does not matter.
    """

    input: Fraction
    output: Fraction | None
    cache_read: Fraction
    cache_write: Fraction
    fixed: Fraction = Fraction(0)
    per_us: Fraction | None = None

    def times(self, share: Fraction) -> Rates:
        """All of them multiplied by `share`."""
        return Rates(
            self.input * share,
            None if self.output is None else self.output * share,
            self.cache_read * share,
            self.cache_write * share,
            self.fixed * share,
            None if self.per_us is None else self.per_us * share,
        )


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

    def edges(self) -> Sequence[int] | None:
        """Times (epoch ms) at which the answer of `active` may change; None when it changes by time of day."""
        return [edge for edge in (self.start_ms, self.end_ms) if edge is not None]

    @property
    def since(self) -> str:
        """The start as a date, or as an instant when it is no midnight; empty when open."""
        if self.start_ms is None:
            return ""
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.start_ms)
        return f"{start:%Y-%m-%d}" if self.start_ms % DAY_MS == 0 else start.isoformat().replace("+00:00", "Z")


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

    def edges(self) -> Sequence[int] | None:
        """See `Between.edges`."""
        return None

    @property
    def since(self) -> str:
        """The hours, as `daily 16:30-00:30`."""
        first, last = (f"{us // 3_600_000_000:02}:{us // 60_000_000 % 60:02}" for us in (self.start_us, self.end_us))
        return f"daily {first}-{last}"


@dataclass(frozen=True, slots=True)
class While:
    """Active while `base` is in its period number `index` and `rule` holds: what a discount on that period needs."""

    base: Sheet
    index: int
    rule: Between

    def active(self, time_ms: Ints) -> NDArray[np.bool_]:
        """Which of the times the rule holds for."""
        held: NDArray[np.bool_] = self.rule.active(time_ms) & (self.base.select(time_ms) == self.index)
        return held

    def edges(self) -> Sequence[int] | None:
        """See `Between.edges`."""
        base, own = self.base.edges(), self.rule.edges()
        return None if base is None or own is None else [*base, *own]

    @property
    def since(self) -> str:
        """Since when both hold, as far as both have a date."""
        base = self.base.periods[self.index].rule
        return max(self.rule.since, base.since) if isinstance(base, Between) else self.rule.since


@dataclass(frozen=True, slots=True)
class Period:
    """One price: when (`rule`), how much (`bands`, rising; the first is above -1), by whose word (`source`, `ref`).

    `status` is PRICED, FREE (the book says this model costs nothing) or a reason why there is no price; a period
    without a price has no bands.
    """

    rule: Between | Daily | While
    bands: tuple[Band, ...]
    source: str
    ref: str
    status: int = PRICED

    @property
    def charged(self) -> bool:
        """Whether this period gives a figure."""
        return self.status in (PRICED, FREE)

    def times(self, share: Fraction, rule: While, source: str, ref: str) -> Period:
        """This price multiplied by `share`, under another rule and name."""
        bands = tuple(replace(band, rates=band.rates.times(share)) for band in self.bands)
        return Period(rule, bands, source, ref, self.status)


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
            edges = period.rule.edges()
            if edges is None:
                return None
            found.update(edges)
        return sorted(found)

    def constant(self, edges: Sequence[int] | None, first_ms: int, last_ms: int) -> int | None:
        """The one period of all times from `first_ms` to `last_ms`, or None when there may be several."""
        if edges is None or bisect_right(edges, first_ms) != bisect_right(edges, last_ms):
            return None
        return int(self.select(np.array([first_ms], dtype=np.int64))[0])
