"""Judged runs as the ledger has them: one row a run, by the rules that sql/queries/outcome_runs.sql states.

Known limits: one object a run in memory, some 600 bytes: for tens of millions of judged runs ask for a shorter time. A
run is followed for a week beyond the edges of the time asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query
from streams.money import pico
from streams.outcomes.period import Span


class Reader(Protocol):
    """The part of `streams.cli.reach.Ledger` that is needed; blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows; decimals as strings."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One judged run; times are epoch ms. `tier`, `provider`, `model`, `agent`, `team` are of its first call."""

    run_id: str
    began_ms: int
    ended_ms: int
    tier: str
    provider: str
    model: str
    agent: str
    team: str
    task_class: str
    """`routine`, `standard`, `complex`, or empty: by the evaluator, else the hardest that its calls say."""
    success: bool
    evaluators: int
    tiers: int
    models: int
    calls: int
    escalated: int
    """Calls that were sent up a tier."""
    retries: int
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost_pico: int
    """Of all its calls, in 1e-12 USD; unpriced calls add nothing."""
    unpriced: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a span was judged."""

    runs: int
    judged: int
    calls: int
    calls_without_run: int
    calls_judged: int
    verdicts_without_calls: int
    """Judged runs that the ledger has no call of."""
    evaluators: int


def read_runs(ledger: Reader, span: Span, evaluator: str = "") -> list[Run]:
    """All judged runs that began in the span, in order of their beginning."""
    return [_run(row) for row in ledger.rows(named_query("outcome_runs"), span.parameters | {"evaluator": evaluator})]


def read_coverage(ledger: Reader, span: Span, evaluator: str = "") -> Coverage:
    """Runs and calls of the span, and how many of them have a verdict."""
    [row] = ledger.rows(named_query("outcome_coverage"), span.parameters | {"evaluator": evaluator})
    return Coverage(*(int(value) for value in row))


def _run(row: list[Any]) -> Run:
    run_id, began, ended, tier, provider, model, agent, team, task_class, success, *counts, cost, unpriced = row
    evaluators, tiers, models, calls, escalated, retries, tokens, cached, output = (int(count) for count in counts)
    return Run(
        str(run_id), int(began), int(ended), str(tier), str(provider), str(model), str(agent), str(team),
        str(task_class), bool(int(success)), evaluators, tiers, models, calls, escalated, retries, tokens, cached,
        output, pico(cost), int(unpriced),
    )  # fmt: skip
