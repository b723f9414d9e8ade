"""Fills and empties the topics that the contenders read; what it costs is outside every measured window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.bench.load import LoadRecord
from streams.kafka_admin import ensure_topics, topic_spec
from streams.meter.route import Router

BY_AGENT = "spendstream.bench.by_agent"
"""The same values as `spendstream.calls`, keyed by agent: a sum per agent is then one state per key."""

_IN_FLIGHT = 16
_RECORD_BYTES = 8 << 20  # as the worker makes its topic, else it says that the topic differs


async def create(bootstrap: str, topic: str, partitions: int) -> None:
    """Make a topic as the worker would make it."""
    spec = topic_spec(
        topic, partitions, retention_ms=7 * 86_400_000, log_append_time=True, max_message_bytes=_RECORD_BYTES
    )
    await ensure_topics(bootstrap, [spec])


async def delete(bootstrap: str, topic: str) -> None:
    """Delete a topic; nothing happens when it is not there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if topic in await admin.list_topics():
            await admin.delete_topics([topic])
    finally:
        await admin.close()


async def fill(
    bootstrap: str, topic: str, partitions: int, records: Iterable[LoadRecord], *, by_agent: bool = False
) -> int:
    """Publish all records to the partition of their key (the run, or the agent); how many there were."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=900_000, max_request_size=1_000_000)
    await producer.start()
    router = Router(partitions)
    batches: dict[int, BatchBuilder] = {}
    flying: set[asyncio.Future[object]] = set()
    count = 0

    async def send(partition: int) -> None:
        batch = batches.pop(partition)
        batch.close()
        flying.add(await producer.send_batch(batch, topic, partition=partition))
        if len(flying) >= _IN_FLIGHT:
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                future.result()
                flying.discard(future)

    try:
        for record in records:
            key = record.agent if by_agent else record.key
            partition = router.partition(key.decode())
            batch = batches.get(partition)
            if batch is None:
                batch = batches[partition] = producer.create_batch()
            if batch.append(key=key, value=record.value, timestamp=None) is None:
                await send(partition)
                batch = batches[partition] = producer.create_batch()
                batch.append(key=key, value=record.value, timestamp=None)
            count += 1
        for partition in list(batches):
            await send(partition)
        await asyncio.gather(*flying)
    finally:
        await producer.stop()
    return count
