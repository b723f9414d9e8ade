"""Hours, days and months (UTC), and how much of one a plan covers. Pure; times are epoch ms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from schemas.plans import Plan

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Stretch:
    """A whole period, and the part of it in which the plan holds; ends are exclusive. All are whole hours."""

    whole_start_ms: int
    whole_end_ms: int
    start_ms: int
    end_ms: int

    @property
    def share(self) -> Fraction:
        """How much of the period the plan covers."""
        return Fraction(self.end_ms - self.start_ms, self.whole_end_ms - self.whole_start_ms)


def day_ms(day: date) -> int:
    """The start of a day."""
    return (day - date(1970, 1, 1)).days * DAY_MS


def day_of(ms: int) -> date:
    """The day of a time."""
    return date(1970, 1, 1) + timedelta(days=ms // DAY_MS)


def month_start(ms: int) -> int:
    """The start of a time's month."""
    return day_ms(day_of(ms).replace(day=1))


def next_month(ms: int) -> int:
    """The start of the month after a time's."""
    return day_ms((day_of(ms).replace(day=1) + timedelta(days=32)).replace(day=1))


def month_name(ms: int) -> str:
    """`2026-03`."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m}"


def stretches(plan: Plan, month_ms: int) -> Iterator[Stretch]:
    """The periods of a plan that lie in a month, as far as it holds; one month for a plan without periods."""
    end_of_month = next_month(month_ms)
    holds_from = day_ms(plan.start)
    holds_to = end_of_month if plan.end is None else day_ms(plan.end)
    step = {"hour": HOUR_MS, "day": DAY_MS}.get(plan.period or "month", end_of_month - month_ms)
    for start in range(month_ms, end_of_month, step):
        first, last = max(start, holds_from), min(start + step, holds_to)
        if first < last:
            yield Stretch(start, start + step, first, last)
