"""The terminal view, driven by keys, on a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from streams.ledger.client import Database
from streams.top.app import HELP, LEAST_HEIGHT, LEAST_WIDTH, Help, TopApp
from streams.top.view import View
from tests.unit.top.ledger import MINUTE, NOW, WRITTEN, EngineReader, FakeSource, insert

Steps = Callable[["Driven"], Awaitable[None]]


class Driven:
    """A running app and what stands on its screen."""

    def __init__(self, app: TopApp, pilot: Pilot[None], source: FakeSource) -> None:
        self.app = app
        self.pilot = pilot
        self.source = source

    async def press(self, *keys: str) -> None:
        """Press keys and wait for the ledger's answer."""
        asked = self.source.asked
        await self.pilot.press(*keys)
        await self.settle(asked + 1)

    async def settle(self, asked: int) -> None:
        for _ in range(200):
            await self.pilot.pause(0.01)
            shown = self.app._drawn is not None and self.app._drawn.view == self.app.view_
            if self.source.asked >= asked and (shown or self.source.fault):
                break
        await self.pilot.pause()

    def text(self, selector: str) -> str:
        return str(self.app.screen_stack[0].query_one(selector, Static).render())

    @property
    def names(self) -> list[str]:
        table = self.app.screen_stack[0].query_one(DataTable)
        column = 1 if self.app.view_.run is not None else 0
        return [str(table.get_row_at(at)[column]).strip() for at in range(table.row_count)]

    @property
    def titles(self) -> list[str]:
        table = self.app.screen_stack[0].query_one(DataTable)
        return [str(column.label).strip() for column in table.ordered_columns]


def drive(
    reader: EngineReader,
    steps: Steps,
    *,
    size: tuple[int, int] = (80, 24),
    interval: float = 30.0,
    clock: int = WRITTEN,
) -> None:
    source = FakeSource(reader)

    async def go() -> None:
        app = TopApp(source, View(), interval, lambda: clock)
        async with app.run_test(size=size) as pilot:
            driven = Driven(app, pilot, source)
            await driven.settle(1)
            await steps(driven)

    asyncio.run(go())


