"""The plans file: what is taken, and every fault at once with how to mend it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.plans.file import load_plans, parse_plans

FLAT = 'kind = "flat"\nperiod = "month"\nfee = 10\n'


def entry(name: str, more: str, start: str = "2026-01-01") -> str:
    return f'[[plan]]\nname = "{name}"\nfrom = {start}\n{more}\n'


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_plans(text, "plans.toml")
    return caught.value.faults


def test_the_example_of_the_contract_is_taken() -> None:
    """What its docstring shows is what people copy."""
    import textwrap

    import schemas.plans as contract

    shown = (contract.__doc__ or "").partition("\n\n")[2].partition("A plan whose scope")[0]
    flat, committed, per_token = parse_plans(textwrap.dedent(shown), "plans.toml")
    assert (flat.kind, flat.start, flat.end, flat.fee) == ("flat", date(2026, 1, 1), date(2026, 7, 1), Decimal(12000))
    assert flat.scope.limits() == {"provider": {"openai"}, "tier": {"mid", "oss"}}
    assert (committed.commitment, per_token.period) == (Decimal(20000), None)


def test_no_file_is_no_plan(tmp_path: Path) -> None:
    assert load_plans(None) == ()
    assert parse_plans("", "empty.toml") == ()
    with pytest.raises(SettingsError, match="cannot be read"):
        load_plans(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('kind = "flat"', "a flat plan needs `period`; a flat plan needs `fee`"),
        ('kind = "flat"\nperiod = "week"\nfee = 1', "period"),
        ('kind = "flat"\nperiod = "month"\nfee = -1', "fee"),
        ('kind = "flat"\nperiod = "month"\nfee = true', "`fee` is a number or a string of one"),
        ('kind = "flat"\nperiod = "month"\nfee = "ten"', "fee"),
        ('kind = "flat"\nperiod = "month"\nfee = "nan"', "fee"),
        (FLAT + "capacity = { tokens = 0 }\noverage = 'none'", "capacity.tokens"),
        (FLAT + "capacity = { tokens = 1, calls = 1 }\noverage = 'none'", "name exactly one of tokens, calls"),
        (FLAT + "capacity = { tokens = 1 }", "say what is paid beyond the capacity"),
        (FLAT + "overage = 'none'", "nothing is ever beyond it"),
        (FLAT + "capacity = { tokens = 1 }\noverage = 'free'", 'is "per_token", "none", or a price'),
        (FLAT + "capacity = { tokens = 1 }\noverage = { per_call = -1 }", "per_call"),
        (FLAT + "capacity = { tokens = 1 }\noverage = { per_call = 1, per_million_tokens = 1 }", "name exactly one of"),
        (FLAT + "commitment = 5", "a flat plan has no `commitment`"),
        (FLAT + 'currency = "EUR"', "'EUR' is no currency that the ledger holds: amounts are in USD, convert"),
        (FLAT + 'scope = { tier = "cheap" }', "scope.tier"),
        (FLAT + "scope = { team = [] }", "an empty list holds for no call"),
        (FLAT + 'scope = { colour = "red" }', "scope.colour"),
        (FLAT + "to = 2026-01-01", "`to` must be after `from`"),
        (FLAT + 'to = "2026-02-01"', "must be a TOML date without quotes"),
        (FLAT + "to = 2026-02-01T00:00:00Z", "must be a TOML date without quotes and without a time"),
        ('kind = "committed"\nperiod = "month"', "a committed plan needs `commitment`"),
        ('kind = "per_token"\nfee = 1', "a per_token plan has no `fee`"),
        ('kind = "prepaid"', "kind"),
        ('kind = "per_token"\nfeee = 1', "feee"),
    ],
)
def test_a_fault_is_said_with_its_plan(more: str, message: str) -> None:
    (fault, *others) = faults(entry("mine", more))
    assert fault.startswith("plans.toml: plan 1 (mine)")
    assert message in " ".join([fault, *others])


def test_all_faults_come_at_once() -> None:
    text = (
        'currency = "CHF"\n'
        + entry("a", 'kind = "flat"\nperiod = "month"\nfee = -1')
        + entry("b", 'kind = "prepaid"')
        + entry("B", 'kind = "per_token"')
    )
    found = faults(text)
    assert len(found) == 4
    assert found[0].startswith("plans.toml: currency")
    assert found[-1] == "plans.toml: plan 2 and plan 3 are both called 'B': give each a name of its own"


OPENAI = 'scope = { provider = "openai" }\n'


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (FLAT, FLAT, "are for the same calls at the same time"),
        (FLAT + OPENAI, FLAT + "scope = { team = 'a' }", "share calls, and neither lies within the other"),
        (FLAT + 'scope = { tier = ["oss", "mid"] }', FLAT + 'scope = { tier = ["mid", "frontier"] }', "share calls"),
        (FLAT + OPENAI, FLAT, None),  # the exception and the rule
        (FLAT + OPENAI, FLAT + 'scope = { provider = "openai", tier = "oss" }', None),
        (FLAT + OPENAI, FLAT + 'scope = { provider = "anthropic" }', None),
        (FLAT + "to = 2026-02-01", FLAT + "from = 2026-02-01", None),
        (FLAT + "to = 2026-02-02", FLAT + "from = 2026-02-01", "are for the same calls at the same time"),
        (FLAT + "to = 2026-02-01", FLAT + "from = 2026-02-03", "from 2026-02-01 to 2026-02-03 neither 'one' nor 'two'"),
        (FLAT + "to = 2026-02-01", FLAT + OPENAI + "from = 2026-02-03", None),
    ],
)
def test_overlaps_and_holes(first: str, second: str, message: str | None) -> None:
    start = "2026-01-01"
    if "from = " in second:
        second, _, start = second.partition("from = ")
    text = entry("one", first) + entry("two", second, start)
    if message is None:
        assert len(parse_plans(text, "plans.toml")) == 2
    else:
        (fault,) = faults(text)
        assert message in fault


def test_faults_between_plans_come_with_those_within_others() -> None:
    text = (
        entry("bad", FLAT.replace("10", "-1") + "to = 2025-01-01")
        + entry("slip", FLAT + 'scope = { teem = "a" }')
        + entry("one", FLAT + OPENAI)
        + entry("two", FLAT + OPENAI)
        + entry("early", FLAT + 'to = 2026-02-01\nscope = { provider = "anthropic" }')
        + entry("late", FLAT + 'scope = { provider = "anthropic" }', start="2026-03-01")
    )
    assert faults(text) == [
        "plans.toml: plan 1 (bad).to: `to` must be after `from`",
        "plans.toml: plan 1 (bad).fee: Input should be greater than or equal to 0",
        "plans.toml: plan 2 (slip).scope.teem: there is no such key; did you mean 'team'?",
        "plans.toml: 'one' and 'two' are for the same calls at the same time: end one with `to` before the other "
        "begins",
        "plans.toml: from 2026-02-01 to 2026-03-01 neither 'early' nor 'late' holds: move one of these days, or say "
        "what holds meanwhile by a plan of kind per_token",
    ]


def test_slips_of_the_hand_say_how_to_mend_them(tmp_path: Path) -> None:
    assert faults('[plan]\nname = "a"') == ["plans.toml: plan: each entry begins with [[plan]], in two brackets"]
    [fault] = faults(entry("a b", 'kind = "per_token"'))
    assert fault == (
        "plans.toml: plan 1 (a b).name: only letters, digits, '.', '_' and '-' make a name, a letter or a digit first"
    )
    [fault] = faults(entry("a", 'kind = "per_token"\nzzz = 1'))
    assert fault == "plans.toml: plan 1 (a).zzz: there is no such key; leave it out"
    good = entry("a", 'kind = "per_token"')
    (tmp_path / "bom.toml").write_text(good, "utf-8-sig")
    assert [plan.name for plan in load_plans(tmp_path / "bom.toml")] == ["a"]
    (tmp_path / "wide.toml").write_text(good, "utf-16")
    with pytest.raises(SettingsError, match="byte 0 is not UTF-8; save it as UTF-8"):
        load_plans(tmp_path / "wide.toml")
