"""What panels cost: `python -m dashboards.measure DIR [BOARD ...]` prints the table of docs/boards.md.

DIR is made first, when it is not there: a made-up ledger of 10,000,000 rows over 90 days, about 2 GB, some minutes of
work. Keep it: the next measurement takes a minute. Each query runs three times; milliseconds are the median of what the
engine says, rows those that it read from storage, roll-ups included. Time ranges are the boards' own and end with the
ledger. Milliseconds are worth something on an idle machine only; rows read are the same on any.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from streams.boards.check import time_range
from streams.boards.files import read
from streams.boards.lint import panels_of, query_of
from streams.boards.macros import ALL, TimeRange, expand, variables_of
from streams.boards.queries import BoardQuery, board_query
from streams.boards.sample import Sample, fill
from streams.cli.reach import EngineLedger
from streams.ledger.client import Database
from streams.ledger.migrate import migrate

LEDGER = Sample(end=datetime(2026, 3, 31, 9, 30, tzinfo=UTC), calls=10_000_000, days=90, agents=2000)
TIMES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one query: milliseconds (median) and rows read."""

    ms: float
    rows: int


def made(place: Path, sample: Sample = LEDGER) -> None:
    """Fill DIR when it is empty; bring it to this version's migrations when it is not."""
    with closing(Database(f"chdb://{place.absolute()}", create=True, timeout_s=3600)) as database:
        migrate(database)
        if database.rows("SELECT count() FROM intake")[0][0]:
            return
        fill(database, sample)


def measured(
    ledger: EngineLedger, boards: Mapping[str, dict[str, Any]], now: datetime, times: int = TIMES
) -> Iterator[tuple[str, str, Cost, Cost | None]]:
    """(board, panel, everything chosen, one agent or run chosen) of each query once, in the boards' order.

    The last is None where the query knows neither agents nor runs.
    """
    for name, board in boards.items():
        everything: dict[str, str | list[str]] = {
            one["name"]: ALL if one["type"] == "query" else ""
            for one in board["templating"]["list"]
            if one["type"] in {"query", "textbox"}
        }
        whole = time_range(board, now)
        chosen: dict[str, str | list[str]] = {
            "agent": [_first(ledger, "agents", "agent", whole)],
            "run": _first(ledger, "agent_runs", "run", whole),
        }
        seen: set[str] = set()
        for panel in panels_of(board):
            query = query_of(panel["targets"][0])
            if query.name in seen:
                continue
            seen.add(query.name)
            range_ = time_range(board, now, panel.get("interval") or "1m")
            told = variables_of(query.sql) & chosen.keys()
            by = "run" if "run" in told else "agent"
            yield (
                name, str(panel["title"]), _cost(ledger, query, range_, everything, times),
                _cost(ledger, query, range_, everything | {by: chosen[by]}, times) if told else None,
            )  # fmt: skip


def _first(ledger: EngineLedger, query: str, column: str, range_: TimeRange) -> str:
    everything: dict[str, str | list[str]] = {"team": ALL, "tier": ALL, "model": ALL, "agent": ALL}
    rows = json.loads(ledger.text(expand(board_query(query).sql, range_, everything), "JSON"))["data"]
    return str(rows[0][column])


def _cost(
    ledger: EngineLedger, query: BoardQuery, range_: TimeRange, choice: Mapping[str, str | list[str]], times: int
) -> Cost:
    sql = expand(query.sql, range_, choice)
    told = [json.loads(ledger.text(sql, "JSONCompact"))["statistics"] for _ in range(times)]
    return Cost(statistics.median(one["elapsed"] for one in told) * 1000, told[0]["rows_read"])


def main(place: Path, chosen: list[str]) -> None:
    """Print the table, as Markdown."""
    made(place)
    boards = {name: board for name, board in read().boards.items() if not chosen or name in chosen}
    click.echo("| board | panel | ms | rows read | with one agent or run chosen |\n|---|---|---|---|---|")
    with closing(EngineLedger(place)) as ledger:
        for name, title, whole, one in measured(ledger, boards, LEDGER.end):
            less = f"{one.ms:.0f} ms, {one.rows:,}" if one else ""
            click.echo(f"| {name} | {title} | {whole.ms:.0f} | {whole.rows:,} | {less} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
