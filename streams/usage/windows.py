"""Event-time windows of one partition of `spendstream.usage`: 1 s, 1 min and 1 h per agent and tier.

A record carries absolute totals of cells; what a cell changed by is added to its windows, so late calls correct the
windows they belong to, and a record that is read twice changes nothing.

Memory is a bounded view of the newest windows; the ledger, written before any usage is published, has all of them.
So each window says whether it is complete here (`covers`), and whoever asks for one that is not asks the ledger:
    - windows that began before `complete_from` (what was in the ledger when this partition was taken over),
    - windows older than the retention, counted from the newest event time seen,
    - windows that a very late call corrected after its second had been dropped (`is_dirty`).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from schemas.times import LATEST_MS
from schemas.usage import UsageStruct
from streams.meter.pages import (
    AGENT_MASK,
    I64,
    TIER_MASK,
    AgentNumbers,
    Pages,
    agents_of,
    empty,
    grouped,
    keys_of,
    steps_of,
    tiers_of,
)
from streams.meter.tiers import TIERS
from streams.money import PICO

SIZES: Mapping[str, int] = {"1s": 1, "1m": 60, "1h": 3600}
"""Windows and their lengths in seconds. They begin at whole multiples since 1970-01-01 UTC."""

MOST_ROWS = 50_000
"""Of one answer: about 12 MB of JSON, a tenth of a second of the worker's time."""


class TooManyRows(Exception):
    """An answer would have more than `MOST_ROWS` rows."""


