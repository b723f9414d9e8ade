"""Faust transport that hands an agent one message per partition fetch, acknowledged as one unit.

Stock Faust spends about 150 us on every Kafka record, wherever the record goes; here that cost falls on a batch of
up to thousands. It is Faust's own extension point (`faust.transports`, looked up by the scheme `spendstream://`),
a subclass of its aiokafka driver and no patch.

Contract
    - A message's value is a `RecordBatch`: the contiguous run of one partition's records that one fetch returned.
      Its offset is the last record's.
    - The stock acknowledgement (`event.ack()`, also what Faust does to messages it *skips* in a rebalance) never
      moves the committed offset. Only `Consumer.settle(message)` does, by the message's identity, and the
      committed offset is the end of the longest settled prefix in the order of delivery: with several batches in
      work, none is ever committed past one that is not done.
    - Seek and revoke forget what was delivered; settling a forgotten message does nothing.
    - Where consumption starts is asked of `app.positions` (the ledger knows better than the group's committed
      offsets), for each topic that it takes care of.
    - Before partitions go away, `app.before_revoke` may flush what it holds. A takeover that is under way is broken off
      first and has ended by then: what it does never comes after what the next owner does.
Limits: not for `processing_guarantee="exactly_once"` and not for Faust tables (neither is used here).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import faust
from aiokafka.consumer.fetcher import ConsumerRecord
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import Message

from streams import killpoints
from streams.errors import SpendstreamError, Unavailable


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one partition as one fetch returned them, in log order.

    `expected_offset`: where the log should have gone on, None right after a seek; a first record beyond it means
    that records are missing from the log (a transaction's markers, or retention).
    """

    topic: str
    partition: int
    records: list[ConsumerRecord]
    expected_offset: int | None
    highwater: int | None
    """The log's end as last seen by the fetcher; None before the first fetch told it."""

    def refuse_another_log(self) -> None:
        """Raises `SpendstreamError` when the log went back: the process has to end and take the partition over anew.

        The topic was made again, or its end was lost. Its offsets are other records' now: what the ledger holds and
        what comes must not be mixed. The takeover at the next start sees it, and begins a new incarnation.
        """
        if self.expected_offset is not None and self.records[0].offset < self.expected_offset:
            raise SpendstreamError(
                f"the log of {self.topic}, partition {self.partition}, went back from offset {self.expected_offset} to "
                f"{self.records[0].offset}: the topic was made again, or its end was lost"
            )

    @property
    def behind(self) -> int:
        """Records that the log held beyond this batch when it was fetched."""
        return max(0, (self.highwater or 0) - int(self.records[-1].offset) - 1)

    @property
    def size(self) -> int:
        """Bytes of the records' values."""
        return sum(len(record.value) for record in self.records if record.value)


class Positions(Protocol):
    """Tells the transport where to start reading (see `streams.meter.agent`)."""

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Take the partitions over and return the offsets to start from.

        Called once for each assignment, before any record of it is fetched, with the group's committed offsets
        (None: never committed). Partitions that are left out start from there.
        """
        ...

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Finish what is in work for these partitions: flush and settle. Called before they go away."""
        ...


class _Delivered:
    """A delivered message and whether it is settled."""

    __slots__ = ("message", "settled")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.settled = False


_FETCH_WAIT_MS = 250
"""How long a broker may hold a fetch that finds nothing."""

_EMPTY_FETCH_PAUSE_S = 0.02
"""Added to the delay of a call at most, and only when nothing was there; fifty empty fetches a second cost nothing."""


_FULL_PAUSE_S = 0.01
"""Between looks at whether a buffer has room again: the work of a small batch."""


