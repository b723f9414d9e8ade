"""Repair as an operator does it: rejects mended and sent again, the topic read again, roll-ups made again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.cli.main import run
from tests.e2e.command import Running, spendstream
from tests.fakes import call

pytestmark = pytest.mark.slow

GOOD = [call(f"c{number}", run_id=f"run-{number % 3}") for number in range(30)]


def bad() -> list[bytes]:
    """Ten without agent_id (under another name), five with a text for a number, two without id, one that is no JSON."""
    records: list[dict[str, Any]] = []
    for number in range(10):
        one = call(f"renamed-{number}")
        one["agent"] = one.pop("agent_id")
        records.append(one | {"prompt": "words of a prompt"})
    records += [call(f"text-{number}") | {"input_tokens": "1000"} for number in range(5)]
    for number in range(2):
        one = call("x", agent_id=f"nameless-{number}")
        del one["id"]
        records.append(one)
    return [*(json.dumps(one).encode() for one in records), b'{"id": "broken", "prompt": "words of a prompt']


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("repair") / "spend"
    lines = b"\n".join([*(json.dumps(one).encode() for one in GOOD), *bad()])
    ended = spendstream("replay", "-", "--embedded", directory, "--json", stdin=lines)
    assert (ended.json["new"], ended.json["rejected"]) == (30, 18)
    return directory


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[Running]:
    running = Running(directory)
    yield running
    running.stop()


def said(directory: Path, *arguments: str | Path, code: int = 0) -> Any:
    ended = spendstream(*arguments, "--embedded", directory, "--json")
    assert ended.code == code, ended.err
    return ended.json


def sums(directory: Path) -> dict[str, int]:
    found = said(directory, "audit")
    return {name: found[name] for name in ("received", "calls", "duplicates", "rejects")}


def open_rejects(directory: Path) -> dict[str, tuple[int, int]]:
    found = said(directory, "rejects", "list")
    return {one["reason"]: (one["open"], one["rejects"]) for one in found["reasons"]}


# The order of these tests is the order in which the directory is repaired.


def test_a_list_by_reason_with_examples_and_no_prompt(directory: Path) -> None:
    assert open_rejects(directory) == {"missing_field": (12, 12), "wrong_type": (5, 5), "not_json": (1, 1)}
    found = spendstream("rejects", "list", "--embedded", directory, "--examples", "20")
    assert found.code == 0
    assert b"missing_field: 12 open of 12" in found.out
    assert b"words of a prompt" not in found.out


def test_a_dry_run_sends_nothing(directory: Path) -> None:
    options = ("--reason", "missing_field", "--rename", "agent=agent_id")
    found = said(directory, "rejects", "retry", *options, "--dry-run", code=1)
    assert (found["chosen"], found["from_log"], found["sent"]) == (12, 12, 10)
    assert found["not_sent"] == {"missing_field": 2}
    assert sums(directory) == {"received": 48, "calls": 30, "duplicates": 0, "rejects": 18}


def test_mended_in_a_stopped_directory(directory: Path) -> None:
    options = ("--reason", "missing_field", "--rename", "agent=agent_id", "--default", "id=@position")
    found = said(directory, "rejects", "retry", *options)
    assert (found["sent"], found["outcomes"]) == (12, {"call": 12})
    again = said(directory, "rejects", "retry", *options)
    assert (again["chosen"], again["sent"]) == (0, 0)
    assert sums(directory) == {"received": 60, "calls": 42, "duplicates": 0, "rejects": 18}
    assert open_rejects(directory)["missing_field"] == (0, 12)


def test_mended_beside_a_running_worker(worker: Running, directory: Path) -> None:
    found = said(directory, "rejects", "retry", "--reason", "wrong_type", "--number", "input_tokens")
    assert (found["from_log"], found["outcomes"]) == (5, {"call": 5})
    rows = said(directory, "sql", "SELECT `by`, fix, count() FROM reject_retries GROUP BY ALL ORDER BY ALL")["rows"]
    assert ["local", "number input_tokens", 5] in rows, "the worker that wrote it says who asked"


def test_mended_by_hand(worker: Running, directory: Path, tmp_path: Path) -> None:
    exported = spendstream("rejects", "export", "--embedded", directory)
    [line] = [json.loads(one) for one in exported.out.splitlines()]
    assert (line["reason"], line["call"]) == ("not_json", None)
    assert "words" not in line["shape"]
    file = tmp_path / "mended.jsonl"
    file.write_text(json.dumps(line | {"call": call("by-hand")}), "utf-8")
    found = said(directory, "rejects", "retry", "--file", file)
    assert (found["sent"], found["outcomes"]) == (1, {"call": 1})
    assert open_rejects(directory) == {"missing_field": (0, 12), "wrong_type": (0, 5), "not_json": (0, 1)}
    assert sums(directory) == {"received": 66, "calls": 48, "duplicates": 0, "rejects": 18}


def test_the_topic_read_again_changes_no_sum(worker: Running, directory: Path) -> None:
    found = said(directory, "replay", "--topic", "--from", "start")
    assert (found["records"], found["new"], found["duplicates"], found["rejected"]) == (66, 0, 66, 0)
    assert (found["calls_before"], found["calls"]) == (48, 48)
    assert sums(directory) == {"received": 132, "calls": 48, "duplicates": 66, "rejects": 18}
    late = spendstream("replay", "--topic", "--from", "2090-01-01", "--embedded", directory)
    assert late.code == 1
    assert "the log holds no record since 2090" in late.err


def test_a_worker_that_read_again_goes_on(worker: Running, directory: Path) -> None:
    found = spendstream("replay", "-", "--embedded", directory, "--json", stdin=json.dumps(call("later")).encode())
    assert (found.json["new"], found.json["ledger_rows"]) == (1, 49)
    code, _ = worker.stop()
    assert code == 0


def test_lost_rows_come_back(worker: Running, directory: Path) -> None:
    worker.stop()
    lose = (
        "import sys; from streams.ledger.client import Database; "
        "d = Database('chdb://' + sys.argv[1]); "
        "d.command(\"ALTER TABLE intake DELETE WHERE outcome = 'call' AND offset % 2 = 1 SETTINGS mutations_sync = 1\")"
    )
    subprocess.run([sys.executable, "-c", lose, str(directory / "ledger")], check=True, timeout=60)
    assert said(directory, "audit", code=1)["ok"] is False
    found = said(directory, "replay", "--topic", "--from", "start")
    assert found["calls"] == 49
    assert found["new"] > 10, "what was lost at a log's end, the worker read again by itself"
    assert said(directory, "audit")["ok"] is True
    ids = said(directory, "sql", "SELECT count(), uniqExact(id) FROM calls")["rows"]
    assert ids == [[49, 49]]


def test_roll_ups_and_usage(worker: Running, directory: Path) -> None:
    worker.stop()
    found = said(directory, "rebuild", "--verify")
    assert found["ok"]
    assert found["made_again"] == []
    made = said(directory, "rebuild", "--force", "--usage-since", "2020-01-01")
    assert "intake.by_hour" in made["made_again"]
    assert all(one["ok"] for one in made["after"])
    assert made["usage"]["cells"] >= 1
    assert said(directory, "audit")["ok"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rejects", "retry", "--set", "tierr=mid"], "no field 'tierr'"),
        (["rejects", "list", "--reason", "nope"], "there is no reason 'nope'"),
        (["rejects", "list", "--at", "1/2/3"], "is no place"),
        (["rejects", "retry", "--file", "/none/such"], "cannot read"),
        (["replay", "--topic"], "--topic needs --from"),
        (["replay", "--from", "start"], "--from belongs to --topic"),
        (["replay", "--topic", "x", "--from", "start"], "only spendstream.calls"),
        (["replay", "--topic", "--from", "yesterday"], "is no time: write a day as 2026-01-31"),
        (["replay", "file", "--topic", "--from", "start"], "leave FILES"),
        (["rebuild", "--verify", "--force"], "--verify changes nothing"),
        (["token", "two words"], "letters, digits"),
    ],
)
def test_used_wrongly(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err
