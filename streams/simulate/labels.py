"""What the simulator knows and the detector must find: one label a runaway, kept apart from the calls."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Label:
    """One runaway. `grade` is easy, medium or hard; `cold` = the agent had no history; `second` = follows a day-long
    one.
    """

    label: str
    agent_id: str
    run_id: str | None
    grade: str
    cold: bool = False
    second: bool = False
    scope: str = "episode"
    first_call_id: str = ""
    start: int = 0
    end: int = 0
    calls: int = 0
    call_ids: list[str] = field(default_factory=list)

    def add(self, call_id: str, at: int) -> None:
        """Count one call of the runaway; calls come in time order."""
        if not self.calls:
            self.first_call_id, self.start = call_id, at
        self.calls += 1
        self.end = at
        self.call_ids.append(call_id)

    def to_dict(self) -> dict[str, Any]:
        """As one line of the labels file (times: epoch milliseconds)."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider in trouble; not a runaway: whatever is flagged because of it is false."""

    provider: str
    start: int
    end: int
    rate: float

    def to_dict(self) -> dict[str, Any]:
        """As one line of the labels file, `label: "outage"`, `scope: "benign"`."""
        return {
            "label": "outage",
            "scope": "benign",
            "provider_name": self.provider,
            "start": self.start,
            "end": self.end,
            "rate": self.rate,
        }
