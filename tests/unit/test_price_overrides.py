"""The operator's prices: they beat the book, only when they hold, and a wrong file says everything that is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from streams.errors import SettingsError
from streams.meter.price import Overrides, Pricer, load_aliases, load_book, load_overrides, parse_overrides
from streams.meter.tiers import parse_tiers

BOOK, ALIASES = load_book(), load_aliases()


def ms(text: str) -> int:
    """Epoch ms of an ISO time."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def cost(
    text: str,
    provider: str | None,
    model: str,
    *,
    answered: str | None = None,
    at: str = "2026-01-01T00:00:00Z",
    paid: int = 1_000_000,
) -> tuple[float | None, str]:
    """USD of a call of `paid` input tokens and nothing else, None when unpriced; and the reference of its price."""
    pricer = Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES)
    counts = [np.array([count], dtype=np.int64) for count in (paid, 0, 0, 0)]
    out = pricer.price([provider], [model], [answered], np.array([ms(at)]), *counts)
    return (float(out.cost_pico[0]) / 1e12 if out.priced[0] else None), out.refs[int(out.ref[0])]


def entry(model: str, price: str, more: str = "") -> str:
    """One entry of the file."""
    return f'[[price]]\nmodel = "{model}"\ninput = "{price}"\noutput = "1"\n{more}\n'


def test_prices_what_the_book_does_not_know() -> None:
    """By the name and provider as sent; another provider's stays unpriced."""
    text = entry("qwen-m-large", "0.4", 'provider = "aliyun"')
    assert cost(text, "aliyun", "qwen-m-large") == (0.4, "aliyun/qwen-m-large")
    assert cost(text, "Aliyun", "Qwen-M-Large") == (0.4, "aliyun/qwen-m-large")
    assert cost(text, "elsewhere", "qwen-m-large") == (None, "")
    assert cost("", "aliyun", "qwen-m-large") == (None, "")


def test_beats_the_book_by_any_of_the_names_a_call_goes_by() -> None:
    """As sent, by the book's provider and model, and by pattern."""
    assert cost("", "gcp.gemini", "models/gemini-2.5-flash")[0] == pytest.approx(0.3)
    for text in (
        entry("gemini-2.5-flash", "9"),
        entry("gemini-2.5-flash", "9", 'provider = "google"'),
        entry("models/gemini-2.5-flash", "9", 'provider = "gcp.gemini"'),
        entry("*flash", "9"),
    ):
        assert cost(text, "gcp.gemini", "models/gemini-2.5-flash")[0] == 9.0
    assert (
        cost(entry("gemini-2.5-flash", "9", 'provider = "openai"'), "gcp.gemini", "models/gemini-2.5-flash")[0] != 9.0
    )


def test_the_answering_model_is_the_one_overridden() -> None:
    """A price for the requested name does not touch a call that another model answered."""
    text = entry("gpt-4o", "9")
    assert cost(text, "openai", "gpt-4o")[0] == 9.0
    assert cost(text, "openai", "gpt-4o", answered="gpt-4o-mini")[0] == pytest.approx(0.15)
    assert cost(text, "openai", "gpt-4o-mini", answered="gpt-4o")[0] == 9.0


def test_holds_between_its_dates_and_the_book_outside() -> None:
    """`from` inclusive, `to` exclusive, to the millisecond, UTC."""
    text = entry("gpt-4o", "9", "from = 2026-01-01\nto = 2026-02-01T00:00:00+00:00")
    book = cost("", "openai", "gpt-4o")[0]
    assert cost(text, "openai", "gpt-4o", at="2025-12-31T23:59:59.999Z")[0] == book
    assert cost(text, "openai", "gpt-4o", at="2026-01-01T00:00:00Z")[0] == 9.0
    assert cost(text, "openai", "gpt-4o", at="2026-01-31T23:59:59.999Z")[0] == 9.0
    assert cost(text, "openai", "gpt-4o", at="2026-02-01T00:00:00Z")[0] == book
    assert cost(entry("own", "9", "from = 2026-01-01"), None, "own", at="2025-06-01T00:00:00Z") == (None, "")


