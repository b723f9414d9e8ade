"""`spendstream prices`, as installed: on a ledger of its own, beside a running worker, and used wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import Running, spendstream
from tests.fakes import call

OWN = '[[price]]\nmodel = "house-7b"\ninput = "1"\noutput = "2"\nfrom = 2026-03-01\n'
RANGE = ("--from", "2026-03-01", "--to", "2026-03-03")
WHO = ("--by", "ada", "--reason", "own price")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One call of gpt-4o (0.0035 USD) and two without a price."""
    calls = [call("a"), *(call(id_, provider_name="inhouse", request_model="house-7b") for id_ in "bc")]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(one) + "\n" for one in calls), "utf-8")
    (tmp_path / "prices.toml").write_text(OWN, "utf-8")
    directory = tmp_path / "spend"
    assert spendstream("replay", tmp_path / "calls.jsonl", "--embedded", directory).code == 0
    return directory


@pytest.mark.slow
def test_from_an_unpriced_call_to_its_price(ledger: Path) -> None:
    own = {"SPENDSTREAM_PRICES_FILE": str(ledger.parent / "prices.toml")}
    before = spendstream("prices", "check", "--embedded", ledger, *RANGE, "--json")
    assert (before.code, [one["kind"] for one in before.json["findings"]]) == (1, ["unpriced"])

    dry = spendstream("prices", "rerate", "--embedded", ledger, *RANGE, *WHO, "--dry-run", "--json", variables=own)
    done = spendstream("prices", "rerate", "--embedded", ledger, *RANGE, *WHO, "--json", variables=own)
    assert dry.json | {"dry_run": False, "rating": done.json["rating"]} == done.json
    assert (done.json["newly_priced"], done.json["adjustment_usd"]) == (2, "0.002400000000")

    again = spendstream("prices", "rerate", "--embedded", ledger, *RANGE, *WHO, variables=own)
    assert again.out.decode() == "3 calls looked at: no price would be another now; nothing written\n"
    (kept,) = spendstream("prices", "ratings", "--embedded", ledger, "--json").json["ratings"]
    assert (kept["by"], kept["reason"], kept["sum_usd"]) == ("ada", "own price", "0.002400000000")
    after = spendstream("prices", "check", "--embedded", ledger, *RANGE, variables=own)
    assert (after.code, after.out.decode().splitlines()[-1]) == (0, "prices are in order")
    assert spendstream("audit", "--embedded", ledger).code == 0
    sums = spendstream("sql", "--embedded", ledger, "--json", "SELECT sum(cost_usd), sum(unpriced) FROM spend_by_hour")
    assert "0.0059" in sums.out.decode()


@pytest.mark.slow
def test_beside_a_worker_it_reads_and_says_why_it_cannot_write(ledger: Path) -> None:
    own = {"SPENDSTREAM_PRICES_FILE": str(ledger.parent / "prices.toml")}
    running = Running(ledger)
    try:
        dry = spendstream("prices", "rerate", "--embedded", ledger, *RANGE, *WHO, "--dry-run", variables=own)
        assert dry.code == 0, dry.err
        assert dry.out.decode().endswith("would add 0.002400000000 USD\n")
        assert spendstream("prices", "check", "--embedded", ledger, *RANGE).code == 1
        refused = spendstream("prices", "rerate", "--embedded", ledger, *RANGE, *WHO, variables=own)
        assert refused.code == 1
        assert "is written by one process only: stop it" in refused.err
    finally:
        running.stop()


def test_show_needs_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(OWN, "utf-8")
    own = {"SPENDSTREAM_PRICES_FILE": str(tmp_path / "prices.toml")}
    shown = spendstream("prices", "show", "house-7b", "--at", "2026-03-02", "--json", variables=own).json
    assert (shown["status"], shown["entry"], shown["since"]) == ("priced", "*/house-7b", "2026-03-01")
    assert shown["prices"] == [
        {"above_input_tokens": 0, "input": "1", "output": "2", "cache_read": "1", "cache_write": "1"}
    ]
    before = spendstream("prices", "show", "house-7b", "--at", "2026-02-28", "--json", variables=own)
    assert (before.code, before.json["status"], before.json["prices"]) == (1, "unknown_seller", [])
    two = spendstream("prices", "show", "deepseek-chat").out.decode()
    assert "has no price" in two
    assert "the book has it from: deepseek; say which with --provider" in two


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rerate", "--from", "2026-03-01", "--to", "2026-03-02", "--by", " ", "--reason", "x"), "may not be empty"),
        (("rerate", "--from", "2026-03-02", "--to", "2026-03-01", *WHO), "lies before"),
        (("rerate", "--from", "2026-03-01", *WHO), "Missing option '--to'"),
        (("rerate", *RANGE, "--by", "ada"), "Missing option '--reason'"),
        (("check", "--share", "5%"), "write five per cent as 0.05"),
        (("show", "gpt-4o", "--at", "yesterday"), "is no time"),
        (("rerate", *RANGE, *WHO, "--embedded", "no-such-directory"), "no ledger in no-such-directory"),
    ],
)
def test_wrong_use_is_said_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    ended = spendstream("prices", *arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert said in ended.err
