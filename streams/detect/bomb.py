"""Cardinality bomb: agent ids that are used once and never again, hundreds in ten minutes: an agent that renames
itself.

Counts fleet-wide over agents without a parent. Normal fleets of new agents make several calls each.
"""

from __future__ import annotations

from streams.detect.config import MINUTE_MS, DetectConfig
from streams.detect.habit import Mark

_WINDOW = 10 * MINUTE_MS


class Births:
    """New root agents of the last ten minutes (two half-filled windows) and how many of them called again."""

    __slots__ = ("again", "before", "born", "calls", "cost", "first", "since")

    def __init__(self) -> None:
        self.since = 0
        self.born = 0
        self.again = 0
        self.before = 0
        self.first: Mark | None = None
        self.calls = 0
        self.cost = 0

    def birth(self, call_id: str, at: int, cost: int) -> None:
        """A root agent's first call. One of long before the newest (a replay of another time) is not counted: it would
        fall into a window that it has nothing to do with.
        """
        if at < self.since - _WINDOW:
            return
        if at - self.since > _WINDOW:
            self.before = self.born - self.again if at - self.since <= 2 * _WINDOW else 0
            if self.before < 50:
                self.first = None
            self.since, self.born, self.again = at, 0, 0
        if self.first is None:
            self.first = (call_id, at, 0, 0)
            self.calls = self.cost = 0
        self.born += 1
        self.calls += 1
        self.cost += cost

    def second(self, born_ms: int) -> None:
        """A root agent's second call."""
        if born_ms >= self.since:
            self.again += 1

    def level(self, config: DetectConfig) -> float:
        """Against the limit of one-call agents; 0 where most of the new ones call again."""
        once = self.born - self.again
        if once < config.bomb_share * self.born:
            return 0.0
        return once / config.bomb_agents

    def describe(self) -> str:
        """The evidence in words and figures."""
        return f"{self.born} agent ids first seen within ten minutes, {self.born - self.again} of them used once"
