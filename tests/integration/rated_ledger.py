"""A ledger with hard things in it, for what is computed from its money: duplicates, late calls, calls without a price.

Shared by the tests of ratings, plans and their commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from streams.meter.price import Overrides, Pricer, load_aliases, load_book, parse_overrides
from streams.meter.rows import ledger_table
from streams.meter.steps import PartitionMeter
from streams.rating.rerate import Order, Rating, rerate
from tests.fakes import BASE_MS, Steps, batch, partition_meter, record, value

BOOK, ALIASES = load_book(), load_aliases()
DAY_MS = 86_400_000
INGESTED = 1_790_000_000_000


def pricer(text: str = "") -> Pricer:
    """The book, and own prices from `text`."""
    return Pricer(BOOK, parse_overrides(text, "prices.toml") if text else Overrides(), ALIASES)


@dataclass
class Filled:
    """Writes calls as the meter does, and rates them again."""

    store: LedgerStore
    steps: Steps = field(default_factory=Steps)
    offset: int = 0
    ratings: int = 0
    _meter: PartitionMeter | None = None

    @property
    def database(self) -> Database:
        return self.store.database

    def write(self, calls: Iterable[dict[str, Any]], *, ingested_ms: int = INGESTED) -> None:
        """One flush. A call that was written before becomes a duplicate."""
        self._meter = self._meter or partition_meter(epoch=self.store.fence(0, "writer"))
        taken = list(calls)
        newest = max(int(one["time"]) for one in taken)
        records = [record(value(one), self.offset + at, timestamp=newest) for at, one in enumerate(taken)]
        metered = self.steps.run(self._meter, batch(records, self.offset))
        self.offset += len(taken)
        columns, table = ledger_table([metered], ingested_ms)
        self.store.write(columns, table, f"flush to {self.offset}")

    def rerate(self, text: str = "", **options: Any) -> Rating:
        """Rate everything again with own prices from `text`; `options` change the order or are `rerate`'s."""
        self.ratings += 1
        order = Order(
            options.pop("first_ms", BASE_MS - 100 * DAY_MS),
            options.pop("end_ms", BASE_MS + 100 * DAY_MS),
            tuple(options.pop("models", ())),
            by="ada",
            reason="because",
        )
        options.setdefault("rating_id", f"r{self.ratings}")
        return rerate(
            self.database,
            pricer(text),
            order,
            started_ms=BASE_MS,
            finished_ms=lambda: BASE_MS + self.ratings,
            **options,
        )

    def money(self) -> tuple[Decimal, int]:
        """Sum of `spend_by_hour` and its unpriced calls."""
        cost, unpriced = self.database.rows("SELECT ifNull(sum(cost_usd), 0), sum(unpriced) FROM spend_by_hour")[0]
        return Decimal(cost), int(unpriced)
