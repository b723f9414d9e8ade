"""Partitions that come and go: each is taken over from whoever had it, and written to the end before it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial

import structlog
from faust.types import TP

from streams import topics
from streams.ledger.store import LedgerStore
from streams.meter.flush import Flusher
from streams.meter.holding import Holding
from streams.meter.publish import UsagePublisher
from streams.meter.route import Router
from streams.meter.takeover import take_over
from streams.meter.tell import WatcherNews
from streams.metrics import Metrics
from streams.retry import Retried
from streams.transport import Consumer

log = structlog.get_logger("spendstream.meter")


class Assignment:
    """Which partitions of `spendstream.calls` are this worker's."""

    def __init__(
        self,
        store: LedgerStore,
        metrics: Metrics,
        retried: Retried,
        holding: Holding,
        flusher: Flusher,
        usage: UsagePublisher,
        news: WatcherNews,
        *,
        worker: str,
        window_calls: int,
        usage_cells: int,
        revoke_seconds: float,
    ) -> None:
        """`window_calls`, `usage_cells`: remembered of all partitions together. For the others see `MeterOptions`."""
        self._store = store
        self._metrics = metrics
        self._retried = retried
        self._holding = holding
        self._flusher = flusher
        self._usage = usage
        self._news = news
        self._worker = worker
        self._window_calls = window_calls
        self._usage_cells = usage_cells
        self._revoke_seconds = revoke_seconds

    async def begin(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Take the calls partitions over (`streams.meter.takeover`); offsets to start from."""
        holding = self._holding
        holding.consumer = consumer
        calls = {tp for tp in committed if tp.topic == topics.CALLS}
        holding.owned = {}
        holding.lost = {}
        holding.behind = {}
        self._flusher.begin()
        for topic in (topics.CALLS, topics.USAGE):
            count = await self._retried("count partitions", partial(consumer.partition_count, topic))
            holding.routers[topic] = Router(count)
        # A static member that comes back gets what it had, also of a topic that was made again with fewer partitions.
        # Asked for the bounds of one that is gone, the brokers never answer.
        gone = {tp for tp in calls if tp.partition >= holding.routers[topics.CALLS].partitions}
        if gone:
            log.warning("the topic has fewer partitions now", gone=sorted(tp.partition for tp in gone))
            calls -= gone
        await self._news.begin(consumer)
        bounds = await consumer.log_bounds(calls)
        starts: dict[TP, int] = {}
        for tp in sorted(calls):
            began = time.monotonic()
            taken = await self._retried(
                "take over",
                lambda tp=tp: take_over(  # type: ignore[misc]
                    self._store,
                    consumer,
                    tp,
                    committed[tp],
                    bounds[tp],
                    worker=self._worker,
                    window_calls=max(1, self._window_calls // len(calls)),
                    usage_cells=max(1, self._usage_cells // len(calls)),
                    partitions=holding.routers[topics.CALLS].partitions,
                ),
            )
            holding.owned[tp.partition] = taken.meter
            starts[tp] = taken.start_offset
            self._news.take(taken.meter, taken.start_offset)
            if taken.repeat:
                await self._usage.publish_cold(taken.meter, taken.start_offset - 1, taken.repeat)
            log.info(
                "partition taken", partition=tp.partition, epoch=taken.meter.epoch, incarnation=taken.meter.incarnation,
                start=taken.start_offset, remembered=len(taken.meter.window), repeated_cells=len(taken.repeat),
                note=taken.note, seconds=round(time.monotonic() - began, 3),
            )  # fmt: skip
        self._metrics.partitions.set(len(holding.owned))
        return starts

    async def end(self, partitions: set[TP]) -> None:
        """Write and acknowledge what is in work; then the partitions are no longer ours."""
        if not any(tp.topic == topics.CALLS for tp in partitions):
            return
        try:
            async with asyncio.timeout(self._revoke_seconds):
                await self._flusher.flush()
        except TimeoutError:
            log.warning(
                "flush given up at revoke: the next owner reads the records again", rows=self._flusher.filling.rows
            )
        for tp in partitions:
            if tp.topic == topics.CALLS:
                self._holding.owned.pop(tp.partition, None)
                self._news.drop(tp.partition)
        self._metrics.partitions.set(len(self._holding.owned))
