"""The watcher in real worker processes: the same incidents with one worker and with four, at full speed and mixed
within the detector's bound, and through kill -9 of the worker that watches, in the middle of an incident, with no
second `opened`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams import topics
from streams.embedded.broker import Broker
from streams.embedded.directory import own
from streams.ledger.client import Database
from streams.meter.route import key_of
from streams.recheck import recheck
from streams.recheck.differ import read_difference
from streams.watch.told import incidents_between
from tests.crash.worker_process import Life, Site, start_life
from tests.e2e.command import spendstream
from tests.faults.ledger import LedgerServer

pytestmark = pytest.mark.slow

PARTITIONS = 4
DISORDER_MS = 400
"""Below the detector's bound of 500."""


Line = tuple[int, bytes, bytes]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Line], int]:
    """(time, key, line) of the calls of a small simulated day, in order, and where the first runaway is half over."""
    root = tmp_path_factory.mktemp("day")
    made = ("simulate", "--seed", "7", "--days", "1", "--agents", "25")
    spendstream(*made, "--out", root / "calls.jsonl.gz", "--labels", root / "labels.jsonl", "--json")
    calls = []
    for line in gzip.decompress((root / "calls.jsonl.gz").read_bytes()).splitlines():
        call = json.loads(line)
        calls.append((int(call["time"]), key_of(call.get("run_id"), call["agent_id"]).encode(), line))
    calls.sort(key=lambda one: one[0])
    labels = [json.loads(line) for line in (root / "labels.jsonl").read_text().splitlines()]
    ids = min((label["call_ids"] for label in labels if label["label"] == "loop"), key=min)
    middle = f'"{sorted(ids)[len(ids) // 2]}"'.encode()
    return calls, next(at for at, (_, _, line) in enumerate(calls) if middle in line)


class Ledger:
    """A reader as commands have it, over a server."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def rows(self, sql: str, parameters: Any = None, settings: Any = None) -> list[list[Any]]:
        return [list(row) for row in self.database.rows(sql, parameters)]


@dataclass
class Here:
    """A broker, a ledger's server, workers."""

    site: Site
    ledger_url: str
    lives: list[Life] = field(default_factory=list)

    def begin(self, name: str) -> Life:
        life = start_life(
            self.site, len(self.lives) + 1, name, worker_id=name, clickhouse_url=self.ledger_url,
            data_dir=self.site.root / name, session_timeout_seconds=6, flush_calls=1000, flush_seconds=0.1,
        )  # fmt: skip
        self.lives.append(life)
        return life

    async def publish(self, calls: Sequence[Line]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.site.broker_url, max_batch_size=1 << 18)
        await producer.start()
        for _, key, line in calls:
            await producer.send(topics.CALLS, line, key=key)
        await producer.flush()
        await producer.stop()

    def ledger(self) -> Ledger:
        return Ledger(self.ledger_url)

    def stop(self) -> None:
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()


@asynccontextmanager
async def system(root: Path, workers: int) -> AsyncIterator[Here]:
    owned = own(root / "broker")
    broker = Broker(owned.layout)
    here: Here | None = None
    with LedgerServer(root / "server") as server:
        Database(f"{server.url}/watched", create=True).close()
        try:
            here = Here(Site(root, await broker.start(), PARTITIONS), f"{server.url}/watched")
            for number in range(workers):
                here.begin(f"worker-{number}")
                if not number:  # one makes tables and topics
                    await here.lives[0].until(lambda: bool(here.lives[0].http), "start")
            await until(lambda: taken(here) == PARTITIONS, "partitions", 60)
            yield here
        finally:
            if here is not None:
                here.stop()
            await broker.stop()
            owned.release()


def taken(here: Here) -> int:
    for life in here.lives:
        life.look()
    return len({partition for life in here.lives for partition in life.starts})


