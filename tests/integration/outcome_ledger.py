"""A ledger with calls and verdicts for tests: written by the real steps, read through the commands' own door."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.cli.reach import EngineLedger, parameter
from streams.embedded.engine import EngineError
from streams.errors import LedgerError
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from streams.meter.rows import ledger_table
from streams.outcomes.decode import decode_outcomes
from streams.outcomes.period import DAY_MS
from streams.outcomes.rows import Placed
from streams.outcomes.store import OutcomeStore
from tests.fakes import BASE_MS, Steps, batch, partition_meter, record, value


class Door(EngineLedger):
    """The commands' door to a ledger, to one database of the tests' engine."""

    def __init__(self, database: Database, chdb_url: str) -> None:
        super().__init__(Path(chdb_url.removeprefix("chdb://")))
        self._database = database.database

    def text(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        values = {name: parameter(value) for name, value in (parameters or {}).items()}
        try:
            return self._engine.run(sql, fmt, values, settings or {}, self._database).body
        except EngineError as error:
            raise LedgerError(error.message) from None


def write_calls(database: Database, calls: Sequence[dict[str, Any]]) -> None:
    """Through decode, de-duplicate, price and insert, as a worker does."""
    store = LedgerStore(database)
    meter = partition_meter(epoch=store.fence(0, "test"), capacity=1_000_000)
    records = [record(value(one), at, timestamp=BASE_MS + 400 * DAY_MS) for at, one in enumerate(calls)]
    metered = Steps().run(meter, batch(records, 0))
    columns, table = ledger_table([metered], BASE_MS)
    store.write(columns, table, "calls")


def write_verdicts(database: Database, verdicts: Sequence[dict[str, Any]], first: int = 0, token: str = "v") -> None:
    """One record each, from offset `first`, a millisecond apart."""
    found = [
        verdict
        for at, told in enumerate(verdicts)
        for verdict in decode_outcomes(json.dumps(told).encode(), first + at, BASE_MS + first + at)
    ]
    OutcomeStore(database).write([Placed(0, 1, found)], BASE_MS, token)
