"""FOCUS rows as a file: CSV for whoever reads it, Parquet for engines. The same rows give the same bytes.

CSV: UTF-8, comma, a header, empty for null, decimals without exponents, instants as `2026-10-01T00:00:00Z`. Texts stand
as they are, for machines: open it as a formula-running spreadsheet only if you trust the names that agents give
themselves. Parquet: decimals stay decimals, never floats. A file is there whole or not at all.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streams.errors import UsageError
from streams.export.columns import COLUMNS
from streams.export.focus import Row


def table(rows: Sequence[Row]) -> pa.Table:
    """All columns, in their order."""
    return pa.table({name: pa.array([row.get(name) for row in rows], type_) for name, type_ in COLUMNS})


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """One file, compressed. Raises `UsageError` when it cannot be written."""

    def write(part: Path) -> None:
        pq.write_table(table(rows), part, compression="zstd")

    _whole(path, write)


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """See the module. Raises `UsageError` when it cannot be written."""

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(name for name, _ in COLUMNS)
            writer.writerows([_text(row.get(name), type_) for name, type_ in COLUMNS] for row in rows)

    _whole(path, write)


def _text(value: Any, type_: pa.DataType) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, Decimal):
        # Quantities keep one decimal, so that readers take the column for the decimals that it has by FOCUS.
        plain = f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
        return plain if "." in plain else f"{plain}.0"
    return str(value)


def _whole(path: Path, write: Any) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            write(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
