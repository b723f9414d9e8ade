"""A notice: what people should hear of one change of state of one subject.

`id` is deterministic, made of the subject and the change, never of a clock or a process: putting a notice again, after
a crash or from another worker, then changes nothing and tells nobody twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["ticket", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("ticket", "warning", "critical")

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of state.

    `subject` names what it is about (`inc-1f...`, `budget:search:2026-03`): later notices of one subject go to whoever
    heard of it before. `change` is one word (`opened`, `resolved`, `crossed_80`). `at_ms` is event time. `labels` are
    short names for machines; routes match on `labels["kind"]`. `resolved`: the subject is over. No field may hold a
    secret: notices are kept in the ledger.
    """

    id: str
    subject: str
    change: str
    severity: Severity
    title: str
    body: str
    team_id: str
    tier: str
    at_ms: int
    links: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    resolved: bool = False

    def __post_init__(self) -> None:
        if not self.id or not self.subject:
            raise ValueError("a notice needs an id and a subject")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, not {self.severity!r}")

    @property
    def kind(self) -> str:
        """What sort of thing it is about (`loop`, `budget`, ...); empty when the labels do not say."""
        return self.labels.get("kind", "")
