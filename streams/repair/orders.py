"""What the ledger says of requests to read a partition again (`replays`). Blocks."""

from __future__ import annotations

import numpy as np

from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.meter.reread import KnownRejects, Reread

_REJECTS = """
SELECT offset, item, toUnixTimestamp64Milli(arrived_at) AS arrived FROM intake
WHERE partition = {p:UInt32} AND incarnation <= {i:UInt32} AND outcome = 'reject' AND offset >= {o:UInt64}
"""


def reread_of(database: Database, partition: int, incarnation: int, through: int) -> Reread | None:
    """What was asked of a partition whose newest life with rows is `incarnation` (0: none) and goes to `through`.

    None when nothing was. In the midst of reading again there is no new start, but rejects are still known.
    """
    rows = database.rows(named_query("reread_order"), {"partition": partition, "incarnation": incarnation})
    if not rows:
        return None
    after, start, replay_id, from_time = rows[0]
    is_open = int(after) == incarnation
    lives = incarnation if is_open else incarnation - 1
    first = int(start) if is_open else through + 1
    found = database.arrow(_REJECTS, {"p": partition, "i": lives, "o": first})
    columns = [found.column(name).to_numpy().astype(np.int64) for name in ("offset", "item", "arrived")]
    note = f"read again from {from_time}: replay {replay_id}" if is_open else ""
    return Reread(int(start) if is_open else None, note, KnownRejects(*columns))


def open_orders(database: Database) -> set[int]:
    """Partitions that somebody asked to read again, and that nobody has taken over since."""
    return {int(partition) for (partition,) in database.rows(named_query("reread_open"))}
