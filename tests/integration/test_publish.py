"""The publisher against a real broker process that comes late, goes away, hangs and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord, TopicPartition

from schemas.call import Call
from streams import topics
from streams.embedded.broker import find_binary, free_port
from streams.errors import UsageError
from streams.publish import Publisher, SyncPublisher
from streams.publish.discard import discard

PARTITIONS = 3
CALL = {"agent_id": "a", "request_model": "gpt-4o", "input_tokens": 10, "output_tokens": 2}


class Broker:
    """A broker child process that can be started and stopped again on the same port and directory, or made to hang.

    Not `streams.embedded.broker.Broker`: its supervisor stands between a test's signals and the broker.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"127.0.0.1:{self.port}"
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    def _spawn(self) -> None:
        self.process = subprocess.Popen(
            [find_binary(), "start", "--only", "kafka", "--kafka-port", str(self.port), "--data-dir", self.directory],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def start(self) -> None:
        """Returns when it answers and has the topic (which an early publisher's question makes, with one partition)."""
        self._spawn()
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.url)
        await admin.start()
        try:
            if topics.CALLS not in await admin.list_topics():
                await admin.create_topics([NewTopic(topics.CALLS, PARTITIONS, 1)])
        finally:
            await admin.close()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGSTOP:  # until then it may answer yet
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def stop(self) -> None:
        """Gracefully: what it holds is saved."""
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    async def records(self) -> list[ConsumerRecord]:
        """All that it holds, partition by partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.url, enable_auto_commit=False)
        await consumer.start()
        try:
            async with asyncio.timeout(20):
                while not (numbers := consumer.partitions_for_topic(topics.CALLS)):
                    await consumer.topics()
            parts = [TopicPartition(topics.CALLS, number) for number in sorted(numbers)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            await consumer.seek_to_beginning(*parts)
            found: list[ConsumerRecord] = []
            for part in parts:
                async with asyncio.timeout(20):
                    while await consumer.position(part) < ends[part]:
                        found += (await consumer.getmany(part, timeout_ms=500)).get(part, [])
            return found
        finally:
            await consumer.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Not started yet."""
    it = Broker(tmp_path / "broker")
    yield it
    it.stop()


@contextlib.asynccontextmanager
async def publishing(broker: Broker, **options: object) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.url, source="router", **{"request_timeout_ms": 2_000, **options})  # type: ignore[arg-type]
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close(1)


def ids(records: list[ConsumerRecord]) -> list[str]:
    return [json.loads(record.value)["id"] for record in records]


@pytest.mark.parametrize("compression", ["auto", "none", "gzip"])
def test_key_value_and_partition_are_the_contracts(broker: Broker, compression: str) -> None:
    async def main() -> None:
        await broker.start()
        async with publishing(broker, compression=compression) as publisher:
            assert publisher.publish(CALL, id="1")
            assert publisher.publish({**CALL, "id": "2", "run_id": "run-ü", "messages": ["SECRET"]})
            assert publisher.publish_batch([{**CALL, "id": str(n), "run_id": f"r{n}"} for n in range(3, 40)]) == 37
            stats = await publisher.close()
            assert (stats.published, stats.delivered, stats.buffered, stats.unknown_fields) == (39, 39, 0, 1)
        found = await broker.records()
        assert sorted(map(int, ids(found))) == list(range(1, 40))
        async with AIOKafkaProducer(bootstrap_servers=broker.url) as stock:
            for record in found:
                call = Call.model_validate_json(record.value)
                assert call.source == "router"
                assert record.key.decode() == (call.run_id or call.agent_id)
                assert b"SECRET" not in record.value
                other = await stock.send_and_wait(topics.CALLS, b"{}", key=record.key)
                assert other.partition == record.partition

    asyncio.run(main())


def test_broker_comes_late_and_nothing_is_lost(broker: Broker) -> None:
    async def main() -> None:
        async with publishing(broker) as publisher:
            before = [publisher.publish(CALL, id=f"before-{n}") for n in range(500)]
            await asyncio.sleep(0.6)
            assert not publisher.stats.connected
            assert publisher.stats.buffered == 500
            await broker.start()
            assert await publisher.flush(15)
            assert publisher.stats.connected
            assert publisher.publish(CALL, id="after")
            assert await publisher.flush()
        assert all(before)
        assert ids(await broker.records()) == [f"before-{n}" for n in range(500)] + ["after"]

    asyncio.run(main())


