"""Closing months on a ledger where calls come late, prices are computed again, and people close, reopen, close again.

The model below knows nothing of cuts and offsets: it follows each call and each adjustment, one event after the other,
and notes in which month it counts. The ledger must say the same, to the last digit, at every step.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from streams.closing.book import read_book
from streams.closing.check import check_month
from streams.closing.close import close_month, reopen_month
from streams.closing.http import ClosingRoutes, WorkerReader
from streams.closing.statement import read_statement
from streams.errors import LedgerError, NotPossible, UsageError
from streams.http.scopes import scope_of
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.money import exact, pico
from streams.report.sums import Sums
from tests.integration.test_report_figures import EXACT, Door, Row, door, store

__all__ = ["door"]

START = datetime(2025, 11, 20, tzinfo=UTC)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def month_of(moment: datetime) -> date:
    return moment.date().replace(day=1)


def following(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


@dataclass
class Item:
    """A call or an adjustment: which month it is of, when it became known, what it adds, where it counts for good."""

    of: date
    known: date
    cost: int
    calls: int
    fixed: date | None = None


@dataclass
class Model:
    items: list[Item] = field(default_factory=list)
    closed: set[date] = field(default_factory=set)

    def counts_in(self, item: Item) -> date:
        if item.fixed is not None:
            return item.fixed
        if item.of not in self.closed:
            return item.of
        month = item.known
        while month in self.closed:
            month = following(month)
        return month

    def close(self, month: date) -> None:
        for item in self.items:
            if self.counts_in(item) == month:
                item.fixed = month
        self.closed.add(month)

    def reopen(self, month: date) -> None:
        for item in self.items:
            if item.fixed == month:
                item.fixed = None
        self.closed.discard(month)

    def sums(self, month: date, *, own: bool) -> tuple[int, int]:
        counted = [one for one in self.items if self.counts_in(one) == month and (one.of == month) == own]
        return sum(one.calls for one in counted), sum(one.cost for one in counted)


class World:
    """Writes calls and ratings as workers and `prices rerate` do."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.rng = random.Random(seed)
        self.model = Model()
        self.offsets: dict[int, int] = defaultdict(int)
        self.calls: list[Row] = []
        self.ratings = 0
        self.priced: set[str] = set()
        for partition in (0, 1):
            database.command(
                "INSERT INTO epochs (partition, epoch, event, incarnation, start_offset, worker, note) "
                f"VALUES ({partition}, 1, 'start', 1, 0, 'w', '')"
            )

    def arrive(self, now: datetime, count: int) -> None:
        rows: list[Row] = []
        for _ in range(count):
            partition = self.rng.randrange(2)
            time = now - timedelta(hours=self.rng.choice([0, 1, 5, 24 * 6, 24 * 35, 24 * 70]))
            cost = None if self.rng.random() < 0.1 else Decimal(self.rng.randrange(10**15)).scaleb(-12, EXACT)
            rows.append(
                {
                    "outcome": "call",
                    "incarnation": 1,
                    "partition": partition,
                    "offset": self.offsets[partition],
                    "id": f"{partition}-{self.offsets[partition]}",
                    "identity": partition * 10**6 + self.offsets[partition],
                    "epoch": 1,
                    "time": time,
                    "arrived_at": now,
                    "ingested_at": now,
                    "tenant_id": "",
                    "team_id": self.rng.choice(["", "a", "b"]),
                    "agent_id": "agent",
                    "provider_name": "openai",
                    "request_model": self.rng.choice(["gpt-4o", "o3"]),
                    "tier": "mid",
                    "input_tokens": 10,
                    "output_tokens": 5,
                    "status": self.rng.choice(["ok", "error"]),
                    "cost_usd": cost,
                }
            )
            self.offsets[partition] += 1
            known = [one for one in self.calls if one["partition"] == partition]
            if known and self.rng.random() < 0.1:
                copied = self.rng.choice(known)
                rows[-1] |= {"outcome": "duplicate", **{name: copied[name] for name in ("id", "identity", "time")}}
        store(self.database, rows)
        for row in rows:
            if row["outcome"] == "call":
                self.calls.append(row)
                self.model.items.append(Item(month_of(row["time"]), month_of(now), pico(row["cost_usd"] or 0), 1))

    def rerate(self, now: datetime) -> None:
        """Some calls cost more, some less, now."""
        self.ratings += 1
        id_ = f"rating{self.ratings:03d}"
        chosen = self.rng.sample(self.calls, min(8, len(self.calls)))
        for row in chosen:
            change = self.rng.randrange(-(10**9), 10**12)
            gets_price = row["cost_usd"] is None and row["id"] not in self.priced
            self.priced.add(row["id"])
            self.database.command(
                "INSERT INTO adjustments (rating_id, incarnation, partition, offset, item, ingested_at, id, time, "
                "tenant_id, team_id, agent_id, provider_name, request_model, tier, adjustment_usd, priced_change) "
                f"VALUES ('{id_}', 1, {row['partition']}, {row['offset']}, 0, "
                f"'{row['ingested_at']:%Y-%m-%d %H:%M:%S}', '{row['id']}', "
                f"'{row['time']:%Y-%m-%d %H:%M:%S}', '', '{row['team_id']}', 'agent', 'openai', "
                f"'{row['request_model']}', 'mid', toDecimal64('{exact(change)}', 12), {int(gets_price)})"
            )
            self.model.items.append(Item(month_of(row["time"]), month_of(now), change, 0))
        self.database.command(
            "INSERT INTO ratings (number, id, finished_at, started_at) VALUES "
            f"({self.ratings}, '{id_}', '{now:%Y-%m-%d %H:%M:%S}', '{now:%Y-%m-%d %H:%M:%S}')"
        )


