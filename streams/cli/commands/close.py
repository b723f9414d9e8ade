"""`spendstream close`: freeze a month's figures, see which months are closed, prove them, open one again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from datetime import date, datetime

    from schemas.plans import Plan
    from streams.cli.reach import Ledger
    from streams.closing.book import Change
    from streams.ledger.client import Database


@click.command("close")
@click.argument("month", required=False, metavar="[YYYY-MM]")
@click.option("--by", metavar="WHO", help="Who closes or reopens; kept in the ledger.")
@click.option("--reason", default="", metavar="TEXT", help="Why; needed for --reopen.")
@click.option("--reopen", is_flag=True, help="Open a closed month again: its figures follow the ledger from then on.")
@click.option(
    "--check", is_flag=True, help="Compute a closed month again from the ledger, and compare. Changes nothing."
)
@click.option("--list", "listed", is_flag=True, help="All closings and reopenings. Changes nothing.")
@click.option("--accept-gaps", is_flag=True, help="Close although the log did not give some records of the month.")
@click.option("--no-audit", is_flag=True, help="Do not prove first that the ledger adds up.")
@embedded_option()
@config_option()
@json_option()
def command(
    month: str | None,
    by: str | None,
    reason: str,
    reopen: bool,
    check: bool,
    listed: bool,
    accept_gaps: bool,
    no_audit: bool,
    embedded: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Close a month: its figures stay as they are now, whatever comes later.

    Calls that come late and prices that are computed again then count as corrections, in the month in which they became
    known; the report and the exports list them. A month must be over, without open gaps, and the ledger must add up.
    --check ends with 1 when the ledger does not give the frozen figures any more.

    \b
    Examples:
      spendstream close 2026-10 --by ada --reason "books of October"
      spendstream close --list
      spendstream close 2026-10 --check
      spendstream close 2026-10 --reopen --by ada --reason "negotiated prices came late"
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError
    from streams.logs import configure_logs
    from streams.plans.file import load_plans
    from streams.report.period import asked_period

    if sum((reopen, check, listed)) > 1:
        raise UsageError("--reopen, --check and --list exclude each other")
    now = datetime.now(UTC)
    if (month is None) != listed:
        raise UsageError("name a month, as 2026-10 (or `last`)" if month is None else "--list takes no month")
    if not (listed or check) and not by:
        raise UsageError("--by is missing: say who closes or reopens the month")
    period = asked_period(month, None, None, now)
    first = None if period is None else period.start.date()
    settings = settings_of(config)
    url = settings.clickhouse_url.get_secret_value()
    with result_only() as say:
        configure_logs("error", settings.log_format)
        if first is None or check:
            with reach(embedded, url) as ledger:
                ok, said, words = _listed(ledger) if first is None else _checked(ledger, first)
        else:
            with _writing(embedded, url) as (ledger, database):
                ok, said, words = _changed(
                    ledger,
                    database,
                    first,
                    by or "",
                    reason,
                    now,
                    reopen=reopen,
                    accept=accept_gaps,
                    audited=not no_audit,
                    plans=load_plans(settings.plans_file),
                )
        say(one_json(said) if as_json else words)
    if not ok:
        raise SystemExit(1)


Answer = tuple[bool, dict[str, object], str]


def _listed(ledger: Ledger) -> Answer:
    from streams.closing.book import read_book

    book = read_book(ledger)
    lines = [_in_words(change) for change in book.changes]
    said: dict[str, object] = {
        "closed": [f"{one.month:%Y-%m}" for one in sorted(book.closed, key=lambda one: one.month)],
        "changes": [change.as_json() for change in book.changes],
    }
    return True, said, "\n".join(lines) or "no month was closed yet"


def _checked(ledger: Ledger, month: date) -> Answer:
    from streams.closing.check import check_month
    from streams.money import exact

    found = check_month(ledger, month)
    now, then, signed = exact(found.ledger_cost), exact(found.frozen_cost), found.closing.digest
    words = f"the ledger gives the frozen figures, {now} USD, digest {signed}"
    if not found.stored:
        words = f"the frozen figures were changed after they were signed with {signed}"
    elif not found.recomputed:
        words = f"the ledger gives {now} USD, the closing {then} USD: rows are gone (retention) or were changed"
    return found.ok, found.as_json(), f"{month:%Y-%m}: {words}"


def _changed(
    ledger: Ledger,
    database: Database,
    month: date,
    by: str,
    reason: str,
    now: datetime,
    *,
    reopen: bool,
    accept: bool,
    audited: bool,
    plans: Sequence[Plan],
) -> Answer:
    from streams.closing.close import close_month, reopen_month

    if reopen:
        change = reopen_month(ledger, database, month, by=by, reason=reason, now=now)
    else:
        change = close_month(
            ledger, database, month, by=by, reason=reason, now=now, accept_gaps=accept, audited=audited, plans=plans
        )
    return True, change.as_json(), _in_words(change)


def _in_words(change: Change) -> str:
    from streams.money import exact

    why = f" ({change.reason})" if change.reason else ""
    what = "closed" if change.closed else "reopened"
    head = f"{change.month:%Y-%m} {what} by {change.by} at {change.at:%Y-%m-%d %H:%M} UTC{why}"
    if not change.closed:
        return head
    lines = [
        head,
        f"  own calls    {exact(change.cost)} USD, {counted(change.calls, 'call')}, "
        f"{change.unpriced:,} without a price",
        f"  corrections  {exact(change.corrections)} USD, of earlier months",
        f"  digest       {change.digest}",
    ]
    if change.plans:
        lines.insert(2, f"  plans        {exact(change.plans)} USD, what they add to list prices")
    if change.accepted_gaps:
        lines.append(f"  lost         {counted(change.accepted_gaps, 'record')} that the log did not give")
    return "\n".join(lines)


@contextlib.contextmanager
def _writing(embedded: Path | None, clickhouse_url: str) -> Iterator[tuple[Ledger, Database]]:
    """The ledger to read and to write: DIR when nobody runs there, else the server of the settings."""
    from urllib.parse import urlsplit

    from streams.cli.reach import EngineLedger, HttpLedger
    from streams.embedded.directory import Layout, find_running, own
    from streams.errors import UsageError
    from streams.ledger.client import Database
    from streams.ledger.migrate import migrate

    if embedded is None and urlsplit(clickhouse_url).scheme != "chdb":
        with contextlib.closing(Database(clickhouse_url)) as database:
            yield HttpLedger(clickhouse_url), database
        return
    with contextlib.ExitStack() as stack:
        if embedded is None:
            ledger = Path(urlsplit(clickhouse_url).path)
        else:
            layout = Layout(embedded.expanduser().absolute())
            if not (layout.ledger / "metadata").is_dir():
                raise UsageError(f"no ledger in {embedded}: `spendstream replay FILES --embedded {embedded}` makes one")
            if find_running(layout.root) is not None:
                raise UsageError(
                    f"{embedded} is in use by a running worker, and only that one may write to its ledger: "
                    "stop it, close the month, and start it again"
                )
            ledger = stack.enter_context(own(layout.root)).layout.ledger
        database = stack.enter_context(contextlib.closing(Database(f"chdb://{ledger}", create=True)))
        migrate(database)
        yield stack.enter_context(contextlib.closing(EngineLedger(ledger))), database
