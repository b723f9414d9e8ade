"""Budgets for people and for scripts: a table, and JSON with exact amounts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from streams.budgets.burn import has_pace
from streams.budgets.state import BudgetState
from streams.budgets.words import (
    NO_FORECAST,
    called,
    day_and_time,
    exhaustion_words,
    period_words,
    scope_words,
    share,
    unpriced_words,
)
from streams.money import exact
from streams.report.money import shown

MOST_LINES: Final = 10
_HEAD: Final = ("budget", "period", "spent", "of", "used", "time gone", "burn", "expected", "used up")


def as_json(state: BudgetState) -> dict[str, Any]:
    """Amounts are decimal strings with all twelve decimals, instants ISO 8601 with Z; null where there is nothing."""
    said = state.expected
    return {
        "budget": state.budget.name,
        "value": state.value or None,
        "scope": {name: list(names) for name, names in state.budget.scope.limits().items()},
        "each": state.budget.each,
        "hard": state.budget.hard,
        "period": state.period.name,
        "period_start": instant(state.period.start_ms),
        "period_end": instant(state.period.end_ms),
        "at": instant(state.now_ms),
        "amount_usd": exact(state.amount),
        "spent_usd": exact(state.spent),
        "remaining_usd": exact(state.remaining),
        "unpriced_calls": state.unpriced,
        "spent_share": round(state.spent / state.amount, 6),
        "time_share": round(state.gone, 6),
        "reached": list(state.reached),
        "burn": [
            {
                "long_hours": burn.pair.long_hours,
                "short_hours": burn.pair.short_hours,
                "long": burn.long / 1000,
                "short": burn.short / 1000,
                "rate": burn.pair.rate / 1000,
                "severity": burn.pair.severity,
                "burning": burn.over,
            }
            for burn in state.burns
        ],
        "forecast_usd": None if said is None else exact(said.total),
        "forecast_low_usd": None if said is None else exact(said.low),
        "forecast_high_usd": None if said is None else exact(said.high),
        "exhausts_at": instant(state.exhausts_ms),
        "exhausts_earliest": None if said is None else instant(said.earliest_ms),
        "exhausts_latest": None if said is None else instant(said.latest_ms),
        "exhausted": state.exhausted_ms is not None,
    }


def table(states: Sequence[BudgetState]) -> str:
    """One line a state, and below it what deserves a word; of a budget for each value the largest `MOST_LINES`."""
    if not states:
        return "no budget has a state: the file names none, or nothing was spent in their periods"
    counted: Counter[tuple[str, int]] = Counter()
    shown_states = []
    for state in states:
        counted[state.budget.name, state.period.start_ms] += 1
        if counted[state.budget.name, state.period.start_ms] <= MOST_LINES:
            shown_states.append(state)
    more = [f"{name}: {count - MOST_LINES} more (--json)" for (name, _), count in counted.items() if count > MOST_LINES]
    return "\n".join([_table(shown_states), *more])


def _table(states: Sequence[BudgetState]) -> str:
    lines = [_HEAD, *(_line(state) for state in states)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEAD))]
    left = {0, 1, len(_HEAD) - 1}
    told = []
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        told.append("  ".join(cells).rstrip())
        if number:
            told += [f"    {remark}" for remark in remarks(states[number - 1])]
    return "\n".join(told)


def _line(state: BudgetState) -> tuple[str, ...]:
    nearest = max(state.burns, key=lambda burn: min(burn.long, burn.short) / burn.pair.rate, default=None)
    return (
        called(state) + (" !" if state.budget.hard else ""),
        period_words(state),
        shown(state.spent),
        shown(state.amount),
        share(state),
        f"{state.gone * 100:.0f} %",
        "–" if nearest is None else f"{nearest.long / 1000:.1f}/{nearest.short / 1000:.1f}",
        "–" if state.expected is None else shown(state.expected.total),
        "–" if state.exhausts_ms is None else day_and_time(state.exhausts_ms),
    )


def remarks(state: BudgetState) -> list[str]:
    """What the line cannot say."""
    found = [scope_words(state.budget, state.value)]
    if state.spent >= state.amount:
        found[0] += f"; {'HARD limit' if state.budget.hard else 'amount'} passed"
    elif state.reached:
        found[0] += f"; {state.reached[-1]} % reached"
    burning = [burn for burn in state.burns if burn.over]
    for burn in burning:
        pair = burn.pair
        found.append(
            f"burning: {burn.long / 1000:.1f} times the even pace over {pair.long_hours} h and "
            f"{burn.short / 1000:.1f} over {pair.short_hours} h ({pair.severity} from {pair.rate / 1000:g} on)"
        )
    said = state.expected
    if said is not None:
        found.append(f"expected {shown(said.low)} to {shown(said.high)} USD; used up: {exhaustion_words(state)}")
    elif state.running and state.spent and has_pace(state.budget):
        found.append(NO_FORECAST)
    if state.unpriced:
        found.append(unpriced_words(state))
    return found


def instant(ms: int | None) -> str | None:
    """`2026-03-17T14:20:00Z`."""
    from datetime import UTC, datetime

    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
