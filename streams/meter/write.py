"""A flush, from memory to the ledger and out again, in this order because the order is the correctness:

    1. move         calls that arrived in another partition than their run's are sent to their own
    2. insert       one block, with a token: repeated after a fault it writes nothing twice
    3. own          partitions that another worker has taken meanwhile are dropped here; their rows were not written
    4. publish      absolute sums of the cells that the flush touched; the new calls, for the watcher
    5. acknowledge  only now may the group's offsets pass the batches
A crash before 2 reads the records again; after 2 the ledger's position skips them and 4 is said again on assignment.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from streams import killpoints, topics
from streams.ledger.store import LedgerStore
from streams.meter.flush import Flush
from streams.meter.holding import Holding
from streams.meter.outgoing import OutgoingRecord, Sender
from streams.meter.publish import UsagePublisher
from streams.meter.route import moved_header
from streams.meter.rows import MOVED, Metered, ledger_table
from streams.meter.steps import moved_calls
from streams.meter.tell import Ends, WatcherNews
from streams.metrics import Metrics
from streams.retry import Retried

log = structlog.get_logger("spendstream.meter")


class Writer:
    """Writes one flush at a time."""

    def __init__(
        self,
        store: LedgerStore,
        sender: Sender,
        metrics: Metrics,
        retried: Retried,
        holding: Holding,
        usage: UsagePublisher,
        news: WatcherNews,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._sender = sender
        self._metrics = metrics
        self._retried = retried
        self._holding = holding
        self._usage = usage
        self._news = news
        self._now_ms = now_ms

    async def write(self, flush: Flush) -> None:
        """All five steps. Waits for servers that are away; any other fault is raised, and nothing is acknowledged."""
        asking = asyncio.create_task(
            self._news.ends()
        )  # before the insert: what the flush holds was in the log by then
        try:
            await self._write(flush, asking)
        finally:
            asking.cancel()

    async def _write(self, flush: Flush, asking: asyncio.Task[Ends]) -> None:
        await self._move(flush)

        killpoints.reached("insert.before")
        began = time.perf_counter()
        ingested_ms = self._now_ms()
        columns, data = await asyncio.to_thread(ledger_table, flush.batches, ingested_ms)
        token = _token(flush)

        async def insert() -> dict[int, int]:
            await asyncio.to_thread(self._store.write, columns, data, token)
            return await asyncio.to_thread(self._store.owners)

        owners = await self._retried("insert", insert)
        killpoints.reached("insert.after")
        self._metrics.insert(data.num_rows, time.perf_counter() - began)

        lost = self._drop_lost(flush, owners)

        killpoints.reached("publish.before")
        unsaid = await self._usage.publish(flush, lost)
        await self._news.tell([batch for batch in flush.batches if batch.partition not in lost], await asking)
        killpoints.reached("publish.after")

        killpoints.reached("acknowledge.before")
        self._acknowledge(flush, unsaid)
        killpoints.reached("acknowledge.after")
        for batch in flush.batches:
            if batch.partition not in lost:
                self._metrics.written(batch, ingested_ms)

    async def _move(self, flush: Flush) -> None:
        """Step 1. A crash after it sends the calls once more; the copies are recognised where they belong."""
        router = self._holding.routers[topics.CALLS]
        records = [
            OutgoingRecord(
                topics.CALLS,
                # By the count that judged it misplaced, not by what the producer knows: both would differ for a while
                # after partitions were added, and a copy would come where its original is not known.
                router.partition(key),
                key.encode(),
                msgspec.json.encode(_without_none(batch.columns.calls[at])),
                (moved_header(router.partitions),),
            )
            for batch in flush.batches
            if (batch.outcome == MOVED).any()
            for key, at in moved_calls(batch)
        ]
        if records:
            await self._retried("move", lambda: self._sender.send(records))

    def _drop_lost(self, flush: Flush, owners: Mapping[int, int]) -> set[int]:
        """Step 3: the partitions of the flush of which nothing was written. `owners`: who may write, by epoch."""
        lost = {b.partition for b in flush.batches if owners.get(b.partition) != b.epoch}
        for partition in lost:
            log.warning("partition lost to another worker; nothing of it was written", partition=partition)
            meter = self._holding.owned.get(partition)
            if meter is not None and owners.get(partition) != meter.epoch:
                del self._holding.owned[partition]
                self._holding.lost[partition] = time.monotonic()
                self._news.drop(partition)
        return lost

    def _acknowledge(self, flush: Flush, unsaid: set[int]) -> None:
        """Step 5. What was not said must not be committed either: the next owner says what was not committed."""
        consumer = self._holding.consumer
        if consumer is not None:
            for message in flush.messages:
                if message.partition not in unsaid:
                    consumer.settle(message)


def _token(flush: Flush) -> str:
    """Names exactly these rows: the same records by the same owners.

    A digest, since it travels in the URL of the insert: of a thousand small batches it would be longer than servers
    take, and the worker would end with a fault of its own making.
    """
    named = ";".join(f"{b.partition}:{b.incarnation}:{b.epoch}:{_first(b)}+{b.rows}" for b in flush.batches)
    return hashlib.sha256(named.encode()).hexdigest()


def _first(batch: Metered) -> str:
    offsets = [str(batch.offset[0])] if batch.columns.size else []
    return "/".join([*offsets, *(str(row.offset) for row in batch.refused[:1])])


def _without_none(call: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(call).items() if value is not None}
