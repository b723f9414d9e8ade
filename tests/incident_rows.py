"""Rows of `incident_events`, as the watcher writes them."""

from __future__ import annotations

from typing import Any

from streams.ledger.client import Database
from tests.fakes import BASE_MS


def add_event(
    database: Database, incident_id: str = "inc-1", number: int = 1, change: str = "opened", **fields: Any
) -> None:
    """One change of an incident: a loop of team search, 43 calls, $3.10. Times are epoch ms."""
    values: dict[str, Any] = {
        "at": BASE_MS + number * 1000,
        "kind": "loop",
        "severity": "warning",
        "state": "resolved" if change == "resolved" else "open",
        "tenant_id": "acme",
        "team_id": "search",
        "tier": "frontier",
        "agent_id": "bot",
        "run_id": "run-1",
        "first_call_id": "call-1",
        "first_time": BASE_MS - 360_000,
        "opened_at": BASE_MS,
        "opened_by": "call-43",
        "calls_before_open": 43,
        "cost_before_open_usd": "3.1",
        "calls": 43 + number,
        "cost_usd": "3.1",
        "evidence": "43 calls with the same fingerprint in 6 min, 0 errors, normally at most 3",
        "ready": 1,
        "page": 1,
        "resolved_at": BASE_MS + number * 1000 if change == "resolved" else None,
        "reopened": 0,
        "pages": 1,
        "acknowledged_by": "",
        "acknowledged_at": None,
        "silenced_until": None,
        "by": "",
        "reason": "",
        "action_id": "",
        "backfill": 0,
        "partition": 0,
        "epoch": 1,
        "recorded_at": BASE_MS + number * 1000 + 500,
        **fields,
    }
    names = ["incident_id", "number", "change", *values, "kinds", "runs"]
    parts = [_text(incident_id), str(number), _text(change)]
    times = {"at", "first_time", "opened_at", "resolved_at", "acknowledged_at", "silenced_until", "recorded_at"}
    for name, value in values.items():
        if value is None:
            parts.append("NULL")
        elif name in times:
            parts.append(f"fromUnixTimestamp64Milli({int(value)})")
        elif name.endswith("_usd"):
            parts.append(f"toDecimal128({_text(str(value))}, 12)")
        else:
            parts.append(_text(value) if isinstance(value, str) else str(value))
    parts += [f"map({_text(values['kind'])}, {_text(values['evidence'])})", f"[{_text(values['run_id'])}]"]
    columns = ", ".join(f"`{name}`" for name in names)
    database.command(f"INSERT INTO incident_events ({columns}) SELECT {', '.join(parts)}")


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
