"""Faults of workers: killed, paused, scaled, restarted, with clocks that jump."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from streams.ledger.client import Database
from tests.faults.kinds import Fault, Scale
from tests.faults.system import SESSION_S, System, Worker, until

CLOCK: Final = "tests.faults.clock"


async def killed(here: System, scale: Scale) -> None:
    """kill -9 at random moments under load; two workers, in turn."""
    million = 1_000_000 if scale.full else 0
    here.feed.flow(scale.rate)
    await here.flowing()
    for at in range(scale.times(4, 100)):
        await asyncio.sleep(here.random.uniform(0.1, 1.5))
        await here.workers[at % len(here.workers)].kill()
        await here.recovered()
    await until(lambda: len(here.traffic.calls) >= million, 3600)


async def paused(here: System, scale: Scale) -> None:
    """SIGSTOP for longer than the session: another worker takes over, and the zombie wakes up in mid-work."""
    here.feed.flow(scale.rate)
    await here.flowing()
    await all_work(here)
    for at in range(scale.times(1, 5)):
        zombie = here.workers[at % 2]
        await asyncio.sleep(here.random.uniform(0.3, 1.0))
        held = await owned(here, zombie)
        assert held, "the worker to be paused holds nothing"
        zombie.pause()
        await asyncio.sleep(SESSION_S + 2)
        async with asyncio.timeout(60):
            while await owned(here, zombie):  # noqa: ASYNC110 (only the ledger knows)
                await asyncio.sleep(0.2)
        await asyncio.sleep(scale.seconds(1, 10))
        zombie.resume()
        await here.recovered()
        await all_work(here)


async def scaled(here: System, scale: Scale) -> None:
    """1 -> 4 -> 2 workers while calls flow."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 5)):
        for _ in range(3):
            here.add_worker()
        await all_work(here)
        await here.recovered()
        for worker in here.workers[-2:]:
            assert await worker.stop() == 0
        del here.workers[-2:]
        await here.recovered()
        while len(here.workers) > 1 and scale.full:
            assert await here.workers.pop().stop() == 0


async def rolled(here: System, scale: Scale) -> None:
    """A deployment: each worker is stopped gracefully and started again, one after the other."""
    here.feed.flow(scale.rate)
    await here.flowing()
    await all_work(here)
    for _ in range(scale.times(1, 5)):
        for worker in list(here.workers):
            assert await worker.stop() == 0
            worker.start()
            await here.recovered()


async def clock_jumps(here: System, scale: Scale) -> None:
    """The worker's clock jumps an hour ahead, a day back, a month ahead, and is right again."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for jump_s in (3600, -86_400, 31 * 86_400, 0):
        clock_file(here).write_text(str(jump_s))
        await asyncio.sleep(2)
        await here.recovered()
        if jump_s == -86_400:
            await here.workers[0].kill()  # and it begins with a wrong one
            await here.recovered()


def clock_file(here: System) -> Path:
    """Where workers that were started through `tests.faults.clock` read how far their clock is off."""
    return here.site.root / "clock"


async def owned(here: System, worker: Worker) -> set[int]:
    """The partitions that are this worker's by the ledger's epochs."""

    def ask() -> set[int]:
        database = Database(here.ledger_url)
        try:
            rows = database.rows("SELECT partition, argMax(worker, epoch) FROM epochs GROUP BY partition")
        finally:
            database.close()
        return {int(partition) for partition, name in rows if name == worker.name}

    return await asyncio.to_thread(ask)


async def all_work(here: System, timeout_s: float = 60.0) -> None:
    """Wait until each worker owns a partition."""
    async with asyncio.timeout(timeout_s):
        while not all([await owned(here, worker) for worker in here.workers]):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


FAULTS: Final = (
    Fault("worker killed", "kill -9 of one of two workers, at random moments", killed, workers=2),
    Fault("worker paused", "SIGSTOP for longer than the session; the zombie wakes up in mid-work", paused, workers=2),
    Fault("workers scaled", "1 → 4 → 2 workers while calls flow", scaled, partitions=8),
    Fault("workers rolled", "graceful stop and start of each of two workers", rolled, workers=2),
    Fault(
        "clock jumps",
        "a worker's clock 1 h ahead, 1 day back (and killed there), 31 days ahead, right again",
        clock_jumps,
        settings={"command": CLOCK},
    ),
)
