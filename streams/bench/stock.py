"""Contender: the worker's own steps on Faust's stock transport (`kafka://`), which hands over one event at a time.

Meter, ledger and usage agent are the very objects of the worker, with the same sizes of batches and flushes; the only
difference is how records come. Events are gathered into batches as large as the worker's and acknowledged one by one,
as stock Faust has it, once they are in the ledger. Faust's own settings are its defaults where the worker's transport
does not ask for others. The embedded broker answers empty fetches at once; the pause that keeps the worker's consumer
from spinning on them is given to this one too, because the fault is the broker's.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT, StreamT
from yarl import URL

from streams import topics
from streams.app import COMMIT_SECONDS, KafkaSender
from streams.bench.probe import Moment, peak_rss_mb, rss_mb
from streams.bench.spec import Result, Task
from streams.bench.spend import settings_of
from streams.config import Settings
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.store import LedgerStore
from streams.logs import configure_logs
from streams.meter.agent import Meter
from streams.meter.price import Pricer
from streams.meter.tiers import load_tiers
from streams.metrics import Metrics
from streams.transport import Consumer, ConsumerThread, RawSchema, RecordBatch
from streams.usage.agent import UsageAgent
from streams.worker import GC_THRESHOLDS, meter_options, windows_kept

_GATHER_S = 0.05
_QUEUED_BATCHES = 8


class _Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class _Gathered(NamedTuple):
    """A batch's message as the meter sees it."""

    partition: int
    events: list[EventT[bytes]]


class _Batch(NamedTuple):
    """An event as the agents' bodies see it."""

    message: _Gathered
    value: RecordBatch


def _batch(topic: str, partition: int, events: list[EventT[bytes]]) -> _Batch:
    records = [
        _Record(message.offset, round(message.timestamp * 1000), message.value, cast(Any, message.headers or ()))
        for message in (event.message for event in events)
    ]
    return _Batch(_Gathered(partition, events), RecordBatch(topic, partition, cast(Any, records), None, None))


class _StockConsumer:
    """What meter and usage agent ask of their consumer, answered by Faust's own."""

    def __init__(self, app: faust.App) -> None:
        self._consumer = app.consumer

    async def partition_count(self, topic: str) -> int:
        return cast(int, self._consumer.topic_partitions(topic))

    async def log_bounds(self, partitions: set[TP]) -> dict[TP, tuple[int, int]]:
        first = await self._consumer.earliest_offsets(*partitions)
        end = await self._consumer.highwaters(*partitions)
        return {tp: (first[tp], end[tp]) for tp in partitions}

    def settle(self, message: _Gathered) -> None:
        for event in message.events:
            event.ack()


