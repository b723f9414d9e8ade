"""A Faust app on the batch transport with a room that only takes notes: the broker edge without the meter."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.consumer.fetcher import ConsumerRecord
from faust.types import TP, EventT

from streams import topics
from streams.app import App, attach, create_app
from streams.config import Settings
from streams.transport import Consumer, RecordBatch


@dataclass
class Notes:
    """A room (`streams.app.Room`) that settles what it is told to, and keeps what it saw."""

    starts: dict[TP, int] = field(default_factory=dict)
    """Where to begin; partitions that are left out begin at the group's offset."""
    settles: bool = True
    look: Callable[[Notes, Consumer, set[TP]], Any] | None = None
    """Awaited in the takeover of each assignment."""
    records: list[ConsumerRecord] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    unsettled: list[Any] = field(default_factory=list)
    assigned: list[dict[TP, int | None]] = field(default_factory=list)
    revoked: list[set[TP]] = field(default_factory=list)
    consumer: Consumer | None = None
    fault: BaseException | None = None

    @property
    def topic(self) -> str:
        """The calls topic, whatever it is called in this test."""
        return topics.CALLS

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Note it, and go where the test wants."""
        self.consumer = consumer
        self.assigned.append(dict(committed))
        if self.look is not None:
            await self.look(self, consumer, set(committed))
        return {tp: offset for tp, offset in self.starts.items() if tp in committed}

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Note it; settle what is left if the test wants it settled."""
        self.revoked.append(partitions)

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """Take notes."""
        async for event in events:
            batch: RecordBatch = event.value  # type: ignore[assignment]
            self.batches.append(batch)
            self.records += batch.records
            if self.settles and self.consumer is not None:
                self.consumer.settle(event.message)
            else:
                self.unsettled.append(event.message)

    async def until(self, condition: Callable[[Notes], bool], timeout_s: float = 40.0) -> None:
        """Wait for it. AssertionError with what was seen."""
        end = asyncio.get_running_loop().time() + timeout_s
        while not condition(self):
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{len(self.records)} records, assigned {self.assigned}, revoked {self.revoked}")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reading(settings: Settings, notes: Notes) -> AsyncIterator[App]:
    """The app, started; stopped gracefully at the end."""
    app = create_app(settings, settings.worker_id)
    attach(app, [notes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        await app.start()
    try:
        yield app
    finally:
        await app.stop()
