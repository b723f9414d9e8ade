"""`spendstream plans`: is the file right, and what do flat fees and commitments come to?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import F, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from schemas.plans import Plan
    from streams.config import Settings


@click.group("plans", cls=Overview)
def command() -> None:
    """Plans: check the file; show what each costs, how full it is, what is idle, and when it pays off.

    The file is the setting plans_file (SPENDSTREAM_PLANS_FILE), or --file; docs/plans.md says what is in it. A worker
    with this setting keeps the figures as tables (plan_figures, plan_periods) for boards and reports.

    \b
    Examples:
      spendstream plans check --file plans.toml --embedded spend
      spendstream plans show --month 2026-03 --embedded spend
    """


def _file_option() -> Callable[[F], F]:
    return click.option(
        "--file", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="The plans file; the setting plans_file without it.",
    )  # fmt: skip


@command.command("check")
@_file_option()
@embedded_option()
@click.option("--file-only", is_flag=True, help="Do not ask a ledger whether there are such teams, providers, keys.")
@config_option()
@json_option()
@click.pass_context
def check(
    ctx: click.Context, file: Path | None, embedded: Path | None, file_only: bool, config: Path | None, as_json: bool
) -> None:
    """Check the file, every fault at once; exit code 2 for faults of the file, 1 for names that nobody knows.

    A name is known when the ledger has seen it; all are while the ledger is empty.

    \b
    JSON: file, plans (how many), faults (lines)
    """
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.plans.known import unknown_names

    settings = settings_of(config)
    plans, path = _plans(settings, file)
    with result_only() as say:
        faults: list[str] = []
        if not file_only:
            with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
                faults = unknown_names(ledger, plans)
        if as_json:
            say(one_json({"file": str(path), "plans": len(plans), "faults": faults}))
        else:
            wrong = counted(len(faults), "unknown name") if faults else "no faults"
            head = f"{path}: {counted(len(plans), 'plan')}, {wrong}"
            say("\n".join([head, *(f"  - {fault}" for fault in faults)]))
    if faults:
        ctx.exit(1)


@command.command("show")
@click.argument("name", required=False, metavar="[PLAN]")
@_file_option()
@embedded_option()
@click.option("--month", metavar="MONTH", default="this", help="As 2026-03, or `last`.  [default: this]")
@config_option()
@json_option()
def show(
    name: str | None, file: Path | None, embedded: Path | None, month: str, config: Path | None, as_json: bool
) -> None:
    """What a month costs by the plans: fees, use, idle capacity, what is beyond, and the break-even volumes.

    Computed now from the ledger (no worker is needed), ratings included. Of a month that is not over, what is not used
    yet shows as idle. Without a file, all calls are at list price.

    \b
    JSON: month, total_usd, list_usd (the same calls by list price alone), statements, one for each plan and period:
      plan (null: calls without one) kind from to unit        unit of capacity, used, idle, beyond
      fee_usd capacity used utilisation idle idle_usd beyond overage_usd total_usd list_usd pays_off
      calls tokens unpriced_calls
      break_even                    units in that time at which the present mix costs the fee by list price
      tiers                         tier calls tokens cost_usd list_usd break_even
      teams                         team calls tokens cost_usd; with idle_usd they add up to total_usd
      burn_down                     day, used by its end
    Decimals are exact, as strings.

    \b
    Examples:
      spendstream plans show --embedded spend
      spendstream plans show openai-throughput --month 2026-03 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, remark, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError
    from streams.plans.figures import month_of
    from streams.plans.file import load_plans
    from streams.plans.tell import as_json as figures
    from streams.plans.tell import in_words
    from streams.plans.unset import unset_plans
    from streams.report.period import asked_period

    settings = settings_of(config)
    plans = load_plans(file or settings.plans_file)
    if name is not None and name not in {plan.name for plan in plans}:
        known = ", ".join(plan.name for plan in plans) or "none"
        raise UsageError(f"there is no plan {name!r}; there are {known}")
    period = asked_period(month, None, None, datetime.now(UTC))
    assert period is not None
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = month_of(ledger, plans, int(period.start.timestamp()) * 1000)
            if file is None and settings.plans_file is None:
                remark(unset_plans(ledger, period.start.date(), period.last_day))
        say(one_json(figures(found, name)) if as_json else in_words(found, name))


def _plans(settings: Settings, file: Path | None) -> tuple[tuple[Plan, ...], Path]:
    from streams.errors import UsageError
    from streams.plans.file import load_plans

    path = file or settings.plans_file
    if path is None:
        raise UsageError("no plans file: name one by --file, SPENDSTREAM_PLANS_FILE or plans_file in the settings file")
    return load_plans(path), path
