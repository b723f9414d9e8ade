"""The duty that looks at all budgets every few seconds: states for boards, notices for people.

One round:
    1  evaluate           read what changed, make the states
    2  what is new        against what is recorded; read again before anything is told
    3  put notices        an id that is known changes nothing
    4  record events      from now on they are known
    5  controls           of hard budgets that are spent, or are not any more
    6  write states       those that changed
A crash between any two of them leaves the rest to the next round, here or in another worker: what was put but not
recorded is put again under the same id. Two workers at once do the same things twice, to the same end.

Budgets that need single calls (agents, keys, runs) cost more with every call; they get a twentieth of the time:
after a round of them that took a second, the next is twenty seconds later at the earliest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from schemas.budgets import Budget
from schemas.policies import ControlPolicy
from streams.alert.notice import Notice
from streams.budgets.evaluate import Evaluator
from streams.budgets.events import NOTHING_KNOWN, Event, Known, events_of
from streams.budgets.limits import BY, limits_to_end, wanted_limits
from streams.budgets.notices import notice_of
from streams.budgets.read import is_rolled_up
from streams.budgets.state import BudgetState
from streams.budgets.store import BudgetStore, Key, settled, state_row
from streams.controls.book import ControlBook
from streams.controls.decide import IncidentChange, decide
from streams.ledger.client import Database

SHARE: Final = 20
"""One part in so many of the time is for budgets that need single calls."""
REFRESH_MS: Final = 60_000
"""Forecasts and rates move by the clock alone; for that alone a state is written no more often."""


class Box(Protocol):
    """`streams.alert.box.NoticeBox`, or what a test has in its place."""

    def put(self, notices: Sequence[Notice]) -> int:
        """Put what is not there yet."""
        ...


class BudgetDuty:
    """See the module; a `streams.duties.Duty`."""

    name = "budgets"

    def __init__(
        self,
        database: Database,
        budgets: Sequence[Budget],
        box: Box,
        *,
        controls: Sequence[ControlPolicy] = (),
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`controls`: policies that say in which mode hard budgets hold back. `clock`: seconds; only for how long the
        work took."""
        self.every_s = every_s
        self._database = database
        self._store = BudgetStore(database)
        self._box = box
        self._clock = clock
        self._names = [budget.name for budget in budgets]
        self._policies = tuple(controls)
        self._controls = ControlBook(database)
        self._quick = Evaluator([budget for budget in budgets if is_rolled_up(budget)])
        self._slow = Evaluator([budget for budget in budgets if not is_rolled_up(budget)])
        self._slow_due = 0.0
        self._known: dict[Key, Known] | None = None
        self._written: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._forgotten = False

    def run(self, now_ms: int) -> None:
        """One round. Raises `Unavailable`; the next round does what this one did not."""
        if not self._forgotten:
            self._store.forget(self._names, now_ms)
            self._forgotten = True
        states = self._quick.evaluate(self._database, now_ms)
        names = [budget.name for budget in self._quick.budgets]
        begun = self._clock()
        if self._slow.budgets and begun >= self._slow_due:
            states += self._slow.evaluate(self._database, now_ms)
            names += [budget.name for budget in self._slow.budgets]
            ended = self._clock()
            self._slow_due = ended + SHARE * (ended - begun)
        self._tell(states, now_ms)
        self._limit(states, names, now_ms)
        self._show(states, now_ms)

    def _tell(self, states: Sequence[BudgetState], now_ms: int) -> None:
        if self._known is None or self._new(states):
            self._known = self._store.known(now_ms)
            events = self._new(states)
            self._box.put([notice_of(event) for event in events if event.told])
            self._store.write_events(events)
            if events:
                self._known = self._store.known(now_ms)

    def _limit(self, states: Sequence[BudgetState], looked_at: Sequence[str], now_ms: int) -> None:
        active = self._controls.active(now_ms)
        wanted = wanted_limits(states, self._policies)
        gone = {name for one in active if (name := one.change.policy.removeprefix(BY)) not in self._names}
        for ended in limits_to_end(active, wanted, {*looked_at, *gone}):
            self._controls.change(ended, now_ms)
        standing = {(one.change.id, one.change.policy, one.change.effect) for one in active}
        for asked in wanted:
            if (asked.id, asked.policy, asked.effect) in standing:
                continue
            cause = IncidentChange(asked.incident_id, "opened", "", "", asked.reason, "", "", now_ms)
            made = decide(asked, cause, self._controls.history(asked.scope, asked.subject), now_ms)
            if made is not None:
                self._controls.change(made, now_ms)

    def _new(self, states: Sequence[BudgetState]) -> list[Event]:
        return [event for state in states for event in events_of(state, self._known_of(state))]

    def _known_of(self, state: BudgetState) -> Known:
        return (self._known or {}).get((state.budget.name, state.value), NOTHING_KNOWN)

    def _show(self, states: Sequence[BudgetState], now_ms: int) -> None:
        fresh = []
        for state in states:
            row = state_row(state, self._known_of(state))
            last = self._written.get(_place(state))
            if (
                last is None
                or settled(last) != settled(row)
                or (
                    now_ms - last["evaluated_at"] >= REFRESH_MS
                    and {**last, "evaluated_at": 0} != {**row, "evaluated_at": 0}
                )
            ):
                fresh.append((state, row))
        self._store.write_states([(state, self._known_of(state)) for state, _ in fresh])
        self._written = {
            place: row for place, row in self._written.items() if row["period_end"] + 2 * 86_400_000 > now_ms
        } | {_place(state): row for state, row in fresh}


def _place(state: BudgetState) -> tuple[str, str, int]:
    return state.budget.name, state.value, state.period.start_ms
