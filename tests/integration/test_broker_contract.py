"""The broker edge's contract, on the embedded broker and on Apache Kafka alike.

Where the two differ, the test says so and both ways are stated: what Spendstream needs must hold on both.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import ConsumerRecord
from aiokafka.partitioner import murmur2
from faust.types import TP

from streams import topics
from streams.app import KafkaSender
from streams.config import Settings, load_settings
from streams.errors import Unavailable, UsageError
from streams.kafka_admin import TopicSpec, ensure_topics, topic_spec
from streams.meter.outgoing import OutgoingRecord
from streams.publish import Publisher
from streams.replay.publish import BATCH_BYTES, LinePublisher
from streams.transport import Consumer
from tests.kafka.cluster import free_ports
from tests.kafka.reader import Notes, reading

PARTITIONS = 3
CALL = {"agent_id": "a", "request_model": "gpt-4o", "input_tokens": 10, "output_tokens": 2}


@dataclass(frozen=True)
class Edge:
    """A broker, and settings with topics and a group of the test's own."""

    kind: str
    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.broker_url

    def again(self, **settings: Any) -> Settings:
        """The same group, another member."""
        return self.settings.model_copy(update=settings)


@pytest.fixture(params=["embedded", "kafka"])
def edge(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    """Both brokers, one after the other."""
    kind = str(request.param)
    url = request.getfixturevalue("broker") if kind == "embedded" else request.getfixturevalue("kafka").bootstrap
    name = uuid4().hex[:8]
    monkeypatch.setattr(topics, "CALLS", f"calls.{name}")
    settings = load_settings(
        {}, broker_url=url, group_id=f"group.{name}", worker_id=f"worker.{name}", data_dir=tmp_path,
        partitions=PARTITIONS, session_timeout_seconds=6, http_port=0,
    )  # fmt: skip
    edge = Edge(kind, settings)
    spec = topic_spec(topics.CALLS, PARTITIONS, log_append_time=True, max_message_bytes=8 << 20)
    asyncio.run(ensure_topics(url, [spec]))
    return edge


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await main()

    asyncio.run(bounded())


@asynccontextmanager
async def producing(edge: Edge, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=edge.url, max_request_size=8 << 20, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def fill(edge: Edge, count: int, partition: int = 0, first: int = 0) -> None:
    async with producing(edge) as producer:
        for number in range(first, first + count):
            await producer.send(topics.CALLS, b"%d" % number, key=b"k", partition=partition)
        await producer.flush()


async def log(edge: Edge, topic: str | None = None) -> dict[int, list[ConsumerRecord]]:
    """All records by partition."""
    topic = topic or topics.CALLS
    consumer = AIOKafkaConsumer(bootstrap_servers=edge.url, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.add_topic(topic)  # so that the partitions are known
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        found: dict[int, list[ConsumerRecord]] = defaultdict(list)
        while any(len(found[part.partition]) < ends[part] for part in parts):
            for part, records in (await consumer.getmany(*parts, timeout_ms=500)).items():
                found[part.partition] += records
        return dict(found)
    finally:
        await consumer.stop()


async def committed(edge: Edge) -> dict[int, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=edge.url)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(edge.settings.group_id)
    finally:
        await admin.close()
    return {tp.partition: meta.offset for tp, meta in offsets.items() if tp.topic == topics.CALLS and meta.offset >= 0}


def values(records: Sequence[ConsumerRecord]) -> list[int]:
    return [int(record.value) for record in records]


# -- admin ---------------------------------------------------------------------------------------------------------


def test_topics_are_made_once_and_never_changed(edge: Edge) -> None:
    async def main() -> None:
        name = f"t.{uuid4().hex[:8]}"
        first = await ensure_topics(edge.url, [topic_spec(name, 2, retention_ms=60_000, log_append_time=True)])
        assert (first.created, first.partitions, first.differences) == ((name,), {name: 2}, ())
        again = await ensure_topics(edge.url, [topic_spec(name, 5, retention_ms=70_000, log_append_time=True)])
        assert (again.created, again.existing, again.partitions) == ((), (name,), {name: 2})
        assert [difference.split(":")[1].split()[0] for difference in again.differences] == ["has", "retention.ms"]

    run(main)


def test_a_setting_that_the_broker_does_not_know(edge: Edge) -> None:
    async def main() -> None:
        name = f"t.{uuid4().hex[:8]}"
        odd = {"no.such.setting": "1", "cleanup.policy": "delete"}
        with pytest.raises(UsageError, match=name):
            await ensure_topics(edge.url, [TopicSpec(name, 1, 1, odd)])
        report = await ensure_topics(edge.url, [TopicSpec(name, 1, 1, odd, optional=frozenset({"no.such.setting"}))])
        assert report.created == (name,)
        assert "no.such.setting" in report.differences[0]

    run(main)


def test_nobody_at_the_address() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        asyncio.run(ensure_topics(f"127.0.0.1:{free_ports(1)[0]}", [topic_spec("t", 1)]))


# -- publishing ----------------------------------------------------------------------------------------------------


def test_the_publisher_delivers_all_in_order_and_where_kafkas_clients_would(edge: Edge) -> None:
    async def main() -> None:
        publisher = Publisher(edge.url, source="router", topic=topics.CALLS)
        async with publisher:
            for number in range(3000):
                assert publisher.publish(CALL, id=f"{number:05d}", run_id=f"run-{number % 17}")
            stats = await publisher.close()
        assert (stats.published, stats.delivered, stats.dropped_total) == (3000, 3000, 0)
        found = await log(edge)
        order: dict[bytes, list[bytes]] = defaultdict(list)
        for partition, records in found.items():
            for record in records:
                assert (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS == partition
                order[record.key].append(record.value)
        assert sum(map(len, order.values())) == 3000
        assert all(of_run == sorted(of_run) for of_run in order.values()), "one run's calls keep their order"

    run(main)


def test_lines_keep_their_bytes_and_their_place_is_known(edge: Edge) -> None:
    async def main() -> None:
        lines = [b'{"run_id": "r%d", "n": %d}' % (number % 5, number) for number in range(2000)]
        async with producing(edge, max_batch_size=BATCH_BYTES) as producer:
            publisher = LinePublisher(producer, topics.CALLS, PARTITIONS, lambda: 1)
            await publisher.add(lines)
            await publisher.flush()
        found = await log(edge)
        assert sorted(record.value for records in found.values() for record in records) == sorted(lines)
        assert {at: (0, len(records)) for at, records in found.items()} == {
            at: (known.first, known.end) for at, known in publisher.ranges.items()
        }

    run(main)


def test_the_meters_sender_waits_for_the_brokers_word(edge: Edge) -> None:
    async def main() -> None:
        notes = Notes()
        async with reading(edge.settings, notes) as app:
            await notes.until(lambda notes: bool(notes.assigned))
            sender = KafkaSender(app)
            await sender.send(
                [OutgoingRecord(topics.CALLS, at % PARTITIONS, None, b"%d" % at, (("h", b"1"),)) for at in range(300)]
            )
            found = await log(edge)
            assert sorted(values([record for records in found.values() for record in records])) == list(range(300))
            assert all(record.headers == (("h", b"1"),) for records in found.values() for record in records)

    run(main)


# -- the transport: what arrives -----------------------------------------------------------------------------------


def test_keys_values_headers_and_timestamps_arrive_as_they_are(edge: Edge) -> None:
    async def main() -> None:
        odd: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
            (b"k", b"v", [("a", b"1"), ("empty", b""), ("b", b"\xff")]),
            (None, b"", []),
            (b"", None, []),
            ("ü".encode(), b"\x00\xff", []),
        ]
        async with producing(edge) as producer:
            metas = [
                await producer.send_and_wait(topics.CALLS, value, key=key, partition=0, headers=headers, timestamp_ms=7)
                for key, value, headers in odd
            ]
        notes = Notes()
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) == 4)
        assert [(r.key, r.value, list(r.headers)) for r in notes.records] == odd
        stamps = [record.timestamp for record in notes.records]
        assert all(stamp > 1_700_000_000_000 for stamp in stamps), "the broker's own clock, not the sender's"
        assert all(meta.timestamp in (stamp, -1, 7) for meta, stamp in zip(metas, stamps, strict=True))

    run(main)


def test_a_batch_is_a_contiguous_run_of_one_partition(edge: Edge) -> None:
    async def main() -> None:
        for partition in range(PARTITIONS):
            await fill(edge, 500, partition)
        notes = Notes(starts={TP(topics.CALLS, at): 0 for at in range(PARTITIONS)})
        async with reading(edge.again(fetch_records=100), notes):
            await notes.until(lambda notes: len(notes.records) == 500 * PARTITIONS)
        following = dict.fromkeys(range(PARTITIONS), 0)
        for batch in notes.batches:
            assert len(batch.records) <= 100 * PARTITIONS
            assert batch.expected_offset == following[batch.partition]
            assert [r.offset for r in batch.records] == list(
                range(batch.records[0].offset, batch.records[0].offset + len(batch.records))
            )
            assert {r.partition for r in batch.records} == {batch.partition}
            assert batch.highwater == 500
            following[batch.partition] = batch.records[-1].offset + 1

    run(main)


def test_records_as_large_as_the_meter_takes(edge: Edge) -> None:
    async def main() -> None:
        sizes = [10, 5 << 20, 10, 7 << 20, 10]
        async with producing(edge) as producer:
            for size in sizes:
                await producer.send_and_wait(topics.CALLS, bytes(size), partition=1)
        notes = Notes()
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) == len(sizes))
        assert [len(record.value) for record in notes.records] == sizes

    run(main)


