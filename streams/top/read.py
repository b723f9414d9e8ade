"""Asks the ledger for what `top` and `demo` show: a few cheap questions, each a named query in sql/queries.

Cheap means: answered by a projection (`newest_ms`, `totals`), or bounded by event time and by the time of writing, so
that old parts are not read. The ledger may share its memory with a worker: `LIMITS` says what one question may take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from streams.ledger.sqlfiles import named_query
from streams.top.figures import Arrivals, By, CallLine, Line, OpenIncident, Order, Point, RunSpend, Scope, Totals

LIMITS: Mapping[str, str] = {"max_threads": "1", "max_execution_time": "15", "max_memory_usage": "400000000"}
"""One thread: the worker that shares the machine comes first."""

FUTURE_MS = 25 * 3_600_000
"""A call's time is at most 24 hours after it was written (the contract refuses later ones), and clocks differ."""


class Reader(Protocol):
    """The part of `streams.cli.reach.Ledger` that is needed; blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows; decimals are strings."""
        ...


def newest_ms(reader: Reader) -> int:
    """The newest event time in the ledger, epoch ms; 0 when it holds no call."""
    return int(_ask(reader, "top_newest")[0][0])


def totals(reader: Reader) -> Totals:
    """The whole ledger."""
    by = {str(row[0]): row for row in _ask(reader, "top_totals")}
    count = {outcome: int(row[1]) for outcome, row in by.items()}
    calls = by.get("call", ["call", 0, 0, 0, 0, "0"])
    return Totals(
        calls=int(calls[1]),
        duplicates=count.get("duplicate", 0),
        rejects=count.get("reject", 0),
        moved=count.get("moved", 0),
        unpriced=int(calls[2]),
        input_tokens=int(calls[3]),
        output_tokens=int(calls[4]),
        cost_usd=Decimal(str(calls[5])),
    )


def arrivals(reader: Reader, clock_ms: int, seconds: float) -> Arrivals:
    """What was written in the last `seconds` before `clock_ms` (the clock of whoever writes, about)."""
    [row] = _ask(reader, "top_arrivals", since=clock_ms - int(seconds * 1000))
    some = row[8] != 0 and row[7]
    p50, p99 = (float(row[7][0]), float(row[7][1])) if some else (None, None)
    return Arrivals(seconds, int(row[0]), int(row[1]), int(row[2]), p50, p99, int(row[8]), int(row[9]))


def groups(
    reader: Reader, scope: Scope, by: By, *, order: Order = "cost_usd", search: str = "", limit: int = 200
) -> list[Line]:
    """Spend in `scope` by one column, the first `limit` by `order`, greatest first."""
    asked = {**_scope(scope), "by": by, "order": order, "search": search, "limit": limit}
    return [_line(row) for row in _ask(reader, "top_groups", **asked)]


def trend(reader: Reader, scope: Scope, step_s: int) -> list[Point]:
    """Spend in `scope` in steps that have calls, oldest first."""
    return [
        Point(int(r[0]), int(r[1]), int(r[2]), int(r[3]), int(r[4]), int(r[5]), _usd(r[6]))
        for r in _ask(reader, "top_trend", **_scope(scope), run=scope.run, step=step_s)
    ]


def calls(reader: Reader, scope: Scope, limit: int = 300) -> list[CallLine]:
    """The newest calls of `scope.run`, newest first; with an empty run those of `scope.agent` without one."""
    asked = _scope(scope)
    keep = {name: asked[name] for name in ("from", "to", "ingested", "agent")}
    return [_call(row) for row in _ask(reader, "top_calls", **keep, run=scope.run, limit=limit)]


def incidents(reader: Reader, limit: int = 50) -> list[OpenIncident]:
    """Open incidents, pages before tickets, the dearest first."""
    return [
        OpenIncident(
            id=str(row[0]),
            kind=str(row[1]),
            severity=str(row[2]),
            team_id=str(row[3]),
            agent_id=str(row[4]),
            run_id=str(row[5]),
            opened_ms=int(row[6]),
            calls=int(row[7]),
            cost_usd=_usd(row[8]),
            evidence=str(row[9]),
            acknowledged_by=str(row[10]),
        )
        for row in _ask(reader, "top_incidents", limit=limit)
    ]


def runs(reader: Reader, scope: Scope, run_ids: Sequence[str]) -> dict[str, RunSpend]:
    """What these runs cost within the times of `scope`."""
    if not run_ids:
        return {}
    rows = _ask(reader, "top_runs", runs=list(run_ids), **{"from": scope.from_ms, "to": scope.to_ms})
    return {str(r[0]): RunSpend(int(r[1]), _usd(r[2]), int(r[3])) for r in rows}


def _ask(reader: Reader, name: str, **parameters: Any) -> list[list[Any]]:
    return reader.rows(named_query(name), parameters, LIMITS)


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "from": scope.from_ms,
        "to": scope.to_ms,
        "ingested": scope.from_ms - FUTURE_MS,
        "agent": scope.agent,
        "team": scope.team,
        "tier": scope.tier,
        "model": scope.model,
    }


def _usd(value: object) -> Decimal:
    return Decimal(str(value))


def _line(row: list[Any]) -> Line:
    key, calls, errors, unpriced, tokens_in, cached, tokens_out, usd, agents, last_ms = row
    return Line(
        key=str(key),
        calls=int(calls),
        errors=int(errors),
        unpriced=int(unpriced),
        input_tokens=int(tokens_in),
        cached_tokens=int(cached),
        output_tokens=int(tokens_out),
        cost_usd=_usd(usd),
        agents=int(agents),
        last_ms=int(last_ms),
    )


def _call(row: list[Any]) -> CallLine:
    time_ms, agent_id, model, tier, tokens_in, cached, tokens_out, usd, status, attempt, tool, latency = row
    return CallLine(
        time_ms=int(time_ms),
        agent_id=str(agent_id),
        model=str(model),
        tier=str(tier),
        input_tokens=int(tokens_in),
        cached_tokens=int(cached),
        output_tokens=int(tokens_out),
        cost_usd=None if usd is None else _usd(usd),
        status=str(status),
        attempt=int(attempt),
        tool_name=str(tool),
        latency_ms=None if latency is None else float(latency),
    )
