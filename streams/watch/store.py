"""What the watcher writes to ClickHouse and reads from it. All blocking.

Every insert asks in its own WHERE whether this worker still watches the partition (`watch_epochs`), so that one that
was paused or partitioned away writes nothing when it comes back. Taking over: `fence`, wait for inserts that run
(`LedgerStore.wait_for_inserts`: these carry the same mark), then read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from streams.detect import Incident, Signal
from streams.detect.wider import FLEET
from streams.errors import Fenced
from streams.ledger.client import Database
from streams.ledger.store import INSERT_MARK
from streams.money import usd
from streams.watch.fold import Change, Place
from streams.watch.order import Gap
from streams.watch.record import StepCall

PAGE = 50_000
"""Calls of one statement: some 15 MB on the way."""

Place3 = tuple[int, int, int]
"""(incarnation, offset, item)."""
Ingested = tuple[int, int, int, int, int]
"""(ingested_ms, partition, incarnation, offset, item)."""

_CALL_COLUMNS = """
    id, toUnixTimestamp64Milli(time) AS at, agent_id, request_model, input_tokens, output_tokens,
    nullIf(run_id, '') AS run, nullIf(parent_agent_id, '') AS parent, nullIf(provider_name, '') AS provider,
    nullIf(status, '') AS ended, nullIf(attempt, 0) AS attempts, nullIf(retry_of, '') AS retried,
    nullIf(request_fingerprint, '') AS fingerprint, toInt64(toDecimal128(cost_usd, 12) * 1000000000000) AS cost_pico
"""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A call of the ledger and its place in the log."""

    call: StepCall
    partition: int
    incarnation: int
    offset: int
    item: int
    tenant_id: str
    ingested_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class RootState:
    """One root agent's part of a checkpoint. Empty `state`: it is gone."""

    key: str
    last_ms: int
    names: list[str]
    runs: list[str]
    open: bool
    state: bytes


