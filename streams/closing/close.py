"""Closing a month, and reopening it: two acts, each with who and why, kept in the ledger for ever.

The order of a closing is its correctness: 1. what the ledger holds now (the cut), 2. the figures at that cut,
3. the figures are written, 4. the closing itself. Until 4 the month is open; figures without a closing are nothing.

`reader` reads the ledger, `database` writes to it; both may be the same ledger through two doors. `now` is passed in.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from streams.closing.book import Book, Change, read_book
from streams.closing.cut import Reader, read_cut
from streams.closing.digest import Figure, digest, figures
from streams.closing.fees import read_fees
from streams.closing.statement import read_corrections, read_usage
from streams.counted import counted
from streams.errors import LedgerError, NotPossible, UsageError
from streams.ledger.audit import audit
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.report.period import month as month_of
from streams.report.sums import Sums, total

if TYPE_CHECKING:
    from schemas.plans import Plan

AFTER = timedelta(days=1)
"""A gap is stamped by the record after it, which may have come after the month was over."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Records that the log did not give; instants are RFC 3339 in UTC, empty without gaps."""

    gaps: int
    records: int
    first: str
    last: str


def close_month(
    reader: Reader,
    database: Database,
    month: date,
    *,
    by: str,
    reason: str = "",
    now: datetime,
    accept_gaps: bool = False,
    empty: bool = False,
    audited: bool = True,
    plans: Sequence[Plan] = (),
) -> Change:
    """Freeze the figures of the month that begins on `month`; returns the closing.

    `accept_gaps`: records that the log did not give are accepted as lost. `empty`: a month without calls, corrections
    and fees is closed too. `audited`: first prove that every position of
    the log is in the ledger once (`streams.ledger.audit`; some seconds per million calls). `plans`: in force; what they
    make of the month is frozen too, as of the calls that are in the ledger when it is computed.
    Raises `NotPossible` when the month is not over, is closed already, has an open gap or nothing to freeze, and
    `LedgerError` when the ledger does not add up or the closing could not be written.
    """
    _named(by)
    period = month_of(month)
    if period.is_running(now):
        raise NotPossible(f"{period.name} is not over: it can be closed from {period.end:%Y-%m-%d %H:%M} UTC")
    book = read_book(reader)
    if (closing := book.closing(month)) is not None:
        raise NotPossible(
            f"{period.name} is closed already, by {closing.by} at {closing.at:%Y-%m-%d %H:%M} UTC; "
            f"`spendstream close {month:%Y-%m} --reopen` opens it"
        )
    gaps = read_gaps(reader, month)
    if gaps.gaps and not accept_gaps:
        raise NotPossible(
            f"{period.name} has {counted(gaps.gaps, 'open gap')}: the log did not give "
            f"{counted(gaps.records, 'record')} that arrived from {gaps.first} to {gaps.last}. Publish those calls "
            "again (docs/operate.md), or, if nothing was in them (markers of transactions) or they are lost, close "
            "with --accept-gaps"
        )
    if audited:
        prove(reader)
    cut = read_cut(reader)
    usage = read_usage(reader, month, cut)
    corrections = [one for counts_in, one in read_corrections(reader, book, cut) if counts_in == month]
    fees = read_fees(reader, plans, month)
    asked = figures(month, usage, corrections, fees)
    if not asked and not empty:
        months = ", ".join(f"{str(first)[:7]}" for first, _ in reader.rows(named_query("report_months"))) or "none"
        raise NotPossible(f"no calls in {period.name}; months with calls: {months}. Close it all the same with --empty")
    own, corrected = total(usage), total(one.cell for one in corrections)
    last = book.last(month)
    signed = digest(month, asked)
    number = 1 if last is None else last.number + 1
    change = Change(
        month=month,
        number=number,
        closed=True,
        id=f"{month:%Y-%m}.{number}.{signed[:12]}.{secrets.token_hex(4)}",
        at=_after(book, now),
        by=by,
        reason=reason,
        cut=cut,
        accepted_gaps=gaps.records,
        calls=own.calls,
        unpriced=own.unpriced,
        cost=own.cost,
        corrections=corrected.cost,
        plans=sum(fee.amount for fee in fees),
        digest=signed,
    )
    _write_figures(database, change, asked)
    return _write_change(reader, database, change)


def reopen_month(reader: Reader, database: Database, month: date, *, by: str, reason: str, now: datetime) -> Change:
    """Open a closed month again; its figures follow the ledger until it is closed again. Returns the reopening.

    Raises `UsageError` when no reason is given, `NotPossible` when it is not closed or a later month is: corrections of
    this month are in that one's frozen figures and would count twice.
    """
    _named(by)
    if not reason.strip():
        raise UsageError("reopening a closed month needs a --reason: others have read its figures")
    book = read_book(reader)
    name = month_of(month).name
    last = book.last(month)
    if last is None or not last.closed:
        raise NotPossible(f"{name} is not closed")
    later = sorted(one.month for one in book.closed if one.month > month)
    if later:
        names = ", ".join(f"{one:%Y-%m}" for one in reversed(later))
        raise NotPossible(
            f"{name} cannot be reopened while a later month is closed, whose figures hold its corrections: "
            f"reopen {names} first"
        )
    change = Change(
        month, last.number + 1, False, f"{month:%Y-%m}.{last.number + 1}.reopened.{secrets.token_hex(4)}",
        _after(book, now), by, reason, last.cut, 0, 0, 0, 0, 0, 0, "",
    )  # fmt: skip
    return _write_change(reader, database, change)


