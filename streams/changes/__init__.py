"""What people changed about the money, kept: the operator's files and the version that workers start with."""

from __future__ import annotations

from streams.changes.record import ChangesDuty, Found, found_in

__all__ = ["ChangesDuty", "Found", "found_in"]
