"""What the storm left behind, read from outside, and what should be there, computed from what was published."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from aiokafka.partitioner import murmur2

from streams import topics
from streams.ledger.client import Database
from streams.meter.price import Pricer
from streams.meter.route import MOVED_HEADER
from streams.meter.tiers import TIERS, load_tiers
from tests.crash.outside import Cell, read_log, read_usage
from tests.crash.storm import PARTITIONS, Death, storm
from tests.crash.traffic import Part, Traffic
from tests.crash.worker_process import ROOT, SPENDSTREAM, Site, clean_environment

Place = tuple[int, int, int]
"""(partition, offset, item): where a call or a reject stands in the log."""

_COLUMNS: Final = """
    partition, offset, item, through, incarnation, epoch, toString(outcome) AS outcome, source, id, agent_id, run_id,
    toUnixTimestamp64Milli(time) AS time_ms, provider_name, request_model, tier, status, input_tokens, output_tokens,
    cache_read_input_tokens, cache_write_input_tokens, reasoning_output_tokens, cost_usd, price_status, reason
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of the calls topic. `moved`: a meter sent it on from another partition."""

    partition: int
    offset: int
    parts: tuple[Part, ...]
    moved: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger's row at a place must be: `what` is a call's number or a reject's reason."""

    outcome: str
    what: Part


@dataclass(frozen=True, slots=True)
class Expected:
    """A distinct call as the ledger must have it."""

    partition: int
    tier: str
    second: int
    cost_pico: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the checks look at."""

    full: bool
    traffic: Traffic
    deaths: list[Death]
    log: list[Logged]
    usage: dict[Cell, tuple[int, ...]]
    ledger: pa.Table
    """`intake` in order of place, the columns of `_COLUMNS`."""
    epochs: list[tuple[int, int, str, int]]
    """(partition, epoch, event, start_offset)."""
    audit: dict[str, Any]
    """What `spendstream audit --json` said, and its exit code as `code`."""
    by_hour: list[tuple[Any, ...]]
    """Sums of `spend_by_hour`: calls, input, output, cache read, reasoning, cost, unpriced, errors."""

    def rows_of(self, death: Death) -> int:
        """How many ledger rows a life wrote."""
        mine = set(death.epochs.items())
        pairs = zip(self.ledger["partition"].to_pylist(), self.ledger["epoch"].to_pylist(), strict=True)
        return sum(1 for pair in pairs if pair in mine)


async def _gather(root: Path, calls: int, full: bool) -> Evidence:
    async with storm(root, calls, full=full) as (running, traffic, site):
        log = [
            Logged(
                record.partition,
                record.offset,
                traffic.parts_of(record.value),
                any(name == MOVED_HEADER for name, _ in record.headers),
            )
            async for record in read_log(site.broker_url, topics.CALLS, PARTITIONS)
        ]
        usage, _ = await read_usage(site.broker_url, PARTITIONS)
        audit = await asyncio.to_thread(_audit, site)
        database = Database(f"chdb://{site.ledger}")
        try:
            ledger = database.arrow(f"SELECT {_COLUMNS} FROM intake ORDER BY partition, offset, item")
            epochs = database.rows("SELECT partition, epoch, toString(event), start_offset FROM epochs")
            by_hour = database.rows(
                "SELECT sum(calls), sum(input_tokens), sum(output_tokens), sum(cache_read_input_tokens), "
                "sum(reasoning_output_tokens), sum(cost_usd), sum(unpriced), sum(errors) FROM spend_by_hour"
            )
        finally:
            database.close()
    begun = [(int(partition), int(epoch), str(event), int(start)) for partition, epoch, event, start in epochs]
    return Evidence(full, traffic, running.deaths, log, usage, ledger, begun, audit, by_hour)


def _audit(site: Site) -> dict[str, Any]:
    environment = clean_environment(clickhouse_url=f"chdb://{site.ledger}")
    done = subprocess.run(
        [*SPENDSTREAM, "audit", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"code": done.returncode}


def gather(root: Path, calls: int, *, full: bool) -> Evidence:
    """Run the storm and read everything."""
    return asyncio.run(_gather(root, calls, full))


def right_partition(key: bytes) -> int:
    """Where Kafka's own clients put a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)


def expected_rows(log: Sequence[Logged], traffic: Traffic) -> dict[Place, Row]:
    """The ledger is a function of the log: each part of each record is one row, and which one is decided here.

    A call in another partition than its key's is `moved`, unless a meter had put it there; of the others the first of
    its partition is the `call` and each later one a `duplicate`.
    """
    rows: dict[Place, Row] = {}
    seen: set[int] = set()
    for record in sorted(log, key=lambda record: (record.partition, record.offset)):
        for item, part in enumerate(record.parts):
            place = (record.partition, record.offset, item)
            if isinstance(part, str):
                rows[place] = Row("reject", part)
            elif not record.moved and right_partition(traffic.key(part)) != record.partition:
                rows[place] = Row("moved", part)
            elif part in seen:
                rows[place] = Row("duplicate", part)
            else:
                seen.add(part)
                rows[place] = Row("call", part)
    return rows


def expected_calls(traffic: Traffic) -> list[Expected]:
    """What each distinct call must be, by number. Price and tier by the shipped book and map, sums by whoever asks."""
    calls = traffic.calls

    def texts(name: str) -> list[str | None]:
        return [call.get(name) for call in calls]

    def counts(name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([call.get(name, 0) for call in calls], dtype=np.int64)

    models = [str(call["request_model"]) for call in calls]
    none: list[str | None] = [None] * len(calls)
    priced = Pricer.default().price(
        texts("provider_name"), models, none, counts("time_ms"), counts("input_tokens"), counts("output_tokens"),
        counts("cache_read_input_tokens"), counts("cache_write_input_tokens"),
    )  # fmt: skip
    tiers = load_tiers().tiers(texts("tier"), texts("provider_name"), models, none)
    return [
        Expected(
            right_partition(traffic.key(number)),
            TIERS[int(tiers[number])],
            call["time_ms"] // 1000,
            int(priced.cost_pico[number]) if priced.priced[number] else None,
        )
        for number, call in enumerate(calls)
    ]


def expected_usage(traffic: Traffic, calls: Sequence[Expected]) -> dict[Cell, tuple[int, ...]]:
    """The cells of all distinct calls, in the order of `outside.MEASURES`."""
    cells: dict[Cell, list[int]] = {}
    for call, known in zip(traffic.calls, calls, strict=True):
        totals = cells.setdefault(Cell(known.partition, call["agent_id"], known.tier, known.second), [0] * 9)
        for at, value in enumerate(
            (
                1,
                call.get("status", "ok") != "ok",
                call["input_tokens"],
                call["output_tokens"],
                call.get("cache_read_input_tokens", 0),
                call.get("cache_write_input_tokens", 0),
                call.get("reasoning_output_tokens", 0),
                known.cost_pico is None,
                known.cost_pico or 0,
            )
        ):
            totals[at] += value
    return {cell: tuple(totals) for cell, totals in cells.items()}


def first_differences(expected: dict[Any, Any], found: dict[Any, Any], most: int = 5) -> str:
    """Where two mappings differ, for a failure's message; empty when they are equal."""
    lost = [key for key in expected if key not in found]
    extra = [key for key in found if key not in expected]
    other = [key for key in expected if key in found and expected[key] != found[key]]
    if not (lost or extra or other):
        return ""
    examples = [f"{key}: expected {expected.get(key)}, found {found.get(key)}" for key in (lost + extra + other)[:most]]
    return "\n".join([f"{len(lost)} missing, {len(extra)} too many, {len(other)} different", *examples])
