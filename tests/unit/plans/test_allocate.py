"""Statements of made-up use: classes and groupings add up to the last digit, and the stated rules hold."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.money import PICO
from streams.plans.allocate import Statement, Use, Who, state
from streams.plans.file import parse_plans
from streams.plans.period import DAY_MS, HOUR_MS, Stretch, day_ms, stretches

MARCH = day_ms(date(2026, 3, 1))
WHOLE = Stretch(MARCH, MARCH + 31 * DAY_MS, MARCH, MARCH + 31 * DAY_MS)
HALF = Stretch(MARCH, MARCH + 31 * DAY_MS, MARCH + 9 * DAY_MS, MARCH + 31 * DAY_MS)

FLAT = 'kind = "flat"\nperiod = "month"\nfee = "{fee}"\n'


def plan(text: str) -> Any:
    return parse_plans(f'[[plan]]\nname = "p"\nfrom = 2026-01-01\n{text}', "plans.toml")[0]


def uses_of(inside: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Use]]:
    who = st.builds(
        Who,
        st.sampled_from(["", "t"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.sampled_from(["oss", "mid", "frontier"]),
    )
    return st.lists(
        st.builds(
            Use,
            st.integers(0, 31 * 24 - 1).map(lambda hour: MARCH + hour * HOUR_MS),
            who,
            inside,
            st.integers(1, 1000),
            st.integers(0, 10**10),
            st.integers(0, 10**15),
        ),
        max_size=25,
    )


MIXED, INSIDE = uses_of(st.booleans()), uses_of(st.just(True))
OVERAGE = st.sampled_from(['"per_token"', '"none"', '{ per_call = "0.000123" }', '{ per_million_tokens = "2.123456" }'])


def check(statement: Statement, uses: list[Use]) -> None:
    """What holds for every statement."""
    lines = statement.lines
    assert sum(line.cost_pico for line in lines) == statement.total_pico
    assert all(line.cost_pico >= 0 for line in lines)
    assert sum(line.calls for line in lines) == statement.calls == sum(use.calls for use in uses)
    assert sum(line.tokens for line in lines) == statement.tokens == sum(use.tokens for use in uses)
    assert statement.list_pico == sum(use.list_pico for use in uses)
    by_kind: dict[str, int] = defaultdict(int)
    for line in lines:
        by_kind[line.kind] += line.cost_pico
    assert by_kind["idle"] == statement.idle_pico
    assert by_kind["overage"] == statement.overage_pico
    if statement.kind != "per_token":
        assert by_kind["used"] + by_kind["idle"] == statement.fee_pico
    assert sum(tier.cost_pico for tier in statement.tiers) + statement.idle_pico == statement.total_pico
    assert sum(tier.tokens for tier in statement.tiers) == statement.tokens


@given(
    MIXED,
    st.decimals(0, 10**9, places=12),
    st.sampled_from(["tokens = 7_000_000_001", "calls = 12_345", "tokens_per_minute = 99_991"]),
    OVERAGE,
    st.sampled_from([WHOLE, HALF]),
    st.booleans(),
)
def test_a_flat_fee_is_split_without_rest(
    uses: list[Use], fee: object, capacity: str, overage: str, stretch: Stretch, prorate: bool
) -> None:
    uses = [use for use in uses if use.hour_ms >= stretch.start_ms]
    own = plan(
        FLAT.format(fee=fee) + f"capacity = {{ {capacity} }}\noverage = {overage}\nprorate = {str(prorate).lower()}\n"
    )
    statement = state(own, stretch, uses)
    check(statement, uses)
    share = Fraction(22, 31) if stretch is HALF and prorate else 1
    assert statement.fee_pico == round(Fraction(str(fee)) * PICO * share)
    assert statement.capacity is not None
    assert statement.idle == max(0, statement.capacity - statement.used)


@given(uses_of(st.just(True)), st.decimals(0, 10**9, places=12))
def test_without_a_limit_nothing_is_idle_unless_nothing_is_used(uses: list[Use], fee: object) -> None:
    statement = state(plan(FLAT.format(fee=fee)), WHOLE, uses)
    check(statement, uses)
    assert statement.idle_pico == (0 if statement.tokens else statement.fee_pico)


@given(INSIDE, st.decimals(0, 10**4, places=12))
def test_a_commitment_is_paid_at_least_and_list_price_at_most_beyond_it(uses: list[Use], amount: object) -> None:
    statement = state(plan(f'kind = "committed"\nperiod = "month"\ncommitment = "{amount}"\n'), WHOLE, uses)
    check(statement, uses)
    assert statement.total_pico == max(statement.fee_pico, statement.list_pico)
    assert statement.used + statement.idle == statement.fee_pico
    by_who: dict[Who, list[int]] = defaultdict(lambda: [0, 0])
    for use in uses:
        by_who[use.who][0] += use.list_pico
    for line in statement.lines:
        if line.kind != "idle":
            by_who[line.who][1] += line.cost_pico
    assert all(listed == paid for listed, paid in by_who.values()), "everybody pays the list price of the own calls"


@given(INSIDE)
def test_per_token_is_the_list_price(uses: list[Use]) -> None:
    statement = state(plan('kind = "per_token"\n'), WHOLE, uses)
    check(statement, uses)
    assert statement.total_pico == statement.list_pico


@given(MIXED, st.randoms())
def test_order_and_grouping_of_use_change_nothing(uses: list[Use], chance: Any) -> None:
    """Rows of one hour may come apart or together, in any order."""
    own = plan(FLAT.format(fee="999.99") + 'capacity = { tokens = 5_000_000_000 }\noverage = "per_token"\n')
    torn = [Use(use.hour_ms, use.who, use.inside, 0, part, 0) for use in uses for part in (1, use.tokens // 3)]
    rest = [
        Use(u.hour_ms, u.who, u.inside, u.calls, u.tokens - 1 - u.tokens // 3, u.list_pico) for u in uses
    ]  # fmt: skip
    parts = [*torn, *rest]
    chance.shuffle(parts)
    assert state(own, WHOLE, parts) == state(own, WHOLE, uses)


def use(day: int, team: str, tokens: int, usd: str, *, tier: str = "mid", inside: bool = True, **more: int) -> Use:
    fields = {"calls": 10} | more
    listed = int(Fraction(usd) * PICO)
    who = Who(team_id=team, tier=tier)
    return Use(MARCH + (day - 1) * DAY_MS, who, inside, tokens=tokens, list_pico=listed, **fields)


def test_figures_of_a_flat_month() -> None:
    """1,000 USD for 1,000 tokens; 600 used inside, 100 beyond."""
    own = plan(FLAT.format(fee=1000) + 'capacity = { tokens = 1000 }\noverage = "per_token"\n')
    uses = [
        use(1, "a", 200, "150"),
        use(2, "a", 100, "75"),
        use(2, "b", 300, "600", tier="frontier"),
        use(5, "b", 100, "200", tier="frontier", inside=False),
    ]
    found = state(own, WHOLE, uses)
    costs = {(line.kind, line.day.day, line.who.team_id): line.cost_pico // PICO for line in found.lines}
    assert costs == {
        ("used", 1, "a"): 200,
        ("used", 2, "a"): 100,
        ("used", 2, "b"): 300,
        ("idle", 31, ""): 400,
        ("overage", 5, "b"): 200,
    }
    assert (found.used, found.beyond, int(found.idle)) == (600, 100, 400)
    assert found.utilisation == Fraction(3, 5)
    assert (found.total_pico, found.list_pico, found.pays_off) == (1200 * PICO, 1025 * PICO, False)
    assert [(day.day, units) for day, units in found.burn_down] == [(1, 200), (2, 600)]
    # 1,025 USD for 700 tokens: 1,000 USD are reached at 683; by tier at 1,000/(225/300) and 1,000/(800/400)
    assert found.break_even == 683
    assert {tier.tier: tier.break_even for tier in found.tiers} == {"mid": 1334, "frontier": 500}
    assert {tier.tier: tier.cost_pico // PICO for tier in found.tiers} == {"mid": 300, "frontier": 500}


def test_the_break_even_of_a_part_of_a_period_is_of_that_part() -> None:
    """A plan that begins on the 10th: its fee, its capacity and the break-even beside them are of 22 days of 31."""
    uses = [use(15, "a", 100, "50"), use(20, "b", 100, "150", tier="frontier")]
    limited = 'capacity = { tokens = 31000 }\noverage = "per_token"'
    part = state(plan(FLAT.format(fee=310) + limited), HALF, uses)
    assert (part.fee_pico, part.capacity) == (220 * PICO, Fraction(22000))
    assert part.break_even == 220  # 1 USD a token
    assert {tier.tier: tier.break_even for tier in part.tiers} == {"mid": 440, "frontier": 147}
    whole = state(plan(FLAT.format(fee=310) + limited + "\nprorate = false"), HALF, uses)
    assert (whole.fee_pico, whole.capacity, whole.break_even) == (310 * PICO, Fraction(31000), 310)


def test_unpriced_calls_do_not_thin_out_the_break_even() -> None:
    own = plan(FLAT.format(fee=100))
    priced = [use(1, "a", 100, "50")]
    unpriced = [use(1, "a", 900, "0", unpriced_calls=10, unpriced_tokens=900)]
    assert state(own, WHOLE, priced).break_even == state(own, WHOLE, [*priced, *unpriced]).break_even == 200
    assert state(own, WHOLE, unpriced).break_even is None
    assert state(own, WHOLE, [*priced, *unpriced]).unpriced_calls == 10


@pytest.mark.parametrize(("overage", "usd"), [('"none"', 0), ('{ per_call = "0.5" }', 5), ('"per_token"', 7)])
def test_what_is_beyond_costs_what_the_plan_says(overage: str, usd: int) -> None:
    own = plan(FLAT.format(fee=10) + f"capacity = {{ calls = 10 }}\noverage = {overage}\n")
    found = state(own, WHOLE, [use(1, "a", 5, "7"), use(2, "a", 5, "7", inside=False)])
    assert (found.overage_pico, found.total_pico) == (usd * PICO, (10 + usd) * PICO)


def test_periods_of_a_month_as_far_as_the_plan_holds() -> None:
    text = 'kind = "flat"\nfee = 1\nto = 2026-03-15\n'
    monthly, daily, hourly = (
        list(stretches(plan(text + f'period = "{period}"\n'), MARCH)) for period in ("month", "day", "hour")
    )
    assert [(one.start_ms, one.end_ms, one.share) for one in monthly] == [
        (MARCH, MARCH + 14 * DAY_MS, Fraction(14, 31))
    ]
    assert (len(daily), len(hourly)) == (14, 14 * 24)
    assert all(one.share == 1 for one in (*daily, *hourly))
    assert not list(stretches(plan(text + 'period = "day"\n'), day_ms(date(2026, 4, 1))))
