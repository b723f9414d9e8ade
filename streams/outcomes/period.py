"""Which time a command looks at: what was asked, else the last days that have calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.cli.reach import Ledger
from streams.errors import NotPossible
from streams.ledger.sqlfiles import named_query
from streams.report.period import Period, asked_period

DAY_MS = 86_400_000
RECENT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """Event time from `first_ms` to before `end_ms`, epoch ms, whole days in UTC."""

    first_ms: int
    end_ms: int

    @property
    def days(self) -> int:
        """Days in it."""
        return (self.end_ms - self.first_ms) // DAY_MS

    @property
    def parameters(self) -> dict[str, int]:
        """As the named queries take it."""
        return {"first": self.first_ms, "end": self.end_ms}

    def as_json(self) -> dict[str, str]:
        """First and last day, both included."""
        return {"from": _day(self.first_ms), "to": _day(self.end_ms - 1)}


def asked_span(ledger: Ledger, first: str | None, last: str | None, now: datetime) -> Span:
    """`--from` and `--to` (days, both included); without them the last 30 days up to the ledger's newest call.

    Raises `UsageError` for what is no day, `NotPossible` when the ledger has no calls.
    """
    asked = asked_period(None, first, last, now)
    if asked is not None:
        return span_of(asked)
    [[first_ms, last_ms]] = ledger.rows(named_query("calls_extent"))
    if not last_ms:
        raise NotPossible("the ledger has no calls yet: `spendstream replay FILES` or a worker brings some")
    end = (int(last_ms) // DAY_MS + 1) * DAY_MS
    return Span(max(int(first_ms) // DAY_MS * DAY_MS, end - RECENT_DAYS * DAY_MS), end)


def span_of(period: Period) -> Span:
    """The days of a report's period."""
    return Span(_ms(period.start), _ms(period.end))


def _ms(value: datetime) -> int:
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _day(ms: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms):%Y-%m-%d}"
