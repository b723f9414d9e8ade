"""Plans on the real engine, held against plain recomputation call by call.

The ledger has duplicates, late calls, calls without a price, a re-rating; the plans change in mid-month, and one is the
exception to another.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from schemas.plans import Overage, Plan
from streams.ledger.store import LedgerStore
from streams.plans.allocate import Statement
from streams.plans.figures import NO_PLAN, month_of
from streams.plans.file import parse_plans
from streams.plans.period import DAY_MS, day_ms
from tests.fakes import call
from tests.integration.rated_ledger import Filled

MARCH = day_ms(date(2026, 3, 1))
PICO = 10**12

PLANS = """
[[plan]]
name = "openai-first-half"
kind = "flat"
from = 2026-02-10
to = 2026-03-14
scope = { provider = "openai" }
period = "month"
fee = "1.2345"
capacity = { tokens = 400_001 }
overage = "per_token"

[[plan]]
name = "openai-second-half"
kind = "flat"
from = 2026-03-14
scope = { provider = "openai" }
period = "day"
fee = "0.31"
capacity = { calls = 6 }
overage = { per_call = "0.0004" }

[[plan]]
name = "search-openai"
kind = "per_token"
from = 2026-03-05
scope = { provider = "openai", team = "search" }

[[plan]]
name = "anthropic"
kind = "committed"
from = 2026-01-01
scope = { provider = "anthropic" }
period = "month"
commitment = "0.05"

