"""`spendstream prices`: what a model costs, what is wrong with prices, and computing past prices again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import MOMENT, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from decimal import Decimal

    from streams.config import Settings
    from streams.meter.price import Pricer
    from streams.rating.check import Finding
    from streams.rating.rerate import Rating
    from streams.rating.show import Price, Shown

DAY_MS = 86_400_000


@click.group("prices", cls=Overview)
def command() -> None:
    """What models cost: look a price up, find calls without one, compute the cost of past calls again.

    Prices come from the book inside the installation and from your own file (setting prices_file); docs/prices.md.

    \b
    Examples:
      spendstream prices show gpt-4o
      spendstream prices check --embedded spend
    """


@command.command("show")
@click.argument("model")
@click.option("--provider", metavar="NAME", help="Who sells it, as routers send it (provider_name).")
@click.option("--at", type=MOMENT, metavar="TIME", help="As of this day or instant (RFC 3339); now when absent.")
@config_option()
@json_option()
@click.pass_context
def show_command(
    ctx: click.Context, /, model: str, provider: str | None, at: int | None, config: Path | None, as_json: bool
) -> None:
    """The price of MODEL at a time, with its history, as calls with these names are charged.

    Exit code 1 when there is none; then it says why, and which providers of the book sell a model of that name.
    Needs no ledger.

    \b
    Examples:
      spendstream prices show claude-opus-4-5 --provider anthropic
      spendstream prices show gpt-4o --at 2025-01-01 --json
    """
    import time

    from streams.cli.output import one_json, result_only
    from streams.rating.check import instant
    from streams.rating.show import show

    at_ms = time.time_ns() // 1_000_000 if at is None else at
    with result_only() as say:
        found = show(_pricer(settings_of(config)), provider, model, at_ms)
        if as_json:
            say(
                one_json(
                    {
                        "model": model,
                        "provider": provider,
                        "at": instant(at_ms),
                        **found.now.as_json(),
                        "history": [price.as_json() for price in found.history],
                        "sellers": list(found.sellers),
                    }
                )
            )
        else:
            say(_price_in_words(model, provider, instant(at_ms), found))
    if not found.now.bands:
        ctx.exit(1)


@command.command("check")
@embedded_option()
@click.option("--from", "first", metavar="TIME", help="Calls from this day or instant on; 30 days when absent.")
@click.option("--to", "last", metavar="TIME", help="Calls to this day; to the newest call when absent.")
@click.option(
    "--share", metavar="SHARE", help="How much reported and computed cost may differ; the setting's when absent."
)
@config_option()
@json_option()
@click.pass_context
def check_command(
    ctx: click.Context,
    /,
    embedded: Path | None,
    first: str | None,
    last: str | None,
    share: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Find what is wrong with prices. Exit code 1 when something is.

    An old price book; models that calls use and nothing prices; routers that report another cost than we compute, by
    more than a share of the larger; entries of your own file that no call is named by. Each with what to do. Reads
    only, beside a running worker too.

    \b
    Examples:
      spendstream prices check --embedded spend
      spendstream prices check --embedded spend --from 2026-03-01 --share 0.01 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.rating.check import examine, instant

    settings = settings_of(config)
    allowed = _share(share, settings)
    pricer = _pricer(settings)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            span = _asked_or_newest(ledger, first, last)
            found = examine(ledger, pricer, *span, datetime.now(UTC).date(), share=allowed)
        asked = {"from": instant(span[0]), "to": instant(span[1])}
        if as_json:
            say(one_json({**asked, "book": pricer.book.source, "findings": [one.as_json() for one in found]}))
        else:
            say(_findings_in_words(found, pricer, asked))
    if found:
        ctx.exit(1)


@command.command("rerate")
@embedded_option()
@click.option("--from", "first", required=True, metavar="TIME", help="Calls from this day or instant on.")
@click.option("--to", "last", required=True, metavar="TIME", help="To this day (included), or before this instant.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME", help="Only calls of this requested model; repeatable."
)
@click.option("--by", "by", required=True, metavar="WHO", help="Who orders it; kept for ever.")
@click.option("--reason", required=True, metavar="WHY", help="Why; kept for ever.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@config_option()
@json_option()
def rerate_command(
    embedded: Path | None,
    first: str,
    last: str,
    models: tuple[str, ...],
    by: str,
    reason: str,
    dry_run: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Compute the cost of past calls again, by the book and the own prices of now, each as of the call's own time.

    What the meter wrote stays. A rating adds an adjustment for each call whose cost changes; all sums (boards, reports,
    budgets) then include it. It counts as a whole or not at all; the same rating again changes nothing. One at a time.
    A directory of --embedded must not be in use, except with --dry-run.

    \b
    JSON: rating (null when nothing was written), dry_run, book, own_prices, calls (looked at), changed, newly_priced,
    unpriced (lost their price), before_usd and after_usd (of the changed calls), adjustment_usd, and models: the same
    figures by provider and model. USD as exact decimal strings.

    \b
    Examples:
      spendstream prices rerate --embedded spend --from 2026-02-01 --to 2026-02-28 --by ada --reason "rates" --dry-run
      spendstream prices rerate --from 2026-02-01 --to 2026-02-28 --model house-7b --by ada --reason "new own price"
    """
    import secrets
    import time

    from streams.cli.output import one_json, result_only
    from streams.cli.writing import writable
    from streams.rating.rerate import Order, rerate
    from streams.recheck.window import asked_window

    first_ms, end_ms = asked_window(first, last)
    assert first_ms is not None
    assert end_ms is not None
    if not by.strip() or not reason.strip():
        raise click.UsageError("--by and --reason say who and why: they may not be empty")
    settings = settings_of(config)
    pricer = _pricer(settings)
    started_ms = time.time_ns() // 1_000_000
    with result_only() as say:
        with writable(embedded, settings.clickhouse_url.get_secret_value(), reading=dry_run) as database:
            rating = rerate(
                database,
                pricer,
                Order(first_ms, end_ms, models, by.strip(), reason.strip()),
                rating_id=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(started_ms // 1000))}-{secrets.token_hex(4)}",
                started_ms=started_ms,
                finished_ms=lambda: time.time_ns() // 1_000_000,
                dry_run=dry_run,
                settle=lambda: time.sleep(0 if embedded else 1),
            )
        say(one_json(_rating_as_json(rating, dry_run)) if as_json else _rating_in_words(rating, dry_run))


@command.command("ratings")
@embedded_option()
@config_option()
@json_option()
def ratings_command(embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """All ratings that count, the newest first: who, when, why, and what they changed.

    \b
    Examples:
      spendstream prices ratings --embedded spend
      spendstream prices ratings --json
    """
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.rating.rerate import history

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = history(ledger)
        if as_json:
            say(one_json({"ratings": found}))
        elif not found:
            say("no rating yet: all calls have the price that they were metered with")
        else:
            say("\n".join(map(_history_in_words, found)))


def _pricer(settings: Settings) -> Pricer:
    from streams.meter.price import Overrides, Pricer, load_overrides

    return Pricer.default(load_overrides(settings.prices_file) if settings.prices_file else Overrides())


def _share(text: str | None, settings: Settings) -> Decimal:
    from decimal import Decimal, InvalidOperation

    if text is None:
        return settings.reported_cost_share
    try:
        share = Decimal(text)
    except InvalidOperation:
        share = Decimal(-1)
    if not 0 <= share < 1:
        raise click.UsageError(f"--share {text!r} is no share: write five per cent as 0.05")
    return share


def _asked_or_newest(ledger: Any, first: str | None, last: str | None) -> tuple[int, int]:
    """The asked stretch in epoch ms; else the 30 days up to the newest call."""
    from streams.ledger.sqlfiles import named_query
    from streams.recheck.window import asked_window

    start, end = asked_window(first, last)
    if end is None:
        [[newest, _]] = ledger.rows(named_query("price_newest"))
        end = (int(newest) + 3600) * 1000
    return (max(0, end - 30 * DAY_MS) if start is None else start), max(end, (start or 0) + 1)


def _price_in_words(model: str, provider: str | None, at: str, found: Shown) -> str:
    name = f"{provider}/{model}" if provider else model
    now = found.now
    if not now.bands:
        lines = [f"{name} has no price at {at}: {now.status}"]
    elif now.status == "free":
        lines = [f"{name} at {at}: free, by {now.source} ({now.ref})"]
    else:
        lines = [f"{name} at {at}: USD per million tokens, by {now.source} ({_entry(now)})", *_bands(now)]
    if found.history:
        lines += ["all its prices, of those in force the last one counts:"]
        lines += [f"  {_entry(price)}: {_short(price)}, by {price.source}" for price in found.history if price.bands]
    if not now.bands and found.sellers:
        lines.append(f"the book has it from: {', '.join(found.sellers)}; say which with --provider")
    return "\n".join(lines)


def _entry(price: Price) -> str:
    return f"{price.ref} from {price.since}" if price.since and not price.since.startswith("daily") else (
        f"{price.ref} {price.since}".strip()
    )  # fmt: skip


def _bands(price: Price) -> list[str]:
    lines = []
    for band in price.bands:
        above = f" above {band['above_input_tokens']:,} input tokens" if band["above_input_tokens"] else ""
        figures = [
            f"{words} {band[key]}"
            for key, words in (
                ("input", "input"),
                ("output", "output"),
                ("cache_read", "cache read"),
                ("cache_write", "cache write"),
                ("a_call", "a call"),
                ("an_hour", "an hour of its duration"),
            )
            if band.get(key) is not None
        ]
        lines.append(f"  {', '.join(figures)}{above}")
    return lines


def _short(price: Price) -> str:
    band = price.bands[0]
    return f"input {band['input']}, output {band['output'] or 'without price'}"


def _findings_in_words(found: list[Finding], pricer: Pricer, asked: dict[str, str]) -> str:
    head = f"calls from {asked['from']} to {asked['to']}; {pricer.book.source}"
    if not found:
        return f"{head}\nprices are in order"
    return "\n".join([head, *(f"{one.kind}: {one.what}\n  {one.todo}" for one in found)])


def _rating_as_json(rating: Rating, dry_run: bool) -> dict[str, Any]:
    from streams.money import exact
    from streams.rating.change import Tally

    def figures(tally: Tally) -> dict[str, Any]:
        return {
            "calls": tally.calls,
            "changed": tally.changed,
            "newly_priced": tally.newly_priced,
            "unpriced": tally.unpriced,
            "before_usd": exact(tally.before_pico),
            "after_usd": exact(tally.after_pico),
            "adjustment_usd": exact(tally.sum_pico),
        }

    return {
        "rating": rating.id if rating.written else None,
        "dry_run": dry_run,
        "book": rating.book,
        "own_prices": rating.overrides,
        **figures(rating.total),
        "models": [
            {"provider": provider, "model": model, **figures(tally)}
            for (provider, model), tally in sorted(rating.by_model.items())
        ],
    }


def _rating_in_words(rating: Rating, dry_run: bool) -> str:
    from streams.money import exact

    total = rating.total
    if not total.changed:
        return f"{counted(total.calls, 'call')} looked at: no price would be another now; nothing written"
    lines = [
        f"{counted(total.calls, 'call')} looked at, {total.changed:,} with another price"
        + (f", {total.newly_priced:,} priced for the first time" if total.newly_priced else "")
        + (f", {total.unpriced:,} no longer priced" if total.unpriced else "")
    ]
    lines += [
        f"  {provider or '-'}/{model}: {tally.changed:,} of {counted(tally.calls, 'call')}, "
        f"{exact(tally.before_pico)} to {exact(tally.after_pico)} USD"
        for (provider, model), tally in sorted(rating.by_model.items())
        if tally.changed
    ]
    verb = "would add" if dry_run else f"rating {rating.id} adds"
    return "\n".join([*lines, f"{verb} {exact(total.sum_pico)} USD"])


def _history_in_words(one: Mapping[str, Any]) -> str:
    of = f" of {', '.join(one['models'])}" if one["models"] else ""
    own = f", {one['overrides']}" if one["overrides"] else ""
    return (
        f"{one['number']}. {one['finished_at']} by {one['by']}: {one['reason']}\n"
        f"   {one['first']} to {one['end']}{of}: {one['changed']} of {counted(int(one['calls']), 'call')} changed, "
        f"{one['sum_usd']} USD; {one['book']}{own} ({one['id']})"
    )
