"""Burn rates: how fast a budget is spent, over a long and a short window together.

Rate 1 spends the amount evenly, in exactly one period. An alert is on while spend runs at a pair's rate in BOTH its
windows: the long one says that it matters, so a brief burst does not page; the short one says that it still goes on, so
the alert ends soon after its cause; a slow leak fills even a long window. After Google, "The Site Reliability
Workbook", chapter 5, "Alerting on SLOs", approach 6 (multiwindow, multi-burn-rate), which takes short windows of 1/12
of the long; here no window is shorter than an hour, since budgets are read by the hour: what must be seen within
seconds is the watcher's to see.

The usual pairs leave room for days as people work: eight hours a day spend at 3 times the even pace of the day while
they last, forty hours a week at 4.2 times that of the week; and a working day is 1.4 times an even one.

Rates are integers in thousandths, so that no alert hangs on the last bit of a float. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.budgets import Budget, PeriodName, SeverityName
from streams.budgets.hours import Hours
from streams.budgets.period import HOUR_MS, Period

ENDS_AT: Final = 800
"""An alert that is on ends when a window is below so many thousandths of the rate: else it would flutter around it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows in hours, a rate in thousandths, and how bad it is."""

    long_hours: int
    short_hours: int
    rate: int
    severity: SeverityName

    @property
    def mark(self) -> str:
        """`6/1`."""
        return f"{self.long_hours}/{self.short_hours}"


USUAL: Final[Mapping[PeriodName, tuple[Pair, ...]]] = {
    "day": (Pair(2, 1, 6000, "warning"), Pair(6, 2, 3500, "ticket")),  # 50 and 88 % of a day's amount
    "week": (Pair(6, 1, 6000, "warning"), Pair(24, 2, 2500, "ticket")),  # 21 and 36 % of a week's
    "month": (Pair(6, 1, 6000, "warning"), Pair(72, 6, 2000, "ticket")),  # 5 and 20 % of a month's
}
"""The workbook's second and third row (5 % of a month in 6 hours, and 3 days), with room as said above."""


@dataclass(frozen=True, slots=True)
class Burning:
    """The rates of one pair, in thousandths."""

    pair: Pair
    long: int
    short: int

    @property
    def over(self) -> bool:
        """Both windows are at the rate: an alert comes on."""
        return min(self.long, self.short) >= self.pair.rate

    def goes_on(self, before: bool) -> bool:
        """Whether the alert is on, when it was on `before` or not."""
        limit = self.pair.rate * ENDS_AT // 1000 if before else self.pair.rate
        return min(self.long, self.short) >= limit


def has_pace(budget: Budget) -> bool:
    """Whether spend of a period says anything about the rest of it. A run spends while it lasts, and then no more."""
    return budget.each != "run" and not budget.scope.run


def pairs_of(budget: Budget) -> tuple[Pair, ...]:
    """The budget's own pairs, else the usual ones of its period; none for runs, which have no pace."""
    if budget.burn is None:
        return USUAL[budget.period] if has_pace(budget) else ()
    return tuple(Pair(burn.long_hours, burn.short_hours, int(burn.rate * 1000), burn.severity) for burn in budget.burn)


def burn_rates(budget: Budget, amount_pico: int, period: Period, hours: Hours, now_ms: int) -> tuple[Burning, ...]:
    """The rates of all pairs at `now_ms`. Windows may reach back before the period: a pace knows no midnight."""

    def rate(window: int) -> int:
        return hours.window(now_ms, window) * period.length_ms * 1000 // (amount_pico * window * HOUR_MS)

    return tuple(Burning(pair, rate(pair.long_hours), rate(pair.short_hours)) for pair in pairs_of(budget))