def test_compressed_batches(edge: Edge) -> None:
    async def main() -> None:
        for kind in ("gzip", "lz4", "snappy", "zstd"):
            async with producing(edge, compression_type=kind, linger_ms=20) as producer:
                for _ in range(50):
                    await producer.send(topics.CALLS, kind.encode() * 20, partition=0)
        notes = Notes()
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) == 200)
        assert [record.offset for record in notes.records] == list(range(200))

    run(main)


def test_an_idle_worker_rests_and_wakes_at_once(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty fetches must neither be thousands nor hold back what comes."""

    async def main() -> None:
        asked = 0
        real = Consumer._wait_next_records

        async def counted(self: Consumer, timeout: float) -> Any:  # noqa: ASYNC109 (Faust's signature)
            nonlocal asked
            asked += 1
            return await real(self, timeout)

        monkeypatch.setattr(Consumer, "_wait_next_records", counted)
        notes = Notes()
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: bool(notes.assigned))
            await asyncio.sleep(0.5)
            asked = 0
            await asyncio.sleep(2)
            assert asked < 200, f"{asked} fetches in two idle seconds"
            await fill(edge, 1)
            await notes.until(lambda notes: len(notes.records) == 1, 5)

    run(main)


# -- the transport: where it begins, and what is committed -----------------------------------------------------------


def test_it_begins_where_the_ledger_says_and_says_so_to_the_group(edge: Edge) -> None:
    async def main() -> None:
        for partition in (0, 1):
            await fill(edge, 50, partition)
        notes = Notes(starts={TP(topics.CALLS, 0): 40})
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) >= 60)
        by_partition = {at: [r.offset for r in notes.records if r.partition == at] for at in (0, 1)}
        assert by_partition == {0: list(range(40, 50)), 1: list(range(50))}
        assert notes.assigned[0] == {TP(topics.CALLS, at): None for at in range(PARTITIONS)}
        assert await committed(edge) == {0: 50, 1: 50}

    run(main)


def test_only_what_is_settled_is_committed_and_the_rest_comes_again(edge: Edge) -> None:
    async def main() -> None:
        await fill(edge, 100)
        first = Notes(settles=False)
        async with reading(edge.again(fetch_records=10), first):
            await first.until(lambda notes: len(notes.records) == 100)
            assert first.consumer is not None
            for message in (first.unsettled[0], first.unsettled[1], first.unsettled[3]):
                first.consumer.settle(message)
            await asyncio.sleep(1.5)
        assert await committed(edge) == {0: 20}, "the third was not settled, so the fourth is not committed"
        second = Notes()
        async with reading(edge.settings, second):
            await second.until(lambda notes: len(notes.records) == 80)
        assert [record.offset for record in second.records] == list(range(20, 100))
        assert await committed(edge) == {0: 100}

    run(main)


def test_a_takeover_may_look_at_any_record_and_at_the_bounds(edge: Edge) -> None:
    async def main() -> None:
        await fill(edge, 30)
        seen: dict[str, Any] = {}

        async def look(notes: Notes, consumer: Consumer, partitions: set[TP]) -> None:
            tp = TP(topics.CALLS, 0)
            seen["bounds"] = await consumer.log_bounds(partitions)
            seen["read"] = [await consumer.read_one(tp, offset, 2) for offset in (29, 0, 7)]
            seen["beyond"] = await consumer.read_one(tp, 30, 1)
            seen["count"] = await consumer.partition_count(topics.CALLS)

        notes = Notes(starts={TP(topics.CALLS, 0): 25}, look=look)
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) == 5)
        assert [record.offset for record in notes.records] == [25, 26, 27, 28, 29]
        assert seen["bounds"] == {TP(topics.CALLS, at): (0, 30 if at == 0 else 0) for at in range(PARTITIONS)}
        assert [(record.offset, record.value) for record in seen["read"]] == [(29, b"29"), (0, b"0"), (7, b"7")]
        assert seen["beyond"] is None
        assert seen["count"] == PARTITIONS

    run(main)


def test_records_that_retention_took_are_no_endless_wait(edge: Edge) -> None:
    """Kafka only: the embedded broker has no way to delete records by offset."""
    if edge.kind == "embedded":
        pytest.skip("the embedded broker cannot delete records")

    async def main() -> None:
        await fill(edge, 100)
        admin = AIOKafkaAdminClient(bootstrap_servers=edge.url)
        await admin.start()
        from aiokafka.admin.records_to_delete import RecordsToDelete

        await admin.delete_records({TopicPartition(topics.CALLS, 0): RecordsToDelete(before_offset=60)})
        await admin.close()
        seen: dict[str, Any] = {}

        async def look(notes: Notes, consumer: Consumer, partitions: set[TP]) -> None:
            seen["bounds"] = (await consumer.log_bounds(partitions))[TP(topics.CALLS, 0)]
            seen["gone"] = await consumer.read_one(TP(topics.CALLS, 0), 10, 2)

        notes = Notes(starts={TP(topics.CALLS, 0): 60}, look=look)
        async with reading(edge.settings, notes):
            await notes.until(lambda notes: len(notes.records) == 40)
        assert seen == {"bounds": (60, 100), "gone": None}
        assert notes.records[0].offset == 60

    run(main)


# -- the transport: members come and go --------------------------------------------------------------------------------


def test_two_members_share_and_take_over_what_one_leaves(edge: Edge) -> None:
    async def main() -> None:
        one, two = Notes(), Notes()
        async with reading(edge.settings, one):
            await one.until(lambda notes: bool(notes.assigned))
            async with reading(edge.again(worker_id="second"), two):
                await one.until(lambda notes: len(notes.assigned) > 1 and len(notes.assigned[-1]) < PARTITIONS)
                await two.until(lambda notes: bool(notes.assigned) and bool(notes.assigned[-1]))
                assert one.revoked, "what one had was taken from it first"
                assert not one.assigned[-1].keys() & two.assigned[-1].keys()
                assert len(one.assigned[-1]) + len(two.assigned[-1]) == PARTITIONS
                for partition in range(PARTITIONS):
                    await fill(edge, 20, partition)
                await one.until(lambda notes: len(one.records) + len(two.records) >= 20 * PARTITIONS)
                for notes in (one, two):
                    assert {r.partition for r in notes.records} == {tp.partition for tp in notes.assigned[-1]}
            if edge.kind == "embedded":
                return  # it never lets a member go that does not say so, and a static one does not
            await one.until(lambda notes: len(notes.assigned[-1]) == PARTITIONS)
            for partition in range(PARTITIONS):
                await fill(edge, 5, partition, first=20)
            await one.until(lambda notes: len(one.records) + len(two.records) >= 25 * PARTITIONS)
        places = [(r.partition, r.offset) for r in one.records + two.records]
        assert len(places) == len(set(places)), "a graceful hand-over repeats nothing"
        assert await committed(edge) == dict.fromkeys(range(PARTITIONS), 25)

    run(main)


def test_a_member_that_comes_back_gets_its_partitions_at_once(edge: Edge) -> None:
    """Static membership: a restart is no rebalance, and the embedded broker never lets a dead member go."""

    async def main() -> None:
        for at in range(3):
            notes = Notes()
            async with reading(edge.settings, notes):
                await fill(edge, 10, first=at * 10)
                await notes.until(lambda notes: len(notes.records) == 10, 20)
                assert values(notes.records) == list(range(at * 10, at * 10 + 10))

    run(main)