def test_a_full_buffer_drops_and_counts(broker: Broker) -> None:
    async def main() -> None:
        async with publishing(broker, buffer_calls=10) as publisher:
            assert [publisher.publish(CALL, id=str(n)) for n in range(15)] == [True] * 10 + [False] * 5
            assert publisher.stats.dropped == {"buffer_full": 5}
            assert not await publisher.wait_for_room(timeout_s=0.05)
            await broker.start()
            assert await publisher.wait_for_room(10, timeout_s=15)
            assert publisher.publish(CALL, id="15")
            stats = await publisher.close()
        assert (stats.delivered, stats.dropped) == (11, {"buffer_full": 5})
        assert ids(await broker.records()) == [*map(str, range(10)), "15"]

    asyncio.run(main())


@pytest.mark.parametrize("idempotence", [True, False])
def test_broker_goes_away_in_the_middle_and_comes_back(broker: Broker, idempotence: bool) -> None:
    async def main() -> None:
        await broker.start()
        async with publishing(broker, idempotence=idempotence) as publisher:
            number = 0

            async def route(seconds: float) -> None:
                nonlocal number
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    for _ in range(5):
                        assert publisher.publish(CALL, id=str(number), run_id=f"run-{number % 9}")
                        number += 1
                    await asyncio.sleep(0.005)

            await route(0.3)
            # While it stops, the embedded broker acknowledges what it no longer saves: nothing may be under way then.
            assert await publisher.flush(20)
            await asyncio.to_thread(broker.stop)
            router = asyncio.create_task(route(1.5))
            await asyncio.sleep(0.5)
            await broker.start()
            await router
            assert await publisher.flush(20)
            stats = publisher.stats
        assert (stats.delivered, stats.dropped_total) == (number, 0)
        await _every_id_is_there_and_copies_are_equal(broker, number)

    asyncio.run(main())


def test_broker_hangs_and_copies_keep_id_time_and_key(broker: Broker) -> None:
    async def main() -> None:
        await broker.start()
        async with publishing(broker, idempotence=False, request_timeout_ms=400) as publisher:
            publisher.publish(CALL, id="0", run_id="run-0")
            assert await publisher.flush()
            broker.signal(signal.SIGSTOP)
            for number in range(1, 300):
                assert publisher.publish(CALL, id=str(number), run_id=f"run-{number % 9}")
            await asyncio.sleep(2.0)
            broker.signal(signal.SIGCONT)
            assert await publisher.flush(20)
            stats = publisher.stats
        assert (stats.delivered, stats.dropped_total) == (300, 0)
        assert stats.resent > 0
        await _every_id_is_there_and_copies_are_equal(broker, 300)

    asyncio.run(main())


def test_the_log_of_an_outage_is_ours_and_short(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with publishing(broker) as publisher:
            publisher.publish(CALL)
            await asyncio.sleep(0.5)
            await broker.start()
            assert await publisher.flush(20)
            await asyncio.to_thread(broker.stop)
            publisher.publish(CALL)
            await asyncio.sleep(1)
            await broker.start()
            assert await publisher.flush(20)
        gc.collect()

    gc.collect()
    caplog.clear()
    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records if record.name == "spendstream.publish"]
    assert said[0].startswith("trouble publishing to spendstream.calls (Unable connect to")
    assert said[1].startswith("publishing to spendstream.calls again")
    others = [record.getMessage() for record in caplog.records if record.name in ("aiokafka", "asyncio")]
    assert not [line for line in others if "nable connect" in line or "never retrieved" in line]


