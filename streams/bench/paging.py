"""From `publish()` of the call that crosses a limit to the page at the receiver of a signed webhook.

    router process   a load at an even rate, so that pages are not the only work
    worker process   the embedded system with detection on, and a policies file that routes everything to one webhook
    this process     publishes loops, one after the other at odd moments, and receives the webhooks

Which call crossed the limit is what the incident says (`opened_by`). A page's delay is the moment its request was
there, minus the moment before that call's `publish()`.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import numpy as np
from aiohttp import web

from streams.bench.latency import ask
from streams.bench.process import child
from streams.publish import Publisher

LOOP_CALLS: Final = 12
LOOP_PAUSE_S: Final = 0.3
_WAIT_S: Final = 30.0
_POLICIES: Final = """
[channel.bench]
type = "webhook"
url = "http://127.0.0.1:{port}/"
secret = "file:{secret}"

[[route]]
channels = ["bench"]
"""
_OURS: Final = "SELECT incident_id, opened_by FROM incidents WHERE startsWith(agent_id, 'looper-') AND kind = 'loop'"


@dataclass(frozen=True, slots=True)
class Paging:
    """Milliseconds from publish to page. `loops` were published, `pages` came; `rate`: other calls a second."""

    p50: float
    p99: float
    worst: float
    pages: int
    loops: int
    rate: float


async def measure(loops: int, seconds: float, rate: float, agents: int) -> Paging:
    """Publish `loops` loops, each of a new agent, spread over `seconds`, beside `rate` calls a second of others."""
    root = Path(tempfile.mkdtemp(prefix="spendstream-bench-"))
    try:
        async with _receiver() as (port, pages):
            (root / "secret").write_text("s" * 32)
            (root / "policies.toml").write_text(_POLICIES.format(port=port, secret=root / "secret"))
            async with child("streams.bench.serve", str(root / "system"), str(root / "policies.toml")) as worker:
                assert worker.stdout is not None
                where: dict[str, str] = json.loads(await asyncio.wait_for(worker.stdout.readline(), 60))
                out = root / "published.tsv"
                arguments = (where["broker"], str(rate), str(seconds), str(agents), str(out))
                async with child("streams.bench.router", *arguments) as router:
                    moments = await _loops(where["broker"], loops, seconds)
                    await asyncio.wait_for(router.wait(), seconds + _WAIT_S)
                opened = await _opened(where["clickhouse"], loops, pages)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    delays = [(pages[incident] - moments[call]) / 1e6 for incident, call in opened.items()]
    p50, p99, worst = np.percentile(delays, [50, 99, 100]).tolist()
    return Paging(round(p50, 1), round(p99, 1), round(worst, 1), len(delays), loops, rate)


@asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[int, dict[str, int]]]:
    """A port, and when (epoch ns) the page of each incident came."""
    pages: dict[str, int] = {}

    async def take(request: web.Request) -> web.Response:
        now = time.time_ns()
        notice = await request.json()
        if notice["change"] == "opened":
            pages.setdefault(notice["labels"]["incident"], now)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1], pages
    finally:
        await runner.cleanup()


async def _loops(bootstrap: str, loops: int, seconds: float) -> dict[str, int]:
    """When (epoch ns) each call of the loops was about to be published, by id."""
    moments: dict[str, int] = {}
    odd = random.Random(1)

    async def loop(publisher: Publisher, number: int, start_s: float) -> None:
        await asyncio.sleep(start_s)
        for at in range(LOOP_CALLS):
            id_, now = f"loop-{number}-{at}", time.time_ns()
            call = {
                "id": id_, "time": now // 1_000_000, "agent_id": f"looper-{number}", "run_id": f"loop-run-{number}",
                "provider_name": "openai", "request_model": "gpt-4.1-mini", "request_fingerprint": f"same-{number}",
                "input_tokens": 3_000 + number, "output_tokens": 20, "status": "ok",
            }  # fmt: skip
            publisher.publish(call)
            moments[id_] = now
            await asyncio.sleep(LOOP_PAUSE_S)

    async with Publisher(bootstrap, source="bench") as publisher, asyncio.TaskGroup() as all_of_them:
        for number in range(loops):
            all_of_them.create_task(loop(publisher, number, odd.uniform(0, seconds)))
    return moments


async def _opened(address: str, loops: int, pages: dict[str, int]) -> dict[str, str]:
    """Of each incident of ours whose page came: the call that opened it. Waits for what is still on its way."""
    deadline = time.monotonic() + _WAIT_S
    async with aiohttp.ClientSession() as session:
        while True:
            rows = await ask(session, address, _OURS)
            opened = {id_: call for id_, call in rows if id_ in pages}
            if len(opened) >= loops:
                return opened
            if time.monotonic() > deadline:
                if not opened or len(opened) < len(rows):
                    raise TimeoutError(f"of {loops} loops {len(rows)} became incidents, and {len(opened)} pages came")
                return opened
            await asyncio.sleep(0.2)
