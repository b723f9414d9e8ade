"""Spend by hour, as the ledger's roll-up gives it: what every figure of a budget is a function of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.budgets.period import HOUR_MS


@dataclass(frozen=True, slots=True)
class Hours:
    """Spend of one budget. Keys are starts of hours in epoch ms, UTC; hours without calls may be missing.

    `pico`: 1e-12 USD, calls and adjustments added up. `unpriced`: calls that have no price, and are in no amount.
    """

    pico: Mapping[int, int] = field(default_factory=dict)
    unpriced: Mapping[int, int] = field(default_factory=dict)

    def until(self, at_ms: int) -> Hours:
        """Only the hours that begin at or before `at_ms`."""
        return Hours(
            {hour: amount for hour, amount in self.pico.items() if hour <= at_ms},
            {hour: calls for hour, calls in self.unpriced.items() if hour <= at_ms},
        )

    def between(self, start_ms: int, end_ms: int) -> int:
        """Pico-USD of the whole hours that begin in [start, end)."""
        return sum(amount for hour, amount in self.pico.items() if start_ms <= hour < end_ms)

    def unpriced_between(self, start_ms: int, end_ms: int) -> int:
        """Unpriced calls of the hours that begin in [start, end)."""
        return sum(calls for hour, calls in self.unpriced.items() if start_ms <= hour < end_ms)

    def window(self, now_ms: int, hours: int) -> int:
        """Pico-USD of the last `hours` x 60 minutes before `now_ms`.

        Of the oldest hour, which lies half inside, the share that lies inside; the hour that runs counts as far as it
        came.
        """
        start = now_ms - hours * HOUR_MS
        total = 0
        for hour, amount in self.pico.items():
            if start <= hour <= now_ms:
                total += amount
            elif start - HOUR_MS < hour < start:
                total += amount * (hour + HOUR_MS - start) // HOUR_MS
        return total
