"""Writes how budgets stand (`budget_states`) and what happened to them (`budget_events`). Blocks.

States are replaced: one row for a budget, value and period counts, the latest. Writing one again changes nothing that
a reader sees. Events are rows with ids that say what happened; the views show each id once.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from streams.budgets.events import Event, Known, is_on
from streams.budgets.period import DAY_MS
from streams.budgets.state import BudgetState
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.money import usd

_USD: Final = pa.decimal128(38, 12)
_TIME: Final = pa.timestamp("ms", "UTC")
_SCOPE: Final = pa.map_(pa.string(), pa.list_(pa.string()))

_STATE: Final[tuple[tuple[str, str, Any], ...]] = (
    ("budget", "String", pa.string()),
    ("value", "String", pa.string()),
    ("period_start", "DateTime64(3, 'UTC')", _TIME),
    ("period_end", "DateTime64(3, 'UTC')", _TIME),
    ("period", "String", pa.string()),
    ("hard", "Bool", pa.bool_()),
    ("each", "String", pa.string()),
    ("scope", "Map(String, Array(String))", _SCOPE),
    ("team_id", "String", pa.string()),
    ("tier", "String", pa.string()),
    ("amount_usd", "Decimal(38, 12)", _USD),
    ("spent_usd", "Decimal(38, 12)", _USD),
    ("remaining_usd", "Decimal(38, 12)", _USD),
    ("unpriced", "UInt64", pa.uint64()),
    ("crossed", "UInt16", pa.uint16()),
    ("burning", "String", pa.string()),
    ("burn_long", "Float64", pa.float64()),
    ("burn_short", "Float64", pa.float64()),
    ("forecast_usd", "Nullable(Decimal(38, 12))", _USD),
    ("forecast_low_usd", "Nullable(Decimal(38, 12))", _USD),
    ("forecast_high_usd", "Nullable(Decimal(38, 12))", _USD),
    ("exhausts_at", "Nullable(DateTime64(3, 'UTC'))", _TIME),
    ("evaluated_at", "DateTime64(3, 'UTC')", _TIME),
    ("removed", "Bool", pa.bool_()),
)
_EVENT: Final[tuple[tuple[str, str, Any], ...]] = (
    ("id", "String", pa.string()),
    ("budget", "String", pa.string()),
    ("value", "String", pa.string()),
    ("period_start", "DateTime64(3, 'UTC')", _TIME),
    ("kind", "String", pa.string()),
    ("mark", "String", pa.string()),
    ("number", "UInt32", pa.uint32()),
    ("severity", "String", pa.string()),
    ("told", "Bool", pa.bool_()),
    ("amount_usd", "Decimal(38, 12)", _USD),
    ("spent_usd", "Decimal(38, 12)", _USD),
    ("title", "String", pa.string()),
    ("at", "DateTime64(3, 'UTC')", _TIME),
)
_BADNESS: Final = ("ticket", "warning", "critical")
_KEPT_MS: Final = 70 * DAY_MS
"""Events of periods that began before are of no running period, nor of one that is still looked at."""

Key = tuple[str, str]
"""Budget and value."""


class BudgetStore:
    """See the module. Used by one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, now_ms: int) -> dict[Key, Known]:
        """What is recorded of each budget and value."""
        ids: dict[Key, set[str]] = defaultdict(set)
        counts: dict[Key, dict[str, dict[str, int]]] = defaultdict(lambda: {"burning": {}, "calm": {}})
        for budget, value, kind, mark, id_ in self._database.rows(
            named_query("budget_known_events"), {"since": now_ms - _KEPT_MS}
        ):
            key = (str(budget), str(value))
            ids[key].add(str(id_))
            if kind in counts[key]:
                counts[key][kind][str(mark)] = counts[key][kind].get(str(mark), 0) + 1
        return {key: Known(frozenset(ids[key]), counts[key]["burning"], counts[key]["calm"]) for key in ids}

    def write_states(self, states: Sequence[tuple[BudgetState, Known]]) -> None:
        """Replace the rows of these states."""
        if states:
            self._insert("budget_state_rows", _STATE, [state_row(state, known) for state, known in states])

    def write_events(self, events: Sequence[Event]) -> None:
        """Record events; one that is recorded already stays as it was."""
        if events:
            self._insert("budget_event_rows", _EVENT, [_event_row(event) for event in events])

    def forget(self, names: Sequence[str], now_ms: int) -> None:
        """Take running periods of budgets that are not among `names` off the boards."""
        self._database.command(
            "INSERT INTO budget_state_rows SELECT * REPLACE (true AS removed, "
            "fromUnixTimestamp64Milli({now:Int64}, 'UTC') AS evaluated_at) FROM (SELECT * FROM budget_state_rows FINAL "
            "WHERE NOT removed AND NOT has({names:Array(String)}, budget) "
            "AND period_end > fromUnixTimestamp64Milli({now:Int64}))",
            {"names": list(names), "now": now_ms},
        )

    def _insert(self, table: str, columns: Sequence[tuple[str, str, Any]], rows: list[dict[str, Any]]) -> None:
        data = pa.Table.from_pylist(rows, schema=pa.schema([(name, kind) for name, _, kind in columns]))
        token = hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()
        self._database.insert(table, [(name, kind) for name, kind, _ in columns], data, token=f"{table}-{token}")


