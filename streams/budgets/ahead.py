"""What a team, tier or any other scope will have spent at the end of a period, with or without a budget. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from schemas.budgets import Budget, PeriodName, Scope
from streams.budgets.hours import Hours
from streams.budgets.outlook import Expected, expect, history
from streams.budgets.period import DAY_MS, HOUR_MS, Period, period_at
from streams.budgets.state import pico_of
from streams.budgets.tell import instant
from streams.budgets.words import NO_FORECAST, day_and_time, scope_words
from streams.counted import counted
from streams.forecast.shipped import NAME, outlook_of
from streams.money import PICO, exact
from streams.report.money import shown

_NO_LIMIT: Final = Decimal(10**12)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Money in pico-USD. `days`: start of the day (epoch ms), spent in it, expected to come in it (0 when unknown)."""

    budget: Budget
    limited: bool
    """There is an amount; else `budget` only carries scope and period."""
    period: Period
    now_ms: int
    spent: int
    expected: Expected | None
    """None while the past is too short."""
    days: tuple[tuple[int, int, int], ...]
    past_hours: int
    """Whole hours that the forecast is made of."""


def of_scope(scope: Scope, period: PeriodName) -> Budget:
    """A budget without a limit, to ask with."""
    return Budget(name="forecast", amount=_NO_LIMIT, period=period, scope=scope)


def look_ahead(budget: Budget, limited: bool, hours: Hours, now_ms: int) -> Ahead:
    """The running period of `budget`."""
    period = period_at(budget.period, now_ms)
    spent = hours.between(period.start_ms, period.end_ms)
    expected = expect(pico_of(budget), spent, period, hours, now_ms)
    hour = now_ms // HOUR_MS * HOUR_MS
    past = history(hours, now_ms)
    path = np.zeros((period.end_ms - hour) // HOUR_MS)
    if expected is not None:
        path = outlook_of(past, len(path)).path.copy()
        path[0] *= 1.0 - (now_ms - hour) / HOUR_MS
    days = []
    for day in range(period.start_ms, period.end_ms, DAY_MS):
        first, end = max(0, (day - hour) // HOUR_MS), max(0, (day + DAY_MS - hour) // HOUR_MS)
        days.append((day, hours.between(day, day + DAY_MS), round(float(path[first:end].sum()) * PICO)))
    return Ahead(budget, limited, period, now_ms, spent, expected, tuple(days), len(past))


def as_json(ahead: Ahead) -> dict[str, Any]:
    """Amounts are decimal strings, instants ISO 8601 with Z."""
    said = ahead.expected
    return {
        "budget": ahead.budget.name if ahead.limited else None,
        "scope": {name: list(names) for name, names in ahead.budget.scope.limits().items()},
        "period": ahead.period.name,
        "period_start": instant(ahead.period.start_ms),
        "period_end": instant(ahead.period.end_ms),
        "at": instant(ahead.now_ms),
        "model": NAME,
        "past_hours": ahead.past_hours,
        "spent_usd": exact(ahead.spent),
        "forecast_usd": None if said is None else exact(said.total),
        "forecast_low_usd": None if said is None else exact(said.low),
        "forecast_high_usd": None if said is None else exact(said.high),
        "amount_usd": exact(pico_of(ahead.budget)) if ahead.limited else None,
        "exhausts_at": instant(said.exhausts_ms) if said is not None and ahead.limited else None,
        "exhausts_earliest": instant(said.earliest_ms) if said is not None and ahead.limited else None,
        "exhausts_latest": instant(said.latest_ms) if said is not None and ahead.limited else None,
        "days": [
            {
                "day": str(instant(day))[:10],
                "spent_usd": exact(spent),
                "expected_usd": None if said is None else exact(coming),
            }
            for day, spent, coming in ahead.days
        ],
    }


def in_words(ahead: Ahead) -> str:
    """A few lines, and a bar a day."""
    said = ahead.expected
    name = f"budget {ahead.budget.name}, " if ahead.limited else ""
    start, end = day_and_time(ahead.period.start_ms), day_and_time(ahead.period.end_ms)
    coming = f"{NO_FORECAST}; so far: {counted(ahead.past_hours, 'hour')}"
    if said is not None:
        low, high = shown(said.low), shown(said.high)
        coming = f"about {shown(said.total)} USD (between {low} and {high} in four cases of five)"
    lines = [
        f"{name}{scope_words(ahead.budget)}: {shown(ahead.spent)} USD spent since {start}",
        f"by {end}: {coming}",
    ]
    if ahead.limited:
        lines += _exhaustion(ahead)
    if ahead.period.name != "day":
        most = max((spent + coming for _, spent, coming in ahead.days), default=0) or 1
        lines.append("")
        for day, spent, more in ahead.days:
            bar = "█" * round(30 * spent / most) + "░" * round(30 * more / most)
            lines.append(f"{str(instant(day))[:10]}  {shown(spent + more):>12}  {bar}".rstrip())
        lines.append("█ spent" + ("" if said is None else "  ░ expected"))
    if said is not None:
        lines.append(f"model: {NAME}, from {ahead.past_hours:,} hours; docs/budgets.md says how good it is")
    return "\n".join(lines)


def _exhaustion(ahead: Ahead) -> list[str]:
    amount = pico_of(ahead.budget)
    said = ahead.expected
    if ahead.spent >= amount:
        return [f"its {shown(amount)} USD are spent"]
    if said is None:
        return []
    if said.exhausts_ms is None:
        later = "" if said.earliest_ms is None else f", at the earliest {day_and_time(said.earliest_ms)}"
        return [f"its {shown(amount)} USD will do{later}"]
    return [f"its {shown(amount)} USD will be spent by {day_and_time(said.exhausts_ms)}"]
