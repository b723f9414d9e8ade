"""What this worker holds of `spendstream.calls`: the one thing that the meter's steps share.

All of it belongs to one event loop. A step that has waited looks here again, for a partition may have gone meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.meter.route import Router
from streams.meter.steps import PartitionMeter
from streams.transport import Consumer


@dataclass(slots=True)
class Holding:
    """Begun anew at each assignment, but for `fault`."""

    owned: dict[int, PartitionMeter] = field(default_factory=dict)
    lost: dict[int, float] = field(default_factory=dict)
    """Partitions that another worker took, and when that was seen (monotonic seconds)."""
    behind: dict[int, int] = field(default_factory=dict)
    """Records that wait in each partition's log, as its last batch saw it."""
    routers: dict[str, Router] = field(default_factory=dict)
    """By topic: the calls' and the usage's."""
    consumer: Consumer | None = None
    fault: BaseException | None = None
    """What stopped the meter: nothing is taken or written any more."""