def one_of(state: BudgetState, dimension: str) -> str:
    """The team (or tier) when the budget is of exactly one; empty otherwise."""
    if state.budget.each == dimension:
        return state.value
    names = state.budget.scope.limits().get(dimension, ())
    return names[0] if len(names) == 1 else ""


def state_row(state: BudgetState, known: Known) -> dict[str, Any]:
    """A row of `budget_state_rows`."""
    on = [burn.pair.severity for burn in state.burns if is_on(burn, known)]
    nearest = max(state.burns, key=lambda burn: min(burn.long, burn.short) / burn.pair.rate, default=None)
    said = state.expected
    return {
        "budget": state.budget.name,
        "value": state.value,
        "period_start": state.period.start_ms,
        "period_end": state.period.end_ms,
        "period": state.period.name,
        "hard": state.budget.hard,
        "each": state.budget.each or "",
        "scope": [(name, list(names)) for name, names in state.budget.scope.limits().items()],
        "team_id": one_of(state, "team"),
        "tier": one_of(state, "tier"),
        "amount_usd": usd(state.amount),
        "spent_usd": usd(state.spent),
        "remaining_usd": usd(state.remaining),
        "unpriced": max(0, state.unpriced),
        "crossed": max(state.reached, default=0),
        "burning": max(on, key=_BADNESS.index, default=""),
        "burn_long": 0.0 if nearest is None else nearest.long / 1000,
        "burn_short": 0.0 if nearest is None else nearest.short / 1000,
        "forecast_usd": None if said is None else usd(said.total),
        "forecast_low_usd": None if said is None else usd(said.low),
        "forecast_high_usd": None if said is None else usd(said.high),
        "exhausts_at": state.exhausts_ms,
        "evaluated_at": state.now_ms,
        "removed": False,
    }


def settled(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a row changes by what happens, and not by the mere passing of time."""
    return tuple(
        row[name] for name in ("amount_usd", "spent_usd", "unpriced", "crossed", "burning", "hard", "period_end")
    )


def _event_row(event: Event) -> dict[str, Any]:
    state = event.state
    return {
        "id": event.id,
        "budget": state.budget.name,
        "value": state.value,
        "period_start": state.period.start_ms,
        "kind": event.kind,
        "mark": event.mark,
        "number": event.number,
        "severity": event.severity,
        "told": event.told,
        "amount_usd": usd(state.amount),
        "spent_usd": usd(state.spent),
        "title": event.title,
        "at": state.now_ms,
    }
