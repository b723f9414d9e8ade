"""Incidents: what belongs to one root run becomes one incident, from the first crossing to thirty quiet minutes.

States: open -> resolved; a crossing soon after resolving opens the same incident again. Severity (ticket, warning,
critical) only rises while it is open: a ticket that gets a paging kind becomes a warning, and cost makes either
critical. Each change is an `Event`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from streams.counted import counted
from streams.detect.config import HOUR_MS, DetectConfig
from streams.detect.signal import Signal, dollars, span

SEVERITIES = ("ticket", "warning", "critical")


@dataclass(slots=True)
class Incident:
    """One runaway. Times are epoch milliseconds, money pico-USD. `page` = it has woken somebody."""

    id: str
    kind: str
    severity: str
    agent_id: str
    run_id: str | None
    first_call_id: str
    first_time: int
    opened_at: int
    opened_by: str
    calls_before_open: int
    cost_before_open: int
    evidence: str  # as of the opening, or of the moment when a ticket became a warning
    ready: bool
    calls: int
    cost: int
    state: str = "open"
    resolved_at: int | None = None
    reopened: int = 0
    pages: int = 0
    last_abnormal: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)

    @property
    def page(self) -> bool:
        """Whether it pages: anything above a ticket."""
        return self.severity != "ticket"


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one incident: `opened`, `escalated`, `resolved`, `reopened`, with a copy as it then stood."""

    change: str
    at: int
    incident: Incident


def incident_id(key: str, kind: str, first_call_id: str) -> str:
    """Deterministic: the same runaway gets the same id in every replay."""
    return "inc-" + hashlib.blake2b(f"{key}\0{kind}\0{first_call_id}".encode(), digest_size=8).hexdigest()


def open_incident(key: str, signal: Signal, config: DetectConfig) -> Incident:
    """The incident that `signal` begins."""
    evidence = as_of(signal, "at opening")
    incident = Incident(
        id=incident_id(key, signal.kind, signal.first_call_id),
        kind=signal.kind,
        severity="warning" if signal.page else "ticket",
        agent_id=signal.agent_id,
        run_id=signal.run_id,
        first_call_id=signal.first_call_id,
        first_time=signal.first_time,
        opened_at=signal.time,
        opened_by=signal.call_id,
        calls_before_open=signal.calls,
        cost_before_open=signal.cost,
        evidence=evidence,
        ready=signal.ready,
        calls=signal.calls,
        cost=signal.cost,
        last_abnormal=signal.time,
        kinds={signal.kind: evidence},
    )
    weigh(incident, signal.time, config)
    incident.pages = int(incident.page)
    return incident


def as_of(signal: Signal, moment: str) -> str:
    """A signal's evidence with its figures and the moment that they are of (`at opening`): an incident keeps this text
    while its running totals go on.
    """
    if not signal.calls:
        return signal.evidence
    return f"{signal.evidence}; {moment}: {counted(signal.calls, 'call')}, {dollars(signal.cost)}"


def weigh(incident: Incident, at: int, config: DetectConfig) -> bool:
    """Raise the severity by cost and cost rate (over at least six minutes); True when it rose to critical."""
    if incident.severity != "warning":
        return False
    elapsed = max(at - incident.first_time, HOUR_MS // 10)
    if incident.cost >= config.critical_cost or incident.cost * HOUR_MS >= config.critical_rate * elapsed:
        incident.severity = "critical"
        return True
    return False


def snapshot(incident: Incident) -> Incident:
    """A copy that later changes do not touch."""
    return replace(incident, kinds=dict(incident.kinds), runs=list(incident.runs))


def summary(incident: Incident) -> str:
    """One line for people."""
    where = f"run {incident.run_id} of {incident.agent_id}" if incident.run_id else incident.agent_id
    length = span((incident.resolved_at or incident.last_abnormal) - incident.first_time)
    return (
        f"{incident.kind} in {where} ({incident.severity}, {incident.state}): {counted(incident.calls, 'call')}, "
        f"{dollars(incident.cost)} in {length}. {incident.evidence}"
    )
