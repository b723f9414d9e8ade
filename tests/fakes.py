"""Stand-ins for what surrounds the meter, and synthetic calls: each does what the real one promises, and notes it.

`Journal` is one list that the fakes share, so that a test can state the order of steps across them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from aiokafka.consumer.fetcher import ConsumerRecord
from faust.types import TP

from streams import topics
from streams.ledger.store import Identities, Position
from streams.meter.dedupe import IdentityWindow
from streams.meter.outgoing import OutgoingRecord
from streams.meter.pages import MEASURES
from streams.meter.price import Pricer
from streams.meter.route import Router
from streams.meter.rows import Metered
from streams.meter.steps import PartitionMeter
from streams.meter.sums import CellKey, Cells
from streams.meter.tiers import load_tiers
from streams.transport import RecordBatch

BASE_MS = 1_772_409_600_000
"""2026-03-02T00:00:00Z, a whole hour."""


def call(id: str, **fields: Any) -> dict[str, Any]:
    """A priced call of the contract: 1,000 tokens in, 100 out, of gpt-4o."""
    return {
        "id": id,
        "time": BASE_MS,
        "agent_id": "agent",
        "provider_name": "openai",
        "request_model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
    } | fields


def value(*calls: dict[str, Any]) -> bytes:
    """The value of a record: one object, or an array of several."""
    return json.dumps(calls[0] if len(calls) == 1 else list(calls)).encode()


def record(
    payload: bytes | None,
    offset: int,
    *,
    partition: int = 0,
    timestamp: int = BASE_MS,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
    topic: str = topics.CALLS,
) -> ConsumerRecord:
    """A record as aiokafka hands it out."""
    return ConsumerRecord(
        topic, partition, offset, timestamp, 0, key, payload, None, -1, len(payload or b""), tuple(headers)
    )


def batch(records: list[ConsumerRecord], expected: int | None = None) -> RecordBatch:
    """What the transport makes of one fetch of one partition."""
    return RecordBatch(records[0].topic, records[0].partition, records, expected, None)


def batch_of(*calls: dict[str, Any], offset: int = 0, partition: int = 0, expected: int | None = None) -> RecordBatch:
    """A batch of records of one call each."""
    return batch(
        [record(value(one), offset + at, partition=partition) for at, one in enumerate(calls)],
        offset if expected is None else expected,
    )


def partition_meter(
    partition: int = 0, *, epoch: int = 1, incarnation: int = 1, capacity: int = 10_000, cells: int = 10_000
) -> PartitionMeter:
    """A partition that nothing was read of yet."""
    return PartitionMeter(partition, incarnation, epoch, IdentityWindow(capacity), Cells(cells), None)


@dataclass
class Steps:
    """Prices, tiers and a router, as the meter uses them."""

    partitions: int = 1
    pricer: Pricer = field(default_factory=Pricer.default)

    def __post_init__(self) -> None:
        self.tiers = load_tiers()
        self.router = Router(self.partitions)

    def run(
        self, meter: PartitionMeter, taken: RecordBatch, in_ledger: frozenset[tuple[str, str]] = frozenset()
    ) -> Metered:
        """All pure steps of one batch."""
        arrived = meter.decode(taken, self.router)
        return meter.meter(arrived, taken.expected_offset, in_ledger, self.pricer, self.tiers)


class Journal(list[tuple[Any, ...]]):
    """What happened, in order: (what, ...)."""

    def whats(self) -> list[str]:
        """Only what, without the particulars."""
        return [entry[0] for entry in self]

    def of(self, what: str) -> list[tuple[Any, ...]]:
        """The entries of one kind."""
        return [entry for entry in self if entry[0] == what]


class Script:
    """Faults to raise, one a call; None lets a call through, and so does an empty script."""

    def __init__(self, faults: Iterable[BaseException | None] = ()) -> None:
        self.faults = list(faults)

    def step(self) -> None:
        """Raise the next fault, if there is one."""
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault


class FakeSender:
    """Keeps what was sent."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.sent: list[OutgoingRecord] = []
        self.script = Script()

    async def send(self, records: list[OutgoingRecord]) -> None:
        self.journal.append(("send", sorted({r.topic for r in records})))
        self.script.step()
        self.sent += records

    def values(self, topic: str) -> list[bytes]:
        """The values sent to a topic."""
        return [record.value for record in self.sent if record.topic == topic]


