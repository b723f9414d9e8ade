"""What `top` and `demo` show, as values. Money is USD as Decimal, times are epoch ms, tokens are tokens."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

By = Literal["agent_id", "team_id", "tier", "request_model", "run_id"]
Order = Literal["cost_usd", "calls", "input_tokens", "output_tokens", "errors", "unpriced"]

ANY = "*"
"""No filter: an empty string is a team or tier of its own (calls that name none)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls: event time [from_ms, to_ms) and filters."""

    from_ms: int
    to_ms: int
    agent: str = ""
    """With its sub-agents; empty: all."""
    team: str = ANY
    tier: str = ANY
    model: str = ANY
    run: str = ANY
    """Of `trend` and `calls` only; empty: calls without a run."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole ledger, or everything between two looks at it."""

    calls: int = 0
    duplicates: int = 0
    rejects: int = 0
    moved: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def rows(self) -> int:
        """Ledger rows: every call of every record has one, whatever became of it."""
        return self.calls + self.duplicates + self.rejects + self.moved

    def since(self, before: Totals) -> Totals:
        """What came after `before`."""
        return Totals(
            self.calls - before.calls,
            self.duplicates - before.duplicates,
            self.rejects - before.rejects,
            self.moved - before.moved,
            self.unpriced - before.unpriced,
            self.input_tokens - before.input_tokens,
            self.output_tokens - before.output_tokens,
            self.cost_usd - before.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What reached the ledger in the last `seconds` of the clock."""

    seconds: float
    calls: int
    duplicates: int
    rejects: int
    delay_p50_ms: float | None
    """From the broker's timestamp to the ledger; None when nothing arrived."""
    delay_p99_ms: float | None
    last_ms: int
    """The last write; 0 when nothing arrived."""
    newest_ms: int = 0
    """The newest event time among the calls; 0 when there is none."""

    @property
    def calls_per_s(self) -> float:
        """New calls a second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Line:
    """One group: an agent, a team, a tier, a model, a run."""

    key: str
    calls: int
    errors: int
    unpriced: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal
    agents: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Point:
    """One step of the trend."""

    at_ms: int
    calls: int
    errors: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call. `cost_usd` None: unpriced."""

    time_ms: int
    agent_id: str
    model: str
    tier: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    status: str
    attempt: int
    tool_name: str
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """A runaway that goes on. `calls`, `cost_usd`: since its first abnormal call."""

    id: str
    kind: str
    severity: str
    team_id: str
    agent_id: str
    run_id: str
    """Empty: the agent as a whole."""
    opened_ms: int
    calls: int
    cost_usd: Decimal
    evidence: str
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class RunSpend:
    """What one run has cost so far."""

    calls: int
    cost_usd: Decimal
    agents: int
