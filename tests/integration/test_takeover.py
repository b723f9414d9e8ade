"""Taking a partition over on a real ledger: whose log it is, where it goes on, what is remembered and repeated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiokafka.consumer.fetcher import ConsumerRecord
from faust.types import TP

from streams import topics
from streams.ledger.store import LedgerStore
from streams.meter.rows import CALL, DUPLICATE, ledger_table
from streams.meter.steps import measures
from streams.meter.sums import CellKey
from streams.meter.takeover import Taken, take_over
from streams.transport import Consumer
from tests.fakes import BASE_MS, FakeConsumer, FakeLedger, Journal, Steps, batch, call, record, value

CALLS = TP(topics.CALLS, 0)


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps()


@dataclass
class Log:
    """A partition's log and its readers, one after the other."""

    store: LedgerStore
    steps: Steps
    records: list[ConsumerRecord]
    first: int = 0
    committed: int | None = None
    flushes: int = 0

    def __post_init__(self) -> None:
        self.consumer = FakeConsumer(Journal())

    def take(self, window: int = 10_000) -> Taken:
        self.consumer.log[CALLS] = self.records
        end = self.records[-1].offset + 1 if self.records else self.first
        return asyncio.run(
            take_over(
                self.store,
                cast(Consumer, self.consumer),
                CALLS,
                self.committed,
                (self.first, end),
                worker="w",
                window_calls=window,
                usage_cells=1000,
                partitions=1,
            )
        )

    def consume(self, taken: Taken, until: int | None = None) -> list[int]:
        """Read on from where the takeover says, to the end or `until`; the outcomes."""
        records = [r for r in self.records if r.offset >= taken.start_offset and (until is None or r.offset < until)]
        if not records:
            return []
        metered = self.steps.run(taken.meter, batch(records, taken.start_offset))
        columns, table = ledger_table([metered], BASE_MS)
        self.flushes += 1
        self.store.write(columns, table, f"{taken.meter.epoch}:{self.flushes}")
        return [int(code) for code in metered.outcome]


def log_of(*names: str, at: int = 0, timestamp: int = BASE_MS) -> list[ConsumerRecord]:
    return [record(value(call(name)), at + n, timestamp=timestamp + n) for n, name in enumerate(names)]


@pytest.fixture
def log(store: LedgerStore, steps: Steps) -> Log:
    return Log(store, steps, log_of("a", "b", "c", "d"))


def starts(store: LedgerStore) -> list[Any]:
    return store.database.rows(
        "SELECT epoch, incarnation, start_offset, note != '' FROM epochs WHERE event = 'start' ORDER BY epoch"
    )


def counted(store: LedgerStore) -> list[str]:
    return [row[0] for row in store.database.rows("SELECT id FROM calls ORDER BY id")]


def test_a_call_a_day_ahead_makes_no_day_of_questions_to_the_ledger(store: LedgerStore, steps: Steps) -> None:
    """Cells up to the newest call are asked of the ledger; one call of a wrong clock must not make that a day."""
    ahead = BASE_MS + 23 * 3_600_000
    calls = [call("a"), call("b", time=ahead), call("c", time=ahead), call("d", time=BASE_MS + 5000)]
    log = Log(store, steps, [record(value(one), at, timestamp=BASE_MS + at) for at, one in enumerate(calls)])
    log.consume(log.take())
    later = [call("e", time=BASE_MS + 6000), call("f", time=ahead), call("g", time=BASE_MS)]
    log.records = [*log.records, *(record(value(one), 4 + n, timestamp=BASE_MS + 10) for n, one in enumerate(later))]
    taken = log.take()
    assert taken.meter.cells.cold_below == (BASE_MS + 5000) // 1000 + 1
    taken_batch = batch(log.records[4:], 4)
    touched = taken.meter.cells.add(*measures(steps.run(taken.meter, taken_batch)))
    assert [key.second for key in touched.cold] == [BASE_MS // 1000], "what is older is asked of the ledger, as ever"
    assert dict(zip((key.second for key in touched.keys), touched.totals[:, 0].tolist(), strict=True)) == {
        (BASE_MS + 6000) // 1000: 1,
        ahead // 1000: 3,
    }


def test_the_first_owner_begins_at_the_logs_beginning(log: Log) -> None:
    log.first, log.records = 10, log_of("a", "b", at=10)
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation, taken.meter.epoch) == (10, 1, 1)
    assert (taken.note, taken.repeat, taken.meter.owed) == ("", [], [])
    assert log.consumer.journal == [], "there is no witness to look for"
    assert log.consume(taken) == [CALL, CALL]


def test_the_next_owner_goes_on_and_remembers(log: Log) -> None:
    log.consume(log.take(), until=2)
    log.records = [*log.records, record(value(call("a")), 4)]
    taken = log.take()
    assert (taken.start_offset, taken.meter.incarnation, taken.meter.epoch) == (2, 1, 2)
    assert len(taken.meter.window) == 2
    assert log.consume(taken) == [CALL, CALL, DUPLICATE]
    assert counted(log.store) == ["a", "b", "c", "d"]
    assert starts(log.store) == [(1, 1, 0, 0), (2, 1, 2, 0)]


def test_nothing_new_is_nothing_to_do(log: Log) -> None:
    log.consume(log.take())
    taken = log.take()
    assert (taken.start_offset, taken.note) == (4, "")