class WatchStore:
    """See the module. May be used by several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- who watches

    def fence(self, partition: int, worker: str) -> int:
        """Begin a new epoch of a partition and return its number."""
        while True:
            epoch = self.epoch(partition) + 1
            self.database.command(
                "INSERT INTO watch_epochs (partition, epoch, worker) SELECT {p:UInt32}, {e:UInt64}, {w:String}",
                {"p": partition, "e": epoch, "w": worker},
            )
            [[owners]] = self.database.rows(
                "SELECT count() FROM watch_epochs WHERE partition = {p:UInt32} AND epoch >= {e:UInt64}",
                {"p": partition, "e": epoch},
            )
            if int(owners) == 1:
                return epoch
            time.sleep(0.05 + 0.2 * (hash((worker, epoch)) % 16) / 16)

    def epoch(self, partition: int) -> int:
        """The epoch that may write."""
        [[epoch]] = self.database.rows(
            "SELECT max(epoch) FROM watch_epochs WHERE partition = {p:UInt32}", {"p": partition}
        )
        return int(epoch)

    # -- incidents and signals

    def write_changes(self, changes: Sequence[Change], partition: int, epoch: int, recorded_ms: int) -> None:
        """Add rows of `incident_events`. `recorded_ms` must rise from insert to insert; it is also the token.

        Raises `Fenced` when another worker watches the partition: then nothing was written.
        """
        if changes:
            data = pa.Table.from_pylist([_event(one, partition, epoch, recorded_ms) for one in changes], _EVENTS)
            self._insert("incident_events", _EVENT_COLUMNS, data, partition, epoch, f"changes:{recorded_ms}")

    def write_signals(self, signals: Sequence[Signal], partition: int, epoch: int, recorded_ms: int) -> None:
        """Add rows of `signals`; as `write_changes`."""
        if signals:
            data = pa.Table.from_pylist([_signal(one, partition, recorded_ms) for one in signals], _SIGNALS)
            self._insert("signals", _SIGNAL_COLUMNS, data, partition, epoch, f"signals:{recorded_ms}")

    def known_changes(self, partition: int, after_recorded_ms: int) -> dict[str, dict[int, str]]:
        """Changes recorded after a moment: incident -> number -> change."""
        found: dict[str, dict[int, str]] = {}
        for id_, number, change in self.database.rows(
            "SELECT incident_id, number, change FROM incident_events WHERE partition = {p:UInt32} "
            "AND change != 'updated' AND recorded_at > fromUnixTimestamp64Milli({ms:Int64})",
            {"p": partition, "ms": after_recorded_ms},
        ):
            found.setdefault(str(id_), {})[int(number)] = str(change)
        return found

    def last_recorded_ms(self, partition: int) -> int:
        """When the newest change of a partition was recorded; 0 when there is none."""
        [[newest]] = self.database.rows(
            "SELECT toUnixTimestamp64Milli(max(recorded_at)) FROM incident_events WHERE partition = {p:UInt32}",
            {"p": partition},
        )
        return max(0, int(newest))

    def numbers(self, incident_ids: Sequence[str], through_recorded_ms: int) -> dict[str, int]:
        """The last number of each incident that has changes recorded up to a moment."""
        rows = self.database.rows(
            "SELECT incident_id, max(number) FROM incident_events WHERE incident_id IN {ids:Array(String)} "
            "AND recorded_at <= fromUnixTimestamp64Milli({ms:Int64}) GROUP BY incident_id",
            {"ids": list(incident_ids), "ms": through_recorded_ms},
        )
        return {str(id_): int(number) for id_, number in rows}

    def places(self, incidents: Sequence[Incident]) -> dict[str, Place]:
        """Tenant, team and tier of each incident's first abnormal call; where it has none (silence), of the agent's
        call nearest to it.
        """
        found = {one.id: Place() for one in incidents if one.agent_id == FLEET}
        by_what: tuple[tuple[str, Callable[[Incident], str | None]], ...] = (
            ("agent_id", lambda one: one.agent_id),
            ("run_id", lambda one: one.run_id),
        )
        for column, of in by_what:
            missing = [one for one in incidents if one.id not in found and of(one)]
            for start in range(0, len(missing), 200):
                part = missing[start : start + 200]
                rows = self.database.rows(
                    f"SELECT {column}, id, toUnixTimestamp64Milli(time) AS at, tenant_id, team_id, tier FROM calls "
                    f"WHERE {column} IN {{names:Array(String)}} AND time >= fromUnixTimestamp64Milli({{first:Int64}}) "
                    "AND time <= fromUnixTimestamp64Milli({last:Int64}) AND id IN {ids:Array(String)}",
                    {
                        "names": sorted({str(of(one)) for one in part}),
                        "ids": sorted({one.first_call_id for one in part}),
                        "first": min(one.first_time for one in part),
                        "last": max(one.first_time for one in part),
                    },
                )
                by_call = {(str(r[0]), str(r[1]), int(r[2])): Place(str(r[3]), str(r[4]), str(r[5])) for r in rows}
                for one in part:
                    place = by_call.get((str(of(one)), one.first_call_id, one.first_time))
                    if place is not None:
                        found[one.id] = place
        for one in incidents:
            if one.id not in found:
                found[one.id] = self._nearest(one)
        return found

    def _nearest(self, incident: Incident) -> Place:
        rows = self.database.rows(
            "SELECT tenant_id, team_id, tier FROM calls WHERE agent_id = {agent:String} "
            "AND time >= fromUnixTimestamp64Milli({first:Int64}) AND time <= fromUnixTimestamp64Milli({last:Int64}) "
            "ORDER BY abs(toUnixTimestamp64Milli(time) - {at:Int64}), time LIMIT 1",
            {
                "agent": incident.agent_id,
                "at": incident.first_time,
                "first": incident.first_time - 3_600_000,
                "last": incident.first_time + 3_600_000,
            },
        )
        return Place(*(str(value) for value in rows[0])) if rows else Place()

    # -- checkpoints

    def write_state(
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
        self._insert(
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
        table = self.database.arrow(
            "SELECT key, argMax(state, version) AS state FROM watch_state "
            "WHERE partition = {p:UInt32} AND NOT startsWith(key, 'root/') AND {only:String} IN ('', key) GROUP BY key",
            {"p": partition, "only": only},
            binary=True,
        )
        keys, states = table.column("key").to_pylist(), table.column("state").to_pylist()
        return {key.decode(): state for key, state in zip(keys, states, strict=True)}

    def read_roots(self, partition: int) -> Iterator[RootState]:
        """The root agents of the newest checkpoint."""
        table = self.database.arrow(
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

    # -- the ledger

    def positions(self) -> dict[int, tuple[int, int]]:
        """How far the ledger holds each partition of the calls topic: (incarnation, last offset)."""
        rows = self.database.rows(
            "SELECT partition, argMax((incarnation, last), incarnation) FROM "
            "(SELECT partition, incarnation, max(through) AS last FROM intake GROUP BY partition, incarnation) "
            "GROUP BY partition"
        )
        return {int(partition): (int(at[0]), int(at[1])) for partition, at in rows}

    def gap(self, gap: Gap, page: int = PAGE) -> list[LedgerRow]:
        """The first `page` calls of a gap, in the order of the log."""
        return self._calls(
            "partition = {p:UInt32} AND incarnation >= {i1:UInt32} AND incarnation <= {i2:UInt32} "
            "AND (incarnation, toInt64(offset), item) > ({i1:UInt32}, {o1:Int64}, {n1:UInt32}) "
            "AND (incarnation, toInt64(offset), item) <= ({i2:UInt32}, {o2:Int64}, {n2:UInt32}) "
            "ORDER BY incarnation, offset, item LIMIT {page:UInt32}",
            {
                "p": gap.partition, "i1": gap.after[0], "o1": gap.after[1], "n1": gap.after[2],
                "i2": gap.through[0], "o2": gap.through[1], "n2": gap.through[2], "page": page,
            },
        )  # fmt: skip

    def ingested(self, after: Ingested, page: int = PAGE) -> list[LedgerRow]:
        """The next `page` calls of all partitions in the order in which they were ingested."""
        return self._calls(
            "ingested_at >= fromUnixTimestamp64Milli({t:Int64}) AND "
            "(toUnixTimestamp64Milli(ingested_at), toInt64(partition), toInt64(incarnation), toInt64(offset), "
            "toInt64(item)) > ({t:Int64}, {p:Int64}, {i:Int64}, {o:Int64}, {n:Int64}) "
            "ORDER BY ingested_at, partition, incarnation, offset, item LIMIT {page:UInt32}",
            {"t": after[0], "p": after[1], "i": after[2], "o": after[3], "n": after[4], "page": page},
        )

    def oldest_behind(self, after: Mapping[int, Place3], upto: Mapping[int, tuple[int, int]]) -> int | None:
        """When the first row behind the cursors `after` was ingested, epoch ms; None when there is none up to `upto`
        (incarnation, offset).
        """
        oldest: list[int] = []
        for partition, (incarnation, offset) in upto.items():
            known = after.get(partition, (0, -1, 0))
            if known[:2] >= (incarnation, offset):
                continue
            rows = self.database.rows(
                "SELECT toUnixTimestamp64Milli(min(ingested_at)) FROM intake WHERE partition = {p:UInt32} "
                "AND (incarnation, toInt64(offset)) >= ({i:UInt32}, {o:Int64}) HAVING count() > 0",
                {"p": partition, "i": known[0], "o": known[1]},
            )
            oldest += [int(row[0]) for row in rows]
        return min(oldest, default=None)

    def history_hours(self, from_ms: int) -> list[tuple[int, int]]:
        """(start in epoch ms, calls) of each hour that holds calls from a moment on, oldest first."""
        rows = self.database.rows(
            "SELECT toUInt64(toUnixTimestamp(hour)) * 1000 AS start, count() FROM calls "
            "GROUP BY hour HAVING start + 3600000 > {from:Int64} ORDER BY hour",
            {"from": from_ms},
        )
        return [(int(start), int(calls)) for start, calls in rows]

    def newest_ms(self) -> int:
        """Event time of the newest call; 0 when there is none."""
        rows = self.database.rows(
            "SELECT max(m) FROM (SELECT toUnixTimestamp64Milli(maxIf(time, outcome = 'call')) AS m FROM intake "
            "GROUP BY partition, incarnation)"
        )
        return max(0, int(rows[0][0] or 0))

    def history(self, after: tuple[int, str, str], end_ms: int, page: int = PAGE) -> list[LedgerRow]:
        """The next `page` calls before `end_ms` in (time, id, source) order, behind the call `after`."""
        return self._calls(
            "time >= fromUnixTimestamp64Milli({at:Int64}, 'UTC') "
            "AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC') "
            "AND (time, id, source) > (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {id:String}, {source:String}) "
            "ORDER BY time, id, source LIMIT {page:UInt32}",
            {"at": after[0], "id": after[1], "source": after[2], "end": end_ms, "page": page},
        )

    def _calls(self, where: str, parameters: Mapping[str, Any]) -> list[LedgerRow]:
        table = self.database.arrow(
            f"SELECT {_CALL_COLUMNS}, partition, incarnation, offset, item, tenant_id, "
            "toUnixTimestamp64Milli(ingested_at) AS ingested_ms, source "
            f"FROM intake WHERE outcome = 'call' AND {where}",
            parameters,
        )
        columns = [table.column(number).to_pylist() for number in range(table.num_columns)]
        calls = map(StepCall, *columns[:14])
        return list(map(LedgerRow, calls, *columns[14:]))

    # -- inside

    def _insert(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        data: pa.Table,
        partition: int,
        epoch: int,
        token: str,
        settings: Mapping[str, int | str] | None = None,
    ) -> None:
        self.database.insert(
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


def _event(one: Change, partition: int, epoch: int, recorded_ms: int) -> dict[str, Any]:
    incident = one.incident
    return {
        "incident_id": incident.id, "number": one.number, "change": one.change, "at": one.at, "kind": incident.kind,
        "severity": incident.severity, "state": incident.state, "tenant_id": one.place.tenant_id,
        "team_id": one.place.team_id, "tier": one.place.tier, "agent_id": incident.agent_id,
        "run_id": incident.run_id or "", "first_call_id": incident.first_call_id, "first_time": incident.first_time,
        "opened_at": incident.opened_at, "opened_by": incident.opened_by,
        "calls_before_open": incident.calls_before_open, "cost_before_open_usd": usd(incident.cost_before_open),
        "calls": incident.calls, "cost_usd": usd(incident.cost), "evidence": incident.evidence,
        "kinds": list(incident.kinds.items()), "runs": incident.runs, "ready": incident.ready, "page": incident.page,
        "resolved_at": incident.resolved_at, "reopened": incident.reopened, "pages": incident.pages,
        "acknowledged_by": one.acknowledged_by, "acknowledged_at": one.acknowledged_at,
        "silenced_until": one.silenced_until, "by": one.by, "reason": one.reason, "action_id": one.action_id,
        "backfill": one.backfill, "partition": partition, "epoch": epoch, "recorded_at": recorded_ms,
    }  # fmt: skip


def _signal(one: Signal, partition: int, recorded_ms: int) -> dict[str, Any]:
    return {
        "kind": one.kind, "agent_id": one.agent_id, "run_id": one.run_id or "", "call_id": one.call_id,
        "time": one.time, "first_call_id": one.first_call_id, "first_time": one.first_time, "calls": one.calls,
        "cost_usd": usd(one.cost), "score": one.score, "ready": one.ready, "page": one.page,
        "evidence": one.evidence, "partition": partition, "recorded_at": recorded_ms,
    }  # fmt: skip


_ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "Bytes": pa.binary(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", "UTC"),
    "Nullable(DateTime64(3, 'UTC'))": pa.timestamp("ms", "UTC"),
    "Decimal(38, 12)": pa.decimal128(38, 12),
    "Map(String, String)": pa.map_(pa.string(), pa.string()),
    "Array(String)": pa.list_(pa.string()),
}
_TIME, _MAYBE, _MONEY = "DateTime64(3, 'UTC')", "Nullable(DateTime64(3, 'UTC'))", "Decimal(38, 12)"


def _columns(**types: str) -> tuple[list[tuple[str, str]], pa.Schema]:
    """Columns for `Database.insert` and the Arrow schema of their data."""
    schema = pa.schema([(name, _ARROW[type_]) for name, type_ in types.items()])
    return [(name, "String" if type_ == "Bytes" else type_) for name, type_ in types.items()], schema


_EVENT_COLUMNS, _EVENTS = _columns(
    incident_id="String", number="UInt32", change="String", at=_TIME, kind="String", severity="String", state="String",
    tenant_id="String", team_id="String", tier="String", agent_id="String", run_id="String", first_call_id="String",
    first_time=_TIME, opened_at=_TIME, opened_by="String", calls_before_open="UInt64", cost_before_open_usd=_MONEY,
    calls="UInt64", cost_usd=_MONEY, evidence="String", kinds="Map(String, String)", runs="Array(String)",
    ready="Bool", page="Bool", resolved_at=_MAYBE, reopened="UInt32", pages="UInt32", acknowledged_by="String",
    acknowledged_at=_MAYBE, silenced_until=_MAYBE, by="String", reason="String", action_id="String", backfill="Bool",
    partition="UInt32", epoch="UInt64", recorded_at=_TIME,
)  # fmt: skip
_SIGNAL_COLUMNS, _SIGNALS = _columns(
    kind="String", agent_id="String", run_id="String", call_id="String", time=_TIME, first_call_id="String",
    first_time=_TIME, calls="UInt64", cost_usd=_MONEY, score="Float64", ready="Bool", page="Bool", evidence="String",
    partition="UInt32", recorded_at=_TIME,
)  # fmt: skip
_STATE_COLUMNS, _STATES = _columns(
    partition="UInt32", key="String", version="UInt64", last_ms="Int64", names="Array(String)", runs="Array(String)",
    open="Bool", state="Bytes", written_at=_TIME,
)  # fmt: skip