[[plan]]
name = "machine"
kind = "flat"
from = 2026-03-02
scope = { key = ["machine-key", "other-key"] , provider = "inhouse" }
period = "hour"
fee = "0.7"
capacity = { tokens_per_minute = 4000 }
overage = { per_million_tokens = "1.5" }
"""

OWN = (
    '[[price]]\nmodel = "gpt-4o"\ninput = "3.3"\noutput = "11"\n'
    '[[price]]\nmodel = "house-7b"\ninput = "1"\noutput = "1"\n'
)


@pytest.fixture
def filled(store: LedgerStore) -> Filled:
    filled = Filled(store)
    chance = random.Random(11)
    models: list[dict[str, Any]] = [
        {},
        {"request_model": "gpt-4o-mini", "tier": "oss"},
        {"provider_name": "anthropic", "request_model": "claude-haiku-4-5", "cache_read_input_tokens": 300},
        {"provider_name": "inhouse", "request_model": "house-7b", "api_key_id": "machine-key", "tier": "oss"},
        {"provider_name": "inhouse", "request_model": "house-7b", "api_key_id": "free-key"},
    ]
    calls = []
    for n in range(900):
        kind = chance.choice(models)
        # calls of the machine come in bursts, so that minutes are overfull
        at = MARCH + (
            chance.randrange(-5, 36) * DAY_MS + chance.choice([3, 9]) * 3_600_000 + chance.randrange(4) * 60_000
        )
        at += chance.randrange(60_000) if chance.random() < 0.7 else 0  # some at the very same moment
        calls.append(
            call(
                str(n),
                time=at,
                team_id=chance.choice(["search", "support", ""]),
                agent_id=f"agent-{n % 9}",
                input_tokens=chance.randrange(300, 3000),
                output_tokens=chance.choice([0, 1, 99, 700]),
            )
            | kind
        )
    calls.sort(key=lambda one: one["time"])
    late = [one for one in calls if chance.random() < 0.1]
    filled.write([one for one in calls if one not in late])
    filled.write(late)
    filled.write(chance.sample(calls, 80))
    filled.rerate(OWN, first_ms=MARCH + 8 * DAY_MS, end_ms=MARCH + 20 * DAY_MS, models=["gpt-4o"])
    filled.rerate(OWN, first_ms=MARCH - 20 * DAY_MS, end_ms=MARCH + 25 * DAY_MS, models=["house-7b"])
    return filled


# -- the plain recomputation ------------------------------------------------------------------------------------------


def calls_of(filled: Filled) -> list[dict[str, Any]]:
    """All calls with their rated cost, in the order in which capacity is used."""
    adjusted = "SELECT id, sum(adjustment_usd) AS sum_usd, count() AS n FROM adjustments GROUP BY id"
    names, rows = filled.database.table(
        "SELECT toUnixTimestamp64Milli(c.time) AS ms, c.provider_name, c.request_model, c.team_id, c.api_key_id, "
        "c.input_tokens + c.output_tokens AS tokens, c.cost_usd AS first_cost, a.sum_usd AS adjusted, a.n AS n "
        f"FROM calls AS c LEFT JOIN ({adjusted}) AS a ON a.id = c.id "
        "ORDER BY c.time, c.incarnation, c.partition, c.offset, c.item"
    )
    found = [dict(zip([name.rpartition(".")[2] for name in names], row, strict=True)) for row in rows]
    for one in found:
        known = one["first_cost"] is not None or one["n"] > 0
        one["cost"] = (one["first_cost"] or Decimal(0)) + (one["adjusted"] or Decimal(0)) if known else None
    return found


def plan_of(one: dict[str, Any], plans: tuple[Plan, ...]) -> Plan | None:
    """The plan with the most limits of those that take the call."""
    day = datetime.fromtimestamp(one["ms"] // 1000, UTC).date()
    values = {"provider": one["provider_name"], "team": one["team_id"], "key": one["api_key_id"]}
    held = [
        plan
        for plan in plans
        if plan.start <= day
        and (plan.end is None or day < plan.end)
        and all(values[name] in names for name, names in plan.scope.limits().items())
    ]
    return max(held, key=lambda plan: len(plan.scope.limits()), default=None)


def expected(filled: Filled, plans: tuple[Plan, ...]) -> dict[tuple[str, int], dict[str, Any]]:
    """By plan and period start, of March: units inside and beyond, list price, cost beyond, calls, unpriced."""
    figures: dict[tuple[str, int], dict[str, Any]] = defaultdict(
        lambda: {"used": 0, "beyond": 0, "list": 0, "over": 0, "calls": 0, "tokens": 0, "unpriced": 0, "seen": {}}
    )
    for one in calls_of(filled):
        if not MARCH <= one["ms"] < MARCH + 31 * DAY_MS:
            continue
        plan = plan_of(one, plans)
        step = {"hour": 3_600_000, "day": DAY_MS}.get(plan.period or "", 31 * DAY_MS) if plan else 31 * DAY_MS
        start = MARCH + (one["ms"] - MARCH) // step * step
        own = figures[plan.name if plan else NO_PLAN, start]
        listed = 0 if one["cost"] is None else int(one["cost"] * PICO)
        own["list"] += listed
        own["calls"] += 1
        own["tokens"] += one["tokens"]
        own["unpriced"] += one["cost"] is None
        if plan is None or plan.capacity is None:
            continue
        unit = 1 if plan.capacity.calls else one["tokens"]
        if plan.capacity.tokens_per_minute:
            bucket, room = one["ms"] // 60_000, Fraction(plan.capacity.tokens_per_minute)
        else:
            bucket, room = 0, Fraction(plan.capacity.tokens or plan.capacity.calls or 0) * covered(plan, start, step)
        before = own["seen"].get(bucket, 0)
        own["seen"][bucket] = before + unit
        if before < room:
            own["used"] += unit
        else:
            own["beyond"] += unit
            if plan.overage == "per_token":
                own["over"] += listed
            elif isinstance(plan.overage, Overage):
                price = plan.overage.per_call or plan.overage.per_million_tokens or Decimal(0)
                of = 1 if plan.overage.per_call else Fraction(one["tokens"], 1_000_000)
                own["over"] += Fraction(price) * PICO * of
    return dict(figures)


def covered(plan: Plan, start: int, step: int) -> Fraction:
    first = max(start, day_ms(plan.start))
    last = start + step if plan.end is None else min(start + step, day_ms(plan.end))
    return Fraction(last - first, step)


def by_period(filled: Filled, plans: tuple[Plan, ...]) -> dict[tuple[str, int], Statement]:
    month = month_of(filled.database, plans, MARCH)
    found = {(one.plan, one.stretch.whole_start_ms): one for one in month.statements}
    assert len(found) == len(month.statements)
    return found


def test_every_figure_is_that_of_the_calls_one_by_one(filled: Filled) -> None:
    plans = parse_plans(PLANS, "plans.toml")
    found, wanted = by_period(filled, plans), expected(filled, plans)
    assert wanted.keys() <= found.keys()
    assert {name for name, _ in wanted} == {plan.name for plan in plans} | {NO_PLAN}
    for key, one in found.items():
        own = wanted.get(key)
        if own is None:
            assert (one.calls, one.list_pico, one.overage_pico) == (0, 0, 0)
            continue
        assert (one.calls, one.tokens, one.list_pico, one.unpriced_calls) == (
            own["calls"], own["tokens"], own["list"], own["unpriced"]
        ), key  # fmt: skip
        if one.kind == "flat":
            assert (one.used, one.beyond, one.overage_pico) == (own["used"], own["beyond"], own["over"]), key
            assert one.total_pico == one.fee_pico + own["over"]
        elif one.kind == "committed":
            assert one.total_pico == max(own["list"], 5 * PICO // 100)
        else:
            assert one.total_pico == own["list"]
    beyond = {name for name, _ in found if sum(one.beyond for key, one in found.items() if key[0] == name)}
    assert beyond >= {"openai-first-half", "openai-second-half", "machine", "anthropic"}, "each limit was reached"


def test_every_call_is_in_one_statement(filled: Filled) -> None:
    """The statements' calls, tokens and list prices add up to the ledger's own month."""
    plans = parse_plans(PLANS, "plans.toml")
    found = by_period(filled, plans).values()
    ((calls, tokens, cost, unpriced),) = filled.database.rows(
        "SELECT sum(calls), sum(input_tokens + output_tokens), sum(cost_usd), sum(unpriced) FROM spend_by_hour "
        "WHERE hour >= toDateTime('2026-03-01', 'UTC') AND hour < toDateTime('2026-04-01', 'UTC')"
    )
    assert (sum(one.calls for one in found), sum(one.tokens for one in found)) == (calls, tokens)
    assert sum(one.list_pico for one in found) == int(cost * PICO)
    assert sum(one.unpriced_calls for one in found) == unpriced > 0
    for one in found:
        assert sum(line.cost_pico for line in one.lines) == one.total_pico


def test_a_plan_that_changes_in_mid_month_is_paid_by_the_part(filled: Filled) -> None:
    plans = parse_plans(PLANS, "plans.toml")
    found = by_period(filled, plans)
    first = found["openai-first-half", MARCH]
    assert first.fee_pico == round(Fraction("1.2345") * PICO * Fraction(13, 31))
    assert first.capacity == Fraction(400_001 * 13, 31)
    days = [key for key in found if key[0] == "openai-second-half"]
    assert len(days) == 18
    assert all(found[key].fee_pico == 31 * PICO // 100 for key in days)
    assert len([key for key in found if key[0] == "machine"]) == 30 * 24


def test_a_rating_moves_list_prices_and_what_is_beyond_but_not_the_use(filled: Filled) -> None:
    plans = parse_plans(PLANS, "plans.toml")
    before = by_period(filled, plans)["openai-first-half", MARCH]
    filled.rerate('[[price]]\nmodel = "*"\nprovider = "openai"\ninput = 9\noutput = 9\n')
    after = by_period(filled, plans)["openai-first-half", MARCH]
    assert (after.used, after.beyond, after.fee_pico) == (before.used, before.beyond, before.fee_pico)
    assert after.overage_pico > before.overage_pico


def test_without_plans_a_month_is_its_list_price(filled: Filled) -> None:
    month = month_of(filled.database, (), MARCH)
    (only,) = month.statements
    assert (only.plan, month.total_pico, month.list_pico) == (NO_PLAN, only.list_pico, only.list_pico)
