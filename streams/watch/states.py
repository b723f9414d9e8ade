"""Checkpoints of a watcher as rows of `watch_state`: written as one block, read by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from streams.ledger.client import Database
from streams.watch.columns import TIME, columns
from streams.watch.epochs import Epochs


@dataclass(frozen=True, slots=True)
class RootState:
    """One root agent's part of a checkpoint. Empty `state`: it is gone."""

    key: str
    last_ms: int
    names: list[str]
    runs: list[str]
    open: bool
    state: bytes


class StateRows:
    """See the module. May be used by several threads."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self._database = database
        self._epochs = epochs

    def write(
        self,
        roots: Sequence[RootState],
        rest: Mapping[str, bytes],
        partition: int,
        epoch: int,
        version: int,
        at_ms: int,
    ) -> None:
        """Write one checkpoint, what changed of it, as one block. `rest`: what belongs to no single agent, by key.

        Raises `Fenced`.
        """
        rows = [
            *(
                {
                    "key": f"root/{root.key}", "last_ms": root.last_ms, "names": root.names, "runs": root.runs,
                    "open": root.open, "state": root.state,
                }
                for root in roots
            ),
            *(
                {"key": key, "last_ms": 0, "names": [], "runs": [], "open": False, "state": state}
                for key, state in rest.items()
            ),
        ]  # fmt: skip
        same = {"partition": partition, "version": version, "written_at": at_ms}
        data = pa.Table.from_pylist([{**row, **same} for row in rows], _STATES)
        self._epochs.insert(
            "watch_state",
            _STATE_COLUMNS,
            data,
            partition,
            epoch,
            f"state:{epoch}:{version}",
            # A checkpoint in two blocks could be half there after a crash.
            {"min_insert_block_size_rows": 10_000_000, "min_insert_block_size_bytes": 4 << 30},
        )

    def read_rest(self, partition: int, only: str = "") -> dict[str, bytes]:
        """The parts of the newest checkpoint that belong to no single agent, or `only` one; empty without one."""
        table = self._database.arrow(
            "SELECT key, argMax(state, version) AS state FROM watch_state "
            "WHERE partition = {p:UInt32} AND NOT startsWith(key, 'root/') AND {only:String} IN ('', key) GROUP BY key",
            {"p": partition, "only": only},
            binary=True,
        )
        keys, states = table.column("key").to_pylist(), table.column("state").to_pylist()
        return {key.decode(): state for key, state in zip(keys, states, strict=True)}

    def read_roots(self, partition: int) -> Iterator[RootState]:
        """The root agents of the newest checkpoint."""
        table = self._database.arrow(
            "SELECT key, last_ms, names, runs, open, state FROM watch_state FINAL "
            "WHERE partition = {p:UInt32} AND startsWith(key, 'root/') AND state != ''",
            {"p": partition},
            binary=True,
        )
        for batch in table.to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                yield RootState(
                    row["key"].decode()[len("root/") :],
                    int(row["last_ms"]),
                    [name.decode() for name in row["names"]],
                    [run.decode() for run in row["runs"]],
                    bool(row["open"]),
                    row["state"],
                )


_STATE_COLUMNS, _STATES = columns(
    partition="UInt32", key="String", version="UInt64", last_ms="Int64", names="Array(String)", runs="Array(String)",
    open="Bool", state="Bytes", written_at=TIME,
)  # fmt: skip
