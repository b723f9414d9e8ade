"""The watcher's room while partitions move: records that wait for a seat's past do not wait for a seat that is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import structlog
from faust.types import TP

from streams import topics
from streams.duties import Duties
from streams.ledger.store import LedgerStore
from streams.meter.outgoing import Sender
from streams.metrics import Metrics
from streams.retry import until_available
from streams.transport import Consumer, RecordBatch
from streams.watch.agent import Watcher
from streams.watch.record import END, Part, encode_part, encode_steps
from streams.watch.seat import Seat
from streams.watch.writing import SeatOptions
from tests.fakes import BASE_MS, FakeConsumer, FakeSender, Journal, record

STEPS = TP(topics.STEPS, 0)
log = structlog.get_logger("test")


class Room:
    """A watcher on a real ledger, its log and its broker stood in for. Its past is folded once `may_resume` is set."""

    def __init__(self, store: LedgerStore) -> None:
        self.may_resume = asyncio.Event()
        self.resuming = asyncio.Event()
        self.fault: Exception | None = None
        self.metrics = Metrics()
        self.consumer = FakeConsumer(Journal())
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        options = SeatOptions(worker="w", history_days=1, absent_ms=60_000, partitions=1)
        self.watcher = Watcher(
            store, cast(Sender, FakeSender(Journal())), self.metrics, options, Duties([], self.metrics),
            retried=self.retried, revoke_seconds=5, now_ms=lambda: BASE_MS,
        )  # fmt: skip
        self.body = asyncio.create_task(self.watcher.run(self.arriving()))

    async def retried(self, what: str, step: Callable[[], Awaitable[Any]]) -> Any:
        """As in a worker; the first question of a seat's beginning waits, and may fail."""
        if what == "last change":
            self.resuming.set()
            await self.may_resume.wait()
            if self.fault is not None:
                raise self.fault
        return await until_available(what, step, self.metrics, log)

    async def arriving(self) -> AsyncIterator[Any]:
        while True:
            yield await self.events.get()

    def bring(self, offset: int) -> None:
        """A record of the topic: partition 0 of the calls stands at the end of its log."""
        part = Part(0, 1, 1, (-1, END), (offset, END), BASE_MS, True)
        value = encode_steps("w", BASE_MS, [encode_part(part)])
        batch = RecordBatch(topics.STEPS, 0, [record(value, offset)], None, offset + 1)
        message = SimpleNamespace(partition=0, offset=offset)
        self.events.put_nowait(SimpleNamespace(value=batch, message=message))

    async def assign(self) -> Seat:
        await self.watcher.on_assigned({STEPS: None}, cast(Consumer, self.consumer))
        return self.watcher.seats[0]

    async def waits_with(self, offset: int) -> None:
        """Until a record is in hand that waits for the past."""
        self.bring(offset)
        await self.resuming.wait()
        await asyncio.sleep(0.05)
        assert not self.consumer.settled
        assert self.events.empty()

    async def settled(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.consumer.settled) < count:
            assert time.monotonic() < deadline, f"{len(self.consumer.settled)} of {count} records were settled"
            await asyncio.sleep(0.01)

    async def over(self) -> None:
        self.body.cancel()
        await asyncio.gather(self.body, return_exceptions=True)
        await self.watcher.before_revoke({STEPS})


def test_a_partition_that_moves_while_its_past_is_folded_keeps_no_record_waiting(store: LedgerStore) -> None:
    async def main() -> None:
        room = Room(store)
        first = await room.assign()
        await room.waits_with(0)
        await room.watcher.before_revoke({STEPS})  # another rebalance, as when workers start one after the other
        room.may_resume.set()
        second = await room.assign()
        room.bring(1)
        await room.settled(2)
        assert second.caught_up
        assert not first.caught_up
        await room.over()

    asyncio.run(main())


def test_a_seat_whose_past_cannot_be_read_takes_nothing(store: LedgerStore) -> None:
    async def main() -> None:
        room = Room(store)
        room.fault = RuntimeError("a checkpoint of another form")
        seat = await room.assign()
        await room.waits_with(0)
        room.may_resume.set()
        await room.settled(1)
        assert room.watcher.seats == {}
        assert not seat.caught_up
        assert "no longer watched" in str(room.metrics.faults)
        await room.over()

    asyncio.run(main())
