"""Chargeback: what each team is charged for a month: its own calls, its corrections, its share of fees.

    charged = own calls by list price + corrections of earlier closed months that became known in it + what plans add

Corrections go to the team that made the calls. Plans add a team's shares of fees and take the list prices of the calls
that the fees cover (`streams.closing.fees`); what no team used of a fee stays a line of its own, so that the lines add
up to what the month costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from streams.closing.fees import Fee
from streams.closing.statement import Correction
from streams.report.sums import Cell, Sums, grouped


@dataclass(frozen=True, slots=True)
class Charged:
    """A line of the chargeback; amounts in pico-USD. `team` None: what nobody used of fees."""

    tenant: str
    team: str | None
    own: Sums = field(default_factory=Sums)
    late: int = 0
    rerated: int = 0
    fees: int = 0

    @property
    def total(self) -> int:
        """What the team is charged."""
        return self.own.cost + self.late + self.rerated + self.fees


def chargeback(cells: Iterable[Cell], corrections: Iterable[Correction], fees: Iterable[Fee]) -> list[Charged]:
    """One line a team, what is charged most first."""
    lines: dict[tuple[str, str | None], Charged] = {}
    for (tenant, team), sums in grouped(cells, lambda cell: (cell.tenant, cell.team)).items():
        lines[tenant, team] = Charged(tenant, team, own=sums)
    for one in corrections:
        key = one.cell.tenant, one.cell.team
        line, cost = lines.get(key, Charged(*key)), one.cell.sums.cost
        lines[key] = (
            replace(line, late=line.late + cost) if one.kind == "late" else replace(line, rerated=line.rerated + cost)
        )
    for fee in fees:
        line = lines.get((fee.tenant, fee.team), Charged(fee.tenant, fee.team))
        lines[fee.tenant, fee.team] = replace(line, fees=line.fees + fee.amount)
    return sorted(lines.values(), key=lambda line: (-line.total, line.tenant, line.team or ""))


@dataclass(frozen=True, slots=True)
class Corrected:
    """Corrections of one month and kind, added up: of which month, counted in which; calls and cost in pico-USD."""

    of_month: str
    counted_in: str
    kind: str
    calls: int
    cost: int


def corrected(placed: Iterable[tuple[str, Correction]]) -> list[Corrected]:
    """(month in which it counts, correction) added up, in the order of months."""
    sums: dict[tuple[str, str, str], Sums] = {}
    for counted_in, one in placed:
        key = f"{one.of_month:%Y-%m}", counted_in, one.kind
        sums[key] = sums.get(key, Sums()) + one.cell.sums
    return [Corrected(*key, found.calls, found.cost) for key, found in sorted(sums.items())]
