"""What the meter knows of a batch, as columns, and the Arrow table of one ledger insert.

Calls turn into columns once, when they are decoded; everything after (prices, sums, the insert) reads columns.
A field that no call of an insert carries is left out of it: the ledger's default stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import astuple

from streams.meter.decode import CallStruct, Reject

I64 = npt.NDArray[np.int64]

OUTCOMES = ("call", "duplicate", "reject", "moved", "gap")
CALL, DUPLICATE, REJECT, MOVED, GAP = range(1, 6)
"""Codes of the ledger's `outcome`."""

FIELDS: tuple[str, ...] = tuple(CallStruct.__struct_fields__)  # type: ignore[attr-defined]
"""The contract's fields in the struct's order."""

_TEXT = (pa.string(), "String")
_DICTIONARY = (pa.dictionary(pa.int32(), pa.string()), "LowCardinality(String)")
_COUNT = (pa.int64(), "Int64")
_INSTANT = (pa.timestamp("ms", "UTC"), "DateTime64(3, 'UTC')")
_MONEY = (pa.decimal128(18, 12), "Decimal(18, 12)")
_TYPES: dict[str, tuple[pa.DataType, str]] = {
    "time": _INSTANT,
    "input_tokens": _COUNT,
    "output_tokens": _COUNT,
    "cache_read_input_tokens": _COUNT,
    "cache_write_input_tokens": _COUNT,
    "reasoning_output_tokens": _COUNT,
    "attempt": _COUNT,
    "http_status": _COUNT,
    "latency_ms": (pa.float64(), "Nullable(Float64)"),
    "time_to_first_token_ms": (pa.float64(), "Nullable(Float64)"),
    "reported_cost": (_MONEY[0], "Nullable(Decimal(18, 12))"),
    "tags": (pa.map_(pa.string(), pa.string()), "Map(String, String)"),
}
_astuple = cast("Callable[[CallStruct], tuple[Any, ...]]", astuple)
_COLUMN = {name: at for at, name in enumerate(FIELDS)}


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct texts: a code for each row, and the texts."""

    codes: npt.NDArray[np.int32]
    texts: Sequence[str]

    def arrow(self) -> pa.Array:
        """As an Arrow dictionary array."""
        return pa.DictionaryArray.from_arrays(pa.array(self.codes), pa.array(list(self.texts), pa.string()))


class CallColumns:
    """The calls of a batch by column. `columns[name]` is a tuple with None where a call lacks the field."""

    __slots__ = ("_columns", "_ints", "calls", "size")

    def __init__(self, calls: list[CallStruct]) -> None:
        self.calls = calls
        self.size = len(calls)
        self._columns: list[tuple[Any, ...]] = (
            list(zip(*map(_astuple, calls), strict=True)) if calls else [()] * len(FIELDS)
        )
        self._ints: dict[str, I64] = {}

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        return self._columns[_COLUMN[name]]

    def ints(self, name: str) -> I64:
        """A count column; absent counts are 0."""
        known = self._ints.get(name)
        if known is None:
            column = self[name]
            try:
                known = np.array(column, dtype=np.int64)
            except TypeError:
                known = np.array([value or 0 for value in column], dtype=np.int64)
            self._ints[name] = known
        return known

    def arrow(self, name: str) -> pa.Array | None:
        """A contract column for the ledger, None when no call has the field."""
        column = self[name]
        type_ = _TYPES.get(name, _TEXT)[0]
        # Absent and empty (or 0) are one in the ledger, except where NULL is a value of its own.
        if not any(column) and (not pa.types.is_floating(type_) or column.count(None) == self.size):
            return None
        if name == "time":
            return pa.array(self.ints("time")).cast(type_)
        if type_ == pa.int64():
            return pa.array(self.ints(name))
        if name == "reported_cost":
            return pa.array(column, pa.string()).cast(_MONEY[0])
        if name == "tags":
            return pa.array([list(tags.items()) if tags else [] for tags in column], type_)
        return pa.array(column, type_)


@dataclass(slots=True)
class Metered:
    """One batch of one partition after all pure steps, ready for the ledger."""

    partition: int
    incarnation: int
    epoch: int
    columns: CallColumns
    offset: I64
    item: I64
    arrived_ms: I64
    outcome: npt.NDArray[np.int8]
    identity: npt.NDArray[np.uint64]
    tier: Coded
    cost_pico: I64
    priced: npt.NDArray[np.bool_]
    price_status: Coded
    price_source: Coded
    price_ref: Coded
    price_from: Coded
    refused: list[Refused] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Ledger rows that the batch makes."""
        return self.columns.size + len(self.refused)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row without a call: a reject, or a gap in the log (then `through` is its last offset)."""

    outcome: int
    offset: int
    item: int
    through: int
    arrived_ms: int
    reason: str
    detail: str
    payload: str

    @classmethod
    def of(cls, reject: Reject, offset: int, arrived_ms: int) -> Refused:
        """A reject at its place in the log."""
        return cls(REJECT, offset, reject.index, offset, arrived_ms, reject.reason, reject.detail, reject.payload)


def ledger_table(batches: Sequence[Metered], ingested_ms: int) -> tuple[list[tuple[str, str]], pa.Table]:
    """The rows of a flush: (column name, ClickHouse type) and the data, column by column.

    `ingested_ms` is one instant for all of them: an insert must fall into one month of ingestion.
    """
    parts = [part for batch in batches for part in (_call_part(batch), _refused_part(batch)) if part is not None]
    names = [name for name in _ORDER if any(name in part for part in parts)]
    data: dict[str, pa.ChunkedArray] = {}
    for name in names:
        type_ = _ARROW_TYPES[name]
        chunks = [part[name] if name in part else pa.nulls(_rows(part), type_) for part in parts]
        data[name] = pa.chunked_array([chunk.cast(type_) if chunk.type != type_ else chunk for chunk in chunks], type_)
    rows = sum(_rows(part) for part in parts)
    data["ingested_at"] = pa.chunked_array([pa.array(np.full(rows, ingested_ms)).cast(_INSTANT[0])])
    table = pa.table(data).unify_dictionaries().combine_chunks()
    return [(name, _CLICKHOUSE_TYPES[name]) for name in table.column_names], table


_PLACE: dict[str, tuple[pa.DataType, str]] = {
    "incarnation": (pa.int32(), "UInt32"),
    "partition": (pa.int32(), "UInt32"),
    "offset": _COUNT,
    "item": (pa.int64(), "Int64"),
    "through": _COUNT,
    "epoch": (pa.int64(), "UInt64"),
    "outcome": (pa.int8(), "Int8"),
    "arrived_at": _INSTANT,
}
_FOUND: dict[str, tuple[pa.DataType, str]] = {
    "identity": (pa.uint64(), "UInt64"),
    "tier": _DICTIONARY,
    "cost_usd": (_MONEY[0], "Nullable(Decimal(18, 12))"),
    "price_status": _DICTIONARY,
    "price_source": _DICTIONARY,
    "price_ref": _DICTIONARY,
    "price_from": _DICTIONARY,
    "reason": _TEXT,
    "detail": _TEXT,
    "payload": _TEXT,
}
_ALL = {
    **_PLACE,
    **{name: _TYPES.get(name, _TEXT) for name in FIELDS if name != "tier"},
    **_FOUND,
    "ingested_at": _INSTANT,
}
_ORDER = [name for name in _ALL if name != "ingested_at"]
_ARROW_TYPES = {name: types[0] for name, types in _ALL.items()}
_CLICKHOUSE_TYPES = {name: types[1] for name, types in _ALL.items()}


def _rows(part: dict[str, pa.Array]) -> int:
    return len(part["offset"])


def _constant(value: int, count: int, type_: pa.DataType) -> pa.Array:
    return pa.array(np.full(count, value, dtype=type_.to_pandas_dtype()))


def _call_part(batch: Metered) -> dict[str, pa.Array] | None:
    count = batch.columns.size
    if not count:
        return None
    part = {
        "incarnation": _constant(batch.incarnation, count, pa.int32()),
        "partition": _constant(batch.partition, count, pa.int32()),
        "offset": pa.array(batch.offset),
        "item": pa.array(batch.item),
        "through": pa.array(batch.offset),
        "epoch": _constant(batch.epoch, count, pa.int64()),
        "outcome": pa.array(batch.outcome),
        "arrived_at": pa.array(batch.arrived_ms).cast(_INSTANT[0]),
        "identity": pa.array(batch.identity),
        "tier": batch.tier.arrow(),
        "cost_usd": money(batch.cost_pico, batch.priced),
        "price_status": batch.price_status.arrow(),
        "price_source": batch.price_source.arrow(),
        "price_ref": batch.price_ref.arrow(),
        "price_from": batch.price_from.arrow(),
    }
    for name in FIELDS:
        if name != "tier" and (column := batch.columns.arrow(name)) is not None:
            part[name] = column
    return part


def _refused_part(batch: Metered) -> dict[str, pa.Array] | None:
    refused = batch.refused
    if not refused:
        return None
    count = len(refused)
    arrived = pa.array([row.arrived_ms for row in refused], pa.int64()).cast(_INSTANT[0])
    return {
        "incarnation": _constant(batch.incarnation, count, pa.int32()),
        "partition": _constant(batch.partition, count, pa.int32()),
        "offset": pa.array([row.offset for row in refused], pa.int64()),
        "item": pa.array([row.item for row in refused], pa.int64()),
        "through": pa.array([row.through for row in refused], pa.int64()),
        "epoch": _constant(batch.epoch, count, pa.int64()),
        "outcome": pa.array([row.outcome for row in refused], pa.int8()),
        "arrived_at": arrived,
        "time": arrived,  # a reject has no event time that could be trusted
        "reason": pa.array([row.reason for row in refused], pa.string()),
        "detail": pa.array([row.detail for row in refused], pa.string()),
        "payload": pa.array([row.payload for row in refused], pa.string()),
    }


def money(amount: I64, known: npt.NDArray[np.bool_]) -> pa.Array:
    """Decimals with 12 places from integers of 1e-12 USD (>= 0), NULL where not known; no arithmetic, no rounding."""
    wide = np.zeros((len(amount), 2), dtype=np.int64)
    wide[:, 0] = amount
    validity = pa.array(known).buffers()[1]
    return pa.Array.from_buffers(_MONEY[0], len(amount), [validity, pa.py_buffer(wide.tobytes())])
