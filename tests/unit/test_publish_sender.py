"""The sender against a scripted broker: every fault that a real one shows too rarely to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
)

from streams.publish import sender as sender_module
from streams.publish.buffer import Buffer
from streams.publish.record import Record
from streams.publish.sender import Pace, Sender

Answer = Callable[[list[Record]], BaseException | None]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "_BACKOFF_S", (0.001, 0.002))


@dataclass
class Batch:
    room: int
    records: list[Record] = field(default_factory=list)

    def append(self, *, timestamp: int, key: bytes, value: bytes) -> object | None:
        if len(self.records) >= self.room:
            return None
        self.records.append(Record(key, value, timestamp))
        return self

    def close(self) -> None:
        self.room = 0


@dataclass
class Broker:
    """`log` is what it holds by partition; `answer` decides over each batch, `lost` loses its acknowledgement."""

    partitions: int = 3
    room: int = 50
    answer: Answer = lambda batch: None
    lost: Answer = lambda batch: None
    start: Callable[[bool], Awaitable[None]] | None = None
    log: dict[int, list[Record]] = field(default_factory=dict)
    producers: list[bool] = field(default_factory=list)
    mute: bool = False

    def make(self, idempotent: bool) -> Any:
        self.producers.append(idempotent)
        return Producer(self, idempotent)

    def values(self) -> list[bytes]:
        return [record.value for partition in sorted(self.log) for record in self.log[partition]]


class Producer:
    def __init__(self, broker: Broker, idempotent: bool) -> None:
        self.broker = broker
        self.idempotent = idempotent
        self.client = SimpleNamespace(
            close=self.stop, cluster=SimpleNamespace(brokers=lambda: [1]), _md_update_fut=None
        )
        self._message_accumulator = SimpleNamespace(_batches={}, _pending_batches=set())
        self._sender = SimpleNamespace(sender_task=None)

    async def start(self) -> None:
        if self.broker.start is not None:
            await self.broker.start(self.idempotent)

    async def stop(self) -> None:
        pass

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.broker.partitions))

    def create_batch(self) -> Batch:
        return Batch(self.broker.room)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[object]:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.broker.mute:
            return future
        error = self.broker.answer(batch.records)
        if error is None:
            self.broker.log.setdefault(partition, []).extend(batch.records)
            error = self.broker.lost(batch.records)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
        return future


PACE = Pace(linger_s=0.001, connect_s=0.05, stall_s=0.05)


def run(broker: Broker, calls: int, *, idempotence: bool | None = None, keys: int = 7) -> Buffer:
    """Send `calls` calls to the end and give the buffer back."""

    async def main() -> Buffer:
        buffer = Buffer(10_000, 1 << 24)
        sender = Sender(buffer, "t", broker.make, pace=PACE, idempotence=idempotence)
        for number in range(calls):
            buffer.offer(Record(b"key-%d" % (number % keys), b"%06d" % number, number))
        sender.drain()
        await asyncio.wait_for(sender.run(), 20)
        return buffer

    return asyncio.run(main())


def in_order(broker: Broker) -> bool:
    """Whether the first copies of each key's calls stand in the order in which they were published."""
    for log in broker.log.values():
        last: dict[bytes, bytes] = {}
        seen: set[bytes] = set()
        for record in log:
            if record.value in seen:
                continue
            seen.add(record.value)
            if record.value < last.get(record.key, b""):
                return False
            last[record.key] = record.value
    return True


def test_all_arrive_in_order_of_their_keys() -> None:
    broker = Broker()
    stats = run(broker, 2_500).stats()
    assert (stats.delivered, stats.buffered, stats.resent, dict(stats.dropped)) == (2_500, 0, 0, {})
    assert sorted(broker.values()) == [b"%06d" % n for n in range(2_500)]
    assert in_order(broker)


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OutOfOrderSequenceNumber(), KafkaConnectionError()])
def test_a_failed_batch_is_sent_again_by_a_new_producer(error: Exception) -> None:
    failures = iter([None, error, None, error, error])
    broker = Broker(answer=lambda batch: next(failures, None))
    stats = run(broker, 500).stats()
    assert stats.delivered == 500
    assert stats.resent > 0
    assert sorted(broker.values()) == [b"%06d" % n for n in range(500)]
    assert in_order(broker)
    assert len(broker.producers) >= 3


