"""Verdicts through a whole worker on the embedded broker and the real engine: bad among good, stop, start, copies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from streams import topics
from streams.config import Settings, load_settings
from streams.ledger.client import Database
from streams.publish import OutcomePublisher
from tests.integration.test_worker import PARTITIONS, holds, producing, run, working


@pytest.fixture
def settings(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics and a group of the test's own: the broker is shared."""
    name = uuid4().hex[:8]
    for topic in ("CALLS", "USAGE", "OUTCOMES"):
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
    )


async def until(database: Database, rows: int) -> None:
    async def enough() -> bool:
        [[count]] = await asyncio.to_thread(database.rows, "SELECT count() FROM outcome_intake")
        return bool(count >= rows)

    await holds(enough)


def test_verdicts_are_kept_once_through_a_restart(settings: Settings, database: Database) -> None:
    async def main() -> None:
        async with working(settings, database):
            async with OutcomePublisher(settings.broker_url, source="tests", topic=topics.OUTCOMES) as publisher:
                for at in range(20):
                    assert publisher.publish_outcome(run_id=f"run-{at}", outcome="success", evaluator="tests")
                assert not publisher.publish_outcome(run_id="", outcome="success")
                assert await publisher.flush(20)
                assert dict(publisher.stats.dropped) == {"no_run_id": 1}
            async with producing(settings) as producer:
                for value in (
                    b"not json",
                    None,
                    b'[{"run_id":"x","outcome":"maybe"},{"run_id":"y","outcome":"failure"}]',
                ):
                    await producer.send(topics.OUTCOMES, value, key=b"k")
                await producer.flush()
            await until(database, 24)
        async with working(settings, database), producing(settings) as producer:
            again: dict[str, Any] = {"run_id": "run-3", "outcome": "failure", "id": "later"}
            for _ in range(2):
                await producer.send(topics.OUTCOMES, json.dumps(again).encode(), key=b"run-3")
            await producer.flush()
            await until(database, 26)

        assert database.rows("SELECT count(), countIf(outcome = 'success'), uniqExact(run_id) FROM outcomes") == [
            (22, 20, 21)
        ]
        assert sorted(database.rows("SELECT reason, count() FROM outcome_rejects GROUP BY reason")) == [
            ("empty", 1), ("not_json", 1), ("unknown_value", 1),
        ]  # fmt: skip
        assert database.rows(
            "SELECT count() = uniqExact(incarnation, partition, offset, item), max(incarnation) FROM outcome_intake"
        ) == [(True, 1)]

    run(main)
