"""Changes of incidents become notices, one each, and a page says what, who, since when, how much and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.alert.box import NoticeBox
from streams.alert.duty import AlertDuty
from streams.alert.incidents import IncidentNotices
from streams.alert.look import incident_list, incident_named, incident_shown
from streams.alert.policies import parse_policies
from streams.errors import UsageError
from streams.ledger.store import LedgerStore
from tests.fakes import BASE_MS
from tests.incident_rows import add_event
from tests.standin import Receiver

HOOK = """
[channel.hook]
type = "webhook"
url = "env:HOOK"
secret = "env:SECRET"
[[route]]
channels = ["hook"]
"""


def told(store: LedgerStore) -> list[tuple[object, ...]]:
    """What stands in the outbox."""
    return store.database.rows(
        "SELECT id, change, severity, resolved, mapContains(labels, 'silenced') FROM notices ORDER BY id"
    )


def test_each_change_is_one_notice_whoever_looks_and_however_often(store: LedgerStore) -> None:
    database = store.database
    first = IncidentNotices(database, NoticeBox(database))
    add_event(database)
    add_event(database, number=1, change="updated", calls=50)
    assert first.run(BASE_MS) == 1
    add_event(database, number=1)  # the watcher wrote it again after a crash
    add_event(database, number=2, change="acknowledged", by="ada")
    add_event(database, number=3, change="escalated", severity="critical")
    assert first.run(BASE_MS) == 1
    assert IncidentNotices(database, NoticeBox(database)).run(BASE_MS) == 0
    add_event(database, number=4, change="resolved")
    assert first.run(BASE_MS) == 1
    assert told(store) == [
        ("inc-1:1", "opened", "warning", False, False),
        ("inc-1:3", "escalated", "critical", False, False),
        ("inc-1:4", "resolved", "warning", True, False),
    ]


def test_the_past_at_the_first_start_is_told_to_nobody_and_silence_is_marked(store: LedgerStore) -> None:
    database = store.database
    add_event(database, "inc-old", backfill=1)
    add_event(database, "inc-2", silenced_until=BASE_MS + 10**9)
    add_event(database, "inc-3", silenced_until=BASE_MS)
    IncidentNotices(database, NoticeBox(database)).run(BASE_MS)
    assert [(row[0], row[4]) for row in told(store)] == [("inc-2:1", True), ("inc-3:1", False)]


def test_a_page_says_what_is_needed(store: LedgerStore) -> None:
    database = store.database
    with Receiver() as receiver:
        policies = parse_policies(HOOK, "p", {"HOOK": receiver.url, "SECRET": "0123456789abcdef"})
        duty = AlertDuty(database, policies, "w", grafana_url="https://grafana.example.org/", now_ms=lambda: BASE_MS)
        add_event(database)
        duty.run(BASE_MS)
        duty.run(BASE_MS + 1000)
        [request] = receiver.requests
    page = request.json
    assert page["title"] == "[warning] runaway loop: bot, run run-1 (44 calls, $3.10 so far)"
    for words in (
        "What: 43 calls with the same fingerprint in 6 min, 0 errors, normally at most 3",
        "Who: agent bot, run run-1, team search, tier frontier",
        "Since: 2026-03-01 23:54:00 UTC (first abnormal call), noticed 2026-03-02 00:00:00 UTC",
        "So far: 44 calls, $3.10",
        "spendstream incidents acknowledge inc-1",
        "spendstream controls set run:run-1 --block",
    ):
        assert words in page["body"]
    assert page["links"]["incident board"] == (
        "https://grafana.example.org/d/spendstream-runaways?from=1772408640000&to=now&var-incident=inc-1"
    )
    assert page["links"]["agent board"] == (
        "https://grafana.example.org/d/spendstream-team?from=1772408640000&to=now&var-team=search&var-agent=bot"
    )
    assert page["links"]["run board"].endswith("/d/spendstream-audit?from=1772408640000&to=now&var-run=run-1")
    assert page["labels"]["cost_usd"].startswith("3.1")


def test_look_shows_all_that_belongs_to_an_incident(store: LedgerStore) -> None:
    database = store.database
    with Receiver() as receiver:
        policies = parse_policies(HOOK, "p", {"HOOK": receiver.url, "SECRET": "0123456789abcdef"})
        duty = AlertDuty(database, policies, "w", now_ms=lambda: BASE_MS)
        add_event(database, "inc-1a")
        add_event(database, "inc-1b", cost_usd="12.5", severity="critical")
        add_event(database, "inc-2", number=1)
        add_event(database, "inc-2", number=2, change="resolved", by="ada", reason="stopped it")
        duty.run(BASE_MS)
        duty.run(BASE_MS + 1000)
    assert [one["incident_id"] for one in incident_list(database, "open", 10)] == ["inc-1b", "inc-1a"]
    assert [one["incident_id"] for one in incident_list(database, "all", 2)] == ["inc-1b", "inc-1a"]
    assert incident_named(database, "inc-1a") == "inc-1a"
    assert incident_named(database, "inc-2") == "inc-2"
    assert incident_named(database, "inc-9") is None
    with pytest.raises(UsageError, match="several"):
        incident_named(database, "inc-1")
    assert incident_shown(database, "inc-9") is None
    shown = incident_shown(database, "inc-2")
    assert shown is not None
    assert [(one["change"], one["by"], one["reason"]) for one in shown["history"]] == [
        ("opened", "", ""),
        ("resolved", "ada", "stopped it"),
    ]
    assert [(one["change"], one["channel"], one["state"]) for one in shown["notices"]] == [
        ("opened", "hook", "sent"),
        ("resolved", "hook", "sent"),
    ]
    assert shown["next"] == []
    assert shown["incident"]["cost_usd"] == "3.1"
    opened = incident_shown(database, "inc-1a")
    assert opened is not None
    assert any(step.startswith("spendstream incidents acknowledge inc-1a") for step in opened["next"])


def test_a_file_of_policies_is_part_of_the_settings(tmp_path: Path) -> None:
    from streams.config import load_settings
    from streams.errors import SettingsError

    with pytest.raises(SettingsError, match="policies_file: there is no file"):
        load_settings({"SPENDSTREAM_POLICIES_FILE": str(tmp_path / "none.toml")})
    with pytest.raises(SettingsError, match="grafana_url"):
        load_settings({"SPENDSTREAM_GRAFANA_URL": "grafana.example.org"})
