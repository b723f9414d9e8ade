"""Feeds a worker that drains, `STEP` calls at a time, and holds it still while the next ones are published.

So its backlog, and with it its memory, is what it is in operation (the embedded broker hands a whole backlog over in
one fetch), and what it costs to make and publish the load does not take the cores and caches that it is measured on:
in operation routers and brokers have machines of their own. A worker that is held does nothing at all (SIGSTOP), so
all that it does, background merges included, falls into its own time.
"""

from __future__ import annotations

import asyncio
import signal
from itertools import islice

from streams.bench.load import Load, records
from streams.bench.process import contend
from streams.bench.spec import Result, Task
from streams.bench.topic import fill

STEP = 100_000


async def drain_fed(task: Task, load: Load, start_ms: int) -> Result:
    """Run `task` (with marks) while the load is published step by step."""
    done = 0
    moved = asyncio.Event()
    worker: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()

    def progress(calls: int) -> None:
        nonlocal done
        done = calls
        moved.set()

    async def publish() -> None:
        source = records(load, start_ms)
        process = await worker
        published = 0
        while published < load.calls:
            process.send_signal(signal.SIGSTOP if published else signal.SIGCONT)
            published += await fill(task.bootstrap, task.topic, task.partitions, islice(source, STEP))
            process.send_signal(signal.SIGCONT)
            while done < published:
                moved.clear()
                await moved.wait()

    feeding = asyncio.create_task(publish())
    try:
        return await contend(task, progress, worker.set_result)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
