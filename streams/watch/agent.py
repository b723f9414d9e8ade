"""The watcher as a room of the worker: takes partitions of `spendstream.steps` over, gives them up, runs the duties.

Taking over: fence (a higher epoch: the owner before writes nothing more), wait for its inserts, read where the newest
checkpoint stands; the state itself is read while other topics flow already. The worker that has partition 0 runs the
duties (`streams.duties`).

A fault of the detector must not stop metering: the partition's watch ends, `/health` says why, calls go on into the
ledger, and the next start goes on from the checkpoint. What may pass by itself (a server away) is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Mapping
from functools import partial
from typing import Any, cast

import structlog
from faust.types import TP, EventT

from streams import topics
from streams.duties import Duties
from streams.errors import Fenced
from streams.in_full import in_full
from streams.ledger.store import LedgerStore
from streams.meter.outgoing import Sender
from streams.metrics import Metrics
from streams.retry import Retried
from streams.transport import Consumer, RecordBatch
from streams.watch.checkpoint import Saved, saved_of
from streams.watch.seat import Seat
from streams.watch.store import WatchStore
from streams.watch.writing import SeatOptions

log = structlog.get_logger("spendstream.watch")

ALERTS = "alerts"
"""The duty that tells people; it need not wait for its turn when an incident changed."""

_TURN_S = 0.1
"""How soon after its moment a call's turn comes, at most."""


class Watcher:
    """See the module. With `options` None nothing is watched, and only the duties run."""

    def __init__(
        self,
        ledger: LedgerStore,
        sender: Sender,
        metrics: Metrics,
        options: SeatOptions | None,
        duties: Duties,
        *,
        retried: Retried,
        revoke_seconds: float,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`retried`: runs a step until no server that it needs is away."""
        self._ledger = ledger
        self._store = WatchStore(ledger.database)
        self._sender = sender
        self._metrics = metrics
        self._options = options
        self._duties = duties
        self._retried = retried
        self._revoke_seconds = revoke_seconds
        self._now_ms = now_ms
        self._consumer: Consumer | None = None
        self.seats: dict[int, Seat] = {}
        self._resuming: list[asyncio.Task[None]] = []

    @property
    def topic(self) -> str:
        """`spendstream.steps`."""
        return topics.STEPS

    @property
    def seen(self) -> int:
        """Calls that the detector has looked at, over the partitions that are watched here."""
        return sum(seat.watch.detector.seen for seat in self.seats.values())

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Take partitions over; where to read on."""
        self._consumer = consumer
        await self._let_go()
        self._metrics.fault("detection", None)
        starts: dict[TP, int] = {}
        if self._options is not None and committed:
            bounds = await consumer.log_bounds(set(committed))
            sources = await self._retried("count partitions", partial(consumer.partition_count, topics.CALLS))
            for tp in sorted(committed):
                seat, saved, positions = await self._take_over(tp.partition, sources)
                first, end = bounds[tp]
                start = end  # without a checkpoint what lies before is read from the ledger
                if saved is not None:
                    start = saved.steps_offset if first <= saved.steps_offset <= end else first
                starts[tp] = start
                self.seats[tp.partition] = seat
                self._resuming.append(asyncio.create_task(self._resume(seat, saved, start, positions)))
        if any(tp.partition == 0 for tp in committed):
            self._duties.start()
        else:
            await self._duties.stop()
        return starts

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Write last checkpoints."""
        if any(tp.partition == 0 for tp in partitions):
            await self._duties.stop()
        for tp in partitions:
            seat = self.seats.pop(tp.partition, None)
            if seat is None:
                continue
            try:
                async with asyncio.timeout(self._revoke_seconds):
                    await seat.leave()
            except TimeoutError:
                log.warning("last checkpoint given up: the next owner folds again", partition=tp.partition)
            except Fenced as error:
                log.warning("watch lost", partition=tp.partition, why=str(error))
            except Exception as error:
                self._stop(seat, error)
            finally:
                seat.end()

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body."""
        timer = asyncio.create_task(self._turns())
        try:
            async for event in events:
                batch = cast(RecordBatch, event.value)
                seat = self.seats.get(batch.partition)
                if seat is not None:
                    await self._guarded(seat, partial(seat.take, batch))
                if self._consumer is not None:
                    self._consumer.settle(event.message)
        finally:
            timer.cancel()

    @property
    def is_ready(self) -> bool:
        """Every partition that is owned is watched."""
        return all(seat.ready.is_set() for seat in self.seats.values())

    # -- inside

    async def _take_over(self, partition: int, sources: int) -> tuple[Seat, Saved | None, dict[int, tuple[int, int]]]:
        assert self._options is not None
        worker = self._options.worker

        def rest() -> tuple[Saved | None, dict[int, tuple[int, int]]]:
            self._ledger.wait_for_inserts()
            position = self._store.states.read_rest(partition, only="position").get("position")
            # Before the meter of this worker reads on: what is in the ledger by now is the past.
            return None if position is None else saved_of(position), self._store.past.positions()

        async def take() -> tuple[int, Saved | None, dict[int, tuple[int, int]]]:
            epoch = await in_full(self._store.epochs.fence, partition, worker)
            return epoch, *await asyncio.to_thread(rest)

        epoch, saved, positions = await self._retried("take over the watch", take)
        seat = Seat(
            partition, epoch, sources, self._store, self._sender, self._metrics, self._options, self._retried,
            self._now_ms, partial(self._duties.wake, ALERTS),
        )  # fmt: skip
        return seat, saved, positions

    async def _resume(self, seat: Seat, saved: Saved | None, start: int, positions: dict[int, tuple[int, int]]) -> None:
        await self._guarded(seat, partial(seat.resume, saved, start, positions))

    async def _turns(self) -> None:
        while True:
            await asyncio.sleep(_TURN_S)
            for seat in list(self.seats.values()):
                await self._guarded(seat, seat.turn)

    async def _guarded(self, seat: Seat, step: Callable[[], Any]) -> None:
        if self.seats.get(seat.partition) is not seat:
            return
        try:
            await step()
        except Fenced as error:
            log.warning("watch lost", partition=seat.partition, why=str(error))
            self._drop(seat)
        except Exception as error:
            self._stop(seat, error)

    def _stop(self, seat: Seat, error: Exception) -> None:
        self._metrics.fault("detection", f"partition {seat.partition} is no longer watched: {error!r}")
        log.error("detection stops; metering goes on", partition=seat.partition, error=repr(error), exc_info=error)
        self._drop(seat)

    def _drop(self, seat: Seat) -> None:
        seat.end()
        if self.seats.get(seat.partition) is seat:
            del self.seats[seat.partition]

    async def _let_go(self) -> None:
        """What is left of an assignment before: its seats were given up at the revocation."""
        resuming, self._resuming = self._resuming, []
        for task in resuming:
            task.cancel()
        await asyncio.gather(*resuming, return_exceptions=True)
        for seat in self.seats.values():
            seat.end()
        self.seats = {}