def read_gaps(reader: Reader, month: date) -> Gaps:
    """Records that arrived in the month, or in the day after it, and that the log did not give."""
    period = month_of(month)
    span = {"first_ms": _ms(period.start), "end_ms": _ms(period.end + AFTER)}
    [[gaps, records, first, last]] = reader.rows(named_query("closing_gaps"), span)
    return Gaps(int(gaps), int(records), str(first) if gaps else "", str(last) if gaps else "")


def _named(by: str) -> None:
    if not by.strip():
        raise UsageError("--by is empty: say who closes or reopens")


def prove(reader: Reader) -> None:
    """Raise `LedgerError` unless the ledger adds up; some seconds per million calls."""
    report = audit(reader)
    if not report.ok:
        found = "; ".join(f"{one.check}, {one.where}: {one.what}" for one in report.findings[:5])
        raise LedgerError(
            f"the ledger does not add up, so nothing is closed ({counted(len(report.findings), 'finding')}: {found}). "
            "`spendstream audit` says more"
        )


def _after(book: Book, now: datetime) -> datetime:
    """`now`, or a millisecond after the last change: changes are in the order of time, whatever clocks say."""
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return max([now, *(change.at + timedelta(milliseconds=1) for change in book.changes)])


def _write_figures(database: Database, change: Change, asked: Sequence[Figure]) -> None:
    if not asked:
        return
    cells = [cell for _, cell in asked]
    sums: list[Sums] = [cell.sums for cell in cells]
    money = pa.decimal128(38, 12)
    columns: list[tuple[str, str, pa.Array]] = [
        ("closing_id", "String", pa.array([change.id] * len(asked))),
        ("month", "Date32", pa.array([change.month] * len(asked))),
        ("kind", "String", pa.array([kind for kind, _ in asked])),
        ("day", "Date32", pa.array([date.fromisoformat(cell.day) for cell in cells])),
        ("tenant_id", "String", pa.array([cell.tenant for cell in cells])),
        ("team_id", "String", pa.array([cell.team for cell in cells])),
        ("tier", "String", pa.array([cell.tier for cell in cells])),
        ("provider_name", "String", pa.array([cell.provider for cell in cells])),
        ("request_model", "String", pa.array([cell.model for cell in cells])),
        ("calls", "Int64", pa.array([one.calls for one in sums], pa.int64())),
        ("input_tokens", "Int64", pa.array([one.input for one in sums], pa.int64())),
        ("output_tokens", "Int64", pa.array([one.output for one in sums], pa.int64())),
        ("cache_read_input_tokens", "Int64", pa.array([one.cache_read for one in sums], pa.int64())),
        ("cache_write_input_tokens", "Int64", pa.array([one.cache_write for one in sums], pa.int64())),
        ("reasoning_output_tokens", "Int64", pa.array([one.reasoning for one in sums], pa.int64())),
        ("cost_usd", "Decimal(38, 12)", pa.array([decimal(one.cost) for one in sums], money)),
        ("unpriced", "Int64", pa.array([one.unpriced for one in sums], pa.int64())),
        ("errors", "Int64", pa.array([one.errors for one in sums], pa.int64())),
    ]
    table = pa.table({name: data for name, _, data in columns})
    database.insert("closed_figures", [(name, kind) for name, kind, _ in columns], table, token=change.id)


def _write_change(reader: Reader, database: Database, change: Change) -> Change:
    """Write it unless the month changed meanwhile; the ledger is asked afterwards whose change counts."""
    columns: list[tuple[str, str, pa.Array]] = [
        ("month", "Date32", pa.array([change.month])),
        ("number", "Int64", pa.array([change.number])),
        ("change", "String", pa.array(["closed" if change.closed else "reopened"])),
        ("id", "String", pa.array([change.id])),
        ("at", "DateTime64(3, 'UTC')", pa.array([_ms(change.at)]).cast(pa.timestamp("ms", "UTC"))),
        ("by", "String", pa.array([change.by])),
        ("reason", "String", pa.array([change.reason])),
        ("keys", "Array(UInt64)", pa.array([list(change.cut.keys)], pa.list_(pa.uint64()))),
        ("nexts", "Array(UInt64)", pa.array([list(change.cut.nexts)], pa.list_(pa.uint64()))),
        ("ratings", "Array(String)", pa.array([list(change.cut.ratings)], pa.list_(pa.string()))),
        ("accepted_gaps", "UInt64", pa.array([change.accepted_gaps], pa.uint64())),
        ("calls", "UInt64", pa.array([change.calls], pa.uint64())),
        ("unpriced", "UInt64", pa.array([change.unpriced], pa.uint64())),
        ("cost_usd", "Decimal(38, 12)", pa.array([decimal(change.cost)], pa.decimal128(38, 12))),
        ("corrections_usd", "Decimal(38, 12)", pa.array([decimal(change.corrections)], pa.decimal128(38, 12))),
        ("plans_usd", "Decimal(38, 12)", pa.array([decimal(change.plans)], pa.decimal128(38, 12))),
        ("digest", "String", pa.array([change.digest])),
    ]
    table = pa.table({name: data for name, _, data in columns})
    unchanged = (
        f"(SELECT count() FROM closing_changes WHERE month = toDate('{change.month.isoformat()}') "
        f"AND number >= {change.number}) = 0"
    )
    names = [(name, kind) for name, kind, _ in columns]
    database.insert("closing_changes", names, table, token=change.id, where=unchanged)
    counts = read_book(reader).last(change.month)
    if counts is None or counts.id != change.id:
        who = "nothing was written" if counts is None else f"{counts.by} was first"
        raise LedgerError(f"{change.month:%Y-%m} was changed by somebody else at the same moment ({who}): look again")
    return change


def decimal(amount: int) -> Decimal:
    """Pico-USD as the ledger's decimal; exact for 38 digits."""
    return Decimal((amount < 0, tuple(map(int, str(abs(amount)))), -12))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
