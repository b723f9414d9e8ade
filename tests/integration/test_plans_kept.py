"""What plans come to, kept as tables: equal to the statements, replaced when something changed, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.plans import Plan
from streams.ledger.store import LedgerStore
from streams.plans.duty import PlanDuty
from streams.plans.figures import NO_PLAN, month_of
from streams.plans.file import parse_plans
from streams.plans.known import unknown_names
from streams.plans.period import DAY_MS, day_ms, day_of, month_start
from streams.plans.store import PlanStore
from tests.fakes import call
from tests.integration.rated_ledger import Filled

MARCH = day_ms(date(2026, 3, 1))
NOW = MARCH + 20 * DAY_MS
PICO = 10**12

FLAT = """
[[plan]]
name = "flat"
kind = "flat"
from = 2026-02-01
scope = { provider = "openai" }
period = "month"
fee = "3.1"
capacity = { tokens = 10_001 }
overage = "per_token"
"""
DAILY = FLAT.replace("period = 'month'", "period = 'day'").replace("month", "day")


def plans(text: str) -> tuple[Plan, ...]:
    return parse_plans(text, "plans.toml")


def calls() -> Iterator[dict[str, Any]]:
    for n in range(30):
        at = MARCH + (n - 6) * DAY_MS // 2
        more = {"provider_name": "anthropic", "request_model": "claude-haiku-4-5"} if n % 5 == 0 else {}
        yield call(str(n), time=at, team_id="ab"[n % 2], tier="mid") | more


@pytest.fixture
def filled(store: LedgerStore) -> Filled:
    filled = Filled(store)
    filled.write(calls())
    return filled


def lines(filled: Filled) -> list[tuple[Any, ...]]:
    return filled.database.rows("SELECT * EXCEPT (run) FROM plan_figures ORDER BY ALL")


def runs(filled: Filled) -> list[tuple[Any, ...]]:
    return filled.database.rows("SELECT DISTINCT month, plan, run FROM plan_periods ORDER BY ALL")


@pytest.mark.parametrize("text", [FLAT, DAILY])
def test_tables_are_the_statements(filled: Filled, text: str) -> None:
    PlanDuty(filled.database, plans(text)).run(NOW)
    for month_ms in (month_start(MARCH - DAY_MS), MARCH):
        month = month_of(filled.database, plans(text), month_ms)
        asked = {"month": day_of(month_ms).isoformat()}
        kept = filled.database.rows(
            "SELECT plan, sum(total_usd), sum(list_usd), sum(calls), sum(idle_usd), count() FROM plan_periods "
            "WHERE month = toDate({month:String}) GROUP BY plan ORDER BY plan",
            asked,
        )
        names = sorted({one.plan for one in month.statements})
        assert kept == [
            (
                name,
                Decimal(sum(one.total_pico for one in own)).scaleb(-12),
                Decimal(sum(one.list_pico for one in own)).scaleb(-12),
                sum(one.calls for one in own),
                Decimal(sum(one.idle_pico for one in own)).scaleb(-12),
                len(own),
            )
            for name in names
            for own in [[one for one in month.statements if one.plan == name]]
        ]
        ((cost, count),) = filled.database.rows(
            "SELECT sum(cost_usd), sum(calls) FROM plan_figures WHERE month = toDate({month:String})", asked
        )
        assert cost == Decimal(month.total_pico).scaleb(-12)
        assert count == sum(one.calls for one in month.statements)


def test_nothing_changed_nothing_written(filled: Filled) -> None:
    duty = PlanDuty(filled.database, plans(FLAT))
    duty.run(NOW)
    before = runs(filled)
    PlanDuty(filled.database, plans(FLAT)).run(NOW + 1000)
    duty.run(NOW + 2000)
    assert runs(filled) == before


def test_a_late_call_writes_its_month_only(filled: Filled) -> None:
    duty = PlanDuty(filled.database, plans(FLAT))
    duty.run(NOW)
    before = runs(filled)
    filled.write([call("late", time=MARCH - DAY_MS)])
    duty.run(NOW + 1000)
    changed = set(runs(filled)) - set(before)
    assert {str(month) for month, _, _ in changed} == {"2026-02-01"}


def test_a_rating_is_followed(filled: Filled) -> None:
    duty = PlanDuty(filled.database, plans(FLAT))
    duty.run(NOW)
    before = filled.database.rows("SELECT sum(list_usd) FROM plan_periods")[0][0]
    filled.rerate('[[price]]\nmodel = "*"\noff = "50%"\n')
    duty.run(NOW + 1000)
    assert filled.database.rows("SELECT sum(list_usd) * 2 FROM plan_periods") == [(before,)]
    assert filled.money()[0] * 2 == before


def test_a_changed_file_replaces_and_a_plan_that_is_gone_goes(filled: Filled) -> None:
    PlanDuty(filled.database, plans(FLAT)).run(NOW)
    PlanDuty(filled.database, plans(FLAT.replace('"flat"\nkind', '"other"\nkind'))).run(NOW + 1000)
    assert filled.database.rows("SELECT DISTINCT plan FROM plan_figures ORDER BY plan") == [(NO_PLAN,), ("other",)]
    PlanDuty(filled.database, plans(FLAT.replace("2026-02-01", "2026-03-01"))).run(NOW + 2000)
    assert filled.database.rows("SELECT min(period_start) FROM plan_periods WHERE plan = 'flat'")[0][0].month == 3
    PlanDuty(filled.database, ()).run(NOW + 3000)
    assert (lines(filled), runs(filled)) == ([], [])


def test_a_month_without_calls_still_costs_its_fee(filled: Filled) -> None:
    PlanDuty(filled.database, plans(FLAT)).run(NOW + 40 * DAY_MS)
    assert filled.database.rows(
        "SELECT kind, cost_usd, day FROM plan_figures WHERE month = toDate('2026-04-01')"
    ) == [("idle", Decimal("3.1"), date(2026, 4, 30))]  # fmt: skip


def test_a_run_that_was_cut_off_is_not_seen(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a newer run are there, its periods are not; the next run puts it right."""
    duty = PlanDuty(filled.database, plans(FLAT))
    duty.run(NOW)
    before = lines(filled)
    filled.write([call("late", time=MARCH + DAY_MS)])
    insert = PlanStore._insert

    def cut(self: PlanStore, table: str, *rest: Any) -> None:
        if table == "plan_period_rows":
            raise ConnectionError
        insert(self, table, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(PlanStore, "_insert", cut)
        with pytest.raises(ConnectionError):
            duty.run(NOW + 1000)
    # Until rows are merged the old ones are all there; the engine may merge at any time, so only sums are compared.
    assert len(lines(filled)) <= len(before)
    duty.run(NOW + 2000)
    month = month_of(filled.database, plans(FLAT), MARCH)
    assert filled.database.rows("SELECT sum(cost_usd) FROM plan_figures WHERE month = toDate('2026-03-01')") == [
        (Decimal(month.total_pico).scaleb(-12),)
    ]


def test_names_that_nobody_knows(filled: Filled, store: LedgerStore) -> None:
    text = (
        FLAT
        + '[[plan]]\nname = "x"\nkind = "per_token"\nfrom = 2026-01-01\n'
        + 'scope = { provider = "anthropic", team = ["a", "sarch"], key = "k" }\n'
    )
    assert [fault.partition(" in the")[0] for fault in unknown_names(filled.database, plans(text))] == [
        "x: there is no team 'sarch'",
        "x: there is no key 'k'",
    ]
    typo = '[[plan]]\nname = "y"\nkind = "per_token"\nfrom = 2026-01-01\nscope = { model = "gpt-4" }\n'
    [fault] = unknown_names(filled.database, plans(typo))
    assert "there is no model 'gpt-4' in the ledger (did you mean 'gpt-4o'?); mend the name" in fault
    assert unknown_names(filled.database, plans(text + "expected = true\n")) == []


def test_an_empty_ledger_knows_no_names_and_all_is_well(store: LedgerStore) -> None:
    assert unknown_names(store.database, plans(FLAT)) == []
    PlanDuty(store.database, plans(FLAT)).run(NOW)
    assert store.database.rows("SELECT plan, sum(cost_usd) FROM plan_figures GROUP BY plan") == [
        ("flat", Decimal("3.1"))
    ]
