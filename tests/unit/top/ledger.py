"""A real ledger with known calls for the tests of `top`, and a reader of it as `streams.cli.reach` makes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from streams.cli.reach import JSON_SETTINGS, parameter
from streams.embedded.engine import ChdbEngine
from streams.errors import Unavailable
from streams.ledger.client import Database

T = TypeVar("T")

NOW = 1_763_719_200_000
"""2025-11-21T10:00:00Z."""
WRITTEN = NOW + 500
MINUTE = 60_000


class EngineReader:
    """Rows of one database of this process's engine, read-only."""

    def __init__(self, engine: ChdbEngine, database: str) -> None:
        self._engine = engine
        self._database = database

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        values = {name: parameter(value) for name, value in (parameters or {}).items()}
        asked = {**JSON_SETTINGS, **(settings or {})}
        rows: list[list[Any]] = json.loads(self._engine.run(sql, "JSONCompact", values, asked, self._database).body)[
            "data"
        ]
        return rows


class FakeSource:
    """A `Source` on a reader; `fault` makes it fail, `idle` says that nobody writes."""

    name = "data/spend"
    in_process = False

    def __init__(self, reader: EngineReader) -> None:
        self.reader = reader
        self.fault = ""
        self.idle = False
        self.asked = 0

    def is_idle(self) -> bool:
        return self.idle

    def ask(self, work: Callable[[Any], T]) -> T:
        self.asked += 1
        if self.fault:
            raise Unavailable(self.fault)
        return work(self.reader)


def reader_of(database: Database, chdb_url: str) -> tuple[EngineReader, ChdbEngine]:
    """A reader of `database`, and the engine to close."""
    engine = ChdbEngine(Path(chdb_url.removeprefix("chdb://")), database=database.database)
    return EngineReader(engine, database.database), engine


def insert(database: Database, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows of `intake`; what is not given takes its default."""
    filled = []
    for offset, row in enumerate(rows):
        base: dict[str, Any] = {
            "incarnation": 1,
            "partition": 0,
            "offset": offset,
            "item": 0,
            "epoch": 1,
            "outcome": "call",
            "arrived_at": WRITTEN - 300,
            "ingested_at": WRITTEN,
            "time": NOW - MINUTE,
            "status": "ok",
        }
        filled.append(base | dict(row))
    names = sorted({name for row in filled for name in row})
    values = ", ".join("(" + ", ".join(_value(name, row.get(name)) for name in names) + ")" for row in filled)
    database.command(f"INSERT INTO intake ({', '.join(f'`{name}`' for name in names)}) VALUES {values}")


def _value(name: str, value: Any) -> str:
    if value is None:
        return "NULL" if name == "cost_usd" else "DEFAULT"
    if name in {"time", "arrived_at", "ingested_at"}:
        return f"fromUnixTimestamp64Milli({int(value)}, 'UTC')"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def some_calls() -> list[dict[str, Any]]:
    """Two teams, three agents, a sub-agent, an unpriced model, errors, a duplicate, a reject, an old call."""
    chat = {"agent_id": "chat", "team_id": "support", "tier": "mid", "request_model": "gpt-5-mini", "run_id": "talk-1"}
    coder = {
        "agent_id": "coder",
        "team_id": "platform",
        "tier": "frontier",
        "request_model": "sonnet",
        "run_id": "edit-1",
    }
    helper = coder | {"agent_id": "coder/tests", "parent_agent_id": "coder", "request_model": "haiku", "tier": "mid"}
    own = {"agent_id": "reader", "team_id": "", "tier": "unknown", "request_model": "own"}
    tokens = {"input_tokens": 1000, "output_tokens": 100}
    return [
        chat | tokens | {"id": "a1", "cost_usd": "0.000450000001"},
        chat | tokens | {"id": "a2", "cost_usd": "0.25", "status": "error", "time": NOW - 2 * MINUTE},
        coder | {"id": "b1", "input_tokens": 50_000, "output_tokens": 900, "cache_read_input_tokens": 40_000,
                 "cost_usd": "1.5", "tool_name": "bash", "time": NOW - 3 * MINUTE},
        coder | {"id": "b2", "input_tokens": 60_000, "output_tokens": 500, "cost_usd": "2.000000000001", "attempt": 2,
                 "status": "rate_limited"},
        helper | tokens | {"id": "b3", "cost_usd": "0.125"},
        own | tokens | {"id": "c1", "cost_usd": None},
        chat | {"id": "a1", "outcome": "duplicate"},
        {"outcome": "reject", "reason": "bad_time", "payload": "{}"},
        chat | tokens | {"id": "old", "cost_usd": "8", "time": NOW - 90 * MINUTE, "ingested_at": WRITTEN - 80 * MINUTE,
                         "arrived_at": WRITTEN - 80 * MINUTE},
    ]  # fmt: skip
