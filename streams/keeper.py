"""Keeps one worker running: when a worker wants to begin again, another takes its place in the same process.

    keeper = Keeper(settings, database)
    await keeper.start()
    await keeper.stopped()    # returns when a stop was asked for; raises what ended the worker otherwise
    await keeper.stop()

A worker wants to begin again when somebody asked to read its partitions again (`streams.repair`): taking over anew is
what does that. The HTTP port stays the same.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from streams.config import Settings
from streams.duties import epoch_ms
from streams.ledger.client import Database
from streams.worker import Worker

log = structlog.get_logger("spendstream.worker")


class Keeper:
    """`worker` is the one that runs now; it is made, with the operator's files read, before it is started."""

    def __init__(self, settings: Settings, database: Database, *, duties_clock: Callable[[], int] = epoch_ms) -> None:
        """`duties_clock`: see `Worker`."""
        self._settings = settings
        self._database = database
        self._duties_clock = duties_clock
        self.worker = Worker(settings, database, duties_clock=duties_clock)

    async def start(self) -> None:
        """Start the worker."""
        await self.worker.start()

    async def stopped(self) -> None:
        """Wait for the end; begins again where a worker wants that."""
        while True:
            await self.worker.stopped()
            if not self.worker.wants_restart:
                return
            await self._again()

    async def stop(self) -> None:
        """Stop the worker that runs now."""
        await self.worker.stop()

    async def _again(self) -> None:
        log.info("the worker begins again: somebody asked to read the log again")
        assert self.worker.http_address is not None
        await self.worker.stop()
        settings = self._settings.model_copy(update={"http_port": self.worker.http_address[1]})
        self.worker = Worker(settings, self._database, duties_clock=self._duties_clock)
        await self.worker.start()
