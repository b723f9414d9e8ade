"""Statements of a month: every plan with every period of it, and what no plan is for. Reads the ledger only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.plans import Plan
from streams.plans.allocate import Statement, per_token, state
from streams.plans.period import Stretch, next_month, stretches
from streams.plans.scope import calls_of, calls_of_none
from streams.plans.use import Reader, used, used_of

NO_PLAN = ""
"""The name of the statement of calls that no plan is for."""


@dataclass(frozen=True, slots=True)
class Month:
    """All statements of a month; their totals are what the month costs. Money in 1e-12 USD."""

    start_ms: int
    statements: tuple[Statement, ...]

    @property
    def total_pico(self) -> int:
        """Fees, commitments, what is beyond, and calls at list price."""
        return sum(statement.total_pico for statement in self.statements)

    @property
    def list_pico(self) -> int:
        """What the same calls would cost by list price alone."""
        return sum(statement.list_pico for statement in self.statements)


def month_of(reader: Reader, plans: Sequence[Plan], month_ms: int) -> Month:
    """All statements of the month that starts at `month_ms`; plans in the file's order, then the rest."""
    found = [statement for plan in plans for statement in statements_of(reader, plan, plans, month_ms)]
    return Month(month_ms, (*found, rest_of(reader, plans, month_ms)))


def statements_of(reader: Reader, plan: Plan, plans: Sequence[Plan], month_ms: int) -> list[Statement]:
    """A plan's statements of a month, one a period; none when it does not hold in it."""
    parts = list(stretches(plan, month_ms))
    uses = used_of(reader, plan, calls_of(plan, plans), parts)
    return [state(plan, stretch, part) for stretch, part in zip(parts, uses, strict=True)]


def rest_of(reader: Reader, plans: Sequence[Plan], month_ms: int) -> Statement:
    """Calls of the month that no plan is for, at list price."""
    end_ms = next_month(month_ms)
    whole = Stretch(month_ms, end_ms, month_ms, end_ms)
    return per_token(NO_PLAN, whole, used(reader, calls_of_none(plans), month_ms, end_ms))