def test_the_most_specific_entry_is_charged_whatever_its_place() -> None:
    """Provider before none, plain before wildcard, longer before shorter; an entry yields when its dates are over."""
    parts = [
        entry("*", "1"),
        entry("gpt-*", "2"),
        entry("gpt-4o", "3"),
        entry("gpt-*", "4", 'provider = "openai"'),
        entry("gpt-4o", "5", 'provider = "openai"\nto = 2026-01-01'),
    ]
    for text in ("".join(parts), "".join(reversed(parts))):
        assert cost(text, "openai", "gpt-4o", at="2025-06-01T00:00:00Z")[0] == 5.0
        assert cost(text, "openai", "gpt-4o")[0] == 4.0
        assert cost(text, "azure", "gpt-5")[0] == 4.0  # Azure's book falls back to OpenAI's: the seller of the price
        assert cost(text, "elsewhere", "gpt-4o")[0] == 3.0
        assert cost(text, "elsewhere", "gpt-9")[0] == 2.0
        assert cost(text, "elsewhere", "kimi")[0] == 1.0


def test_tiers_by_input_length_hold_for_the_whole_call() -> None:
    """More than `input_tokens`, cached ones included; several tiers."""
    tiers = ((1000, 2), (5000, 4))
    text = entry(
        "own",
        "1",
        "".join(f"[[price.above]]\ninput_tokens = {above}\ninput = {usd}\noutput = 1\n" for above, usd in tiers),
    )
    assert cost(text, None, "own", paid=1000)[0] == pytest.approx(0.001)
    assert cost(text, None, "own", paid=1001)[0] == pytest.approx(0.002002)
    assert cost(text, None, "own", paid=5001)[0] == pytest.approx(0.020004)


def test_absent_cache_prices_are_the_input_price() -> None:
    """And present ones are used, per class."""
    text = entry("plain", "2") + entry("cached", "2", 'cache_read = "0.5"\ncache_write = "3"')
    pricer = Pricer(BOOK, parse_overrides(text, "p"), ALIASES)
    counts = [np.array([count, count], dtype=np.int64) for count in (10, 4, 3, 2)]
    out = pricer.price([None, None], ["plain", "cached"], [None, None], np.array([0, 0]), *counts)
    assert out.cost_pico.tolist() == [(10 * 2 + 4) * 10**6, int((5 * 2 + 3 * 0.5 + 2 * 3 + 4) * 10**6)]


def test_the_source_names_the_file_and_its_content() -> None:
    """So that a changed file shows in the ledger."""
    first, second = parse_overrides(entry("m", "1"), "prices.toml"), parse_overrides(entry("m", "2"), "prices.toml")
    assert first.source.startswith("override:prices.toml@")
    assert first.source != second.source
    assert first.entries[0].period.source == first.source


def test_every_fault_is_reported_at_once() -> None:
    """Field faults together, each with its place."""
    text = """
[[price]]
model = "a"
input = -1
output = "nan"
[[price]]
model = ""
input = 1
output = true
from = "2026-01-01"
surprise = 1
[[price]]
model = "b"
input = 1
output = 1
from = 2026-02-01
to = 2026-01-01
[[price]]
model = "c"
input = 2000000
output = 1
cache_read = 1
from = 2026-01-01T10:00:00
[[price.above]]
input_tokens = 1.5
input = 1
output = 1
[[price]]
model = "d"
input = 1
output = 1
cache_read = 1
[[price.above]]
input_tokens = 10
input = 1
output = 1
"""
    with pytest.raises(SettingsError) as caught:
        parse_overrides(text, "prices.toml")
    places = {fault.split(": ")[1] for fault in caught.value.faults}
    assert places == {
        "price 1.input", "price 1.output", "price 2.model", "price 2.output", "price 2.from", "price 2.surprise",
        "price 3.to", "price 4.input", "price 4.from", "price 4.above 1.input_tokens", "price 5",
    }  # fmt: skip
    assert all(fault.startswith("prices.toml: ") for fault in caught.value.faults)


