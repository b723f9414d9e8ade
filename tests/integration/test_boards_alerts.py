"""Alert rules fire and resolve on prepared data: their SQL on chDB, their thresholds as Grafana evaluates them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streams.boards.check import expanded_alert
from streams.boards.files import read
from streams.cli.reach import EngineLedger
from streams.ledger.client import Database
from streams.ledger.migrate import migrate

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
RULES = {rule["uid"]: (group, rule) for group in read().rules["groups"] for rule in group["rules"]}


@dataclass
class Evaluation:
    """A rule as Grafana evaluates it: a state for each set of labels, hysteresis, `for` before firing."""

    rule: dict[str, Any]
    ledger: EngineLedger
    active: dict[tuple[str, ...], datetime] = field(default_factory=dict)
    """Since when the condition holds, by labels."""

    def at(self, now: datetime) -> set[tuple[str, ...]]:
        """Labels that fire after the evaluation at `now`; () is a rule without labels, or without data."""
        rows = self.ledger.rows(expanded_alert(self.rule, now))
        condition = self.rule["data"][1]["model"]["conditions"][0]
        above, below = condition["evaluator"]["params"][0], condition["unloadEvaluator"]["params"][0]
        assert (condition["evaluator"]["type"], condition["unloadEvaluator"]["type"]) == ("gt", "lt")
        holds: dict[tuple[str, ...], datetime] = {}
        for *labels, value in rows:
            key = tuple(labels)
            if (not float(value) < below) if key in self.active else float(value) > above:
                holds[key] = self.active.get(key, now)
        if not rows and self.rule["noDataState"] == "Alerting":
            holds[()] = self.active.get((), now)
        self.active = holds
        wait = timedelta(seconds=int(self.rule["for"].removesuffix("s")))
        return {key for key, since in holds.items() if now - since >= wait}


class Writer:
    """Writes calls and rejects of a minute into a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offsets = itertools.count()

    def write(
        self, at: datetime, *, calls: int = 0, rejects: int = 0, cost: str = "0.01", team: str = "search"
    ) -> None:
        """`cost`: USD a call, or NULL for a model without a price."""
        model = "'openai', 'gpt-4o'" if cost != "NULL" else "'inhouse', 'house-7b'"
        for kind, count in (("call", calls), ("reject", rejects)):
            if count:
                where = f"fromUnixTimestamp64Milli({round(at.timestamp() * 1000)}, 'UTC')"
                call = kind == "call"
                self._database.command(f"""
                    INSERT INTO intake (partition, offset, item, outcome, arrived_at, ingested_at, time, id,
                        agent_id, team_id, provider_name, request_model, status, cost_usd)
                    SELECT 0, {next(self._offsets)}, number, '{kind}', {where}, {where}, {where}, toString(number),
                        '{"agent" if call else ""}', '{team if call else ""}', {model if call else "'', ''"},
                        '{"ok" if call else ""}', {cost if call else "NULL"}
                    FROM numbers({count})
                """)


@pytest.fixture
def writer(database: Database) -> Writer:
    """An empty ledger to write to."""
    migrate(database)
    return Writer(database)


@pytest.fixture
def ledger(writer: Writer, database: Database, chdb_url: str) -> Iterator[EngineLedger]:
    """The same ledger to ask."""
    with closing(EngineLedger(Path(urlsplit(chdb_url).path), database=database.database)) as ledger:
        yield ledger


def minutes(count: float) -> datetime:
    """An instant after the start."""
    return START + timedelta(minutes=count)


def test_unpriced_calls_fire_by_model_and_resolve(writer: Writer, ledger: EngineLedger) -> None:
    rule = Evaluation(RULES["spendstream-unpriced"][1], ledger)
    writer.write(minutes(0), calls=10)
    assert rule.at(minutes(5)) == set()
    writer.write(minutes(6), calls=1, cost="NULL")
    assert rule.at(minutes(10)) == {("inhouse", "house-7b")}
    assert rule.at(minutes(60)) == {("inhouse", "house-7b")}
    # Two hours (whole ones) after the last such call it is over.
    assert rule.at(minutes(241)) == set()


def test_a_stale_ledger_fires_after_a_while_and_needs_a_fresh_write_to_resolve(
    writer: Writer, ledger: EngineLedger
) -> None:
    rule = Evaluation(RULES["spendstream-stale"][1], ledger)
    writer.write(minutes(0), calls=1)
    assert rule.at(minutes(10)) == set()
    assert rule.at(minutes(16)) == set()  # beyond the line, but not yet for two minutes
    assert rule.at(minutes(18)) == {()}
    writer.write(minutes(20), calls=1)
    # Below the line at which it fires, above the one at which it resolves: what came once may be the last for long.
    assert rule.at(minutes(23)) == {()}
    writer.write(minutes(24), calls=1)
    assert rule.at(minutes(25)) == set()
    assert rule.at(minutes(34)) == set()


def test_an_empty_ledger_is_stale(ledger: EngineLedger) -> None:
    rule = Evaluation(RULES["spendstream-stale"][1], ledger)
    rule.at(minutes(0))
    assert rule.at(minutes(5)) == {()}


