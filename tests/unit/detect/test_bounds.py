"""Memory is bounded whatever the ids do, and families come out right whatever comes first."""

from __future__ import annotations

from streams.detect import DetectConfig, Detector
from tests.unit.detect.calls import HOUR, call, feed, opened, run

SMALL = DetectConfig(max_roots=1000, max_runs=2000)


def test_an_agent_that_renames_itself_each_call_is_one_incident_and_bounded() -> None:
    detector = Detector(SMALL)
    events = feed(detector, [call(n, n * 500, agent_id=f"agent-{n}") for n in range(5000)])
    (event,) = opened(events)
    assert event.incident.kind == "cardinality"
    assert event.incident.page
    assert event.incident.first_call_id == "c0000000"
    assert len(detector.families.roots) <= 1000
    assert len(detector.families.lone) <= 2000
    assert events[-1].change == "resolved"
    assert events[-1].incident.calls == 5000


def test_a_fleet_of_new_agents_that_work_is_no_bomb() -> None:
    calls = [call(n, n * 300, agent_id=f"agent-{n // 10}", run_id=f"run-{n // 10}") for n in range(6000)]
    assert opened(run(calls)) == []


def test_renaming_inside_one_run_is_one_incident() -> None:
    calls = [call(n, n * 1000, agent_id=f"agent-{n}", run_id="r") for n in range(3000)]
    detector = Detector()
    events = feed(detector, calls)
    assert [event.incident.kind for event in opened(events)] == ["cardinality"]
    assert len(detector.families.runs["r"].members or {}) <= detector.config.max_members


def test_many_runs_at_once_are_bounded() -> None:
    detector = Detector(SMALL)
    assert opened(feed(detector, [call(n, n, run_id=f"run-{n}") for n in range(20_000)])) == []
    assert len(detector.families.runs) <= 2000
    assert sum(len(root.runs) for root in detector.families.roots.values()) <= 2000


def test_idle_runs_are_forgotten() -> None:
    detector = Detector()
    feed(detector, [call(n, n * 10 * 60_000, run_id=f"run-{n}") for n in range(1000)])
    assert len(detector.families.runs) < 50


def test_a_parent_that_comes_late_is_still_the_root() -> None:
    calls = [call(0, 0, agent_id="kid", parent_agent_id="mid"), call(1, 1000, agent_id="mid", parent_agent_id="top")]
    calls += [call(n, n * 3000, agent_id=f"k{n}", parent_agent_id="kid") for n in range(2, 60)]
    detector = Detector()
    (event,) = opened(feed(detector, calls))
    assert event.incident.agent_id == "top"
    assert set(detector.families.roots) == {"top"}


def test_a_late_parent_within_a_run() -> None:
    calls = [
        call(0, 0, agent_id="kid", parent_agent_id="mid", run_id="r"),
        call(1, 1000, agent_id="mid", parent_agent_id="top", run_id="r"),
        call(2, 2000, agent_id="top", run_id="r"),
    ]
    detector = Detector()
    feed(detector, calls)
    assert detector.families.runs["r"].root.key == "top"
    assert detector.families.runs["r"].calls == 3


def test_a_ring_of_parents_is_left_alone() -> None:
    calls = [call(n, n * 1000, agent_id="ab"[n % 2], parent_agent_id="ba"[n % 2]) for n in range(200)]
    calls += [call(200, HOUR, agent_id="self", parent_agent_id="self")]
    assert opened(run(calls)) == []
