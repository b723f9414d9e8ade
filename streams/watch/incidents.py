"""Rows of incidents and signals: what happened, once each, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from streams.detect import Incident, Signal
from streams.detect.wider import FLEET
from streams.ledger.client import Database
from streams.money import usd
from streams.watch.columns import MAYBE, MONEY, TIME, columns
from streams.watch.epochs import Epochs
from streams.watch.fold import Change, Place


class IncidentRows:
    """See the module. May be used by several threads."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self._database = database
        self._epochs = epochs

    def write_changes(self, changes: Sequence[Change], partition: int, epoch: int, recorded_ms: int) -> None:
        """Add rows of `incident_events`. `recorded_ms` must rise from insert to insert; it is also the token.

        Raises `Fenced` when another worker watches the partition: then nothing was written.
        """
        if changes:
            data = pa.Table.from_pylist([_event(one, partition, epoch, recorded_ms) for one in changes], _EVENTS)
            self._epochs.insert("incident_events", _EVENT_COLUMNS, data, partition, epoch, f"changes:{recorded_ms}")

    def write_signals(self, signals: Sequence[Signal], partition: int, epoch: int, recorded_ms: int) -> None:
        """Add rows of `signals`; as `write_changes`."""
        if signals:
            data = pa.Table.from_pylist([_signal(one, partition, recorded_ms) for one in signals], _SIGNALS)
            self._epochs.insert("signals", _SIGNAL_COLUMNS, data, partition, epoch, f"signals:{recorded_ms}")

    def known_changes(self, partition: int, after_recorded_ms: int) -> dict[str, dict[int, str]]:
        """Changes recorded after a moment: incident -> number -> change."""
        found: dict[str, dict[int, str]] = {}
        for id_, number, change in self._database.rows(
            "SELECT incident_id, number, change FROM incident_events WHERE partition = {p:UInt32} "
            "AND change != 'updated' AND recorded_at > fromUnixTimestamp64Milli({ms:Int64})",
            {"p": partition, "ms": after_recorded_ms},
        ):
            found.setdefault(str(id_), {})[int(number)] = str(change)
        return found

    def last_recorded_ms(self, partition: int) -> int:
        """When the newest change of a partition was recorded; 0 when there is none."""
        [[newest]] = self._database.rows(
            "SELECT toUnixTimestamp64Milli(max(recorded_at)) FROM incident_events WHERE partition = {p:UInt32}",
            {"p": partition},
        )
        return max(0, int(newest))

    def numbers(self, incident_ids: Sequence[str], through_recorded_ms: int) -> dict[str, int]:
        """The last number of each incident that has changes recorded up to a moment."""
        rows = self._database.rows(
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
                rows = self._database.rows(
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
        rows = self._database.rows(
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


_EVENT_COLUMNS, _EVENTS = columns(
    incident_id="String", number="UInt32", change="String", at=TIME, kind="String", severity="String", state="String",
    tenant_id="String", team_id="String", tier="String", agent_id="String", run_id="String", first_call_id="String",
    first_time=TIME, opened_at=TIME, opened_by="String", calls_before_open="UInt64", cost_before_open_usd=MONEY,
    calls="UInt64", cost_usd=MONEY, evidence="String", kinds="Map(String, String)", runs="Array(String)",
    ready="Bool", page="Bool", resolved_at=MAYBE, reopened="UInt32", pages="UInt32", acknowledged_by="String",
    acknowledged_at=MAYBE, silenced_until=MAYBE, by="String", reason="String", action_id="String", backfill="Bool",
    partition="UInt32", epoch="UInt64", recorded_at=TIME,
)  # fmt: skip
_SIGNAL_COLUMNS, _SIGNALS = columns(
    kind="String", agent_id="String", run_id="String", call_id="String", time=TIME, first_call_id="String",
    first_time=TIME, calls="UInt64", cost_usd=MONEY, score="Float64", ready="Bool", page="Bool", evidence="String",
    partition="UInt32", recorded_at=TIME,
)  # fmt: skip