def test_shows_agents_by_spend(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        assert at.names == ["coder", "chat", "coder/tests", "reader"]
        assert at.titles[:3] == ["agent", "▼$/min", "spent $"]
        assert "spent $3.88" in at.text("#head")
        assert "rejects 1" in at.text("#head")
        assert "now 10:00:00 UTC" in at.text("#title")

    drive(reader, steps)


def test_goes_into_an_agent_and_a_run_and_back(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.press("enter")
        assert at.names == ["edit-1"]
        assert "agent coder" in at.text("#trail")
        await at.press("enter")
        assert at.names == ["coder", "coder/tests", "coder"]
        assert "run edit-1" in at.text("#trail")
        assert "calls, newest first" in at.text("#trail")
        await at.press("escape")
        assert at.names == ["edit-1"]
        await at.press("escape")
        assert at.names[0] == "coder"
        await at.pilot.press("escape")
        assert at.app.is_running

    drive(reader, steps)


def test_groups_filters_and_clears(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.press("2")
        assert at.names == ["platform", "support", "(none)"]
        await at.press("down", "enter")
        assert at.names == ["chat"]
        await at.press("4")
        assert at.names == ["gpt-5-mini"]
        await at.press("0")
        assert at.names == ["sonnet", "gpt-5-mini", "haiku", "own"]
        await at.press("3")
        assert at.names == ["frontier", "mid", "unknown"]
        await at.press("5")
        assert at.names == ["edit-1", "talk-1", "(none)"]

    drive(reader, steps)


def test_search_by_keyboard(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.pilot.press("slash")
        assert isinstance(at.app.focused, Input)
        await at.pilot.press(*"cod", "q", "backspace")
        await at.press("enter")
        assert at.names == ["coder", "coder/tests"]
        assert "matching 'cod'" in at.text("#trail")
        await at.pilot.press("slash")
        await at.pilot.press("x", "escape")
        assert isinstance(at.app.focused, DataTable)
        assert at.names == ["coder", "coder/tests"]
        await at.press("escape")
        assert len(at.names) == 4

    drive(reader, steps)


def test_sorts_and_reverses(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.press("s")
        assert "▼calls" in at.titles
        await at.press("r")
        assert "▲calls" in at.titles
        assert at.names[0] in {"coder/tests", "reader"}

    drive(reader, steps)


def test_window_reaches_further_back(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        assert "$3.88" in at.text("#head")
        await at.press("plus")
        assert "last 6h" in at.text("#trail")
        assert "$11.88" in at.text("#head")
        await at.press("minus", "minus", "minus")
        assert "last 5m" in at.text("#trail")

    drive(reader, steps)


def test_new_figures_come_by_themselves_and_pause_holds_them(reader: EngineReader, database: Database) -> None:
    async def steps(at: Driven) -> None:
        await at.pilot.press("space")
        assert "paused" in at.text("#note")
        insert(database, [{"agent_id": "new", "cost_usd": "99", "time": NOW - MINUTE}])
        await at.pilot.pause(0.5)
        assert "new" not in at.names
        await at.press("space")
        for _ in range(100):
            await at.pilot.pause(0.02)
            if "new" in at.names:
                break
        assert at.names[0] == "new"
        assert at.text("#note") == ""

    drive(reader, steps, interval=0.1)


def test_the_chosen_line_stays_chosen_when_the_order_changes(reader: EngineReader, database: Database) -> None:
    async def steps(at: Driven) -> None:
        table = at.app.query_one(DataTable)
        await at.pilot.press("down")
        assert at.names[table.cursor_row] == "chat"
        insert(database, [{"agent_id": "chat", "cost_usd": "50", "time": NOW - MINUTE}])
        for _ in range(100):
            await at.pilot.pause(0.02)
            if at.names[0] == "chat":
                break
        assert at.names[0] == "chat"
        assert at.names[table.cursor_row] == "chat"

    drive(reader, steps, interval=0.1)


def test_a_server_that_goes_away_keeps_the_last_figures(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        at.source.fault = "ClickHouse at db:8123 does not answer: refused"
        for _ in range(100):
            await at.pilot.pause(0.02)
            if at.text("#note"):
                break
        assert "db:8123 does not answer" in at.text("#note")
        assert "asking again" in at.text("#note")
        assert at.names[0] == "coder"
        at.source.fault = ""
        for _ in range(100):
            await at.pilot.pause(0.02)
            if not at.text("#note"):
                break
        assert at.text("#note") == ""

    drive(reader, steps, interval=0.1)


def test_an_empty_ledger_says_so(empty: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        assert at.app.query_one("#empty").display
        assert not at.app.query_one(DataTable).display
        assert "ledger is empty" in at.text("#empty")

    async def settled(at: Driven) -> None:
        for _ in range(100):
            await at.pilot.pause(0.02)
            if at.app.query_one("#empty").display:
                break
        await steps(at)

    drive(empty, settled)


def test_a_stopped_directory_is_read_once(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        at.source.idle = True
        await at.press("s")
        assert "nothing runs on this directory" in at.text("#note")
        asked = at.source.asked
        await at.pilot.pause(0.5)
        assert at.source.asked == asked
        await at.press("s")
        assert at.source.asked == asked + 1

    drive(reader, steps, interval=0.05)


@pytest.mark.parametrize("size", [(LEAST_WIDTH - 1, 24), (80, LEAST_HEIGHT - 1)])
def test_too_small_says_so_and_recovers(reader: EngineReader, size: tuple[int, int]) -> None:
    async def steps(at: Driven) -> None:
        assert f"needs a terminal of {LEAST_WIDTH}x{LEAST_HEIGHT}; this one is {size[0]}x{size[1]}" in at.text("#small")
        assert not at.app.query_one("#body").display
        await at.pilot.resize_terminal(80, 24)
        await at.pilot.pause()
        assert at.app.query_one("#body").display
        await at.press("s")
        assert len(at.names) == 4

    async def unsettled(at: Driven) -> None:
        await at.pilot.pause(0.1)
        await steps(at)

    source = FakeSource(reader)

    async def go() -> None:
        app = TopApp(source, View(), 30, lambda: WRITTEN)
        async with app.run_test(size=size) as pilot:
            await unsettled(Driven(app, pilot, source))

    asyncio.run(go())


def test_too_small_while_the_help_is_open(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.pilot.press("question_mark")
        await at.pilot.resize_terminal(40, 10)
        await at.pilot.press("x")
        assert "this one is 40x10" in at.text("#small")
        assert not at.app.query_one("#body").display

    drive(reader, steps)


def test_help_opens_and_any_key_closes_it(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        await at.pilot.press("question_mark")
        assert isinstance(at.app.screen, Help)
        await at.pilot.press("x")
        assert not isinstance(at.app.screen, Help)
        assert max(map(len, HELP.splitlines())) <= 74

    drive(reader, steps)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaves(reader: EngineReader, key: str) -> None:
    async def go() -> Any:
        source = FakeSource(reader)
        app = TopApp(source, View(), 30, lambda: WRITTEN)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press(key)
            await pilot.pause()
        return app.return_code

    assert asyncio.run(go()) == 0


def test_columns_grow_with_the_terminal(reader: EngineReader) -> None:
    async def steps(at: Driven) -> None:
        narrow = len(at.titles)
        await at.pilot.resize_terminal(140, 40)
        await at.pilot.pause()
        assert len(at.titles) > narrow
        assert "share" in at.titles

    drive(reader, steps)
