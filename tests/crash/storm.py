"""The storm: calls are published without a break while worker after worker dies, each in a way that is known.

Kinds of lives; each but `drain` ends before its work is done, and the next one starts at once:
    point:NAME   dies at a named kill point, the second to fifth time it gets there
    random       kill -9 at a random moment after it wrote rows
    startup      kill -9 while it takes partitions over, before it read anything
    waiting      kill -9 while it waits for a broker that does not answer, with rows inserted and not acknowledged
    unflushed    kill -9 with calls taken that its flush timer has not written
    interrupted  SIGTERM, and kill -9 during the graceful stop
    graceful     SIGTERM and nothing else
    drain        lives until all is acknowledged, then SIGTERM
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from streams import killpoints, topics
from streams.embedded.broker import Broker
from streams.embedded.directory import Layout, own
from streams.kafka_admin import ensure_topics, topic_spec
from tests.crash.outside import Feeder, committed, feeder, log_ends
from tests.crash.traffic import Traffic
from tests.crash.worker_process import Life, Site, start_life

PARTITIONS: Final = 4
GROUP: Final = "spendstream"
SEED: Final = 20_260_302
DEATH_S: Final = 60.0
STOP_S: Final = 20.0
"""A graceful stop writes one flush and leaves: a second or two. Worker.stop itself gives up on Faust after 30."""
DRAIN_S: Final = 300.0


@dataclass(slots=True)
class Death:
    """How a life ended and what it had done. Offsets are by partition."""

    kind: str
    code: int
    marker: str
    """What the kill point wrote."""
    starts: dict[int, int]
    """Where the ledger let it go on; empty when it died before it knew."""
    epochs: dict[int, int]
    repeated: dict[int, int]
    """Cells whose usage it said again at its start."""
    published: dict[int, int]
    """What the broker was known to hold a moment before the end (end offsets, without moved calls)."""
    seen: dict[str, float] = field(default_factory=dict)
    """Metrics just before the end, where they were asked."""
    committed: dict[int, int] = field(default_factory=dict)
    """The group's offsets after a graceful end."""


