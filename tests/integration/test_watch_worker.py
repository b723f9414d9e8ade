"""The watcher in a worker: restarts, a ledger that nobody watched, a steps topic that was lost, operators' actions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas import Incident
from streams import topics
from streams.config import Settings, load_settings
from streams.ledger.client import Database
from streams.watch.action import action_record
from streams.watch.record import StepCall
from streams.worker import Worker
from tests.integration.test_worker import holds
from tests.unit.watch.calls import canonical, story

STORY = story()
HALF = next(at for at, one in enumerate(STORY) if one.agent_id == "x") + 40
"""In the middle of the first loop, and behind its opening."""


@pytest.fixture
def settings(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics and a group of the test's own: the broker is shared."""
    name = uuid4().hex[:8]
    for topic in ("CALLS", "USAGE", "OUTCOMES", "STEPS", "SIGNALS", "INCIDENTS", "CONTROLS"):
        monkeypatch.setattr(topics, topic, f"{topic.lower()}.{name}")
    return load_settings(
        {}, broker_url=broker, group_id=f"group.{name}", worker_id=f"worker.{name}", data_dir=tmp_path / "worker",
        partitions=2, http_port=0, session_timeout_seconds=6, flush_seconds=0.1,
    )  # fmt: skip


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


def line(one: StepCall) -> bytes:
    values = {name: getattr(one, name) for name in StepCall.__struct_fields__ if name != "cost_pico"}
    values |= {"team_id": "search", "request_model": "gpt-4o", "provider_name": "openai"}
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


async def publish(settings: Settings, calls: Sequence[StepCall]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker_url)
    await producer.start()
    for one in calls:
        await producer.send(topics.CALLS, line(one), key=(one.run_id or one.agent_id).encode())
    await producer.flush()
    await producer.stop()


def opened(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT incident_id, count() FROM incident_events WHERE change = 'opened' GROUP BY incident_id ORDER BY 1"
    )


async def looked_at(database: Database, calls: int) -> None:
    """Wait until the watcher has said that nothing of so many calls is in hand."""

    async def done() -> bool:
        def ask() -> bool:
            [[count]] = database.rows("SELECT count() FROM calls")
            said = database.rows("SELECT argMax(state, version) FROM watch_state WHERE key = 'progress' GROUP BY key")
            heads = database.rows("SELECT partition, max(incarnation), max(through) FROM intake GROUP BY partition")
            if int(count) != calls or not said:
                return False
            progress: dict[str, Any] = json.loads(said[0][0])
            read = all(progress["sources"].get(str(p)) == [i, o] for p, i, o in heads)
            return bool(progress["idle"]) and read

        return await asyncio.to_thread(ask)

    await holds(done, 60)


CANONICAL = sorted(one.id for one in canonical(STORY))


def test_incidents_open_live_survive_a_restart_and_are_published_once_each(
    settings: Settings, database: Database
) -> None:
    async def main() -> list[Incident]:
        async with working(settings, database):
            await publish(settings, STORY[:HALF])
            await looked_at(database, HALF)
            assert len(opened(database)) == 1
            [[calls]] = database.rows("SELECT calls FROM incidents")
        async with working(settings, database):
            await publish(settings, STORY[HALF:])
            await looked_at(database, len(STORY))
        [[more]] = database.rows(f"SELECT max(calls) FROM incidents WHERE incident_id = '{opened(database)[0][0]}'")
        assert int(more) >= int(calls)
        consumer = AIOKafkaConsumer(
            topics.INCIDENTS, bootstrap_servers=settings.broker_url, auto_offset_reset="earliest"
        )
        await consumer.start()
        found = await consumer.getmany(timeout_ms=5_000, max_records=100)
        await consumer.stop()
        return [Incident.model_validate_json(record.value) for some in found.values() for record in some]

    said = asyncio.run(main())
    assert opened(database) == [(id_, 1) for id_ in CANONICAL]
    assert sorted(one.incident_id for one in said if one.change == "opened") == CANONICAL
    assert {one.team_id for one in said} == {"search"}
    assert {one.tier for one in said} <= {"frontier", "mid", "oss"}
    rows = database.rows("SELECT count(), countIf(backfill) FROM incident_events")
    assert rows[0][0] >= 2
    assert rows[0][1] == 0
    assert database.rows("SELECT count() FROM signals")[0][0] >= 2


def test_a_ledger_that_nobody_watched_is_learned_from_and_nobody_is_told(
    settings: Settings, database: Database
) -> None:
    async def main() -> None:
        async with working(settings.model_copy(update={"detect": False}), database):
            await publish(settings, STORY[:HALF])

            async def metered() -> bool:
                return database.rows("SELECT count() FROM calls") == [(HALF,)]

            await holds(metered)
        assert database.rows("SELECT count() FROM watch_epochs") == [(0,)]
        async with working(settings, database):
            await looked_at(database, HALF)
            await publish(settings, STORY[HALF:])
            await looked_at(database, len(STORY))

    asyncio.run(main())
    assert [id_ for id_, _ in opened(database)] == CANONICAL
    told = database.rows("SELECT backfill FROM incident_events WHERE change = 'opened' ORDER BY at")
    assert told == [(True,), (False,)], "the first had opened before anybody watched"


def test_a_steps_topic_that_was_lost_loses_nothing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with working(settings, database):
            await publish(settings, STORY[:60])
            await looked_at(database, 60)
        # Metered while nobody watched, and then the topic is another one.
        async with working(settings.model_copy(update={"detect": False}), database):
            await publish(settings, STORY[60:HALF])

            async def metered() -> bool:
                return database.rows("SELECT count() FROM calls") == [(HALF,)]

            await holds(metered)
        monkeypatch.setattr(topics, "STEPS", f"{topics.STEPS}.again")
        async with working(settings, database):
            await looked_at(database, HALF)
            await publish(settings, STORY[HALF:])
            await looked_at(database, len(STORY))

    asyncio.run(main())
    assert opened(database) == [(id_, 1) for id_ in CANONICAL]
    assert database.rows("SELECT countIf(backfill) FROM incident_events") == [(0,)]


def test_operators_actions_travel_with_the_steps(settings: Settings, database: Database) -> None:
    async def main() -> None:
        async with working(settings, database):
            await publish(settings, STORY[:HALF])
            await looked_at(database, HALF)
            [(id_, _)] = opened(database)
            producer = AIOKafkaProducer(bootstrap_servers=settings.broker_url)
            await producer.start()
            for action, until in (("acknowledge", None), ("silence", 2_000_000_000_000), ("resolve", None)):
                record = action_record(
                    id_, action, by="ada", reason="mine", at_ms=1, partition=0, until_ms=until, action_id=action,  # type: ignore[arg-type]
                )  # fmt: skip
                for _ in range(2):  # sent twice
                    await producer.send_and_wait(topics.STEPS, record.value, key=record.key, partition=record.partition)
            await producer.stop()

            async def done() -> bool:
                return database.rows("SELECT state FROM incidents") == [("resolved",)]

            await holds(done)

    asyncio.run(main())
    rows = database.rows("SELECT change, by, acknowledged_by FROM incident_events WHERE by != '' ORDER BY number")
    assert rows == [("acknowledged", "ada", "ada"), ("silenced", "ada", "ada"), ("resolved", "ada", "ada")]
