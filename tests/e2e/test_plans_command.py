"""`spendstream plans`, as installed: right, wrong and without a file; and a worker that keeps the figures."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.command import PATIENCE_S, Running, spendstream
from tests.fakes import BASE_MS, call

PLANS = """
[[plan]]
name = "flat"
kind = "flat"
from = 2026-03-01
scope = { provider = "openai" }
period = "month"
fee = "1"
capacity = { calls = 4 }
overage = "per_token"
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Five calls of gpt-4o, 0.0035 USD each, one of another seller, and a plan for four of them."""
    calls = [call(str(n), time=BASE_MS + n, team_id="ab"[n % 2]) for n in range(5)]
    calls.append(call("other", provider_name="anthropic", request_model="claude-haiku-4-5"))
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(one) + "\n" for one in calls), "utf-8")
    (tmp_path / "plans.toml").write_text(PLANS, "utf-8")
    directory = tmp_path / "spend"
    assert spendstream("replay", tmp_path / "calls.jsonl", "--embedded", directory).code == 0
    return directory


@pytest.mark.slow
def test_show_adds_up(ledger: Path) -> None:
    file = {"SPENDSTREAM_PLANS_FILE": str(ledger.parent / "plans.toml")}
    asked = ("plans", "show", "--embedded", ledger, "--month", "2026-03")
    found = spendstream(*asked, "--json", variables=file).json
    flat, rest = found["statements"]
    assert (flat["used"], flat["beyond"], flat["total_usd"]) == ("4.000000000000", "1.000000000000", "1.003500000000")
    assert [(one["team"], one["cost_usd"]) for one in flat["teams"]] == [
        ("a", "0.503500000000"),
        ("b", "0.500000000000"),
    ]
    assert rest["plan"] is None
    assert Decimal(found["total_usd"]) == Decimal(flat["total_usd"]) + Decimal(rest["total_usd"])
    words = spendstream(*asked[:2], "flat", *asked[2:], variables=file).out.decode()
    assert "fee 1.00 USD; 4 of 4 calls used (100.0 %)" in words
    assert "without a plan" not in words


@pytest.mark.slow
def test_a_worker_keeps_the_figures(ledger: Path) -> None:
    config = ledger.parent / "settings.toml"
    config.write_text(f'plans_file = "{ledger.parent / "plans.toml"}"\n', "utf-8")
    running = Running(ledger, "--config", str(config))
    try:
        deadline = time.monotonic() + PATIENCE_S
        query = "SELECT sum(cost_usd) AS cost, count() AS lines FROM plan_figures WHERE month = toDate('2026-03-01')"
        while True:
            answer = spendstream("sql", "--embedded", ledger, "--json", query)
            if answer.code == 0 and b'"1.005"' in answer.out:
                break
            assert time.monotonic() < deadline, answer.out + answer.err.encode()
            time.sleep(0.5)
    finally:
        running.stop()
    told = "the ledger has figures of plan flat; no plans file is set"
    out = ledger.parent / "focus.csv"
    for asked in (
        ("report", "--month", "2026-03", "--json"),
        ("plans", "show", "--month", "2026-03", "--json"),
        ("export", "focus", "--month", "2026-03", "--out", out, "--json"),
        ("close", "2026-03", "--by", "ada", "--json"),
    ):
        unset = spendstream(*asked, "--embedded", ledger)
        assert unset.json
        assert told in unset.err
    assert told not in spendstream("plans", "show", "--month", "2026-02", "--embedded", ledger).err
    kept = spendstream("plans", "show", "--month", "2026-03", "--embedded", ledger, "--config", config)
    assert (kept.code, told in kept.err) == (0, False)


def test_a_wrong_file_is_refused_with_all_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(PLANS.replace('"1"', '"-1"') + PLANS.replace("USD", ""), "utf-8")
    for arguments in (("check", "--file-only"), ("show",)):
        ended = spendstream("plans", *arguments, "--file", file)
        assert (ended.code, ended.out) == (2, b"")
        assert "plan 1 (flat).fee" in ended.err
        assert "both called 'flat'" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "no plans file: name one by --file"),
        (("show", "none"), "there is no plan 'none'"),
        (("show", "--month", "March"), "is no month"),
    ],
)
def test_wrong_use_is_said_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    ended = spendstream("plans", *arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert said in ended.err
