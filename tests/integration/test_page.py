"""The worker's page: its figures equal the ledger's to the last digit, and a real browser shows them."""

from __future__ import annotations

import asyncio
import html
import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from streams.boards.sample import Sample, fill
from streams.http.server import Access, HttpServer
from streams.http.tokens import load_tokens
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.reader import DatabaseReader
from streams.page import page_routes
from streams.page.figures import SPANS, board
from streams.page.routes import PARTS
from tests.integration.browser import dom

NOW = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def filled(chdb_url: str) -> Iterator[Database]:
    """Two days of calls, a runaway that is open, one that is over, a budget, a rating."""
    with closing(Database(chdb_url, database="page", create=True)) as database:
        migrate(database)
        fill(database, Sample(end=NOW, calls=40_000, days=40))
        for table in ("incident_events", "budget_state_rows"):  # the sample's own, for boards
            database.command(f"TRUNCATE TABLE {table}")
        database.command(
            "INSERT INTO incident_events (incident_id, number, change, at, kind, severity, state, team_id, agent_id, "
            "run_id, first_time, opened_at, calls, cost_usd, evidence, page, resolved_at, recorded_at) SELECT "
            f"'inc-1', 1, 'opened', t, 'loop', 'critical', 'open', 'search', '{EVIL}', 'run-9', t - 4, t, 43, 3.1, "
            f"'43 calls with the same fingerprint', 1, NULL, t FROM (SELECT fromUnixTimestamp64Milli({NOW_MS - 60_000})"
            " AS t) UNION ALL SELECT 'inc-2', 2, 'resolved', t, 'retry_storm', 'warning', 'resolved', 'data', 'a-2', "
            "'', t - 4, t, 7, 0.5, 'seven failures', 1, t, t FROM "
            f"(SELECT fromUnixTimestamp64Milli({NOW_MS - 90_000}) AS t)"
        )
        database.command(
            "INSERT INTO budget_state_rows (budget, value, period_start, period_end, period, hard, amount_usd, "
            "spent_usd, forecast_usd, crossed, evaluated_at) SELECT 'search in March', '', "
            "toDateTime64('2026-03-01 00:00:00', 3, 'UTC'), toDateTime64('2026-04-01 00:00:00', 3, 'UTC'), 'month', 1, "
            "500, 420.5, 451.25, 80, toDateTime64('2026-03-31 09:00:00', 3, 'UTC')"
        )
        yield database
        database.command("DROP DATABASE page")


