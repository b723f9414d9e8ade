"""Budgets as a user has them: a small budget is crossed live and told once, through a restart; the commands agree."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Running, spendstream
from tests.fakes import call

pytestmark = pytest.mark.slow

PATIENCE_S = 90.0

BUDGETS = """
[[budget]]
name = "small"
amount = "0.01"
period = "month"
scope = { team = "search" }
burn = []

[[budget]]
name = "agents"
amount = "0.005"
period = "month"
each = "agent"
hard = true
at_limit = "block"
thresholds = [100]
burn = []
"""


def rows(directory: Path, sql: str) -> list[dict[str, Any]]:
    done = spendstream("sql", "--embedded", directory, "--format", "jsonl", sql)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def wait_for(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return value


def send(directory: Path, folder: Path, number: int, count: int) -> None:
    """Calls of now; gpt-4o, 1,000 tokens in and 100 out: 0.0035 USD each."""
    now = time.time_ns() // 1_000_000
    file = folder / f"{number}.jsonl"
    file.write_text(
        "".join(
            json.dumps(call(f"c-{number}-{at}", time=now, team_id="search", agent_id="bot")) + "\n"
            for at in range(count)
        ),
        "utf-8",
    )
    done = spendstream("replay", file, "--embedded", directory, "--json").json
    assert (done["new"], done["rejected"]) == (count, 0)


def test_a_small_budget_crosses_live_and_is_told_once(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    (tmp_path / "budgets.toml").write_text(BUDGETS, "utf-8")
    (tmp_path / "settings.toml").write_text(f'budgets_file = "{tmp_path / "budgets.toml"}"\n', "utf-8")
    settings = ("--config", str(tmp_path / "settings.toml"))
    events = (
        "SELECT budget, value, kind, mark, told FROM budget_events WHERE kind = 'crossed' ORDER BY budget, at, mark"
    )
    notices = "SELECT change, title FROM notices WHERE labels['kind'] = 'budget' AND change LIKE 'crossed%' ORDER BY at"

    directory.mkdir()
    running = Running(directory, *settings)
    try:
        send(directory, tmp_path, 1, 1)
        state = wait_for(
            lambda: rows(directory, "SELECT * FROM budget_states WHERE budget = 'small' AND spent_usd > 0")
        )
        assert Decimal(str(state[0]["spent_usd"])) == Decimal("0.0035")
        assert rows(directory, events) == []
        send(directory, tmp_path, 2, 1)
        wait_for(lambda: rows(directory, f"{events} LIMIT 1"))
        wait_for(lambda: len(rows(directory, notices)) == 2)
    finally:
        running.stop()

    # The same calls again, another worker process, and one call more.
    running = Running(directory, *settings)
    try:
        send_again = spendstream("replay", tmp_path / "2.jsonl", "--embedded", directory, "--json").json
        assert send_again["new"] == 0
        send(directory, tmp_path, 3, 1)
        wait_for(lambda: len(rows(directory, notices)) == 3)
        assert [(row["change"], row["title"].split(":")[0]) for row in rows(directory, notices)] in (
            [("crossed_50", "Budget small"), ("crossed_100", "Budget agents (bot)"), ("crossed_100", "Budget small")],
            [("crossed_100", "Budget agents (bot)"), ("crossed_50", "Budget small"), ("crossed_100", "Budget small")],
        )
        control = rows(directory, "SELECT scope, subject, mode, action, policy FROM controls")
        assert control == [
            {"scope": "agent", "subject": "bot", "mode": "observe", "action": "block", "policy": "budget:agents"}
        ]
        shown = spendstream("budgets", "show", "--embedded", directory, *settings, "--json").json["budgets"]
        assert [(one["budget"], one["value"]) for one in shown] == [("small", None), ("agents", "bot")]
        for one in shown:
            assert Decimal(one["spent_usd"]) == Decimal("0.0105")
            assert one["exhausted"] is True
    finally:
        running.stop()

    stopped = spendstream("budgets", "show", "small", "--embedded", directory, *settings, "--json").json["budgets"]
    assert stopped[0]["spent_usd"] == shown[0]["spent_usd"]
    told = [row for row in rows(directory, events) if row["told"]]
    assert [(row["budget"], row["mark"]) for row in told] == [("agents", "100"), ("small", "50"), ("small", "100")]
    ahead = spendstream("forecast", "--team", "search", "--embedded", directory, "--json").json
    assert Decimal(ahead["spent_usd"]) == Decimal("0.0105")
    assert sum(Decimal(day["spent_usd"]) for day in ahead["days"]) == Decimal("0.0105")


def test_check_says_what_nobody_knows_and_how_to_mend_it(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    (tmp_path / "c.jsonl").write_text(json.dumps(call("a", team_id="search")) + "\n", "utf-8")
    spendstream("replay", tmp_path / "c.jsonl", "--embedded", directory)
    file = tmp_path / "b.toml"
    text = '[[budget]]\nname = "b"\namount = 1\nperiod = "day"\nscope = {{ team = ["serch"], model = "{}" }}\n{}'

    file.write_text(text.format("no-such-model", ""), "utf-8")
    done = spendstream("budgets", "check", "--file", file, "--embedded", directory, "--json")
    assert done.code == 1
    team, model = done.json["faults"]
    assert "there is no team 'serch' in the ledger (did you mean 'search'?)" in team
    assert "expected = true" in team
    assert "there is no model 'no-such-model'" in model

    file.write_text(text.format("claude-sonnet-4-5", "expected = true"), "utf-8")
    assert spendstream("budgets", "check", "--file", file, "--embedded", directory).code == 0
    file.write_text(text.format("claude-sonnet-4-5", "").replace("serch", "search"), "utf-8")
    assert spendstream("budgets", "check", "--file", file, "--embedded", directory).code == 0, (
        "the book knows the model"
    )

    file.write_text("[[budget]]\nname = 'x'", "utf-8")
    wrong = spendstream("budgets", "check", "--file", file, "--file-only")
    assert wrong.code == 2
    assert "budget 1 (x).amount: Field required" in wrong.err
    assert "budget 1 (x).period: Field required" in wrong.err
    assert spendstream("budgets", "show", "nothing", "--file", file).code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("budgets", "show"), "no budgets file"),
        (("forecast", "--budget", "b"), "no budgets file"),
        (("forecast", "--budget", "b", "--team", "t"), "leave the others away"),
        (("forecast", "backtest", "no-such-file.jsonl"), "no-such-file.jsonl"),
        (("forecast", "backtest", "--seeds", "b-a"), "neither a seed"),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: tuple[str, ...], words: str) -> None:
    done = spendstream(*arguments)
    assert done.code == 2
    assert words in done.err


def test_a_backtest_of_simulated_days(tmp_path: Path) -> None:
    made = ("simulate", "--seed", "3", "--days", "6", "--agents", "3", "--out", tmp_path / "sim.jsonl.gz")
    assert spendstream(*made).code == 0
    told = spendstream("forecast", "backtest", tmp_path / "sim.jsonl.gz", "--json").json
    assert set(told["sets"]) == {"sim"}
    assert told["sets"]["sim"]["unit"] == "USD"
    assert told["score"][told["naive"]]["error"] == 1.0
    assert {row["model"] for row in told["rows"]} == set(told["score"])
    seeds = spendstream("forecast", "backtest", "--seeds", "3", "--days", "6", "--agents", "3", "--json").json
    # A file is priced by the meter, simulated days by what their routers report: nearly the same.
    for own, other in zip(seeds["rows"], told["rows"], strict=True):
        assert [own[name] for name in ("period", "model", "origins")] == [
            other[name] for name in ("period", "model", "origins")
        ]
        assert own["error"] == pytest.approx(other["error"], rel=0.05)


def test_a_worker_refuses_a_wrong_file_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text('[[budget]]\nname = "a"\namount = -1\nperiod = "year"\n', "utf-8")
    variables = {"SPENDSTREAM_BUDGETS_FILE": str(tmp_path / "b.toml")}
    done = spendstream("worker", "--embedded", tmp_path / "spend", "--http-port", "0", variables=variables)
    assert done.code == 2
    assert "b.toml: budget 1 (a).amount" in done.err
    assert "b.toml: budget 1 (a).period" in done.err
