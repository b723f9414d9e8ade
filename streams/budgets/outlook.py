"""What a budget comes to: spent so far, and what the forecast adds to the period's end; when the amount is used up.

The forecast sees whole hours before the one that runs, from the first hour with spend on, and answers for that hour and
the rest of the period; of the running hour the part that is left counts. Without an interval there is no forecast: a
figure that nobody can say how far to trust is not told. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.budgets.hours import Hours
from streams.budgets.period import DAY_MS, HOUR_MS, Period
from streams.forecast.models import Steps
from streams.forecast.rolling import Outlook
from streams.forecast.shipped import outlook_of
from streams.money import PICO

HISTORY_MS: Final = 42 * DAY_MS
"""Six weeks: four that the model looks at, and two more whose errors say how far to trust it."""

Forecast = Callable[[Steps, int], Outlook]
"""As `outlook_of`; the evaluator hands in one that remembers."""


@dataclass(frozen=True, slots=True)
class Expected:
    """To the end of the period, in pico-USD, with the interval of 80 %."""

    total: int
    low: int
    high: int
    exhausts_ms: int | None
    """When the amount will be used up; None when not in this period. Epoch ms."""
    earliest_ms: int | None
    """The same along the high end of the interval."""
    latest_ms: int | None
    """The same along the low end."""


def history(hours: Hours, now_ms: int) -> Steps:
    """USD of the whole hours before the one that runs, oldest first, at most six weeks; empty without any."""
    end = now_ms // HOUR_MS * HOUR_MS
    start = min((hour for hour in hours.pico if end - HISTORY_MS <= hour < end), default=end)
    # A rating may leave an hour below nothing; spend is not.
    return np.asarray([max(0, hours.pico.get(hour, 0)) / PICO for hour in range(start, end, HOUR_MS)])


def expect(
    amount: int, spent: int, period: Period, hours: Hours, now_ms: int, forecast: Forecast = outlook_of
) -> Expected | None:
    """None when the period is over or has not begun, and while the past is too short for an interval."""
    if not period.start_ms <= now_ms < period.end_ms:
        return None
    hour = now_ms // HOUR_MS * HOUR_MS
    steps = (period.end_ms - hour) // HOUR_MS
    said = forecast(history(hours, now_ms), steps)
    if said.low is None or said.high is None:
        return None
    left = 1.0 - (now_ms - hour) / HOUR_MS
    path = said.path.copy()
    path[0] *= left
    ahead = float(path.sum())
    share = (steps - 1 + left) / steps
    down, up = (said.total - said.low) * share, (said.high - said.total) * share

    def at(extra: float) -> int | None:
        return _used_up(amount - spent, path, ahead, ahead + extra, now_ms, left)

    return Expected(
        spent + round(ahead * PICO),
        spent + round(max(0.0, ahead - down) * PICO),
        spent + round((ahead + up) * PICO),
        at(0.0),
        at(up),
        at(-min(down, ahead)),
    )


def _used_up(room: int, path: Steps, ahead: float, total: float, now_ms: int, left: float) -> int | None:
    """When the path, stretched to sum up to `total`, has used `room` pico-USD."""
    if room <= 0:
        return now_ms
    if total * PICO < room:
        return None
    shape = path * (total / ahead) if ahead > 0 else np.full(len(path), total / len(path))
    sums = np.cumsum(shape) * PICO
    at = min(int(np.searchsorted(sums, room)), len(sums) - 1)
    part = (room - (float(sums[at - 1]) if at else 0.0)) / float(shape[at] * PICO) if shape[at] > 0 else 1.0
    if at == 0:
        return now_ms + round(min(1.0, part) * left * HOUR_MS)
    return now_ms + round((left + at - 1 + min(1.0, part)) * HOUR_MS)
