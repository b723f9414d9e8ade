"""The engine: what was used of a plan in a period, to what it costs and for whom. Pure; exact integers of 1e-12 USD.

The stated rules:
- A call is inside the capacity when there was room left as it began (calls in order of time); it is then wholly
  inside and costs nothing of its own.
- The fee is split over the use inside and the capacity that stayed idle, by units (tokens or calls): idle capacity is a
  line of its own and nobody's. Without a limit there is no idle capacity, unless nothing was used: then all is idle.
- What is beyond costs what `overage` says. A call without a price costs nothing here and is counted as unpriced.
- Of a commitment, what calls cost by list price is theirs; what is missing to the commitment is the idle line; what
  exceeds it is `overage`, split over the calls by their list prices.
- A plan that holds for a part of a period is paid and filled for that part (`prorate`).

Money is split by `share.split`, once: the lines of a statement add up to its total to the last digit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from schemas.plans import Overage, Plan
from streams.money import PICO
from streams.plans.period import Stretch, day_of
from streams.plans.share import split

MINUTES_MS = 60_000

Kind = Literal["used", "idle", "overage", "per_token"]
Unit = Literal["tokens", "calls"]


@dataclass(frozen=True, slots=True)
class Who:
    """Whose calls: what lines are kept by."""

    tenant_id: str = ""
    team_id: str = ""
    tier: str = ""
    provider_name: str = ""
    request_model: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """Calls of one hour and one `who`, all inside the plan's capacity or all beyond it."""

    hour_ms: int
    who: Who
    inside: bool
    calls: int
    tokens: int
    list_pico: int
    """By list price; what is unpriced adds nothing."""
    unpriced_calls: int = 0
    unpriced_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement. `day`: the day of use; of an idle line the period's last day."""

    kind: Kind
    day: date
    who: Who
    calls: int
    tokens: int
    list_pico: int
    cost_pico: int


@dataclass(frozen=True, slots=True)
class TierFigures:
    """What one tier's calls come to under the plan."""

    tier: str
    calls: int
    tokens: int
    list_pico: int
    cost_pico: int
    break_even: int | None
    """Units in the stretch at which the tier's own calls would cost the fee by list price; None: not to be said."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A plan and a period of it. Money in 1e-12 USD, units as `unit` says."""

    plan: str
    kind: str
    stretch: Stretch
    unit: Unit
    fee_pico: int
    """Fee or commitment, of the part of the period that the plan covers."""
    capacity: Fraction | None
    """Units, of that part; None without a limit. For a commitment: 1e-12 USD."""
    used: int
    """Units inside (for a commitment 1e-12 USD of list price, at most the commitment)."""
    beyond: int
    idle: Fraction
    idle_pico: int
    overage_pico: int
    total_pico: int
    list_pico: int
    """What all its calls would cost by list price."""
    calls: int
    tokens: int
    unpriced_calls: int
    break_even: int | None
    """Units in the stretch, as `capacity` is, at which the present mix would cost the fee by list price; None where
    nothing tells."""
    lines: tuple[Line, ...] = ()
    tiers: tuple[TierFigures, ...] = ()
    burn_down: tuple[tuple[date, int], ...] = field(default=())
    """Units used inside by the end of each day with use, from the period's start."""

    @property
    def utilisation(self) -> Fraction | None:
        """Used share of the capacity; None without a limit."""
        return None if not self.capacity else self.used / self.capacity

    @property
    def pays_off(self) -> bool | None:
        """Whether the plan costs less than list price for the present calls; None for per-token."""
        return None if self.kind == "per_token" else self.total_pico < self.list_pico


def unit_of(plan: Plan) -> Unit:
    """What the plan's capacity is counted in."""
    return "calls" if plan.capacity is not None and plan.capacity.calls is not None else "tokens"


def prorated(plan: Plan, stretch: Stretch) -> Fraction:
    """How much of fee and capacity the stretch has."""
    return stretch.share if plan.prorate else Fraction(1)


def capacity_of(plan: Plan, stretch: Stretch) -> Fraction | None:
    """Units that the fee includes in the stretch; None without a limit."""
    if plan.capacity is None:
        return None
    if plan.capacity.tokens_per_minute is not None:
        return Fraction(plan.capacity.tokens_per_minute * (stretch.end_ms - stretch.start_ms), MINUTES_MS)
    return Fraction(plan.capacity.tokens or plan.capacity.calls or 0) * prorated(plan, stretch)


