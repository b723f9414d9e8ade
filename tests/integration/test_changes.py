"""What workers start with is recorded once, and stands in Grafana once, with incidents and ratings beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.boards.annotate import AnnotationDuty
from streams.boards.grafana import Grafana, GrafanaError
from streams.changes import ChangesDuty, found_in
from streams.changes.record import Found, words
from streams.cli.main import group
from streams.config import load_settings
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from tests.unit.boards.stand_in import TOKEN, Instance, serving

NOW = 1_790_000_000_000


@pytest.fixture
def instance() -> Instance:
    return Instance()


@pytest.fixture
def url(instance: Instance) -> Iterator[str]:
    with serving(instance) as url:
        yield url


def recorded(database: Database) -> list[tuple[str, str, str]]:
    return [
        (str(what), str(name), str(text))
        for what, name, text in database.rows("SELECT what, name, text FROM changes ORDER BY at, what")
    ]


def test_files_are_recorded_when_they_change(store: LedgerStore, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text("amount = 100\n")
    settings = load_settings({}, budgets_file=file)

    def start(now_ms: int, settings: object = settings) -> None:
        ChangesDuty(database, found_in(settings), "w1").run(now_ms)  # type: ignore[arg-type]

    start(NOW)
    first = recorded(database)
    assert [(what, name, text) for what, name, text in first if what == "budgets"] == [("budgets", "budgets.toml", "")]
    start(NOW + 1000)
    assert recorded(database) == first
    file.write_text("amount = 250\n")
    start(NOW + 2000)
    start(NOW + 2000)
    assert recorded(database)[len(first) :] == [
        ("budgets", "budgets.toml", "budgets.toml changed: 1 line in, 1 out: amount = 250")
    ]
    start(NOW + 3000, load_settings({}))
    assert recorded(database)[-1] == ("budgets", "", "the file of budgets is not set any more")
    assert database.rows("SELECT content FROM changes WHERE what = 'budgets' ORDER BY at")[1] == ("amount = 250\n",)


def test_policies_are_told_but_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text("url = 'https://hooks.example.com/SECRET'\n")
    [found] = [one for one in found_in(load_settings({}, policies_file=file)) if one.what == "policies"]
    assert (found.content, len(found.digest)) == ("", 64)
    assert words(found, ("x", "other", "")) == "policies.toml changed"
    assert words(Found("version", "spendstream", "2.0", ""), ("x", "1.9", "")) == "Spendstream 1.9 replaced by 2.0"


def duty(database: Database, url: str) -> AnnotationDuty:
    return AnnotationDuty(database, url, lambda: Grafana(url, TOKEN))


def incident(database: Database, number: int, change: str, state: str, *, resolved: str = "NULL") -> None:
    columns = "incident_id, number, change, at, kind, severity, state, team_id, agent_id, run_id, opened_at, calls, "
    database.command(
        f"INSERT INTO incident_events ({columns} cost_usd, evidence, page, resolved_at, recorded_at) "
        f"SELECT 'inc-1', {number}, '{change}', t, 'loop', 'critical', '{state}', 'search', 'a-1', 'run-9', t, 43, "
        f"3.1, '43 equal calls', 1, {resolved}, fromUnixTimestamp64Milli({NOW + number}) "
        f"FROM (SELECT fromUnixTimestamp64Milli({NOW - 60_000}) AS t)"
    )


def test_annotations_are_written_once_and_get_their_end(
    store: LedgerStore, database: Database, instance: Instance, url: str
) -> None:
    incident(database, 1, "opened", "open")
    ChangesDuty(database, [Found("version", "spendstream", "1.0", "")], "w").run(NOW)
    ChangesDuty(database, [Found("version", "spendstream", "1.1", "")], "w").run(NOW + 5)
    duty(database, url).run(NOW + 10)
    shown = {one["tags"][1]: one for one in instance.annotations.values()}
    assert set(shown) == {"incident", "deployment"}
    assert shown["incident"]["tags"] == ["spendstream", "incident", "id:inc-1", "team:search", "critical"]
    assert shown["incident"]["text"] == "loop by a-1, run run-9: 43 equal calls"
    assert shown["deployment"]["text"] == "Spendstream 1.0 replaced by 1.1"
    assert shown["incident"]["time"] == shown["incident"]["timeEnd"] == NOW - 60_000

    writes = len(instance.writes)
    duty(database, url).run(NOW + 20)
    assert len(instance.writes) == writes
    # the record of what was written is lost: nothing is written twice
    database.command("TRUNCATE TABLE grafana_annotations")
    duty(database, url).run(NOW + 30)
    assert len(instance.annotations) == 2

    incident(database, 2, "resolved", "resolved", resolved=f"fromUnixTimestamp64Milli({NOW})")
    duty(database, url).run(NOW + 40)
    [end] = [one for one in instance.annotations.values() if "incident" in one["tags"]]
    assert (end["timeEnd"], end["text"]) == (NOW, "loop by a-1, run run-9: resolved after 43 calls. 43 equal calls")


def test_removed_by_hand_stays_removed_and_refusals_are_told(
    store: LedgerStore, database: Database, instance: Instance, url: str
) -> None:
    incident(database, 1, "opened", "open")
    duty(database, url).run(NOW)
    instance.annotations.clear()
    incident(database, 2, "resolved", "resolved", resolved=f"fromUnixTimestamp64Milli({NOW})")
    duty(database, url).run(NOW)
    assert instance.annotations == {}
    incident(database, 3, "reopened", "open")
    instance.writes_allowed = False
    with contextlib.suppress(GrafanaError):
        duty(database, url).run(NOW)
    database.command("TRUNCATE TABLE grafana_annotations")
    with pytest.raises(GrafanaError, match="403"):
        duty(database, url).run(NOW)


def test_annotate_by_command(instance: Instance, url: str) -> None:
    asked = ["dashboards", "annotate", "coder 3.1", "--url", url, "--token", TOKEN, "--team", "payments"]
    asked += ["--at", "2026-10-01T09:00:00Z", "--json"]
    for _ in range(2):
        done = CliRunner().invoke(group, asked)
        assert (done.exit_code, done.output) == (0, '{"annotation": 1}\n'), done.output
    [one] = instance.annotations.values()
    assert one["tags"][:2] == ["spendstream", "deployment"]
    assert one["time"] == 1_790_845_200_000
    wrong = CliRunner().invoke(group, [*asked, "--until", "2026-09-01T09:00:00Z"])
    assert wrong.exit_code == 2
