"""A worker's own database connection as the `Reader` that figures are read through."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from streams.ledger.client import Database


class DatabaseReader:
    """Decimals become plain decimal strings, as commands get them from `streams.cli.reach`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows, each a list."""
        if settings:
            sql += "\nSETTINGS " + ", ".join(f"{name} = {value}" for name, value in settings.items())
        return [
            [f"{value:f}" if isinstance(value, Decimal) else value for value in row]
            for row in self._database.rows(sql, parameters)
        ]
