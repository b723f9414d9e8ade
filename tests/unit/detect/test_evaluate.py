"""The judge: matching, figures and rivals, on cases small enough to count by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.errors import UsageError
from streams.evaluate import evaluate, evaluate_seeds, table
from streams.evaluate.alarms import Alarm
from streams.evaluate.interval import poisson, quantile, wilson
from streams.evaluate.match import GRACE_MS, match, truths
from streams.evaluate.rules import alarms_at, budget, openhands, readings, tuned
from tests.unit.detect.calls import CENT, HOUR, T0, call, loop


def label(first: int, count: int, **fields: Any) -> dict[str, Any]:
    """A label over calls `first`... of loop()."""
    ids = [f"c{number:07d}" for number in range(first, first + count)]
    calls = {one.id: one for one in loop(40)}
    return {
        "label": "loop", "agent_id": "a", "run_id": "r1", "first_call_id": ids[0], "call_ids": ids, "calls": count,
        "start": calls[ids[0]].time, "end": calls[ids[-1]].time, **fields,
    }  # fmt: skip


def alarm(at: int, *, run: str | None = "r1", kind: str = "loop", agent: str = "a") -> Alarm:
    return Alarm(kind, agent, () if run is None else (run,), at, True)


CALLS = loop(40)
COSTS: list[int | None] = [CENT] * len(CALLS)
TRUTHS = truths([label(3, 40)], CALLS, COSTS)


def test_delay_counts_calls_seconds_and_dollars_up_to_the_alarm() -> None:
    (found,) = match([alarm(CALLS[7].time)], TRUTHS).labels
    assert (found.delay_calls, found.delay_cost) == (5, 5 * CENT)
    assert found.delay_ms == CALLS[7].time - CALLS[3].time
    assert found.total_cost == 40 * CENT


@pytest.mark.parametrize(
    "wrong",
    [
        alarm(CALLS[2].time),  # too early
        alarm(CALLS[-1].time + GRACE_MS + 1),  # too late
        alarm(CALLS[7].time, run="r2"),  # another run of the agent
        alarm(CALLS[7].time, run=None, agent="b"),
    ],
)
def test_what_names_something_else_is_false(wrong: Alarm) -> None:
    matched = match([wrong], TRUTHS)
    assert matched.false == [wrong]
    assert matched.labels[0].alarm is None


def test_an_alarm_of_the_agent_as_a_whole_finds_its_run_and_another_kind_still_counts() -> None:
    matched = match([alarm(CALLS[7].time, run=None, kind="spend_spike")], TRUTHS)
    assert matched.true == 1
    assert matched.labels[0].alarm is not None


def test_a_second_page_for_one_runaway_is_counted_and_is_not_false() -> None:
    matched = match([alarm(CALLS[7].time), alarm(CALLS[20].time)], TRUTHS)
    assert (matched.true, matched.labels[0].pages, matched.false) == (2, 2, [])


def test_storms_during_an_outage_are_counted() -> None:
    outage = {"label": "outage", "scope": "benign", "provider_name": "p", "start": T0, "end": T0 + HOUR}
    matched = match([alarm(T0 + 60_000, run="x", kind="retry_storm")], truths([outage], CALLS, COSTS))
    assert (matched.storms_in_outages, matched.outages, len(matched.false)) == (1, 1, 1)


def test_intervals() -> None:
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert poisson(0)[1] == pytest.approx(3.689, rel=0.01)  # Garwood's exact figures
    assert poisson(10) == pytest.approx((4.795, 18.39), rel=0.01)
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([], 0.5) is None


def test_openhands_rules() -> None:
    (four,) = openhands(CALLS)
    assert four.at == CALLS[6].time
    turns = [call(n, n * 1000, run_id="r", request_fingerprint="ab"[n % 2]) for n in range(8)]
    assert [one.at - T0 for one in openhands(turns)] == [5000]
    failing = [call(n, n * 1000, run_id="r", request_fingerprint="x", status="error") for n in range(3)]
    assert [one.kind for one in openhands(failing)] == ["retry_storm"]


def test_budget_compares_with_the_own_mean_day() -> None:
    day = 24 * HOUR
    calls = [call(n, n * day // 10) for n in range(30)] + [call(30 + n, 3 * day + n * 60_000) for n in range(40)]
    (late,) = budget(calls, [CENT] * len(calls))
    assert late.at == calls[60].time  # the 31st call of a day, after days of ten


def test_tuned_rules_find_what_a_threshold_can_find() -> None:
    found = readings(CALLS, COSTS)
    chosen = tuned(found, TRUTHS)
    assert chosen == {"loop": 4}
    assert match(alarms_at(found, chosen), TRUTHS).labels[0].alarm is not None


def test_files_in_report_out(tmp_path: Path) -> None:
    folder = tmp_path / "some_set"
    folder.mkdir()
    with gzip.open(folder / "calls.jsonl.gz", "wt") as out:
        for one in CALLS:
            fields = {key: getattr(one, key) for key in one.__struct_fields__ if getattr(one, key) is not None}
            fields["time"] = "2026-03-02T00:00:00Z" if one is CALLS[0] else one.time
            out.write(json.dumps({**fields, "reported_cost": "0.01", "unknown": 1}) + "\n")
    (folder / "labels.jsonl").write_text(json.dumps(label(3, 40)) + "\n")
    report = evaluate([folder / "calls.jsonl.gz"], [folder / "labels.jsonl"])
    shipped = report.to_json()["sets"]["some_set"]["detectors"]["spendstream"]
    assert (shipped["recall"], shipped["precision"], shipped["false"]) == (1.0, 1.0, 0)
    assert shipped["kinds"][0]["calls_p50"] == 5.0
    assert shipped["saved_dollars_share"] == pytest.approx(35 / 40)
    json.dumps(report.to_json())
    assert "some_set: 43 calls, 1 runs, 1 agent-days" in table(report)


def test_a_label_may_name_calls_that_are_not_there(tmp_path: Path) -> None:
    lines = [json.dumps({k: v for k, v in msgspec.to_builtins(one).items() if v is not None}) for one in CALLS]
    (tmp_path / "x.jsonl").write_text("\n".join(lines[:20]))  # a shortened file
    (tmp_path / "labels.jsonl").write_text(json.dumps(label(3, 40)) + "\n")
    shipped = evaluate([tmp_path / "x.jsonl"], [tmp_path / "labels.jsonl"], rivals=False).sets["x"]["spendstream"]
    assert (shipped.found, shipped.labels, shipped.false) == (1, 1, 0)


@pytest.mark.parametrize("text", ["", json.dumps({"label": "outage", "scope": "benign", "start": T0, "end": T0 + 1})])
def test_labels_without_any_runaway_say_that_nothing_ran_away(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text("")
    (tmp_path / "labels.jsonl").write_text(text)
    report = evaluate([tmp_path / "x.jsonl"], [tmp_path / "labels.jsonl"])
    assert report.sets["x"]["spendstream"].labels == 0
    assert report.sizes["x"].calls == 0


def test_faults_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"id": "a"}\n')
    with pytest.raises(UsageError, match=r"calls\.jsonl, line 1: not a call"):
        evaluate([path])
    with pytest.raises(UsageError, match="cannot be read"):
        evaluate([tmp_path / "none.jsonl"])
    path.write_text("")
    (tmp_path / "labels.jsonl").write_text('{"label": "loop", "first_call_id": "x"}\n')
    with pytest.raises(UsageError, match="give the calls"):
        evaluate([path], [tmp_path / "labels.jsonl"])


def test_seeds_are_pooled() -> None:
    one = evaluate_seeds([1], 1, agents=40)
    two = evaluate_seeds([1, 2], 1, agents=40)
    shipped = two.sets["simulator"]["spendstream"]
    assert two.sizes["simulator"].calls > one.sizes["simulator"].calls
    assert shipped.labels > one.sets["simulator"]["spendstream"].labels
    with pytest.raises(UsageError, match="at least one seed"):
        evaluate_seeds([])
