"""Takes calls from the buffer to the broker, for as long as it takes.

Contract
    - A call leaves the buffer only when the broker has acknowledged it, when the broker refuses that very record, or
      when the publisher is closed. Whatever else goes wrong, the producer is thrown away and the calls are sent
      again by a new one: the same bytes under the same key, so the meter sees the copy for what it is.
    - Calls of one key keep their order: each partition has one batch in flight at a time, and what comes back goes
      in front. A partition without a leader holds up no other (until its calls fill the buffer).
    - The event loop is never held for long: at most `_TAKE` calls are prepared before it gets its turn again.
Why not `producer.send()` a call: it waits when a batch is full, so one slow partition would hold up all, and it leaves
nothing to send again in order when a producer is lost. Batches of our own also cost less (5 us, not 8).
Limits: if partitions are added to the topic while calls wait, a key may change partition and overtake itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedVersionError,
)
from aiokafka.partitioner import murmur2

from streams.errors import Unavailable
from streams.kafka_log import withhold
from streams.publish.buffer import Buffer
from streams.publish.discard import discard
from streams.publish.record import Record
from streams.publish.trouble import Trouble

log = logging.getLogger("spendstream.publish")

_TAKE = 1_000
"""Calls prepared in one go: at 5 us each, 5 ms of the router's event loop."""

_HASHES = 65_536
"""Keys whose hash is remembered (a run makes many calls; murmur2 in Python costs 5 us): some 10 MB at most."""

_BACKOFF_S = (0.1, 5.0)
"""First and longest wait between tries; it doubles from one to the other and varies by half."""

_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
"""Answers that lie in the records, so that trying again as they are is vain."""

_NO_IDEMPOTENCE = (IncompatibleBrokerVersion, UnsupportedVersionError, ClusterAuthorizationFailedError)
"""Answers of brokers (or their access rules) that have no idempotent producers."""


class _WithoutIdempotence(Exception):
    """The next producer is to be one without."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds."""

    linger_s: float
    """How long a batch waits for company."""
    connect_s: float
    """How long a connection, the idempotent producer's id included, may take."""
    stall_s: float
    """How long a batch may stay unacknowledged before the producer is thought dead."""


@dataclass(frozen=True, slots=True)
class _Flight:
    future: asyncio.Future[object]
    calls: int
    since: float


