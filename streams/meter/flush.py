"""Batches gathered into flushes: one is written while the next one fills, and more than that waits.

With `Flusher.start` waits who takes records, and with it the fetcher: memory is bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from streams.meter.holding import Holding
from streams.meter.rows import Metered
from streams.taking import Fail, or_fail
from streams.transport import RecordBatch

_FLUSH_BYTES = 64 << 20
"""Of records in one flush: 40,000 calls of 1.6 KB. A block of the ledger stays far below the 2 GiB at which Arrow
splits a column, and with it the insert."""

_BEHIND_S = 2.0
"""The longest a flush may fill while more calls than it holds wait in the log."""


@dataclass(slots=True)
class Flush:
    """Batches that go into one insert, and the messages they came in."""

    batches: list[Metered] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    through: dict[int, int] = field(default_factory=dict)
    """By partition, the last offset in it."""
    rows: int = 0
    size: int = 0
    """Bytes of the records."""
    began: float = 0.0
    """When the first batch came (monotonic seconds)."""

    def add(self, metered: Metered, message: Any, batch: RecordBatch) -> None:
        """One batch more, as it was metered and as it came."""
        if not self.batches:
            self.began = time.monotonic()
        self.batches.append(metered)
        self.messages.append(message)
        self.through[batch.partition] = batch.records[-1].offset
        self.rows += metered.rows
        self.size += batch.size


class Flusher:
    """What fills, and what is being written."""

    def __init__(
        self,
        write: Callable[[Flush], Awaitable[None]],
        holding: Holding,
        fail: Fail,
        *,
        flush_calls: int,
        flush_seconds: float,
    ) -> None:
        """`write`: all steps of a flush, in their order. `flush_calls`, `flush_seconds`: when one is full, or due."""
        self._write = write
        self._holding = holding
        self._fail = fail
        self._flush_calls = flush_calls
        self._flush_seconds = flush_seconds
        self.filling = Flush()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A new assignment: what was filling is forgotten, and read again by whoever owns it."""
        self.filling = Flush()

    async def flush(self) -> None:
        """Write all that was taken so far and wait until it is acknowledged."""
        await self.start()
        writing = self._writing
        if writing is not None:
            await asyncio.shield(writing)

    async def start_if_full(self) -> None:
        """`start` once enough was taken."""
        if self.filling.rows >= self._flush_calls or self.filling.size >= _FLUSH_BYTES:
            await self.start()

    async def start(self) -> None:
        """Hand the filled batches to the writer as soon as it has done the ones before."""
        async with self._turn:
            if self._writing is not None:
                await asyncio.shield(self._writing)
            if self.filling.batches and self._holding.fault is None:
                flush, self.filling = self.filling, Flush()
                self._writing = asyncio.create_task(or_fail(partial(self._write, flush), self._fail))

    async def by_timer(self) -> None:
        """For ever: flush what has filled for long enough."""
        pause = min(0.05, self._flush_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            filling = self.filling
            if not filling.batches:
                continue
            # Far behind, a call's delay is the backlog's, and full flushes work it off fastest.
            behind = sum(self._holding.behind.values()) >= self._flush_calls
            wait = max(_BEHIND_S, self._flush_seconds) if behind else self._flush_seconds
            if time.monotonic() - filling.began >= wait:
                await self.start()