@contextmanager
def served(database: Database, access: Access | None = None) -> Iterator[str]:
    """The page's address while a server runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = HttpServer(page_routes(database, lambda: NOW_MS), access)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        host, port = asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result(30)
        yield f"http://{host}:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def get(url: str, token: str = "") -> Any:
    with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})) as answer:
        return json.load(answer)


@pytest.mark.parametrize("span", SPANS)
def test_figures_equal_the_ledger(filled: Database, span: str) -> None:
    found = board(DatabaseReader(filled), span, NOW_MS)
    json.dumps(found)
    [(calls, cost, unpriced, tokens)] = filled.rows(
        "SELECT count(), sum(cost_usd), countIf(isNull(cost_usd)), sum(input_tokens) FROM intake "
        "WHERE outcome = 'call' AND time >= fromUnixTimestamp64Milli({from:Int64}) "
        "AND time < fromUnixTimestamp64Milli({to:Int64})",
        {"from": found["from_ms"], "to": found["to_ms"]},
    )
    assert calls
    whole = found["sum"]
    assert (whole["calls"], Decimal(whole["cost_usd"]), whole["unpriced"], whole["input_tokens"]) == (
        calls, cost, unpriced, tokens,
    )  # fmt: skip
    drawn = [Decimal(step) for tier in found["trend"]["tiers"].values() for step in tier["cost_usd"]]
    assert sum(drawn) == cost
    assert sum(sum(tier["calls"]) for tier in found["trend"]["tiers"].values()) == calls
    assert (found["agents"] is None) == SPANS[span].by_hour


def test_runaways_and_budgets(filled: Database) -> None:
    found = board(DatabaseReader(filled), "1h", NOW_MS)
    assert [(one["id"], one["state"], one["cost_usd"]) for one in found["incidents"]] == [
        ("inc-1", "open", "3.1"),
        ("inc-2", "resolved", "0.5"),
    ]
    [one] = [one for one in found["incidents"] if one["id"] == "inc-1"]
    assert one["first_ms"] == one["opened_ms"] - 4000  # since the first abnormal call, as the page that is sent says
    [budget] = found["budgets"]
    assert (budget["spent_usd"], budget["forecast_usd"], budget["hard"]) == ("420.5", "451.25", True)
    assert budget["rough"], "a forecast without an interval"


def test_an_empty_ledger_is_a_page_too(store: object, database: Database) -> None:
    found = board(DatabaseReader(database), "24h", NOW_MS)
    assert (found["newest_ms"], found["sum"]["calls"], found["tiers"], found["incidents"]) == (0, 0, [], [])


def test_a_browser_shows_the_figures(filled: Database, tmp_path: Path) -> None:
    figures = board(DatabaseReader(filled), "24h", NOW_MS)
    with served(filled) as url:
        shown = dom(f"{url}/#24h", tmp_path / "profile")
    text = html.unescape(re.sub(r"<[^>]+>", " ", shown))
    assert f"${Decimal(figures['sum']['cost_usd']):,.2f}" in text
    assert "43 calls with the same fingerprint" in text
    assert "runaway loop" in text
    assert f"{figures['agents'][0]['key']}" in text
    assert "search in March" in text
    assert "$420.50 of $500.00" in text
    assert "(1) Spendstream" in shown
    assert 'class="uplot' in shown  # the chart was drawn
    assert "<canvas" in shown
    assert EVIL not in shown  # a name from a router is text, not markup
    assert EVIL in text


def test_runaways_that_are_over_do_not_push_the_charts_away(filled: Database, tmp_path: Path) -> None:
    filled.command(
        "INSERT INTO incident_events (incident_id, number, change, at, kind, severity, state, agent_id, first_time, "
        "opened_at, calls, cost_usd, evidence, resolved_at, recorded_at) SELECT concat('old-', toString(number)), 1, "
        "'resolved', t, 'spend', 'ticket', 'resolved', concat('old-agent-', toString(number)), t, t, 7, 0.25, 'dear', "
        f"t, t FROM (SELECT number, fromUnixTimestamp64Milli({NOW_MS - 20 * 86_400_000}) AS t FROM numbers(8))"
    )
    with served(filled) as url:
        shown = dom(f"{url}/#30d", tmp_path / "profile")
    first, _, folded = shown.partition("<details")
    assert "<summary>4 more that are over</summary>" in folded
    assert EVIL not in shown
    found = [
        {f"old-agent-{number}" for number in range(8) if f"old-agent-{number}<" in part} for part in (first, folded)
    ]
    assert [len(names) for names in found] == [4, 4], "four beside the retry storm, which is over too"
    assert not found[0] & found[1]


def test_no_calls_no_worker_and_a_token(filled: Database, database: Database, store: object, tmp_path: Path) -> None:
    with served(database) as url:
        assert "no calls yet" in dom(url, tmp_path / "a")
    token = "t" * 40
    access = Access(tokens=load_tokens(None, "board:read:env:BOARD", {"BOARD": token}))
    with served(filled, access) as url:
        asked = dom(url, tmp_path / "b")
        assert '<form id="login">' in asked
        assert '<main id="main" hidden' in asked
        assert get(f"{url}/v1/board?span=1h", token)["span"] == "1h"
        with pytest.raises(HTTPError, match="400"):
            get(f"{url}/v1/board?span=2h", token)


def test_every_part_comes_from_the_worker(filled: Database) -> None:
    with served(filled) as url:
        for name in PARTS:
            with urlopen(f"{url}/page/{name}") as answer:
                assert answer.status == 200
                body = answer.read().decode()
            if name in ("index.html", "page.js", "page.css"):
                assert not re.search(r"https?://(?!www\.w3\.org)", body), name
        with urlopen(url) as answer:
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
