"""The present calls at the cheaper tier's model, twice: with their prompt-cache reads, and with all of them lost.

Every call is priced as of its own time, by the same prices as the meter's: bands of input length, the operator's prices
and price changes are in it. Lost reads are charged as plain input.

Where all rates are whole units of 1e-12 USD, a price is linear and the engine adds the tokens up first, by where the
price may change: the sums are those of the calls one by one, to the last digit. Finer rates, which are rounded a call,
and prices by the hour are taken call by call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from streams.export.groups import Marks, marks
from streams.ledger.sqlfiles import named_query
from streams.meter.price import Pricer
from streams.meter.price.sheet import Rates, Sheet
from streams.meter.price.table import MAX_PICO, MAX_TOKENS
from streams.money import pico
from streams.outcomes.period import DAY_MS, Span
from streams.outcomes.runs import Reader


@dataclass(frozen=True, slots=True)
class Repriced:
    """Sums in 1e-12 USD over calls that have a price now and one at the cheaper model."""

    calls: int
    left_out: int
    """Calls without a price on either side."""
    present: int
    kept: int
    """At the cheaper model, cache reads kept."""
    lost: int
    """At the cheaper model, cache reads charged as plain input."""

    def __add__(self, other: Repriced) -> Repriced:
        return Repriced(
            self.calls + other.calls,
            self.left_out + other.left_out,
            self.present + other.present,
            self.kept + other.kept,
            self.lost + other.lost,
        )


def reprice(
    ledger: Reader,
    pricer: Pricer,
    span: Span,
    evaluator: str,
    task_class: str,
    tier: str,
    agents: Sequence[str],
    model: tuple[str, str],
) -> Repriced:
    """`model`: (provider, model) of the cheaper tier. Asks for one day at a time."""
    sheet = pricer.sheet(*model)
    places = marks([sheet])
    total = Repriced(0, 0, 0, 0, 0)
    for day in _days(span):
        asked = {
            **day.parameters, "evaluator": evaluator, "task_class": task_class, "tier": tier, "agents": list(agents)
        }  # fmt: skip
        added_up = by_group(ledger, sheet, places, asked) if is_linear(sheet) else None
        total += by_call(ledger, pricer, asked, model) if added_up is None else added_up
    return total


def is_linear(sheet: Sheet) -> bool:
    """Whether the price of several calls of one band and period is the price of their sums."""
    return all(
        band.rates.per_us is None
        and all(
            rate.denominator == 1
            for rate in (
                band.rates.input, band.rates.output or Fraction(0), band.rates.cache_read, band.rates.cache_write,
                band.rates.fixed,
            )
        )
        for period in sheet.periods
        for band in period.bands
    )  # fmt: skip


def by_group(ledger: Reader, sheet: Sheet, places: Marks, asked: Mapping[str, Any]) -> Repriced | None:
    """Of a linear price; None where a sum is beyond what one call may cost, so that a call could be too dear."""
    total = Repriced(0, 0, 0, 0, 0)
    where = {"edges": list(places.edges), "of_day": list(places.of_day), "above": list(places.above)}
    for counted, says, *counts, cost, time_ms, least in ledger.rows(
        named_query("savings_groups"), {**asked, **where, "most": MAX_TOKENS}
    ):
        calls, tokens, output, read, write = map(int, counts)
        rates = _rates(sheet, int(time_ms), int(least))
        if not int(counted) or rates is None or (int(says) and rates.output is None):
            total += Repriced(0, calls, 0, 0, 0)
            continue
        rest = rates.output * output if rates.output is not None else Fraction(0)
        rest += rates.cache_write * write + rates.fixed * calls
        lost = rates.input * (tokens - write) + rest
        kept = rates.input * (tokens - write - read) + rates.cache_read * read + rest
        if max(kept, lost) > MAX_PICO:
            return None
        total += Repriced(calls, 0, pico(cost), int(kept), int(lost))
    return total


def by_call(ledger: Reader, pricer: Pricer, asked: Mapping[str, Any], model: tuple[str, str]) -> Repriced:
    """Of any price."""
    rows = ledger.rows(named_query("savings_calls"), asked)
    if not rows:
        return Repriced(0, 0, 0, 0, 0)
    time_ms, tokens, output, read, write = (
        np.array([int(row[at]) for row in rows], dtype=np.int64) for at in range(5)
    )  # fmt: skip
    count = len(rows)
    with_reads, without = (
        pricer.price([model[0]] * count, [model[1]] * count, [None] * count, time_ms, tokens, output, reads, write)
        for reads in (read, np.zeros_like(read))
    )
    calls = present = kept = lost = 0
    for at, row in enumerate(rows):
        if int(row[5]) and with_reads.priced[at] and without.priced[at]:
            calls += 1
            present += pico(row[6])
            kept += int(with_reads.cost_pico[at])
            lost += int(without.cost_pico[at])
    return Repriced(calls, count - calls, present, kept, lost)


def _rates(sheet: Sheet, time_ms: int, tokens: int) -> Rates | None:
    period = sheet.periods[int(sheet.select(np.array([time_ms], dtype=np.int64))[0])]
    held = [band for band in period.bands if tokens > band.above]
    return held[-1].rates if held and period.charged else None


def _days(span: Span) -> Iterator[Span]:
    for first in range(span.first_ms, span.end_ms, DAY_MS):
        yield Span(first, min(first + DAY_MS, span.end_ms))
