"""Which calls are a plan's, as a condition of a query on `rated_calls AS c`.

A plan's calls are those of its scope, while it holds, without those of the narrower plans that hold at that time.
Values go into query parameters, never into the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.plans import Plan, Scope
from streams.plans.period import day_ms

MARK = "/* scope */ 1"
"""In the named queries, where the condition goes; without it they are about all calls."""

_COLUMN = {
    "tenant": "tenant_id",
    "provider": "provider_name",
    "model": "request_model",
    "tier": "tier",
    "team": "team_id",
    "key": "api_key_id",
    "plan_id": "plan_id",
}


@dataclass(slots=True)
class Condition:
    """SQL and its parameters."""

    sql: str = "1"
    parameters: dict[str, Any] = field(default_factory=dict)

    def put_into(self, query: str) -> str:
        """The named query with this condition."""
        return query.replace(MARK, f"({self.sql})")


def calls_of(plan: Plan, plans: Sequence[Plan]) -> Condition:
    """Calls of `plan`, which is one of `plans`."""
    condition = Condition()
    parts = [_holds(plan, condition)]
    parts += [
        f"NOT ({_holds(other, condition)})"
        for other in plans
        if other is not plan and other.meets(plan) and other.scope.within(plan.scope)
    ]
    condition.sql = " AND ".join(parts)
    return condition


def calls_of_none(plans: Sequence[Plan]) -> Condition:
    """Calls that no plan is for."""
    condition = Condition()
    condition.sql = " AND ".join(f"NOT ({_holds(plan, condition)})" for plan in plans) or "1"
    return condition


def _holds(plan: Plan, condition: Condition) -> str:
    bounds = [("hour", ">=", day_ms(plan.start))]
    if plan.end is not None:
        bounds.append(("hour", "<", day_ms(plan.end)))
    parts = _limits(plan.scope, condition)
    for column, sign, at_ms in bounds:
        name = _parameter(condition, at_ms // 1000)
        parts.append(f"c.{column} {sign} toDateTime({{{name}:Int64}}, 'UTC')")
    return " AND ".join(parts)


def _limits(scope: Scope, condition: Condition) -> list[str]:
    return [
        f"c.{_COLUMN[name]} IN {{{_parameter(condition, sorted(values))}:Array(String)}}"
        for name, values in scope.limits().items()
    ]


def _parameter(condition: Condition, value: Any) -> str:
    name = f"scope{len(condition.parameters)}"
    condition.parameters[name] = value
    return name
