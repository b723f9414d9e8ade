"""Which days a report is about, and what it is compared with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.report.period import Period, asked_period, month

NOW = datetime(2026, 3, 10, 15, 42, tzinfo=UTC)


def test_a_month_that_is_over_is_compared_with_the_whole_month_before() -> None:
    asked = asked_period("2026-01", None, None, NOW)
    assert asked is not None
    assert (asked.start, asked.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert asked.before(NOW) == month(date(2025, 12, 1))
    assert (asked.name, asked.slug, len(asked.days)) == ("January 2026", "2026-01", 31)


def test_a_month_that_runs_is_compared_with_the_same_hours_of_the_month_before() -> None:
    before = month(NOW.date()).before(NOW)
    assert (before.start, before.end) == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 10, 15, tzinfo=UTC))
    assert before.last_day == date(2026, 2, 10)


def test_the_end_of_a_long_month_is_compared_with_the_whole_short_one() -> None:
    assert month(NOW.date()).before(datetime(2026, 3, 31, 5, tzinfo=UTC)) == month(date(2026, 2, 1))


def test_last_this_and_days() -> None:
    assert asked_period("last", None, None, NOW) == month(date(2026, 2, 1))
    assert asked_period("this", None, None, NOW) == month(NOW.date())
    assert asked_period("last", None, None, datetime(2026, 1, 1, tzinfo=UTC)) == month(date(2025, 12, 1))
    days = asked_period(None, "2026-01-05", "2026-01-18", NOW)
    assert days is not None
    assert (days.slug, len(days.days)) == ("2026-01-05_2026-01-18", 14)
    assert days.before(NOW).days == [date(2025, 12, 22) + timedelta(days=at) for at in range(14)]
    assert asked_period(None, "2026-02-01", "2026-02-28", NOW) == month(date(2026, 2, 1))
    assert asked_period(None, None, None, NOW) is None
    open_end = asked_period(None, "2026-03-01", None, NOW)
    assert open_end is not None
    assert open_end.last_day == NOW.date()


@pytest.mark.parametrize(
    ("asked", "first", "last", "says"),
    [
        ("2026-13", None, None, "2026-01"),
        ("january", None, None, "is no month"),
        ("2026-01", "2026-01-01", None, "exclude each other"),
        (None, None, "2026-01-31", "--to needs --from"),
        (None, "2026-02-30", None, "--from '2026-02-30' is no day"),
        (None, "20260201", None, "is no day"),
        (None, "2026-02-02", "2026-02-01", "lies before"),
        (None, "1900-01-01", None, "is no day"),
    ],
)
def test_what_is_wrong_is_said(asked: str | None, first: str | None, last: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        asked_period(asked, first, last, NOW)


@given(st.dates(date(1972, 1, 1), date(2098, 12, 31)), st.integers(0, 4 * 10**9))
def test_what_it_is_compared_with_ends_where_it_starts_at_the_latest(day: date, clock: int) -> None:
    period = month(day)
    before = period.before(datetime.fromtimestamp(clock, UTC))
    assert before.start < before.end <= period.start
    assert isinstance(before, Period)
    assert before.days[0].day == 1
