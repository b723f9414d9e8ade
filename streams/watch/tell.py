"""The meter's side of `spendstream.steps`: a flush to records, and ticks while there is nothing to flush.

Pure: `StepTeller` knows what was said of each owned partition and makes the next records; the meter sends them with the
usage of the same flush and then says `done`. Nothing is said before it is in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from streams.meter.route import Router
from streams.meter.rows import CALL, Metered
from streams.watch.record import END, I64, Cursor, Part, Rows, code, encode_part, encode_steps, pack

MAX_BYTES = 850_000
"""Of one record's value: below Kafka's default limit of 1 MB, with room for its frame."""

TICK_S = 0.5
"""The longest a worker says nothing: how long a call of another worker waits for this one's word, at most."""


@dataclass(slots=True)
class Said:
    """How far a partition was said: nothing behind `through`."""

    incarnation: int
    epoch: int
    through: Cursor
    watermark_ms: int | None


@dataclass(slots=True)
class Telling:
    """Records to send, (partition of the steps topic, value), and what was said once they are."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    said: dict[int, Said] = field(default_factory=dict)


class StepTeller:
    """All partitions that this worker owns."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._router = Router(1)
        self.said: dict[int, Said] = {}

    def begin(self, router: Router) -> None:
        """A new assignment: nothing is owned yet. `router`: of the steps topic, by tenant."""
        self._router = router
        self.said = {}

    def take(self, partition: int, incarnation: int, epoch: int, start_offset: int, watermark_ms: int | None) -> None:
        """A partition was taken over; all before `start_offset` is in the ledger."""
        self.said[partition] = Said(incarnation, epoch, (start_offset - 1, END), watermark_ms)

    def drop(self, partition: int) -> None:
        """A partition is no longer ours."""
        self.said.pop(partition, None)

    def tell(self, batches: Iterable[Metered], ends: Mapping[int, int], wall_ms: int) -> Telling:
        """What a flush wrote (nothing: a tick). `ends`: where each log ended at `wall_ms`, before the flush."""
        telling = Telling(
            said={p: Said(s.incarnation, s.epoch, s.through, s.watermark_ms) for p, s in self.said.items()}
        )
        before = {p: s.through for p, s in self.said.items()}
        parts: list[list[msgspec.Raw]] = [[] for _ in range(self._router.partitions)]
        for batch in batches:
            said = telling.said.get(batch.partition)
            if said is None or said.epoch != batch.epoch:
                continue
            self._say(batch, said, parts)
        for partition, said in telling.said.items():
            end = ends.get(partition)
            at_end = end is not None and said.through[0] + 1 >= end
            if said.through == before[partition] or at_end or self._router.partitions > 1:
                # How far it is, without rows: also behind parts that had to be said before it was known.
                raw = encode_part(
                    Part(partition, said.incarnation, said.epoch, said.through, said.through, said.watermark_ms, at_end)
                )
                for of_partition in parts:
                    of_partition.append(raw)
        for number, of_partition in enumerate(parts):
            telling.records += [(number, value) for value in self._records(of_partition, wall_ms)]
        return telling

    def done(self, telling: Telling) -> None:
        """The records are with the broker."""
        for partition, said in telling.said.items():
            known = self.said.get(partition)
            if known is not None and known.epoch == said.epoch:
                self.said[partition] = said

    def _say(self, batch: Metered, said: Said, parts: list[list[msgspec.Raw]]) -> None:
        """One batch: its new calls as parts, one or more for each partition of the steps topic."""
        new = np.flatnonzero(batch.outcome == CALL)
        after, through = said.through, (max(last_offset(batch), said.through[0]), END)
        said.through = through
        times = batch.columns.ints("time")[new]
        before_ms = said.watermark_ms
        if len(new):
            said.watermark_ms = max(before_ms or 0, int(times.max()))
        if self._router.partitions == 1:
            chunks = [new]
        else:
            tenants = batch.columns["tenant_id"]
            place = self._router.partition_of_each([tenants[at] or "" for at in new.tolist()])
            chunks = [new[place == number] for number in range(self._router.partitions)]
        for number, chunk in enumerate(chunks):
            parts[number] += _parts(batch, said, after, through, before_ms, chunk)

    def _records(self, parts: Sequence[msgspec.Raw], wall_ms: int) -> list[bytes]:
        values: list[bytes] = []
        some: list[msgspec.Raw] = []
        size = 0
        for part in parts:
            length = memoryview(part).nbytes
            if some and size + length > MAX_BYTES:
                values.append(encode_steps(self._worker, wall_ms, some))
                some, size = [], 0
            some.append(part)
            size += length
        if some:
            values.append(encode_steps(self._worker, wall_ms, some))
        return values


def last_offset(batch: Metered) -> int:
    """The last offset that a batch speaks for."""
    offsets = [int(batch.offset.max())] if len(batch.offset) else []
    return max([*offsets, *(row.through for row in batch.refused)], default=-1)


def _parts(
    batch: Metered, said: Said, after: Cursor, through: Cursor, before_ms: int | None, rows: I64
) -> list[msgspec.Raw]:
    """The part of a stretch, or several of stretches one behind the other where one would be too long."""
    watermark = before_ms
    if len(rows):
        watermark = max(before_ms or 0, int(batch.columns.ints("time")[rows].max()))
    if through[1] == END:
        watermark = said.watermark_ms
    part = Part(
        batch.partition,
        batch.incarnation,
        batch.epoch,
        after,
        through,
        watermark,
        False,
        _rows(batch, rows) if len(rows) else None,
    )
    raw = encode_part(part)
    if memoryview(raw).nbytes <= MAX_BYTES or len(rows) < 2:
        return [raw]
    half = len(rows) // 2
    last = rows[half - 1]
    between = (int(batch.offset[last]), int(batch.item[last]))
    first = _parts(batch, said, after, between, before_ms, rows[:half])
    early = max(before_ms or 0, int(batch.columns.ints("time")[rows[:half]].max()))
    return first + _parts(batch, said, between, through, early, rows[half:])


def _rows(batch: Metered, at: I64) -> Rows:
    columns = batch.columns
    everything = len(at) == columns.size
    places = at.tolist()

    def texts(name: str) -> Sequence[str | None]:
        column = columns[name]
        return column if everything else [column[place] for place in places]

    def ints(name: str) -> I64:
        return columns.ints(name) if everything else columns.ints(name)[at]

    fingerprints = texts("request_fingerprint")
    cost = np.where(batch.priced[at], batch.cost_pico[at], -1)
    return Rows(
        count=len(places),
        offset=pack(batch.offset[at]),
        item=pack(batch.item[at]),
        id=list(texts("id")),  # type: ignore[arg-type]
        time=pack(ints("time")),
        agent_id=code(texts("agent_id")),
        request_model=code(texts("request_model")),
        input_tokens=pack(ints("input_tokens")),
        output_tokens=pack(ints("output_tokens")),
        run_id=code(texts("run_id")),
        parent_agent_id=code(texts("parent_agent_id")),
        provider_name=code(texts("provider_name")),
        status=code(texts("status")),
        attempt=pack(ints("attempt")),
        retry_of=code(texts("retry_of")),
        request_fingerprint=list(fingerprints) if any(fingerprints) else None,
        cost=pack(cost),
    )
