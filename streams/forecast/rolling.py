"""A model along a series, and intervals from the errors that it made there itself.

Every few steps the model's path ahead is kept. When it is asked for the sum of the next steps, what it would have said
at those earlier moments for as many steps is compared with what came: the errors' quantiles make the interval (split
conformal: no shape of the errors is assumed, only that they go on as they were). Where the past is too short for the
horizon, errors of a shorter one are stretched in proportion, which is on the wide side.

Pure. Known limit: the origins overlap, so their errors are not independent; docs/budgets.md has the coverage measured.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.forecast.models import DAY, LOOK_BACK, Forecaster, Steps

STRIDE: Final = 5
"""Steps between kept paths: prime to the 168 hours of a week, so that origins fall on all of them."""
WARM: Final = 2 * DAY
"""Steps before the first kept path."""
LEAST_ERRORS: Final = 10
"""Fewer errors have no tenth; no interval then."""
LEAST_STEPS: Final = 12
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class Outlook:
    """The sum of the coming steps. `low` to `high` should hold four out of five; both None while there is too little
    of a past."""

    path: Steps
    total: float
    low: float | None
    high: float | None


class Rolling:
    """One model on one series; feed it with `observe`, ask it with `outlook`."""

    def __init__(self, model: Forecaster, longest: int) -> None:
        """`longest`: the most steps that will be asked for."""
        self.model = model
        self._longest = longest
        self._sums = [0.0]
        self._paths: deque[tuple[int, Steps]] = deque(maxlen=(2 * LOOK_BACK) // STRIDE)

    def observe(self, value: float) -> None:
        """The next step's value."""
        seen = len(self._sums) - 1
        if seen >= WARM and seen % STRIDE == 0:
            self._paths.append((seen, np.cumsum(self.model.forecast(self._longest))))
        self.model.observe(value)
        self._sums.append(self._sums[-1] + value)

    def outlook(self, steps: int) -> Outlook:
        """The next `steps`, 1 to `longest`."""
        path = self.model.forecast(steps)
        total = float(path.sum())
        errors = self._errors(steps)
        if errors is None:
            return Outlook(path, total, None, None)
        low, high = total + _quantile(errors, LOW), total + _quantile(errors, HIGH)
        return Outlook(path, total, max(0.0, min(low, total)), max(high, total))

    def _errors(self, steps: int) -> Steps | None:
        """What came less what was said, sorted; stretched to `steps`."""
        seen = len(self._sums) - 1
        compared = min(steps, seen - WARM - (LEAST_ERRORS + 1) * STRIDE)
        if compared < min(steps, LEAST_STEPS):
            return None
        errors = [
            self._sums[origin + compared] - self._sums[origin] - float(path[compared - 1])
            for origin, path in self._paths
            if origin + compared <= seen
        ]
        if len(errors) < LEAST_ERRORS:
            return None
        return np.sort(np.asarray(errors)) * (steps / compared) * _few(len(errors) * STRIDE / compared)


def _few(times: float) -> float:
    """How much wider for errors that hold the compared stretch only so many times over: they know few worlds."""
    return 1.0 + 1.0 / max(times, 1.0)


def _quantile(ordered: Steps, share: float) -> float:
    """Of `n` errors the one that a further one exceeds with probability 1 - share at most (or falls below)."""
    n = len(ordered)
    if share > 0.5:
        return float(ordered[min(n, math.ceil((n + 1) * share)) - 1])
    return float(ordered[max(0, math.floor((n + 1) * share) - 1)])
