"""Changes and signals as records of `spendstream.incidents` and `spendstream.signals` (contracts in schemas/)."""

from __future__ import annotations

from typing import Any

import msgspec

from streams import topics
from streams.detect import Signal
from streams.meter.outgoing import OutgoingRecord
from streams.money import exact
from streams.recheck.tell import instant
from streams.watch.fold import Change

_encode = msgspec.json.Encoder().encode


def change_record(one: Change) -> OutgoingRecord:
    """One change, key `incident_id`. Not for rows of `updated`."""
    incident = one.incident
    value = {
        "v": 1,
        "incident_id": incident.id,
        "number": one.number,
        "change": one.change,
        "at": instant(one.at),
        "kind": incident.kind,
        "severity": incident.severity,
        "state": incident.state,
        "page": incident.page,
        "tenant_id": one.place.tenant_id or None,
        "team_id": one.place.team_id or None,
        "tier": one.place.tier or None,
        "agent_id": incident.agent_id,
        "run_id": incident.run_id,
        "first_call_id": incident.first_call_id,
        "first_time": instant(incident.first_time),
        "opened_at": instant(incident.opened_at),
        "opened_by": incident.opened_by,
        "calls_before_open": incident.calls_before_open,
        "cost_before_open_usd": exact(incident.cost_before_open),
        "calls": incident.calls,
        "cost_usd": exact(incident.cost),
        "evidence": incident.evidence,
        "kinds": list(incident.kinds),
        "runs": incident.runs,
        "ready": incident.ready,
        "resolved_at": None if incident.resolved_at is None else instant(incident.resolved_at),
        "reopened": incident.reopened,
        "acknowledged_by": one.acknowledged_by or None,
        "acknowledged_at": None if one.acknowledged_at is None else instant(one.acknowledged_at),
        "silenced_until": None if one.silenced_until is None else instant(one.silenced_until),
        "by": one.by or None,
        "reason": one.reason or None,
        "backfill": one.backfill,
    }
    return OutgoingRecord(topics.INCIDENTS, None, incident.id.encode(), _encode(_said(value)))


def signal_record(one: Signal) -> OutgoingRecord:
    """One signal, key `agent_id`."""
    value = {
        "v": 1,
        "kind": one.kind,
        "agent_id": one.agent_id,
        "run_id": one.run_id,
        "call_id": one.call_id,
        "time": instant(one.time),
        "first_call_id": one.first_call_id,
        "first_time": instant(one.first_time),
        "calls": one.calls,
        "cost_usd": exact(one.cost),
        "score": one.score,
        "ready": one.ready,
        "page": one.page,
        "evidence": one.evidence,
    }
    return OutgoingRecord(topics.SIGNALS, None, one.agent_id.encode(), _encode(_said(value)))


def _said(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if part is not None}
