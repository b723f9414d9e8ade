"""`spendstream dashboards`: the Grafana boards as files: build them, check them without Grafana, push them into one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import MOMENT, config_option, embedded_option, json_option, settings_of
from streams.cli.overview import Overview
from streams.counted import counted

if TYPE_CHECKING:
    from streams.boards.check import Asked, Report


@click.group("dashboards", cls=Overview)
def command() -> None:
    """Grafana boards: build their JSON, check every query without Grafana, push them into a Grafana.

    docker-compose mounts boards and alert rules as files; `push` is for a Grafana of your own.

    \b
    Examples:
      spendstream dashboards check
      spendstream dashboards push --url https://grafana.example.com --dry-run
    """


@command.command("build")
@click.option(
    "--check", "only_look", is_flag=True, help="Write nothing; exit code 1 when a file differs from the code."
)
def build(only_look: bool) -> None:
    """Write dashboards/json and the alert rules from the Python beside them, in a checkout."""
    from streams.boards.files import folder, stale, write
    from streams.errors import UsageError

    try:
        from dashboards.render import render
    except ImportError as error:
        raise UsageError(f"boards are built in a checkout, with pip install -e '.[dev]' ({error})") from error
    if only_look:
        different = stale(folder(), render())
        if different:
            raise click.ClickException(
                "differ from the code: " + ", ".join(different) + " (spendstream dashboards build)"
            )
        return
    click.echo("\n".join(f"wrote {name}" for name in write(folder(), render())) or "all files are as the code says")


@command.command("check")
@embedded_option()
@click.option(
    "--server", is_flag=True, help="Check on the ClickHouse server of the settings, in place of a made-up ledger."
)
@click.option("--at", type=MOMENT, metavar="TIME", help="End of all time ranges, UTC. [default: now]")
@click.option("--timings", is_flag=True, help="Print time and rows read of every query with everything chosen.")
@config_option()
@json_option()
def check_command(
    embedded: Path | None, server: bool, at: int | None, timings: bool, config: Path | None, as_json: bool
) -> None:
    """Run every query of all boards and alert rules, with All, one, several and hostile values; exit code 1 for faults.

    Without DIR or --server on a made-up ledger of 60,000 rows in a temporary place. On a ledger of yours, panels
    may be empty.

    \b
    Examples:
      spendstream dashboards check
      spendstream dashboards check --embedded spend --timings
    """
    from datetime import UTC

    from streams.boards.check import check
    from streams.boards.files import read
    from streams.cli.output import one_json, result_only

    if embedded is not None and server:
        raise click.UsageError("--embedded and --server exclude each other")
    now = datetime.now(UTC) if at is None else datetime.fromtimestamp(at / 1000, UTC)
    own = embedded is not None or server
    with result_only() as say:
        with _ledger(embedded, own, now, config) as ledger:
            report = check(ledger, read(), now, filled=not own)
        if as_json:
            ran = [
                {"board": r.board, "title": r.title, "query": r.query, "choice": r.choice, "rows": r.rows,
                 "rows_read": r.rows_read, "ms": round(r.seconds * 1000, 1)}
                for r in report.ran
            ]  # fmt: skip
            say(one_json({"faults": report.faults, "ran": ran}))
        else:
            say(_told(report, timings))
    if report.faults:
        raise click.ClickException(counted(len(report.faults), "fault"))


def _told(report: Report, timings: bool) -> str:
    lines = list(report.faults)
    if timings:
        lines += [
            f"{one.board:8} {one.title:30.30} {one.rows:6,} rows {one.rows_read:12,} read {one.seconds * 1000:9.1f} ms"
            for one in report.ran
            if one.choice in {"everything", "alert"}
        ]
    return "\n".join([*lines, f"{counted(len(report.ran), 'query', 'queries')} ran"])


@contextlib.contextmanager
def _ledger(embedded: Path | None, own: bool, now: datetime, config: Path | None) -> Iterator[Asked]:
    from streams.cli.reach import EngineLedger, reach

    if own:
        with reach(embedded, settings_of(config).clickhouse_url.get_secret_value()) as ledger:
            yield ledger
        return
    import tempfile

    from streams.boards.sample import Sample, fill
    from streams.ledger.client import Database
    from streams.ledger.migrate import migrate

    with tempfile.TemporaryDirectory(prefix="spendstream-boards-") as place:
        with contextlib.closing(Database(f"chdb://{place}", create=True)) as database:
            migrate(database)
            fill(database, Sample(end=now))
        with contextlib.closing(EngineLedger(Path(place))) as made:
            yield made


@command.command("push")
@click.option(
    "--url", envvar="SPENDSTREAM_GRAFANA_URL", required=True, help="http(s)://host:3000 [SPENDSTREAM_GRAFANA_URL]"
)
@click.option(
    "--token",
    envvar="SPENDSTREAM_GRAFANA_TOKEN",
    default="",
    help="Of a service account with role Admin; better in SPENDSTREAM_GRAFANA_TOKEN than on the command line.",
)
@click.option(
    "--clickhouse-url",
    envvar="SPENDSTREAM_GRAFANA_CLICKHOUSE_URL",
    help="Make or update the data source: http(s)://user:password@host:8123/database of a read-only user, as Grafana"
    " reaches it. Without it, there must be one.",
)
@click.option(
    "--datasource-uid", default="spendstream", show_default=True, help="The data source that alert rules ask."
)
@click.option("--no-alerts", is_flag=True, help="Boards only.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite boards that were changed by hand.")
@json_option()
def push_command(
    url: str,
    token: str,
    clickhouse_url: str | None,
    datasource_uid: str,
    no_alerts: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Put data source, folder, boards and alert rules into a Grafana. Running it again changes nothing.

    \b
    Examples:
      spendstream dashboards push --url http://localhost:3000 --dry-run
      spendstream dashboards push --url https://grafana.example.com --datasource-uid clickhouse
    """
    from streams.boards.files import read
    from streams.boards.grafana import Grafana
    from streams.boards.push import Options, push
    from streams.cli.output import one_json, result_only

    options = Options(datasource_uid, clickhouse_url or None, not no_alerts, force)
    with result_only() as say:
        with contextlib.closing(Grafana(url, token, dry_run=dry_run)) as grafana:
            changes = push(grafana, read(), options)
        if as_json:
            told = [{"kind": c.kind, "name": c.name, "action": c.action, "why": c.why} for c in changes]
            say(one_json({"dry_run": dry_run, "changes": told}))
        else:
            word = (
                {"create": "would create", "update": "would update"}
                if dry_run
                else {"create": "created", "update": "updated"}
            )
            say(
                "\n".join(
                    f"{word.get(c.action, c.action)} {c.kind} {c.name}" + f" ({c.why})" * bool(c.why) for c in changes
                )
            )


