"""A group's cost by token class: exact arithmetic on the prices that gave it, or the plain word that it cannot be done.

The ledger has one cost a call. Prices of a group's time, times its tokens, must give the group's cost: to the last
digit when the rates are whole units of 1e-12 USD a token, within half a unit a call when they are finer, because each
call was rounded once (the difference then lies in the dearest class). The prices are those of the source that the call
names: the operator's, or the book's alone. If they do not, the call was priced by another book or file than is here,
and its cost stays in one row for all of its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from streams.export.groups import Group
from streams.meter.price.overrides import OWN
from streams.meter.price.sheet import Band, Rates, Sheet

TOKENS, REQUESTS, SECONDS = "Tokens", "Requests", "Seconds"

UNCACHED, CACHE_READ, CACHE_WRITE = "Input tokens", "Cached input tokens", "Cache write tokens"
OUTPUT, FEE, DURATION, WHOLE = "Output tokens", "Requests", "Compute time", "Tokens of all classes"
"""The meters. Output includes reasoning; classes do not overlap."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One meter of a group. `quantity` in `unit`; `price` and `list_price` in pico-USD a unit, None where not known;
    `cost` and `list_cost` in pico-USD. `above`: the price is that of longer inputs than this; -1: of all."""

    meter: str
    unit: str
    quantity: Fraction
    price: Fraction | None
    cost: int
    list_price: Fraction | None
    list_cost: int
    above: int = -1

    @property
    def is_split(self) -> bool:
        """Whether the cost is that of one class of tokens."""
        return self.meter != WHOLE


def split(group: Group, own: Sheet, book: Sheet) -> list[Charge]:
    """The charges of a group; their costs add up to the group's.

    `own`: the prices that are charged, the operator's among them; `book`: the list prices. List prices are ours where
    the book has none.
    """
    if group.unpriced == group.calls:
        return _unpriced(group)
    parts = _that_gave_it(group, own if group.source.startswith(OWN) else book)
    if not parts:
        tokens = group.uncached + group.cache_read + group.cache_write + group.output
        return [Charge(WHOLE, TOKENS, Fraction(tokens), None, group.cost, None, group.cost)]
    rest = group.cost - sum(part.cost for part in parts)
    dearest = max(range(len(parts)), key=lambda at: parts[at].cost)
    parts[dearest] = replace(parts[dearest], cost=parts[dearest].cost + rest)
    return _listed(parts, group, book)


def _that_gave_it(group: Group, sheet: Sheet) -> list[Charge]:
    """The group's classes at the prices of `sheet`; none when these are not what its calls were priced by."""
    band = None if group.unpriced else _band(sheet, group)
    if band is None:
        return []
    parts = _parts(group, band.rates, band.above)
    exact = sum(((part.price or 0) * part.quantity for part in parts), Fraction(0))
    whole = all(part.price.denominator == 1 and part.meter != DURATION for part in parts if part.price)
    slack = Fraction(0) if whole else Fraction(group.calls, 2)
    return parts if abs(group.cost - exact) <= slack else []


def _parts(group: Group, rates: Rates, above: int) -> list[Charge]:
    """What has a quantity; costs are rounded, one by one."""
    per_us = rates.per_us or Fraction(0)
    counts: Sequence[tuple[str, str, Fraction, Fraction]] = (
        (UNCACHED, TOKENS, Fraction(group.uncached), rates.input),
        (CACHE_READ, TOKENS, Fraction(group.cache_read), rates.cache_read),
        (CACHE_WRITE, TOKENS, Fraction(group.cache_write), rates.cache_write),
        (OUTPUT, TOKENS, Fraction(group.output), rates.output or Fraction(0)),
        (FEE, REQUESTS, Fraction(group.calls if rates.fixed else 0), rates.fixed),
        (DURATION, SECONDS, Fraction(group.took_us if per_us else 0, 10**6), per_us * 10**6),
    )
    found = [
        Charge(meter, unit, quantity, rate, round(rate * quantity), rate, 0, above)
        for meter, unit, quantity, rate in counts
        if quantity
    ]
    # A call without tokens, which costs nothing: it is a charge of nothing rather than no charge.
    return found or [Charge(UNCACHED, TOKENS, Fraction(0), rates.input, 0, rates.input, 0, above)]


def _listed(parts: list[Charge], group: Group, book: Sheet) -> list[Charge]:
    """List prices and costs: those of the book at the group's time, ours for meters that it does not have."""
    band = _band(book, group)
    prices = {} if band is None else {part.meter: part.price for part in _parts(group, band.rates, band.above)}
    listed = []
    for part in parts:
        price = prices.get(part.meter)
        if price is None or price == part.price:
            listed.append(replace(part, list_price=part.price, list_cost=part.cost))
        else:
            listed.append(replace(part, list_price=price, list_cost=round(price * part.quantity)))
    return listed


def _unpriced(group: Group) -> list[Charge]:
    """Real quantities, and a cost of 0 because FOCUS knows no unknown one."""
    counts = (
        (UNCACHED, group.uncached), (CACHE_READ, group.cache_read), (CACHE_WRITE, group.cache_write),
        (OUTPUT, group.output),
    )  # fmt: skip
    found = [Charge(meter, TOKENS, Fraction(count), None, 0, None, 0) for meter, count in counts if count]
    return found or [Charge(UNCACHED, TOKENS, Fraction(0), None, 0, None, 0)]


def _band(sheet: Sheet, group: Group) -> Band | None:
    period = sheet.periods[int(sheet.select(np.array([group.first_ms], dtype=np.int64))[0])]
    held = [band for band in period.bands if group.least_input > band.above]
    return held[-1] if held and period.charged else None
