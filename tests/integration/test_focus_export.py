"""A month as FOCUS, against sums made call by call in plain decimals from the prices as this file writes them down.

Calls go through the meter's own steps into the ledger: with prices by input length, cached tokens, a price that changes
in the middle of the month, discounts, fees a call, prices by the hour and by the time of day, prices finer than the
ledger's digits, no price at all, duplicates, late calls of closed months and prices that were computed again.
"""

from __future__ import annotations

import contextlib
import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams.cli.main import run
from streams.closing.close import close_month, reopen_month
from streams.closing.statement import read_statement
from streams.errors import LedgerError, UsageError
from streams.export.columns import COLUMNS
from streams.export.focus import Account
from streams.export.month import Export, export_month
from streams.export.write import write_csv, write_parquet
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from streams.meter.price import Overrides, Pricer, parse_overrides
from streams.meter.rows import ledger_table
from streams.rating.rerate import Order, rerate
from tests.fakes import Steps, batch, call, partition_meter, record, value
from tests.integration.test_report_figures import EXACT, Door, door

__all__ = ["door"]

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
START = datetime(2026, 10, 1, tzinfo=UTC)
PRICES = """
[[price]]
model = "house-large"
provider = "in-house"
to = 2026-10-16
input = "0.40"
output = "1.20"
cache_read = "0.10"
cache_write = "0.50"
[[price.above]]
input_tokens = 2000
input = "0.80"
output = "2.40"
cache_read = "0.20"
cache_write = "1.00"

[[price]]
model = "house-large"
provider = "in-house"
from = 2026-10-16
input = "0.37"
output = "1.11"

[[price]]
model = "gpt-4o"
provider = "openai"
off = "12.5%"

[[price]]
model = "house-gpu"
provider = "in-house"
per_hour = "12.50"
at_once = 8
"""
BOOK = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-6"),
    ("google", "gemini-2.5-pro"),
    ("perplexity", "sonar-pro"),
    ("deepseek", "deepseek-chat"),
    ("deepseek", "deepseek-flash"),
    ("openrouter", "google/gemini-2.5-flash"),
    ("groq", "no-such-model"),
    ("", "llama-3.3-70b"),
    ("in-house", "house-large"),
    ("in-house", "house-gpu"),
)


@dataclass
class Ledger:
    """Calls through the steps of the meter, one flush after the other, at the time given."""

    store: LedgerStore
    steps: Steps
    database: Database
    calls: list[dict[str, Any]] = field(default_factory=list)
    offset: int = 0
    flushes: int = 0

    def __post_init__(self) -> None:
        self.meter = partition_meter(0, epoch=self.store.fence(0, "w"))
        self.store.record_start(0, self.meter.epoch, 1, 0, "w", "")

    def write(self, calls: list[dict[str, Any]], at: datetime) -> None:
        self.flushes += 1
        at_ms = round(at.timestamp() * 1000)
        records = [record(value(one), self.offset + place, timestamp=at_ms) for place, one in enumerate(calls)]
        metered = self.steps.run(self.meter, batch(records, self.offset))
        self.offset += len(calls)
        assert not metered.refused
        columns, table = ledger_table([metered], at_ms)
        self.store.write(columns, table, f"flush {self.flushes}")
        known = {one["id"] for one in self.calls}
        self.calls += [one for one in calls if one["id"] not in known]


def made_up(rng: random.Random, first: datetime, days: int, count: int, prefix: str) -> list[dict[str, Any]]:
    calls = []
    for at in range(count):
        provider, model = rng.choice(BOOK)
        tokens = rng.choice([0, 7, 1999, 2000, 2001, 150_000, 200_000, 200_001, 333_333])
        read = rng.randrange(tokens + 1) if rng.random() < 0.5 else 0
        moment = first + timedelta(milliseconds=rng.randrange(days * 86_400_000))
        one = call(
            f"{prefix}{at}",
            time=round(moment.timestamp() * 1000),
            team_id=rng.choice(["search", "support", 'o\'brien, "x"\n=1+1']),
            tenant_id=rng.choice(["", "acme"]),
            provider_name=provider,
            request_model=model,
            input_tokens=tokens,
            cache_read_input_tokens=read,
            cache_write_input_tokens=rng.randrange(tokens - read + 1) if rng.random() < 0.3 else 0,
            output_tokens=rng.choice([0, 1, 999, 12_345]),
            latency_ms=rng.choice([0.5, 1234.567, 60_000]),
            tags={"env": rng.choice(["prod", "test"]), "request": f"r{at}"},
        )
        calls.append({name: given for name, given in one.items() if given != ""})
    return calls


