"""Usage said again: the topic `spendstream.usage` for a stretch of time, from the ledger.

For readers of the topic that lost what they had (Kafka keeps usage for a day). Cells are absolute, so saying them again
changes nothing for those who have them. Each record speaks for its partition's epoch and position as of before the sums
were read: what a worker says meanwhile is newer, and wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from streams.errors import Unavailable
from streams.ledger.store import LedgerStore
from streams.meter.dedupe import IdentityWindow
from streams.meter.emit import usage_records
from streams.meter.route import Router
from streams.meter.steps import PartitionMeter
from streams.meter.sums import CellKey, Cells, Touched
from streams.replay.log import partitions_of

CELLS = 50_000
"""Cells summed up at once."""

_CELLS = """
SELECT DISTINCT agent_id, tier, toUnixTimestamp(toDateTime(time)) AS second FROM intake
WHERE partition = {p:UInt32} AND outcome = 'call'
    AND time >= fromUnixTimestamp64Milli({first:Int64}) AND time < fromUnixTimestamp64Milli({end:Int64})
ORDER BY second, agent_id, tier
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said again."""

    partitions: int
    cells: int
    records: int


async def resay(
    broker_url: str, store: LedgerStore, first_ms: int, end_ms: int, kafka: Mapping[str, Any] | None = None
) -> Said:
    """Say the cells of `first_ms` <= time < `end_ms` (epoch ms; whole seconds) again. Raises `Unavailable`."""
    router = Router(await partitions_of(broker_url, topics.USAGE, kafka))
    producer = AIOKafkaProducer(bootstrap_servers=broker_url, acks="all", max_request_size=4 << 20, **(kafka or {}))
    cells = records = spoken = 0
    try:
        await producer.start()
        for partition, epoch in sorted((await asyncio.to_thread(store.owners)).items()):
            position = await asyncio.to_thread(store.position, partition)
            if position is None:
                continue
            meter = PartitionMeter(
                partition, position.incarnation, epoch, IdentityWindow(1), Cells(1), position.newest_ms or None
            )
            place = {"p": partition, "first": first_ms // 1000 * 1000, "end": -(-end_ms // 1000) * 1000}
            found = await asyncio.to_thread(store.database.rows, _CELLS, place)
            keys = [CellKey(str(agent), str(tier), int(second)) for agent, tier, second in found]
            spoken += bool(keys)
            for start in range(0, len(keys), CELLS):
                part = keys[start : start + CELLS]
                totals = await asyncio.to_thread(store.cell_totals, partition, part)
                flights = []
                for to, value in usage_records(meter, position.through, Touched.of(part, totals), router):
                    flights.append(await producer.send(topics.USAGE, value, None, to))
                await asyncio.gather(*flights)
                cells, records = cells + len(part), records + len(flights)
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await producer.stop()
    return Said(spoken, cells, records)
