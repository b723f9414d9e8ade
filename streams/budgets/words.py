"""A budget in words: titles and bodies of what people are told. Pure; English; all times UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from schemas.budgets import Budget
from streams.budgets.state import BudgetState
from streams.report.money import shown

NO_FORECAST: Final = "no forecast yet: it takes about five days of a past"
"""Also of `spendstream forecast`."""


def day_and_time(ms: int) -> str:
    """`2026-03-17 14:05`."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"


def period_words(state: BudgetState) -> str:
    """`2026-03-17`, `week of 2026-03-16`, `2026-03`."""
    start = datetime.fromtimestamp(state.period.start_ms / 1000, UTC)
    if state.period.name == "month":
        return f"{start:%Y-%m}"
    return f"{'week of ' if state.period.name == 'week' else ''}{start:%Y-%m-%d}"


def scope_words(budget: Budget, value: str = "") -> str:
    """`team search, tier frontier`; `all spend` without a scope; the value of a budget for each first."""
    parts = [f"{budget.each} {value}" if value else f"each {budget.each}"] if budget.each else []
    parts += [f"{name} {' or '.join(names)}" for name, names in budget.scope.limits().items()]
    return ", ".join(parts) or "all spend"


def called(state: BudgetState) -> str:
    """The budget's name, with its value where it is one for each."""
    return f"{state.budget.name} ({state.value})" if state.value else state.budget.name


def share(state: BudgetState) -> str:
    """What is spent, as whole per cent of the amount, rounded down: 99.9 % is not 100 %."""
    return f"{state.spent * 100 // state.amount} %"


def title(state: BudgetState, kind: str, mark: str) -> str:
    """One line, with the figure that made it."""
    amount = f"{shown(state.amount)} USD"
    if kind == "crossed":
        return f"Budget {called(state)}: {mark} % of {amount} reached ({shown(state.spent)} USD)"
    if kind == "expected":
        return f"Budget {called(state)}: will most likely exceed {amount} in {period_words(state)}"
    burn = next((burn for burn in state.burns if burn.pair.mark == mark), None)
    pace = "" if burn is None else f" ({burn.long / 1000:.1f} times the even pace)"
    if kind == "burning":
        return f"Budget {called(state)}: burning fast{pace}, {share(state)} of {amount} spent"
    return f"Budget {called(state)}: burns calmly again{pace}"


def body(state: BudgetState, kind: str, mark: str) -> str:
    """The figures behind it, a line each."""
    lines = [
        f"{scope_words(state.budget, state.value)}; {'hard' if state.budget.hard else 'soft'} budget, "
        f"{period_words(state)} (UTC)",
        f"spent: {shown(state.spent)} of {shown(state.amount)} USD ({share(state)}); "
        f"{state.gone * 100:.0f} % of the time is gone",
    ]
    if kind in {"burning", "calm"}:
        lines += [
            f"pace: {burn.long / 1000:.1f} over {burn.pair.long_hours} h and {burn.short / 1000:.1f} over "
            f"{burn.pair.short_hours} h, where 1 spends the amount evenly; alerts begin at {burn.pair.rate / 1000:g}"
            for burn in state.burns
            if burn.pair.mark == mark
        ]
    if state.expected is not None:
        lines.append(f"at the end of the period: {expected_words(state)}")
    if state.exhausted_ms is not None:
        lines.append(f"used up since {day_and_time(state.exhausted_ms)}")
    elif state.exhausts_ms is not None:
        lines.append(f"used up by {exhaustion_words(state)}")
    if state.unpriced:
        lines.append(f"{unpriced_words(state)}: spendstream prices check")
    return "\n".join(lines)


def expected_words(state: BudgetState) -> str:
    """`about 5,210.00 USD (4,900.00 to 5,600.00)`."""
    if state.expected is None:
        return "–"
    said = state.expected
    return f"about {shown(said.total)} USD ({shown(said.low)} to {shown(said.high)})"


def exhaustion_words(state: BudgetState) -> str:
    """`2026-03-27 14:00 (2026-03-25 09:00 to later than the period)`."""
    if state.exhausts_ms is None:
        return "not in this period"
    when = day_and_time(state.exhausts_ms)
    said = state.expected
    if state.exhausted_ms is not None or said is None or said.earliest_ms is None:
        return when
    latest = "after the period" if said.latest_ms is None else day_and_time(said.latest_ms)
    return f"{when} ({day_and_time(said.earliest_ms)} to {latest})"


def unpriced_words(state: BudgetState) -> str:
    """`12 calls have no price and are in no amount`."""
    if state.unpriced == 1:
        return "1 call has no price and is in no amount"
    return f"{state.unpriced:,} calls have no price and are in no amount"
