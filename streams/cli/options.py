"""Options that several commands share, so that they are spelt and explained alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streams.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


class _Moment(click.ParamType):
    """A time as epoch ms, UTC; see `streams.moment`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Click's contract: values that are converted already pass."""
        from streams.moment import read_moment

        if isinstance(value, int):
            return value
        try:
            return read_moment(str(value))[0]
        except ValueError as error:
            self.fail(str(error), param, ctx)


MOMENT = _Moment()
"""Type of options that take one time; those that take a stretch go through `streams.recheck.window.asked_window`."""

WITHOUT_DIR = "Without it, your servers by the settings."


def embedded_option(required: bool = False, without: str = WITHOUT_DIR) -> Callable[[F], F]:
    """`--embedded DIR`, as a `Path` or None. `without`: the sentence of the help on what happens then."""
    return click.option(
        "--embedded",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        required=required,
        help=f"Everything in one directory: broker, worker, ledger, and settings in DIR/spendstream.toml. {without}",
    )


def json_option() -> Callable[[F], F]:
    """`--json` as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on standard output, and nothing else."
    )


def config_option() -> Callable[[F], F]:
    """`--config FILE` as `config`."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="TOML file with settings; SPENDSTREAM_... variables and options win over it.",
    )


def settings_of(config: Path | None, **overrides: Any) -> Settings:
    """Settings from the environment, `config` and the command line; without `config`, also from the settings file in
    DIR of the running command's `--embedded DIR`. Raises `SettingsError` with all faults.
    """
    from streams.config import load_settings

    context = click.get_current_context(silent=True)
    embedded: Path | None = None if context is None else context.params.get("embedded")
    return load_settings(file=config, directory=None if embedded is None else embedded.expanduser(), **overrides)