@pytest.fixture(scope="module")
def overrides() -> Overrides:
    return parse_overrides(PRICES, "prices.toml")


@pytest.fixture
def ledger(store: LedgerStore, database: Database, overrides: Overrides) -> Ledger:
    return Ledger(store, Steps(pricer=Pricer.default(overrides)), database)


def costs(rows: Iterable[Mapping[str, Any]], name: str = "ContractedCost") -> Decimal:
    total = Decimal(0)
    for row in rows:
        total = EXACT.add(total, row[name])
    return total


def in_ledger(door: Door, where: str = "1") -> Decimal:
    return Decimal(door.rows(f"SELECT toString(ifNull(sum(rated_cost_usd), 0)) FROM rated_calls WHERE {where}")[0][0])


IN_OCTOBER = "toYYYYMM(time) = 202610"


def by_hand(one: Mapping[str, Any]) -> dict[str, Decimal]:
    """USD by meter of a call of `house-large`, from the prices above."""
    early = one["time"] < datetime(2026, 10, 16, tzinfo=UTC).timestamp() * 1000
    long = one["input_tokens"] > 2000
    plain, read, write, output = (
        (("0.80", "0.20", "1.00", "2.40") if long else ("0.40", "0.10", "0.50", "1.20"))
        if early
        else ("0.37", "0.37", "0.37", "1.11")
    )
    uncached = one["input_tokens"] - one["cache_read_input_tokens"] - one["cache_write_input_tokens"]
    tokens = {
        "Input tokens": (uncached, plain),
        "Cached input tokens": (one["cache_read_input_tokens"], read),
        "Cache write tokens": (one["cache_write_input_tokens"], write),
        "Output tokens": (one["output_tokens"], output),
    }
    return {
        meter: EXACT.multiply(Decimal(count), Decimal(price).scaleb(-6)) for meter, (count, price) in tokens.items()
    }


@pytest.mark.parametrize(("seed", "step"), [(1, "day"), (2, "hour")])
def test_classes_add_up_to_the_ledger_to_the_last_digit(ledger: Ledger, door: Door, seed: int, step: Any) -> None:
    rng = random.Random(seed)
    calls = made_up(rng, START, 31, 700, "a")
    ledger.write(calls, START + timedelta(days=32))
    ledger.write(calls[:100], START + timedelta(days=32))  # sent again
    ledger.write(made_up(rng, START - timedelta(days=40), 39, 60, "b"), START)
    made = export_month(door, ledger.steps.pricer, Account(OCTOBER, step))

    assert made.whole_cost == 0
    assert costs(made.rows) == in_ledger(door, IN_OCTOBER) > 1
    for name, column in (
        ("SubAccountId", "team_id"),
        ("ResourceId", "request_model"),
        ("ProviderName", "provider_name"),
    ):
        for said in {row[name] for row in made.rows}:
            known = "" if said == "unknown" else said.replace("'", "\\'")
            asked = f"{IN_OCTOBER} AND {column} = '{known}'"
            assert costs(row for row in made.rows if row[name] == said) == in_ledger(door, asked)

    # Token classes of the house's own prices, call by call.
    expected: dict[Any, Decimal] = defaultdict(Decimal)
    counted: dict[Any, int] = defaultdict(int)
    for one in calls:
        start = datetime.fromtimestamp(one["time"] / 1000, UTC).replace(minute=0, second=0, microsecond=0)
        start = start.replace(hour=0) if step == "day" else start
        where = (start, one.get("tenant_id", "default"), one["team_id"])
        for meter, column in (("Cached input tokens", "cache_read_input_tokens"), ("Output tokens", "output_tokens")):
            counted[where, one["request_model"], meter] += one[column]
        if one["request_model"] == "house-large":
            for meter, usd in by_hand(one).items():
                expected[where, meter] = EXACT.add(expected[where, meter], usd)
    found: dict[Any, Decimal] = defaultdict(Decimal)
    tokens: dict[Any, Decimal] = defaultdict(Decimal)
    for row in made.rows:
        where = (row["ChargePeriodStart"], row["BillingAccountId"], row["SubAccountId"])
        if row["ResourceId"] == "house-large":
            found[where, row["SkuMeter"]] = EXACT.add(found[where, row["SkuMeter"]], row["ContractedCost"])
        tokens[where, row["ResourceId"], row["SkuMeter"]] += row["ConsumedQuantity"]
    assert {key: usd for key, usd in found.items() if usd} == {key: usd for key, usd in expected.items() if usd}
    assert {key: count for key, count in counted.items() if count} == {
        key: count for key, count in tokens.items() if count and key[2] in {"Cached input tokens", "Output tokens"}
    }


