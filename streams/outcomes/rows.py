"""Verdicts to one Arrow table for `outcome_intake`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas.outcome import Outcome
from streams.outcomes.decode import Verdict

_INSTANT = (pa.timestamp("ms", "UTC"), "DateTime64(3, 'UTC')")
_NUMBER = (pa.int64(), "Int64")
_TEXT = (pa.string(), "String")

_COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "incarnation": _NUMBER,
    "partition": _NUMBER,
    "offset": _NUMBER,
    "item": _NUMBER,
    "kind": _TEXT,
    "arrived_at": _INSTANT,
    "ingested_at": _INSTANT,
    "run_id": _TEXT,
    "outcome": _TEXT,
    "id": _TEXT,
    "time": _INSTANT,
    "time_told": (pa.bool_(), "Bool"),
    "agent_id": _TEXT,
    "score": (pa.float64(), "Nullable(Float64)"),
    "evaluator": _TEXT,
    "task_class": _TEXT,
    "reason": _TEXT,
    "detail": _TEXT,
    "payload": _TEXT,
}
_EMPTY: dict[str, Any] = {name: "" for name, kind in _COLUMNS.items() if kind is _TEXT} | {"score": None}

COLUMNS: list[tuple[str, str]] = [(name, kind) for name, (_, kind) in _COLUMNS.items()]
"""(name, ClickHouse type) in the table's order."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Verdicts of one stretch of one partition's log."""

    partition: int
    incarnation: int
    verdicts: Sequence[Verdict]


def outcome_table(stretches: Sequence[Placed], ingested_ms: int) -> pa.Table:
    """One row a verdict. A record without a timestamp (-1) counts as arrived when it was ingested (epoch ms)."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for placed in stretches:
        for verdict in placed.verdicts:
            row = _row(placed, verdict, ingested_ms)
            for name, column in columns.items():
                column.append(row[name])
    return pa.table(
        {
            name: pa.array(columns[name], pa.int64()).cast(kind)
            if kind == _INSTANT[0]
            else pa.array(columns[name], kind)
            for name, (kind, _) in _COLUMNS.items()
        }
    )


def _row(placed: Placed, verdict: Verdict, ingested_ms: int) -> dict[str, Any]:
    arrived_ms = verdict.arrived_ms if verdict.arrived_ms >= 0 else ingested_ms
    row = _EMPTY | {
        "incarnation": placed.incarnation,
        "partition": placed.partition,
        "offset": verdict.offset,
        "item": verdict.item,
        "arrived_at": arrived_ms,
        "ingested_at": ingested_ms,
        "time": arrived_ms,
        "time_told": False,
    }
    found = verdict.found
    if not isinstance(found, Outcome):
        return row | {"kind": "reject", "reason": found.reason, "detail": found.detail, "payload": found.payload}
    told = {name: value for name, value in found.__dict__.items() if value is not None}
    return row | told | {"kind": "outcome", "time_told": found.time is not None}
