"""Kafka as anyone sees it from outside: feeding calls, reading both topics to their ends, committed offsets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord, TopicPartition

from schemas.usage import Usage
from streams import topics
from tests.crash.traffic import Sent, Traffic


class Feeder:
    """Publishes the traffic's records, and waits until the broker has them."""

    def __init__(self, producer: AIOKafkaProducer, traffic: Traffic) -> None:
        self._producer = producer
        self._traffic = traffic
        self._stream: Iterator[Sent] = iter(traffic)
        self._turn = asyncio.Lock()
        self.ends: dict[int, int] = {}
        """One past the last record of each partition that the broker is known to have from here."""

    async def feed(self, calls: int, seconds: float = 0.0) -> None:
        """Publish records that hold `calls` new distinct calls or a few more, spread over `seconds`."""
        async with self._turn:
            first, began = len(self._traffic.calls), time.monotonic()
            while (done := len(self._traffic.calls) - first) < calls:
                step = max(1, int(calls * 0.02 / seconds)) if seconds else calls
                await self._some(min(calls - done, step))
                ahead = began + seconds * (len(self._traffic.calls) - first) / calls - time.monotonic()
                await asyncio.sleep(max(0.0, ahead))

    async def _some(self, calls: int) -> None:
        target = len(self._traffic.calls) + min(calls, 2000)
        pending = []
        while len(self._traffic.calls) < target:
            record = next(self._stream)
            pending.append(
                await self._producer.send(topics.CALLS, record.value, key=record.key, partition=record.partition)
            )
        for meta in await asyncio.gather(*pending):
            self.ends[meta.partition] = max(meta.offset + 1, self.ends.get(meta.partition, 0))


@asynccontextmanager
async def feeder(bootstrap: str, traffic: Traffic) -> AsyncIterator[Feeder]:
    """A feeder on a producer of its own, patient enough for a broker that pauses: a retry would publish twice."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=256 * 1024, acks="all", request_timeout_ms=60_000
    )
    await producer.start()
    try:
        yield Feeder(producer, traffic)
    finally:
        await producer.stop()


@asynccontextmanager
async def _reader(
    bootstrap: str, topic: str, partitions: int
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=100,
        # Not the end: a reset to it that is under way when `seek_to_beginning` is called would win.
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(parts)
        yield consumer, parts
    finally:
        await consumer.stop()


async def log_ends(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """The end offset of each partition."""
    async with _reader(bootstrap, topic, partitions) as (consumer, parts):
        return {part.partition: int(end) for part, end in (await consumer.end_offsets(parts)).items()}


async def read_log(bootstrap: str, topic: str, partitions: int) -> AsyncIterator[ConsumerRecord]:
    """All records of a topic up to its present end, each partition in its order."""
    async with _reader(bootstrap, topic, partitions) as (consumer, parts):
        ends = await consumer.end_offsets(parts)
        begins = await consumer.beginning_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        open_parts = {part for part in parts if ends[part] > begins[part]}
        async with asyncio.timeout(300):
            while open_parts:
                for part, records in (await consumer.getmany(*open_parts, timeout_ms=1000, max_records=20_000)).items():
                    for record in records:
                        if record.offset < ends[part]:
                            yield record
                    if records and records[-1].offset >= ends[part] - 1:
                        open_parts.discard(part)


async def committed(bootstrap: str, group: str) -> dict[int, int]:
    """The group's committed offsets on the calls topic, by partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets: dict[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {part.partition: int(meta.offset) for part, meta in offsets.items() if part.topic == topics.CALLS}


MEASURES = (
    "calls", "errors", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens",
    "reasoning_output_tokens", "unpriced", "cost_pico_usd",
)  # fmt: skip
"""A cell's columns in `schemas.usage.Usage`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a usage total is of."""

    source_partition: int
    agent_id: str
    tier: str
    second: int


async def read_usage(bootstrap: str, partitions: int) -> tuple[dict[Cell, tuple[int, ...]], int]:
    """The cells as the contract tells a reader to keep them, and how many records said them.

    For each cell the totals with the highest (incarnation, epoch, through_offset), of equals the last in the log; each
    record through the public model, not through the workers' fast way.
    """
    cells: dict[Cell, tuple[tuple[int, int, int], tuple[int, ...]]] = {}
    records = 0
    async for record in read_log(bootstrap, topics.USAGE, partitions):
        records += 1
        usage = Usage.model_validate_json(record.value)
        state = (usage.incarnation, usage.epoch, usage.through_offset)
        columns = [getattr(usage, name) for name in MEASURES]
        for at, totals in enumerate(zip(*columns, strict=True)):
            cell = Cell(usage.source_partition, usage.agents[usage.agent[at]], usage.tier[at], usage.second[at])
            known = cells.get(cell)
            if known is None or state >= known[0]:
                cells[cell] = (state, totals)
    return {cell: totals for cell, (_, totals) in cells.items()}, records
