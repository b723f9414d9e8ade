"""What the watcher writes to ClickHouse and reads from it. All blocking.

Taking over: `epochs.fence`, wait for inserts that run (`LedgerStore.wait_for_inserts`: the watcher's carry the same
mark), then read.
"""

from __future__ import annotations

from streams.ledger.client import Database
from streams.watch.epochs import Epochs
from streams.watch.incidents import IncidentRows
from streams.watch.past import Past
from streams.watch.states import StateRows


class WatchStore:
    """One database's rooms. May be used by several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.epochs = Epochs(database)
        self.incidents = IncidentRows(database, self.epochs)
        self.states = StateRows(database, self.epochs)
        self.past = Past(database)
