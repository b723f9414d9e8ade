"""`spendstream rejects`: what was refused and why; mended and sent again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import MOMENT, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.config import Settings
    from streams.repair.rejects import Choice, Reason, Reject, RetryResult


@click.group("rejects", cls=Overview)
def command() -> None:
    """See what was refused and why; mend it and send it again.

    A reject stays in the ledger as what it is. A mended call is sent as a record of its own, once: what was sent again
    is marked, and is left out the next time.

    \b
    Examples:
      spendstream rejects list --embedded spend
      spendstream rejects retry --embedded spend --reason missing_field --rename agent=agent_id --dry-run
    """


def _choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    several = "; may be given again."
    for option in reversed(
        (
            embedded_option(),
            click.option("--reason", "reasons", multiple=True, metavar="CODE", help="Only of this reason" + several),
            click.option("--since", type=MOMENT, metavar="TIME", help="Arrived at this time (UTC) or later."),
            click.option("--until", type=MOMENT, metavar="TIME", help="Arrived before this time (UTC)."),
            click.option("--at", "places", multiple=True, metavar="PLACE", help="Only this one, as listed" + several),
            config_option(),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def _choice(
    reasons: tuple[str, ...],
    since: int | None,
    until: int | None,
    places: tuple[str, ...],
    all_: bool = False,
) -> Choice:
    from schemas.reasons import REASONS
    from streams.errors import UsageError
    from streams.repair.mend import Place
    from streams.repair.rejects import FOREVER_MS, Choice

    unknown = [reason for reason in reasons if reason not in REASONS]
    if unknown:
        raise UsageError(f"there is no reason {unknown[0]!r}: use {', '.join(REASONS)}")
    return Choice(
        reasons,
        since or 0,
        until or FOREVER_MS,
        tuple(Place.parse(place) for place in places),
        all_,
    )


@command.command("list")
@_choosing
@click.option("--examples", type=click.IntRange(0, 100), default=2, show_default=True, help="Of each reason.")
@click.option("--all", "all_", is_flag=True, help="Also those that were sent again, as examples.")
@json_option()
def list_(
    embedded: Path | None,
    reasons: tuple[str, ...],
    since: int | None,
    until: int | None,
    places: tuple[str, ...],
    config: Path | None,
    examples: int,
    all_: bool,
    as_json: bool,
) -> None:
    """Rejects by reason, with examples of what is kept of them. Reads only."""
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.repair import rejects

    choice = _choice(reasons, since, until, places, all_)
    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = rejects.by_reason(ledger, choice)
            shown = rejects.listed(ledger, choice, per_reason=examples, most=10_000) if examples else []
        if as_json:
            counted = [
                {"reason": one.reason, "rejects": one.rejects, "open": one.open, "first": one.first, "last": one.last}
                for one in found
            ]
            listed = [one.as_json() | {"retried": one.retried} for one in shown]
            say(one_json({"reasons": counted, "examples": listed}))
        else:
            say(_listing(found, shown))


def _listing(found: list[Reason], shown: list[Reject]) -> str:
    from schemas.reasons import REASONS

    if not found:
        return "nothing was refused"
    lines = []
    for one in found:
        lines.append(f"{one.reason}: {one.open:,} open of {one.rejects:,}, {one.first} to {one.last}")
        lines.append(f"  {REASONS.get(one.reason, '')}")
        for reject in shown:
            if reject.reason == one.reason:
                lines.append(f"  {reject.place}{' (sent again)' if reject.retried else ''}  {reject.detail}")
                lines.append(f"    {reject.payload[:300]}")
    return "\n".join(lines)


@command.command("export")
@_choosing
@click.option("--limit", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="At most so many.")
def export(
    embedded: Path | None,
    reasons: tuple[str, ...],
    since: int | None,
    until: int | None,
    places: tuple[str, ...],
    config: Path | None,
    limit: int,
) -> None:
    """Write open rejects as JSON lines, to mend by hand and give to `rejects retry --file`. Reads only.

    Each line has the reject's place ("at") and, under "call", what is kept of it: mend that. Where the record was not
    JSON there is only its shape: write the call, or leave null and it stays as it is.
    """
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.repair.rejects import listed

    choice = _choice(reasons, since, until, places)
    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = listed(ledger, choice, most=limit)
        say("".join(f"{one_json(one.as_json())}\n" for one in found).encode())


@command.command("retry")
@_choosing
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Give a field a value (JSON, else text); @position, @arrived.",
)
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD=FIELD",
    help="Take a field of another name; needs the log's record.",
)
@click.option(
    "--default", "defaults", multiple=True, metavar="FIELD=VALUE", help="As --set, where the field is missing or null."
)
@click.option("--number", "numbers", multiple=True, metavar="FIELD", help="Make a number of a text.")
@click.option("--text", "texts", multiple=True, metavar="FIELD", help="Make a text of a number.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Calls mended by hand, from `rejects export`.",
)
@click.option("--limit", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="At most so many.")
@click.option(
    "--stall-seconds",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Give up when no worker writes for so long.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@json_option()
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    embedded: Path | None,
    reasons: tuple[str, ...],
    since: int | None,
    until: int | None,
    places: tuple[str, ...],
    config: Path | None,
    sets: tuple[str, ...],
    renames: tuple[str, ...],
    defaults: tuple[str, ...],
    numbers: tuple[str, ...],
    texts: tuple[str, ...],
    file: Path | None,
    limit: int,
    stall_seconds: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Mend open rejects and send them again; wait until the ledger has them.

    Originals are taken from the log while it has them, else what the ledger kept: the contract's fields. Only these
    are sent. What is no call even when mended is not sent, and said with its reason. --default id=@position makes an
    id of the reject's place, --default time=@arrived takes the time at which the record came: the same at every try, so
    that nothing counts twice. Exit code 1 when something could not be sent.

    \b
    Examples:
      spendstream rejects retry --embedded spend --reason missing_field --rename agent=agent_id
      spendstream rejects retry --reason wrong_type --number input_tokens --number output_tokens --dry-run
      spendstream rejects retry --file mended.jsonl
    """
    from streams.cli import stopping
    from streams.cli.output import one_json, result_only
    from streams.errors import UsageError
    from streams.logs import configure_logs
    from streams.repair.mend import parse_fix
    from streams.repair.rejects import edited

    fix = parse_fix(sets, renames, numbers, texts, defaults)
    choice = _choice(reasons, since, until, places)
    by_hand = None
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}") from error
        by_hand = edited((f"{file}:{number}", line) for number, line in enumerate(text.splitlines(), 1))
    settings = settings_of(config)
    with result_only() as say:
        configure_logs("debug" if ctx.find_root().params.get("debug") else "warning", settings.log_format)
        result = stopping.run(
            _retry(embedded, settings, choice, fix, by_hand, most=limit, stall_s=stall_seconds, dry_run=dry_run)
        )
        say(one_json(result.as_json()) if as_json else _in_words(result))
    if result.still_bad:
        ctx.exit(1)


async def _retry(
    embedded: Path | None, settings: Settings, choice: Choice, fix: Any, by_hand: Any, **options: Any
) -> RetryResult:
    import getpass
    import time

    from streams.cli.repairing import target
    from streams.cli.target import unless
    from streams.kafka_security import options_for
    from streams.repair.rejects import retry

    async with target(embedded, settings) as to:
        work = retry(
            to.broker_url, to.ledger, to.marks, choice, fix,
            by=getpass.getuser(), now_ms=lambda: time.time_ns() // 1_000_000, by_hand=by_hand,
            kafka=options_for(embedded, settings), **options,
        )  # fmt: skip
        return await unless(to.failed, work)


def _in_words(result: RetryResult) -> str:
    verb = "would be sent" if result.dry_run else "sent again"
    lines = [f"{counted(result.chosen, 'reject')}, {result.from_log:,} still in the log: {result.sent:,} {verb}"]
    lines += [f"  {outcome:<20} {calls:>12,}" for outcome, calls in result.outcomes.items()]
    lines += [f"not sent, {reason}: {count:,}" for reason, count in result.still_bad.items()]
    lines += [f"  {one.place}  {one.detail}" for one in result.examples]
    return "\n".join(lines)
