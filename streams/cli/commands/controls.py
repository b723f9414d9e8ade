"""`spendstream controls`: what routers are asked to do about runs, agents and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from streams.cli.asking import DefaultGroup, asked_of_worker, me
from streams.cli.options import config_option, embedded_option, json_option, settings_of


@click.group("controls", cls=DefaultGroup)
def command() -> None:
    """What routers should do now: observe, warn, throttle or block; list, set, release, and who did what.

    Without a word after it, `list`. TARGET is run:ID, agent:ID or key:ID. Setting and releasing ask a running worker;
    routers hear of it within a second or two (docs/controls.md).

    \b
    Examples:
      spendstream controls --embedded spend
      spendstream controls set run:run-42 --block --minutes 60 --reason inc-1f6a
      spendstream controls release run:run-42 --reason "fixed"
    """


@command.command("list")
@embedded_option()
@click.option("--all", "everything", is_flag=True, help="Also what is released or expired.")
@config_option()
@json_option()
def list_(embedded: Path | None, everything: bool, config: Path | None, as_json: bool) -> None:
    """Controls in force."""
    import time

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.ledger.sqlfiles import named_query

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            rows = ledger.rows(
                named_query("controls_list"), {"now": time.time_ns() // 1_000_000, "all": int(everything)}
            )
        found = [_control(row) for row in rows]
        if as_json:
            say(one_json({"controls": found}))
        elif not found:
            say("no controls" if everything else "no controls in force")
        else:
            say(_listed(found))


@command.command("history")
@click.argument("target", metavar="TARGET")
@embedded_option()
@config_option()
@json_option()
def history(target: str, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """Every change of one control: who, when and why."""
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.controls.control import control_id
    from streams.ledger.sqlfiles import named_query

    scope, subject = _split(target)
    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            rows = ledger.rows(named_query("controls_history"), {"id": control_id(scope, subject)})
        found = [_control(row) for row in rows]
        if as_json:
            say(one_json({"history": found}))
        else:
            say(_listed(found) if found else f"there never was a control of {target}")


@command.command("set")
@click.argument("target", metavar="TARGET")
@click.option("--block", "action", flag_value="block", help="No call goes.")
@click.option("--throttle", metavar="N", type=float, help="N calls a minute go, for each router process.")
@click.option("--warn", "action", flag_value="warn", help="Calls go; the router is told why they should not.")
@click.option("--observe", is_flag=True, help="Write it down only: what would be done.")
@click.option("--minutes", type=click.IntRange(1, 525_600), help="Ends by itself then; without it, when released.")
@click.option("--reason", required=True, metavar="TEXT", help="Whoever is turned away reads it; an incident's id too.")
@embedded_option()
@config_option()
@json_option()
def set_(
    target: str,
    action: str | None,
    throttle: float | None,
    observe: bool,
    minutes: int | None,
    reason: str,
    embedded: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Set a control; it takes the place of one that is there."""
    from streams.alert.message import instant
    from streams.cli.output import one_json, result_only

    if (action is None) == (throttle is None):
        raise click.UsageError("say what to do: one of --block, --throttle N, --warn")
    body: dict[str, Any] = {
        "action": action or "throttle",
        "mode": "observe" if observe else "warn" if action == "warn" else "enforce",
        "reason": reason,
        "by": me(),
    }
    if throttle is not None:
        body["rate_per_minute"] = throttle
    if minutes is not None:
        body["minutes"] = minutes
    if reason.startswith("inc-") and " " not in reason:
        body["incident_id"] = reason
    with result_only() as say:
        answer = asked_of_worker(embedded, settings_of(config), "PUT", _path(target), body)["control"]
        expires = answer.get("expires_at")
        until = "until released" if expires is None else f"until {instant(int(expires))[:19].replace('T', ' ')} UTC"
        said = f"{answer['id']}: {answer['mode']} {answer['action']}, {until}, in routers that ask"
        say(one_json({"control": answer}) if as_json else said)


@command.command("release")
@click.argument("target", metavar="TARGET")
@click.option("--reason", required=True, metavar="TEXT", help="For the history.")
@embedded_option()
@config_option()
@json_option()
def release(target: str, reason: str, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """End a control; policies do not set it again for the same incident."""
    from streams.cli.output import one_json, result_only

    with result_only() as say:
        body = {"reason": reason, "by": me()}
        answer = asked_of_worker(embedded, settings_of(config), "DELETE", _path(target), body)["control"]
        say(one_json({"control": answer}) if as_json else f"{answer['id']}: released")


def _split(target: str) -> tuple[str, str]:
    scope, _, subject = target.partition(":")
    if scope not in {"run", "agent", "key"} or not subject:
        raise click.UsageError(f"{target!r} is no target: use run:ID, agent:ID or key:ID")
    return scope, subject


def _path(target: str) -> str:
    scope, subject = _split(target)
    return f"/v1/controls/{scope}/{quote(subject, safe='')}"


def _control(row: list[Any]) -> dict[str, Any]:
    from streams.alert.message import instant

    id_, number, mode, action, rate, reason, incident, policy, by, since, expires, released, active = row
    return {
        "id": id_,
        "number": int(number),
        "mode": mode,
        "action": action,
        "rate_per_minute": rate,
        "reason": reason,
        "incident_id": incident,
        "policy": policy,
        "by": by,
        "since": instant(int(since)),
        "expires_at": None if expires is None else instant(int(expires)),
        "released": bool(released),
        "active": bool(active),
    }


def _listed(found: list[dict[str, Any]]) -> str:
    from streams.cli.tables import drawn

    rows = [
        [
            one["id"],
            one["mode"],
            one["action"] + (f" {float(one['rate_per_minute']):g}/min" if one["rate_per_minute"] else ""),
            one["by"] or f"policy {one['policy']}",
            one["since"][:19].replace("T", " "),
            "released" if one["released"] else (one["expires_at"] or "till released")[:19].replace("T", " "),
            one["reason"],
        ]
        for one in found
    ]
    return drawn(["control", "mode", "action", "by", "since", "until", "reason"], rows)
