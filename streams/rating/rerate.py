"""Computing prices again: adjustments beside the ledger's calls, all of them or none.

    rerate(database, pricer, order, rating_id=..., started_ms=..., finished_ms=...)

The order of the steps is the correctness:
    1. the last complete rating is noted: what calls are rated at now is what it left
    2. blocks of calls are read with what they are rated at now, priced again, and the differences inserted, each block
       with a token: repeating an insert after a lost answer writes nothing twice
    3. what was inserted is counted and added up by the ledger, and must equal what was computed
    4. the rating's own row is inserted, if the last complete rating is still the one noted in 1
    5. after a moment it is looked whether it is the one that counts: of two that came through 4 at once, the first is

Readers take adjustments of ratings that have their row, so a rating that fails on its way counts for nothing, and two
at a time cannot both count: the second finds another rating complete, writes no row, and says so. Calls that arrive
meanwhile keep the price that the meter gave them. Blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from streams.errors import LedgerError
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.meter.price import Pricer
from streams.money import pico, usd
from streams.rating.change import COPIED, FOUND, Tally, changes

BLOCK_CALLS = 200_000
"""Calls read and priced at a time: about 200 MB."""

HOUR_MS = 3_600_000

_PLACES = Decimal(1).scaleb(-12)
_INSTANT = pa.timestamp("ms", "UTC")
_SUM = pa.decimal128(38, 12)


class Reader(Protocol):
    """Read access to the ledger; blocks."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to rate again, by whose word. Event times in epoch ms, `end_ms` exclusive; no `models`: all."""

    first_ms: int
    end_ms: int
    models: tuple[str, ...]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rating:
    """What a rating did, or with `dry_run` would do."""

    id: str
    number: int
    """Its place among all ratings, from 1; 0 when nothing was written."""
    book: str
    overrides: str
    total: Tally
    by_model: dict[tuple[str, str], Tally] = field(default_factory=dict)

    @property
    def written(self) -> bool:
        """Whether it is in the ledger."""
        return self.number > 0


@dataclass(frozen=True, slots=True)
class _Block:
    first_hour: int
    last_hour: int
    share: int
    shares: int


def rerate(
    database: Database,
    pricer: Pricer,
    order: Order,
    *,
    rating_id: str,
    started_ms: int,
    finished_ms: Callable[[], int],
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda calls: None,
    settle: Callable[[], None] = lambda: None,
) -> Rating:
    """Rate again; nothing is written when nothing changes. `progress` is told how many calls have been looked at;
    `settle` waits, longer than a row takes to be inserted, where other processes may rate too.

    `rating_id`: never used before. Raises `Unavailable` (nothing counts: run it again), `LedgerError` (another
    rating came in between, or the ledger contradicts what was written).
    """
    base, _ = _last(database)
    total, by_model = Tally(), dict[tuple[str, str], Tally]()
    for number, block in enumerate(_blocks(database, order)):
        found = changes(_calls(database, order, block), pricer)
        for key, tally in found.by_model.items():
            by_model.setdefault(key, Tally()).add(tally)
            total.add(tally)
        if not dry_run and found.rows.num_rows:
            _insert(database, rating_id, number, found.rows)
        progress(total.calls)
    rating = Rating(rating_id, base + 1, pricer.book.source, pricer.overrides.source, total, by_model)
    if dry_run or not total.changed:
        return Rating(rating_id, 0, rating.book, rating.overrides, total, by_model)
    _verify(database, rating)
    _finish(database, order, rating, started_ms, finished_ms())
    settle()
    if _last(database) != (rating.number, rating.id):
        raise LedgerError(
            "another rating finished while this one ran, so what it compared with is no longer so; nothing of this one "
            "counts. Run it again"
        )
    return rating


def _last(database: Database) -> tuple[int, str]:
    """Number and id of the last complete rating."""
    number, id_ = database.rows("SELECT max(number), argMax(rating_id, number) FROM settled_ratings")[0]
    return int(number), str(id_)


