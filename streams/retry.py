"""Runs a step until no server that it needs is away, with back-off, visible in `/health` and in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from streams.errors import Unavailable
from streams.metrics import Metrics

T = TypeVar("T")

Retried = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Runs a step, under a name for people, until no server that it needs is away: `until_available`, already bound."""

_FIRST_S = 0.2
_MOST_S = 10.0  # a server that comes back is used within ten seconds


async def until_available(what: str, step: Callable[[], Awaitable[T]], metrics: Metrics, log: Any) -> T:
    """The step's result; only `Unavailable` is retried. `what`: a name for people; `log`: the caller's logger."""
    pause = _FIRST_S
    while True:
        try:
            result = await step()
        except Unavailable as error:
            metrics.trouble(what, str(error))
            log.warning("waiting", step=what, error=str(error), retry_in_seconds=round(pause, 1))
            await asyncio.sleep(pause)
            pause = min(_MOST_S, pause * 2)
        else:
            metrics.trouble(what, None)
            return result
