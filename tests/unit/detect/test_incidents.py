"""Incidents: one a runaway, deterministic ids, running totals, severity that only rises, re-opening."""

from __future__ import annotations

from streams.detect.incident import incident_id, summary
from tests.unit.detect.calls import CENT, HOUR, MINUTE, call, loop, opened, run


def test_one_incident_however_long_it_lasts() -> None:
    events = run(loop(3000, gap=20_000))
    assert [event.change for event in events if event.change != "escalated"] == ["opened", "resolved"]
    assert events[-1].incident.calls == 2999


def test_ids_are_a_function_of_the_runaway() -> None:
    (event,) = opened(run(loop()))
    assert event.incident.id == incident_id("r1", "loop", "c0000004")
    assert opened(run(loop(), batch=3))[0].incident.id == event.incident.id


def test_two_runs_of_one_agent_are_two_incidents() -> None:
    calls = sorted([*loop(20), *loop(20, first=100, run_id="r2")], key=lambda one: one.time)
    assert sorted(str(event.incident.run_id) for event in opened(run(calls))) == ["r1", "r2"]


def test_a_run_that_goes_on_soon_after_is_reopened() -> None:
    events = run([*loop(20), *loop(20, start=45 * MINUTE, first=500)])
    assert [event.change for event in events] == ["opened", "resolved", "reopened", "resolved"]
    assert len({event.incident.id for event in events}) == 1
    assert events[-1].incident.reopened == 1


def test_a_run_that_goes_on_a_day_later_is_a_new_incident() -> None:
    events = run([*loop(20), *loop(20, start=5 * HOUR, first=500)])
    assert len({event.incident.id for event in events}) == 2


def test_severity_rises_with_the_cost_rate_and_never_falls() -> None:
    cheap = run(loop(200), cost=1)
    assert {event.incident.severity for event in cheap} == {"warning"}
    dear = run(loop(200), cost=15 * CENT)
    assert [event.change for event in dear] == ["opened", "escalated", "resolved"]
    assert dear[-1].incident.severity == "critical"


def test_a_snapshot_does_not_change_later() -> None:
    events = run(loop(100))
    assert events[0].incident.state == "open"
    assert events[0].incident.calls < events[-1].incident.calls


def test_the_summary_says_who_what_and_how_much() -> None:
    text = summary(run(loop())[-1].incident)
    for part in ("loop", "r1", "of a", "29 calls", "$0.29", "repeats"):
        assert part in text


def test_ordinary_work_makes_no_event() -> None:
    assert run([call(n, n * 5000, run_id=f"r{n // 20}", request_fingerprint=f"f{n}") for n in range(2000)]) == []
