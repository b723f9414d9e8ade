"""The committed boards: equal to the code, within Grafana's types and our rules; and the rules find their faults."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dashboards.alerts import RULES, AlertRule
from dashboards.render import render
from streams.boards.files import folder, read, stale, write
from streams.boards.lint import lint, panels_of, query_of
from streams.boards.queries import UNITS, board_query, names
from streams.boards.schema import misfits
from streams.cli.commands.dashboards import command
from streams.errors import LedgerError, UsageError
from streams.ledger.sqlfiles import named_query

Board = dict[str, Any]


@pytest.fixture
def boards() -> dict[str, Board]:
    """A copy to break."""
    return copy.deepcopy(dict(read().boards))


def test_files_are_as_the_code_says() -> None:
    assert stale(folder(), render()) == []
    assert render() == render()


def test_build_writes_what_differs(tmp_path: Path) -> None:
    files = render()
    assert write(tmp_path, files) == sorted(files)
    assert write(tmp_path, files) == []
    (tmp_path / "json" / "spend.json").write_text("{}")
    (tmp_path / "json" / "forgotten.json").write_text("{}")
    assert stale(tmp_path, files) == ["json/forgotten.json", "json/spend.json"]
    assert write(tmp_path, files) == ["json/forgotten.json", "json/spend.json"]
    assert read(tmp_path).boards.keys() == read().boards.keys()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, render())
    (tmp_path / "json" / "spend.json").write_text("{")
    with pytest.raises(UsageError, match=r"spend\.json"):
        read(tmp_path)


def test_build_check_of_the_command() -> None:
    assert CliRunner().invoke(command, ["build", "--check"]).exit_code == 0


def test_boards_fit_grafanas_types(boards: dict[str, Board]) -> None:
    assert [fault for board in boards.values() for fault in misfits(board)] == []


def test_boards_show_what_workers_write_as_annotations(boards: dict[str, Board]) -> None:
    """Every kind that `streams.boards.annotate` writes is chosen by one of a board's two queries."""
    kinds = set(re.findall(r"'([a-z]+ change|deployment)'", named_query("annotations")))
    assert len(kinds) == 6
    for board in boards.values():
        one, other = board["annotations"]["list"]
        assert one["target"]["tags"] == ["spendstream", "incident"]
        assert not one["target"]["matchAny"]
        assert other["target"]["matchAny"]
        assert kinds <= set(other["target"]["tags"])


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda b: b["panels"][0].update(titel="x"), r"panels\[0\].titel: unknown"),
        (lambda b: b["panels"][0]["gridPos"].update(w="4"), "'4' is no int"),
        (lambda b: b["panels"][0]["fieldConfig"]["defaults"].update(decimals=[]), r"\[\] is no"),
        (lambda b: b["panels"][0]["options"].update(colorMode="rainbow"), "'rainbow' is none of"),
        (lambda b: b.update(panels=7), "not a dashboard"),
    ],
)
def test_misfits_are_found(boards: dict[str, Board], damage: Callable[[Board], None], finding: str) -> None:
    damage(boards["spend"])
    assert re.search(finding, "\n".join(misfits(boards["spend"])))


def test_boards_keep_our_rules(boards: dict[str, Board]) -> None:
    assert lint(boards) == []


def _first(board: Board, kind: str) -> Board:
    return next(panel for panel in panels_of(board) if panel["type"] == kind)


def _override(board: Board, column: str, property_: str, value: object) -> None:
    override = next(
        o
        for panel in panels_of(board)
        for o in panel["fieldConfig"]["overrides"]
        if panel["type"] == "table" and o["matcher"]["options"] == column
    )
    next(one for one in override["properties"] if one["id"] == property_)["value"] = value


