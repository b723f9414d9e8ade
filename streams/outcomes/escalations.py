"""Calls that moved up a tier: how many, what they cost, whether it helped; by agent, by reason, by pair of tiers.

A call moved UP when it names a cheaper tier in `escalated_from`, or when a policy's decision was `escalate` and it
names none. What names the same or a dearer tier, or a tier that is no known one, moved OTHERWISE: counted, and in no
other figure.

Outcome: judged runs in which a call moved up, and as a comparison judged runs of the same agents in which none did. The
comparison is no proof: runs are escalated because they are hard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.ledger.sqlfiles import named_query
from streams.money import exact, pico
from streams.outcomes.intervals import wilson
from streams.outcomes.period import Span
from streams.outcomes.runs import Reader, Run, read_runs

RANK = {"oss": 0, "mid": 1, "frontier": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """Escalated calls of one agent, reason, policy, pair of tiers and run. Money in 1e-12 USD."""

    agent: str
    team: str
    reason: str
    policy: str
    from_tier: str
    to_tier: str
    run_id: str
    calls: int
    cost: int
    unpriced: int
    tried_calls: int
    tried_cost: int

    @property
    def up(self) -> bool:
        """It moved to a dearer tier, as far as is known."""
        if not self.from_tier:
            return True
        return self.from_tier in RANK and self.to_tier in RANK and RANK[self.to_tier] > RANK[self.from_tier]


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that moved up, of one agent, reason or pair of tiers."""

    key: tuple[str, ...]
    calls: int
    runs: int
    cost: int
    unpriced: int
    tried_calls: int
    """Replaced calls that the ledger has; `tried_cost` is what they cost in vain."""
    tried_cost: int
    judged: int
    successes: int
    of_calls: int | None
    """All calls of the agent; None where the group is of several."""
    of_cost: int | None

    def as_json(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Money as decimal strings."""
        low, high = wilson(self.successes, self.judged)
        line: dict[str, Any] = dict(zip(names, self.key, strict=True))
        line |= {
            "calls": self.calls,
            "runs": self.runs,
            "cost_usd": exact(self.cost),
            "unpriced_calls": self.unpriced,
            "tried_calls": self.tried_calls,
            "tried_cost_usd": exact(self.tried_cost),
            "judged_runs": self.judged,
            "successes": self.successes,
            "success_rate": self.successes / self.judged if self.judged else None,
            "low": low,
            "high": high,
        }
        if self.of_calls is not None and self.of_cost is not None:
            line |= {
                "of_calls": self.of_calls,
                "rate": self.calls / self.of_calls if self.of_calls else None,
                "of_cost_usd": exact(self.of_cost),
            }
        return line


@dataclass(frozen=True, slots=True)
class Escalations:
    """All of a span."""

    span: Span
    total: Group
    by_agent: list[Group]
    by_reason: list[Group]
    by_tiers: list[Group]
    others_judged: int
    """Judged runs of the same agents without a call that moved up."""
    others_successes: int
    otherwise: int
    """Calls that moved to the same, a cheaper or an unknown tier."""

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        low, high = wilson(self.others_successes, self.others_judged)
        return {
            **self.span.as_json(),
            "total": self.total.as_json(()),
            "by_agent": [group.as_json(("agent_id",)) for group in self.by_agent],
            "by_reason": [group.as_json(("route_reason", "policy_id")) for group in self.by_reason],
            "by_tiers": [group.as_json(("from_tier", "to_tier")) for group in self.by_tiers],
            "runs_not_escalated": {
                "judged_runs": self.others_judged,
                "successes": self.others_successes,
                "success_rate": self.others_successes / self.others_judged if self.others_judged else None,
                "low": low,
                "high": high,
            },
            "moved_otherwise": self.otherwise,
        }


def read_escalations(ledger: Reader, span: Span, evaluator: str = "") -> Escalations:
    """Read and add up. Verdicts of runs that began in the span."""
    rows = [_row(row) for row in ledger.rows(named_query("escalations"), span.parameters)]
    base = {
        str(agent): (int(calls), pico(cost))
        for agent, calls, cost in ledger.rows(named_query("escalation_base"), span.parameters)
    }
    return escalations(span, rows, base, read_runs(ledger, span, evaluator))


def escalations(span: Span, rows: Sequence[Row], base: dict[str, tuple[int, int]], runs: Iterable[Run]) -> Escalations:
    """Pure: `base` gives each agent's calls and cost."""
    up = [row for row in rows if row.up]
    runs = list(runs)
    verdicts = {run.run_id: run.success for run in runs}
    escalated = {row.run_id for row in up}
    agents = {row.agent for row in up}
    others = [run.success for run in runs if run.agent in agents and run.run_id not in escalated]
    everything = (sum(calls for calls, _ in base.values()), sum(cost for _, cost in base.values()))
    return Escalations(
        span,
        _group((), up, verdicts, everything),
        _groups(up, lambda row: (row.agent,), verdicts, base),
        _groups(up, lambda row: (row.reason, row.policy), verdicts, None),
        _groups(up, lambda row: (row.from_tier, row.to_tier), verdicts, None),
        len(others),
        sum(others),
        sum(row.calls for row in rows if not row.up),
    )


def _groups(
    rows: Sequence[Row],
    key: Callable[[Row], tuple[str, ...]],
    verdicts: dict[str, bool],
    base: dict[str, tuple[int, int]] | None,
) -> list[Group]:
    """What costs most first, then by name."""
    parts: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        parts.setdefault(key(row), []).append(row)
    groups = [
        _group(name, part, verdicts, None if base is None else base.get(name[0], (0, 0)))
        for name, part in parts.items()
    ]
    return sorted(groups, key=lambda group: (-group.cost, -group.calls, group.key))


def _group(key: tuple[str, ...], rows: Sequence[Row], verdicts: dict[str, bool], of: tuple[int, int] | None) -> Group:
    runs = {row.run_id for row in rows if row.run_id}
    judged = [verdicts[run] for run in runs if run in verdicts]
    return Group(
        key,
        sum(row.calls for row in rows),
        len(runs),
        sum(row.cost for row in rows),
        sum(row.unpriced for row in rows),
        sum(row.tried_calls for row in rows),
        sum(row.tried_cost for row in rows),
        len(judged),
        sum(judged),
        None if of is None else of[0],
        None if of is None else of[1],
    )


def _row(row: list[Any]) -> Row:
    agent, team, reason, policy, from_tier, to_tier, run, calls, cost, unpriced, tried, tried_cost = row
    return Row(
        str(agent), str(team), str(reason), str(policy), str(from_tier), str(to_tier), str(run), int(calls),
        pico(cost), int(unpriced), int(tried), pico(tried_cost),
    )  # fmt: skip
