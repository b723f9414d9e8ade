"""What is written down of a repair. Only the owner of the ledger can write: this process, or the worker that is asked.

marks = LedgerMarks(database)                   # a server, or a directory that this process owns
marks = WorkerMarks(WorkerAddress(...))         # a directory that a running worker owns
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import pyarrow as pa

from streams.errors import LedgerError
from streams.http.ask import WorkerAddress, ask
from streams.ledger.client import Database

MOST = 2_000
"""Marks in one request: 200 KB."""


@dataclass(frozen=True, slots=True)
class Retried:
    """A reject that was sent again."""

    incarnation: int
    partition: int
    offset: int
    item: int
    to_partition: int
    to_offset: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to read a partition again."""

    partition: int
    after_incarnation: int
    start_offset: int


class Marks(Protocol):
    """Where repairs are written down. Blocks; writing the same again writes nothing twice."""

    def retried(self, retry_id: str, fix: str, by: str, at_ms: int, rows: Sequence[Retried]) -> None:
        """Rejects that were sent again, at most `MOST`."""
        ...

    def asked(self, replay_id: str, by: str, from_ms: int, rows: Sequence[Asked]) -> None:
        """Partitions to be read again."""
        ...


class LedgerMarks:
    """Writes to the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def retried(self, retry_id: str, fix: str, by: str, at_ms: int, rows: Sequence[Retried]) -> None:
        """See `Marks`."""
        said = {"retry_id": ("String", retry_id), "fix": ("String", fix), "by": ("String", by)}
        self._insert("reject_retries", retry_id, rows, said, {"retried_at": at_ms})

    def asked(self, replay_id: str, by: str, from_ms: int, rows: Sequence[Asked]) -> None:
        """See `Marks`."""
        said = {"replay_id": ("String", replay_id), "by": ("String", by)}
        self._insert("replays", replay_id, rows, said, {"from_time": from_ms})

    def _insert(
        self,
        table: str,
        name: str,
        rows: Sequence[Retried] | Sequence[Asked],
        said: Mapping[str, tuple[str, str]],
        instants: Mapping[str, int],
    ) -> None:
        if not rows:
            return
        listed = [asdict(row) for row in rows]
        columns = [(field, "UInt64") for field in listed[0]]
        data: dict[str, Any] = {field: pa.array([row[field] for row in listed], pa.uint64()) for field in listed[0]}
        for field, (type_, value) in said.items():
            columns.append((field, type_))
            data[field] = pa.array([value] * len(rows))
        for field, instant in instants.items():
            columns.append((field, "DateTime64(3, 'UTC')"))
            data[field] = pa.array([instant] * len(rows)).cast(pa.timestamp("ms", "UTC"))
        token = f"{table}:{name}:{'/'.join(str(value) for value in listed[0].values())}:{len(rows)}"
        self._database.insert(table, columns, pa.table(data), token=token)


class WorkerMarks:
    """Has the worker write that owns the ledger; it wants a token of scope admin where it has tokens."""

    def __init__(self, worker: WorkerAddress) -> None:
        self._worker = worker

    def retried(self, retry_id: str, fix: str, by: str, at_ms: int, rows: Sequence[Retried]) -> None:
        """See `Marks`."""
        self._post("/v1/repair/retried", {"retry_id": retry_id, "fix": fix, "at_ms": at_ms}, rows)

    def asked(self, replay_id: str, by: str, from_ms: int, rows: Sequence[Asked]) -> None:
        """See `Marks`."""
        self._post("/v1/repair/replays", {"replay_id": replay_id, "from_ms": from_ms}, rows)

    def _post(self, path: str, said: dict[str, Any], rows: Sequence[Retried] | Sequence[Asked]) -> None:
        status, body = ask(self._worker, "POST", path, said | {"rows": [asdict(row) for row in rows]})
        if status in {401, 403}:
            raise LedgerError(f"{body.get('error')}: set SPENDSTREAM_TOKEN to a token of scope admin")
        if status != 200:
            raise LedgerError(f"the worker at {self._worker.at} did not write it: {body.get('error', status)}")
