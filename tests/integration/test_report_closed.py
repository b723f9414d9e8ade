"""The report of closed months and of months that correct them, against the model of test_closing and plain sums."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from schemas.plans import Plan
from streams.closing.check import check_month
from streams.closing.close import close_month
from streams.closing.fees import Fee
from streams.export.focus import Account
from streams.export.month import export_month
from streams.ledger.client import Database
from streams.meter.price import Pricer
from streams.money import exact, pico
from streams.plans.figures import month_of
from streams.plans.file import parse_plans
from streams.report.figures import Report, read_report
from streams.report.money import shown
from streams.report.page import notices, page
from streams.report.period import month
from streams.report.section import Section, Table
from streams.report.tables import as_json, write_csv
from tests.integration.test_closing import World
from tests.integration.test_report_figures import Door, door

__all__ = ["door"]

PLANS = """
[[plan]]
name = "flat"
kind = "flat"
from = 2026-11-01
period = "month"
fee = "40000"
scope = { provider = "openai", model = "gpt-4o" }
capacity = { calls = 100_000 }
overage = "per_token"

[[plan]]
name = "promised"
kind = "committed"
from = 2026-11-10
period = "month"
commitment = "90000"
scope = { provider = "openai", model = "o3" }
"""
OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
NOW = datetime(2026, 12, 20, tzinfo=UTC)


def report(door: Door, day: date) -> Report:
    return read_report(door, month(day), NOW)


@pytest.fixture
def world(database: Database, door: Door) -> World:
    """October is closed on November 2nd; then calls come late, and prices are computed again in December."""
    world = World(database, 21)
    for day in range(5, 32, 2):
        world.arrive(datetime(2026, 10, day, tzinfo=UTC), 12)
    close_month(door, database, OCTOBER, by="ada <b>", now=datetime(2026, 11, 2, tzinfo=UTC), audited=False)
    world.model.close(OCTOBER)
    for day in range(3, 30, 3):
        world.arrive(datetime(2026, 11, day, tzinfo=UTC), 12)
    world.rerate(datetime(2026, 12, 3, tzinfo=UTC))
    return world


def test_a_closed_month_reads_as_it_was_closed(world: World, door: Door) -> None:
    october = as_json(report(door, OCTOBER))
    said = october["summary"]
    calls, cost = world.model.sums(OCTOBER, own=True)
    assert (said["calls"], said["cost_usd"]) == (calls, exact(cost))
    assert (said["closed"], said["closed_by"], len(said["digest"])) == ("yes", "ada <b>", 64)
    assert sum(pico(line["cost_usd"]) for line in october["by_team"]) == cost
    counted = {(line["counted_in"], line["kind"]): pico(line["cost_usd"]) for line in october["corrections_since"]}
    late = [one for one in world.model.items if one.of == OCTOBER and world.model.counts_in(one) == NOVEMBER]
    rerated = [one for one in world.model.items if one.of == OCTOBER and world.model.counts_in(one) == DECEMBER]
    assert counted == {
        ("2026-11", "late"): sum(one.cost for one in late),
        ("2026-12", "rerated"): sum(one.cost for one in rerated),
    }
    assert october["corrections"] == []
    text = page(report(door, OCTOBER))
    assert "October 2026 was closed by ada &lt;b&gt; on 2026-11-02 at 00:00 UTC" in text
    assert text.count("<td>2026-10</td><td>2026-11</td><td>calls that came late</td>") == 1


def test_an_open_and_a_closed_month_say_truly_what_late_calls_did(world: World, door: Door) -> None:
    october, november = report(door, OCTOBER), report(door, NOVEMBER)
    late = [one for one in world.model.items if one.of == OCTOBER and world.model.counts_in(one) == NOVEMBER]
    calls, cost = sum(one.calls for one in late), sum(one.cost for one in late)
    assert calls > 1
    assert (
        f"{calls} calls (${shown(cost)}) came after October 2026 was closed and are not in those figures: "
        "they count as corrections in November 2026."
    ) in notices(october)
    closed, opened = page(october), page(november)
    assert f'<data value="{calls}">{calls}</data> calls (<data value="{exact(cost)}"' in closed
    assert "came after the month was closed: not in its figures, but corrections in November 2026." in closed
    assert "What came before the month was closed is counted on its own day." in closed
    for text in ("showed less", "a report made earlier"):
        assert text not in closed
        assert not any(text in one for one in notices(october))
    assert "so a report read earlier showed less." in opened
    assert "closed" not in " ".join(notices(november))
    assert "came after the month was closed" not in opened


def test_chargeback_adds_up_to_own_calls_corrections_and_fees(world: World, door: Door) -> None:
    fees = (Fee("flat", "", "a", 5_000_000_000_001), Fee("flat", "", None, 7), Fee("flat", "", "nobody else", 9))
    november = replace(report(door, NOVEMBER), fees=fees)
    lines = {line["team_id"]: line for line in as_json(november)["chargeback"]}
    own, corrections = world.model.sums(NOVEMBER, own=True)[1], world.model.sums(NOVEMBER, own=False)[1]
    assert corrections > 0
    assert sum(pico(line["charged_usd"]) for line in lines.values()) == own + corrections + sum(f.amount for f in fees)
    expected: dict[str, int] = defaultdict(int)
    for row in world.calls:
        if row["time"].date().replace(day=1) == OCTOBER and row["ingested_at"] > datetime(2026, 11, 2, tzinfo=UTC):
            expected[row["team_id"]] += pico(row["cost_usd"] or 0)
    assert {team: pico(line["late_usd"]) for team, line in lines.items() if pico(line["late_usd"])} == expected
    assert pico(lines["a"]["plans_usd"]) == fees[0].amount
    assert pico(lines["(nobody: idle capacity)"]["charged_usd"]) == 7
    text = page(november)
    total = re.findall(r'<table id="chargeback">.*?<tfoot>.*?</table>', text, re.DOTALL)[0].rpartition("<tfoot>")[2]
    assert f'value="{exact(own + corrections + sum(f.amount for f in fees))}"' in total


def test_plans_make_of_the_month_what_their_statements_say(world: World, door: Door, database: Database) -> None:
    """Chargeback and FOCUS rows with plans, open and closed, against the statements of the plans themselves."""
    plans = parse_plans(PLANS, "plans.toml")
    whole = month_of(door, plans, round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000))
    november = read_report(door, month(NOVEMBER), NOW, plans=plans)
    corrections = world.model.sums(NOVEMBER, own=False)[1]
    assert sum(line.total for line in november.chargeback) == whole.total_pico + corrections
    idle = sum(line.cost_pico for one in whole.statements for line in one.lines if line.kind == "idle")
    assert {line.total for line in november.chargeback if line.team is None} == {idle}
    assert idle > 0
    by_team: dict[str, int] = defaultdict(int)
    for one in whole.statements:
        for line in one.lines:
            by_team[line.who.team_id] += line.cost_pico if line.kind != "idle" else 0
    assert {one.team: one.own.cost + one.fees for one in november.chargeback if one.team is not None} == by_team

    def exported(asked: Sequence[Plan]) -> list[dict[str, Any]]:
        return list(export_month(door, Pricer.default(), Account(NOVEMBER), plans=asked).rows)

    rows = exported(plans)
    assert sum(pico(format(row["BilledCost"], "f")) for row in rows) == whole.total_pico + corrections
    assert {row["CommitmentDiscountId"] for row in rows if row["PricingCategory"] == "Committed"} == {
        "flat",
        "promised",
    }
    unused = [row for row in rows if row.get("CommitmentDiscountStatus") == "Unused"]
    assert sum(pico(format(row["EffectiveCost"], "f")) for row in unused) == idle
    assert {row["ChargeCategory"] for row in unused} == {"Usage"}

    # Closed, it keeps what the plans made of it, whatever the plans file says later.
    done = close_month(door, database, NOVEMBER, by="ada", now=NOW, audited=False, plans=plans)
    assert done.plans == sum(fee.amount for fee in november.fees)
    frozen = read_report(door, month(NOVEMBER), NOW)
    assert sorted(frozen.chargeback, key=str) == sorted(november.chargeback, key=str)
    assert sorted(map(str, exported(()))) == sorted(map(str, rows))
    assert check_month(door, NOVEMBER).ok


def test_a_month_with_nothing_but_corrections_shows_them(world: World, door: Door) -> None:
    december = report(door, DECEMBER)
    assert december.total.calls == 0
    text = page(december)
    assert 'id="chargeback"' in text
    assert "No calls in" not in text
    said = as_json(december)["summary"]
    assert said["charged_usd"] == said["corrections_usd"] == exact(world.model.sums(DECEMBER, own=False)[1])


def test_the_month_before_is_frozen_too(world: World, door: Door) -> None:
    calls, cost = world.model.sums(OCTOBER, own=True)
    said = as_json(report(door, NOVEMBER))["summary"]
    assert (said["before_calls"], said["before_cost_usd"]) == (calls, exact(cost))


def test_monthly_budgets_stand_in_the_report(world: World, door: Door, database: Database) -> None:
    for budget, period, spent in (("team <a>", "month", "70"), ("daily", "day", "5")):
        database.command(
            "INSERT INTO budget_state_rows (budget, value, period_start, period_end, period, hard, amount_usd, "
            "spent_usd, remaining_usd, crossed, evaluated_at) SELECT "
            f"'{budget}', 'x', '2026-11-01 00:00:00', '2026-12-01 00:00:00', '{period}', 1, 100, {spent}, 30, 50, "
            "now64(3)"
        )
    [line] = as_json(report(door, NOVEMBER))["budgets"]
    assert (line["budget"], line["spent_usd"], line["hard"]) == ("team <a>", "70.000000000000", "hard")
    assert "<td>team &lt;a&gt;: x <span" in page(report(door, NOVEMBER))
    assert as_json(report(door, OCTOBER))["budgets"] == []


def test_sections_of_other_parts_are_on_the_page_and_in_the_files(world: World, door: Door, tmp_path: Path) -> None:
    section = Section(
        "savings",
        "Savings & more",
        Markup("<p>as it <b>is</b></p>"),
        (Table("savings", ("a_usd", "b"), (("-1.5", "=x"),)),),
    )
    text = page(report(door, NOVEMBER), [section])
    assert '<h2 id="savings">Savings &amp; more</h2>\n<p>as it <b>is</b></p>' in text
    assert tmp_path / "savings.csv" in write_csv(report(door, NOVEMBER), tmp_path, [section])
    with (tmp_path / "savings.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a_usd", "b"], ["-1.5", "'=x"]]
    assert as_json(report(door, NOVEMBER), [section])["savings"] == [{"a_usd": "-1.5", "b": "=x"}]


def test_days_that_are_no_month_are_read_as_they_are_now(world: World, door: Door) -> None:
    from streams.report.period import Period

    start = datetime(2026, 10, 1, tzinfo=UTC)
    days = read_report(door, Period(start, start + timedelta(days=31), "October, by days", False), NOW)
    assert days.closing is None
    assert days.corrections == ()
    assert days.total.cost == sum(one.cost for one in world.model.items if one.of == OCTOBER)


def test_a_month_without_calls_says_what_it_corrects(world: World, door: Door) -> None:
    from streams.cli.commands.report import _in_words

    december = report(door, DECEMBER)
    assert december.total.calls == 0
    cost = sum(one.cost for one in december.corrected)
    assert cost
    assert f"corrections of earlier months, charged here: {shown(cost)} USD" in _in_words(december, None, None)
    assert "charged here" not in _in_words(report(door, OCTOBER), None, None)