def test_unit_prices_times_quantities_are_the_costs(ledger: Ledger, door: Door) -> None:
    ledger.write(made_up(random.Random(3), START, 31, 600, "a"), START + timedelta(days=32))
    made = export_month(door, ledger.steps.pricer, Account(OCTOBER))
    whole = 0
    for row in made.rows:
        if row["ContractedUnitPrice"] is None:
            assert row["x_PriceStatus"] not in {"priced", "free"}
            assert (row["ContractedCost"], row["ListUnitPrice"]) == (0, None)
            assert "the cost is not 0 but unknown" in row["ChargeDescription"]
            continue
        for price, cost in (("ContractedUnitPrice", "ContractedCost"), ("ListUnitPrice", "ListCost")):
            product = EXACT.multiply(row[price], row["PricingQuantity"])
            # Calls are rounded to 1e-12 USD one by one: half a unit a call, where a price is finer than the ledger.
            slack = Decimal(0) if row[price].scaleb(12) % 1 == 0 else Decimal("1e-9")
            assert abs(product - row[cost]) <= slack, row
            whole += not slack
    assert whole > 200
    discounted = [row for row in made.rows if row["ResourceId"] == "gpt-4o"]
    assert discounted
    for row in discounted:
        assert row["ContractedUnitPrice"] == row["ListUnitPrice"] * Decimal("0.875")
    fees = [row for row in made.rows if row["SkuMeter"] == "Requests"]
    assert {row["ResourceId"] for row in fees} == {"sonar-pro"}
    assert costs(fees) == sum(row["PricingQuantity"] for row in fees) * fees[0]["ListUnitPrice"]
    hours = [row for row in made.rows if row["SkuMeter"] == "Compute time"]
    assert {row["PricingUnit"] for row in hours} == {"Seconds"}
    seconds = sum(one["latency_ms"] for one in ledger.calls if one["request_model"] == "house-gpu") / 1000
    assert float(sum(row["PricingQuantity"] for row in hours)) == pytest.approx(seconds)


def test_prices_that_are_not_at_hand_leave_the_cost_whole(ledger: Ledger, door: Door) -> None:
    """The prices file that priced the calls is gone: their cost is not divided by prices that they did not pay."""
    ledger.write(made_up(random.Random(4), START, 31, 300, "a"), START + timedelta(days=32))
    made = export_month(door, Pricer.default(), Account(OCTOBER))
    whole = [row for row in made.rows if row["SkuMeter"] == "Tokens of all classes"]
    assert {row["ResourceId"] for row in whole} == {"house-large", "house-gpu", "gpt-4o"}
    assert all("whose prices by class are not at hand" in row["ChargeDescription"] for row in whole)
    assert costs(whole) == Decimal(made.whole_cost).scaleb(-12, EXACT) > 0
    assert costs(made.rows) == in_ledger(door, IN_OCTOBER)
    tokens = sum(row["ConsumedQuantity"] for row in whole if row["ResourceId"] == "gpt-4o")
    mine = [one for one in ledger.calls if one["request_model"] == "gpt-4o"]
    assert tokens == sum(one["input_tokens"] + one["output_tokens"] for one in mine)


