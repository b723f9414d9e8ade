"""Each rule fires on its runaway, with the right first call and figures, and stays quiet on its look-alike."""

from __future__ import annotations

import pytest

from streams.evaluate.read import SeenCall
from tests.unit.detect.calls import CENT, HOUR, MINUTE, T0, call, loop, opened, run


def test_loop_opens_at_the_fifth_identical_request_and_counts_from_the_second() -> None:
    events = run(loop())
    (event,) = opened(events)
    incident = event.incident
    assert incident.kind == "loop"
    assert incident.page
    assert incident.opened_by == "c0000007"
    assert incident.first_call_id == "c0000004"  # the first repetition
    assert (incident.calls_before_open, incident.cost_before_open) == (4, 4 * CENT)
    assert "the same request, 4 repeats in " in incident.evidence  # as many as it counts calls
    assert "normal runs have at most 3;" in incident.evidence
    assert events[-1].change == "resolved"
    assert events[-1].incident.calls == 29
    assert events[-1].incident.cost == 29 * CENT


def test_cycle_of_three_is_a_loop() -> None:
    calls = [call(n, n * 4000, run_id="r", request_fingerprint="abc"[n % 3]) for n in range(30)]
    (event,) = opened(run(calls))
    assert event.incident.kind == "loop"
    assert event.incident.opened_by <= "c0000010"
    repeats = event.incident.calls_before_open
    assert f"the same 3 requests in turn, {repeats} repeats in " in event.incident.evidence
    assert "normal runs have at most 5;" in event.incident.evidence  # three, beyond the pass that makes it a cycle


def test_a_loop_with_one_odd_call_in_four_is_still_found() -> None:
    calls = [call(n, n * 4000, run_id="r", request_fingerprint=f"odd{n}" if n % 4 == 3 else "same") for n in range(60)]
    assert [e.incident.kind for e in opened(run(calls))] == ["loop"]


def test_tests_run_again_after_each_edit_are_no_loop() -> None:
    calls = [call(n, n * 8000, run_id="r", request_fingerprint="test" if n % 2 else f"edit{n}") for n in range(200)]
    assert opened(run(calls)) == []


def test_polling_by_a_timer_is_no_loop() -> None:
    calls = [call(n, n * 60_000 + (n * 37) % 900, request_fingerprint="poll") for n in range(500)]
    assert opened(run(calls)) == []


def test_loop_by_size_needs_no_fingerprint() -> None:
    calls = [call(n, n * 4000, run_id="r", input_tokens=80_000 + 20 * n, output_tokens=120) for n in range(60)]
    (event,) = opened(run(calls))
    assert event.incident.kind == "loop"
    assert "of one size" in event.incident.evidence


def test_retry_storm_is_not_called_a_loop() -> None:
    good = [call(n, n * 4000, run_id="r", request_fingerprint=f"g{n}") for n in range(5)]
    bad = [
        call(5 + n, 20_000 + n * 1500, run_id="r", request_fingerprint="x", status="timeout", attempt=n + 1)
        for n in range(40)
    ]
    (event,) = opened(run(good + bad))
    assert event.incident.kind == "retry_storm"
    assert event.incident.first_call_id == "c0000005"
    assert event.incident.calls_before_open <= 10
    assert (
        "all of them one request; it has no history, 6 % failed calls would be normal; other agents on"
        in event.incident.evidence
    )


def test_a_provider_outage_is_nobodys_storm() -> None:
    calls: list[SeenCall] = []
    for minute in range(30):
        for agent in range(12):
            for attempt in range(1, 4):
                number = len(calls)
                calls.append(
                    call(
                        number,
                        minute * MINUTE + agent * 1500 + attempt * 400,
                        agent_id=f"agent{agent}",
                        run_id=f"r{agent}",
                        request_fingerprint=f"{agent}-{minute}",
                        status="ok" if minute < 10 else "error",
                        attempt=attempt,
                    )
                )
    assert opened(run(calls)) == []


def test_explosion_by_depth() -> None:
    calls = [call(0, 0, agent_id="root", run_id="r")]
    parents = ["root"]
    for depth in range(5):
        born = [f"{parent}/{n}" for parent in parents for n in range(3)]
        for name in born:
            calls.append(
                call(
                    len(calls),
                    1000 + len(calls) * 500,
                    agent_id=name,
                    run_id="r",
                    parent_agent_id=name.rpartition("/")[0],
                )
            )
        parents = born[:10]
        assert depth < 5
    (event,) = opened(run(calls))
    assert (event.incident.kind, event.incident.agent_id, event.incident.run_id) == ("fan_out", "root", "r")
    assert event.incident.calls_before_open < 30
    assert "3 levels deep; normal is below 40 an hour; normal is below 3 levels;" in event.incident.evidence


