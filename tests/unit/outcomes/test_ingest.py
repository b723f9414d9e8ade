"""Verdicts from Kafka records to rows: nothing raises, every part is one row, the ledger keeps the position."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcome import Outcome
from streams import topics
from streams.errors import LedgerError, Unavailable
from streams.metrics import Metrics
from streams.outcomes.agent import OutcomeAgent
from streams.outcomes.decode import decode_outcomes
from streams.outcomes.rows import COLUMNS, Placed, outcome_table
from streams.outcomes.store import OutcomePosition, OutcomeStore
from streams.transport import Consumer, RecordBatch
from tests.fakes import BASE_MS, FakeConsumer, Journal, Script, batch, record

EXAMPLES = Path(__file__).resolve().parents[3] / "schemas" / "examples" / "outcome"
TP0 = TP(topics.OUTCOMES, 0)


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*.*json")) + sorted(EXAMPLES.glob("*.bin")), ids=lambda p: p.name
)
def test_every_example_of_the_contract_becomes_rows(path: Path) -> None:
    if path.name == "expected.json":
        return
    found = list(decode_outcomes(path.read_bytes(), 5, BASE_MS))
    expected = json.loads((EXAMPLES / "expected.json").read_text())
    assert found
    assert all(isinstance(one.found, Outcome) for one in found) == ("bad" not in path.name)
    assert path.name in json.dumps(expected)
    table = outcome_table([Placed(0, 1, found)], BASE_MS)
    assert [(one["offset"], one["item"]) for one in table.to_pylist()] == [(5, at) for at in range(len(found))]
    assert table.column_names == [name for name, _ in COLUMNS]


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode) | st.just(b'{"run_id":"r","outcome":"success"}'))
def test_no_bytes_raise_and_all_make_a_row(value: bytes) -> None:
    found = list(decode_outcomes(value, 0, BASE_MS))
    assert found
    assert outcome_table([Placed(0, 1, found)], BASE_MS).num_rows == len(found)


def test_a_verdict_without_a_time_is_told_apart_from_one_with() -> None:
    told = {"run_id": "r", "outcome": "success", "time": BASE_MS - 5}
    untold = b'{"run_id":"r","outcome":"failure"}'
    found = [*decode_outcomes(json.dumps(told).encode(), 0, BASE_MS), *decode_outcomes(untold, 1, BASE_MS)]
    rows = outcome_table([Placed(0, 1, found)], BASE_MS + 9).to_pylist()
    assert [(row["time"].timestamp() * 1000, row["time_told"]) for row in rows] == [
        (BASE_MS - 5, True),
        (BASE_MS, False),
    ]


def test_a_time_a_day_ahead_of_its_record_is_refused() -> None:
    value = json.dumps({"run_id": "r", "outcome": "success", "time": BASE_MS + 86_400_001}).encode()
    (verdict,) = decode_outcomes(value, 0, BASE_MS)
    assert not isinstance(verdict.found, Outcome)
    assert verdict.found.reason == "time_in_future"


# -- the agent -------------------------------------------------------------------------------------------------------


class FakeStore:
    """The ledger's promises: a token writes once, the position is what was written."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.tokens: set[str] = set()
        self.rows: list[tuple[int, int, int]] = []
        self.script = Script()
        self.answer_lost = Script()
        self.arrived_ms = BASE_MS

    def position(self, partition: int) -> OutcomePosition | None:
        return OutcomePosition(self.rows[-1][0], self.rows[-1][1], self.arrived_ms) if self.rows else None

    def write(self, stretches: Sequence[Placed], ingested_ms: int, token: str) -> None:
        self.journal.append(("insert", token))
        self.script.step()
        if token not in self.tokens:
            self.tokens.add(token)
            self.rows += [(s.incarnation, v.offset, v.item) for s in stretches for v in s.verdicts]
        self.answer_lost.step()


def verdict(at: int) -> bytes:
    return json.dumps({"run_id": f"r{at}", "outcome": "success"}).encode()


def taken(first: int, count: int) -> RecordBatch:
    return batch([record(verdict(at), at, topic=topics.OUTCOMES) for at in range(first, first + count)], first)


async def events(*batches: RecordBatch) -> AsyncIterator[Any]:
    for one in batches:
        yield SimpleNamespace(
            message=SimpleNamespace(partition=one.partition, offset=one.records[-1].offset), value=one
        )