def test_what_the_book_alone_priced_is_split_when_the_file_says_otherwise_now(
    store: LedgerStore, database: Database, overrides: Overrides, door: Door
) -> None:
    """A rate that was negotiated later, without a rating: the calls paid the list price, class by class."""
    ledger = Ledger(store, Steps(pricer=Pricer.default()), database)
    ledger.write(made_up(random.Random(8), START, 31, 300, "a"), START + timedelta(days=32))
    made = export_month(door, Pricer.default(overrides), Account(OCTOBER))
    assert made.whole_cost == 0
    assert costs(made.rows) == in_ledger(door, IN_OCTOBER)
    mine = [row for row in made.rows if row["ResourceId"] == "gpt-4o"]
    assert {row["SkuMeter"] for row in mine} >= {"Input tokens", "Cached input tokens", "Output tokens"}
    assert all(row["ContractedUnitPrice"] == row["ListUnitPrice"] for row in mine)
    assert costs(mine) == costs(mine, "ListCost") == in_ledger(door, f"{IN_OCTOBER} AND request_model = 'gpt-4o'") > 0


def test_tags_that_are_asked_for_divide_the_rows_and_lose_nothing(ledger: Ledger, door: Door) -> None:
    ledger.write(made_up(random.Random(5), START, 31, 200, "a"), START + timedelta(days=32))
    made = export_month(door, ledger.steps.pricer, Account(OCTOBER), ["env"])
    assert costs(made.rows) == in_ledger(door, IN_OCTOBER)
    for env in ("prod", "test"):
        tagged = [row for row in made.rows if json.loads(row["Tags"])["env"] == env]
        assert costs(tagged) == in_ledger(door, f"{IN_OCTOBER} AND tags['env'] = '{env}'") > 0
    assert made.tag_keys == ("env", "request")
    plain = export_month(door, ledger.steps.pricer, Account(OCTOBER))
    assert all(set(json.loads(row["Tags"])) <= {"spendstream/tier"} for row in plain.rows)


def rated(ledger: Ledger, at: datetime, prices: str) -> None:
    pricer = Pricer.default(parse_overrides(prices, "new.toml"))
    done = rerate(
        ledger.database,
        pricer,
        Order(1_780_000_000_000, 1_800_000_000_000, (), "ada", "negotiated"),
        rating_id=f"r{round(at.timestamp())}",
        started_ms=round(at.timestamp() * 1000),
        finished_ms=lambda: round(at.timestamp() * 1000),
    )
    assert done.written


def test_a_price_computed_again_is_the_price_of_an_open_month(ledger: Ledger, door: Door) -> None:
    ledger.write(made_up(random.Random(6), START, 31, 300, "a"), START + timedelta(days=32))
    before = in_ledger(door, IN_OCTOBER)
    prices = PRICES.replace('off = "12.5%"', 'off = "50%"')
    rated(ledger, START + timedelta(days=33), prices)
    made = export_month(door, Pricer.default(parse_overrides(prices, "new.toml")), Account(OCTOBER))
    assert costs(made.rows) == in_ledger(door, IN_OCTOBER) < before
    assert made.whole_cost == 0
    assert not [row for row in made.rows if row["ChargeClass"]]


