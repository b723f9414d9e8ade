"""Links lead to boards that exist, with variables that these have."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from streams.alert.links import AROUND_MS, FRESH_MS, board_links
from tests.fakes import BASE_MS

BOARDS = Path(__file__).parents[3] / "dashboards" / "json"


def links(now_ms: int = BASE_MS, **fields: str) -> dict[str, str]:
    """Links of an incident."""
    values = {"incident_id": "inc-1", "team_id": "a b&c", "agent_id": "bot/ü", "run_id": "run-1"} | fields
    url = "https://g.example.org/grafana/"
    return board_links(url, **values, first_ms=BASE_MS - 5, last_ms=BASE_MS, now_ms=now_ms)


def test_the_boards_have_what_is_chosen() -> None:
    known = {}
    for path in BOARDS.glob("*.json"):
        board = json.loads(path.read_text("utf-8"))
        known[board["uid"]] = {variable["name"] for variable in board["templating"]["list"]}
    for url in links().values():
        parts = urlsplit(url)
        uid = parts.path.removeprefix("/grafana/d/")
        chosen = {name.removeprefix("var-") for name in parse_qs(parts.query) if name.startswith("var-")}
        assert chosen <= known[uid]


def test_what_is_chosen_comes_back() -> None:
    query = parse_qs(urlsplit(links()["agent board"]).query)
    assert query["var-team"] == ["a b&c"]
    assert query["var-agent"] == ["bot/ü"]
    assert query["from"] == [str(BASE_MS - 5 - AROUND_MS)]


@pytest.mark.parametrize(("age_ms", "to"), [(0, "now"), (FRESH_MS - 1, "now"), (FRESH_MS, str(BASE_MS + AROUND_MS))])
def test_a_board_follows_what_goes_on(age_ms: int, to: str) -> None:
    assert parse_qs(urlsplit(links(BASE_MS + age_ms)["run board"]).query)["to"] == [to]


def test_without_a_grafana_or_a_run() -> None:
    times = {"first_ms": 1, "last_ms": 2, "now_ms": 3}
    assert board_links("", incident_id="i", team_id="", agent_id="a", run_id="r", **times) == {}
    assert "run board" not in links(run_id="")
    assert "var-team" not in links(team_id="")["agent board"]
