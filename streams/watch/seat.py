"""One partition of `spendstream.steps` under watch: takes records, folds, writes what came of it, checkpoints.

The order that makes an incident's change happen once:
    1. fold        calls in their order; changes get their numbers
    2. write       rows of `incident_events` (fenced); what the ledger has already is not written again
    3. publish     the same as contract records; told again after a crash, with the same numbers
    4. checkpoint  every now and then; a crash folds again from there, to the same changes
Runs on one event loop, a slice of calls at a time, so that metering goes on beside it.
"""

from __future__ import annotations

import time

import structlog

from streams.transport import RecordBatch
from streams.watch.beginning import Beginning
from streams.watch.record import decode_steps
from streams.watch.writing import UPDATE_S

log = structlog.get_logger("spendstream.watch")


class Seat(Beginning):
    """See the module."""

    async def take(self, batch: RecordBatch) -> None:
        """Take records of the topic; returns when what came of them is written. Takes nothing when the seat is over."""
        await self.ready.wait()
        async with self._lock:
            if self.over:
                return
            for record in batch.records:
                try:
                    steps = decode_steps(record.value)
                except ValueError as error:
                    log.warning(
                        "no steps record", partition=self.partition, offset=record.offset, error=str(error)[:200]
                    )
                    continue
                self._said_ms = max(self._said_ms, steps.wall_ms)
                for part in steps.parts:
                    if self.order.is_void(part):
                        continue
                    gap = self.order.gap(part)
                    if gap is not None:
                        await self._fill(gap, steps.wall_ms)
                    self.order.take(part, steps.wall_ms)
                for action in steps.actions:
                    if not self.watch.act(action):
                        log.info("an action changes nothing", incident=action.incident_id, action=action.action)
                await self._release(self._said_ms)
                await self._write_out()
                self._next, self._changed = int(record.offset) + 1, True
                self._metrics.detect_lag.set(max(0, self._now_ms() - self._said_ms) / 1000)
                await self._in_time()
            self.caught_up = not batch.behind

    async def turn(self) -> None:
        """What time alone brings: calls whose turn has come, quiet periods, running totals, checkpoints."""
        if not self.ready.is_set() or self.over or self._lock.locked():
            return
        async with self._lock:
            if self.caught_up:
                now_ms = self._now_ms()
                await self._release(now_ms)
                at = self.order.clock(self._said_ms)
                if at is not None:
                    self._signals += self.watch.advance(at)
            await self._write_out()
            await self._in_time()

    async def _in_time(self) -> None:
        """What is due now and then."""
        if time.monotonic() >= self._updated + UPDATE_S:
            await self._update()
        await self._say_progress()
        if self._changed and time.monotonic() >= self._checkpoint_due:
            await self._checkpoint()

    async def leave(self) -> None:
        """Write a last checkpoint, so that the next owner need not fold anything twice."""
        if not self.ready.is_set() or self.over:
            return
        async with self._lock:
            await self._write_out()
            await self._update()
            if self._changed:
                await self._checkpoint()

    def end(self) -> None:
        """Another owner goes on, or nobody. Whoever waits for the past to be folded waits no longer: one body takes the
        records of all seats, and would wait for ever for one that is gone.
        """
        self.over = True
        self.ready.set()