def months(now: datetime) -> list[date]:
    found, month = [], month_of(START - timedelta(days=71))
    while month <= month_of(now):
        found.append(month)
        month = following(month)
    return found


def assert_same(door: Door, world: World, now: datetime) -> None:
    whole = Sums()
    for month in [*months(now), following(month_of(now))]:
        said = read_statement(door, month)
        assert (said.own.calls, said.own.cost) == world.model.sums(month, own=True), month
        assert (said.corrected.calls, said.corrected.cost) == world.model.sums(month, own=False), month
        assert (said.closing is not None) == (month in world.model.closed)
        elsewhere = sum(one.cell.sums.cost for _, one in said.since)
        counted = [i for i in world.model.items if i.of == month and world.model.counts_in(i) != month]
        if said.closing is not None:
            assert elsewhere == sum(one.cost for one in counted)
        whole = whole + said.own + said.corrected
    [[calls, cost]] = door.rows("SELECT sum(calls), sum(cost_usd) FROM spend_by_hour")
    assert (whole.calls, exact(whole.cost)) == (int(calls or 0), exact(pico(cost or "0")))


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_each_call_and_adjustment_counts_in_one_month_whatever_is_closed_and_reopened(
    door: Door, database: Database, seed: int
) -> None:
    world = World(database, seed)
    now = START
    for _ in range(26):
        now += timedelta(days=world.rng.randrange(1, 9), hours=world.rng.randrange(24))
        world.arrive(now, world.rng.randrange(1, 30))
        if world.rng.random() < 0.4:
            world.rerate(now)
        over = [one for one in months(now) if one < month_of(now) and one not in world.model.closed]
        if over and world.rng.random() < 0.6:
            month = world.rng.choice(over)
            done = close_month(door, database, month, by="ada", now=now, audited=False, empty=True)
            world.model.close(month)
            assert (done.calls, done.cost) == world.model.sums(month, own=True)
        elif world.model.closed and world.rng.random() < 0.5:
            month = max(world.model.closed)
            reopen_month(door, database, month, by="ada", reason="wrong price", now=now)
            world.model.reopen(month)
        if world.rng.random() < 0.3:
            assert_same(door, world, now)
    assert_same(door, world, now)
    assert world.model.closed, "the test closed nothing"
    for month in world.model.closed:
        assert check_month(door, month).ok


def test_a_worker_reads_the_same_figures_through_its_own_connection(door: Door, database: Database) -> None:
    world = World(database, 7)
    for day in range(1, 29, 3):
        world.arrive(datetime(2026, 10, day, tzinfo=UTC), 20)
    close_month(door, database, OCTOBER, by="ada", now=datetime(2026, 11, 2, tzinfo=UTC))
    world.arrive(datetime(2026, 11, 20, tzinfo=UTC), 60)
    own = WorkerReader(database)
    assert read_book(own) == read_book(door)
    for month in (OCTOBER, NOVEMBER):
        assert read_statement(own, month) == read_statement(door, month)
    assert any(read_statement(own, month).corrections for month in (OCTOBER, NOVEMBER))


