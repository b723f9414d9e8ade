"""The broker: does it answer, are the topics as the meter needs them, who reads them, is the clock right.

`look` only asks; `judge` is pure. A group's lag is counted from its committed offsets; what the ledger holds is
compared in `streams.doctor.ledger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from streams import topics
from streams.config import Settings
from streams.counted import counted
from streams.doctor.finding import Finding, Level
from streams.kafka_admin import TopicSpec
from streams.kafka_security import why
from streams.topics_made import topics_made

PATIENCE_S = 15.0
NEWEST_S = 3.0
"""How long to wait for the newest record of a partition, which shows the broker's clock."""

AHEAD_MS = 5_000
"""A broker's clock may be so far ahead of ours before times of calls are judged wrongly."""

MUCH_LAG = 100_000
"""Records: some seconds of a busy worker's work."""

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """What the broker says of a topic; `config` empty when describing it is not allowed."""

    name: str
    partitions: int
    replicas: int
    leaderless: int = 0
    out_of_sync: int = 0
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """`lag`: records between committed offset and end, by topic; None: nothing was ever committed there."""

    state: str
    members: int
    lag: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Broker:
    """Facts. `first`, `end`: offsets by partition of calls; `newest_ms`: the newest record's time by the broker."""

    brokers: int
    topics: Mapping[str, Topic]
    group: Group | None
    first: Mapping[int, int]
    end: Mapping[int, int]
    newest_ms: int | None


async def look(bootstrap: str, group_id: str, kafka: Mapping[str, Any] | None = None) -> Broker | str:
    """All facts, or why the broker cannot be asked. `kafka`: `streams.kafka_security.client_options`."""
    kafka = kafka or {}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(PATIENCE_S * 1000), **kafka)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await admin.start()
            cluster = await admin.describe_cluster()
            found = await _topics(admin)
            group, committed = await _group(admin, group_id)
        async with asyncio.timeout(PATIENCE_S):
            first, end, newest = await _offsets(bootstrap, found, kafka)
    except TimeoutError:
        return f"no answer within {PATIENCE_S:g} s"
    except (KafkaError, OSError) as error:
        return str(await why(bootstrap, kafka) or error) or type(error).__name__
    finally:
        await admin.close()
    if group is not None:
        group = Group(group.state, group.members, _lag(committed, end, found))
    calls = {tp.partition: offset for tp, offset in end.items() if tp.topic == topics.CALLS}
    return Broker(
        len(cluster["brokers"]), found, group,
        {tp.partition: offset for tp, offset in first.items() if tp.topic == topics.CALLS}, calls, newest,
    )  # fmt: skip


def judge(bootstrap: str, broker: Broker | str, settings: Settings, now_ms: int) -> list[Finding]:
    """What the facts mean."""
    if isinstance(broker, str):
        todo = "start Kafka, or set SPENDSTREAM_BROKER_URL to where it listens (host:port as seen from here)"
        return [Finding("broker", "fail", f"{bootstrap}: {broker}", todo)]
    findings = [Finding("broker", "ok", f"{bootstrap} answers, {counted(broker.brokers, 'broker')}")]
    for wanted in topics_made(settings):
        findings += judge_topic(wanted, broker.topics.get(wanted.name), settings)
    findings += judge_group(settings.group_id, broker.group, sum(broker.end.values()))
    if broker.newest_ms is not None:
        findings.append(judge_clock(broker.newest_ms, now_ms))
    return findings


def judge_topic(wanted: TopicSpec, topic: Topic | None, settings: Settings) -> list[Finding]:
    """Partitions, replicas and the settings that decide what can be lost."""
    check = f"topic {wanted.name}"
    if topic is None:
        return [Finding(check, "fail", "does not exist", "start a worker: it makes its topics, and stamps them right")]
    findings = []
    if topic.leaderless:
        what = f"{counted(topic.leaderless, 'partition')} without a leader"
        findings.append(Finding(check, "fail", what, "bring the missing brokers back"))
    if topic.out_of_sync:
        what = f"{counted(topic.out_of_sync, 'partition')} with replicas that lag"
        findings.append(Finding(check, "warn", what, "look at the brokers: a failure now could lose calls"))
    if topic.replicas < settings.replication:
        what = f"{counted(topic.replicas, 'replica')}, {settings.replication} wanted"
        findings.append(Finding(check, "warn", what, "raise it with kafka-reassign-partitions"))
    if topic.partitions != wanted.partitions:
        findings.append(_other_partitions(check, topic, wanted.partitions))
    findings += _judge_config(check, topic, wanted, settings)
    if not findings:
        kept = topic.config.get("retention.ms", "")
        known = f", kept {_hours(int(kept))}" if kept else ""
        what = f"{counted(topic.partitions, 'partition')}, {counted(topic.replicas, 'replica')}{known}"
        findings.append(Finding(check, "ok", what))
    return findings


def _other_partitions(check: str, topic: Topic, wanted: int) -> Finding:
    if topic.name in (topics.CALLS, topics.USAGE, topics.OUTCOMES):
        what = f"{topic.partitions} partitions, SPENDSTREAM_PARTITIONS says {wanted}"
        todo = "set SPENDSTREAM_PARTITIONS to what is there; changing the topic moves runs to other partitions"
    elif topic.name == topics.STEPS:
        what = f"{topic.partitions} partitions, SPENDSTREAM_DETECT_PARTITIONS says {wanted}"
        todo = "set SPENDSTREAM_DETECT_PARTITIONS to what is there"
    else:
        what = f"{topic.partitions} partitions, {wanted} wanted"
        todo = "make the topic again: the order of what it tells is that of one partition"
    return Finding(check, "warn", what, todo)


