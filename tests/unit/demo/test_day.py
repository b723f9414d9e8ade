"""The demo's company: the same seed gives the same calls; clean ones are of the contract, flaws are known."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.demo.company import AGENTS, OWN, ROUTERS, busy
from streams.demo.day import HOUR_MS, calls
from streams.demo.flaws import Item, with_flaws
from streams.demo.runaways import SAYS, Runaway, timetable
from streams.meter.decode import decode
from streams.publish.record import Record, build

DAY_MS = 24 * HOUR_MS
START = 1_795_132_800_000 // DAY_MS * DAY_MS + 7 * HOUR_MS


def day(seed: int = 7, hours: float = 4.0, prefix: str = "demo") -> list[Item]:
    return list(with_flaws(calls(seed, START, int(hours * HOUR_MS), prefix), seed))


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return day()


def test_same_seed_same_calls_and_another_seed_others(items: list[Item]) -> None:
    assert day() == items
    assert day(seed=8) != items


def test_prefix_changes_names_only(items: list[Item]) -> None:
    other = day(prefix="again")
    assert [(item.at_ms, item.what) for item in other] == [(item.at_ms, item.what) for item in items]
    assert {item.row["id"] for item in other}.isdisjoint(item.row["id"] for item in items)
    assert [item.row.get("output_tokens") for item in other] == [item.row.get("output_tokens") for item in items]


def test_times_never_go_back_and_are_the_calls_own(items: list[Item]) -> None:
    assert all(before.at_ms <= after.at_ms for before, after in pairwise(items))
    clean = [item for item in items if item.what == "call"]
    assert all(item.row["time"] == item.at_ms for item in clean)
    assert all(START <= item.at_ms < START + 4 * HOUR_MS for item in clean)


def test_every_clean_call_is_accepted_and_every_malformed_one_refused(items: list[Item]) -> None:
    values = [json.dumps(item.row).encode() for item in items]
    decoded = decode(values, [START + DAY_MS] * len(values))
    refused = {reject.record for reject in decoded.rejects}
    assert refused == {at for at, item in enumerate(items) if item.what == "malformed"}
    assert len({reject.reason for reject in decoded.rejects}) >= 3


def test_the_publisher_takes_malformed_calls_too(items: list[Item]) -> None:
    for item in items:
        if item.what == "malformed":
            record, unknown = build(item.row, source=item.router, now_ms=START)
            assert isinstance(record, Record)
            assert unknown == 0


def test_a_resent_call_is_the_same_call_later(items: list[Item]) -> None:
    first = {item.row["id"]: (at, item) for at, item in enumerate(items) if item.what == "call"}
    again = [(at, item) for at, item in enumerate(items) if item.what == "again"]
    assert len(again) > 40
    for at, item in again:
        before, original = first[item.row["id"]]
        assert before < at
        assert item.row == original.row
        assert item.router == original.router


def test_ids_are_unique_and_retries_point_to_what_they_retry(items: list[Item]) -> None:
    clean = [item.row for item in items if item.what == "call"]
    ids = {row["id"] for row in clean}
    assert len(ids) == len(clean)
    retries = [row for row in clean if "retry_of" in row]
    assert len(retries) > 100
    assert all(row["retry_of"] in ids and row["attempt"] > 1 for row in retries)
    assert all(row["parent_call_id"] in ids for row in clean if "parent_call_id" in row)


def test_the_company_is_all_there(items: list[Item]) -> None:
    clean = [item.row for item in items if item.what == "call"]
    assert {item.router for item in items} == set(ROUTERS)
    assert {row["team_id"] for row in clean} == {agent.team for agent in AGENTS}
    assert any(row["request_model"] == OWN.name for row in clean)
    assert {row.get("plan_id", "") for row in clean} == {"", "claude-team-flat"}
    assert max(row["input_tokens"] for row in clean if row["agent_id"].startswith("coder-")) > 100_000
    drops = Counter(row["status"] for row in clean)
    assert 0.005 < 1 - drops["ok"] / len(clean) < 0.25


def test_coding_context_is_compacted_unless_it_runs_away(items: list[Item]) -> None:
    contexts: dict[str, list[int]] = {}
    for item in items:
        if item.what == "call" and item.row["agent_id"].startswith("coder-"):
            contexts.setdefault(item.row["run_id"], []).append(item.row["input_tokens"])
    compacted = [run for run, sizes in contexts.items() if any(b < a / 2 for a, b in pairwise(sizes))]
    assert compacted
    assert all("-x" not in run for run in compacted)


@given(seed=st.integers(0, 10_000), minutes=st.integers(1, 60 * 30))
@settings(max_examples=60)
def test_timetable_has_each_kind_within_the_span(seed: int, minutes: int) -> None:
    span = minutes * 60_000
    made = timetable(seed, START, span)
    assert {runaway.kind for runaway in made} == set(SAYS)
    assert len({runaway.run_id for runaway in made}) == len(made)
    assert list(made) == sorted(made, key=lambda runaway: runaway.starts_ms)
    assert all(START <= runaway.starts_ms < START + span for runaway in made)
    assert made == timetable(seed, START, span)


def runaway_rows(items: list[Item], runaway: Runaway) -> list[dict[str, object]]:
    return [item.row for item in items if item.what == "call" and item.row["run_id"] == f"demo/{runaway.run_id}"]


def test_runaways_do_what_is_said_of_them(items: list[Item]) -> None:
    for runaway in timetable(7, START, 4 * HOUR_MS):
        rows = runaway_rows(items, runaway)
        assert rows, runaway
        assert rows[0]["time"] == runaway.starts_ms
        prints = Counter(row["request_fingerprint"] for row in rows)
        if runaway.kind == "loop":
            assert len(rows) > 300
            assert len(prints) == 3
        elif runaway.kind == "retry_storm":
            assert len(rows) > 300
            assert len(prints) == 1
            assert all(later["retry_of"] == row["id"] for row, later in pairwise(rows))
        elif runaway.kind == "sub_agents":
            assert len({row["agent_id"] for row in rows}) > 200
        else:
            tokens = [int(str(row["input_tokens"])) for row in rows]
            assert tokens[-1] > 4 * tokens[0]
            assert all(b >= a for a, b in pairwise(tokens))


def test_tenses() -> None:
    loop = next(runaway for runaway in timetable(7, START, 4 * HOUR_MS) if runaway.kind == "loop")
    name = loop.agent.agent_id
    assert loop.says(loop.starts_ms - 1) == f"{name} begins to loop"
    assert loop.says(loop.starts_ms) == f"{name} loops"
    assert loop.says(loop.starts_ms + loop.length_ms) == f"{name} looped"


def test_the_day_has_a_shape() -> None:
    hour = {at: busy(at * HOUR_MS) for at in range(24)}
    assert hour[3] < hour[7] < hour[10]
    assert hour[12] < hour[10]
    assert busy(9 * HOUR_MS + HOUR_MS // 2) == pytest.approx((hour[9] + hour[10]) / 2)