def test_only_an_admin_closes_through_a_worker(database: Database) -> None:
    assert [scope_of(route.handler) for route in ClosingRoutes(database, ()).routes] == ["admin"]


def test_a_closing_is_refused_while_the_month_runs_and_twice(door: Door, database: Database) -> None:
    World(database, 1).arrive(datetime(2026, 10, 20, tzinfo=UTC), 5)
    with pytest.raises(NotPossible, match=r"October 2026 is not over: it can be closed from 2026-11-01 00:00 UTC"):
        close_month(door, database, OCTOBER, by="ada", now=datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    with pytest.raises(UsageError, match="--by is empty"):
        close_month(door, database, OCTOBER, by=" ", now=now)
    close_month(door, database, OCTOBER, by="ada", reason="books of October", now=now)
    with pytest.raises(NotPossible, match=r"closed already, by ada at 2026-11-02 09:00"):
        close_month(door, database, OCTOBER, by="bob", now=now)


def test_a_month_without_calls_is_refused_unless_that_is_meant(door: Door, database: Database) -> None:
    now = datetime(2026, 12, 2, 9, tzinfo=UTC)
    with pytest.raises(NotPossible, match="no calls in October 2026; months with calls: none"):
        close_month(door, database, OCTOBER, by="ada", now=now)
    World(database, 1).arrive(datetime(2026, 11, 20, tzinfo=UTC), 5)
    months = ", ".join(f"{one:%Y-%m}" for one, _ in database.rows(named_query("report_months")))
    september = date(2026, 9, 1)
    with pytest.raises(NotPossible, match=f"no calls in September 2026; months with calls: {months}. .* --empty"):
        close_month(door, database, september, by="ada", now=now)
    assert read_book(door).changes == ()
    assert close_month(door, database, september, by="ada", now=now, empty=True).calls == 0


def test_an_open_gap_is_refused_unless_it_is_accepted(door: Door, database: Database) -> None:
    world = World(database, 1)
    world.arrive(datetime(2026, 10, 20, tzinfo=UTC), 9)
    at = world.offsets[0]
    database.command(
        "INSERT INTO intake (incarnation, partition, offset, through, epoch, outcome, arrived_at, ingested_at, time) "
        f"SELECT 1, 0, {at}, {at + 6}, 1, 'gap', t, t, t "
        "FROM (SELECT toDateTime64('2026-11-01 03:00:00', 3, 'UTC') AS t)"
    )
    now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    with pytest.raises(NotPossible, match="1 open gap: the log did not give 7 records"):
        close_month(door, database, OCTOBER, by="ada", now=now)
    assert read_book(door).changes == ()
    assert close_month(door, database, OCTOBER, by="ada", now=now, accept_gaps=True).accepted_gaps == 7


def test_a_ledger_that_does_not_add_up_is_not_closed(door: Door, database: Database) -> None:
    world = World(database, 1)
    world.arrive(datetime(2026, 10, 20, tzinfo=UTC), 9)
    world.offsets[1] += 3  # positions that no row speaks for
    world.arrive(datetime(2026, 10, 21, tzinfo=UTC), 9)
    now = datetime(2026, 11, 2, 9, tzinfo=UTC)
    with pytest.raises(LedgerError, match=r"does not add up, so nothing is closed .* positions"):
        close_month(door, database, OCTOBER, by="ada", now=now)
    assert close_month(door, database, OCTOBER, by="ada", now=now, audited=False).calls > 0


def test_a_month_is_reopened_with_a_reason_and_before_the_months_after_it_are(door: Door, database: Database) -> None:
    World(database, 1).arrive(datetime(2026, 10, 20, tzinfo=UTC), 5)
    november, now = date(2026, 11, 1), datetime(2026, 12, 2, tzinfo=UTC)
    with pytest.raises(NotPossible, match="October 2026 is not closed"):
        reopen_month(door, database, OCTOBER, by="ada", reason="x", now=now)
    close_month(door, database, OCTOBER, by="ada", now=now)
    close_month(door, database, november, by="ada", now=now, empty=True)
    with pytest.raises(UsageError, match="reopening a closed month needs a --reason"):
        reopen_month(door, database, OCTOBER, by="ada", reason="", now=now)
    with pytest.raises(NotPossible, match="reopen 2026-11 first"):
        reopen_month(door, database, OCTOBER, by="ada", reason="x", now=now)
    reopen_month(door, database, november, by="bob", reason="an invoice was missing", now=now)
    reopen_month(door, database, OCTOBER, by="bob", reason="an invoice was missing", now=now)
    changes = read_book(door).changes
    assert [(f"{one.month:%m}", one.number, one.closed, one.by) for one in changes] == [
        ("10", 1, True, "ada"),
        ("11", 1, True, "ada"),
        ("11", 2, False, "bob"),
        ("10", 2, False, "bob"),
    ]
    assert [one.at for one in changes] == sorted({one.at for one in changes})


def test_the_same_change_by_two_people_counts_once(door: Door, database: Database) -> None:
    """Both looked before either wrote: the ledger keeps the first, and the second is told."""

    class Late(Door):
        """Sees the closings as they were before the other one's, until it looks again."""

        stale = True

        def rows(self, sql, parameters=None, settings=None):  # type: ignore[no-untyped-def]
            if self.stale and "settled_closings" in sql:
                self.stale = False
                return []
            return super().rows(sql, parameters, settings)

    World(database, 1).arrive(datetime(2026, 10, 20, tzinfo=UTC), 5)
    now = datetime(2026, 11, 2, tzinfo=UTC)
    close_month(door, database, OCTOBER, by="ada", now=now)
    late = Late.__new__(Late)
    late.__dict__.update(door.__dict__)
    with pytest.raises(LedgerError, match=r"2026-10 was changed by somebody else at the same moment \(ada was first\)"):
        close_month(late, database, OCTOBER, by="bob", now=now)
    assert [one.by for one in read_book(door).changes] == ["ada"]
    assert len(door.rows("SELECT * FROM closed_spend")) == len(read_statement(door, OCTOBER).usage)


def test_a_check_finds_figures_and_rows_that_were_changed(door: Door, database: Database) -> None:
    World(database, 1).arrive(datetime(2026, 10, 20, tzinfo=UTC), 30)
    now = datetime(2026, 11, 2, tzinfo=UTC)
    close_month(door, database, OCTOBER, by="ada", now=now)
    assert check_month(door, OCTOBER).ok
    with pytest.raises(NotPossible, match="November 2026 is not closed"):
        check_month(door, date(2026, 11, 1))
    database.command("INSERT INTO closed_figures SELECT * FROM closed_figures LIMIT 1")
    found = check_month(door, OCTOBER)
    assert (found.stored, found.recomputed) == (False, True)


def test_digests_tell_every_field_apart() -> None:
    from dataclasses import replace

    from streams.closing.digest import digest, figures
    from streams.closing.statement import Correction
    from streams.report.sums import Cell

    cell = Cell("2026-10-02", "t", "a", "mid", "openai", "gpt-4o", Sums(1, 2, 3, 4, 5, 6, 7, 8, 9))
    names = ("day", "tenant", "team", "tier", "provider", "model")
    changed: Sequence[dict[str, Any]] = [{name: "2026-10-03" if name == "day" else "x"} for name in names]
    others = [replace(cell, **one) for one in changed]
    measures = ("calls", "input", "output", "cache_read", "cache_write", "reasoning", "cost", "unpriced", "errors")
    others += [*(replace(cell, sums=replace(cell.sums, **{name: 99})) for name in measures)]
    found = {digest(OCTOBER, figures(OCTOBER, [one], [])) for one in [cell, *others]}
    found |= {
        digest(OCTOBER, figures(OCTOBER, [], [Correction("late", cell)])),
        digest(NOVEMBER, figures(OCTOBER, [cell], [])),
    }
    assert len(found) == 1 + len(names) + len(measures) + 2
    assert digest(OCTOBER, figures(OCTOBER, [cell, others[0]], [])) == digest(
        OCTOBER, figures(OCTOBER, [others[0], cell], [])
    )
