"""What a fault of the matrix is, and how much of it is done in the short form and in the full one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crash.traffic import Mix
from tests.faults.system import System


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done: the full form of `make test-faults`, the short one, or the least, for CI."""

    full: bool
    least: bool = False

    def times(self, short: int, full: int) -> int:
        """How often a fault is injected."""
        return full if self.full else max(1, short // 2) if self.least else short

    def seconds(self, short: float, full: float) -> float:
        """How long a fault lasts."""
        return full if self.full else short

    @property
    def rate(self) -> int:
        """Distinct calls a second that the routers send."""
        return 2500 if self.full else 300 if self.least else 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table. `inject` does the fault, again and again, and waits for each recovery."""

    name: str
    what: str
    """For the table: what is done."""
    inject: Callable[[System, Scale], Awaitable[None]]
    nodes: int = 1
    workers: int = 1
    partitions: int = 4
    mix: Mix | None = None
    room: int | None = None
    """Bytes of the disk that the ledger has for itself; None: it shares the machine's."""
    network: bool = False
    """Whether workers reach Kafka through a proxy."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    in_short: bool = True
    """Whether the short form has it; those that wait for time-outs are in the full one only."""
    note: str = ""
    """For the table: what one has to know of the result."""
