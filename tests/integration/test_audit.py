"""The audit on the real engine: a ledger that adds up passes, and each way of not adding up is found where it is."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.cli.reach import EngineLedger
from streams.ledger import audit as audit_module
from streams.ledger.audit import AuditReport, audit
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore

HOUR = "2026-03-02 00:00:00"


class Filled:
    """A migrated ledger, a hand to write rows that no worker would, and the audit's read-only view of it."""

    def __init__(self, database: Database, reader: EngineLedger) -> None:
        self.database = database
        self.reader = reader

    def epoch(self, partition: int, epoch: int, start: int, incarnation: int = 1) -> None:
        """An epoch that began to read at `start`."""
        self.database.command(
            "INSERT INTO epochs (partition, epoch, event, incarnation, start_offset) "
            f"VALUES ({partition}, {epoch}, 'start', {incarnation}, {start})"
        )

    def row(self, partition: int, offset: int, outcome: str = "call", **more: Any) -> None:
        """One row of intake; a call is named by its position unless `id` is given."""
        values: dict[str, Any] = {
            "incarnation": 1,
            "partition": partition,
            "offset": offset,
            "item": 0,
            "through": offset,
            "epoch": 1,
            "outcome": outcome,
            "ingested_at": HOUR,
            "time": HOUR,
            "agent_id": "a",
            "id": f"{partition}-{offset}-{more.get('item', 0)}",
            "input_tokens": 10,
            "cost_usd": "0.000000000001",
        } | more
        values.setdefault("identity", zlib.crc32(str(values["id"]).encode()))
        shown = ", ".join(str(value) if isinstance(value, int) else f"'{value}'" for value in values.values())
        self.database.command(f"INSERT INTO intake ({', '.join(values)}) VALUES ({shown})")

    def audit(self) -> AuditReport:
        """The audit's verdict."""
        return audit(self.reader)

    def wrong(self) -> list[tuple[str, str]]:
        """(check, where) of each finding."""
        return [(finding.check, finding.where) for finding in self.audit().findings]


@pytest.fixture
def ledger(store: LedgerStore, chdb_url: str) -> Iterator[Filled]:
    path = Path(chdb_url.removeprefix("chdb://"))
    with contextlib.closing(EngineLedger(path, store.database.database)) as reader:
        yield Filled(store.database, reader)


@pytest.fixture
def good(ledger: Filled) -> Filled:
    """Partition 0 has all outcomes, a hole that the log had and a record of two calls; 1 has the moved call."""
    ledger.epoch(0, 1, 0)
    ledger.row(0, 0)
    ledger.row(0, 1, "duplicate", id="0-0-0")
    ledger.row(0, 2, "reject", reason="not_json", cost_usd="0", id="")
    ledger.row(0, 3, "gap", through=6, cost_usd="0", id="")
    ledger.row(0, 7, item=0)
    ledger.row(0, 7, item=1)
    ledger.row(0, 8, "moved", id="mover", identity=5)
    ledger.epoch(1, 1, 100)
    ledger.row(1, 100, id="mover", identity=5)
    return ledger


def test_an_empty_ledger_adds_up(ledger: Filled) -> None:
    report = ledger.audit()
    assert report.ok
    assert report.counts.received == 0


def test_a_good_ledger_adds_up(good: Filled) -> None:
    report = good.audit()
    assert report.findings == []
    assert report.warnings == []
    counts = report.counts
    assert (counts.records, counts.received, counts.calls, counts.duplicates) == (6, 7, 4, 1)
    assert (counts.rejects, counts.moved, counts.gaps) == (1, 1, 1)


