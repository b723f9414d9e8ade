"""Contender: a bare aiokafka loop that counts records. What the client library itself costs."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.bench.probe import Moment, peak_rss_mb, rss_mb
from streams.bench.spec import Result, Task


async def run(task: Task) -> Result:
    """Read `task.calls` records from the beginning with `getmany`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=task.bootstrap, max_partition_fetch_bytes=4 << 20)
    await consumer.start()
    try:
        partitions = [TopicPartition(task.topic, number) for number in range(task.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        count = 0
        began = Moment.now()
        while count < task.calls:
            got = await consumer.getmany(timeout_ms=1000)
            count += sum(len(records) for records in got.values())
        used = Moment.now().since(began)
        return Result(task.contender, count, used.wall_s, used.cpu_s, rss_mb(), peak_rss_mb())
    finally:
        await consumer.stop()
