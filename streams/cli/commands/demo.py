"""`spendstream demo`: a simulated company on this machine, through the real pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.demo.result import DemoResult
    from streams.demo.run import Stage

STOP_S = 240.0
"""A graceful stop of everything embedded, as in `worker`."""

OPERATOR_FILES = ("budgets_file", "plans_file")
"""Settings for which the demo's company has files of its own."""


@click.command("demo")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=7 * 86_400),
    default=90.0,
    show_default=True,
    help="How long it plays.",
)
@click.option(
    "--speed", type=click.FloatRange(min=0.01, max=10_000), default=480.0, show_default=True,
    help="The company's clock against ours: at 480 the default run is a working day, 07:00 to 19:00.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="The same seed, the same calls.")
@embedded_option(without="Without it, a temporary one.")
@click.option("--keep", is_flag=True, help="Keep the temporary directory, to look at it with top, sql and report.")
@config_option()
@json_option()
@click.pass_context
def command(
    ctx: click.Context,
    seconds: float,
    speed: float,
    seed: int,
    embedded: Path | None,
    keep: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Watch a company spend: simulated routers, the real broker, worker and ledger, all in this process.

    25 agents of six teams call models over five routers: chats, coding assistants with long contexts, batches, cron
    jobs, retrieval, orchestrators with sub-agents. Some calls are re-sent, some are malformed, one model has no price,
    and now and then an agent runs away, which is announced. Every figure shown is read back from the ledger.

    Needs nothing but this machine. Without --embedded it uses a temporary directory and removes it at the end.

    \b
    Examples:
      spendstream demo
      spendstream demo --embedded spend --seconds 600   and, meanwhile: spendstream top --embedded spend
      spendstream demo --seconds 20 --json
    """
    from streams.cli import stopping
    from streams.cli.output import one_json, result_only
    from streams.demo.run import DemoPlan, stage_of
    from streams.demo.words import summary

    settings = settings_of(config)
    stage = stage_of(DemoPlan(seconds, speed, seed, time.time_ns() // 1_000_000))
    with _directory(embedded, keep) as root:
        _log_to(root, settings, debug=bool(ctx.find_root().params.get("debug")))
        if as_json:
            with result_only() as say:
                result = stopping.serve(lambda stop: _demo(root, settings, stage, stop, to_stderr=True))
                say(one_json(result.as_json()))
        else:
            result = stopping.serve(lambda stop: _demo(root, settings, stage, stop, to_stderr=False))
            click.echo(summary(result, None if embedded is None and not keep else root))
    if not result.ok:
        ctx.exit(1)


@contextlib.contextmanager
def _directory(embedded: Path | None, keep: bool) -> Iterator[Path]:
    """DIR, or a temporary one."""
    if embedded is not None:
        yield embedded
    elif keep:
        yield Path(tempfile.mkdtemp(prefix="spendstream-demo-"))
    else:
        with tempfile.TemporaryDirectory(prefix="spendstream-demo-", ignore_cleanup_errors=True) as made:
            yield Path(made)


def _log_to(root: Path, settings: Settings, *, debug: bool) -> None:
    """Logs go to DIR/demo.log: on the screen they would tear it."""
    from streams.errors import UsageError
    from streams.logs import configure_logs

    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / "demo.log").open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot use {root} for the demo: {error.strerror}") from error
    with contextlib.redirect_stderr(file):
        configure_logs("debug" if debug else settings.log_level, settings.log_format)


async def _demo(root: Path, settings: Settings, stage: Stage, stop: asyncio.Event, *, to_stderr: bool) -> DemoResult:
    from streams.cli.stopping import exit_within
    from streams.demo.draw import drawing
    from streams.demo.paying import operator_files
    from streams.demo.run import company_ms, run_demo
    from streams.embedded.system import EmbeddedSystem

    async with drawing(stage, sys.stderr if to_stderr else sys.stdout, stop):
        files = operator_files(root, [name for name in OPERATOR_FILES if getattr(settings, name) is None])
        settings = settings.model_copy(update={"http_port": 0, **files})
        system = EmbeddedSystem(root, settings, duties_clock=lambda: company_ms(stage))
        try:
            return await run_demo(system, stage, stop)
        finally:
            exit_within(STOP_S, "the embedded system did not stop")
            stage.doing = "stopping"
            await system.stop()
