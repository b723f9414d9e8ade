"""What is asked of some hours or one agent reads the adjustments of these, on a new ledger and on an older one."""

from __future__ import annotations

import time

import pytest

from streams.ledger.client import Database
from streams.ledger.migrate import migrate, migrations
from streams.repair.rebuild import compare, projections

ADJUSTMENTS = 40_000
AGENTS = 40
HOURS = 400

HOUR = "hour >= toDateTime('2026-03-05 00:00:00', 'UTC') AND hour < toDateTime('2026-03-05 06:00:00', 'UTC')"
AGENT = "agent_id = 'agent-7'"


def fill(database: Database) -> None:
    """Calls of 400 hours and 40 agents; a rating of all that counts, and one of every second that failed."""
    database.command(
        f"""
        INSERT INTO intake (outcome, incarnation, partition, offset, item, epoch, identity, through, id, time,
            arrived_at, ingested_at, agent_id, provider_name, request_model, tier, status, cost_usd, price_status)
        SELECT 'call', 1, 0, number, 0, 1, cityHash64(number), number, toString(number), at, at, at,
            concat('agent-', toString(number % {AGENTS})), 'openai', 'gpt-4o', 'mid', 'ok',
            if(number % 7 = 0, NULL, toDecimal64(number, 12) / 1000000), 'priced'
        FROM
        (
            SELECT number, toDateTime64('2026-03-01 00:00:00', 3, 'UTC') + toIntervalHour(number % {HOURS}) AS at
            FROM numbers({ADJUSTMENTS})
        )
        """
    )
    for rating, every in (("r1", 1), ("failed", 2)):
        database.command(
            f"""
            INSERT INTO adjustments (rating_id, incarnation, partition, offset, item, ingested_at, id, time, agent_id,
                provider_name, request_model, tier, adjustment_usd, priced_change, price_status)
            SELECT '{rating}', incarnation, partition, offset, item, ingested_at, id, time, agent_id, provider_name,
                request_model, tier, ifNull(cost_usd, 1), isNull(cost_usd), '{rating}'
            FROM intake WHERE offset % {every} = 0
            """
        )
    database.command(
        "INSERT INTO ratings (number, id, by, reason, started_at, finished_at, first, end) "
        "VALUES (1, 'r1', 'ada', 'because', now64(3), now64(3), '2026-03-01', '2026-04-01')"
    )
    for table in ("intake", "adjustments"):
        database.command(f"OPTIMIZE TABLE {table} FINAL")


def settled(database: Database) -> None:
    """Wait until the engine has made the projections of what was there."""
    for _ in range(2000):
        if not database.rows("SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done")[
            0
        ][0]:
            return
        time.sleep(0.05)
    pytest.fail("the engine does not finish its mutations")


def asked(where: str) -> str:
    return (
        "SELECT agent_id, rated_price_status, toString(sum(rated_cost_usd)), count(rated_cost_usd), count() "
        f"FROM rated_calls WHERE {where} GROUP BY agent_id, rated_price_status ORDER BY agent_id, rated_price_status"
    )


def adjustments_read(database: Database, where: str) -> int:
    """Rows of `adjustments` that the engine means to read."""
    return sum(int(row[3]) for row in database.rows(f"EXPLAIN ESTIMATE {asked(where)}") if row[1] == "adjustments")


@pytest.mark.parametrize("was_there", [False, True])
def test_a_range_reads_its_own_adjustments(database: Database, was_there: bool) -> None:
    known = migrations()
    migrate(database, known=[one for one in known if one.number < 15] if was_there else known)
    fill(database)
    everywhere = ("1", HOUR, AGENT, f"{HOUR} AND {AGENT}")
    before = [database.rows(asked(where)) for where in everywhere]
    if was_there:
        assert adjustments_read(database, HOUR) > ADJUSTMENTS
        migrate(database, known=known)
        settled(database)
    assert [database.rows(asked(where)) for where in everywhere] == before
    assert sum(row[3] for row in before[0]) == ADJUSTMENTS, "every call has a price by the rating"
    assert {row[1] for row in before[0]} == {"r1"}
    granule = 8192
    assert adjustments_read(database, "1") == ADJUSTMENTS * 3 // 2
    assert adjustments_read(database, HOUR) <= 2 * granule
    assert adjustments_read(database, AGENT) <= 2 * granule
    made = {one.name: one for one in projections(database) if one.table == "adjustments"}
    assert made.keys() == {"by_hour", "by_time"}
    assert all(compare(database, one).ok for one in made.values())
