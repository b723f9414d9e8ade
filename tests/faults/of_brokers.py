"""Faults of Kafka: brokers killed, restarted, paused, leaders moved, the network between workers and brokers."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from streams import topics
from tests.faults.kinds import Fault, Scale
from tests.faults.system import System
from tests.kafka.node import Node


async def killed(here: System, scale: Scale) -> None:
    """The only broker: kill -9, and back."""
    here.feed.flow(scale.rate)
    await here.flowing()
    node = here.kafka.nodes[0]
    for _ in range(scale.times(1, 10)):
        await asyncio.sleep(here.random.uniform(0.5, 1.5))
        node.kill()
        await asyncio.to_thread(back, node)
        await here.recovered()


async def paused(here: System, scale: Scale) -> None:
    """The only broker: SIGSTOP, connections stay open."""
    here.feed.flow(scale.rate)
    await here.flowing()
    node = here.kafka.nodes[0]
    for _ in range(scale.times(1, 5)):
        await asyncio.sleep(1)
        node.pause()
        await asyncio.sleep(scale.seconds(8, 20))
        node.resume()
        await here.recovered()


async def leader_killed(here: System, scale: Scale) -> None:
    """Of three brokers, kill -9 of the leader of partition 0: another leads; then it comes back."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 6)):
        await asyncio.sleep(1)
        node = here.kafka.nodes[await leader(here, 0) - 1]
        node.kill()
        await here.recovered()
        await asyncio.to_thread(back, node)
        await in_sync(here)


async def rolled(here: System, scale: Scale) -> None:
    """An upgrade: each of three brokers is stopped gracefully and started again."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 3)):
        for node in here.kafka.nodes:
            await asyncio.to_thread(node.stop)
            await asyncio.sleep(1)
            await asyncio.to_thread(back, node)
            await here.recovered()
            await in_sync(here)


async def network_cut(here: System, scale: Scale) -> None:
    """Connections between workers and the broker are reset and refused at random moments."""
    assert here.network is not None
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(3, 20)):
        await asyncio.sleep(here.random.uniform(0.2, 1.0))
        here.network.cut()
        await asyncio.sleep(here.random.uniform(0.2, 3.0))
        here.network.mend()
        await here.recovered()


async def network_hung(here: System, scale: Scale) -> None:
    """Connections between workers and the broker stay open and carry nothing, for longer than the session."""
    assert here.network is not None
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 5)):
        await asyncio.sleep(1)
        here.network.hang()
        await asyncio.sleep(scale.seconds(8, 45))
        here.network.mend()
        await here.recovered()


async def network_slow(here: System, scale: Scale) -> None:
    """100 ms for each piece of data between workers and the broker, there and back."""
    assert here.network is not None
    here.feed.flow(scale.rate)
    await here.flowing()
    here.network.delay_s = 0.1
    await asyncio.sleep(scale.seconds(4, 30))
    await here.recovered()
    here.network.delay_s = 0.0


def back(node: Node) -> None:
    """Start a broker again and wait until it serves."""
    node.start()
    node.wait()


async def leader(here: System, partition: int) -> int:
    """The number of the node that leads a partition of the calls topic."""
    return (await _partitions(here))[partition][0]


async def in_sync(here: System, timeout_s: float = 60.0) -> None:
    """Wait until every replica of the calls topic is in sync."""
    async with asyncio.timeout(timeout_s):
        while True:
            parts = await _partitions(here)
            if all(in_sync == replicas for _, in_sync, replicas in parts.values()):
                return
            await asyncio.sleep(0.2)


async def _partitions(here: System) -> dict[int, tuple[int, int, int]]:
    admin = AIOKafkaAdminClient(bootstrap_servers=here.kafka.bootstrap)
    await admin.start()
    try:
        [topic] = await admin.describe_topics([topics.CALLS])
        return {
            int(part["partition"]): (int(part["leader"]), len(part["isr"]), len(part["replicas"]))
            for part in topic["partitions"]
        }
    finally:
        await admin.close()


FAULTS: Final = (
    Fault("broker killed", "kill -9 of the only broker, and back", killed),
    Fault("broker paused", "SIGSTOP of the only broker for longer than the workers' session", paused),
    Fault("broker cut off", "connections of workers reset and refused at random moments", network_cut, network=True),
    Fault("broker half-open", "connections of workers stay open and carry nothing", network_hung, network=True),
    Fault("broker far away", "100 ms for each piece of data, both ways", network_slow, network=True),
    Fault("leader changes", "of three brokers, kill -9 of a leader; later it comes back", leader_killed, nodes=3),
    Fault("brokers rolled", "graceful restart of each of three brokers", rolled, nodes=3),
)