class Storm:
    """See the module."""

    def __init__(self, site: Site, feed: Feeder, traffic: Traffic, calls: int, lives: int, trickle_s: float) -> None:
        """`lives`: how many are planned; `calls`: distinct calls to publish in all of them.

        Half of a life's share of the calls waits for it, the other half comes over `trickle_s` seconds.
        """
        self._site = site
        self._feeder = feed
        self._traffic = traffic
        self._calls = calls
        self._share = calls * 9 // 10 // lives
        self._trickle_s = trickle_s
        self._random = random.Random(SEED)
        self.deaths: list[Death] = []

    async def live(self, kind: str) -> None:
        """One life of a kind, to its end."""
        name, _, point = kind.partition(":")
        settings: dict[str, Any] = self._habits()
        kill_point = ""
        if name == "point":
            kill_point = f"{point}:{self._random.randint(2, 3 if point.startswith('commit') else 5)}"
        if name == "unflushed":
            settings = {"flush_seconds": 60, "flush_calls": 100_000}
        if name == "waiting":
            settings = {"flush_seconds": 0.1, "flush_calls": 200, "fetch_records": 100}
        if name != "drain":
            await self._feeder.feed(self._share // 2)
        life = start_life(self._site, len(self.deaths), kind, kill_point=kill_point, **settings)
        try:
            await getattr(self, f"_live_{name}")(life)
        finally:
            if not life.dead:
                life.process.kill()
                life.process.wait()

    def _habits(self) -> dict[str, Any]:
        """Settings differ from life to life: the same ledger must come of all of them."""
        return self._random.choice(
            (
                {},
                {"flush_calls": 500, "fetch_records": 200, "flush_seconds": 0.1},
                {"flush_calls": 2000, "fetch_records": 500},
                # Windows that hold a fraction of the calls: copies and sums must be asked of the ledger.
                {"dedupe_window_calls": 4 * 1000, "usage_cells": 4 * 1000, "fetch_records": 1000},
            )
        )

    # -- kinds of lives ------------------------------------------------------------------------------------------

    async def _live_point(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        async with self._trickle():
            code = await life.gone(DEATH_S, self._more)
        self._died(life, code)

    async def _live_random(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        async with self._trickle(2 * self._trickle_s):
            await self._rows_written(life)
            await asyncio.sleep(self._random.uniform(0, self._trickle_s * 0.6))
            await self._kill(life, await life.metrics())

    async def _live_startup(self, life: Life) -> None:
        taken = self._random.randint(0, PARTITIONS)
        await life.until(lambda: bool(life.http) and len(life.starts) >= taken, "takeover")
        await asyncio.sleep(self._random.uniform(0, 0.05))
        await self._kill(life, {})

    async def _live_waiting(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        async with self._trickle():
            await self._rows_written(life)
            for _ in range(20):
                with _paused(self._site.root):
                    before: dict[str, float] = {}
                    while (seen := await life.metrics()) != before:
                        before = seen
                        await asyncio.sleep(0.5)
                    # Taken and long due, but not acknowledged: a flush stands before the broker.
                    if seen["spendstream_records_total"] > seen["spendstream_ledger_rows_total"]:
                        await self._kill(life, seen)
                        return
                await self._feeder.feed(self._share // 10)
            raise AssertionError(f"{life}: twenty pauses of the broker found no flush in work\n{life.tail()}")

    async def _live_unflushed(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        taken_before: float = 0
        while (taken := (await life.metrics()).get("spendstream_records_total", 0)) == 0 or taken != taken_before:
            assert not life.dead, f"{life}: ended by itself with {life.code}\n{life.tail()}"
            taken_before = taken
            await asyncio.sleep(0.3)
        await self._kill(life, await life.metrics())

    async def _live_interrupted(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        async with self._trickle():
            await self._rows_written(life)
            life.process.terminate()
            await asyncio.sleep(self._random.uniform(0, 0.05))
            await self._kill(life, {})

    async def _live_graceful(self, life: Life) -> None:
        await life.ready(PARTITIONS)
        async with self._trickle():
            await self._rows_written(life)
            await asyncio.sleep(self._random.uniform(0, 0.5))
            seen = await life.metrics()
            life.process.terminate()
            code = await life.gone(STOP_S)
        self._died(life, code, seen)
        self.deaths[-1].committed = await committed(self._site.broker_url, GROUP)

    async def _live_drain(self, life: Life) -> None:
        await self._feeder.feed(self._calls - len(self._traffic.calls))
        await life.ready(PARTITIONS)
        deadline = time.monotonic() + DRAIN_S
        while await committed(self._site.broker_url, GROUP) != await log_ends(
            self._site.broker_url, topics.CALLS, PARTITIONS
        ):
            assert not life.dead, f"{life}: ended by itself with {life.code}\n{life.tail()}"
            assert time.monotonic() < deadline, f"{life}: not done within {DRAIN_S:.0f} s\n{life.tail()}"
            await asyncio.sleep(0.5)
        life.process.terminate()
        code = await life.gone(STOP_S)
        self._died(life, code)
        self.deaths[-1].committed = await committed(self._site.broker_url, GROUP)

    # -- helpers -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _trickle(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Publish the second half of the share meanwhile; it goes on after the worker's death."""
        feeding = asyncio.create_task(self._feeder.feed(self._share - self._share // 2, seconds or self._trickle_s))
        try:
            yield
        finally:
            await feeding

    async def _more(self) -> None:
        """A little more, so that a slow machine's worker also gets to its kill point (never the last tenth of all)."""
        if len(self._traffic.calls) < self._calls - self._share // 2:
            await self._feeder.feed(max(1, self._share // 100), 0.05)

    async def _rows_written(self, life: Life) -> None:
        deadline = time.monotonic() + DEATH_S
        while (await life.metrics()).get("spendstream_ledger_rows_total", 0) == 0:
            assert not life.dead, f"{life}: ended by itself with {life.code}\n{life.tail()}"
            assert time.monotonic() < deadline, f"{life}: wrote nothing in {DEATH_S:.0f} s\n{life.tail()}"
            await asyncio.sleep(0.02)

    async def _kill(self, life: Life, seen: dict[str, float]) -> None:
        published = dict(self._feeder.ends)
        await life.kill()
        self._died(life, -signal.SIGKILL, seen, published)

    def _died(
        self, life: Life, code: int, seen: dict[str, float] | None = None, published: dict[int, int] | None = None
    ) -> None:
        marker = life.marker.read_text("utf-8").strip() if life.marker.exists() else ""
        self.deaths.append(
            Death(
                kind=life.kind,
                code=code,
                marker=marker,
                starts=life.starts if len(life.starts) == PARTITIONS else {},
                epochs=life.epochs,
                repeated=life.repeated,
                published=published or dict(self._feeder.ends),
                seen=seen or {},
            )
        )


@contextlib.contextmanager
def _paused(root: Path) -> Iterator[None]:
    """The broker stands still: connections stay, answers do not come."""
    pid = int(Layout(root).broker_lock.read_text("ascii").split()[1])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def landed(deaths: list[Death], at: int) -> bool:
    """Whether death number `at` came in mid-work: rows had been written, and records were left that were not.

    Told by the next life that got as far as a takeover: where the ledger let it go on.
    """
    here = deaths[at]
    after = next((death.starts for death in deaths[at + 1 :] if death.starts), {})
    return bool(
        here.starts
        and after
        and sum(after.values()) > sum(here.starts.values())
        and any(end > after[partition] for partition, end in here.published.items())
    )


def plan(full: bool) -> list[str]:
    """The lives before `drain`, in a seeded order; the short plan has every kind of death once, three random ones."""
    points = [f"point:{point}" for point in killpoints.POINTS]
    lives = [*points, "random", "random+startup", "random", "waiting", "unflushed", "interrupted", "graceful"]
    if full:
        lives += [*points, "random", "random", "random+startup+startup", "waiting", "interrupted", *["graceful"] * 2]
    random.Random(SEED).shuffle(lives)
    return [kind for group in lives for kind in group.split("+")]


@asynccontextmanager
async def storm(root: Path, calls: int, *, full: bool) -> AsyncIterator[tuple[Storm, Traffic, Site]]:
    """Run the whole storm on an empty directory; the broker lives on until the context ends."""
    with own(root) as owned:
        broker = Broker(owned.layout, save_s=0.1)  # nobody needs the topics afterwards
        site = Site(root, await broker.start(), PARTITIONS)
        try:
            # The worker would create them too; here the traffic is there first.
            await ensure_topics(
                site.broker_url,
                [
                    topic_spec(topics.CALLS, PARTITIONS, retention_ms=-1, log_append_time=True),
                    topic_spec(topics.USAGE, PARTITIONS, retention_ms=-1),
                ],
            )
            traffic = Traffic(SEED, PARTITIONS)
            lives = plan(full)
            async with feeder(site.broker_url, traffic) as feed:
                running = Storm(site, feed, traffic, calls, len(lives), 2.5 if full else 1.5)
                for kind in lives:
                    await running.live(kind)
                await _again_until_landed(running, lives.count("random"))
                await running.live("drain")
            yield running, traffic, site
        finally:
            await broker.stop()


async def _again_until_landed(running: Storm, wanted: int) -> None:
    """Random kills may fall into a pause; that many must have come in mid-work."""
    for _ in range(2 * wanted):
        hits = sum(landed(running.deaths, at) for at, death in enumerate(running.deaths) if death.kind == "random")
        if hits >= wanted:
            return
        await running.live("random")
        await running.live("graceful")
