"""Discounts on the book and prices by the hour: right to the last digit, only when they hold, and dated."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.meter.price import Overrides, Priced, Pricer, load_aliases, load_book, parse_overrides

BOOK, ALIASES = load_book(), load_aliases()
PLAIN = Pricer(BOOK, Overrides(), ALIASES)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def price(
    pricer: Pricer,
    provider: str | None,
    model: str,
    *,
    at: str = "2026-02-01T00:00:00Z",
    tokens: tuple[int, int, int, int] = (1000, 100, 0, 0),
    latency: float | None = None,
) -> Priced:
    counts = [np.array([count], dtype=np.int64) for count in tokens]
    return pricer.price([provider], [model], [None], np.array([ms(at)]), *counts, latency_ms=[latency])


def own(text: str) -> Pricer:
    return Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES)


def label(out: Priced) -> tuple[str, str, str]:
    return out.sources[int(out.source[0])], out.refs[int(out.ref[0])], out.sinces[int(out.since[0])]


# -- discounts -------------------------------------------------------------------------------------------------------

OFF = '[[price]]\nprovider = "anthropic"\nmodel = "*"\noff = "12.5%"\nfrom = 2026-01-01\nto = 2026-06-01\n'


@given(st.tuples(*[st.integers(0, 300_000)] * 2, *[st.integers(0, 50_000)] * 2))
def test_a_discount_is_a_share_of_the_books_price_rounded_once(counts: tuple[int, int, int, int]) -> None:
    """Also above the threshold of long inputs, and with cached tokens."""
    tokens = (counts[0] + counts[2] + counts[3], *counts[1:])
    book = price(PLAIN, "anthropic", "claude-sonnet-4-5", tokens=tokens)
    mine = price(own(OFF), "anthropic", "claude-sonnet-4-5", tokens=tokens)
    assert int(mine.cost_pico[0]) == round(int(book.cost_pico[0]) * Fraction(7, 8))


def test_a_discount_holds_for_its_provider_between_its_dates() -> None:
    pricer = own(OFF)
    for provider, model, at, share in (
        ("anthropic", "claude-haiku-4-5", "2026-01-01T00:00:00Z", Fraction(7, 8)),
        ("anthropic", "claude-haiku-4-5", "2026-05-31T23:59:59.999Z", Fraction(7, 8)),
        ("anthropic", "claude-haiku-4-5", "2025-12-31T23:59:59.999Z", Fraction(1)),
        ("anthropic", "claude-haiku-4-5", "2026-06-01T00:00:00Z", Fraction(1)),
        ("openai", "gpt-4o", "2026-03-01T00:00:00Z", Fraction(1)),
    ):
        assert int(price(pricer, provider, model, at=at).cost_pico[0]) == share * int(
            price(PLAIN, provider, model, at=at).cost_pico[0]
        )


def test_a_discount_gives_no_price_to_what_has_none() -> None:
    pricer = own('[[price]]\nmodel = "*"\noff = "10%"\n')
    out = price(pricer, "inhouse", "house-7b")
    assert not out.priced[0]
    assert out.statuses[int(out.status[0])] == "unknown_provider"


def test_a_discount_follows_the_books_periods_and_hours() -> None:
    """A model with prices by date and one with prices by time of day, at every edge of theirs."""
    pricer = own('[[price]]\nmodel = "*"\noff = "50%"\nfrom = 2020-01-01\n')
    checked = 0
    daily = [f"2025-03-01T{hour:02}:{minute:02}:00Z" for hour in range(24) for minute in (29, 30)]
    dated = [f"{day}Z" for day in ("2020-01-01T00:00:00", "2025-06-09T23:59:59", "2025-06-10T00:00:00")]
    for provider, model, times in (("deepseek", "deepseek-chat", daily), ("openai", "o3", dated)):
        seen = set()
        for at in times:
            book, mine = price(PLAIN, provider, model, at=at), price(pricer, provider, model, at=at)
            assert book.priced[0]
            assert int(mine.cost_pico[0]) * 2 == int(book.cost_pico[0]), (model, at)
            seen.add(int(book.cost_pico[0]))
        checked += len(seen) > 1
    assert checked == 2, "each of the models changes its price"


def test_the_more_specific_entry_beats_the_discount() -> None:
    text = OFF + '[[price]]\nprovider = "anthropic"\nmodel = "claude-opus-4-5"\ninput = "1"\noutput = "2"\n'
    assert int(price(own(text), "anthropic", "claude-opus-4-5").cost_pico[0]) == 1000 * 10**6 + 100 * 2 * 10**6


def test_who_gave_the_price_and_since_when() -> None:
    source, ref, since = label(price(own(OFF), "anthropic", "claude-haiku-4-5"))
    assert re.fullmatch(r"override:prices\.toml@[0-9a-f]{12} on genai-prices [\d.]+", source)
    assert (ref, since) == ("anthropic/* 12.5% off anthropic/claude-haiku-4-5", "2026-01-01")
    assert label(price(own(""), "anthropic", "claude-haiku-4-5"))[2] == ""
    assert label(price(own(""), "openai", "o3", at="2025-07-01T00:00:00Z"))[2] == "2025-06-10"
    timed = own('[[price]]\nmodel = "m"\ninput = 1\noutput = 1\nfrom = 2026-01-01T12:30:00+01:00\n')
    assert label(price(timed, None, "m"))[1:] == ("*/m", "2026-01-01T11:30:00Z")
    assert label(price(own(""), None, "nobody-knows")) == ("", "", "")


# -- by the hour -----------------------------------------------------------------------------------------------------

HOURLY = '[[price]]\nmodel = "house-7b"\nper_hour = "12.50"\nat_once = 8\n'


@given(st.floats(0, 86_400_000))
def test_an_hour_is_shared_by_how_long_a_call_took(latency: float) -> None:
    out = price(own(HOURLY), "inhouse", "house-7b", latency=latency)
    micros = round(latency * 1000)
    assert int(out.cost_pico[0]) == round(Fraction(Decimal("12.50")) * 10**12 * micros / 3_600_000_000 / 8)
    assert out.priced[0]


def test_eight_calls_at_once_for_an_hour_cost_the_hour() -> None:
    out = price(own(HOURLY), "inhouse", "house-7b", latency=3_600_000)
    assert int(out.cost_pico[0]) * 8 == 12_500_000_000_000


def test_tokens_cost_besides_when_the_entry_says_so() -> None:
    pricer = own(HOURLY + 'input = "1"\noutput = "2"\n')
    out = price(pricer, None, "house-7b", latency=0, tokens=(10, 5, 0, 0))
    assert int(out.cost_pico[0]) == 20 * 10**6


def test_a_call_that_does_not_say_how_long_it_took_has_no_price() -> None:
    out = price(own(HOURLY), None, "house-7b")
    assert (bool(out.priced[0]), out.statuses[int(out.status[0])], int(out.cost_pico[0])) == (False, "no_duration", 0)
    counts = [np.array([1], dtype=np.int64)] * 4
    bare = own(HOURLY).price([None], ["house-7b"], [None], np.array([0]), *counts)
    assert bare.statuses[int(bare.status[0])] in {"no_duration", "bad_tokens"}


def test_other_calls_of_the_batch_are_not_touched() -> None:
    counts = [np.array([count] * 3, dtype=np.int64) for count in (1000, 100, 0, 0)]
    providers, models = [None, "openai", None], ["house-7b", "gpt-4o", "house-7b"]
    times = np.full(3, ms("2026-02-01T00:00:00Z"))
    out = own(HOURLY).price(providers, models, [None] * 3, times, *counts, latency_ms=[36.0, None, None])
    assert out.priced.tolist() == [True, True, False]
    assert int(out.cost_pico[1]) == int(price(PLAIN, "openai", "gpt-4o").cost_pico[0])
    assert int(out.cost_pico[0]) == 15_625_000  # 36 ms of 12.50 USD an hour, an eighth of it


# -- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('off = "10%"\ninput = 1', "leave out input"),
        ('off = "100%"', "off"),
        ('off = "-3%"', "off"),
        ('off = "10"', "off"),
        ("off = 10", "off"),
        ("per_hour = -1", "per_hour"),
        ("per_hour = true", "a price is a number"),
        ('per_hour = "1"\ncache_read = 1', "give `input` and `output` too"),
        ('per_hour = "1"\nat_once = 0', "at_once"),
        ("input = 1\noutput = 1\nat_once = 2", "give `per_hour` too"),
    ],
)
def test_wrong_entries_are_refused(entry: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_overrides(f'[[price]]\nmodel = "m"\n{entry}\n', "prices.toml")
