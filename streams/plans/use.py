"""What the ledger says was used under a plan: `Use` of a month, told apart into inside and beyond the capacity.

Use is read by the hour. An hour in which a period's capacity runs out is read once more call by call, by the engine;
with a capacity a minute that is done for every minute that is overfull. Reads only; blocking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any, Protocol

from schemas.plans import Plan
from streams.ledger.sqlfiles import named_query
from streams.money import pico
from streams.plans.allocate import Use, Who, capacity_of, unit_of
from streams.plans.period import Stretch
from streams.plans.scope import Condition


class Reader(Protocol):
    """Read access to the ledger; blocks."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        ...


def used(reader: Reader, condition: Condition, first_ms: int, end_ms: int) -> list[Use]:
    """All use of `first_ms` <= time < `end_ms` (whole hours), as inside."""
    return _hours(reader, condition, first_ms, end_ms, 0)


def used_of(reader: Reader, plan: Plan, condition: Condition, stretches: Sequence[Stretch]) -> list[list[Use]]:
    """Use in each stretch of a plan (in order of time, of one month)."""
    if not stretches:
        return []
    first_ms, end_ms = stretches[0].start_ms, stretches[-1].end_ms
    per_minute = plan.capacity.tokens_per_minute if plan.capacity is not None else None
    uses = _hours(reader, condition, first_ms, end_ms, per_minute or 0)
    if per_minute is not None:
        uses += _rows(
            reader,
            "plan_minutes",
            condition,
            {"first": first_ms // 1000, "end": end_ms // 1000, "per_minute": per_minute},
        )
    parts = [[use for use in uses if stretch.start_ms <= use.hour_ms < stretch.end_ms] for stretch in stretches]
    if per_minute is not None or plan.capacity is None:
        return parts
    return [_told_apart(reader, plan, condition, stretch, part) for stretch, part in zip(stretches, parts, strict=True)]


def _told_apart(reader: Reader, plan: Plan, condition: Condition, stretch: Stretch, uses: list[Use]) -> list[Use]:
    """Inside until the capacity of the stretch runs out, beyond from then on."""
    capacity = capacity_of(plan, stretch)
    assert capacity is not None
    by_calls = unit_of(plan) == "calls"
    told: list[Use] = []
    before = 0
    for hour_ms, group in groupby(sorted(uses, key=lambda use: use.hour_ms), key=lambda use: use.hour_ms):
        own = list(group)
        units = sum(use.calls if by_calls else use.tokens for use in own)
        if before >= capacity:
            told += [replace(use, inside=False) for use in own]
        elif before + units < capacity:
            told += own
        else:
            told += _rows(
                reader,
                "plan_crossing",
                condition,
                {"first": hour_ms // 1000, "room": _room(capacity - before), "by_calls": int(by_calls)},
            )
        before += units
    return told


def _room(left: Fraction) -> int:
    """Units below which a call that begins is inside: of a capacity that is no whole number, the next one."""
    return -(-left.numerator // left.denominator)


def _hours(reader: Reader, condition: Condition, first_ms: int, end_ms: int, per_minute: int) -> list[Use]:
    parameters = {"first": first_ms // 1000, "end": end_ms // 1000, "per_minute": per_minute, **condition.parameters}
    return [
        Use(int(start) * 1000, Who(*map(str, who)), True, *_figures(figures))
        for start, *who, calls, tokens, list_usd, unpriced, unpriced_tokens in reader.rows(
            condition.put_into(named_query("plan_hours")), parameters
        )
        for figures in [(calls, tokens, list_usd, unpriced, unpriced_tokens)]
    ]


def _rows(reader: Reader, query: str, condition: Condition, parameters: Mapping[str, Any]) -> list[Use]:
    return [
        Use(int(start) * 1000, Who(*map(str, who)), bool(inside), *_figures(figures))
        for start, *who, inside, calls, tokens, list_usd, unpriced, unpriced_tokens in reader.rows(
            condition.put_into(named_query(query)), {**parameters, **condition.parameters}
        )
        for figures in [(calls, tokens, list_usd, unpriced, unpriced_tokens)]
    ]


def _figures(figures: tuple[Any, ...]) -> tuple[int, int, int, int, int]:
    calls, tokens, list_usd, unpriced, unpriced_tokens = figures
    return int(calls), int(tokens), pico(list_usd), int(unpriced), int(unpriced_tokens)
