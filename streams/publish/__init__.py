"""Publish model calls from a router to Spendstream (docs/connect.md).

`Publisher` for asyncio, `SyncPublisher` for everything else, `new_call_id` for those who want a call's id
beforehand. `OutcomePublisher` and `SyncOutcomePublisher` publish verdicts on runs (docs/outcomes.md).
"""

from streams.publish.buffer import Stats
from streams.publish.outcome import OutcomePublisher, SyncOutcomePublisher
from streams.publish.publisher import Publisher, Security
from streams.publish.record import DropReason, new_call_id
from streams.publish.sync import SyncPublisher

__all__ = [
    "DropReason",
    "OutcomePublisher",
    "Publisher",
    "Security",
    "Stats",
    "SyncOutcomePublisher",
    "SyncPublisher",
    "new_call_id",
]