def test_faults_between_entries_come_with_those_within_others() -> None:
    """And the same entry says of its dates and of its prices what is wrong."""
    text = (
        entry("a", "-1", "from = 2026-02-01\nto = 2026-01-01")
        + entry("b", "1")
        + entry("B", "1")
        + '[[price]]\nmodel = "c"\noff = 15\n'
    )
    with pytest.raises(SettingsError) as caught:
        parse_overrides(text, "prices.toml")
    assert caught.value.faults == [
        "prices.toml: price 1.input: Input should be greater than or equal to 0",
        "prices.toml: price 1.to: `from` must be before `to`",
        'prices.toml: price 4.off: is per cent of the book\'s price, in quotes, at least 0% and below 100%: as "12.5%"',
        "prices.toml: price 2 and price 3 both hold for 'b' at the same time: end one with `to` before the other "
        "begins, or leave one out",
    ]


def test_another_currency_is_told_what_to_do() -> None:
    """At the top of the file and in an entry, negotiated rates too; USD may be written."""
    text = (
        'currency = "CHF"\n'
        + entry("a", "1", 'currency = "EUR"')
        + '[[price]]\nmodel = "b"\noff = "5%"\ncurrency = "GBP"'
    )
    with pytest.raises(SettingsError) as caught:
        parse_overrides(text, "prices.toml")
    assert caught.value.faults == [
        f"prices.toml: {where}: {one!r} is no currency that the ledger holds: amounts are in USD, convert them"
        for where, one in (("currency", "CHF"), ("price 1.currency", "EUR"), ("price 2.currency", "GBP"))
    ]
    assert cost('currency = "USD"\n' + entry("own", "9", 'currency = "USD"'), None, "own")[0] == 9.0


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("", "", True),
        ("to = 2026-01-01", "from = 2026-01-01", False),
        ("to = 2026-01-02", "from = 2026-01-01", True),
        ("from = 2025-01-01\nto = 2025-02-01", "from = 2025-02-01\nto = 2025-03-01", False),
        ("from = 2025-01-01\nto = 2025-12-01", "from = 2025-02-01\nto = 2025-03-01", True),
        ("", 'provider = "openai"', False),
    ],
)
def test_periods_of_one_model_may_not_overlap(first: str, second: str, clash: bool) -> None:
    """Two prices at one time would make the order of the file decide."""
    text = entry("GPT-4o", "1", first) + entry("gpt-4o", "2", second)
    if clash:
        with pytest.raises(SettingsError, match="price 1 and price 2 both hold"):
            parse_overrides(text, "prices.toml")
    else:
        assert len(parse_overrides(text, "prices.toml").entries) == 2


def test_the_examples_of_the_documentation_are_accepted() -> None:
    """docs/prices.md shows a price file and a tier file, in this order."""
    page = (Path(__file__).parents[2] / "docs" / "prices.md").read_text(encoding="utf-8")
    prices, tiers = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(parse_overrides(prices, "prices.toml").entries) == 3
    assert len(parse_tiers(tiers, "tiers.toml")) == 2


def test_files_are_read_or_refused(tmp_path: Path) -> None:
    """A good file, a missing one, bytes that are no text, text that is no TOML; nothing is nothing."""
    good = tmp_path / "prices.toml"
    good.write_text(entry("m", "1"), encoding="utf-8")
    assert len(load_overrides(good).entries) == 1
    with pytest.raises(SettingsError, match="cannot be read"):
        load_overrides(tmp_path / "absent.toml")
    good.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_overrides(good)
    with pytest.raises(SettingsError, match="is not TOML"):
        parse_overrides("[[price", "prices.toml")
    assert (
        parse_overrides("", "empty.toml").periods(frozenset(), frozenset({"m"}))
        == Overrides().periods(frozenset(), frozenset({"m"}))
        == ()
    )
