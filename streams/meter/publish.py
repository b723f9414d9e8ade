"""Absolute sums to `spendstream.usage`: of the cells that a flush touched, or that may not have been said before."""

from __future__ import annotations

import asyncio
from typing import Any

from streams import topics
from streams.ledger.store import LedgerStore
from streams.meter.emit import usage_records
from streams.meter.flush import Flush
from streams.meter.holding import Holding
from streams.meter.outgoing import OutgoingRecord, Sender
from streams.meter.rows import Metered
from streams.meter.steps import PartitionMeter, measures
from streams.meter.sums import CellKey, Touched
from streams.metrics import Metrics
from streams.retry import Retried


class UsagePublisher:
    """Says totals; a cell's later record replaces the earlier one."""

    def __init__(
        self, store: LedgerStore, sender: Sender, metrics: Metrics, retried: Retried, holding: Holding
    ) -> None:
        self._store = store
        self._sender = sender
        self._metrics = metrics
        self._retried = retried
        self._holding = holding

    async def publish(self, flush: Flush, lost: set[int]) -> set[int]:
        """Publish the cells that the flush touched, for each of its partitions.

        Returns the partitions of which nothing was said: the lost ones, and those that were revoked meanwhile.
        """
        unsaid = set(lost)
        records: list[OutgoingRecord] = []
        cold: list[tuple[PartitionMeter, int, list[CellKey]]] = []
        by_partition: dict[int, list[Metered]] = {}
        for batch in flush.batches:
            if batch.partition not in lost:
                by_partition.setdefault(batch.partition, []).append(batch)
        for partition, batches in by_partition.items():
            meter = self._holding.owned.get(partition)
            if meter is None or meter.epoch != batches[0].epoch:
                unsaid.add(partition)  # revoked while it was written: the next owner says it again
                continue
            through = flush.through[partition]
            keys: dict[CellKey, None] = {}
            for batch in batches:
                touched = meter.cells.add(*measures(batch))
                records += self._usage(meter, through, touched)
                keys |= dict.fromkeys(touched.cold)
            if keys:
                cold.append((meter, through, list(keys)))
        if records:
            await self._retried("publish", lambda: self._sender.send(records))
        # Last: a cell that left memory between two batches of the flush is in both, with one offset, and then the
        # later record counts. The ledger's total is the whole one.
        for of_partition in cold:
            await self.publish_cold(*of_partition)
        return unsaid

    async def publish_cold(self, meter: PartitionMeter, through: int, keys: list[CellKey]) -> None:
        """Publish cells whose totals only the ledger has."""

        async def ask() -> Any:
            return await asyncio.to_thread(self._store.cell_totals, meter.partition, keys)

        totals = await self._retried("sum up", ask)
        touched = Touched.of(keys, totals)
        records = list(self._usage(meter, through, touched))
        await self._retried("publish", lambda: self._sender.send(records))

    def _usage(self, meter: PartitionMeter, through: int, touched: Touched) -> list[OutgoingRecord]:
        if not len(touched.agent):
            return []
        self._metrics.cells.inc(len(touched.agent))
        return [
            OutgoingRecord(topics.USAGE, partition, None, value)
            for partition, value in usage_records(meter, max(0, through), touched, self._holding.routers[topics.USAGE])
        ]
