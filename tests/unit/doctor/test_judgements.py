"""What the doctor makes of what it sees; every finding that is not ok says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.config import load_settings
from streams.doctor import broker, ledger, local, worker
from streams.doctor.broker import Broker, Group, Topic
from streams.doctor.finding import Finding, Level, failed
from streams.kafka_admin import TopicSpec
from streams.ledger.migrate import Migration
from streams.meter.price.book import BookInfo
from streams.topics_made import topics_made

SETTINGS = load_settings({})
GOOD = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "604800000"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLS, USAGE, OUTCOMES, STEPS, SIGNALS, INCIDENTS, CONTROLS = topics_made(SETTINGS)


def levels(findings: Sequence[Finding]) -> list[Level]:
    assert all(finding.level == "ok" or finding.todo for finding in findings)
    return [finding.level for finding in findings]


def calls(**fields: object) -> Topic:
    return Topic(**({"name": topics.CALLS, "partitions": 4, "replicas": 1, "config": GOOD} | fields))  # type: ignore[arg-type]


def test_a_finding_that_is_not_ok_must_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="what to do"):
        Finding("x", "warn", "odd")
    assert failed([Finding("x", "fail", "bad", "mend it")])
    assert not failed([Finding("x", "warn", "odd", "look")])


@pytest.mark.parametrize(
    ("topic", "level", "says"),
    [
        (calls(), "ok", "4 partitions, 1 replica, kept 168 hours"),
        (None, "fail", "does not exist"),
        (calls(leaderless=1), "fail", "1 partition without a leader"),
        (calls(out_of_sync=2), "warn", "2 partitions with replicas that lag"),
        (calls(partitions=8), "warn", "8 partitions, SPENDSTREAM_PARTITIONS says 4"),
        (calls(config=GOOD | {"cleanup.policy": "compact"}), "fail", "compacted"),
        (calls(config=GOOD | {"message.timestamp.type": "CreateTime"}), "warn", "CreateTime"),
        (calls(config=GOOD | {"retention.ms": "86400000"}), "warn", "kept 24 hours, 168 hours wanted"),
        (calls(config=GOOD | {"retention.ms": "600000"}), "fail", "kept 10 minutes"),
        (calls(config=GOOD | {"retention.ms": "-1"}), "ok", "kept for ever"),
        (calls(config={}), "ok", "4 partitions"),
    ],
)
def test_topics(topic: Topic | None, level: Level, says: str) -> None:
    [finding] = broker.judge_topic(CALLS, topic, SETTINGS)
    assert levels([finding]) == [level]
    assert says in finding.what


def test_replicas_that_are_wanted() -> None:
    [finding] = broker.judge_topic(CALLS, calls(), SETTINGS.model_copy(update={"replication": 3}))
    assert (finding.level, finding.what) == ("warn", "1 replica, 3 wanted")


@pytest.mark.parametrize(
    ("wanted", "fields", "level", "says"),
    [
        (STEPS, {"partitions": 1}, "ok", "1 partition"),
        (STEPS, {"partitions": 3}, "warn", "3 partitions, SPENDSTREAM_DETECT_PARTITIONS says 1"),
        (INCIDENTS, {"partitions": 2}, "warn", "2 partitions, 1 wanted"),
        (CONTROLS, {"partitions": 1, "config": {"cleanup.policy": "compact"}}, "ok", "1 partition"),
        (CONTROLS, {"partitions": 1, "config": {"cleanup.policy": "delete"}}, "warn", "not compacted"),
        (OUTCOMES, {"config": {"cleanup.policy": "compact"}}, "fail", "compacted"),
    ],
)
def test_topics_of_the_watcher_and_of_others(
    wanted: TopicSpec, fields: dict[str, Any], level: Level, says: str
) -> None:
    filled: dict[str, Any] = {"name": wanted.name, "partitions": 4, "replicas": 1, "config": {}, **fields}
    topic = Topic(**filled)
    [finding] = broker.judge_topic(wanted, topic, SETTINGS)
    assert levels([finding]) == [level]
    assert says in finding.what


@pytest.mark.parametrize(
    ("group", "records", "level", "says"),
    [
        (Group("Stable", 2, {topics.CALLS: 10, topics.USAGE: None}), 100, "ok", "2 workers, stable, 10 records behind"),
        (Group("Stable", 1, {topics.CALLS: 200_000}), 200_000, "warn", "200,000 records behind"),
        (Group("PreparingRebalance", 1, {}), 5, "warn", "preparingrebalance"),
        (Group("Empty", 0, {topics.CALLS: 7}), 7, "fail", "no worker runs, 7 records wait"),
        (None, 5, "fail", "no worker has ever read"),
        (None, 0, "warn", "no worker has ever read"),
    ],
)
def test_groups(group: Group | None, records: int, level: Level, says: str) -> None:
    [finding] = broker.judge_group("spendstream", group, records)
    assert levels([finding]) == [level]
    assert says in finding.what


def test_clocks() -> None:
    assert broker.judge_clock(1_000_000, 2_000_000).level == "ok"
    assert broker.judge_clock(2_000_000, 1_000_000).level == "fail"
    assert ledger.judge_clock("2026-01-01T00:00:01.000Z", NOW).level == "ok"
    assert ledger.judge_clock("2026-01-01T00:00:05.000Z", NOW).level == "warn"
    assert ledger.judge_clock("2025-12-31T23:00:00.000Z", NOW).level == "fail"


def test_a_broker_that_does_not_answer_is_one_finding() -> None:
    [finding] = broker.judge("kafka:9092", "connection refused", SETTINGS, 0)
    assert finding.level == "fail"
    assert "SPENDSTREAM_BROKER_URL" in finding.todo


def test_a_broker_in_order() -> None:
    group = Group("Stable", 1, {topics.CALLS: 0})
    there = {spec.name: Topic(spec.name, spec.partitions, 1) for spec in topics_made(SETTINGS)}
    assert set(there) == topics.ALL
    facts = Broker(3, there | {topics.CALLS: calls()}, group, {0: 0}, {0: 9}, 1_000)
    assert levels(broker.judge("kafka:9092", facts, SETTINGS, 2_000)) == ["ok"] * 10


@pytest.mark.parametrize(
    ("held", "ends", "level", "says"),
    [
        ({0: 10, 1: 5}, {0: (0, 10), 1: (0, 8)}, "ok", "3 records behind"),
        ({}, {0: (5, 8)}, "ok", "3 records behind"),
        ({0: 10}, {0: (30, 40)}, "fail", "20 records were deleted"),
        ({0: 50}, {0: (0, 10)}, "warn", "ahead of the log in 1 partition"),
        ({0: 0}, {0: (0, 500_000)}, "warn", "500,000 records behind"),
    ],
)
def test_the_ledgers_place_in_the_log(
    held: dict[int, int], ends: dict[int, tuple[int, int]], level: Level, says: str
) -> None:
    finding = ledger.judge_position(held, ends)
    assert levels([finding]) == [level]
    assert says in finding.what


def test_migrations() -> None:
    known = [Migration(1, "a", "x", ()), Migration(2, "b", "y", ())]
    assert ledger.judge_migrations({1: "x", 2: "y"}, known, "migrate").level == "ok"
    assert ledger.judge_migrations({1: "x"}, known, "migrate").level == "warn"
    assert ledger.judge_migrations({}, known, "migrate").level == "fail"
    assert "0003" in ledger.judge_migrations({1: "x", 2: "y", 3: "z"}, known, "migrate").what
    assert ledger.judge_migrations({1: "other", 2: "y"}, known, "migrate").level == "fail"


@pytest.mark.parametrize(
    ("version", "level"), [("26.8.1.1", "ok"), ("27.1", "ok"), ("25.12.3", "warn"), ("odd", "warn")]
)
def test_versions(version: str, level: Level) -> None:
    assert ledger.judge_version(version).level == level


def test_the_price_books_age() -> None:
    book = BookInfo("genai-prices", "1.0", 47, 2330, date(2026, 1, 1))
    assert local.book_finding(book, date(2026, 2, 1)).level == "ok"
    assert local.book_finding(book, date(2025, 2, 1)).level == "ok"
    old = local.book_finding(book, date(2026, 1, 1) + timedelta(days=local.OLD_PRICES_DAYS + 1))
    assert old.level == "warn"
    assert "pip install --upgrade genai-prices" in old.todo
    assert local.book_finding(BookInfo("b", "1", 1, 1, None), date(2026, 1, 1)).level == "ok"


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [(50, 100, "ok"), (60, 1000, "ok"), (4, 20, "warn"), (10, 100, "warn"), (2, 100, "fail"), (0, 10, "fail")],
)
def test_disks(free: int, total: int, level: Level) -> None:
    assert local.disk_finding("d", free * local.GIB, total * local.GIB).level == level


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert local.disk_of(tmp_path / "a" / "b").check.startswith("disk ")


WEBHOOK = '[channel.a]\ntype = "webhook"\nurl = "https://a.example/x"\n'
FILES = {
    "prices file": (
        "prices_file", '[[price]]\nmodel = "a"\ninput = 1\noutput = 2\n',
        '[[price]]\nmodel = "a"\ninput = 1\noutput = -2\ncurrency = "EUR"\n', 2,
    ),
    "tiers file": (
        "tiers_file", '[[tier]]\ntier = "mid"\nmodels = ["a"]\n',
        '[[tier]]\ntier = "mid"\nmodels = ["a", "a", "b", "b"]\n', 2,
    ),
    "plans file": (
        "plans_file", '[[plan]]\nname = "a"\nkind = "per_token"\nfrom = 2026-01-01\n',
        '[[plan]]\nname = "a"\nkind = "flat"\nfrom = 2026-01-01\n', 1,
    ),
    "budgets file": (
        "budgets_file", '[[budget]]\nname = "a"\namount = 5\nperiod = "day"\n',
        '[[budget]]\nname = "a"\namount = -1\nperiod = "year"\n', 2,
    ),
    "policies file": (
        "policies_file", WEBHOOK + 'secret = "env:LONG"\n[[route]]\nchannels = ["a"]\n',
        WEBHOOK + 'secret = "env:NONE"\n[[route]]\nchannels = ["a"]\n', 1,
    ),
    "tokens file": (
        "http_tokens_file", '[a]\nscope = "read"\ntoken = "env:LONG"\n',
        '[a]\nscope = "all"\ntoken = "env:LONG"\n[b]\nscope = "read"\ntoken = "env:NONE"\n', 2,
    ),
}  # fmt: skip
"""By what the finding is called: the setting, a file without faults, one with, and how many."""


@pytest.mark.parametrize("check", FILES)
def test_every_file_of_the_operator_is_read(check: str, tmp_path: Path) -> None:
    setting, good, bad, faults = FILES[check]
    environment = {"LONG": "s3cr3t-" * 8}
    file = tmp_path / "file.toml"
    settings = SETTINGS.model_copy(update={setting: file})
    file.write_text(good, "utf-8")
    [fine] = local.file_findings(settings, environment)
    assert (fine.check, fine.level, fine.what) == (check, "ok", f"{file} is understood")
    for text, expected in ((bad, faults), ("[[[", 1)):
        file.write_text(text, "utf-8")
        found = local.file_findings(settings, environment)
        assert [(one.check, one.level) for one in found] == [(check, "fail")] * expected
        for one in found:
            assert one.todo.startswith(f"mend {file}: docs/")
            assert "file.toml" in one.what
            assert "s3cr3t" not in one.what
            assert "\n" not in one.what


def test_no_setting_of_a_file_goes_unread() -> None:
    named = {name for name in type(SETTINGS).model_fields if name.endswith("_file") and not name.startswith("kafka_")}
    assert {setting for setting, *_ in FILES.values()} == named
    assert local.file_findings(SETTINGS, {}) == []


def test_settings_faults_are_all_told() -> None:
    assert levels(local.settings_findings(["a", "b"])) == ["fail", "fail"]
    assert levels(local.settings_findings([])) == ["ok"]


@pytest.mark.parametrize(
    ("ready", "health", "level"),
    [
        (200, {"status": "ok", "waiting_for": {}, "fault": None}, "ok"),
        (503, {"status": "ok", "waiting_for": {}, "fault": None}, "warn"),
        (503, {"status": "waiting", "waiting_for": {"insert": "no answer"}, "fault": None}, "fail"),
        (503, {"status": "failed", "waiting_for": {}, "fault": "the ledger contradicts itself"}, "fail"),
    ],
)
def test_a_workers_word(ready: int, health: dict[str, object], level: Level) -> None:
    assert levels([worker.judge("127.0.0.1:8127", ready, health)]) == [level]


def test_no_worker_there() -> None:
    assert worker.look("127.0.0.1", 1, must=False).level == "warn"
    assert worker.look("0.0.0.0", 1, must=True).level == "fail"
