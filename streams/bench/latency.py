"""From `publish()` in a router's process to a SELECT that returns the call, through the worker's ClickHouse endpoint.

    router process   Publisher.publish() at an even rate; notes each call's id and the moment before `publish()`
    worker process   `EmbeddedSystem` with its default settings
    this process     asks the endpoint every `POLL_S` which inserts can be seen, and notes when the answer came

An insert is one block and becomes visible as a whole; all its rows have the same `ingested_at`. A call's delay is the
moment at which an answer first showed its insert, minus the moment before its `publish()`: polling is included.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np

from streams.bench.process import child
from streams.ledger.client import DATABASE

POLL_S = 0.02
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish to visible; `calls` were measured, at `rate` calls a second."""

    p50: float
    p99: float
    worst: float
    calls: int
    rate: float


async def measure(rate: float, seconds: float, agents: int) -> Latency:
    """Publish for `seconds` and wait until every call is seen. Raises TimeoutError when some never are."""
    root = Path(tempfile.mkdtemp(prefix="spendstream-bench-"))
    try:
        async with child("streams.bench.serve", str(root / "system")) as worker:
            assert worker.stdout is not None
            where: dict[str, str] = json.loads(await asyncio.wait_for(worker.stdout.readline(), 60))
            out = root / "published.tsv"
            arguments = (where["broker"], str(rate), str(seconds), str(agents), str(out))
            async with child("streams.bench.router", *arguments) as router, aiohttp.ClientSession() as session:
                seen = await _watch(session, where["clickhouse"], router, round(rate * seconds))
                published = await asyncio.to_thread(out.read_text)
                delays = await _delays(session, where["clickhouse"], seen, published)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    p50, p99, worst = np.percentile(delays, [50, 99, 100]).tolist()
    return Latency(round(p50, 1), round(p99, 1), round(worst, 1), len(delays), rate)


async def _watch(
    session: aiohttp.ClientSession, address: str, router: asyncio.subprocess.Process, calls: int
) -> dict[int, int]:
    """When (epoch ns) each insert, named by its `ingested_at` in ms, was first seen."""
    seen: dict[int, int] = {}
    held = newest = 0
    deadline: float | None = None
    while held < calls:
        answer = await ask(
            session, address,
            "SELECT toUnixTimestamp64Milli(ingested_at) AS at, count() FROM calls "
            f"WHERE ingested_at > fromUnixTimestamp64Milli({newest}) GROUP BY at ORDER BY at",
        )  # fmt: skip
        now = time.time_ns()
        for at, count in answer:
            newest = int(at)
            seen[newest] = now
            held += int(count)
        if router.returncode is not None and deadline is None:
            if router.returncode != 0:
                raise RuntimeError(f"the router process ended with code {router.returncode}")
            deadline = time.monotonic() + _WAIT_S
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"{held} of {calls} calls were seen")
        await asyncio.sleep(POLL_S)
    await router.wait()
    return seen


async def _delays(session: aiohttp.ClientSession, address: str, seen: dict[int, int], moments: str) -> list[float]:
    published = {name: int(at) for name, at in (line.split("\t") for line in moments.splitlines())}
    rows = await ask(session, address, "SELECT id, toUnixTimestamp64Milli(ingested_at) FROM calls")
    return [(seen[int(at)] - published[name]) / 1e6 for name, at in rows]


async def ask(session: aiohttp.ClientSession, address: str, sql: str) -> list[list[str]]:
    """The rows of a query to an embedded ledger's endpoint, as text."""
    parameters = {"database": DATABASE}
    async with session.post(f"http://{address}/", params=parameters, data=f"{sql} FORMAT TSV") as answer:
        text = await answer.text()
        if answer.status != 200:
            raise RuntimeError(text[:500])
    return [line.split("\t") for line in text.splitlines()]
