"""Turns changes of incidents into notices: opened, escalated, reopened, resolved. One change, one notice.

The id of a notice is `incident_id:number`, and the watcher gives a change the same number after any crash. Nobody is
told of what was found in the past at the very first start (`backfill`). While an incident is silenced its changes are
noted, with the label `silenced`, and go only to receivers that must hear when it is over (`streams.alert.deliver`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from streams.alert import words
from streams.alert.box import NoticeBox
from streams.alert.deliver import SILENCED
from streams.alert.links import board_links
from streams.alert.notice import SEVERITIES, Notice
from streams.ledger.client import Database

TOLD: Final = ("opened", "escalated", "reopened", "resolved")
OVERLAP_MS: Final = 120_000
"""Rows may become visible out of the order of `recorded_at`, by the clocks of two workers at a hand-over at most."""
FIRST_MS: Final = 7 * 86_400_000
"""How far back a new process looks. Changes are recorded by workers, so none is older unless alerts failed so long."""
AT_ONCE: Final = 500

_SQL: Final = """
SELECT
    incident_id, number, change, kind, severity, team_id, tier, agent_id, run_id, toUnixTimestamp64Milli(first_time),
    toUnixTimestamp64Milli(opened_at), toUnixTimestamp64Milli(at), calls, toString(cost_usd), evidence, kinds, runs, by,
    reason, tenant_id, ifNull(silenced_until > recorded_at, false), toUnixTimestamp64Milli(recorded_at) AS recorded
FROM incident_events
WHERE recorded_at >= fromUnixTimestamp64Milli({since:Int64}) AND change IN {told:Array(String)} AND NOT backfill
ORDER BY recorded, incident_id, number
LIMIT 1 BY incident_id, number
"""


class IncidentNotices:
    """One process's reader of `incident_events`. `run` is for one thread at a time."""

    def __init__(self, database: Database, box: NoticeBox, *, grafana_url: str = "") -> None:
        self._database = database
        self._box = box
        self._grafana_url = grafana_url
        self._since: int | None = None
        self._put: dict[str, int] = {}

    def run(self, now_ms: int) -> int:
        """Put a notice for each change that has none; returns how many were new. Raises `Unavailable`."""
        since = max(0, now_ms - FIRST_MS) if self._since is None else self._since
        rows = self._database.rows(_SQL, {"since": since, "told": list(TOLD)})
        fresh = [row for row in rows if f"{row[0]}:{row[1]}" not in self._put]
        put = 0
        for at in range(0, len(fresh), AT_ONCE):
            put += self._box.put([notice_of(row, now_ms, self._grafana_url) for row in fresh[at : at + AT_ONCE]])
        self._since = max(since, max((int(row[-1]) for row in rows), default=0) - OVERLAP_MS)
        self._put |= {f"{row[0]}:{row[1]}": int(row[-1]) for row in fresh}
        self._put = {id_: recorded for id_, recorded in self._put.items() if recorded >= self._since}
        return put


def notice_of(row: Sequence[Any], now_ms: int, grafana_url: str) -> Notice:
    """The notice of one row of the query above."""
    (
        incident_id, number, change, kind, severity, team_id, tier, agent_id, run_id, first_ms,
        opened_ms, at_ms, calls, cost, evidence, kinds, runs, by,
        reason, tenant_id, silenced, _,
    ) = row  # fmt: skip
    facts = words.Facts(
        incident_id=str(incident_id), change=str(change), kind=str(kind), severity=str(severity), team_id=str(team_id),
        tier=str(tier), agent_id=str(agent_id), run_id=str(run_id), first_ms=int(first_ms), opened_ms=int(opened_ms),
        at_ms=int(at_ms), calls=int(calls), cost_usd=Decimal(str(cost)), evidence=str(evidence), kinds=dict(kinds),
        runs=tuple(runs), by=str(by), reason=str(reason),
    )  # fmt: skip
    labels = {
        "incident": facts.incident_id,
        "kind": facts.kind,
        "agent": facts.agent_id,
        "run": facts.run_id,
        "tenant": str(tenant_id),
        "calls": str(facts.calls),
        "cost_usd": f"{facts.cost_usd:f}",
        SILENCED: "yes" if silenced else "",
    }
    return Notice(
        id=f"{facts.incident_id}:{number}",
        subject=facts.incident_id,
        change=facts.change,
        severity=next((one for one in SEVERITIES if one == severity), "warning"),
        title=words.title(facts),
        body=words.body(facts),
        team_id=facts.team_id,
        tier=facts.tier,
        at_ms=facts.at_ms,
        links=board_links(
            grafana_url, incident_id=facts.incident_id, team_id=facts.team_id, agent_id=facts.agent_id,
            run_id=facts.run_id, first_ms=facts.first_ms, last_ms=facts.at_ms, now_ms=now_ms,
        ),
        labels={name: value for name, value in labels.items() if value},
        resolved=facts.change == "resolved",
    )  # fmt: skip
