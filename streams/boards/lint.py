"""Our own rules for boards, on the JSON: what Grafana accepts and a reader would still curse. Findings are lines.

- every panel has a title, a unit and a description that says what to do (`If ...`), every table column a heading
  and a unit;
- ids are unique, panels do not overlap and stay within 24 columns, uids are unique and at most 40 characters;
- every query is a named one, as it stands in `sql/queries`; variables in it exist and are quoted by their form;
- money columns are drawn as money and nothing else is;
- links keep the time range and carry variables, and lead to boards that exist; boards link to each other with both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from streams.boards.macros import variables_of
from streams.boards.queries import BoardQuery, board_query, names
from streams.errors import SpendstreamError

_MONEY = frozenset({"currencyUSD", "prefix:$"})
_QUOTING = re.compile(r"\$\{(\w+):(customqueryparam:v|percentencode)\}")
_BARE = re.compile(r"\$\$|\$(?!__)(\w+)|\$\{(\w+)(?::([^}]*))?\}")


def lint(boards: Mapping[str, dict[str, Any]]) -> list[str]:
    """What is wrong with the boards (file name -> JSON); empty when all is well."""
    uids = [board.get("uid", "") for board in boards.values()]
    found = [f"{name}: {finding}" for name, board in boards.items() for finding in _board(board, set(uids))]
    found += [f"uid {uid!r} is used by {uids.count(uid)} boards" for uid in sorted(set(uids)) if uids.count(uid) > 1]
    return found


def panels_of(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Panels with data, those in rows too."""
    for panel in board.get("panels", []):
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def query_of(target: Mapping[str, Any]) -> BoardQuery:
    """The named query that a target says it is. Raises `LedgerError` when there is none."""
    return board_query(str(target.get("meta", {}).get("query", "")))


def _board(board: Mapping[str, Any], uids: set[str]) -> Iterator[str]:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", board.get("uid", "")):
        yield f"uid {board.get('uid')!r}: 1 to 40 of a-z, 0-9 and -"
    for key in ("title", "description", "tags"):
        if not board.get(key):
            yield f"no {key}"
    if board.get("timezone") != "utc":
        yield "the time zone is not utc"
    if not any(
        link.get("type") == "dashboards" and link["keepTime"] and link["includeVars"] for link in board.get("links", [])
    ):
        yield "no link to the other boards that keeps time and variables"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            sql = variable["query"]["rawSql"]
            if sql not in {board_query(name).sql for name in names()}:
                yield f"variable {variable['name']}: its SQL is no named query"
            yield from (f"variable {variable['name']}: {one}" for one in _sql(sql, variables))
    ids = [panel.get("id") for panel in board.get("panels", [])]
    yield from (
        f"panel id {one} is used {ids.count(one)} times" for one in sorted({*ids}, key=str) if ids.count(one) > 1
    )
    if None in ids:
        yield "a panel has no id"
    yield from _overlaps(board)
    for panel in panels_of(board):
        yield from (f"panel {panel.get('title') or panel.get('id')!r}: {one}" for one in _panel(panel, variables, uids))


def _panel(panel: Mapping[str, Any], variables: set[str], uids: set[str]) -> Iterator[str]:
    about = panel.get("description", "")
    if not panel.get("title"):
        yield "no title"
    if len(about) < 40 or not re.search(r"\bIf\b", about):
        yield "its description does not say what to do (If ...)"
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield "no unit"
    if len(panel.get("targets", [])) != 1:
        yield "not exactly one query"
    for target in panel.get("targets", []):
        try:
            query = query_of(target)
        except SpendstreamError as error:
            yield f"its query is not a named one: {error}"
            continue
        if target["rawSql"] != query.sql:
            yield f"its SQL differs from {query.name}"
        if (target["format"] == 0) != (panel["type"] == "timeseries"):
            yield "its format does not fit its kind"
        yield from _sql(target["rawSql"], variables)
        yield from _units(panel, query)
    for url in re.findall(r'"url": "([^"]*)"', json.dumps(panel, ensure_ascii=False)):
        if "${__url_time_range}" not in url:
            yield f"a link does not keep the time range: {url}"
        if "var-" not in url and ":queryparam}" not in url:
            yield f"a link carries no variables: {url}"
        target_uid = re.match(r"/d/([^?/]+)", url)
        if not target_uid or target_uid[1] not in uids:
            yield f"a link leads to no board of ours: {url}"
        unknown = set(re.findall(r"\$\{(\w+):queryparam\}", url)) - variables
        if unknown:
            yield f"a link carries variables that the board lacks: {sorted(unknown)}"


def _units(panel: Mapping[str, Any], query: BoardQuery) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    overrides = {
        override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
        for override in panel["fieldConfig"].get("overrides", [])
        if override["matcher"]["id"] == "byName"
    }
    unknown = set(overrides) - {column.name for column in query.columns}
    if unknown:
        yield f"overrides of columns that the query lacks: {sorted(unknown)}"
    shown = str(panel["options"].get("reduceOptions", {}).get("fields", "")).strip("/^$")
    if panel["type"] in {"stat", "bargauge"} and shown not in {column.name for column in query.columns}:
        yield f"shows the column {shown!r}, which the query lacks"
    for column in query.columns:
        if (
            column.unit == "label"
            or (shown and column.name != shown)
            or (panel["type"] == "timeseries" and column.unit == "time")
        ):
            continue
        own = overrides.get(column.name, {})
        if panel["type"] == "table" and not ("displayName" in own and "unit" in own):
            yield f"the column {column.name} has no heading or unit of its own"
        unit = own.get("unit", defaults.get("unit"))
        if (unit in _MONEY) != column.unit.startswith("USD"):
            yield f"the column {column.name} is {column.unit} and is drawn as {unit}"


def _sql(sql: str, variables: set[str]) -> Iterator[str]:
    missing = variables_of(sql) - variables
    if missing:
        yield f"its SQL uses variables that the board lacks: {sorted(missing)}"
    # What is left after the quoting forms and the second argument of conditionalAll stands in the SQL unquoted.
    for hit in _BARE.finditer(re.sub(r", \$\w+\)", ")", _QUOTING.sub("", sql))):
        yield f"its SQL uses {hit[0]} in a form that does not quote"


def _overlaps(board: Mapping[str, Any]) -> Iterator[str]:
    taken: dict[tuple[int, int], object] = {}
    for panel in board.get("panels", []):
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"panel {panel.get('title')!r} is wider than the board"
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        if any(cell in taken for cell in cells):
            yield f"panel {panel.get('title')!r} lies over another"
        taken |= dict.fromkeys(cells, panel.get("id"))
