"""All budgets at one moment: read, then one pure state for each budget, value and period.

    evaluator = Evaluator(budgets)
    states = evaluator.evaluate(database, now_ms)

Of each budget the running period is looked at, and for some hours after its end the one before, since calls come late.
The evaluator keeps hours that did not change and forecasts that were made; with or without it, states are the same.
Blocks. Used by one thread at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from schemas.budgets import Budget
from streams.budgets.hours import Hours
from streams.budgets.outlook import HISTORY_MS
from streams.budgets.period import HOUR_MS, Period, period_at
from streams.budgets.read import Reader, SpendBook, is_open, read_open
from streams.budgets.state import BudgetState, budget_state
from streams.forecast.models import Steps
from streams.forecast.rolling import Outlook
from streams.forecast.shipped import outlook_of

LATE_MS: Final = 6 * HOUR_MS
"""How long after its end a period is still looked at."""


def periods_due(budget: Budget, now_ms: int) -> tuple[Period, ...]:
    """The period before, while it is looked at, and the running one."""
    running = period_at(budget.period, now_ms)
    before = running.before()
    return (before, running) if now_ms < before.end_ms + LATE_MS else (running,)


class Evaluator:
    """See the module."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self.budgets = tuple(budgets)
        self._book = SpendBook(self.budgets)
        self._forecast = Remembered()

    def evaluate(self, reader: Reader, now_ms: int, *, cut: bool = False) -> list[BudgetState]:
        """States in the order of the file; values by spend, the largest first. Raises `Unavailable`, `LedgerError`.

        `cut`: leave out hours that begin after `now_ms`, as when one looks back; else they are spent, too (a wrong
        clock at a router).
        """
        if not self.budgets:
            return []
        first = min(period.start_ms for budget in self.budgets for period in periods_due(budget, now_ms))
        since = min(first, now_ms - HISTORY_MS)
        self._book.refresh(reader, since)
        states: list[BudgetState] = []
        for budget in self.budgets:
            for period in periods_due(budget, now_ms):
                if is_open(budget):
                    end = min(period.end_ms, now_ms // HOUR_MS * HOUR_MS + HOUR_MS) if cut else period.end_ms
                    values = read_open(reader, budget, period.start_ms, end, since)
                else:
                    values = self._book.hours(budget)
                if cut:
                    values = {value: hours.until(now_ms) for value, hours in values.items()}
                states += self._states(budget, period, values, now_ms)
        return states

    def _states(self, budget: Budget, period: Period, values: dict[str, Hours], now_ms: int) -> list[BudgetState]:
        found = [
            budget_state(budget, value, period, hours, now_ms, self._forecast)
            for value, hours in values.items()
            # A team that has spent nothing in the period has no state of its own; a budget of one team has.
            if budget.each is None or any(period.start_ms <= hour < period.end_ms for hour in hours.pico)
        ]
        return sorted(found, key=lambda state: (-state.spent, state.value))


class Remembered:
    """`outlook_of`, made once for the same hours: between two full hours only the spend of the running one changes."""

    _MOST = 4096

    def __init__(self) -> None:
        self._made: dict[tuple[bytes, int], Outlook] = {}

    def __call__(self, values: Steps, steps: int) -> Outlook:
        """As `outlook_of`."""
        key = (hashlib.blake2b(values.tobytes(), digest_size=16).digest(), steps)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= self._MOST:
                self._made.clear()
            found = self._made[key] = outlook_of(values, steps)
        return found
