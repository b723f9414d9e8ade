"""Numbered SQL migrations, forward only.

A file `sql/migrations/NNNN_name.sql` is a list of statements, each ended by `;` at the end of a line; each must be
able to run twice (`IF NOT EXISTS`, `OR REPLACE`), since a crash may come between a statement and the record of its
file. Applied files are recorded by number with a hash: a file that was changed afterwards is refused. Numbers may have
holes and may arrive in any order (several people write migrations at once): whatever is not recorded is applied, lowest
number first. So no migration may need one with a higher number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.errors import LedgerError
from streams.ledger.client import Database
from streams.ledger.sqlfiles import SQL

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations
(number UInt32, name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`."""

    number: int
    name: str
    sha256: str
    statements: tuple[str, ...]


def migrations(folder: Path | None = None) -> list[Migration]:
    """All migrations in order of their numbers, which may have holes. Raises `LedgerError` when one is doubled."""
    found: list[Migration] = []
    for path in sorted((folder or SQL / "migrations").glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match:
            raise LedgerError(f"{path.name}: a migration is named NNNN_words.sql")
        text = path.read_text("utf-8")
        found.append(
            Migration(int(match[1]), match[2], hashlib.sha256(text.encode()).hexdigest(), tuple(statements(text)))
        )
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers):
        raise LedgerError(f"two migrations have one number: {numbers}")
    return found


def statements(text: str) -> list[str]:
    """The statements of a file, without comment lines."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in re.split(r";[ \t]*(?:\n|$)", "\n".join(lines)) if part.strip()]


def migrate(database: Database, *, dry_run: bool = False, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Apply what is not applied yet; returns that (with `dry_run`: what would be).

    Raises `LedgerError` when the ledger was written by a newer version or an applied file was changed.
    """
    known = migrations() if known is None else known
    applied: dict[int, str] = {}
    exists = database.rows(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'"
    )
    if exists[0][0]:
        applied = {
            int(number): str(sha)
            for number, sha in database.rows("SELECT number, any(sha256) FROM migrations GROUP BY number")
        }
    newest = max((migration.number for migration in known), default=0)
    unknown = applied.keys() - {migration.number for migration in known}
    if unknown:
        raise LedgerError(
            f"the ledger is at migration {max(unknown)}, this version knows {newest}: use a newer version"
        )
    for migration in known:
        if migration.number in applied and applied[migration.number] != migration.sha256:
            raise LedgerError(
                f"migration {migration.number:04d}_{migration.name} was applied and has changed since: "
                "restore the file and put the change into a new one"
            )
    pending = [migration for migration in known if migration.number not in applied]
    if dry_run:
        return pending
    if pending:
        database.command(_RECORD)
    for migration in pending:
        for statement in migration.statements:
            database.command(statement)
        database.command(
            "INSERT INTO migrations (number, name, sha256) SELECT {number:UInt32}, {name:String}, {sha:String}",
            {"number": migration.number, "name": migration.name, "sha": migration.sha256},
        )
    return pending
