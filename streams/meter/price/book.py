"""The price book: genai-prices as shipped with its package, read once, never refreshed over the network.

The package's own `calc_price` costs 41 us to 1 ms a call and keeps an unbounded cache of names, so it is not called
here: its data are read, its laws mirrored, and the tests hold the two equal for every model in the book.

Laws of genai-prices mirrored here:
- A model is the first one of the provider's list whose clause matches the lower-cased name; then those of the
  providers it falls back to (Azure to OpenAI, Google to Anthropic, ...); then once more with `-20251211` read as
  `-2025-12-11`.
- A price tier is chosen by all input tokens, cached ones included, and holds for the whole call ("cliff").
- Cached tokens of a model without a cache price are charged as input.
- Fees a request (`requests_kcount`) are charged once a call.

Departures, where the library returns 0 and so would hide spend: a model sold only by the second, page or character is
`no_token_price`, and output tokens of a model with an input price only are `no_output_price`.

Known limits, set by the contract's columns: one class of cache writes (priced at the 5-minute price), no
modalities (audio and image tokens are charged at the text price), no searches, standard service tier, and
reasoning tokens charged as output (only `sonar-deep-research` sells them apart).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import Any

from genai_prices import types as gp

from streams.meter.price.sheet import DAY_MS, Band, Between, Daily, Period, Rates, Sheet, pico_rate
from streams.meter.price.status import FREE, NO_TOKEN_PRICE, PRICED

_EPOCH = date(1970, 1, 1)
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


@dataclass(frozen=True, slots=True)
class BookInfo:
    """Which book is in use. `newest_price`: the latest day on which a price in it starts (it may lie ahead of
    today)."""

    name: str
    version: str
    providers: int
    models: int
    newest_price: date | None

    def age_days(self, today: date) -> int | None:
        """Days since the newest dated price; 0 when that lies ahead, None when the book dates nothing."""
        return None if self.newest_price is None else max(0, (today - self.newest_price).days)


@dataclass(frozen=True, slots=True)
class Listing:
    """A model found in the book: who sells it, its id there, and whether the name asked for is spelled out in the
    book."""

    provider: str
    model: str
    exact: bool


class _Shelf:
    """One provider's models. Names spelled out are looked up, the few with patterns are tried in order."""

    __slots__ = ("fallbacks", "models", "named", "patterns")

    def __init__(self, provider: gp.Provider) -> None:
        self.models = provider.models
        self.fallbacks: Sequence[str] = provider.fallback_model_providers or ()
        self.named: dict[str, int] = {}
        self.patterns: list[tuple[int, Any]] = []
        for index, model in enumerate(provider.models):
            for clause in _flat(model.match):
                if isinstance(clause, gp.ClauseEquals):
                    self.named.setdefault(clause.equals.lower(), index)
                else:
                    self.patterns.append((index, clause))

    def find(self, name: str) -> int | None:
        """Index of the first model that matches the lower-cased `name`."""
        named = self.named.get(name)
        for index, clause in self.patterns:
            if named is not None and index >= named:
                break
            if clause.is_match(name):
                return index
        return named


