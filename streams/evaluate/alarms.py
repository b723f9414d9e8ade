"""What any detector under evaluation hands in: its alarms, each with where, when and whether it pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.detect import DetectConfig, Detector, Event
from streams.evaluate.read import SeenCall


@dataclass(frozen=True, slots=True)
class Alarm:
    """`runs`: the runs it names (empty: the agent as a whole). `at`: event time in milliseconds. `incident`: its id,
    where one incident may alarm again.
    """

    kind: str
    agent_id: str
    runs: tuple[str, ...]
    at: int
    page: bool
    evidence: str = ""
    severity: str = "warning"
    ready: bool = True
    incident: str = ""


def of_detector(
    calls: Sequence[SeenCall], costs: Sequence[int | None], config: DetectConfig | None = None, *, batch: int = 2000
) -> tuple[list[Alarm], list[Event]]:
    """Run the detector as it ships, in event time; its incidents as alarms, and all events."""
    detector = Detector(config)
    for start in range(0, len(calls), batch):
        detector.observe(calls[start : start + batch], costs[start : start + batch])
    detector.finish()
    detector.advance(detector.clock + 7_200_000)
    return of_events(events := detector.drain()), events


def of_events(events: Sequence[Event]) -> list[Alarm]:
    """An alarm each time an incident pages (it opens, rises above a ticket, or opens again); one for a ticket that
    never does.
    """
    last = {event.incident.id: event.incident for event in events}
    paged: set[str] = set()
    told: list[Event] = []
    for event in events:
        incident = event.incident
        if incident.page and (event.change in ("opened", "reopened") or incident.id not in paged):
            paged.add(incident.id)
            told.append(event)
    told += [event for event in events if event.change == "opened" and event.incident.id not in paged]
    return [
        Alarm(
            event.incident.kind,
            event.incident.agent_id,
            tuple(last[event.incident.id].runs) if event.incident.run_id else (),
            event.at,
            event.incident.page,
            evidence=event.incident.evidence,
            severity=last[event.incident.id].severity,
            ready=event.incident.ready,
            incident=event.incident.id,
        )
        for event in told
    ]
