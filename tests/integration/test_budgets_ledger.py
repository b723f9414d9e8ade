"""Budgets on a ledger: every figure against an independent sum of calls, with duplicates, late calls and a rating."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.budgets import Budget
from streams.budgets.evaluate import Evaluator
from streams.budgets.file import parse_budgets
from streams.budgets.state import BudgetState
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from tests.integration.test_report_figures import store as put

NOW = datetime(2026, 3, 17, 14, 20, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000

BUDGETS = """
[[budget]]
name = "all-month"
amount = 1000
period = "month"

[[budget]]
name = "search-week"
amount = "7.25"
period = "week"
scope = { team = "search" }

[[budget]]
name = "frontier-of-two"
amount = 3
period = "month"
scope = { team = ["search", "o'brien"], tier = "frontier", tenant = "t1" }

[[budget]]
name = "model-day"
amount = 2
period = "day"
scope = { model = "m2" }
hard = true

[[budget]]
name = "teams"
amount = 5
period = "month"
each = "team"

[[budget]]
name = "bot"
amount = 5
period = "month"
scope = { agent = ["bot-1", "bot-2"], tier = "mid" }

[[budget]]
name = "keys"
amount = "0.001"
period = "week"
each = "key"
scope = { team = "search" }

[[budget]]
name = "runs"
amount = "2"
period = "month"
each = "run"
thresholds = [10, 100]
"""


def rows(seed: int, count: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    found = []
    for at in range(count):
        time = NOW - timedelta(milliseconds=rng.randrange(40 * 86_400_000))
        found.append(
            {
                "outcome": rng.choices(["call", "duplicate"], [9, 1])[0],
                "offset": at,
                "id": f"id-{seed}-{at}",
                "time": time,
                "ingested_at": time + timedelta(hours=rng.choice([0, 1, 300])),
                "tenant_id": rng.choice(["", "t1"]),
                "team_id": rng.choice(["", "search", "o'brien", "größe"]),
                "agent_id": f"bot-{rng.randrange(4)}",
                "run_id": rng.choice(["", *(f"run-{n}" for n in range(30))]),
                "api_key_id": rng.choice(["", "k1", "k2"]),
                "provider_name": rng.choice(["openai", "x"]),
                "request_model": rng.choice(["gpt-4o", "m2"]),
                "tier": rng.choice(["frontier", "mid", "oss", "unknown"]),
                "cost_usd": None if rng.random() < 0.1 else Decimal(rng.randrange(10**11)).scaleb(-12),
                "price_status": "priced",
            }
        )
    return found


def rate(database: Database, price: str) -> None:
    """A settled rating that takes something from some calls and gives some others a price."""
    database.command(
        "INSERT INTO adjustments (rating_id, incarnation, partition, offset, item, ingested_at, id, time, tenant_id, "
        "team_id, agent_id, run_id, provider_name, request_model, tier, api_key_id, cost_before_usd, cost_after_usd, "
        "adjustment_usd, priced_change) "
        "SELECT 'r1', incarnation, partition, offset, item, ingested_at, id, time, tenant_id, team_id, agent_id, "
        "run_id, provider_name, request_model, tier, api_key_id, cost_usd, toDecimal64({p:String}, 12), "
        "toDecimal64({p:String}, 12) - ifNull(cost_usd, 0), if(cost_usd IS NULL, 1, 0) "
        "FROM intake WHERE outcome = 'call' AND cityHash64(id) % 5 = 0",
        {"p": price},
    )
    database.command("INSERT INTO ratings (number, id, by, reason) SELECT 1, 'r1', 'ada', 'test'")


COLUMNS = {
    "tenant": "tenant_id", "team": "team_id", "agent": "agent_id", "tier": "tier", "model": "request_model",
    "key": "api_key_id", "run": "run_id",
}  # fmt: skip


def independent(database: Database, state: BudgetState) -> tuple[Decimal, int]:
    """What one pass over `rated_calls` gives for a state: spend, and calls without a price."""
    budget = state.budget
    wanted = dict(budget.scope.limits()) | ({budget.each: (state.value,)} if budget.each else {})
    total, unpriced = Decimal(0), 0
    columns = ", ".join(COLUMNS.values())
    for time_ms, cost, *names in database.rows(
        f"SELECT toUnixTimestamp64Milli(time), rated_cost_usd, {columns} FROM rated_calls"
    ):
        called = dict(zip(COLUMNS, names, strict=True))
        if state.period.start_ms <= time_ms < state.period.end_ms and all(
            called[name] in values for name, values in wanted.items()
        ):
            unpriced += cost is None
            total += cost or 0
    return total, unpriced


def check(database: Database, states: Sequence[BudgetState]) -> None:
    assert states
    for state in states:
        total, unpriced = independent(database, state)
        assert (Decimal(state.spent).scaleb(-12), state.unpriced) == (total, unpriced), (state.budget.name, state.value)


@pytest.fixture
def budgets() -> tuple[Budget, ...]:
    return parse_budgets(BUDGETS, "budgets.toml")


def test_spent_is_what_the_calls_add_up_to(database: Database, store: LedgerStore, budgets: tuple[Budget, ...]) -> None:
    put(database, rows(1, 3000))
    evaluator = Evaluator(budgets)
    states = evaluator.evaluate(database, NOW_MS)
    check(database, states)
    assert {state.budget.name for state in states} == {budget.name for budget in budgets}
    by_name = {state.budget.name: state for state in states}
    assert by_name["all-month"].unpriced > 0
    assert len([state for state in states if state.budget.name == "teams"]) == 3, "calls without a team are of none"
    assert len([state for state in states if state.budget.name == "runs"]) > 10

    # Late calls and a rating: the evaluator that remembers sees what a fresh one sees.
    put(database, rows(2, 500))
    late = evaluator.evaluate(database, NOW_MS)
    check(database, late)
    assert [(s.budget.name, s.value, s.spent) for s in late] != [(s.budget.name, s.value, s.spent) for s in states]
    rate(database, "0.000000000001")
    rated = evaluator.evaluate(database, NOW_MS)
    check(database, rated)
    assert rated == Evaluator(budgets).evaluate(database, NOW_MS)
    assert sum(s.spent for s in rated) < sum(s.spent for s in late)


def test_hours_that_retention_took_away_are_forgotten(database: Database, store: LedgerStore) -> None:
    [budget] = parse_budgets('[[budget]]\nname = "b"\namount = 1\nperiod = "month"', "b.toml")
    put(database, rows(3, 200))
    evaluator = Evaluator([budget])
    [before] = evaluator.evaluate(database, NOW_MS)
    database.command("DELETE FROM intake WHERE cityHash64(id) % 2 = 0 SETTINGS lightweight_deletes_sync = 2")
    [after] = evaluator.evaluate(database, NOW_MS)
    check(database, [after])
    assert 0 < after.spent < before.spent


def test_the_day_before_is_looked_at_for_some_hours(database: Database, store: LedgerStore) -> None:
    [budget] = parse_budgets('[[budget]]\nname = "b"\namount = 1\nperiod = "day"', "b.toml")
    put(database, rows(4, 500))
    morning = int(datetime(2026, 3, 17, 5, 59, tzinfo=UTC).timestamp()) * 1000
    states = Evaluator([budget]).evaluate(database, morning)
    check(database, states)
    assert [state.expected is None for state in states] == [True, False]
    assert len(Evaluator([budget]).evaluate(database, morning + 60_000)) == 1
