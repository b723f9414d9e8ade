"""Keeps what plans come to: a duty of the worker, which writes a plan and month again when something in them changed.

What a month's figures depend on is read from the hourly sums, which include ratings; with the plans file's entries it
is the `basis`. Months whose basis is kept already are left alone, so late calls, ratings and changed plans are
followed, and nothing else is written. Two workers at once write the same figures twice: the latest run counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from schemas.plans import Plan
from streams.ledger.client import Database
from streams.plans.figures import NO_PLAN, rest_of, statements_of
from streams.plans.period import day_ms, month_start, next_month, stretches
from streams.plans.store import PlanStore


class PlanDuty:
    """The duty. Without plans there is nothing to keep, and what was kept is taken away."""

    name = "plans"
    every_s = 120.0

    def __init__(self, database: Database, plans: Sequence[Plan]) -> None:
        """Connects to nothing yet."""
        self._store = PlanStore(database)
        self._plans = tuple(plans)
        text = "\n".join(plan.model_dump_json() for plan in self._plans)
        self._digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    def run(self, now_ms: int) -> None:
        """Bring every plan and month up to date. Blocking."""
        kept = self._store.kept()
        if not self._plans and not kept:
            return
        bases = self._store.months()
        wanted = set[tuple[int, str]]()
        for month_ms in self._months(bases, now_ms):
            basis = f"{self._digest} {bases.get(month_ms, '')}"
            for name, plan in ((plan.name, plan) for plan in self._plans if any(stretches(plan, month_ms))):
                wanted.add((month_ms, name))
                if kept.get((month_ms, name), ("", 0))[0] != basis:
                    found = statements_of(self._store.database, plan, self._plans, month_ms)
                    self._store.write(month_ms, name, found, basis, self._run(kept, month_ms, name, now_ms))
            if self._plans and month_ms in bases:
                wanted.add((month_ms, NO_PLAN))
                if kept.get((month_ms, NO_PLAN), ("", 0))[0] != basis:
                    rest = rest_of(self._store.database, self._plans, month_ms)
                    self._store.write(month_ms, NO_PLAN, [rest], basis, self._run(kept, month_ms, NO_PLAN, now_ms))
        for month_ms, name in sorted(kept.keys() - wanted):
            self._store.forget(month_ms, name, self._run(kept, month_ms, name, now_ms))

    def _months(self, bases: dict[int, str], now_ms: int) -> Iterator[int]:
        """From the first month with calls or the first plan's, whichever is later, to the present one; and all with
        calls: clocks of routers may be ahead."""
        if not self._plans:
            return
        this = month_start(now_ms)
        first = min([*bases, this])
        paid_from = max(first, min(month_start(day_ms(plan.start)) for plan in self._plans))
        months = set(bases)
        month_ms = paid_from
        while month_ms <= this:
            months.add(month_ms)
            month_ms = next_month(month_ms)
        yield from sorted(months)

    @staticmethod
    def _run(kept: dict[tuple[int, str], tuple[str, int]], month_ms: int, name: str, now_ms: int) -> int:
        return max(now_ms, kept.get((month_ms, name), ("", 0))[1] + 1)
