"""The roll-up by run: figures as without it, on ledgers that had rows before it came, and no calls read for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from streams.ledger.client import Database
from streams.ledger.migrate import migrate, migrations
from streams.ledger.sqlfiles import named_query
from streams.outcomes.runs import Run, read_runs
from streams.repair.rebuild import compare, projections
from tests.integration.outcome_ledger import Door, write_calls, write_verdicts
from tests.integration.test_outcome_quality import SPAN, made_up

NUMBER = 16


@pytest.fixture
def before(database: Database, chdb_url: str) -> Iterator[Door]:
    """A ledger of the version before, with runs, verdicts and a rating that changes, takes away and finds prices."""
    migrate(database, known=[one for one in migrations() if one.number < NUMBER])
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


def plan(door: Door) -> str:
    """How the engine answers the query of judged runs, all its columns asked for."""
    asked = {**SPAN.parameters, "evaluator": ""}
    return "\n".join(str(line) for [line] in door.rows("EXPLAIN " + named_query("outcome_runs"), asked))


def test_a_ledger_with_rows_gets_the_roll_up_and_tells_the_same(database: Database, before: Door) -> None:
    told = read_runs(before, SPAN)
    everything = rated(database)
    assert len(told) > 50
    assert "ReadFromMergeTree (by_run)" not in plan(before)
    assert sums(told) == {run.run_id: everything[run.run_id] for run in told}
    assert [one.number for one in migrate(database)] == [NUMBER]
    # The migration's own goes on in the background; a second one is done when both are.
    database.command("ALTER TABLE intake MATERIALIZE PROJECTION by_run SETTINGS mutations_sync = 2")
    [by_run] = [one for one in projections(database) if one.name == "by_run"]
    assert (by_run.missing, compare(database, by_run).ok) == (0, True)
    assert "ReadFromMergeTree (by_run)" in plan(before)
    assert [asdict(run) for run in read_runs(before, SPAN)] == [asdict(run) for run in told]


def test_rows_that_come_later_are_in_it_at_once(database: Database, chdb_url: str) -> None:
    migrate(database)
    calls, verdicts = made_up(12, 60)
    write_calls(database, calls)
    write_verdicts(database, verdicts)
    door = Door(database, chdb_url)
    everything = rated(database)
    told = sums(read_runs(door, SPAN))
    assert told == {run: everything[run] for run in told}
    assert len(told) > 20
    assert "ReadFromMergeTree (by_run)" in plan(door)
    door.close()
