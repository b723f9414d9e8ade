"""Running absolute sums per (agent, tier, second) of one partition's calls: the cells of `usage`.

A cell's total is a function of the set of the partition's calls in the ledger, so publishing one twice, or again
after a crash, changes nothing for who reads it. Whole pages of event time go when there are more than `capacity`
cells. A cell below `cold_below` is not kept: its total is asked of the ledger, which holds it as soon as the insert is
done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streams.meter.pages import I64, TIER_MASK, AgentNumbers, Pages, agents_of, empty, grouped, keys_of, steps_of
from streams.meter.tiers import TIERS

_MAX_AGENTS = 2_000_000  # names kept; past it all cells go, so that renaming agents cannot fill the memory
_KEEP_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class CellKey:
    """Which cell."""

    agent_id: str
    tier: str
    second: int


@dataclass(frozen=True, slots=True)
class Touched:
    """Cells that a flush changed, as columns, and their totals as they now stand."""

    agents: list[str]
    """Distinct agents."""
    agent: I64
    """Place in `agents` of each cell's agent."""
    tier: I64
    """Codes into `streams.meter.tiers.TIERS`."""
    second: I64
    totals: I64
    """Shape (cells, len(MEASURES))."""
    cold: list[CellKey]
    """Cells whose totals must be asked of the ledger."""

    @classmethod
    def of(cls, keys: Sequence[CellKey], totals: I64) -> Touched:
        """Cells by key, with their totals in the same order."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys(key.agent_id for key in keys))}
        return cls(
            list(numbers),
            np.array([numbers[key.agent_id] for key in keys], dtype=np.int64),
            np.array([TIERS.index(key.tier) for key in keys], dtype=np.int64),
            np.array([key.second for key in keys], dtype=np.int64),
            totals,
            [],
        )

    @property
    def keys(self) -> list[CellKey]:
        """The cells, in the order of the totals."""
        return [
            CellKey(self.agents[agent], TIERS[tier], second)
            for agent, tier, second in zip(self.agent.tolist(), self.tier.tolist(), self.second.tolist(), strict=True)
        ]


class Cells:
    """See the module. Not thread-safe."""

    def __init__(self, capacity: int, cold_below: int = 0) -> None:
        """`capacity`: most cells in memory (about 250 bytes each); `cold_below`: epoch seconds."""
        self._capacity = capacity
        self._pages = Pages()
        self._agents = AgentNumbers()
        self.cold_below = cold_below

    def __len__(self) -> int:
        return self._pages.size

    def add(self, agents: Sequence[str], tiers: I64, second: I64, measures: I64) -> Touched:
        """Add calls and return the cells they touched. `measures`: shape (calls, len(MEASURES)), int64."""
        if not len(agents):
            return Touched.of([], empty())
        if len(self._agents) > _MAX_AGENTS:
            self.cold_below = max(self.cold_below, self._pages.end())
            self._pages.clear()
            self._agents.clear()
        keys, sums = grouped(keys_of(second, self._agents.of(agents), tiers), measures)
        hot = int(np.searchsorted(steps_of(keys), self.cold_below))
        cold = self._touched(keys[:hot], sums[:hot], []).keys
        touched = self._touched(keys[hot:], self._pages.add(keys[hot:], sums[hot:]), cold)
        while self._pages.size > self._capacity:
            while self._pages.size > self._capacity * _KEEP_SHARE:
                self.cold_below = max(self.cold_below, self._pages.drop_oldest())
        return touched

    def _touched(self, keys: I64, totals: I64, cold: list[CellKey]) -> Touched:
        names = self._agents.names
        numbers, agent = np.unique(agents_of(keys), return_inverse=True)
        agents = [names[number] for number in numbers.tolist()]
        return Touched(agents, agent, keys & TIER_MASK, steps_of(keys), totals, cold)
