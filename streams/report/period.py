"""Which days a report is about, and which it is compared with. All days are UTC; `now` is passed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from streams.errors import UsageError


@dataclass(frozen=True, slots=True)
class Period:
    """`start` <= time < `end`, both whole hours in UTC. `name` is what people call it."""

    start: datetime
    end: datetime
    name: str
    is_month: bool

    @property
    def last_day(self) -> date:
        """The last day that belongs to it, in whole or in part."""
        return (self.end - timedelta(microseconds=1)).date()

    @property
    def days(self) -> list[date]:
        """Every day that belongs to it, in order."""
        first = self.start.date()
        return [first + timedelta(days=at) for at in range((self.last_day - first).days + 1)]

    @property
    def slug(self) -> str:
        """For file names: `2026-01`, or `2026-01-05_2026-01-18`."""
        if self.is_month:
            return f"{self.start:%Y-%m}"
        return f"{self.start:%Y-%m-%d}_{self.last_day:%Y-%m-%d}"

    def is_running(self, now: datetime) -> bool:
        """Whether calls of the period may still be made."""
        return now < self.end

    def before(self, now: datetime) -> Period:
        """What it is compared with: the month before, or as many days just before.

        A month that is not over yet is compared with the same days and hours of the month before.
        """
        if not self.is_month:
            start = self.start - (self.end - self.start)
            last = (self.start - timedelta(days=1)).date()
            return Period(start, self.start, f"{start:%Y-%m-%d} to {last:%Y-%m-%d}", False)
        whole = month((self.start - timedelta(days=1)).date())
        elapsed = now.replace(minute=0, second=0, microsecond=0) - self.start
        if not timedelta(0) < elapsed < self.end - self.start:
            return whole
        end = min(whole.start + elapsed, whole.end)
        return whole if end == whole.end else Period(whole.start, end, f"{whole.name}, up to {end:%d %B %H:00}", False)


def month(day: date) -> Period:
    """The month that `day` lies in."""
    start = datetime(day.year, day.month, 1, tzinfo=UTC)
    following = (start + timedelta(days=32)).replace(day=1)
    return Period(start, following, f"{start:%B %Y}", True)


def asked_period(month_text: str | None, first: str | None, last: str | None, now: datetime) -> Period | None:
    """The period of `--month` or of `--from` and `--to` (both days included); None when nothing was asked.

    `--from` alone runs to today. Raises `UsageError` with what is wrong.
    """
    if month_text is not None:
        if first is not None or last is not None:
            raise UsageError("--month and --from/--to exclude each other")
        return _asked_month(month_text, now)
    if first is None:
        if last is not None:
            raise UsageError("--to needs --from: the first day of the report")
        return None
    start = _day(first, "--from")
    end = _day(last, "--to") if last is not None else max(now.date(), start)
    if end < start:
        raise UsageError(f"--to {end} lies before --from {start}")
    midnight = datetime(start.year, start.month, start.day, tzinfo=UTC)
    after = datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)
    whole = month(start)
    if (whole.start, whole.end) == (midnight, after):
        return whole
    return Period(midnight, after, f"{start} to {end}" if start != end else str(start), False)


def _asked_month(text: str, now: datetime) -> Period:
    this = month(now.date())
    if text == "this":
        return this
    if text == "last":
        return month((this.start - timedelta(days=1)).date())
    match = re.fullmatch(r"(\d{4})-(\d{2})", text)
    if not match or not 1 <= int(match[2]) <= 12 or not 1971 <= int(match[1]) <= 2098:
        raise UsageError(f"--month {text!r} is no month: write it as 2026-01, or `last` or `this`")
    return month(date(int(match[1]), int(match[2]), 1))


def _day(text: str, option: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) or not 1971 <= day.year <= 2098:
        raise UsageError(f"{option} {text!r} is no day: write it as 2026-01-31")
    return day
