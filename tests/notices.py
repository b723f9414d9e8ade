"""Notices for tests."""

from __future__ import annotations

from typing import Any

from streams.alert.notice import Notice
from tests.fakes import BASE_MS


def notice(id: str = "inc-1:1", **fields: Any) -> Notice:
    """That a loop opened in team search, a warning."""
    values: dict[str, Any] = {
        "id": id,
        "subject": id.partition(":")[0],
        "change": "opened",
        "severity": "warning",
        "title": "[warning] runaway loop: bot, run run-1 (43 calls, $3.10 so far)",
        "body": "What: 43 calls with the same fingerprint in 6 min",
        "team_id": "search",
        "tier": "frontier",
        "at_ms": BASE_MS,
        "labels": {"kind": "loop", "agent": "bot", "run": "run-1"},
    } | fields
    return Notice(**values)
