"""Waits until the watcher has looked at a replay's calls, and reads the incidents that they opened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from streams.errors import Unavailable
from streams.replay.watch import Reader
from streams.watch.told import Progress, Stretch, extent, incidents_of, read_progress

STALL_S = 60.0
"""With no progress for so long nobody watches: a worker whose detection is off, or an old one."""

_INTERVAL_S = 0.1


async def incidents_when_told(
    reader: Reader, stretches: Mapping[int, Stretch], *, stall_s: float = STALL_S
) -> tuple[bool, list[dict[str, Any]]]:
    """(whether the watcher has looked at all calls of the stretches, the incidents that they opened).

    Raises `LedgerError`, and `Unavailable` when the ledger stays away for `stall_s`.
    """
    times = await asyncio.to_thread(extent, reader, stretches)
    if times is None:
        return True, []
    loop = asyncio.get_running_loop()
    since, before, watched = loop.time(), None, False
    while not watched and loop.time() - since < stall_s:
        found: list[Progress | None] | None
        try:
            found = await asyncio.to_thread(read_progress, reader)
        except Unavailable:
            found = before
        if found == []:
            break  # detection is off
        if found != before:
            since, before = loop.time(), found
        watched = bool(found) and all(at is not None and at.covers(stretches, times[1]) for at in found or ())
        if not watched:
            await asyncio.sleep(_INTERVAL_S)
    return watched, await asyncio.to_thread(incidents_of, reader, stretches)