def test_rejects_fire_by_share_with_hysteresis(writer: Writer, ledger: EngineLedger) -> None:
    rule = Evaluation(RULES["spendstream-rejects"][1], ledger)
    writer.write(minutes(0), calls=40, rejects=40)
    assert rule.at(minutes(1)) == set()  # half of too few to tell
    writer.write(minutes(2), calls=3000)
    assert rule.at(minutes(3)) == set()  # 1.3 per cent, but not yet for five minutes
    assert rule.at(minutes(8)) == {()}
    writer.write(minutes(9), calls=2000)
    assert rule.at(minutes(10)) == {()}  # 0.8 per cent: below the line that fires, above the one that resolves
    writer.write(minutes(11), calls=6000)
    assert rule.at(minutes(12)) == set()  # 0.4 per cent
    writer.write(minutes(13), rejects=50)
    assert rule.at(minutes(14)) == set()  # 0.8 per cent again: it does not fire from below
    assert rule.at(minutes(30)) == set()


def test_spend_per_hour_fires_by_team_with_hysteresis(writer: Writer, ledger: EngineLedger) -> None:
    rule = Evaluation(RULES["spendstream-spend-per-hour"][1], ledger)
    writer.write(minutes(1), calls=90, cost="1", team="search")
    writer.write(minutes(2), calls=10, cost="1", team="o''brien")
    assert rule.at(minutes(5)) == set()
    writer.write(minutes(6), calls=15, cost="1", team="search")
    assert rule.at(minutes(10)) == {("search",)}
    # 08:00 to 10:59: the next hours cost 85, which does not fire and does not resolve either.
    for hour in (1, 2, 3, 4):
        writer.write(minutes(60 * hour + 1), calls=85, cost="1", team="search")
    assert rule.at(minutes(60 * 4 + 30)) == {("search",)}
    writer.write(minutes(60 * 7 + 1), calls=50, cost="1", team="search")
    assert rule.at(minutes(60 * 7 + 30)) == set()
    assert Evaluation(rule.rule, ledger).at(minutes(60 * 4 + 30)) == set()


def test_calls_without_a_price_do_not_count_as_free(writer: Writer, ledger: EngineLedger) -> None:
    """A team whose calls all lack a price has no spend to alert on: the other rule speaks of it."""
    writer.write(minutes(1), calls=5, cost="NULL", team="search")
    assert Evaluation(RULES["spendstream-spend-per-hour"][1], ledger).at(minutes(5)) == set()
    assert Evaluation(RULES["spendstream-unpriced"][1], ledger).at(minutes(5)) == {("inhouse", "house-7b")}


def _budget(database: Database, spent: int, at: datetime, *, days: int = 10) -> None:
    """A budget of 100 USD for a period of ten days, as the duty keeps it."""
    start, end = (
        f"fromUnixTimestamp64Milli({round(one.timestamp() * 1000)}, 'UTC')"
        for one in (START, START + timedelta(days=days))
    )
    database.command(
        "INSERT INTO budget_state_rows (budget, value, period_start, period_end, period, hard, amount_usd, spent_usd, "
        f"evaluated_at, removed) SELECT 'team', 'o''brien', {start}, {end}, 'month', true, 100, {spent}, "
        f"fromUnixTimestamp64Milli({round(at.timestamp() * 1000)}, 'UTC'), false"
    )


def test_a_budget_fires_near_its_end_and_is_over_with_its_period(
    writer: Writer, ledger: EngineLedger, database: Database
) -> None:
    rule = Evaluation(RULES["spendstream-budget"][1], ledger)
    name = ("team", "o'brien", "hard")
    for minute, spent, fires in (
        (1, 50, False),
        (2, 90, False),
        (3, 91, True),
        (4, 85, True),
        (5, 79, False),
        (6, 130, True),
    ):
        _budget(database, spent, minutes(minute))
        assert (rule.at(minutes(minute)) == {name}) is fires, spent
    assert rule.at(START + timedelta(days=9)) == {name}
    assert rule.at(START + timedelta(days=10, minutes=1)) == set()


def test_a_runaway_fires_while_it_is_open_and_pages(writer: Writer, ledger: EngineLedger, database: Database) -> None:
    rule = Evaluation(RULES["spendstream-runaway"][1], ledger)

    def change(number: int, state: str, *, page: bool = True, backfill: bool = False) -> None:
        at = f"fromUnixTimestamp64Milli({round(minutes(number).timestamp() * 1000)}, 'UTC')"
        database.command(
            "INSERT INTO incident_events (incident_id, number, change, at, kind, severity, state, team_id, agent_id, "
            f"run_id, cost_usd, page, backfill, recorded_at) SELECT 'i1', {number}, 'x', {at}, 'loop', 'critical', "
            f"'{state}', '', 'a\\\\b', 'r1', 0, {page}, {backfill}, {at}"
        )

    name = ("i1", "loop", "a\\b", "r1", "(none)", "critical")
    assert rule.at(minutes(0)) == set()
    change(1, "open", page=False)
    assert rule.at(minutes(1)) == set()  # a ticket wakes nobody
    change(2, "open")
    assert rule.at(minutes(2)) == {name}  # though it has cost nothing yet that is priced
    change(3, "resolved")
    assert rule.at(minutes(3)) == set()
    change(4, "open", backfill=True)
    assert rule.at(minutes(4)) == set()  # found in the past: nobody is to be told
