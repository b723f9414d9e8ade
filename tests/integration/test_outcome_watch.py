"""The duty that watches changes: on a real ledger a drop is told once, and its end once."""

from __future__ import annotations

import random
from typing import Any

from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.outcomes.watch import ANYWAY_MS, QualityWatch
from tests.fakes import BASE_MS, call
from tests.integration.outcome_ledger import write_calls, write_verdicts


def runs(
    first: int, count: int, model: str, share: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rng = random.Random(seed)
    names = [f"run-{first + at:04}" for at in range(count)]
    calls = [
        call(f"c-{name}", run_id=name, time=BASE_MS + (first + at) * 60_000, request_model=model, team_id="search")
        for at, name in enumerate(names)
    ]
    verdicts: list[dict[str, Any]] = [
        {"run_id": name, "outcome": "success" if rng.random() < share else "failure", "evaluator": "tests"}
        for name in names
    ]
    return calls, verdicts


def told(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT change, severity, team_id, tier, resolved, title FROM notice_rows ORDER BY at, change")


def test_a_drop_is_told_once_and_so_is_its_end(database: Database) -> None:
    migrate(database)
    duty = QualityWatch(database)
    duty.run(BASE_MS)
    parts = [
        runs(0, 100, "gpt-4o", 0.95, 1), runs(100, 100, "gpt-4o-mini", 0.5, 2), runs(200, 20, "gpt-4o", 0.95, 3),
    ]  # fmt: skip
    write_calls(database, [one for calls, _ in parts for one in calls])
    write_verdicts(database, parts[0][1], 0, "first")
    duty.run(BASE_MS)
    assert told(database) == []
    write_verdicts(database, parts[1][1], 100, "second")
    duty.run(BASE_MS)
    duty.run(BASE_MS + 2 * ANYWAY_MS)
    QualityWatch(database).run(BASE_MS)
    tier = database.rows("SELECT any(tier) FROM calls WHERE request_model = 'gpt-4o-mini'")[0][0]
    drop = ("dropped", "warning", "search", tier, False, f"agent: fewer runs succeed since gpt-4o-mini ({tier})")
    assert told(database) == [drop]
    write_verdicts(database, parts[2][1], 200, "third")
    duty.run(BASE_MS)
    duty.run(BASE_MS)
    assert told(database) == [drop, ("left", "warning", "search", tier, True, "agent left gpt-4o-mini again")]


def test_quality_that_holds_is_not_told(database: Database) -> None:
    migrate(database)
    before, after = runs(0, 100, "gpt-4o", 0.9, 1), runs(100, 100, "gpt-4o-mini", 0.9, 2)
    write_calls(database, before[0] + after[0])
    write_verdicts(database, before[1] + after[1])
    QualityWatch(database).run(BASE_MS)
    assert told(database) == []
