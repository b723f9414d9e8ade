"""`spendstream audit`: does the ledger add up? Exit code 1 when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of
from streams.counted import counted

if TYPE_CHECKING:
    from streams.ledger.audit import AuditReport

PAUSE_S = 0.25


@click.command("audit")
@embedded_option()
@config_option()
@json_option()
@click.pass_context
def command(ctx: click.Context, /, embedded: Path | None, config: Path | None, as_json: bool) -> None:
    """Prove that nothing was lost and nothing doubled. Exit code 1, and what and where, when it does not hold.

    Every position of the log is in the ledger once; received = calls + duplicates + rejects + moved; no row of a worker
    that had lost its partition; no call twice; roll-ups equal the rows. Reads only, beside a running worker too.

    \b
    Examples:
      spendstream audit --embedded spend
      SPENDSTREAM_CLICKHOUSE_URL=http://reader:secret@ch:8123/spendstream spendstream audit --json
    """
    import time

    from streams.cli.output import one_json, result_only
    from streams.cli.reach import reach
    from streams.ledger.audit import audit

    settings = settings_of(config)
    with result_only() as say:
        with reach(embedded, settings.clickhouse_url.get_secret_value()) as ledger:
            report = audit(ledger, pause=lambda: time.sleep(PAUSE_S))
        say(one_json(report.as_json()) if as_json else _in_words(report))
    if not report.ok:
        ctx.exit(1)


def _in_words(report: AuditReport) -> str:
    counts = report.counts
    lines = [
        f"{counts.received:,} received = {counted(counts.calls, 'call')} + {counted(counts.duplicates, 'duplicate')} + "
        + counted(counts.rejects, "reject")
        + (f" + {counts.moved:,} moved" if counts.moved else "")
    ]
    lines += [f"warning: {one.check}: {one.where}: {one.what}" for one in report.warnings]
    lines += [f"WRONG: {one.check}: {one.where}: {one.what}" for one in report.findings]
    if report.ok:
        lines.append("the ledger adds up")
    else:
        lines.append(f"the ledger does NOT add up: {counted(len(report.findings), 'finding')}")
    return "\n".join(lines)
