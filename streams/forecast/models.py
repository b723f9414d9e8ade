"""Candidates that forecast the coming steps of a series, from the simplest on. Pure, deterministic.

A step is an hour unless a series is scaled (`sets.py`); a day has 24 steps and a week seven days. A model sees one
value after the other and may be asked at any time; it never answers below nothing. Values are spend as float: a
forecast is an estimate, and turns into exact money only where it is shown beside it.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.float64]

DAY: Final = 24
WEEK: Final = 7 * DAY
LOOK_BACK: Final = 4 * WEEK
"""What lies further back says little about now."""
RECENT: Final = 2 * DAY
"""What `LevelProfile` takes for now, and how long half of it lasts."""


class Forecaster(Protocol):
    """One model on one series."""

    name: str

    def observe(self, value: float) -> None:
        """The next step's value, finite and at least 0."""
        ...

    def forecast(self, steps: int) -> Steps:
        """The coming `steps` (at least 1) steps, shape (steps,), each >= 0; all 0 before the first value."""
        ...


class _Remembering:
    """Keeps the latest values; subclasses say how they go on."""

    name = ""
    keep = LOOK_BACK

    def __init__(self) -> None:
        self._ring = np.zeros(2 * self.keep)
        self._end = 0

    def observe(self, value: float) -> None:
        if self._end == len(self._ring):
            self._ring[: self.keep] = self._ring[-self.keep :]
            self._end = self.keep
        self._ring[self._end] = value
        self._end += 1

    @property
    def seen(self) -> Steps:
        """The latest values, at most `keep`."""
        return self._ring[max(0, self._end - self.keep) : self._end]

    def forecast(self, steps: int) -> Steps:
        return np.zeros(steps) if not self._end else np.maximum(self._go_on(self.seen, steps), 0.0)

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        raise NotImplementedError


def _again(cycle: Steps, steps: int) -> Steps:
    return np.resize(cycle, steps)


class Mean(_Remembering):
    """The mean of the last four weeks, for ever."""

    name = "mean"

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        return np.full(steps, seen.mean())


class LastDay(_Remembering):
    """Every day is as the last 24 steps."""

    name = "last day"
    keep = WEEK

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        return _again(seen[-DAY:], steps) if len(seen) >= DAY else np.full(steps, seen.mean())


class LastWeek(_Remembering):
    """Every week is as the last one; as the last day while there is no week."""

    name = "last week"

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        if len(seen) >= WEEK:
            return _again(seen[-WEEK:], steps)
        return _again(seen[-DAY:], steps) if len(seen) >= DAY else np.full(steps, seen.mean())


class Drift(_Remembering):
    """The last day's mean goes on by the line through the first and the last day's mean."""

    name = "drift"

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        day = min(DAY, len(seen))
        first, last = seen[:day].mean(), seen[-day:].mean()
        slope = (last - first) / (len(seen) - day) if len(seen) > day else 0.0
        return np.asarray(last + slope * (np.arange(steps) + (day + 1) / 2))


class Profile(_Remembering):
    """The mean of the same hour of the week over four weeks; of the day over a week, while there are no two weeks."""

    name = "profile"

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        cycle = WEEK if len(seen) >= 2 * WEEK else DAY
        if len(seen) < cycle:
            return np.full(steps, seen.mean())
        return _again(_profile(seen, cycle), steps)


class LevelProfile(_Remembering):
    """The profile, from the level of the last two days on: what these differ from it by fades away over the next days.

    The factor at the first step is the square root of what was spent over what the profile before would have been, over
    the last two days, within 1/2 and 2; it halves (in logarithms) every two days. So a new level counts at once, and
    one odd day does not make a month.
    """

    name = "profile at level"

    def _go_on(self, seen: Steps, steps: int) -> Steps:
        cycle = WEEK if len(seen) >= 2 * WEEK else DAY
        if len(seen) < cycle:
            return np.full(steps, seen.mean())
        shape = _again(_profile(seen, cycle), steps)
        if len(seen) <= RECENT + cycle:
            return shape
        expected = float(_again(_profile(seen[:-RECENT], cycle), RECENT).sum())
        if expected <= 0:
            return shape
        ratio = float(np.clip(seen[-RECENT:].sum() / expected, 0.25, 4.0))
        return np.asarray(shape * ratio ** (0.5 * 0.5 ** (np.arange(steps) / RECENT)))


def _profile(seen: Steps, cycle: int) -> Steps:
    """Means by place in the cycle, beginning with the step after the last; over whole cycles from the end."""
    most = LOOK_BACK // cycle if cycle == WEEK else WEEK // cycle
    cycles = min(len(seen) // cycle, most)
    return np.asarray(seen[-cycles * cycle :].reshape(cycles, cycle).mean(axis=0))
