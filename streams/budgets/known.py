"""Are there such teams, models, agents? What a budgets file cannot know of itself.

A name counts as known when the ledger has seen it, a model also when the price book, the operator's prices or the tier
map cover it, and everything when the ledger is empty or the budget says `expected = true`. `spendstream budgets check`
asks for it, not a worker's start: a team whose calls retention has dropped must not keep the meter from running.

A budget that counts nothing because of a typing error looks like a budget that is kept: that is why it is a fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from schemas.budgets import Budget
from streams.budgets.read import Reader
from streams.ledger.sqlfiles import named_query

LOOKED_UP = ("tenant", "team", "model", "agent", "key", "run")
"""Tiers are a fixed list and checked with the file."""


def unknown_names(
    reader: Reader, budgets: Sequence[Budget], model_is_known: Callable[[str], bool] = lambda _: False
) -> list[str]:
    """One line for each name that nobody knows, saying how to mend it."""
    wanted: dict[str, set[str]] = {dimension: set() for dimension in LOOKED_UP}
    for budget in budgets:
        if not budget.expected:
            for dimension, names in budget.scope.limits().items():
                if dimension in wanted:
                    wanted[dimension] |= set(names)
    wanted["model"] -= {model for model in wanted["model"] if model_is_known(model)}
    if not any(wanted.values()):
        return []
    asked = {dimension: sorted(names) for dimension, names in wanted.items()}
    found = _lists(reader, "budget_names", asked)
    if not found["total"]:
        return []
    unknown = {dimension: names - found[dimension] for dimension, names in wanted.items()}
    near = _lists(reader, "budget_near_names", {}) if any(unknown.values()) else {}
    return [
        f"{budget.name}: there is no {dimension} {name!r} in the ledger{_hint(name, near.get(dimension, set()))}; mend "
        "the name, or say expected = true when its calls are still to come"
        for budget in budgets
        if not budget.expected
        for dimension, names in budget.scope.limits().items()
        for name in names
        if name in unknown.get(dimension, ())
    ]


def _lists(reader: Reader, query: str, parameters: dict[str, list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for dimension, names in reader.rows(named_query(query), parameters):
        found[str(dimension)] |= {str(name) for name in names}
    return found


def _hint(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