def _link(board: Board, url: str) -> None:
    _override(board, "team", "links", [{"title": "x", "url": url}])


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda b: b.update(uid="x" * 41), "uid"),
        (lambda b: b.update(uid="spendstream-audit"), "is used by 2 boards"),
        (lambda b: b.update(timezone="browser"), "time zone"),
        (lambda b: b.update(links=[]), "no link to the other boards"),
        (lambda b: b["links"][0].update(keepTime=False), "keeps time and variables"),
        (lambda b: b["panels"][1].update(id=1), "panel id 1 is used 2 times"),
        (lambda b: b["panels"][1].pop("id"), "has no id"),
        (lambda b: b["panels"][1]["gridPos"].update(x=0), "lies over another"),
        (lambda b: b["panels"][5]["gridPos"].update(w=8), "wider than the board"),
        (lambda b: b["panels"][0].update(title=""), "no title"),
        (lambda b: b["panels"][0].update(description="Money."), "what to do"),
        (lambda b: b["panels"][0]["fieldConfig"]["defaults"].update(unit=""), "no unit"),
        (lambda b: b["panels"][0]["fieldConfig"]["defaults"].update(unit="short"), "is USD and is drawn as short"),
        (lambda b: _override(b, "calls", "unit", "prefix:$"), "calls is calls and is drawn as prefix"),
        (lambda b: _override(b, "spend", "unit", "locale"), "spend is USD and is drawn as locale"),
        (lambda b: b["panels"][0]["targets"][0].update(rawSql="SELECT 1"), "differs from spend_month"),
        (lambda b: b["panels"][0]["targets"][0].update(meta={}), "not a named one"),
        (lambda b: b["panels"][0]["targets"][0].update(format=0), "format"),
        (lambda b: b["panels"][0]["targets"].clear(), "not exactly one query"),
        (lambda b: b["panels"][0]["options"]["reduceOptions"].update(fields="/^cost$/"), "shows the column 'cost'"),
        (lambda b: b["templating"]["list"].pop(), "uses variables that the board lacks: ['model']"),
        (lambda b: b["templating"]["list"][1]["query"].update(rawSql="SELECT 1"), "is no named query"),
        (
            lambda b: b["panels"][0]["targets"][0].update(rawSql="SELECT '${team:singlequote}', '$team'"),
            "uses ${team:singlequote} in a form that does not quote",
        ),
        (lambda b: _link(b, "/d/spendstream-team?var-team=x"), "does not keep the time range"),
        (lambda b: _link(b, "/d/spendstream-team?${__url_time_range}"), "carries no variables"),
        (lambda b: _link(b, "/d/elsewhere?${__url_time_range}&var-team=x"), "leads to no board of ours"),
        (lambda b: _link(b, "/d/spendstream-team?${__url_time_range}&${zone:queryparam}"), "the board lacks: ['zone']"),
    ],
)
def test_our_rules_find_it(boards: dict[str, Board], damage: Callable[[Board], None], finding: str) -> None:
    damage(boards["spend"])
    assert finding in "\n".join(lint(boards))


def test_savings_below_zero_are_drawn(boards: dict[str, Board]) -> None:
    [panel] = [one for one in panels_of(boards["savings"]) if one["title"] == "What it would save"]
    told = panel["fieldConfig"]["defaults"]
    assert "min" not in told, "an axis that begins at 0 cuts what would cost more than it saves"
    assert told["custom"]["axisSoftMin"] == 0


def test_every_query_is_used_and_described() -> None:
    boards = read()
    used = {query_of(panel["targets"][0]).name for board in boards.boards.values() for panel in panels_of(board)}
    used |= {
        f"choice_{v['name']}" for b in boards.boards.values() for v in b["templating"]["list"] if v["type"] == "query"
    }
    used |= {rule["data"][0]["model"]["meta"]["query"] for group in boards.rules["groups"] for rule in group["rules"]}
    assert used == set(names())
    assert {column.unit for name in names() for column in board_query(name).columns} <= UNITS
    assert all(len(board_query(name).about) > 10 for name in names())


def test_an_unknown_query_and_column() -> None:
    with pytest.raises(LedgerError, match="board_nothing"):
        board_query("nothing")
    with pytest.raises(LedgerError, match="no column 'nothing'"):
        board_query("freshness").unit("nothing")


def test_alert_rules_can_be_quiet_and_name_real_boards() -> None:
    uids = {board["uid"] for board in read().boards.values()}
    for rule in RULES:
        assert rule.board in uids
        assert rule.below <= rule.above
        assert rule.looks_back >= 3600
    with pytest.raises(ValueError, match="never stay quiet"):
        AlertRule("x", "x", "spend", "alert_stale", 1, 2, 3600, 0, "OK", "warning", "", "", "")


def test_provisioning_files_have_no_dollars_but_in_sql() -> None:
    """Grafana reads $x in a provisioning file as an environment variable; only a query's model is left as it is."""
    for group in read().rules["groups"]:
        for rule in group["rules"]:
            rest = {key: value for key, value in rule.items() if key != "data"}
            assert "$" not in str(rest)
            assert [query["model"]["intervalMs"] for query in rule["data"]] == [60_000, 60_000]
            assert rule["noDataState"] in {"OK", "Alerting"}
