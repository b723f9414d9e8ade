"""What a model costs at a time, and has cost: the figures behind a call's price. Pure.

Prices are decimals as text: USD per million tokens, a call, or an hour of a call's duration. A price that has no end
in decimals (an hour shared by three calls) is rounded to 18 places here; calls are charged by the exact one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np

from streams.meter.price import STATUSES, Pricer
from streams.meter.price.sheet import PICO_PER_TOKEN, Band, Period
from streams.money import PICO

_US_PER_HOUR = 3_600_000_000
_PLACES = Decimal(1).scaleb(-18)


@dataclass(frozen=True, slots=True)
class Price:
    """One price. `bands`: by how long the input is, the first for all, each for the whole call above its tokens."""

    status: str
    source: str
    ref: str
    since: str
    bands: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "status": self.status,
            "source": self.source,
            "entry": self.ref,
            "since": self.since,
            "prices": [dict(band) for band in self.bands],
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """The price at a time, all prices of the model in the order in which later ones win, and who else sells it."""

    now: Price
    history: tuple[Price, ...]
    sellers: tuple[str, ...]


def show(pricer: Pricer, provider: str | None, model: str, at_ms: int) -> Shown:
    """The prices of a model as calls with these names are charged. `sellers`: providers of the book that list it."""
    sheet = pricer.sheet(provider, model)
    chosen = int(sheet.select(np.array([at_ms], dtype=np.int64))[0])
    prices = tuple(_price(period) for period in sheet.periods)
    book = pricer.book
    sellers = tuple(
        seller
        for seller in sorted(book.provider_ids)
        if (listing := book.find(seller, model)) is not None and listing.exact and listing.provider == seller
    )
    return Shown(prices[chosen], prices if len(prices) > 1 else (), sellers)


def _price(period: Period) -> Price:
    return Price(STATUSES[period.status], period.source, period.ref, period.rule.since, tuple(map(_band, period.bands)))


def _band(band: Band) -> dict[str, Any]:
    rates = band.rates
    shown: dict[str, Any] = {
        "above_input_tokens": max(band.above, 0),
        "input": _decimal(rates.input / PICO_PER_TOKEN),
        "output": None if rates.output is None else _decimal(rates.output / PICO_PER_TOKEN),
        "cache_read": _decimal(rates.cache_read / PICO_PER_TOKEN),
        "cache_write": _decimal(rates.cache_write / PICO_PER_TOKEN),
    }
    if rates.fixed:
        shown["a_call"] = _decimal(rates.fixed / PICO)
    if rates.per_us is not None:
        shown["an_hour"] = _decimal(rates.per_us * _US_PER_HOUR / PICO)
    return shown


def _decimal(value: Fraction) -> str:
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(value.numerator) / value.denominator
        rounded = exact.quantize(_PLACES).normalize()
    return f"{rounded:f}"
