"""What a column is drawn as: Grafana's unit, decimals, width and heading, from the unit that its query promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNITS: Final[Mapping[str, tuple[str, int | None]]] = {
    "time": ("dateTimeAsIso", None),
    "text": ("string", None),
    "USD": ("currencyUSD", 2),
    "USD/call": ("currencyUSD", 5),
    "USD/1k": ("currencyUSD", 5),
    "tokens": ("short", None),
    "calls": ("locale", 0),
    "rows": ("locale", 0),
    "runs": ("locale", 0),
    "count": ("none", 0),
    "share": ("percentunit", 1),
    "change": ("percentunit", 1),
    "seconds": ("s", None),
    "ms": ("ms", 0),
}
"""Grafana's unit and decimals. `currencyUSD` shortens thousands ($1.2K): good on an axis, wrong for a sum."""

EXACT: Final = {
    "USD": ("prefix:$", 2),
    "USD/call": ("prefix:$", 5),
    "USD/1k": ("prefix:$", 5),
    "tokens": ("locale", 0),
}

IN_FULL: Final = {"USD": EXACT["USD"]}

WIDTHS: Final = {
    "time": 175,
    "USD": 110,
    "USD/call": 100,
    "USD/1k": 155,
    "tokens": 125,
    "calls": 95,
    "rows": 95,
    "runs": 95,
    "count": 95,
    "share": 90,
    "change": 90,
    "seconds": 95,
    "ms": 95,
}
"""Pixels of a table's column; texts share what is left."""


def heading(column: str) -> str:
    """A column's heading."""
    if column == "seconds":
        return "Lasted"  # Grafana writes it as minutes or hours
    if column[:1] == "p" and column[1:].isdigit():
        return column
    return column.replace("_", " ").replace("cost per 1k", "cost per 1k tokens").capitalize()