async def until(done: Callable[[], bool | Awaitable[bool]], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        answer = done()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        await asyncio.sleep(0.1)


async def watched(here: Here, calls: int, seconds: float = 120) -> None:
    """Wait until the ledger has all calls and the watcher has nothing in hand. Fails when nothing moves for `seconds`,
    with what each worker said last.
    """
    ledger = here.ledger()

    def how_far() -> tuple[bool, str]:
        [[count]] = ledger.rows("SELECT count() FROM calls")
        heads = {p: (i, o) for p, i, o in ledger.rows(
            "SELECT partition, max(incarnation), max(through) FROM intake GROUP BY partition"
        )}  # fmt: skip
        said = ledger.rows("SELECT argMax(state, version) FROM watch_state WHERE key = 'progress' GROUP BY key")
        progress: dict[str, Any] = json.loads(said[0][0]) if said else {"idle": False, "sources": {}}
        done = count >= calls and bool(progress["idle"]) and all(
            tuple(progress["sources"].get(str(p), (0, -1))) >= at for p, at in heads.items()
        )  # fmt: skip
        return done, f"{count} of {calls} calls in the ledger, through {heads}, watched {progress}"

    seen, moved = "", time.monotonic()
    while True:
        done, far = await asyncio.to_thread(how_far)
        if done:
            break
        if far != seen:
            seen, moved = far, time.monotonic()
        if time.monotonic() > moved + seconds:
            tails = "\n".join(
                f"-- {life} {'is dead' if life.dead else 'lives'}\n{life.tail(40)}" for life in here.lives
            )
            pytest.fail(f"nothing moved for {seconds:.0f} s: {far}\n{tails}")
        await asyncio.sleep(0.1)
    ledger.database.close()


def incidents(here: Here) -> list[dict[str, Any]]:
    ledger = here.ledger()
    found = recheck_of(here)
    difference = read_difference(ledger, found.incidents, None, found.as_of)  # type: ignore[arg-type]
    assert difference.same, difference.as_json()
    [[opened, doubled]] = ledger.rows(
        "SELECT countIf(change = 'opened'), count() - uniqExact(incident_id, number) FROM incident_events "
        "WHERE change != 'updated'"
    )
    told = incidents_between(ledger, 0, 2**42)
    assert opened == len(told) == len(found.incidents)
    assert doubled == 0
    ledger.database.close()
    return told


def recheck_of(here: Here) -> Any:
    """The canonical incidents, as the command finds them."""
    from streams.cli.reach import reach

    with reach(None, here.ledger_url) as ledger:
        return recheck(ledger)


def mixed(calls: Sequence[Line], seed: int) -> list[Line]:
    """The same calls out of order by less than the detector's bound."""
    chance = random.Random(seed)
    return sorted(calls, key=lambda one: one[0] + chance.uniform(0, DISORDER_MS))


def test_one_worker_and_four_find_the_canonical_incidents(day: tuple[list[Line], int], tmp_path: Path) -> None:
    async def found_with(workers: int, calls: Sequence[Line]) -> list[dict[str, Any]]:
        async with system(tmp_path / str(workers), workers) as here:
            await here.publish(calls)
            await watched(here, len(calls))
            return await asyncio.to_thread(incidents, here)

    one = asyncio.run(found_with(1, day[0]))
    four = asyncio.run(found_with(4, mixed(day[0], 3)))
    assert one == four
    assert {incident["kind"] for incident in one} >= {"loop"}


def test_kill_9_in_the_middle_of_an_incident(day: tuple[list[Line], int], tmp_path: Path) -> None:
    calls, middle = day

    async def main() -> list[dict[str, Any]]:
        async with system(tmp_path, 2) as here:
            ledger = here.ledger()

            def opened() -> int:
                return int(ledger.rows("SELECT count() FROM incident_events WHERE change = 'opened'")[0][0])

            async def some_open() -> bool:
                return await asyncio.to_thread(opened) >= 1

            await here.publish(calls[:middle])
            await until(some_open, "incident", 90)
            watcher = next(life for life in here.lives if "watch resumed" in life.tail(400) or "past" in life.tail(400))
            watcher.process.send_signal(signal.SIGKILL)
            watcher.process.wait()
            await here.publish(calls[middle:])
            here.begin(watcher.kind)
            await watched(here, len(calls), 180)
            ledger.database.close()
            return await asyncio.to_thread(incidents, here)

    assert asyncio.run(main())
