"""The Faust app of a worker, built from settings; nothing connects before it is started.

Each room (`Room`: the meter, usage, outcomes, the watcher) is one agent on one topic, on the batch transport.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

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
from faust.types import TP, EventT, StreamT
from yarl import URL

from streams.config import Settings
from streams.errors import SpendstreamError, Unavailable
from streams.kafka_security import faust_credentials
from streams.meter.outgoing import OutgoingRecord
from streams.transport import Consumer, RawSchema

BUFFERED_BATCHES = 8
"""Fetched batches that may wait for an agent; a batch is up to `fetch_records` calls, so eight are plenty."""

COMMIT_SECONDS = 1.0
"""How often offsets are committed: what a restart says again is at most this much usage (never ledger rows)."""

METADATA_SECONDS = 15
"""How old what is known of topics may be: calls of a partition that was added wait so long for their first reader."""


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


class Room(Protocol):
    """One agent: what it reads and how it takes partitions over and gives them up."""

    @property
    def topic(self) -> str:
        """The topic it reads; partitions of others are not shown to it."""
        ...

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """As `streams.transport.Positions`, of its own topic; none of it when it got no partition."""
        ...

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Finish what is in work for these partitions of its own topic (never none)."""
        ...

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body: take batches for ever."""
        ...


class WorkerPositions:
    """Hands assignments and revocations to the rooms (`streams.transport.Positions`), in the order of the list."""

    def __init__(self) -> None:
        self.rooms: list[Room] = []
        self.assigned = asyncio.Event()

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """One room after the other: who reads must be ready before who writes to it publishes anything new."""
        starts: dict[TP, int] = {}
        # With nothing at all this is a worker in reserve: what it had was revoked before.
        for room in self.rooms if committed else ():
            mine = {tp: offset for tp, offset in committed.items() if tp.topic == room.topic}
            starts |= await room.on_assigned(mine, consumer)
        self.assigned.set()
        return starts

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Writers first: what the meter flushes now, usage and the watcher may still see."""
        self.assigned.clear()
        for room in reversed(self.rooms):
            mine = {tp for tp in partitions if tp.topic == room.topic}
            if mine:
                await room.before_revoke(mine)


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
        broker_credentials=faust_credentials(settings),
        consumer_max_fetch_size=settings.fetch_bytes,
        consumer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        producer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        broker_max_poll_records=settings.fetch_records,
        broker_commit_interval=COMMIT_SECONDS,
        broker_commit_every=None,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 10,
        # A member that died while the others join is waited for this long, by brokers that do not look at its session
        # then. What a worker does before it joins (`before_revoke` of each room) takes one session timeout at most.
        broker_rebalance_timeout=2 * settings.session_timeout_seconds,
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


def attach(app: App, rooms: Sequence[Room]) -> None:
    """Add an agent for each room. Readers come before who writes to them: usage and watcher before the meter."""
    app.positions.rooms = list(rooms)
    schema: Any = RawSchema()
    for room in rooms:
        app.agent(app.topic(room.topic, schema=schema), concurrency=1, name=room.topic)(_body(room))


def _body(room: Room) -> Callable[[StreamT[Any]], Awaitable[None]]:
    async def body(stream: StreamT[Any]) -> None:
        await room.run(cast(Stream[Any], stream).noack().events())

    return body
