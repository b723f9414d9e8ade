"""Judged runs as one query sums them up: calls, cost and unpriced calls equal a count call by call, as rated now;
and as they are kept for boards, whatever comes later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.outcomes.kept import KeptRuns
from streams.outcomes.period import Span
from streams.outcomes.runs import Run, read_runs
from tests.fakes import BASE_MS
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


def kept(database: Database) -> list[Run]:
    """What boards read, as runs."""
    rows = database.rows("""
        SELECT run_id, toUnixTimestamp64Milli(began_at), toUnixTimestamp64Milli(ended_at), tier, provider_name,
            request_model, agent_id, team_id, task_class, success, evaluators, tiers, models, calls, escalated, retries,
            input_tokens, cache_read_tokens, output_tokens, toInt128(cost_usd * 1000000000000), unpriced
        FROM judged_runs ORDER BY began_at, run_id
    """)
    return [Run(*row) for row in rows]


def test_kept_runs_are_the_judged_ones_whatever_comes_later(database: Database, judged: Door) -> None:
    keeper = KeptRuns(database)

    def keep(seconds: int, span: Span = SPAN) -> int:
        return keeper.keep(read_runs(judged, span), span, BASE_MS + 1000 * seconds)

    first = read_runs(judged, SPAN)
    assert keep(0) == len(first) > 50
    assert kept(database) == first
    assert keep(1) == 0, "nothing has changed"
    # Another verdict, a late call that is now the first of its run, and prices that no longer hold.
    one, other = first[3], first[5]
    write_verdicts(
        database,
        [{"run_id": one.run_id, "outcome": "failure" if one.success else "success", "id": "later", "evaluator": "new"}],
        10_000,
        "later",
    )
    database.command(
        "INSERT INTO intake SELECT * REPLACE('late' AS id, offset + 1000000 AS offset, offset AS through, "
        "time - INTERVAL 1 SECOND AS time, 'early' AS team_id) FROM intake WHERE run_id = {run:String} "
        "ORDER BY time LIMIT 1",
        {"run": other.run_id},
    )
    database.command("TRUNCATE TABLE adjustments")
    then = read_runs(judged, SPAN)
    assert {run.run_id: run for run in then}[other.run_id].began_ms == other.began_ms - 1000
    assert keep(2) > 3
    assert kept(database) == then != first
    assert keep(3) == 0
    # Of a shorter time nothing outside of it is touched.
    middle = then[len(then) // 2].began_ms
    assert keep(4, Span(middle, SPAN.end_ms)) == 0
    database.command("TRUNCATE TABLE outcome_intake")
    assert keep(5, Span(middle, SPAN.end_ms)) == sum(run.began_ms >= middle for run in then)
    assert kept(database) == [run for run in then if run.began_ms < middle]
