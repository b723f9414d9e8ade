"""What a seat writes: changes and signals, running totals, how far it is, checkpoints; and all that it holds.

The order that makes a change of an incident happen once is that of `streams.watch.seat`: write, publish, checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from streams.detect import DetectConfig, Signal
from streams.meter.outgoing import OutgoingRecord, Sender
from streams.metrics import Metrics
from streams.retry import Retried
from streams.watch import checkpoint
from streams.watch.checkpoint import Saved
from streams.watch.emit import change_record, signal_record
from streams.watch.fold import Watch
from streams.watch.order import Order
from streams.watch.store import WatchStore
from streams.watch.told import progress_text

T = TypeVar("T")

UPDATE_S = 5.0
_PROGRESS_IDLE_S = 0.5
_CHECKPOINT_S = 30.0
_CHECKPOINT_SHARE = 0.02
"""Of the time, at most, goes into checkpoints: a large state is written less often."""


@dataclass(frozen=True, slots=True)
class SeatOptions:
    """What a seat needs of the settings."""

    worker: str
    history_days: int
    absent_ms: int
    partitions: int
    """Of the steps topic."""


class Writing:
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
        """The past is folded and what the topic brings may be taken; or the seat is over."""
        self.over = False
        """Given up, or at a fault: nothing is taken any more."""
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
            self._store.incidents.write_changes(fresh, self.partition, self.epoch, recorded)
            self._store.incidents.write_signals(signals, self.partition, self.epoch, recorded)

        await self._ask("incidents", write)
        if fresh:
            self._on_changes()
        records: list[OutgoingRecord] = [change_record(one) for one in changes]
        records += [signal_record(one) for one in signals]
        await self._retried("publish incidents", lambda: self._sender.send(records))
        self._metrics.detected(signals, changes, self.watch.open, self.order.late, self.order.forced)

    def _look_up(self, strangers: list[Any]) -> tuple[dict[str, Any], dict[str, int]]:
        places = self._store.incidents.places(strangers)
        # Of an incident whose changes the ledger has from beyond the checkpoint, only those before it count.
        again = [one.id for one in strangers if one.id in self.watch.known]
        new = [one.id for one in strangers if one.id not in self.watch.known]
        numbers = self._store.incidents.numbers(again, self._resumed_ms) if again else {}
        return places, numbers | (self._store.incidents.numbers(new, 2**42) if new else {})

    async def _update(self) -> None:
        self._updated = time.monotonic()
        self.watch.forget()
        moved = self.watch.moved()
        if moved:
            recorded = self._next_recorded()
            await self._ask(
                "totals", partial(self._store.incidents.write_changes, moved, self.partition, self.epoch, recorded)
            )

    async def _say_progress(self) -> None:
        """Write down how far this is, for who waits for it (`streams.watch.told`): as soon as nothing is in hand."""
        now = (self.caught_up and self.order.idle(self._said_ms), self._place())
        if now == self._progress:
            return
        idle, place = now
        if time.monotonic() < self._progress_said + (_PROGRESS_IDLE_S if idle else UPDATE_S):
            return
        await self._update()
        self._progress, self._progress_said = now, time.monotonic()
        rest = {"progress": progress_text(idle, self.order.given, place)}
        recorded = self._next_recorded()
        write = partial(self._store.states.write, (), rest, self.partition, self.epoch, recorded, recorded)
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
        write = partial(
            self._store.states.write, roots, rest, self.partition, self.epoch, self._version, self._now_ms()
        )
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
