"""What is told, and what is not told again: the fold of states into events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.budgets import Budget
from streams.budgets.burn import Burning, Pair
from streams.budgets.events import NOTHING_KNOWN, Event, Known, events_of
from streams.budgets.notices import notice_of
from streams.budgets.outlook import Expected
from streams.budgets.period import DAY_MS, period_at
from streams.budgets.state import BudgetState
from streams.money import PICO

NOW = 1_773_757_200_000
PAIR = Pair(6, 1, 3000, "warning")


def state(spent: int = 0, long: int = 0, short: int = 0, low: int | None = None, **fields: Any) -> BudgetState:
    budget = Budget(name="b", amount=Decimal(100), period="month", **fields)
    expected = None if low is None else Expected(low, low, low, None, None, None)
    return BudgetState(
        budget, "", period_at("month", NOW), NOW, 100 * PICO, spent * PICO, 0,
        tuple(t for t in budget.thresholds if spent >= t), (Burning(PAIR, long, short),), expected, None,
    )  # fmt: skip


def after(known: Known, events: list[Event]) -> Known:
    burning, calm = dict(known.burning), dict(known.calm)
    for event in events:
        for kind, counts in (("burning", burning), ("calm", calm)):
            if event.kind == kind:
                counts[event.mark] = counts.get(event.mark, 0) + 1
    return Known(known.ids | {event.id for event in events}, burning, calm)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 130), st.integers(0, 5000), st.integers(0, 5000)), max_size=12))
def test_whatever_comes_nothing_is_said_twice(moments: list[tuple[int, int, int]]) -> None:
    known = NOTHING_KNOWN
    said: list[Event] = []
    for spent, long, short in moments:
        seen = state(spent, long, short)
        events = events_of(seen, known)
        known = after(known, events)
        assert events_of(seen, known) == [], "looking again says nothing"
        said += events
    assert len({event.id for event in said}) == len(said)
    most = max((spent for spent, _, _ in moments), default=0)
    assert {event.mark for event in said if event.kind == "crossed"} == {str(t) for t in (50, 80, 100) if most >= t}
    alerts = [event.kind for event in said if event.kind in {"burning", "calm"}]
    assert alerts == [["burning", "calm"][at % 2] for at in range(len(alerts))]


def test_burn_alerts_of_one_pair_are_numbered_and_end_what_they_began() -> None:
    known = NOTHING_KNOWN
    told = []
    for rate in (3000, 2500, 2399, 3000, 0):
        events = events_of(state(0, rate, rate), known)
        known = after(known, events)
        told += [notice_of(event) for event in events]
    assert [notice.change for notice in told] == ["burning", "calm", "burning", "calm"]
    assert [notice.resolved for notice in told] == [False, True, False, True]
    assert [notice.subject for notice in told] == [f"budget:b:burn:6/1:{n}" for n in (1, 1, 2, 2)]


def test_a_budget_that_will_most_likely_break_is_told_once_and_before() -> None:
    sure = state(40, low=101 * PICO)
    [event] = events_of(sure, NOTHING_KNOWN)
    assert (event.kind, event.severity) == ("expected", "ticket")
    assert "will most likely exceed 100.00 USD in 2026-03" in event.title
    assert events_of(sure, after(NOTHING_KNOWN, [event])) == []
    assert events_of(state(40, low=99 * PICO), NOTHING_KNOWN) == []
    assert [e.kind for e in events_of(state(101, low=200 * PICO), NOTHING_KNOWN)] == ["crossed"] * 3, "too late for it"
    assert events_of(state(40, low=101 * PICO, hard=True), NOTHING_KNOWN)[0].severity == "warning"


def test_a_threshold_added_below_one_that_was_told_is_not_news() -> None:
    known = after(NOTHING_KNOWN, events_of(state(85), NOTHING_KNOWN))
    fresh = events_of(state(85, thresholds=(50, 60, 80, 100)), known)
    assert [(event.mark, event.told) for event in fresh] == [("60", False)]
    above = events_of(state(95, thresholds=(50, 80, 90)), known)
    assert [(event.mark, event.told) for event in above] == [("90", True)]


def test_severities_rise() -> None:
    for hard, expected in ((False, ["ticket", "warning", "warning"]), (True, ["ticket", "warning", "critical"])):
        found = [events_of(state(spent, hard=hard), NOTHING_KNOWN)[-1].severity for spent in (50, 80, 100)]
        assert found == expected


def test_notices_name_team_tier_and_what_matters() -> None:
    seen = state(81, scope={"team": ["search"], "tier": ["frontier"]})
    event = next(event for event in events_of(seen, NOTHING_KNOWN) if event.told)
    notice = notice_of(event)
    assert (notice.team_id, notice.tier, notice.change, notice.at_ms) == ("search", "frontier", "crossed_80", NOW)
    assert notice.subject == f"budget:b:{period_at('month', NOW).start_ms}"
    assert "80 % of 100.00 USD reached (81.00 USD)" in notice.title
    assert "team search, tier frontier; soft budget, 2026-03 (UTC)" in notice.body
    assert f"{(NOW - seen.period.start_ms) / (31 * DAY_MS) * 100:.0f} % of the time is gone" in notice.body
