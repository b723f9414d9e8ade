"""Days, weeks and months of budgets: all UTC, a week begins on Monday, a month is the calendar's.

Times are integer epoch milliseconds. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.budgets import PeriodName

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Period:
    """`start_ms` <= time < `end_ms`."""

    name: PeriodName
    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """A month has 28 to 31 days."""
        return self.end_ms - self.start_ms

    def before(self) -> Period:
        """The period that ended when this one began."""
        return period_at(self.name, self.start_ms - 1)


def period_at(name: PeriodName, at_ms: int) -> Period:
    """The period that an instant lies in."""
    day = at_ms // DAY_MS * DAY_MS
    if name == "day":
        return Period(name, day, day + DAY_MS)
    date = datetime.fromtimestamp(day // 1000, UTC)
    if name == "week":
        start = day - date.weekday() * DAY_MS
        return Period(name, start, start + 7 * DAY_MS)
    first = date.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(name, _ms(first), _ms(following))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
