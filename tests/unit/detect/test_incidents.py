"""Incidents: one a runaway, deterministic ids, running totals, severity that only rises, re-opening."""

from __future__ import annotations

from dataclasses import replace

from streams.detect import DetectConfig, Signal
from streams.detect.book import Book
from streams.detect.habit import Root, Run
from streams.detect.incident import as_of, incident_id, summary
from streams.detect.signal import PICO, dollars
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


def test_the_evidence_is_of_the_opening_and_says_so() -> None:
    events = run(loop(300), cost=15 * CENT)
    first, last = events[0].incident, events[-1].incident
    figures = f"{first.calls_before_open} calls, {dollars(first.cost_before_open)}"
    assert first.evidence.endswith(f"; at opening: {figures}")
    assert {event.incident.evidence for event in events} == {first.evidence}
    assert last.calls > first.calls_before_open


def test_a_ticket_that_becomes_a_warning_says_of_when_its_figures_are() -> None:
    ticket = Signal("stuck_run", "a", "r1", "c9", 9000, "c0", 0, 10, 2 * PICO, 1.0, True, False, "dear")
    book, own = Book(DetectConfig()), Run("r1", "r1", Root("a", 0), "a", 0)
    book.take(ticket, own, whole=False)
    book.take(replace(ticket, kind="loop", calls=1, page=True, evidence="repeats"), own, whole=False)
    opened, escalated = book.drain()
    assert opened.incident.evidence == "dear; at opening: 10 calls, $2.00"
    assert escalated.incident.evidence == "repeats; when it became a warning: 1 call, $2.00"


def test_what_has_no_figures_says_none() -> None:
    silent = Signal("silent_agent", "a", None, "a@0", 9000, "a@0", 0, 0, 0, 1.0, True, False, "at opening no call")
    assert as_of(silent, "at opening") == "at opening no call"


def test_ordinary_work_makes_no_event() -> None:
    assert run([call(n, n * 5000, run_id=f"r{n // 20}", request_fingerprint=f"f{n}") for n in range(2000)]) == []
