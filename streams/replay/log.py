"""What must be known of a topic before something is published to it: its partitions, and where each ends."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.errors import Unavailable, UsageError


async def partitions_of(broker_url: str, topic: str) -> int:
    """How many. Asked of the admin interface: asking for a missing topic's metadata would create it on most brokers.

    Raises `UsageError` when there is no such topic, `Unavailable` when the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=broker_url)
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            raise UsageError(f"no topic {topic} at {broker_url}: start `spendstream worker` there first")
        [described] = await admin.describe_topics([topic])
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await admin.close()
    return len(described["partitions"])


async def ends_of(broker_url: str, topic: str, partitions: int) -> dict[int, int]:
    """The offset that each partition's next record will have. Raises `Unavailable`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker_url)
    try:
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await consumer.stop()
    return {tp.partition: int(end) for tp, end in ends.items()}