def test_every_row_keeps_the_rules_of_focus_1_2(ledger: Ledger, door: Door) -> None:
    """What FOCUS 1.2 says MUST, of the columns that are here; the validator (test_focus_validator.py) knows 1.0."""
    rng = random.Random(12)
    ledger.write(made_up(rng, START, 31, 200, "a"), START + timedelta(days=31))
    close_month(door, ledger.database, OCTOBER, by="ada", now=START + timedelta(days=32), audited=False)
    ledger.write(made_up(rng, START + timedelta(days=5), 50, 200, "b"), START + timedelta(days=56))
    rated(ledger, START + timedelta(days=57), PRICES.replace('off = "12.5%"', 'off = "25%"'))
    made = export_month(door, ledger.steps.pricer, Account(NOVEMBER), ["env"])
    never_null = (
        "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
        "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
        "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory", "ChargeFrequency",
    )  # fmt: skip
    both_or_neither = (
        ("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit"), ("SubAccountId", "SubAccountType"),
        ("SkuId", "SkuMeter"), ("SkuId", "SkuPriceId"), ("CommitmentDiscountId", "CommitmentDiscountType"),
    )  # fmt: skip
    details: dict[str, Any] = {}
    for row in made.rows:
        assert not [name for name in never_null if row.get(name) in {None, ""}]
        assert not [names for names in both_or_neither if len({row.get(name) is None for name in names}) > 1]
        assert row["BillingPeriodStart"] < row["BillingPeriodEnd"]
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        own = row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]
        assert row["ChargeClass"] == (None if own else "Correction")
        assert row["ChargeCategory"] == "Usage"
        if own:
            assert row["PricingQuantity"] is not None
            assert row["ConsumedQuantity"] == row["PricingQuantity"] >= 0
        assert row.get("PricingUnit") in {"Tokens", "Requests", "Seconds", None}
        # All charges of one price have the same details.
        assert details.setdefault(row["SkuPriceId"], row.get("SkuPriceDetails")) == row.get("SkuPriceDetails")
        for key in json.loads(row.get("SkuPriceDetails") or "{}"):
            assert key.startswith("x_")
        assert isinstance(json.loads(row["Tags"]), dict)
        assert set(row) <= {name for name, _ in COLUMNS}
    assert {row["ChargeClass"] for row in made.rows} == {None, "Correction"}


def shape(made: Export) -> list[tuple[str, ...]]:
    """The rows as texts, for comparing."""
    return sorted(tuple(str(row.get(name)) for name, _ in COLUMNS) for row in made.rows)


def test_a_closed_month_stays_and_what_comes_later_are_corrections(ledger: Ledger, door: Door) -> None:
    rng = random.Random(7)
    pricer = ledger.steps.pricer
    ledger.write(made_up(rng, START, 31, 300, "a"), START + timedelta(days=31))
    closed_at = START + timedelta(days=32)
    close_month(door, ledger.database, OCTOBER, by="ada", now=closed_at, audited=False)
    october = export_month(door, pricer, Account(OCTOBER))

    ledger.write(made_up(rng, START, 31, 80, "late"), START + timedelta(days=40))
    ledger.write(made_up(rng, START + timedelta(days=31), 9, 50, "november"), START + timedelta(days=40))
    rated(ledger, START + timedelta(days=50), PRICES.replace('off = "12.5%"', 'off = "25%"'))
    assert shape(export_month(door, pricer, Account(OCTOBER))) == shape(october)

    november = export_month(door, pricer, Account(NOVEMBER))
    assert costs([*october.rows, *november.rows]) == in_ledger(door)
    late = [row for row in november.rows if row["x_CorrectionKind"] == "late"]
    rerated = [row for row in november.rows if row["x_CorrectionKind"] == "rerated"]
    own = [row for row in november.rows if row["x_CorrectionKind"] is None]
    for row in [*late, *rerated]:
        assert row["ChargeClass"] == "Correction"
        assert row["BillingPeriodStart"].date() == NOVEMBER
        assert row["ChargePeriodStart"].date().replace(day=1) == OCTOBER
    assert costs(own) == in_ledger(door, "toYYYYMM(time) = 202611")
    metered = "SELECT toString(sum(cost_usd)) FROM calls WHERE startsWith(id, 'late')"
    assert costs(late) == Decimal(door.rows(metered)[0][0])
    quantities = sum(row["ConsumedQuantity"] for row in late if row["SkuMeter"] == "Output tokens")
    assert quantities == sum(one["output_tokens"] for one in ledger.calls if one["id"].startswith("late"))
    assert costs(rerated) == Decimal(
        door.rows(f"SELECT toString(sum(adjustment_usd)) FROM settled_adjustments WHERE {IN_OCTOBER}")[0][0]
    )
    assert all(row.get("ConsumedQuantity") is None for row in rerated)

    # Closing November freezes its corrections too; December has what comes after both.
    close_month(door, ledger.database, NOVEMBER, by="ada", now=START + timedelta(days=62), audited=False)
    frozen = export_month(door, pricer, Account(NOVEMBER))
    assert shape(frozen) == shape(november)
    ledger.write(made_up(rng, START, 50, 40, "later"), START + timedelta(days=63))
    assert shape(export_month(door, pricer, Account(NOVEMBER))) == shape(frozen)
    december = export_month(door, pricer, Account(date(2026, 12, 1)))
    assert costs([*october.rows, *november.rows, *december.rows]) == in_ledger(door)
    assert {row["x_CorrectionKind"] for row in december.rows} == {"late"}

    reopen_month(door, ledger.database, NOVEMBER, by="ada", reason="x", now=START + timedelta(days=64))
    again = export_month(door, pricer, Account(NOVEMBER))
    december = export_month(door, pricer, Account(date(2026, 12, 1)))
    assert costs([*october.rows, *again.rows, *december.rows]) == in_ledger(door)


