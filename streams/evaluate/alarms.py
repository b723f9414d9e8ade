"""What any detector under evaluation hands in: its alarms, each with where, when and whether it pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.detect import DetectConfig, Detector, Event
from streams.evaluate.read import SeenCall


@dataclass(frozen=True, slots=True)
class Alarm:
    """`runs`: the runs it names (empty: the agent as a whole). `at`: event time in milliseconds. `pages`: how often
    it woke somebody.
    """

    kind: str
    agent_id: str
    runs: tuple[str, ...]
    at: int
    page: bool
    pages: int = 1
    evidence: str = ""
    severity: str = "warning"
    ready: bool = True


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
    """One alarm an incident, as of the moment it first paged (or opened, if it never did)."""
    first: dict[str, tuple[int, Event]] = {}
    last: dict[str, Event] = {}
    pages: dict[str, int] = {}
    for event in events:
        key = event.incident.id
        if key not in first or (not first[key][1].incident.page and event.incident.page):
            first[key] = (event.at, event)
        if event.change in ("opened", "reopened") and event.incident.page:
            pages[key] = pages.get(key, 0) + 1
        last[key] = event
    return [
        Alarm(
            event.incident.kind,
            event.incident.agent_id,
            tuple(last[key].incident.runs) if event.incident.run_id else (),
            at,
            event.incident.page,
            max(pages.get(key, 1), 1),
            event.incident.evidence,
            last[key].incident.severity,
            event.incident.ready,
        )
        for key, (at, event) in first.items()
    ]
