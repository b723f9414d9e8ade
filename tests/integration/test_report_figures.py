"""Every figure of a report against sums made independently, in plain Python, from what lies in the ledger.

The ledger holds duplicates, rejects, calls of other months, late and unpriced calls, and costs that use all twelve
decimals. Everything is compared to the last digit.
"""

from __future__ import annotations

import csv
import html
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.cli.reach import EngineLedger, parameter
from streams.embedded.engine import EngineError
from streams.errors import LedgerError, SpendstreamError
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.report.figures import Report, read_report
from streams.report.page import page
from streams.report.period import month
from streams.report.tables import as_json, write_csv

Row = dict[str, Any]
EXACT = Context(prec=60)
NOW = datetime(2026, 2, 10, 12, 30, tzinfo=UTC)
JANUARY = month(NOW.date() - timedelta(days=30))
HOSTILE = "<script>alert(1)</script>"
NAMES = ("", "a", HOSTILE, "=1+1", 'o\'brien "x" & co', "größe")


class Door(EngineLedger):
    """The command's own door to a ledger, to one database of the tests' engine."""

    def __init__(self, path: Path, database: str) -> None:
        super().__init__(path)
        self._database = database

    def text(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        values = {name: parameter(value) for name, value in (parameters or {}).items()}
        try:
            return self._engine.run(sql, fmt, values, settings or {}, self._database).body
        except EngineError as error:
            raise LedgerError(error.message) from None


@pytest.fixture
def door(chdb_url: str, database: Database) -> Iterator[Door]:
    migrate(database)
    door = Door(Path(chdb_url.removeprefix("chdb://")), database.database)
    yield door
    door.close()


def made_up(seed: int, count: int) -> list[Row]:
    """Rows of `intake` from December to February, most of them calls of January."""
    rng = random.Random(seed)
    rows = []
    for at in range(count):
        time = datetime(2025, 12, 10, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(70 * 86_400_000))
        late = rng.choice([0.2, 3, 23.9, 24, 30, 24 * 40])
        tokens = rng.randrange(1, 10 ** rng.randrange(1, 10))
        read = rng.randrange(tokens) if rng.random() < 0.5 else 0
        output = rng.randrange(10**6)
        cost = None if rng.random() < 0.15 else Decimal(rng.randrange(10 ** rng.randrange(1, 18))).scaleb(-12, EXACT)
        rows.append(
            {
                "outcome": rng.choices(["call", "duplicate", "reject"], [8, 1, 1])[0],
                "offset": at,
                "id": f"id-{at}",
                "time": time,
                "ingested_at": time + timedelta(hours=late),
                "arrived_at": time + timedelta(hours=late),
                "tenant_id": rng.choice(["", "t1"]),
                "team_id": rng.choice(NAMES),
                "agent_id": rng.choice(NAMES[1:]),
                "run_id": rng.choice(["", "r1", "r2", HOSTILE, "r4"]),
                "provider_name": rng.choice(["openai", "", "google"]),
                "request_model": rng.choice(["gpt-4o", "m2", HOSTILE]),
                "tier": rng.choice(["frontier", "mid", "oss", "unknown"]),
                "input_tokens": tokens,
                "output_tokens": output,
                "cache_read_input_tokens": read,
                "cache_write_input_tokens": rng.randrange(tokens - read),
                "reasoning_output_tokens": rng.randrange(output + 1),
                "status": rng.choice(["ok", "ok", "error"]),
                "cost_usd": cost,
                "price_status": "priced" if cost is not None else rng.choice(["unknown_model", "unknown_provider"]),
                "reported_cost": rng.choice([None, Decimal(rng.randrange(10**15)).scaleb(-12, EXACT)]),
                "reason": "",
            }
        )
        if rows[-1]["outcome"] == "reject":
            rows[-1]["reason"] = rng.choice(["not_json", "missing_field"])
    return rows


def store(database: Database, rows: Sequence[Row]) -> None:
    """Write them as they are."""

    def literal(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, datetime):
            return f"'{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}'"
        if isinstance(value, Decimal):
            return f"toDecimal64('{value:f}', 12)" if value < 10**5 else f"toDecimal128('{value:f}', 12)"
        return str(value) if isinstance(value, int) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    names = list(rows[0])
    for at in range(0, len(rows), 500):
        chunk = ", ".join("(" + ", ".join(literal(row[name]) for name in names) + ")" for row in rows[at : at + 500])
        database.command(f"INSERT INTO intake ({', '.join(names)}) VALUES {chunk}")


def report_of(door: Door, **options: Any) -> Report:
    return read_report(door, JANUARY, NOW, **options)


def money(rows: Sequence[Row], field: str = "cost_usd") -> str:
    total = Decimal(0)
    for row in rows:
        total = EXACT.add(total, row[field] or Decimal(0))
    return f"{total:.12f}"


def measures(rows: Sequence[Row]) -> dict[str, Any]:
    """What the tables call MEASURES, from rows."""

    def tokens(field: str) -> int:
        return sum(row[field] for row in rows)

    read, write = tokens("cache_read_input_tokens"), tokens("cache_write_input_tokens")
    return {
        "calls": len(rows),
        "input_tokens": tokens("input_tokens"),
        "uncached_input_tokens": tokens("input_tokens") - read - write,
        "cache_read_input_tokens": read,
        "cache_write_input_tokens": write,
        "output_tokens": tokens("output_tokens"),
        "reasoning_output_tokens": tokens("reasoning_output_tokens"),
        "unpriced_calls": sum(row["cost_usd"] is None for row in rows),
        "failed_calls": sum(row["status"] != "ok" for row in rows),
        "cost_usd": money(rows),
    }


def by(rows: Sequence[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def within(rows: Sequence[Row], year: int, number: int) -> list[Row]:
    return [row for row in rows if row["outcome"] == "call" and (row["time"].year, row["time"].month) == (year, number)]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_equals_an_independent_sum(door: Door, database: Database, seed: int) -> None:
    rows = made_up(seed, 900)
    store(database, rows)
    january, december = within(rows, 2026, 1), within(rows, 2025, 12)
    report = as_json(report_of(door, top=1000))

    said = report["summary"]
    assert {name: said[name] for name in measures(january)} == measures(january)
    assert said["before_calls"] == len(december)
    assert said["before_cost_usd"] == money(december)
    difference = EXACT.subtract(Decimal(money(january)), Decimal(money(december)))
    assert said["change_usd"] == f"{difference:.12f}"
    assert said["ledger_calls"] == sum(row["outcome"] == "call" for row in rows)

    for name, fields in (
        ("by_team", ("tenant_id", "team_id")),
        ("by_tier", ("tier",)),
        ("by_model", ("provider_name", "request_model")),
    ):
        now = by(january, lambda row, f=fields: tuple(row[x] for x in f))  # type: ignore[misc]
        old = by(december, lambda row, f=fields: tuple(row[x] for x in f))  # type: ignore[misc]
        assert len(report[name]) == len(now.keys() | old.keys())
        for line in report[name]:
            key = tuple(line[field] for field in fields)
            expected = measures(now.get(key, []))
            assert {field: line[field] for field in expected} == expected, (name, key)
            assert (line["before_calls"], line["before_cost_usd"]) == (len(old.get(key, [])), money(old.get(key, [])))

    days = by(january, lambda row: row["time"].date().isoformat())
    assert [line["day"] for line in report["by_day"]] == [f"2026-01-{day:02d}" for day in range(1, 32)]
    for line in report["by_day"]:
        assert {field: line[field] for field in measures([])} == measures(days.get(line["day"], []))

    finest = ("tenant_id", "team_id", "tier", "provider_name", "request_model")
    cells = by(january, lambda row: (row["time"].date().isoformat(), *(row[field] for field in finest)))
    assert len(report["all"]) == len(cells)
    for line in report["all"]:
        key = (line["day"], *(line[field] for field in finest))
        assert {field: line[field] for field in measures([])} == measures(cells[key])


@pytest.mark.parametrize("seed", [4])
def test_agents_runs_unpriced_late_reported_and_excluded(door: Door, database: Database, seed: int) -> None:
    rows = made_up(seed, 900)
    store(database, rows)
    january = within(rows, 2026, 1)
    report = as_json(report_of(door, top=1000))

    agents = by(january, lambda row: (row["tenant_id"], row["agent_id"]))
    assert {(a["tenant_id"], a["agent_id"]) for a in report["top_agents"]} == agents.keys()
    for line in report["top_agents"]:
        mine = agents[line["tenant_id"], line["agent_id"]]
        assert line["runs"] == len({row["run_id"] for row in mine} - {""})
        assert line["teams"] == ", ".join(sorted({row["team_id"] for row in mine} - {""}, key=str.encode))
        expected = measures(mine)
        assert {field: line[field] for field in ("calls", "input_tokens", "output_tokens", "cost_usd")} == {
            field: expected[field] for field in ("calls", "input_tokens", "output_tokens", "cost_usd")
        }
        assert line["unpriced_calls"] == expected["unpriced_calls"]
    costs = [Decimal(line["cost_usd"]) for line in report["top_agents"]]
    assert costs == sorted(costs, reverse=True)

    runs = by([row for row in january if row["run_id"]], lambda row: (row["tenant_id"], row["run_id"]))
    assert {(r["tenant_id"], r["run_id"]) for r in report["top_runs"]} == runs.keys()
    for line in report["top_runs"]:
        mine = runs[line["tenant_id"], line["run_id"]]
        assert (line["calls"], line["cost_usd"]) == (len(mine), money(mine))
        assert line["agents"] == len({row["agent_id"] for row in mine})
        assert line["first_call"] == instant(min(row["time"] for row in mine))
        assert line["last_call"] == instant(max(row["time"] for row in mine))

    unpriced = by(
        [row for row in january if row["cost_usd"] is None],
        lambda row: (row["provider_name"], row["request_model"], row["price_status"]),
    )
    assert {tuple(line.values())[:3]: line["calls"] for line in report["unpriced"]} == {
        key: len(some) for key, some in unpriced.items()
    }
    assert report["summary"]["unpriced_calls"] == sum(map(len, unpriced.values()))

    day = timedelta(hours=24)
    late = by([row for row in january if row["ingested_at"] - row["time"] >= day], lambda row: row["time"].date())
    assert [line["day"] for line in report["late"]] == [at.isoformat() for at in sorted(late)]
    for line in report["late"]:
        mine = late[datetime.fromisoformat(line["day"]).date()]
        closed = [row for row in mine if row["ingested_at"] >= JANUARY.end + day]
        assert (line["calls"], line["cost_usd"]) == (len(mine), money(mine))
        assert (line["calls_after_period"], line["cost_after_period_usd"]) == (len(closed), money(closed))
    assert report["summary"]["late_calls_after_period"] > 0

    told = by([row for row in january if row["reported_cost"] is not None], lambda row: row["provider_name"])
    for line in report["reported"]:
        mine = told[line["provider_name"]]
        assert (line["reported_usd"], line["cost_usd"]) == (money(mine, "reported_cost"), money(mine))

    out = [row for row in rows if row["outcome"] != "call" and JANUARY.start <= row["arrived_at"] < JANUARY.end]
    assert {(e["outcome"], e["reason"]): e["records"] for e in report["excluded"]} == {
        key: len(some) for key, some in by(out, lambda row: (row["outcome"], row["reason"])).items()
    }


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def test_page_and_csv_hold_the_same_digits(door: Door, database: Database, tmp_path: Path) -> None:
    store(database, made_up(6, 400))
    report = report_of(door)
    said = as_json(report)
    text = page(report)
    values = set(re.findall(r'<data[^>]* value="([^"]+)"', text))
    for name in ("by_team", "by_tier", "by_model", "top_agents", "top_runs"):
        for line in said[name]:
            all_unpriced = line["calls"] and line["unpriced_calls"] == line["calls"]
            assert all_unpriced or line["cost_usd"] in values, (name, line)
    assert said["summary"]["cost_usd"] in values
    assert HOSTILE not in text
    assert html.escape(HOSTILE) in text
    for path in write_csv(report, tmp_path):
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        expected = said[path.stem]
        if path.stem == "summary":
            assert {line["figure"]: line["value"] for line in lines} == {k: str(v) for k, v in expected.items()}
            continue
        unmarked = [{k: v.removeprefix("'") for k, v in line.items()} for line in lines]
        assert unmarked == [{k: str(v) for k, v in line.items()} for line in expected], path


def test_duplicates_and_rejects_change_no_figure(door: Door, database: Database) -> None:
    rows = made_up(7, 300)
    store(database, [row for row in rows if row["outcome"] == "call"])
    before = as_json(report_of(door))
    store(database, [row for row in rows if row["outcome"] != "call"])
    after = as_json(report_of(door))
    assert after.pop("excluded") != before.pop("excluded")
    for said in (before["summary"], after["summary"]):
        del said["rejected_records"], said["duplicate_records"]
    assert after == before


def test_an_empty_ledger_says_so(door: Door) -> None:
    report = read_report(door, None, NOW)
    assert report.period == month(NOW.date())
    assert "The ledger is empty" in page(report)
    assert as_json(report)["summary"]["calls"] == 0


def test_a_month_without_calls_names_the_months_that_have_some(door: Door, database: Database) -> None:
    store(database, made_up(8, 200))
    report = read_report(door, month(datetime(2024, 5, 1, tzinfo=UTC).date()), NOW)
    text = page(report)
    assert "No calls in May 2024" in text
    assert "<td>2026-01</td>" in text


def test_without_a_period_the_latest_month_with_calls_is_reported(door: Door, database: Database) -> None:
    store(database, within(made_up(9, 300), 2026, 1))
    assert read_report(door, None, NOW).period == JANUARY


def test_a_database_without_tables_says_what_to_do(chdb_url: str, database: Database) -> None:
    door = Door(Path(chdb_url.removeprefix("chdb://")), database.database)
    try:
        with pytest.raises(SpendstreamError, match="spendstream migrate"):
            read_report(door, None, NOW)
    finally:
        door.close()
