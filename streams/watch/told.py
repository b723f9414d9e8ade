"""Incidents as commands tell them, read from the ledger; and whether the watcher has come as far as is asked.

Works beside any worker, in this process or elsewhere: the watcher writes down how far it is whenever it has nothing in
hand (`progress` in `watch_state`), and now and then while it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query
from streams.recheck.tell import instant

Stretch = tuple[int, int, int]
"""(incarnation, first offset, end offset) of a partition of the calls topic; the end is exclusive."""


class Reader(Protocol):
    """Read access to the ledger (`streams.cli.reach.Ledger`); blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a watched partition is. `idle`: nothing in hand, every log at its end; `given_ms`: event time reached."""

    idle: bool
    given_ms: int
    sources: Mapping[int, tuple[int, int]]
    """Of each partition of the calls topic: (incarnation, last offset read)."""

    def covers(self, stretches: Mapping[int, Stretch], last_ms: int) -> bool:
        """All calls of the stretches, the last of which is of `last_ms`, had their turn."""
        read = all(
            self.sources.get(partition, (0, -1)) >= (incarnation, end - 1)
            for partition, (incarnation, first, end) in stretches.items()
            if end > first
        )
        return read and (self.idle or self.given_ms >= last_ms)


def progress_text(idle: bool, given_ms: int, sources: Mapping[int, tuple[int, int]]) -> bytes:
    """What the watcher writes down."""
    return json.dumps(
        {"idle": idle, "given_ms": given_ms, "sources": {str(p): at for p, at in sources.items()}}
    ).encode()


def read_progress(reader: Reader) -> list[Progress | None]:
    """Of each partition that was ever watched; None where the watcher has said nothing yet. Empty: nobody watches."""
    found: list[Progress | None] = []
    for _, said in reader.rows(named_query("watch_progress")):
        if not said:
            found.append(None)
            continue
        value = json.loads(said)
        sources = {int(partition): (int(at[0]), int(at[1])) for partition, at in value["sources"].items()}
        found.append(Progress(bool(value["idle"]), int(value["given_ms"]), sources))
    return found


def extent(reader: Reader, stretches: Mapping[int, Stretch]) -> tuple[int, int] | None:
    """First and last event time of the calls of these stretches; None when they hold none."""
    first, last = 2**62, 0
    for partition, stretch in stretches.items():
        [[of_first, of_last]] = reader.rows(named_query("calls_extent_in_range"), _place(partition, stretch))
        if int(of_last):
            first, last = min(first, int(of_first)), max(last, int(of_last))
    return (first, last) if last else None


def incidents_between(reader: Reader, first_ms: int, last_ms: int) -> list[dict[str, Any]]:
    """Incidents that opened in a stretch of event time, oldest first; the keys are those of `recheck`, and opened_by,
    tenant_id, team_id and tier. Money as decimal strings, instants in RFC 3339.
    """
    told = []
    for row in reader.rows(named_query("incidents_between"), {"first": first_ms, "last": last_ms}):
        (
            id_, kind, severity, state, page, agent_id, run_id, first_call_id, first, opened, opened_by, calls_before,
            cost_before, calls, cost, evidence, kinds, ready, reopened, resolved, tenant_id, team_id, tier,
        ) = row  # fmt: skip
        told.append(
            {
                "id": str(id_), "kind": str(kind), "severity": str(severity), "page": bool(page),
                "agent_id": str(agent_id), "run_id": str(run_id) or None, "first_call_id": str(first_call_id),
                "first_time": instant(int(first)), "opened_at": instant(int(opened)), "opened_by": str(opened_by),
                "resolved_at": None if resolved is None else instant(int(resolved)), "state": str(state),
                "reopened": int(reopened), "calls": int(calls), "cost_usd": _places(cost),
                "calls_before_open": int(calls_before), "cost_before_open": _places(cost_before),
                "evidence": str(evidence), "kinds": list(kinds), "ready": bool(ready), "tenant_id": str(tenant_id),
                "team_id": str(team_id), "tier": str(tier),
            }
        )  # fmt: skip
    return told


def incidents_of(reader: Reader, stretches: Mapping[int, Stretch]) -> list[dict[str, Any]]:
    """Incidents that a call of these stretches opened, or, where no single call did (silence, the whole bill), that
    opened within their event time.
    """
    times = extent(reader, stretches)
    if times is None:
        return []
    found = incidents_between(reader, *times)
    ids = sorted({one["opened_by"] for one in found})
    here: set[tuple[str, str]] = set()
    for partition, stretch in stretches.items():
        for start in range(0, len(ids), 500):
            asked = {**_place(partition, stretch), "ids": ids[start : start + 500]}
            here |= {
                (str(id_), instant(int(at))) for id_, at in reader.rows(named_query("calls_named_in_range"), asked)
            }
    return [
        one
        for one in found
        if (one["opened_by"], one["opened_at"]) in here or one["opened_by"].startswith(f"{one['agent_id']}@")
    ]


def _place(partition: int, stretch: Stretch) -> dict[str, Any]:
    return {"partition": partition, "incarnation": stretch[0], "first": stretch[1], "end": stretch[2]}


def _places(cost: object) -> str:
    whole, _, part = str(cost).partition(".")
    return f"{whole}.{part.ljust(12, '0')}"
