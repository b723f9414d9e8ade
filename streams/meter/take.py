"""A batch of records: decoded, de-duplicated (the ledger is asked about old calls), priced, and into the next flush."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from streams import topics
from streams.errors import Fenced
from streams.ledger.store import LedgerStore
from streams.meter.flush import Flusher
from streams.meter.holding import Holding
from streams.meter.price import Pricer
from streams.meter.steps import Arrived
from streams.meter.tiers import TierMap
from streams.metrics import Metrics
from streams.retry import Retried
from streams.transport import RecordBatch

_LOST_S = 60.0
"""How long records of a partition that another worker has taken may still come here: a rebalance takes seconds."""


class Taker:
    """Takes batches one after the other."""

    def __init__(
        self,
        store: LedgerStore,
        pricer: Pricer,
        tiers: TierMap,
        metrics: Metrics,
        retried: Retried,
        holding: Holding,
        flusher: Flusher,
    ) -> None:
        self._store = store
        self._pricer = pricer
        self._tiers = tiers
        self._metrics = metrics
        self._retried = retried
        self._holding = holding
        self._flusher = flusher

    async def take(self, message: Any, batch: RecordBatch) -> None:
        """Meter a batch; waits while a full flush has to wait for the one before it.

        Raises `Fenced` when two groups of workers share a ledger, `SpendstreamError` when the log went back.
        """
        meter = self._holding.owned.get(batch.partition)
        if meter is None or self._holding.fault is not None:
            # Revoked meanwhile: not settled, so the next owner reads it.
            lost_at = self._holding.lost.get(batch.partition)
            if lost_at is not None and time.monotonic() - lost_at > _LOST_S:
                raise Fenced(
                    f"another worker writes partition {batch.partition} while the group still gives it to this one: "
                    "two groups of workers must not share a ledger (SPENDSTREAM_GROUP_ID)"
                )
            return
        batch.refuse_another_log()
        began = time.perf_counter()
        arrived = meter.decode(batch, self._holding.routers[topics.CALLS])
        in_ledger: set[tuple[str, str]] = set()
        if arrived.cold.any():
            # Copies of calls that are in work are in neither place: first let those reach the ledger.
            await self._flusher.flush()
            in_ledger = await self._ask_ledger(arrived)
            if self._holding.owned.get(batch.partition) is not meter:
                return
        metered = meter.meter(arrived, batch.expected_offset, in_ledger, self._pricer, self._tiers)
        self._flusher.filling.add(metered, message, batch)
        self._holding.behind[batch.partition] = batch.behind
        self._metrics.batch(metered, batch, time.perf_counter() - began)
        await self._flusher.start_if_full()

    async def _ask_ledger(self, arrived: Arrived) -> set[tuple[str, str]]:
        identity, time_ms = arrived.identity[arrived.cold, 0], arrived.time_ms[arrived.cold]
        self._metrics.ledger_lookups.inc(len(identity))

        async def ask() -> set[tuple[str, str]]:
            return await asyncio.to_thread(self._store.present, identity, time_ms)

        return cast("set[tuple[str, str]]", await self._retried("look up", ask))
