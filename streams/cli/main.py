"""The command `spendstream`: finds the commands, and turns every end into an exit code and one clear line.

    0  done
    1  failed: a broker that is away, no worker that runs, a month that is not over, a ledger that does not add up, a
       stop by signal. The same command may do another time.
    2  wrong usage: command line, settings, files of the operator's. The same command will never do.

Messages go to standard error; standard output carries results only. Expected errors show no traceback; `--debug`
shows one for any error. Nothing heavy is imported here: `spendstream --help` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from streams.cli.overview import Sections
from streams.errors import SpendstreamError, UsageError

DONE, FAILED, WRONG_USAGE = 0, 1, 2

_COMMANDS = Path(__file__).with_name("commands")


class CommandFolder(Sections):
    """A group whose commands are the files of `streams/cli/commands`, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules([str(_COMMANDS)]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a file, None when there is no such file."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"streams.cli.commands.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint where a name was nearly right."""
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1) if args else []
            if near:
                error.message += f" Did you mean {near[0]!r}?"
            raise


@click.group(
    cls=CommandFolder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Try it: spendstream replay calls.jsonl.gz --embedded spend, then "
    "spendstream sql --embedded spend 'SELECT tier, sum(cost_usd) FROM calls GROUP BY tier'.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks, and log everything.")
@click.version_option(package_name="spendstream")
def group(debug: bool) -> None:
    """Meter every model call that your agents make, see when one runs away, and what it costs.

    Commands work on a directory with everything in it (--embedded DIR: broker, worker and ledger in one process) or on
    your Kafka and ClickHouse (SPENDSTREAM_BROKER_URL, SPENDSTREAM_CLICKHOUSE_URL, or a file named by --config).

    Exit codes: 0 done, 1 failed (what is there does not allow it now, or does not add up), 2 wrong usage (command
    line, settings or files: the same command will not do another time either).
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; never raises, not even SystemExit."""
    debug = "--debug" in arguments
    try:
        code = group.main(list(arguments), prog_name="spendstream", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.ClickException as error:
        error.show()
        return WRONG_USAGE if isinstance(error, click.UsageError) else FAILED
    except SystemExit as end:  # click, when whoever read our output has gone
        return end.code if isinstance(end.code, int) else FAILED
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped", FAILED)
    except BrokenPipeError:
        # Whoever read our output (`| head`) has enough. What is still buffered must not raise again at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except SpendstreamError as error:
        if debug:
            traceback.print_exc()
        return _say(str(error), WRONG_USAGE if isinstance(error, UsageError) else FAILED)
    except Exception as error:
        if debug:
            traceback.print_exc()
            return FAILED
        text = (str(error).strip().splitlines() or [""])[0]
        again = "spendstream --debug " + " ".join(arguments)
        return _say(f"unexpected {type(error).__name__}: {text} (`{again}` shows where)", FAILED)


def _say(message: str, code: int) -> int:
    click.echo(f"spendstream: {message}", err=True)
    return code


def main() -> None:
    """Entry point of the installed command."""
    code = run(sys.argv[1:])
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        # A call that hangs in a thread (a server that never answers) must not keep the process from ending.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