class FakeLedger:
    """The ledger's promises in memory: epochs, tokens that write once, rows as dicts. Faults by `script`.

    `answer_lost`: faults raised after the rows were written, as when the answer of an insert is lost.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.epochs: dict[int, int] = {}
        self.rows: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.script = Script()
        self.answer_lost = Script()
        self.look_up = Script()
        self.positions: dict[int, Position] = {}
        self.cells: list[CellKey] = []
        self.held: set[tuple[str, str]] = set()
        self.newest = 0
        self.newest_script = Script()

    def fence(self, partition: int, worker: str) -> int:
        self.epochs[partition] = self.epochs.get(partition, 0) + 1
        self.journal.append(("fence", partition))
        return self.epochs[partition]

    def wait_for_inserts(self) -> None:
        self.journal.append(("wait",))

    def position(self, partition: int) -> Position | None:
        self.journal.append(("position", partition))
        return self.positions.get(partition)

    def reread(self, partition: int, incarnation: int, through: int) -> None:
        """Nobody asks."""

    def record_start(
        self, partition: int, epoch: int, incarnation: int, offset: int, worker: str, note: str, partitions: int
    ) -> None:
        self.journal.append(("start", partition, epoch, incarnation, offset, note))

    def recent_identities(self, partition: int, capacity: int, partitions: int) -> Identities:
        return Identities([], [], np.zeros(0, dtype=np.int64), 0)

    def touched_cells(self, partition: int, incarnation: int, from_offset: int) -> list[CellKey]:
        self.journal.append(("touched", partition, from_offset))
        return list(self.cells)

    def cell_totals(self, partition: int, keys: Sequence[CellKey]) -> npt.NDArray[np.int64]:
        self.journal.append(("totals", list(keys)))
        totals = np.zeros((len(keys), len(MEASURES)), dtype=np.int64)
        totals[:, 0] = 7
        return totals

    def present(self, identity: npt.NDArray[np.uint64], time_ms: npt.NDArray[np.int64]) -> set[tuple[str, str]]:
        self.journal.append(("present", len(identity)))
        self.look_up.step()
        known = {(row["source"] or "", row["id"]) for row in self.rows if row["outcome"] == 1}
        return known | self.held

    def newest_ms(self) -> int:
        self.newest_script.step()
        return self.newest

    def owners(self) -> dict[int, int]:
        return dict(self.epochs)

    def write(self, columns: Sequence[tuple[str, str]], data: pa.Table, token: str) -> None:
        self.journal.append(("insert", token, data.num_rows))
        self.script.step()
        if token not in self.tokens:
            self.tokens.append(token)
            empty = {"id": None, "source": None, "reason": None, "payload": None, "agent_id": None}
            self.rows += [empty | row for row in data.to_pylist() if self.epochs.get(row["partition"]) == row["epoch"]]
        self.answer_lost.step()

    def outcomes(self) -> dict[int, int]:
        """How many rows of each outcome code."""
        codes = [int(row["outcome"]) for row in self.rows]
        return {code: codes.count(code) for code in set(codes)}


class FakeConsumer:
    """A log and what was settled of it."""

    def __init__(self, journal: Journal, partitions: int = 1) -> None:
        self.journal = journal
        self.partitions = partitions
        self.log: dict[TP, list[ConsumerRecord]] = {}
        self.bounds: dict[TP, tuple[int, int]] = {}
        self.settled: list[Any] = []

    async def partition_count(self, topic: str) -> int:
        return self.partitions

    async def log_bounds(self, partitions: set[TP]) -> dict[TP, tuple[int, int]]:
        return {tp: self.bounds.get(tp, (0, 0)) for tp in partitions}

    async def log_ends(self, partitions: set[TP]) -> dict[TP, int]:
        return {tp: self.bounds.get(tp, (0, 0))[1] for tp in partitions}

    async def read_one(self, tp: TP, offset: int, timeout_s: float = 10.0) -> ConsumerRecord | None:
        self.journal.append(("read", offset))
        return next((record for record in self.log.get(tp, ()) if record.offset == offset), None)

    def settle(self, message: Any) -> None:
        self.journal.append(("settle", message.partition, message.offset))
        self.settled.append(message)
