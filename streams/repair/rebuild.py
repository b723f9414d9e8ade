"""Roll-ups: compared with the rows, and made again from them.

Roll-ups are projections: parts of the tables that the engine keeps beside the rows and reads instead of them. They are
written with each insert and cannot drift; but a disk can, an operator's ALTER can, and a ledger that is restored from a
backup should be proved before it is believed.

    compare   the projection's own query twice in one statement (so that both see the same rows), once read from the
              projection and once from the rows: number of groups, and a checksum of all of them
    rebuild   month by month: drop the projection's data, and have the engine make it again; meanwhile the same
              questions are answered from the rows, right and slower
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streams.errors import LedgerError
from streams.ledger.client import Database

_QUERY = re.compile(r"SELECT (?P<columns>.*?)(?: GROUP BY (?P<group>.*?))?(?: ORDER BY .*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Projection:
    """One roll-up, and in how many of its table's parts it is whole."""

    table: str
    name: str
    query: str
    parts: int
    missing: int
    """Parts without it: written while it was dropped, or not made yet."""
    broken: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A roll-up beside the rows. `groups` and `checksum` are the rows'; money is in the checksum to the last digit."""

    table: str
    name: str
    groups: int
    equal: bool
    read: bool
    """Whether the engine reads the projection at all; if not, nothing was compared."""
    missing: int
    broken: int

    @property
    def ok(self) -> bool:
        """Nothing to make again."""
        return self.equal and self.read and not self.missing and not self.broken

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return asdict(self) | {"ok": self.ok}


def projections(database: Database) -> list[Projection]:
    """All roll-ups of the ledger's tables."""
    rows = database.rows(
        """
        SELECT p.table, p.name, p.query, t.parts, t.parts - q.parts AS missing, q.broken
        FROM (SELECT table, name, query FROM system.projections WHERE database = currentDatabase()) AS p
        LEFT JOIN
        (
            SELECT table, count() AS parts FROM system.parts
            WHERE active AND rows > 0 AND database = currentDatabase() GROUP BY table
        ) AS t ON t.table = p.table
        LEFT JOIN
        (
            SELECT table, name, uniqExact(parent_name) AS parts, countIf(is_broken) AS broken
            FROM system.projection_parts
            WHERE active AND parent_rows > 0 AND database = currentDatabase() GROUP BY table, name
        ) AS q ON q.table = p.table AND q.name = p.name
        ORDER BY p.table, p.name
        """
    )
    return [
        Projection(str(table), str(name), str(query), int(parts), int(missing), int(broken))
        for table, name, query, parts, missing, broken in rows
    ]


def compare(database: Database, one: Projection) -> Compared:
    """Compare a roll-up with the rows."""
    if not one.parts:
        return Compared(one.table, one.name, 0, True, True, 0, 0)
    rolled, plain = _halves(database, one)
    sql = (
        f"SELECT 1 AS rolled, count() AS groups, sum(cityHash64(*)) AS checksum FROM ({rolled}) "
        f"UNION ALL SELECT 0, count(), sum(cityHash64(*)) FROM ({plain})"
    )
    try:
        plan = database.rows("EXPLAIN " + sql)
        rows = database.rows(sql)
    except LedgerError as error:
        if "PROJECTION_NOT_USED" not in str(error):
            raise
        return Compared(one.table, one.name, 0, False, False, one.missing, one.broken)
    read = any(f"({one.name})" in str(line) for (line,) in plan)
    by_half = {int(row[0]): (int(row[1]), int(row[2])) for row in rows}
    equal = by_half[0] == by_half[1]
    return Compared(one.table, one.name, by_half[0][0], equal, read, one.missing, one.broken)


def _halves(database: Database, one: Projection) -> tuple[str, str]:
    found = _QUERY.fullmatch(one.query.strip())
    if found is None:
        raise LedgerError(
            f"the projection {one.name} of {one.table} has a query that cannot be read: {one.query[:200]}"
        )
    words = set(re.findall(r"\w+", one.query))
    columns = database.rows(
        "SELECT name FROM system.columns "
        "WHERE database = currentDatabase() AND table = {t:String} AND default_kind = ''",
        {"t": one.table},
    )
    other = next((str(name) for (name,) in columns if str(name) not in words), None)
    if other is None:
        raise LedgerError(f"the projection {one.name} has every column of {one.table}: nothing tells it from the rows")
    group = f" GROUP BY {found['group']}" if found["group"] else ""
    head = f"SELECT {found['columns']} FROM `{one.table}`"
    # A column that the projection does not have: this half must read the rows.
    force = f" SETTINGS force_optimize_projection = 1, preferred_optimize_projection_name = '{one.name}'"
    return f"{head}{group}{force}", f"{head} WHERE NOT ignore(`{other}`){group}"


Step = Callable[[str, str, int, int], None]
"""Told of progress: table, projection, months done, months in all."""


def rebuild(
    database: Database,
    which: Sequence[Projection],
    pause: Callable[[], None],
    step: Step = lambda table, name, done, of: None,
) -> None:
    """Make these roll-ups again. `pause` waits a moment (a fifth of a second). Raises `LedgerError` when one fails."""
    for one in which:
        months = [
            str(month)
            for (month,) in database.rows(
                "SELECT DISTINCT partition_id FROM system.parts "
                "WHERE active AND database = currentDatabase() AND table = {t:String} ORDER BY partition_id",
                {"t": one.table},
            )
        ]
        for done, month in enumerate(months):
            step(one.table, one.name, done, len(months))
            for verb in ("CLEAR", "MATERIALIZE"):
                database.command(
                    f"ALTER TABLE `{one.table}` {verb} PROJECTION `{one.name}` IN PARTITION ID '{month}' "
                    "SETTINGS mutations_sync = 0"
                )
                _until_done(database, one.table, pause)
        step(one.table, one.name, len(months), len(months))


def _until_done(database: Database, table: str, pause: Callable[[], None]) -> None:
    sql = (
        "SELECT parts_to_do, latest_fail_reason FROM system.mutations "
        "WHERE database = currentDatabase() AND table = {t:String} AND NOT is_done"
    )
    while rows := database.rows(sql, {"t": table}):
        failed = [str(reason) for _, reason in rows if reason]
        if failed:
            raise LedgerError(f"the engine cannot make a roll-up of {table} again: {failed[0].splitlines()[0][:300]}")
        pause()
