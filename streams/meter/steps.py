"""The pure steps of the meter for one partition: decode, place, de-duplicate, price, tier. No I/O, no clock.

`PartitionMeter.decode` and `.meter` are two halves because between them the ledger may have to be asked about calls
that are older than the window (`Arrived.cold`).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.meter.decode import Reject, decode
from streams.meter.dedupe import IdentityWindow, identities
from streams.meter.price import Pricer
from streams.meter.reread import KnownRejects
from streams.meter.route import Router, key_of, moved_header
from streams.meter.rows import CALL, DUPLICATE, GAP, MOVED, CallColumns, Coded, Metered, Refused
from streams.meter.sums import Cells
from streams.meter.tiers import TIERS, TierMap
from streams.money import PICO
from streams.transport import RecordBatch

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A decoded batch, before it is known which of its calls are copies."""

    columns: CallColumns
    rejects: list[Reject]
    offsets: I64
    """Offset of each record."""
    arrived: I64
    """Kafka timestamp of each record, epoch ms."""
    record: I64
    """Place in the batch of each call's record."""
    item: I64
    """Place of each call in its record."""
    time_ms: I64
    identity: npt.NDArray[np.uint64]
    moved: Mask
    """Calls that belong to another partition."""
    cold: Mask
    """Calls that only the ledger can tell copies of."""


class PartitionMeter:
    """One partition that this worker owns: its epoch and what is remembered of its calls."""

    def __init__(
        self,
        partition: int,
        incarnation: int,
        epoch: int,
        window: IdentityWindow,
        cells: Cells,
        watermark_ms: int | None,
    ) -> None:
        self.partition = partition
        self.incarnation = incarnation
        self.epoch = epoch
        self.window = window
        self.cells = cells
        self.watermark_ms = watermark_ms
        """The newest event time of the partition's calls, epoch ms; None before the first."""
        self.owed: list[Refused] = []
        """Rows that the next batch writes: what the log had lost when the partition was taken over."""
        self.known_rejects: KnownRejects | None = None
        """While the log is read again: rejects that the ledger has of it."""

    def decode(self, batch: RecordBatch, router: Router) -> Arrived:
        """Values to calls and rejects, each with its place in the log."""
        records = batch.records
        count = len(records)
        offsets = np.fromiter((record.offset for record in records), dtype=np.int64, count=count)
        arrived = [record.timestamp for record in records]
        decoded = decode([record.value for record in records], arrived)
        columns = CallColumns(decoded.calls)
        place = np.array(decoded.record, dtype=np.int64)
        keys = list(map(key_of, columns["run_id"], columns["agent_id"]))
        moved_here = moved_header(router.partitions)
        moved = router.misplaced(keys, self.partition, (moved_here in records[at].headers for at in decoded.record))
        time_ms = columns.ints("time")
        return Arrived(
            columns=columns,
            rejects=decoded.rejects,
            offsets=offsets,
            arrived=np.array(arrived, dtype=np.int64),
            record=place,
            item=np.array(decoded.index, dtype=np.int64),
            time_ms=time_ms,
            identity=identities(columns["source"], columns["id"]),
            moved=moved,
            cold=self.window.is_cold(time_ms) & ~moved,
        )

    def meter(
        self,
        arrived: Arrived,
        expected_offset: int | None,
        in_ledger: Set[tuple[str, str]],
        pricer: Pricer,
        tiers: TierMap,
    ) -> Metered:
        """Decide each call's outcome and price the new ones.

        `in_ledger`: which of the cold calls the ledger holds, as (source, id). From here on the window knows the
        batch's calls: what is returned must reach the ledger, or the partition be given up.
        """
        columns = arrived.columns
        stays = ~arrived.moved
        fresh = np.zeros(columns.size, dtype=np.bool_)
        fresh[stays] = self.window.admit(arrived.identity[stays], arrived.time_ms[stays])
        if in_ledger:
            source, ids = columns["source"], columns["id"]
            for at in np.flatnonzero(fresh & arrived.cold).tolist():
                fresh[at] = (source[at] or "", ids[at]) not in in_ledger
        outcome = np.where(arrived.moved, MOVED, np.where(fresh, CALL, DUPLICATE)).astype(np.int8)
        if fresh.any():
            self.watermark_ms = max(self.watermark_ms or 0, int(arrived.time_ms[fresh].max()))
        provider, model = columns["provider_name"], columns["request_model"]
        priced = pricer.price(
            provider,
            model,
            columns["response_model"],
            arrived.time_ms,
            columns.ints("input_tokens"),
            columns.ints("output_tokens"),
            columns.ints("cache_read_input_tokens"),
            columns.ints("cache_write_input_tokens"),
            latency_ms=columns["latency_ms"],
        )
        tier = tiers.tiers(columns["tier"], provider, model, columns["response_model"])
        return Metered(
            partition=self.partition,
            incarnation=self.incarnation,
            epoch=self.epoch,
            columns=columns,
            offset=arrived.offsets[arrived.record],
            item=arrived.item,
            arrived_ms=arrived.arrived[arrived.record],
            outcome=outcome,
            identity=arrived.identity[:, 0],
            tier=Coded(tier.astype(np.int32), TIERS),
            cost_pico=priced.cost_pico,
            priced=priced.priced & fresh,
            price_status=Coded(priced.status.astype(np.int32), priced.statuses),
            price_source=Coded(priced.source, priced.sources),
            price_ref=Coded(priced.ref, priced.refs),
            price_from=Coded(priced.since, priced.sinces),
            refused=[
                *self._take_owed(),
                *_gaps(arrived.offsets, expected_offset, arrived.arrived),
                *self._refused(arrived),
            ],
        )

    def _refused(self, arrived: Arrived) -> list[Refused]:
        rows = [
            Refused.of(reject, int(arrived.offsets[reject.record]), int(arrived.arrived[reject.record]))
            for reject in arrived.rejects
        ]
        return rows if self.known_rejects is None else [self.known_rejects.known(row) for row in rows]

    def _take_owed(self) -> list[Refused]:
        owed, self.owed = self.owed, []
        return owed


