"""River's online models as candidates. The only room of forecasts that imports River.

Both of River's models fail or say nonsense before they have seen enough: until then these answer as `Mean`. What they
learn is scaled by the running mean of the series, since dollars a step may be 1e-6 or 1e6, and the gradient steps of
the regression behind SNARIMAX depend on the size. A forecast that is not finite, or beyond ten times the largest value
seen, counts as failed and is the mean too: autoregressions on bursts do that far ahead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from river import compose, linear_model, optim, preprocessing, time_series

from streams.forecast.models import DAY, Mean, Steps

READY = 2 * DAY
"""Steps before the first answer of a model's own."""
WILD = 10.0


class _River:
    name = ""

    def __init__(self) -> None:
        self._model: Any = self._make()
        self._mean = Mean()
        self._seen = 0
        self._unit = 0.0
        self._most = 0.0
        self._held: list[float] = []

    def _make(self) -> Any:
        raise NotImplementedError

    def observe(self, value: float) -> None:
        """See `Forecaster`. The first day with spend only sets the unit and is learned when it is complete; what lies
        before is left out, since Holt-Winters divides by the mean of the day it begins with."""
        self._mean.observe(value)
        self._most = max(self._most, value)
        self._seen += 1
        self._held.append(value)
        if self._unit == 0.0 and len(self._held) >= DAY and sum(self._held) > 0:
            self._unit = sum(self._held) / len(self._held)
        if self._unit:
            for held in self._held[-DAY:]:
                self._model.learn_one(held / self._unit)
            self._held.clear()

    def forecast(self, steps: int) -> Steps:
        """See `Forecaster`."""
        if self._seen < READY or not self._unit:
            return self._mean.forecast(steps)
        try:
            with np.errstate(over="ignore"):
                path = np.asarray(self._model.forecast(horizon=steps), dtype=np.float64) * self._unit
        except (ArithmeticError, ValueError, IndexError):
            return self._mean.forecast(steps)
        if not np.isfinite(path).all() or float(path.max()) > WILD * self._most:
            return self._mean.forecast(steps)
        return np.maximum(path, 0.0)


class HoltWinters(_River):
    """`time_series.HoltWinters`: level, trend and a season of a day, additive.

    River takes no season without a trend (0 for `beta` ends in a TypeError), and begins the additive season with
    ratios in place of differences, which `gamma` has to unlearn.
    """

    name = "Holt-Winters"

    def _make(self) -> Any:
        make: Any = time_series.HoltWinters
        return make(alpha=0.05, beta=0.01, gamma=0.1, seasonality=DAY)


class Snarimax(_River):
    """`time_series.SNARIMAX`: the last two steps, and the same step of the last seven days."""

    name = "SNARIMAX"

    def _make(self) -> Any:
        return time_series.SNARIMAX(
            p=2, d=0, q=0, m=DAY, sp=7, sd=0, sq=0,
            regressor=compose.Pipeline(
                preprocessing.StandardScaler(),
                linear_model.LinearRegression(
                    intercept_init=1.0, optimizer=optim.SGD(0.003), intercept_lr=0.05, l2=0.001, clip_gradient=3.0
                ),
            ),
        )  # fmt: skip
