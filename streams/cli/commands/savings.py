"""`spendstream savings`: what could go to a cheaper tier, what it would save, and what to buy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.savings.result import Savings


@click.command("savings")
@click.option("--from", "first", metavar="DAY", help="First day, as 2026-01-05 (UTC); the last 30 days without.")
@click.option("--to", "last", metavar="DAY", help="Last day, included; today without it.")
@click.option(
    "--margin", type=click.FloatRange(0.001, 0.5), default=0.05, show_default=True, metavar="SHARE",
    help="The loss of success rate that must be ruled out before a call counts as movable.",
)  # fmt: skip
@click.option("--evaluator", default="", metavar="NAME", help="Verdicts of this one only; all without it.")
@embedded_option()
@config_option()
@json_option()
def command(
    first: str | None,
    last: str | None,
    margin: float,
    evaluator: str,
    embedded: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Which calls could go to a cheaper tier without measurable loss, what that saves, and what to buy.

    The saving is a range with its assumptions; "not enough evidence" is an answer, and says how many verdicts would
    tell. docs/savings.md has every rule and limit.

    \b
    Examples:
      spendstream savings --embedded spend
      spendstream savings --from 2026-01-01 --to 2026-01-31 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.meter.price import Overrides, Pricer, load_overrides
    from streams.outcomes.period import asked_span
    from streams.plans.file import load_plans
    from streams.savings.result import read_savings

    settings = settings_of(config)
    plans = load_plans(settings.plans_file)
    overrides = load_overrides(settings.prices_file) if settings.prices_file else Overrides()
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            span = asked_span(ledger, first, last, datetime.now(UTC))
            found = read_savings(
                ledger, Pricer.default(overrides), span, margin=margin, evaluator=evaluator, plans=plans
            )
        say(one_json(found.as_json()) if as_json else _in_words(found))


def _in_words(found: Savings) -> str:
    from streams.report.money import shown
    from streams.savings.result import mix_spend

    days, known = found.span.as_json(), found.known
    lines = [
        f"{days['from']} to {days['to']}: {counted(known.calls, 'call')}, {shown(known.cost)} USD",
        "",
        f"{'task class':<12} {'tier':<10} {'calls':>12} {'share':>7} {'USD':>16}",
    ]
    for line in found.as_json()["mix"]:
        lines.append(
            f"{line['task_class'] or '(none)':<12} {line['tier']:<10} {line['calls']:>12,} {line['call_share']:>7.1%} "
            f"{mix_spend(line):>16}"
        )
    lines += ["", f"Could it go to a cheaper tier? (a loss of {found.margin:.0%} of success is to be ruled out)"]
    for pair in found.pairs:
        said = f"  {pair.task_class or '(none)'}: {pair.present} to {pair.other}: {pair.state}"
        if pair.difference is not None:
            said += (
                f", {pair.difference.estimate:+.1%} ({pair.difference.low:+.1%} to {pair.difference.high:+.1%}), "
                f"{pair.runs_present.of:,} and {pair.runs_other.of:,} judged runs"
            )
        if pair.runs_needed is not None:
            said += f"; about {pair.runs_needed:,} judged runs on each tier would tell"
        lines.append(said)
    if not found.pairs:
        lines.append("  no judged run on a dearer tier: not enough evidence")
    lines += ["", "What it would save"]
    for move in found.moves:
        pair = move.pair
        name = f"  {pair.task_class or '(none)'}: {pair.present} to {pair.other}: {counted(move.calls, 'call')} of "
        if move.saving is None:
            lines.append(f"{name}{shown(move.cost)} USD: unknown, no price and too few runs")
        else:
            lines.append(
                f"{name}{shown(move.cost)} USD: {shown(move.saving.low)} to {shown(move.saving.high)} USD"
                + ("" if move.worthwhile else ": not worthwhile")
            )
    if found.moves:
        total, month = found.saving, found.for_30_days
        lines.append(
            f"  together {shown(total.low)} to {shown(total.high)} USD; "
            f"{shown(month.low)} to {shown(month.high)} USD for 30 such days"
        )
    else:
        lines.append("  nothing that the evidence supports")
    lines += ["", "The four questions"]
    lines += [f"  {one.question} {one.answer.upper()}. {one.why}" for one in found.questions]
    lines += ["", f"Recommendation: {found.recommendation.kind.upper()}. {found.recommendation.why}"]
    lines += [f"  {one.in_words()}" for one in found.break_even]
    lines += [f"  first: {one}" for one in found.recommendation.conditions]
    return "\n".join([*lines, "", "Assumptions", *(f"  - {one}" for one in found.assumptions)])
