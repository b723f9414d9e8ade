"""`spendstream incidents`: what runs away, what was done about it, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from streams.cli.asking import DefaultGroup, asked_of_worker, me
from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted


@click.group("incidents", cls=DefaultGroup)
def command() -> None:
    """Runaways: list them, look at one, acknowledge, silence or resolve it.

    Without a word after it, `list`. Reading works on any ledger; acknowledge, silence and resolve ask a running worker,
    and the watcher applies them within a second. ID may be the beginning of an id.

    \b
    Examples:
      spendstream incidents --embedded spend
      spendstream incidents show inc-1f6a --embedded spend
      spendstream incidents acknowledge inc-1f6a --reason "on it"
    """


@command.command("list")
@embedded_option()
@click.option("--all", "everything", is_flag=True, help="Also what is resolved.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@config_option()
@json_option()
def list_(embedded: Path | None, everything: bool, limit: int, config: Path | None, as_json: bool) -> None:
    """Open incidents, the dearest first."""
    from streams.alert.look import incident_list
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            found = incident_list(ledger, "all" if everything else "open", limit)
        say(one_json({"incidents": found}) if as_json else _listed(found, everything))


@command.command("show")
@click.argument("incident_id", metavar="ID")
@embedded_option()
@config_option()
@json_option()
def show(incident_id: str, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """One incident: what, who, since when, how much so far, its history, who was told, its controls, what to do."""
    from streams.alert.look import incident_named, incident_shown
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.errors import UsageError

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            named = incident_named(ledger, incident_id)
            found = None if named is None else incident_shown(ledger, named)
        if found is None:
            raise UsageError(f"there is no incident {incident_id!r}: `spendstream incidents list --all` shows them")
        say(one_json(found) if as_json else _shown(found, embedded))


@command.command("acknowledge")
@click.argument("incident_id", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="For the history.")
@embedded_option()
@config_option()
@json_option()
def acknowledge(incident_id: str, reason: str, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """You have taken it: say so in its history."""
    _act("acknowledge", incident_id, {"reason": reason}, embedded, config, as_json)


@command.command("silence")
@click.argument("incident_id", metavar="ID")
@click.option("--minutes", type=click.IntRange(1, 43_200), default=60, show_default=True, help="For how long.")
@click.option("--reason", default="", metavar="TEXT", help="For the history.")
@embedded_option()
@config_option()
@json_option()
def silence(
    incident_id: str, minutes: int, reason: str, embedded: Path | None, config: Path | None, as_json: bool
) -> None:
    """Tell nobody of its changes for a while; it is watched all the same."""
    _act("silence", incident_id, {"reason": reason, "minutes": minutes}, embedded, config, as_json)


@command.command("resolve")
@click.argument("incident_id", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="For the history.")
@embedded_option()
@config_option()
@json_option()
def resolve(incident_id: str, reason: str, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """It is over; controls that policies set for it end with it. If it goes on it opens again."""
    _act("resolve", incident_id, {"reason": reason}, embedded, config, as_json)


def _act(
    action: str, text: str, body: dict[str, Any], embedded: Path | None, config: Path | None, as_json: bool
) -> None:
    from streams.alert.look import incident_named
    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.embedded.directory import find_running

    settings = settings_of(config)
    with result_only() as say:
        id_ = text
        if embedded is None or find_running(embedded) is not None:
            with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
                id_ = incident_named(ledger, text) or text
        answer = asked_of_worker(
            embedded, settings, "POST", f"/v1/incidents/{quote(id_, safe='')}/{action}", body | {"by": me()}
        )
        done = f"{action} of {answer['incident_id']} accepted, by {answer['by']}"
        say(one_json(answer) if as_json else f"{done}; `spendstream incidents show` has it within a second")


def _listed(found: list[dict[str, Any]], everything: bool) -> str:
    if not found:
        return "no incidents" if everything else "no open incidents"
    from streams.cli.tables import drawn

    rows = [
        [
            one["incident_id"],
            one["severity"] + ("" if one["state"] == "open" else f", {one['state']}"),
            one["kind"],
            one["team_id"],
            one["agent_id"],
            one["run_id"],
            _short(one["first_abnormal_at"]),
            f"{one['calls']:,}",
            _dollars(one["cost_usd"]),
            one["acknowledged_by"] or ("silenced" if one["silenced_until"] else ""),
        ]
        for one in found
    ]
    money = "cost" if everything else "so far"
    header = ["incident", "severity", "kind", "team", "agent", "run", "since", "calls", money, "taken by"]
    return drawn(header, rows, right={7, 8})


def _shown(found: Mapping[str, Any], embedded: Path | None) -> str:
    from streams.alert.words import quoted

    one = found["incident"]
    where = f"{one['agent_id']}, run {one['run_id']}" if one["run_id"] else one["agent_id"]
    lines = [
        f"{one['incident_id']}: {one['kind']} in {where} ({one['severity']}, {one['state']})",
        f"  what    {one['evidence']}",
        *(f"  also    {kind}: {words}" for kind, words in one["kinds"].items() if kind != one["kind"]),
        f"  who     {_who(one)}",
        f"  since   {_short(one['first_abnormal_at'])} (call {one['first_call_id']})",
        f"  noticed {_short(one['opened_at'])}, after {counted(one['calls_before_open'], 'call')} and "
        f"{_dollars(one['cost_before_open_usd'])}",
        f"  {'in all' if one['resolved_at'] else 'so far'}  "
        f"{counted(one['calls'], 'call')}, {_dollars(one['cost_usd'])}"
        + (f"; over since {_short(one['resolved_at'])}" if one["resolved_at"] else ""),
    ]
    if one["silenced_until"]:
        lines.append(f"  silenced until {_short(one['silenced_until'])}")
    lines.append("history")
    for change in found["history"]:
        # A person acts by the clock; the detector goes by the time of calls.
        by = f" by {change['by']} at {_short(change['recorded_at'])}" if change["by"] else ""
        why = f": {change['reason']}" if change["reason"] else ""
        figures = f"{counted(change['calls'], 'call')}, {_dollars(change['cost_usd'])}"
        lines.append(f"  {_short(change['at'])}  {change['change']}{by}{why} ({change['severity']}, {figures})")
    lines.append("told")
    for told in found["notices"]:
        to = f" to {told['channel']}" if told["channel"] else ""
        tries = f", {told['attempts']} tries" if told["attempts"] > 1 else ""
        error = f" ({told['error']})" if told["error"] else ""
        state = "nobody (no route, or told before)" if told["state"] == "unrouted" else told["state"]
        lines.append(f"  {_short(told['at'])}  {told['change']}{to}: {state}{tries}{error}")
    if not found["notices"]:
        lines.append("  nobody")
    if found["controls"]:
        lines.append("controls")
        for control in found["controls"]:
            by = control["by"] or f"policy {control['policy']}"
            until = "released" if control["released"] else f"until {_short(control['expires_at'] or 'released')}"
            lines.append(f"  {control['id']}  {control['mode']} {control['action']} by {by}, {until}")
    if found["next"]:
        lines.append("next")
        here = "" if embedded is None else f" --embedded {quoted(str(embedded))}"
        lines += [f"  {step}{here if step.startswith('spendstream ') else ''}" for step in found["next"]]
    return "\n".join(lines)


def _who(one: Mapping[str, Any]) -> str:
    parts = [f"{name} {one[key]}" for name, key in (("team", "team_id"), ("tier", "tier")) if one[key]]
    if len(one["runs"]) > 1:
        parts.append(f"{len(one['runs'])} runs")
    if one["acknowledged_by"]:
        parts.append(f"taken by {one['acknowledged_by']}")
    return ", ".join([f"agent {one['agent_id']}", *parts])


def _short(instant: str) -> str:
    """To the second."""
    return f"{instant[:19].replace('T', ' ')}" if instant[:1].isdigit() else instant


def _dollars(amount: str) -> str:
    from decimal import Decimal

    from streams.alert.words import dollars

    return dollars(Decimal(amount))