@command.command("annotate")
@click.argument("text")
@click.option(
    "--url", envvar="SPENDSTREAM_GRAFANA_URL", required=True, help="http(s)://host:3000 [SPENDSTREAM_GRAFANA_URL]"
)
@click.option("--token", envvar="SPENDSTREAM_GRAFANA_TOKEN", default="", help="Of a service account; as for push.")
@click.option("--kind", default="deployment", show_default=True, help="Tag by which boards tell annotations apart.")
@click.option("--at", type=MOMENT, metavar="TIME", help="UTC. [default: now]")
@click.option("--until", type=MOMENT, metavar="TIME", help="UTC; without it, a moment.")
@click.option("--team", default="", help="Whose it is.")
@json_option()
def annotate_command(
    text: str, url: str, token: str, kind: str, at: int | None, until: int | None, team: str, as_json: bool
) -> None:
    """Put a mark on the time line of all boards: a deployment, a change of routing, a migration.

    Incidents, ratings and edits of prices, budgets and plans are marked by the workers themselves, once grafana_url and
    grafana_token are set. The same text at the same time is written once.

    \b
    Examples:
      spendstream dashboards annotate "coder 3.1 deployed" --team payments
      spendstream dashboards annotate "routing: 20 % to haiku" --kind routing --at 2026-10-01T09:00:00Z
    """
    import hashlib
    import time

    from streams.boards.annotate import Annotation, write
    from streams.boards.grafana import Grafana
    from streams.cli.output import one_json, result_only

    at_ms = time.time_ns() // 1_000_000 if at is None else at
    if until is not None and until < at_ms:
        raise click.UsageError("--until lies before --at")
    id_ = hashlib.sha256(f"{kind}\0{at_ms}\0{text}\0{team}".encode()).hexdigest()[:24]
    with result_only() as say:
        with contextlib.closing(Grafana(url, token)) as grafana:
            number = write(grafana, Annotation(id_, kind, at_ms, until or 0, text, team))
        say(one_json({"annotation": number}) if as_json else f"annotation {number}")
