"""`spendstream close` and `export focus` on a stopped directory and on a running one, and what they refuse."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.command import Running, spendstream
from tests.fakes import BASE_MS, call

HOUR_MS = 3_600_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Calls of March 2026, some without a price."""
    lines = []
    for at in range(60):
        fields = {"time": BASE_MS + at * 7 * HOUR_MS, "team_id": ("search", "support")[at % 2]}
        if at % 10 == 0:
            fields |= {"provider_name": "in-house", "request_model": "house-7b"}
        lines.append(json.dumps(call(f"c-{at}", cache_read_input_tokens=at, tags={"env": "prod"}, **fields)))
    (tmp_path / "calls.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    assert spendstream("replay", tmp_path / "calls.jsonl", "--embedded", tmp_path / "spend").code == 0
    return tmp_path / "spend"


@pytest.mark.slow
def test_a_month_is_closed_checked_exported_and_reopened(directory: Path, tmp_path: Path) -> None:
    said = spendstream("report", "--month", "2026-03", "--embedded", directory, "--json").json["summary"]
    done = spendstream("close", "2026-03", "--by", "ada", "--embedded", directory, "--json").json
    assert (done["calls"], done["cost_usd"], done["unpriced_calls"]) == (60, said["cost_usd"], 6)
    listed = spendstream("close", "--list", "--embedded", directory, "--json").json
    assert listed == {"closed": ["2026-03"], "changes": [done]}
    checked = spendstream("close", "2026-03", "--check", "--embedded", directory, "--json").json
    assert (checked["ok"], checked["digest"]) == (True, done["digest"])
    twice = spendstream("close", "2026-03", "--by", "bob", "--embedded", directory)
    assert (twice.code, "is closed already, by ada" in twice.err) == (1, True)

    out = tmp_path / "march.csv"
    made = spendstream("export", "focus", "--month", "2026-03", "--out", out, "--embedded", directory, "--json").json
    assert (made["closed"], made["total_usd"], made["other_tags"]) == (True, said["cost_usd"], ["env"])
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(said["cost_usd"])
    assert sum(Decimal(row["ConsumedQuantity"]) for row in rows) == 60 * 1100

    vague = spendstream("close", "2026-03", "--reopen", "--by", "ada", "--embedded", directory)
    assert (vague.code, "needs a --reason" in vague.err) == (2, True)
    words = ("close", "2026-03", "--reopen", "--by", "ada", "--reason", "x", "--embedded", directory)
    assert spendstream(*words).code == 0
    unchecked = spendstream("close", "2026-03", "--check", "--embedded", directory)
    assert (unchecked.code, "March 2026 is not closed" in unchecked.err) == (1, True)


@pytest.mark.slow
def test_a_ledger_that_a_worker_has_is_closed_through_it(directory: Path, tmp_path: Path) -> None:
    running = Running(directory)
    try:
        listed = spendstream("close", "--list", "--embedded", directory)
        assert listed.out == b"no month was closed yet\n"
        words = ("close", "2026-03", "--by", "ada", "--embedded", directory)
        said = spendstream("report", "--month", "2026-03", "--embedded", directory, "--json").json["summary"]
        done = spendstream(*words, "--reason", "books").out.decode()
        assert done.startswith("2026-03 closed by ada at ")
        assert f" UTC (books)\n  own calls    {said['cost_usd']} USD, 60 calls, 6 without a price\n" in done
        twice = spendstream(*words)
        assert (twice.code, "is closed already, by ada" in twice.err) == (1, True)
        checked = spendstream("close", "2026-03", "--check", "--embedded", directory, "--json").json
        assert checked["ok"] is True
        vague = spendstream(*words, "--reopen")
        assert (vague.code, "needs a --reason" in vague.err) == (2, True)
        again = spendstream(*words, "--reopen", "--reason", "late prices", "--json").json
        assert (again["change"], again["number"], again["by"]) == ("reopened", 2, "ada")
        out = tmp_path / "march.parquet"
        made = spendstream("export", "focus", "--month", "2026-03", "-o", out, "--embedded", directory, "--json").json
        assert (made["closed"], out.read_bytes()[:4]) == (False, b"PAR1")
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("close",), "name a month"),
        (("close", "2026-13", "--by", "ada"), "is no month"),
        (("close", "2026-03"), "--by is missing"),
        (("close", "2026-03", "--list"), "--list takes no month"),
        (("close", "2026-03", "--check", "--reopen"), "exclude each other"),
        (("export", "focus", "--month", "never"), "is no month"),
        (("export", "focus"), "Missing option '--month'"),
        (("export", "focus", "--month", "2026-03", "--embedded", "nowhere"), "no ledger in nowhere"),
        (("close", "2026-03", "--by", "ada", "--embedded", "nowhere"), "no ledger in nowhere"),
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    done = spendstream(*arguments)
    assert (done.code, why in done.err) == (2, True), done.err
