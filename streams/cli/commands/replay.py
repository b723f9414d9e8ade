"""`spendstream replay`: recorded calls through the real broker, worker and ledger, and what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.outcomes.load import Loaded
    from streams.replay.result import ReplayResult
    from streams.replay.run import ReplayPlan


MAKE_SOME = "`spendstream simulate --seed 7 --days 1 --agents 40 --out calls.jsonl` makes some calls"


class Speed(click.ParamType):
    """`max` (None) or a number above 0."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Parse what was given; click reports what is wrong."""
        if value is None or value == "max":
            return None
        try:
            speed = float(str(value).removesuffix("x"))
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither `max` nor a number above 0", param, ctx)
        return speed


@click.command("replay")
@click.argument("files", nargs=-1, metavar="FILES...")
@embedded_option()
@click.option(
    "--outcomes", multiple=True, metavar="FILE",
    help="Verdicts on runs (docs/outcomes.md), sent after the calls; may be given several times.",
)  # fmt: skip
@click.option(
    "--speed", type=Speed(), default="max", metavar="N|max", show_default=True,
    help="Event time against real time: 60 plays an hour in a minute. Each file plays from its own first call.",
)  # fmt: skip
@click.option("--shuffle", is_flag=True, help="Mix all lines of all files (on disk): totals must come out the same.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True,
    help="Of --shuffle: the same seed, the same order.",
)  # fmt: skip
@click.option(
    "--stall-seconds", type=click.FloatRange(min=1), default=120.0, show_default=True,
    help="Give up when calls wait and no worker has written anything for so long.",
)  # fmt: skip
@click.option(
    "--topic", is_flag=False, flag_value="spendstream.calls", metavar="[NAME]",
    help="Instead of files: read the topic itself again into the ledger, from --from TIME on.",
)  # fmt: skip
@click.option("--from", "from_", metavar="TIME", help="Of --topic: RFC 3339, a day (UTC), or `start`.")
@click.option("--as-far-as-it-goes", is_flag=True, help="Of --topic: also when retention took records since TIME.")
@config_option()
@json_option()
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    embedded: Path | None,
    outcomes: tuple[str, ...],
    topic: str | None,
    from_: str | None,
    as_far_as_it_goes: bool,
    speed: float | None,
    shuffle: bool,
    seed: int,
    stall_seconds: float,
    config: Path | None,
    as_json: bool,
) -> None:
    """Send recorded calls through the pipeline and wait until the ledger holds them.

    FILES are JSONL, plain or gzip (told by their first bytes); - is standard input. Every line is published as it is,
    keyed by run_id, else agent_id; what is no call is counted as rejected, with its reason. Calls that the ledger has
    already are duplicates and change nothing: replaying a file again is safe.

    With --embedded DIR a broker, a worker and a ledger run in this process for the time of the replay (or, when
    DIR is in use, the instance that runs there gets the calls). Without it, calls go to SPENDSTREAM_BROKER_URL,
    and workers must be running there.

    A replay of which the ledger took or knew nothing, because no line was a call, ends with 1.

    When the ledger holds them, the replay waits for the watcher to have looked at them (this is not in its seconds)
    and tells the incidents that they opened. A shuffle leaves the order of events; `recheck` shows what that changes.

    With --topic the workers read what Kafka still has once more, from TIME on: after rows of the ledger were lost, or
    for calls that an older version refused. What the ledger has becomes duplicates, and nothing counts twice.

    \b
    Examples:
      spendstream replay calls.jsonl.gz --embedded spend
      spendstream replay day1.jsonl day2.jsonl --embedded spend --speed 60
      zcat *.gz | spendstream replay - --embedded spend --json
      spendstream replay calls.jsonl.gz --outcomes outcomes.jsonl --embedded spend
      spendstream replay --from 2026-03-01 --topic
    """
    from streams.cli import stopping
    from streams.cli.output import one_json, result_only
    from streams.errors import SpendstreamError
    from streams.logs import configure_logs
    from streams.replay.lines import check_sources
    from streams.replay.run import ReplayPlan

    if topic is not None or from_ is not None or as_far_as_it_goes:
        if files or outcomes or shuffle or speed is not None:
            raise click.UsageError("--topic reads the log: leave FILES, --outcomes, --speed and --shuffle away")
        _topic(ctx, embedded, settings_of(config), topic, from_, as_far_as_it_goes, stall_seconds, as_json)
        return
    if shuffle and speed is not None:
        raise click.UsageError("--shuffle has no order to keep time by: leave --speed away")
    if not files and not outcomes:
        raise click.UsageError("nothing to replay: name FILES of calls, or --outcomes FILE")
    check_sources([*files, *outcomes], when_missing="" if outcomes else MAKE_SOME)
    size = check_sources(files)
    plan = ReplayPlan(files, speed, seed if shuffle else None, stall_seconds)
    settings = settings_of(config)
    with result_only() as say:
        configure_logs("debug" if ctx.find_root().params.get("debug") else "warning", settings.log_format)
        result, loaded = stopping.run(_replay(plan, outcomes, embedded, settings, size))
        if as_json:
            told = {} if loaded is None else {"outcomes": loaded.as_json()}
            say(one_json((result.as_json() if result else {}) | told))
        else:
            say("\n".join([*([_in_words(result)] if result else []), *([loaded.in_words()] if loaded else [])]))
    if result and (fault := nothing_taken(result, embedded)):
        raise SpendstreamError(fault)
    if result and not result.published and not result.refused:
        click.echo(f"spendstream: no line to replay in {counted(result.files, 'file')}", err=True)
    if (result and result.refused) or (loaded and loaded.refused):
        ctx.exit(1)


