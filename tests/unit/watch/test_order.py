"""Whose turn it is: one order for all sources, whatever way their parts come; bounds on waiting."""

from __future__ import annotations

import random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detect import Detector, Incident
from streams.watch.order import HISTORY_MS, LIVE_MS, PATIENCE_MS, SETTLED_MS, SLACK_MS, Order
from streams.watch.record import END, StepCall
from tests.unit.detect.calls import T0
from tests.unit.detect.calls import call as seen
from tests.unit.watch.calls import DAY_LATER, Source, canonical, ids, released, states, step, story

STORY = story()
CANONICAL = canonical(STORY)


def order(sources: int = 2, *, wall_ms: int = DAY_LATER, most_held: int = 500_000) -> Order:
    return Order(range(sources), wall_ms, disorder_ms=500, absent_ms=30_000, most_held=most_held)


def calls(*at: int, agent: str = "a") -> list[StepCall]:
    return [step(seen(number, when, agent_id=agent)) for number, when in enumerate(at)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32), st.integers(1, 120), st.integers(0, 450))
def test_any_batches_and_interleaving_give_the_canonical_incidents(
    sources: int, seed: int, batch: int, disorder: int
) -> None:
    """Each run lives in one source; each source's log is out of order within the bound; sources are read unevenly."""
    chance = random.Random(seed)
    logs: list[list[StepCall]] = [[] for _ in range(sources)]
    for one in sorted(STORY, key=lambda one: one.time + chance.uniform(0, disorder)):
        logs[crc32((one.run_id or one.agent_id).encode()) % sources].append(one)
    here, detector = order(sources), Detector()
    found: dict[str, Incident] = {}
    tellers = [Source(partition) for partition in range(sources)]
    wall = DAY_LATER
    while any(logs):
        at = chance.choice([number for number, log in enumerate(logs) if log])
        some, logs[at] = logs[at][:batch], logs[at][batch:]
        wall += chance.randint(0, SETTLED_MS // 2)
        here.take(tellers[at].part(some, at_end=False), wall)
        detector.fold(released(here, wall))
        states(detector, found)
    for pause in (0, SETTLED_MS + 1):
        for teller in tellers:
            here.take(teller.part(at_end=True), wall + pause)
    detector.fold(released(here, wall + SETTLED_MS + 1))
    assert here.held == here.late == here.forced == 0
    assert states(detector, found) == CANONICAL


def test_a_call_waits_for_every_source() -> None:
    here, one, other = order(), Source(0), Source(1)
    here.take(one.part(calls(0, 1_000, 2_000)), DAY_LATER)
    assert released(here, DAY_LATER) == []
    here.take(other.part(calls(1_600, agent="b")), DAY_LATER)
    assert [found.time - T0 for found in released(here, DAY_LATER)] == [0, 1_000]
    here.take(other.part(calls(9_000, agent="c")), DAY_LATER)
    # now the first one's watermark is what holds
    assert released(here, DAY_LATER) == []
    here.take(one.part(calls(8_000, agent="d")), DAY_LATER)
    assert [found.time - T0 for found in released(here, DAY_LATER)] == [1_600, 2_000]


def test_a_source_at_its_end_holds_history_back_only_until_it_has_stayed_there() -> None:
    here, one, other = order(), Source(0), Source(1)
    here.take(other.part(at_end=True), DAY_LATER)
    here.take(one.part(calls(0, 1_000, 2_000), at_end=True), DAY_LATER)
    here.take(other.part(at_end=True), DAY_LATER + SETTLED_MS - 1)
    assert released(here, DAY_LATER) == []
    for source in (one, other):
        here.take(source.part(at_end=True), DAY_LATER + SETTLED_MS)
    assert len(released(here, DAY_LATER + SETTLED_MS)) == 3
    assert here.idle(DAY_LATER + SETTLED_MS)


def test_live_calls_pass_an_idle_source_at_once() -> None:
    """A source that stands at its end is as far as the wall less its lag."""
    now = T0 + 10_000
    here, one, other = order(wall_ms=now), Source(0), Source(1)
    here.take(other.part(calls(9_700, agent="b"), at_end=True), now)
    here.take(one.part(calls(9_800), at_end=True), now)
    assert released(here, now) == []
    for source in (one, other):
        here.take(source.part(at_end=True), now + 700)
    # the other one's clock is now at 10,400, and the disorder leaves 9,900
    assert [found.time - T0 for found in released(here, now + 700)] == [9_700, 9_800]


def test_a_live_call_waits_no_longer_than_patience_for_a_source_that_is_behind() -> None:
    now = T0 + 10_000
    here, one, other = order(wall_ms=now), Source(0), Source(1)
    here.take(other.part(calls(-3_600_000)), now)  # a backfill: its newest call is an hour old
    here.take(one.part(calls(9_000, 9_900)), now)
    assert released(here, now + PATIENCE_MS - 1) == []
    here.take(other.part(), now + PATIENCE_MS)
    assert [found.time - T0 for found in released(here, now + PATIENCE_MS)] == [-3_600_000, 9_000]
    assert here.late == 0


def test_history_waits_for_a_source_whose_owner_is_dead_until_it_is_given_up() -> None:
    here, one, other = order(), Source(0), Source(1)
    here.take(other.part(calls(0, agent="b")), DAY_LATER)
    for after in (0, 29_000):
        here.take(one.part(calls(5_000 + after)), DAY_LATER + after)
        assert len(released(here, DAY_LATER + after)) == 0
    here.take(one.part(calls(99_000)), DAY_LATER + 31_000)
    assert [found.time - T0 for found in released(here, DAY_LATER + 31_000)] == [0, 5_000, 34_000]
    here.take(other.part(calls(20_000, agent="b")), DAY_LATER + 32_000)
    assert here.late == 1, "it came back after its turn"


def test_late_calls_are_given_next_and_counted() -> None:
    here, one = order(1), Source(0)
    here.take(one.part(calls(0, 10_000)), DAY_LATER)
    assert len(released(here, DAY_LATER)) == 1
    here.take(one.part(calls(20_000, agent="b")), DAY_LATER)
    assert [found.time - T0 for found in released(here, DAY_LATER)] == [10_000]
    here.take(one.part(calls(3_000, agent="c")), DAY_LATER)
    assert [found.time - T0 for found in released(here, DAY_LATER)] == [3_000]
    assert here.late == 1


def test_too_many_calls_go_oldest_first_and_are_counted() -> None:
    here, one = order(2, most_held=100), Source(0)
    here.take(one.part(calls(*range(0, 300_000, 1_000))), DAY_LATER)
    given = released(here, DAY_LATER)
    assert [found.time - T0 for found in given] == list(range(0, 200_000, 1_000))
    assert (here.held, here.forced) == (100, 200)


def test_repeats_are_skipped_and_what_a_dead_owner_says_is_void() -> None:
    here, one = order(1), Source(0)
    part = one.part(calls(0, 1_000))
    here.take(part, DAY_LATER)
    here.take(part, DAY_LATER)
    assert here.held == 2
    overlapping = Source(0)
    overlapping.said = []
    here.take(overlapping.part(calls(0, 1_000, 2_000)), DAY_LATER)
    assert here.held == 3
    later = Source(0, epoch=2)
    later.said = list(overlapping.said)
    here.take(later.part(), DAY_LATER)
    assert here.is_void(one.part(calls(7_000)))


def test_what_nobody_spoke_of_is_a_gap() -> None:
    here, one = order(1), Source(0)
    here.take(one.part(calls(0, 1_000)), DAY_LATER)
    one.part(calls(2_000, 3_000))  # lost
    part = one.part(calls(4_000))
    gap = here.gap(part)
    assert gap is not None
    assert (gap.after, gap.through) == ((1, 1, END), (1, 3, END))
    here.filled(gap, calls(2_000, 3_000), DAY_LATER)
    assert here.gap(part) is None
    here.take(part, DAY_LATER)
    assert here.held == 5
    assert here.gap(one.part()) is None


def test_event_time_runs_on_with_the_wall_where_calls_are_live_only() -> None:
    now = T0 + 10_000
    here, one = order(1, wall_ms=now), Source(0)
    here.take(one.part(calls(9_000), at_end=True), now)
    here.take(one.part(at_end=True), now + 60_000)
    assert len(released(here, now + 60_000)) == 1
    assert here.clock(now + 60_000) == T0 + 9_000 + 60_000 - 500 - SLACK_MS
    old, two = order(1), Source(0)
    for wall in (DAY_LATER, DAY_LATER + 60_000):
        old.take(two.part(calls(9_000) if wall == DAY_LATER else (), at_end=True), wall)
    assert len(released(old, DAY_LATER + 60_000)) == 1
    assert old.clock(DAY_LATER + 60_000) is None
    assert HISTORY_MS > LIVE_MS


def test_a_clock_in_the_future_does_not_make_everybody_late() -> None:
    now = T0 + 10_000
    here, one = order(1, wall_ms=now), Source(0)
    here.take(one.part(calls(9_000, 3_600_000)), now)
    assert [found.time - T0 for found in released(here, now)] == [9_000]
    here.take(one.part(calls(12_000, agent="b")), now + 3_000)
    assert here.late == 0


@pytest.mark.parametrize("cut", [1, 57, 200, 380])
def test_state_and_calls_in_hand_go_on(cut: int) -> None:
    whole, halves, one, two = order(1), order(1), Source(0), Source(0)
    whole.take(one.part(STORY[:cut]), DAY_LATER)
    halves.take(two.part(STORY[:cut]), DAY_LATER)
    given = [released(whole, DAY_LATER), released(halves, DAY_LATER)]
    again = order(1)
    again.resume(halves.state(), halves.everything(), DAY_LATER)
    assert again.held == halves.held
    for here, source, before in ((whole, one, given[0]), (again, two, given[1])):
        here.take(source.part(STORY[cut:]), DAY_LATER)
        before += released(here, DAY_LATER)
        here.take(source.part(at_end=True), DAY_LATER + SETTLED_MS)
        before += released(here, DAY_LATER + SETTLED_MS)
    assert ids(given[0]) == ids(given[1]) == ids(STORY)
