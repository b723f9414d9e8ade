"""The book of incidents: opens, adds to, resolves and re-opens them, and tells what changed.

One incident a root run at a time. What an agent does as a whole (a spend spike) goes to the incident of one of its
runs if that is open, and the other way round: a runaway run that makes its agent dear is one incident, not two.
"""

from __future__ import annotations

from streams.detect.config import MINUTE_MS, DetectConfig
from streams.detect.habit import Run
from streams.detect.incident import Event, Incident, as_of, open_incident, snapshot, weigh
from streams.detect.signal import Signal


def shared(run: Run, kind: str) -> Incident | None:
    """The open incident of the agent as a whole, or of another of its runs, that a signal of `kind` in `run` belongs
    to.

    A spend spike is the agent's, so it shares with any; a storm has its cause outside the run, so storms of one agent
    are one. Loops, explosions and growing contexts are a run's own: two runs of one agent make two incidents.
    """
    incident = run.root.incident
    if incident is None or incident.kind in ("unusual", "silent_agent"):
        return None
    if kind == "spend_spike" or incident.kind == "spend_spike" or kind == incident.kind == "retry_storm":
        return incident
    return None


class Book:
    """Open incidents by id; events since the last drain."""

    def __init__(self, config: DetectConfig, touched: set[str] | None = None) -> None:
        """`touched`: told the keys of root agents that an ending changes."""
        self.config = config
        self._touched: set[str] = set() if touched is None else touched
        self.open: dict[str, Incident] = {}
        self._events: list[Event] = []
        self._runs: dict[str, list[Run]] = {}  # incident id -> the runs that point at it
        self._base: dict[str, tuple[int, int]] = {}  # incident id -> totals of its run or agent before its first call

    def drain(self) -> list[Event]:
        """Give and forget the events so far."""
        out, self._events = self._events, []
        return out

    def pending(self) -> list[Event]:
        """The events that were not drained yet; they stay."""
        return list(self._events)

    def resume(self, pending: list[Event]) -> None:
        """Go on with events that were pending elsewhere."""
        self._events = pending

    def links(self, incident: Incident) -> tuple[list[Run], tuple[int, int] | None]:
        """The runs that point at an open incident, and the totals before its first call."""
        return self._runs.get(incident.id, []), self._base.get(incident.id)

    def link(self, incident: Incident, runs: list[Run], base: tuple[int, int] | None) -> None:
        """Take an open incident over from elsewhere."""
        self.open[incident.id] = incident
        if runs:
            self._runs[incident.id] = runs
        if base is not None:
            self._base[incident.id] = base

    def take(self, signal: Signal, run: Run, whole: bool) -> Incident:
        """Fold a signal into the incident of its run or agent, or begin one."""
        root = run.root
        incident = run.incident or shared(run, signal.kind)
        if incident is not None:
            incident.kinds[signal.kind] = signal.evidence
            if signal.page and incident.severity == "ticket":
                incident.severity = "warning"
                incident.pages += 1
                incident.kind = signal.kind
                incident.evidence = as_of(signal, "when it became a warning")
                self._events.append(Event("escalated", signal.time, snapshot(incident)))
            if run.incident is None:
                self._join(incident, run)
            return incident
        closed = run.closed
        if (
            closed is not None
            and closed.resolved_at is not None
            and signal.kind in closed.kinds
            and (signal.time - closed.resolved_at <= self.config.reopen_ms)
        ):
            return self._reopen(closed, signal, run)
        incident = self.start(run.key if not whole else root.key, signal)
        owner_calls, owner_cost = (root.calls, root.cost) if whole else (run.calls, run.cost)
        self._base[incident.id] = (owner_calls - signal.calls, owner_cost - signal.cost)
        self._join(incident, run)
        root.incident = incident
        return incident

    def start(self, key: str, signal: Signal) -> Incident:
        """Open an incident that belongs to `key`."""
        incident = open_incident(key, signal, self.config)
        self.open[incident.id] = incident
        self._events.append(Event("opened", signal.time, snapshot(incident)))
        return incident

    def count(self, incident: Incident, run: Run) -> None:
        """Bring the running totals up to date, and the severity with them."""
        base = self._base.get(incident.id)
        if base is None:
            return
        if incident.run_id is None and incident.kind == "spend_spike":
            incident.calls, incident.cost = run.root.calls - base[0], run.root.cost - base[1]
        elif run.run_id == incident.run_id:
            incident.calls, incident.cost = run.calls - base[0], run.cost - base[1]
        else:
            return
        if incident.severity == "warning" and weigh(incident, run.last_ms, self.config):
            self._events.append(Event("escalated", run.last_ms, snapshot(incident)))

    def tick(self, minute: int) -> None:
        """Resolve what has been quiet long enough; as of the moment it was, however late the tick comes."""
        due = [(self._ends(incident), incident.id, incident) for incident in self.open.values()]
        for at, _, incident in sorted((entry for entry in due if entry[0] <= minute), key=lambda entry: entry[:2]):
            self.resolve(incident, at)

    def _ends(self, incident: Incident) -> int:
        quiet = self.config.silent_ends_ms if incident.kind == "silent_agent" else self.config.quiet_ms
        return -(-(incident.last_abnormal + quiet) // MINUTE_MS) * MINUTE_MS

    def resolve(self, incident: Incident, at: int) -> None:
        """Close an incident, once; its run remembers it, in case it goes on."""
        if incident.state == "resolved":
            return
        self._touched.add(incident.agent_id)
        incident.state = "resolved"
        incident.resolved_at = at
        self.open.pop(incident.id, None)
        self._base.pop(incident.id, None)
        for run in self._runs.pop(incident.id, []):
            self._touched.add(run.root.key)
            run.incident = None
            run.closed = incident
            run.calm()
            # what the runaway spent is no habit and no spike of its own
            run.root.spend10 = run.root.spend60 = run.root.spend360 = 0.0
            if run.root.incident is incident:
                run.root.incident = None
        self._events.append(Event("resolved", at, snapshot(incident)))

    def _reopen(self, incident: Incident, signal: Signal, run: Run) -> Incident:
        incident.state = "open"
        incident.resolved_at = None
        incident.reopened += 1
        incident.last_abnormal = signal.time
        self.open[incident.id] = incident
        self._base[incident.id] = (run.calls - incident.calls - signal.calls, run.cost - incident.cost - signal.cost)
        self._join(incident, run)
        run.root.incident = incident
        self._events.append(Event("reopened", signal.time, snapshot(incident)))
        return incident

    def _join(self, incident: Incident, run: Run) -> None:
        run.incident = incident
        self._runs.setdefault(incident.id, []).append(run)
        if run.run_id is not None and run.run_id not in incident.runs and len(incident.runs) < 256:
            incident.runs.append(run.run_id)