_TIER_CODE = {tier: code for code, tier in enumerate(TIERS)}
_MAX_AGENTS = 2_000_000  # as in streams.meter.sums
_MAX_DIRTY = 100_000


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window of one agent and tier."""

    start: int
    """Epoch seconds."""
    agent_id: str | None
    """None where the row sums over agents."""
    tier: str | None
    """None where the row sums over tiers."""
    totals: list[int]
    """As `streams.meter.pages.MEASURES`."""


class Windows:
    """See the module. Not thread-safe."""

    def __init__(self, keep: Mapping[str, int], complete_from: int = 0) -> None:
        """`keep`: how many windows of each size stay, by name; `complete_from`: epoch seconds."""
        self._keep = keep
        self._complete_from = dict.fromkeys(SIZES, complete_from)
        self._agents = AgentNumbers()
        self._cells: dict[int, Pages] = {}
        self._cells_from = 0
        # The windows of a second are the cells themselves, added up over source partitions when they are asked for.
        self._windows = {name: Pages() for name in SIZES if name != "1s"}
        self._dirty: dict[str, set[int]] = {name: set() for name in SIZES}
        self._applied: dict[int, tuple[int, int]] = {}
        self.watermark_ms: int | None = None
        """The newest event time seen, epoch ms."""

    @property
    def size(self) -> int:
        """Cells and windows in memory."""
        return sum(pages.size for pages in (*self._cells.values(), *self._windows.values()))

    def apply(self, usage: UsageStruct) -> None:
        """Take a record in. Records of an earlier state of their partition than the last one change nothing.

        Raises ValueError or OverflowError, with nothing changed, for times and sums that no meter says.
        """
        if max(usage.second, default=0) * 1000 >= LATEST_MS or (usage.watermark_ms or 0) >= LATEST_MS:
            raise ValueError("a time after 2099")
        totals = _matrix(usage)
        state = (usage.epoch, usage.through_offset)
        if state < self._applied.get(usage.source_partition, (0, 0)):
            return
        self._applied[usage.source_partition] = state
        if usage.watermark_ms is not None and usage.watermark_ms > (self.watermark_ms or 0):
            self.watermark_ms = usage.watermark_ms
        if not usage.agent:
            return
        if len(self._agents) > _MAX_AGENTS:
            self._forget_all()
        numbers = self._agents.of(usage.agents)[np.array(usage.agent, dtype=np.int64)]
        tiers = np.fromiter(map(_TIER_CODE.__getitem__, usage.tier), dtype=np.int64, count=len(usage.tier))
        second = np.array(usage.second, dtype=np.int64)
        order = np.argsort(keys := keys_of(second, numbers, tiers), kind="stable")
        keys, totals = keys[order], totals[order]

        known = int(np.searchsorted(steps_of(keys), self._cells_from))
        self._mark_dirty(keys[:known])
        keys, totals = keys[known:], totals[known:]
        change = self._cells.setdefault(usage.source_partition, Pages()).replace(keys, totals)
        for name in self._windows:
            self._add(name, SIZES[name], keys, change)
        self._drop_old()

    def covers(self, name: str, start: int) -> bool:
        """Whether all windows of a size that begin at `start` (epoch seconds) or later are complete here."""
        return start >= self._complete_from[name]

    def is_dirty(self, name: str, first: int, end: int) -> bool:
        """Whether some window of a size that begins in [first, end) must be asked of the ledger."""
        size = SIZES[name]
        return any(first <= (key >> 30) * size < end for key in self._dirty[name])

    def rows(
        self,
        name: str,
        first: int,
        end: int,
        agent_id: str | None = None,
        tier: str | None = None,
        by: Set[str] = frozenset({"agent_id", "tier"}),
    ) -> list[WindowRow]:
        """Windows of a size that begin in [first, end), epoch seconds, by start, agent and tier.

        Only of one agent or tier where given; summed up over what is not in `by`. Raises `TooManyRows`.
        """
        size = SIZES[name]
        steps = (-(-first // size), -(-end // size))
        if name == "1s":
            parts = [pages.between(*steps) for pages in self._cells.values()] or [(empty()[:, 0], empty())]
            keys, totals = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
            if len(parts) > 1 and len(keys):
                keys, totals = grouped(keys, totals)
        else:
            keys, totals = self._windows[name].between(*steps)
        if agent_id is not None:
            number = self._agents.find(agent_id)
            if number is None:
                return []
            keys, totals = keys[agents_of(keys) == number], totals[agents_of(keys) == number]
        if tier is not None:
            of_tier = (keys & TIER_MASK) == _TIER_CODE[tier]
            keys, totals = keys[of_tier], totals[of_tier]
        if len(keys) and by != {"agent_id", "tier"}:
            keep = (0 if "agent_id" in by else AGENT_MASK) | (0 if "tier" in by else TIER_MASK)
            keys, totals = grouped(keys & ~keep, totals)
        if len(keys) > MOST_ROWS:
            raise TooManyRows(len(keys))
        names = self._agents.names
        return [
            WindowRow(step * size, names[agent] if "agent_id" in by else None, of_tier if "tier" in by else None, row)
            for step, agent, of_tier, row in zip(
                steps_of(keys).tolist(), agents_of(keys).tolist(), tiers_of(keys), totals.tolist(), strict=True
            )
            if row[0]
        ]

    def _add(self, name: str, size: int, keys: I64, change: I64) -> None:
        steps = steps_of(keys) // size
        inside = steps * size >= self._complete_from[name]
        if not inside.any():
            return
        window_keys = (steps << 30) | (keys & ((1 << 30) - 1))
        self._windows[name].accumulate(*grouped(window_keys[inside], change[inside]))

    def _mark_dirty(self, keys: I64) -> None:
        for name, size in SIZES.items():
            steps = steps_of(keys) // size
            for key in ((steps << 30) | (keys & ((1 << 30) - 1)))[steps * size >= self._complete_from[name]].tolist():
                self._dirty[name].add(key)
            if len(self._dirty[name]) > _MAX_DIRTY:
                newest = max(key >> 30 for key in self._dirty[name])
                self._raise_floor(name, newest + 1)

    def _raise_floor(self, name: str, step: int) -> None:
        floor = self._windows[name].drop_below(step) if name in self._windows else step
        self._complete_from[name] = max(self._complete_from[name], step * SIZES[name], floor * SIZES[name])
        self._dirty[name] = {key for key in self._dirty[name] if key >> 30 >= step}

    def _drop_old(self) -> None:
        if self.watermark_ms is None:
            return
        now = self.watermark_ms // 1000
        for name, size in SIZES.items():
            step = now // size - self._keep[name]
            # A page at a time: raising the floor each second would look at every page each time.
            if step - self._complete_from[name] // size >= 256:
                self._raise_floor(name, step)
        second = now - self._keep["1s"]
        if second - self._cells_from >= 256:
            for pages in self._cells.values():
                pages.drop_below(second // 256 * 256)
            self._cells_from = second // 256 * 256

    def _forget_all(self) -> None:
        end = max((pages.end() for pages in self._cells.values()), default=0)
        for pages in (*self._cells.values(), *self._windows.values()):
            pages.clear()
        self._agents.clear()
        self._cells_from = max(self._cells_from, end)
        for name, size in SIZES.items():
            self._complete_from[name] = max(self._complete_from[name], -(-end // size) * size)
            self._dirty[name].clear()


def _matrix(usage: UsageStruct) -> I64:
    table = empty(len(usage.agent))
    for at, column in enumerate(
        (
            usage.calls,
            usage.errors,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_input_tokens,
            usage.reasoning_output_tokens,
            usage.unpriced,
        )
    ):
        table[:, at] = column
    try:
        cost = np.array(usage.cost_pico_usd, dtype=np.int64)
        table[:, -2], table[:, -1] = cost // PICO, cost % PICO
    except OverflowError:  # a cell of more than nine million dollars
        table[:, -2] = [cost // PICO for cost in usage.cost_pico_usd]
        table[:, -1] = [cost % PICO for cost in usage.cost_pico_usd]
    return table
