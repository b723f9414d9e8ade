"""The meter's word to the watcher, on `spendstream.steps`: what each flush wrote, and ticks while there is none.

`streams.watch.tell.StepTeller` makes the records; here they are sent, one telling at a time. Without a teller nobody
watches, and nothing is said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from faust.types import TP

from streams import topics
from streams.errors import Unavailable
from streams.meter.holding import Holding
from streams.meter.outgoing import OutgoingRecord, Sender
from streams.meter.route import Router
from streams.meter.rows import Metered
from streams.meter.steps import PartitionMeter
from streams.retry import Retried
from streams.transport import Consumer
from streams.watch.tell import TICK_S, StepTeller

_ENDS_S = 2.0
"""The longest to wait for word of where the logs end; without it the watcher waits for the next."""

Ends = tuple[int, dict[int, int]]
"""Wall time (epoch ms), and by partition one past its last record then."""


class WatcherNews:
    """What is said of the partitions that this worker owns."""

    def __init__(
        self,
        teller: StepTeller | None,
        sender: Sender,
        retried: Retried,
        holding: Holding,
        now_ms: Callable[[], int],
    ) -> None:
        self._teller = teller
        self._sender = sender
        self._retried = retried
        self._holding = holding
        self._now_ms = now_ms
        self._telling = asyncio.Lock()
        self._told = 0.0

    async def begin(self, consumer: Consumer) -> None:
        """A new assignment: nothing is owned yet."""
        if self._teller is not None:
            count = await self._retried("count partitions", partial(consumer.partition_count, topics.STEPS))
            self._teller.begin(Router(count))

    def take(self, meter: PartitionMeter, start_offset: int) -> None:
        """A partition was taken over; all before `start_offset` is in the ledger."""
        if self._teller is not None:
            self._teller.take(meter.partition, meter.incarnation, meter.epoch, start_offset, meter.watermark_ms)

    def drop(self, partition: int) -> None:
        """A partition is no longer ours."""
        if self._teller is not None:
            self._teller.drop(partition)

    async def ends(self) -> Ends:
        """Where the logs of the owned partitions end, and when that was asked. Nothing while the brokers do not say:
        then no partition stands at its end.
        """
        wall_ms, consumer = self._now_ms(), self._holding.consumer
        ends: dict[int, int] = {}
        if self._teller is not None and consumer is not None:
            tps = {TP(topics.CALLS, partition) for partition in self._teller.said}
            try:
                async with asyncio.timeout(_ENDS_S):
                    ends = {tp.partition: end for tp, end in (await consumer.log_ends(tps)).items()}
            except (TimeoutError, Unavailable):
                pass
        return wall_ms, ends

    async def tell(self, batches: list[Metered], ends: Ends) -> None:
        """Say what is new and how far each partition is. One at a time, so that what is said later is later."""
        teller = self._teller
        if teller is None:
            return
        async with self._telling:
            wall_ms, of_partition = ends
            telling = teller.tell(batches, of_partition, wall_ms)
            records = [OutgoingRecord(topics.STEPS, number, None, value) for number, value in telling.records]
            if records:
                await self._retried("tell the watcher", lambda: self._sender.send(records))
            teller.done(telling)
            self._told = time.monotonic()

    async def by_timer(self) -> None:
        """A tick while there is nothing to flush: idle partitions must not hold the others' calls back."""
        while self._teller is not None:
            await asyncio.sleep(TICK_S / 5)
            if time.monotonic() - self._told >= TICK_S and self._teller.said:
                await self.tell([], await self.ends())
