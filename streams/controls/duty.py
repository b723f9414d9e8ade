"""The duty of controls: policies applied to changes of incidents, and what stands published for routers.

1. each change of an incident (opened, escalated, reopened) is held against the policies; a person's `resolved`
   ends what policies set for it
2. every control whose state differs from what was published last is published: in force with its fields, else as
   a tombstone. A new process publishes all that is in force again; that changes nothing for a reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from schemas.policies import ControlPolicy
from streams.alert.match import control_of
from streams.controls.book import ControlBook
from streams.controls.control import Standing
from streams.controls.decide import IncidentChange, decide, released_by, wanted
from streams.ledger.client import Database

log = structlog.get_logger("spendstream.controls")

OVERLAP_MS: Final = 120_000
"""As in `streams.alert.incidents`."""
ENDED_MS: Final = 7 * 86_400_000
"""How long ago a control may have ended for a new process to say so again."""

_SQL: Final = """
SELECT
    incident_id, number, change, kind, severity, team_id, tier, agent_id, run_id, evidence, by, reason,
    toUnixTimestamp64Milli(recorded_at) AS recorded
FROM incident_events
WHERE recorded_at >= fromUnixTimestamp64Milli({since:Int64}) AND NOT backfill
    AND change IN ('opened', 'escalated', 'reopened', 'resolved')
ORDER BY recorded, incident_id, number
LIMIT 1 BY incident_id, number
"""


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """One record of `spendstream.controls`; `value` None is a tombstone."""

    key: bytes
    value: bytes | None


Publish = Callable[[Sequence[ControlRecord]], None]
"""Sends records and waits for the broker's word; raises `Unavailable` when they may be sent again."""


class ControlDuty:
    """See the module (`streams.duties.Duty`)."""

    name = "controls"
    every_s = 1.0

    def __init__(
        self,
        database: Database,
        policies: Sequence[ControlPolicy],
        publish: Publish,
        *,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """`clock`: epoch ms, in place of what `run` is given: controls expire by the clock on the wall, also where
        other duties have another one.
        """
        self._database = database
        self._book = ControlBook(database)
        self._policies = tuple(policies)
        self._publish = publish
        self._clock = clock
        self._since: int | None = None
        self._published: dict[str, bytes | None] = {}
        self._taken: dict[tuple[str, int], int] = {}
        self._new = True

    def run(self, now_ms: int) -> None:
        """Apply policies, then publish. Raises `Unavailable` when the ledger or the broker is away."""
        wall_ms = now_ms if self._clock is None else self._clock()
        self._apply(wall_ms)
        self._say(wall_ms)

    def _apply(self, now_ms: int) -> None:
        longest = max((policy.minutes for policy in self._policies), default=0) * 60_000
        since = now_ms - longest - OVERLAP_MS if self._since is None else self._since
        rows = self._database.rows(_SQL, {"since": max(0, since)})
        for row in rows:
            event = (str(row[0]), int(row[1]))
            if event not in self._taken:
                self._take(row, now_ms)
                self._taken[event] = int(row[-1])
        newest = max((int(row[-1]) for row in rows), default=since)
        self._since = max(since, newest - OVERLAP_MS)
        self._taken = {event: at for event, at in self._taken.items() if at >= self._since}

    def _take(self, row: Sequence[Any], now_ms: int) -> None:
        incident_id, _, change, kind, severity, team_id, tier, agent_id, run_id, evidence, by, reason, recorded = row
        incident = IncidentChange(
            str(incident_id), str(change), str(agent_id), str(run_id), str(evidence), str(by), str(reason),
            int(recorded),
        )  # fmt: skip
        if change == "resolved":
            for ended in released_by(incident, self._book.of_incident(incident.incident_id), now_ms):
                if self._book.change(ended, now_ms):
                    log.info("control released", control=ended.id, by=ended.by, incident=incident.incident_id)
            return
        policy = control_of(
            self._policies, team_id=str(team_id), tier=str(tier), severity=str(severity), kind=str(kind)
        )
        if policy is None:
            return
        asked = wanted(policy, incident)
        made = decide(asked, incident, self._book.history(asked.scope, asked.subject), now_ms)
        if made is not None and self._book.change(made, now_ms):
            log.info("control set", control=made.id, effect=made.effect, policy=policy.name, incident=made.incident_id)

    def _say(self, now_ms: int) -> None:
        standing = self._book.changed_since(now_ms - (ENDED_MS if self._new else 2 * OVERLAP_MS))
        wanted_now = {one.change.id: value_of(one, now_ms) for one in standing}
        for id_ in self._published.keys() - wanted_now.keys():
            wanted_now[id_] = None
        news = [
            ControlRecord(id_.encode(), value)
            for id_, value in sorted(wanted_now.items())
            if self._published.get(id_, b"") != value
        ]
        if news:
            self._publish(news)
        recent = {one.change.id for one in standing}
        self._published = {id_: value for id_, value in wanted_now.items() if value is not None or id_ in recent}
        self._new = False


def value_of(one: Standing, now_ms: int) -> bytes | None:
    """The record's value: `control` v1 while it is in force, else None."""
    if not one.active(now_ms):
        return None
    return json.dumps(one.contract(), ensure_ascii=False, separators=(",", ":")).encode()
