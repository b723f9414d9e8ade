"""`spendstream rebuild`: roll-ups compared with the rows, and made again from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import MOMENT, config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.repair.rebuild import Compared
    from streams.repair.resay import Said

PAUSE_S = 0.2
DAY_MS = 24 * 3600 * 1000


@click.command("rebuild")
@embedded_option()
@click.option("--verify", is_flag=True, help="Compare only, and change nothing; beside a running worker too.")
@click.option("--force", is_flag=True, help="Make all roll-ups again, also those that equal the rows.")
@click.option(
    "--usage-since", type=MOMENT, metavar="TIME",
    help="Also say the usage of calls since TIME (UTC) again on spendstream.usage.",
)  # fmt: skip
@config_option()
@json_option()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    embedded: Path | None,
    verify: bool,
    force: bool,
    usage_since: int | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Compare every roll-up with the ledger's rows, and make again what does not equal them.

    Roll-ups are projections of the tables; sums by hour, positions and identities are read from them. They are compared
    group by group, money to the last digit. Making one again takes the engine about as long as reading its table;
    workers go on meanwhile, and what is asked is answered from the rows. A directory of --embedded must not be in use,
    except with --verify. Exit code 1 when a roll-up does not equal the rows (after making it again, too).

    \b
    Examples:
      spendstream rebuild --embedded spend --verify
      spendstream rebuild --force --usage-since 2026-03-01
    """
    from streams.cli.output import one_json, result_only
    from streams.logs import configure_logs

    if verify and (force or usage_since is not None):
        raise click.UsageError("--verify changes nothing: leave --force and --usage-since away")
    settings = settings_of(config)
    with result_only() as say:
        configure_logs("debug" if ctx.find_root().params.get("debug") else "warning", settings.log_format)
        before, made, after = _rebuild(embedded, settings, verify, force)
        said = _resay(embedded, settings, usage_since) if usage_since is not None else None
        if as_json:
            told: dict[str, Any] = {
                "ok": all(one.ok for one in after),
                "before": [one.as_json() for one in before],
                "made_again": made,
                "after": [one.as_json() for one in after],
            }
            if said is not None:
                told["usage"] = {"partitions": said.partitions, "cells": said.cells, "records": said.records}
            say(one_json(told))
        else:
            say(_in_words(before, made, after, said))
    if not all(one.ok for one in after):
        ctx.exit(1)


def _rebuild(
    embedded: Path | None, settings: Settings, verify: bool, force: bool
) -> tuple[list[Compared], list[str], list[Compared]]:
    import time

    from streams.cli.writing import writable
    from streams.repair.rebuild import compare, projections, rebuild

    with writable(embedded, settings.clickhouse_url.get_secret_value(), reading=verify) as database:
        known = projections(database)
        before = [compare(database, one) for one in known]
        which = [] if verify else [one for one, found in zip(known, before, strict=True) if force or not found.ok]
        if not which:
            return before, [], before
        rebuild(database, which, lambda: time.sleep(PAUSE_S), _tell)
        return (
            before,
            [f"{one.table}.{one.name}" for one in which],
            [compare(database, o) for o in projections(database)],
        )


def _tell(table: str, name: str, done: int, of: int) -> None:
    click.echo(f"{table}.{name}: {done} of {counted(of, 'month')}", err=True)


def _resay(embedded: Path | None, settings: Settings, since_ms: int) -> Said:
    import time

    from streams.cli import stopping

    return stopping.run(_say_usage(embedded, settings, since_ms, time.time_ns() // 1_000_000 + DAY_MS))


async def _say_usage(embedded: Path | None, settings: Settings, first_ms: int, end_ms: int) -> Said:
    from streams.cli.repairing import target
    from streams.cli.target import unless
    from streams.kafka_security import options_for
    from streams.ledger.store import LedgerStore
    from streams.repair.resay import resay

    async with target(embedded, settings) as to:
        kafka = options_for(embedded, settings)
        return await unless(to.failed, resay(to.broker_url, LedgerStore(to.database()), first_ms, end_ms, kafka))


def _in_words(before: list[Compared], made: list[str], after: list[Compared], said: Said | None) -> str:
    lines = []
    for first, last in zip(before, after, strict=True):
        name = f"{last.table}.{last.name}"
        verdict = "equals the rows" if last.ok else f"WRONG: {_why(last)}"
        if name in made:
            verdict += f" (made again; it {'was right' if first.ok else 'was wrong: ' + _why(first)})"
        lines.append(f"{name:<28} {last.groups:>12,} groups  {verdict}")
    if said is not None:
        lines.append(
            f"usage: {counted(said.cells, 'cell')} of {counted(said.partitions, 'partition')} said again, "
            f"{counted(said.records, 'record')}"
        )
    return "\n".join(lines)


def _why(one: Compared) -> str:
    faults = [
        *(["differs from the rows"] if not one.equal else []),
        *(["is not read by the engine"] if not one.read else []),
        *([f"is missing in {counted(one.missing, 'part')}"] if one.missing else []),
        *([f"is broken in {counted(one.broken, 'part')}"] if one.broken else []),
    ]
    return ", ".join(faults)
