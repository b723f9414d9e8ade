"""Say what a recheck found: for programs exactly, for people one line an incident."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from streams.counted import counted
from streams.detect import Incident
from streams.detect.signal import dollars
from streams.money import exact
from streams.printable import printable
from streams.recheck.fold import Rechecked


def instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def incident_json(incident: Incident) -> dict[str, Any]:
    """One incident: money as exact decimal strings in USD, instants in RFC 3339, null where there is none.

    `calls` and `cost_usd` run from the first abnormal call to the end (or to now), `*_before_open` up to the call
    that opened it.
    """
    return {
        "id": incident.id,
        "kind": incident.kind,
        "severity": incident.severity,
        "page": incident.page,
        "agent_id": incident.agent_id,
        "run_id": incident.run_id,
        "first_call_id": incident.first_call_id,
        "first_time": instant(incident.first_time),
        "opened_at": instant(incident.opened_at),
        "resolved_at": None if incident.resolved_at is None else instant(incident.resolved_at),
        "state": incident.state,
        "reopened": incident.reopened,
        "calls": incident.calls,
        "cost_usd": exact(incident.cost),
        "calls_before_open": incident.calls_before_open,
        "cost_before_open": exact(incident.cost_before_open),
        "evidence": incident.evidence,
        "kinds": list(incident.kinds),
        "ready": incident.ready,
    }


def as_json(found: Rechecked) -> dict[str, Any]:
    """The whole result; keys are described in the command's help."""
    return {
        "calls": found.calls,
        "unpriced": found.unpriced,
        "folded": found.folded,
        "first_call": None if found.first is None else instant(found.first),
        "last_call": None if found.last is None else instant(found.last),
        "as_of": None if found.as_of is None else instant(found.as_of),
        "pages": sum(one.page for one in found.incidents),
        "incidents": [incident_json(one) for one in found.incidents],
    }


def in_words(found: Rechecked) -> str:
    """One line an incident, then a summary."""
    many = counted(found.calls, "call")
    if found.unpriced:
        many += f" ({found.unpriced:,} unpriced: their cost is not in these figures)"
    if not found.incidents:
        return f"no runaways in {many}"
    waking = sum(one.page for one in found.incidents)
    lines = [_line(one) for one in found.incidents]
    incidents = counted(len(found.incidents), "incident")
    return "\n".join([*lines, f"{incidents}, {waking:,} of which would page, in {many}"])


def _line(one: Incident) -> str:
    where = f"run {one.run_id} of {one.agent_id}" if one.run_id else one.agent_id
    ended = "open" if one.resolved_at is None else f"resolved {instant(one.resolved_at)[:19]}Z"
    text = (
        f"{instant(one.opened_at)[:19]}Z  {one.severity:<8}  {one.kind}  {where}  "
        f"({ended}, {counted(one.calls, 'call')}, {dollars(one.cost)} in all)  {one.evidence}"
    )
    return printable(text)
