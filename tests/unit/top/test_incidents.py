"""Open incidents in `top`: above everything else, at 80 columns, dearest first, one key away."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from textual.widgets import Static

from streams.ledger.client import Database
from streams.top import read
from streams.top.head import alarms
from streams.top.look import take
from streams.top.once import as_json, as_text, look_once
from streams.top.view import View
from tests.unit.top.ledger import MINUTE, NOW, WRITTEN, EngineReader
from tests.unit.top.test_app import Driven, drive


def opened(
    database: Database, *, number: int, severity: str, cost: str, state: str = "open", run: str = "edit-1"
) -> None:
    database.command(
        "INSERT INTO incident_events (incident_id, number, change, kind, severity, state, agent_id, run_id, opened_at, "
        "calls, cost_usd, evidence, acknowledged_by, backfill, recorded_at) SELECT {id:String}, 1, 'opened', "
        "'retry_storm', {severity:String}, {state:String}, 'coder', {run:String}, "
        "fromUnixTimestamp64Milli({at:Int64}), 43, {cost:Decimal(38, 12)}, {evidence:String}, "
        "if({n:UInt8} = 2, 'jo', ''), 0, fromUnixTimestamp64Milli({at:Int64})",
        {"id": f"inc-{number}", "n": number, "severity": severity, "state": state, "run": run, "cost": Decimal(cost),
         "at": NOW - 6 * MINUTE, "evidence": "43 equal calls\x1b[2J in 6 min"},
    )  # fmt: skip


@pytest.fixture
def incidents(reader: EngineReader, database: Database) -> EngineReader:
    """Two that page, a ticket that cost more, one that is over."""
    opened(database, number=1, severity="warning", cost="3.125")
    opened(database, number=2, severity="critical", cost="31")
    opened(database, number=3, severity="ticket", cost="99")
    opened(database, number=4, severity="critical", cost="500", state="resolved")
    return reader


def test_pages_before_tickets_and_nothing_that_is_over(incidents: EngineReader) -> None:
    found = read.incidents(incidents)
    assert [(one.id, one.cost_usd) for one in found] == [
        ("inc-2", Decimal(31)),
        ("inc-1", Decimal("3.125")),
        ("inc-3", Decimal(99)),
    ]
    assert [one.acknowledged_by for one in found] == ["jo", "", ""]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_and_cannot_steer_the_terminal(incidents: EngineReader, width: int) -> None:
    lines = alarms(take(incidents, View(), WRITTEN), width)
    assert len(lines) == 3
    assert all(len(line) <= width and line.plain.isprintable() for line in lines)
    assert lines[0].plain.startswith(" critical  retry storm edit-1 $31.00 in 43 calls, 6 min")


def test_many_are_counted(incidents: EngineReader, database: Database) -> None:
    opened(database, number=5, severity="warning", cost="1")
    lines = alarms(take(incidents, View(), WRITTEN), 100)
    assert [len(lines), lines[-1].plain] == [3, " and 2 more open incidents: spendstream incidents"]


def test_once_has_them_in_text_and_json(incidents: EngineReader) -> None:
    look, by = look_once(incidents, View(), WRITTEN)
    shown = json.loads(json.dumps(as_json(look, by)))
    assert [(one["id"], one["severity"], one["cost_usd"]) for one in shown["incidents"]] == [
        ("inc-2", "critical", "31"),
        ("inc-1", "warning", "3.125"),
        ("inc-3", "ticket", "99"),
    ]
    assert any("critical  retry storm" in line.plain for line in as_text(look, by, "x", 80, idle=False))


def test_on_the_screen_and_one_key_away(incidents: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        assert at.app.screen_stack[0].query_one("#alarms", Static).display
        assert "retry storm" in at.text("#alarms")
        await at.press("i")
        assert (at.app.view_.agent, at.app.view_.run) == ("coder", "edit-1")
        assert len(at.names) == 3

    drive(incidents, steps)


def test_without_incidents_there_is_no_line(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        assert not at.app.screen_stack[0].query_one("#alarms", Static).display
        await at.pilot.press("i")
        assert at.app.view_ == View()

    drive(reader, steps)
