"""Taking a partition over: who may write, where the log goes on, what is remembered, what is said again.

The order is the correctness:
    1. fence     a higher epoch; inserts of an earlier owner that begin from now on write nothing
    2. wait      for inserts of earlier owners that are running
    3. position  the ledger's last offset of the partition; only now is it final
    4. witness   does the log still hold that record? If not, the topic was made again: a new incarnation begins, and
                 its offsets are not skipped because the old ones' were read
       Somebody may have asked to read the log again (`streams.repair`): that is a new incarnation too, so that every
       row still has its own place, and what the ledger holds of it becomes duplicates
    5. rebuild   the identities of recent calls, also of those that another number of partitions had put elsewhere; sums
                 need none (older cells are asked of the ledger)
    6. re-emit   the cells of rows whose offsets were never committed: their usage may not have been published
    7. consume   from the ledger's position, not from the group's
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from faust.types import TP

from streams.in_full import in_full
from streams.ledger.store import LedgerStore, Position
from streams.meter.decode import decode
from streams.meter.dedupe import IdentityWindow, identities
from streams.meter.rows import GAP, Refused
from streams.meter.steps import PartitionMeter
from streams.meter.sums import CellKey, Cells, Touched
from streams.transport import Consumer

_MOST_UNCOMMITTED = 500_000

_AHEAD_MS = 3_600_000
"""So far ahead of its record a call's time may be and still count as the present: clocks and zones are often wrong."""

_FEW_CELLS = 10_000
"""More calls than this are not ahead by mistake: a replay's, or a simulation's."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition that was taken over."""

    meter: PartitionMeter
    start_offset: int
    repeat: list[CellKey]
    """Cells to publish again."""
    note: str
    """Why a new incarnation began; empty when none did, or the first."""


async def take_over(
    store: LedgerStore,
    consumer: Consumer,
    tp: TP,
    committed: int | None,
    bounds: tuple[int, int],
    *,
    worker: str,
    window_calls: int,
    usage_cells: int,
    partitions: int,
) -> Taken:
    """Do steps 1 to 6 for one partition. `bounds`: first offset and end of its log; `committed`: the group's offset;
    `partitions`: how many the topic has.

    Raises `Unavailable` while the ledger cannot be asked.
    """
    partition = tp.partition
    epoch = await in_full(store.fence, partition, worker)
    await asyncio.to_thread(store.wait_for_inserts)
    position = await asyncio.to_thread(store.position, partition)

    first, end = bounds
    other_log = note = "" if position is None else await _other_log(consumer, tp, position, first, end)
    newest_life, through = (position.incarnation, position.through) if position else (0, -1)
    reread = await asyncio.to_thread(store.reread, partition, newest_life, through)
    owed: list[Refused] = []
    if reread is not None and reread.start_offset is not None and not other_log:
        incarnation, note = newest_life + 1, reread.note
        start = min(max(first, reread.start_offset), end)
    elif position is None or other_log:
        incarnation = (position.incarnation if position else 0) + 1
        start = first
    else:
        incarnation = position.incarnation
        start = position.through + 1
        if start < first:
            owed.append(
                Refused(
                    GAP, start, 0, first - 1, position.witness.arrived_at_ms, "retention",
                    "the log dropped these records before they were read: its retention is too short for the delay", "",
                )
            )  # fmt: skip
            start = first
    await asyncio.to_thread(store.record_start, partition, epoch, incarnation, start, worker, note, partitions)

    window = IdentityWindow(window_calls)
    newest_ms = position.newest_ms if position else 0
    recent = await asyncio.to_thread(store.recent_identities, partition, window_calls, partitions)
    if recent.id:
        window.admit(identities(recent.source, recent.id), recent.time_ms)
    window.forget_below(recent.complete_from_minute)
    cells = await _cells(store, partition, position, usage_cells)
    repeat: list[CellKey] = []
    if position is not None and not other_log:
        # Commits are a second apart, so far fewer calls than this are uncommitted; a group without a commit (a new
        # group id) does not say the whole ledger again.
        first_unsaid = max(committed or 0, position.through - _MOST_UNCOMMITTED)
        repeat = await asyncio.to_thread(store.touched_cells, partition, position.incarnation, first_unsaid)
    meter = PartitionMeter(partition, incarnation, epoch, window, cells, newest_ms or None)
    meter.owed = owed
    if reread is not None and not other_log and len(reread.rejects):
        meter.known_rejects = reread.rejects
    return Taken(meter, start, repeat, note)


async def _cells(store: LedgerStore, partition: int, position: Position | None, capacity: int) -> Cells:
    """Nothing newer than the newest call is in the ledger, so cells after it start from zero in memory.

    A call that is ahead of its time, as one of a router with a wrong clock, is not that newest one: until time has
    caught up with it, a day perhaps, each flush would ask the ledger. The few cells of such calls are read instead.
    """
    newest_ms = position.newest_ms if position else 0
    if position is not None and newest_ms > (limit_ms := position.witness.arrived_at_ms + _AHEAD_MS):
        keys, below_ms = await asyncio.to_thread(store.cells_ahead, partition, limit_ms, _FEW_CELLS + 1)
        if len(keys) <= _FEW_CELLS:
            ahead = Touched.of(keys, await asyncio.to_thread(store.cell_totals, partition, keys))
            cells = Cells(capacity, cold_below=below_ms // 1000 + 1 if below_ms else 0)
            cells.add([key.agent_id for key in keys], ahead.tier, ahead.second, ahead.totals)
            return cells
    return Cells(capacity, cold_below=newest_ms // 1000 + 1 if newest_ms else 0)


async def _other_log(consumer: Consumer, tp: TP, position: Position, first: int, end: int) -> str:
    """Why the log is not the one that the ledger's position speaks of; empty when it is."""
    if position.through >= end:
        return f"the log ends at {end}, the ledger holds it through {position.through}: the topic was made again"
    if position.through < first:
        return ""  # the witness is past retention; that the log goes on beyond it is all there is to see
    witness = position.witness
    if witness.outcome == "gap":
        return ""  # a hole leaves no record to compare
    record = await consumer.read_one(tp, position.through)
    if record is None:
        return f"the log has no record at {position.through}, where the ledger has one: the topic was made again"
    if record.timestamp != witness.arrived_at_ms:
        return f"the record at {position.through} has another timestamp than the ledger's: the topic was made again"
    if witness.id:  # a reject has none, nor has one that was read again
        found = decode([record.value], [record.timestamp])
        ids = {index: call.id for index, call in zip(found.index, found.calls, strict=True)}
        if ids.get(witness.item) != witness.id:
            return f"the record at {position.through} is another call than the ledger's: the topic was made again"
    return ""
