"""What has happened to a budget since it was last looked at, each thing once.

    crossed   a threshold was reached for the first time in this period
    burning   a burn alert came on;  calm: it went off
    expected  even the low end of the forecast is above the amount: the budget will most likely break

An event's id is made of budget, value, period, amount, kind, mark and number, so that whoever finds the same thing
again (after a restart, in a replay, in a second worker) makes the same id, and what has that id is not told again. A
threshold counts as crossed for its period even when late calls or a rating bring spend below it again. An amount that
was changed in the file is a new budget in this respect.

Several thresholds at once (a new file, a large late batch) are one message: the highest; the others are recorded. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from schemas.budgets import SeverityName
from streams.budgets.burn import Burning
from streams.budgets.state import BudgetState
from streams.budgets.words import body, title

Kind = Literal["crossed", "burning", "calm", "expected"]

_NEAR = 80
"""From here on a threshold is a warning; below, a ticket."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is recorded of a budget's value already."""

    ids: Set[str] = frozenset()
    burning: Mapping[str, int] = field(default_factory=dict)
    """Burn alerts so far, by mark of the pair."""
    calm: Mapping[str, int] = field(default_factory=dict)
    """Those that are over."""


NOTHING_KNOWN = Known()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `told`: people hear of it."""

    id: str
    kind: Kind
    mark: str
    number: int
    severity: SeverityName
    told: bool
    state: BudgetState
    title: str
    body: str


def events_of(state: BudgetState, known: Known) -> list[Event]:
    """What is new in `state`, in the order in which it is told."""
    return [*_crossed(state, known), *_expected(state, known), *_burns(state, known)]


def _crossed(state: BudgetState, known: Known) -> list[Event]:
    fresh = [
        threshold
        for threshold in state.reached
        if event_id(state, "crossed", str(threshold), 1) not in known.ids
    ]  # fmt: skip
    # Below one that was told earlier nothing new is to be said, only to be recorded (a file with more thresholds).
    told = max((t for t in state.reached if t not in fresh), default=0)
    return [
        _event(state, "crossed", str(threshold), 1, _severity(state, threshold), threshold == max(fresh) > told)
        for threshold in fresh
    ]


def _severity(state: BudgetState, threshold: int) -> SeverityName:
    if threshold >= 100 and state.budget.hard:
        return "critical"
    return "warning" if threshold >= _NEAR else "ticket"


def _expected(state: BudgetState, known: Known) -> list[Event]:
    low = None if state.expected is None else state.expected.low
    if low is None or low < state.amount or state.spent >= state.amount:
        return []
    if event_id(state, "expected", "", 1) in known.ids:
        return []
    return [_event(state, "expected", "", 1, "warning" if state.budget.hard else "ticket", True)]


def _burns(state: BudgetState, known: Known) -> list[Event]:
    found = []
    for burn in state.burns:
        mark = burn.pair.mark
        begun = known.burning.get(mark, 0)
        before = begun > known.calm.get(mark, 0)
        on = burn.goes_on(before)
        if on and not before:
            found.append(_event(state, "burning", mark, begun + 1, burn.pair.severity, True))
        elif before and not on:
            found.append(_event(state, "calm", mark, begun, burn.pair.severity, True))
    return found


def is_on(burn: Burning, known: Known) -> bool:
    """Whether a pair's alert is on, by what is recorded and what is seen now."""
    mark = burn.pair.mark
    return burn.goes_on(known.burning.get(mark, 0) > known.calm.get(mark, 0))


def event_id(state: BudgetState, kind: Kind, mark: str, number: int) -> str:
    """`budget-` and 32 hex digits. Burn alerts are numbered through periods, so theirs have no period in them."""
    period = 0 if kind in {"burning", "calm"} else state.period.start_ms
    amount = 0 if kind in {"burning", "calm"} else state.amount
    parts = (state.budget.name, state.value, str(period), str(amount), kind, mark, str(number))
    return "budget-" + hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _event(state: BudgetState, kind: Kind, mark: str, number: int, severity: SeverityName, told: bool) -> Event:
    return Event(
        event_id(state, kind, mark, number),
        kind,
        mark,
        number,
        severity,
        told,
        state,
        title(state, kind, mark),
        body(state, kind, mark),
    )