def _blocks(database: Database, order: Order) -> Iterator[_Block]:
    """Stretches of whole hours with about `BLOCK_CALLS` calls; a fuller hour in shares of its calls."""
    hours = database.rows(
        named_query("rating_hours"),
        {
            "first": order.first_ms // HOUR_MS * 3600,
            "last": (order.end_ms - 1) // HOUR_MS * 3600,
            "models": list(order.models),
        },
    )
    start, end, held = 0, 0, 0
    for hour, calls in ((int(hour), int(calls)) for hour, calls in hours):
        if held and held + calls > BLOCK_CALLS:
            yield from _shared(start, end, held)
            held = 0
        start = start if held else hour
        end, held = hour, held + calls
    if held:
        yield from _shared(start, end, held)


def _shared(first: int, last: int, calls: int) -> Iterator[_Block]:
    shares = -(-calls // BLOCK_CALLS)
    for share in range(shares):
        yield _Block(first, last, share, shares)


def _calls(database: Database, order: Order, block: _Block) -> pa.Table:
    return database.arrow(
        named_query("rating_calls"),
        {
            "first_hour": block.first_hour,
            "last_hour": block.last_hour,
            "first": order.first_ms,
            "end": order.end_ms,
            "models": list(order.models),
            "share": block.share,
            "shares": block.shares,
        },
    )


def _insert(database: Database, rating_id: str, block: int, rows: pa.Table) -> None:
    data = rows.add_column(0, "rating_id", pa.array([rating_id] * rows.num_rows, pa.string()))
    columns = (("rating_id", "String"), *COPIED, *FOUND)
    database.insert("adjustments", columns, data.combine_chunks(), token=f"rating {rating_id} {block}")


def _verify(database: Database, rating: Rating) -> None:
    """The ledger holds each adjustment once, and they add up to what was computed."""
    count, total = database.rows(
        "SELECT count(), toString(sum(adjustment_usd)) FROM adjustments WHERE rating_id = {id:String}",
        {"id": rating.id},
    )[0]
    if (int(count), pico(total)) != (rating.total.changed, rating.total.sum_pico):
        raise LedgerError(
            f"rating {rating.id}: {rating.total.changed} adjustments were written and the ledger holds {count}; "
            "none of them counts. Run it again"
        )


def _finish(database: Database, order: Order, rating: Rating, started_ms: int, finished_ms: int) -> None:
    total = rating.total
    row: list[tuple[str, str, pa.Array]] = [
        ("number", "UInt64", pa.array([rating.number], pa.int64())),
        ("id", "String", pa.array([rating.id])),
        ("by", "String", pa.array([order.by])),
        ("reason", "String", pa.array([order.reason])),
        *(
            (name, "DateTime64(3, 'UTC')", pa.array([at], _INSTANT))
            for name, at in (
                ("started_at", started_ms),
                ("finished_at", finished_ms),
                ("first", order.first_ms),
                ("end", order.end_ms),
            )
        ),
        ("models", "Array(String)", pa.array([list(order.models)], pa.list_(pa.string()))),
        ("book", "String", pa.array([rating.book])),
        ("overrides", "String", pa.array([rating.overrides])),
        *(
            (name, "UInt64", pa.array([count], pa.int64()))
            for name, count in (
                ("calls", total.calls),
                ("changed", total.changed),
                ("newly_priced", total.newly_priced),
                ("unpriced", total.unpriced),
            )
        ),
        ("sum_usd", "Decimal(38, 12)", pa.array([usd(total.sum_pico)], _SUM)),
    ]
    database.insert(
        "ratings",
        [(name, type_) for name, type_, _ in row],
        pa.table({name: column for name, _, column in row}),
        token=f"rating {rating.id} complete",
        where=f"(SELECT max(number) FROM settled_ratings) = {rating.number - 1}",
    )


def history(reader: Reader) -> list[dict[str, object]]:
    """All ratings that count, the newest first, as JSON-ready values."""
    names = (
        "number", "id", "by", "reason", "started_at", "finished_at", "first", "end", "models", "book", "overrides",
        "calls", "changed", "newly_priced", "unpriced", "sum_usd",
    )  # fmt: skip
    rows = reader.rows(
        f"SELECT {', '.join(names)} FROM ratings WHERE id IN (SELECT rating_id FROM settled_ratings) "
        "ORDER BY number DESC"
    )
    return [{name: _plain(name, value) for name, value in zip(names, row, strict=True)} for row in rows]


def _plain(name: str, value: object) -> object:
    if name == "sum_usd":
        return f"{Decimal(str(value)).quantize(_PLACES):f}"
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
