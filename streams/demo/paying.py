"""How the demo's company pays: its budgets and its flat-rate plan, from files such as any operator writes, and what
came of them, read back from the ledger.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from streams.config import DIRECTORY_FILE
from streams.ledger.client import Database
from streams.plans.duty import PlanDuty
from streams.plans.file import load_plans

FILES = Path(__file__).parent / "files"


def operator_files(root: Path, settings: Iterable[str]) -> dict[str, Path]:
    """The company's own files by setting, such as `budgets_file`.

    They are put into `root`, and a settings file there names them, so that every command with `--embedded` finds them
    when the demo is over. A `root` with a settings file stays as it is.
    """
    names = {setting: f"{setting.removesuffix('_file')}.toml" for setting in settings}
    kept = root / DIRECTORY_FILE
    if not names or kept.exists():
        return {setting: FILES / name for setting, name in names.items()}
    for name in names.values():
        if not (root / name).exists():
            shutil.copyfile(FILES / name, root / name)
    said = "".join(f'{setting} = "{name}"\n' for setting, name in names.items())
    kept.write_text(f"# Settings of every command with --embedded on this directory: docs/operate.md\n{said}", "utf-8")
    return {setting: root / name for setting, name in names.items()}


@dataclass(frozen=True, slots=True)
class PlanSpend:
    """What a plan came to in the demo. USD; `list_usd`: the same calls by the token."""

    plan: str
    used_share: float
    """Of the capacity; 0 without one."""
    fee_usd: Decimal
    idle_usd: Decimal
    overage_usd: Decimal
    total_usd: Decimal
    list_usd: Decimal

    def as_json(self) -> dict[str, Any]:
        """Money as exact decimal strings."""
        return {
            "plan": self.plan,
            "used_share": round(self.used_share, 6),
            "fee_usd": format(self.fee_usd, "f"),
            "idle_usd": format(self.idle_usd, "f"),
            "overage_usd": format(self.overage_usd, "f"),
            "total_usd": format(self.total_usd, "f"),
            "list_usd": format(self.list_usd, "f"),
        }


@dataclass(frozen=True, slots=True)
class BudgetSpend:
    """How a budget stands. USD."""

    budget: str
    period: str
    amount_usd: Decimal
    spent_usd: Decimal
    crossed: int
    """The highest threshold reached, in per cent; 0: none."""

    def as_json(self) -> dict[str, Any]:
        """Money as exact decimal strings."""
        return {
            "budget": self.budget,
            "period": self.period,
            "amount_usd": format(self.amount_usd, "f"),
            "spent_usd": format(self.spent_usd, "f"),
            "crossed": self.crossed,
        }


_PLANS = """
SELECT
    plan, if(ifNull(capacity, 0) = 0, 0, toFloat64(used) / toFloat64(assumeNotNull(capacity))), fee_usd, idle_usd,
    overage_usd, total_usd, list_usd
FROM plan_periods
WHERE kind = 'flat' AND calls > 0 AND starts <= toDateTime({now:Int64}, 'UTC') AND ends > toDateTime({now:Int64}, 'UTC')
ORDER BY plan
"""

_BUDGETS = """
SELECT budget, toString(period), amount_usd, spent_usd, crossed
FROM budget_states
WHERE value = '' AND period_start <= fromUnixTimestamp64Milli({now:Int64}, 'UTC')
    AND period_end > fromUnixTimestamp64Milli({now:Int64}, 'UTC')
ORDER BY budget
"""


def plans_now(database: Database, file: Path | None, now_ms: int) -> tuple[PlanSpend, ...]:
    """Bring the plans' figures up to date (a worker does so every two minutes) and read those of the day that was
    played: flat ones that had calls. Blocks.
    """
    PlanDuty(database, load_plans(file)).run(now_ms)
    rows = database.rows(_PLANS, {"now": now_ms // 1000})
    return tuple(PlanSpend(str(row[0]), float(row[1]), *(Decimal(str(value)) for value in row[2:])) for row in rows)


def budgets_now(database: Database, now_ms: int) -> tuple[BudgetSpend, ...]:
    """How budgets stood when the worker looked last. Blocks."""
    rows = database.rows(_BUDGETS, {"now": now_ms})
    return tuple(BudgetSpend(str(b), str(p), Decimal(str(a)), Decimal(str(s)), int(c)) for b, p, a, s, c in rows)
