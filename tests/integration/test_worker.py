"""A whole worker on the embedded broker and the real engine: bad input among good, stop, start again, live usage."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams import topics
from streams.config import Settings, load_settings
from streams.ledger.client import Database
from streams.meter.decode import VALUE_MAX_BYTES
from streams.meter.judge import CALLS_MAX
from streams.meter.route import Router
from streams.worker import Worker
from tests.fakes import BASE_MS, call, value

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)
PARTITIONS = 2


@pytest.fixture
def settings(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics and a group of the test's own: the broker is shared."""
    name = uuid4().hex[:8]
    for topic in ("CALLS", "USAGE", "STEPS", "SIGNALS", "INCIDENTS"):
        monkeypatch.setattr(topics, topic, f"{topic.lower()}.{name}")
    return load_settings(
        {},
        broker_url=broker,
        group_id=f"group.{name}",
        worker_id=f"worker.{name}",
        data_dir=tmp_path / "worker",
        partitions=PARTITIONS,
        http_port=0,
        session_timeout_seconds=6,
        flush_seconds=0.1,
    )


@asynccontextmanager
async def working(settings: Settings, database: Database) -> AsyncIterator[Worker]:
    worker = Worker(settings, database)
    await worker.start()
    try:
        await worker.wait_ready(30)
        yield worker
    finally:
        await worker.stop()
    await worker.stopped()


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker_url, max_request_size=8 << 20)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(producer: AIOKafkaProducer, calls: Sequence[dict[str, Any]]) -> None:
    """As a router should: one call a record, keyed by its run or agent."""
    for one in calls:
        key = str(one.get("run_id") or one["agent_id"]).encode()
        await producer.send(topics.CALLS, value(one), key=key)
    await producer.flush()


