"""One replay, from files to figures.

1. publish   every line as it is; never more than `AHEAD` records before the ledger, so that neither broker nor
             worker piles up (an embedded broker holds records in memory)
2. wait      until the ledger's positions have passed all of them
3. wait      for the calls that the meter sent on to their own partition
4. count     what the ledger holds at exactly these positions, and sum up the ledger
5. wait      until the watcher has looked at all of them (not in `seconds`), and tell the incidents that they opened
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from streams.errors import Unavailable
from streams.replay.incidents import incidents_when_told
from streams.replay.keys import time_of_line
from streams.replay.lines import Chunk, read_chunks
from streams.replay.log import ends_of, partitions_of
from streams.replay.pace import Pace
from streams.replay.publish import BATCH_BYTES, LinePublisher, Range
from streams.replay.result import ReplayResult, read_outcomes, read_totals
from streams.replay.shuffle import shuffled
from streams.replay.watch import LedgerWatch, Reader

AHEAD = 150_000
"""Records between publishing and the ledger: a few seconds of work, so that the pipeline never waits for us."""

LINGER_S = 0.05
"""How long a batch waits for company when lines come slowly (`-`, `--speed`)."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay, and how."""

    sources: Sequence[str]
    """Files; `-` is standard input."""
    speed: float | None = None
    """Times as fast as it happened; None: as fast as it goes."""
    shuffle_seed: int | None = None
    """Shuffle all lines with this seed; None: in order."""
    stall_s: float = 120.0


@dataclass(slots=True)
class Progress:
    """Where a replay is; written by `replay`, read by whoever draws it."""

    bytes_read: int = 0
    published: int = 0
    behind: int = 0
    published_all: bool = False


async def replay(
    broker_url: str,
    reader: Reader,
    plan: ReplayPlan,
    progress: Progress,
    now_ms: Callable[[], int],
    kafka: Mapping[str, Any] | None = None,
) -> ReplayResult:
    """Replay and wait for the ledger. Workers run elsewhere or in this process. `kafka`: `kafka_security`'s options.

    Raises `Unavailable` (broker or workers away), `UsageError` (the topic is not there).
    """
    partitions = await partitions_of(broker_url, topics.CALLS, kafka)
    ends_before = await ends_of(broker_url, topics.CALLS, partitions, kafka)
    producer = AIOKafkaProducer(
        bootstrap_servers=broker_url, acks="all", max_batch_size=BATCH_BYTES, max_request_size=4 << 20, **(kafka or {})
    )
    try:
        await producer.start()
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    watch = LedgerWatch(reader, stall_s=plan.stall_s)
    polling = asyncio.create_task(watch.run())
    try:
        publisher = LinePublisher(producer, topics.CALLS, partitions, now_ms)
        began = time.monotonic()
        await _publish(plan, publisher, watch, progress)
        progress.published_all = True
        drawing = asyncio.create_task(_follow(progress, publisher, watch))
        try:
            ranges = publisher.ranges
            await watch.until_behind(ranges, 0)
            outcomes = await asyncio.to_thread(
                read_outcomes, reader, publisher.ranges, watch.positions, publisher.published
            )
            if outcomes.moved:
                ends = await ends_of(broker_url, topics.CALLS, partitions, kafka)
                ranges = _stretched(publisher.ranges, ends_before, ends)
                await watch.until_behind(ranges, 0)
                outcomes = await asyncio.to_thread(read_outcomes, reader, ranges, watch.positions, publisher.published)
        finally:
            drawing.cancel()
        seconds = time.monotonic() - began
        totals = await asyncio.to_thread(read_totals, reader)
        stretches = {p: (watch.positions[p].incarnation, range_.first, range_.end) for p, range_ in ranges.items()}
        watched, incidents = await incidents_when_told(reader, stretches)
    finally:
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling
        await _close(producer)
    return ReplayResult(
        len(plan.sources), publisher.published, publisher.refused, outcomes, totals, seconds, incidents, watched
    )


async def _publish(plan: ReplayPlan, publisher: LinePublisher, watch: LedgerWatch, progress: Progress) -> None:
    chunks = _read(plan)
    pace = Pace(plan.speed) if plan.speed is not None else None
    source = ""
    while True:
        chunk = await _next(chunks, publisher)
        if chunk is None:
            break
        progress.bytes_read += chunk.bytes_read
        if pace is None:
            await publisher.add(chunk.lines)
        else:
            if chunk.source != source:
                source = chunk.source
                pace.begin_file()
            await _paced(chunk.lines, publisher, pace)
        progress.published = publisher.published
        progress.behind = watch.behind(publisher.ranges)
        if progress.behind > AHEAD:
            await publisher.send()
            await watch.until_behind(publisher.ranges, AHEAD)
    await publisher.flush()
    progress.published = publisher.published


def _read(plan: ReplayPlan) -> Iterator[Chunk]:
    chunks = (chunk for source in plan.sources for chunk in read_chunks(source))
    return chunks if plan.shuffle_seed is None else shuffled(chunks, plan.shuffle_seed)


async def _next(chunks: Iterator[Chunk], publisher: LinePublisher) -> Chunk | None:
    """The next chunk, read in a thread: standard input may be slow, and the worker may share this loop."""
    reading = asyncio.create_task(asyncio.to_thread(next, chunks, None))
    done, _ = await asyncio.wait({reading}, timeout=LINGER_S)
    if not done:
        await publisher.send()
    return await reading


async def _paced(lines: Sequence[bytes], publisher: LinePublisher, pace: Pace) -> None:
    clock = time.monotonic
    ready: list[bytes] = []
    for line in lines:
        wait = pace.due(time_of_line(line), clock())
        if wait > LINGER_S / 2:
            await publisher.add(ready)
            await publisher.send()
            ready = []
            await asyncio.sleep(wait)
        ready.append(line)
    await publisher.add(ready)


async def _follow(progress: Progress, publisher: LinePublisher, watch: LedgerWatch) -> None:
    while True:
        progress.behind = watch.behind(publisher.ranges)
        await asyncio.sleep(0.2)


def _stretched(ranges: Mapping[int, Range], before: Mapping[int, int], now: Mapping[int, int]) -> dict[int, Range]:
    """The replay's ranges up to the log's ends of now, where the calls stand that the meter moved."""
    return {
        partition: Range(ranges[partition].first if partition in ranges else before[partition], end)
        for partition, end in now.items()
        if end > before[partition]
    }


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop without waiting for what a stopped replay still had in work."""
    from streams.publish.discard import discard

    await discard(producer)
