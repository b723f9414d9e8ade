"""The broker child: what it keeps, when it ends, and who waits for whom. A real broker in each test."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.embedded import broker as module
from streams.embedded.broker import Broker, find_binary, free_port, take_over
from streams.embedded.directory import Layout, own
from streams.errors import NotPossible, Unavailable, UsageError
from streams.kafka_admin import ensure_topics, topic_spec

OWNER = """
import asyncio, os, sys
from pathlib import Path
from aiokafka import AIOKafkaProducer
from streams.embedded.broker import Broker
from streams.embedded.directory import own
from streams.kafka_admin import ensure_topics, topic_spec

async def main():
    broker = Broker(own(Path(sys.argv[1])).layout)
    bootstrap = await broker.start()
    await ensure_topics(bootstrap, [topic_spec("t", 1)])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for number in range(int(sys.argv[2])):
        await producer.send("t", b"%d" % number + b"x" * 400, partition=0)
    await producer.flush()
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def with_broker(root: Path, body: Callable[[str, Broker], Awaitable[None]]) -> None:
    """Own `root`, run `body` with a started broker, and stop it."""

    async def run() -> None:
        with own(root) as owned:
            broker = Broker(owned.layout)
            bootstrap = await broker.start()
            try:
                await body(bootstrap, broker)
            finally:
                assert await broker.stop() == 0

    asyncio.run(run())


