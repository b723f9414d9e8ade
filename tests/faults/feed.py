"""Routers of the tests: seeded traffic, published at a steady rate until told to stop, through whatever befalls Kafka.

A record that the brokers did not acknowledge is sent again, as a router's publisher does: copies in the log are the
meter's business. `calls` of `Traffic` are counted as sent only once a record of theirs was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from tests.crash.traffic import Sent, Traffic

TICK_S: Final = 0.05
GIVE_UP_S: Final = 180.0


class Feed:
    """Publishes one `Traffic`. From one event loop."""

    def __init__(self, bootstrap: str, traffic: Traffic) -> None:
        self.bootstrap = bootstrap
        self.traffic = traffic
        self.ends: dict[int, int] = {}
        """One past the last acknowledged record of each partition."""
        self.acknowledged = 0
        """Distinct calls that are known to be in the log: the first so many of the traffic's."""
        self.repeated = 0
        """Records that were sent more than once because nobody said whether they arrived."""
        self._stream: Iterator[Sent] = iter(traffic)
        self._producer: AIOKafkaProducer | None = None
        self._flow: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Feed:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._disconnect()

    async def some(self, calls: int) -> None:
        """Publish records with at least `calls` new distinct calls, and wait until the brokers have them."""
        target = len(self.traffic.calls) + calls
        while len(self.traffic.calls) < target:
            await self._publish(min(1000, target - len(self.traffic.calls)))

    def flow(self, calls_per_second: int, at_most: int | None = None) -> None:
        """Publish at this rate from now on, in the background, until `stop` (or so many distinct calls in all)."""
        assert self._flow is None
        self._flow = asyncio.create_task(self._keep_on(calls_per_second, at_most or 1 << 60))

    async def stop(self) -> None:
        """End the flow; what was begun is acknowledged. Raises what the flow met."""
        flow, self._flow = self._flow, None
        if flow is not None:
            self._stopping = True
            await flow

    async def _keep_on(self, rate: int, at_most: int) -> None:
        self._stopping = False
        began, first = time.monotonic(), len(self.traffic.calls)
        while not self._stopping:
            due = first + int((time.monotonic() - began) * rate)
            # After an outage the backlog goes out in pieces of a second, not in one.
            wanted = min(due, at_most) - len(self.traffic.calls)
            if wanted > 0:
                await self._publish(min(wanted, rate))
            if len(self.traffic.calls) >= at_most:
                return
            await asyncio.sleep(TICK_S)

    async def _publish(self, calls: int) -> None:
        target = len(self.traffic.calls) + calls
        records: list[Sent] = []
        while len(self.traffic.calls) < target:
            records.append(next(self._stream))
        deadline = time.monotonic() + GIVE_UP_S
        while records:
            records = await self._send(records)
            if records:
                assert time.monotonic() < deadline, f"the brokers took nothing for {GIVE_UP_S:.0f} s"
                self.repeated += len(records)
                await asyncio.sleep(0.2)
                await self._connect()
        self.acknowledged = len(self.traffic.calls)

    async def _send(self, records: list[Sent]) -> list[Sent]:
        """Send; what was not acknowledged."""
        assert self._producer is not None
        pending: list[asyncio.Future[object] | None] = []
        for record in records:
            try:
                number = record.partition
                if number is not None:  # traffic knows how many there were at first; there may be fewer by now
                    number %= len(await self._producer.partitions_for(topics.CALLS))
                pending.append(await self._producer.send(topics.CALLS, record.value, key=record.key, partition=number))
            except KafkaError:
                pending.append(None)
        left = []
        for record, future in zip(records, pending, strict=True):
            try:
                if future is None:
                    raise KafkaError
                meta = await future
            except KafkaError:
                left.append(record)
            else:
                partition, offset = int(meta.partition), int(meta.offset)  # type: ignore[attr-defined]
                self.ends[partition] = max(offset + 1, self.ends.get(partition, 0))
        return left

    async def _connect(self) -> None:
        await self._disconnect()
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap, linger_ms=5, max_batch_size=128 * 1024, acks="all",
                enable_idempotence=True, request_timeout_ms=10_000, metadata_max_age_ms=2_000,
            )  # fmt: skip
            try:
                await producer.start()
            except KafkaError:
                with contextlib.suppress(Exception):
                    await producer.stop()
                assert time.monotonic() < deadline, "no broker to publish to"
                await asyncio.sleep(0.2)
            else:
                self._producer = producer
                return

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(5):
                    await producer.stop()