class StockWorker:
    """Meter and usage agents on a stock app."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.metrics = Metrics()
        self.fault: BaseException | None = None
        self.began: Moment | None = None
        self._settings = settings
        self._database = database
        self.app = _stock_app(settings)
        store = LedgerStore(database)
        self._meter = Meter(
            store,
            Pricer.default(),
            load_tiers(None),
            KafkaSender(self.app),
            self.metrics,
            meter_options(settings, settings.worker_id),
            on_fatal=self._fail,
        )
        self._usage = UsageAgent(store, windows_kept(settings))
        self._buckets: dict[int, list[EventT[bytes]]] = {}
        self._queue: asyncio.Queue[_Batch] = asyncio.Queue(_QUEUED_BATCHES)
        self._assigned = asyncio.Event()
        self._attach()

    async def run_until(self, calls: int) -> tuple[int, Moment]:
        """Start, and wait until so many calls are in the ledger; how many are, and what the process used for them."""
        gc.set_threshold(*GC_THRESHOLDS)
        migrate(self._database)
        body = asyncio.create_task(self._meter.run(cast(Any, self._batches())))
        timer = asyncio.create_task(self._gather_by_timer())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            await self.app.start()
        written = self.metrics.rows.labels("call")._value
        deadline = time.monotonic() + 1800
        try:
            while written.get() < calls:
                if self.fault is not None:
                    raise self.fault
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{written.get():.0f} of {calls} calls after half an hour")
                await asyncio.sleep(0.01)
            assert self.began is not None
            return int(written.get()), Moment.now().since(self.began)
        finally:
            timer.cancel()
            body.cancel()
            await self.app.stop()

    def _attach(self) -> None:
        schema: Any = RawSchema()

        async def begin(*_: Any, **__: Any) -> None:
            # The clock of all contenders starts when partitions are assigned, before the first fetch.
            self.began = Moment.now()

        cast(Any, self.app.on_partitions_assigned).connect(begin, weak=False)

        @self.app.agent(self.app.topic(topics.CALLS, schema=schema), concurrency=1, name="meter")
        async def meter_agent(stream: StreamT[bytes]) -> None:
            async for event in cast(Any, stream).noack().events():
                if not self._assigned.is_set():
                    await self._assign()
                bucket = self._buckets.setdefault(event.message.partition, [])
                bucket.append(event)
                if len(bucket) >= self._settings.fetch_records:
                    await self._hand_on(event.message.partition)

        @self.app.agent(self.app.topic(topics.USAGE, schema=schema), concurrency=1, name="usage")
        async def usage_agent(stream: StreamT[bytes]) -> None:
            await self._usage.run(cast(Any, _singly(stream)))

    async def _assign(self) -> None:
        consumer = cast(Consumer, _StockConsumer(self.app))
        partitions = {TP(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
        await self._usage.on_assigned({tp for tp in partitions if tp.topic == topics.USAGE}, consumer)
        committed: Mapping[TP, int | None] = dict.fromkeys(partitions)
        await self._meter.on_assigned(committed, consumer)
        self._assigned.set()

    async def _hand_on(self, partition: int) -> None:
        events = self._buckets.pop(partition, [])
        if events:
            await self._queue.put(_batch(topics.CALLS, partition, events))

    async def _gather_by_timer(self) -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            for partition in list(self._buckets):
                await self._hand_on(partition)

    async def _batches(self) -> AsyncIterator[_Batch]:
        while True:
            yield await self._queue.get()

    def _fail(self, error: BaseException) -> None:
        self.fault = self.fault or error


async def _singly(stream: StreamT[bytes]) -> AsyncIterator[_Batch]:
    async for event in cast(Any, stream).noack().events():
        yield _batch(topics.USAGE, event.message.partition, [event])


class _PatientConsumer(driver.Consumer):
    """Faust's own consumer, not spinning on the embedded broker."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _PatientTransport(driver.Transport):
    Consumer = _PatientConsumer


class _App(faust.App):
    def _new_transport(self) -> driver.Transport:
        return _PatientTransport(self.conf.broker_consumer, app=self, loop=self.loop)


def _stock_app(settings: Settings) -> faust.App:
    return _App(
        settings.group_id,
        broker=[URL(f"kafka://{server}") for server in settings.broker_url.split(",")],
        store="memory://",
        datadir=str(settings.data_dir),
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.fetch_bytes,
        broker_commit_interval=COMMIT_SECONDS,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 10,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        producer_compression_type=None,
        producer_max_request_size=4 << 20,
        logging_config={"version": 1, "disable_existing_loggers": False},
        loghandlers=[logging.NullHandler()],
    )


async def run(task: Task) -> Result:
    """Read the topic until `task.calls` calls are in an empty ledger."""
    configure_logs("warning", "json")
    database = Database(f"chdb://{task.directory}/ledger", create=True)
    try:
        worker = StockWorker(settings_of(task), database)
        calls, used = await worker.run_until(task.calls)
        held = int(database.rows("SELECT count() FROM calls")[0][0])
        if held < task.calls:
            raise RuntimeError(f"the ledger holds {held} calls of {task.calls}")
        return Result(task.contender, calls, used.wall_s, used.cpu_s, rss_mb(), peak_rss_mb())
    finally:
        database.close()
