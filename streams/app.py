"""The Faust app of a worker, built from settings; nothing connects before it is started.

Two agents: the meter (`spendstream.calls`) and usage (`spendstream.usage`), both on the batch transport.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import faust
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from faust import Stream
from faust.types import TP, StreamT
from yarl import URL

from streams import topics
from streams.config import Settings
from streams.errors import SpendstreamError, Unavailable
from streams.meter.agent import Meter, OutgoingRecord
from streams.transport import Consumer, RawSchema
from streams.usage.agent import UsageAgent

BUFFERED_BATCHES = 8
"""Fetched batches that may wait for an agent; a batch is up to `fetch_records` calls, so eight are plenty."""

COMMIT_SECONDS = 1.0
"""How often offsets are committed: what a restart says again is at most this much usage (never ledger rows)."""


_NEVER = (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
"""Sending again would not help: an operator has to."""


class KafkaSender:
    """Sends through the app's producer and waits for the broker's word on each record."""

    def __init__(self, app: faust.App) -> None:
        self._app = app

    async def send(self, records: list[OutgoingRecord]) -> None:
        """Send all. Raises `Unavailable` when the broker does not take one now; all may then be sent again.

        Raises `SpendstreamError` when it never will.
        """
        producer = self._app.producer
        try:
            pending = [
                await producer.send(
                    record.topic, record.key, record.value, record.partition, None, dict(record.headers) or None
                )
                for record in records
            ]
            await asyncio.gather(*pending)
        except _NEVER as error:
            raise SpendstreamError(f"the broker refuses what the meter sends: {error!r}") from error
        except KafkaError as error:
            raise Unavailable(f"the broker did not take {len(records)} records: {error}") from error


class WorkerPositions:
    """Hands assignments and revocations to both agents (`streams.transport.Positions`)."""

    def __init__(self) -> None:
        self.meter: Meter | None = None
        self.usage: UsageAgent | None = None
        self.assigned = asyncio.Event()

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Usage first: its windows must be empty before the meter publishes anything new."""
        assert self.meter is not None
        assert self.usage is not None
        if not committed:  # a worker in reserve: what it had was revoked before
            self.assigned.set()
            return {}
        usage = {tp for tp in committed if tp.topic == topics.USAGE}
        await self.meter.retried("usage windows", partial(self.usage.on_assigned, usage, consumer))
        starts = await self.meter.on_assigned(committed, consumer)
        self.assigned.set()
        return starts

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Flush what is in work."""
        assert self.meter is not None
        assert self.usage is not None
        self.assigned.clear()
        await self.meter.before_revoke(partitions)
        self.usage.before_revoke(partitions)


class App(faust.App):
    """A Faust app that knows where to start reading."""

    positions: WorkerPositions


def create_app(settings: Settings, worker_id: str) -> App:
    """The app without its agents: `attach` adds them once the meter exists (it sends through the app)."""
    app = App(
        settings.group_id,
        broker=[URL(f"spendstream://{server}") for server in settings.broker_url.split(",")],
        store="memory://",
        datadir=str(settings.data_dir),
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=worker_id,
        consumer_max_fetch_size=settings.fetch_bytes,
        broker_max_poll_records=settings.fetch_records,
        broker_commit_interval=COMMIT_SECONDS,
        broker_commit_every=None,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 10,
        stream_buffer_maxsize=BUFFERED_BATCHES,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        producer_compression_type=None,
        producer_max_request_size=4 << 20,
        logging_config={"version": 1, "disable_existing_loggers": False},
        loghandlers=[logging.NullHandler()],
    )
    app.positions = WorkerPositions()
    return app


def attach(app: App, meter: Meter, usage: UsageAgent) -> None:
    """Add the two agents."""
    app.positions.meter = meter
    app.positions.usage = usage
    schema: Any = RawSchema()

    @app.agent(app.topic(topics.CALLS, schema=schema), concurrency=1, name="meter")
    async def meter_agent(stream: StreamT[Any]) -> None:
        await meter.run(cast(Stream[Any], stream).noack().events())

    @app.agent(app.topic(topics.USAGE, schema=schema), concurrency=1, name="usage")
    async def usage_agent(stream: StreamT[Any]) -> None:
        await usage.run(cast(Stream[Any], stream).noack().events())
