"""`spendstream close`: freeze a month's figures, see which months are closed, prove them, open one again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from datetime import date

    from streams.cli.reach import Ledger


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
@click.option("--empty", is_flag=True, help="Close although the month has no calls.")
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
    empty: bool,
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
    from streams.cli.closing import Act, changed
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError
    from streams.logs import configure_logs
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
            act = Act(
                first, by or "", reason, reopen=reopen, accept_gaps=accept_gaps, empty=empty, audited=not no_audit
            )
            ok, said = True, changed(embedded, settings, act, now)
            words = _in_words(said)
        say(one_json(said) if as_json else words)
    if not ok:
        raise SystemExit(1)


Answer = tuple[bool, dict[str, object], str]


def _listed(ledger: Ledger) -> Answer:
    from streams.closing.book import read_book

    book = read_book(ledger)
    lines = [_in_words(change.as_json()) for change in book.changes]
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


def _in_words(change: Mapping[str, Any]) -> str:
    """A change as its JSON says it."""
    why = f" ({change['reason']})" if change["reason"] else ""
    at = datetime.fromisoformat(change["at"])
    head = f"{change['month']} {change['change']} by {change['by']} at {at:%Y-%m-%d %H:%M} UTC{why}"
    if change["change"] != "closed":
        return head
    lines = [
        head,
        f"  own calls    {change['cost_usd']} USD, {counted(change['calls'], 'call')}, "
        f"{change['unpriced_calls']:,} without a price",
        f"  corrections  {change['corrections_usd']} USD, of earlier months",
        f"  digest       {change['digest']}",
    ]
    if Decimal(change["plans_usd"]):
        lines.insert(2, f"  plans        {change['plans_usd']} USD, what they add to list prices")
    if change["accepted_gaps"]:
        lines.append(f"  lost         {counted(change['accepted_gaps'], 'record')} that the log did not give")
    return "\n".join(lines)
