"""`spendstream forecast`: what a period will come to; and how good such forecasts are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import MOMENT, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview

if TYPE_CHECKING:
    from schemas.budgets import Budget, PeriodName
    from streams.config import Settings

_PERIODS = click.Choice(["day", "week", "month"])


@click.group("forecast", cls=Overview, invoke_without_command=True)
@click.option("--budget", "name", metavar="BUDGET", help="A budget of the budgets file.")
@click.option(
    "--file", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="The budgets file; the setting budgets_file without it.",
)  # fmt: skip
@click.option("--team", multiple=True, metavar="TEAM", help="Spend of this team; may be repeated.")
@click.option("--tier", multiple=True, type=click.Choice(["oss", "mid", "frontier", "unknown"]), help="Of this tier.")
@click.option("--tenant", multiple=True, metavar="TENANT", help="Of this tenant.")
@click.option("--model", multiple=True, metavar="MODEL", help="Of this model, as it was asked for.")
@click.option("--agent", multiple=True, metavar="AGENT", help="Of this agent.")
@click.option("--key", multiple=True, metavar="KEY", help="Of this API key.")
@click.option("--period", type=_PERIODS, help="The running day, week or month, UTC.  [month]")
@click.option("--at", type=MOMENT, metavar="TIME", help="As of this moment: a day, RFC 3339, or epoch ms.  [now]")
@embedded_option()
@config_option()
@json_option()
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    file: Path | None,
    team: tuple[str, ...],
    tier: tuple[str, ...],
    tenant: tuple[str, ...],
    model: tuple[str, ...],
    agent: tuple[str, ...],
    key: tuple[str, ...],
    period: PeriodName | None,
    at: int | None,
    embedded: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """What will be spent by the end of the month: of everything, a team, a tier, ..., or a budget.

    The forecast is made of the hours before, up to six weeks; its interval of its own errors on them. With less than
    about five days there is neither. With several names of one kind they are added up; different kinds narrow each
    other. `forecast backtest` says how good it is.

    \b
    JSON: budget scope period period_start period_end at model past_hours spent_usd
      forecast_usd forecast_low_usd forecast_high_usd      to the period's end, with an interval of 80 %; null while the
                                                           past is too short
      amount_usd exhausts_at exhausts_earliest exhausts_latest     of a budget; null when not in this period
      days      each with day spent_usd expected_usd

    \b
    Examples:
      spendstream forecast --embedded spend
      spendstream forecast --team search --tier frontier --period week --json
      spendstream forecast --budget search-month
    """
    if ctx.invoked_subcommand is not None:
        return
    from schemas.budgets import Scope
    from streams.budgets.ahead import as_json as figures
    from streams.budgets.ahead import in_words, look_ahead, of_scope
    from streams.budgets.outlook import HISTORY_MS
    from streams.budgets.period import period_at
    from streams.budgets.read import SpendBook
    from streams.cli.commands.budgets import now
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError

    settings = settings_of(config)
    named = {"team": team, "tier": tier, "tenant": tenant, "model": model, "agent": agent, "key": key}
    if name is not None:
        if any(named.values()) or period is not None:
            raise UsageError("--budget brings its own scope and period: leave the others away")
        budget = _budget(settings, file, name)
    else:
        budget = of_scope(
            Scope.model_validate({kind: list(names) for kind, names in named.items() if names}), period or "month"
        )
    now_ms = now() if at is None else at
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            book = SpendBook([budget])
            book.refresh(ledger, min(now_ms - HISTORY_MS, period_at(budget.period, now_ms).start_ms))
            hours = book.hours(budget)[""]
        ahead = look_ahead(budget, name is not None, hours.until(now_ms) if at is not None else hours, now_ms)
        say(one_json(figures(ahead)) if as_json else in_words(ahead))


def _budget(settings: Settings, file: Path | None, name: str) -> Budget:
    from streams.budgets.file import load_budgets
    from streams.errors import UsageError

    path = file or settings.budgets_file
    if path is None:
        raise UsageError("no budgets file: name one by --file, SPENDSTREAM_BUDGETS_FILE or in the settings file")
    budgets = {budget.name: budget for budget in load_budgets(path)}
    if name not in budgets:
        raise UsageError(f"{path} has no budget {name!r}; it has {', '.join(budgets) or 'none'}")
    if budgets[name].each is not None:
        raise UsageError(f"{name!r} is one budget for each {budgets[name].each}: spendstream budgets show {name}")
    return budgets[name]


@command.command("backtest")
@click.argument("files", nargs=-1, metavar="[CALLS]...")
@click.option("--seeds", default="", metavar="A-B", help="Simulated days of these seeds.  [301-303 without CALLS]")
@click.option("--days", type=click.IntRange(5, 400), default=56, show_default=True, help="Days of each seed.")
@click.option("--agents", type=click.IntRange(1, 1000), default=24, show_default=True, help="Root agents of each seed.")
@json_option()
def backtest_command(files: tuple[str, ...], seeds: str, days: int, agents: int, as_json: bool) -> None:
    """How good is the forecast, beside simpler and cleverer ones? Rolling origins on calls of yours, or simulated ones.

    CALLS are JSONL as `spendstream replay` takes them, one set a file; also the archive of the Numenta benchmark
    (nab.tar.gz), of which series that count demand are taken. Records of less than four days are cut into finer steps.
    docs/budgets.md has the table and says what the measures mean.

    \b
    JSON: naive shipped best, score by model (error pinball, over those of the naive one), sets, and rows, each with
      set period model origins error mase intervals pinball coverage width      null where there is nothing to divide by

    \b
    Examples:
      spendstream forecast backtest
      spendstream forecast backtest calls.jsonl.gz --json
    """
    from streams.cli.output import one_json, result_only
    from streams.errors import UsageError
    from streams.forecast.backtest import backtest
    from streams.forecast.sets import Series, name_of, recorded, simulated
    from streams.forecast.tell import as_json as figures
    from streams.forecast.tell import in_words

    with result_only() as say:
        sets: dict[str, list[Series]] = {}
        for file in files:
            name = base = name_of(file)
            number = 1
            while name in sets:
                number += 1
                name = f"{base}-{number}"
            sets[name] = recorded(file)
        if seeds or not files:
            first, dash, last = (seeds or "301-303").partition("-")
            if not first.isdecimal() or not (last.isdecimal() if dash else True) or int(last or first) < int(first):
                raise UsageError(f"--seeds {seeds!r} is neither a seed (7) nor seeds from A to B (1-8)")
            # One set: seeds are repetitions of one world, not worlds of their own.
            sets["simulated"] = [
                series for seed in range(int(first), int(last or first) + 1) for series in simulated(seed, days, agents)
            ]
        report = backtest(sets)
        say(one_json(figures(report)) if as_json else in_words(report))