def nothing_taken(result: ReplayResult, embedded: Path | None) -> str:
    """What to say when lines were rejected and the ledger took or knew none of them; empty otherwise."""
    from schemas.reasons import REASONS

    outcomes = result.outcomes
    if outcomes.new or outcomes.duplicates or not outcomes.rejected:
        return ""
    lines = result.published
    head = "the only line is no call" if lines == 1 else f"none of the {lines:,} lines is a call"
    first = next(iter(outcomes.reasons), "")
    most = "most often " if len(outcomes.reasons) > 1 else ""
    where = f" --embedded {embedded}" if embedded is not None else ""
    return f"{head}; {most}{first}: {REASONS.get(first, 'not known here.')} See `spendstream rejects list{where}`"


def _topic(
    ctx: click.Context,
    embedded: Path | None,
    settings: Settings,
    topic: str | None,
    from_: str | None,
    as_far_as_it_goes: bool,
    stall_s: float,
    as_json: bool,
) -> None:
    from streams.cli import rereading, stopping
    from streams.cli.output import one_json, result_only
    from streams.logs import configure_logs

    from_ms = rereading.check(topic, from_)
    with result_only() as say:
        configure_logs("debug" if ctx.find_root().params.get("debug") else "warning", settings.log_format)
        work = rereading.read_again(embedded, settings, from_ms, as_far_as_it_goes=as_far_as_it_goes, stall_s=stall_s)
        result = stopping.run(work)
        say(one_json(result.as_json()) if as_json else rereading.in_words(result))


async def _replay(
    plan: ReplayPlan, outcomes: tuple[str, ...], embedded: Path | None, settings: Settings, size: int | None
) -> tuple[ReplayResult | None, Loaded | None]:
    """Calls first: verdicts on runs that the ledger knows can be counted as such."""
    import time

    from streams.cli.progress import drawn
    from streams.cli.target import target, unless
    from streams.kafka_security import options_for
    from streams.outcomes.load import load_outcomes
    from streams.replay.run import Progress, replay

    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    kafka = options_for(embedded, settings)
    async with target(embedded, settings) as (broker, ledger, failed):
        result = None
        if plan.sources:
            progress = Progress()
            with drawn(progress, size):
                result = await unless(failed, replay(broker, ledger, plan, progress, now_ms, kafka))
        loaded = None
        if outcomes:
            work = load_outcomes(broker, ledger, outcomes, now_ms, stall_s=plan.stall_s, kafka=kafka)
            loaded = await unless(failed, work)
        return result, loaded


def _in_words(result: ReplayResult) -> str:
    outcomes, totals = result.outcomes, result.totals
    rate = result.published / result.seconds if result.seconds else 0.0
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in outcomes.reasons.items())
    files = counted(result.files, "file")
    what = "line" if outcomes.rejected else "call"
    lines = [
        f"{counted(result.published, what)} from {files} in {result.seconds:.1f} s ({rate:,.0f}/s)",
        f"  new         {outcomes.new:>16,}",
        f"  duplicates  {outcomes.duplicates:>16,}",
        f"  rejected    {outcomes.rejected:>16,}{'  (' + reasons + ')' if reasons else ''}",
    ]
    if outcomes.moved:
        lines.append(f"  moved       {outcomes.moved:>16,}  (keyed wrongly, sent on to their run's partition)")
    if outcomes.others:
        lines.append(f"  of others   {outcomes.others:>16,}  (published meanwhile by others; counted above as well)")
    if result.refused:
        lines.append(f"  refused     {result.refused:>16,}  (too large for the broker: not published)")
    lines += [
        "the ledger now holds",
        f"  calls       {totals.ledger_rows:>16,}",
        f"  unpriced    {totals.unpriced:>16,}",
        f"  tokens      {totals.input_tokens:>16,} in, {totals.output_tokens:,} out",
        f"  cost        {totals.cost_usd:>16} USD",
    ]
    if not result.watched:
        lines.append("nobody has looked at all of these calls yet: `spendstream recheck` looks back at any time")
    waking = sum(bool(one["page"]) for one in result.incidents)
    if result.incidents:
        many = counted(len(result.incidents), "incident")
        lines.append(f"{many}, {waking:,} of which page: see `spendstream incidents`")
    return "\n".join(lines)
