"""Everything in one process and one directory: broker child, chDB ledger, worker, read-only ClickHouse endpoint.

    async with EmbeddedSystem(root, settings) as system: ...

A second start on the same directory goes on where the first stopped. The directory belongs to one process; others read
it through the ClickHouse endpoint, whose address stands in DIR/run.json.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from pydantic import SecretStr

from streams.config import Settings
from streams.duties import epoch_ms
from streams.embedded.broker import Broker
from streams.embedded.clickhouse_http import ClickHouseHttp
from streams.embedded.directory import Running, own
from streams.embedded.engine import ChdbEngine
from streams.keeper import Keeper
from streams.ledger.client import DATABASE, Database
from streams.worker import Worker

log = structlog.get_logger("spendstream.embedded")

SESSION_SECONDS = 6.0
"""The embedded broker and worker share a machine: a silent worker is a dead one much sooner than over a network."""

RETENTION_HOURS = 1.0
"""The embedded broker keeps its log in memory, about 2 KB a record; the worker beside it reads within seconds."""


class EmbeddedSystem:
    """See the module. `worker`, `database` and `running` are there once it is started."""

    database: Database
    running: Running
    _keeper: Keeper

    def __init__(
        self,
        root: Path,
        settings: Settings,
        *,
        broker_port: int = 0,
        clickhouse_port: int = 0,
        duties_clock: Callable[[], int] = epoch_ms,
    ) -> None:
        """`settings`: broker and ledger addresses in it are replaced by the directory's own; ports 0 pick free ones.

        `duties_clock`: see `Worker`.
        """
        self._duties_clock = duties_clock
        self._root = root
        self._settings = settings
        self._broker_port = broker_port
        self._clickhouse_port = clickhouse_port
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Take the directory, start all, and announce it. Raises `UsageError` when directory or a port is taken."""
        stack = self._stack
        try:
            owned = own(self._root)
            stack.callback(owned.release)
            broker = Broker(owned.layout, port=self._broker_port)
            bootstrap = await broker.start()
            stack.push_async_callback(broker.stop)
            self.database = Database(f"chdb://{owned.layout.ledger}", create=True)
            stack.callback(self.database.close)
            settings = self._settings.model_copy(
                update={
                    "broker_url": bootstrap,
                    "kafka_security_protocol": "PLAINTEXT",
                    "clickhouse_url": SecretStr(f"chdb://{owned.layout.ledger}"),
                    "worker_id": self._settings.worker_id or "embedded",
                    "data_dir": owned.layout.tmp,
                    "calls_retention_hours": min(self._settings.calls_retention_hours, RETENTION_HOURS),
                    "session_timeout_seconds": min(self._settings.session_timeout_seconds, SESSION_SECONDS),
                }
            )
            engine = ChdbEngine(owned.layout.ledger, database=DATABASE)
            stack.callback(engine.close)
            endpoint = ClickHouseHttp(engine, "127.0.0.1", self._clickhouse_port)
            host, port = await endpoint.start()
            stack.push_async_callback(endpoint.stop)
            self._keeper = Keeper(settings, self.database, duties_clock=self._duties_clock)
            await self._keeper.start()
            stack.push_async_callback(self._keeper.stop)
            assert self.worker.http_address is not None
            self.running = Running(
                pid=os.getpid(),
                broker=bootstrap,
                clickhouse=f"{host}:{port}",
                api="{}:{}".format(*self.worker.http_address),
                started_at=datetime.now(UTC),
            )
            running = self.running
            log.info(
                "embedded system started",
                page=f"http://{running.api}/",
                sql=f"http://{running.clickhouse}",
                kafka=running.broker,
            )
            owned.announce(running)
            stack.callback(owned.withdraw)  # first of all when stopping: others must not be sent to closing ports
        except BaseException:
            await stack.aclose()
            raise

    @property
    def worker(self) -> Worker:
        """The worker that runs now."""
        return self._keeper.worker

    async def stopped(self) -> None:
        """Wait for the worker's end, and let it begin again where it wants that; raises what ended it."""
        await self._keeper.stopped()

    async def stop(self) -> None:
        """Stop all in reverse order: worker (flushes), endpoint, ledger, broker (saves its topics), directory."""
        await self._stack.aclose()

    async def __aenter__(self) -> EmbeddedSystem:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> Any:
        await self.stop()