async def holds(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Ask until it holds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it never held"
        await asyncio.sleep(0.05)


async def until(database: Database, condition: str, count: int) -> None:
    """Wait until the ledger has at least `count` rows that hold the condition."""

    async def enough() -> bool:
        rows = await asyncio.to_thread(database.rows, f"SELECT count() FROM intake WHERE {condition}")
        return bool(rows[0][0] >= count)

    await holds(enough)


async def get(worker: Worker, path: str) -> tuple[int, Any]:
    assert worker.http_address is not None
    host, port = worker.http_address
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.json()


def positions_are_unique_and_dense(database: Database) -> None:
    ((rows, places),) = database.rows("SELECT count(), uniqExact(incarnation, partition, offset, item) FROM intake")
    assert rows == places
    for covered, last in database.rows("SELECT uniqExact(offset), max(through) + 1 FROM intake GROUP BY partition"):
        assert covered == last


def run(main: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await main()

    asyncio.run(bounded())


# -- bad input -------------------------------------------------------------------------------------------------------

GOOD = call("good", time=NOW_MS)


def but(**fields: Any) -> bytes:
    return value(call("bad", time=NOW_MS) | fields)


def without(name: str) -> bytes:
    return value({key: content for key, content in call("bad").items() if key != name})


BAD: dict[str, tuple[bytes | None, list[str]]] = {
    "no value": (None, ["empty"]),
    "no bytes": (b"", ["empty"]),
    "white space": (b" \n ", ["empty"]),
    "no calls": (b"[]", ["empty"]),
    "no JSON": (b"hello", ["not_json"]),
    "half an object": (b'{"id": "x", "time"', ["not_json"]),
    "half an array": (b'[{"id": "x"}', ["not_json"]),
    "NaN": (value(call("x")).replace(b"1000", b"NaN"), ["not_json"]),
    "two objects in one line": (b"{}{}", ["not_json"]),
    "latin-1": ('{"id": "Zürich"}'.encode("latin-1"), ["not_utf8"]),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), ["not_utf8"]),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", ["not_utf8"]),
    "a number": (b"5", ["not_an_object"]),
    "a list of lists": (b"[[], 1, null]", ["not_an_object"] * 3),
    "deep": (b"[" * 100_000, ["too_deep"]),
    "no id": (without("id"), ["missing_field"]),
    "no agent": (without("agent_id"), ["missing_field"]),
    "no time": (without("time"), ["missing_field"]),
    "no tokens": (without("input_tokens"), ["missing_field"]),
    "null model": (but(request_model=None), ["missing_field"]),
    "text tokens": (but(input_tokens="12"), ["wrong_type"]),
    "fractional tokens": (but(output_tokens=1.5), ["wrong_type"]),
    "boolean tokens": (but(output_tokens=True), ["wrong_type"]),
    "number as id": (but(id=7), ["wrong_type"]),
    "object as agent": (but(agent_id={}), ["wrong_type"]),
    "tags of numbers": (but(tags={"a": 1}), ["wrong_type"]),
    "negative tokens": (but(input_tokens=-1), ["out_of_range"]),
    "absurd tokens": (but(input_tokens=10**12), ["out_of_range"]),
    "tokens beyond all": (but(input_tokens=10**400), ["out_of_range"]),
    "empty id": (but(id=""), ["out_of_range"]),
    "long id": (but(id="i" * 129), ["out_of_range"]),
    "negative latency": (but(latency_ms=-0.1), ["out_of_range"]),
    "unknown status": (but(status="fine"), ["unknown_value"]),
    "unknown tier": (but(tier="gold"), ["unknown_value"]),
    "NUL": (but(agent_id="a\0b"), ["bad_text"]),
    "half a surrogate": (but(agent_id="x").replace(b'"x"', b'"\\ud800"'), ["bad_text"]),
    "cost as number": (but(reported_cost=0.5), ["wrong_type"]),
    "cost with exponent": (but(reported_cost="1e-3"), ["bad_decimal"]),
    "negative cost": (but(reported_cost="-1"), ["bad_decimal"]),
    "cost of a million": (but(reported_cost="1000000"), ["bad_decimal"]),
    "time without zone": (but(time="2026-03-02T00:00:00"), ["bad_time"]),
    "time in words": (but(time="now"), ["bad_time"]),
    "time in seconds": (but(time=1_772_409_600), ["time_too_old"]),
    "time of 1970": (but(time=0), ["time_too_old"]),
    "time in nanoseconds": (but(time=NOW_MS * 1_000_000), ["time_in_future"]),
    "time in two days": (but(time=NOW_MS + 2 * 86_400_000), ["time_in_future"]),
    "cache above input": (but(cache_read_input_tokens=1001), ["cache_exceeds_input"]),
    "reasoning above output": (but(reasoning_output_tokens=101), ["reasoning_exceeds_output"]),
    "too many calls": (b"[" + b",".join([b"1"] * (CALLS_MAX + 1)) + b"]", ["too_many_calls"]),
    "huge": (value(call("huge", time=NOW_MS) | {"prompt": "x" * VALUE_MAX_BYTES}), ["too_large"]),
    "a bad one among good ones": (
        value(call("among 1", time=NOW_MS), {"id": "x"}, call("among 2", time=NOW_MS), call("x", input_tokens=-1)),
        ["missing_field", "out_of_range"],
    ),
    "a bad line among good ones": (
        b"\n".join([value(call("line 1", time=NOW_MS)), b"{oops}", b"", value(call("line 2", time=NOW_MS))]),
        ["not_json"],
    ),
}

FINE: dict[str, bytes] = {
    "unknown fields": value(call("unknown", time=NOW_MS) | {"prompt": "secret", "nested": {"a": [1]}}),
    "byte order mark": b"\xef\xbb\xbf" + value(call("bom", time=NOW_MS)),
    "years ago": value(call("2016", time="2016-01-01T00:00:00Z")),
    "tomorrow": value(call("tomorrow", time=NOW_MS + 80_000_000)),
    "zeros": value(call("zeros", time=NOW_MS, input_tokens=0, output_tokens=0)),
    "many in one record": value(*[call(f"many {n}", time=NOW_MS) for n in range(2000)]),
    "large": value(call("large", time=NOW_MS, tags={f"k{n}": "v" * 1024 for n in range(64)})),
}


