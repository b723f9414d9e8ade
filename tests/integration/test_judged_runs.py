"""Judged runs as one query sums them up: calls, cost and unpriced calls equal a count call by call, as rated now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.outcomes.runs import Run, read_runs
from tests.integration.outcome_ledger import Door, write_calls, write_verdicts
from tests.integration.test_outcome_quality import SPAN, made_up


@pytest.fixture
def judged(database: Database, chdb_url: str) -> Iterator[Door]:
    """A ledger with runs, verdicts and a rating that changes, takes away and finds prices."""
    migrate(database)
    calls, verdicts = made_up(11, 120)
    write_calls(database, calls)
    write_verdicts(database, verdicts)
    database.command("""
        INSERT INTO adjustments (rating_id, incarnation, partition, offset, item, ingested_at, id, time, agent_id,
            run_id, adjustment_usd, priced_change, price_status)
        SELECT 'r', incarnation, partition, offset, item, ingested_at, id, time, agent_id, run_id,
            if(cityHash64(id) % 2 = 0, -ifNull(cost_usd, 0), 0.25) AS adjustment,
            multiIf(adjustment != 0.25, -isNotNull(cost_usd), isNull(cost_usd), 1, 0), 'priced'
        FROM calls WHERE cityHash64(id) % 3 = 0
    """)
    database.command("INSERT INTO ratings (number, id, finished_at) VALUES (1, 'r', now64(3))")
    door = Door(database, chdb_url)
    yield door
    door.close()


def rated(database: Database) -> dict[str, tuple[Any, ...]]:
    """Calls, cost and unpriced calls of every run, call by call."""
    rows = database.rows("""
        SELECT run_id, count(), sum(toDecimal128(ifNull(rated_cost_usd, 0), 12)) * 1000000000000,
            countIf(isNull(rated_cost_usd))
        FROM rated_calls WHERE run_id != '' GROUP BY run_id
    """)
    return {str(run): (int(calls), int(cost), int(unpriced)) for run, calls, cost, unpriced in rows}


def sums(runs: list[Run]) -> dict[str, tuple[int, int, int]]:
    return {run.run_id: (run.calls, run.cost_pico, run.unpriced) for run in runs}


def test_judged_runs_are_what_their_calls_say_as_rated_now(database: Database, judged: Door) -> None:
    told = read_runs(judged, SPAN)
    everything = rated(database)
    assert len(told) > 50
    assert sums(told) == {run.run_id: everything[run.run_id] for run in told}