def test_a_producer_is_discarded_while_its_request_waits_for_metadata(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that failed was put back, and waits for an update that a closed client never makes."""

    async def main() -> None:
        await broker.start()
        before = asyncio.all_tasks()
        producer = AIOKafkaProducer(bootstrap_servers=broker.url, enable_idempotence=True, request_timeout_ms=500)
        await producer.start()
        await producer.send_and_wait(topics.CALLS, b"{}", key=b"k", partition=0)
        back_in_queue, accumulator = asyncio.Event(), producer._message_accumulator
        reenqueue = accumulator.reenqueue

        def noted(batch: object) -> None:
            reenqueue(batch)
            back_in_queue.set()

        accumulator.reenqueue = noted
        broker.signal(signal.SIGSTOP)
        batch = producer.create_batch()
        batch.append(key=b"k", value=b"v", timestamp=None)
        batch.close()
        sent = await producer.send_batch(batch, topics.CALLS, partition=0)
        await asyncio.wait_for(back_in_queue.wait(), 20)
        sent.cancel()
        await asyncio.wait_for(discard(producer), 10)
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == before

    gc.collect()
    caplog.clear()
    asyncio.run(main())
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.WARNING]


async def _every_id_is_there_and_copies_are_equal(broker: Broker, calls: int) -> None:
    found = await broker.records()
    assert set(map(int, ids(found))) == set(range(calls))
    assert len({(record.partition, record.key, record.value, record.timestamp) for record in found}) == calls


def test_close_while_the_broker_is_away_is_bounded_and_honest(broker: Broker) -> None:
    async def main() -> None:
        async with publishing(broker) as publisher:
            publisher.publish_batch([CALL] * 7)
            began = time.monotonic()
            stats = await publisher.close(0.5)
            assert 0.4 < time.monotonic() - began < 3
            assert (stats.published, stats.delivered, stats.dropped, stats.buffered) == (7, 0, {"close_timeout": 7}, 0)
            assert not publisher.publish(CALL)
            assert publisher.stats.dropped == {"close_timeout": 7, "closed": 1}
            assert await publisher.close() == publisher.stats

    asyncio.run(main())


@pytest.mark.parametrize("running", [True, False])
def test_close_leaves_no_task(broker: Broker, running: bool) -> None:
    async def main() -> None:
        if running:
            await broker.start()
        before = asyncio.all_tasks()
        async with publishing(broker) as publisher:
            for number in range(20):
                publisher.publish(CALL, id=str(number))
                await asyncio.sleep(0.01)
            if running:
                broker.signal(signal.SIGSTOP)
                publisher.publish_batch([CALL] * 20)
                await asyncio.sleep(0.1)
            await publisher.close(0.3)
            await asyncio.sleep(0.1)
            assert asyncio.all_tasks() == before

    asyncio.run(main())


def test_loop_closed_without_close_is_counted_not_raised(broker: Broker) -> None:
    async def main() -> Publisher:
        await broker.start()
        publisher = Publisher(broker.url, source="router")
        await publisher.start()
        publisher.publish(CALL)
        assert await publisher.flush()
        return publisher

    publisher = asyncio.run(main())
    assert not publisher.publish(CALL)
    assert not publisher.publish(CALL)
    assert publisher.stats.dropped == {"loop_closed": 1, "closed": 1}


def test_wrong_options_are_said_at_the_start() -> None:
    async def start(**options: object) -> None:
        await Publisher("127.0.0.1:1", source="r", **options).start()  # type: ignore[arg-type]

    with pytest.raises(UsageError, match=r"(?i)ssl_context"):
        asyncio.run(start(security_protocol="SSL", ssl_context=None))
    with pytest.raises(UsageError, match="compression"):
        asyncio.run(start(compression="zip"))
    with pytest.raises(UsageError, match=r"buffer_calls .* linger_ms"):
        Publisher("127.0.0.1:1", source="r", buffer_calls=0, linger_ms=-1)
    with pytest.raises(UsageError, match="source"):
        SyncPublisher("127.0.0.1:1", source="")
    with pytest.raises(UsageError, match=r"(?i)ssl_context"):
        SyncPublisher("127.0.0.1:1", source="r", security_protocol="SSL").start()


def test_strict_raises_with_the_reason() -> None:
    publisher = Publisher("127.0.0.1:1", source="r", strict=True, buffer_calls=1)
    with pytest.raises(UsageError, match="no_agent_id"):
        publisher.publish(request_model="m")
    assert publisher.publish(CALL)
    with pytest.raises(UsageError, match="buffer_full"):
        publisher.publish(CALL)


def test_the_thread_facade_delivers_from_many_threads(broker: Broker) -> None:
    asyncio.run(broker.start())
    with SyncPublisher(broker.url, source="router") as publisher:

        async def route(name: str) -> None:
            await asyncio.to_thread(lambda: [publisher.publish(CALL, id=f"{name}{n}", run_id=name) for n in range(500)])

        async def routers() -> None:
            await asyncio.gather(*map(route, "abcd"))

        asyncio.run(routers())
        stats = publisher.close()
    assert (stats.published, stats.delivered) == (2_000, 2_000)
    found = ids(asyncio.run(broker.records()))
    for name in "abcd":
        assert [i for i in found if i[0] == name] == [f"{name}{n}" for n in range(500)]


def test_the_thread_facade_flushes_at_exit(broker: Broker) -> None:
    asyncio.run(broker.start())
    script = """
        import sys
        from streams.publish import SyncPublisher
        publisher = SyncPublisher(sys.argv[1], source="router").start()
        for n in range(300):
            assert publisher.publish(id=str(n), agent_id="a", request_model="m", input_tokens=1, output_tokens=1)
    """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), broker.url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ids(asyncio.run(broker.records())) == [str(n) for n in range(300)]


def test_importing_starts_nothing_and_leaves_pydantic_out() -> None:
    script = """
        import sys, threading
        import streams.publish
        assert "pydantic" not in sys.modules, "pydantic"
        assert threading.active_count() == 1
    """
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=30, cwd=root)
