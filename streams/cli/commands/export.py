"""`spendstream export`: files for other people's tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from streams.export.month import Export


@click.group("export", cls=Overview)
def command() -> None:
    """Write the ledger's figures in formats of other tools.

    \b
    Example:
      spendstream export focus --month 2026-10 --out october.csv
    """


@command.command("focus")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month (UTC), or `last`, or `this`.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "parquet"]), help="By the name of the file without it; else csv."
)
@click.option(
    "--out", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Where it goes; spendstream-focus-MONTH.csv here without it.",
)  # fmt: skip
@click.option(
    "--step", type=click.Choice(["day", "hour"]), default="day", show_default=True, help="Length of a charge period."
)
@click.option("--tag", "tags", multiple=True, metavar="KEY", help="A tag of the calls that becomes a tag; repeatable.")
@click.option(
    "--account", default="default", show_default=True, metavar="NAME",
    help="Billing account of calls that name no tenant.",
)  # fmt: skip
@embedded_option()
@config_option()
@json_option()
def focus(
    month: str,
    form: str | None,
    out: Path | None,
    step: str,
    tags: tuple[str, ...],
    account: str,
    embedded: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """A month as FOCUS 1.2 (FinOps Open Cost and Usage Specification), for cost tools that read it.

    One row for each charge period, team, model, price and token class, with real token quantities; all rows together
    cost what the report says, to the last digit. Corrections of closed months are rows of their own. Costs are in USD.
    A month without anything makes a file without rows, said on standard error; one that has not begun is refused.

    \b
    Examples:
      spendstream export focus --month 2026-10 --out october.csv
      spendstream export focus --month last --step hour --tag env --tag app --out hours.parquet
    """
    from datetime import UTC, datetime
    from typing import cast

    from streams.cli.output import one_json, remark, result_only
    from streams.cli.reach import reach
    from streams.errors import NotPossible
    from streams.export.focus import Account
    from streams.export.groups import Step
    from streams.export.month import export_month
    from streams.export.write import write_csv, write_parquet
    from streams.meter.price import Pricer, load_overrides
    from streams.plans.file import load_plans
    from streams.plans.unset import unset_plans
    from streams.report.period import asked_period

    now = datetime.now(UTC)
    period = asked_period(month, None, None, now)
    assert period is not None
    if now < period.start:
        raise NotPossible(f"--month {month}: {period.name} has not begun, so there is nothing to export")
    form = form or ("parquet" if out is not None and out.suffix == ".parquet" else "csv")
    out = out or Path(f"spendstream-focus-{period.slug}.{form}")
    settings = settings_of(config)
    pricer = Pricer.default(load_overrides(settings.prices_file) if settings.prices_file else None)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            made = export_month(
                ledger,
                pricer,
                Account(period.start.date(), cast(Step, step), account),
                tags,
                load_plans(settings.plans_file),
            )
            if settings.plans_file is None:
                remark(unset_plans(ledger, period.start.date(), period.last_day))
        (write_parquet if form == "parquet" else write_csv)(made.rows, out)
        if not made.rows:
            nothing = f"no call, correction or fee counts in {period.name}: {out} names the columns and has no row"
            remark(nothing)
        say(one_json(_as_json(made, out, tags)) if as_json else _in_words(made, out, tags))


def _as_json(made: Export, out: Path, tags: tuple[str, ...]) -> dict[str, object]:
    from streams.money import exact

    return {
        "file": str(out),
        "month": f"{made.month:%Y-%m}",
        "closed": made.closing is not None,
        "rows": len(made.rows),
        "cost_usd": exact(made.cost),
        "corrections_usd": exact(made.corrections),
        "plans_usd": exact(made.plans),
        "total_usd": exact(made.cost + made.corrections + made.plans),
        "not_split_usd": exact(made.whole_cost),
        "unpriced_calls": made.unpriced_calls,
        "tags": list(tags),
        "other_tags": [key for key in made.tag_keys if key not in tags],
    }


def _in_words(made: Export, out: Path, tags: tuple[str, ...]) -> str:
    from streams.money import exact

    state = f"closed by {made.closing.by}" if made.closing is not None else "open"
    total = exact(made.cost + made.corrections + made.plans)
    lines = [f"{out}: {counted(len(made.rows), 'row')}, {total} USD, {made.month:%Y-%m} ({state})"]
    if made.corrections or any(row.get("ChargeClass") for row in made.rows):
        lines.append(f"  corrections of closed months: {exact(made.corrections)} USD of it")
    if made.plans:
        lines.append(f"  plans: {exact(made.plans)} USD of it, beside the price of the calls by token")
    if made.unpriced_calls:
        lines.append(f"  without a price: {counted(made.unpriced_calls, 'call')}, whose rows cost 0 and say so")
    if made.whole_cost:
        lines.append(
            f"  {exact(made.whole_cost)} USD could not be split by token class: "
            "priced by a book or file that is not here"
        )
    if others := [key for key in made.tag_keys if key not in tags]:
        lines.append(f"  tags of calls that are not in the file (--tag KEY): {', '.join(others[:10])}")
    return "\n".join(lines)
