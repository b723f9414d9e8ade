"""Ratings on the real engine: they equal pricing the calls anew, count once, and only when complete."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from streams.errors import LedgerError
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from streams.rating import rerate as module
from streams.rating.rerate import history
from tests.fakes import BASE_MS, call
from tests.integration.rated_ledger import DAY_MS, INGESTED, Filled, pricer

HOUR_MS = 3_600_000
DEARER = '[[price]]\nmodel = "gpt-4o"\ninput = "5"\noutput = "20"\n'
HOUSE = '[[price]]\nmodel = "house-7b"\nper_hour = "3.60"\n'


@pytest.fixture
def filled(store: LedgerStore) -> Filled:
    """400 calls over three days in five models, some of them twice, some without a price."""
    filled = Filled(store)
    chance = random.Random(7)
    models: list[dict[str, Any]] = [
        {},
        {"request_model": "gpt-4o-mini"},
        {"provider_name": "anthropic", "request_model": "claude-haiku-4-5", "cache_read_input_tokens": 400},
        {"provider_name": "inhouse", "request_model": "house-7b", "latency_ms": 1500},
        {"provider_name": "inhouse", "request_model": "house-7b"},
    ]
    calls = [
        call(
            str(n),
            time=BASE_MS + chance.randrange(3 * DAY_MS),
            team_id=chance.choice(["x", "y", ""]),
            agent_id=f"agent-{n % 7}",
            run_id=f"run-{n % 40}",
            input_tokens=chance.randrange(500, 5000),
        )
        | chance.choice(models)
        for n in range(400)
    ]
    filled.write(calls)
    filled.write(chance.sample(calls, 50))  # duplicates
    return filled


def expected(filled: Filled, text: str, *, between: tuple[int, int] | None = None) -> dict[tuple[Any, ...], Decimal]:
    """Spend by hour, team and model when all calls (or those of a time) are priced by `text`: plain recomputation."""
    import numpy as np

    rows = filled.database.rows(
        "SELECT toUnixTimestamp64Milli(time), team_id, provider_name, request_model, response_model, input_tokens, "
        "output_tokens, cache_read_input_tokens, cache_write_input_tokens, latency_ms, cost_usd FROM calls"
    )
    own = pricer(text)
    sums: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for time_ms, team, provider, model, answered, *counts, latency, cost in rows:
        if between is None or between[0] <= time_ms < between[1]:
            columns = [np.array([value], dtype=np.int64) for value in counts]
            at = np.array([time_ms])
            out = own.price([provider], [model], [answered or None], at, *columns, latency_ms=[latency])
            cost = Decimal(int(out.cost_pico[0])).scaleb(-12) if out.priced[0] else None
        if cost is not None:
            sums[time_ms // HOUR_MS, team, model] += cost
    return dict(sums)


def found(filled: Filled) -> dict[tuple[Any, ...], Decimal]:
    """The same from `spend_by_hour`, and from `rated_calls`: they must agree."""
    by_hour = filled.database.rows(
        "SELECT intDiv(toUnixTimestamp(hour), 3600), team_id, request_model, sum(cost_usd) FROM spend_by_hour "
        "GROUP BY hour, team_id, request_model HAVING sum(cost_usd) IS NOT NULL"
    )
    by_call = filled.database.rows(
        "SELECT intDiv(toUnixTimestamp(hour), 3600), team_id, request_model, sum(rated_cost_usd) FROM rated_calls "
        "GROUP BY hour, team_id, request_model HAVING sum(rated_cost_usd) IS NOT NULL"
    )
    assert sorted(by_hour) == sorted(by_call)
    return {(hour, team, model): cost for hour, team, model, cost in by_hour}


def test_the_same_prices_change_nothing_and_write_nothing(filled: Filled) -> None:
    before = found(filled)
    rating = filled.rerate()
    assert (rating.written, rating.total.changed, rating.total.calls) == (False, 0, 400)
    assert filled.database.rows("SELECT count() FROM adjustments") == [(0,)]
    assert filled.database.rows("SELECT count() FROM ratings") == [(0,)]
    assert found(filled) == before == expected(filled, "")


def test_new_prices_are_what_pricing_anew_gives(filled: Filled) -> None:
    """To the last digit, by hour, team and model; calls that had no price have one, and are not unpriced any more."""
    _, unpriced_before = filled.money()
    original = filled.database.rows("SELECT id, cost_usd FROM calls ORDER BY id")
    rating = filled.rerate(DEARER + HOUSE)
    assert found(filled) == expected(filled, DEARER + HOUSE)
    assert rating.total.newly_priced > 0
    assert filled.money()[1] == unpriced_before - rating.total.newly_priced
    assert filled.database.rows("SELECT id, cost_usd FROM calls ORDER BY id") == original, "never rewritten"
    assert filled.database.rows("SELECT sum(adjustment_usd) FROM adjustments") == [
        (Decimal(rating.total.sum_pico).scaleb(-12),)
    ]


def test_a_second_identical_rating_writes_nothing(filled: Filled) -> None:
    first = filled.rerate(DEARER)
    held = filled.database.rows("SELECT count(), sum(adjustment_usd) FROM adjustments")
    again = filled.rerate(DEARER)
    assert first.written
    assert (again.written, again.total.changed, again.total.calls) == (False, 0, 400)
    assert filled.database.rows("SELECT count(), sum(adjustment_usd) FROM adjustments") == held


def test_ratings_follow_each_other_and_can_go_back(filled: Filled) -> None:
    """Each compares with what the calls are rated at now; the book's own prices at the end undo everything."""
    before = found(filled)
    for text in (DEARER, HOUSE, DEARER + HOUSE, HOUSE):
        filled.rerate(text)
        assert found(filled) == expected(filled, text)
    assert filled.rerate("").total.unpriced > 0
    assert found(filled) == before
    assert filled.money()[1] == filled.database.rows("SELECT countIf(cost_usd IS NULL) FROM calls")[0][0]
    assert [row["number"] for row in history(filled.database)] == [5, 4, 3, 2, 1]