def _judge_config(check: str, topic: Topic, wanted: TopicSpec, settings: Settings) -> list[Finding]:
    def change(name: str, value: object) -> str:
        return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config {name}={value}"

    findings = []
    config = topic.config
    compacted = "compact" in config.get("cleanup.policy", "delete")
    if wanted.config["cleanup.policy"] == "compact":
        if config and not compacted:
            what = "not compacted: a control that stands longer than the topic keeps records is forgotten by routers"
            findings.append(Finding(check, "warn", what, change("cleanup.policy", "compact")))
        return findings
    if compacted:
        what = "compacted: the broker drops records that share a key before they are read"
        findings.append(Finding(check, "fail", what, change("cleanup.policy", "delete")))
    if topic.name != topics.CALLS:
        return findings
    if config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        what = "records carry their sender's clock (CreateTime), so a wrong one can refuse or date calls wrongly"
        findings.append(Finding(check, "warn", what, change("message.timestamp.type", "LogAppendTime")))
    enough = int(settings.calls_retention_hours * 3_600_000)
    kept = int(config.get("retention.ms", "-1"))
    if 0 <= kept < enough:
        level: Level = "fail" if kept < min(DAY_MS, enough) else "warn"
        what = f"kept {_hours(kept)}, {_hours(enough)} wanted: an outage longer than that loses calls"
        findings.append(Finding(check, level, what, change("retention.ms", enough)))
    return findings


def judge_group(group_id: str, group: Group | None, records: int) -> list[Finding]:
    """Whether anybody reads, and how far behind."""
    check = f"group {group_id}"
    start = "start a worker: `spendstream worker`"
    if group is None or group.state == "Dead":
        level: Level = "fail" if records else "warn"
        return [Finding(check, level, "no worker has ever read the calls", start)]
    behind = sum(lag for lag in group.lag.values() if lag)
    what = f"{counted(group.members, 'worker')}, {group.state.lower()}, {counted(behind, 'record')} behind"
    if not group.members:
        return [Finding(check, "fail", f"no worker runs, {behind:,} records wait", start)]
    if group.state != "Stable":
        return [Finding(check, "warn", what, "partitions are being handed over; look again in a minute")]
    if behind >= MUCH_LAG:
        todo = "look at a worker's /metrics: more workers help up to one a partition, else a faster ledger"
        return [Finding(check, "warn", what, todo)]
    return [Finding(check, "ok", what)]


def judge_clock(newest_ms: int, now_ms: int) -> Finding:
    """A newest record of the future means that a clock is wrong. (One that is behind cannot be told this way.)"""
    ahead = newest_ms - now_ms
    if ahead > AHEAD_MS:
        what = f"the newest record's time is {ahead / 1000:.0f} s ahead of this machine's clock"
        return Finding("clock of the broker", "fail", what, "run NTP on brokers and workers")
    return Finding("clock of the broker", "ok", f"newest record {max(0, -ahead) / 1000:,.0f} s ago")


async def _topics(admin: AIOKafkaAdminClient) -> dict[str, Topic]:
    names = sorted(topics.ALL & set(await admin.list_topics()))
    found = {}
    for topic in await admin.describe_topics(names) if names else ():
        parts = topic["partitions"]
        found[topic["topic"]] = Topic(
            topic["topic"],
            len(parts),
            min((len(part["replicas"]) for part in parts), default=0),
            sum(part["leader"] < 0 for part in parts),
            sum(len(part["isr"]) < len(part["replicas"]) for part in parts),
            await _config(admin, topic["topic"]),
        )
    return found


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    except KafkaError:
        return {}  # needs a right of its own
    return {
        entry[0]: entry[1] for response in responses for *_, entries in response.resources for entry in entries
    }  # fmt: skip


async def _group(admin: AIOKafkaAdminClient, group_id: str) -> tuple[Group | None, dict[TopicPartition, int]]:
    try:
        [response] = await admin.describe_consumer_groups([group_id])
        _error, _name, state, _type, _protocol, members, *_ = response.groups[0]
        offsets = await admin.list_consumer_group_offsets(group_id)
    except KafkaError:
        return None, {}
    committed = {tp: entry.offset for tp, entry in offsets.items() if entry.offset >= 0}
    if not members and not committed:
        return None, {}
    return Group(state or "Empty", len(members), {}), committed


async def _offsets(
    bootstrap: str, found: Mapping[str, Topic], kafka: Mapping[str, Any]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int], int | None]:
    places = [TopicPartition(topic.name, at) for topic in found.values() for at in range(topic.partitions)]
    if not places:
        return {}, {}, None
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **kafka)
    await consumer.start()
    try:
        first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        newest = None
        filled = [tp for tp in places if tp.topic == topics.CALLS and end[tp] > first[tp]]
        if filled:
            consumer.assign(filled)
            for tp in filled:
                consumer.seek(tp, end[tp] - 1)
            records = await consumer.getmany(*filled, timeout_ms=int(NEWEST_S * 1000))
            newest = max((record.timestamp for some in records.values() for record in some), default=None)
        return first, end, newest
    finally:
        await consumer.stop()


def _lag(
    committed: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int], found: Mapping[str, Topic]
) -> dict[str, int | None]:
    lag: dict[str, int | None] = dict.fromkeys(found)
    for tp, offset in end.items():
        if tp in committed:
            lag[tp.topic] = (lag[tp.topic] or 0) + max(0, offset - committed[tp])
    return lag


def _hours(ms: int) -> str:
    if ms < 0:
        return "for ever"
    return counted(round(ms / 3_600_000), "hour") if ms >= 3_600_000 else counted(round(ms / 60_000), "minute")
