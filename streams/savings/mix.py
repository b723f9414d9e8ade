"""The present mix of calls: how much of it is routine, on which tier, at what cost. Pure but for the readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from streams.ledger.sqlfiles import named_query
from streams.money import pico
from streams.outcomes.period import Span
from streams.outcomes.runs import Reader

CLASSES: Final = ("routine", "standard", "complex", "")
"""From easy to hard; the last one is: nobody said."""
TIERS: Final = ("oss", "mid", "frontier")
"""From cheap to dear."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Calls of one class, tier, agent and model. Cost in 1e-12 USD; unpriced calls add none."""

    task_class: str
    tier: str
    agent: str
    provider: str
    model: str
    escalated: bool
    """Sent up to this tier from another."""
    calls: int
    retries: int
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost: int
    unpriced: int
    with_policy: int
    """Calls that name the policy and what it decided."""
    with_owner: int
    """Calls that name a team or a key."""
    with_run: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day that had calls."""

    day: str
    calls: int
    cost: int


def read_mix(ledger: Reader, span: Span, evaluator: str = "") -> list[Cell]:
    """All cells of the span."""
    rows = ledger.rows(named_query("savings_mix"), span.parameters | {"evaluator": evaluator})
    return [
        Cell(
            str(task_class), str(tier), str(agent), str(provider), str(model), bool(int(up)),
            int(calls), int(retries), int(tokens),
            int(read), int(output), pico(cost), int(unpriced), int(policy), int(owner), int(run),
        )
        for task_class, tier, agent, provider, model, up, calls, retries, tokens, read, output, cost, unpriced, policy,
        owner, run in rows
    ]  # fmt: skip


def read_days(ledger: Reader, span: Span) -> list[Day]:
    """Days that had calls, in order."""
    rows = ledger.rows(named_query("savings_days"), span.parameters)
    return [Day(str(day)[:10], int(calls), pico(cost)) for day, calls, cost in rows]


def of(cells: Iterable[Cell], value: Callable[[Cell], int]) -> int:
    """The sum of something."""
    return sum(value(cell) for cell in cells)


def share(part: int, whole: int) -> float:
    """0 of nothing."""
    return part / whole if whole else 0.0


def lasted(days: Sequence[Day]) -> int:
    """Days from the first one with calls to the last, both counted."""
    return (date.fromisoformat(days[-1].day) - date.fromisoformat(days[0].day)).days + 1 if days else 0


def steady_part(days: Sequence[Day]) -> tuple[int, int] | None:
    """(cost of a quiet day, cost of a mean day), from the first day with calls to the last.

    A quiet day is the 10th percentile; days without calls in between count as zero. None for fewer than 14 days: a
    working week says nothing about steadiness.
    """
    length = lasted(days)
    if length < 14:
        return None
    costs = sorted([0] * (length - len(days)) + [day.cost for day in days])
    return costs[(length - 1) // 10], sum(costs) // length
