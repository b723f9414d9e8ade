"""One partition of `spendstream.steps` under watch: takes records, folds, writes what came of it, checkpoints.

The order that makes an incident's change happen once:
    1. fold        calls in their order; changes get their numbers
    2. write       rows of `incident_events` (fenced); what the ledger has already is not written again
    3. publish     the same as contract records; told again after a crash, with the same numbers
    4. checkpoint  every now and then; a crash folds again from there, to the same changes
Runs on one event loop, a slice of calls at a time, so that metering goes on beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import structlog

from streams.detect import DetectConfig, Signal
from streams.detect.packed import unpack
from streams.meter.outgoing import OutgoingRecord, Sender
from streams.meter.route import Router
from streams.metrics import Metrics
from streams.recheck.read import stretches
from streams.retry import Retried
from streams.transport import RecordBatch
from streams.watch import checkpoint
from streams.watch.checkpoint import Saved
from streams.watch.emit import change_record, signal_record
from streams.watch.fold import Watch
from streams.watch.order import Gap, Order
from streams.watch.record import END, StepCall, decode_steps
from streams.watch.store import PAGE, Ingested, LedgerRow, WatchStore
from streams.watch.told import progress_text

log = structlog.get_logger("spendstream.watch")
T = TypeVar("T")

_SLICE = 500
_SLICE_BEHIND = 8_000
"""Calls between two turns of the event loop: five milliseconds; with a backlog as many as the meter takes in its turn
(it decodes 4,000 at a time), so that neither starves the other."""

_WRITE_AT = 500
"""Changes that wait for their insert, at most, while a long backlog is folded."""

_UPDATE_S = 5.0
_PROGRESS_IDLE_S = 0.5
_CHECKPOINT_S = 30.0
_CHECKPOINT_SHARE = 0.02
"""Of the time, at most, goes into checkpoints: a large state is written less often."""

_RECENT_MS = 10_000
"""Calls this close to the newest may still get company from other partitions when the past has been read."""


@dataclass(frozen=True, slots=True)
class SeatOptions:
    """What a seat needs of the settings."""

    worker: str
    history_days: int
    absent_ms: int
    partitions: int
    """Of the steps topic."""


class Seat:
    """See the module."""

    def __init__(
        self,
        partition: int,
        epoch: int,
        sources: int,
        store: WatchStore,
        sender: Sender,
        metrics: Metrics,
        options: SeatOptions,
        retried: Retried,
        now_ms: Callable[[], int],
        on_changes: Callable[[], None],
    ) -> None:
        """`sources`: partitions of the calls topic. `on_changes` is called when changes of incidents were written."""
        self.partition = partition
        self.epoch = epoch
        self._store = store
        self._sender = sender
        self._metrics = metrics
        self._options = options
        self._retried = retried
        self._now_ms = now_ms
        self._on_changes = on_changes
        self.watch = Watch(DetectConfig())
        self.order = Order(
            range(sources), now_ms(), disorder_ms=self.watch.detector.config.disorder_ms, absent_ms=options.absent_ms
        )
        self.ready = asyncio.Event()
        """The past is folded; what the topic brings may be taken."""
        self.caught_up = False
        """The last record taken was the last of the topic."""
        self._lock = asyncio.Lock()
        self._said_ms = now_ms()
        self._next = 0
        self._version = 0
        self._recorded_ms = 0
        self._resumed_ms = 0
        self._written: set[str] = set()
        self._signals: list[Signal] = []
        self._updated = time.monotonic()
        self._checkpoint_due = time.monotonic() + _CHECKPOINT_S
        self._changed = False
        self._progress: tuple[bool, dict[int, tuple[int, int]]] = (False, {})
        self._progress_said = 0.0

    # -- beginning

    async def resume(self, saved: Saved | None, start_offset: int, positions: dict[int, tuple[int, int]]) -> None:
        """Go on from the newest checkpoint, or, without one, from the calls of the last days. `positions`: how far
        the ledger held each partition of the calls topic when this worker took the partition over; `start_offset`: of
        the steps topic.
        """
        began = time.monotonic()
        self._next = start_offset
        self._recorded_ms = await self._ask("last change", partial(self._store.last_recorded_ms, self.partition))
        if saved is None:
            folded = await self._begin(positions)
            log.info("the past is folded", partition=self.partition, calls=folded, open=self.watch.open)
        else:
            await self._restore(saved, start_offset, positions)
            log.info(
                "watch resumed", partition=self.partition, agents=len(self._written),
                open=self.watch.open, held=self.order.held, seconds=round(time.monotonic() - began, 3),
            )  # fmt: skip
        self.ready.set()

    async def _restore(self, saved: Saved, start_offset: int, positions: dict[int, tuple[int, int]]) -> None:
        def read() -> tuple[dict[str, bytes], Watch, set[str]]:
            rest = self._store.read_rest(self.partition)
            return (rest, *checkpoint.resumed(rest, self._store.read_roots(self.partition)))

        rest, self.watch, self._written = await self._ask("watch state", read)
        self.order.resume(unpack(rest["order"]), checkpoint.held_of(rest), self._now_ms())
        self._version = saved.version
        self._resumed_ms = saved.recorded_ms
        self.watch.known = await self._ask(
            "known changes", partial(self._store.known_changes, self.partition, saved.recorded_ms)
        )
        if start_offset != saved.steps_offset:
            log.warning(
                "the steps topic does not hold what was not read yet: the ledger is read instead",
                partition=self.partition, wanted=saved.steps_offset, start=start_offset,
            )  # fmt: skip
            await self._catch_up(positions)

    async def _begin(self, positions: dict[int, tuple[int, int]]) -> int:
        """Without a checkpoint: fold the ledger's last days, in event order."""
        newest = await self._ask("newest call", self._store.newest_ms)
        self._resumed_ms = 0
        self.watch.known = await self._ask("known changes", partial(self._store.known_changes, self.partition, 0))
        self.watch.backfill = True
        folded = 0
        if positions and newest:
            from_ms = newest - self._options.history_days * 86_400_000
            spread = await self._ask("hours", partial(self._store.history_hours, from_ms))
            recent = newest - _RECENT_MS
            for start, end in stretches(spread, PAGE):
                after = (start, "", "")
                while True:
                    rows = await self._ask("ledger", partial(self._store.history, after, end))
                    past = [
                        row for row in rows if (row.incarnation, row.offset) <= positions.get(row.partition, (0, -1))
                    ]
                    calls = self._mine(past)
                    old = [call for call in calls if call.time <= recent]
                    await self._step(old)
                    if old:
                        self.order.given = max(self.order.given, old[-1].time)
                    self.order.hold(calls[len(old) :], self._now_ms())
                    folded += len(calls)
                    await self._write_out()
                    if len(rows) < PAGE:
                        break
                    after = (rows[-1].call.time, rows[-1].call.id, rows[-1].source)
        for partition, (incarnation, offset) in positions.items():
            self.order.placed(partition, incarnation, (offset, END))
        await self._write_out()
        self.watch.backfill = False
        self._changed = True
        self._checkpoint_due = time.monotonic()
        return folded

    async def _catch_up(self, positions: dict[int, tuple[int, int]]) -> None:
        """The steps topic has a hole: read what it lacks from the ledger, all sources at once, as it was ingested."""
        known = {p: (source.incarnation, *source.cursor) for p, source in self.order.sources.items()}
        oldest = await self._ask("oldest", partial(self._store.oldest_behind, known, positions))
        after: Ingested = (oldest or 0, -1, -1, -1, -1)
        while oldest is not None:
            rows = await self._ask("ledger", partial(self._store.ingested, after))
            wanted = [
                row
                for row in rows
                if (row.incarnation, row.offset, row.item) > known.get(row.partition, (0, -1, 0))
                and (row.incarnation, row.offset) <= positions.get(row.partition, (0, -1))
            ]
            for ingested_ms, together in groupby(wanted, key=lambda row: row.ingested_ms):
                self.order.hold(self._mine(list(together)), ingested_ms)
                self.order.ingested(ingested_ms)
            if wanted:
                await self._release(wanted[-1].ingested_ms)
                await self._write_out()
            if len(rows) < PAGE:
                break
            last = rows[-1]
            after = (last.ingested_ms, last.partition, last.incarnation, last.offset, last.item)
        for partition, (incarnation, offset) in positions.items():
            self.order.placed(partition, incarnation, (offset, END))
        self.order.heard(self._now_ms())

    # -- records

    async def take(self, batch: RecordBatch) -> None:
        """Take records of the topic; returns when what came of them is written."""
        await self.ready.wait()
        async with self._lock:
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
        if not self.ready.is_set() or self._lock.locked():
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
        if time.monotonic() >= self._updated + _UPDATE_S:
            await self._update()
        await self._say_progress()
        if self._changed and time.monotonic() >= self._checkpoint_due:
            await self._checkpoint()

    async def leave(self) -> None:
        """Write a last checkpoint, so that the next owner need not fold anything twice."""
        if not self.ready.is_set():
            return
        async with self._lock:
            await self._write_out()
            await self._update()
            if self._changed:
                await self._checkpoint()

    # -- folding

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
            rows = await self._ask("ledger", partial(self._store.gap, left))
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

    # -- writing

    async def _write_out(self) -> None:
        signals, self._signals = self._signals, []
        if not signals and not self.watch.waiting:
            return
        strangers = self.watch.strangers()
        if strangers:
            places, numbers = await self._ask("places", partial(self._look_up, strangers))
            for incident in strangers:
                self.watch.meet(incident.id, places[incident.id], numbers.get(incident.id, 0))
        changes = self.watch.changes()
        fresh = [one for one in changes if not one.known]
        recorded = self._next_recorded()

        def write() -> None:
            self._store.write_changes(fresh, self.partition, self.epoch, recorded)
            self._store.write_signals(signals, self.partition, self.epoch, recorded)

        await self._ask("incidents", write)
        if fresh:
            self._on_changes()
        records: list[OutgoingRecord] = [change_record(one) for one in changes]
        records += [signal_record(one) for one in signals]
        await self._retried("publish incidents", lambda: self._sender.send(records))
        self._metrics.detected(signals, changes, self.watch.open, self.order.late, self.order.forced)

    def _look_up(self, strangers: list[Any]) -> tuple[dict[str, Any], dict[str, int]]:
        places = self._store.places(strangers)
        # Of an incident whose changes the ledger has from beyond the checkpoint, only those before it count.
        again = [one.id for one in strangers if one.id in self.watch.known]
        new = [one.id for one in strangers if one.id not in self.watch.known]
        numbers = self._store.numbers(again, self._resumed_ms) if again else {}
        return places, numbers | (self._store.numbers(new, 2**42) if new else {})

    async def _update(self) -> None:
        self._updated = time.monotonic()
        self.watch.forget()
        moved = self.watch.moved()
        if moved:
            recorded = self._next_recorded()
            await self._ask("totals", partial(self._store.write_changes, moved, self.partition, self.epoch, recorded))

    async def _say_progress(self) -> None:
        """Write down how far this is, for who waits for it (`streams.watch.told`): as soon as nothing is in hand."""
        now = (self.caught_up and self.order.idle(self._said_ms), self._place())
        if now == self._progress:
            return
        idle, place = now
        if time.monotonic() < self._progress_said + (_PROGRESS_IDLE_S if idle else _UPDATE_S):
            return
        await self._update()
        self._progress, self._progress_said = now, time.monotonic()
        rest = {"progress": progress_text(idle, self.order.given, place)}
        recorded = self._next_recorded()
        write = partial(self._store.write_state, (), rest, self.partition, self.epoch, recorded, recorded)
        await self._ask("watch progress", write)

    def _place(self) -> dict[int, tuple[int, int]]:
        return {p: (source.incarnation, source.cursor[0]) for p, source in self.order.sources.items()}

    async def _checkpoint(self) -> None:
        """One insert of what changed. Nothing is folded meanwhile: the parts are of one moment."""
        began = time.monotonic()
        self._version += 1
        roots = []
        for root in checkpoint.changed_roots(self.watch.detector, self._written):
            roots.append(root)
            if len(roots) % 100 == 0:
                await asyncio.sleep(0)
        saved = Saved(self._version, self._next, self._recorded_ms, self.order.disorder_ms)
        rest = checkpoint.rest_of(self.watch, self.order, saved)
        self._changed = False
        write = partial(self._store.write_state, roots, rest, self.partition, self.epoch, self._version, self._now_ms())
        await self._ask("watch state", write)
        # From here on no crash goes back behind this point.
        self.watch.known = {}
        took = time.monotonic() - began
        self._checkpoint_due = time.monotonic() + max(_CHECKPOINT_S, took / _CHECKPOINT_SHARE)
        self._metrics.checkpoint(took, sum(len(root.state) for root in roots) + sum(map(len, rest.values())))

    def _next_recorded(self) -> int:
        self._recorded_ms = max(self._now_ms(), self._recorded_ms + 1)
        return self._recorded_ms

    async def _ask(self, what: str, work: Callable[[], T]) -> T:
        result: T = await self._retried(what, lambda: asyncio.to_thread(work))
        return result
