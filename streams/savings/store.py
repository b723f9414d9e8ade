"""Figures of a day into the tables that boards read: `savings_estimates`, `savings_evidence`, `outcome_figures`.

Each insert has a token made of the day: two workers that work the same day out write it once. `savings_estimates` is
written last, so that a day which is in it is there in full. Blocking.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from streams.ledger.client import Database
from streams.money import usd
from streams.outcomes.quality import Quality
from streams.savings.mix import share
from streams.savings.result import Savings

_MONEY = (pa.decimal128(38, 12), "Decimal(38, 12)")
_MAYBE_MONEY = (_MONEY[0], "Nullable(Decimal(38, 12))")
_TEXT = (pa.string(), "String")
_TEXTS = (pa.list_(pa.string()), "Array(String)")
_COUNT = (pa.int64(), "Int64")
_MAYBE_COUNT = (_COUNT[0], "Nullable(UInt64)")
_FLOAT = (pa.float64(), "Float64")
_MAYBE_FLOAT = (_FLOAT[0], "Nullable(Float64)")
_DAY = (pa.date32(), "Date32")

Columns = dict[str, tuple[pa.DataType, str]]

ESTIMATE: Columns = {
    "day": _DAY, "made_at": (pa.timestamp("ms", "UTC"), "DateTime64(3, 'UTC')"), "days": _COUNT, "calls": _COUNT,
    "cost_usd": _MONEY, "routine_low": _FLOAT, "routine_high": _FLOAT, "movable_low": _FLOAT, "movable_high": _FLOAT,
    "judged_share": _FLOAT, "policy_share": _FLOAT, "saving_low_usd": _MONEY, "saving_high_usd": _MONEY,
    "recommendation": _TEXT, "why": _TEXT, "conditions": _TEXTS, "questions": _TEXTS, "answers": _TEXTS,
    "reasons": _TEXTS, "assumptions": _TEXTS,
}  # fmt: skip
EVIDENCE: Columns = {
    "day": _DAY, "task_class": _TEXT, "from_tier": _TEXT, "to_tier": _TEXT, "state": _TEXT, "runs_from": _COUNT,
    "successes_from": _COUNT, "runs_to": _COUNT, "successes_to": _COUNT, "difference": _MAYBE_FLOAT,
    "low": _MAYBE_FLOAT, "high": _MAYBE_FLOAT, "runs_needed": _MAYBE_COUNT, "calls": _MAYBE_COUNT,
    "cost_usd": _MAYBE_MONEY, "saving_low_usd": _MAYBE_MONEY, "saving_high_usd": _MAYBE_MONEY,
}  # fmt: skip
FIGURES: Columns = {
    "day": _DAY, "dimension": _TEXT, "name": _TEXT, "runs": _COUNT, "successes": _COUNT, "low": _FLOAT, "high": _FLOAT,
    "cost_usd": _MONEY, "cost_per_success_usd": _MAYBE_MONEY, "calls": _COUNT, "unpriced": _COUNT,
}  # fmt: skip


class FigureStore:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, day: date) -> bool:
        """The day was written in full."""
        [(count,)] = self._database.rows(
            "SELECT count() FROM savings_estimates WHERE day = {day:Date}", {"day": day.isoformat()}
        )
        return bool(count)

    def write(self, day: date, savings: Savings, quality: Quality, made_ms: int) -> None:
        """Write a day; again, after a fault, with the same effect. Raises `Unavailable`."""
        self._insert("outcome_figures", FIGURES, day, _figures(quality))
        self._insert("savings_evidence", EVIDENCE, day, _evidence(savings))
        self._insert("savings_estimates", ESTIMATE, day, [_estimate(savings, made_ms)])

    def _insert(self, table: str, columns: Columns, day: date, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        data = pa.Table.from_pylist(
            [row | {"day": day} for row in rows],
            schema=pa.schema([(name, kind) for name, (kind, _) in columns.items()]),
        )
        kinds = [(name, kind) for name, (_, kind) in columns.items()]
        self._database.insert(table, kinds, data, token=f"{table}:{day}")


def _estimate(savings: Savings, made_ms: int) -> dict[str, Any]:
    known, saving = savings.known, savings.saving
    return {
        "made_at": datetime.fromtimestamp(made_ms / 1000, UTC),
        "days": savings.span.days,
        "calls": known.calls,
        "cost_usd": usd(known.cost),
        "routine_low": known.routine[0],
        "routine_high": known.routine[1],
        "movable_low": known.movable[0],
        "movable_high": known.movable[1],
        "judged_share": share(known.coverage.judged, known.coverage.runs),
        "policy_share": known.with_policy,
        "saving_low_usd": usd(saving.low),
        "saving_high_usd": usd(saving.high),
        "recommendation": savings.recommendation.kind,
        "why": savings.recommendation.why,
        "conditions": list(savings.recommendation.conditions),
        "questions": [one.question for one in savings.questions],
        "answers": [one.answer for one in savings.questions],
        "reasons": [one.why for one in savings.questions],
        "assumptions": list(savings.assumptions),
    }


def _evidence(savings: Savings) -> list[dict[str, Any]]:
    moves = {move.pair: move for move in savings.moves if move.worthwhile}
    rows: list[dict[str, Any]] = []
    for pair in savings.pairs:
        move, found = moves.get(pair), pair.difference
        saving = None if move is None else move.saving
        rows.append(
            {
                "task_class": pair.task_class,
                "from_tier": pair.present,
                "to_tier": pair.other,
                "state": pair.state,
                "runs_from": pair.runs_present.of,
                "successes_from": pair.runs_present.hits,
                "runs_to": pair.runs_other.of,
                "successes_to": pair.runs_other.hits,
                "difference": None if found is None else found.estimate,
                "low": None if found is None else found.low,
                "high": None if found is None else found.high,
                "runs_needed": pair.runs_needed,
                "calls": None if move is None else move.calls,
                "cost_usd": None if move is None else usd(move.cost),
                "saving_low_usd": None if saving is None else usd(saving.low),
                "saving_high_usd": None if saving is None else usd(saving.high),
            }
        )
    return rows


def _figures(quality: Quality) -> list[dict[str, Any]]:
    groups = [(name, group) for name, found in quality.groups.items() for group in found]
    groups += [("by_agent", group) for group in quality.agents]
    return [
        {
            "dimension": name,
            "name": " / ".join(part or "(none)" for part in group.key),
            "runs": group.runs,
            "successes": group.successes,
            "low": group.interval[0],
            "high": group.interval[1],
            "cost_usd": usd(group.cost_pico),
            "cost_per_success_usd": group.cost_per_success,
            "calls": group.calls,
            "unpriced": group.unpriced,
        }
        for name, group in groups
    ]
