"""The records that were refused, as the log still has them: the ledger keeps the contract's fields only.

A record counts as the original when it stands at the reject's offset, has the timestamp that the ledger knows, and is
refused at the same item; a topic that was made again, or retention, is thereby told. What is not found is mended from
what the ledger kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams import topics
from streams.errors import Unavailable
from streams.meter import judge
from streams.meter.decode import VALUE_MAX_BYTES
from streams.repair.mend import Place

NEAR = 2_000
"""Records that are read over rather than sought past: a fetch brings about as many."""

_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Client(Protocol):
    """The part of `AIOKafkaConsumer` that is needed."""

    def assign(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = ..., max_records: int | None = ...
    ) -> Any: ...


async def find_originals(
    broker_url: str, wanted: Sequence[tuple[Place, int]], options: Mapping[str, Any] | None = None
) -> dict[Place, Any]:
    """Parsed originals by place; `wanted`: places with the arrival (epoch ms) that the ledger knows.

    `options`: further ones of the Kafka client. Raises `Unavailable`.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=broker_url, enable_auto_commit=False, **(options or {}))
    try:
        await consumer.start()
        return await read_originals(consumer, wanted)
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await consumer.stop()


async def read_originals(consumer: Client, wanted: Sequence[tuple[Place, int]]) -> dict[Place, Any]:
    """As `find_originals`, through a started consumer."""
    found: dict[Place, Any] = {}
    for partition in sorted({place.partition for place, _ in wanted}):
        tp = TopicPartition(topics.CALLS, partition)
        first = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        by_offset: dict[int, list[tuple[Place, int]]] = {}
        for place, arrived_ms in wanted:
            if place.partition == partition and first <= place.offset < end:
                by_offset.setdefault(place.offset, []).append((place, arrived_ms))
        if not by_offset:
            continue
        consumer.assign([tp])
        at = -NEAR - 1
        for offset in sorted(by_offset):
            if offset < at:
                continue  # read over already
            if offset - at > NEAR:
                consumer.seek(tp, offset)
                at = offset
            while at <= offset:
                got = (await asyncio.wait_for(consumer.getmany(tp, timeout_ms=5_000, max_records=500), 30)).get(tp, [])
                if not got:
                    break  # retention took it meanwhile, or there are only markers up to the end
                for record in got:
                    for place, arrived_ms in by_offset.get(record.offset, ()):
                        if record.timestamp == arrived_ms and (part := part_of(record.value, place.item)) is not None:
                            found[place] = part
                at = got[-1].offset + 1
    return found


def part_of(value: bytes | None, item: int) -> Any:
    """The parsed part at `item` of a record's value; None when there is none, or it does not parse."""
    if value is None or len(value) > VALUE_MAX_BYTES:
        return None
    parts = judge.split(value, _split_array)
    if isinstance(parts, judge.Fault) or item >= len(parts):
        return None
    part = parts[item]
    parsed = judge.parse(part) if isinstance(part, bytes) else part
    return parsed.value if isinstance(parsed, judge.Parsed) else None
