"""Runs every query of the boards and alert rules on a ledger, without Grafana, and says what is wrong.

    report = check(ledger, read(), now)

For each board: the variables' own queries; then every panel with everything chosen, with one value of each variable,
with several, and with values that break what is not quoted. Held against the first lines of the query's file:
columns and their order, types, the order of rows, that a choice lets nothing else through, and (with everything
chosen) that there is something to see. Alert rules: one number and only texts beside it. `now` is the end of all
time ranges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from streams.boards.files import Boards
from streams.boards.lint import lint, panels_of, query_of
from streams.boards.macros import ALL, TimeRange, back_end, expand, variables_of
from streams.boards.queries import BoardQuery, board_query
from streams.errors import SpendstreamError

Choice = Mapping[str, str | list[str]]

TYPED: Sequence[str] = (
    "o'brien",
    "back\\slash",
    "\\",
    "') OR 1=1 --",
    "${team} $__toTime %27 & +",
    "ünï\n",
    "x" * 4096,
)
"""Values that nobody offers but anybody can type or put into a link."""

_NUMBERS = re.compile(r"(Nullable\()?(U?Int\d+|Float\d+|Decimal\S*)")
_TIMES = re.compile(r"(Nullable\()?DateTime")
_TEXTS = re.compile(r"(LowCardinality\()?(Nullable\()?(String|Enum|FixedString)")


class Asked(Protocol):
    """What `check` asks; `streams.cli.reach.Ledger` is one."""

    def text(self, sql: str, fmt: str) -> bytes:
        """One statement's result in a ClickHouse format."""
        ...


@dataclass(frozen=True, slots=True)
class Ran:
    """One query as it ran. `choice`: everything, one, several, typed, or alert."""

    board: str
    title: str
    query: str
    choice: str
    rows: int
    rows_read: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What ran, and what is wrong: a line each, empty when all is well."""

    ran: list[Ran]
    faults: list[str]


@dataclass(frozen=True, slots=True)
class _Answer:
    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    rows_read: int
    seconds: float


def check(ledger: Asked, boards: Boards, now: datetime, *, filled: bool = True) -> Report:
    """Lint and run everything. `filled`: the ledger has rows of every kind up to `now`, so no panel may be empty."""
    ran: list[Ran] = []
    faults = lint(boards.boards)
    for name, board in boards.boards.items():
        faults += _board(_Remembering(ledger), name, board, now, filled, ran)
    for group in boards.rules["groups"]:
        for rule in group["rules"]:
            faults += _alert(ledger, rule, now, ran)
    return Report(ran, faults)


def time_range(board: Mapping[str, Any], now: datetime, interval: str = "1m") -> TimeRange:
    """The board's own time range, ended at `now`. `interval`: the panel's shortest bucket."""
    return TimeRange.before(now, _span(str(board["time"]["from"]).removeprefix("now-")), _span(interval))


def _span(text: str) -> timedelta:
    number, unit = int(text[:-1]), {"m": "minutes", "h": "hours", "d": "days"}[text[-1]]
    return timedelta(**{unit: number})


def _board(
    ask: _Remembering, name: str, board: dict[str, Any], now: datetime, filled: bool, ran: list[Ran]
) -> Iterator[str]:
    everything: dict[str, str | list[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] in {"query", "textbox"}:
            everything[variable["name"]] = ALL if variable["type"] == "query" else ""
    offered: dict[str, list[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = board_query(f"choice_{variable['name']}")
        answer = ask(query.sql, time_range(board, now), everything)
        if isinstance(answer, str):
            yield f"{name}: variable {variable['name']}: {answer}"
            continue
        ran.append(
            Ran(
                name,
                f"${variable['name']}",
                query.name,
                "everything",
                len(answer.rows),
                answer.rows_read,
                answer.seconds,
            )
        )
        yield from (f"{name}: variable {variable['name']}: {one}" for one in _promised(query, answer))
        if filled and not answer.rows:
            yield f"{name}: variable {variable['name']}: nothing to choose from"
        offered[variable["name"]] = [str(row[0]) for row in answer.rows]

    for panel in panels_of(board):
        query = query_of(panel["targets"][0])
        for label, choice in _choices(everything, offered, variables_of(query.sql)):
            answer = ask(query.sql, time_range(board, now, panel.get("interval") or "1m"), choice)
            where = f"{name}: {panel['title']} ({label})"
            if isinstance(answer, str):
                yield f"{where}: {answer}"
                continue
            ran.append(Ran(name, panel["title"], query.name, label, len(answer.rows), answer.rows_read, answer.seconds))
            yield from (f"{where}: {one}" for one in _promised(query, answer))
            yield from (f"{where}: {one}" for one in _let_through(query, answer, choice))
            if filled and label == "everything":
                yield from (f"{where}: {one}" for one in _empty(query, answer, panel))


def _choices(everything: Choice, offered: Mapping[str, list[str]], used: set[str]) -> Iterator[tuple[str, Choice]]:
    """What to choose: labels and values. Variables that the query does not use stay as they are."""
    yield "everything", everything
    for name in sorted(used):
        values = offered.get(name, [])
        if values:
            yield "one", {**everything, name: [values[0]]}
            yield "several", {**everything, name: values[:3]}
            # Every name that the ledger holds and that quoting could break.
            awkward = [value for value in values if re.search(r"[^\w .:/()-]", value) or len(value) > 100][:8]
            yield from (("awkward", {**everything, name: [value]}) for value in awkward)
    for value in TYPED if used else ():
        yield "typed", {name: [value] if whole == ALL else value for name, whole in everything.items()}
    if any(everything[name] == ALL for name in used):
        yield "typed", {name: list(TYPED) if whole == ALL else whole for name, whole in everything.items()}


class _Remembering:
    """Asks each text once: several panels show one query's columns."""

    def __init__(self, ledger: Asked) -> None:
        self._ledger = ledger
        self._known: dict[str, _Answer | str] = {}

    def __call__(self, sql: str, range_: TimeRange, choice: Choice) -> _Answer | str:
        try:
            text = expand(sql, range_, choice)
            if text not in self._known:
                self._known[text] = _run(self._ledger, text)
            return self._known[text]
        except SpendstreamError as error:
            return str(error)