def test_bad_input_is_a_row_with_its_reason_and_stops_nothing(settings: Settings, database: Database) -> None:
    """Every kind of it in one stream, in partition 0 and 1, with good calls before, between and after."""
    names = {p: next(n for n in map(str, range(99)) if Router(PARTITIONS).partition(n) == p) for p in range(PARTITIONS)}

    async def main() -> None:
        async with working(settings, database) as worker, producing(settings) as producer:
            places: dict[tuple[int, int], str] = {}
            for at, (name, (raw, _)) in enumerate(BAD.items()):
                for partition in range(PARTITIONS):
                    sent = await producer.send_and_wait(topics.CALLS, raw, key=b"k", partition=partition)
                    places[partition, sent.offset] = name
                await publish(producer, [call(f"between {at}", time=NOW_MS, agent_id=names[at % PARTITIONS])])
            for raw in FINE.values():
                await producer.send_and_wait(topics.CALLS, raw, key=b"agent")
            expected = {f"between {at}" for at in range(len(BAD))} | {f"many {n}" for n in range(2000)}
            expected |= {"among 1", "among 2", "line 1", "line 2"}
            expected |= {"unknown", "bom", "2016", "tomorrow", "zeros", "large"}
            await until(database, "outcome = 'call'", len(expected))
            await until(database, "outcome = 'reject'", PARTITIONS * sum(len(reasons) for _, reasons in BAD.values()))
            assert (await get(worker, "/health"))[1]["status"] == "ok"

            found: dict[str, list[list[str]]] = {}
            rows = database.rows(
                "SELECT partition, offset, groupArray(reason) FROM "
                "(SELECT * FROM rejects ORDER BY item) GROUP BY partition, offset"
            )
            for partition, offset, reasons in rows:
                found.setdefault(places[partition, offset], []).append(list(reasons))
            assert found == {name: [reasons] * PARTITIONS for name, (_, reasons) in BAD.items()}

            calls = {row[0] for row in database.rows("SELECT id FROM calls")}
            assert calls == expected
            positions_are_unique_and_dense(database)
            assert b"secret" not in json.dumps(database.rows("SELECT payload FROM intake"), default=str).encode()

    run(main)


# -- a worker's life -------------------------------------------------------------------------------------------------


def calls_of(first: int, count: int) -> list[dict[str, Any]]:
    return [
        call(str(n), agent_id=f"agent {n % 7}", run_id=f"run {n % 11}", time=BASE_MS + n * 500)
        for n in range(first, first + count)
    ]


async def committed(settings: Settings) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker_url)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(settings.group_id)
    finally:
        await admin.close()
    return sum(entry.offset for tp, entry in offsets.items() if tp.topic == topics.CALLS)


def test_stop_and_start_again_repeats_nothing_and_loses_nothing(settings: Settings, database: Database) -> None:
    async def main() -> None:
        async with working(settings, database), producing(settings) as producer:
            await publish(producer, calls_of(0, 300))
            await until(database, "1", 300)
        assert await committed(settings) == 300, "a graceful stop commits what it wrote"
        async with producing(settings) as producer:
            await publish(producer, calls_of(200, 300))  # while it is down: 100 copies, 200 new
        async with working(settings, database), producing(settings) as producer:
            await publish(producer, calls_of(500, 50))
            await until(database, "1", 650)
        assert await committed(settings) == 650

    run(main)
    outcomes = dict(database.rows("SELECT toString(outcome), count() FROM intake GROUP BY outcome"))
    assert outcomes == {"call": 550, "duplicate": 100}
    assert database.rows("SELECT uniqExact(id) FROM calls") == [(550,)]
    positions_are_unique_and_dense(database)
    starts = database.rows("SELECT DISTINCT incarnation FROM epochs WHERE event = 'start'")
    assert starts == [(1,)], "the same topic all along"


def test_a_stop_in_the_middle_of_the_stream_loses_nothing(settings: Settings, database: Database) -> None:
    async def main() -> None:
        async with producing(settings) as producer:
            for part in range(3):
                async with working(settings, database):
                    publishing = asyncio.create_task(publish(producer, calls_of(part * 2000, 2000)))
                    await until(database, "1", part * 2000 + 1)
                await publishing
            async with working(settings, database):
                await until(database, "1", 6000)

    run(main)
    assert database.rows("SELECT count(), uniqExact(id) FROM calls") == [(6000, 6000)]
    positions_are_unique_and_dense(database)


def test_wrongly_keyed_calls_are_moved_and_counted_once(settings: Settings, database: Database) -> None:
    async def main() -> None:
        async with working(settings, database), producing(settings) as producer:
            calls = calls_of(0, 100)
            for n, one in enumerate(calls):
                await producer.send(topics.CALLS, value(one), partition=n % PARTITIONS)
            await producer.flush()
            await publish(producer, calls)
            await until(database, "outcome IN ('call', 'duplicate')", 200)
            rows = dict(database.rows("SELECT toString(outcome), count() FROM intake GROUP BY outcome"))
            moved = rows.pop("moved")
            assert rows == {"call": 100, "duplicate": 100}
            assert 0 < moved < 100
            for run_id, partitions in database.rows("SELECT run_id, uniqExact(partition) FROM calls GROUP BY run_id"):
                assert partitions == 1, run_id

    run(main)
    positions_are_unique_and_dense(database)


