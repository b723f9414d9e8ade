"""Statements of a month as JSON-ready values and in words. Money is exact in JSON and has two decimals in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from streams.money import PICO, exact
from streams.plans.allocate import Line, Statement
from streams.plans.figures import Month
from streams.plans.period import month_name
from streams.plans.store import places
from streams.rating.check import counted, instant
from streams.report.money import percent, short, shown


def as_json(month: Month, plan: str | None) -> dict[str, Any]:
    """The month; `plan`: only this one's statements."""
    return {
        "month": month_name(month.start_ms),
        "total_usd": exact(month.total_pico),
        "list_usd": exact(month.list_pico),
        "statements": [_statement(one) for one in month.statements if plan is None or one.plan == plan],
    }


def _statement(one: Statement) -> dict[str, Any]:
    scale = PICO if one.kind == "committed" else 1
    return {
        "plan": one.plan or None,
        "kind": one.kind,
        "from": instant(one.stretch.start_ms),
        "to": instant(one.stretch.end_ms),
        "unit": "usd" if one.kind == "committed" else one.unit,
        "fee_usd": exact(one.fee_pico),
        "capacity": None if one.capacity is None else f"{places(one.capacity / scale):f}",
        "used": f"{places(Fraction(one.used, scale)):f}",
        "utilisation": None if one.utilisation is None else f"{places(one.utilisation):f}",
        "idle": f"{places(one.idle / scale):f}",
        "idle_usd": exact(one.idle_pico),
        "beyond": f"{places(Fraction(one.beyond, scale)):f}",
        "overage_usd": exact(one.overage_pico),
        "total_usd": exact(one.total_pico),
        "list_usd": exact(one.list_pico),
        "pays_off": one.pays_off,
        "calls": one.calls,
        "tokens": one.tokens,
        "unpriced_calls": one.unpriced_calls,
        "break_even": one.break_even,
        "tiers": [
            {
                "tier": tier.tier,
                "calls": tier.calls,
                "tokens": tier.tokens,
                "cost_usd": exact(tier.cost_pico),
                "list_usd": exact(tier.list_pico),
                "break_even": tier.break_even,
            }
            for tier in one.tiers
        ],
        "teams": [
            {"team": team, "calls": calls, "tokens": tokens, "cost_usd": exact(cost)}
            for team, (calls, tokens, cost) in _teams(one.lines).items()
        ],
        "burn_down": [
            {"day": day.isoformat(), "used": f"{places(Fraction(used, scale)):f}"} for day, used in one.burn_down
        ],
    }  # fmt: skip


def _teams(lines: Sequence[Line]) -> dict[str, tuple[int, int, int]]:
    """Calls, tokens and cost by team; idle capacity is nobody's."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in lines:
        if line.kind != "idle":
            own = sums[line.who.team_id]
            own[0] += line.calls
            own[1] += line.tokens
            own[2] += line.cost_pico
    return {team: (own[0], own[1], own[2]) for team, own in sorted(sums.items())}


def in_words(month: Month, plan: str | None) -> str:
    """A few lines for each plan; of a plan with many periods in the month, their sum."""
    by_plan: dict[str, list[Statement]] = defaultdict(list)
    for one in month.statements:
        if plan is None or one.plan == plan:
            by_plan[one.plan].append(one)
    lines = [
        f"{month_name(month.start_ms)}: {shown(month.total_pico)} USD; {shown(month.list_pico)} USD by list price alone"
    ]
    for name, own in by_plan.items():
        if name or own[0].calls or len(by_plan) == 1:
            lines += _words(name, own)
    return "\n".join(lines)


def _words(name: str, own: Sequence[Statement]) -> list[str]:
    first = own[0]
    total, listed = sum(one.total_pico for one in own), sum(one.list_pico for one in own)
    calls = sum(one.calls for one in own)
    title = name or "without a plan"
    periods = f", {len(own)} periods" if len(own) > 1 else ""
    lines = [f"{title} ({first.kind.replace('_', '-')}{periods}): {shown(total)} USD for {counted(calls)}"]
    if first.kind != "per_token":
        lines += _paid(own)
        verdict = "less" if total < listed else "more"
        if total != listed:
            lines.append(
                f"  by list price {shown(listed)} USD: the plan costs {shown(abs(listed - total))} USD {verdict}"
            )
        if first.kind == "flat":
            lines += _break_even(own)
    unpriced = sum(one.unpriced_calls for one in own)
    if unpriced:
        lines.append(f"  {counted(unpriced)} without a price: not in these sums by list price")
    costs: dict[str, int] = defaultdict(int)
    for one in own:
        for team, (_, _, cost) in _teams(one.lines).items():
            costs[team] += cost
    if any(costs.values()):
        lines.append("  " + ", ".join(f"{team or 'no team'} {shown(cost)}" for team, cost in sorted(costs.items())))
    return lines


def _paid(own: Sequence[Statement]) -> list[str]:
    """Fee, use and idle capacity, and what is beyond."""
    first = own[0]
    fee, idle = sum(one.fee_pico for one in own), sum(one.idle_pico for one in own)
    over = sum(one.overage_pico for one in own)
    if first.kind == "committed":
        lines = [f"  commitment {shown(fee)} USD, {percent(sum(one.used for one in own), fee)} used"]
    elif first.capacity is None:
        lines = [f"  fee {shown(fee)} USD, without a limit"]
    else:
        capacity = sum((one.capacity or Fraction(0) for one in own), Fraction(0))
        used = sum(one.used for one in own)
        lines = [
            f"  fee {shown(fee)} USD; {short(used)} of {short(int(capacity))} {first.unit} used "
            f"({percent(used, int(capacity))})"
        ]
    if idle:
        lines.append(f"  not used: {shown(idle)} USD")
    if over or any(one.beyond for one in own):
        beyond = sum(one.beyond for one in own)
        what = "" if first.kind == "committed" else f"{short(beyond)} {first.unit}, "
        lines.append(f"  beyond: {what}{shown(over)} USD")
    return lines


def _break_even(own: Sequence[Statement]) -> list[str]:
    """Of the last period with calls: volumes from which on the fee is less than list price."""
    last = next((one for one in reversed(own) if one.break_even is not None), None)
    if last is None:
        return []
    reach = ""
    if last.capacity is not None and last.break_even is not None and last.break_even > last.capacity:
        reach = ", more than the capacity"
    when = "a period of the present mix" if last.stretch.share == 1 else "of the present mix in the part of the period"
    lines = [f"  break-even at {short(last.break_even or 0)} {last.unit} {when}{reach}"]
    tiers = [f"{tier.tier} {short(tier.break_even)}" for tier in last.tiers if tier.break_even is not None]
    if len(tiers) > 1:
        lines.append(f"    of one tier alone: {', '.join(tiers)}")
    return lines