def _patient(fetch: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    """A fetch that pauses when a broker answers an empty one at once.

    The embedded broker does not hold fetches: without the pause an idle consumer asks thousands of times a second and
    takes most of a core. A broker that holds them, as Kafka does, is never made to wait.
    """

    async def patient(*args: Any) -> bool:
        began = time.monotonic()
        found = await fetch(*args)
        if not found and time.monotonic() - began < _FETCH_WAIT_MS / 2000:
            # aiokafka cancels its fetches when it closes or a partition goes, awaits them, and expects no exception.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(_EMPTY_FETCH_PAUSE_S)
        return found

    return patient


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The aiokafka consumer's thread, with latency fit for seconds, not minutes."""

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Stock Faust waits up to 1.5 s for a fetch to fill; a fetch is answered as soon as one byte is there anyway,
        # but a fetch that waits on one broker connection delays a seek or a newly assigned partition behind it.
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        fetcher._proc_fetch_request = _patient(fetcher._proc_fetch_request)


class Consumer(driver.Consumer):
    """See the module's contract."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._delivered: dict[TP, deque[_Delivered]] = {}
        self._by_identity: dict[int, _Delivered] = {}
        self._next_offset: dict[TP, int] = {}
        self._owed: dict[TP, int] = {}
        """Offsets that no commit has taken yet. Without it a commit that fails would be made good by the next batch
        only, and an idle group would look as if it were behind for ever."""
        self._fetching = asyncio.Lock()
        """Held while a fetch is out. A fetch that began before a rebalance may return up to a second after it: records
        that `read_one` asked for, or that were read before the seek. `perform_seek` waits for it."""
        self._taking: asyncio.Task[Mapping[TP, int]] | None = None
        """The takeover that is under way. Faust begins a rebalance beside it, and cancels it only with the next
        assignment: by then another worker may have taken its partitions over."""
        self._revoked = False
        """Between a revocation and the next assignment: nothing is taken over, and no record is handed out."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- delivery ------------------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 (Faust's signature)
        """One message per partition of one fetch; nothing once the flow stops or the generation changes."""
        if not self.flow_active:
            await self.wait(cast(Any, self.can_resume_flow))
        async with self._fetching:
            if not self.flow_active:
                return
            if self._revoked:
                await asyncio.sleep(_FULL_PAUSE_S)
                return
            records, active = await self._wait_next_records(timeout)
            generation = self.app.consumer_generation_id
        if not records or self.should_stop:
            return
        for tp, batch in records.items():
            # Rechecked at each step: between two yields a rebalance may have begun, and what is dropped here is
            # fetched again because resuming always seeks.
            if not self.flow_active or self._revoked or self.app.consumer_generation_id != generation:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            tp = TP(tp.topic, tp.partition)
            expected = self._next_offset.get(tp)
            if expected is not None and batch[0].offset < expected:
                # Another log of the same name: Faust would drop it, without a word, up to where the old one was read.
                # Who takes the batch has to see it.
                self._read_offset[tp] = None
            yield tp, self._batch_message(tp, batch)

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 (Faust's signature)
        active = self._get_active_partitions()
        if not active:
            # All buffers are full, or nothing is assigned. Stock Faust sleeps a whole second here.
            await asyncio.sleep(_FULL_PAUSE_S)
            return {}, active
        return await super()._wait_next_records(timeout)

    def _batch_message(self, tp: TP, records: list[ConsumerRecord]) -> ConsumerMessage:
        last = records[-1]
        highwater = self.highwater(tp)
        self.app.monitor.track_tp_end_offset(tp, highwater)
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0 if last.timestamp is not None else 0.0,
            last.timestamp_type,
            [],
            None,
            cast(Any, RecordBatch(tp.topic, tp.partition, records, self._next_offset.get(tp), highwater)),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._next_offset[tp] = last.offset + 1
        delivered = _Delivered(message)
        self._delivered.setdefault(tp, deque()).append(delivered)
        self._by_identity[id(message)] = delivered
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """No gap lists: a batch covers its offsets, and order of delivery is what counts."""

    # -- acknowledgement -----------------------------------------------------------------------------------------

    def settle(self, message: Message) -> None:
        """Mark a message as done for good: its records may be committed once all before them are.

        Call it only after what the message caused is durable. From the event loop's thread only.
        """
        delivered = self._by_identity.get(id(message))
        if delivered is not None and delivered.message is message:
            delivered.settled = True
        message.acked = True
        self._unacked_messages.discard(message)

    def ack(self, message: Message) -> bool:
        """Faust's own acknowledgement: only tells that no stream works on the message any more."""
        message.acked = True
        self._unacked_messages.discard(message)
        return False

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        pending = dict.fromkeys((*self._delivered, *self._owed))
        return (tp for tp in pending if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:
        committable: dict[TP, int] = {}
        for tp in tps:
            queue = self._delivered.get(tp)
            while queue and queue[0].settled:
                done = queue.popleft()
                self._by_identity.pop(id(done.message), None)
                self._owed[tp] = done.message.offset + 1
            if tp in self._owed:
                committable[tp] = self._owed[tp]
        return committable

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        killpoints.reached("commit.before")
        done = await super()._commit(offsets)
        if done:
            for tp, offset in offsets.items():
                if self._owed.get(tp) == offset:
                    del self._owed[tp]
        killpoints.reached("commit.after")
        return done

    def _forget(self, tp: TP) -> None:
        for delivered in self._delivered.pop(tp, ()):
            self._by_identity.pop(id(delivered.message), None)
            self._unacked_messages.discard(delivered.message)
        self._next_offset.pop(tp, None)
        self._owed.pop(tp, None)

    # -- assignment ----------------------------------------------------------------------------------------------

    async def perform_seek(self) -> None:
        """Go where the ledger says, else where the group committed. Runs once before an assignment's first fetch."""
        async with self._fetching:
            # Faust lets the flow go on behind this; without a takeover `getmany` hands nothing out.
            if not self._revoked:
                await self._perform_seek()

    async def _perform_seek(self) -> None:
        assignment = {TP(tp.topic, tp.partition) for tp in self.assignment()}
        for tp in assignment:
            self._forget(tp)
        committed = {TP(tp.topic, tp.partition): offset for tp, offset in (await self.seek_to_committed()).items()}
        group = {tp: (offset if offset is not None and offset >= 0 else None) for tp, offset in committed.items()}
        starts = await self._take_over({tp: group.get(tp) for tp in assignment})
        if starts is None:
            return
        if starts:
            await self._thread.seek_wait(starts)
            # What lies before is in the ledger and its usage is said: said once more at every start otherwise. In a new
            # incarnation this goes back.
            other = {tp: start for tp, start in starts.items() if start != (group.get(tp) or 0)}
            if other and await self._thread.commit(other):
                group.update(other)
        for tp in assignment:
            start = starts.get(tp, group.get(tp))
            self._committed_offset[tp] = group.get(tp)
            # `_drain_messages` drops what lies before the read offset; the seek already says where to read.
            self._read_offset[tp] = None
            if start is not None:
                self._next_offset[tp] = start

    async def _take_over(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int] | None:
        """Where to start; None where the partitions went before they were taken over."""
        taking = self._taking = asyncio.ensure_future(self._ask_positions(committed))
        try:
            # Faust gives up waiting for this after its request timeout and would let records flow from anywhere: end
            # the process before that, and begin again.
            async with asyncio.timeout(self.app.conf.broker_request_timeout * 0.8):
                await asyncio.wait({taking})
        finally:
            # Cancelled from outside (the next assignment, the end of the worker): not before the takeover has ended.
            while not taking.done():
                taking.cancel()
                await asyncio.wait({taking})
            self._taking = None
        return None if taking.cancelled() else taking.result()

    async def _ask_positions(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        return dict(await self._positions().on_assigned(committed, self))

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Also tells who got nothing to read: Faust does not seek then, and a worker in reserve is a ready one."""
        self._revoked = False
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            await self._positions().on_assigned({}, self)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End a takeover, flush, then let Faust stop the flow, commit and hand over."""
        partitions = {TP(tp.topic, tp.partition) for tp in revoked}
        self._revoked = True
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait({self._taking}, timeout=self.app.conf.broker_session_timeout / 4)
        await self._positions().before_revoke(partitions)
        await self.commit()
        await super().on_partitions_revoked(revoked)
        for tp in partitions:
            self._forget(tp)

    async def wait_empty(self) -> None:
        """Flush what the meter holds (its timer may be far off), then wait as Faust does."""
        await self._positions().before_revoke({TP(tp.topic, tp.partition) for tp in self.assignment()})
        self._unacked_messages.clear()
        await self.commit_and_end_transactions()

    def _positions(self) -> Positions:
        return cast(Positions, cast(Any, self.app).positions)

    async def partition_count(self, topic: str) -> int:
        """How many partitions a topic has. Raises `Unavailable` while the brokers do not say."""
        # Not Faust's `topic_partitions`: it reads a snapshot that a static member that rejoins does not have yet.
        count = await self._thread.call_thread(self._partition_count_in_thread, topic)
        if not count:
            raise Unavailable(f"the brokers do not say how many partitions {topic} has")
        return int(count)

    async def _partition_count_in_thread(self, topic: str) -> int:
        client = self._thread._ensure_consumer()._client
        known = client.cluster.partitions_for_topic(topic)
        if not known:
            await client.force_metadata_update()
            known = client.cluster.partitions_for_topic(topic)
        return len(known or ())

    async def log_bounds(self, partitions: set[TP]) -> dict[TP, tuple[int, int]]:
        """(first offset, end offset) of each partition's log; the end is one past the last record."""
        if not partitions:
            return {}
        begin, end = await asyncio.gather(self.earliest_offsets(*partitions), self.highwaters(*partitions))
        first = {TP(tp.topic, tp.partition): int(offset) for tp, offset in begin.items()}
        last = {TP(tp.topic, tp.partition): int(offset) for tp, offset in end.items()}
        return {tp: (first[tp], last[tp]) for tp in partitions}

    async def log_ends(self, partitions: set[TP]) -> dict[TP, int]:
        """One past the last record of each partition's log. Raises `Unavailable` while the brokers do not say."""
        if not partitions:
            return {}
        try:
            end = await self.highwaters(*partitions)
        except KafkaError as error:
            raise Unavailable(f"the brokers do not say where the logs end: {error}") from error
        return {TP(tp.topic, tp.partition): int(offset) for tp, offset in end.items()}

    async def read_one(self, tp: TP, offset: int, timeout_s: float = 10.0) -> ConsumerRecord | None:
        """The record at an offset, None where the log has none there. Moves the position: seek afterwards."""
        await self._thread.seek_wait({tp: offset})
        return cast(
            "ConsumerRecord | None",
            await self._thread.call_thread(self._read_one_in_thread, tp, offset, timeout_s),
        )

    async def _read_one_in_thread(self, tp: TP, offset: int, timeout_s: float) -> ConsumerRecord | None:
        fetcher = self._thread._ensure_consumer()._fetcher
        partition = driver.ensure_aiokafka_TP(tp)
        records = (await fetcher.fetched_records({partition}, timeout=timeout_s, max_records=1)).get(partition)
        return records[0] if records and records[0].offset == offset else None


class Transport(driver.Transport):
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = Consumer


class RawSchema(faust.Schema):  # type: ignore[type-arg]
    """Hands a message's key and value to the agent as they are: decoding is the agent's own step."""

    def loads_key(self, app: Any, message: Message, **kwargs: Any) -> Any:
        """The key, untouched."""
        return message.key

    def loads_value(self, app: Any, message: Message, **kwargs: Any) -> Any:
        """The value, untouched: a `RecordBatch`."""
        return message.value
