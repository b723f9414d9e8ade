"""A directory that an older version made: commands say so and what to do; what they say to do does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.ledger.migrate import migrations
from tests.e2e.command import PATIENCE_S, environment, spendstream

pytestmark = pytest.mark.slow

OLD = 5
MAKE = f"""
import contextlib, sys
from streams.ledger.client import Database
from streams.ledger.migrate import migrate, migrations
with contextlib.closing(Database("chdb://" + sys.argv[1], create=True)) as database:
    migrate(database, known=migrations()[:{OLD}])
"""
"""In a process of its own: chDB has one directory a process."""


def test_an_older_directory_is_called_so_and_brought_up_to_date(tmp_path: Path) -> None:
    directory = tmp_path / "spend"
    (directory / "ledger").mkdir(parents=True)
    made = [sys.executable, "-c", MAKE, str(directory / "ledger")]
    subprocess.run(made, check=True, timeout=PATIENCE_S, env=environment())

    asked = spendstream("close", "--list", "--embedded", directory)
    assert asked.code == 1
    behind = len(migrations()) - OLD
    advice = f"spendstream migrate --embedded {directory}"
    assert asked.err.startswith(
        f"spendstream: the ledger is of an older Spendstream, {behind} migrations behind this one: run `{advice}`"
    )
    assert advice in spendstream("sql", "SELECT * FROM closings", "--embedded", directory).err

    would = spendstream("migrate", "--dry-run", "--embedded", directory, "--json").json
    assert len(would["pending"]) == behind
    done = spendstream(*advice.split()[1:], "--json").json
    assert done == {"dry_run": False, "applied": would["pending"]}
    assert spendstream("close", "--list", "--embedded", directory).out == b"no month was closed yet\n"


def test_a_dry_run_makes_no_directory(tmp_path: Path) -> None:
    would = spendstream("migrate", "--dry-run", "--embedded", tmp_path / "spend", "--json").json
    assert len(would["pending"]) == len(migrations())
    assert list(tmp_path.iterdir()) == []
