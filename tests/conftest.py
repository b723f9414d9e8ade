"""Shared fixtures: one chDB for the whole run (it takes one data path a process), one embedded broker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.embedded.broker import Broker
from streams.embedded.directory import own
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.store import LedgerStore
from tests.kafka.fixtures import kafka, kafka_cluster  # noqa: F401 (fixtures)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def chdb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The engine of this process; open for the whole run, so that no test's `close` ends it for the others."""
    url = f"chdb://{tmp_path_factory.mktemp('chdb')}"
    keeper = Database(url, database="keeper", create=True)
    yield url
    keeper.close()


@pytest.fixture
def database(chdb_url: str) -> Iterator[Database]:
    """An empty database of its own for each test."""
    database = Database(chdb_url, database=f"test_{next(_numbers)}", create=True)
    yield database
    database.command(f"DROP DATABASE `{database.database}`")
    database.close()


@pytest.fixture
def store(database: Database) -> LedgerStore:
    """A migrated ledger."""
    migrate(database)
    return LedgerStore(database)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an embedded broker that runs for the whole session."""
    owned = own(Path(tmp_path_factory.mktemp("broker")))
    process = Broker(owned.layout)
    yield asyncio.run(process.start())
    asyncio.run(process.stop())
    owned.release()
