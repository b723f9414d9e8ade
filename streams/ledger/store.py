"""What the meter asks of the ledger and writes to it. All blocking; SQL in one place, values out.

The order at an assignment is the correctness (spelt out in `streams.meter.takeover`):
    1. `fence`            a higher epoch: inserts of earlier owners that begin from now on write nothing
    2. `wait_for_inserts` inserts of earlier owners that began before are waited for
    3. `position`         only now is what the ledger holds final

A time is compared with DateTime64(3) only. With a DateTime the engine (26.9) prunes wrongly: `time < toDateTime(X)`
drops parts and granules whose times all lie within the last second before X, so a cell read that way was sometimes
empty.
"""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.errors import LedgerError, Unavailable
from streams.ledger.client import Database
from streams.meter.pages import MEASURES
from streams.meter.reread import Reread
from streams.meter.sums import CellKey
from streams.money import PICO, pico
from streams.repair.orders import reread_of
from streams.usage.windows import MOST_ROWS, TooManyRows, WindowRow

INSERT_MARK = "spendstream_intake"
"""In the text of each ledger insert, by which `wait_for_inserts` knows them."""

_OWNED = "(partition, epoch) IN (SELECT partition, max(epoch) FROM epochs GROUP BY partition)"

_PLACED_OTHERWISE = "event = 'start' AND partitions NOT IN (0, {n:UInt32})"
"""Epochs in which calls had other partitions than they have now, when the topic has `n`."""

_TOTALS = """
    count(), countIf(status != 'ok'),
    sum(input_tokens), sum(output_tokens), sum(cache_read_input_tokens), sum(cache_write_input_tokens),
    sum(reasoning_output_tokens), count() - count(cost_usd), toString(ifNull(sum(cost_usd), 0))
"""


@dataclass(frozen=True, slots=True)
class Witness:
    """What the ledger's last row of a partition says of its record: a log without that record is another log."""

    item: int
    id: str
    arrived_at_ms: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far the ledger holds a partition's log."""

    incarnation: int
    through: int
    """The last offset that is in the ledger."""
    witness: Witness
    newest_ms: int
    """The newest event time of the partition's calls, epoch ms; 0 when it has none."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Calls for the window: parallel columns, and the minute from which on they are complete."""

    source: list[str]
    id: list[str]
    time_ms: npt.NDArray[np.int64]
    complete_from_minute: int