def _run(ledger: Asked, sql: str) -> _Answer:
    told = json.loads(ledger.text(sql, "JSONCompact"))
    columns = [(column["name"], column["type"]) for column in told["meta"]]
    return _Answer(columns, told["data"], told["statistics"]["rows_read"], told["statistics"]["elapsed"])


def _promised(query: BoardQuery, answer: _Answer) -> Iterator[str]:
    """Columns, types and order as the query's file says."""
    if [name for name, _ in answer.columns] != [column.name for column in query.columns]:
        yield f"columns {[name for name, _ in answer.columns]}, promised {[column.name for column in query.columns]}"
        return
    for column, (_, type_) in zip(query.columns, answer.columns, strict=True):
        wanted = {"time": _TIMES, "text": _TEXTS, "label": _TEXTS}.get(column.unit, _NUMBERS)
        if not wanted.match(type_):
            yield f"the column {column.name} is {type_}, which is no {column.unit}"
    at = [
        (index, descending)
        for name, descending in query.order
        for index, (n, _) in enumerate(answer.columns)
        if n == name
    ]
    for one, other in zip(answer.rows, answer.rows[1:], strict=False):
        if not _ordered(one, other, at):
            yield f"not in order of {query.order}: {one} before {other}"
            return


def _ordered(one: list[Any], other: list[Any], by: list[tuple[int, bool]]) -> bool:
    for index, descending in by:
        first, second = one[index], other[index]
        if first == second:
            continue
        if first is None or second is None:
            return second is None  # what has no price comes last
        # Texts in the order of their bytes, as ClickHouse sorts.
        if isinstance(first, str):
            first, second = first.encode(), second.encode()
        return bool(first > second if descending else first < second)
    return True


def _let_through(query: BoardQuery, answer: _Answer, choice: Choice) -> Iterator[str]:
    """A column named like a variable holds chosen values only (and what sums up the others)."""
    for index, column in enumerate(query.columns):
        chosen = choice.get(column.name)
        if (
            not chosen
            or chosen == ALL
            or column.unit not in {"text", "label"}
            or column.name not in variables_of(query.sql)
        ):
            continue
        allowed = set(chosen if isinstance(chosen, list) else [chosen]) | {f"other {column.name}s"}
        others = {row[index] for row in answer.rows} - allowed
        if others:
            yield f"the choice {chosen} lets {sorted(others)[:3]} through"


def _empty(query: BoardQuery, answer: _Answer, panel: Mapping[str, Any]) -> Iterator[str]:
    if not answer.rows:
        yield "nothing to see"
        return
    shown = str(panel["options"].get("reduceOptions", {}).get("fields", "")).strip("/^$")
    for index, column in enumerate(query.columns):
        if (not shown or column.name == shown) and all(row[index] is None for row in answer.rows):
            yield f"the column {column.name} has no value in any row"


def _alert(ledger: Asked, rule: Mapping[str, Any], now: datetime, ran: list[Ran]) -> Iterator[str]:
    where = f"alert {rule['uid']}"
    if variables_of(back_end(_alert_sql(rule), TimeRange.before(now, timedelta(hours=1)))):
        yield f"{where}: uses variables, which alerts do not have"
        return
    try:
        answer = _run(ledger, expanded_alert(rule, now))
    except SpendstreamError as error:
        yield f"{where}: {error}"
        return
    query = board_query(rule["data"][0]["model"]["meta"]["query"])
    ran.append(Ran("alerts", rule["title"], query.name, "alert", len(answer.rows), answer.rows_read, answer.seconds))
    yield from (f"{where}: {one}" for one in _promised(query, answer))
    numbers = [name for name, type_ in answer.columns if _NUMBERS.match(type_)]
    texts = [name for name, type_ in answer.columns if _TEXTS.match(type_)]
    if len(numbers) != 1 or len(numbers) + len(texts) != len(answer.columns):
        yield f"{where}: an alert's query has one number and only texts beside it, not {answer.columns}"


def expanded_alert(rule: Mapping[str, Any], now: datetime) -> str:
    """The SQL of a provisioned rule as its evaluation at `now` runs it."""
    back = rule["data"][0]["relativeTimeRange"]["from"]
    return back_end(_alert_sql(rule), TimeRange.before(now, timedelta(seconds=back)))


def _alert_sql(rule: Mapping[str, Any]) -> str:
    return str(rule["data"][0]["model"]["rawSql"])
