"""Judged runs in the table that boards read, `judged_run_rows`: what `read_runs` finds, written where it has changed.

    1. compare   the runs of a span with what the table says of it, by a digest of their figures
    2. insert    what is new or different, and a `gone` row for what is there no longer, in one block
Two workers that do the same at once write the same rows, of which the view `judged_runs` shows one. Blocking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

import pyarrow as pa

from streams.ledger.client import Database
from streams.money import usd
from streams.outcomes.period import Span
from streams.outcomes.runs import Run

_INSTANT: Final = (pa.timestamp("ms", "UTC"), "DateTime64(3, 'UTC')")
_TEXT: Final = (pa.string(), "String")
_COUNT: Final = (pa.int64(), "Int64")
_FLAG: Final = (pa.bool_(), "Bool")

_COLUMNS: Final[dict[str, tuple[pa.DataType, str]]] = {
    "began_at": _INSTANT, "run_id": _TEXT, "ended_at": _INSTANT, "tier": _TEXT, "provider_name": _TEXT,
    "request_model": _TEXT, "agent_id": _TEXT, "team_id": _TEXT, "task_class": _TEXT, "success": _FLAG,
    "evaluators": _COUNT, "tiers": _COUNT, "models": _COUNT, "calls": _COUNT, "escalated": _COUNT, "retries": _COUNT,
    "input_tokens": _COUNT, "cache_read_tokens": _COUNT, "output_tokens": _COUNT,
    "cost_usd": (pa.decimal128(38, 12), "Decimal(38, 12)"), "unpriced": _COUNT, "gone": _FLAG,
    "digest": (pa.uint64(), "UInt64"), "written_at": _INSTANT,
}  # fmt: skip

_FIGURES: Final = attrgetter(*(field.name for field in fields(Run)))

_KEPT: Final = """
SELECT toUnixTimestamp64Milli(began_at), run_id, digest FROM judged_runs
WHERE began_at >= fromUnixTimestamp64Milli({first:Int64}) AND began_at < fromUnixTimestamp64Milli({end:Int64})
"""

Key = tuple[int, str]
"""When a run began (epoch ms), and its id."""


class KeptRuns:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, runs: Sequence[Run], span: Span, now_ms: int) -> int:
        """Make the table say of `span` what `runs` say, which are all that began in it; returns the rows written.

        Raises `Unavailable`; done again, it writes what is still missing.
        """
        kept = {(int(at), str(run)): int(digest) for at, run, digest in self._database.rows(_KEPT, span.parameters)}
        rows = [*_changed(runs, kept, now_ms), *_gone(runs, kept, now_ms)]
        if rows:
            table = pa.Table.from_pylist(rows, schema=pa.schema([(name, kind) for name, (kind, _) in _COLUMNS.items()]))
            kinds = [(name, kind) for name, (_, kind) in _COLUMNS.items()]
            self._database.insert("judged_run_rows", kinds, table, token=_token(rows, now_ms))
        return len(rows)


def _changed(runs: Sequence[Run], kept: dict[Key, int], now_ms: int) -> Iterator[dict[str, Any]]:
    for run in runs:
        digest = _digest(run)
        if kept.get((run.began_ms, run.run_id)) != digest:
            yield {
                "began_at": run.began_ms, "run_id": run.run_id, "ended_at": run.ended_ms,
                "tier": run.tier, "provider_name": run.provider, "request_model": run.model, "agent_id": run.agent,
                "team_id": run.team, "task_class": run.task_class, "success": run.success,
                "evaluators": run.evaluators, "tiers": run.tiers, "models": run.models, "calls": run.calls,
                "escalated": run.escalated, "retries": run.retries, "input_tokens": run.input_tokens,
                "cache_read_tokens": run.cache_read_tokens, "output_tokens": run.output_tokens,
                "cost_usd": usd(run.cost_pico), "unpriced": run.unpriced, "gone": False, "digest": digest,
                "written_at": now_ms,
            }  # fmt: skip


def _gone(runs: Sequence[Run], kept: dict[Key, int], now_ms: int) -> Iterator[dict[str, Any]]:
    nothing = {name: {_TEXT: "", _FLAG: True}.get(kind, 0) for name, kind in _COLUMNS.items() if kind is not _INSTANT}
    for at, run_id in sorted(kept.keys() - {(run.began_ms, run.run_id) for run in runs}):
        yield nothing | {"began_at": at, "run_id": run_id, "ended_at": at, "gone": True, "written_at": now_ms}


def _digest(run: Run) -> int:
    told = "\0".join(map(str, _FIGURES(run)))
    return int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8).digest(), "big")


def _token(rows: Sequence[dict[str, Any]], now_ms: int) -> str:
    told = ",".join(f"{row['run_id']}:{row['digest']}" for row in rows)
    return f"judged_runs:{now_ms}:{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}"
