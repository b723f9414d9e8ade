"""Faults of ClickHouse: away, killed, slow, in error, full, cut off in the middle of an insert."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from streams.ledger.store import INSERT_MARK
from tests.faults.kinds import Fault, Scale
from tests.faults.system import System, until

MORE_MEMORY: Final = 300 << 20
"""What a worker may take more during an outage, in bytes: a flush in work, one that fills, eight fetched batches a
partition, and what the allocator keeps."""

NOT_ENOUGH_SPACE: Final = 243
ROOM: Final = 1 << 30
"""Bytes of the disk that is to be full: several times what a fault's calls take."""


async def away(here: System, scale: Scale) -> None:
    """kill -9 of the server; back after minutes. Memory stays bounded meanwhile, and the backlog is worked off."""
    here.feed.flow(scale.rate)
    await here.flowing()
    await asyncio.sleep(2)
    for _ in range(scale.times(1, 2)):
        before = memory(here)
        here.ledger.kill()
        most = 0
        for _ in range(int(scale.seconds(15, 300))):
            await asyncio.sleep(1)
            most = max(most, memory(here))
        await asyncio.to_thread(here.ledger.start)
        await here.recovered()
        assert most - before < MORE_MEMORY, f"{(most - before) >> 20} MiB more while the ledger was away"
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def killed(here: System, scale: Scale) -> None:
    """kill -9 of the server at random moments, and back at once."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(2, 20)):
        await asyncio.sleep(here.random.uniform(0.2, 1.0))
        here.ledger.kill()
        await asyncio.to_thread(here.ledger.start)
        await here.recovered()


async def slow(here: System, scale: Scale) -> None:
    """Every statement takes a second longer."""
    here.feed.flow(scale.rate)
    await here.flowing()
    here.ledger.order(delay_s=1.0)
    await asyncio.sleep(scale.seconds(6, 60))
    here.ledger.order()
    await here.recovered()


async def errors(here: System, scale: Scale) -> None:
    """Inserts are answered with errors that pass: too many parts, no memory, read-only, time-out, a full disk."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for code in (252, 241, 242, 159, 243, 75) * scale.times(1, 5):
        here.ledger.order(code=code, times=3)
        await until(lambda: here.ledger.met() >= 3)
        here.ledger.order()
        await here.recovered()
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def full(here: System, scale: Scale) -> None:
    """The disk is full, to the last byte, until somebody makes room."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 3)):
        before = here.ledger.refused(NOT_ENOUGH_SPACE)
        here.ledger.fill()
        await asyncio.sleep(scale.seconds(5, 60))
        assert here.ledger.refused(NOT_ENOUGH_SPACE) > before
        here.ledger.clear()
        await here.recovered()
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def answer_lost(here: System, scale: Scale) -> None:
    """The insert happens, its answer does not arrive: by the server, and by the network."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for at in range(scale.times(6, 100)):
        if at % 2:
            here.ledger.order(lose=True, times=1)
            await until(lambda: here.ledger.met() > 0)
            here.ledger.order()
        else:
            lost = here.proxy.lost
            here.proxy.lose_answer(INSERT_MARK.encode())
            await until(lambda: here.proxy.lost > lost)  # noqa: B023 (awaited here)
        await here.recovered()
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def cut(here: System, scale: Scale) -> None:
    """The network between worker and ledger: connections are reset and refused, later all is well."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(3, 20)):
        await asyncio.sleep(here.random.uniform(0.1, 0.6))
        here.proxy.cut()
        await asyncio.sleep(here.random.uniform(0.2, 2.0))
        here.proxy.mend()
        await here.recovered()
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def half_open(here: System, scale: Scale) -> None:
    """Connections that stay open and carry nothing, in the middle of inserts too."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 3)):
        await asyncio.sleep(here.random.uniform(0.1, 0.6))
        here.proxy.hang()
        await asyncio.sleep(scale.seconds(5, 90))
        here.proxy.mend()
        await here.recovered()
    assert not here.workers[0].own_ends, here.workers[0].own_ends


async def latency(here: System, scale: Scale) -> None:
    """A long way: 100 ms for each piece of data, there and back."""
    here.feed.flow(scale.rate)
    await here.flowing()
    here.proxy.delay_s = 0.1
    await asyncio.sleep(scale.seconds(5, 30))
    await here.recovered()
    here.proxy.delay_s = 0.0


def memory(here: System) -> int:
    """Resident bytes of the first worker."""
    life = here.workers[0].life
    assert life is not None
    for line in Path(f"/proc/{life.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


FAULTS: Final = (
    Fault("ledger away", "kill -9 of ClickHouse, back after 5 minutes (short form: 15 s)", away),
    Fault("ledger killed", "kill -9 of ClickHouse at random moments, back at once", killed),
    Fault("ledger slow", "every statement takes a second longer", slow),
    Fault("ledger in error", "inserts answered with 252, 241, 242, 159, 243, 75, three times each", errors),
    Fault("ledger's disk full", "no byte left on ClickHouse's disk for a minute (short form: 5 s)", full, room=ROOM),
    Fault("answer lost", "the insert is done, the connection is cut before its answer", answer_lost),
    Fault("ledger cut off", "connections reset and refused at random moments", cut),
    Fault("ledger half-open", "connections stay open and carry nothing", half_open),
    Fault("ledger far away", "100 ms for each piece of data, both ways", latency),
)
