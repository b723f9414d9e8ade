"""Statements kept as tables (`sql/migrations/0011_plans.sql`), so that boards and reports read them as they read calls.

One plan and month is written at a time: its lines, then its periods in one insert; the latest run counts, so writing
again replaces, and repeating a write after a lost answer changes nothing. Blocking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pyarrow as pa

from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.money import PICO, usd
from streams.plans.allocate import Statement
from streams.plans.period import day_of

_MONEY = pa.decimal128(38, 12)
_COUNT = pa.decimal128(38, 0)
_TEXT, _NUMBER, _DAY, _TIME = pa.string(), pa.int64(), pa.date32(), pa.timestamp("s", "UTC")
_TIERS = pa.list_(
    pa.struct([
        ("tier", _TEXT), ("calls", _NUMBER), ("tokens", _NUMBER), ("list_usd", _MONEY), ("cost_usd", _MONEY),
        ("break_even", _COUNT),
    ])
)  # fmt: skip

_WHAT = (("run", "UInt64", _NUMBER), ("month", "Date", _DAY), ("plan", "String", _TEXT))

_LINE = (
    *_WHAT,
    ("period_start", "DateTime('UTC')", _TIME),
    ("kind", "String", _TEXT),
    ("day", "Date", _DAY),
    *((name, "String", _TEXT) for name in ("tenant_id", "team_id", "tier", "provider_name", "request_model")),
    ("calls", "UInt64", _NUMBER),
    ("tokens", "UInt64", _NUMBER),
    ("list_usd", "Decimal(38, 12)", _MONEY),
    ("cost_usd", "Decimal(38, 12)", _MONEY),
)

_PERIOD = (
    *_WHAT,
    ("period_start", "DateTime('UTC')", _TIME),
    ("kind", "String", _TEXT),
    ("starts", "DateTime('UTC')", _TIME),
    ("ends", "DateTime('UTC')", _TIME),
    ("unit", "String", _TEXT),
    ("fee_usd", "Decimal(38, 12)", _MONEY),
    ("capacity", "Nullable(Decimal(38, 12))", _MONEY),
    *(
        (name, "Decimal(38, 12)", _MONEY)
        for name in ("used", "beyond", "idle", "idle_usd", "overage_usd", "total_usd", "list_usd")
    ),
    ("calls", "UInt64", _NUMBER),
    ("tokens", "UInt64", _NUMBER),
    ("unpriced_calls", "UInt64", _NUMBER),
    ("break_even", "Nullable(Decimal(38, 0))", _COUNT),
    (
        "tiers",
        "Array(Tuple(tier String, calls UInt64, tokens UInt64, list_usd Decimal(38, 12), cost_usd Decimal(38, 12), "
        "break_even Nullable(Decimal(38, 0))))",
        _TIERS,
    ),
    ("basis", "String", _TEXT),
)


class PlanStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def months(self) -> dict[int, str]:
        """Months with calls (epoch ms), and what their figures depend on."""
        return {int(month) * 1000: str(basis) for month, basis in self.database.rows(named_query("plan_months"))}

    def kept(self) -> dict[tuple[int, str], tuple[str, int]]:
        """What is kept, by month (epoch ms) and plan: what it was computed of, and the run."""
        return {
            (int(month) * 1000, str(plan)): (str(basis), int(run))
            for month, plan, basis, run in self.database.rows(named_query("plan_kept"))
        }

    def write(self, month_ms: int, plan: str, statements: Sequence[Statement], basis: str, run: int) -> None:
        """Keep the statements of a plan and month in place of what was kept. `run`: higher than what is kept."""
        what = {"run": run, "month": day_of(month_ms), "plan": plan}
        lines = [{**what, **line} for statement in statements for line in _lines(statement)]
        token = f"plan {plan} {month_ms} {run}"
        if lines:
            self._insert("plan_line_rows", _LINE, lines, f"{token} lines")
        periods = [{**what, **_period(statement), "basis": basis} for statement in statements]
        self._insert("plan_period_rows", _PERIOD, periods or [{**what, **_nothing(month_ms), "basis": basis}], token)

    def forget(self, month_ms: int, plan: str, run: int) -> None:
        """A plan that the file does not have any more, or that does not hold in that month."""
        self.write(month_ms, plan, (), "", run)

    def _insert(
        self, table: str, columns: Sequence[tuple[str, str, pa.DataType]], rows: list[dict[str, Any]], token: str
    ) -> None:
        schema = pa.schema([(name, type_) for name, _, type_ in columns])
        data = pa.Table.from_pylist(rows, schema=schema)
        self.database.insert(table, [(name, type_) for name, type_, _ in columns], data, token=token)


def _lines(statement: Statement) -> list[Mapping[str, Any]]:
    return [
        {
            "period_start": statement.stretch.whole_start_ms // 1000,
            "kind": line.kind,
            "day": line.day,
            "tenant_id": line.who.tenant_id,
            "team_id": line.who.team_id,
            "tier": line.who.tier,
            "provider_name": line.who.provider_name,
            "request_model": line.who.request_model,
            "calls": line.calls,
            "tokens": line.tokens,
            "list_usd": usd(line.list_pico),
            "cost_usd": usd(line.cost_pico),
        }
        for line in statement.lines
    ]


def _period(statement: Statement) -> dict[str, Any]:
    in_usd = statement.kind == "committed"
    scale = PICO if in_usd else 1
    return {
        "period_start": statement.stretch.whole_start_ms // 1000,
        "kind": statement.kind,
        "starts": statement.stretch.start_ms // 1000,
        "ends": statement.stretch.end_ms // 1000,
        "unit": "usd" if in_usd else statement.unit,
        "fee_usd": usd(statement.fee_pico),
        "capacity": None if statement.capacity is None else places(statement.capacity / scale),
        "used": places(Fraction(statement.used, scale)),
        "beyond": places(Fraction(statement.beyond, scale)),
        "idle": places(statement.idle / scale),
        "idle_usd": usd(statement.idle_pico),
        "overage_usd": usd(statement.overage_pico),
        "total_usd": usd(statement.total_pico),
        "list_usd": usd(statement.list_pico),
        "calls": statement.calls,
        "tokens": statement.tokens,
        "unpriced_calls": statement.unpriced_calls,
        "break_even": None if statement.break_even is None else Decimal(statement.break_even),
        "tiers": [
            {
                "tier": tier.tier,
                "calls": tier.calls,
                "tokens": tier.tokens,
                "list_usd": usd(tier.list_pico),
                "cost_usd": usd(tier.cost_pico),
                "break_even": None if tier.break_even is None else Decimal(tier.break_even),
            }
            for tier in statement.tiers
        ],
    }


def _nothing(month_ms: int) -> dict[str, Any]:
    start = month_ms // 1000
    money = dict.fromkeys(
        ("fee_usd", "used", "beyond", "idle", "idle_usd", "overage_usd", "total_usd", "list_usd"), Decimal(0)
    )
    times = dict.fromkeys(("period_start", "starts", "ends"), start)
    counts = dict.fromkeys(("calls", "tokens", "unpriced_calls"), 0)
    return {**money, **times, **counts, "kind": "none", "unit": "", "capacity": None, "break_even": None, "tiers": []}


def places(value: Fraction) -> Decimal:
    """With twelve places, half to even: capacity of a part of a period need not be a decimal."""
    with localcontext(_WIDE):
        return (Decimal(value.numerator) / value.denominator).quantize(Decimal(1).scaleb(-12))


with localcontext() as _WIDE:
    _WIDE.prec = 60
