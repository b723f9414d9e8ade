"""Prices of calls computed again: which of them change, and by how much. Pure: columns in, columns out.

A call changes when its figure does, or when it gains or loses its price. A price of the same amount by another book or
file is no change: nothing is written for it, so that rating the same calls twice writes nothing the second time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.meter.price import Pricer
from streams.meter.rows import money

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MONEY = pa.decimal128(18, 12)

COPIED: tuple[tuple[str, str], ...] = (
    ("incarnation", "UInt32"),
    ("partition", "UInt32"),
    ("offset", "UInt64"),
    ("item", "UInt32"),
    ("ingested_at", "DateTime64(3, 'UTC')"),
    ("id", "String"),
    ("time", "DateTime64(3, 'UTC')"),
    ("tenant_id", "String"),
    ("team_id", "String"),
    ("agent_id", "String"),
    ("run_id", "String"),
    ("provider_name", "String"),
    ("request_model", "String"),
    ("tier", "String"),
    ("task_class", "String"),
    ("api_key_id", "String"),
    ("plan_id", "String"),
)
"""Columns of an adjustment that are the call's."""

FOUND: tuple[tuple[str, str], ...] = (
    ("cost_before_usd", "Nullable(Decimal(18, 12))"),
    ("cost_after_usd", "Nullable(Decimal(18, 12))"),
    ("adjustment_usd", "Decimal(18, 12)"),
    ("priced_change", "Int8"),
    ("price_status", "String"),
    ("price_source", "String"),
    ("price_ref", "String"),
    ("price_from", "String"),
)
"""Columns of an adjustment that the rating found."""


@dataclass(slots=True)
class Tally:
    """What a rating does to the calls of one model, or to all. Money in 1e-12 USD."""

    calls: int = 0
    """Looked at."""
    changed: int = 0
    newly_priced: int = 0
    unpriced: int = 0
    """Lost their price."""
    before_pico: int = 0
    """Of the changed calls."""
    after_pico: int = 0

    @property
    def sum_pico(self) -> int:
        """What the rating adds."""
        return self.after_pico - self.before_pico

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.calls += other.calls
        self.changed += other.changed
        self.newly_priced += other.newly_priced
        self.unpriced += other.unpriced
        self.before_pico += other.before_pico
        self.after_pico += other.after_pico


@dataclass(frozen=True, slots=True)
class Changes:
    """The adjustments of a block (`COPIED` and `FOUND` columns; maybe no rows), and tallies by (provider, model)."""

    rows: pa.Table
    by_model: dict[tuple[str, str], Tally] = field(default_factory=dict)


def changes(calls: pa.Table, pricer: Pricer) -> Changes:
    """Price the calls (columns of `sql/queries/rating_calls.sql`) again, each as of its own time."""
    provider, model = calls.column("provider_name").to_pylist(), calls.column("request_model").to_pylist()
    priced = pricer.price(
        [name or None for name in provider],
        model,
        [name or None for name in calls.column("response_model").to_pylist()],
        *(_ints(calls, name) for name in _COUNTS),
        latency_ms=calls.column("latency_ms").to_pylist(),
    )
    had, before = _pico(calls.column("rated_cost_usd"))
    has, after = priced.priced, priced.cost_pico
    changed = (had != has) | (had & has & (before != after))
    by_model = _tallies(provider, model, changed, had, has, before, after)
    at = np.flatnonzero(changed)
    rows = calls.take(pa.array(at)).select([name for name, _ in COPIED])
    difference = np.where(has, after, 0) - np.where(had, before, 0)
    found = {
        "cost_before_usd": money(before[at], had[at]),
        "cost_after_usd": money(after[at], has[at]),
        "adjustment_usd": signed_money(difference[at]),
        "priced_change": pa.array((has.astype(np.int8) - had.astype(np.int8))[at]),
        "price_status": _named(priced.statuses, priced.status[at]),
        "price_source": _named(priced.sources, priced.source[at]),
        "price_ref": _named(priced.refs, priced.ref[at]),
        "price_from": _named(priced.sinces, priced.since[at]),
    }
    for name, column in found.items():
        rows = rows.append_column(name, column)
    return Changes(rows, by_model)


def signed_money(amount: I64) -> pa.Array:
    """Decimals with 12 places from integers of 1e-12 USD of either sign; no arithmetic, no rounding."""
    wide = np.empty((len(amount), 2), dtype=np.int64)
    wide[:, 0] = amount
    wide[:, 1] = amount >> 63  # the sign fills the upper half
    return pa.Array.from_buffers(_MONEY, len(amount), [None, pa.py_buffer(wide.tobytes())])


_COUNTS = (
    "time_ms",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)


def _ints(calls: pa.Table, name: str) -> I64:
    values: I64 = calls.column(name).to_numpy().astype(np.int64)
    return values


def _pico(column: pa.ChunkedArray) -> tuple[Mask, I64]:
    """Which values there are, and what they are in 1e-12 USD (0 where there is none)."""
    amount = np.zeros(len(column), dtype=np.int64)
    known = np.zeros(len(column), dtype=np.bool_)
    start = 0
    for chunk in column.cast(_MONEY).chunks:
        held = np.frombuffer(chunk.buffers()[1], dtype=np.int64).reshape(-1, 2)[chunk.offset :][: len(chunk), 0]
        there = chunk.is_valid().to_numpy(zero_copy_only=False)
        known[start : start + len(chunk)] = there
        amount[start : start + len(chunk)] = np.where(there, held, 0)
        start += len(chunk)
    return known, amount


def _named(texts: tuple[str, ...], codes: npt.NDArray[np.integer]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.string())).cast(
        pa.string()
    )


def _tallies(
    provider: list[str], model: list[str], changed: Mask, had: Mask, has: Mask, before: I64, after: I64
) -> dict[tuple[str, str], Tally]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, key in enumerate(zip(provider, model, strict=True)):
        groups[key].append(at)
    tallies: dict[tuple[str, str], Tally] = {}
    for key, places in groups.items():
        group = np.array(places)
        at = group[changed[group]]
        tallies[key] = Tally(
            calls=len(places),
            changed=len(at),
            newly_priced=int((has[at] & ~had[at]).sum()),
            unpriced=int((had[at] & ~has[at]).sum()),
            before_pico=sum(before[at].tolist()),
            after_pico=sum(np.where(has[at], after[at], 0).tolist()),
        )
    return tallies
