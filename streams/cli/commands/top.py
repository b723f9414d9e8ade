"""`spendstream top`: what agents spend now, live in the terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of

BY = {"agents": "agent_id", "teams": "team_id", "tiers": "tier", "models": "request_model", "runs": "run_id"}


@click.command("top")
@embedded_option()
@click.option("--once", is_flag=True, help="Print one look and end; also where there is no terminal.")
@click.option(
    "--interval", type=click.FloatRange(min=0.5, max=3600), default=2.0, show_default=True, metavar="S",
    help="Seconds between two looks.",
)  # fmt: skip
@click.option(
    "--window", type=click.Choice(["5m", "15m", "1h", "6h", "24h"]), default="1h", show_default=True,
    help="How much event time is looked at.",
)  # fmt: skip
@click.option("--by", type=click.Choice([*BY]), default="agents", show_default=True, help="What to begin with.")
@config_option()
@json_option()
def command(
    embedded: Path | None, once: bool, interval: float, window: str, by: str, config: Path | None, as_json: bool
) -> None:
    """Watch calls, tokens and money, by agent, team, tier, model and run, down to single calls.

    Reads the ledger only: a directory (--embedded DIR, while a worker or demo runs on it or not) or your ClickHouse
    (SPENDSTREAM_CLICKHOUSE_URL). Money and tokens a minute are by the calls' own time; when the newest call is far
    behind the clock (a replay of a past year), "now" is that call's time, and the screen says so.

    Keys: arrows and Enter go into a line, Esc back, 1-5 group, s sorts, / filters, + and - change the window, space
    pauses, ? explains, q quits. No mouse needed; NO_COLOR is respected.

    \b
    Examples:
      spendstream top --embedded spend
      spendstream top --once --by teams --window 24h
      spendstream top --json --embedded spend
    """
    from streams.top.source import LedgerSource
    from streams.top.view import View

    settings = settings_of(config)
    source = LedgerSource(embedded, settings.clickhouse_url.get_secret_value())
    view = View(by=BY[by], window=window)  # type: ignore[arg-type]
    if as_json or once or not sys.stdout.isatty() or not sys.stdin.isatty() or sys.__stderr__ is None:
        _once(source, view, as_json)
        return
    from streams.top.app import TopApp
    from streams.top.terminal import drawing_on_stdout

    with drawing_on_stdout():
        TopApp(source, view, interval, _clock_ms).run()


def _once(source: object, view: object, as_json: bool) -> None:
    from rich.console import Console

    from streams.cli.output import one_json, result_only
    from streams.top import once
    from streams.top.source import LedgerSource
    from streams.top.view import View

    assert isinstance(source, LedgerSource)
    assert isinstance(view, View)
    terminal = sys.stdout.isatty()
    with result_only() as say:
        idle = source.is_idle()
        look, by = source.ask(lambda reader: once.look_once(reader, view, _clock_ms()))
        if as_json:
            say(one_json(once.as_json(look, by)))
            return
        width = Console().width if terminal else 100
        for line in once.as_text(look, by, source.name, width, idle=idle):
            say(line.plain)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
