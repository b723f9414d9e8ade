"""The state as a pure function: sums, windows, thresholds, periods; properties over wide inputs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.budgets import Budget, Burn, PeriodName
from streams.budgets.ahead import as_json as ahead_json
from streams.budgets.ahead import in_words as ahead_words
from streams.budgets.ahead import look_ahead
from streams.budgets.burn import Burning, Pair, pairs_of
from streams.budgets.hours import Hours
from streams.budgets.period import DAY_MS, HOUR_MS, Period, period_at
from streams.budgets.state import BudgetState, budget_state
from streams.budgets.tell import remarks
from streams.money import PICO

PERIODS: st.SearchStrategy[PeriodName] = st.sampled_from(("day", "week", "month"))
TIMES = st.integers(min_value=1_420_070_400_000, max_value=4_102_444_799_999)  # 2015 to 2099


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def budget(period: PeriodName = "month", amount: str = "100", **fields: Any) -> Budget:
    return Budget(name="b", amount=Decimal(amount), period=period, **fields)


def state(spend: dict[int, int], now_ms: int, period: PeriodName = "month", **fields: Any) -> BudgetState:
    return budget_state(budget(period, **fields), "", period_at(period, now_ms), Hours(spend), now_ms)


# -- periods -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at", "start", "end"),
    [
        ("day", "2026-03-17T23:59:59", "2026-03-17", "2026-03-18"),
        ("day", "2026-03-17T00:00:00", "2026-03-17", "2026-03-18"),
        ("week", "2026-03-15T23:59:59", "2026-03-09", "2026-03-16"),  # a Sunday
        ("week", "2026-03-16T00:00:00", "2026-03-16", "2026-03-23"),  # a Monday
        ("week", "2025-01-01T12:00:00", "2024-12-30", "2025-01-06"),  # over the year
        ("month", "2024-02-29T12:00:00", "2024-02-01", "2024-03-01"),  # a leap day
        ("month", "2025-02-28T23:00:00", "2025-02-01", "2025-03-01"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2026-01-31T00:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_periods_are_utc_days_weeks_from_monday_and_months(name: PeriodName, at: str, start: str, end: str) -> None:
    assert period_at(name, ms(at)) == Period(name, ms(start), ms(end))


@given(PERIODS, TIMES)
def test_periods_cover_time_without_holes(name: PeriodName, at: int) -> None:
    period = period_at(name, at)
    assert period.start_ms <= at < period.end_ms
    assert period_at(name, period.start_ms) == period == period_at(name, period.end_ms - 1)
    assert period_at(name, period.end_ms).before() == period
    assert period.before().end_ms == period.start_ms
    days = period.length_ms // DAY_MS
    assert period.length_ms % DAY_MS == 0
    assert days in {"day": {1}, "week": {7}, "month": {28, 29, 30, 31}}[name]
    if name == "week":
        assert datetime.fromtimestamp(period.start_ms / 1000, UTC).weekday() == 0


# -- what is spent -------------------------------------------------------------------------------------------------


def spends(now_ms: int) -> st.SearchStrategy[dict[int, int]]:
    hour = now_ms // HOUR_MS * HOUR_MS
    return st.dictionaries(
        st.integers(min_value=-24 * 75, max_value=24 * 35).map(lambda h: hour + h * HOUR_MS),
        st.integers(min_value=0, max_value=40 * PICO),
        max_size=12,
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[PeriodName, int, dict[int, int]]:
    now = draw(TIMES)
    return draw(PERIODS), now, draw(spends(now))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_spent_is_the_sum_of_the_hours_of_the_period(case: tuple[PeriodName, int, dict[int, int]]) -> None:
    period, now, spend = case
    found = state(spend, now, period)
    total = sum(
        (amount for hour, amount in spend.items() if period_at(period, hour) == found.period), 0
    )  # fmt: skip
    assert (found.spent, found.remaining) == (total, 100 * PICO - total)
    assert found.reached == tuple(t for t in (50, 80, 100) if total >= t * PICO)
    assert 0 <= found.gone < 1
    assert (found.exhausted_ms is None) == (total < 100 * PICO)
    if found.exhausted_ms is not None:
        assert found.period.start_ms <= found.exhausted_ms < found.period.end_ms
    if found.expected is not None:
        assert found.spent <= found.expected.low <= found.expected.total <= found.expected.high


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_more_spend_never_looks_like_less(case: tuple[PeriodName, int, dict[int, int]], data: st.DataObject) -> None:
    period, now, spend = case
    hour = data.draw(st.integers(-24 * 70, 24).map(lambda h: (now // HOUR_MS + h) * HOUR_MS))
    more = spend | {hour: spend.get(hour, 0) + data.draw(st.integers(1, 50 * PICO))}
    before, after = state(spend, now, period), state(more, now, period)
    assert after.spent >= before.spent
    assert after.remaining <= before.remaining
    assert set(after.reached) >= set(before.reached)
    for old, new in zip(before.burns, after.burns, strict=True):
        assert new.long >= old.long
        assert new.short >= old.short
    if before.exhausted_ms is not None:
        assert after.exhausted_ms is not None
        # within the running hour what is spent counts as spread evenly up to now
        assert after.exhausted_ms // HOUR_MS <= before.exhausted_ms // HOUR_MS


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(1, 24 * 20))
def test_the_same_hours_and_time_give_the_same_state(case: tuple[PeriodName, int, dict[int, int]], pick: int) -> None:
    period, now, spend = case
    shuffled = dict(sorted(spend.items(), key=lambda item: hash((item[0], pick))))
    assert state(spend, now, period) == state(shuffled, now, period)
    long_ago = {now // HOUR_MS * HOUR_MS - (24 * 80 + pick) * HOUR_MS: 9 * PICO}
    assert state(spend | long_ago, now, period) == state(spend, now, period), "what is long ago changes nothing"


@pytest.mark.parametrize(("spent", "reached"), [(50 * PICO - 1, ()), (50 * PICO, (50,)), (100 * PICO, (50, 80, 100))])
def test_thresholds_are_exact(spent: int, reached: tuple[int, ...]) -> None:
    now = ms("2026-03-17T12:30:00")
    assert state({ms("2026-03-02"): spent}, now).reached == reached


def test_exhaustion_lies_within_the_hour_that_reached_the_amount() -> None:
    now = ms("2026-03-17T12:30:00")
    spend = {ms("2026-03-10T08:00:00"): 60 * PICO, ms("2026-03-11T09:00:00"): 80 * PICO}
    assert state(spend, now).exhausted_ms == ms("2026-03-11T09:30:00")
    running = {ms("2026-03-17T12:00:00"): 200 * PICO}  # half an hour of it is gone: 100 after a quarter
    assert state(running, now).exhausted_ms == ms("2026-03-17T12:15:00")
    assert state(running, now).exhausts_ms == ms("2026-03-17T12:15:00")


def test_a_steady_month_is_expected_to_go_on() -> None:
    now = ms("2026-03-16T12:00:00")
    steady = dict.fromkeys(range(ms("2026-02-01"), now, HOUR_MS), PICO // 10)
    found = state(steady, now, amount="60")
    assert found.expected is not None
    assert found.expected.total == pytest.approx(31 * 24 * PICO // 10, rel=1e-9)
    assert found.expected.low == pytest.approx(found.expected.total, rel=1e-6)
    assert found.exhausts_ms == pytest.approx(ms("2026-03-26T00:00:00"), abs=1000)  # 60 / 2.4 a day = 25 days
    assert state(steady, now, amount="80").exhausts_ms is None
    half = state(steady | {now: PICO // 20}, now + HOUR_MS // 2)
    assert half.expected is not None
    assert half.expected.total == pytest.approx(31 * 24 * PICO // 10, rel=1e-9), "of the running hour the rest counts"


def test_a_period_that_is_over_has_neither_forecast_nor_burn() -> None:
    now = ms("2026-04-02T01:00:00")
    march = period_at("month", now).before()
    found = budget_state(budget(), "", march, Hours({ms("2026-03-31T23:00:00"): PICO}, {}), now)
    assert (found.spent, found.gone, found.expected, found.burns) == (PICO, 1.0, None, ())


def test_runs_have_no_pace() -> None:
    now = ms("2026-03-17T12:30:00")
    of_runs = budget_state(budget(each="run"), "r", period_at("month", now), Hours({ms("2026-03-17"): PICO}), now)
    assert (of_runs.burns, of_runs.expected, of_runs.spent) == ((), None, PICO)


# -- burn ----------------------------------------------------------------------------------------------------------

PAIR = (Burn(long_hours=6, short_hours=1, rate=Decimal(3)),)


def even(hours: float, amount: int = 100) -> int:
    """What the even pace of March spends in so many hours."""
    return round(amount * PICO * hours / (31 * 24))


@given(TIMES, st.integers(1, 672), st.dictionaries(st.integers(-700, 2), st.integers(0, PICO), max_size=8))
def test_a_window_is_the_hours_inside_and_a_share_of_the_oldest(now: int, length: int, rough: dict[int, int]) -> None:
    first = now // HOUR_MS * HOUR_MS
    spend = {first + hour * HOUR_MS: amount for hour, amount in rough.items()}
    start = now - length * HOUR_MS
    whole = sum(amount for hour, amount in spend.items() if start <= hour <= now)
    cut = sum(amount for hour, amount in spend.items() if hour < start < hour + HOUR_MS)
    assert whole <= Hours(spend).window(now, length) <= whole + cut
    assert Hours(spend).window(first, length) == sum(
        amount for hour, amount in spend.items() if first - length * HOUR_MS <= hour <= first
    ), "on the hour nothing is divided"


def test_a_burst_does_not_burn_and_a_leak_does() -> None:
    now = ms("2026-03-17T12:00:00")
    burst = {ms("2026-03-17T11:00:00"): even(17)}  # 17 times the pace for an hour: 2.8 over six
    assert not any(burn.over for burn in state(burst, now, burn=PAIR).burns)
    leak = {now - hour * HOUR_MS: even(3.1) for hour in range(1, 8)}
    assert all(burn.over for burn in state(leak, now, burn=PAIR).burns)
    over = {now - hour * HOUR_MS: even(9) for hour in range(3, 8)}  # it was bad, and is over
    assert not any(burn.over for burn in state(over, now, burn=PAIR).burns)


def test_a_pace_knows_no_midnight() -> None:
    now = ms("2026-03-01T01:00:00")
    before = {now - hour * HOUR_MS: even(4) for hour in range(1, 8)}
    assert all(burn.over for burn in state(before, now, burn=PAIR).burns)


@given(st.integers(0, 9000), st.integers(0, 9000), st.booleans())
def test_an_alert_holds_until_a_window_is_well_below(long: int, short: int, before: bool) -> None:
    burn = Burning(Pair(6, 1, 3000, "warning"), long, short)
    assert burn.goes_on(before) == (min(long, short) >= (2400 if before else 3000))


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_a_working_day_within_the_amount_does_not_burn(period: PeriodName) -> None:
    """Spend from 9 to 17 on five days a week, that fits the amount exactly, alerts nobody at any hour."""
    weeks = {
        hour: PICO
        for hour in range(ms("2026-02-02"), ms("2026-04-01"), HOUR_MS)
        if (at := datetime.fromtimestamp(hour / 1000, UTC)).weekday() < 5 and 9 <= at.hour < 17
    }
    amount = {"day": "8", "week": "40", "month": "176"}[period]
    for now in range(ms("2026-03-16"), ms("2026-03-23"), HOUR_MS):
        seen = {hour: spent for hour, spent in weeks.items() if hour < now}
        assert not any(burn.over for burn in state(seen, now, period, amount=amount).burns), now


def test_usual_windows_fit_their_period() -> None:
    usual: tuple[tuple[PeriodName, int], ...] = (("day", 24), ("week", 168), ("month", 672))
    for period, longest in usual:
        for pair in pairs_of(budget(period)):
            assert 1 <= pair.short_hours < pair.long_hours <= longest
            assert pair.rate > 1000


def test_a_month_without_calls_is_quiet() -> None:
    now = ms("2026-03-17T12:00:00") + int(timedelta(minutes=7).total_seconds()) * 1000
    found = state({}, now)
    assert (found.spent, found.reached, found.exhausts_ms) == (0, (), None)
    assert found.expected is None


def test_a_short_past_makes_no_forecast() -> None:
    """Neither a sum nor a day of exhaustion from what one day looked like; five days make both."""
    now = ms("2026-03-16T12:00:00")
    for days, there in ((1, False), (4, False), (5, True)):
        steady = dict.fromkeys(range(now - days * DAY_MS, now, HOUR_MS), PICO // 10)
        found = state(steady, now, amount="14")
        assert (found.expected is not None, found.exhausts_ms is not None) == (there, there)
        [line] = [line for line in remarks(found) if "forecast" in line or "expected" in line]
        assert line.startswith("expected ") is there
        ahead = look_ahead(budget(amount="14"), True, Hours(steady, {}), now)
        said = ahead_json(ahead)
        assert (said["forecast_usd"] is not None) is there
        assert (said["exhausts_at"] is not None) is there
        assert ("no forecast yet" in ahead_words(ahead)) is not there
        assert [day["expected_usd"] is None for day in said["days"]] == [not there] * 31
        assert sum(coming for _, _, coming in ahead.days) == (
            0 if ahead.expected is None else pytest.approx(ahead.expected.total - ahead.spent, abs=100)
        )
