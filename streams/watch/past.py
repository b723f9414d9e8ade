"""Calls of the ledger as a watcher reads them, where the steps topic does not have them: gaps, history, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.ledger.client import Database
from streams.watch.order import Gap
from streams.watch.record import StepCall

PAGE = 50_000
"""Calls of one statement: some 15 MB on the way."""

Place3 = tuple[int, int, int]
"""(incarnation, offset, item)."""
Ingested = tuple[int, int, int, int, int]
"""(ingested_ms, partition, incarnation, offset, item)."""

_CALL_COLUMNS = """
    id, toUnixTimestamp64Milli(time) AS at, agent_id, request_model, input_tokens, output_tokens,
    nullIf(run_id, '') AS run, nullIf(parent_agent_id, '') AS parent, nullIf(provider_name, '') AS provider,
    nullIf(status, '') AS ended, nullIf(attempt, 0) AS attempts, nullIf(retry_of, '') AS retried,
    nullIf(request_fingerprint, '') AS fingerprint, toInt64(toDecimal128(cost_usd, 12) * 1000000000000) AS cost_pico
"""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A call of the ledger and its place in the log."""

    call: StepCall
    partition: int
    incarnation: int
    offset: int
    item: int
    tenant_id: str
    ingested_ms: int
    source: str


class Past:
    """See the module. May be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def positions(self) -> dict[int, tuple[int, int]]:
        """How far the ledger holds each partition of the calls topic: (incarnation, last offset)."""
        rows = self._database.rows(
            "SELECT partition, argMax((incarnation, last), incarnation) FROM "
            "(SELECT partition, incarnation, max(through) AS last FROM intake GROUP BY partition, incarnation) "
            "GROUP BY partition"
        )
        return {int(partition): (int(at[0]), int(at[1])) for partition, at in rows}

    def gap(self, gap: Gap, page: int = PAGE) -> list[LedgerRow]:
        """The first `page` calls of a gap, in the order of the log."""
        return self._calls(
            "partition = {p:UInt32} AND incarnation >= {i1:UInt32} AND incarnation <= {i2:UInt32} "
            "AND (incarnation, toInt64(offset), item) > ({i1:UInt32}, {o1:Int64}, {n1:UInt32}) "
            "AND (incarnation, toInt64(offset), item) <= ({i2:UInt32}, {o2:Int64}, {n2:UInt32}) "
            "ORDER BY incarnation, offset, item LIMIT {page:UInt32}",
            {
                "p": gap.partition, "i1": gap.after[0], "o1": gap.after[1], "n1": gap.after[2],
                "i2": gap.through[0], "o2": gap.through[1], "n2": gap.through[2], "page": page,
            },
        )  # fmt: skip

    def ingested(self, after: Ingested, page: int = PAGE) -> list[LedgerRow]:
        """The next `page` calls of all partitions in the order in which they were ingested."""
        return self._calls(
            "ingested_at >= fromUnixTimestamp64Milli({t:Int64}) AND "
            "(toUnixTimestamp64Milli(ingested_at), toInt64(partition), toInt64(incarnation), toInt64(offset), "
            "toInt64(item)) > ({t:Int64}, {p:Int64}, {i:Int64}, {o:Int64}, {n:Int64}) "
            "ORDER BY ingested_at, partition, incarnation, offset, item LIMIT {page:UInt32}",
            {"t": after[0], "p": after[1], "i": after[2], "o": after[3], "n": after[4], "page": page},
        )

    def oldest_behind(self, after: Mapping[int, Place3], upto: Mapping[int, tuple[int, int]]) -> int | None:
        """When the first row behind the cursors `after` was ingested, epoch ms; None when there is none up to `upto`
        (incarnation, offset).
        """
        oldest: list[int] = []
        for partition, (incarnation, offset) in upto.items():
            known = after.get(partition, (0, -1, 0))
            if known[:2] >= (incarnation, offset):
                continue
            rows = self._database.rows(
                "SELECT toUnixTimestamp64Milli(min(ingested_at)) FROM intake WHERE partition = {p:UInt32} "
                "AND (incarnation, toInt64(offset)) >= ({i:UInt32}, {o:Int64}) HAVING count() > 0",
                {"p": partition, "i": known[0], "o": known[1]},
            )
            oldest += [int(row[0]) for row in rows]
        return min(oldest, default=None)

    def history_hours(self, from_ms: int) -> list[tuple[int, int]]:
        """(start in epoch ms, calls) of each hour that holds calls from a moment on, oldest first."""
        rows = self._database.rows(
            "SELECT toUInt64(toUnixTimestamp(hour)) * 1000 AS start, count() FROM calls "
            "GROUP BY hour HAVING start + 3600000 > {from:Int64} ORDER BY hour",
            {"from": from_ms},
        )
        return [(int(start), int(calls)) for start, calls in rows]

    def newest_ms(self) -> int:
        """Event time of the newest call; 0 when there is none."""
        rows = self._database.rows(
            "SELECT max(m) FROM (SELECT toUnixTimestamp64Milli(maxIf(time, outcome = 'call')) AS m FROM intake "
            "GROUP BY partition, incarnation)"
        )
        return max(0, int(rows[0][0] or 0))

    def history(self, after: tuple[int, str, str], end_ms: int, page: int = PAGE) -> list[LedgerRow]:
        """The next `page` calls before `end_ms` in (time, id, source) order, behind the call `after`."""
        return self._calls(
            "time >= fromUnixTimestamp64Milli({at:Int64}, 'UTC') "
            "AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC') "
            "AND (time, id, source) > (fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {id:String}, {source:String}) "
            "ORDER BY time, id, source LIMIT {page:UInt32}",
            {"at": after[0], "id": after[1], "source": after[2], "end": end_ms, "page": page},
        )

    def _calls(self, where: str, parameters: Mapping[str, Any]) -> list[LedgerRow]:
        table = self._database.arrow(
            f"SELECT {_CALL_COLUMNS}, partition, incarnation, offset, item, tenant_id, "
            "toUnixTimestamp64Milli(ingested_at) AS ingested_ms, source "
            f"FROM intake WHERE outcome = 'call' AND {where}",
            parameters,
        )
        columns = [table.column(number).to_pylist() for number in range(table.num_columns)]
        calls = map(StepCall, *columns[:14])
        return list(map(LedgerRow, calls, *columns[14:]))
