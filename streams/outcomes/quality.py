"""Quality and what it costs: success rates with intervals, cost per successful run. Pure but for `read_quality`.

Cost per successful run is the cost of ALL judged runs of a group, failures included, over its successes: what one
success costs when failures are paid for too. It is a lower bound where calls have no price, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from streams.ledger.sqlfiles import named_query
from streams.money import exact, pico
from streams.outcomes.intervals import wilson
from streams.outcomes.period import Span
from streams.outcomes.runs import Coverage, Reader, Run, read_coverage, read_runs

CONFIDENCE = 0.95
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_PLACES = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Group:
    """Judged runs of one group. `key` names it, in the order of the dimension's names."""

    key: tuple[str, ...]
    runs: int
    successes: int
    cost_pico: int
    calls: int
    unpriced: int
    several_tiers: int | None = None
    """Runs that used more than one tier (they count for the one they began in); None for agents."""
    escalated: int | None = None
    """Runs with a call that was sent up a tier; None for agents."""

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        return wilson(self.successes, self.runs, CONFIDENCE)

    @property
    def cost_per_success(self) -> Decimal | None:
        """USD, rounded once, half to even, at twelve places; None without a success."""
        return usd_share(self.cost_pico, self.successes)

    def as_json(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Money as decimal strings, rates as numbers."""
        low, high = self.interval
        line: dict[str, Any] = dict(zip(names, self.key, strict=True))
        line |= {
            "runs": self.runs,
            "successes": self.successes,
            "success_rate": self.successes / self.runs if self.runs else None,
            "low": low,
            "high": high,
            "cost_usd": exact(self.cost_pico),
            "cost_per_success_usd": text_of(self.cost_per_success),
            "calls": self.calls,
            "unpriced_calls": self.unpriced,
        }
        if self.several_tiers is not None:
            line |= {"runs_of_several_tiers": self.several_tiers, "runs_escalated": self.escalated}
        return line


def usd_share(cost_pico: int, of: int) -> Decimal | None:
    """cost / of in USD with twelve places, half to even; None of nothing."""
    if not of:
        return None
    whole = EXACT.divide(Decimal(cost_pico), Decimal(of))
    return EXACT.quantize(EXACT.scaleb(whole, -12), _PLACES)


def text_of(amount: Decimal | None) -> str | None:
    """A plain decimal string."""
    return None if amount is None else f"{amount:f}"


DIMENSIONS: dict[str, tuple[tuple[str, ...], Callable[[Run], tuple[str, ...]]]] = {
    "total": ((), lambda run: ()),
    "by_task_class": (("task_class",), lambda run: (run.task_class,)),
    "by_tier": (("tier",), lambda run: (run.tier,)),
    "by_model": (("tier", "provider_name", "request_model"), lambda run: (run.tier, run.provider, run.model)),
    "by_class_and_tier": (("task_class", "tier"), lambda run: (run.task_class, run.tier)),
    "by_team": (("team_id",), lambda run: (run.team,)),
}
"""Names of each dimension and a run's key in it. Agents are apart: a run may have several."""


def grouped(runs: Iterable[Run], key: Callable[[Run], tuple[str, ...]]) -> list[Group]:
    """Groups by key, the most runs first, then by name."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for run in runs:
        found = sums.setdefault(key(run), [0] * 7)
        parts = (
            1, int(run.success), run.cost_pico, run.calls, run.unpriced, int(run.tiers > 1), int(run.escalated > 0),
        )  # fmt: skip
        for at, part in enumerate(parts):
            found[at] += part
    groups = [Group(name, *found) for name, found in sums.items()]
    return sorted(groups, key=lambda group: (-group.runs, group.key))


@dataclass(frozen=True, slots=True)
class Quality:
    """All that verdicts say of a span."""

    span: Span
    coverage: Coverage
    groups: dict[str, list[Group]]
    agents: list[Group]

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        coverage = self.coverage
        return {
            **self.span.as_json(),
            "coverage": {
                "runs": coverage.runs,
                "judged": coverage.judged,
                "calls": coverage.calls,
                "calls_without_run": coverage.calls_without_run,
                "calls_judged": coverage.calls_judged,
                "verdicts_without_calls": coverage.verdicts_without_calls,
                "evaluators": coverage.evaluators,
            },
            "confidence": CONFIDENCE,
            **{name: [group.as_json(DIMENSIONS[name][0]) for group in found] for name, found in self.groups.items()},
            "by_agent": [group.as_json(("agent_id",)) for group in self.agents],
        }


def read_quality(ledger: Reader, span: Span, evaluator: str = "") -> Quality:
    """Read and add up. `evaluator` empty: all of them."""
    runs = read_runs(ledger, span, evaluator)
    rows = ledger.rows(named_query("outcome_agents"), span.parameters | {"evaluator": evaluator})
    agents = [
        Group((str(agent),), int(count), int(successes), pico(cost), int(calls), int(unpriced))
        for agent, count, successes, calls, cost, unpriced in rows
    ]
    return Quality(
        span,
        read_coverage(ledger, span, evaluator),
        {name: grouped(runs, key) for name, (_, key) in DIMENSIONS.items()},
        sorted(agents, key=lambda group: (-group.runs, group.key)),
    )
