"""What lies on this machine: settings, the operator's files, the price book's age, disk space."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from streams.config import Settings
from streams.doctor.finding import Finding
from streams.errors import SpendstreamError
from streams.meter.price.book import BookInfo

GIB = 1 << 30

OLD_PRICES_DAYS = 120
"""Providers change prices a few times a year: a book without a price of the last four months misses some."""

LOW_SHARE, LOW_BYTES = 0.15, 5 * GIB
FULL_SHARE, FULL_BYTES = 0.05, GIB
"""Free space of a disk. ClickHouse needs room for merges: about as much again as its largest part."""


def settings_findings(faults: Sequence[str]) -> list[Finding]:
    """Every fault of the settings, or that there is none."""
    if not faults:
        return [Finding("settings", "ok", "environment, file and command line are understood")]
    todo = "put it right; `spendstream worker --help` lists every setting"
    return [Finding("settings", "fail", fault, todo) for fault in faults]


def file_findings(settings: Settings) -> list[Finding]:
    """The operator's files of prices, tiers and budgets, read as a worker would."""
    from streams.budgets.file import load_budgets
    from streams.meter.price import load_overrides
    from streams.meter.tiers import load_tiers

    findings = []
    if settings.prices_file is not None:
        try:
            load_overrides(settings.prices_file)
            findings.append(Finding("prices file", "ok", f"{settings.prices_file} is understood"))
        except SpendstreamError as error:
            findings.append(Finding("prices file", "fail", str(error), "mend the file; docs/prices.md shows its form"))
    if settings.tiers_file is not None:
        try:
            load_tiers(settings.tiers_file)
            findings.append(Finding("tiers file", "ok", f"{settings.tiers_file} is understood"))
        except SpendstreamError as error:
            findings.append(Finding("tiers file", "fail", str(error), "mend the file; docs/prices.md shows its form"))
    if settings.budgets_file is not None:
        try:
            load_budgets(settings.budgets_file)
            findings.append(Finding("budgets file", "ok", f"{settings.budgets_file} is understood"))
        except SpendstreamError as error:
            findings.append(Finding("budgets file", "fail", str(error), "mend the file; docs/budgets.md shows it"))
    return findings


def book_finding(book: BookInfo, today: date) -> Finding:
    """How old the newest dated price of the installed book is."""
    what = f"{book.name} {book.version}: {book.models:,} models of {book.providers} providers"
    age = book.age_days(today)
    if age is None:
        return Finding("price book", "ok", f"{what}, no price with a date")
    when = f"{age} days old" if age else "not before today"
    what += f", newest dated price of {book.newest_price} ({when})"
    if age <= OLD_PRICES_DAYS:
        return Finding("price book", "ok", what)
    return Finding("price book", "warn", what, f"pip install --upgrade {book.name}, then restart the workers")


def disk_finding(name: str, free: int, total: int) -> Finding:
    """`free` and `total` in bytes."""
    check = f"disk {name}"
    share = free / total if total else 0.0
    what = f"{free / GIB:,.1f} of {total / GIB:,.1f} GiB free ({share:.0%})"
    todo = "free space, give the ledger a larger disk, or set SPENDSTREAM_RETENTION_DAYS"
    if free < FULL_BYTES or (share < FULL_SHARE and free < 10 * LOW_BYTES):
        return Finding(check, "fail", what, f"inserts will stop soon: {todo}")
    if free < LOW_BYTES or (share < LOW_SHARE and free < 10 * LOW_BYTES):
        return Finding(check, "warn", what, todo)
    return Finding(check, "ok", what)


def disk_of(path: Path) -> Finding:
    """The disk under `path`, or under its nearest folder that exists."""
    at = path.expanduser().absolute()
    while not at.exists() and at != at.parent:
        at = at.parent
    usage = shutil.disk_usage(at)
    return disk_finding(str(path), usage.free, usage.total)
