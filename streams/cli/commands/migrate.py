"""`spendstream migrate`: brings the ledger's tables up to date, or says what it would do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import config_option, embedded_option, json_option, settings_of

if TYPE_CHECKING:
    from streams.ledger.client import Database
    from streams.ledger.migrate import Migration


@click.command("migrate")
@embedded_option()
@click.option("--dry-run", is_flag=True, help="Say what would be applied, and change nothing.")
@config_option()
@json_option()
def command(embedded: Path | None, dry_run: bool, config: Path | None, as_json: bool) -> None:
    """Apply the migrations that the ledger does not have yet. Running it again does nothing.

    Workers do the same when they start; this is for those who give workers no right to create tables, for looking
    first, and for a directory that an older version made.

    \b
    Examples:
      spendstream migrate --dry-run
      spendstream migrate --embedded spend
      SPENDSTREAM_CLICKHOUSE_URL=http://admin:secret@ch:8123/spendstream spendstream migrate
    """
    from streams.cli.output import one_json, result_only
    from streams.logs import configure_logs

    settings = settings_of(config)
    with result_only() as say:
        configure_logs("error", settings.log_format)
        done = _migrated(embedded, settings.clickhouse_url.get_secret_value(), dry_run)
        names = [f"{migration.number:04d}_{migration.name}" for migration in done]
        if as_json:
            say(one_json({"dry_run": dry_run, "pending" if dry_run else "applied": names}))
        elif not names:
            say("the ledger is up to date")
        else:
            say("\n".join(f"{'would apply' if dry_run else 'applied'} {name}" for name in names))


def _migrated(embedded: Path | None, clickhouse_url: str, dry_run: bool) -> list[Migration]:
    from streams.embedded.directory import Layout
    from streams.ledger.migrate import migrate, migrations

    if dry_run and embedded is not None and not (Layout(embedded.expanduser().absolute()).ledger / "metadata").is_dir():
        return migrations()  # opening the directory would make one
    with _database(embedded, clickhouse_url, dry_run) as database:
        return migrate(database, dry_run=dry_run)


@contextlib.contextmanager
def _database(embedded: Path | None, clickhouse_url: str, dry_run: bool) -> Iterator[Database]:
    from streams.ledger.client import Database

    if embedded is None:
        # A dry run changes nothing, not even by making the database.
        with contextlib.closing(Database(clickhouse_url, create=not dry_run)) as database:
            yield database
        return
    from streams.embedded.directory import own

    with own(embedded) as owned, contextlib.closing(Database(f"chdb://{owned.layout.ledger}", create=True)) as database:
        yield database
