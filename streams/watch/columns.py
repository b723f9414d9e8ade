"""Types of the watcher's columns, for ClickHouse and for Arrow."""

from __future__ import annotations

import pyarrow as pa

_ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "Bytes": pa.binary(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", "UTC"),
    "Nullable(DateTime64(3, 'UTC'))": pa.timestamp("ms", "UTC"),
    "Decimal(38, 12)": pa.decimal128(38, 12),
    "Map(String, String)": pa.map_(pa.string(), pa.string()),
    "Array(String)": pa.list_(pa.string()),
}
TIME, MAYBE, MONEY = "DateTime64(3, 'UTC')", "Nullable(DateTime64(3, 'UTC'))", "Decimal(38, 12)"


def columns(**types: str) -> tuple[list[tuple[str, str]], pa.Schema]:
    """Columns for `Database.insert` and the Arrow schema of their data."""
    schema = pa.schema([(name, _ARROW[type_]) for name, type_ in types.items()])
    return [(name, "String" if type_ == "Bytes" else type_) for name, type_ in types.items()], schema
