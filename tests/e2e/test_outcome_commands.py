"""Outcomes, savings and escalations by the command line: a running system, recorded sets, and wrong use."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Running, spendstream
from tests.fakes import BASE_MS, call

pytestmark = pytest.mark.slow

HERE = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SETS = [path.parent for path in sorted(HERE.glob("*/outcomes.jsonl"))]
DAYS = ("--from", "2026-03-02", "--to", "2026-03-02")
CALLS = [
    call(
        f"c{at}", run_id=f"run-{at // 5}", agent_id=f"agent-{at % 2}", time=BASE_MS + at * 1000, tier="frontier",
        **({"escalated_from": "mid", "route_reason": "too_hard"} if at % 50 == 1 else {}),
    )
    for at in range(200)
]  # fmt: skip
VERDICTS = [{"run_id": f"run-{run}", "outcome": "success" if run % 4 else "failure"} for run in range(30)]
BAD = [b"not json", b'{"run_id": "x"}', b'{"run_id": "x", "outcome": "maybe"}']


def lines(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A system that runs, with the calls in it; the tests act on it one after the other."""
    directory = tmp_path_factory.mktemp("outcomes") / "spend"
    directory.mkdir()
    running = Running(directory)
    done = spendstream("replay", "-", "--embedded", directory, "--json", stdin=lines(CALLS))
    assert done.json["new"] == len(CALLS)
    yield directory
    running.stop()


def test_verdicts_are_loaded_once_and_bad_lines_are_counted(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl.gz"
    file.write_bytes(gzip.compress(lines(VERDICTS)))
    first = spendstream("outcomes", "load", file, "--embedded", directory, "--json").json
    assert (first["published"], first["verdicts"], first["new"], first["rejected"]) == (30, 30, 30, 0)
    assert (first["ledger_verdicts"], first["ledger_runs"], first["runs_without_calls"]) == (30, 30, 0)
    again = spendstream(
        "outcomes", "load", "-", "--embedded", directory, "--json", stdin=lines(VERDICTS) + b"\n".join(BAD)
    )
    assert (again.json["verdicts"], again.json["new"]) == (30, 0)
    assert again.json["rejected_by_reason"] == {"missing_field": 1, "not_json": 1, "unknown_value": 1}
    reasons = spendstream("sql", "SELECT count() FROM outcome_rejects", "--embedded", directory, "--json").json
    assert reasons["rows"] == [[3]]


def test_figures_are_those_of_the_lines(directory: Path) -> None:
    shown = spendstream("outcomes", "show", *DAYS, "--embedded", directory, "--json").json
    (total,) = shown["total"]
    assert (total["runs"], total["successes"]) == (30, sum(run % 4 > 0 for run in range(30)))
    assert shown["coverage"] | {"evaluators": 1} == {
        "runs": 40, "judged": 30, "calls": 200, "calls_without_run": 0, "calls_judged": 150,
        "verdicts_without_calls": 0, "evaluators": 1,
    }  # fmt: skip
    # 1,000 tokens in and 100 out of gpt-4o: 0.0035 USD a call.
    assert Decimal(total["cost_usd"]) == Decimal("0.0035") * 150
    words = spendstream("outcomes", "show", *DAYS, "--embedded", directory)
    assert words.code == 0
    assert "30 of 40 runs judged" in words.out.decode()


def test_escalations_and_savings_of_the_same_ledger(directory: Path) -> None:
    found = spendstream("escalations", *DAYS, "--embedded", directory, "--json").json
    assert (found["total"]["calls"], found["total"]["of_calls"]) == (4, 200)
    assert [line["route_reason"] for line in found["by_reason"]] == ["too_hard"]
    savings = spendstream("savings", *DAYS, "--embedded", directory, "--json").json
    assert savings["calls"] == 200
    assert Decimal(savings["cost_usd"]) == Decimal("0.0035") * 200
    assert {pair["state"] for pair in savings["evidence"]} == {"no evidence"}
    assert savings["moves"] == []
    assert savings["recommendation"]["kind"] == "per-token"
    for command in ("savings", "escalations"):
        words = spendstream(command, *DAYS, "--embedded", directory)
        assert (words.code, words.err) == (0, "")


def test_wrong_use_says_what_to_do(tmp_path: Path) -> None:
    for command in (["outcomes", "show"], ["outcomes", "changes"], ["savings"], ["escalations"]):
        ended = spendstream(*command, "--embedded", tmp_path / "nothing")
        assert (ended.code, ended.out) == (2, b"")
        assert "no ledger in" in ended.err
    missing = spendstream("outcomes", "load", tmp_path / "no.jsonl", "--embedded", tmp_path / "new")
    assert (missing.code, "no.jsonl" in missing.err) == (2, True)
    assert not (tmp_path / "new").exists()
    assert spendstream("replay", "--embedded", tmp_path / "new").code == 2


@pytest.mark.data
@pytest.mark.skipif(not SETS, reason=f"NO RECORDED DATA at {HERE}: set SPENDSTREAM_DATA; outcomes are NOT checked")
def test_recorded_outcomes_are_those_of_their_files(tmp_path: Path) -> None:
    arguments: list[str | Path] = []
    expected: dict[str, tuple[int, int]] = {}
    known: dict[str, dict[str, bool]] = defaultdict(dict)
    for folder in SETS:
        arguments += [folder / "calls.jsonl.gz", "--outcomes", folder / "outcomes.jsonl"]
        for line in (folder / "outcomes.jsonl").read_text("utf-8").splitlines():
            told = json.loads(line)
            known[folder.name][told["run_id"]] = told["outcome"] == "success"
    for name, verdicts in known.items():
        called = {
            json.loads(line)["run_id"]
            for line in gzip.decompress((HERE / name / "calls.jsonl.gz").read_bytes()).splitlines()
        }
        seen = [won for run, won in verdicts.items() if run in called]
        expected[name] = (len(seen), sum(seen))
    loaded = spendstream("replay", *arguments, "--embedded", tmp_path / "spend", "--json").json
    assert loaded["outcomes"]["new"] == sum(map(len, known.values()))
    shown = spendstream(
        "outcomes", "show", "--from", "2022-01-01", "--to", "2026-12-31", "--embedded", tmp_path / "spend", "--json"
    ).json
    (total,) = shown["total"]
    assert (total["runs"], total["successes"]) == tuple(map(sum, zip(*expected.values(), strict=True)))
    ledger = spendstream("sql", "SELECT sum(cost_usd) FROM calls", "--embedded", tmp_path / "spend", "--json").json
    assert Decimal(total["cost_usd"]) <= Decimal(ledger["rows"][0][0])
    assert Decimal(total["cost_usd"]) == sum(Decimal(line["cost_usd"]) for line in shown["by_model"])
