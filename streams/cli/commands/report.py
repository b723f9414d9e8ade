"""`spendstream report`: a month, or any days, for finance: one HTML page, CSV files, or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.cli.reach import Ledger
    from streams.config import Settings
    from streams.report.figures import Report
    from streams.report.section import Section


@click.command("report")
@click.option(
    "--month", metavar="YYYY-MM", help="A month, or `last`, or `this`. Without it, the latest month with calls."
)
@click.option("--from", "first", metavar="DAY", help="First day, as 2026-01-05.")
@click.option("--to", "last", metavar="DAY", help="Last day, included; today without it.")
@embedded_option()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where the page goes.")
@click.option(
    "--csv", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="The same as CSV."
)
@click.option(
    "--late-hours", type=click.IntRange(1, 24 * 366), default=24, show_default=True, metavar="N",
    help="A call that reaches the ledger so many hours after it was made counts as late.",
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(1, 10_000), default=20, show_default=True, metavar="N", help="Agents and runs listed."
)
@config_option()
@json_option()
def command(
    month: str | None,
    first: str | None,
    last: str | None,
    embedded: Path | None,
    out: Path | None,
    folder: Path | None,
    late_hours: int,
    top: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Spend by team, tier, model and day, for finance: one HTML page that opens from a mail.

    The page needs no network and no script, prints on paper and reads on a phone. It goes to --out, or to
    spendstream-MONTH.html here when neither --out, --csv nor --json is given. All days are UTC. The page shows two
    decimals; CSV and JSON have all twelve, equal to the ledger's.

    \b
    Examples:
      spendstream report --month 2026-01 --embedded spend --out january.html
      spendstream report --month last --csv january/
      spendstream report --from 2026-01-05 --to 2026-01-18 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, remark, result_only
    from streams.cli.reach import reach
    from streams.plans.file import load_plans
    from streams.plans.unset import unset_plans
    from streams.report.figures import read_report
    from streams.report.page import page
    from streams.report.period import asked_period
    from streams.report.tables import as_json as figures
    from streams.report.tables import write_csv

    now = datetime.now(UTC)
    asked = asked_period(month, first, last, now)
    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            report = read_report(
                ledger, asked, now, late_hours=late_hours, top=top, plans=load_plans(settings.plans_file)
            )
            if settings.plans_file is None:
                remark(unset_plans(ledger, report.period.start.date(), report.period.last_day))
            sections = [_savings(ledger, report, settings)] if report.total.calls else []
        if out is None and folder is None and not as_json:
            out = Path(f"spendstream-{report.period.slug}.html")
        written: list[Path] = []
        if out is not None:
            written.append(_write(out, page(report, sections)))
        if folder is not None:
            written += write_csv(report, folder, sections)
        if as_json:
            say(one_json({"files": [str(path) for path in written], **figures(report, sections)}))
        else:
            say(_in_words(report, out, folder))


def _savings(ledger: Ledger, report: Report, settings: Settings) -> Section:
    from streams.meter.price import Overrides, Pricer, load_overrides
    from streams.outcomes.period import span_of
    from streams.plans.file import load_plans
    from streams.savings.result import read_savings
    from streams.savings.section import savings_section

    overrides = load_overrides(settings.prices_file) if settings.prices_file else Overrides()
    pricer = Pricer.default(overrides)
    return savings_section(read_savings(ledger, pricer, span_of(report.period), plans=load_plans(settings.plans_file)))


def _write(path: Path, text: str) -> Path:
    from streams.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path


def _in_words(report: Report, out: Path | None, folder: Path | None) -> str:
    from streams.report.money import change, shown
    from streams.report.page import notices

    if not report.ledger_calls:
        lines = ["the ledger is empty: no call has been metered yet"]
    elif not report.total.calls:
        months = ", ".join(first[:7] for first, _ in report.months)
        lines = [f"no calls in {report.period.name}; months with calls: {months}"]
    else:
        total, before = report.total, report.total_before
        lines = [
            f"{report.period.name}: {shown(total.cost)} USD, {counted(total.calls, 'call')}, {total.tokens:,} tokens",
            f"  {report.before.name}: {shown(before.cost)} USD ({change(total.cost, before.cost)})",
            *(f"  {notice}" for notice in notices(report)),
        ]
    if report.corrected:
        cost = sum(one.cost for one in report.corrected)
        lines.append(f"  corrections of earlier months, charged here: {shown(cost)} USD")
    if out is not None:
        lines.append(f"page: {out}")
    if folder is not None:
        lines.append(f"CSV:  {folder}")
    return "\n".join(lines)
