"""Are there such teams, providers, keys? What a plans file cannot know of itself.

A name counts as known when the ledger has seen it, and everything when the ledger is empty or the plan says
`expected = true`. A flat fee for a team that is spelt wrongly would look like idle capacity. `spendstream plans check`
asks for it, not a worker's start: a team whose calls retention has dropped must not keep the meter from running.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from schemas.plans import Plan
from streams.ledger.sqlfiles import named_query
from streams.plans.use import Reader

LOOKED_UP = ("tenant", "provider", "model", "team", "key", "plan_id")
"""Tiers are a fixed list and checked with the file."""


def unknown_names(reader: Reader, plans: Sequence[Plan]) -> list[str]:
    """One line for each name that nobody knows, saying how to mend it."""
    wanted: dict[str, set[str]] = {dimension: set() for dimension in LOOKED_UP}
    asked = [plan for plan in plans if not plan.expected]
    for plan in asked:
        for dimension, names in plan.scope.limits().items():
            if dimension in wanted:
                wanted[dimension] |= names
    if not any(wanted.values()):
        return []
    parameters = {dimension: sorted(names) for dimension, names in wanted.items()}
    found = {
        str(dimension): set(map(str, names)) for dimension, names in reader.rows(named_query("plan_names"), parameters)
    }
    if not found["total"]:
        return []
    near: dict[str, list[str]] = {}
    if any(names - found[dimension] for dimension, names in wanted.items()):
        near = {
            str(dimension): list(map(str, names)) for dimension, names in reader.rows(named_query("budget_near_names"))
        }
    return [
        f"{plan.name}: there is no {dimension} {name!r} in the ledger{_hint(name, near.get(dimension, []))}; mend the "
        "name, or say expected = true when its calls are still to come"
        for plan in asked
        for dimension, names in plan.scope.limits().items()
        for name in sorted(names)
        if dimension in wanted and name not in found[dimension]
    ]


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