class Bench:
    """An agent on a fake ledger and a fake log."""

    def __init__(self, store: FakeStore | None = None, end: int = 100) -> None:
        self.journal = store.journal if store else Journal()
        self.store = store or FakeStore(self.journal)
        self.consumer = FakeConsumer(self.journal)
        self.consumer.bounds[TP0] = (0, end)
        self.fatal: list[BaseException] = []
        self.failed = asyncio.Event()
        self.agent = OutcomeAgent(
            cast(OutcomeStore, self.store), Metrics(), on_fatal=self._fail, now_ms=lambda: BASE_MS, flush_s=0.001
        )

    def _fail(self, error: BaseException) -> None:
        self.fatal.append(error)
        self.failed.set()

    async def assigned(self) -> int:
        return (await self.agent.on_assigned({TP0: None}, cast(Consumer, self.consumer)))[TP0]

    async def feed(self, *batches: RecordBatch) -> None:
        await self.agent.run(events(*batches))
        await self.agent.flush()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.retry._FIRST_S", 0.001)


def test_insert_comes_before_acknowledge_and_faults_are_retried_with_the_same_token() -> None:
    async def main() -> None:
        bench = Bench()
        bench.store.script = Script([Unavailable("away"), Unavailable("away")])
        bench.store.answer_lost = Script([Unavailable("the answer was lost")])
        assert await bench.assigned() == 0
        await bench.feed(taken(0, 3))
        assert bench.journal.whats() == ["insert"] * 4 + ["settle"]
        assert len({entry[1] for entry in bench.journal.of("insert")}) == 1
        assert bench.store.rows == [(1, 0, 0), (1, 1, 0), (1, 2, 0)]
        assert bench.fatal == []

    asyncio.run(main())


def test_a_restart_goes_on_behind_the_ledger_not_behind_the_group() -> None:
    async def main() -> None:
        first = Bench()
        await first.assigned()
        await first.feed(taken(0, 4))
        second = Bench(first.store)
        second.consumer.log[TP0] = [record(verdict(3), 3, topic=topics.OUTCOMES)]
        assert await second.assigned() == 4
        await second.feed(taken(4, 2))
        assert first.store.rows == [(1, at, 0) for at in range(6)]

    asyncio.run(main())


@pytest.mark.parametrize(("end", "timestamp"), [(3, BASE_MS), (100, BASE_MS + 1), (100, None)])
def test_a_topic_that_was_made_again_is_read_from_its_start(end: int, timestamp: int | None) -> None:
    async def main() -> None:
        bench = Bench(end=end)
        bench.store.rows = [(1, 3, 0)]
        if timestamp is not None:
            bench.consumer.log[TP0] = [record(verdict(9), 3, timestamp=timestamp, topic=topics.OUTCOMES)]
        assert await bench.assigned() == 0
        await bench.feed(taken(0, 1))
        assert bench.store.rows == [(1, 3, 0), (2, 0, 0)]

    asyncio.run(main())


def test_what_the_log_dropped_is_passed_over() -> None:
    async def main() -> None:
        bench = Bench()
        bench.store.rows = [(1, 3, 0)]
        bench.consumer.bounds[TP0] = (7, 100)
        assert await bench.assigned() == 7

    asyncio.run(main())


def test_a_revoked_partition_is_written_first_and_then_left_alone() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.assigned()
        bench.agent._flush_s = 60
        await bench.agent.run(events(taken(0, 1)))
        await bench.agent.before_revoke({TP0})
        assert bench.journal.whats() == ["insert", "settle"]
        await bench.feed(taken(1, 1))
        assert bench.journal.whats() == ["insert", "settle"]

    asyncio.run(main())


def test_another_fault_ends_the_process_and_nothing_is_acknowledged() -> None:
    async def main() -> None:
        bench = Bench()
        bench.store.script = Script([LedgerError("refused")])
        await bench.assigned()

        async def one_then_silence() -> AsyncIterator[Any]:
            async for event in events(taken(0, 1)):
                yield event
            await asyncio.Event().wait()

        body = asyncio.create_task(bench.agent.run(one_then_silence()))
        async with asyncio.timeout(10):
            await bench.failed.wait()
        body.cancel()
        await asyncio.wait({body})
        assert [str(error) for error in bench.fatal] == ["refused"]
        assert "settle" not in bench.journal.whats()

    asyncio.run(main())
