"""The book against genai-prices itself: the same model for every name, the same money for every model."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ClauseStartsWith, ModelInfo, ModelPrice, Provider
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.meter.price import STATUSES, Aliases, Book, Overrides, Priced, Pricer, book_info, load_aliases, load_book
from streams.meter.price.aliases import AliasFile

BOOK = load_book()
PROVIDERS = {provider.id: provider for provider in providers}
MODELS = [(provider, model) for provider in providers for model in provider.models]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PICO = Decimal("1e-12")
START_MS, END_MS = 1_609_459_200_000, 1_830_297_600_000  # 2021 to 2028: before the first and after the last dated price


def price_one(pricer: Pricer, provider: str | None, model: str, time_ms: int, *tokens: int) -> Priced:
    """Price one call; `tokens`: input, output, cache read, cache write."""
    columns = [np.array([count], dtype=np.int64) for count in tokens]
    return pricer.price([provider], [model], [None], np.array([time_ms], dtype=np.int64), *columns)


def oracle(model: ModelInfo, provider: Provider, time_ms: int, *tokens: int) -> Decimal:
    """What genai-prices asks for the call, in more digits than it needs."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    usage = Usage(**dict(zip(names, tokens, strict=True)))
    with localcontext(prec=60):
        moment = EPOCH + timedelta(milliseconds=time_ms)
        asked = model.calc_price(usage, provider, genai_request_timestamp=moment).total_price
        return asked.quantize(PICO, rounding=ROUND_HALF_EVEN)


def check(pricer: Pricer, provider: Provider, model: ModelInfo, time_ms: int, *tokens: int) -> str:
    """Hold one price against the oracle; the status it came back with."""
    found = BOOK.find(provider.id, model.id)
    theirs = provider.find_model(model.id, all_providers=providers)
    if found is None:
        # An id that its own clauses do not match is out of reach for the library, too.
        assert theirs is None, (provider.id, model.id)
        return "unreachable"
    assert theirs is not None
    out = price_one(pricer, provider.id, model.id, time_ms, *tokens)
    status = STATUSES[int(out.status[0])]
    if status in ("priced", "free"):
        assert out.refs[int(out.ref[0])] == f"{found.provider}/{theirs.id}"
        assert Decimal(int(out.cost_pico[0])) * PICO == oracle(theirs, provider, time_ms, *tokens), (
            provider.id,
            model.id,
        )
    else:
        assert int(out.cost_pico[0]) == 0
        assert not out.priced[0]
    return status


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    """The book without aliases, so that a provider's id and a model's id lead to just that model."""
    return Pricer(BOOK, Overrides(), Aliases(AliasFile.model_validate({"generic": {"names": [""]}})))


