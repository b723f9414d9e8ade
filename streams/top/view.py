"""What `top` looks at: grouped by what, filtered by what, over which time, in which order. Steps give new values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from streams.top.figures import ANY, By, Order, Scope

WINDOWS: Mapping[str, int] = MappingProxyType({"5m": 300, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400})
"""Seconds of event time, by the name shown."""

TITLES: Mapping[By, str] = MappingProxyType(
    {"agent_id": "agents", "team_id": "teams", "tier": "tiers", "request_model": "models", "run_id": "runs"}
)
ORDERS: tuple[Order, ...] = ("cost_usd", "calls", "input_tokens", "output_tokens", "errors", "unpriced")


@dataclass(frozen=True, slots=True)
class View:
    """See the module. With `run` set the calls of that run are shown instead of groups."""

    by: By = "agent_id"
    window: str = "1h"
    order: Order = "cost_usd"
    ascending: bool = False
    search: str = ""
    agent: str = ""
    team: str = ANY
    tier: str = ANY
    model: str = ANY
    run: str | None = None
    """Empty: the calls of `agent` that belong to no run."""

    @property
    def seconds(self) -> int:
        """Length of the window, in seconds."""
        return WINDOWS[self.window]

    @property
    def trail(self) -> list[str]:
        """Filters in words, for the line above the table."""
        said = []
        for name, value in (("team", self.team), ("tier", self.tier), ("model", self.model)):
            if value != ANY:
                said.append(f"{name} {value or '(none)'}")
        if self.agent:
            said.append(f"agent {self.agent}")
        if self.run is not None:
            said.append(f"run {self.run or '(none)'}")
        elif self.search:
            said.append(f"matching {self.search!r}")
        return said

    def scope(self, now_ms: int) -> Scope:
        """The window that ends at `now_ms`, with the filters."""
        from_ms = now_ms - self.seconds * 1000
        if self.run is None:
            return Scope(from_ms, now_ms, self.agent, self.team, self.tier, self.model)
        # A run is shown whole: with the calls of all its agents, teams and models.
        return Scope(from_ms, now_ms, agent="" if self.run else self.agent, run=self.run)

    def into(self, key: str) -> View | None:
        """What lies behind a line: a team's agents, an agent's runs, a run's calls; None behind a call."""
        if self.run is not None:
            return None
        inner = replace(self, search="")
        if self.by == "team_id":
            return replace(inner, by="agent_id", team=key)
        if self.by == "tier":
            return replace(inner, by="agent_id", tier=key)
        if self.by == "request_model":
            return replace(inner, by="agent_id", model=key)
        if self.by == "agent_id":
            return replace(inner, by="run_id", agent=key)
        return replace(inner, run=key, window=list(WINDOWS)[-1])

    def grouped(self, by: By) -> View:
        """The same calls by another column."""
        return replace(self, by=by, run=None, search="")

    def next_order(self) -> View:
        """Ordered by the next column."""
        return replace(self, order=ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)], ascending=False)

    def longer(self, steps: int) -> View:
        """A longer (or, below 0, shorter) window, as far as there is one."""
        names = list(WINDOWS)
        at = min(max(names.index(self.window) + steps, 0), len(names) - 1)
        return replace(self, window=names[at])
