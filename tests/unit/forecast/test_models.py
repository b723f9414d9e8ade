"""Candidates, intervals and the back-test: contracts that all share, and what each is for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.forecast.backtest import NAIVE, PERIODS, backtest, candidates
from streams.forecast.models import DAY, WEEK, Forecaster, LastDay, LastWeek, LevelProfile, Profile, Steps
from streams.forecast.rolling import Rolling
from streams.forecast.sets import Series, Spent, series_of
from streams.forecast.shipped import NAME, outlook_of, shipped
from streams.forecast.tell import as_json, as_table

ALL = candidates()
VALUES = st.lists(st.floats(0, 1e9, allow_subnormal=False), max_size=120)


def fed(make: Callable[[], Forecaster], values: Steps | list[float]) -> Forecaster:
    model = make()
    for value in values:
        model.observe(float(value))
    return model


def work(weeks: int, level: float = 10.0, seed: int = 1) -> Steps:
    """Days as people work, with noise: nights and weekends are quiet."""
    at = np.arange(weeks * WEEK)
    shape = np.where((at // DAY) % 7 < 5, 1.0, 0.2) * (1.2 + np.sin(2 * np.pi * at / DAY))
    return np.asarray(level * shape * np.random.default_rng(seed).gamma(8, 1 / 8, len(at)))


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(values=VALUES, steps=st.integers(1, 100))
def test_whatever_came_the_answer_is_finite_and_not_negative(name: str, values: list[float], steps: int) -> None:
    model = fed(ALL[name], values)
    path = model.forecast(steps)
    assert path.shape == (steps,)
    assert np.isfinite(path).all()
    assert (path >= 0).all()
    assert np.array_equal(path, model.forecast(steps)), "asking changes nothing"
    assert np.array_equal(path, fed(ALL[name], values).forecast(steps)), "the same values, the same answer"
    if not any(values):
        assert not path.any()


@pytest.mark.parametrize("name", ALL)
def test_a_flat_series_goes_on_flat(name: str) -> None:
    path = fed(ALL[name], [5.0] * (5 * WEEK)).forecast(2 * WEEK)
    assert path.mean() == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("name", ALL)
def test_the_unit_of_money_does_not_matter(name: str) -> None:
    values = work(3)
    small, large = fed(ALL[name], values * 1e-6).forecast(WEEK), fed(ALL[name], values * 1e6).forecast(WEEK)
    assert small.sum() * 1e12 == pytest.approx(large.sum(), rel=1e-6)


def test_last_day_and_last_week_repeat_themselves() -> None:
    values = work(3)
    assert np.array_equal(fed(LastDay, values).forecast(2 * DAY), np.resize(values[-DAY:], 2 * DAY))
    assert np.array_equal(fed(LastWeek, values).forecast(2 * WEEK), np.resize(values[-WEEK:], 2 * WEEK))
    assert np.array_equal(fed(LastWeek, values[:30]).forecast(DAY), values[6:30])


@pytest.mark.parametrize("cut", [0, 1, 5, 23])
def test_the_profile_keeps_hour_and_day(cut: int) -> None:
    values = np.tile(np.arange(WEEK, dtype=float), 4)[: 4 * WEEK - cut]
    path = fed(Profile, values).forecast(WEEK)
    assert np.array_equal(path, (np.arange(WEEK) - cut) % WEEK)


def test_a_new_level_counts_and_fades() -> None:
    values = np.concatenate([work(4), 3 * work(4)[: 2 * DAY]])
    usual, level = fed(Profile, values).forecast(WEEK), fed(LevelProfile, values).forecast(WEEK)
    ratio = level / usual
    assert 1.3 < ratio[0] < 2.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(ratio))
    assert ratio[-1] < 1.1


def test_intervals_come_with_enough_of_a_past_and_hold_what_they_say() -> None:
    assert outlook_of(np.zeros(0), 10).low is None
    assert outlook_of(work(1)[:60], 24).low is None
    held = asked = 0
    for seed in range(12):
        values = work(6, seed=seed)
        for steps in (24, 96):
            said = outlook_of(values[: 5 * WEEK], steps)
            assert said.low is not None
            assert said.high is not None
            assert 0 <= said.low <= said.total <= said.high
            held += said.low <= values[5 * WEEK : 5 * WEEK + steps].sum() <= said.high
            asked += 1
    assert held / asked > 0.6, "80 % are said; 24 draws"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.integers(1, 60))
def test_the_outlook_of_a_rolling_model_is_that_of_a_fresh_one(values: list[float], steps: int) -> None:
    rolling = Rolling(shipped(), steps)
    for value in values:
        rolling.observe(value)
        rolling.outlook(1)
    fresh = outlook_of(np.asarray(values), steps)
    again = rolling.outlook(steps)
    assert (again.total, again.low, again.high) == (fresh.total, fresh.low, fresh.high)
    assert np.array_equal(again.path, fresh.path)


def test_a_backtest_never_shows_a_model_what_it_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is told the future by nobody is wrong about a step up; one that cheats would not be."""
    seen: list[int] = []

    class Spy(LastDay):
        def forecast(self, steps: int) -> Steps:
            seen.append(int(self._end))
            return super().forecast(steps)

    values = np.arange(float(8 * DAY))
    monkeypatch.setattr("streams.forecast.backtest.candidates", lambda: {NAIVE: Spy})
    report = backtest({"up": [Series("all", values, 3600, "USD")]})
    day = next(row for row in report.rows if row.period == "day")
    assert day.tally.origins == 6 * 3
    # Repeating the day before on a line of slope one is wrong by a day's steps, in every step, at every origin.
    assert day.tally.figures()["mase"] == pytest.approx(1.0)
    assert set(seen) >= {2 * DAY + 6, 2 * DAY + 12, 7 * DAY + 18}


def test_the_backtest_ranks_and_tells() -> None:
    report = backtest({"work": [Series("all", work(9), 3600, "USD")]})
    scores = report.score()
    assert scores[NAIVE] == {"error": 1.0, "pinball": 1.0}
    assert scores["profile"]["error"] < 1 < scores["drift"]["error"]
    assert report.best() in {"profile", "profile at level", "last week"}
    figures = as_json(report)
    json.dumps(figures, allow_nan=False)
    assert (figures["shipped"], figures["naive"]) == (NAME, NAIVE)
    assert {row["period"] for row in figures["rows"]} == set(PERIODS)
    table = as_table(report)
    assert table.count("\n") == 2 + 3 + 1
    assert "| work | day |" in table


def test_what_is_shipped_is_a_candidate() -> None:
    assert NAME in ALL
    assert shipped().name == NAME


def test_series_of_calls_hold_every_call_of_whole_steps() -> None:
    day = 24 * 3_600_000
    calls = [Spent(1_000 + at * 3_600_000, f"a{at % 3}", 10**12, 0) for at in range(24 * 5 + 1)]
    found = series_of(calls)
    assert [series.name for series in found] == ["all", "a0", "a1", "a2"]
    assert (found[0].step_s, found[0].unit, len(found[0].values)) == (3600, "USD", 120)
    assert found[0].values.sum() == 120
    assert sum(series.values.sum() for series in found[1:]) == 120
    unpriced = [Spent(call.time_ms, "a", None, 7) for call in calls]
    assert (series_of(unpriced)[0].unit, series_of(unpriced)[0].values.sum()) == ("tokens", 840)
    assert series_of([call for call in calls if call.time_ms < day]) != []
    assert series_of(calls[:1]) == series_of([]) == []
