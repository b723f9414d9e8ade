"""Sums of calls: the measures that every table of the report shows, added in integers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Sums:
    """Calls; tokens as the contract counts them (input includes cached, output reasoning); cost in pico-USD."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: int = 0
    unpriced: int = 0
    errors: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.calls + other.calls,
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
            self.errors + other.errors,
        )

    @property
    def uncached(self) -> int:
        """Input tokens that were neither read from a cache nor written to one."""
        return self.input - self.cache_read - self.cache_write

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the query `report_spend`: the finest group."""

    day: str
    tenant: str
    team: str
    tier: str
    provider: str
    model: str
    sums: Sums


def total(cells: Iterable[Cell]) -> Sums:
    """All of them together."""
    result = Sums()
    for cell in cells:
        result += cell.sums
    return result


def grouped(cells: Iterable[Cell], key: Callable[[Cell], K]) -> dict[K, Sums]:
    """Sums by `key`, what costs most first, then most calls, then by name."""
    groups: dict[K, Sums] = {}
    for cell in cells:
        groups[key(cell)] = groups.get(key(cell), Sums()) + cell.sums
    return dict(sorted(groups.items(), key=lambda item: (-item[1].cost, -item[1].calls, str(item[0]))))
