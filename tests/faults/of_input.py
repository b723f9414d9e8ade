"""Faults of what routers send: bad records, copies, calls that come late, calls from the future."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.crash.traffic import Mix
from tests.faults.kinds import Fault, Scale
from tests.faults.system import System


async def sent(here: System, scale: Scale) -> None:
    """Send it, and kill the worker in the middle: what it remembered of copies must come back."""
    here.feed.flow(scale.rate)
    await here.flowing()
    for _ in range(scale.times(1, 5)):
        await asyncio.sleep(scale.seconds(3, 10))
        await here.workers[0].kill()
        await here.recovered()


FAULTS: Final = (
    Fault("poison", "10 % of records are no calls: 13 kinds; with kills", sent, mix=Mix(bad=0.10)),
    Fault(
        "copies",
        "5 % of calls are sent twice, near and far; with kills",
        sent,
        mix=Mix(copy_near=0.025, copy_far=0.025),
    ),
    Fault("late calls", "5 % of calls come an hour late; with kills", sent, mix=Mix(hour_late=0.05)),
    Fault("calls from the future", "one call of a thousand a day ahead; with kills", sent, mix=Mix(day_ahead=0.001)),
    Fault("wrong keys", "20 % of records under a wrong key or none; with kills", sent, mix=Mix(wrong_key=0.2)),
)
