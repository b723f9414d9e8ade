"""Migrations run forward on an empty and on a filled database, twice, and refuse what they cannot answer for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streams.errors import LedgerError, Unavailable, UsageError
from streams.ledger.client import Database
from streams.ledger.migrate import Migration, migrate, migrations, statements
from streams.ledger.retention import apply_retention
from streams.ledger.store import LedgerStore
from streams.meter.rows import ledger_table
from tests.fakes import BASE_MS, Steps, batch_of, call, partition_meter


def tables(database: Database) -> set[str]:
    return {row[0] for row in database.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")}


def fill(database: Database) -> None:
    store = LedgerStore(database)
    metered = Steps().run(partition_meter(epoch=store.fence(0, "w")), batch_of(call("a"), call("a"), call("b")))
    columns, table = ledger_table([metered], BASE_MS)
    store.write(columns, table, "t")


def more(number: int, *sql: str) -> Migration:
    return Migration(number, f"more_{number}", f"{number:064d}", sql)


def test_an_empty_database_gets_everything_once(database: Database) -> None:
    assert migrate(database, dry_run=True) == migrations()
    assert tables(database) == set(), "a dry run changes nothing"
    assert migrate(database) == migrations()
    assert {"intake", "epochs", "migrations", "calls", "rejects", "duplicates", "spend_by_hour"} <= tables(database)
    assert migrate(database) == []
    assert migrate(database, dry_run=True) == []
    recorded = database.rows("SELECT number, name, sha256 FROM migrations ORDER BY number")
    assert recorded == [(m.number, m.name, m.sha256) for m in migrations()]


def test_every_statement_can_run_twice_on_a_filled_database(database: Database) -> None:
    """A crash may come between a statement and the record of its file."""
    migrate(database)
    fill(database)
    database.command("TRUNCATE TABLE migrations")
    assert migrate(database) == migrations()
    assert database.rows("SELECT count() FROM calls") == [(2,)]
    assert database.rows("SELECT sum(calls) FROM spend_by_hour") == [(2,)]


def test_a_later_migration_runs_forward_on_a_filled_database(database: Database) -> None:
    migrate(database)
    fill(database)
    last = migrations()[-1].number
    known = [*migrations(), more(last + 1, "ALTER TABLE intake ADD COLUMN IF NOT EXISTS extra UInt8 DEFAULT 7")]
    assert [m.number for m in migrate(database, known=known)] == [last + 1]
    assert database.rows("SELECT DISTINCT extra FROM intake") == [(7,)]


def test_a_changed_file_is_refused(database: Database) -> None:
    migrate(database)
    changed = [replace(migrations()[0], sha256="0" * 64), *migrations()[1:]]
    with pytest.raises(LedgerError, match="0001_ledger was applied and has changed since"):
        migrate(database, known=changed)


def test_a_newer_ledger_is_refused(database: Database) -> None:
    last = migrations()[-1].number
    migrate(database, known=[*migrations(), more(last + 1, "SELECT 1")])
    with pytest.raises(LedgerError, match=f"at migration {last + 1}, this version knows {last}"):
        migrate(database)


def test_a_failed_migration_is_not_recorded_and_runs_again(database: Database) -> None:
    migrate(database)
    last = migrations()[-1].number
    create = "CREATE TABLE IF NOT EXISTS half (n UInt8) ENGINE = Memory"
    with pytest.raises(LedgerError):
        migrate(database, known=[*migrations(), more(last + 1, create, "SELECT nonsense")])
    assert "half" in tables(database)
    assert migrate(database) == []
    fixed = [*migrations(), more(last + 1, create, "SELECT 1")]
    assert [m.number for m in migrate(database, known=fixed)] == [last + 1]


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1;\n", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sql", "0001_b.sql"], "one number"),
        (["1_a.sql"], "NNNN_words"),
        (["0001_A-b.sql"], "NNNN_words"),
    ],
)
def test_numbers_and_names_are_checked(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        migrations(write(tmp_path, *names))


def test_files_in_order(tmp_path: Path) -> None:
    found = migrations(write(tmp_path, "0002_b.sql", "0001_a.sql", "README.md"))
    assert [(m.number, m.name, m.statements) for m in found] == [(1, "a", ("SELECT 1",)), (2, "b", ("SELECT 1",))]


def test_numbers_may_have_holes_and_what_is_missing_is_applied_later(database: Database) -> None:
    first, last = more(1, "CREATE TABLE IF NOT EXISTS one (a UInt8) ENGINE = Memory"), more(7, "SELECT 1")
    assert [m.number for m in migrate(database, known=[first, last])] == [1, 7]
    between = more(4, "CREATE TABLE IF NOT EXISTS four (a UInt8) ENGINE = Memory")
    assert [m.number for m in migrate(database, known=[first, between, last])] == [4]
    assert {"one", "four"} <= tables(database)
    assert migrate(database, known=[first, between, last]) == []


def test_statements_end_at_the_end_of_a_line() -> None:
    text = "-- a comment;\nSELECT ';' AS a; -- no end\n  , 2;  \n\n  -- more\nSELECT 3\n;\n"
    assert statements(text) == ["SELECT ';' AS a; -- no end\n  , 2", "SELECT 3"]
    assert statements("") == []


def test_retention_is_set_changed_and_taken_away(database: Database) -> None:
    def engine() -> str:
        return str(
            database.rows(
                "SELECT engine_full FROM system.tables WHERE name = 'intake' AND database = currentDatabase()"
            )
        )

    migrate(database)
    apply_retention(database, 0)
    assert " TTL " not in engine()
    for days in (90, 90, 9, 900):
        apply_retention(database, days)
        assert f"toIntervalDay({days})" in engine()
        assert engine().count("toIntervalDay") == 1
    assert "ttl_only_drop_parts = 1" in engine()
    apply_retention(database, 0)
    assert " TTL " not in engine()


# -- the door --------------------------------------------------------------------------------------------------------


def test_urls_that_are_none_are_refused_without_their_password() -> None:
    with pytest.raises(UsageError) as caught:
        Database("tcp://user:s3cret@host:9000/x")
    assert "s3cret" not in str(caught.value)
    assert "http(s)://host:8123 or chdb:///directory" in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told() -> None:
    with pytest.raises(Unavailable) as caught:
        Database("http://user:s3cret@127.0.0.1:9/x")
    assert "127.0.0.1:9" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_faults_are_sorted(database: Database) -> None:
    with pytest.raises(LedgerError, match="refused"):
        database.command("SELECT nonsense")
    with pytest.raises(Unavailable, match="cannot do it now"):
        database.rows("SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_execution_time = 1, max_block_size = 1")
    assert database.rows("SELECT 1") == [(1,)], "a fault leaves the connection usable"


def test_a_closed_database_says_so(chdb_url: str) -> None:
    database = Database(chdb_url, database="closing", create=True)
    database.close()
    with pytest.raises(LedgerError, match="closed"):
        database.rows("SELECT 1")


def test_many_threads_at_once(database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda n: database.rows(f"SELECT {n}")[0][0], range(60))) == list(range(60))


def test_a_query_gives_columns_rows_and_arrow(database: Database) -> None:
    sql = "SELECT {n:UInt8} AS n, {s:String} AS s"
    parameters = {"n": 7, "s": "it's \\ \t\n\u2603"}
    assert database.table(sql, parameters) == (["n", "s"], [(7, parameters["s"])])
    assert database.arrow(sql, parameters).to_pylist() == [parameters]
