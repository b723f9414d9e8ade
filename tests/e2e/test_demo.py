"""`spendstream demo` as a newcomer runs it: figures equal what the same seed gives; on a terminal and without."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from streams.demo.day import calls
from streams.demo.flaws import with_flaws
from streams.meter.price import Pricer
from tests.e2e.command import PATIENCE_S, environment, spendstream
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.slow

SECONDS = 6
SPEED = 1200


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "spend"


def test_ledger_equals_what_the_seed_gives(directory: Path) -> None:
    options: list[str | Path] = [
        "--seconds",
        str(SECONDS),
        "--speed",
        str(SPEED),
        "--seed",
        "3",
        "--embedded",
        directory,
        "--json",
    ]
    shown = spendstream("demo", *options).json
    start, span = shown["from_ms"], shown["to_ms"] - shown["from_ms"]
    assert span == SECONDS * SPEED * 1000
    items = list(with_flaws(calls(3, start, span), 3))
    count = Counter(item.what for item in items)
    rows = [item.row for item in items if item.what == "call"]

    assert shown["published"] == len(items)
    assert (shown["ledger_rows"], shown["duplicates"], shown["rejected"]) == (
        count["call"],
        count["again"],
        count["malformed"],
    )
    assert shown["input_tokens"] == sum(row["input_tokens"] for row in rows)
    assert shown["output_tokens"] == sum(row["output_tokens"] for row in rows)
    number = {name: np.array([row.get(name, 0) for row in rows], dtype=np.int64) for name in (
        "time", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")}  # fmt: skip
    priced = Pricer.default().price(
        [row["provider_name"] for row in rows], [row["request_model"] for row in rows], [None] * len(rows),
        *number.values(),
    )  # fmt: skip
    assert Decimal(shown["cost_usd"]) == Decimal(int(priced.cost_pico.sum())).scaleb(-12)
    assert shown["unpriced"] == int((~priced.priced).sum()) > 0
    for by in ("by_tier", "by_team"):
        assert sum(group["calls"] for group in shown[by].values()) == shown["ledger_rows"]
        assert sum(Decimal(group["cost_usd"]) for group in shown[by].values()) == Decimal(shown["cost_usd"])
    assert {runaway["kind"] for runaway in shown["runaways"]} == {"loop", "retry_storm", "sub_agents", "context"}
    assert shown["audit_ok"] is True
    # what repeats is flagged at once, and nothing else is: every incident is one of what was announced
    flagged = {runaway["kind"]: runaway["incident"] for runaway in shown["runaways"]}
    assert flagged["loop"] is not None
    assert flagged["retry_storm"] is not None
    assert {one["id"] for one in shown["incidents"]} == set(flagged.values()) - {None}
    assert all(one["calls_before_open"] < 60 for one in shown["incidents"] if one["kind"] in ("loop", "retry_storm"))


def test_what_the_flat_plan_came_to_is_what_the_ledger_says(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    shown = spendstream("demo", "--seconds", "4", "--speed", "900", "--embedded", directory, "--json").json
    asked = "SELECT toString(sum(cost_usd)), sum(input_tokens + output_tokens) FROM calls"
    covered = "WHERE plan_id = 'claude-team-flat'"
    [[cost, tokens]] = spendstream("sql", "--json", "--embedded", directory, f"{asked} {covered}").json["rows"]
    [plan] = shown["plans"]
    assert Decimal(plan["list_usd"]) == Decimal(cost)
    used = int(tokens) / 120_000_000
    if used <= 1:
        assert plan["used_share"] == pytest.approx(used, abs=1e-6)
    else:  # the call that fills it is inside as a whole
        assert 1 <= plan["used_share"] < 1.01
    assert Decimal(plan["total_usd"]) == Decimal(plan["fee_usd"]) + Decimal(plan["overage_usd"])
    assert {one["budget"] for one in shown["budgets"]} == {
        "company-day", "payments-day", "platform-day", "research-day", "frontier-month",
    }  # fmt: skip
    assert 0 < shown["first_figure_seconds"] < 60


def test_what_the_company_pays_by_is_kept_in_the_directory(directory: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for name in ("spendstream.toml", "budgets.toml", "plans.toml"):
        assert (directory / name).is_file()
    shown = spendstream("budgets", "show", "--embedded", directory, "--json").json
    assert "company-day" in {one["budget"] for one in shown["budgets"]}
    plans = spendstream("plans", "show", "--embedded", directory, "--json").json["statements"]
    assert "claude-team-flat" in {one["plan"] for one in plans}
    own.write_text(f'budgets_file = "{directory / "budgets.toml"}"', "utf-8")
    named = spendstream("plans", "check", "--embedded", directory, "--config", own)
    assert named.code == 2
    assert "no plans file" in named.err
    other = {"SPENDSTREAM_BUDGETS_FILE": str(tmp_path / "none.toml")}
    assert "none.toml" in spendstream("budgets", "show", "--embedded", directory, variables=other).err


def test_again_on_the_same_directory_adds_as_much_and_no_duplicates(directory: Path) -> None:
    before = json.loads(spendstream("sql", "--json", "--embedded", directory, "SELECT count() FROM calls").out)
    ended = spendstream(
        "demo", "--seconds", str(SECONDS), "--speed", str(SPEED), "--seed", "3", "--embedded", directory
    )
    assert ended.code == 0, ended.err
    text = ended.out.decode()
    after = json.loads(spendstream("sql", "--json", "--embedded", directory, "SELECT count() FROM calls").out)
    assert after["rows"][0][0] == 2 * before["rows"][0][0]
    assert "calls/s" in text
    assert "in a browser: http://127.0.0.1:" in text
    assert "begins to" in text
    assert "audit: holds" in text
    assert f"spendstream top --embedded {directory}" in text
    assert "\x1b" not in text
    assert (directory / "demo.log").stat().st_size > 0


def test_on_a_terminal_something_moves_and_ctrl_c_ends_it_in_good_order(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    with Terminal("demo", "--seconds", "600", "--embedded", directory) as terminal:
        terminal.until(lambda text: "top agents" in text and "coder-" in text)
        terminal.until(lambda text: "of 10:00, Ctrl-C ends it" in text and "in " in text)
        terminal.interrupt()
        code = terminal.end()
        text = terminal.text
    assert code == 0, text[-3000:]
    assert "audit: holds" in text
    assert "Traceback" not in text


COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;[25];)")


def test_without_colour(tmp_path: Path) -> None:
    kept, plain = tmp_path / "spend", {"NO_COLOR": "1"}
    with Terminal("demo", "--seconds", "2", "--embedded", kept, variables=plain) as terminal:
        terminal.until(lambda text: "top agents" in text)
        assert terminal.end() == 0
        drawn = terminal.raw
    assert not COLOUR.search(drawn)
    for command in (["doctor"], ["budgets", "show"], ["sql", "SELECT 1"]):
        with Terminal(*command, "--embedded", kept, variables=plain) as terminal:
            terminal.end()
            assert terminal.raw
            assert not COLOUR.search(terminal.raw)
    with Terminal("doctor", "--embedded", kept, variables={"NO_COLOR": ""}) as terminal:
        terminal.end()
        assert COLOUR.search(terminal.raw)


def test_a_reader_that_has_enough_ends_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo", "--seconds", "600", "--embedded", str(tmp_path / "spend")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    code = process.wait(timeout=PATIENCE_S)
    said = process.stderr.read().decode()
    process.stderr.close()
    assert code == 1
    assert "Traceback" not in said


def test_a_directory_in_use_says_by_whom(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    ended = spendstream("demo", "--seconds", "1", "--embedded", file)
    assert ended.code == 2
    assert str(file) in ended.err
    for wrong in (["--seconds", "0"], ["--speed", "0"], ["--seed", "-1"]):
        assert spendstream("demo", *wrong).code == 2
