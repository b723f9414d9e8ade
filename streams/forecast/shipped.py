"""The model that is used, and the only place that says which: the best of the back-test in docs/budgets.md."""

from __future__ import annotations

from streams.forecast.models import Forecaster, LevelProfile, Steps
from streams.forecast.rolling import Outlook, Rolling

NAME = LevelProfile.name


def shipped() -> Forecaster:
    """A fresh one."""
    return LevelProfile()


def outlook_of(values: Steps, steps: int) -> Outlook:
    """What comes in the next `steps` after `values` (spend by the hour, oldest first, no hour missing). Pure."""
    rolling = Rolling(shipped(), steps)
    for value in values:
        rolling.observe(float(value))
    return rolling.outlook(steps)
