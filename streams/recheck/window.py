"""Which part of the ledger `--from` and `--to` ask for: days or instants, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from schemas.times import EARLIEST_MS, LATEST_MS, parse_rfc3339
from streams.errors import UsageError

DAY_MS = 86_400_000


def asked_window(first: str | None, last: str | None) -> tuple[int | None, int | None]:
    """(from, until) in epoch ms, `until` exclusive; None where nothing is asked.

    A day as `last` belongs to it, an instant does not. Raises `UsageError` with what is wrong.
    """
    start = None if first is None else _instant(first, "--from")[0]
    end = None
    if last is not None:
        at, length = _instant(last, "--to")
        end = at + length
    if start is not None and end is not None and end <= start:
        raise UsageError(f"--to {last} lies before --from {first}")
    return start, end


def _instant(text: str, option: str) -> tuple[int, int]:
    """(epoch ms, length in ms): a day is as long as a day, an instant has no length."""
    length = 0
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        length = DAY_MS
        try:
            day = date.fromisoformat(text)
            at: int | None = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            at = None
    else:
        at = parse_rfc3339(text)
    if at is None or not EARLIEST_MS <= at < LATEST_MS:
        raise UsageError(f"{option} {text!r} is no time: write a day as 2026-01-31, or 2026-01-31T09:30:00Z")
    return at, length