def test_a_planned_fan_out_of_forty_five_in_a_minute_is_none() -> None:
    calls = [call(0, 0, agent_id="root", run_id="r")]
    calls += [call(n, n * 1000, agent_id=f"kid{n}", run_id="r", parent_agent_id="root") for n in range(1, 46)]
    assert opened(run(calls)) == []


def ordinary_days(days: int, *, tokens: int = 8000) -> list[SeenCall]:
    """Twelve runs a day of ten calls whose context grows from `tokens` by a half."""
    calls: list[SeenCall] = []
    for day in range(days):
        for hour in range(8, 20):
            for step in range(10):
                at = day * 24 * HOUR + hour * HOUR + step * 20_000
                grown = tokens + tokens * step // 20 + (len(calls) * 131) % 400
                calls.append(
                    call(
                        len(calls),
                        at,
                        run_id=f"d{day}h{hour}",
                        input_tokens=grown,
                        request_fingerprint=f"f{len(calls)}",
                    )
                )
    return calls


def test_context_growth_is_measured_against_the_agents_own_history() -> None:
    calls = ordinary_days(3)
    start, first = 3 * 24 * HOUR + 9 * HOUR, len(calls)
    calls += [
        call(
            first + n,
            start + n * 10_000,
            run_id="grows",
            input_tokens=8000 + 3000 * n,
            output_tokens=50 + n * 41 % 300,
            request_fingerprint=f"g{n}",
        )
        for n in range(50)
    ]
    (event,) = opened(run(calls, cost=CENT // 100))
    assert event.incident.kind == "context_growth"
    assert event.incident.evidence.startswith("context grew from 8,000 to ")
    assert "; before, its largest had " in event.incident.evidence


def test_context_growth_of_an_unknown_agent_is_no_page() -> None:
    calls = [
        call(n, n * 10_000, run_id="r", input_tokens=8000 + 3000 * n, request_fingerprint=f"g{n}") for n in range(50)
    ]
    assert opened(run(calls)) == []


def test_a_window_sent_full_again_and_again_needs_no_history() -> None:
    calls = [
        call(
            n,
            n * 10_000,
            run_id="r",
            input_tokens=min(20_000 + 9000 * n, 190_000 + (n * 577) % 3000),
            output_tokens=50 + n * 41 % 300,
        )
        for n in range(90)
    ]
    (event,) = opened(run(calls))
    assert event.incident.kind == "context_growth"
    assert event.incident.evidence.startswith("41 calls in a row sent a full context of about 19")
    assert "again; normal is below 40 (it began at 20,000; " in event.incident.evidence


def test_spend_spike_against_own_records() -> None:
    calls = ordinary_days(4)
    start, first = 4 * 24 * HOUR + 9 * HOUR, len(calls)
    calls += [
        call(
            first + n,
            start + n * 3000,
            run_id=f"s{n // 10}",
            input_tokens=8000 + 400 * (n % 10),
            request_fingerprint=f"s{n}",
        )
        for n in range(600)
    ]
    events = [event for event in opened(run(calls, cost=5 * CENT)) if event.incident.page]
    assert [event.incident.kind for event in events] == ["spend_spike"]
    assert events[0].incident.ready
    assert events[0].incident.opened_at >= T0 + start


def test_unpriced_calls_make_no_spend_spike() -> None:
    calls = ordinary_days(4)
    calls += [
        call(len(calls) + n, 5 * 24 * HOUR + n * 3000, run_id=f"s{n // 10}", request_fingerprint=f"s{n}")
        for n in range(600)
    ]
    assert opened(run(calls, cost=0)) == []


def test_silent_agent_is_a_ticket_and_ends_with_the_next_call() -> None:
    calls = [
        call(n, n * MINUTE + (n * 17) % 5000, input_tokens=500 + (n * 71) % 300, request_fingerprint=f"f{n}")
        for n in range(3 * 24 * 60)
    ]
    back = call(len(calls), 3 * 24 * HOUR + 5 * HOUR)
    events = [event for event in run([*calls, back], cost=1) if event.incident.kind == "silent_agent"]
    assert [event.change for event in events] == ["opened", "resolved"]
    assert not events[0].incident.page
    assert events[1].at == back.time


@pytest.mark.parametrize("missing", ["run_id", "request_fingerprint", "status", "provider_name"])
def test_rules_stay_quiet_without_what_they_need(missing: str) -> None:
    calls = [call(n, n * 8000, run_id="r", request_fingerprint=f"f{n}") for n in range(300)]
    for one in calls:
        setattr(one, missing, None)
    assert opened(run(calls)) == []
