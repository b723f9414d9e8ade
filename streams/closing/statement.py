"""A month's figures: its own calls, and what was learnt in it of earlier months that were closed already.

An open month is read from the ledger as it is now, a closed one as it was frozen. What reaches the ledger after a month
was closed (a late call, a price computed again) is a correction in the month in which it became known: the calendar
month of its arrival, or the next one that is still open, when that month had been closed as well. So every call and
every adjustment counts in exactly one month, once: months add up to the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from streams.closing.book import Book, Change, read_book
from streams.closing.cut import Cut, Reader, read_cut, side_by_side
from streams.closing.fees import Fee, of_cell, read_fees
from streams.ledger.sqlfiles import named_query
from streams.money import pico
from streams.report.period import month as month_of
from streams.report.sums import Cell, Sums, total

if TYPE_CHECKING:
    from schemas.plans import Plan

Kind = Literal["late", "rerated"]

SKEW = timedelta(days=1)
"""Calls are stamped by the clock of the worker that writes them: how far it may run behind the clock of who closes."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What became known of a closed month: calls that came late, or prices computed again (no calls, no tokens)."""

    kind: Kind
    cell: Cell

    @property
    def of_month(self) -> date:
        """The month that it corrects."""
        return date.fromisoformat(self.cell.day).replace(day=1)


@dataclass(frozen=True, slots=True)
class Statement:
    """`closing` is None while the month is open. `cut`: what the figures know. `since`: corrections of this month that
    count in later ones, with the month in which each counts; only of a closed month. `fees`: what plans make of it."""

    month: date
    closing: Change | None
    cut: Cut
    usage: tuple[Cell, ...]
    corrections: tuple[Correction, ...]
    fees: tuple[Fee, ...] = ()
    since: tuple[tuple[date, Correction], ...] = ()

    @property
    def own(self) -> Sums:
        """The month's own calls."""
        return total(self.usage)

    @property
    def corrected(self) -> Sums:
        """All corrections that count in this month."""
        return total(one.cell for one in self.corrections)


def read_statement(reader: Reader, month: date, plans: Sequence[Plan] = ()) -> Statement:
    """The figures of the month that begins on `month`. `plans`: in force; a closed month has those that it had."""
    book = read_book(reader)
    closing, now = book.closing(month), read_cut(reader)
    placed = tuple(read_corrections(reader, book, now))
    if closing is None:
        usage = read_usage(reader, month, now)
        fees = read_fees(reader, plans, month)
        return Statement(month, None, now, usage, tuple(one for known, one in placed if known == month), fees)
    usage, corrections, fees = read_frozen(reader, closing)
    since = tuple((known, one) for known, one in placed if one.of_month == month)
    return Statement(month, closing, closing.cut, usage, corrections, fees, since)


def read_usage(reader: Reader, month: date, cut: Cut) -> tuple[Cell, ...]:
    """The month's own calls as they were at a cut."""
    period = month_of(month)
    span = {"first": f"{period.start:%Y-%m-%d %H:%M:%S}", "end": f"{period.end:%Y-%m-%d %H:%M:%S}"}
    return tuple(_cell(row) for row in reader.rows(named_query("closing_usage"), span | cut.parameters))


Frozen = tuple[tuple[Cell, ...], tuple[Correction, ...], tuple[Fee, ...]]


def read_frozen(reader: Reader, closing: Change) -> Frozen:
    """What a closing froze: the month's own calls, the corrections that counted in it, what plans made of it."""
    usage: list[Cell] = []
    corrections: list[Correction] = []
    fees: list[Fee] = []
    for kind, *row in reader.rows(named_query("closing_figures"), {"id": closing.id}):
        if kind == "usage":
            usage.append(_cell(row))
        elif kind == "plan":
            fees.append(of_cell(_cell(row)))
        else:
            corrections.append(Correction(kind, _cell(row)))
    return tuple(usage), tuple(corrections), tuple(fees)


def read_corrections(reader: Reader, book: Book, now: Cut) -> Iterable[tuple[date, Correction]]:
    """All corrections of the months that are closed, known up to `now`, each with the month in which it counts."""
    closed = book.closed
    if not closed:
        return
    found: dict[tuple[date, Kind, tuple[str, str, str, str, str, str]], Sums] = {}
    asked = side_by_side([*(one.cut for one in closed), now]) | {
        "months": [one.month.isoformat() for one in closed],
        "since_ms": int((closed[0].at - SKEW).timestamp() * 1000),
    }
    kinds: tuple[Kind, ...] = ("late", "rerated")
    for kind in kinds:
        for row in reader.rows(named_query(f"closing_{kind}"), asked):
            *names, known, first_cut = row[:8]
            counts_in = counting_month(date.fromisoformat(str(known)[:10]), int(first_cut), closed)
            cell = _cell([*names, *row[8:]])
            key = counts_in, kind, (cell.day, cell.tenant, cell.team, cell.tier, cell.provider, cell.model)
            found[key] = found.get(key, Sums()) + cell.sums
    for (counts_in, kind, group), sums in found.items():
        yield counts_in, Correction(kind, Cell(*group, sums))


def counting_month(known: date, first_cut: int, closed: Sequence[Change]) -> date:
    """The first month from `known` on that is open, or was closed knowing it.

    `first_cut`: the place, from 1, of the first of the `closed` (in the order of time) that knew it;
    one more than there are: none did.
    """
    places = {one.month: place for place, one in enumerate(closed, 1)}
    month = known.replace(day=1)
    while month in places and first_cut > places[month]:
        month = (month + timedelta(days=32)).replace(day=1)
    return month


def _cell(row: Sequence[Any]) -> Cell:
    day, tenant, team, tier, provider, model, *measures = row
    calls, tokens_in, tokens_out, read, write, reasoning, cost, unpriced, errors = measures
    sums = Sums(
        int(calls), int(tokens_in), int(tokens_out), int(read), int(write), int(reasoning),
        pico(cost), int(unpriced), int(errors),
    )  # fmt: skip
    return Cell(str(day)[:10], tenant, team, tier, provider, model, sums)
