"""A section that another part of Spendstream adds to the report (savings, plans): markup for the page, tables for CSV.

Whoever makes one escapes everything that comes from the ledger (`markupsafe.Markup`, or a template with autoescape);
the page takes the markup as it is, and its style sheet: h2 is set by the page, tables have a head, `n` marks numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

Value = str | int


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is the CSV file's name and the key in JSON; columns that end with `_usd` are money, twelve decimals."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """`id` is the anchor on the page. `markup` stands below the title; no scripts, no network."""

    id: str
    title: str
    markup: Markup
    tables: tuple[Table, ...] = ()
