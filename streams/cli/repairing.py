"""Where a repair works: broker, ledger to read, and who writes down what was done.

- a directory that nobody uses: everything in it is started for as long as the repair takes
- a directory that a worker runs: its broker and ledger, and it writes down (needs a token of scope admin, if any)
- no directory: your Kafka and ClickHouse by the settings; its user needs the right to insert
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.reach import DATABASE, HttpLedger
from streams.cli.target import READY_S, STOP_S
from streams.errors import NotPossible
from streams.http.ask import WorkerAddress
from streams.repair.marks import LedgerMarks, Marks, WorkerMarks

if TYPE_CHECKING:
    from streams.cli.reach import Ledger
    from streams.config import Settings
    from streams.ledger.client import Database


@dataclass(frozen=True, slots=True)
class Target:
    """`failed` returns or raises when the worker of this process stops; it never ends when there is none."""

    broker_url: str
    ledger: Ledger
    marks: Marks
    failed: Callable[[], Awaitable[None]]
    database: Callable[[], Database]
    """The ledger to write to; `UsageError` where a running worker owns it."""


@contextlib.asynccontextmanager
async def target(embedded: Path | None, settings: Settings) -> AsyncIterator[Target]:
    """See the module. What is started here is stopped at the end."""
    if embedded is None:
        from streams.ledger.client import Database

        url = settings.clickhouse_url.get_secret_value()
        database = await asyncio.to_thread(Database, url)
        try:
            yield Target(settings.broker_url, HttpLedger(url), LedgerMarks(database), never, lambda: database)
        finally:
            database.close()
        return
    from streams.embedded.directory import find_running

    running = find_running(embedded)
    if running is not None:
        worker = WorkerAddress(
            running.api, settings.token.get_secret_value(), tls=settings.http_tls_certificate is not None
        )
        yield Target(
            running.broker, HttpLedger(f"http://{running.clickhouse}/{DATABASE}"), WorkerMarks(worker), never, _owned
        )
        return
    from streams.cli.stopping import exit_within
    from streams.embedded.system import EmbeddedSystem

    system = EmbeddedSystem(embedded, settings.model_copy(update={"http_port": 0}))
    await system.start()
    try:
        await system.worker.wait_ready(READY_S)
        ledger = HttpLedger(f"http://{system.running.clickhouse}/{DATABASE}")
        yield Target(
            system.running.broker, ledger, LedgerMarks(system.database), system.stopped, lambda: system.database
        )
    finally:
        exit_within(STOP_S, "the embedded system did not stop")
        await system.stop()


def _owned() -> Database:
    raise NotPossible(
        "an embedded ledger is written by one process only: stop the worker that runs there, and try again"
    )


async def never() -> None:
    """Waits for ever."""
    await asyncio.Event().wait()
