"""A signal: one rule crossed its limit on one call, with the figures that say why."""

from __future__ import annotations

from dataclasses import dataclass

PICO = 10**12
"""Pico-USD in a dollar."""

KINDS = (
    "loop",
    "retry_storm",
    "fan_out",
    "context_growth",
    "spend_spike",
    "stuck_run",
    "silent_agent",
    "cardinality",
    "unusual",
)
PAGING = frozenset({"loop", "retry_storm", "fan_out", "context_growth", "spend_spike", "cardinality"})
"""Kinds that wake somebody; the others write tickets."""


@dataclass(frozen=True, slots=True)
class Signal:
    """`kind` crossed its limit at call `call_id`.

    `score` is the level over its limit (1 = at the limit); `ready` says whether the limit came from the agent's own
    history. `first_*` is the first abnormal call; `calls` and `cost` (pico-USD, priced calls only) run from it to
    this call, inclusive.
    """

    kind: str
    agent_id: str
    run_id: str | None
    call_id: str
    time: int
    first_call_id: str
    first_time: int
    calls: int
    cost: int
    score: float
    ready: bool
    page: bool
    evidence: str


def dollars(pico: int) -> str:
    """Pico-USD as people read it: cents, or more places where there are only fractions of a cent."""
    amount = pico / PICO
    return f"${amount:,.2f}" if amount >= 0.10 else f"${amount:.4f}"


def span(ms: int) -> str:
    """A stretch of time as people say it; a late call makes none shorter than nothing."""
    seconds = max(ms, 0) / 1000
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
