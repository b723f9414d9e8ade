"""`spendstream outcomes`: how well runs end, what a success costs, and whether a change made it worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.outcomes.changes import Watched
    from streams.outcomes.load import Loaded
    from streams.outcomes.quality import Group, Quality


@click.group("outcomes", cls=Overview)
def command() -> None:
    """How well runs end: success rates with intervals, cost per success, drops after a change.

    \b
    Examples:
      spendstream outcomes load outcomes.jsonl --embedded spend
      spendstream outcomes show --embedded spend
    """


def _span_options(function: Any) -> Any:
    for option in (
        click.option("--evaluator", default="", metavar="NAME", help="Verdicts of this one only; all without it."),
        click.option("--to", "last", metavar="DAY", help="Last day, included; today without it."),
        click.option(
            "--from", "first", metavar="DAY", help="First day, as 2026-01-05 (UTC); the last 30 days without."
        ),
    ):
        function = option(function)
    return function


@command.command("show")
@_span_options
@embedded_option()
@config_option()
@json_option()
def show(
    first: str | None, last: str | None, evaluator: str, embedded: Path | None, config: Path | None, as_json: bool
) -> None:
    """Success rates and cost per success, by task class, tier, model and agent.

    Intervals are Wilson's at 95 %. A run counts for the tier and model of its first call; cost per success is the cost
    of all judged runs, failures too, over the successes. docs/outcomes.md has the rules.

    \b
    Examples:
      spendstream outcomes show --embedded spend
      spendstream outcomes show --from 2026-01-01 --to 2026-01-31 --json
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.outcomes.period import asked_span
    from streams.outcomes.quality import read_quality

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            span = asked_span(ledger, first, last, datetime.now(UTC))
            quality = read_quality(ledger, span, evaluator)
        say(one_json(quality.as_json()) if as_json else _quality_in_words(quality))


@command.command("changes")
@_span_options
@embedded_option()
@config_option()
@json_option()
def changes(
    first: str | None, last: str | None, evaluator: str, embedded: Path | None, config: Path | None, as_json: bool
) -> None:
    """New routes (a tier and model that an agent had not used for a task class) and whether quality dropped since.

    A drop is told by Fisher's exact test at given numbers of verdicts; for one change, the probability of a false
    alarm is at most 1 % however often one looks. The worker watches the same and puts a notice.

    \b
    Examples:
      spendstream outcomes changes --embedded spend
    """
    from datetime import UTC, datetime

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.outcomes.changes import watched
    from streams.outcomes.period import asked_span
    from streams.outcomes.runs import read_runs

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            span = asked_span(ledger, first, last, datetime.now(UTC))
            found = watched(read_runs(ledger, span, evaluator))
        if as_json:
            say(one_json({**span.as_json(), "changes": [one.as_json() for one in found]}))
        else:
            say(_changes_in_words(found))


@command.command("load")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@embedded_option()
@click.option(
    "--stall-seconds", type=click.FloatRange(min=1), default=120.0, show_default=True,
    help="Give up when verdicts wait and no worker has written anything for so long.",
)  # fmt: skip
@config_option()
@json_option()
@click.pass_context
def load(
    ctx: click.Context,
    files: tuple[str, ...],
    embedded: Path | None,
    stall_seconds: float,
    config: Path | None,
    as_json: bool,
) -> None:
    """Bring verdicts on runs into the ledger: lines such as {"run_id": "r-1", "outcome": "success"}.

    FILES are JSONL, plain or gzip; - is standard input. Verdicts go through Kafka like any other: with --embedded DIR
    to the instance that runs there, or to one that runs for the time of the load; without it to
    SPENDSTREAM_BROKER_URL. What the ledger knows already changes nothing; a verdict on the same run with the same id
    replaces the earlier one.

    \b
    Examples:
      spendstream outcomes load outcomes.jsonl --embedded spend
      my-evaluation | spendstream outcomes load - --json
    """
    from streams.cli import stopping
    from streams.cli.output import one_json, result_only
    from streams.logs import configure_logs
    from streams.replay.lines import check_sources

    check_sources(files)
    settings = settings_of(config)
    with result_only() as say:
        configure_logs("debug" if ctx.find_root().params.get("debug") else "warning", settings.log_format)
        loaded = stopping.run(_load(files, embedded, settings, stall_seconds))
        say(one_json(loaded.as_json()) if as_json else loaded.in_words())
    if loaded.refused:
        ctx.exit(1)


async def _load(files: tuple[str, ...], embedded: Path | None, settings: Settings, stall_s: float) -> Loaded:
    import time

    from streams.cli.target import target, unless
    from streams.kafka_security import options_for
    from streams.outcomes.load import load_outcomes

    kafka = options_for(embedded, settings)
    async with target(embedded, settings) as (broker, ledger, failed):
        work = load_outcomes(broker, ledger, files, lambda: time.time_ns() // 1_000_000, stall_s=stall_s, kafka=kafka)
        return await unless(failed, work)


def _quality_in_words(quality: Quality) -> str:
    from streams.outcomes.quality import DIMENSIONS

    coverage = quality.coverage
    days = quality.span.as_json()
    lines = [
        f"{days['from']} to {days['to']}: {coverage.judged:,} of {counted(coverage.runs, 'run')} judged, "
        f"by {counted(coverage.evaluators, 'evaluator')}"
    ]
    if not coverage.judged:
        lines.append("no verdict on any of them: `spendstream outcomes load FILES` brings some")
        return "\n".join(lines)
    titles = {
        "by_task_class": "task class",
        "by_tier": "tier (of the first call)",
        "by_model": "model (of the first call)",
        "by_class_and_tier": "task class and tier",
    }
    for name, title in titles.items():
        lines += ["", *_table(title, quality.groups[name], len(DIMENSIONS[name][0]))]
    return "\n".join([*lines, "", *_table("agent", quality.agents, 1)])


def _table(title: str, groups: list[Group], parts: int, most: int = 20) -> list[str]:
    names = [" / ".join(part or "(none)" for part in group.key[-parts:]) for group in groups[:most]]
    width = max([len(title), *map(len, names)])
    lines = [f"{title:<{width}}  {'runs':>7}  {'success':>8}  {'95 %':>15}  {'USD a success':>15}"]
    for name, group in zip(names, groups, strict=False):
        low, high = group.interval
        each = group.cost_per_success
        lines.append(
            f"{name:<{width}}  {group.runs:>7,}  {group.successes / group.runs:>8.1%}  {low:>6.1%} – {high:>6.1%}  "
            f"{'–' if each is None else f'{each:,.6f}':>15}{'  (some calls have no price)' if group.unpriced else ''}"
        )
    if len(groups) > most:
        lines.append(f"… and {len(groups) - most:,} more (--json has all)")
    return lines


def _changes_in_words(found: list[Watched]) -> str:
    if not found:
        return "no change of route with verdicts before it"
    return "\n".join(one.in_words() for one in found)
