"""What must be known of a topic before something is published to it: its partitions, and where each ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.errors import NotPossible, Unavailable
from streams.kafka_security import why


async def partitions_of(broker_url: str, topic: str, kafka: Mapping[str, Any] | None = None) -> int:
    """How many. Asked of the admin interface: asking for a missing topic's metadata would create it on most brokers.

    `kafka`: further arguments of aiokafka's clients (`streams.kafka_security`). Raises `NotPossible` when there is no
    such topic, `UsageError` when Kafka refuses us, `Unavailable` when the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=broker_url, **(kafka or {}))
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            raise NotPossible(f"no topic {topic} at {broker_url}: start `spendstream worker` there first")
        [described] = await admin.describe_topics([topic])
    except KafkaError as error:
        refused = await why(broker_url, kafka or {})
        if refused is not None:
            raise refused from error
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await admin.close()
    return len(described["partitions"])


async def ends_of(
    broker_url: str, topic: str, partitions: int, kafka: Mapping[str, Any] | None = None
) -> dict[int, int]:
    """The offset that each partition's next record will have. Raises `Unavailable`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker_url, **(kafka or {}))
    try:
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await consumer.stop()
    return {tp.partition: int(end) for tp, end in ends.items()}