def test_a_lost_acknowledgement_makes_copies_never_gaps() -> None:
    failures = iter([KafkaTimeoutError(), None, KafkaTimeoutError()])
    broker = Broker(lost=lambda batch: next(failures, None))
    stats = run(broker, 300).stats()
    values = broker.values()
    assert stats.delivered == 300
    assert set(values) == {b"%06d" % n for n in range(300)}
    assert 300 < len(values) <= 300 + stats.resent
    assert in_order(broker)
    copies = {record for log in broker.log.values() for record in log}
    assert len(copies) == 300  # a copy is equal in key, value and timestamp


def test_a_record_that_the_broker_refuses_is_given_up_alone() -> None:
    poison = {b"000007", b"000123"}
    broker = Broker(
        answer=lambda batch: MessageSizeTooLargeError() if any(record.value in poison for record in batch) else None
    )
    stats = run(broker, 400).stats()
    assert stats.dropped == {"refused": 2}
    assert stats.delivered == 398
    assert set(broker.values()) == {b"%06d" % n for n in range(400)} - poison


def test_without_idempotence_where_the_broker_has_none() -> None:
    async def start(idempotent: bool) -> None:
        if idempotent:
            raise IncompatibleBrokerVersion()

    broker = Broker(start=start)
    assert run(broker, 10).stats().delivered == 10
    assert broker.producers == [True, False]


def test_what_lies_behind_a_refused_id_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """So a broker answers a router that has no right on the topic: first it refuses the producer id."""
    tries: list[bool] = []

    async def start(idempotent: bool) -> None:
        tries.append(idempotent)
        if idempotent:
            raise ClusterAuthorizationFailedError()
        if len(tries) == 2:
            raise TopicAuthorizationFailedError("t")

    assert run(Broker(start=start), 10).stats().delivered == 10
    assert tries == [True, False, False]
    assert "TopicAuthorizationFailedError" in caplog.text


def test_without_idempotence_where_the_broker_never_gives_an_id() -> None:
    async def start(idempotent: bool) -> None:
        if idempotent:
            await asyncio.sleep(60)

    broker = Broker(start=start)
    assert run(broker, 10).stats().delivered == 10
    assert broker.producers == [True, False]


def test_idempotence_asked_for_is_not_given_up() -> None:
    tries: list[bool] = []

    async def start(idempotent: bool) -> None:
        tries.append(idempotent)
        if len(tries) < 4:
            raise IncompatibleBrokerVersion()

    assert run(Broker(start=start), 10, idempotence=True).stats().delivered == 10
    assert tries == [True] * 4


def test_a_broker_that_stops_answering_gets_a_new_producer() -> None:
    broker = Broker(mute=True)

    async def start(idempotent: bool) -> None:
        broker.mute = len(broker.producers) < 3

    broker.start = start
    stats = run(broker, 10).stats()
    assert stats.delivered == 10
    assert len(broker.producers) == 3


def test_a_fault_of_our_own_does_not_end_the_stream() -> None:
    faults = iter([ZeroDivisionError()])

    async def start(idempotent: bool) -> None:
        for fault in faults:
            raise fault

    assert run(Broker(start=start), 10).stats().delivered == 10


def _cancel_midway(broker: Broker) -> Coroutine[Any, Any, Buffer]:
    async def main() -> Buffer:
        buffer = Buffer(1_000, 1 << 20)
        sender = Sender(buffer, "t", broker.make, pace=PACE, idempotence=False)
        for number in range(20):
            buffer.offer(Record(b"key", b"%06d" % number, number))
        task = asyncio.create_task(sender.run())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task})
        return buffer

    return main()


def test_cancelled_in_flight_the_calls_are_in_the_buffer_in_order() -> None:
    buffer = asyncio.run(_cancel_midway(Broker(mute=True)))
    assert [record.value for record in buffer.take(100)] == [b"%06d" % n for n in range(20)]
    assert buffer.stats().buffered == 20
