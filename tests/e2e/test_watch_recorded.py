"""Recorded runs through the whole pipeline: `replay --json` tells the incidents that the detector finds alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.detect import Detector
from streams.evaluate.read import read_calls
from streams.recheck.tell import incident_json
from tests.e2e.command import spendstream

DATA = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
CALLS = DATA / "react_webshop" / "calls.jsonl.gz"

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not CALLS.exists(), reason=f"NO RECORDED DATA at {DATA}: set SPENDSTREAM_DATA"),
]

SAME = ("id", "kind", "agent_id", "run_id", "first_call_id", "first_time", "opened_at", "calls_before_open")


def test_replay_tells_the_incidents_that_the_detector_finds(tmp_path: Path) -> None:
    calls = sorted(read_calls(CALLS), key=lambda call: (call.time, call.id))
    detector = Detector()
    detector.observe(calls, [None] * len(calls))  # loops need no prices
    detector.finish()
    opened = [incident_json(event.incident) for event in detector.drain() if event.change == "opened"]
    assert len(opened) >= 20

    said = spendstream("replay", CALLS, "--embedded", tmp_path / "spend", "--json").json
    assert said["watched"] is True
    told = {one["id"]: one for one in said["incidents"] if one["kind"] == "loop"}
    assert {id_: [one[name] for name in SAME] for id_, one in told.items()} == {
        one["id"]: [one[name] for name in SAME] for one in opened if one["kind"] == "loop"
    }
    assert {"severity", "cost_before_open", "evidence", "state", "calls", "cost_usd"} <= said["incidents"][0].keys()

    again = spendstream("replay", CALLS, "--embedded", tmp_path / "spend", "--json").json
    assert (again["new"], again["incidents"]) == (0, []), "copies open nothing"
    difference = spendstream("recheck", "--embedded", tmp_path / "spend", "--json").json["difference"]
    assert difference == {"missing": [], "extra": [], "differing": {}}
