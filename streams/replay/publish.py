"""Raw lines to the broker, batched by partition, with the offsets that the broker gave them.

Contract
    - Each line becomes one record, its bytes unchanged, in the partition of its key (murmur2, as Kafka's own clients);
      without a key the partitions take turns.
    - `add` waits while a partition's batch is not taken by the broker: nothing piles up here.
    - `flush` returns when the broker has acknowledged all; then `ranges` says where they stand.
    - A batch that the broker refuses for its size counts as refused (its lines are not published); any other fault is
      `Unavailable`: what was acknowledged is in the log, and replaying the file again makes duplicates of it only.
Own batches, because `producer.send()` costs three times as much a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from streams.errors import Unavailable
from streams.meter.route import Router
from streams.replay.keys import key_of_line

BATCH_BYTES = 256 * 1024
"""Of records before they are sent: a quarter of what Kafka takes by default, some 600 calls."""

_TURN = 1_000
"""Lines prepared before the event loop gets its turn again (it may run the worker too): about 3 ms."""


@dataclass(slots=True)
class Range:
    """Offsets of a partition from the first record of a replay to the last."""

    first: int
    end: int
    """One past the last."""


class LinePublisher:
    """Publishes lines to one topic through a started producer (made with `max_batch_size=BATCH_BYTES`)."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int, now_ms: Callable[[], int]) -> None:
        self._producer = producer
        self._topic = topic
        self._now_ms = now_ms
        self._router = Router(partitions)
        self._keyless = 0
        self._filling: dict[int, Any] = {}
        self._flights: set[asyncio.Future[Any]] = set()
        self._fault: BaseException | None = None
        self._partition_of: dict[bytes, int] = {}
        self.ranges: dict[int, Range] = {}
        self.published = 0
        """Lines that the broker has acknowledged."""
        self.refused = 0
        """Lines that the broker refuses for their size."""

    async def add(self, lines: Sequence[bytes]) -> None:
        """Put lines into batches and send the full ones."""
        for start in range(0, len(lines), _TURN):
            await self._add(lines[start : start + _TURN])
            await asyncio.sleep(0)

    async def _add(self, lines: Sequence[bytes]) -> None:
        filling, now = self._filling, self._now_ms()
        for line in lines:
            key = key_of_line(line)
            partition = self._partition(key)
            batch = filling.get(partition)
            if batch is None:
                batch = filling[partition] = self._producer.create_batch()
            if batch.append(timestamp=now, key=key, value=line) is None:
                await self._send(partition)
                batch = filling[partition] = self._producer.create_batch()
                batch.append(timestamp=now, key=key, value=line)

    def _partition(self, key: bytes | None) -> int:
        if key is None:
            self._keyless += 1
            return self._keyless % self._router.partitions
        return self._router.partition(key.decode())

    async def send(self) -> None:
        """Send what is in batches now, full or not."""
        for partition in list(self._filling):
            await self._send(partition)

    async def flush(self) -> None:
        """Send all and wait until the broker has acknowledged it. Raises `Unavailable`."""
        await self.send()
        while self._flights:
            await asyncio.wait(self._flights)
        self._check()

    async def _send(self, partition: int) -> None:
        self._check()
        batch = self._filling.pop(partition)
        records = batch.record_count()
        try:
            future = await self._producer.send_batch(batch, self._topic, partition=partition)
        except KafkaError as error:
            raise Unavailable(f"the broker takes no records: {error}") from error
        self._flights.add(future)
        future.add_done_callback(lambda done: self._landed(done, partition, records))

    def _landed(self, future: asyncio.Future[Any], partition: int, records: int) -> None:
        self._flights.discard(future)
        if future.cancelled():
            self._fault = self._fault or Unavailable("publishing was cancelled")
            return
        error = future.exception()
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            self.refused += records
        elif error is not None:
            self._fault = self._fault or error
        else:
            self.published += records
            first = int(future.result().offset)
            known = self.ranges.get(partition)
            if known is None:
                self.ranges[partition] = Range(first, first + records)
            else:
                known.first = min(known.first, first)
                known.end = max(known.end, first + records)

    def _check(self) -> None:
        if self._fault is not None:
            raise Unavailable(f"the broker did not take all records: {self._fault}") from self._fault
