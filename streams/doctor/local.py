"""What lies on this machine: settings, the operator's files, the price book's age, disk space."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from streams.config import Settings
from streams.doctor.finding import Finding
from streams.errors import SettingsError
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


def file_findings(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """The operator's files that the settings name, read as a worker would: each fault of each is a finding.

    `environment`: where policies and tokens look their secrets up.
    """
    from streams.alert.policies import load_policies
    from streams.budgets.file import load_budgets
    from streams.http.tokens import load_tokens
    from streams.meter.price import load_overrides
    from streams.meter.tiers import load_tiers
    from streams.plans.file import load_plans

    where = ", with the environment that your workers have"
    readers: list[tuple[str, Path | None, Callable[[Path], object], str]] = [
        ("prices file", settings.prices_file, load_overrides, "docs/prices.md shows its form"),
        ("tiers file", settings.tiers_file, load_tiers, "docs/prices.md shows its form"),
        ("plans file", settings.plans_file, load_plans, "docs/plans.md shows its form"),
        ("budgets file", settings.budgets_file, load_budgets, "docs/budgets.md shows its form"),
        ("policies file", settings.policies_file, lambda path: load_policies(path, environment),
         f"docs/oncall.md shows its form; look{where}"),
        ("tokens file", settings.http_tokens_file, lambda path: load_tokens(path, "", environment),
         f"docs/security.md shows its form; look{where}"),
    ]  # fmt: skip
    return [one for check, path, read, form in readers if path is not None for one in _file(check, path, read, form)]


def _file(check: str, path: Path, read: Callable[[Path], object], form: str) -> list[Finding]:
    try:
        read(path)
    except SettingsError as error:
        return [Finding(check, "fail", fault, f"mend {path}: {form}") for fault in error.faults]
    return [Finding(check, "ok", f"{path} is understood")]


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
