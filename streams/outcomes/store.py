"""What the outcome agent asks of the ledger and writes to it. Blocking.

A worker that was thought dead may write a record's verdicts a second time: same rows at the same positions, which the
views `outcomes` and `outcome_rejects` show once. So no epochs are needed here, as there are for calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streams.ledger.client import Database
from streams.outcomes.rows import COLUMNS, Placed, outcome_table


@dataclass(frozen=True, slots=True)
class OutcomePosition:
    """How far the ledger holds a partition of `spendstream.outcomes`, and the timestamp of the record there (ms)."""

    incarnation: int
    through: int
    arrived_ms: int


class OutcomeStore:
    """See the module. One instance may be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, partition: int) -> OutcomePosition | None:
        """The latest incarnation's last offset; None when the ledger holds nothing of the partition."""
        rows = self._database.rows(
            "SELECT incarnation, max(offset), argMax(arrived_at, offset) FROM outcome_intake "
            "WHERE partition = {p:UInt32} GROUP BY partition, incarnation ORDER BY incarnation DESC LIMIT 1",
            {"p": partition},
        )
        if not rows:
            return None
        incarnation, through, arrived_at = rows[0]
        return OutcomePosition(int(incarnation), int(through), _ms(arrived_at))

    def write(self, stretches: Sequence[Placed], ingested_ms: int, token: str) -> None:
        """Insert as one block; repeating it with the same arguments after a fault writes nothing twice."""
        self._database.insert("outcome_intake", COLUMNS, outcome_table(stretches, ingested_ms), token=token)


def _ms(value: datetime) -> int:
    return (value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
