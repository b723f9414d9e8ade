"""What the doctor says: one line of what is so, and what to do where something is not as it should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`check`: what was looked at; `todo` is empty only where the level is ok."""

    check: str
    level: Level
    what: str
    todo: str = ""

    def __post_init__(self) -> None:
        if self.level != "ok" and not self.todo:
            raise ValueError(f"{self.check}: a finding that is not ok says what to do")


def failed(findings: Iterable[Finding]) -> bool:
    """Whether one of them fails."""
    return any(finding.level == "fail" for finding in findings)