def made_again(log: Log, records: list[ConsumerRecord], first: int = 0) -> Taken:
    log.consume(log.take())
    log.records, log.first = records, first
    taken = log.take()
    assert taken.note.endswith("the topic was made again")
    assert (taken.meter.incarnation, taken.start_offset) == (2, first)
    assert taken.repeat == []
    return taken


def test_a_shorter_log_is_another_log(log: Log) -> None:
    taken = made_again(log, log_of("e", "a"))
    assert log.consume(taken) == [CALL, DUPLICATE], "what was metered before is still known"
    assert counted(log.store) == ["a", "b", "c", "d", "e"]


def test_an_empty_log_is_another_log(log: Log) -> None:
    taken = made_again(log, [])
    log.records = log_of("x")
    assert log.consume(taken) == [CALL]


def test_another_record_at_the_place_is_another_log(log: Log) -> None:
    made_again(log, log_of("p", "q", "r", "s", "t"))


def test_another_timestamp_at_the_place_is_another_log(log: Log) -> None:
    made_again(log, log_of("a", "b", "c", "d", "e", timestamp=BASE_MS + 1))


def test_no_record_at_the_place_is_another_log(log: Log) -> None:
    made_again(log, [*log_of("a", "b", "c"), *log_of("e", at=4)])


def test_incarnations_count_on(log: Log) -> None:
    taken = made_again(log, log_of("e"))
    log.consume(taken)
    log.records = log_of("f", timestamp=BASE_MS + 77)
    third = log.take()
    assert (third.meter.incarnation, third.meter.epoch, third.start_offset) == (3, 3, 0)
    log.consume(third)
    assert log.take().meter.incarnation == 3
    assert counted(log.store) == ["a", "b", "c", "d", "e", "f"]


def test_retention_that_passed_the_position_is_a_gap_not_another_log(log: Log) -> None:
    log.consume(log.take(), until=2)
    log.records, log.first = log_of("g", "h", at=8), 8
    taken = log.take()
    assert (taken.start_offset, taken.note, taken.meter.incarnation) == (8, "", 1)
    assert [(row.offset, row.through, row.reason) for row in taken.meter.owed] == [(2, 7, "retention")]
    log.consume(taken)
    rows = log.store.database.rows("SELECT offset, through, outcome FROM intake ORDER BY offset")
    assert rows == [(0, 0, "call"), (1, 1, "call"), (2, 7, "gap"), (8, 8, "call"), (9, 9, "call")]


def test_retention_that_took_all_but_the_end(log: Log) -> None:
    log.consume(log.take())
    log.first, log.records = 4, []
    taken = log.take()
    assert (taken.start_offset, taken.note, taken.meter.owed) == (4, "", [])


@pytest.mark.parametrize("last", [b"{broken", None, b"[]"])
def test_a_reject_is_a_witness_by_its_timestamp(log: Log, last: bytes | None) -> None:
    log.records = [*log_of("a"), record(last, 1, timestamp=BASE_MS + 9)]
    log.consume(log.take())
    assert log.take().note == ""
    log.records = [*log_of("a"), record(last, 1, timestamp=BASE_MS + 10)]
    assert log.take().note != ""


def test_the_last_call_of_a_record_of_many_is_the_witness(log: Log) -> None:
    many = value(call("x"), call("x"), call("y")) + b" "
    log.records = [record(many, 0)]
    log.consume(log.take())
    assert log.take().note == ""
    log.records = [record(value(call("x"), call("x"), call("z")), 0)]
    assert log.take().note != ""


def test_a_record_without_a_timestamp_is_its_own_witness(log: Log) -> None:
    log.records = [record(value(call("a")), 0, timestamp=-1)]
    log.consume(log.take())
    assert log.take().note == ""


def test_usage_after_the_committed_offset_is_repeated(log: Log) -> None:
    log.records = [record(value(call(str(n), time=BASE_MS + n * 1000)), n) for n in range(6)]
    log.committed = 0
    log.consume(log.take())
    log.committed = 4
    repeat = log.take().repeat
    assert sorted(key.second for key in repeat) == [BASE_MS // 1000 + 4, BASE_MS // 1000 + 5]
    log.committed = 6
    assert log.take().repeat == []
    log.committed = None
    assert len(log.take().repeat) == 6


def test_old_cells_are_the_ledgers_new_ones_begin_in_memory(log: Log) -> None:
    log.consume(log.take())
    meter = log.take().meter
    assert meter.watermark_ms == BASE_MS
    assert meter.cells.cold_below == BASE_MS // 1000 + 1
    totals = log.store.cell_totals(0, [CellKey("agent", "frontier", BASE_MS // 1000)])
    assert totals[0, 0] == 4


def test_a_small_window_leaves_older_calls_to_the_ledger(log: Log) -> None:
    log.records = [record(value(call(str(n), time=BASE_MS + n * 60_000)), n) for n in range(50)]
    log.consume(log.take())
    meter = log.take(window=10).meter
    assert 0 < len(meter.window) <= 10
    assert meter.window.cold_below_minute > BASE_MS // 60_000


def test_the_order_of_the_steps() -> None:
    journal = Journal()
    ledger = FakeLedger(journal)
    asyncio.run(
        take_over(
            cast(LedgerStore, ledger),
            cast(Consumer, FakeConsumer(journal)),
            CALLS,
            None,
            (0, 0),
            worker="w",
            window_calls=1,
            usage_cells=1,
            partitions=1,
        )
    )
    assert journal.whats() == ["fence", "wait", "position", "start"]
