"""Sums by (time, agent, tier) in pages of event time, as columns: the store under the meter's cells and the windows.

A key is one integer, time first, so that sorted keys fall into pages in order; the sums of a page are one matrix.
Money is two columns, whole dollars and a rest in 1e-12 USD: a sum of rests stays within 64 bits for nine million
calls, and a sum of whole dollars for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streams.meter.tiers import TIERS

I64 = npt.NDArray[np.int64]

MEASURES = (
    "calls",
    "errors",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "unpriced",
    "cost_dollars",
    "cost_rest",
)
"""What is summed, in the order of the columns everywhere."""

PICO = 10**12
"""1e-12 USD is the unit of money: the finest price in use needs all twelve places."""

_AGENT_BITS = 28
_TIER_BITS = 2
_LOW_BITS = _AGENT_BITS + _TIER_BITS
AGENT_MASK = ((1 << _AGENT_BITS) - 1) << _TIER_BITS
"""The bits of a key that hold the agent."""
TIER_MASK = (1 << _TIER_BITS) - 1
"""The bits of a key that hold the tier."""

PAGE_STEPS = 256
"""Steps of time (seconds, minutes, hours) in a page: few pages a batch of live traffic, small ones to drop."""


def empty(rows: int = 0) -> I64:
    """A matrix of sums, all zero."""
    return np.zeros((rows, len(MEASURES)), dtype=np.int64)


def pico_usd(row: Sequence[int]) -> int:
    """The cost of a row of sums, in 1e-12 USD."""
    return row[-2] * PICO + row[-1]


class AgentNumbers:
    """Numbers for agent names, so that a key is an integer."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def of(self, agents: Sequence[str]) -> I64:
        """A number for each name; new names get new ones."""
        numbers = self._numbers
        for agent in set(agents).difference(numbers):
            numbers[agent] = len(self.names)
            self.names.append(agent)
        return np.fromiter(map(numbers.__getitem__, agents), dtype=np.int64, count=len(agents))

    def find(self, agent: str) -> int | None:
        """The number of a name that is known."""
        return self._numbers.get(agent)

    def clear(self) -> None:
        """Forget all; only when no key is left that uses them."""
        self._numbers.clear()
        self.names.clear()


def keys_of(step: I64, agent: I64, tier: I64) -> I64:
    """Keys from times (in steps), agent numbers and tier codes."""
    return (step << _LOW_BITS) | (agent << _TIER_BITS) | tier


def steps_of(keys: I64) -> I64:
    """The times of keys."""
    return keys >> _LOW_BITS


def agents_of(keys: I64) -> I64:
    """The agent numbers of keys."""
    return (keys & AGENT_MASK) >> _TIER_BITS


def tiers_of(keys: I64) -> list[str]:
    """The tiers of keys."""
    return [TIERS[code] for code in (keys & TIER_MASK).tolist()]


def grouped(keys: I64, sums: I64) -> tuple[I64, I64]:
    """Distinct keys in order, and the sums of each."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[starts], np.add.reduceat(sums[order], starts, axis=0)


@dataclass(slots=True)
class _Page:
    rows: dict[int, int] = field(default_factory=dict)
    totals: I64 = field(default_factory=lambda: empty(64))

    def places(self, keys: list[int]) -> I64:
        rows = self.rows
        for key in keys:
            if key not in rows:
                rows[key] = len(rows)
        if len(rows) > len(self.totals):
            grown = empty(max(len(rows), 2 * len(self.totals)))
            grown[: len(self.totals)] = self.totals
            self.totals = grown
        return np.fromiter(map(rows.__getitem__, keys), dtype=np.int64, count=len(keys))


class Pages:
    """Sums by key. Keys given to a method are distinct and in order (`grouped`). Not thread-safe."""

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}
        self.size = 0

    def add(self, keys: I64, sums: I64) -> I64:
        """Add to the totals; returns them as they now stand."""
        result = empty(len(keys))
        for start, end, page in self._parts(keys):
            at = self._places(page, keys[start:end])
            page.totals[at] += sums[start:end]  # each row once: keys are distinct
            _carry(page.totals, at)
            result[start:end] = page.totals[at]
        return result

    def replace(self, keys: I64, totals: I64) -> I64:
        """Set the totals; returns by how much each changed."""
        change = empty(len(keys))
        for start, end, page in self._parts(keys):
            at = self._places(page, keys[start:end])
            change[start:end] = totals[start:end] - page.totals[at]
            page.totals[at] = totals[start:end]
        return change

    def between(self, first: int, end: int) -> tuple[I64, I64]:
        """Keys and totals of all times from `first` (included) to `end` (excluded), in order of key."""
        keys, totals = [np.zeros(0, dtype=np.int64)], [empty()]
        for number, page in self._pages.items():
            if (number + 1) * PAGE_STEPS > first and number * PAGE_STEPS < end and page.rows:
                part = np.fromiter(page.rows, dtype=np.int64, count=len(page.rows))
                inside = (steps_of(part) >= first) & (steps_of(part) < end)
                keys.append(part[inside])
                totals.append(page.totals[: len(part)][inside])
        all_keys, all_totals = np.concatenate(keys), np.concatenate(totals)
        order = np.argsort(all_keys, kind="stable")
        return all_keys[order], all_totals[order]

    def drop_oldest(self) -> int:
        """Drop the oldest page; returns the time below which nothing is kept now."""
        number = min(self._pages)
        self.size -= len(self._pages.pop(number).rows)
        return (number + 1) * PAGE_STEPS

    def drop_below(self, step: int) -> int:
        """Drop pages that lie wholly below a time; returns the time below which nothing is kept now."""
        for number in [number for number in self._pages if (number + 1) * PAGE_STEPS <= step]:
            self.size -= len(self._pages.pop(number).rows)
        return step // PAGE_STEPS * PAGE_STEPS

    def end(self) -> int:
        """The end of the newest page; 0 when there is none."""
        return (max(self._pages, default=-1) + 1) * PAGE_STEPS

    def clear(self) -> None:
        """Drop everything."""
        self._pages.clear()
        self.size = 0

    def _places(self, page: _Page, keys: I64) -> I64:
        before = len(page.rows)
        at = page.places(keys.tolist())
        self.size += len(page.rows) - before
        return at

    def _parts(self, keys: I64) -> Iterator[tuple[int, int, _Page]]:
        if not len(keys):
            return
        numbers = steps_of(keys) // PAGE_STEPS
        cuts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), len(keys)]
        for start, end in pairwise(cuts):
            number = int(numbers[start])
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = _Page()
            yield start, end, page


def _carry(totals: I64, at: I64) -> None:
    carry = totals[at, -1] // PICO
    if carry.any():
        totals[at, -2] += carry
        totals[at, -1] -= carry * PICO