@pytest.mark.parametrize("fields", [{}, {"by": "tier"}, {"by": "agent_id"}, {"agent_id": "agent 3"}])
def test_live_usage_equals_the_ledger(settings: Settings, database: Database, fields: dict[str, str]) -> None:
    first, end = BASE_MS // 1000, BASE_MS // 1000 + 3600
    query = "&".join([f"from={first}", f"to={end}", *(f"{name}={text}" for name, text in fields.items())])
    groups = fields.get("by", "agent_id,tier")

    def truth(size: int) -> list[dict[str, Any]]:
        where = "agent_id = 'agent 3'" if "agent_id" in fields else "1"
        names, rows = database.table(
            f"SELECT intDiv(toUnixTimestamp64Milli(time), {size * 1000}) * {size} AS start, {groups}, "
            "count() AS calls, sum(c.input_tokens) AS input_tokens, sum(c.cost_usd) AS cost_usd "
            f"FROM calls AS c WHERE {where} GROUP BY start, {groups} ORDER BY start, {groups}"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def agree(worker: Worker) -> None:
        for window, size in (("1s", 1), ("1m", 60), ("1h", 3600)):
            expected = truth(size)
            assert expected

            async def equal(window: str = window, expected: list[dict[str, Any]] = expected) -> bool:
                status, answer = await get(worker, f"/v1/usage?window={window}&{query}")
                assert (status, answer["source"]) == (200, "memory")
                found = [{name: row[name] for name in expected[0]} for row in answer["rows"]]
                return [row | {"cost_usd": Decimal(row["cost_usd"])} for row in found] == expected

            await holds(equal, 15)

    async def main() -> None:
        async with working(settings, database) as worker, producing(settings) as producer:
            await publish(producer, calls_of(0, 200))
            await until(database, "outcome = 'call'", 200)
            await agree(worker)
            await publish(producer, [call("late", agent_id="agent 3", run_id="run 1", time=BASE_MS + 1)])
            await until(database, "id = 'late'", 1)
            await agree(worker)
            assert (await get(worker, "/ready"))[0] == 200

    run(main)


def test_a_second_worker_takes_its_share_and_all_is_counted_once(settings: Settings, database: Database) -> None:
    """Both in one process; partitions move to the second one while calls flow."""
    other = settings.model_copy(update={"worker_id": settings.worker_id + ".2", "data_dir": settings.data_dir / "2"})

    async def main() -> None:
        async with producing(settings) as producer, working(settings, database) as first:
            await publish(producer, calls_of(0, 500))
            await until(database, "1", 100)
            async with working(other, database) as second:
                await publish(producer, calls_of(400, 1000))
                await until(database, "1", 1500)

                async def shared() -> bool:
                    return (
                        bool(first.meter.owned) and bool(second.meter.owned) and first.is_ready() and second.is_ready()
                    )

                await holds(shared)
                await publish(producer, calls_of(1300, 500))
                await until(database, "1", 2000)
                assert first.meter.owned.keys() | second.meter.owned.keys() == {0, 1}

    run(main)
    assert database.rows("SELECT count(), uniqExact(id) FROM calls") == [(1800, 1800)]
    positions_are_unique_and_dense(database)
    assert database.rows("SELECT DISTINCT incarnation FROM epochs WHERE event = 'start'") == [(1,)]


def test_a_worker_in_reserve_is_ready_and_takes_over(settings: Settings, database: Database) -> None:
    """More workers than partitions: the one without any is healthy, and answers from the ledger."""
    alone = settings.model_copy(update={"partitions": 1})
    spare = alone.model_copy(update={"worker_id": settings.worker_id + ".2", "data_dir": settings.data_dir / "2"})

    async def main() -> None:
        async with producing(alone) as producer, working(alone, database) as first:
            await publish(producer, calls_of(0, 10))
            await until(database, "1", 10)
            async with working(spare, database) as second:

                async def settled() -> bool:
                    owned = sorted([len(first.meter.owned), len(second.meter.owned)])
                    return owned == [0, 1] and first.is_ready() and second.is_ready()

                await holds(settled)
                assert [(await get(worker, "/ready"))[0] for worker in (first, second)] == [200, 200]
                await publish(producer, calls_of(5, 10))
                await until(database, "1", 20)

    run(main)
    assert database.rows("SELECT count(), uniqExact(id) FROM calls") == [(15, 15)]
    positions_are_unique_and_dense(database)
