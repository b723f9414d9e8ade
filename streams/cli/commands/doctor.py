"""`spendstream doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of

if TYPE_CHECKING:
    from streams.doctor.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@embedded_option()
@config_option()
@json_option()
@click.pass_context
def command(ctx: click.Context, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """Look at everything that a running meter needs, and say what to do where something is wrong.

    Settings and files, price book, disk, broker, topics, consumer group, database, rights, migrations, clocks, the
    ledger's place in the log, and the worker's own word. Changes nothing. Exit code 1 when a finding fails.

    \b
    Examples:
      spendstream doctor
      spendstream doctor --embedded spend --json
    """
    from streams.cli.output import one_json, result_only
    from streams.colour import coloured
    from streams.doctor.examine import examine
    from streams.doctor.finding import failed
    from streams.doctor.local import settings_findings
    from streams.errors import SettingsError

    colours = coloured(sys.stdout)
    with result_only() as say:
        try:
            settings = settings_of(config)
        except SettingsError as error:
            # Nothing else can be trusted to be the right thing to look at.
            findings = settings_findings(error.faults)
        else:
            findings = settings_findings(()) + examine(settings, embedded)
        bad = failed(findings)
        if as_json:
            listed = [{"check": f.check, "level": f.level, "what": f.what, "todo": f.todo} for f in findings]
            say(one_json({"ok": not bad, "findings": listed}))
        else:
            say(_in_words(findings, colours))
    if bad:
        ctx.exit(1)


def _in_words(findings: list[Finding], colours: bool) -> str:
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        mark = f"{finding.level:<4}"
        if colours:
            mark = click.style(mark, fg=COLOURS[finding.level], bold=finding.level != "ok")
        lines.append(f"{mark}  {finding.check:<{width}}  {finding.what}")
        if finding.todo:
            lines.append(f"{'':<4}  {'':<{width}}  → {finding.todo}")
    levels = [finding.level for finding in findings]
    lines.append(f"{levels.count('ok')} ok, {levels.count('warn')} to look at, {levels.count('fail')} wrong")
    return "\n".join(lines)
