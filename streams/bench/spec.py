"""What a contender is told, and what it tells: JSON on its command line and on its standard output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Task:
    """One contender's run, in a process of its own."""

    contender: str
    bootstrap: str
    topic: str
    calls: int
    """Records to read; the topic holds at least as many."""
    directory: str
    """An empty directory of its own (ledger, state)."""
    group: str
    partitions: int
    marks: int = 0
    """Spendstream: note the CPU used at every so many calls, and say so on stdout; 0: never."""
    detect: bool = False
    """Spendstream: with detection on; done means that the detector has looked at every call, too."""
    profile: str = ""
    """Spendstream: write a cProfile of the event loop's thread here."""

    def encode(self) -> str:
        """As JSON."""
        return msgspec.json.encode(asdict(self)).decode()

    @classmethod
    def decode(cls, text: str) -> Task:
        """From JSON."""
        return msgspec.json.decode(text, type=cls)


@dataclass(frozen=True, slots=True)
class Result:
    """What a contender did from its first fetch until its last record was done."""

    contender: str
    calls: int
    wall_s: float
    cpu_s: float
    rss_mb: float
    peak_rss_mb: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def calls_per_second(self) -> float:
        """By the wall."""
        return self.calls / self.wall_s

    @property
    def cpu_us_per_call(self) -> float:
        """CPU of the whole process, microseconds a call."""
        return self.cpu_s / self.calls * 1e6

    def encode(self) -> str:
        """As JSON."""
        return msgspec.json.encode(asdict(self)).decode()

    @classmethod
    def decode(cls, text: str) -> Result:
        """From JSON."""
        return msgspec.json.decode(text, type=cls)
