"""What the operator's plans say of the decision: for each flat plan, what was used and where it breaks even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.plans import Plan
from streams.money import exact
from streams.outcomes.period import Span
from streams.outcomes.runs import Reader
from streams.plans.allocate import Statement
from streams.plans.figures import month_of


@dataclass(frozen=True, slots=True)
class BreakEven:
    """One period of one flat plan. Money in 1e-12 USD; `used` and `at` in `unit` (tokens or calls)."""

    plan: str
    unit: str
    fee: int
    used: int
    at: int | None
    """Units at which the period's mix costs the fee by list price; None when nothing was used."""
    pays_off: bool | None

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "plan": self.plan, "unit": self.unit, "fee_usd": exact(self.fee), "used": self.used,
            "break_even": self.at, "pays_off": self.pays_off,
        }  # fmt: skip

    def in_words(self) -> str:
        """One sentence."""
        if self.at is None:
            return f"Plan {self.plan}: nothing was used of it, so it has no break-even yet."
        verdict = "pays off" if self.pays_off else "does not pay off"
        return f"Plan {self.plan}: {self.used:,} {self.unit} used, break-even at {self.at:,}: it {verdict}."


def break_evens(ledger: Reader, plans: Sequence[Plan], span: Span) -> list[BreakEven]:
    """Of the last period in the month that the span ends in; flat plans only, in the file's order."""
    last = datetime.fromtimestamp((span.end_ms - 1) // 1000, UTC)
    month = datetime(last.year, last.month, 1, tzinfo=UTC)
    found: dict[str, Statement] = {}
    for statement in month_of(ledger, plans, int(month.timestamp()) * 1000).statements:
        if statement.kind == "flat":
            found[statement.plan] = statement
    return [
        BreakEven(name, one.unit, one.fee_pico, one.used, one.break_even, one.pays_off) for name, one in found.items()
    ]
