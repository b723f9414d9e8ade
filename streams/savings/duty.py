"""The duty that works the figures of quality and savings out once a day, for boards.

The day is the last whole one (UTC) that the ledger has calls after; the span is the 30 days up to it. So figures of a
replayed past are of that past, and a day's figures are as they were known when it was over: verdicts that come later
are in the next day's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from streams.ledger.client import Database
from streams.ledger.reader import DatabaseReader
from streams.ledger.sqlfiles import named_query
from streams.meter.price import Pricer
from streams.outcomes.period import DAY_MS, RECENT_DAYS, Span
from streams.outcomes.quality import read_quality
from streams.savings.result import read_savings
from streams.savings.store import FigureStore

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SavingsDuty:
    """See the module; a `streams.duties.Duty`."""

    name = "savings"
    every_s = 1800.0

    def __init__(self, database: Database, pricer: Pricer) -> None:
        """Connects to nothing yet. `pricer`: one of its own, since a pricer is not for several threads."""
        self._reader = DatabaseReader(database)
        self._store = FigureStore(database)
        self._pricer = pricer

    def run(self, now_ms: int) -> None:
        """Write the last whole day if it is not there yet. Raises `Unavailable` to be run again later."""
        [[first_ms, last_ms]] = self._reader.rows(named_query("calls_extent"))
        end = int(last_ms) // DAY_MS * DAY_MS
        first = max(int(first_ms) // DAY_MS * DAY_MS, end - RECENT_DAYS * DAY_MS)
        if end <= first:
            return  # no whole day yet
        day = (_EPOCH + timedelta(milliseconds=end - DAY_MS)).date()
        if self._store.has(day):
            return
        span = Span(first, end)
        savings = read_savings(self._reader, self._pricer, span)
        self._store.write(day, savings, read_quality(self._reader, span), now_ms)
