"""Faults of topics: partitions added, topics made again, records that Kafka drops before they were read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete

from streams import topics
from streams.kafka_admin import ensure_topics, topic_spec
from streams.ledger.client import Database
from tests.crash.outside import log_ends
from tests.crash.traffic import Mix
from tests.faults.kinds import Fault, Scale
from tests.faults.system import System, until


async def partitions_added(here: System, scale: Scale) -> None:
    """4 -> 6 partitions while calls flow: most runs change their partition, and copies come after their originals."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 4)):
        await asyncio.sleep(2)
        here.partitions += 2
        async with admin(here) as client:
            await client.create_partitions({topics.CALLS: NewPartitions(total_count=here.partitions)})
        await here.flowing()
        await until(lambda: max(here.feed.ends) == here.partitions - 1)
        await here.recovered()


async def made_again(here: System, scale: Scale) -> None:
    """The calls topic is deleted and made again under running workers, then under stopped ones."""
    here.whole_log = False
    here.feed.flow(scale.rate)
    await here.flowing()
    for at in range(scale.times(2, 6)):
        await asyncio.sleep(2)
        await quiet(here)
        if at % 2:
            assert await here.workers[0].stop() == 0
        await make_again(here, here.partitions)
        if at % 2:
            here.workers[0].start()
        here.feed.flow(scale.rate)
        await here.recovered()


async def made_again_otherwise(here: System, scale: Scale) -> None:
    """Made again with another number of partitions: fewer, then more."""
    here.whole_log = False
    here.feed.flow(scale.rate)
    await here.flowing()
    for partitions in (2, 6) * scale.times(1, 3):
        await asyncio.sleep(2)
        await quiet(here)
        await make_again(here, partitions)
        here.partitions = partitions
        here.feed.flow(scale.rate)
        await here.recovered()


async def retention(here: System, scale: Scale) -> None:
    """Kafka drops records while no worker runs. They are lost, by Kafka: the ledger has a gap row for each stretch."""
    here.whole_log = False
    await here.feed.some(2000)
    await here.flowing()
    await here.settled()
    assert await here.workers[0].stop() == 0
    first = len(here.traffic.calls)
    await here.feed.some(3000)
    ends = await log_ends(here.kafka.bootstrap, topics.CALLS, here.partitions)
    through = await here.through()
    here.excused = range(first, len(here.traffic.calls))
    async with admin(here) as client:
        await client.delete_records(
            {TopicPartition(topics.CALLS, at): RecordsToDelete(before_offset=end - 5) for at, end in ends.items()}
        )
    here.workers[0].start()
    here.feed.flow(scale.rate)
    await here.recovered()
    await asyncio.sleep(1)
    dropped = sum(end - 5 - through[at] for at, end in ends.items())

    def gaps() -> int:
        database = Database(here.ledger_url)
        try:
            [[found]] = database.rows("SELECT sum(through - offset + 1) FROM intake WHERE outcome = 'gap'")
        finally:
            database.close()
        return int(found)

    found = await asyncio.to_thread(gaps)
    assert found == dropped, f"Kafka dropped {dropped} records, gap rows speak for {found}"


@asynccontextmanager
async def admin(here: System) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=here.kafka.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def quiet(here: System) -> None:
    """Nothing is sent any more, and all that was is in the ledger: what goes with the topic is not missed."""
    await here.feed.stop()
    await here.settled()


async def make_again(here: System, partitions: int) -> None:
    """Delete the calls topic and make it again."""
    async with admin(here) as client:
        await client.delete_topics([topics.CALLS])
        while topics.CALLS in await client.list_topics():  # noqa: ASYNC110 (the broker tells nobody)
            await asyncio.sleep(0.05)
    spec = topic_spec(topics.CALLS, partitions, retention_ms=-1, log_append_time=True, max_message_bytes=8 << 20)
    await ensure_topics(here.kafka.bootstrap, [spec])
    here.feed.ends.clear()


FAULTS: Final = (
    Fault(
        "partitions added", "4 → 6 partitions of the calls topic while calls flow", partitions_added,
        mix=Mix(copy_near=0.05, copy_far=0.05),
    ),
    Fault("topic made again", "the calls topic deleted and made again, workers running and stopped", made_again),
    Fault("other partitions", "made again with 2 partitions for 4, then with 6", made_again_otherwise),
    Fault(
        "retention", "Kafka drops records that no worker has read", retention,
        note="what Kafka drops is gone; the ledger has a gap row for each stretch, counted exactly",
    ),
)  # fmt: skip