def test_every_model_of_the_book_costs_what_the_library_says(pricer: Pricer) -> None:
    """Each of the 2,330 models once a token mix, at times spread over seven years."""
    seen: dict[str, int] = {}
    random = np.random.default_rng(7)
    for provider, model in MODELS:
        paid = int(random.integers(0, 400_000))
        read, write = (int(random.integers(0, paid // 2 + 1)) for _ in range(2))
        time_ms = int(random.integers(START_MS, END_MS))
        status = check(pricer, provider, model, time_ms, paid, int(random.integers(0, 60_000)), read, write)
        seen[status] = seen.get(status, 0) + 1
    assert set(seen) <= {"priced", "free", "no_token_price", "no_output_price", "unreachable", "unknown_model"}, seen
    assert seen["priced"] > 1_800, seen
    assert seen.get("unknown_model", 0) == 0, seen


DATED = [(provider, model) for provider, model in MODELS if isinstance(model.prices, list) and len(model.prices) > 1]
TIERED = [(provider, model) for provider, model in MODELS if "TieredPrices" in repr(model.prices)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.one_of(st.sampled_from(MODELS), st.sampled_from(DATED), st.sampled_from(TIERED)),
    time_ms=st.integers(START_MS, END_MS),
    paid=st.one_of(
        st.integers(0, 1_500_000), st.sampled_from([32_000, 128_000, 199_999, 200_000, 200_001, 272_000, 272_001])
    ),
    output=st.integers(0, 1_000_000),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_any_call_costs_what_the_library_says(
    pricer: Pricer, which: Any, time_ms: int, paid: int, output: int, shares: tuple[float, float]
) -> None:
    """Random models, dated and tiered ones more often, at random times and counts, thresholds included."""
    provider, model = which
    read, write = int(paid * shares[0]), int(paid * shares[1])
    check(pricer, provider, model, time_ms, paid, output, read, write)


@settings(max_examples=150, deadline=None)
@given(which=st.sampled_from(DATED), offset=st.sampled_from([-1, 0, 1]), day=st.integers(0, 4), batch=st.booleans())
def test_prices_change_at_the_millisecond_they_change(which: Any, offset: int, day: int, batch: bool) -> None:
    """At every edge of a price period, one ms before, at, and after; alone and in a batch that spans the edge."""
    provider, model = which
    found = BOOK.find(provider.id, model.id)
    theirs = provider.find_model(model.id, all_providers=providers)
    if found is None or theirs is None:
        return
    edges = BOOK.sheet(found).edges()
    if edges is None:  # by time of day: half hours of one day cover every edge
        times = [START_MS + 86_400_000 * day + half * 1_800_000 + offset for half in range(49)]
    else:
        times = [edge + offset for edge in edges]
    pricer = Pricer(BOOK, Overrides(), load_aliases())
    columns = [np.full(len(times), count, dtype=np.int64) for count in (1000, 100, 10, 1)]
    if batch:
        names: list[str | None] = [provider.id] * len(times)
        out = pricer.price(names, [model.id] * len(times), [None] * len(times), np.array(times), *columns)
        got = [(bool(ok), int(cost)) for ok, cost in zip(out.priced, out.cost_pico, strict=True)]
    else:
        alone = [price_one(pricer, provider.id, model.id, moment, 1000, 100, 10, 1) for moment in times]
        got = [(bool(one.priced[0]), int(one.cost_pico[0])) for one in alone]
    for moment, (ok, cost) in zip(times, got, strict=True):
        if ok:
            assert Decimal(cost) * PICO == oracle(theirs, provider, moment, 1000, 100, 10, 1)


NAMES = sorted(
    {name for _, model in MODELS for name in (model.id, model.id.upper(), f"{model.id}-20251211", f"x{model.id}")}
)


@settings(max_examples=1_500, deadline=None)
@given(provider=st.sampled_from(list(providers)), name=st.one_of(st.sampled_from(NAMES), st.text(max_size=20)))
def test_finds_the_same_model_as_the_library(provider: Provider, name: str) -> None:
    """Names of the book, shouted, dated, misspelt, of other providers, and noise."""
    theirs = provider.find_model(name, all_providers=providers)
    ours = BOOK.find(provider.id, name)
    assert (ours and ours.model) == (theirs and theirs.id)


def test_the_first_model_that_matches_is_the_one_whichever_kind_its_clause_is() -> None:
    """A name spelled out before, between and after patterns that match it too."""
    price = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1))
    models = [
        ModelInfo("one", ClauseEquals("ab"), prices=price),
        ModelInfo("two", ClauseStartsWith("a"), prices=price),
        ModelInfo("three", ClauseEquals("ac"), prices=price),
        ModelInfo("four", ClauseStartsWith("b"), prices=price),
    ]
    provider = Provider("p", "P", "", models=models)
    book = Book([provider], "made up 1")
    for name, expected in {"ab": "one", "ac": "two", "ad": "two", "b": "four", "c": None}.items():
        theirs, ours = provider.find_model(name), book.find("p", name)
        assert (ours and ours.model) == (theirs and theirs.id) == expected


def test_names_of_each_provider_lead_to_the_same_model() -> None:
    """Every id of every provider, in its own book: 2,330 names, no sampling."""
    for provider, model in MODELS:
        theirs = provider.find_model(model.id, all_providers=providers)
        ours = BOOK.find(provider.id, model.id)
        assert (ours and ours.model) == (theirs and theirs.id), (provider.id, model.id)


def test_calls_older_than_the_first_price_pay_the_first_price(pricer: Pricer) -> None:
    """Mirrors the library; docs/prices.md says so."""
    provider = PROVIDERS["google"]
    model = provider.find_model("gemini-3-pro-preview")
    assert model is not None
    out = price_one(pricer, "google", "gemini-3-pro-preview", 0, 1000, 10, 0, 0)
    assert Decimal(int(out.cost_pico[0])) * PICO == oracle(model, provider, 0, 1000, 10, 0, 0) > 0


def test_says_which_book_it_is() -> None:
    """For the doctor: name, version, size and the newest dated price."""
    info = book_info()
    assert info.name == "genai-prices"
    assert info.version.count(".") == 2
    assert info.models == len(MODELS)
    assert info.providers == len(PROVIDERS)
    assert info.newest_price is not None
    assert info.age_days(info.newest_price + timedelta(days=40)) == 40
    assert info.age_days(date(2020, 1, 1)) == 0
    assert Book([], "empty 0").info().age_days(date(2026, 1, 1)) is None
