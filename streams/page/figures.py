"""What the page shows, asked of the ledger as one object; each question is a named query in sql/queries.

A range ends at the newest call (a replay of last year is shown as it was), and a call that says it is of the future
does not move it beyond `now_ms`. Up to a day is read from the calls; longer ranges from the roll-up by hour, so that
they cost what their hours cost, not what their calls do, and therefore tell no agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from streams.ledger.sqlfiles import named_query
from streams.top import read
from streams.top.read import FUTURE_MS, LIMITS, Reader

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

AGENTS, GROUPS, INCIDENTS, BUDGETS = 12, 12, 20, 20
"""Lines of each list."""

ARRIVED_S = 10.0
"""Calls a second and the delay are of so many last seconds."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range that can be asked for. Seconds; `fresh_s`: how old an answer may be that others share."""

    length: int
    step: int
    fresh_s: float

    @property
    def by_hour(self) -> bool:
        """Read from the roll-up."""
        return self.length > DAY_S


SPANS: Mapping[str, Span] = {
    "15m": Span(15 * MINUTE_S, 10, 0.8),
    "1h": Span(HOUR_S, 30, 0.8),
    "6h": Span(6 * HOUR_S, 3 * MINUTE_S, 1.8),
    "24h": Span(DAY_S, 10 * MINUTE_S, 3.0),
    "7d": Span(7 * DAY_S, HOUR_S, 10.0),
    "30d": Span(30 * DAY_S, 6 * HOUR_S, 10.0),
}


def board(reader: Reader, name: str, now_ms: int) -> dict[str, Any]:
    """The page's figures for the span `name` of `SPANS`; `now_ms`: the clock, epoch ms. Blocks.

    Money is decimal strings of USD, times are epoch milliseconds but for `trend` (epoch seconds at the begin of a
    step). Raises `Unavailable`, `LedgerError`.
    """
    span = SPANS[name]
    newest = read.newest_ms(reader)
    arrived = read.arrivals(reader, now_ms, ARRIVED_S)
    to_ms = min(newest, now_ms) + 1 if newest else now_ms
    if span.by_hour:
        to_ms = (to_ms // (HOUR_S * 1000) + 1) * HOUR_S * 1000
    from_ms = to_ms - span.length * 1000
    asked = {"from": from_ms, "to": to_ms, "ingested": from_ms - FUTURE_MS}
    tiers = _groups(reader, span, "tier", asked)
    whole = read.totals(reader)
    return {
        "span": name,
        "step_s": span.step,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "newest_ms": newest,
        "now_ms": now_ms,
        "calls_per_second": round(arrived.calls_per_s, 1),
        "delay_p50_ms": arrived.delay_p50_ms,
        "delay_p99_ms": arrived.delay_p99_ms,
        "sum": _sum(tiers),
        "ledger": {
            "calls": whole.calls, "rejects": whole.rejects, "duplicates": whole.duplicates, "unpriced": whole.unpriced,
        },
        "trend": _trend(reader, span, asked),
        "tiers": tiers,
        "teams": _groups(reader, span, "team_id", asked),
        "models": _groups(reader, span, "request_model", asked),
        "agents": None if span.by_hour else _groups(reader, span, "agent_id", asked),
        "incidents": _incidents(reader, from_ms),
        "budgets": _budgets(reader, to_ms - 1),
    }  # fmt: skip


def _ask(reader: Reader, name: str, **parameters: Any) -> list[list[Any]]:
    return reader.rows(named_query(name), parameters, LIMITS)


def _trend(reader: Reader, span: Span, asked: Mapping[str, int]) -> dict[str, Any]:
    """{"at": [...], "tiers": {tier: {"cost_usd": [...], "calls": [...]}}}: every step of the range, empty ones too."""
    name = "page_trend_hours" if span.by_hour else "page_trend"
    parameters = {k: v for k, v in asked.items() if k != "ingested" or not span.by_hour}
    rows = _ask(reader, name, step=span.step, **parameters)
    first = asked["from"] // 1000 // span.step * span.step
    at = list(range(first, -(-asked["to"] // 1000), span.step))
    place = {second: number for number, second in enumerate(at)}
    tiers: dict[str, dict[str, list[Any]]] = {}
    for second, tier, calls, cost in rows:
        line = tiers.setdefault(str(tier), {"cost_usd": ["0"] * len(at), "calls": [0] * len(at)})
        number = place.get(int(second))
        if number is not None:
            line["cost_usd"][number], line["calls"][number] = _usd(cost), int(calls)
    return {"at": at, "tiers": tiers}


def _groups(reader: Reader, span: Span, by: str, asked: Mapping[str, int]) -> list[dict[str, Any]]:
    limit = AGENTS if by == "agent_id" else GROUPS
    if span.by_hour:
        rows = _ask(reader, "page_groups_hours", by=by, limit=limit, **{"from": asked["from"], "to": asked["to"]})
    else:
        rows = _ask(reader, "page_groups", by=by, limit=limit, **asked)
    names = ("calls", "errors", "unpriced", "input_tokens", "cached_tokens", "output_tokens")
    return [
        {"key": str(row[0]), **{name: int(value) for name, value in zip(names, row[1:7], strict=True)},
         "cost_usd": _usd(row[7])}
        for row in rows
    ]  # fmt: skip


def _sum(tiers: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all tiers, which are never more than the list is long."""
    names = ("calls", "errors", "unpriced", "input_tokens", "cached_tokens", "output_tokens")
    return {
        **{name: sum(line[name] for line in tiers) for name in names},
        "cost_usd": _usd(sum((Decimal(line["cost_usd"]) for line in tiers), Decimal(0))),
    }


def _incidents(reader: Reader, since_ms: int) -> list[dict[str, Any]]:
    names = (
        "id", "kind", "severity", "state", "team_id", "agent_id", "run_id", "first_ms", "opened_ms", "resolved_ms",
        "calls", "cost_usd", "evidence", "acknowledged_by", "reopened",
    )  # fmt: skip
    rows = _ask(reader, "page_incidents", since=since_ms, limit=INCIDENTS)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for one in found:
        one["cost_usd"] = _usd(one["cost_usd"])
        for name in ("first_ms", "opened_ms", "calls", "reopened"):
            one[name] = int(one[name])
        one["resolved_ms"] = None if one["resolved_ms"] is None else int(one["resolved_ms"])
    return found


def _budgets(reader: Reader, at_ms: int) -> list[dict[str, Any]]:
    names = (
        "budget", "value", "period", "hard", "start_ms", "end_ms", "amount_usd", "spent_usd", "forecast_usd", "rough",
        "crossed", "burning",
    )  # fmt: skip
    found = [dict(zip(names, row, strict=True)) for row in _ask(reader, "page_budgets", at=at_ms, limit=BUDGETS)]
    for one in found:
        for name in ("amount_usd", "spent_usd", "forecast_usd"):
            one[name] = None if one[name] is None else _usd(one[name])
        for name in ("start_ms", "end_ms", "crossed"):
            one[name] = int(one[name])
        one["hard"], one["rough"] = bool(one["hard"]), bool(one["rough"])
    return found


def _usd(value: object) -> str:
    return f"{Decimal(str(value)).normalize():f}"
