"""Where commands publish to: broker and ledger of a running system, or of one that runs for the command only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from streams.errors import SpendstreamError

if TYPE_CHECKING:
    from streams.cli.reach import Ledger
    from streams.config import Settings

T = TypeVar("T")
Target = tuple[str, "Ledger", Callable[[], Awaitable[None]]]

READY_S = 150.0
"""The worker's first assignment: loading the embedded broker's saved topics has 120 s of its own before that."""
STOP_S = 240.0
"""A graceful stop of everything embedded: 60 s to flush, 30 s to leave the group, 130 s for the broker to save."""


@contextlib.asynccontextmanager
async def target(embedded: Path | None, settings: Settings) -> AsyncIterator[Target]:
    """Broker, ledger, and what raises when the worker fails; what runs for this replay only is stopped at the end."""
    from streams.cli.reach import DATABASE, HttpLedger

    if embedded is None:
        yield settings.broker_url, HttpLedger(settings.clickhouse_url.get_secret_value()), _never
        return
    from streams.embedded.directory import find_running

    running = find_running(embedded)
    if running is not None:
        yield running.broker, HttpLedger(f"http://{running.clickhouse}/{DATABASE}"), _never
        return
    from streams.cli.stopping import exit_within
    from streams.embedded.system import EmbeddedSystem

    system = EmbeddedSystem(embedded, settings.model_copy(update={"http_port": 0}))
    await system.start()
    try:
        await system.worker.wait_ready(READY_S)
        yield system.running.broker, HttpLedger(f"http://{system.running.clickhouse}/{DATABASE}"), system.worker.stopped
    finally:
        exit_within(STOP_S, "the embedded system did not stop")
        await system.stop()


async def unless(fails: Callable[[], Awaitable[None]], work: Coroutine[Any, Any, T]) -> T:
    """The work's result; what `fails` raises, should that come first."""
    watching: asyncio.Future[None] = asyncio.ensure_future(fails())
    working = asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {watching, working}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            watching.result()
            raise SpendstreamError("the worker stopped before the replay was done")
        return working.result()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _never() -> None:
    await asyncio.Event().wait()
