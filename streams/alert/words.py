"""An incident in words: what, who, since when, how much so far, and what to do. Pure.

Figures are the incident's own at the moment of the change; money is `Decimal` US dollars, of priced calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from streams.counted import counted

CALLED: Final[Mapping[str, str]] = {
    "loop": "runaway loop",
    "retry_storm": "retry storm",
    "fan_out": "sub-agent explosion",
    "context_growth": "growing context",
    "spend_spike": "spend spike",
    "stuck_run": "stuck run",
    "silent_agent": "silent agent",
    "cardinality": "flood of agent names",
    "unusual": "unusual behaviour",
}
ADVICE: Final[Mapping[str, str]] = {
    "loop": "Look at the run's last calls. If it does not get on, stop it or block the run.",
    "retry_storm": "See whether the provider or the request fails. Stop the retries, or throttle the run meanwhile.",
    "fan_out": "It starts one sub-agent after another. Block the run: its sub-agents' calls are the run's.",
    "context_growth": "Each call sends a long history again. Stop the run, and make the agent shorten what it sends.",
    "spend_spike": "The agent costs far more than it usually does. See which runs and models, and who knows why.",
    "stuck_run": "The run spends and has no result. See whether somebody waits for it; else stop it.",
    "silent_agent": "An agent that works steadily has stopped. See whether it is meant to.",
    "cardinality": "Something makes up a new agent name for every call. Find its router and fix the name.",
    "unusual": "No rule names it. Look at what the agent did differently.",
}
UNSTOPPABLE: Final = ("silent_agent", "cardinality", "unusual")
"""Nothing is running, each call has another name, or nobody knows yet that it is bad."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An incident as it stood after one change. Times are epoch milliseconds of event time."""

    incident_id: str
    change: str
    kind: str
    severity: str
    team_id: str
    tier: str
    agent_id: str
    run_id: str
    first_ms: int
    opened_ms: int
    at_ms: int
    calls: int
    cost_usd: Decimal
    evidence: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""


def title(facts: Facts) -> str:
    """One line: how bad, what, who, how much so far."""
    head = {"resolved": "resolved", "reopened": f"{facts.severity}, again"}.get(facts.change, facts.severity)
    where = f"{facts.agent_id}, run {facts.run_id}" if facts.run_id else facts.agent_id
    figures = f"{calls(facts.calls)}, {dollars(facts.cost_usd)}"
    tail = "in all" if facts.change == "resolved" else "so far"
    return f"[{head}] {called(facts.kind)}: {where} ({figures} {tail})"


def body(facts: Facts) -> str:
    """The lines below it."""
    lines = [
        f"What: {facts.evidence}",
        *(f"Also: {called(kind)}: {words}" for kind, words in facts.kinds.items() if kind != facts.kind),
        "Who: " + ", ".join(
            f"{name} {value}"
            for name, value in (
                ("agent", facts.agent_id), ("run", facts.run_id), ("team", facts.team_id), ("tier", facts.tier)
            )
            if value
        ),
        f"Since: {clock(facts.first_ms)} (first abnormal call), noticed {clock(facts.opened_ms)}",
    ]  # fmt: skip
    if len(facts.runs) > 1:
        lines.append(f"Runs: {len(facts.runs)}")
    if facts.change == "resolved":
        lines.append(f"In all: {calls(facts.calls)}, {dollars(facts.cost_usd)} until {clock(facts.at_ms)}")
        if facts.by:
            lines.append(f"Resolved by {facts.by}" + (f": {facts.reason}" if facts.reason else ""))
        return "\n".join(lines)
    lines.append(f"So far: {calls(facts.calls)}, {dollars(facts.cost_usd)} since the first abnormal call")
    lines.append(f"Do: {ADVICE.get(facts.kind, ADVICE['unusual'])}")
    lines += [f"  {line}" for line in next_steps(facts)]
    return "\n".join(lines)


def next_steps(facts: Facts) -> list[str]:
    """Commands for whoever is on call."""
    subject = f"run:{facts.run_id}" if facts.run_id else f"agent:{facts.agent_id}"
    return [
        f"spendstream incidents show {facts.incident_id}",
        f"spendstream incidents acknowledge {facts.incident_id}",
        *control_step(facts.kind, subject, facts.incident_id),
    ]


def control_step(kind: str, subject: str, incident_id: str) -> list[str]:
    """The command that stops or slows `subject` (`run:ID`, `agent:ID`); none where that would not help."""
    if kind in UNSTOPPABLE:
        return []
    what = "--throttle 6" if kind == "retry_storm" else "--block"
    return [f"spendstream controls set {quoted(subject)} {what} --minutes 60 --reason {incident_id}"]


def called(kind: str) -> str:
    """A kind as people say it."""
    return CALLED.get(kind, kind.replace("_", " "))


def calls(number: int) -> str:
    """A number of calls."""
    return counted(number, "call")


def dollars(amount: Decimal) -> str:
    """US dollars as people read them: cents, or more places where there are only fractions of a cent."""
    return f"${amount:,.2f}" if amount >= Decimal("0.10") or not amount else f"${amount:.4f}"


def clock(ms: int) -> str:
    """A moment as people read it, in UTC."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def quoted(word: str) -> str:
    """A word as a shell takes it."""
    import shlex

    return shlex.quote(word)