def test_a_closed_month_whose_calls_are_gone_is_not_exported(ledger: Ledger, door: Door) -> None:
    ledger.write(made_up(random.Random(8), START, 31, 50, "a"), START + timedelta(days=31))
    close_month(door, ledger.database, OCTOBER, by="ada", now=START + timedelta(days=32), audited=False)
    ledger.database.command("TRUNCATE TABLE intake")
    with pytest.raises(LedgerError, match=r"own calls of 2026-10: the rows give 0\.0* USD"):
        export_month(door, ledger.steps.pricer, Account(OCTOBER))
    assert read_statement(door, OCTOBER).own.calls > 0


def test_files_hold_the_rows_exactly(ledger: Ledger, door: Door, tmp_path: Path) -> None:
    ledger.write(made_up(random.Random(9), START, 31, 200, "a"), START + timedelta(days=31))
    made = export_month(door, ledger.steps.pricer, Account(OCTOBER))
    write_csv(made.rows, tmp_path / "a.csv")
    write_parquet(made.rows, tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert len(read) == len(table) == len(made.rows)
    assert list(read[0]) == list(table[0]) == [name for name, _ in COLUMNS]
    for text, typed, row in zip(read, table, made.rows, strict=True):
        for name, _ in COLUMNS:
            meant = row.get(name)
            if isinstance(meant, Decimal):
                assert Decimal(text[name]) == typed[name] == meant
            elif isinstance(meant, datetime):
                assert datetime.fromisoformat(text[name]) == typed[name] == meant
            else:
                assert (text[name] or None, typed[name]) == (meant, meant)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.parquet"]
    with pytest.raises(UsageError, match="cannot write"):
        write_csv(made.rows, tmp_path / "no" / "a.csv")


def test_an_empty_month_is_a_file_with_a_header(door: Door, ledger: Ledger, tmp_path: Path) -> None:
    made = export_month(door, ledger.steps.pricer, Account(OCTOBER))
    write_csv(made.rows, tmp_path / "a.csv")
    write_parquet(made.rows, tmp_path / "a.parquet")
    assert (tmp_path / "a.csv").read_text("utf-8").strip() == ",".join(name for name, _ in COLUMNS)
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0


def test_the_command_says_that_a_month_is_empty(
    door: Door, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextlib.contextmanager
    def reached(*_: object) -> Iterator[Door]:
        yield door

    monkeypatch.setattr("streams.cli.reach.reach", reached)
    file = tmp_path / "a.csv"
    assert run(["export", "focus", "--month", "2016-02", "--json", "--out", str(file)]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["rows"], len(file.read_text("utf-8").splitlines())) == (0, 1)
    assert f"no call, correction or fee counts in February 2016: {file} names the columns and has no row" in said.err


def test_a_month_that_has_not_begun_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.csv"
    assert run(["export", "focus", "--month", "2098-12", "--out", str(file)]) == 1
    assert "--month 2098-12: December 2098 has not begun, so there is nothing to export" in capsys.readouterr().err
    assert not file.exists()
