"""The meter agent: batches of `spendstream.calls` to the ledger and to `spendstream.usage`, each call exactly once.

A flush (by size or by timer) goes through these steps, in this order because the order is the correctness:
    1. move         calls that arrived in another partition than their run's are sent to their own
    2. insert       one block, with a token: repeated after a fault it writes nothing twice
    3. own          partitions that another worker has taken meanwhile are dropped here; their rows were not written
    4. publish      absolute sums of the cells that the flush touched; the new calls, for the watcher
    5. acknowledge  only now may the group's offsets pass the batches
A crash before 2 reads the records again; after 2 the ledger's position skips them and 4 is said again on assignment.

One flush is written while the next one fills; more than that waits, and with it the fetcher: memory is bounded.
What may pass by itself (a server away) is retried for ever with back-off and shown in `/health`; any other fault
stops the process, so that its supervisor starts it again from the ledger's position.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import msgspec
import structlog
from faust.types import TP, EventT

from streams import killpoints, topics
from streams.errors import Fenced, SpendstreamError, Unavailable
from streams.ledger.store import LedgerStore
from streams.meter.emit import usage_records
from streams.meter.price import Pricer
from streams.meter.route import Router, moved_header
from streams.meter.rows import MOVED, Metered, ledger_table
from streams.meter.steps import Arrived, PartitionMeter, measures, moved_calls
from streams.meter.sums import CellKey, Touched
from streams.meter.takeover import take_over
from streams.meter.tiers import TierMap
from streams.metrics import Metrics
from streams.retry import until_available
from streams.transport import Consumer, RecordBatch
from streams.watch.tell import TICK_S, StepTeller

log = structlog.get_logger("spendstream.meter")

_FLUSH_BYTES = 64 << 20
"""Of records in one flush: 40,000 calls of 1.6 KB. A block of the ledger stays far below the 2 GiB at which Arrow
splits a column, and with it the insert."""

_BEHIND_S = 2.0
"""The longest a flush may fill while more calls than it holds wait in the log."""

_LOST_S = 60.0
"""How long records of a partition that another worker has taken may still come here: a rebalance takes seconds."""

_ENDS_S = 2.0
"""The longest to wait for word of where the logs end; without it the watcher waits for the next."""


_Ends = tuple[int, dict[int, int]]
"""Wall time (epoch ms), and by partition one past its last record then."""


class Sender(Protocol):
    """Sends records and waits until the broker has them."""

    async def send(self, records: list[OutgoingRecord]) -> None:
        """Send all and wait for all. Raises `Unavailable` when the broker cannot take them now."""
        ...


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to send; `partition` None lets the key decide."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class _Flush:
    """Batches that go into one insert, and the messages they came in."""

    batches: list[Metered] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    through: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    size: int = 0
    """Bytes of the records."""
    began: float = 0.0


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
        self._store = store
        self._pricer = pricer
        self._tiers = tiers
        self._sender = sender
        self._metrics = metrics
        self._options = options
        self._on_fatal = on_fatal
        self._now_ms = now_ms
        self._teller = teller
        self._telling = asyncio.Lock()
        self._told = 0.0
        self.owned: dict[int, PartitionMeter] = {}
        self._routers: dict[str, Router] = {}
        self._consumer: Consumer | None = None
        self._filling = _Flush()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        self._fatal: BaseException | None = None
        self._behind: dict[int, int] = {}
        """Records that wait in each partition's log, as its last batch saw it."""
        self._lost: dict[int, float] = {}
        """Partitions that another worker took, and when that was seen (monotonic seconds)."""

    @property
    def topic(self) -> str:
        """`spendstream.calls`."""
        return topics.CALLS

    # -- assignment ----------------------------------------------------------------------------------------------

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Take the calls partitions over (`streams.meter.takeover`); offsets to start from."""
        self._consumer = consumer
        calls = {tp for tp in committed if tp.topic == topics.CALLS}
        self.owned = {}
        self._lost = {}
        self._behind = {}
        self._filling = _Flush()
        for topic in (topics.CALLS, topics.USAGE):
            count = await self.retried("count partitions", partial(consumer.partition_count, topic))
            self._routers[topic] = Router(count)
        if self._teller is not None:
            count = await self.retried("count partitions", partial(consumer.partition_count, topics.STEPS))
            self._teller.begin(Router(count))
        bounds = await consumer.log_bounds(calls)
        starts: dict[TP, int] = {}
        for tp in sorted(calls):
            began = time.monotonic()
            taken = await self.retried(
                "take over",
                lambda tp=tp: take_over(  # type: ignore[misc]
                    self._store,
                    consumer,
                    tp,
                    committed[tp],
                    bounds[tp],
                    worker=self._options.worker,
                    window_calls=max(1, self._options.window_calls // len(calls)),
                    usage_cells=max(1, self._options.usage_cells // len(calls)),
                    partitions=self._routers[topics.CALLS].partitions,
                ),
            )
            self.owned[tp.partition] = taken.meter
            starts[tp] = taken.start_offset
            if self._teller is not None:
                meter = taken.meter
                self._teller.take(tp.partition, meter.incarnation, meter.epoch, taken.start_offset, meter.watermark_ms)
            if taken.repeat:
                await self._publish_cold(taken.meter, taken.start_offset - 1, taken.repeat)
            log.info(
                "partition taken", partition=tp.partition, epoch=taken.meter.epoch, incarnation=taken.meter.incarnation,
                start=taken.start_offset, remembered=len(taken.meter.window), repeated_cells=len(taken.repeat),
                note=taken.note, seconds=round(time.monotonic() - began, 3),
            )  # fmt: skip
        self._metrics.partitions.set(len(self.owned))
        return starts

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Write and acknowledge what is in work; then the partitions are no longer ours."""
        if not any(tp.topic == topics.CALLS for tp in partitions):
            return
        try:
            async with asyncio.timeout(self._options.revoke_seconds):
                await self.flush()
        except TimeoutError:
            log.warning("flush given up at revoke: the next owner reads the records again", rows=self._filling.rows)
        for tp in partitions:
            if tp.topic == topics.CALLS:
                self.owned.pop(tp.partition, None)
                if self._teller is not None:
                    self._teller.drop(tp.partition)
        self._metrics.partitions.set(len(self.owned))

    # -- the agent -----------------------------------------------------------------------------------------------

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body: take batches for ever. Faults are reported and end the process."""
        timers = [asyncio.create_task(self._flush_by_timer()), asyncio.create_task(self._tell_by_timer())]
        try:
            async for event in events:
                await self._take(event.message, cast(RecordBatch, event.value))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for timer in timers:
                timer.cancel()

    async def _take(self, message: Any, batch: RecordBatch) -> None:
        meter = self.owned.get(batch.partition)
        if meter is None or self._fatal is not None:
            # Revoked meanwhile: not settled, so the next owner reads it.
            lost_at = self._lost.get(batch.partition)
            if lost_at is not None and time.monotonic() - lost_at > _LOST_S:
                raise Fenced(
                    f"another worker writes partition {batch.partition} while the group still gives it to this one: "
                    "two groups of workers must not share a ledger (SPENDSTREAM_GROUP_ID)"
                )
            return
        if batch.expected_offset is not None and batch.records[0].offset < batch.expected_offset:
            # Its offsets are other records' now: what the ledger holds and what comes must not be mixed. The takeover
            # at the next start sees it, and begins a new incarnation.
            raise SpendstreamError(
                f"the log of partition {batch.partition} went back from offset {batch.expected_offset} to "
                f"{batch.records[0].offset}: the topic was made again, or its end was lost"
            )
        began = time.perf_counter()
        arrived = meter.decode(batch, self._routers[topics.CALLS])
        in_ledger: set[tuple[str, str]] = set()
        if arrived.cold.any():
            # Copies of calls that are in work are in neither place: first let those reach the ledger.
            await self.flush()
            in_ledger = await self._ask_ledger(arrived)
            if self.owned.get(batch.partition) is not meter:
                return
        metered = meter.meter(arrived, batch.expected_offset, in_ledger, self._pricer, self._tiers)
        filling = self._filling
        if not filling.batches:
            filling.began = time.monotonic()
        filling.batches.append(metered)
        filling.messages.append(message)
        filling.through[batch.partition] = batch.records[-1].offset
        filling.rows += metered.rows
        filling.size += batch.size
        self._behind[batch.partition] = batch.behind
        self._metrics.batch(metered, batch, time.perf_counter() - began)
        if filling.rows >= self._options.flush_calls or filling.size >= _FLUSH_BYTES:
            await self._start_flush()

    async def _ask_ledger(self, arrived: Arrived) -> set[tuple[str, str]]:
        identity, time_ms = arrived.identity[arrived.cold, 0], arrived.time_ms[arrived.cold]
        self._metrics.ledger_lookups.inc(len(identity))

        async def ask() -> set[tuple[str, str]]:
            return await asyncio.to_thread(self._store.present, identity, time_ms)

        return cast("set[tuple[str, str]]", await self.retried("look up", ask))

    # -- flushing ------------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write all that was taken so far and wait until it is acknowledged."""
        await self._start_flush()
        writing = self._writing
        if writing is not None:
            await asyncio.shield(writing)

    async def _start_flush(self) -> None:
        """Hand the filled batches to the writer as soon as it has done the ones before."""
        async with self._turn:
            if self._writing is not None:
                await asyncio.shield(self._writing)
            if self._filling.batches and self._fatal is None:
                flush, self._filling = self._filling, _Flush()
                self._writing = asyncio.create_task(self._write_or_fail(flush))

    async def _flush_by_timer(self) -> None:
        pause = min(0.05, self._options.flush_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            filling = self._filling
            if not filling.batches:
                continue
            # Far behind, a call's delay is the backlog's, and full flushes work it off fastest.
            behind = sum(self._behind.values()) >= self._options.flush_calls
            wait = max(_BEHIND_S, self._options.flush_seconds) if behind else self._options.flush_seconds
            if time.monotonic() - filling.began >= wait:
                await self._start_flush()

    async def _write_or_fail(self, flush: _Flush) -> None:
        try:
            await self._write(flush)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    async def _write(self, flush: _Flush) -> None:
        asking = asyncio.create_task(self._ends())  # before the insert: what the flush holds was in the log by then
        try:
            await self._write_then_tell(flush, asking)
        finally:
            asking.cancel()

    async def _write_then_tell(self, flush: _Flush, asking: asyncio.Task[_Ends]) -> None:
        await self._move(flush)

        killpoints.reached("insert.before")
        began = time.perf_counter()
        ingested_ms = self._now_ms()
        columns, data = await asyncio.to_thread(ledger_table, flush.batches, ingested_ms)
        token = _token(flush)

        async def insert() -> dict[int, int]:
            await asyncio.to_thread(self._store.write, columns, data, token)
            return await asyncio.to_thread(self._store.owners)

        owners = await self.retried("insert", insert)
        killpoints.reached("insert.after")
        self._metrics.insert(data.num_rows, time.perf_counter() - began)

        lost = {b.partition for b in flush.batches if owners.get(b.partition) != b.epoch}
        for partition in lost:
            log.warning("partition lost to another worker; nothing of it was written", partition=partition)
            meter = self.owned.get(partition)
            if meter is not None and owners.get(partition) != meter.epoch:
                del self.owned[partition]
                self._lost[partition] = time.monotonic()
                if self._teller is not None:
                    self._teller.drop(partition)

        killpoints.reached("publish.before")
        unsaid = await self._publish(flush, lost)
        await self._tell([batch for batch in flush.batches if batch.partition not in lost], await asking)
        killpoints.reached("publish.after")

        killpoints.reached("acknowledge.before")
        if self._consumer is not None:
            for message in flush.messages:
                # What was not said must not be committed either: the next owner says what was not committed.
                if message.partition not in unsaid:
                    self._consumer.settle(message)
        killpoints.reached("acknowledge.after")
        for batch in flush.batches:
            if batch.partition not in lost:
                self._metrics.written(batch, ingested_ms)

    async def _move(self, flush: _Flush) -> None:
        """Step 1. A crash after it sends the calls once more; the copies are recognised where they belong."""
        router = self._routers[topics.CALLS]
        records = [
            OutgoingRecord(
                topics.CALLS,
                # By the count that judged it misplaced, not by what the producer knows: both would differ for a while
                # after partitions were added, and a copy would come where its original is not known.
                router.partition(key),
                key.encode(),
                msgspec.json.encode(_without_none(batch.columns.calls[at])),
                (moved_header(router.partitions),),
            )
            for batch in flush.batches
            if (batch.outcome == MOVED).any()
            for key, at in moved_calls(batch)
        ]
        if records:
            await self.retried("move", lambda: self._sender.send(records))

    async def _publish(self, flush: _Flush, lost: set[int]) -> set[int]:
        """Step 4: absolute sums of the cells that the flush touched, for each of its partitions.

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
            meter = self.owned.get(partition)
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
            await self.retried("publish", lambda: self._sender.send(records))
        # Last: a cell that left memory between two batches of the flush is in both, with one offset, and then the
        # later record counts. The ledger's total is the whole one.
        for of_partition in cold:
            await self._publish_cold(*of_partition)
        return unsaid

    async def _publish_cold(self, meter: PartitionMeter, through: int, keys: list[CellKey]) -> None:
        """Publish cells whose totals only the ledger has."""

        async def ask() -> Any:
            return await asyncio.to_thread(self._store.cell_totals, meter.partition, keys)

        totals = await self.retried("sum up", ask)
        touched = Touched.of(keys, totals)
        records = list(self._usage(meter, through, touched))
        await self.retried("publish", lambda: self._sender.send(records))

    def _usage(self, meter: PartitionMeter, through: int, touched: Touched) -> list[OutgoingRecord]:
        if not len(touched.agent):
            return []
        self._metrics.cells.inc(len(touched.agent))
        return [
            OutgoingRecord(topics.USAGE, partition, None, value)
            for partition, value in usage_records(meter, max(0, through), touched, self._routers[topics.USAGE])
        ]

    # -- the watcher ---------------------------------------------------------------------------------------------

    async def _ends(self) -> _Ends:
        """Where the logs of the owned partitions end, and when that was asked. Nothing while the brokers do not say:
        then no partition stands at its end.
        """
        wall_ms, consumer = self._now_ms(), self._consumer
        ends: dict[int, int] = {}
        if self._teller is not None and consumer is not None:
            tps = {TP(topics.CALLS, partition) for partition in self._teller.said}
            try:
                async with asyncio.timeout(_ENDS_S):
                    ends = {tp.partition: end for tp, end in (await consumer.log_ends(tps)).items()}
            except (TimeoutError, Unavailable):
                pass
        return wall_ms, ends

    async def _tell(self, batches: list[Metered], ends: _Ends) -> None:
        """Say what is new and how far each partition is. One at a time, so that what is said later is later."""
        teller = self._teller
        if teller is None:
            return
        async with self._telling:
            wall_ms, of_partition = ends
            telling = teller.tell(batches, of_partition, wall_ms)
            records = [OutgoingRecord(topics.STEPS, number, None, value) for number, value in telling.records]
            if records:
                await self.retried("tell the watcher", lambda: self._sender.send(records))
            teller.done(telling)
            self._told = time.monotonic()

    async def _tell_by_timer(self) -> None:
        """A tick while there is nothing to flush: idle partitions must not hold the others' calls back."""
        try:
            while self._teller is not None:
                await asyncio.sleep(TICK_S / 5)
                if time.monotonic() - self._told >= TICK_S and self._teller.said:
                    await self._tell([], await self._ends())
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    # -- faults --------------------------------------------------------------------------------------------------

    async def retried(self, what: str, step: Callable[[], Any]) -> Any:
        """Run a step until it works; only `Unavailable` is retried."""
        return await until_available(what, step, self._metrics, log)

    def _fail(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
            log.error("the meter stops", error=repr(error), exc_info=error)
            self._on_fatal(error)


def _token(flush: _Flush) -> str:
    """Names exactly these rows: the same records by the same owners.

    A digest, since it travels in the URL of the insert: of a thousand small batches it would be longer than servers
    take, and the worker would end with a fault of its own making.
    """
    named = ";".join(f"{b.partition}:{b.incarnation}:{b.epoch}:{_first(b)}+{b.rows}" for b in flush.batches)
    return hashlib.sha256(named.encode()).hexdigest()


def _first(batch: Metered) -> str:
    offsets = [str(batch.offset[0])] if batch.columns.size else []
    return "/".join([*offsets, *(str(row.offset) for row in batch.refused[:1])])


def _without_none(call: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(call).items() if value is not None}
