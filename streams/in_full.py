"""A blocking step in a thread, which ends before whoever asked for it goes on, cancelled or not.

`asyncio.to_thread` leaves a thread running when its caller is cancelled. A fence that a cancelled takeover leaves
behind could come after the next owner's, and shut out the one that the group has chosen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_full(work: Callable[..., T], *arguments: object) -> T:
    """What `work` returns or raises. Cancelled meanwhile, raises `CancelledError`, but not before `work` has ended."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():  # also when cancelled again
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # nobody will ask for it
        raise
