"""Which incidents the worker opened during a demo, and which announced runaway each of them is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from streams.demo.runaways import Runaway
from streams.ledger.sqlfiles import named_query
from streams.top.read import LIMITS, Reader


@dataclass(frozen=True, slots=True)
class Flag:
    """One incident. Times are event time, epoch ms; money USD. `*_before`: from the first abnormal call to opening."""

    id: str
    kind: str
    severity: str
    state: str
    team_id: str
    agent_id: str
    run_id: str
    runs: tuple[str, ...]
    first_call_id: str
    opened_ms: int
    calls_before: int
    cost_before_usd: Decimal
    calls: int
    cost_usd: Decimal
    evidence: str

    def as_json(self) -> dict[str, Any]:
        """As `replay --json` tells incidents."""
        return {
            "id": self.id,
            "kind": self.kind,
            "severity": self.severity,
            "state": self.state,
            "team_id": self.team_id,
            "agent_id": self.agent_id,
            "run_id": self.run_id or None,
            "first_call_id": self.first_call_id,
            "opened_at": self.opened_ms,
            "calls_before_open": self.calls_before,
            "cost_before_open": format(self.cost_before_usd, "f"),
            "calls": self.calls,
            "cost_usd": format(self.cost_usd, "f"),
            "evidence": self.evidence,
        }


def flags(reader: Reader, from_ms: int, to_ms: int) -> tuple[Flag, ...]:
    """Incidents that opened in [from_ms, to_ms), in that order. Blocks."""
    return tuple(
        Flag(
            id=str(row[0]),
            kind=str(row[1]),
            severity=str(row[2]),
            state=str(row[3]),
            team_id=str(row[4]),
            agent_id=str(row[5]),
            run_id=str(row[6]),
            runs=tuple(row[7]),
            first_call_id=str(row[8]),
            opened_ms=int(row[9]),
            calls_before=int(row[10]),
            cost_before_usd=Decimal(str(row[11])),
            calls=int(row[12]),
            cost_usd=Decimal(str(row[13])),
            evidence=str(row[14]),
        )
        for row in reader.rows(named_query("incidents_opened"), {"from": from_ms, "to": to_ms}, LIMITS)
    )


def flag_of(runaway: Runaway, run_ids: Mapping[Runaway, str], found: Sequence[Flag]) -> Flag | None:
    """The first incident of this runaway's run, or of its agent as a whole while it ran."""
    run_id = run_ids.get(runaway, "")
    for flag in found:
        if run_id and (flag.run_id == run_id or run_id in flag.runs):
            return flag
        whole = not flag.run_id and flag.agent_id == runaway.agent.agent_id
        if whole and runaway.starts_ms <= flag.opened_ms < runaway.starts_ms + runaway.length_ms:
            return flag
    return None
