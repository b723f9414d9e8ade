"""Feeds a worker that drains, and stays at most `AHEAD` calls before it.

So its backlog, and with it its memory, is what it is in operation: the embedded broker hands a whole backlog over in
one fetch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from streams.bench.load import Load, LoadRecord, records
from streams.bench.process import contend
from streams.bench.spec import Result, Task
from streams.bench.topic import fill

AHEAD = 100_000
STEP = 25_000


async def drain_fed(task: Task, load: Load, start_ms: int) -> Result:
    """Run `task` (with marks) while the load is published step by step."""
    done = 0
    moved = asyncio.Event()

    def progress(calls: int) -> None:
        nonlocal done
        done = calls
        moved.set()

    async def publish(source: Iterator[LoadRecord]) -> None:
        published = 0
        while published < load.calls:
            while published - done >= AHEAD:
                moved.clear()
                await moved.wait()
            published += await fill(task.bootstrap, task.topic, task.partitions, islice(source, STEP))

    feeding = asyncio.create_task(publish(records(load, start_ms)))
    try:
        return await contend(task, progress)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
