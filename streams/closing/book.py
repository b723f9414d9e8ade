"""Which months are closed: the changes in the ledger, in order.

    book = read_book(reader); book.closing(date(2026, 10, 1))     # None while October is open

A month is closed, reopened, closed again; each change has a number, and the last one says how the month stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from streams.closing.cut import Cut, Reader
from streams.ledger.sqlfiles import named_query
from streams.money import exact, pico


@dataclass(frozen=True, slots=True)
class Change:
    """One closing or reopening. Money in pico-USD; the figures of a reopening are 0 and its digest is empty."""

    month: date
    number: int
    closed: bool
    id: str
    at: datetime
    by: str
    reason: str
    cut: Cut
    accepted_gaps: int
    calls: int
    unpriced: int
    cost: int
    corrections: int
    plans: int
    digest: str

    def as_json(self) -> dict[str, Any]:
        """What the user sees; money as strings with all twelve decimals."""
        said: dict[str, Any] = {
            "month": f"{self.month:%Y-%m}",
            "number": self.number,
            "change": "closed" if self.closed else "reopened",
            "at": self.at.isoformat(timespec="milliseconds"),
            "by": self.by,
            "reason": self.reason,
        }
        if self.closed:
            said |= {
                "calls": self.calls,
                "unpriced_calls": self.unpriced,
                "cost_usd": exact(self.cost),
                "corrections_usd": exact(self.corrections),
                "plans_usd": exact(self.plans),
                "accepted_gaps": self.accepted_gaps,
                "digest": self.digest,
            }
        return said


@dataclass(frozen=True, slots=True)
class Book:
    """All changes that count, in the order of time."""

    changes: tuple[Change, ...] = ()

    @property
    def closed(self) -> tuple[Change, ...]:
        """The closings in force, in the order of time; a later one knows all that an earlier one knew."""
        last = {change.month: change for change in sorted(self.changes, key=lambda one: one.number)}
        return tuple(sorted((one for one in last.values() if one.closed), key=lambda one: (one.at, one.month)))

    def closing(self, month: date) -> Change | None:
        """The closing in force of a month, None while it is open."""
        return next((one for one in self.closed if one.month == month), None)

    def as_of(self, change: Change) -> Book:
        """The changes up to one, itself included: later ones decide nothing about it."""
        return Book(tuple(one for one in self.changes if one.at <= change.at))

    def last(self, month: date) -> Change | None:
        """The month's last change."""
        return max((one for one in self.changes if one.month == month), key=lambda one: one.number, default=None)


def read_book(reader: Reader) -> Book:
    """All changes. Raises `LedgerError` or `Unavailable`."""
    return Book(tuple(map(_change, reader.rows(named_query("closing_changes")))))


def _change(row: list[Any]) -> Change:
    (
        month, number, change, id_, at, by, reason, keys, nexts, ratings, gaps, calls, unpriced, cost, corrections,
        plans, digest,
    ) = row  # fmt: skip
    return Change(
        month=date.fromisoformat(month),
        number=int(number),
        closed=change == "closed",
        id=id_,
        at=datetime.fromisoformat(at),
        by=by,
        reason=reason,
        cut=Cut(tuple(map(int, keys)), tuple(map(int, nexts)), tuple(ratings)),
        accepted_gaps=int(gaps),
        calls=int(calls),
        unpriced=int(unpriced),
        cost=pico(cost),
        corrections=pico(corrections),
        plans=pico(plans),
        digest=digest,
    )
