"""Creates topics, on the embedded broker and on a Kafka cluster alike, and says where they differ from what is wanted.

    report = await ensure_topics("127.0.0.1:9092", [TopicSpec("spendstream.calls", partitions=8)])

Idempotent: an existing topic is left as it is. A different number of partitions, or a different setting, is reported
and not changed: keys would move to other partitions (a run's duplicates would no longer meet), or data would go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidConfigurationError, KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import Unavailable, UsageError
from streams.kafka_security import why

SETTLE_S = 10.0
"""A cluster's controller answers before every broker knows the topic; usually well under a second."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. `config` holds Kafka topic settings, values as strings.

    `optional` names settings of `config` that a broker may refuse: the topic is then created without them, and that is
    reported.
    """

    name: str
    partitions: int
    replication_factor: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What `ensure_topics` did and saw. `differences`: one line each, for the log."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    partitions: Mapping[str, int]
    differences: tuple[str, ...]


def topic_spec(
    name: str,
    partitions: int,
    *,
    replication_factor: int = 1,
    retention_ms: int | None = None,
    compact: bool = False,
    log_append_time: bool = False,
    max_message_bytes: int | None = None,
) -> TopicSpec:
    """A TopicSpec from plain values; `retention_ms` -1 keeps records for ever, None leaves the broker's default.

    `log_append_time`: the broker stamps records, so that a producer's clock cannot place a record in the future.
    """
    config = {"cleanup.policy": "compact" if compact else "delete"}
    if retention_ms is not None:
        config["retention.ms"] = str(retention_ms)
    if log_append_time:
        config["message.timestamp.type"] = "LogAppendTime"
    if max_message_bytes is not None:
        config["max.message.bytes"] = str(max_message_bytes)
    optional = frozenset({"message.timestamp.type", "max.message.bytes"})
    return TopicSpec(name, partitions, replication_factor, config, optional)


async def ensure_topics(bootstrap: str, specs: Sequence[TopicSpec], **client: Any) -> TopicsReport:
    """Create the topics that are missing; report the others' partitions and differences.

    `client`: further arguments of aiokafka's admin client (security). Raises Unavailable when the cluster cannot be
    reached or is not ready, UsageError when it refuses us (certificate, password) or a topic (rights, replication
    factor, settings).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    try:
        try:
            await admin.start()
            return await _ensure(admin, specs)
        except KafkaError as error:
            refused = await why(bootstrap, client)
            if refused is not None:
                raise refused from error
            raise Unavailable(f"Kafka at {bootstrap}: {error}") from error
    finally:
        await admin.close()


async def _ensure(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> TopicsReport:
    there = set(await admin.list_topics())
    created: list[str] = []
    differences: list[str] = []
    for spec in specs:
        if spec.name in there:
            continue
        made, dropped = await _create(admin, spec)
        if made:
            created.append(spec.name)
        if dropped:
            differences.append(f"{spec.name}: the broker refuses {', '.join(sorted(dropped))}; created without")
    partitions = await _partitions(admin, [spec.name for spec in specs])
    existing = [spec.name for spec in specs if spec.name not in created]
    for spec in specs:
        if spec.name not in existing:
            continue
        if partitions[spec.name] != spec.partitions:
            differences.append(
                f"{spec.name}: has {partitions[spec.name]} partitions, {spec.partitions} wanted; left as it is"
            )
        differences.extend(await _config_differences(admin, spec))
    return TopicsReport(tuple(created), tuple(existing), partitions, tuple(differences))


async def _create(admin: AIOKafkaAdminClient, spec: TopicSpec) -> tuple[bool, frozenset[str]]:
    """Whether this call created the topic, and the optional settings that the broker refused."""
    config = dict(spec.config)
    dropped: frozenset[str] = frozenset()
    while True:
        topic = NewTopic(spec.name, spec.partitions, spec.replication_factor, topic_configs=config)
        response = await admin.create_topics([topic])
        error = response.topic_errors[0]
        kind = for_code(error[1])
        if error[1] == 0:
            return True, dropped
        if kind is TopicAlreadyExistsError:
            return False, frozenset()
        refused = spec.optional & config.keys()
        if kind is InvalidConfigurationError and refused:
            config = {name: value for name, value in config.items() if name not in refused}
            dropped = frozenset(refused)
            continue
        detail = error[2] or kind.description
        if getattr(kind, "retriable", False):
            raise Unavailable(f"cannot create topic {spec.name} yet: {detail}")
        raise UsageError(f"cannot create topic {spec.name}: {detail}")


async def _partitions(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while True:
        found = {topic["topic"]: topic for topic in await admin.describe_topics(list(names))}
        ready = {name: topic for name, topic in found.items() if topic["error_code"] == 0 and topic["partitions"]}
        if ready.keys() >= set(names):
            return {name: len(ready[name]["partitions"]) for name in names}
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"topics not ready after {SETTLE_S:g} s: {', '.join(sorted(set(names) - ready.keys()))}")
        await asyncio.sleep(0.05)


async def _config_differences(admin: AIOKafkaAdminClient, spec: TopicSpec) -> list[str]:
    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name)])
    except KafkaError:
        return []  # describing needs a right of its own; the topic itself is fine
    actual: dict[str, str] = {}
    for response in responses:
        for _code, _message, _kind, _name, entries in response.resources:
            actual |= {entry[0]: entry[1] for entry in entries}
    return [
        f"{spec.name}: {name} is {actual[name]}, {value} wanted; left as it is"
        for name, value in spec.config.items()
        if name in actual and actual[name] != value
    ]
