"""The savings estimate and escalations on a ledger whose truth is known: every sum recounted by plain arithmetic.

Prices are written out here (USD per million tokens, as of the calls' time), not asked of the pricer.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from html import unescape
from typing import Any

import pytest

from streams.cli.commands.savings import _in_words
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.meter.price import Pricer
from streams.money import exact, pico
from streams.outcomes.escalations import read_escalations
from streams.outcomes.intervals import wilson
from streams.outcomes.period import DAY_MS, Span
from streams.plans.file import parse_plans
from streams.report.money import shown
from streams.savings.result import Savings, mix_spend, read_savings
from streams.savings.section import savings_section
from tests.fakes import BASE_MS, call
from tests.integration.outcome_ledger import Door, write_calls, write_verdicts

DAYS = 20
SPAN = Span(BASE_MS, BASE_MS + DAYS * DAY_MS)
PRICES = {"gpt-4o": ("2.5", "1.25", "10"), "gpt-4o-mini": ("0.15", "0.075", "0.6")}
"""Plain input, cached input, output."""
PLANS = """
[[plan]]
name = "dear"
kind = "flat"
period = "month"
fee = "100000"
from = 2026-01-01
scope = { tier = "frontier" }
capacity = { calls = 1000000 }
overage = "per_token"

[[plan]]
name = "cheap"
kind = "flat"
period = "month"
fee = "0.01"
from = 2026-01-01
scope = { tier = "mid" }
capacity = { calls = 1000000 }
overage = "per_token"
"""


def price(one: dict[str, Any], model: str | None = None, cached: bool = True) -> Decimal:
    plain, read, output = map(Decimal, PRICES[model or str(one["request_model"])])
    reads = int(one.get("cache_read_input_tokens", 0)) if cached else 0
    tokens = (int(one["input_tokens"]) - reads) * plain + reads * read + int(one["output_tokens"]) * output
    return tokens / 1_000_000


class World:
    """Agents with known success rates: `same` is as good on mid, `worse` is not, `alone` has no run on mid."""

    def __init__(self, seed: int = 5) -> None:
        rng = random.Random(seed)
        self.calls: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []
        for agent, task_class, tier, runs, rate in [
            ("same", "routine", "frontier", 600, 0.97),
            ("same", "routine", "mid", 600, 0.97),
            ("worse", "complex", "frontier", 200, 0.95),
            ("worse", "complex", "mid", 200, 0.5),
            ("few", "standard", "frontier", 20, 0.9),
            ("few", "standard", "mid", 20, 0.9),
            ("alone", "", "frontier", 50, 0.9),
        ]:
            for at in range(runs):
                self.run(rng, f"{agent}-{tier}-{at}", agent, task_class, tier, rate)

    def run(self, rng: random.Random, run: str, agent: str, task_class: str, tier: str, rate: float) -> None:
        began = BASE_MS + rng.randrange(DAYS * DAY_MS - 3_600_000)
        model = {"frontier": "gpt-4o", "mid": "gpt-4o-mini"}[tier]
        count = rng.randrange(1, 4)
        up = tier == "mid" and rng.random() < 0.1
        for at in range(count + up):
            fields: dict[str, Any] = {
                "run_id": run, "agent_id": agent, "tier": tier, "request_model": model, "time": began + at * 1000,
                "input_tokens": rng.randrange(1000, 20_000), "output_tokens": rng.randrange(50, 900),
            }  # fmt: skip
            fields["cache_read_input_tokens"] = rng.randrange(fields["input_tokens"])
            if task_class:
                fields["task_class"] = task_class
            if rng.random() < 0.05:
                fields["attempt"] = 2
            if rng.random() < 0.5:
                fields |= {"policy_id": "p", "decision": "allow", "team_id": "t"}
            if up and at == count:
                fields |= {
                    "tier": "frontier", "request_model": "gpt-4o", "escalated_from": "mid", "decision": "escalate",
                    "route_reason": rng.choice(["low_confidence", "too_hard"]), "retry_of": f"c-{run}-0",
                }  # fmt: skip
            self.calls.append(call(f"c-{run}-{at}", **fields))
        if rng.random() < 0.9:
            outcome = "success" if rng.random() < rate else "failure"
            self.verdicts.append({"run_id": run, "outcome": outcome, "evaluator": "tests"})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def door(database: Database, chdb_url: str, world: World) -> Iterator[Door]:
    migrate(database)
    # Each third call comes twice: copies change nothing.
    write_calls(database, world.calls + world.calls[::3])
    write_verdicts(database, world.verdicts)
    door = Door(database, chdb_url)
    yield door
    door.close()


@pytest.fixture
def savings(door: Door) -> Savings:
    return read_savings(door, Pricer.default(), SPAN)


def test_the_mix_equals_a_recount(savings: Savings, world: World) -> None:
    shown = savings.as_json()
    for line in shown["mix"]:
        mine = [
            one for one in world.calls if (one.get("task_class", ""), one["tier"]) == (line["task_class"], line["tier"])
        ]
        assert line["calls"] == len(mine) > 0
        assert Decimal(line["cost_usd"]) == sum(map(price, mine))
        assert line["call_share"] == len(mine) / len(world.calls)
    assert sum(line["calls"] for line in shown["mix"]) == shown["calls"] == len(world.calls)
    assert Decimal(shown["cost_usd"]) == sum(map(price, world.calls))
    routine = sum(one.get("task_class") == "routine" for one in world.calls)
    unsaid = sum("task_class" not in one for one in world.calls)
    assert shown["routine_share"] == [routine / len(world.calls), (routine + unsaid) / len(world.calls)]


def test_what_is_as_good_moves_what_is_worse_stays_and_little_evidence_is_said(savings: Savings) -> None:
    states = {(pair.task_class, pair.present, pair.other): pair.state for pair in savings.pairs}
    assert states == {
        ("routine", "mid", "oss"): "no evidence",
        ("routine", "frontier", "oss"): "no evidence",
        ("routine", "frontier", "mid"): "movable",
        ("complex", "mid", "oss"): "no evidence",
        ("complex", "frontier", "oss"): "no evidence",
        ("complex", "frontier", "mid"): "worse",
        ("standard", "mid", "oss"): "no evidence",
        ("standard", "frontier", "oss"): "no evidence",
        ("standard", "frontier", "mid"): "unclear",
        ("", "frontier", "oss"): "no evidence",
        ("", "frontier", "mid"): "no evidence",
    }
    needed = {pair.state: pair.runs_needed for pair in savings.pairs}
    assert needed["movable"] is None
    assert needed["worse"] is None
    assert (needed["unclear"] or 0) > 20
    assert [(move.pair.task_class, move.pair.present, move.pair.other) for move in savings.moves] == [
        ("routine", "frontier", "mid")
    ]


def test_the_evidence_equals_a_recount(savings: Savings, world: World) -> None:
    verdict = {told["run_id"]: told["outcome"] == "success" for told in world.verdicts}
    started = {one["run_id"] for one in world.calls} & set(verdict)
    arms = {tier: [verdict[run] for run in started if run.startswith(f"same-{tier}-")] for tier in ("frontier", "mid")}
    (line,) = [line for line in savings.as_json()["evidence"] if line["state"] == "movable"]
    assert line["from"] == {"hits": sum(arms["frontier"]), "of": len(arms["frontier"])}
    assert line["to"] == {"hits": sum(arms["mid"]), "of": len(arms["mid"])}
    # Three pairs have runs on both tiers: each has a third of the 5 %, on one side.
    assert line["confidence"] == 1 - 2 * 0.05 / 3
    here, there = (sum(arm) / len(arm) for arm in (arms["frontier"], arms["mid"]))
    low = wilson(sum(arms["mid"]), len(arms["mid"]), line["confidence"])[0]
    high = wilson(sum(arms["frontier"]), len(arms["frontier"]), line["confidence"])[1]
    assert line["low"] == pytest.approx(there - here - math.hypot(there - low, high - here), abs=1e-12)
    assert line["low"] > -savings.margin


def test_the_repriced_sums_equal_a_recount_call_by_call(savings: Savings, world: World) -> None:
    (move,) = savings.moves
    mine = [
        one
        for one in world.calls
        if (one["agent_id"], one["tier"]) == ("same", "frontier") and "escalated_from" not in one
    ]
    assert move.calls == len(mine)
    line = savings.as_json()["moves"][0]
    repriced = line["repriced"]
    assert (repriced["request_model"], repriced["calls"], repriced["calls_left_out"]) == ("gpt-4o-mini", len(mine), 0)
    now = sum(map(price, mine))
    kept = sum(price(one, "gpt-4o-mini") for one in mine)
    lost = sum(price(one, "gpt-4o-mini", cached=False) for one in mine)
    assert (Decimal(repriced["present_usd"]), Decimal(line["cost_usd"])) == (now, now)
    assert (Decimal(repriced["cache_kept_usd"]), Decimal(repriced["cache_lost_usd"])) == (kept, lost)

    verdicts = {told["run_id"] for told in world.verdicts}
    began = {one["run_id"] for one in world.calls if one["run_id"].startswith("same-mid-")} & verdicts
    up = {one["run_id"] for one in world.calls if "escalated_from" in one} & began
    assert line["escalated"] == {"hits": len(up), "of": len(began)}
    there = [one for one in world.calls if one["agent_id"] == "same" and one["tier"] == "mid"]
    again, again_now = (sum(one.get("attempt", 1) > 1 for one in calls) for calls in (there, mine))
    assert line["retries"] == {"hits": again, "of": len(there)}
    assert line["retries_now"] == {"hits": again_now, "of": len(mine)}

    low, high = wilson(len(up), len(began))
    more = max(0.0, wilson(again, len(there))[1] - again_now / len(mine))
    best = _pico(now) - _pico(kept) - round(_pico(now) * Fraction(low))
    worst = _pico(now) - _pico(lost) - round(_pico(lost) * Fraction(more)) - round(_pico(now) * Fraction(high))
    assert [_pico(Decimal(end)) for end in repriced["saving_usd"]] == [worst, best]


def _pico(amount: Decimal | int) -> int:
    return int(Decimal(amount).scaleb(12))


def test_the_observed_ratio_equals_a_recount(savings: Savings, world: World) -> None:
    judged = {told["run_id"] for told in world.verdicts}
    costs: dict[str, dict[str, Decimal]] = {"frontier": {}, "mid": {}}
    for one in world.calls:
        run = one["run_id"]
        if run in judged and one["agent_id"] == "same":
            tier = run.split("-")[1]
            costs[tier][run] = costs[tier].get(run, Decimal(0)) + price(one)
    here, there = ([float(cost) for cost in costs[tier].values()] for tier in ("frontier", "mid"))
    ratio = statistics.fmean(there) / statistics.fmean(here)
    spread = 1.959963984540054 * math.sqrt(
        sum(statistics.variance(arm) / len(arm) / statistics.fmean(arm) ** 2 for arm in (here, there))
    )
    found = savings.moves[0].observed
    assert found is not None
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (ratio, ratio * math.exp(-spread), ratio * math.exp(spread)), rel=1e-9
    )
    cost = savings.moves[0].cost
    assert savings.moves[0].by_observation is not None
    assert savings.moves[0].by_observation.low == cost - round(cost * Fraction(found.high))
    assert savings.moves[0].by_observation.high == cost - round(cost * Fraction(found.low))


def test_the_range_is_the_hull_and_holds_what_would_come_true(savings: Savings, world: World) -> None:
    (move,) = savings.moves
    assert move.saving is not None
    assert move.by_observation is not None
    assert move.by_price is not None
    assert move.saving.low == min(move.by_observation.low, move.by_price.low)
    assert move.saving.high == max(move.by_observation.high, move.by_price.high)
    assert savings.saving == move.saving
    assert savings.for_30_days.low == move.saving.low * 30 // DAYS
    # What the world does: mid runs are like frontier runs at another price; a tenth has one dear call more.
    mine = [one for one in world.calls if one["run_id"].startswith("same-frontier-")]
    dear = statistics.fmean(float(price(one)) for one in mine)
    runs = len({one["run_id"] for one in mine})
    truth = sum(float(price(one)) - float(price(one, "gpt-4o-mini")) for one in mine) - 0.1 * runs * dear
    assert move.saving.low < truth * 1e12 < move.saving.high
    assert move.saving.low > 0


def test_the_four_questions_and_the_recommendation(savings: Savings, world: World) -> None:
    assert [one.answer for one in savings.questions] == ["yes", "yes", "yes", "partly"]
    assert savings.recommendation.kind == "hybrid"
    assert len(savings.recommendation.conditions) == 1
    days: dict[int, Decimal] = dict.fromkeys(range(DAYS), Decimal(0))
    for one in world.calls:
        days[(one["time"] - BASE_MS) // DAY_MS] += price(one)
    quiet, mean = savings.known.steady or (0, 0)
    assert quiet == _pico(sorted(days.values())[(DAYS - 1) // 10])
    assert mean == _pico(sum(days.values())) // DAYS
    least, most = savings.known.movable
    assert least == savings.moves[0].calls / len(world.calls)
    # Complex on frontier is worse on mid, but nothing is known of it on oss: it may still move.
    assert most == (len(world.calls) - sum("escalated_from" in one for one in world.calls)) / len(world.calls)


def test_everything_is_json_and_says_its_assumptions(savings: Savings) -> None:
    shown = savings.as_json()
    assert len(shown["assumptions"]) == 7
    assert shown["recommendation"]["kind"] == "hybrid"
    assert shown["break_even"] == []


def test_flat_plans_say_whether_they_pay_off(door: Door, world: World) -> None:
    plans = parse_plans(PLANS, "plans.toml")
    dear, cheap = read_savings(door, Pricer.default(), SPAN, plans=plans).as_json()["break_even"]
    mine = [one for one in world.calls if one["tier"] == "mid"]
    assert (cheap["plan"], cheap["used"], cheap["pays_off"]) == ("cheap", len(mine), True)
    assert (dear["plan"], dear["pays_off"]) == ("dear", False)
    assert cheap["break_even"] <= len(mine)
    assert dear["break_even"] > sum(one["tier"] == "frontier" for one in world.calls)


def test_the_section_of_the_report_shows_the_same_figures_and_escapes_names(savings: Savings) -> None:
    section = savings_section(savings)
    move = savings.moves[0]
    assert move.saving is not None
    assert f"{shown(move.saving.low)} to {shown(move.saving.high)}" in section.markup
    assert savings.recommendation.why in unescape(section.markup)
    tables = {table.name: table for table in section.tables}
    assert tables["savings_moves"].rows == (
        ("routine", "frontier", "mid", move.calls, exact(move.cost), exact(move.saving.low), exact(move.saving.high)),
    )
    assert len(tables["savings_evidence"].rows) == len(savings.pairs)
    assert all(len(row) == len(table.columns) for table in section.tables for row in table.rows)
    hostile = replace(savings.recommendation, why="<script>alert(1)</script>")
    assert "<script" not in savings_section(replace(savings, recommendation=hostile)).markup


def test_people_read_cents_and_unpriced_instead_of_zero(savings: Savings) -> None:
    cells = [replace(cell, cost=0, unpriced=cell.calls) if cell.agent == "alone" else cell for cell in savings.cells]
    found = replace(savings, cells=cells)
    lines = [line.split() for line in _in_words(found).splitlines()[3 : 3 + len(found.as_json()["mix"])]]
    assert [(line[0], line[-1]) for line in lines if line[0] == "(none)"] == [("(none)", "unpriced")]
    for line, told in zip(found.as_json()["mix"], lines, strict=True):
        assert told[-1] == ("unpriced" if line["task_class"] == "" else shown(pico(line["cost_usd"])))
        assert line["unpriced_calls"] == (line["calls"] if line["task_class"] == "" else 0)
    assert '<td class="n">unpriced</td>' in savings_section(found).markup


def test_an_amount_that_leaves_calls_out_is_marked(savings: Savings) -> None:
    at = next(at for at, cell in enumerate(savings.cells) if cell.calls > 1 and cell.task_class)
    cell = savings.cells[at]
    cells = [*savings.cells[:at], replace(cell, unpriced=1), *savings.cells[at + 1 :]]
    found = replace(savings, cells=cells)
    marked = [line for line in found.as_json()["mix"] if mix_spend(line).endswith(" *")]
    assert [(line["task_class"], line["tier"]) for line in marked] == [(cell.task_class, cell.tier)]
    assert mix_spend(marked[0]) in _in_words(found)
    assert mix_spend(marked[0]) in savings_section(found).markup
    assert found.assumptions[-1] == "Without a price, and in no sum: 1 call. A * marks an amount that leaves some out."


# -- escalations -----------------------------------------------------------------------------------------------------


def test_escalations_equal_a_recount(door: Door, world: World) -> None:
    found = read_escalations(door, SPAN).as_json()
    verdict = {told["run_id"]: told["outcome"] == "success" for told in world.verdicts}
    by_id = {one["id"]: one for one in world.calls}
    up = [one for one in world.calls if "escalated_from" in one]
    assert up

    def check(line: dict[str, Any], mine: list[dict[str, Any]]) -> None:
        runs = {one["run_id"] for one in mine}
        judged = [verdict[run] for run in runs if run in verdict]
        assert (line["calls"], line["runs"]) == (len(mine), len(runs))
        assert (line["judged_runs"], line["successes"]) == (len(judged), sum(judged))
        assert Decimal(line["cost_usd"]) == sum(map(price, mine))
        assert line["tried_calls"] == len(mine)
        assert Decimal(line["tried_cost_usd"]) == sum(price(by_id[one["retry_of"]]) for one in mine)

    check(found["total"], up)
    assert found["total"]["of_calls"] == len(world.calls)
    assert Decimal(found["total"]["of_cost_usd"]) == sum(map(price, world.calls))
    for line in found["by_agent"]:
        check(line, [one for one in up if one["agent_id"] == line["agent_id"]])
        assert line["of_calls"] == sum(one["agent_id"] == line["agent_id"] for one in world.calls)
    for line in found["by_reason"]:
        key = (line["route_reason"], line["policy_id"])
        check(line, [one for one in up if (one["route_reason"], one.get("policy_id", "")) == key])
    assert {line["route_reason"] for line in found["by_reason"]} == {one["route_reason"] for one in up}
    (tiers,) = found["by_tiers"]
    assert (tiers["from_tier"], tiers["to_tier"]) == ("mid", "frontier")
    agents, moved = {one["agent_id"] for one in up}, {one["run_id"] for one in up}
    rest = [won for run, won in verdict.items() if run not in moved and run.split("-")[0] in agents]
    assert found["runs_not_escalated"]["judged_runs"] == len(rest)
    assert found["runs_not_escalated"]["successes"] == sum(rest)


def test_what_moved_otherwise_is_counted_apart(database: Database, chdb_url: str) -> None:
    migrate(database)
    write_calls(
        database,
        [
            call("down", tier="oss", escalated_from="frontier"),
            call("same", tier="mid", escalated_from="mid"),
            call("said", tier="frontier", decision="escalate"),
            call("up", tier="mid", escalated_from="oss"),
            call("plain", tier="mid", decision="allow"),
        ],
    )
    door = Door(database, chdb_url)
    found = read_escalations(door, SPAN)
    door.close()
    assert (found.total.calls, found.otherwise, found.total.of_calls) == (2, 2, 5)
    assert {group.key for group in found.by_tiers} == {("", "frontier"), ("oss", "mid")}
