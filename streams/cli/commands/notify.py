"""`spendstream notify`: the channels of the policies file, and a test message to them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.asking import DefaultGroup
from streams.cli.options import config_option, json_option, settings_of

if TYPE_CHECKING:
    from streams.alert.policies import Policies


@click.group("notify", cls=DefaultGroup)
def command() -> None:
    """Channels of the policies file: list them, send them a test message.

    Reads policies_file of the settings (SPENDSTREAM_POLICIES_FILE) and the secrets that it refers to; needs no worker
    and no ledger. Secrets are never shown.

    \b
    Examples:
      spendstream notify list
      spendstream notify test --channel oncall
    """


@command.command("list")
@config_option()
@json_option()
def list_(config: Path | None, as_json: bool) -> None:
    """Channels, with their secrets masked, and which routes use them."""
    from streams.cli.output import one_json, result_only

    with result_only() as say:
        policies = _policies(config)
        found = [
            {
                "channel": channel.name,
                "type": channel.type,
                "to": masked(channel.type, channel.url.get_secret_value()),
                "routes": [number for number, route in enumerate(policies.routes, 1) if channel.name in route.channels],
            }
            for channel in policies.channels.values()
        ]
        if as_json:
            say(one_json({"channels": found}))
        elif not found:
            say("no channels: notices are recorded and logged only (docs/oncall.md says how to send them)")
        else:
            from streams.cli.tables import drawn

            rows = [
                [str(one["channel"]), str(one["type"]), str(one["to"]), ", ".join(map(str, _list(one["routes"])))]
                for one in found
            ]
            say(drawn(["channel", "type", "to", "routes"], rows))


@command.command("test")
@click.option("--channel", metavar="NAME", help="Only this one; else all.")
@config_option()
@json_option()
@click.pass_context
def test(ctx: click.Context, channel: str | None, config: Path | None, as_json: bool) -> None:
    """Send a message that says it is a test. Exit code 1 when a channel did not take it."""
    from streams.alert.channels.base import ChannelError
    from streams.alert.channels.make import make_channels
    from streams.cli.output import one_json, result_only
    from streams.errors import UsageError

    failed = False
    with result_only() as say:
        policies = _policies(config)
        if not policies.channels:
            raise UsageError("there are no channels: set policies_file (SPENDSTREAM_POLICIES_FILE; docs/oncall.md)")
        channels = make_channels(policies.channels)
        if channel is not None and channel not in channels:
            raise UsageError(f"there is no channel {channel!r}: there are {', '.join(channels)}")
        results: list[dict[str, Any]] = []
        for name, one in channels.items():
            if channel is not None and name != channel:
                continue
            now_ms = time.time_ns() // 1_000_000
            try:
                for message in _messages(name, now_ms, both=policies.channels[name].type == "alertmanager"):
                    one.send(message, now_ms)
                results.append({"channel": name, "taken": True, "error": ""})
            except ChannelError as error:
                failed = True
                results.append({"channel": name, "taken": False, "error": str(error)})
        if as_json:
            say(one_json({"results": results}))
        else:
            say("\n".join(f"{one['channel']}: {'taken' if one['taken'] else one['error']}" for one in results))
    if failed:
        ctx.exit(1)


def masked(kind: str, url: str) -> str:
    """Enough of a URL to know it by, and nothing of its secrets: scheme, and of a plain one the host."""
    from urllib.parse import urlsplit

    if kind == "apprise":
        return url.partition("://")[0] + "://***"
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}" + ("/***" if parts.path.strip("/") or parts.query else "")


def _messages(channel: str, now_ms: int, *, both: bool) -> list[Any]:
    """The test message; an Alertmanager also gets its end, lest the test stands for a quarter of an hour."""
    from dataclasses import replace

    from streams.alert.message import one
    from streams.alert.notice import Notice

    notice = Notice(
        id=f"test:{channel}:{now_ms}",
        subject=f"test:{channel}",
        change="test",
        severity="ticket",
        title="[test] Spendstream can reach you here",
        body=f"This is a test of the channel {channel!r}, sent by `spendstream notify test`. Nothing is wrong.",
        team_id="",
        tier="",
        at_ms=now_ms,
        labels={"kind": "test"},
    )
    if not both:
        return [one(notice)]
    return [one(notice), one(replace(notice, id=notice.id + ":end", change="resolved", resolved=True))]


def _policies(config: Path | None) -> Policies:
    from streams.alert.policies import load_policies

    return load_policies(settings_of(config).policies_file, os.environ)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
