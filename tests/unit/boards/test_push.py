"""`push` against a stand-in of Grafana 13: twice with no change the second time, and every way to be refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dashboards.alerts import RULES
from streams.boards.files import Boards, read
from streams.boards.grafana import Grafana, GrafanaError
from streams.boards.push import Change, Options, push
from streams.errors import Unavailable, UsageError
from tests.unit.boards.stand_in import TOKEN, Instance, serving

CLICKHOUSE = "http://reader:s%40cret@clickhouse:8123/spendstream"
MAKE = Options(clickhouse_url=CLICKHOUSE)


@pytest.fixture
def instance() -> Instance:
    """An empty Grafana."""
    return Instance()


@pytest.fixture
def url(instance: Instance) -> Iterator[str]:
    """Where it answers."""
    with serving(instance) as url:
        yield url


@pytest.fixture(scope="module")
def boards() -> Boards:
    """The committed boards."""
    return read()


def go(url: str, boards: Boards, options: Options = MAKE, *, token: str = TOKEN, dry_run: bool = False) -> list[Change]:
    """One push."""
    with contextlib.closing(Grafana(url, token, dry_run=dry_run)) as grafana:
        return push(grafana, boards, options)


def actions(changes: list[Change]) -> set[str]:
    """What was done."""
    return {change.action for change in changes}


def test_an_empty_grafana_gets_everything_once(instance: Instance, url: str, boards: Boards) -> None:
    first = go(url, boards)
    assert actions(first) == {"create"}
    assert [change.kind for change in first] == [
        "data source",
        "folder",
        *["board"] * len(boards.boards),
        *["alert rules"] * len(boards.rules["groups"]),
    ]
    assert instance.folders == {"spendstream": "Spendstream"}
    assert set(instance.boards) == {board["uid"] for board in boards.boards.values()}
    assert {version["folderUid"] for versions in instance.boards.values() for version in versions} == {"spendstream"}
    source = instance.datasources["spendstream"]
    assert (source["jsonData"]["host"], source["jsonData"]["username"]) == ("clickhouse", "reader")
    assert source["secureJsonFields"] == {"password": True}
    rules = {rule["uid"]: rule for group in instance.groups.values() for rule in group["rules"]}
    assert set(rules) == {rule.uid for rule in RULES}

    instance.log.clear()
    assert actions(go(url, boards)) == {"unchanged"}
    assert instance.writes == []
    assert all(len(versions) == 1 for versions in instance.boards.values())


def test_a_dry_run_writes_nothing_and_says_the_same(instance: Instance, url: str, boards: Boards) -> None:
    planned = go(url, boards, dry_run=True)
    assert instance.writes == []
    assert planned == go(url, boards)


def test_an_older_board_of_ours_is_replaced(instance: Instance, url: str, boards: Boards) -> None:
    older = {**boards.boards["spend"], "description": "as it was"}
    go(url, Boards({**boards.boards, "spend": older}, boards.rules))
    changes = go(url, boards)
    assert [(change.name, change.action) for change in changes if change.action != "unchanged"] == [("Spend", "update")]
    assert instance.boards["spendstream-spend"][-1]["dashboard"]["description"] == boards.boards["spend"]["description"]


def test_a_board_changed_by_hand_stops_the_push_before_any_write(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    theirs = {**boards.boards["audit"], "title": "Audit of mine"}
    instance.save("spendstream-audit", theirs, "spendstream", "made the table wider")
    newer = Boards({**boards.boards, "spend": {**boards.boards["spend"], "refresh": "1m"}}, boards.rules)
    instance.log.clear()
    with pytest.raises(
        GrafanaError, match=r"(?s)nothing was pushed.*'Audit' was changed by hand \(made the table wider\)"
    ):
        go(url, newer)
    assert instance.writes == []

    changes = go(url, newer, replace(MAKE, force=True))
    assert {change.name for change in changes if change.kind == "board" and change.action == "update"} == {
        "Audit",
        "Spend",
    }
    assert instance.boards["spendstream-audit"][-1]["dashboard"]["title"] == "Audit"
    assert instance.boards["spendstream-audit"][-2]["dashboard"]["title"] == "Audit of mine"


def test_a_board_moved_by_hand_stays_where_it_was_put(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    instance.folders["finance"] = "Finance"
    instance.boards["spendstream-spend"][-1]["folderUid"] = "finance"
    assert actions(go(url, boards)) == {"unchanged"}
    go(url, Boards({**boards.boards, "spend": {**boards.boards["spend"], "refresh": "1m"}}, boards.rules))
    assert instance.boards["spendstream-spend"][-1]["folderUid"] == "finance"


def test_who_saves_meanwhile_is_not_overwritten(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)

    def somebody() -> None:
        instance.before_save = lambda: None
        instance.save("spendstream-spend", boards.boards["spend"], "spendstream", "by hand")

    instance.before_save = somebody
    newer = Boards({**boards.boards, "spend": {**boards.boards["spend"], "refresh": "1m"}}, boards.rules)
    with pytest.raises(GrafanaError, match="board 'Spend': somebody changed it meanwhile") as caught:
        go(url, newer)
    assert caught.value.status == 412
    assert instance.boards["spendstream-spend"][-1]["message"] == "by hand"


def test_changed_alert_rules_are_put_right(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    instance.groups["spendstream", "spend"]["rules"][0]["isPaused"] = True
    instance.groups["spendstream", "pipeline"]["rules"].append({"uid": "another"})
    changed = {change.name for change in go(url, boards) if change.action == "update"}
    assert changed == {"spend", "pipeline"}
    assert actions(go(url, boards)) == {"unchanged"}


def test_the_data_source_of_another_name(instance: Instance, url: str, boards: Boards) -> None:
    instance.datasources["mine"] = {"uid": "mine", "name": "CH", "type": "grafana-clickhouse-datasource"}
    changes = go(url, boards, Options(datasource_uid="mine"))
    assert changes[0] == Change("data source", "mine", "unchanged")
    asked = {
        query["datasourceUid"]
        for group in instance.groups.values()
        for rule in group["rules"]
        for query in rule["data"]
    }
    assert asked == {"mine", "__expr__"}


def test_a_moved_server_updates_the_data_source(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    moved = Options(clickhouse_url=CLICKHOUSE.replace("http://", "https://").replace(":8123", ""))
    assert go(url, boards, moved)[0].action == "update"
    assert instance.datasources["spendstream"]["jsonData"]["port"] == 8443
    assert go(url, boards, moved)[0].action == "unchanged"


def test_a_data_source_from_a_file_is_left_alone(instance: Instance, url: str, boards: Boards) -> None:
    instance.datasources["spendstream"] = {
        "uid": "spendstream", "name": "Spendstream", "type": "grafana-clickhouse-datasource", "readOnly": True,
    }  # fmt: skip
    assert go(url, boards)[0] == Change("data source", "spendstream", "unchanged", "Grafana has it from a file")


def test_all_obstacles_are_said_at_once(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    instance.plugins.clear()
    instance.provisioned.add("spendstream-spend")
    for rule in instance.groups["spendstream", "spend"]["rules"]:
        rule["provenance"] = "file"
    instance.log.clear()
    with pytest.raises(GrafanaError) as caught:
        go(url, boards)
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing was pushed:"
    assert "plugin grafana-clickhouse-datasource is not installed" in lines[1]
    assert "'Spend': Grafana has it from a file" in lines[2]
    assert "alert rules 'spend': Grafana has them from a file; push with --no-alerts" in lines[3]
    assert instance.writes == []


@pytest.mark.parametrize("token", ["wrong", "glsa_of_another"])
def test_a_wrong_token(url: str, boards: Boards, token: str) -> None:
    with pytest.raises(GrafanaError, match=r"does not know the token \(401\)"):
        go(url, boards, token=token)


def test_a_token_that_may_only_read(instance: Instance, url: str, boards: Boards) -> None:
    instance.writes_allowed = False
    with pytest.raises(
        GrafanaError, match=r"may not POST /datasources \(403\): give its service account the role Admin"
    ):
        go(url, boards)


def test_an_old_grafana(instance: Instance, url: str, boards: Boards) -> None:
    instance.version = "11.5.2"
    with pytest.raises(GrafanaError, match=r"is 11\.5\.2; the ClickHouse plugin needs 11\.6"):
        go(url, boards)


def test_no_data_source(url: str, boards: Boards) -> None:
    with pytest.raises(GrafanaError, match="no data source with uid 'spendstream': give --clickhouse-url"):
        go(url, boards, Options())


def test_the_data_source_is_of_another_kind(instance: Instance, url: str, boards: Boards) -> None:
    instance.datasources["spendstream"] = {"uid": "spendstream", "name": "x", "type": "prometheus"}
    with pytest.raises(GrafanaError, match="is a prometheus"):
        go(url, boards)


def test_a_taken_name_is_a_409(instance: Instance, url: str, boards: Boards) -> None:
    instance.datasources["other"] = {"uid": "other", "name": "Spendstream", "type": "grafana-clickhouse-datasource"}
    with pytest.raises(GrafanaError, match="another one has its name or uid") as caught:
        go(url, boards)
    assert caught.value.status == 409


def test_clickhouse_that_grafana_cannot_reach(instance: Instance, url: str, boards: Boards) -> None:
    instance.reaches_clickhouse = False
    with pytest.raises(
        GrafanaError, match=r"all is pushed, but the data source cannot ask ClickHouse.*connection refused"
    ):
        go(url, boards)


def test_nobody_answers_and_what_is_no_grafana(boards: Boards) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        go("http://127.0.0.1:1", boards)
    with pytest.raises(UsageError, match="is no Grafana URL"):
        go("grafana.example.com", boards)
    with pytest.raises(UsageError, match="no token"):
        go("http://127.0.0.1:1", boards, token=" ")


def test_a_grafana_below_a_path(instance: Instance, boards: Boards) -> None:
    with serving(instance, prefix="/tools/grafana") as url:
        assert actions(go(url, boards)) == {"create"}
        assert actions(go(url + "/", boards)) == {"unchanged"}


def test_an_answer_without_a_body_is_no_error(instance: Instance, url: str, boards: Boards) -> None:
    go(url, boards)
    with contextlib.closing(Grafana(url, TOKEN)) as grafana:
        assert grafana.send("DELETE", "/v1/provisioning/alert-rules/spendstream-stale") is None
    left = {rule["uid"] for group in instance.groups.values() for rule in group["rules"]}
    assert "spendstream-stale" not in left
    assert {change.name for change in go(url, boards) if change.action == "update"} == {"pipeline"}


def test_a_dry_run_cannot_write(url: str) -> None:
    with contextlib.closing(Grafana(url, TOKEN, dry_run=True)) as grafana, pytest.raises(AssertionError):
        grafana.create_folder("x", "x")


def test_the_command(
    instance: Instance, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streams.cli.main import run

    monkeypatch.setenv("SPENDSTREAM_GRAFANA_TOKEN", TOKEN)
    arguments = ["dashboards", "push", "--url", url, "--clickhouse-url", CLICKHOUSE]
    assert run([*arguments, "--dry-run"]) == 0
    assert "would create board Spend" in capsys.readouterr().out
    assert run([*arguments, "--json"]) == 0
    assert {one["action"] for one in json.loads(capsys.readouterr().out)["changes"]} == {"create"}
    assert run(arguments) == 0
    assert "created" not in capsys.readouterr().out
    monkeypatch.setenv("SPENDSTREAM_GRAFANA_TOKEN", "wrong")
    assert run(arguments) == 1
    assert "does not know the token" in capsys.readouterr().err
