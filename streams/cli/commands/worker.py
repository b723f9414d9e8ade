"""`spendstream worker`: meters calls until it is told to stop, or until a fault ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import config_option, embedded_option, settings_of

if TYPE_CHECKING:
    from streams.config import Settings

STOP_S = 240.0
"""A graceful stop: 60 s to flush, 30 s to leave the group, 130 s for an embedded broker to save, and some air."""
FAULT_STOP_S = 30.0
"""After a fault nothing is written any more: what still hangs is not worth waiting for, the supervisor restarts us."""


class SettingsCommand(click.Command):
    """A command whose help lists every setting, read from the model that checks them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Settings with their defaults and meaning."""
        from streams.config import PREFIX, Settings

        with formatter.section("Settings (environment variable, or the lower-case name in the --config file)"):
            formatter.write_dl(
                [
                    (f"{PREFIX}{name.upper()}", f"{field.description} [{_shown(field.default)}]")
                    for name, field in Settings.model_fields.items()
                ]
            )
        super().format_epilog(ctx, formatter)


def _shown(default: Any) -> str:
    value = default.get_secret_value() if hasattr(default, "get_secret_value") else default
    return "none" if value is None or value == "" else str(value)


@click.command("worker", cls=SettingsCommand)
@embedded_option()
@click.option("--broker-url", metavar="HOST:PORT,...", help="Kafka bootstrap servers.")
@click.option("--clickhouse-url", metavar="URL", help="http(s)://user:password@host:8123/database.")
@click.option("--group-id", metavar="NAME", help="Kafka consumer group.")
@click.option("--worker-id", metavar="NAME", help="Stable name of this worker; the host's name without it.")
@click.option("--partitions", type=int, metavar="N", help="Of topics that this worker has to create.")
@click.option("--http-host", metavar="HOST", help="Where /v1/usage, /health, /ready and /metrics listen.")
@click.option("--http-port", type=int, metavar="PORT", help="Their port; 0 picks a free one.")
@click.option("--broker-port", type=int, default=0, metavar="PORT", help="Of the embedded broker; 0 picks a free one.")
@click.option("--clickhouse-port", type=int, default=0, metavar="PORT", help="Of the embedded ledger's read-only HTTP.")
@click.option("--flush-calls", type=int, metavar="N", help="Calls that make one ledger insert.")
@click.option("--flush-seconds", type=float, metavar="S", help="The longest a call waits for its insert.")
@click.option("--prices-file", type=click.Path(path_type=Path), metavar="FILE", help="TOML with your own prices.")
@click.option("--tiers-file", type=click.Path(path_type=Path), metavar="FILE", help="TOML that maps models to tiers.")
@click.option("--plans-file", type=click.Path(path_type=Path), metavar="FILE", help="TOML with your plans.")
@click.option("--budgets-file", type=click.Path(path_type=Path), metavar="FILE", help="TOML with your budgets.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@config_option()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    embedded: Path | None,
    broker_port: int,
    clickhouse_port: int,
    config: Path | None,
    log_level: str | None,
    **given: Any,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; it then flushes, acknowledges and leaves, and nothing is lost.

    A fault that does not pass by itself ends the worker with code 1, so that its supervisor starts it again from the
    ledger's position. Several workers share the partitions of a topic; give each a name of its own (--worker-id).

    \b
    Examples:
      spendstream worker --embedded spend
      SPENDSTREAM_CLICKHOUSE_URL=http://ch:8123/spendstream spendstream worker --broker-url kafka:9092
    """
    import os

    from streams import killpoints
    from streams.cli import stopping
    from streams.errors import UsageError
    from streams.http.access import access_of
    from streams.logs import configure_logs

    if embedded is not None and (given["broker_url"] or given["clickhouse_url"]):
        raise click.UsageError("--embedded brings its own broker and ledger: leave the URLs away, or --embedded")
    if embedded is None and (broker_port or clickhouse_port):
        raise click.UsageError("--broker-port and --clickhouse-port are for --embedded")
    if ctx.find_root().params.get("debug"):
        log_level = "debug"
    settings = settings_of(config, log_level=log_level, **given)
    access_of(settings, os.environ)  # who may ask is settled before anything is connected to
    configure_logs(settings.log_level, settings.log_format)
    try:
        killpoints.arm(os.environ)
    except ValueError as error:
        raise UsageError(str(error)) from None
    stopping.serve(lambda stop: _serve(settings, embedded, broker_port, clickhouse_port, stop))


async def _serve(
    settings: Settings, embedded: Path | None, broker_port: int, clickhouse_port: int, stop: asyncio.Event
) -> None:
    from streams.cli.stopping import exit_within

    system, close = await _started(settings, embedded, broker_port, clickhouse_port)
    faulty = True
    try:
        asked = asyncio.ensure_future(stop.wait())
        over = asyncio.ensure_future(system.stopped())
        both: set[asyncio.Future[Any]] = {asked, over}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            over.result()
        faulty = False
        for task in both:
            task.cancel()
    finally:
        exit_within(FAULT_STOP_S if faulty else STOP_S, "the worker did not stop")
        await system.stop()
        close()


async def _started(settings: Settings, embedded: Path | None, broker_port: int, clickhouse_port: int) -> Any:
    """(what runs, what to close after)."""
    if embedded is not None:
        from streams.embedded.system import EmbeddedSystem

        system = EmbeddedSystem(embedded, settings, broker_port=broker_port, clickhouse_port=clickhouse_port)
        await system.start()
        return system, lambda: None
    from streams.keeper import Keeper
    from streams.ledger.client import Database

    database = await asyncio.to_thread(Database, settings.clickhouse_url.get_secret_value(), create=True)
    try:
        keeper = Keeper(settings, database)
        await keeper.start()
    except BaseException:
        database.close()
        raise
    return keeper, database.close
