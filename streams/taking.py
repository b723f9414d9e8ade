"""The frame of an agent's body: take batches for ever, timers beside it, and let no fault pass unseen.

Faust goes on with the next record after an exception in an agent, and asyncio with the next task. Where the order of
steps is the correctness, a fault has to end the process instead: `fail` is told of it, whichever part it befell.
Being cancelled is no fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Any, cast

from faust.types import EventT

from streams.transport import RecordBatch

Fail = Callable[[BaseException], None]
"""Told of a fault; must end the process soon."""


async def take_all(
    events: AsyncIterable[EventT[Any]],
    take: Callable[[Any, RecordBatch], Awaitable[None]],
    timers: Sequence[Callable[[], Awaitable[None]]],
    fail: Fail,
) -> None:
    """Hand each event's message and batch to `take`, one after the other, while the timers run."""
    running = [asyncio.create_task(or_fail(timer, fail)) for timer in timers]
    try:
        async for event in events:
            await take(event.message, cast(RecordBatch, event.value))
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        fail(error)
        raise
    finally:
        for timer in running:
            timer.cancel()


async def or_fail(step: Callable[[], Awaitable[None]], fail: Fail) -> None:
    """Run a step of which nobody sees the end."""
    try:
        await step()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        fail(error)
