"""The meter agent: batches of `spendstream.calls` to the ledger and to `spendstream.usage`, each call exactly once.

Its steps, one a file, in the order in which a call passes them:
    assign   partitions come: each is taken over (`takeover`); and go: what is in work is written first
    take     a batch is decoded, de-duplicated and priced
    flush    batches gather until there are enough of them, or it is time
    write    move, insert, own, publish (`publish`, `tell`), acknowledge: the order that makes it exactly once
What they share is in `holding`.

What may pass by itself (a server away) is retried for ever with back-off and shown in `/health`; any other fault
stops the process, so that its supervisor starts it again from the ledger's position.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP, EventT

from streams import topics
from streams.ledger.store import LedgerStore
from streams.meter.assign import Assignment
from streams.meter.flush import Flusher
from streams.meter.holding import Holding
from streams.meter.outgoing import Sender
from streams.meter.price import Pricer
from streams.meter.publish import UsagePublisher
from streams.meter.steps import PartitionMeter
from streams.meter.take import Taker
from streams.meter.tell import WatcherNews
from streams.meter.tiers import TierMap
from streams.meter.write import Writer
from streams.metrics import Metrics
from streams.retry import until_available
from streams.taking import take_all
from streams.transport import Consumer
from streams.watch.tell import StepTeller

log = structlog.get_logger("spendstream.meter")


@dataclass(frozen=True, slots=True)
class MeterOptions:
    """What the meter needs of the settings."""

    worker: str
    flush_calls: int
    flush_seconds: float
    window_calls: int
    usage_cells: int
    revoke_seconds: float
    """How long a revoked partition's flush may take before it is given up (the next owner reads it again)."""


class Meter:
    """All partitions of `spendstream.calls` that this worker owns. Runs on one event loop."""

    def __init__(
        self,
        store: LedgerStore,
        pricer: Pricer,
        tiers: TierMap,
        sender: Sender,
        metrics: Metrics,
        options: MeterOptions,
        *,
        on_fatal: Callable[[BaseException], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        teller: StepTeller | None = None,
    ) -> None:
        """`on_fatal` must end the process soon: after it, nothing more is written. `teller`: tells the watcher what
        was written; None where nobody watches.
        """
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._holding = holding = Holding()
        self._news = WatcherNews(teller, sender, self.retried, holding, now_ms)
        usage = UsagePublisher(store, sender, metrics, self.retried, holding)
        writer = Writer(store, sender, metrics, self.retried, holding, usage, self._news, now_ms)
        self._flusher = Flusher(
            writer.write,
            holding,
            self._fail,
            flush_calls=options.flush_calls,
            flush_seconds=options.flush_seconds,
        )
        self._taker = Taker(store, pricer, tiers, metrics, self.retried, holding, self._flusher)
        self._assignment = Assignment(
            store,
            metrics,
            self.retried,
            holding,
            self._flusher,
            usage,
            self._news,
            worker=options.worker,
            window_calls=options.window_calls,
            usage_cells=options.usage_cells,
            revoke_seconds=options.revoke_seconds,
        )

    @property
    def topic(self) -> str:
        """`spendstream.calls`."""
        return topics.CALLS

    @property
    def owned(self) -> Mapping[int, PartitionMeter]:
        """The partitions that are this worker's now."""
        return self._holding.owned

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Take the calls partitions over (`streams.meter.takeover`); offsets to start from."""
        return await self._assignment.begin(committed, consumer)

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Write and acknowledge what is in work; then the partitions are no longer ours."""
        await self._assignment.end(partitions)

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body: take batches for ever. Faults are reported and end the process."""
        await take_all(events, self._taker.take, [self._flusher.by_timer, self._news.by_timer], self._fail)

    async def flush(self) -> None:
        """Write all that was taken so far and wait until it is acknowledged."""
        await self._flusher.flush()

    async def retried(self, what: str, step: Callable[[], Any]) -> Any:
        """Run a step until it works; only `Unavailable` is retried."""
        return await until_available(what, step, self._metrics, log)

    def _fail(self, error: BaseException) -> None:
        if self._holding.fault is None:
            self._holding.fault = error
            log.error("the meter stops", error=repr(error), exc_info=error)
            self._on_fatal(error)
