"""Colours that mean something: by value (`Steps`), and of labels that are good or bad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

Steps = Sequence[tuple[float | None, str]]
"""(from this value on, colour); the first one has None."""

GROWTH: Final[Steps] = ((None, "text"), (0.25, "orange"), (0.5, "red"))
FAILURES: Final[Steps] = ((None, "text"), (0.05, "orange"), (0.15, "red"))
USED: Final[Steps] = ((None, "text"), (0.8, "orange"), (1, "red"))
"""Of a budget or a capacity."""
MUST_BE_ZERO: Final[Steps] = ((None, "green"), (1, "red"))
OUTCOMES: Final = {"call": "blue", "duplicate": "orange", "reject": "red", "moved": "purple"}
STATUSES: Final = {
    "error": "red",
    "timeout": "dark-red",
    "rate_limited": "orange",
    "denied": "purple",
    "cancelled": "text",
}
DECISIONS: Final = {"allow": "green", "deny": "red", "escalate": "orange"}
PLAIN: Final[Steps] = ((None, "text"),)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )
