"""Calls whose turn has come go through the detector, slice by slice; what nobody spoke of is read from the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from streams.meter.route import Router
from streams.watch.order import Gap
from streams.watch.past import PAGE, LedgerRow
from streams.watch.record import StepCall
from streams.watch.writing import Writing

log = structlog.get_logger("spendstream.watch")

_SLICE = 500
_SLICE_BEHIND = 8_000
"""Calls between two turns of the event loop: five milliseconds; with a backlog as many as the meter takes in its turn
(it decodes 4,000 at a time), so that neither starves the other."""

_WRITE_AT = 500
"""Changes that wait for their insert, at most, while a long backlog is folded."""


class Folding(Writing):
    """See the module."""

    async def _release(self, now_ms: int) -> None:
        for calls in self.order.release(now_ms):
            await self._step(calls)
        self._metrics.detect_held.set(self.order.held)

    async def _step(self, calls: list[StepCall]) -> None:
        size = _SLICE if self.caught_up else _SLICE_BEHIND
        for start in range(0, len(calls), size):
            self._signals += self.watch.fold(calls[start : start + size])
            await asyncio.sleep(0)
            if self.watch.waiting >= _WRITE_AT:
                await self._write_out()

    async def _fill(self, gap: Gap, wall_ms: int) -> None:
        """Read a stretch that nobody spoke of from the ledger."""
        found = 0
        left = gap
        while True:
            rows = await self._ask("ledger", partial(self._store.past.gap, left))
            if rows:
                last = (rows[-1].incarnation, rows[-1].offset, rows[-1].item)
                self.order.filled(gap, self._mine(rows), wall_ms, last)
                left = replace(left, after=last)
                found += len(rows)
                await self._release(self._said_ms)
            if len(rows) < PAGE:
                break
        self.order.filled(gap, (), wall_ms)
        if found:
            self._metrics.detect_gaps.inc(found)
            log.info("a stretch was read from the ledger", source=gap.partition, calls=found)

    def _mine(self, rows: list[LedgerRow]) -> list[StepCall]:
        """The calls of this partition's tenants."""
        if self._options.partitions == 1:
            return [row.call for row in rows]
        places = Router(self._options.partitions).partition_of_each([row.tenant_id for row in rows])
        return [row.call for row, place in zip(rows, places.tolist(), strict=True) if place == self.partition]
