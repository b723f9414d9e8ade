"""Every question of `top` on a real engine, against figures added up by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from streams.ledger.client import Database
from streams.top import read
from streams.top.figures import Scope
from streams.top.look import STEPS, now_of, take
from streams.top.once import as_json, as_text, look_once
from streams.top.view import View
from tests.unit.top.ledger import MINUTE, NOW, WRITTEN, EngineReader, insert

HOUR = Scope(NOW - 60 * MINUTE, NOW)


def test_newest_and_totals(reader: EngineReader) -> None:
    assert read.newest_ms(reader) == NOW - MINUTE
    totals = read.totals(reader)
    assert (totals.calls, totals.duplicates, totals.rejects, totals.unpriced) == (7, 1, 1, 1)
    assert totals.cost_usd == Decimal("11.875450000002")
    assert totals.input_tokens == 50_000 + 60_000 + 5 * 1000
    assert totals.rows == 9


def test_empty_ledger(empty: EngineReader) -> None:
    assert read.newest_ms(empty) == 0
    assert read.totals(empty).rows == 0
    nothing = read.arrivals(empty, WRITTEN, 10)
    assert (nothing.calls, nothing.delay_p50_ms, nothing.last_ms, nothing.newest_ms) == (0, None, 0, 0)
    assert read.groups(empty, HOUR, "agent_id") == []
    assert read.trend(empty, HOUR, 60) == []
    look = take(empty, View(), WRITTEN)
    assert look.is_empty
    found = look_once(empty, View(), WRITTEN)
    assert as_json(*found)["now"] is None
    assert any("ledger is empty" in line.plain for line in as_text(*found, "x", 80, idle=False))


def test_arrivals_are_by_the_clock_and_say_the_delay(reader: EngineReader) -> None:
    recent = read.arrivals(reader, WRITTEN + 1000, 10)
    assert (recent.calls, recent.duplicates, recent.rejects) == (6, 1, 1)
    assert recent.calls_per_s == pytest.approx(0.6)
    assert recent.delay_p50_ms == pytest.approx(300)
    assert (recent.last_ms, recent.newest_ms) == (WRITTEN, NOW - MINUTE)
    assert read.arrivals(reader, WRITTEN + 60_000, 10).calls == 0


def test_groups_by_each_column(reader: EngineReader) -> None:
    agents = {line.key: line for line in read.groups(reader, HOUR, "agent_id")}
    assert set(agents) == {"chat", "coder", "coder/tests", "reader"}
    assert agents["coder"].cost_usd == Decimal("3.500000000001")
    assert (agents["coder"].calls, agents["coder"].errors, agents["coder"].cached_tokens) == (2, 1, 40_000)
    assert (agents["reader"].unpriced, agents["reader"].cost_usd) == (1, Decimal(0))
    teams = {line.key: line for line in read.groups(reader, HOUR, "team_id")}
    assert teams["support"].cost_usd == Decimal("0.250450000001")
    assert teams[""].calls == 1
    assert teams["platform"].agents == 2
    assert [line.key for line in read.groups(reader, HOUR, "tier")] == ["frontier", "mid", "unknown"]
    assert {line.key for line in read.groups(reader, HOUR, "request_model")} == {"gpt-5-mini", "sonnet", "haiku", "own"}


def test_filters_meet(reader: EngineReader) -> None:
    def keys(scope: Scope, **more: str) -> set[str]:
        return {line.key for line in read.groups(reader, scope, "agent_id", search=more.get("search", ""))}

    assert keys(replace(HOUR, team="platform")) == {"coder", "coder/tests"}
    assert keys(replace(HOUR, team="platform", tier="mid")) == {"coder/tests"}
    assert keys(replace(HOUR, team="")) == {"reader"}
    assert keys(replace(HOUR, model="own")) == {"reader"}
    assert keys(HOUR, search="TEST") == {"coder/tests"}
    assert keys(HOUR, search="%_'\\") == set()
    runs = read.groups(reader, replace(HOUR, agent="coder"), "run_id")
    assert [(line.key, line.calls, line.agents) for line in runs] == [("edit-1", 3, 2)]


def test_order_and_limit(reader: EngineReader) -> None:
    assert [line.key for line in read.groups(reader, HOUR, "agent_id", limit=1)] == ["coder"]
    assert next(iter(read.groups(reader, HOUR, "agent_id", order="unpriced"))).key == "reader"
    assert next(iter(read.groups(reader, HOUR, "agent_id", order="errors"))).key in {"chat", "coder"}


def test_trend_adds_up_to_the_groups(reader: EngineReader) -> None:
    points = read.trend(reader, HOUR, 60)
    assert [point.at_ms for point in points] == [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]
    spent = sum((line.cost_usd for line in read.groups(reader, HOUR, "tier")), start=Decimal(0))
    assert sum((point.cost_usd for point in points), start=Decimal(0)) == spent
    [run] = read.trend(reader, replace(HOUR, run="talk-1"), 3600)
    assert (run.calls, run.errors) == (2, 1)


def test_calls_of_a_run_and_of_none(reader: EngineReader) -> None:
    run = read.calls(reader, replace(HOUR, run="edit-1"))
    assert [call.agent_id for call in run] == ["coder", "coder/tests", "coder"]
    assert (run[0].status, run[0].attempt, run[0].cost_usd) == ("rate_limited", 2, Decimal("2.000000000001"))
    assert (run[2].tool_name, run[2].cached_tokens, run[2].time_ms) == ("bash", 40_000, NOW - 3 * MINUTE)
    [alone] = read.calls(reader, replace(HOUR, agent="reader", run=""))
    assert alone.cost_usd is None
    assert read.runs(reader, HOUR, ["edit-1", "nope"])["edit-1"].agents == 2
    assert read.runs(reader, HOUR, []) == {}


def test_names_with_quotes_go_through(empty: EngineReader, database: Database) -> None:
    name = "a'b\\c\td\"e 好"
    insert(database, [{"agent_id": name, "run_id": name, "cost_usd": "1", "team_id": name}])
    [line] = read.groups(empty, replace(HOUR, agent=name, team=name), "agent_id", search="'B\\")
    assert line.key == name
    assert len(read.calls(empty, replace(HOUR, run=name))) == 1
    assert set(read.runs(empty, HOUR, [name])) == {name}


def test_now_is_the_clock_or_what_is_being_written() -> None:
    clock = NOW + 1000
    assert now_of(0, 0, clock) == clock
    assert now_of(NOW, 0, clock) == clock
    assert now_of(NOW + 10**9, 0, clock) == clock  # a router whose clock is wrong
    year = clock - 365 * 86_400_000
    assert now_of(year, 0, clock) == year + 1
    assert now_of(year, year - 86_400_000, clock) == year - 86_400_000 + 1  # older calls are replayed into it


def test_a_look_at_a_replay_of_the_past_is_not_empty(reader: EngineReader) -> None:
    look = take(reader, View(), WRITTEN + 400 * 86_400_000)
    assert not look.of_clock
    assert look.now_ms == NOW - MINUTE + 1
    assert look.window.calls == 6
    assert sum(look.steps(), start=Decimal(0)) == look.window.cost_usd
    assert len(look.steps()) == STEPS


def test_once_shows_the_same_in_text_and_json(reader: EngineReader) -> None:
    look, by = look_once(reader, View(), WRITTEN + 1000)
    shown = as_json(look, by)
    assert shown["now_is"] == "clock"
    assert shown["cost_usd"] == "3.875450000002"
    assert shown["ledger"] == {"calls": 7, "duplicates": 1, "rejected": 1, "unpriced": 1, "cost_usd": "11.875450000002"}
    assert Decimal(shown["by_team"][0]["cost_usd"]) == Decimal("3.625000000001")
    assert shown["by_agent"][0]["key"] == "coder"
    text = [line.plain for line in as_text(look, by, "data/spend", 80, idle=False)]
    assert max(map(len, text)) <= 80
    assert any(line.startswith("coder/tests") for line in text)
    assert any("unpriced" in line and line.startswith("reader") for line in text)