def pids(root: Path) -> list[int]:
    return [int(word) for word in Layout(root).broker_lock.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(processes: list[int], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while any(alive(pid) for pid in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


async def read_all(bootstrap: str, topic: str, count: int) -> list[tuple[int, int, bytes | None, bytes | None]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        read = [await asyncio.wait_for(consumer.getone(), 10) for _ in range(count)]
        return [(record.offset, record.timestamp, record.key, record.value) for record in read]
    finally:
        await consumer.stop()


def test_a_graceful_stop_keeps_records_offsets_and_settings(tmp_path: Path) -> None:
    kept: list[object] = []

    async def write(bootstrap: str, _broker: Broker) -> None:
        report = await ensure_topics(bootstrap, [topic_spec("t", 3, retention_ms=3_600_000)])
        assert report.created == ("t",)
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        now = int(time.time() * 1000)
        for key, value in ((b"k", b"v"), (None, b""), (b"", None), (b"k", "ü".encode())):
            await producer.send_and_wait("t", value, key=key, partition=0, timestamp_ms=now)
        await producer.stop()
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="g", enable_auto_commit=False)
        await consumer.start()
        consumer.assign([TopicPartition("t", 0)])
        await consumer.commit({TopicPartition("t", 0): 2})
        await consumer.stop()
        kept.append(await read_all(bootstrap, "t", 4))

    async def read(bootstrap: str, _broker: Broker) -> None:
        assert await read_all(bootstrap, "t", 4) == kept[0]
        report = await ensure_topics(bootstrap, [topic_spec("t", 3, retention_ms=3_600_000)])
        assert report.created == ()
        assert report.partitions == {"t": 3}
        assert report.differences == ()
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="g", enable_auto_commit=False)
        await consumer.start()
        assert await consumer.committed(TopicPartition("t", 0)) == 2
        await consumer.stop()

    with_broker(tmp_path, write)
    with_broker(tmp_path, read)


def test_log_append_time_hides_a_producers_clock(tmp_path: Path) -> None:
    async def body(bootstrap: str, _broker: Broker) -> None:
        await ensure_topics(bootstrap, [topic_spec("t", 1, retention_ms=3_600_000, log_append_time=True)])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        await producer.send_and_wait("t", b"v", partition=0, timestamp_ms=1_577_836_800_000)
        await producer.stop()
        [(_offset, timestamp, _key, _value)] = await read_all(bootstrap, "t", 1)
        assert abs(timestamp - time.time() * 1000) < 60_000

    with_broker(tmp_path, body)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_kill_9_of_the_owner_lets_the_broker_save(tmp_path: Path) -> None:
    count = 20_000
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), str(count)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    children = pids(tmp_path)
    assert len(children) == 2
    assert all(alive(pid) for pid in children)
    owner.kill()
    owner.wait()
    owner.stdout.close()

    async def body(bootstrap: str, _broker: Broker) -> None:
        # `start` waited for the save: no record is missing.
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        await consumer.start()
        assert await consumer.end_offsets([TopicPartition("t", 0)]) == {TopicPartition("t", 0): count}
        await consumer.stop()

    with_broker(tmp_path, body)
    assert gone(children)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the supervisor's own death is seen on Linux only")
def test_kill_9_of_the_supervisor_lets_the_broker_save(tmp_path: Path) -> None:
    async def body(root: Path) -> None:
        with own(root) as owned:
            broker = Broker(owned.layout)
            bootstrap = await broker.start()
            await ensure_topics(bootstrap, [topic_spec("t", 2)])
            children = pids(root)
            os.kill(children[0], signal.SIGKILL)
            assert await asyncio.to_thread(gone, children)
            assert not broker.running
            assert await broker.stop() == -signal.SIGKILL
            bootstrap = await broker.start()
            report = await ensure_topics(bootstrap, [topic_spec("t", 2)])
            assert report.existing == ("t",)
            assert await broker.stop() == 0

    asyncio.run(body(tmp_path))


def test_a_broker_killed_with_9_goes_back_to_its_last_stop(tmp_path: Path) -> None:
    """Why the ledger needs a witness: offsets are used again."""

    async def first(bootstrap: str, _broker: Broker) -> None:
        await ensure_topics(bootstrap, [topic_spec("t", 1)])
        await send(bootstrap, 5)

    async def send(bootstrap: str, count: int) -> int:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        last = [(await producer.send_and_wait("t", b"v", partition=0)).offset for _ in range(count)][-1]
        await producer.stop()
        return int(last)

    async def crash(root: Path) -> None:
        with own(root) as owned:
            broker = Broker(owned.layout)
            assert await send(await broker.start(), 7) == 11
            os.kill(pids(root)[1], signal.SIGKILL)
            while broker.running:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert await broker.stop() == 128 + signal.SIGKILL

    async def again(bootstrap: str, _broker: Broker) -> None:
        assert await send(bootstrap, 1) == 5

    with_broker(tmp_path, first)
    asyncio.run(crash(tmp_path))
    with_broker(tmp_path, again)


def test_ctrl_c_in_the_terminal_does_not_reach_the_broker(tmp_path: Path) -> None:
    async def body(_bootstrap: str, _broker: Broker) -> None:
        assert {os.getsid(pid) for pid in pids(tmp_path)} == {pids(tmp_path)[0]}
        assert os.getsid(0) != pids(tmp_path)[0]

    with_broker(tmp_path, body)


def test_a_taken_port_is_a_usage_error_and_leaves_nothing_running(tmp_path: Path) -> None:
    async def body() -> None:
        with own(tmp_path) as owned, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(NotPossible, match=f"port {port} is taken"):
                await Broker(owned.layout, port=port).start()
            os.close(await take_over(owned.layout, save_s=1))

    asyncio.run(body())


def test_a_chosen_port_is_used_and_free_again_after_stop(tmp_path: Path) -> None:
    async def body() -> None:
        port = free_port()
        with own(tmp_path) as owned:
            for _ in range(2):
                broker = Broker(owned.layout, port=port)
                assert await broker.start() == f"127.0.0.1:{port}"
                assert await broker.stop() == 0
                assert await broker.stop() is None

    asyncio.run(body())


def test_a_broker_that_cannot_load_its_topics_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "noida-db"
    fake.write_text("#!/bin/sh\necho the topics are broken >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(module, "find_binary", lambda: fake)

    async def body() -> None:
        with own(tmp_path / "dir") as owned:
            broker = Broker(owned.layout)
            with pytest.raises(Unavailable, match=r"(?s)code 3.*broker\.log.*the topics are broken"):
                await broker.start()
            assert not broker.running

    asyncio.run(body())


def test_a_broker_that_does_not_answer_or_stop_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "noida-db"
    fake.write_text("#!/bin/sh\ntrap '' TERM\nwhile true; do sleep 0.1; done\n")
    fake.chmod(0o755)
    monkeypatch.setattr(module, "find_binary", lambda: fake)

    async def body() -> None:
        with own(tmp_path / "dir") as owned:
            began = time.monotonic()
            with pytest.raises(Unavailable, match=r"did not answer within 0\.5 s"):
                await Broker(owned.layout, start_s=0.5, save_s=0.5).start()
            assert time.monotonic() - began < 8

    asyncio.run(body())


def test_a_leftover_that_does_not_stop_is_killed_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor and a broker that both ignore SIGTERM, left by an owner that is gone."""
    root = tmp_path / "dir"
    with own(root) as owned:
        layout = owned.layout
    script = (
        "import fcntl, os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); f.write(str(os.getpid())); f.flush()\n"
        "print('held', flush=True); time.sleep(60)"
    )
    leftover = subprocess.Popen(
        [sys.executable, "-c", script, str(layout.broker_lock)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert leftover.stdout is not None
    assert leftover.stdout.readline() == b"held\n"

    async def body() -> None:
        os.close(await take_over(layout, save_s=0.5))

    asyncio.run(body())
    assert leftover.wait(5) == -signal.SIGKILL
    leftover.stdout.close()


def test_a_missing_binary_lists_each_place_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_binary().name == "noida-db"
    monkeypatch.setattr("streams.embedded.broker.os.access", lambda *_: False)
    with pytest.raises(NotPossible, match=r"(?s)noida-db \(not executable\).*noida-db\.exe \(not there\)"):
        find_binary()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotPossible, match="not installed"):
        find_binary()


def test_topics_that_differ_are_reported_and_left(tmp_path: Path) -> None:
    async def body(bootstrap: str, _broker: Broker) -> None:
        await ensure_topics(bootstrap, [topic_spec("a", 2, retention_ms=1000)])
        report = await ensure_topics(bootstrap, [topic_spec("a", 4, retention_ms=2000), topic_spec("b", 1)])
        assert report.created == ("b",)
        assert report.existing == ("a",)
        assert report.partitions == {"a": 2, "b": 1}
        assert report.differences == (
            "a: has 2 partitions, 4 wanted; left as it is",
            "a: retention.ms is 1000, 2000 wanted; left as it is",
        )

    with_broker(tmp_path, body)


def test_what_the_broker_refuses_is_a_usage_error_and_no_broker_is_unavailable(tmp_path: Path) -> None:
    async def body(bootstrap: str, _broker: Broker) -> None:
        with pytest.raises(UsageError, match=r"cannot create topic a: .*replicat"):
            await ensure_topics(bootstrap, [topic_spec("a", 1, replication_factor=3)])

    with_broker(tmp_path, body)
    with pytest.raises(Unavailable):
        asyncio.run(ensure_topics(f"127.0.0.1:{free_port()}", [topic_spec("a", 1)]))
