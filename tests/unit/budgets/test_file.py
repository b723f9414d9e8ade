"""The budgets file: what is taken, and every fault at once, each with how to mend it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.budgets import Budget, Scope
from streams.budgets.file import load_budgets, parse_budgets
from streams.errors import SettingsError

GOOD = """
currency = "USD"

[[budget]]
name = "search-month"
amount = "5000"
period = "month"
scope = { team = "search", model = ["gpt-4o", "gpt-4o-mini"] }

[[budget]]
name = "runs"
amount = 2.5
period = "day"
each = "run"
hard = true
at_limit = "throttle"
rate_per_minute = 6
thresholds = [100]

[[budget]]
name = "own-windows"
amount = 7
period = "week"
[[budget.burn]]
long_hours = 12
short_hours = 1
rate = "2.5"
severity = "critical"
"""


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_budgets(text, "b.toml")
    return caught.value.faults


def one(fields: str) -> str:
    given = {line.split("=")[0].strip() for line in fields.splitlines()}
    usual = {"name": '"b"', "amount": "1", "period": '"day"'}
    return "[[budget]]\n" + "".join(f"{k} = {v}\n" for k, v in usual.items() if k not in given) + fields + "\n"


def test_a_good_file() -> None:
    month, runs, own = parse_budgets(GOOD, "b.toml")
    assert month == Budget(
        name="search-month",
        amount=Decimal(5000),
        period="month",
        scope=Scope(team=("search",), model=("gpt-4o", "gpt-4o-mini")),
    )
    assert (month.thresholds, month.hard, month.burn) == ((50, 80, 100), False, None)
    assert (runs.amount, runs.rate_per_minute) == (Decimal("2.5"), Decimal(6))
    assert runs.each == runs.limited() == "run"
    assert own.burn is not None
    assert (own.burn[0].long_hours, own.burn[0].rate) == (12, Decimal("2.5"))
    assert parse_budgets("", "b.toml") == ()
    assert load_budgets(None) == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("amount = 0", "greater than 0"),
        ("amount = -5", "greater than 0"),
        ("amount = true", "in USD"),
        ('amount = "1e3 dollars"', "amount"),
        ("amount = nan", "amount"),
        ("amount = 0.0000000000001", "decimal places"),
        ('currency = "EUR"', "'EUR' is no currency that the ledger holds"),
        ('period = "quarter"', "'day', 'week' or 'month'"),
        ('scope = { team = "" }', "at least 1 character"),
        ("scope = { team = [] }", "an empty list holds for no call"),
        ('scope = { tier = "premium" }', "'oss', 'mid', 'frontier' or 'unknown'"),
        ('scope = { teams = "search" }', "scope.teams: there is no such key; did you mean 'team'?"),
        ('each = "user"', "'tenant', 'team'"),
        ('each = "team"\nscope = { team = "search" }', "contradict"),
        ("thresholds = []", "one at least"),
        ("thresholds = [80, 50]", "thresholds rise"),
        ("thresholds = [50, 50]", "thresholds rise"),
        ("thresholds = [0]", "greater than or equal to 1"),
        ("thresholds = [50.5]", "valid integer"),
        ('at_limit = "block"', "needs hard = true"),
        ('hard = true\nat_limit = "block"\nscope = { team = "search" }', "agents, keys and runs"),
        ('hard = true\nat_limit = "throttle"\neach = "run"', "rate_per_minute"),
        ("rate_per_minute = 5", "rate_per_minute"),
        ("hard = true\nthresholds = [50]", "needs 100"),
        ("hard = 1", "valid boolean"),
        ("burn = [{ long_hours = 1, short_hours = 1, rate = 2 }]", "must be less than long_hours"),
        ("burn = [{ long_hours = 48, short_hours = 1, rate = 2 }]", "longer than the day"),
        ("burn = [{ long_hours = 6, short_hours = 1, rate = 1 }]", "greater than 1"),
        ('name = "a b"', "make a name"),
        ('name = "a b', "not TOML"),
    ],
)
def test_each_fault_says_what_is_wrong(fields: str, words: str) -> None:
    [fault] = faults(one(fields))
    assert fault.startswith("b.toml: ")
    assert words in fault


def test_all_faults_come_at_once() -> None:
    text = (
        one('name = "a"\namount = -1')
        + one('name = "A"\nperiod = "year"\ncurrency = "EUR"')
        + "[[budget]]\namount = 1\nperiod = 'day'\n"
        + "[[budgets]]\n"
    )
    found = faults(text)
    assert len(found) == 6
    assert any(fault.startswith("b.toml: budget 1 (a).amount: ") for fault in found)
    assert any("budget 1 and budget 2 are both called 'A'" in fault for fault in found)
    assert any(fault.startswith("b.toml: budget 3.name: Field required") for fault in found)


def test_two_budgets_of_the_same_calls_contradict() -> None:
    one_way = one('name = "a"\nscope = { team = ["x", "y"] }')
    other = one('name = "b"\nscope = { team = ["y", "x", "x"] }')
    [fault] = faults(one_way + other)
    assert "'a' and 'b' are two soft budgets of a day for the same calls" in fault
    for apart in ('period = "week"', "hard = true", 'each = "run"'):
        other = one(f'name = "b"\n{apart}\nscope = {{ team = ["y", "x"] }}')
        assert len(parse_budgets(one_way + other, "b.toml")) == 2


def test_a_contradiction_is_told_beside_faults_of_other_budgets() -> None:
    found = faults(one('name = "a"') + one('name = "b"') + one('name = "c"\namount = -1'))
    assert len(found) == 2
    assert found[0].startswith("b.toml: budget 3 (c).amount")
    assert "'a' and 'b' are two soft budgets of a day" in found[1]


def test_all_that_contradicts_in_one_budget_is_told() -> None:
    [fault] = faults(one('hard = true\nat_limit = "throttle"\nthresholds = [50]\nscope = { team = "a" }'))
    for words in ("agents, keys and runs", "rate_per_minute belongs to", "needs 100 among its thresholds"):
        assert words in fault


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_budgets(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_budgets(tmp_path / "latin.toml")


@given(st.integers(1, 10**24))
def test_amounts_are_exact(pico: int) -> None:
    amount = Decimal(pico).scaleb(-12)
    for written in (f"{amount:f}", f'"{amount:f}"'):
        [budget] = parse_budgets(one(f"amount = {written}"), "b.toml")
        assert int(budget.amount.scaleb(12)) == pico
