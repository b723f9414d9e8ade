"""Incidents as people look at them: a list, or one with all that belongs to it. For the command and for HTTP alike.

`Reader` is whatever answers SQL: the worker's `Database`, or a command's way to a ledger. Times are RFC 3339 strings in
UTC, money is decimal strings in US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from streams.alert import words
from streams.alert.message import instant
from streams.errors import UsageError
from streams.ledger.sqlfiles import named_query

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open",),
    "resolved": ("resolved",),
    "all": ("open", "resolved"),
}


class Reader(Protocol):
    """What is asked."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        ...


def incident_list(reader: Reader, state: str, limit: int, incident_id: str = "") -> list[dict[str, Any]]:
    """Incidents of a state (a key of `STATES`), the dearest first; only that of `incident_id`, if given."""
    asked = {"states": list(STATES[state]), "limit": limit, "id": incident_id}
    return [_incident(row) for row in reader.rows(named_query("incidents_list"), asked)]


def incident_named(reader: Reader, text: str) -> str | None:
    """The incident whose id is `text` or alone begins with it; None when there is none. UsageError for several."""
    found = [str(row[0]) for row in reader.rows(named_query("incidents_named"), {"text": text})] if text else []
    if text in found:
        return text
    if len(found) > 1:
        raise UsageError(f"{text!r} names several incidents: {', '.join(found)}")
    return found[0] if found else None


def incident_shown(reader: Reader, incident_id: str) -> dict[str, Any] | None:
    """One incident: itself, its history, who was told, its controls, what to do next. None when there is none."""
    found = incident_list(reader, "all", 1, incident_id) if incident_id else []
    rows = reader.rows(named_query("incidents_one"), {"id": incident_id})
    if not found or not rows:
        return None
    one = found[0]
    kinds, runs, first_call, opened_by, calls_before, cost_before, ready, tenant = rows[0]
    one |= {
        "kinds": dict(kinds),
        "runs": list(runs),
        "first_call_id": first_call,
        "opened_by": opened_by,
        "calls_before_open": int(calls_before),
        "cost_before_open_usd": _plain(cost_before),
        "ready": bool(ready),
        "tenant_id": tenant,
    }
    return {
        "incident": one,
        "history": [_change(row) for row in reader.rows(named_query("incidents_history"), {"id": incident_id})],
        "notices": [_told(row) for row in reader.rows(named_query("incidents_notices"), {"id": incident_id})],
        "controls": [_control(row) for row in reader.rows(named_query("incidents_controls"), {"id": incident_id})],
        "next": _next(one),
    }


def _incident(row: Sequence[Any]) -> dict[str, Any]:
    (
        id_, kind, severity, state, team, tier, agent, run, first, opened, resolved, calls, cost, evidence,
        acknowledged, silenced, reopened, pages, backfill,
    ) = row  # fmt: skip
    return {
        "incident_id": id_,
        "kind": kind,
        "severity": severity,
        "state": state,
        "team_id": team,
        "tier": tier,
        "agent_id": agent,
        "run_id": run,
        "first_abnormal_at": instant(int(first)),
        "opened_at": instant(int(opened)),
        "resolved_at": None if resolved is None else instant(int(resolved)),
        "calls": int(calls),
        "cost_usd": _plain(cost),
        "evidence": evidence,
        "acknowledged_by": acknowledged,
        "silenced_until": None if silenced is None else instant(int(silenced)),
        "reopened": int(reopened),
        "pages": int(pages),
        "backfill": bool(backfill),
    }


def _change(row: Sequence[Any]) -> dict[str, Any]:
    number, change, at, recorded, severity, calls, cost, by, reason, action_id = row
    return {
        "number": int(number),
        "change": change,
        "at": instant(int(at)),
        "recorded_at": instant(int(recorded)),
        "severity": severity,
        "calls": int(calls),
        "cost_usd": _plain(cost),
        "by": by,
        "reason": reason,
        "action_id": action_id,
    }


def _told(row: Sequence[Any]) -> dict[str, Any]:
    notice, change, title, channel, attempts, state, at, error = row
    return {
        "notice": notice,
        "change": change,
        "title": title,
        "channel": channel,
        "attempts": int(attempts),
        "state": state,
        "at": instant(int(at)),
        "error": error,
    }


def _control(row: Sequence[Any]) -> dict[str, Any]:
    id_, mode, action, rate, reason, policy, by, since, expires, released = row
    return {
        "id": id_,
        "mode": mode,
        "action": action,
        "rate_per_minute": None if rate is None else _plain(rate),
        "reason": reason,
        "policy": policy,
        "by": by,
        "since": instant(int(since)),
        "expires_at": None if expires is None else instant(int(expires)),
        "released": bool(released),
    }


def _next(one: Mapping[str, Any]) -> list[str]:
    if one["state"] != "open":
        return []
    subject = f"run:{one['run_id']}" if one["run_id"] else f"agent:{one['agent_id']}"
    column, value = ("run_id", one["run_id"]) if one["run_id"] else ("agent_id", one["agent_id"])
    quoted = str(value).replace("\\", "\\\\").replace("'", "\\'")
    steps = [
        words.ADVICE.get(str(one["kind"]), words.ADVICE["unusual"]),
        "spendstream sql "
        + words.quoted(
            "SELECT time, agent_id, request_model, status, input_tokens, cost_usd FROM calls "
            f"WHERE {column} = '{quoted}' ORDER BY time DESC LIMIT 20"
        ),
    ]
    if not one["acknowledged_by"]:
        steps.append(f"spendstream incidents acknowledge {one['incident_id']}")
    steps += words.control_step(str(one["kind"]), subject, str(one["incident_id"]))
    steps.append(f"spendstream incidents resolve {one['incident_id']}")
    return steps


def _plain(amount: object) -> str:
    """A decimal as a plain string without trailing zeros."""
    text = f"{Decimal(str(amount)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
