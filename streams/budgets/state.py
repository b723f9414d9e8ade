"""How a budget stands: a pure function of the budget, its spend by hour, and the time.

    state = budget_state(budget, "", period_at(budget.period, now_ms), hours, now_ms)

Nothing is remembered from one evaluation to the next: late calls and ratings change `hours`, and the state with them,
upwards and downwards. What was already told is another matter (`events.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.budgets import Budget
from streams.budgets.burn import Burning, burn_rates, has_pace
from streams.budgets.hours import Hours
from streams.budgets.outlook import Expected, Forecast, expect
from streams.budgets.period import HOUR_MS, Period
from streams.forecast.shipped import outlook_of
from streams.money import pico


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget (one `value` of it, where it is one for each) in one period. Money in pico-USD, times in epoch ms."""

    budget: Budget
    value: str
    period: Period
    now_ms: int
    amount: int
    spent: int
    """Of the whole period as the ledger has it, hours that lie ahead of `now_ms` (wrong clocks) included."""
    unpriced: int
    reached: tuple[int, ...]
    """Thresholds at or below what is spent, in per cent, rising."""
    burns: tuple[Burning, ...]
    """Of the running period only."""
    expected: Expected | None
    """None when the period is over, for runs, and while the past is too short."""
    exhausted_ms: int | None
    """When the amount was used up; None while it is not."""

    @property
    def remaining(self) -> int:
        """Below zero when overspent."""
        return self.amount - self.spent

    @property
    def running(self) -> bool:
        """The period contains `now_ms`."""
        return self.period.start_ms <= self.now_ms < self.period.end_ms

    @property
    def gone(self) -> float:
        """Share of the period's time that is gone, 0 to 1."""
        return min(1.0, max(0.0, (self.now_ms - self.period.start_ms) / self.period.length_ms))

    @property
    def exhausts_ms(self) -> int | None:
        """When the amount was or will be used up, None when not in this period."""
        if self.exhausted_ms is not None:
            return self.exhausted_ms
        return None if self.expected is None else self.expected.exhausts_ms


def pico_of(budget: Budget) -> int:
    """The amount in pico-USD; exact, since the file takes no more than twelve decimals."""
    return pico(budget.amount)


def budget_state(
    budget: Budget, value: str, period: Period, hours: Hours, now_ms: int, forecast: Forecast = outlook_of
) -> BudgetState:
    """See the module. `hours` should reach back six weeks for the forecast; what is missing counts as nothing spent."""
    amount = pico_of(budget)
    spent = hours.between(period.start_ms, period.end_ms)
    running = period.start_ms <= now_ms < period.end_ms
    return BudgetState(
        budget,
        value,
        period,
        now_ms,
        amount,
        spent,
        hours.unpriced_between(period.start_ms, period.end_ms),
        tuple(threshold for threshold in budget.thresholds if spent * 100 >= threshold * amount),
        burn_rates(budget, amount, period, hours, now_ms) if running else (),
        expect(amount, spent, period, hours, now_ms, forecast) if has_pace(budget) else None,
        _used_up(amount, period, hours, now_ms) if spent >= amount else None,
    )


def _used_up(amount: int, period: Period, hours: Hours, now_ms: int) -> int:
    """When the sum of the hours reached the amount; within an hour in proportion to the time of it that is gone."""
    total = 0
    for hour in sorted(hour for hour in hours.pico if period.start_ms <= hour < period.end_ms):
        spent = hours.pico[hour]
        if total + spent >= amount:
            lasts = min(HOUR_MS, now_ms - hour) if hour <= now_ms else 0
            return hour + (amount - total) * lasts // spent
        total += spent
    raise AssertionError("the hours add up to less than what is spent")


__all__ = ["BudgetState", "budget_state", "pico_of"]
