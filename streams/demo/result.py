"""What came of a demo, read back from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streams.demo.flagged import Flag, flag_of
from streams.demo.paying import BudgetSpend, PlanSpend
from streams.demo.runaways import Runaway
from streams.ledger.audit import AuditReport
from streams.top.figures import Arrivals, Line, RunSpend, Totals


@dataclass(frozen=True, slots=True)
class DemoResult:
    """`seconds`: from the first call published until the last one was in the ledger; the others stand apart."""

    from_ms: int
    """Event time that was played, epoch ms."""
    to_ms: int
    published: int
    totals: Totals
    """Of this demo."""
    tiers: tuple[Line, ...]
    teams: tuple[Line, ...]
    runaways: tuple[tuple[Runaway, RunSpend], ...]
    """Those that began."""
    arrivals: Arrivals
    """Of the whole demo."""
    audit: AuditReport
    seconds: float
    setup_seconds: float
    first_figure_seconds: float
    """From the end of the set-up until the first call was seen in the ledger."""
    flags: tuple[Flag, ...] = ()
    """Incidents that the worker opened."""
    run_ids: Mapping[Runaway, str] = field(default_factory=dict)
    """As in the ledger."""
    plans: tuple[PlanSpend, ...] = ()
    budgets: tuple[BudgetSpend, ...] = ()

    @property
    def ok(self) -> bool:
        """Every record is accounted for and the ledger adds up."""
        return self.audit.ok and self.totals.rows - self.totals.moved == self.published

    def as_json(self) -> dict[str, Any]:
        """JSON's own types; money as exact decimal strings, USD."""
        totals = self.totals
        return {
            "published": self.published,
            "ledger_rows": totals.calls,
            "duplicates": totals.duplicates,
            "rejected": totals.rejects,
            "unpriced": totals.unpriced,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost_usd": usd(totals.cost_usd),
            "by_tier": {line.key: _spend(line) for line in self.tiers},
            "by_team": {line.key: _spend(line) for line in self.teams},
            "incidents": [flag.as_json() for flag in self.flags],
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "seconds": round(self.seconds, 3),
            "calls_per_second": round(self.published / self.seconds, 1) if self.seconds else 0.0,
            "publish_to_ledger_ms": {"p50": self.arrivals.delay_p50_ms, "p99": self.arrivals.delay_p99_ms},
            "setup_seconds": round(self.setup_seconds, 3),
            "first_figure_seconds": round(self.first_figure_seconds, 3),
            "runaways": [
                {
                    "kind": runaway.kind,
                    "agent_id": runaway.agent.agent_id,
                    "run_id": self.run_ids.get(runaway, runaway.run_id),
                    "incident": flag.id if (flag := flag_of(runaway, self.run_ids, self.flags)) else None,
                    "starts_ms": runaway.starts_ms,
                    "calls": spend.calls,
                    "cost_usd": usd(spend.cost_usd),
                }
                for runaway, spend in self.runaways
            ],
            "plans": [one.as_json() for one in self.plans],
            "budgets": [one.as_json() for one in self.budgets],
            "audit_ok": self.audit.ok,
        }


def usd(amount: Decimal) -> str:
    """An exact plain decimal."""
    return format(amount, "f")


def _spend(line: Line) -> dict[str, Any]:
    return {
        "calls": line.calls,
        "unpriced": line.unpriced,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": usd(line.cost_usd),
    }