def state(plan: Plan, stretch: Stretch, uses: Sequence[Use]) -> Statement:
    """The statement of a plan for a stretch, of all use in it (any order, any grouping)."""
    if plan.kind == "flat":
        return _flat(plan, stretch, uses)
    if plan.kind == "committed":
        return _committed(plan, stretch, uses)
    return per_token(plan.name, stretch, uses)


def per_token(name: str, stretch: Stretch, uses: Sequence[Use]) -> Statement:
    """Calls at list price, under a plan of that kind or under none."""
    groups = _grouped(uses)
    lines = [_line("per_token", key, use, use.list_pico) for key, use in groups.items()]
    total = sum(use.list_pico for use in uses)
    return _statement(name, "per_token", stretch, "tokens", uses, lines, total_pico=total)


def _flat(plan: Plan, stretch: Stretch, uses: Sequence[Use]) -> Statement:
    unit = unit_of(plan)
    fee = round(_pico(plan.fee) * prorated(plan, stretch))
    capacity = capacity_of(plan, stretch)
    inside = _grouped(use for use in uses if use.inside)
    beyond = _grouped(use for use in uses if not use.inside)
    units = [_units(use, unit) for use in inside.values()]
    idle = max(Fraction(0), capacity - sum(units)) if capacity is not None else Fraction(0 if any(units) else 1)
    *costs, idle_pico = split(fee, [*units, idle])
    lines = [_line("used", key, use, cost) for (key, use), cost in zip(inside.items(), costs, strict=True)]
    if idle_pico or idle:
        lines.append(Line("idle", day_of(stretch.end_ms - 1), Who(), 0, 0, 0, idle_pico))
    lines += [_line("overage", key, use, _beyond_pico(plan, use)) for key, use in beyond.items()]
    return _statement(
        plan.name,
        "flat",
        stretch,
        unit,
        uses,
        lines,
        fee_pico=fee,
        capacity=capacity,
        used=sum(units),
        beyond=sum(_units(use, unit) for use in beyond.values()),
        idle=idle if capacity is not None else Fraction(0),
        idle_pico=idle_pico,
        overage_pico=sum(line.cost_pico for line in lines if line.kind == "overage"),
    )


def _committed(plan: Plan, stretch: Stretch, uses: Sequence[Use]) -> Statement:
    commitment = round(_pico(plan.commitment) * prorated(plan, stretch))
    groups = _grouped(uses)
    spend = sum(use.list_pico for use in groups.values())
    over = max(0, spend - commitment)
    overs = split(over, [use.list_pico for use in groups.values()]) if over else [0] * len(groups)
    lines: list[Line] = []
    for (key, use), part in zip(groups.items(), overs, strict=True):
        lines.append(_line("used", key, use, use.list_pico - part))
        if part:
            lines.append(Line("overage", key[0], key[1], 0, 0, 0, part))
    missing = max(0, commitment - spend)
    if missing:
        lines.append(Line("idle", day_of(stretch.end_ms - 1), Who(), 0, 0, 0, missing))
    return _statement(
        plan.name,
        "committed",
        stretch,
        "tokens",
        uses,
        lines,
        fee_pico=commitment,
        capacity=Fraction(commitment),
        used=min(spend, commitment),
        beyond=over,
        idle=Fraction(missing),
        idle_pico=missing,
        overage_pico=over,
    )


