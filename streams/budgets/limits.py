"""What hard budgets ask of routers: hold back the agent, key or run that has spent its amount. Pure.

A control is wanted while the amount of the running period is spent, and ends with the period, or as soon as the budget
is below its amount again (a rating, a larger amount in the file, a budget that left it). The mode is the policy's
(`[[control]]` with kind `budget`, severity critical); without one it is `observe`: written down, nobody is stopped. A
person's word goes before it, as with incidents (`streams.controls.decide`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from schemas.policies import ControlPolicy
from streams.alert.match import control_of
from streams.budgets.events import event_id
from streams.budgets.state import BudgetState
from streams.budgets.store import one_of
from streams.budgets.words import called, period_words
from streams.controls.control import Change, Standing
from streams.report.money import shown

BY = "budget:"
"""Policies of controls that budgets set: this and the budget's name."""


def wanted_limits(states: Sequence[BudgetState], policies: Sequence[ControlPolicy]) -> list[Change]:
    """The controls that should be in force, by these states."""
    return [
        _limit(state, subject, policies)
        for state in states
        if state.budget.at_limit != "tell" and state.running and state.spent >= state.amount
        for subject in _subjects(state)
    ]


def limits_to_end(active: Sequence[Standing], wanted: Sequence[Change], looked_at: Collection[str]) -> list[Change]:
    """Releases of controls in force that budgets set and no longer want.

    `looked_at`: names of budgets whose states are all known now; controls of others stay, but those of budgets that are
    in no file end.
    """
    kept = {(change.policy, change.id) for change in wanted}
    return [
        replace(one.change, released=True, reason="the budget is below its amount again, or gone")
        for one in active
        if one.change.policy.startswith(BY)
        and one.change.policy.removeprefix(BY) in looked_at
        and (one.change.policy, one.change.id) not in kept
    ]


def _subjects(state: BudgetState) -> tuple[str, ...]:
    limited = state.budget.limited()
    if limited is None:
        return ()
    return (state.value,) if state.budget.each == limited else state.budget.scope.limits()[limited]


def _limit(state: BudgetState, subject: str, policies: Sequence[ControlPolicy]) -> Change:
    limited = state.budget.limited()
    assert limited is not None
    policy = control_of(
        policies, team_id=one_of(state, "team"), tier=one_of(state, "tier"), severity="critical", kind="budget"
    )
    return Change(
        scope=limited,
        subject=subject,
        mode="observe" if policy is None else policy.mode,
        action="block" if state.budget.at_limit == "block" else "throttle",
        reason=f"budget {called(state)}: {shown(state.amount)} USD of {period_words(state)} are spent",
        rate_per_minute=state.budget.rate_per_minute,
        incident_id=event_id(state, "crossed", "100", 1),
        policy=f"{BY}{state.budget.name}",
        expires_ms=state.period.end_ms,
    )