def measures(batch: Metered) -> tuple[list[str], I64, I64, I64]:
    """What the new calls of a batch add to cells: agents, tier codes, seconds, and (calls, measures) int64."""
    new = batch.outcome == CALL
    columns = batch.columns
    count = columns.size
    table = np.empty((count, 10), dtype=np.int64)
    table[:, 0] = 1
    status = columns["status"]
    table[:, 1] = 0 if status.count("ok") == count else np.fromiter((s != "ok" for s in status), np.bool_, count)
    table[:, 2] = columns.ints("input_tokens")
    table[:, 3] = columns.ints("output_tokens")
    table[:, 4] = columns.ints("cache_read_input_tokens")
    table[:, 5] = columns.ints("cache_write_input_tokens")
    table[:, 6] = columns.ints("reasoning_output_tokens")
    table[:, 7] = ~batch.priced
    cost = np.where(batch.priced, batch.cost_pico, 0)
    table[:, 8] = cost // PICO
    table[:, 9] = cost - table[:, 8] * PICO
    seconds = columns.ints("time") // 1000
    agents = columns["agent_id"]
    if new.all():
        return list(agents), batch.tier.codes.astype(np.int64), seconds, table
    at = np.flatnonzero(new)
    return [agents[i] for i in at.tolist()], batch.tier.codes[at].astype(np.int64), seconds[at], table[at]


def moved_calls(batch: Metered) -> list[tuple[str, int]]:
    """(key, place in the batch's columns) of the calls that must be sent on."""
    columns = batch.columns
    return [
        (key_of(columns["run_id"][at], columns["agent_id"][at]), at)
        for at in np.flatnonzero(batch.outcome == MOVED).tolist()
    ]


def _gaps(offsets: I64, expected: int | None, arrived: I64) -> list[Refused]:
    """Rows for offsets that the log did not give: transaction markers, or records that retention took."""
    starts = offsets if expected is None else np.concatenate(([expected - 1], offsets))
    holes = np.flatnonzero(np.diff(starts) > 1)
    shift = 0 if expected is None else -1
    return [
        Refused(
            outcome=GAP,
            offset=int(starts[at]) + 1,
            item=0,
            through=int(starts[at + 1]) - 1,
            arrived_ms=int(arrived[at + 1 + shift]),
            reason="log_gap",
            detail="the log holds no record at these offsets: a transaction's markers, or a compacted log",
            payload="",
        )
        for at in holes.tolist()
    ]
