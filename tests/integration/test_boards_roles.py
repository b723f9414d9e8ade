"""`sql/roles.sql`: well-formed, about columns that exist, and its row policies let through what they say.

chDB refuses users and roles (it has no access control), so the grants themselves were never in force in a test: each
statement is parsed by the engine, and the conditions of the policies are run as conditions of queries.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from streams.boards.sample import Sample, fill
from streams.errors import LedgerError
from streams.ledger.client import Database
from streams.ledger.migrate import migrate, statements
from streams.ledger.sqlfiles import SQL

STATEMENTS = statements((SQL / "roles.sql").read_text("utf-8"))


@pytest.mark.parametrize("statement", STATEMENTS, ids=[" ".join(one.split()[:5]) for one in STATEMENTS])
def test_the_engine_parses_it(database: Database, statement: str) -> None:
    first = str(database.rows(f"EXPLAIN AST {statement}")[0][0]).split()[0]
    kinds = ("CreateSettingsProfileQuery", "CreateRoleQuery", "CreateQuery", "GrantQuery", "CREATE", "CreateUserQuery")
    assert first in kinds, first


def test_the_parser_would_find_a_fault(database: Database) -> None:
    with pytest.raises(LedgerError, match=r"SYNTAX_ERROR|Syntax error"):
        database.rows("EXPLAIN AST CREATE ROLE IF NOT EXISTS spendstream_finance SETTINGS PROFIL 'x'")


def test_chdb_refuses_users_which_is_why_they_are_only_parsed(database: Database) -> None:
    with pytest.raises(LedgerError):
        database.command("CREATE ROLE spendstream_finance")


def test_granted_columns_exist_and_withheld_ones_are_not_granted(database: Database) -> None:
    migrate(database)
    for statement in STATEMENTS:
        match = re.match(r"GRANT SELECT\s*\((.*?)\)\s*ON spendstream\.(\w+)", statement, re.DOTALL)
        if not match:
            continue
        granted = {name.strip() for name in match[1].split(",")}
        known = {str(row[0]) for row in database.rows(f"DESCRIBE TABLE {match[2]}")}
        assert granted <= known
        assert not granted & {
            "payload",
            "detail",
            "tags",
            "request_fingerprint",
            "response_fingerprint",
            "conversation_id",
        }


def test_granted_columns_are_enough_for_every_board(database: Database) -> None:
    """Boards of finance and leads read intake; what they name must be granted (rejects and owners are on-call's)."""
    from streams.boards.queries import board_query, names

    grant = next(one for one in STATEMENTS if one.startswith("GRANT") and "spendstream.intake" in one)
    granted = set(re.findall(r"\w+", grant.partition("(")[2].partition(")")[0]))
    migrate(database)
    columns = {str(row[0]) for row in database.rows("DESCRIBE TABLE intake")}
    for name in names():
        query = board_query(name)
        if query.reads in {"hours", "agents"}:
            assert set(re.findall(r"\w+", query.sql)) & columns <= granted, name


def test_a_lead_sees_the_own_teams_only(database: Database) -> None:
    migrate(database)
    fill(database, Sample(end=datetime(2026, 3, 2, tzinfo=UTC), calls=2000, days=1))
    table = next(one for one in STATEMENTS if "CREATE TABLE" in one).replace("spendstream.", "")
    database.command(table)
    policy = next(one for one in STATEMENTS if "spendstream_own_teams" in one)
    condition = policy.partition("USING")[2].partition("\nTO")[0].replace("spendstream.", "")
    who = database.rows("SELECT currentUser()")[0][0]
    assert database.rows(f"SELECT count() FROM intake WHERE {condition}") == [(0,)]
    database.command(f"INSERT INTO team_leads VALUES ('{who}', 'search'), ('another', 'data')")
    assert database.rows(f"SELECT DISTINCT team_id FROM intake WHERE {condition}") == [("search",)]
    # Rejects name no team, so no lead sees what was sent.
    assert database.rows(f"SELECT countIf(outcome = 'reject') FROM intake WHERE {condition}") == [(0,)]


def test_every_table_that_leads_may_read_lets_them_see_the_own_teams_only(database: Database) -> None:
    """What names teams has both policies; what leads may read and names none is said here, with the reason."""
    migrate(database)
    fill(database, Sample(end=datetime(2026, 3, 2, tzinfo=UTC), calls=8000, days=40))
    database.command(next(one for one in STATEMENTS if "CREATE TABLE" in one).replace("spendstream.", ""))
    who = database.rows("SELECT currentUser()")[0][0]
    database.command(f"INSERT INTO team_leads VALUES ('{who}', 'search')")
    policies = {
        (match[2], match[1]): one.partition("USING")[2].partition("\nTO")[0].replace("spendstream.", "")
        for one in STATEMENTS
        if (match := re.match(r"CREATE ROW POLICY IF NOT EXISTS spendstream_(own|all)_\w+ ON spendstream\.(\w+)", one))
    }
    granted = {
        match[1]
        for one in STATEMENTS
        if (match := re.search(r"\bON spendstream\.(\w+) TO [\w, ]*spendstream_lead", one)) and one.startswith("GRANT")
    }
    views = {
        str(row[0])
        for row in database.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
        )
    }
    # Ratings say what was ordered, not for whom; team_leads has policies of its own kind.
    filled = 0
    for table in sorted(granted - views - {"ratings", "team_leads"}):
        assert (table, "own") in policies, table
        assert (table, "all") in policies, table
        teams = {row[0] for row in database.rows(f"SELECT DISTINCT team_id FROM {table}")}
        seen = {row[0] for row in database.rows(f"SELECT DISTINCT team_id FROM {table} WHERE {policies[table, 'own']}")}
        assert seen == teams & {"search"}, table
        filled += len(teams) > 1
    assert filled >= 5
