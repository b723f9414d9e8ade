"""What Grafana makes of a board's SQL before ClickHouse sees it, in the same two passes.

1. The browser: `$__conditionalAll(condition, $variable)` becomes the condition, or `1=1` when the variable is All or
   empty; then `${variable:format}` becomes the chosen values.
2. The plugin's back end: `$__timeFilter(column)` and the other time macros. Alert rules see this pass only.

Variables are written `${name:customqueryparam:v}` (several values) or `${name:percentencode}` (one): both leave nothing
but letters, digits and `-_.~%=&`, so no value can end the SQL string that it stands in. Grafana's `singlequote` and
`sqlstring` leave a backslash alone, which ClickHouse reads as an escape: a team named `a\\` would break every panel.

Known limit: macros that no query here uses ($__adHocFilters, $__dateTimeFilter and their likes) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from streams.errors import UsageError

ALL = "$__all"
"""What a variable's value is when everything is chosen."""

_CONDITIONAL = "$__conditionalAll("
_VARIABLE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}|\$(?!__)(\w+)")
_NAME = re.compile(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+")
_MACRO = re.compile(r"\$__(\w+)")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What the time picker says; `interval` is a panel's bucket as Grafana works it out."""

    start: datetime
    end: datetime
    interval: timedelta = timedelta(hours=1)

    @classmethod
    def before(cls, end: datetime, span: timedelta, interval: timedelta = timedelta(hours=1)) -> TimeRange:
        """The `span` that ends at `end`."""
        return cls(end - span, end, interval)


def expand(sql: str, range_: TimeRange, variables: Mapping[str, str | list[str]] | None = None) -> str:
    """The SQL that ClickHouse would get. `variables`: a value or several by name; `ALL` or [] for everything.

    Raises `UsageError` for a macro or variable that nobody knows.
    """
    return back_end(browser(sql, variables or {}), range_)


def browser(sql: str, variables: Mapping[str, str | list[str]]) -> str:
    """The first pass."""
    sql = _conditions(sql, variables)

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name not in variables:
            raise UsageError(f"no variable is named {name!r}")
        return _formatted(name, variables[name], match[2] or "")

    return _VARIABLE.sub(value, sql)


def back_end(sql: str, range_: TimeRange) -> str:
    """The second pass."""
    start, end = int(range_.start.timestamp()), int(range_.end.timestamp())
    seconds = max(1, int(range_.interval.total_seconds()))
    milli = f"fromUnixTimestamp64Milli({start}000)", f"fromUnixTimestamp64Milli({end}000)"
    day = f"toDate('{range_.start.astimezone(UTC):%Y-%m-%d}')", f"toDate('{range_.end.astimezone(UTC):%Y-%m-%d}')"

    def between(column: str, low: str, high: str) -> str:
        return f"{column} >= {low} AND {column} <= {high}"

    out = []
    at = 0
    for hit in _MACRO.finditer(sql):
        if hit.start() < at:
            continue
        out.append(sql[at : hit.start()])
        at = hit.end()
        arguments: list[str] = []
        if sql[at : at + 1] == "(":
            arguments, at = _arguments(sql, at)
        column = arguments[0].strip() if arguments else ""
        match hit[1]:
            case "fromTime":
                out.append(f"toDateTime({start})")
            case "toTime":
                out.append(f"toDateTime({end})")
            case "timeFilter":
                out.append(between(column, f"toDateTime({start})", f"toDateTime({end})"))
            case "timeFilter_ms":
                out.append(between(column, *milli))
            case "dateFilter":
                out.append(between(column, *day))
            case "timeInterval":
                out.append(f"toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)")
            case "interval_s":
                out.append(str(seconds))
            case other:
                raise UsageError(f"the macro $__{other} is not known, or not one for the back end")
    return "".join([*out, sql[at:]])


def variables_of(sql: str) -> set[str]:
    """Names of the variables that a query mentions."""
    return {match[1] or match[3] for match in _VARIABLE.finditer(sql)}


def _conditions(sql: str, variables: Mapping[str, str | list[str]]) -> str:
    while (at := sql.rfind(_CONDITIONAL)) != -1:
        arguments, end = _arguments(sql, at + len(_CONDITIONAL) - 1)
        if len(arguments) != 2:
            raise UsageError(f"$__conditionalAll takes a condition and a variable: {sql[at:end]}")
        named = _NAME.search(arguments[1])
        value = variables.get(named[0]) if named else None
        everything = value is not None and value in (ALL, "", [], [ALL], [""])
        sql = sql[:at] + ("1=1" if everything else arguments[0]) + sql[end:]
    return sql


def _arguments(sql: str, opening: int) -> tuple[list[str], int]:
    """Arguments of the bracket at `opening` and where it ends. As in Grafana, quotes do not hide brackets or commas."""
    found: list[str] = []
    depth, start = 0, opening + 1
    for at in range(opening, len(sql)):
        match sql[at]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
                if not depth:
                    return [*found, sql[start:at]], at + 1
            case "," if depth == 1:
                found.append(sql[start:at])
                start = at + 1
    raise UsageError(f"a bracket is not closed: {sql[opening : opening + 60]}")


def _formatted(name: str, value: str | list[str], format_: str) -> str:
    kind, _, argument = format_.partition(":")
    values = value if isinstance(value, list) else [value]
    match kind:
        case "customqueryparam":
            return "&".join(f"{_encoded(argument or name)}={_encoded(one)}" for one in values)
        case "percentencode":
            return _encoded(value if isinstance(value, str) else "{" + ",".join(value) + "}")
        case _:
            raise UsageError(f"${{{name}:{format_}}}: write customqueryparam or percentencode, the others do not quote")


def _encoded(text: str) -> str:
    """JavaScript's encodeURIComponent, with !'()* encoded too, as Grafana does it."""
    return quote(text, safe="-_.~")
