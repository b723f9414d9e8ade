"""The detector is a fold: the same set of calls gives the same incidents, however it arrives and wherever it is cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect import DetectConfig, Detector, Event
from streams.detect.parts import assemble, fleet_part, root_part
from streams.evaluate.read import SeenCall, from_dicts, reported
from streams.simulate import simulate
from tests.unit.detect.calls import HOUR, call, feed, loop, opened, run


def small() -> tuple[list[SeenCall], list[int | None]]:
    """A day of two dozen agents, with runaways of several kinds."""
    calls = list(from_dicts(simulate(7, 1, 40)))[:12_000]
    return calls, [reported(one) for one in calls]


CALLS, COSTS = small()


def play(detector: Detector, calls: list[SeenCall], costs: list[int | None], batch: int) -> None:
    for start in range(0, len(calls), batch):
        detector.observe(calls[start : start + batch], costs[start : start + batch])


def ended(detector: Detector) -> list[Event]:
    detector.finish()
    detector.advance(detector.clock + 2 * HOUR)
    return detector.drain()


@pytest.fixture(scope="module")
def whole() -> list[Event]:
    detector = Detector()
    play(detector, CALLS, COSTS, 500)
    events = ended(detector)
    assert len(opened(events)) >= 2
    return events


@pytest.mark.parametrize("batch", [1, 7, 12_000])
def test_batches_do_not_matter(batch: int, whole: list[Event]) -> None:
    detector = Detector()
    play(detector, CALLS, COSTS, batch)
    assert ended(detector) == whole


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(0, len(CALLS)))
def test_cut_anywhere_and_restored_goes_on_identically(cut: int, whole: list[Event]) -> None:
    first = Detector()
    play(first, CALLS[:cut], COSTS[:cut], 300)
    before = first.drain()
    second = Detector.restore(first.state())
    play(second, CALLS[cut:], COSTS[cut:], 700)
    assert before + ended(second) == whole


@pytest.mark.parametrize("cut", [1, 3000, 7001, 11_000])
def test_parts_put_together_go_on_identically(cut: int, whole: list[Event]) -> None:
    first = Detector()
    play(first, CALLS[:cut], COSTS[:cut], 300)
    keys = sorted(first.families.roots, reverse=True)
    second = assemble(fleet_part(first), [root_part(first, key) for key in keys])
    play(second, CALLS[cut:], COSTS[cut:], 300)
    assert ended(second) == whole


def test_state_after_restore_is_the_same_state() -> None:
    one = Detector()
    play(one, CALLS[:6000], COSTS[:6000], 500)
    two = Detector.restore(one.state())
    play(one, CALLS[6000:9000], COSTS[6000:9000], 500)
    play(two, CALLS[6000:9000], COSTS[6000:9000], 500)
    assert len(two.state()) == pytest.approx(len(one.state()), rel=0.01)
    assert two.drain()[-5:] == one.drain()[-5:]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_disorder_within_the_bound_does_not_matter(seed: int, whole: list[Event]) -> None:
    rng = random.Random(seed)
    bound = DetectConfig().disorder_ms
    order = sorted(range(len(CALLS)), key=lambda n: CALLS[n].time + rng.random() * bound)
    detector = Detector()
    play(detector, [CALLS[n] for n in order], [COSTS[n] for n in order], 97)
    assert detector.order.late == 0
    assert ended(detector) == whole


def test_calls_later_than_the_bound_are_counted_and_stop_nothing() -> None:
    calls = [*loop(20), call(900, -3 * HOUR, run_id="old"), *loop(20, start=HOUR, first=1000, run_id="r2")]
    detector = Detector()
    events = feed(detector, calls, batch=10)
    assert detector.order.late == 1
    assert [event.incident.run_id for event in opened(events)] == ["r1", "r2"]


@given(
    st.lists(
        st.tuples(
            st.integers(-400 * 86_400_000, 400 * 86_400_000),
            st.sampled_from([None, "x", *(f"f{n}" for n in range(60))]),
            st.sampled_from([None, "r", "r2"]),
            st.sampled_from(["ok", "error", None]),
            st.sampled_from(["a", "b", "a/1", "a/2"]),
        ),
        max_size=120,
    )
)
@settings(max_examples=100, deadline=None)
def test_calls_a_year_late_or_early_stop_nothing(
    made: list[tuple[int, str | None, str | None, str | None, str]],
) -> None:
    """Late calls are stepped when they come, however late: figures fade forwards only."""
    calls = [
        call(n, at, request_fingerprint=print_, run_id=run_id, status=status, agent_id=agent,
             parent_agent_id="a" if agent.startswith("a/") else None)
        for n, (at, print_, run_id, status, agent) in enumerate(made)
    ]  # fmt: skip
    for event in run(calls, batch=1):
        assert "-" not in event.incident.evidence.split(";")[0]


def test_late_calls_of_an_agent_without_runs_fade_nothing_up() -> None:
    """A month of calls, then late ones among it: 60 requests, twice each, a month apart, are no loop."""
    month = 30 * 24 * HOUR
    on_time = [call(n, month + n * 1000, request_fingerprint=f"f{n}") for n in range(60)]
    late = [call(100 + n, n * 1000, request_fingerprint=f"f{n}") for n in range(60)]
    assert opened(run(on_time + late, batch=1)) == []


def test_a_clock_that_runs_backwards_stops_nothing() -> None:
    calls = [call(n, -n * 1000, run_id="r", request_fingerprint=f"f{n}") for n in range(500)]
    assert opened(run(calls, batch=1)) == []
