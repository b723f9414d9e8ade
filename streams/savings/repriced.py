"""The present calls at the cheaper tier's model, twice: with their prompt-cache reads, and with all of them lost.

Every call is priced by itself, as of its own time, by the same pricer as the meter's: bands of input length, the
operator's prices and price changes are in it. Lost reads are charged as plain input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streams.ledger.sqlfiles import named_query
from streams.meter.price import Pricer
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
    """`model`: (provider, model) of the cheaper tier. Reads one day at a time."""
    calls = left_out = present = kept = lost = 0
    for day in _days(span):
        rows = ledger.rows(
            named_query("savings_calls"),
            {**day.parameters, "evaluator": evaluator, "task_class": task_class, "tier": tier, "agents": list(agents)},
        )
        if not rows:
            continue
        time_ms, tokens, output, read, write = (
            np.array([int(row[at]) for row in rows], dtype=np.int64) for at in range(5)
        )
        count = len(rows)
        with_reads, without = (
            pricer.price(
                [model[0]] * count, [model[1]] * count, [None] * count, time_ms, tokens, output, reads, write
            )
            for reads in (read, np.zeros_like(read))
        )  # fmt: skip
        costs = [pico(row[6]) for row in rows]
        for at, row in enumerate(rows):
            if int(row[5]) and with_reads.priced[at] and without.priced[at]:
                calls += 1
                present += costs[at]
                kept += int(with_reads.cost_pico[at])
                lost += int(without.cost_pico[at])
            else:
                left_out += 1
    return Repriced(calls, left_out, present, kept, lost)


def _days(span: Span) -> Iterator[Span]:
    for first in range(span.first_ms, span.end_ms, DAY_MS):
        yield Span(first, min(first + DAY_MS, span.end_ms))
