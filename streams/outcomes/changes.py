"""Changes of routing or model, found in the runs, and what the watch says of each. Pure.

A route is where a run's first call went: (tier, provider, model). For each agent and task class, a route is NEW when
none of the agent's judged runs of that class took it before, while at least `LEAST_BEFORE` took others. The runs
before it, up to `MOST_BEFORE` of the latest, are what its own runs are compared with (`streams.outcomes.drift`). So a
changed model, a new policy and a canary are all watched from their first run on; runs that stay on the old route
meanwhile count for neither side.

Known limits: a shift of shares between routes that were both in use is no change here; nor is a model that its provider
changes under the same name. A route that was in use before the span that is looked at counts as new in it only if it
was not used in the beginning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from streams.outcomes.drift import Verdict, watch
from streams.outcomes.runs import Run

LEAST_BEFORE: Final = 30
"""Verdicts before a change: with fewer, even a drop by half takes more than fifty verdicts to tell."""

MOST_BEFORE: Final = 1000
"""More would make the comparison hardly sharper and its past too long ago."""

Route = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Watched:
    """One change: who, from when on, which route, and what the test says."""

    agent: str
    team: str
    task_class: str
    route: Route
    began_ms: int
    """Of the first run on the new route, epoch ms."""
    alarmed_ms: int | None
    """Of the run with which the alarm came; None without one."""
    left: bool
    """The agent's latest run of this class took another route again."""
    last_ms: int
    """Of the agent's latest run of this class."""
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        difference = self.verdict.difference
        return {
            "agent_id": self.agent,
            "team_id": self.team,
            "task_class": self.task_class,
            "tier": self.route[0],
            "provider_name": self.route[1],
            "request_model": self.route[2],
            "since": _iso(self.began_ms),
            "dropped": self.verdict.dropped,
            "alarmed_at": None if self.alarmed_ms is None else _iso(self.alarmed_ms),
            "left_again": self.left,
            "before": {"successes": self.verdict.before.hits, "runs": self.verdict.before.of},
            "after": {"successes": self.verdict.after.hits, "runs": self.verdict.after.of},
            "difference": None if difference is None else difference.estimate,
            "low": None if difference is None else difference.low,
            "high": None if difference is None else difference.high,
            "p_value": self.verdict.p_value,
            "looked_at": self.verdict.at_look,
            "watch_over": self.verdict.over,
        }

    @property
    def state(self) -> str:
        """In a word or two."""
        if self.verdict.dropped:
            return "DROPPED"
        return "no drop found" if self.verdict.over else "watching"

    def in_words(self) -> str:
        """One line."""
        before, after = self.verdict.before, self.verdict.after
        text = (
            f"{self.state:<14} {self.agent}, {self.task_class or 'no task class'}: "
            f"{' / '.join(filter(None, self.route))} "
            f"since {_iso(self.began_ms)}: {before.hits / before.of:.1%} of {before.of:,} runs before"
        )
        if after.of:
            text += f", {after.hits / after.of:.1%} of {after.of:,} since"
        if self.verdict.p_value is not None:
            text += f" (p {self.verdict.p_value:.2g} at {self.verdict.at_look})"
        return text + (", left again" if self.left else "")


def watched(runs: Iterable[Run], least_before: int = LEAST_BEFORE) -> list[Watched]:
    """Every change in the runs (any order), drops first, then the latest."""
    streams: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.began_ms, run.run_id)):
        streams[run.agent, run.task_class].append(run)
    found = [one for stream in streams.values() for one in _changes(stream, least_before)]
    return sorted(found, key=lambda one: (not one.verdict.dropped, -one.began_ms, one.agent, one.task_class, one.route))


def _changes(stream: list[Run], least_before: int) -> Iterable[Watched]:
    """Of one agent's runs of one class, in order."""
    first: dict[Route, int] = {}
    for at, run in enumerate(stream):
        first.setdefault(_route(run), at)
    for route, began in first.items():
        if began < least_before:
            continue
        before = [run.success for run in stream[max(0, began - MOST_BEFORE) : began]]
        after = [run for run in stream[began:] if _route(run) == route]
        verdict = watch(before, [run.success for run in after])
        alarm = after[verdict.at_look - 1] if verdict.dropped and verdict.at_look else None
        yield Watched(
            stream[began].agent, stream[began].team, stream[began].task_class, route, stream[began].began_ms,
            None if alarm is None else alarm.ended_ms, _route(stream[-1]) != route,
            stream[-1].began_ms, verdict,
        )  # fmt: skip


def _route(run: Run) -> Route:
    return run.tier, run.provider, run.model


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