def _statement(
    name: str,
    kind: str,
    stretch: Stretch,
    unit: Unit,
    uses: Sequence[Use],
    lines: Sequence[Line],
    *,
    fee_pico: int = 0,
    capacity: Fraction | None = None,
    used: int = 0,
    beyond: int = 0,
    idle: Fraction = Fraction(0),
    idle_pico: int = 0,
    overage_pico: int = 0,
    total_pico: int | None = None,
) -> Statement:
    ordered = tuple(sorted(lines, key=lambda line: (line.day, line.kind, _key(line.who))))
    return Statement(
        plan=name,
        kind=kind,
        stretch=stretch,
        unit=unit,
        fee_pico=fee_pico,
        capacity=capacity,
        used=used,
        beyond=beyond,
        idle=idle,
        idle_pico=idle_pico,
        overage_pico=overage_pico,
        total_pico=sum(line.cost_pico for line in ordered) if total_pico is None else total_pico,
        list_pico=sum(use.list_pico for use in uses),
        calls=sum(use.calls for use in uses),
        tokens=sum(use.tokens for use in uses),
        unpriced_calls=sum(use.unpriced_calls for use in uses),
        break_even=None if kind == "per_token" else _break_even(fee_pico, uses, unit),
        lines=ordered,
        tiers=tuple(_tiers(ordered, uses, unit, None if kind == "per_token" else fee_pico)),
        burn_down=_burn_down(uses, unit, kind, used),
    )


def _tiers(lines: Sequence[Line], uses: Sequence[Use], unit: Unit, fee_pico: int | None) -> Iterable[TierFigures]:
    cost: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.kind != "idle":
            cost[line.who.tier] += line.cost_pico
    by_tier: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_tier[use.who.tier].append(use)
    for tier, own in sorted(by_tier.items()):
        yield TierFigures(
            tier,
            sum(use.calls for use in own),
            sum(use.tokens for use in own),
            sum(use.list_pico for use in own),
            cost[tier],
            None if fee_pico is None else _break_even(fee_pico, own, unit),
        )


def _break_even(fee_pico: int, uses: Sequence[Use], unit: Unit) -> int | None:
    """Units of this mix whose list price reaches the fee; None when nothing of it has a price."""
    list_pico = sum(use.list_pico for use in uses)
    priced = sum(_units(use, unit) - (use.unpriced_tokens if unit == "tokens" else use.unpriced_calls) for use in uses)
    if list_pico <= 0 or priced <= 0:
        return None
    return -(-fee_pico * priced // list_pico)


def _burn_down(uses: Sequence[Use], unit: Unit, kind: str, most: int) -> tuple[tuple[date, int], ...]:
    if kind == "per_token":
        return ()
    by_day: dict[date, int] = defaultdict(int)
    for use in uses:
        if kind == "committed":
            by_day[day_of(use.hour_ms)] += use.list_pico
        elif use.inside:
            by_day[day_of(use.hour_ms)] += _units(use, unit)
    total, points = 0, []
    for day in sorted(by_day):
        total += by_day[day]
        points.append((day, min(total, most)))
    return tuple(points)


def _grouped(uses: Iterable[Use]) -> dict[tuple[date, Who], Use]:
    """Use by day and who, in that order, so that the same use always splits the same way."""
    groups: dict[tuple[date, Who], list[Use]] = defaultdict(list)
    for use in uses:
        groups[day_of(use.hour_ms), use.who].append(use)
    return {
        key: Use(
            own[0].hour_ms,
            key[1],
            own[0].inside,
            sum(use.calls for use in own),
            sum(use.tokens for use in own),
            sum(use.list_pico for use in own),
            sum(use.unpriced_calls for use in own),
            sum(use.unpriced_tokens for use in own),
        )
        for key, own in sorted(groups.items(), key=lambda item: (item[0][0], _key(item[0][1])))
    }


def _line(kind: Kind, key: tuple[date, Who], use: Use, cost: int) -> Line:
    return Line(kind, key[0], key[1], use.calls, use.tokens, use.list_pico, cost)


def _key(who: Who) -> tuple[str, ...]:
    return who.tenant_id, who.team_id, who.tier, who.provider_name, who.request_model


def _units(use: Use, unit: Unit) -> int:
    return use.tokens if unit == "tokens" else use.calls


def _beyond_pico(plan: Plan, use: Use) -> int:
    if isinstance(plan.overage, Overage):
        if plan.overage.per_call is not None:
            return _whole(_pico(plan.overage.per_call) * use.calls)
        return _whole(_pico(plan.overage.per_million_tokens) * use.tokens / 1_000_000)
    return use.list_pico if plan.overage == "per_token" else 0


def _whole(exact: Fraction) -> int:
    """Six places a million tokens or a call make whole units of 1e-12 USD: nothing is rounded."""
    assert exact.denominator == 1
    return exact.numerator


def _pico(usd: Decimal | None) -> Fraction:
    return Fraction(usd or 0) * PICO
