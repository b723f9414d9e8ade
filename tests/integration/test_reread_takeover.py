"""A log that is read again: as a new life, without doubling, whatever happens in the midst of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.cli.reach import EngineLedger
from streams.ledger.audit import audit
from streams.ledger.store import LedgerStore
from streams.meter.rows import CALL, DUPLICATE
from streams.repair.marks import Asked, LedgerMarks
from streams.repair.orders import open_orders
from streams.repair.rebuild import compare, projections, rebuild
from tests.fakes import BASE_MS, Steps, call, record, value
from tests.integration.test_takeover import Log, counted, log_of, starts


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps()


@pytest.fixture
def log(store: LedgerStore, steps: Steps) -> Log:
    records = log_of("a", "b", "c", "d")
    records += [record(b"{", 4, timestamp=BASE_MS + 4), record(b'{"id": 1}', 5, timestamp=BASE_MS + 5)]
    return Log(store, steps, [*records, record(value(call("e")), 6, timestamp=BASE_MS + 6)])


@pytest.fixture
def reader(store: LedgerStore, chdb_url: str) -> Iterator[EngineLedger]:
    ledger = EngineLedger(Path(chdb_url.removeprefix("chdb://")), store.database.database)
    yield ledger
    ledger.close()


def ask(log: Log, after: int, start: int, name: str = "r1") -> None:
    LedgerMarks(log.store.database).asked(name, "ada", BASE_MS, [Asked(0, after, start)])


def outcomes(log: Log) -> dict[str, int]:
    rows = log.store.database.rows("SELECT toString(outcome), count() FROM intake GROUP BY outcome")
    return {str(outcome): int(count) for outcome, count in rows}


def test_what_the_ledger_holds_becomes_duplicates_rejects_too(log: Log, reader: EngineLedger) -> None:
    log.consume(log.take())
    assert open_orders(log.store.database) == set()
    ask(log, 1, 0)
    assert open_orders(log.store.database) == {0}
    taken = log.take()
    assert open_orders(log.store.database) == set(), "who takes over begins, and nobody is asked twice"
    assert (taken.start_offset, taken.meter.incarnation) == (0, 2)
    assert "read again" in taken.note
    assert log.consume(taken) == [DUPLICATE] * 5
    assert outcomes(log) == {"call": 5, "duplicate": 7, "reject": 2}
    report = audit(reader)
    assert report.ok, report.findings
    assert (report.counts.received, report.counts.calls, report.counts.rejects) == (14, 5, 2)


def test_from_the_middle_and_then_it_goes_on(log: Log) -> None:
    log.consume(log.take())
    ask(log, 1, 3)
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation) == (3, 2)
    assert log.consume(taken) == [DUPLICATE, DUPLICATE]
    log.records = [*log.records, record(value(call("f")), 7)]
    after = log.take()
    assert (after.start_offset, after.meter.incarnation, after.note) == (7, 2, "")
    assert log.consume(after) == [CALL]
    assert starts(log.store)[-1] == (3, 2, 7, 0)


def test_a_crash_before_the_first_row_begins_again_and_one_in_the_midst_goes_on(log: Log) -> None:
    log.consume(log.take())
    ask(log, 1, 0)
    assert [log.take().start_offset for _ in range(2)] == [0, 0]
    assert log.consume(log.take(), until=5) == [DUPLICATE] * 4
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation, taken.note) == (5, 2, "")
    assert log.consume(taken) == [DUPLICATE]
    assert outcomes(log) == {"call": 5, "duplicate": 7, "reject": 2}


def test_again_and_again_changes_nothing(log: Log) -> None:
    log.consume(log.take())
    for life in (1, 2, 3):
        ask(log, life, 0, f"r{life}")
        assert log.consume(log.take()) == [DUPLICATE] * 5
    assert outcomes(log) == {"call": 5, "duplicate": 21, "reject": 2}
    assert log.take().note == "", "the last row of a life may be a reject that was known: still the same log"


def test_a_known_reject_as_last_row_is_no_sign_of_another_log(log: Log) -> None:
    log.records = log.records[:6]
    log.consume(log.take())
    ask(log, 1, 0)
    log.consume(log.take())
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation, taken.note) == (6, 2, "")


def test_lost_rows_come_back_and_the_audit_says_so(log: Log, reader: EngineLedger) -> None:
    log.consume(log.take())
    log.store.database.command("ALTER TABLE intake DELETE WHERE id IN ('b', 'c') SETTINGS mutations_sync = 1")
    assert not audit(reader).ok
    ask(log, 1, 0)
    assert log.consume(log.take()) == [DUPLICATE, CALL, CALL, DUPLICATE, DUPLICATE]
    assert counted(log.store) == ["a", "b", "c", "d", "e"]
    report = audit(reader)
    assert report.ok, report.findings
    assert "read again from 0 on" in report.warnings[0].what


def test_what_is_lost_after_the_log_was_read_again_is_found_and_comes_back(log: Log, reader: EngineLedger) -> None:
    log.consume(log.take())
    ask(log, 1, 0)
    log.consume(log.take())
    log.store.database.command(
        "ALTER TABLE intake DELETE WHERE outcome = 'call' AND id = 'b' SETTINGS mutations_sync = 1"
    )
    [finding] = audit(reader).findings
    assert finding.check == "copies"
    assert "'b'" in finding.what
    ask(log, 2, 0, "r2")
    assert log.consume(log.take()).count(CALL) == 1
    assert audit(reader).ok


def test_what_was_lost_before_the_stretch_stays_a_finding(log: Log, reader: EngineLedger) -> None:
    log.consume(log.take())
    log.store.database.command("ALTER TABLE intake DELETE WHERE id = 'b' SETTINGS mutations_sync = 1")
    ask(log, 1, 3)
    log.consume(log.take())
    assert [finding.check for finding in audit(reader).findings] == ["positions"]


def test_a_lost_ledger_is_read_from_where_it_was_asked(log: Log) -> None:
    ask(log, 0, 2)
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation) == (2, 1)
    assert log.consume(taken) == [CALL] * 3


def test_a_request_for_an_earlier_life_or_a_lost_log_is_void(log: Log) -> None:
    log.consume(log.take())
    ask(log, 0, 0)
    assert log.take().start_offset == 7
    ask(log, 1, 5)
    log.records, log.first = log_of("x", "y", timestamp=BASE_MS + 10**6), 0
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation) == (0, 2)
    assert "made again" in taken.note


def test_writing_a_request_twice_writes_it_once(log: Log) -> None:
    for _ in range(2):
        ask(log, 1, 0)
    assert log.store.database.rows("SELECT count() FROM replays") == [(1,)]


def test_roll_ups_are_compared_and_made_again(log: Log) -> None:
    database = log.store.database
    log.consume(log.take())
    names = {(one.table, one.name) for one in projections(database)}
    assert {("intake", "by_hour"), ("intake", "by_identity"), ("intake", "by_position")} <= names
    assert all(compare(database, one).ok for one in projections(database))
    for name in ("by_hour", "by_identity"):
        database.command(f"ALTER TABLE intake CLEAR PROJECTION {name} SETTINGS mutations_sync = 2")
    wrong = [one for one in projections(database) if not compare(database, one).ok]
    assert [one.name for one in wrong] == ["by_hour", "by_identity"]
    told: list[tuple[str, str, int, int]] = []
    rebuild(database, wrong, lambda: None, lambda *step: told.append(step))
    assert told[0] == ("intake", "by_hour", 0, 1)
    assert told[-1] == ("intake", "by_identity", 1, 1)
    assert all(compare(database, one).ok for one in projections(database))
