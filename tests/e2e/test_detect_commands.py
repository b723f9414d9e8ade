"""simulate, evaluate and recheck as a user runs them: the same bytes, the same incidents by whatever way they came."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from streams.detect import Detector
from streams.recheck.tell import incident_json
from tests.e2e.command import Running, spendstream
from tests.fakes import Steps, batch_of, call, partition_meter

pytestmark = pytest.mark.slow

SIMULATE = ("simulate", "--seed", "7", "--days", "1", "--agents", "40")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """calls.jsonl.gz and labels.jsonl of a small simulation; `a` holds the calls as they come, `b` mixed."""
    root = tmp_path_factory.mktemp("detect")
    told = spendstream(*SIMULATE, "--out", root / "calls.jsonl.gz", "--labels", root / "labels.jsonl", "--json").json
    assert told["calls"] > 10_000
    assert told["runaways"] == 2
    assert not list(root.glob("*.part"))
    for name, mixed in (("a", ()), ("b", ("--shuffle", "--seed", "5"))):
        done = spendstream("replay", root / "calls.jsonl.gz", "--embedded", root / name, "--json", *mixed).json
        assert (done["new"], done["rejected"]) == (told["calls"], 0)
    return root


def lines(folder: Path) -> list[bytes]:
    return gzip.decompress((folder / "calls.jsonl.gz").read_bytes()).splitlines()


def test_simulate_gives_the_same_bytes_again_and_on_standard_output(folder: Path, tmp_path: Path) -> None:
    spendstream(*SIMULATE, "--out", tmp_path / "other-name.gz", "--labels", tmp_path / "l")
    assert (tmp_path / "other-name.gz").read_bytes() == (folder / "calls.jsonl.gz").read_bytes()
    assert (tmp_path / "l").read_bytes() == (folder / "labels.jsonl").read_bytes()
    piped = spendstream(*SIMULATE, "--json")
    assert piped.out.splitlines() == lines(folder)
    assert json.loads(piped.err)["calls"] == len(lines(folder))
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_bytes().splitlines()]
    assert [label["label"] for label in labels] == ["loop", "loop", "outage"]


def test_recheck_gives_the_same_incidents_whatever_way_the_calls_came(folder: Path) -> None:
    one, other = (spendstream("recheck", "--embedded", folder / name, "--json") for name in "ab")
    found = one.json
    assert found.pop("difference") == {"missing": [], "extra": [], "differing": {}}, "the worker saw them as they came"
    mixed = other.json
    assert mixed.pop("difference") is not None
    assert mixed == found
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_bytes().splitlines()]
    loops = {incident["run_id"]: incident for incident in found["incidents"] if incident["kind"] == "loop"}
    for label in labels:
        if label["label"] == "loop":
            assert loops[label["run_id"]]["first_call_id"] in label["call_ids"]
    assert found["calls"] == found["folded"] == len(lines(folder))
    assert found["pages"] == sum(incident["page"] for incident in found["incidents"])

    running = Running(folder / "a")
    try:
        assert spendstream("recheck", "--embedded", folder / "a", "--json").out == one.out
    finally:
        running.stop()


def test_recheck_is_the_detector_on_the_metered_calls(folder: Path) -> None:
    """What the ledger gives back is what the meter put in: fields, prices and order."""
    calls = [json.loads(line) for line in lines(folder)]
    metered = Steps().run(partition_meter(capacity=100_000, cells=100_000), batch_of(*calls))
    costs: list[int | None] = metered.cost_pico.tolist()
    assert metered.priced.all()
    detector = Detector()
    detector.observe(metered.columns.calls, costs)
    detector.finish()
    last: dict[str, Any] = {event.incident.id: event.incident for event in detector.drain()}
    last |= {one.id: one for one in detector.incidents}
    wanted = [incident_json(one) for one in sorted(last.values(), key=lambda one: (one.opened_at, one.id))]
    assert spendstream("recheck", "--embedded", folder / "b", "--json").json["incidents"] == wanted


def test_recheck_in_words_and_in_part(folder: Path) -> None:
    said = spendstream("recheck", "--embedded", folder / "a").out.decode().splitlines()
    assert "repeats in" in said[0]
    assert said[-2].endswith(f"in {len(lines(folder)):,} calls")
    assert said[-1] == "the watcher's incidents are the same"
    before = spendstream("recheck", "--embedded", folder / "a", "--to", "2026-03-02T01:00:00Z").out.decode()
    assert before.startswith("no runaways in ")
    assert spendstream("recheck", "--embedded", folder / "a", "--from", "soon").code == 2
    missing = spendstream("recheck", "--embedded", folder / "none")
    assert missing.code == 2
    assert "no ledger in" in missing.err
    said_by_help = " ".join(spendstream("recheck", "--help").out.decode().split())
    assert "This is a look back" in said_by_help


def test_evaluate_counts_bad_lines_copies_and_unpriced_calls_and_judges_the_rest(folder: Path, tmp_path: Path) -> None:
    odd = [b"no call", b'{"id": "x"}', lines(folder)[0], json.dumps(call("own", request_model="in-house-7b")).encode()]
    (tmp_path / "a set").mkdir()
    mixed = tmp_path / "a set" / "calls.jsonl"
    mixed.write_bytes(b"\n".join([*odd, *lines(folder)]))
    labels = ("--labels", folder / "labels.jsonl")
    found = spendstream("evaluate", mixed, *labels, "--json").json
    assert found["input"]["a set"] == {
        "file": str(mixed),
        "lines": len(lines(folder)) + 4,
        "calls": len(lines(folder)) + 1,
        "rejected": 2,
        "reasons": {"missing_field": 1, "not_json": 1},
        "duplicates": 1,
        "unpriced": 1,
    }
    judged = found["sets"]["a set"]
    shipped = judged["detectors"]["spendstream"]
    assert (shipped["labels"], shipped["found"], shipped["false"]) == (2, 2, 0)
    assert len(judged["detectors"]) == 5
    text = spendstream("evaluate", mixed, *labels, "--no-rivals")
    assert "a set: of " in text.out.decode()
    assert "2 rejected (1 missing_field, 1 not_json), 1 duplicate, 1 unpriced" in text.out.decode()


def test_evaluate_prices_as_the_meter_does_not_as_routers_report(folder: Path, tmp_path: Path) -> None:
    asked = ("--labels", folder / "labels.jsonl", "--no-rivals", "--json")
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(json.dumps(json.loads(line) | {"reported_cost": "9.99"}) for line in lines(folder)))
    [own] = spendstream("evaluate", folder / "calls.jsonl.gz", *asked).json["sets"].values()
    assert list(own["detectors"]) == ["spendstream"]
    assert 0 < own["detectors"]["spendstream"]["kinds"][0]["dollars_p50"] < 9
    assert spendstream("evaluate", other, *asked).json["sets"]["other"] == own


def test_evaluate_keeps_files_of_one_name_apart_and_reads_standard_input(tmp_path: Path) -> None:
    one = json.dumps(call("a")).encode()
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "day.jsonl").write_bytes(one)
    found = spendstream(
        "evaluate", tmp_path / "x" / "day.jsonl", tmp_path / "y" / "day.jsonl", "-", "--json", "--no-rivals", stdin=one
    ).json
    assert list(found["input"]) == list(found["sets"]) == ["day", "day-2", "stdin"]
    assert all(one["size"]["calls"] == 1 for one in found["sets"].values())


def test_evaluate_simulates(tmp_path: Path) -> None:
    asked = ("evaluate", "--seeds", "1-2", "--days", "1", "--agents", "25", "--no-rivals")
    found = spendstream(*asked, "--json").json
    assert found["sets"]["simulator"]["detectors"]["spendstream"]["labels"] >= 2
    assert spendstream(*asked).out.decode().startswith("simulator: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate",), "give files of calls, or --seeds A-B"),
        (("evaluate", "--seeds", "3-1"), "neither a seed (7) nor seeds from A to B (1-8)"),
        (("evaluate", "--seeds", "1", "x.jsonl"), "leave CALLS and --labels away"),
        (("evaluate", "none.jsonl"), "cannot read\n  - none.jsonl: No such file"),
        (("evaluate", "--days", "2", "none.jsonl"), "--days and --agents belong to --seeds"),
        (("simulate", "--days", "1"), "Missing option '--seed'"),
        (("simulate", "--seed", "1", "--days", "0"), "0 is not in the range"),
        (("simulate", "--seed", "1", "--days", "1", "--out", "f", "--labels", "f"), "name the same file"),
        (("simulate", "--seed", "1", "--days", "1", "--labels", "no/where"), "there is no directory"),
        (("simulate", "--seed", "1", "--days", "1", "--agents", "1", "--out", "no/where"), "cannot write no/where"),
    ],
)
def test_wrong_use_is_said_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    ended = spendstream(*arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert said in ended.err
