"""How a seat begins: from the newest checkpoint, or by folding the ledger's last days; then what the topic lacks."""

from __future__ import annotations

import time
from functools import partial
from itertools import groupby

import structlog

from streams.detect.packed import unpack
from streams.recheck.read import stretches
from streams.watch import checkpoint
from streams.watch.checkpoint import Saved
from streams.watch.fold import Watch
from streams.watch.folding import Folding
from streams.watch.past import PAGE, Ingested
from streams.watch.record import END

log = structlog.get_logger("spendstream.watch")

_RECENT_MS = 10_000
"""Calls this close to the newest may still get company from other partitions when the past has been read."""


class Beginning(Folding):
    """See the module."""

    async def resume(self, saved: Saved | None, start_offset: int, positions: dict[int, tuple[int, int]]) -> None:
        """Go on from the newest checkpoint, or, without one, from the calls of the last days. `positions`: how far
        the ledger held each partition of the calls topic when this worker took the partition over; `start_offset`: of
        the steps topic.
        """
        began = time.monotonic()
        self._next = start_offset
        self._recorded_ms = await self._ask(
            "last change", partial(self._store.incidents.last_recorded_ms, self.partition)
        )
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
            rest = self._store.states.read_rest(self.partition)
            return (rest, *checkpoint.resumed(rest, self._store.states.read_roots(self.partition)))

        rest, self.watch, self._written = await self._ask("watch state", read)
        self.order.resume(unpack(rest["order"]), checkpoint.held_of(rest), self._now_ms())
        self._version = saved.version
        self._resumed_ms = saved.recorded_ms
        self.watch.known = await self._ask(
            "known changes", partial(self._store.incidents.known_changes, self.partition, saved.recorded_ms)
        )
        if start_offset != saved.steps_offset:
            log.warning(
                "the steps topic does not hold what was not read yet: the ledger is read instead",
                partition=self.partition, wanted=saved.steps_offset, start=start_offset,
            )  # fmt: skip
            await self._catch_up(positions)

    async def _begin(self, positions: dict[int, tuple[int, int]]) -> int:
        """Without a checkpoint: fold the ledger's last days, in event order."""
        newest = await self._ask("newest call", self._store.past.newest_ms)
        self._resumed_ms = 0
        self.watch.known = await self._ask(
            "known changes", partial(self._store.incidents.known_changes, self.partition, 0)
        )
        self.watch.backfill = True
        folded = 0
        if positions and newest:
            from_ms = newest - self._options.history_days * 86_400_000
            spread = await self._ask("hours", partial(self._store.past.history_hours, from_ms))
            recent = newest - _RECENT_MS
            for start, end in stretches(spread, PAGE):
                after = (start, "", "")
                while True:
                    rows = await self._ask("ledger", partial(self._store.past.history, after, end))
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
        oldest = await self._ask("oldest", partial(self._store.past.oldest_behind, known, positions))
        after: Ingested = (oldest or 0, -1, -1, -1, -1)
        while oldest is not None:
            rows = await self._ask("ledger", partial(self._store.past.ingested, after))
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
