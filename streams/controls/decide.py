"""What a policy asks for when an incident changes. Pure.

A person's word goes before a policy's: a control that a person set is left alone while it is in force, and what a
person released for an incident stays released for it. Policies only strengthen; their controls end by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.policies import ControlPolicy
from streams.controls.control import Change, Standing, stronger


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """What `decide` needs of a change of an incident. `recorded_ms`: epoch ms of the clock."""

    incident_id: str
    change: str
    agent_id: str
    run_id: str
    evidence: str
    by: str
    reason: str
    recorded_ms: int


def wanted(policy: ControlPolicy, incident: IncidentChange) -> Change:
    """The control that a policy asks for. A policy for runs takes the agent where the incident has no run."""
    of_run = policy.scope == "run" and bool(incident.run_id)
    return Change(
        scope="run" if of_run else "agent",
        subject=incident.run_id if of_run else incident.agent_id,
        mode=policy.mode,
        action=policy.action or "warn",
        reason=incident.evidence or incident.incident_id,
        rate_per_minute=policy.rate_per_minute,
        incident_id=incident.incident_id,
        policy=policy.name,
        expires_ms=incident.recorded_ms + policy.minutes * 60_000,
    )


def decide(change: Change, incident: IncidentChange, history: Sequence[Standing], now_ms: int) -> Change | None:
    """`change`, or None when it should not be made; `history` is of its control, oldest first."""
    if change.expires_ms is not None and change.expires_ms <= now_ms:
        return None
    for past in history:
        of_incident = past.change.incident_id == incident.incident_id
        if of_incident and past.change.released and past.change.by:
            return None
        looked_at = of_incident and past.change.policy and past.since_ms >= incident.recorded_ms
        if looked_at and not stronger(change.effect, past.change.effect):
            return None  # by an earlier run; what asks for more is a later change
    last = history[-1] if history else None
    if last is not None and last.active(now_ms):
        if last.change.by:
            return None
        if not stronger(change.effect, last.change.effect):
            return None
    return change


def released_by(incident: IncidentChange, standing: Sequence[Standing], now_ms: int) -> list[Change]:
    """When a person resolves an incident, the controls that policies set for it end with it."""
    if incident.change != "resolved" or not incident.by:
        return []
    reason = incident.reason or f"{incident.incident_id} was resolved"
    return [
        replace(one.change, released=True, by=incident.by, policy="", reason=reason)
        for one in standing
        if one.active(now_ms) and one.change.policy and one.change.incident_id == incident.incident_id
    ]