def test_stretches_of_any_length_see_the_same(good: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = good.audit().as_json()
    for length in (1, 2, 3, 5):
        monkeypatch.setattr(audit_module, "STRETCH", length)
        assert good.audit().as_json() == whole


def test_shares_see_the_same(good: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    good.row(1, 101, id="mover", identity=5)
    whole = good.audit().as_json()
    assert not whole["ok"]
    monkeypatch.setattr(audit_module, "SHARE", 1)
    assert good.audit().as_json() == whole


@pytest.mark.parametrize("length", [1, 3, 500_000])
def test_a_hole_is_found(good: Filled, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(audit_module, "STRETCH", length)
    good.row(0, 12)
    assert good.wrong() == [("positions", "partition 0, incarnation 1, offset 9-11")]


def test_rows_missing_from_the_start_are_found(good: Filled) -> None:
    good.epoch(2, 1, 10)
    good.row(2, 12)
    assert good.wrong() == [("positions", "partition 2, incarnation 1, offset 10-11")]


def test_two_rows_at_a_position_are_found(good: Filled) -> None:
    good.row(0, 7, item=1, id="another")
    assert good.wrong() == [
        ("positions", "partition 0, incarnation 1, offset 7"),
        ("received", "ledger"),
    ]


def test_a_call_missing_from_its_record_is_found(good: Filled) -> None:
    good.row(0, 9, item=0)
    good.row(0, 9, item=2)
    assert good.wrong() == [("positions", "partition 0, incarnation 1, offset 9")]


def test_a_gap_over_rows_is_found(good: Filled) -> None:
    good.row(0, 9, "gap", through=11, id="")
    good.row(0, 10)
    good.row(0, 12)
    found = good.wrong()
    assert ("positions", "partition 0, incarnation 1, offset 10") in found


def test_another_life_begins_anew(good: Filled) -> None:
    good.epoch(0, 2, 0, incarnation=2)
    good.row(0, 0, incarnation=2, epoch=2, id="after")
    assert good.wrong() == []
    good.row(0, 2, incarnation=2, epoch=2, id="later")
    assert good.wrong() == [("positions", "partition 0, incarnation 2, offset 1")]


def test_rows_that_a_later_epoch_voids_are_found(good: Filled) -> None:
    good.epoch(0, 2, 9)
    good.row(0, 9, epoch=2)
    assert good.wrong() == []
    good.row(0, 10, epoch=1)
    assert good.wrong() == [("epochs", "partition 0, incarnation 1, epoch 1")]


def test_rows_of_an_epoch_that_never_began_are_found(good: Filled) -> None:
    good.row(0, 9, epoch=5)
    assert good.wrong() == [("epochs", "partition 0, incarnation 1, epoch 5")]


def test_rows_of_a_life_that_no_epoch_began_are_found(good: Filled) -> None:
    good.row(3, 0)
    assert good.wrong() == [
        ("epochs", "partition 3, incarnation 1"),
        ("epochs", "partition 3, incarnation 1, epoch 1"),
    ]


def test_rows_before_their_epochs_start_are_found(good: Filled) -> None:
    good.epoch(0, 2, 10)
    good.row(0, 9, epoch=2)
    assert good.wrong() == [("epochs", "partition 0, incarnation 1, epoch 2")]


def test_a_gap_owed_by_an_epoch_stands_before_its_start(good: Filled) -> None:
    """What retention took before a takeover is written by the new owner, which reads on behind it."""
    good.epoch(0, 2, 12)
    good.row(0, 9, "gap", through=11, epoch=2, id="")
    good.row(0, 12, epoch=2)
    assert good.wrong() == []


def test_a_call_that_is_there_twice_is_found(good: Filled) -> None:
    good.row(0, 9, id="twice", identity=99)
    good.row(0, 10, id="twice", identity=99)
    report = good.audit()
    assert [finding.check for finding in report.findings] == ["identities"]
    assert "'twice'" in report.findings[0].what
    assert report.warnings == []


def test_one_id_for_several_calls_is_a_warning(good: Filled) -> None:
    good.row(0, 9, id="reused", identity=98)
    good.row(0, 10, id="reused", identity=98, time="2026-03-02 00:30:00")
    report = good.audit()
    assert report.ok
    assert [warning.check for warning in report.warnings] == ["identities"]


def test_two_calls_with_one_hash_are_two_calls(good: Filled) -> None:
    good.row(0, 9, id="one", identity=97)
    good.row(0, 10, id="other", identity=97)
    report = good.audit()
    assert report.ok
    assert report.warnings == []


def test_a_moved_call_that_never_arrived_is_found(good: Filled) -> None:
    good.row(0, 9, "moved", id="lost", identity=96)
    assert good.wrong() == [("received", "partition 0, incarnation 1, offset 9, item 0")]


def test_a_moved_call_may_arrive_while_the_audit_runs(good: Filled) -> None:
    good.row(0, 9, "moved", id="late", identity=95)
    arrivals = iter([101])

    def pause() -> None:
        for offset in arrivals:
            good.row(1, offset, id="late", identity=95)

    assert audit(good.reader, pause=pause).ok


def test_a_copy_without_its_call_is_found(good: Filled) -> None:
    good.row(0, 9, "duplicate", id="lost")
    assert good.wrong() == [("copies", "partition 0, incarnation 1, offset 9, item 0")]
    good.row(0, 10, "call", id="lost")
    assert good.wrong() == []


def test_a_roll_up_that_differs_is_found(good: Filled) -> None:
    view = good.database.rows("SELECT create_table_query FROM system.tables WHERE name = 'spend_by_hour' "
                              "AND database = currentDatabase()")[0][0]  # fmt: skip
    lying = str(view).replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace("sum(i.cost_usd)", "sum(i.cost_usd) * 2")
    assert lying.count("* 2") == 1
    good.database.command(lying)
    assert [check for check, _ in good.wrong()] == ["roll-ups"]


@pytest.mark.parametrize(("projection", "check"), [("by_hour", "roll-ups"), ("by_position", "position")])
def test_a_projection_that_is_not_read_is_said(good: Filled, projection: str, check: str) -> None:
    good.database.command(f"ALTER TABLE intake DROP PROJECTION {projection} SETTINGS mutations_sync = 2")
    report = good.audit()
    assert report.ok
    assert [warning.check for warning in report.warnings] == [check]


def test_rows_that_retention_dropped_are_not_missed(good: Filled) -> None:
    good.epoch(2, 1, 10)
    good.row(2, 12)
    good.database.command("ALTER TABLE intake MODIFY TTL toDateTime(ingested_at) + toIntervalDay(36500) "
                          "SETTINGS materialize_ttl_after_modify = 0")  # fmt: skip
    assert good.wrong() == []
