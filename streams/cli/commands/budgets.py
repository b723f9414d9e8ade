"""`spendstream budgets`: is the file right, and how does each budget stand?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import MOMENT, F, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from schemas.budgets import Budget
    from streams.config import Settings


@click.group("budgets", cls=Overview)
def command() -> None:
    """Budgets: check the file, show what is spent, at which pace, and what it comes to.

    The file is the setting budgets_file (SPENDSTREAM_BUDGETS_FILE), or --file. docs/budgets.md says what is in it. A
    worker with this setting looks at all budgets every few seconds and tells when one is reached or burns.

    \b
    Examples:
      spendstream budgets check --file budgets.toml --embedded spend
      spendstream budgets show --embedded spend
    """


def _file_option() -> Callable[[F], F]:
    return click.option(
        "--file", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="The budgets file; the setting budgets_file without it.",
    )  # fmt: skip


@command.command("check")
@_file_option()
@embedded_option()
@click.option("--file-only", is_flag=True, help="Do not ask a ledger whether there are such teams, models, agents.")
@config_option()
@json_option()
@click.pass_context
def check(
    ctx: click.Context, file: Path | None, embedded: Path | None, file_only: bool, config: Path | None, as_json: bool
) -> None:
    """Check the file, every fault at once; exit code 2 for faults of the file, 1 for names that nobody knows.

    A name is known when the ledger has seen it; a model also by the price book and the tier map; everything while the
    ledger is empty.

    \b
    JSON: file, budgets (how many), faults (lines)
    """
    from streams.budgets.known import unknown_names
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach

    settings = settings_of(config)
    budgets, path = _budgets(settings, file)
    with result_only() as say:
        faults: list[str] = []
        if not file_only:
            with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
                faults = unknown_names(ledger, budgets, _models(settings))
        if as_json:
            say(one_json({"file": str(path), "budgets": len(budgets), "faults": faults}))
        else:
            wrong = counted(len(faults), "unknown name") if faults else "no faults"
            head = f"{path}: {counted(len(budgets), 'budget')}, {wrong}"
            say("\n".join([head, *(f"  - {fault}" for fault in faults)]))
    if faults:
        ctx.exit(1)


@command.command("show")
@click.argument("names", nargs=-1, metavar="[BUDGET]...")
@_file_option()
@embedded_option()
@click.option(
    "--at", type=MOMENT, metavar="TIME", help="As of this moment: a day, RFC 3339, or epoch ms. [default: now]"
)
@config_option()
@json_option()
def show(
    names: tuple[str, ...],
    file: Path | None,
    embedded: Path | None,
    at: int | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """How budgets stand: spent and pace, burn rates, forecast, and when the amount will be used up.

    Computed now from the ledger (no worker is needed), by the same rules as the worker's. With --at, hours that begin
    later are left out, and calls that came late are in. A period is shown for six hours after its end, too. An
    exclamation mark stands at hard budgets. Burn: times the even pace, over the long and the short window of the pair
    that is nearest to its alert.

    \b
    JSON: at, model (of the forecast), budgets, each with
      budget value scope each hard period period_start period_end
      amount_usd spent_usd remaining_usd unpriced_calls      exact decimal strings; calls without a price
      spent_share time_share reached                         shares 0 to 1; thresholds reached, in per cent
      burn      long_hours short_hours long short rate severity burning
      forecast_usd forecast_low_usd forecast_high_usd        to the period's end; null when it is over or the past is
                                                             too short
      exhausts_at exhausts_earliest exhausts_latest exhausted

    \b
    Examples:
      spendstream budgets show --embedded spend
      spendstream budgets show search-month --at 2026-03-17T14:00:00Z --json
    """
    from streams.budgets.evaluate import Evaluator
    from streams.budgets.tell import as_json as figures
    from streams.budgets.tell import instant, table
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError
    from streams.forecast.shipped import NAME

    settings = settings_of(config)
    budgets, path = _budgets(settings, file)
    missing = sorted(set(names) - {budget.name for budget in budgets})
    if missing:
        known = ", ".join(budget.name for budget in budgets) or "none"
        raise UsageError(f"{path} has no budget {', '.join(missing)}; it has {known}")
    chosen = [budget for budget in budgets if not names or budget.name in names]
    now_ms = now() if at is None else at
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            states = Evaluator(chosen).evaluate(ledger, now_ms, cut=at is not None)
        if as_json:
            say(one_json({"at": instant(now_ms), "model": NAME, "budgets": [figures(state) for state in states]}))
        else:
            say(table(states))


def now() -> int:
    """Epoch ms, of the clock."""
    import time

    return time.time_ns() // 1_000_000


def _budgets(settings: Settings, file: Path | None) -> tuple[tuple[Budget, ...], Path]:
    from streams.budgets.file import load_budgets
    from streams.errors import UsageError

    path = file or settings.budgets_file
    if path is None:
        raise UsageError(
            "no budgets file: name one by --file, SPENDSTREAM_BUDGETS_FILE or budgets_file in the settings file"
        )
    return load_budgets(path), path


def _models(settings: Settings) -> Callable[[str], bool]:
    """Whether the price book, own prices or the tier map know a model by name."""
    import numpy as np

    from streams.meter.price import Overrides, Pricer, load_overrides
    from streams.meter.tiers import load_tiers

    pricer = Pricer.default(load_overrides(settings.prices_file) if settings.prices_file else Overrides())
    tiers = load_tiers(settings.tiers_file)
    none = np.zeros(1, np.int64)

    def known(model: str) -> bool:
        if tiers.tier(None, model) != "unknown":
            return True
        at = np.array([now()], np.int64)
        return bool(pricer.price([None], [model], [None], at, none, none, none, none).priced[0])

    return known
