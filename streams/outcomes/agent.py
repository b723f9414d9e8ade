"""The outcome agent: batches of `spendstream.outcomes` to the ledger.

    1. insert       what was gathered, one block, with a token: repeated after a fault it writes nothing twice
    2. acknowledge  only now may the group's offsets pass
A crash before 1 reads the records again; after 1 the ledger's position skips them. `Unavailable` is retried for ever
with back-off; any other fault ends the process.

Not the meter's `Flusher`: verdicts are few, so nothing is taken while a flush is written, and one lock is enough.

Known limits: offsets that the log no longer has when they are read (retention) are logged, not kept as rows; verdicts
are no money.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from faust.types import TP, EventT

from streams import topics
from streams.metrics import Metrics
from streams.outcomes.decode import Verdict, decode_outcomes
from streams.outcomes.rows import Placed
from streams.outcomes.store import OutcomePosition, OutcomeStore
from streams.retry import until_available
from streams.taking import take_all
from streams.transport import Consumer, RecordBatch

log = structlog.get_logger("spendstream.outcomes")
T = TypeVar("T")

_FLUSH_ROWS = 20_000
"""20 MB of the longest verdicts, and far below the size at which Arrow splits a column."""
_FLUSH_S = 0.3


@dataclass(slots=True)
class _Filling:
    stretches: list[Placed] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    rows: int = 0


class OutcomeAgent:
    """All partitions of `spendstream.outcomes` that this worker owns. Runs on one event loop."""

    def __init__(
        self,
        store: OutcomeStore,
        metrics: Metrics,
        *,
        on_fatal: Callable[[BaseException], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        flush_s: float = _FLUSH_S,
        revoke_s: float = 15.0,
    ) -> None:
        """`on_fatal` must end the process soon.

        `flush_s`: the longest a verdict waits for its insert. `revoke_s`: how long the insert of a revoked partition
        may take before it is given up.
        """
        self._store = store
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._now_ms = now_ms
        self._flush_s = flush_s
        self._revoke_s = revoke_s
        self._consumer: Consumer | None = None
        self._incarnations: dict[int, int] = {}
        self._filling = _Filling()
        self._writing = asyncio.Lock()

    @property
    def topic(self) -> str:
        """What it reads."""
        return topics.OUTCOMES

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Offsets to start from: behind what the ledger holds, of the log as it is now."""
        self._consumer = consumer
        self._filling = _Filling()
        self._incarnations = {}
        bounds = await consumer.log_bounds(set(committed))
        starts: dict[TP, int] = {}
        for tp in sorted(committed):
            position = await self._retried(
                "outcome position", lambda tp=tp: asyncio.to_thread(self._store.position, tp.partition)  # type: ignore[misc]
            )  # fmt: skip
            first, end = bounds[tp]
            if position is None:
                self._incarnations[tp.partition], starts[tp] = 1, first
                continue
            note = await _other_log(consumer, tp, position, first, end)
            if note:
                log.warning("outcomes are read from the start", partition=tp.partition, why=note)
                self._incarnations[tp.partition], starts[tp] = position.incarnation + 1, first
                continue
            if position.through + 1 < first:
                log.warning("outcomes are missing", partition=tp.partition, first=position.through + 1, end=first)
            self._incarnations[tp.partition] = position.incarnation
            starts[tp] = max(position.through + 1, first)
        return starts

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Write and acknowledge what is in work; then the partitions are no longer ours."""
        try:
            async with asyncio.timeout(self._revoke_s):
                await self.flush()
        except TimeoutError:
            log.warning("outcomes given up at revoke: the next owner reads the records again")
        for tp in partitions:
            self._incarnations.pop(tp.partition, None)

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body. Faults are reported and end the process."""
        await take_all(events, self._take, [self._flush_by_timer], self._fail)

    async def _take(self, message: Any, batch: RecordBatch) -> None:
        incarnation = self._incarnations.get(batch.partition)
        if incarnation is None:
            return  # revoked meanwhile: not settled, so the next owner reads it
        batch.refuse_another_log()
        verdicts: list[Verdict] = []
        for record in batch.records:
            verdicts += decode_outcomes(record.value, record.offset, record.timestamp)
        filling = self._filling
        filling.stretches.append(Placed(batch.partition, incarnation, verdicts))
        filling.messages.append(message)
        filling.rows += len(verdicts)
        if filling.rows >= _FLUSH_ROWS:
            await self.flush()

    async def flush(self) -> None:
        """Write all that was taken so far and acknowledge it."""
        async with self._writing:
            filling, self._filling = self._filling, _Filling()
            if not filling.stretches:
                return
            ingested_ms = self._now_ms()
            token = ";".join(
                f"outcomes:{s.partition}:{s.incarnation}:{s.verdicts[0].offset}+{len(s.verdicts)}"
                for s in filling.stretches
            )
            await self._retried(
                "outcome insert",
                lambda: asyncio.to_thread(self._store.write, filling.stretches, ingested_ms, token),
            )
            if self._consumer is not None:
                for message in filling.messages:
                    self._consumer.settle(message)

    async def _flush_by_timer(self) -> None:
        while True:
            await asyncio.sleep(self._flush_s)
            await self.flush()

    async def _retried(self, what: str, step: Callable[[], Awaitable[T]]) -> T:
        return await until_available(what, step, self._metrics, log)

    def _fail(self, error: BaseException) -> None:
        log.error("the outcome agent stops", error=repr(error), exc_info=error)
        self._on_fatal(error)


async def _other_log(consumer: Consumer, tp: TP, position: OutcomePosition, first: int, end: int) -> str:
    """Why the log is not the one that the ledger's position speaks of; empty when it is."""
    if position.through >= end:
        return f"the log ends at {end}, the ledger holds it through {position.through}: the topic was made again"
    if position.through < first:
        return ""  # past retention; that the log goes on beyond it is all there is to see
    record = await consumer.read_one(tp, position.through)
    if record is None or (record.timestamp >= 0 and record.timestamp != position.arrived_ms):
        return f"the record at {position.through} is another one than the ledger's: the topic was made again"
    return ""
