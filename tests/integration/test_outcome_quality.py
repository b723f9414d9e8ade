"""Quality figures against a recomputation in plain Python from what was told: every count, every digit of the money."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.outcomes.period import DAY_MS, Span
from streams.outcomes.quality import Quality, read_quality
from streams.outcomes.runs import read_runs
from tests.fakes import BASE_MS, call
from tests.integration.outcome_ledger import Door, write_calls, write_verdicts

SPAN = Span(BASE_MS, BASE_MS + 10 * DAY_MS)
RANK = {"": 0, "routine": 1, "standard": 2, "complex": 3}
MODELS = {"oss": "gpt-4o-mini", "mid": "gpt-4o", "frontier": "o1"}


@pytest.fixture
def door(database: Database, chdb_url: str) -> Iterator[Door]:
    migrate(database)
    door = Door(database, chdb_url)
    yield door
    door.close()


def made_up(seed: int, runs: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Calls of runs in and around the span, several agents and tiers a run; verdicts, some told twice or changed."""
    rng = random.Random(seed)
    calls, verdicts = [], []
    for run in range(runs):
        began = BASE_MS + rng.randrange(-2 * DAY_MS, 12 * DAY_MS)
        tier = rng.choice(list(MODELS))
        for at in range(rng.randrange(1, 5)):
            moved = rng.random() < 0.2
            now = rng.choice(list(MODELS)) if moved else tier
            fields: dict[str, Any] = {
                "time": began + at * rng.choice([0, 1000, 3_600_000]),
                "run_id": f"run-{run}",
                "agent_id": f"agent-{rng.randrange(4)}",
                "request_model": "no-such-model" if rng.random() < 0.1 else MODELS[now],
                "tier": now,
                "input_tokens": rng.randrange(1, 100_000),
                "output_tokens": rng.randrange(5_000),
            }
            if moved:
                fields["escalated_from"] = tier
            if rng.random() < 0.7:
                fields["task_class"] = rng.choice(["routine", "standard", "complex"])
            if rng.random() < 0.1:
                fields["attempt"] = 2
            calls.append(call(f"c-{run}-{at}", **fields))
    for run in range(runs + 3):
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            told: dict[str, Any] = {"run_id": f"run-{run}", "outcome": rng.choice(["success", "success", "failure"])}
            if rng.random() < 0.5:
                told["evaluator"] = rng.choice(["tests", "judge"])
            if rng.random() < 0.4:
                told["agent_id"] = f"agent-{rng.randrange(4)}"
            if rng.random() < 0.5:
                told["time"] = BASE_MS + rng.randrange(DAY_MS)
            if rng.random() < 0.3:
                told["id"] = f"v{rng.randrange(2)}"
            if rng.random() < 0.3:
                told["task_class"] = rng.choice(["routine", "standard", "complex"])
            verdicts.append(told)
            if rng.random() < 0.2:
                verdicts.append(dict(told))
    rng.shuffle(verdicts)
    return calls + rng.sample(calls, len(calls) // 5), verdicts


class Recount:
    """The rules of docs/outcomes.md once more, written without a look at the queries."""

    def __init__(self, calls: list[dict[str, Any]], verdicts: list[dict[str, Any]], costs: dict[str, Any]) -> None:
        self.costs = costs
        distinct = {one["id"]: one for one in calls}
        self.calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in distinct.values():
            self.calls[one["run_id"]].append(one)
        kept: dict[tuple[Any, ...], tuple[int, dict[str, Any]]] = {}
        for at, told in enumerate(verdicts):
            if told.get("id"):
                key: tuple[Any, ...] = (told["run_id"], told["id"])
            else:
                key = (told["run_id"], told.get("agent_id"), told.get("evaluator"), told.get("time"), None)
            kept[key] = (at, told)
        last: dict[tuple[str, str, str], tuple[int, int, dict[str, Any]]] = {}
        for at, told in kept.values():
            who = (told["run_id"], told.get("agent_id", ""), told.get("evaluator", ""))
            when = told.get("time", BASE_MS + at)
            if who not in last or (when, at) > last[who][:2]:
                last[who] = (when, at, told)
        self.words: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for (run, agent, _), (_, _, told) in last.items():
            self.words[run].append((agent, told))

    def success(self, run: str, agent: str | None = None) -> bool | None:
        """Of a run, or of an agent in it; None when nobody said."""
        words = self.words[run]
        own = [told for who, told in words if agent and who == agent]
        whole = [told for who, told in words if who == ""]
        anybody = [told for _, told in words] if agent is None else []
        counted = own or whole or anybody
        return all(told["outcome"] == "success" for told in counted) if counted else None

    def runs(self) -> list[str]:
        """Judged runs that began in the span."""
        return [
            run
            for run, calls in self.calls.items()
            if self.words.get(run) and SPAN.first_ms <= min(one["time"] for one in calls) < SPAN.end_ms
        ]

    def first(self, run: str) -> dict[str, Any]:
        return min(self.calls[run], key=lambda one: (one["time"], one["id"]))

    def tier(self, run: str) -> str:
        first = self.first(run)
        return str(first.get("escalated_from", first["tier"]))

    def task_class(self, run: str) -> str:
        told = max((str(told.get("task_class", "")) for _, told in self.words[run]), key=RANK.__getitem__)
        return told or max((str(one.get("task_class", "")) for one in self.calls[run]), key=RANK.__getitem__)

    def cost(self, run: str, agent: str | None = None) -> Decimal:
        mine = [one for one in self.calls[run] if agent is None or one["agent_id"] == agent]
        return sum((self.costs[one["id"]] or Decimal(0) for one in mine), Decimal(0))


def quality_of(database: Database, door: Door, seed: int) -> tuple[Quality, Recount]:
    calls, verdicts = made_up(seed, 80)
    write_calls(database, calls)
    write_verdicts(database, verdicts)
    costs = dict(database.rows("SELECT id, cost_usd FROM intake WHERE outcome = 'call'"))
    return read_quality(door, SPAN), Recount(calls, verdicts, costs)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_equals_a_recount(database: Database, door: Door, seed: int) -> None:
    quality, told = quality_of(database, door, seed)
    shown = quality.as_json()
    keys: dict[str, Callable[[str], dict[str, str]]] = {
        "by_tier": lambda run: {"tier": told.tier(run)},
        "by_task_class": lambda run: {"task_class": told.task_class(run)},
        "by_class_and_tier": lambda run: {"task_class": told.task_class(run), "tier": told.tier(run)},
        "total": lambda run: {},
    }
    for name, key in keys.items():
        groups: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
        for run in told.runs():
            groups[tuple(key(run).items())].append(run)
        assert len(shown[name]) == len(groups)
        for line in shown[name]:
            runs = next(runs for named, runs in groups.items() if dict(named).items() <= line.items())
            wins = [run for run in runs if told.success(run)]
            cost = sum((told.cost(run) for run in runs), Decimal(0))
            assert (line["runs"], line["successes"]) == (len(runs), len(wins))
            assert Decimal(line["cost_usd"]) == cost
            assert line["calls"] == sum(len(told.calls[run]) for run in runs)
            assert line["unpriced_calls"] == sum(
                told.costs[one["id"]] is None for run in runs for one in told.calls[run]
            )
            assert line["runs_of_several_tiers"] == sum(
                len({one["tier"] for one in told.calls[run]}) > 1 for run in runs
            )
            assert line["runs_escalated"] == sum(
                any("escalated_from" in one for one in told.calls[run]) for run in runs
            )
            each = line["cost_per_success_usd"]
            if wins:
                assert Decimal(each).scaleb(12) == round(Fraction(cost) * 10**12 / len(wins))
                assert Decimal(each).as_tuple().exponent == -12
            else:
                assert each is None


@pytest.mark.parametrize("seed", range(3))
def test_agents_are_judged_by_their_own_verdict_else_by_their_runs(database: Database, door: Door, seed: int) -> None:
    quality, told = quality_of(database, door, seed)
    expected: dict[str, list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
    for run in told.runs():
        for agent in {one["agent_id"] for one in told.calls[run]}:
            success = told.success(run, agent)
            if success is not None:
                for at, part in enumerate(
                    (1, int(success), sum(one["agent_id"] == agent for one in told.calls[run]), told.cost(run, agent))
                ):
                    expected[agent][at] += part
    found = {
        line["agent_id"]: [line["runs"], line["successes"], line["calls"], Decimal(line["cost_usd"])]
        for line in quality.as_json()["by_agent"]
    }
    assert found == dict(expected)


def test_coverage_counts_what_was_not_judged(database: Database, door: Door) -> None:
    quality, told = quality_of(database, door, 7)
    in_span = {
        run: [one for one in calls if SPAN.first_ms <= one["time"] < SPAN.end_ms] for run, calls in told.calls.items()
    }
    seen = {run: calls for run, calls in in_span.items() if calls}
    judged = {run for run in seen if told.words.get(run)}
    assert (quality.coverage.runs, quality.coverage.judged) == (len(seen), len(judged))
    assert quality.coverage.calls == sum(map(len, seen.values()))
    assert quality.coverage.calls_judged == sum(len(seen[run]) for run in judged)
    assert quality.coverage.verdicts_without_calls == len({run for run in told.words if run not in told.calls})


def test_a_run_across_the_edge_belongs_where_it_began_with_all_its_calls(database: Database, door: Door) -> None:
    edges = [("early", SPAN.first_ms, 5 * DAY_MS), ("late", SPAN.end_ms, 3 * DAY_MS)]
    calls = [
        call(f"{name}-{at}", run_id=name, time=edge + (at - 1) * step) for name, edge, step in edges for at in range(2)
    ]
    write_calls(database, calls)
    write_verdicts(database, [{"run_id": name, "outcome": "success"} for name in ("early", "late")])
    assert [(run.run_id, run.calls) for run in read_runs(door, SPAN)] == [("late", 2)]
    before = Span(SPAN.first_ms - 10 * DAY_MS, SPAN.first_ms)
    assert [(run.run_id, run.calls) for run in read_runs(door, before)] == [("early", 2)]


def test_one_evaluator_can_be_asked_alone(database: Database, door: Door) -> None:
    write_calls(database, [call("c", run_id="r")])
    write_verdicts(
        database,
        [
            {"run_id": "r", "outcome": "success", "evaluator": "judge"},
            {"run_id": "r", "outcome": "failure", "evaluator": "tests"},
        ],
    )
    assert [run.success for run in read_runs(door, SPAN)] == [False]
    assert [run.success for run in read_runs(door, SPAN, "judge")] == [True]
    assert read_runs(door, SPAN, "nobody") == []


def test_a_record_written_twice_changes_nothing(database: Database, door: Door) -> None:
    calls, verdicts = made_up(3, 40)
    write_calls(database, calls)
    write_verdicts(database, verdicts)
    before = read_quality(door, SPAN).as_json()
    write_verdicts(database, verdicts, token="another worker")
    assert read_quality(door, SPAN).as_json() == before
