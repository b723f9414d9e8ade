"""A whole Spendstream under test: brokers, a ledger behind a proxy, supervised workers, routers.

    async with system(root, kafka, ledger, workers=2) as here:
        here.feed.flow(2000)
        await here.workers[0].kill()
        await here.recovered()      # noted: seconds until all that was sent before the fault is in the ledger
    assert here.verdict.ok

A worker that ends, by a fault of the test or by itself, is started again at once, as a supervisor does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient

from streams import topics
from streams.errors import LedgerError, Unavailable
from streams.kafka_admin import ensure_topics, topic_spec
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from tests.crash.outside import committed, log_ends
from tests.crash.traffic import Mix, Traffic
from tests.crash.worker_process import SPENDSTREAM, Life, Site, start_life
from tests.faults.feed import Feed
from tests.faults.ledger import LedgerServer
from tests.faults.proxy import Proxy
from tests.faults.truth import Verdict, judge
from tests.kafka.cluster import Cluster

SESSION_S: Final = 6
READY_S: Final = 90.0
CATCH_UP_S: Final = 240.0
SEED: Final = 7_031

_numbers = count(1)


class Worker:
    """A worker that is kept running: a new life follows each that ends."""

    def __init__(self, here: System, name: str, settings: dict[str, Any]) -> None:
        self._here = here
        self.name = name
        self.settings = settings
        self.life: Life | None = None
        self.lives = 0
        self.own_ends: list[str] = []
        """How lives ended that no test ended: the end of their logs."""
        self._wanted = False
        self._killing = False
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it from now on."""
        self._wanted = True
        self._begin()
        self._keeper = asyncio.create_task(self._keep())

    def _begin(self) -> None:
        self.lives += 1
        settings = {"worker_id": self.name, "data_dir": self._here.site.root / self.name, **self.settings}
        module = settings.pop("command", None)
        command = [sys.executable, "-m", module, str(self._here.site.root / "clock")] if module else SPENDSTREAM
        self.life = start_life(self._here.site, self._here.next_life(), self.name, command=command, **settings)

    async def _keep(self) -> None:
        while self._wanted:
            await asyncio.sleep(0.1)
            assert self.life is not None
            if self.life.dead and self._wanted:
                if not self._killing:
                    self.own_ends.append(f"code {self.life.code}: {_reason(self.life)}")
                self._killing = False
                self._begin()

    async def kill(self) -> None:
        """kill -9; the next life begins at once."""
        assert self.life is not None
        self._killing = True
        await self.life.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        assert self.life is not None
        os.kill(self.life.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self.life is not None
        os.kill(self.life.process.pid, signal.SIGCONT)

    async def stop(self) -> int:
        """A graceful stop; its exit code."""
        self._wanted = False
        assert self.life is not None
        if self._keeper is not None:
            await self._keeper
        if self.life.dead:
            return self.life.code or 0
        self.life.process.terminate()
        return await self.life.gone(90)

    def destroy(self) -> None:
        """Leave nothing behind."""
        self._wanted = False
        if self._keeper is not None:
            self._keeper.cancel()
        if self.life is not None and not self.life.dead:
            self.life.process.kill()
            self.life.process.wait()


@dataclass
class System:
    """See the module."""

    name: str
    root: Path
    kafka: Cluster
    ledger: LedgerServer
    proxy: Proxy
    traffic: Traffic
    feed: Feed
    partitions: int
    usage_partitions: int
    settings: dict[str, Any]
    site: Site
    network: Proxy | None = None
    """Between workers and the first broker, where the fault wants it."""
    workers: list[Worker] = field(default_factory=list)
    injected: int = 0
    """How often the fault was done."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds, one for each fault that was waited out."""
    verdict: Verdict | None = None
    whole_log: bool = True
    """Whether the calls topic still holds all that was ever in it."""
    excused: range = range(0)
    """Calls that Kafka itself dropped before they were read."""
    random: random.Random = field(default_factory=lambda: random.Random(SEED))
    _lives: int = 0

    @property
    def ledger_url(self) -> str:
        """The ledger as the tests reach it: not through the proxy."""
        return f"{self.ledger.url}/{self.name}"

    def next_life(self) -> int:
        """A number for a worker's log file."""
        self._lives += 1
        return self._lives

    def add_worker(self, **settings: Any) -> Worker:
        """One more worker, started. `settings`: over the system's."""
        worker = Worker(self, f"{self.name}-w{len(self.workers) + 1}", {**self.settings, **settings})
        self.workers.append(worker)
        worker.start()
        return worker

    # -- looking -------------------------------------------------------------------------------------------------

    async def through(self) -> dict[int, int]:
        """Up to which offset (exclusive) the ledger holds each partition."""
        return await asyncio.to_thread(self._through)

    def _through(self) -> dict[int, int]:
        try:
            with contextlib.closing(Database(self.ledger_url, timeout_s=10)) as database:
                return {int(p): int(nxt) for p, _, nxt in database.rows(named_query("log_positions"))}
        except (Unavailable, LedgerError):
            return {}  # not there yet, or away

    async def reaches(self, ends: dict[int, int], timeout_s: float = CATCH_UP_S) -> None:
        """Wait until the ledger holds the log through these ends. AssertionError with the workers' last words."""
        deadline = time.monotonic() + timeout_s
        while True:
            through = await self.through()
            if all(through.get(partition, 0) >= end for partition, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"after {timeout_s:.0f} s the ledger holds {through} of {ends}\n{self.last_words()}"
                )
            await asyncio.sleep(0.1)

    def _calls(self) -> int:
        try:
            with contextlib.closing(Database(self.ledger_url, timeout_s=10)) as database:
                return int(database.rows("SELECT count() FROM intake WHERE outcome = 'call'")[0][0])
        except (Unavailable, LedgerError):
            return 0

    def last_words(self) -> str:
        """The ends of the workers' logs."""
        return "\n".join(f"{each.life}: {each.life.tail(12)}" for each in self.workers if each.life)

    async def flowing(self) -> None:
        """Wait until calls reach the ledger: workers have their partitions and work."""
        await self.reaches(dict(self.feed.ends) or {0: 1}, READY_S)

    async def recovered(self) -> float:
        """The fault is over: note the seconds until calls sent from now on are in the ledger, backlog and all."""
        began = time.monotonic()
        self.injected += 1
        before = self.feed.acknowledged
        await until(lambda: self.feed.acknowledged > before, CATCH_UP_S)
        wanted = self.feed.acknowledged - len(self.excused)
        await self.reaches(dict(self.feed.ends))
        while await asyncio.to_thread(self._calls) < wanted:  # positions of an earlier life of the topic say nothing
            assert time.monotonic() - began < CATCH_UP_S, f"{wanted} calls never came: {self.last_words()}"
            await asyncio.sleep(0.1)
        self.recoveries.append(time.monotonic() - began)
        return self.recoveries[-1]

    async def settled(self, timeout_s: float = CATCH_UP_S) -> None:
        """Wait until everything is in the ledger, published and acknowledged."""
        deadline = time.monotonic() + timeout_s
        while True:
            ends = await log_ends(self.kafka.bootstrap, topics.CALLS, self.partitions)
            offsets = await committed(self.kafka.bootstrap, self.settings["group_id"])
            if all(offsets.get(partition, 0) >= end for partition, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"after {timeout_s:.0f} s {offsets} of {ends} acknowledged\n{self.last_words()}")
            await asyncio.sleep(0.3)

    async def metric(self, name: str) -> float:
        """Sum of a metric over all workers that answer."""
        total = 0.0
        for worker in self.workers:
            if worker.life is not None and not worker.life.dead:
                worker.life.look()
                if worker.life.http:
                    total += (await worker.life.metrics()).get(name, 0.0)
        return total

    async def finish(self) -> Verdict:
        """Stop routers, wait for the workers' work, stop them gracefully, and judge what is there."""
        await self.feed.stop()
        await self.settled()
        codes = {worker.name: await worker.stop() for worker in self.workers}
        self.verdict = await judge(
            self.kafka.bootstrap, self.ledger_url, self.traffic, self.partitions, self.usage_partitions,
            whole_log=self.whole_log, excused=self.excused,
        )  # fmt: skip
        self.verdict.faults += [f"{name} stopped with code {code}" for name, code in codes.items() if code]
        return self.verdict


@asynccontextmanager
async def system(
    root: Path,
    kafka: Cluster,
    ledger: LedgerServer,
    *,
    workers: int = 1,
    partitions: int = 4,
    mix: Mix | None = None,
    network: Proxy | None = None,
    **settings: Any,
) -> AsyncIterator[System]:
    """A system on fresh topics and a fresh database. `settings`: of all workers; `network`: their way to Kafka."""
    name = f"faults_{next(_numbers)}"
    site = Site(root / name, f"127.0.0.1:{network.port}" if network else kafka.bootstrap, partitions)
    site.root.mkdir(parents=True)
    traffic = Traffic(SEED, partitions, mix)
    with Proxy(ledger.port) as proxy:
        common: dict[str, Any] = {
            "clickhouse_url": f"http://127.0.0.1:{proxy.port}/{name}",
            "group_id": name,
            "session_timeout_seconds": SESSION_S,
            "replication": min(3, len(kafka.nodes)),
            "partitions": partitions,
            **settings,
        }
        await fresh_topics(kafka, partitions)
        async with Feed(kafka.bootstrap, traffic) as feed:
            here = System(
                name, site.root, kafka, ledger, proxy, traffic, feed, partitions, partitions, common, site, network
            )
            try:
                for _ in range(workers):
                    here.add_worker()
                yield here
                await here.finish()
            finally:
                for worker in here.workers:
                    worker.destroy()


def _reason(life: Life) -> str:
    """Why a worker ended by itself: the first error that it logged, else its last words."""
    for line in life.log.read_text("utf-8", "replace").splitlines():
        if '"level": "error"' in line or line.startswith(("Traceback", "Error")):
            return line[:1500]
    return life.tail(6)


async def until(condition: Callable[[], bool], timeout_s: float = 120.0, pause_s: float = 0.02) -> None:
    """Wait until it holds. TimeoutError when it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is waited for is in other processes)
            await asyncio.sleep(pause_s)


async def fresh_topics(kafka: Cluster, partitions: int) -> None:
    """Empty topics: what was there is deleted first."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        there = [name for name in await admin.list_topics() if name.startswith("spendstream.")]
        if there:
            await admin.delete_topics(there)
        while set(there) & set(await admin.list_topics()):  # noqa: ASYNC110 (the broker tells nobody)
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    replicas = min(3, len(kafka.nodes))
    await ensure_topics(
        kafka.bootstrap,
        [
            topic_spec(
                topics.CALLS, partitions, replication_factor=replicas, retention_ms=-1, log_append_time=True,
                max_message_bytes=8 << 20,
            ),
            topic_spec(topics.USAGE, partitions, replication_factor=replicas, retention_ms=-1),
        ],
    )  # fmt: skip
