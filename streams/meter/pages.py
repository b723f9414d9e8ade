"""Sums by (time, agent, tier) in pages of event time, as columns: the store under the meter's cells and the windows.

A key is one integer, time first, so that sorted keys fall into pages in order; the sums of a page are one matrix.
Money is two columns, whole dollars and a rest in 1e-12 USD: a sum of rests stays within 64 bits for nine million
calls, and a sum of whole dollars for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streams.meter.tiers import TIERS
from streams.money import PICO

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

_AGENT_BITS = 28
_TIER_BITS = 2
_LOW_BITS = _AGENT_BITS + _TIER_BITS
AGENT_MASK = ((1 << _AGENT_BITS) - 1) << _TIER_BITS
"""The bits of a key that hold the agent."""
TIER_MASK = (1 << _TIER_BITS) - 1
"""The bits of a key that hold the tier."""

_FREE = -1
"""No key: keys are not negative."""

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
        found = list(map(numbers.get, agents))
        if None in found:
            for at, number in enumerate(found):
                if number is None:
                    found[at] = number = numbers.setdefault(agents[at], len(self.names))
                    if number == len(self.names):
                        self.names.append(agents[at])
        return np.array(found, dtype=np.int64)

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


class _Page:
    """Distinct keys and a row of sums for each: an open-addressing hash table that looks up whole arrays at a time.

    A dictionary costs a step of the interpreter for each key, four times for each cell of usage; with as many agents
    as calls that was a third of the worker's time.
    """

    __slots__ = ("_bits", "_keys", "_slot_key", "_slot_row", "size", "totals")

    def __init__(self) -> None:
        self.size = 0
        self.totals = empty(64)
        self._keys = np.empty(64, dtype=np.int64)
        self._bits = 7
        self._slot_key = np.full(1 << self._bits, _FREE, dtype=np.int64)
        self._slot_row = np.empty(1 << self._bits, dtype=np.int64)

    @property
    def keys(self) -> I64:
        """The keys, in the order of their rows."""
        return self._keys[: self.size]

    def places(self, keys: I64) -> I64:
        """The row of each key; keys that are new get new rows, all zero. Keys are distinct."""
        self._make_room(len(keys))
        rows = np.empty(len(keys), dtype=np.int64)
        todo, slot = np.arange(len(keys)), self._home(keys)
        while len(todo):
            wanted = keys[todo]
            here = self._slot_key[slot]
            done = here == wanted
            rows[todo[done]] = self._slot_row[slot[done]]
            free = np.flatnonzero(here == _FREE)
            if len(free):
                at, key = slot[free], wanted[free]
                self._slot_key[at] = key  # of several that want one slot the last gets it; the others go on
                won = self._slot_key[at] == key
                at, new = at[won], np.arange(self.size, self.size + int(won.sum()))
                self._slot_row[at] = new
                self._keys[new] = key[won]
                rows[todo[free[won]]] = new
                self.size += len(new)
                done[free[won]] = True
            left = ~done
            todo, slot = todo[left], (slot[left] + 1) & ((1 << self._bits) - 1)
        return rows

    def _home(self, keys: I64) -> I64:
        # Fibonacci hashing: the high bits of the product with 2^64 / golden ratio.
        return ((keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - self._bits)).astype(np.int64)

    def _make_room(self, more: int) -> None:
        needed = self.size + more
        if needed > len(self._keys):
            room = max(needed, 2 * len(self._keys))
            self._keys = np.concatenate([self.keys, np.empty(room - self.size, dtype=np.int64)])
            self.totals = np.concatenate([self.totals[: self.size], empty(room - self.size)])
        if 2 * needed > 1 << self._bits:  # at most half full: one or two looks for a key
            self._bits = (4 * needed).bit_length()
            self._slot_key = np.full(1 << self._bits, _FREE, dtype=np.int64)
            self._slot_row = np.empty(1 << self._bits, dtype=np.int64)
            self._fill(self.keys)

    def _fill(self, keys: I64) -> None:
        todo, slot = np.arange(len(keys)), self._home(keys)
        while len(todo):
            free = self._slot_key[slot] == _FREE
            self._slot_key[slot[free]] = keys[todo[free]]
            won = self._slot_key[slot] == keys[todo]
            self._slot_row[slot[won]] = todo[won]
            todo, slot = todo[~won], (slot[~won] + 1) & ((1 << self._bits) - 1)


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

    def accumulate(self, keys: I64, sums: I64) -> None:
        """Add to the totals. Rests of money are not carried over: at most nine million times a key."""
        for start, end, page in self._parts(keys):
            at = self._places(page, keys[start:end])  # first: it may make the totals larger, in a new array
            page.totals[at] += sums[start:end]

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
            if (number + 1) * PAGE_STEPS > first and number * PAGE_STEPS < end:
                part = page.keys
                inside = (steps_of(part) >= first) & (steps_of(part) < end)
                keys.append(part[inside])
                totals.append(page.totals[: len(part)][inside])
        all_keys, all_totals = np.concatenate(keys), np.concatenate(totals)
        order = np.argsort(all_keys, kind="stable")
        return all_keys[order], all_totals[order]

    def drop_oldest(self) -> int:
        """Drop the oldest page; returns the time below which nothing is kept now."""
        number = min(self._pages)
        self.size -= self._pages.pop(number).size
        return (number + 1) * PAGE_STEPS

    def drop_below(self, step: int) -> int:
        """Drop pages that lie wholly below a time; returns the time below which nothing is kept now."""
        for number in [number for number in self._pages if (number + 1) * PAGE_STEPS <= step]:
            self.size -= self._pages.pop(number).size
        return step // PAGE_STEPS * PAGE_STEPS

    def end(self) -> int:
        """The end of the newest page; 0 when there is none."""
        return (max(self._pages, default=-1) + 1) * PAGE_STEPS

    def clear(self) -> None:
        """Drop everything."""
        self._pages.clear()
        self.size = 0

    def _places(self, page: _Page, keys: I64) -> I64:
        before = page.size
        at = page.places(keys)
        self.size += page.size - before
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
