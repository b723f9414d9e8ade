"""What `prices show` says is what calls are charged."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from streams.meter.price import Overrides, Pricer, load_aliases, load_book, parse_overrides
from streams.rating.show import show

BOOK, ALIASES = load_book(), load_aliases()
OWN = (
    '[[price]]\nmodel = "m"\ninput = "1.25"\noutput = "2"\n'
    "[[price.above]]\ninput_tokens = 1000\ninput = 3\noutput = 4\n"
    '[[price]]\nmodel = "hourly"\nper_hour = "10"\nat_once = 3\n'
    '[[price]]\nprovider = "openai"\nmodel = "gpt-4o"\noff = "20%"\nfrom = 2026-02-01\n'
)
PRICER = Pricer(BOOK, parse_overrides(OWN, "own.toml"), ALIASES)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("openai", "o3"),
        ("deepseek", "deepseek-chat"),
        ("openai", "gpt-4o"),
        (None, "m"),
    ],
)
@pytest.mark.parametrize("at", ["2025-02-10T02:00:00Z", "2025-02-10T20:00:00Z", "2026-03-01T00:00:00Z"])
@pytest.mark.parametrize("tokens", [10, 500_000])
def test_the_prices_shown_are_those_charged(provider: str | None, model: str, at: str, tokens: int) -> None:
    now = show(PRICER, provider, model, ms(at)).now
    band = [band for band in now.bands if tokens > band["above_input_tokens"] or not band["above_input_tokens"]][-1]
    counts = [np.array([count], dtype=np.int64) for count in (tokens, 1000, 0, 0)]
    out = PRICER.price([provider], [model], [None], np.array([ms(at)]), *counts)
    usd = (Decimal(band["input"]) * tokens + Decimal(band["output"]) * 1000) / 1_000_000
    assert int(out.cost_pico[0]) == usd * 10**12
    assert (out.sources[int(out.source[0])], out.refs[int(out.ref[0])]) == (now.source, now.ref)
    assert out.sinces[int(out.since[0])] == now.since


def test_a_price_without_an_end_in_decimals_is_rounded_to_be_shown() -> None:
    (band,) = show(PRICER, None, "hourly", 0).now.bands
    assert band["an_hour"] == "3.333333333333333333"


def test_a_model_without_a_price_says_why_and_who_sells_it() -> None:
    found = show(Pricer(BOOK, Overrides(), ALIASES), None, "deepseek-chat", 0)
    assert (found.now.status, found.now.bands, found.sellers) == ("unknown_seller", (), ("deepseek",))
    assert show(PRICER, None, "nobody-knows", 0).sellers == ()


def test_history_is_in_the_order_in_which_later_ones_win() -> None:
    found = show(PRICER, "openai", "gpt-4o", ms("2026-03-01T00:00:00Z"))
    assert [price.since for price in found.history] == ["", "2026-02-01"]
    assert found.now == found.history[-1]
    assert show(PRICER, "openai", "gpt-4o", ms("2026-01-01T00:00:00Z")).now == found.history[0]
