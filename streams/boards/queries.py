"""The boards' named queries: their text with the shared pieces put in, and what their first lines promise.

A file `sql/queries/board_NAME.sql` begins with comment lines: what it answers, then

    -- Columns: day (time), tier (label), spend (USD).     in this order; what stands in brackets is a `Unit`
    -- Order: day, tier desc                               how rows are sorted, when that matters
    -- Reads: hours                                        what it reads, a key of `READS`

and may use three pieces, so that every panel filters alike:

    @hours                the time range in whole hours, the first one counted in full: fits the roll-up
    @team                 the team, `(none)` for calls without one
    @filter(team, model)  the chosen values of these variables; everything when they are on All
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from streams.errors import LedgerError
from streams.ledger.sqlfiles import SQL, named_query

PREFIX = "board_"

UNITS: Final = frozenset({
    "time", "text", "label", "USD", "USD/call", "USD/1k", "tokens", "calls", "rows", "count", "share", "change",
    "seconds", "ms",
})  # fmt: skip
"""What a column can be. `label` names the series of a time series; `share` 1 is all; `change` 0.1 is 10 % more."""

READS: Final = {
    "hours": "the roll-up by hour: rows for each (hour, outcome, tenant, team, tier, provider, model)",
    "agents": "ledger rows; few when agents are chosen, else those of the time range and their neighbours",
    "rejects": "the refused rows only",
    "positions": "one row for each partition of the log",
    "parts": "nothing but what ClickHouse keeps of each part",
    "epochs": "the table of owners",
    "figures": "some hundred rows that a duty writes a day",
}

_TEAM = "if(team_id = '', '(none)', team_id)"
_COLUMN = {"team": _TEAM, "tier": "tier", "model": "request_model", "agent": "agent_id"}
_HOURS = "hour > $__fromTime - INTERVAL 1 HOUR AND hour < $__toTime"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result, as the file promises it."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """One named query, ready for Grafana: macros and variables still in it."""

    name: str
    about: str
    columns: tuple[Column, ...]
    order: tuple[tuple[str, bool], ...]
    """(column, descending)."""
    reads: str
    sql: str

    def unit(self, column: str) -> str:
        """The unit of a column. Raises `LedgerError` when there is no such column."""
        for one in self.columns:
            if one.name == column:
                return one.unit
        raise LedgerError(f"{self.name} has no column {column!r}")


def names() -> list[str]:
    """All board queries."""
    return sorted(path.stem.removeprefix(PREFIX) for path in (SQL / "queries").glob(f"{PREFIX}*.sql"))


@cache
def board_query(name: str) -> BoardQuery:
    """The query of `sql/queries/board_<name>.sql`. Raises `LedgerError` when its first lines lack something."""
    head, body = _split(named_query(PREFIX + name))
    about, _, rest = head.partition(" Columns: ")
    columns_text, _, rest = rest.partition(" Reads: ")
    columns_text, _, order_text = columns_text.partition(" Order: ")
    reads = rest.strip()
    columns = tuple(Column(one[1], one[2]) for one in re.finditer(r"(\w+) \(([^)]+)\)", columns_text))
    wrong = [one.unit for one in columns if one.unit not in UNITS]
    if not about or not columns or wrong or reads not in READS:
        raise LedgerError(f"{PREFIX}{name}.sql: its first lines must say what it is, Columns and Reads; wrong: {wrong}")
    order = tuple(
        (part.split()[0], part.split()[1:] == ["desc"]) for part in order_text.strip().split(",") if part.strip()
    )
    return BoardQuery(name, about.strip(), columns, order, reads, _with_pieces(body))


def _split(text: str) -> tuple[str, str]:
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return " ".join(line.removeprefix("--").strip() for line in lines[:end]), "\n".join(lines[end:]).strip()


def _with_pieces(sql: str) -> str:
    sql = re.sub(r"@filter\(([\w, ]+)\)", lambda m: " AND ".join(_filter(n.strip()) for n in m[1].split(",")), sql)
    return sql.replace("@hours", _HOURS).replace("@team", _TEAM)


def _filter(name: str) -> str:
    if name == "run":
        return "$__conditionalAll(run_id = decodeURLComponent('${run:percentencode}'), $run)"
    if name not in _COLUMN:
        raise LedgerError(f"@filter({name}): there is no such variable")
    # `has` with a constant array uses the ledger's order; `IN` with the same array would read everything.
    values = f"splitByChar('&', '${{{name}:customqueryparam:v}}')"
    chosen = f"arrayMap(v -> decodeURLComponent(substring(v, 3)), {values})"
    return f"$__conditionalAll(has({chosen}, {_COLUMN[name]}), ${name})"
