"""The boards' named queries: their text with the shared pieces put in, and what their first lines promise.

A file `sql/queries/board_NAME.sql` begins with comment lines: what it answers, then

    -- Columns: day (time), tier (label), spend (USD).     in this order; what stands in brackets is a `Unit`
    -- Order: day, tier desc                               how rows are sorted, when that matters
    -- Reads: hours                                        what it reads, a key of `READS`

and may use these pieces, so that every panel filters alike:

    @hours                the time range in whole hours, the first one counted in full: fits the roll-up
    @team                 the team, `(none)` for calls without one
    @filter(team, model)  the chosen values of these variables; everything when they are on All
    @until                the end of the time range as DateTime64, for columns of that type
    @wilson_low           with @wilson_high, the ends of the 95 % interval of the share of `j.success`
    @month_budgets        the months' budgets that fit the chosen teams: month, amount, spent, expected, low, high (USD)
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
    "time", "text", "label", "USD", "USD/call", "USD/1k", "tokens", "calls", "rows", "runs", "count", "share", "change",
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
    "budgets": "a row for each budget and period, or for what happened to one",
    "plans": "a row for each plan and period, or for each day and group that used one",
    "closings": "a row for each change of a month",
    "incidents": "a row for each change of a runaway, for each signal, notice or control",
    "outcomes": "a row for each judged run that began in the time range",
}

_TEAM = "if(team_id = '', '(none)', team_id)"
_COLUMN = {"team": _TEAM, "tier": "tier", "model": "request_model", "agent": "agent_id"}
_UNTIL = "fromUnixTimestamp64Milli(toInt64(toUnixTimestamp($__toTime)) * 1000, 'UTC')"
_HOURS = "hour > $__fromTime - INTERVAL 1 HOUR AND hour < $__toTime"

_MONTH_BUDGETS = """(
    SELECT
        b.month AS month, b.most.1 AS amount, b.most.2 AS spent, b.most.3 AS expected, b.most.4 AS low,
        b.most.5 AS high
    FROM
    (
        SELECT
            toStartOfMonth(period_start) AS month, team_id,
            argMax(
                (toFloat64(amount_usd), toFloat64(spent_usd), toFloat64(forecast_usd), toFloat64(forecast_low_usd),
                toFloat64(forecast_high_usd)),
                toFloat64(spent_usd) / toFloat64(amount_usd)
            ) AS most
        FROM budget_states
        WHERE period = 'month' AND amount_usd > 0 AND each IN ('', 'team') AND tier = ''
            -- of everything, or of one team and limited by nothing else
            AND if(team_id = '', each = '' AND empty(mapKeys(scope)), hasAll(['team'], mapKeys(scope)))
            AND @filter(team) AND $__conditionalAll(team_id != '', $team)
            -- what is spent in a tier or on a model is no share of these
            AND $__conditionalAll(1 = 0, $tier) AND $__conditionalAll(1 = 0, $model)
        GROUP BY month, team_id
    ) AS b
    QUALIFY (b.team_id = '') = max(b.team_id = '') OVER (PARTITION BY b.month)
)"""


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
    sql = sql.replace("@month_budgets", _MONTH_BUDGETS)
    sql = re.sub(r"@filter\(([\w, ]+)\)", lambda m: " AND ".join(_filter(n.strip()) for n in m[1].split(",")), sql)
    for side, sign in (("low", "-"), ("high", "+")):
        sql = sql.replace(f"@wilson_{side}", _wilson(sign))
    return sql.replace("@hours", _HOURS).replace("@team", _TEAM).replace("@until", _UNTIL)


def _wilson(sign: str) -> str:
    """An end of Wilson's interval for the share of `j.success` among the rows; z = 1.959964."""
    n, p, z = "count()", "avg(j.success)", "1.959964"
    root = f"sqrt({p} * (1 - {p}) / {n} + {z} * {z} / (4 * {n} * {n}))"
    return f"({p} + {z} * {z} / (2 * {n}) {sign} {z} * {root}) / (1 + {z} * {z} / {n})"


def _filter(name: str) -> str:
    if name in {"run", "incident"}:
        return f"$__conditionalAll({name}_id = decodeURLComponent('${{{name}:percentencode}}'), ${name})"
    if name not in _COLUMN:
        raise LedgerError(f"@filter({name}): there is no such variable")
    # `has` with a constant array uses the ledger's order; `IN` with the same array would read everything.
    values = f"splitByChar('&', '${{{name}:customqueryparam:v}}')"
    chosen = f"arrayMap(v -> decodeURLComponent(substring(v, 3)), {values})"
    return f"$__conditionalAll(has({chosen}, {_COLUMN[name]}), ${name})"
