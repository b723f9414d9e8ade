"""How long a worker that was killed takes to know again all that it knew: identities, usage, the state of every agent.

    first life    an embedded system meters calls of many agents and watches them, until a checkpoint holds them all
    kill -9       of its process
    second life   the same directory; the clock runs from before the process is started until it reads its partitions
                  and the watcher has every agent's state again

The directory's broker is started anew as well: its time is in the figure.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from streams import topics
from streams.bench.ground import PARTITIONS
from streams.bench.latency import ask
from streams.bench.load import Load, records
from streams.bench.process import child
from streams.bench.topic import fill

_WAIT_S = 600.0
_POLL_S = 0.5
_SETTLED_S = 10
"""Seconds from the last call's ingestion to a checkpoint that knows it: the watcher is behind by a second or two."""
_SINCE = "SELECT dateDiff('second', (SELECT max(ingested_at) FROM calls), (SELECT max(written_at) FROM watch_state))"


@dataclass(frozen=True, slots=True)
class Recovery:
    """`seconds`: from the start of the process until all is known; `cpu_s`: what its process (broker apart) used until
    then; `agents`: whose state the watcher has; `known_agents`: whose state the killed one had written.
    """

    seconds: float
    cpu_s: float
    agents: int
    known_agents: int
    calls: int


async def measure(load: Load, start_ms: int) -> Recovery:
    """Fill, kill, start again. Raises TimeoutError when the state of all agents is never written."""
    root = Path(tempfile.mkdtemp(prefix="spendstream-bench-"))
    try:
        async with child("streams.bench.serve", str(root / "system")) as worker, aiohttp.ClientSession() as session:
            where = await _line(worker)
            calls = await fill(where["broker"], topics.CALLS, PARTITIONS, records(load, start_ms))
            known = await _written(session, where["clickhouse"], calls)
            worker.kill()
            await worker.wait()
        began = time.perf_counter()
        async with child("streams.bench.serve", str(root / "system")) as worker:
            await _line(worker)
            watched = await _line(worker)
            seconds = time.perf_counter() - began
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return Recovery(round(seconds, 2), round(watched["cpu_s"], 2), watched["agents"], known, calls)


async def _line(worker: asyncio.subprocess.Process) -> dict[str, Any]:
    assert worker.stdout is not None
    said: dict[str, Any] = json.loads(await asyncio.wait_for(worker.stdout.readline(), 120))
    return said


async def _written(session: aiohttp.ClientSession, address: str, calls: int) -> int:
    """Wait until a checkpoint holds every agent of the ledger, or, since those that are long quiet may be forgotten,
    until one was written well after the last call; how many agents it holds.
    """
    async with asyncio.timeout(_WAIT_S):
        while True:
            [[metered, agents]] = await ask(session, address, "SELECT count(), uniqExact(agent_id) FROM calls")
            [[written]] = await ask(
                session,
                address,
                "SELECT uniqExact(key) FROM watch_state WHERE startsWith(key, 'root/') AND state != ''",
            )
            [[since]] = await ask(session, address, _SINCE)
            if int(metered) == calls and (int(written) >= int(agents) or int(since) >= _SETTLED_S):
                return int(written)
            await asyncio.sleep(_POLL_S)
