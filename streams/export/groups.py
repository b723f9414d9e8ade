"""Calls in groups within which no price changes, so that a group's cost can be split by token class.

A price changes at dates, at times of day and with the length of the input: `Marks` are all such places of all prices
that the calls may have, and a group lies between two of each. Read by the named query `export_charges`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from streams.closing.cut import Reader
from streams.ledger.sqlfiles import named_query
from streams.meter.price.sheet import Between, Daily, Sheet, While
from streams.money import pico

Step = Literal["day", "hour"]


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of one price. `start`: of the charge period, UTC. Tokens by disjoint class; `cost` in pico-USD, of the
    calls that have one; `unpriced`: calls that have none. `first_ms`, `least_input`: of one of them, for its price.
    `tags`: (key, value), without empty ones. `known`, `first_cut`: only of calls that came late."""

    start: datetime
    tenant: str
    team: str
    tier: str
    provider: str
    model: str
    answered: str
    status: str
    source: str
    ref: str
    since: str
    tags: tuple[tuple[str, str], ...]
    known: date
    first_cut: int
    calls: int
    uncached: int
    cache_read: int
    cache_write: int
    output: int
    took_us: int
    cost: int
    unpriced: int
    first_ms: int
    least_input: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a price may change: `edges` in epoch ms, `of_day` in ms after midnight UTC, `above` in input tokens."""

    edges: tuple[int, ...] = ()
    of_day: tuple[int, ...] = ()
    above: tuple[int, ...] = ()


def marks(sheets: Iterable[Sheet]) -> Marks:
    """All marks of some prices."""
    edges: set[int] = set()
    of_day: set[int] = set()
    above: set[int] = set()
    for sheet in sheets:
        for period in sheet.periods:
            above.update(band.above for band in period.bands[1:])
            _rule(period.rule, edges, of_day)
    return Marks(tuple(sorted(edges)), tuple(sorted(of_day)), tuple(sorted(above)))


def _rule(rule: Between | Daily | While, edges: set[int], of_day: set[int]) -> None:
    if isinstance(rule, Daily):
        # A time in whole ms is past `start_us` from the next whole ms on.
        of_day.update(-(-us // 1000) for us in (rule.start_us, rule.end_us))
    elif isinstance(rule, While):
        _rule(rule.rule, edges, of_day)
        for period in rule.base.periods:
            _rule(period.rule, edges, of_day)
    else:
        edges.update(rule.edges() or ())


def read_names(reader: Reader, first: datetime, end: datetime) -> list[tuple[str, str, str]]:
    """(provider, requested model, model that answered) of the calls of a time."""
    return [(p, m, a) for p, m, a in reader.rows(named_query("export_names"), span(first, end))]


def read_groups(
    reader: Reader, first: datetime, end: datetime, step: Step, places: Marks, tags: Sequence[str], **asked: Any
) -> list[Group]:
    """The groups of `first` <= hour < `end`. `asked`: parameters keys, nexts, ratings, late, months, since_ms."""
    parameters = span(first, end) | {
        "step": step,
        "tags": list(tags),
        "edges": list(places.edges),
        "of_day": list(places.of_day),
        "above": list(places.above),
        **asked,
    }
    return [_group(row, tags) for row in reader.rows(named_query("export_charges"), parameters)]


def span(first: datetime, end: datetime) -> dict[str, str]:
    """Parameters `first` and `end` of the named queries."""
    return {"first": f"{first:%Y-%m-%d %H:%M:%S}", "end": f"{end:%Y-%m-%d %H:%M:%S}"}


def _group(row: list[Any], keys: Sequence[str]) -> Group:
    start, tenant, team, tier, provider, model, answered, status, source, ref, since = map(str, row[:11])
    values, known, first_cut = row[11], row[15], row[16]
    *counts, cost, unpriced, first_ms, least = row[17:]
    calls, uncached, read, write, output, took = map(int, counts)
    return Group(
        datetime.fromisoformat(start).astimezone(UTC),
        tenant, team, tier, provider, model, answered, status, source, ref, since,
        tuple((key, value) for key, value in zip(keys, values, strict=True) if value),
        date.fromisoformat(known[:10]), int(first_cut), calls, uncached, read, write, output, took,
        pico(cost), int(unpriced), int(first_ms), int(least),
    )  # fmt: skip
