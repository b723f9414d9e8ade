"""The ledger for a command that writes to it (`streams.cli.reach` is for those that only read).

    with writable(embedded, url) as database: ...

- DIR that nobody uses: this process owns it meanwhile.
- DIR in use: chDB belongs to the process that runs there, so `UsageError` says who that is and what to do.
- No DIR: the server of the settings.

With `reading`, a DIR in use is no fault: its worker's read-only endpoint answers instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.older import AT_SERVERS, AT_WORKER, older
from streams.errors import NotPossible, UsageError

if TYPE_CHECKING:
    from streams.ledger.client import Database


@contextlib.contextmanager
def writable(embedded: Path | None, clickhouse_url: str, *, reading: bool = False) -> Iterator[Database]:
    """A connection with the tables up to date (not with `reading`: then nothing is changed at all)."""
    from streams.ledger.client import Database
    from streams.ledger.migrate import migrate

    if embedded is None:
        with contextlib.closing(Database(clickhouse_url)) as database:
            _up_to_date(database, reading, AT_SERVERS)
            yield database
        return
    from streams.embedded.directory import Layout, find_running, own

    layout = Layout(embedded.expanduser().absolute())
    if not (layout.ledger / "metadata").is_dir():
        raise UsageError(f"no ledger in {embedded}: `spendstream replay FILES --embedded {embedded}` makes one")
    running = find_running(layout.root)
    if running is not None:
        if reading:
            with contextlib.closing(Database(f"http://{running.clickhouse}/spendstream")) as database:
                _up_to_date(database, reading, AT_WORKER)
                yield database
            return
        raise NotPossible(
            f"process {running.pid} works in {embedded}, and an embedded ledger is written by one process only: stop "
            f"it (`kill {running.pid}`), run this again, and start it again"
        )
    with own(layout.root) as owned, contextlib.closing(Database(f"chdb://{owned.layout.ledger}")) as database:
        migrate(database)  # ours meanwhile; a ledger of an older version lacks the tables that are read
        yield database


def _up_to_date(database: Database, reading: bool, todo: str) -> None:
    """Bring the tables up to date; with `reading`, refuse a ledger of an older version, which lacks what is read."""
    from streams.ledger.migrate import migrate

    pending = migrate(database, dry_run=reading)
    if reading and pending:
        raise older(len(pending), todo)
