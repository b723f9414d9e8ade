"""The detector with what makes its events lasting: numbers, places, operators' actions. Pure.

An event becomes a `Change`: the incident as it then stood, the number of the change (1, 2, ... of that incident, the
same at every fold of the same calls), whose it is (tenant, team and tier of its first abnormal call), what operators
did. A change that the ledger already has, because it was written before a crash, is marked `known`: it is not written
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from streams.detect import DetectConfig, Detector, Incident, Signal
from streams.detect.incident import snapshot
from streams.watch.record import Action, StepCall

_ACTIONS_KEPT = 64
"""Ids of actions that an incident remembers, so that one sent twice counts once."""

_KEEP_MS = 3_600_000
"""How long an incident that cannot go on any more is kept for operators, by event time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose an incident is. Empty where nobody said."""

    tenant_id: str = ""
    team_id: str = ""
    tier: str = ""


@dataclass(slots=True)
class Standing:
    """What the watcher knows of an incident beside the detector."""

    number: int = 0
    place: Place = Place()
    acknowledged_by: str = ""
    acknowledged_at: int | None = None
    silenced_until: int | None = None
    actions: list[str] = field(default_factory=list)
    told: tuple[int, int] = (0, 0)
    """Calls and cost as they were last written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `incident_events`. `at` is event time; `acknowledged_at` and `silenced_until` are wall time."""

    incident: Incident
    number: int
    change: str
    at: int
    place: Place
    acknowledged_by: str = ""
    acknowledged_at: int | None = None
    silenced_until: int | None = None
    by: str = ""
    reason: str = ""
    action_id: str = ""
    backfill: bool = False
    known: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A change that has no number yet."""

    change: str
    at: int
    incident: Incident
    action: Action | None = None


class Watch:
    """One detector and the incidents that it found."""

    def __init__(self, config: DetectConfig | None = None, detector: Detector | None = None) -> None:
        self.detector = detector or Detector(config)
        self.standing: dict[str, Standing] = {}
        self.recent: dict[str, Incident] = {}
        """Incidents that are open or were a while ago, as their last change left them."""
        self.known: dict[str, dict[int, str]] = {}
        """Changes that the ledger has beyond the checkpoint: incident -> number -> change."""
        self.backfill = False
        self._pending: list[Pending] = []

    # -- in

    def fold(self, calls: Sequence[StepCall]) -> list[Signal]:
        """Step calls whose turn has come, in order; gives the signals."""
        signals = self.detector.fold(calls)
        self._collect()
        return signals

    def advance(self, event_ms: int) -> list[Signal]:
        """Let event time run on without calls."""
        signals = self.detector.advance(event_ms)
        self._collect()
        return signals

    def act(self, action: Action) -> bool:
        """Apply an operator's action. False when it changes nothing: an incident that is not known, or twice."""
        incident, standing = self.recent.get(action.incident_id), self.standing.get(action.incident_id)
        if incident is None or standing is None or action.id in standing.actions:
            return False
        standing.actions = [*standing.actions[-_ACTIONS_KEPT:], action.id]
        at = max(self.detector.clock, incident.last_abnormal)
        if action.action == "resolve":
            if not self.detector.resolve(action.incident_id):
                return False
            for event in self.detector.drain():
                self._pending.append(Pending(event.change, event.at, event.incident, action))
            return True
        if action.action == "acknowledge":
            standing.acknowledged_by, standing.acknowledged_at = action.by, action.at_ms
            change = "acknowledged"
        elif action.action == "silence":
            standing.silenced_until = action.until_ms
            change = "silenced"
        else:
            return False
        now = self.detector.book.open.get(incident.id, incident)
        self._pending.append(Pending(change, at, snapshot(now), action))
        return True

    # -- out

    @property
    def waiting(self) -> int:
        """Changes that wait for their numbers."""
        return len(self._pending)

    def strangers(self) -> list[Incident]:
        """Incidents among the pending changes that have no place yet; `meet` them, then `changes`."""
        found = {p.incident.id: p.incident for p in reversed(self._pending) if p.incident.id not in self.standing}
        return list(found.values())

    def meet(self, incident_id: str, place: Place, number: int) -> None:
        """A new incident's place, and how many changes of it the ledger has from an earlier life of its."""
        self.standing[incident_id] = Standing(number=number, place=place)

    def changes(self) -> list[Change]:
        """The pending changes, numbered. Every incident among them must have been met."""
        pending, self._pending = self._pending, []
        return [self._number(one) for one in pending]

    def moved(self) -> list[Change]:
        """Open incidents whose running totals moved since they were last written: rows of `updated`."""
        rows: list[Change] = []
        for incident in self.detector.book.open.values():
            standing = self.standing.get(incident.id)
            if standing is None or standing.told == (incident.calls, incident.cost):
                continue
            standing.told = (incident.calls, incident.cost)
            at = max(self.detector.clock, incident.last_abnormal)
            rows.append(self._row("updated", at, snapshot(incident), standing, standing.number, None, False))
        return rows

    def forget(self) -> None:
        """Let incidents go that ended too long ago to go on."""
        before = self.detector.clock - self.detector.config.reopen_ms - _KEEP_MS
        gone = [
            id_
            for id_, incident in self.recent.items()
            if incident.resolved_at is not None and incident.resolved_at < before
        ]
        for id_ in gone:
            del self.recent[id_]
            self.standing.pop(id_, None)
            self.known.pop(id_, None)

    @property
    def open(self) -> int:
        """Open incidents."""
        return len(self.detector.book.open)

    # -- state

    def state(self) -> dict[str, Any]:
        """All but the detector, as plain values."""
        return {
            "standing": {id_: asdict(standing) for id_, standing in self.standing.items()},
            "recent": {id_: asdict(incident) for id_, incident in self.recent.items()},
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        for id_, values in state["standing"].items():
            self.standing[id_] = Standing(
                **{**values, "place": Place(**values["place"]), "told": tuple(values["told"])}
            )
        self.recent = {id_: Incident(**values) for id_, values in state["recent"].items()}

    # -- inside

    def _collect(self) -> None:
        for event in self.detector.drain():
            self._pending.append(Pending(event.change, event.at, event.incident))

    def _number(self, pending: Pending) -> Change:
        incident = pending.incident
        standing = self.standing[incident.id]
        known = self.known.get(incident.id, {})
        number = standing.number + 1
        is_known = known.get(number) == pending.change
        if not is_known and number in known:
            number = max(known) + 1  # another order than before the crash: what was told stays told
        standing.number = number
        if pending.change == "reopened":  # whoever had taken it thought that it was over
            standing.acknowledged_by, standing.acknowledged_at = "", None
        standing.told = (incident.calls, incident.cost)
        self.recent[incident.id] = incident
        return self._row(pending.change, pending.at, incident, standing, number, pending.action, is_known)

    def _row(
        self,
        change: str,
        at: int,
        incident: Incident,
        standing: Standing,
        number: int,
        action: Action | None,
        known: bool,
    ) -> Change:
        return Change(
            incident=incident,
            number=number,
            change=change,
            at=at,
            place=standing.place,
            acknowledged_by=standing.acknowledged_by,
            acknowledged_at=standing.acknowledged_at,
            silenced_until=standing.silenced_until,
            by=action.by if action else "",
            reason=action.reason if action else "",
            action_id=action.id if action else "",
            backfill=self.backfill,
            known=known,
        )
