"""A ledger with known calls, and an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from tests.unit.top.ledger import EngineReader, insert, reader_of, some_calls


@pytest.fixture
def empty(store: LedgerStore, database: Database, chdb_url: str) -> Iterator[EngineReader]:
    """A migrated ledger without rows."""
    reader, engine = reader_of(database, chdb_url)
    yield reader
    engine.close()


@pytest.fixture
def reader(empty: EngineReader, database: Database) -> EngineReader:
    """`some_calls`."""
    insert(database, some_calls())
    return empty
