"""Who watches a partition of the steps, and inserts that only that worker can make.

Every insert asks in its own WHERE whether its worker still watches the partition (`watch_epochs`), so that one that was
paused or partitioned away writes nothing when it comes back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pyarrow as pa

from streams.errors import Fenced
from streams.ledger.client import Database
from streams.ledger.store import INSERT_MARK


class Epochs:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fence(self, partition: int, worker: str) -> int:
        """Begin a new epoch of a partition and return its number."""
        while True:
            epoch = self.epoch(partition) + 1
            self._database.command(
                "INSERT INTO watch_epochs (partition, epoch, worker) SELECT {p:UInt32}, {e:UInt64}, {w:String}",
                {"p": partition, "e": epoch, "w": worker},
            )
            [[owners]] = self._database.rows(
                "SELECT count() FROM watch_epochs WHERE partition = {p:UInt32} AND epoch >= {e:UInt64}",
                {"p": partition, "e": epoch},
            )
            if int(owners) == 1:
                return epoch
            time.sleep(0.05 + 0.2 * (hash((worker, epoch)) % 16) / 16)

    def epoch(self, partition: int) -> int:
        """The epoch that may write."""
        [[epoch]] = self._database.rows(
            "SELECT max(epoch) FROM watch_epochs WHERE partition = {p:UInt32}", {"p": partition}
        )
        return int(epoch)

    def insert(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        data: pa.Table,
        partition: int,
        epoch: int,
        token: str,
        settings: Mapping[str, int | str] | None = None,
    ) -> None:
        """As `Database.insert`. Raises `Fenced` when another worker watches the partition: nothing was written."""
        self._database.insert(
            table,
            columns,
            data,
            token=f"{table}:{partition}:{token}",
            where=f"'{INSERT_MARK}' != '' AND "
            f"(SELECT max(epoch) FROM watch_epochs WHERE partition = {int(partition)}) = {int(epoch)}",
            settings=settings,
        )
        if self.epoch(partition) != epoch:
            raise Fenced(f"another worker watches partition {partition} of the steps")
