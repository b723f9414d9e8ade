"""`spendstream escalations`: calls that moved up a tier, what they cost, and whether it helped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.outcomes.escalations import Escalations, Group


@click.command("escalations")
@click.option("--from", "first", metavar="DAY", help="First day, as 2026-01-05 (UTC); the last 30 days without.")
@click.option("--to", "last", metavar="DAY", help="Last day, included; today without it.")
@click.option("--evaluator", default="", metavar="NAME", help="Verdicts of this one only; all without it.")
@embedded_option()
@config_option()
@json_option()
def command(
    first: str | None, last: str | None, evaluator: str, embedded: Path | None, config: Path | None, as_json: bool
) -> None:
    """Calls that moved up a tier: rate, cost and outcome, by agent, by reason and by pair of tiers.

    They are known by escalated_from, decision and route_reason of the calls. docs/outcomes.md says what counts as up.

    \b
    Examples:
      spendstream escalations --embedded spend
      spendstream escalations --from 2026-01-01 --to 2026-01-31 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.outcomes.escalations import read_escalations
    from streams.outcomes.period import asked_span

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            span = asked_span(ledger, first, last, datetime.now(UTC))
            found = read_escalations(ledger, span, evaluator)
        say(one_json(found.as_json()) if as_json else _in_words(found))


def _in_words(found: Escalations) -> str:
    from streams.report.money import shown

    days, total = found.span.as_json(), found.total
    rate = total.calls / total.of_calls if total.of_calls else 0.0
    lines = [
        f"{days['from']} to {days['to']}: {total.calls:,} of {total.of_calls or 0:,} calls moved up a tier "
        f"({rate:.2%}), {shown(total.cost)} of {shown(total.of_cost or 0)} USD"
    ]
    if total.tried_calls:
        tried = counted(total.tried_calls, "call")
        lines.append(f"{tried} replaced by them cost {shown(total.tried_cost)} USD in vain")
    if total.judged:
        lines.append(
            f"{_success(total.successes, total.judged)} of runs with one succeeded; of the same agents' others"
        )
        lines[-1] += f" {_success(found.others_successes, found.others_judged)}" if found.others_judged else " none"
    if found.otherwise:
        lines.append(f"{counted(found.otherwise, 'call')} moved to the same, a cheaper or an unknown tier: not counted")
    if total.calls:
        lines += ["", *_table("agent", found.by_agent)]
        lines += ["", *_table("reason / policy", found.by_reason)]
        lines += ["", *_table("from / to", found.by_tiers)]
    return "\n".join(lines)


def _success(hits: int, of: int) -> str:
    return f"{hits / of:.1%} ({hits:,} of {of:,})"


def _table(title: str, groups: list[Group], most: int = 20) -> list[str]:
    from streams.report.money import shown

    names = [" / ".join(part or "(none)" for part in group.key) for group in groups[:most]]
    width = max([len(title), *map(len, names)])
    lines = [f"{title:<{width}}  {'calls':>9}  {'rate':>7}  {'runs':>7}  {'USD':>12}  {'success':>22}"]
    for name, group in zip(names, groups, strict=False):
        rate = f"{group.calls / group.of_calls:.2%}" if group.of_calls else "–"
        success = _success(group.successes, group.judged) if group.judged else "–"
        lines.append(
            f"{name:<{width}}  {group.calls:>9,}  {rate:>7}  {group.runs:>7,}  {shown(group.cost):>12}  {success:>22}"
        )
    if len(groups) > most:
        lines.append(f"… and {len(groups) - most:,} more (--json has all)")
    return lines