class Book:
    """All providers of genai-prices. Immutable after construction; holds no cache that grows."""

    def __init__(self, providers: Sequence[gp.Provider], source: str) -> None:
        """`source`: how prices of this book are named in the ledger, e.g. `genai-prices 0.2.3`."""
        self.source = source
        self._shelves = {provider.id: _Shelf(provider) for provider in providers}

    @property
    def provider_ids(self) -> frozenset[str]:
        """Ids of all providers in the book."""
        return frozenset(self._shelves)

    def find(self, provider: str, model: str) -> Listing | None:
        """The model that `provider` (an id of the book) bills under the name `model`, or None."""
        name = model.lower()
        found = self._find(provider, name)
        if found is None and (dated := _dashed_date(name)) != name:
            name, found = dated, self._find(provider, dated)
        if found is None:
            return None
        seller, index = found
        shelf = self._shelves[seller]
        exact = shelf.named.get(name) == index or shelf.models[index].id.lower() == name
        return Listing(seller, shelf.models[index].id, exact)

    def sheet(self, listing: Listing) -> Sheet:
        """The prices of a model found by `find`."""
        shelf = self._shelves[listing.provider]
        model = next(model for model in shelf.models if model.id == listing.model)
        ref = f"{listing.provider}/{listing.model}"
        prices = model.prices
        if isinstance(prices, gp.ModelPrice):
            prices = [gp.ConditionalPrice(prices=prices)]
        return Sheet(tuple(_period(price, self.source, ref) for price in prices))

    def same_price(self, first: Listing, second: Listing) -> bool:
        """Whether two listings ask the same for input and output tokens, by their latest prices and below any tier."""
        one, other = (self.sheet(listing).periods[-1].bands for listing in (first, second))
        if not one or not other:
            return not one and not other
        mine, theirs = one[0].rates, other[0].rates
        return (mine.input, mine.output) == (theirs.input, theirs.output)

    def info(self) -> BookInfo:
        """Version and size of the book and its newest dated price."""
        starts = [
            price.constraint.start_date
            for shelf in self._shelves.values()
            for model in shelf.models
            if isinstance(model.prices, list)
            for price in model.prices
            if isinstance(price.constraint, gp.StartDateConstraint)
        ]
        name, _, number = self.source.partition(" ")
        models = sum(len(shelf.models) for shelf in self._shelves.values())
        return BookInfo(name, number, len(self._shelves), models, max(starts, default=None))

    def _find(self, provider: str, name: str) -> tuple[str, int] | None:
        shelf = self._shelves.get(provider)
        if shelf is None:
            return None
        index = shelf.find(name)
        if index is not None:
            return provider, index
        for seller in shelf.fallbacks:
            other = self._shelves.get(seller)
            if other is not None and (index := other.find(name)) is not None:
                return seller, index
        return None


def load_book() -> Book:
    """The book inside the installed genai-prices package (0.2 s, reads no file but the package's own modules)."""
    from genai_prices.data import providers

    return Book(providers, f"genai-prices {version('genai-prices')}")


def book_info() -> BookInfo:
    """`load_book().info()`: which book this installation prices from."""
    return load_book().info()


def _flat(clause: Any) -> list[Any]:
    if isinstance(clause, gp.ClauseOr):
        return [leaf for part in clause.or_ for leaf in _flat(part)]
    return [clause]


def _dashed_date(name: str) -> str:
    def dashed(match: re.Match[str]) -> str:
        year, month, day = (int(part) for part in match.groups())
        try:
            return f"-{date(year, month, day).isoformat()}"
        except ValueError:
            return match.group(0)

    return _COMPACT_DATE.sub(dashed, name)


def _period(price: gp.ConditionalPrice, source: str, ref: str) -> Period:
    listed: Mapping[str, Decimal | gp.TieredPrices] = {
        key: value for key, value in price.prices.__dict__.items() if value is not None and not key.startswith("_")
    }
    rule = _rule(price.constraint)
    if not listed:
        return Period(rule, (Band(-1, Rates(Fraction(0), Fraction(0), Fraction(0), Fraction(0))),), source, ref, FREE)
    if "input_mtok" not in listed:
        return Period(rule, (), source, ref, NO_TOKEN_PRICE)
    starts = {tier.start for value in listed.values() if isinstance(value, gp.TieredPrices) for tier in value.tiers}
    return Period(
        rule, tuple(Band(above, _rates(listed, above)) for above in (-1, *sorted(starts))), source, ref, PRICED
    )


def _rates(listed: Mapping[str, Decimal | gp.TieredPrices], above: int) -> Rates:
    def price(key: str) -> Decimal | None:
        value = listed.get(key)
        if isinstance(value, gp.TieredPrices):
            held = [tier.price for tier in value.tiers if tier.start <= above]
            return held[-1] if held else value.base
        return value

    paid = Fraction(pico_rate(price("input_mtok") or Decimal(0)))
    output, read, write = price("output_mtok"), price("cache_read_mtok"), price("cache_write_mtok")
    return Rates(
        input=paid,
        output=None if output is None else pico_rate(output),
        cache_read=paid if read is None else pico_rate(read),
        cache_write=paid if write is None else pico_rate(write),
        fixed=Fraction(price("requests_kcount") or 0) * 10**9,
    )


def _rule(constraint: gp.StartDateConstraint | gp.TimeOfDateConstraint | None) -> Between | Daily:
    if constraint is None:
        return Between()
    if isinstance(constraint, gp.StartDateConstraint):
        return Between(start_ms=(constraint.start_date - _EPOCH).days * DAY_MS)
    return Daily(_of_day_us(constraint.start_time), _of_day_us(constraint.end_time))


def _of_day_us(clock: time) -> int:
    if clock.tzinfo is not None:
        clock = datetime.combine(_EPOCH, clock).astimezone(UTC).time()
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1_000_000 + clock.microsecond