def test_only_the_time_and_models_asked_for(filled: Filled) -> None:
    first, end = BASE_MS + 10 * HOUR_MS + 1234, BASE_MS + 40 * HOUR_MS + 77
    rating = filled.rerate(DEARER + HOUSE, first_ms=first, end_ms=end, models=["gpt-4o"])
    assert {model for _, model in rating.by_model} == {"gpt-4o"}
    assert found(filled) == expected(filled, DEARER, between=(first, end))


def test_small_blocks_give_the_same(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few hours, and hours in shares."""
    monkeypatch.setattr(module, "BLOCK_CALLS", 5)
    seen: list[int] = []
    rating = filled.rerate(DEARER + HOUSE, progress=seen.append)
    assert rating.total.calls == 400
    assert len(seen) > 50
    assert seen == sorted(seen)
    assert found(filled) == expected(filled, DEARER + HOUSE)
    assert not filled.rerate(DEARER + HOUSE).written


def test_a_dry_run_says_the_same_and_writes_nothing(filled: Filled) -> None:
    before = found(filled)
    dry = filled.rerate(DEARER, dry_run=True)
    assert filled.database.rows("SELECT count() FROM adjustments") == [(0,)]
    assert found(filled) == before
    assert (dry.written, filled.rerate(DEARER).by_model) == (False, dry.by_model)


class Crash(Exception):
    """The process ends here."""


def test_a_rating_that_fails_on_its_way_counts_for_nothing(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_CALLS", 50)
    before = found(filled)

    def crash(calls: int) -> None:
        if calls > 150:
            raise Crash

    with pytest.raises(Crash):
        filled.rerate(DEARER, progress=crash)
    assert filled.database.rows("SELECT count() > 0 FROM adjustments") == [(True,)]
    assert found(filled) == before
    assert filled.rerate(DEARER).written
    assert found(filled) == expected(filled, DEARER)


def test_of_two_at_a_time_one_counts_and_the_other_is_told(filled: Filled) -> None:
    """The second completes while the first is between its blocks and its own row."""
    done: list[bool] = []

    def other(calls: int) -> None:
        if not done:
            done.append(True)
            filled.rerate(HOUSE, rating_id="quick")

    with pytest.raises(LedgerError, match="another rating finished"):
        filled.rerate(DEARER, rating_id="slow", progress=other)
    assert found(filled) == expected(filled, HOUSE)
    assert [row["id"] for row in history(filled.database)] == ["quick"]


def test_of_two_rows_with_one_number_the_first_counts(filled: Filled) -> None:
    """Both came through the condition of the insert at once: whoever was not the first finds out."""

    def other() -> None:
        filled.database.command(
            "INSERT INTO ratings (number, id, finished_at) SELECT 1, 'earlier', fromUnixTimestamp64Milli({at:Int64})",
            {"at": BASE_MS - 1},
        )

    with pytest.raises(LedgerError, match="another rating finished"):
        filled.rerate(DEARER, rating_id="later", settle=other)
    assert found(filled) == expected(filled, "")


def test_a_row_that_is_missing_or_doubled_is_found_before_anything_counts(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = Database.insert

    def lossy(self: Database, table: str, columns: Any, data: Any, **rest: Any) -> None:
        insert(self, table, columns, data.slice(1) if table == "adjustments" else data, **rest)

    monkeypatch.setattr(Database, "insert", lossy)
    with pytest.raises(LedgerError, match="none of them counts"):
        filled.rerate(DEARER)
    assert found(filled) == expected(filled, "")


def test_calls_that_come_later_keep_the_meters_price(filled: Filled) -> None:
    filled.rerate(DEARER)
    before, _ = filled.money()
    filled.write([call("late", time=BASE_MS + HOUR_MS)])
    assert filled.money()[0] == before + Decimal("0.0035")
    assert filled.rerate(DEARER).total.changed == 1


def test_calls_of_two_months_of_ingestion_are_adjusted_in_one_rating(filled: Filled) -> None:
    filled.write([call("other month")], ingested_ms=INGESTED + 40 * DAY_MS)
    filled.rerate(DEARER)
    assert filled.database.rows("SELECT uniqExact(toYYYYMM(ingested_at)) FROM adjustments") == [(2,)]
    assert found(filled) == expected(filled, DEARER)


def test_who_why_and_what_is_kept(filled: Filled) -> None:
    rating = filled.rerate(DEARER, models=["gpt-4o", "gpt-4o-mini"])
    (kept,) = history(filled.database)
    assert kept | {"started_at": "", "finished_at": "", "first": "", "end": ""} == {
        "number": 1, "id": "r1", "by": "ada", "reason": "because", "started_at": "", "finished_at": "", "first": "",
        "end": "", "models": ["gpt-4o", "gpt-4o-mini"], "book": pricer().book.source,
        "overrides": pricer(DEARER).overrides.source, "calls": rating.total.calls, "changed": rating.total.changed,
        "newly_priced": 0, "unpriced": 0, "sum_usd": f"{Decimal(rating.total.sum_pico).scaleb(-12):f}",
    }  # fmt: skip
    assert kept["first"] == "2025-11-22T00:00:00.000Z"


def test_every_call_says_which_price_it_has(filled: Filled) -> None:
    """As metered and as rated: source, entry and date."""
    text = DEARER + "from = 2026-03-01\n"
    filled.rerate(text)
    source = pricer(text).overrides.source
    book = pricer().book.source
    assert filled.database.rows(
        "SELECT DISTINCT price_source, price_ref, rated_price_source, rated_price_ref, rated_price_from, rating_id "
        "FROM rated_calls WHERE request_model LIKE 'gpt-4o%' ORDER BY request_model"
    ) == [
        (book, "openai/gpt-4o", source, "*/gpt-4o", "2026-03-01", "r1"),
        (book, "openai/gpt-4o-mini", book, "openai/gpt-4o-mini", "", ""),
    ]
    assert filled.database.rows("SELECT DISTINCT price_from FROM calls WHERE request_model = 'gpt-4o'") == [("",)]


@pytest.mark.parametrize("view", ["spend_by_hour", "rated_calls"])
def test_readers_that_see_nulls_in_joins_get_the_same(filled: Filled, view: str) -> None:
    filled.rerate(DEARER)
    column = "cost_usd" if view == "spend_by_hour" else "rated_cost_usd"
    ask = f"SELECT sum({column}), count() FROM {view}"
    assert filled.database.rows(f"{ask} SETTINGS join_use_nulls = 1") == filled.database.rows(ask)


def test_both_halves_are_read_from_a_projection_with_the_hours_asked_for(filled: Filled) -> None:
    """What keeps month pages quick: the filter on `hour` reaches the rows of both tables."""
    filled.rerate(DEARER)
    plan = "\n".join(
        row[0]
        for row in filled.database.rows(
            "EXPLAIN indexes = 1 SELECT team_id, sum(cost_usd) FROM spend_by_hour "
            "WHERE hour >= toDateTime('2026-03-01', 'UTC') AND hour < toDateTime('2026-03-03', 'UTC') GROUP BY team_id"
        )
    )
    assert plan.count("ReadFromMergeTree (by_hour)") == 2, plan
    assert plan.count("hour in [1772323200, +Inf)") == 2, plan


def test_datetimes_are_not_off_by_a_zone(filled: Filled) -> None:
    filled.rerate(DEARER)
    times = filled.database.rows("SELECT time, hour FROM adjustments LIMIT 1")[0]
    assert times[0].replace(minute=0, second=0, microsecond=0, tzinfo=None) == datetime.fromisoformat(
        str(times[1]).removesuffix("+00:00")
    )


def audit_of(filled: Filled) -> Callable[[], list[Any]]:
    from streams.ledger.sqlfiles import named_query

    return lambda: filled.database.rows(named_query("audit_rollup"))


def test_the_audit_holds_with_ratings(filled: Filled) -> None:
    audit = audit_of(filled)
    filled.rerate(DEARER + HOUSE)
    assert audit() == []
