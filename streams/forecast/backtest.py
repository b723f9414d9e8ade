"""How good is each candidate? Rolling origins over series, the way a budget asks.

Periods of a day, a week and four weeks lie one after the other along a series. At a quarter, half and three quarters of
each, a model that has seen everything before says what is still to come in it, with its interval; then it goes on. A
model never sees a step that it is asked about. The first two days (or two thirds of a period, if longer) only warm up.

Measures, for each set and period, over all its series and origins:
    error       mean |forecast - actual| of the rest of the period, as a share of the mean spend of a whole period
    mase        mean absolute error of single steps, over that of "the same step a day before" up to the origin
    pinball     mean pinball loss at 10, 50 and 90 per cent, as a share as above; one number for mid and interval
    coverage    how often the interval of 80 per cent held what came
    width       its mean width, as a share as above
`pinball`, `coverage` and `width` are over the origins that had an interval, the same ones for every model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.forecast.models import (
    DAY,
    WEEK,
    Drift,
    Forecaster,
    LastDay,
    LastWeek,
    LevelProfile,
    Mean,
    Profile,
    Steps,
)
from streams.forecast.rolling import HIGH, LOW, Rolling
from streams.forecast.sets import Series

PERIODS: Final[Mapping[str, int]] = {"day": DAY, "week": WEEK, "4 weeks": 4 * WEEK}
ELAPSED: Final = (0.25, 0.5, 0.75)
WARM: Final = 2 * DAY
NAIVE: Final = LastDay.name
"""What the others are compared with."""
ENOUGH: Final = 20
"""A set and period with fewer origins is shown and decides nothing."""


def candidates() -> dict[str, Callable[[], Forecaster]]:
    """All models, by name."""
    from streams.forecast.online import HoltWinters, Snarimax

    models: tuple[Callable[[], Forecaster], ...] = (
        LastDay, LastWeek, Drift, Mean, Profile, LevelProfile, HoltWinters, Snarimax,
    )  # fmt: skip
    return {make().name: make for make in models}


@dataclass(slots=True)
class Tally:
    """Sums over origins; see the module for the measures."""

    origins: int = 0
    error: float = 0.0
    mase: float = 0.0
    mase_origins: int = 0
    intervals: int = 0
    pinball: float = 0.0
    covered: int = 0
    width: float = 0.0

    def figures(self) -> dict[str, float | int | None]:
        """Means, None where there is nothing to divide by."""

        def mean(total: float, count: int) -> float | None:
            return round(total / count, 4) if count else None

        return {
            "origins": self.origins,
            "error": mean(self.error, self.origins),
            "mase": mean(self.mase, self.mase_origins),
            "intervals": self.intervals,
            "pinball": mean(self.pinball, self.intervals),
            "coverage": mean(self.covered, self.intervals),
            "width": mean(self.width, self.intervals),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one set and period."""

    set: str
    period: str
    model: str
    tally: Tally


@dataclass(slots=True)
class Report:
    """All rows; `score` sums them up."""

    rows: list[Row] = field(default_factory=list)
    sets: dict[str, dict[str, object]] = field(default_factory=dict)

    def score(self) -> dict[str, dict[str, float]]:
        """For each model the geometric mean, over sets and periods, of its error and pinball over the naive model's.

        Below 1 is better than repeating the last day. Sets weigh alike, however many series they have; those with fewer
        than `ENOUGH` origins (for pinball: with an interval) do not count.
        """
        base = {(row.set, row.period): row.tally for row in self.rows if row.model == NAIVE}
        logs: dict[str, tuple[list[float], list[float]]] = {}
        for row in self.rows:
            own, naive = row.tally, base[row.set, row.period]
            errors, pinballs = logs.setdefault(row.model, ([], []))
            if own.origins >= ENOUGH and own.error > 0 and naive.error > 0:
                errors.append(math.log(own.error / naive.error))
            if own.intervals >= ENOUGH and own.pinball > 0 and naive.pinball > 0:
                pinballs.append(math.log(own.pinball / naive.pinball))
        return {
            model: {
                name: round(math.exp(sum(values) / len(values)), 3)
                for name, values in (("error", errors), ("pinball", pinballs))
                if values
            }
            for model, (errors, pinballs) in logs.items()
        }

    def best(self) -> str:
        """The model with the least pinball loss; error where no origin had an interval."""
        scores = self.score()
        return min(scores, key=lambda model: (scores[model].get("pinball", math.inf), scores[model].get("error", 9.9)))


def backtest(sets: Mapping[str, Sequence[Series]]) -> Report:
    """Every candidate on every set; deterministic."""
    report = Report()
    for name, series in sets.items():
        report.sets[name] = {
            "series": len(series),
            "steps": len(series[0].values),
            "step_seconds": series[0].step_s,
            "unit": series[0].unit,
        }
        for model, make in candidates().items():
            tallies: dict[str, Tally] = {}
            for one in series:
                _walk(one.values, make, tallies)
            report.rows += [Row(name, period, model, tally) for period, tally in tallies.items() if tally.origins]
    order = list(PERIODS)
    report.rows.sort(key=lambda row: (list(report.sets).index(row.set), order.index(row.period)))
    return report


def _walk(values: Steps, make: Callable[[], Forecaster], tallies: dict[str, Tally]) -> None:
    asked = _asked(len(values))
    if not asked:
        return
    longest = max(end - at for at, _, end in asked)
    rolling = Rolling(make(), longest)
    mean_step = float(values.mean())
    turn = 0
    for at in range(len(values)):
        while turn < len(asked) and asked[turn][0] == at:
            _, period, end = asked[turn]
            tally = tallies.setdefault(period, Tally())
            _judge(rolling, values, at, end, mean_step * PERIODS[period], tally)
            turn += 1
        rolling.observe(float(values[at]))


def _asked(count: int) -> list[tuple[int, str, int]]:
    """(origin, period, its end), by origin."""
    found = []
    for period, length in PERIODS.items():
        warm = max(WARM, 2 * length // 3)
        for start in range(0, count - length + 1, length):
            for share in ELAPSED:
                origin = start + int(share * length)
                if origin >= warm:
                    found.append((origin, period, start + length))
    return sorted(found)


def _judge(rolling: Rolling, values: Steps, at: int, end: int, scale: float, tally: Tally) -> None:
    if scale <= 0:
        return
    actual = float(values[at:end].sum())
    outlook = rolling.outlook(end - at)
    tally.origins += 1
    tally.error += abs(outlook.total - actual) / scale
    usual = float(np.abs(values[DAY:at] - values[: at - DAY]).mean())
    if usual > 0:
        tally.mase += float(np.abs(outlook.path - values[at:end]).mean()) / usual
        tally.mase_origins += 1
    if outlook.low is None or outlook.high is None:
        return
    tally.intervals += 1
    tally.covered += outlook.low <= actual <= outlook.high
    tally.width += (outlook.high - outlook.low) / scale
    said = ((LOW, outlook.low), (0.5, outlook.total), (HIGH, outlook.high))
    tally.pinball += sum(max(q * (actual - x), (q - 1) * (actual - x)) for q, x in said) / len(said) / scale
