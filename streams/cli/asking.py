"""A command that changes something asks a worker: the one that runs on DIR, or that of the settings."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.overview import Overview
from streams.errors import NotPossible, SpendstreamError, Unavailable, UsageError

if TYPE_CHECKING:
    from streams.config import Settings


class DefaultGroup(Overview):
    """A group of commands, one of which is meant when none is named."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default in front of options."""
        if not args or (args[0].startswith("-") and args[0] not in {"-h", "--help"}):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def asked_of_worker(
    embedded: Path | None,
    settings: Settings,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    scope: str = "control",
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """The worker's answer.

    Raises `NotPossible` when none runs or it says that this cannot be now, `UsageError` when the request is wrong.

    `scope`: what the route asks for. `timeout_s`: how long the answer may take, where it is no matter of a moment.
    """
    from streams.http.ask import PATIENCE_S, WorkerAddress, address_of, ask

    token, tls = settings.token.get_secret_value(), settings.http_tls_certificate is not None
    if embedded is not None:
        from streams.embedded.directory import find_running

        running = find_running(embedded)
        if running is None:
            raise NotPossible(
                f"no worker runs on {embedded}, and only a running one can do this: "
                f"start it with `spendstream worker --embedded {embedded}`"
            )
        worker = WorkerAddress(running.api, token, tls=tls)
    else:
        worker = address_of(settings.http_host, settings.http_port, token, tls=tls)
    try:
        status, answer = ask(worker, method, path, body, timeout_s=timeout_s or PATIENCE_S)
    except Unavailable as error:
        if embedded is not None:
            raise
        raise NotPossible(
            f"{error}. Set SPENDSTREAM_HTTP_HOST and SPENDSTREAM_HTTP_PORT to one of your workers, "
            "or give --embedded DIR"
        ) from None
    if 200 <= status < 300:
        return answer
    message = str(answer.get("error", f"the worker answered {status}"))
    if status in {401, 403}:
        raise UsageError(f"{message}: set SPENDSTREAM_TOKEN to a token of scope {scope}")
    if status == 409:
        raise NotPossible(message)
    if status in {400, 404}:
        raise UsageError(message)
    raise SpendstreamError(message)


def me() -> str:
    """Who runs this command, for the history: the name of the operating system's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