class Sender:
    """One run of `run()` for the life of a publisher; all methods belong to the event loop's thread."""

    def __init__(
        self,
        buffer: Buffer,
        topic: str,
        make_producer: Callable[[bool], AIOKafkaProducer],
        *,
        pace: Pace,
        idempotence: bool | None,
    ) -> None:
        """`make_producer(idempotent)`; `idempotence` None: where the broker can."""
        self._buffer = buffer
        self._topic = topic
        self._make_producer = make_producer
        self._pace = pace
        self._idempotent = idempotence is not False
        self._may_fall_back = idempotence is None
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._draining = asyncio.Event()
        self._lanes: defaultdict[int, deque[Record]] = defaultdict(deque)
        self._flights: dict[int, _Flight] = {}
        self._limits: dict[int, int] = {}
        self._hashes: dict[bytes, int] = {}
        self._failures = 0
        self._trouble = Trouble(topic, buffer, self._loop.time)
        buffer.when_filled(lambda: self._loop.call_soon_threadsafe(self._event.set))

    def drain(self) -> None:
        """Finish: send what is buffered without lingering; `run()` returns when nothing is left."""
        self._draining.set()
        self._event.set()

    async def run(self) -> None:
        """Send until drained. Raises nothing but CancelledError, on which unacknowledged calls stay in the buffer."""
        withhold(self._trouble.hear, set())
        while not (self._draining.is_set() and not self._buffer.calls):
            producer = self._make_producer(self._idempotent)
            try:
                await self._connect(producer)
                await self._pump(producer)
            except _WithoutIdempotence:
                # A router without any right on the topic is told this first, and wants to hear what lies behind it.
                self._trouble.turn()
            except (KafkaError, Unavailable, OSError, TimeoutError) as error:
                self._failed(error, expected=True)
            except Exception as error:  # a fault of ours must not end the stream either
                self._failed(error, expected=False)
            finally:
                self._buffer.connected = False
                self._recall()
                await discard(producer)
            if self._failures:
                await self._back_off()

    async def _connect(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(self._pace.connect_s):
                await producer.start()
        except (*_NO_IDEMPOTENCE, TimeoutError) as error:
            # A broker that answered metadata but gave no producer id in all that time has none to give.
            answered = not isinstance(error, TimeoutError) or bool(producer.client.cluster.brokers())
            if self._idempotent and self._may_fall_back and answered:
                self._idempotent = False
                log.info("the broker has no idempotent producers (%s): going on without", type(error).__name__)
                raise _WithoutIdempotence from error
            raise
        self._buffer.connected = True

    async def _pump(self, producer: AIOKafkaProducer) -> None:
        while True:
            self._event.clear()
            self._land()
            taken = self._buffer.take(_TAKE)
            if taken:
                await self._sort(producer, taken)
            for partition, lane in self._lanes.items():
                if lane and partition not in self._flights:
                    await self._launch(producer, partition, lane)
            if len(taken) == _TAKE:
                await asyncio.sleep(0)
            elif self._draining.is_set() and not self._buffer.calls:
                return
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Until a call comes or a batch lands, then for as long as a batch lingers."""
        if self._buffer.sleep():
            timeout = None
            if self._flights:
                oldest = min(flight.since for flight in self._flights.values())
                timeout = oldest + self._pace.stall_s - self._loop.time()
            try:
                async with asyncio.timeout(timeout):
                    await self._event.wait()
            except TimeoutError:
                raise Unavailable(f"no acknowledgement within {self._pace.stall_s:g} s") from None
        # Nothing to linger for at the end, nor when the next batch of a partition waits for the one that just landed.
        pressed = self._draining.is_set() or any(
            flight.future.done() and len(self._lanes[partition]) > flight.calls
            for partition, flight in self._flights.items()
        )
        await asyncio.sleep(0 if pressed else self._pace.linger_s)

    async def _sort(self, producer: AIOKafkaProducer, records: list[Record]) -> None:
        try:
            partitions = sorted(await producer.partitions_for(self._topic))
        except BaseException:
            self._buffer.put_back(records, tried=0)
            raise
        for record in records:
            number = self._hashes.get(record.key)
            if number is None:
                if len(self._hashes) >= _HASHES:
                    self._hashes.clear()
                number = self._hashes[record.key] = murmur2(record.key) & 0x7FFFFFFF
            self._lanes[partitions[number % len(partitions)]].append(record)

    async def _launch(self, producer: AIOKafkaProducer, partition: int, lane: deque[Record]) -> None:
        batch = producer.create_batch()
        limit = self._limits.get(partition, len(lane))
        calls = 0
        for key, value, timestamp_ms in lane:
            if calls >= limit or batch.append(timestamp=timestamp_ms, key=key, value=value) is None:
                break
            calls += 1
        batch.close()
        future = await producer.send_batch(batch, self._topic, partition=partition)
        future.add_done_callback(lambda _: self._event.set())
        self._flights[partition] = _Flight(future, calls, self._loop.time())

    def _land(self) -> None:
        """Settle what was acknowledged; then raise the first failure, if any."""
        failure: BaseException | None = None
        landed = False
        for partition, flight in list(self._flights.items()):
            if not flight.future.done():
                continue
            error = Unavailable("cancelled") if flight.future.cancelled() else flight.future.exception()
            lane = self._lanes[partition]
            if error is None:
                del self._flights[partition]
                self._buffer.settle([lane.popleft() for _ in range(flight.calls)])
                if partition in self._limits:
                    self._widen(partition)
                self._failures = 0
                landed = True
            else:
                failure = error
                if isinstance(error, _REFUSALS):
                    self._narrow(partition, flight.calls)
        # What was under way when trouble was last heard of may be stuck in it yet.
        if landed and failure is None and all(flight.since > self._trouble.heard for flight in self._flights.values()):
            self._trouble.over()
        if failure is not None:
            raise failure

    def _narrow(self, partition: int, calls: int) -> None:
        """The broker refused a batch: halve it next time; a record refused alone is given up."""
        if calls > 1:
            self._limits[partition] = calls // 2
        else:
            self._flights.pop(partition)
            self._buffer.give_up([self._lanes[partition].popleft()], "refused")

    def _widen(self, partition: int) -> None:
        self._limits[partition] *= 2
        if self._limits[partition] > _TAKE:
            del self._limits[partition]

    def _recall(self) -> None:
        """Give all that is unacknowledged back to the buffer."""
        for flight in self._flights.values():
            # Ours is a shield: aiokafka's own future is left to aiokafka.
            if not flight.future.cancel() and not flight.future.cancelled():
                flight.future.exception()  # seen: asyncio would complain of it otherwise
        tried = sum(flight.calls for flight in self._flights.values())
        self._flights.clear()
        self._buffer.put_back([record for lane in self._lanes.values() for record in lane], tried)
        self._lanes.clear()

    def _failed(self, error: Exception, *, expected: bool) -> None:
        self._failures += 1
        self._trouble.hear(f"{type(error).__name__}: {error}", None if expected else error)

    async def _back_off(self) -> None:
        first, longest = _BACKOFF_S
        wait = min(longest, first * 2.0 ** min(self._failures - 1, 16)) * random.uniform(0.5, 1.0)
        if self._draining.is_set():
            await asyncio.sleep(min(wait, 0.2))  # whoever closes waits for us
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._draining.wait()
