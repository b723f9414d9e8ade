"""What plans make of a month: for each team the plan's cost of its calls less their list price, and what nobody used.

    a team pays = its calls by list price + its shares of fees, overage and commitments - list prices of the same calls

so that list prices and these amounts add up to what the month costs with its plans (`streams.plans`), to the last
digit. A share is below zero where the plan is cheaper than list prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from streams.report.sums import Cell, Sums

if TYPE_CHECKING:
    from schemas.plans import Plan
    from streams.closing.cut import Reader

SHARE, IDLE = "share", "idle"


@dataclass(frozen=True, slots=True)
class Fee:
    """What a plan adds for a team, in pico-USD. `team` None: nobody's, because nobody used it."""

    plan: str
    tenant: str
    team: str | None
    amount: int


def read_fees(reader: Reader, plans: Sequence[Plan], month: date) -> tuple[Fee, ...]:
    """Of all plans, for the month that begins on `month`, as the ledger is now; amounts of 0 are left out."""
    if not plans:
        return ()
    from streams.plans.figures import month_of

    start = datetime(month.year, month.month, month.day, tzinfo=UTC)
    sums: dict[tuple[str, str, str | None], int] = {}
    for statement in month_of(reader, plans, round(start.timestamp() * 1000)).statements:
        for line in statement.lines if statement.plan else ():
            team = None if line.kind == "idle" else line.who.team_id
            key = statement.plan, line.who.tenant_id, team
            sums[key] = sums.get(key, 0) + line.cost_pico - line.list_pico
    return tuple(Fee(*key, amount) for key, amount in sums.items() if amount)


def as_cell(fee: Fee, month: date) -> Cell:
    """A fee as a frozen figure (`closed_figures`)."""
    what = IDLE if fee.team is None else SHARE
    return Cell(month.isoformat(), fee.tenant, fee.team or "", "", fee.plan, what, Sums(cost=fee.amount))


def of_cell(cell: Cell) -> Fee:
    """The other way round."""
    return Fee(cell.provider, cell.tenant, None if cell.model == IDLE else cell.team, cell.sums.cost)