class LedgerStore:
    """See the module. One instance may be used by several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- taking a partition over ---------------------------------------------------------------------------------

    def fence(self, partition: int, worker: str) -> int:
        """Begin a new epoch of a partition and return its number."""
        while True:
            epoch = int(self._one("SELECT max(epoch) FROM epochs WHERE partition = {p:UInt32}", p=partition)) + 1
            self.database.command(
                "INSERT INTO epochs (partition, epoch, event, worker) "
                "SELECT {p:UInt32}, {epoch:UInt64}, 'fence', {worker:String}",
                {"p": partition, "epoch": epoch, "worker": worker},
            )
            owners = self._one(
                "SELECT count() FROM epochs "
                "WHERE partition = {p:UInt32} AND epoch >= {epoch:UInt64} AND event = 'fence'",
                p=partition, epoch=epoch,
            )  # fmt: skip
            if int(owners) == 1:
                return epoch
            # Two workers took the same number: both try again, at different moments.
            time.sleep(0.05 + 0.2 * (hash((worker, epoch)) % 16) / 16)

    def record_start(
        self, partition: int, epoch: int, incarnation: int, offset: int, worker: str, note: str, partitions: int = 0
    ) -> None:
        """Record where an epoch goes on reading, and why a new incarnation began, if one did.

        `partitions`: how many the topic has, as this epoch knows it; 0 when nobody asked.
        """
        self.database.command(
            "INSERT INTO epochs (partition, epoch, event, incarnation, start_offset, worker, note, partitions) SELECT "
            "{p:UInt32}, {epoch:UInt64}, 'start', {i:UInt32}, {o:UInt64}, {worker:String}, {note:String}, {n:UInt32}",
            {
                "p": partition, "epoch": epoch, "i": incarnation, "o": offset, "worker": worker, "note": note,
                "n": partitions,
            },
        )  # fmt: skip

    def wait_for_inserts(self, timeout_s: float = 45.0) -> None:
        """Wait until no ledger insert runs that began before now. Raises `Unavailable` when that takes too long."""
        sql = (
            "SELECT query_id FROM system.processes WHERE position(query, {mark:String}) > 0 "
            "AND query_kind = 'Insert' AND query_id != queryID()"
        )
        running = {row[0] for row in self.database.rows(sql, {"mark": INSERT_MARK})}
        deadline = time.monotonic() + timeout_s
        while running:
            if time.monotonic() > deadline:
                raise Unavailable(f"ledger inserts of an earlier owner still run after {timeout_s:.0f} s")
            time.sleep(0.05)
            running &= {row[0] for row in self.database.rows(sql, {"mark": INSERT_MARK})}

    def position(self, partition: int) -> Position | None:
        """How far the ledger holds the latest incarnation of a partition; None when it holds nothing of it."""
        rows = self.database.rows(
            """
            SELECT incarnation, max(through), argMax((item, id, arrived_at, outcome), (through, item)),
                   maxIf(time, outcome = 'call')
            FROM intake WHERE partition = {p:UInt32} GROUP BY partition, incarnation ORDER BY incarnation
            """,
            {"p": partition},
        )
        if not rows:
            return None
        incarnation, through, (item, id_, arrived_at, outcome), _ = rows[-1]
        return Position(
            int(incarnation),
            int(through),
            Witness(int(item), str(id_), _ms(arrived_at), str(outcome)),
            max(0, max(_ms(row[3]) for row in rows)),
        )

    def reread(self, partition: int, incarnation: int, through: int) -> Reread | None:
        """Whether somebody asked to read a partition again (`streams.repair.orders`), None when nobody did."""
        return reread_of(self.database, partition, incarnation, through)

    def owners(self) -> dict[int, int]:
        """The epoch that may write, by partition."""
        return {
            int(p): int(e) for p, e in self.database.rows("SELECT partition, max(epoch) FROM epochs GROUP BY partition")
        }

    # -- duplicates ----------------------------------------------------------------------------------------------

    def recent_identities(self, partition: int, capacity: int, partitions: int = 0) -> Identities:
        """The newest calls whose copies would come in a partition, whole minutes of event time.

        Those are the partition's own calls, at most `capacity` (maybe none); and where the topic had another number
        of partitions than `partitions` (0: as ever) when calls were written, those of other partitions whose key
        belongs to this one now.
        """
        own = self._own_identities(partition, capacity)
        if not partitions or not self._one(f"SELECT count() FROM epochs WHERE {_PLACED_OTHERWISE}", n=partitions):
            return own
        since = self._newest_hours(capacity * partitions)
        complete = max(own.complete_from_minute, since // 60)
        others = self.database.arrow(
            f"""
            SELECT source, id, toUnixTimestamp64Milli(time) AS ms FROM intake
            WHERE outcome = 'call' AND partition != {{p:UInt32}} AND time >= fromUnixTimestamp64Milli({{ms:Int64}})
                AND (partition, epoch) IN (SELECT partition, epoch FROM epochs WHERE {_PLACED_OTHERWISE})
                AND kafkaMurmurHash(if(run_id = '', agent_id, run_id)) % {{n:UInt32}} = {{p:UInt32}}
            """,
            {"p": partition, "n": partitions, "ms": complete * 60_000},
        )
        return Identities(
            [*own.source, *others.column("source").to_pylist()],
            [*own.id, *others.column("id").to_pylist()],
            np.concatenate([own.time_ms, others.column("ms").to_numpy().astype(np.int64)]),
            complete,
        )

    def _newest_hours(self, calls: int) -> int:
        """The start, epoch seconds, of the newest hours that hold so many calls; 0 when all calls are fewer."""
        total = 0
        for hour, count in self.database.rows(
            "SELECT toUnixTimestamp(hour) AS start, count() FROM intake WHERE outcome = 'call' "
            "GROUP BY start ORDER BY start DESC"
        ):
            total += int(count)
            if total >= calls:
                return int(hour)
        return 0

    def _own_identities(self, partition: int, capacity: int) -> Identities:
        hours = self.database.rows(
            "SELECT toUnixTimestamp(hour) AS start, count() FROM intake "
            "WHERE partition = {p:UInt32} AND outcome = 'call' GROUP BY start ORDER BY start DESC",
            {"p": partition},
        )
        total, from_minute = 0, None
        complete = 0
        for hour, count in hours:
            if total + int(count) > capacity:
                # At full load one hour holds many times the capacity: its newest minutes then.
                minutes = self.database.rows(
                    "SELECT intDiv(toUnixTimestamp64Milli(time), 60000) AS minute, count() FROM intake WHERE "
                    "partition = {p:UInt32} AND outcome = 'call' AND hour = toDateTime({h:UInt32}, 'UTC') "
                    "GROUP BY minute ORDER BY minute DESC",
                    {"p": partition, "h": int(hour)},
                )
                complete = int(minutes[0][0]) + 1 if from_minute is None else from_minute
                for minute, calls in minutes:
                    if total + int(calls) > capacity:
                        break
                    total, from_minute = total + int(calls), int(minute)
                    complete = from_minute
                break
            total, from_minute = total + int(count), int(hour) // 60
        if from_minute is None:
            return Identities([], [], np.zeros(0, dtype=np.int64), complete)
        found = self.database.arrow(
            "SELECT source, id, toUnixTimestamp64Milli(time) AS ms FROM intake "
            "WHERE partition = {p:UInt32} AND outcome = 'call' AND time >= fromUnixTimestamp64Milli({ms:Int64})",
            {"p": partition, "ms": from_minute * 60_000},
        )
        return Identities(
            found.column("source").to_pylist(),
            found.column("id").to_pylist(),
            found.column("ms").to_numpy().astype(np.int64),
            complete,
        )

    def present(self, identity: npt.NDArray[np.uint64], time_ms: npt.NDArray[np.int64]) -> set[tuple[str, str]]:
        """Which of these are calls of the ledger, as (source, id). By (hour, hash): milliseconds at any size."""
        if not len(identity):
            return set()
        hours = (time_ms // 3_600_000) * 3600
        found: set[tuple[str, str]] = set()
        for start in range(0, len(identity), 5000):
            pairs = {
                (int(hour), int(value))
                for hour, value in zip(hours[start : start + 5000], identity[start : start + 5000], strict=True)
            }
            listed = ", ".join(f"({hour}, {value})" for hour, value in sorted(pairs))
            hour_list = ", ".join(f"toDateTime({hour}, 'UTC')" for hour in sorted({hour for hour, _ in pairs}))
            found.update(
                (str(source), str(id_))
                for source, id_ in self.database.rows(
                    f"SELECT source, id FROM intake WHERE outcome = 'call' AND hour IN ({hour_list}) "
                    f"AND (toUnixTimestamp(hour), identity) IN ({listed})"
                )
            )
        return found

    # -- sums ----------------------------------------------------------------------------------------------------

    def touched_cells(self, partition: int, incarnation: int, from_offset: int) -> list[CellKey]:
        """Cells that calls at or after an offset belong to."""
        return [
            CellKey(str(agent), str(tier), int(second))
            for agent, tier, second in self.database.rows(
                "SELECT DISTINCT agent_id, tier, toUnixTimestamp(toDateTime(time)) FROM intake "
                "WHERE partition = {p:UInt32} AND incarnation = {i:UInt32} AND offset >= {o:UInt64} "
                "AND outcome = 'call'",
                {"p": partition, "i": incarnation, "o": from_offset},
            )
        ]

    def cells_ahead(self, partition: int, limit_ms: int, most: int) -> tuple[list[CellKey], int]:
        """Cells of a partition's calls after `limit_ms`, at most `most`; and the newest time, epoch ms, up to it."""
        keys = [
            CellKey(str(agent), str(tier), int(second))
            for agent, tier, second in self.database.rows(
                "SELECT DISTINCT agent_id, tier, toUnixTimestamp(toDateTime(time)) FROM intake "
                "WHERE partition = {p:UInt32} AND outcome = 'call' AND time > fromUnixTimestamp64Milli({ms:Int64}) "
                "LIMIT {most:UInt32}",
                {"p": partition, "ms": limit_ms, "most": most},
            )
        ]
        [[newest]] = self.database.rows(
            "SELECT max(time) FROM intake "
            "WHERE partition = {p:UInt32} AND outcome = 'call' AND time <= fromUnixTimestamp64Milli({ms:Int64})",
            {"p": partition, "ms": limit_ms},
        )
        return keys, max(0, _ms(newest))

    def cell_totals(self, partition: int, keys: Sequence[CellKey]) -> npt.NDArray[np.int64]:
        """Totals of cells from the ledger, shape (cells, len(MEASURES)), in the order of `keys`."""
        totals = np.zeros((len(keys), len(MEASURES)), dtype=np.int64)
        place = {key: at for at, key in enumerate(keys)}
        for start in range(0, len(keys), 5000):
            part = keys[start : start + 5000]
            agents = sorted({key.agent_id for key in part})
            rows = self.database.rows(
                f"""
                SELECT agent_id, tier, toUnixTimestamp(toDateTime(time)) AS second, {_TOTALS}
                FROM intake
                WHERE partition = {{p:UInt32}} AND outcome = 'call' AND agent_id IN {{agents:Array(String)}}
                    AND time >= fromUnixTimestamp64Milli({{first:Int64}})
                    AND time < fromUnixTimestamp64Milli({{end:Int64}})
                GROUP BY agent_id, tier, second
                """,
                {
                    "p": partition,
                    "agents": agents,
                    "first": min(key.second for key in part) * 1000,
                    "end": (max(key.second for key in part) + 1) * 1000,
                },
            )
            for agent, tier, second, *values in rows:
                at = place.get(CellKey(str(agent), str(tier), int(second)))
                if at is not None:
                    totals[at, :-2] = [int(value) for value in values[:-1]]
                    totals[at, -2:] = divmod(pico(values[-1]), PICO)
        return totals

    def newest_ms(self) -> int:
        """The newest event time of all calls, epoch ms; 0 when there are none."""
        rows = self.database.rows(
            "SELECT partition, incarnation, maxIf(time, outcome = 'call') FROM intake GROUP BY partition, incarnation"
        )
        return max(0, *(_ms(row[2]) for row in rows)) if rows else 0

    def usage_windows(
        self,
        size: int,
        first: int,
        end: int,
        agent_id: str | None = None,
        tier: str | None = None,
        by: Set[str] = frozenset({"agent_id", "tier"}),
    ) -> list[WindowRow]:
        """As `streams.usage.windows.Windows.rows`, of windows of `size` seconds, from the ledger."""
        first, end = -(-first // size) * size, -(-end // size) * size
        groups = ["start", *(name for name in ("agent_id", "tier") if name in by)]
        rows = self.database.rows(
            f"""
                SELECT
                    intDiv(toUnixTimestamp(toDateTime(time)), {{size:UInt32}}) * {{size:UInt32}} AS start,
                    {"agent_id" if "agent_id" in by else "NULL"}, {"tier" if "tier" in by else "NULL"}, {_TOTALS}
                FROM intake
                WHERE outcome = 'call'
                    AND time >= fromUnixTimestamp64Milli({{first:Int64}})
                    AND time < fromUnixTimestamp64Milli({{end:Int64}})
                    {"AND agent_id = {agent:String}" if agent_id is not None else ""}
                    {"AND tier = {tier:String}" if tier is not None else ""}
                GROUP BY {", ".join(groups)} ORDER BY {", ".join(groups)} LIMIT {MOST_ROWS + 1}
                """,
            {"size": size, "first": first * 1000, "end": end * 1000, "agent": agent_id or "", "tier": tier or ""},
        )
        if len(rows) > MOST_ROWS:
            raise TooManyRows(len(rows))
        return [
            WindowRow(
                int(start),
                agent,
                of_tier,
                [*(int(value) for value in values[:-1]), *divmod(pico(values[-1]), PICO)],
            )
            for start, agent, of_tier, *values in rows
        ]

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, columns: Sequence[tuple[str, str]], data: pa.Table, token: str) -> None:
        """Insert intake rows as one block; rows of partitions that have a newer owner are not written.

        Repeating a call with the same token and data after a fault writes nothing twice.
        """
        if not data.num_rows:
            raise LedgerError("an empty insert")
        self.database.insert("intake", columns, data, token=token, where=f"'{INSERT_MARK}' != '' AND {_OWNED}")

    def _one(self, sql: str, **parameters: object) -> int:
        return int(self.database.rows(sql, parameters)[0][0])


def _ms(value: datetime) -> int:
    # Integer division of a timedelta: a float of epoch seconds would lose milliseconds.
    return (value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
