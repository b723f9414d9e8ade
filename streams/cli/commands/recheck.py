"""`spendstream recheck`: the runaways of the past, by the calls that the ledger holds."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of


@click.command("recheck")
@embedded_option()
@click.option(
    "--from", "first", metavar="TIME",
    help="Tell incidents that were open at or after this day (2026-01-05) or instant (RFC 3339).",
)  # fmt: skip
@click.option("--to", "last", metavar="TIME", help="Read no calls after this day, or from this instant on.")
@config_option()
@json_option()
def command(embedded: Path | None, first: str | None, last: str | None, config: Path | None, as_json: bool) -> None:
    """Look back over the ledger: which agents ran away, when, and what it cost.

    This is a look back: the ledger's calls in event order, through the detector that watches them live (its incidents
    are told by `spendstream incidents`). The same calls give the same incidents, in whatever order and partitions they
    came. What the watcher found otherwise is shown: what came late, live, was looked at late. Nothing is sent or kept.
    Reads only, beside a running worker too; a million calls take about a quarter of a minute.

    What is normal for an agent is learned from all calls before, so reading begins at the ledger's first call, with
    --from too. A call without a price has no cost here. The state of an incident is as of the last call (or --to).

    \b
    JSON: calls and unpriced (from --from on), folded (all that were read), first_call, last_call, as_of, pages, and
    incidents, oldest first, each with
      id kind severity page         kind as in docs/detection.md; ticket, warning or critical; would it page
      agent_id run_id               run_id is null where the agent as a whole is meant; agent "fleet": all agents
      first_call_id first_time      the first abnormal call
      opened_at resolved_at state   open or resolved; resolved_at is null while open
      calls cost_usd                since the first abnormal call; USD as an exact decimal string
      calls_before_open cost_before_open evidence     up to the call that opened it
      kinds ready reopened          all signals that joined it; judged by own history; times it went on after resolving
    and difference: what the watcher's incidents lack (missing), have besides (extra), or tell otherwise (differing);
    null where nobody watched.

    \b
    Examples:
      spendstream recheck --embedded spend
      spendstream recheck --embedded spend --from 2026-03-02 --to 2026-03-03 --json
    """
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.recheck import recheck
    from streams.recheck.differ import in_words as difference_in_words
    from streams.recheck.differ import read_difference
    from streams.recheck.tell import as_json as figures
    from streams.recheck.tell import in_words
    from streams.recheck.window import asked_window

    start, end = asked_window(first, last)
    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = recheck(ledger, start, end)
            difference = read_difference(ledger, found.incidents, start, found.as_of)
        if as_json:
            say(one_json({**figures(found), "difference": difference.as_json()}))
        else:
            say(f"{in_words(found)}\n{difference_in_words(difference)}")
