"""One look as text or JSON: for scripts, mails and terminals without a screen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from rich.text import Text

from streams.top import read
from streams.top.columns import aligned, groups
from streams.top.figures import By, Line
from streams.top.head import alarms, head, note, title
from streams.top.look import LIMIT, Look, take
from streams.top.shown import day
from streams.top.view import TITLES, View

JSON_LINES = 50
"""Lines of each group in JSON; the greatest by spend."""
TEXT_LINES = 10


def look_once(reader: read.Reader, view: View, clock_ms: int) -> tuple[Look, dict[By, list[Line]]]:
    """A look, and the window by everything that is shown once. Blocks."""
    look = take(reader, view, clock_ms)
    every: list[By] = ["tier", "team_id", "request_model", "agent_id"]
    if look.is_empty:
        return look, {by: [] for by in every}
    scope = view.scope(look.now_ms)
    return look, {by: read.groups(reader, scope, by, order=view.order, limit=LIMIT) for by in every}


def as_json(look: Look, by: dict[By, list[Line]]) -> dict[str, Any]:
    """JSON's own types; money as exact decimal strings in USD, rates a minute of event time."""
    window, arrivals, totals = look.window, look.arrivals, look.totals
    return {
        "now": None if look.is_empty else day(look.now_ms).replace(" ", "T") + "Z",
        "now_is": "clock" if look.of_clock else "newest_call",
        "window_seconds": look.view.seconds,
        "calls": window.calls,
        "errors": window.errors,
        "unpriced": window.unpriced,
        "input_tokens": window.input_tokens,
        "output_tokens": window.output_tokens,
        "cost_usd": format(window.cost_usd, "f"),
        "cost_usd_per_minute": _per_minute(window.cost_usd, look),
        "written_per_second": round(arrivals.calls_per_s, 3),
        "publish_to_ledger_ms": {"p50": arrivals.delay_p50_ms, "p99": arrivals.delay_p99_ms},
        "ledger": {
            "calls": totals.calls,
            "duplicates": totals.duplicates,
            "rejected": totals.rejects,
            "unpriced": totals.unpriced,
            "cost_usd": format(totals.cost_usd, "f"),
        },
        "incidents": [
            {
                "id": one.id,
                "kind": one.kind,
                "severity": one.severity,
                "team_id": one.team_id,
                "agent_id": one.agent_id,
                "run_id": one.run_id,
                "opened_at": day(one.opened_ms).replace(" ", "T") + "Z",
                "calls": one.calls,
                "cost_usd": format(one.cost_usd, "f"),
                "evidence": one.evidence,
                "acknowledged_by": one.acknowledged_by,
            }
            for one in look.incidents
        ],
        **{f"by_{_NAMES[column]}": [_line(line, look) for line in lines[:JSON_LINES]] for column, lines in by.items()},
    }


_NAMES: dict[By, str] = {"tier": "tier", "team_id": "team", "request_model": "model", "agent_id": "agent"}


def as_text(look: Look, by: dict[By, list[Line]], name: str, width: int, *, idle: bool) -> list[Text]:
    """The same for reading, at most `width` wide."""
    lines = [title(look, name, width)]
    if look.is_empty:
        return [*lines, Text(EMPTY)]
    said = note(look, "", idle=idle, paused=False, retry_s=0)
    lines += [said] if said.plain else []
    lines += alarms(look, width)
    lines += head(look, width, idle=idle)
    for column, found in by.items():
        table = groups(replace(look, view=replace(look.view, by=column), lines=tuple(found[:TEXT_LINES])), width)
        first, *rest = aligned(table)
        lines += [Text(), Text(first, "dim"), *(Text(line) for line in rest)]
        if len(found) > TEXT_LINES:
            more = f"{len(found) - TEXT_LINES}{'' if len(found) < LIMIT else ' or more'}"
            lines.append(Text(f"... and {more} other {TITLES[column]}", "dim"))
    return lines


EMPTY = (
    "The ledger is empty: no call has arrived yet. "
    "Connect a router (docs/connect.md), or try `spendstream demo` or `spendstream replay FILES`."
)


def _line(line: Line, look: Look) -> dict[str, Any]:
    return {
        "key": line.key,
        "calls": line.calls,
        "errors": line.errors,
        "unpriced": line.unpriced,
        "input_tokens": line.input_tokens,
        "cached_tokens": line.cached_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": format(line.cost_usd, "f"),
        "cost_usd_per_minute": _per_minute(line.cost_usd, look),
    }


def _per_minute(usd: Decimal, look: Look) -> str:
    return format((usd * 60 / look.view.seconds).quantize(Decimal("1e-12")), "f")
