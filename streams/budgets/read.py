"""Spend of budgets from the ledger. Everything blocks; SQL lies in sql/queries/budget_*.sql.

Budgets of tenants, teams, tiers and models are read from the roll-up; an hour is read again only when its fingerprint
has changed, so that looking every few seconds costs two small queries, whatever the ledger's size. Budgets that need
agents, keys or runs are read from calls of the changed hours; those for EACH agent, key or run from the values that
spent most in the period: at most `MOST_VALUES` of them, from the lowest threshold on, since what is far from its
amount needs no state.

A model is the model that was asked for (`request_model`), as on boards and in reports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from schemas.budgets import Budget
from streams.budgets.hours import Hours
from streams.budgets.period import HOUR_MS
from streams.budgets.state import pico_of
from streams.ledger.sqlfiles import named_query
from streams.money import exact, pico

COLUMNS: Final[Mapping[str, str]] = {
    "tenant": "tenant_id",
    "team": "team_id",
    "agent": "agent_id",
    "tier": "tier",
    "model": "request_model",
    "key": "api_key_id",
    "run": "run_id",
}
ROLLED_UP: Final = ("tenant", "team", "tier", "model")
"""What the roll-up knows, in the order of its rows."""
MOST_VALUES: Final = 500


class Reader(Protocol):
    """`streams.ledger.client.Database`, and the ledgers of `streams.cli.reach`."""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """All rows of a query."""
        ...


def is_rolled_up(budget: Budget) -> bool:
    """Whether the roll-up answers for a budget."""
    return set(budget.scope.limits()) <= set(ROLLED_UP) and (budget.each is None or budget.each in ROLLED_UP)


def is_open(budget: Budget) -> bool:
    """Whether a budget is one for each of values whose number nothing bounds."""
    return budget.each is not None and not is_rolled_up(budget)


class _Kept:
    """Hours of one budget by value."""

    def __init__(self) -> None:
        self.pico: dict[str, dict[int, int]] = defaultdict(dict)
        self.unpriced: dict[str, dict[int, int]] = defaultdict(dict)

    def forget(self, hours: Collection[int]) -> None:
        for values in (self.pico, self.unpriced):
            for value in [*values]:
                for hour in hours:
                    values[value].pop(hour, None)
                if not values[value]:
                    del values[value]

    def add(self, value: str, hour: int, amount: int, unpriced: int) -> None:
        own = self.pico[value]
        own[hour] = own.get(hour, 0) + amount
        if unpriced:
            missing = self.unpriced[value]
            missing[hour] = missing.get(hour, 0) + unpriced


class SpendBook:
    """Spend by hour of budgets that are not open, kept from reading to reading. Used by one thread at a time."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self._rolled = [budget for budget in budgets if is_rolled_up(budget)]
        self._detail = [budget for budget in budgets if not is_rolled_up(budget) and not is_open(budget)]
        self._seen: dict[int, int] = {}
        self._kept = {budget.name: _Kept() for budget in (*self._rolled, *self._detail)}

    def refresh(self, reader: Reader, since_ms: int) -> int:
        """Read what has changed since the last time, from the hour of `since_ms` on; returns how many hours that were.

        Raises `Unavailable` or `LedgerError`; what was read before then stays as it was.
        """
        if not self._kept:
            return 0
        since = since_ms // HOUR_MS * 3600
        found = {int(at): int(fingerprint) for at, fingerprint in reader.rows(
            named_query("budget_hours"), {"since": since}
        )}  # fmt: skip
        changed = sorted(at for at, fingerprint in found.items() if self._seen.get(at) != fingerprint)
        gone = [at for at in self._seen if at not in found]
        # 1 read all, 2 replace, 3 remember: a fault in between leaves everything to be read again.
        rolled = _rolled_rows(reader, changed) if self._rolled and changed else []
        detail = {b.name: _detail_rows(reader, b, changed) for b in self._detail} if changed else {}
        old = [at * 1000 for at in (*changed, *gone)]
        for kept in self._kept.values():
            kept.forget(old)
        for budget in self._rolled:
            _add_rolled(self._kept[budget.name], budget, rolled)
        for name, rows in detail.items():
            for value, hour, amount, unpriced in rows:
                self._kept[name].add(value, hour, amount, unpriced)
        self._seen = found
        return len(changed)

    def hours(self, budget: Budget) -> dict[str, Hours]:
        """By value; the value is empty where the budget is not one for each."""
        kept = self._kept[budget.name]
        found = {value: Hours(kept.pico[value], kept.unpriced.get(value, {})) for value in kept.pico}
        if budget.each is None:
            return {"": found.get("", Hours())}
        found.pop("", None)  # calls without a team, ... belong to none
        return found


def read_open(reader: Reader, budget: Budget, start_ms: int, end_ms: int, since_ms: int) -> dict[str, Hours]:
    """Hours of the values of an open budget (`is_open`) that came to its lowest threshold between start and end."""
    assert budget.each is not None
    column = COLUMNS[budget.each]
    scope, parameters = _scope(budget)
    floor = pico_of(budget) * budget.thresholds[0] // 100
    values = [
        str(value)
        for value, _ in reader.rows(
            _filled("budget_largest", column, scope),
            {
                **parameters,
                "first": start_ms // 1000,
                "end": end_ms // 1000,
                "floor": exact(floor),
                "most": MOST_VALUES,
            },
        )
    ]
    if not values:
        return {}
    hours = range(since_ms // HOUR_MS * 3600, end_ms // 1000, 3600)
    kept = _Kept()
    scope += f" AND c.{column} IN {{values:Array(String)}}"
    for value, hour, amount, unpriced in _detail_rows(reader, budget, hours, scope, {**parameters, "values": values}):
        kept.add(value, hour, amount, unpriced)
    return {value: Hours(kept.pico.get(value, {}), kept.unpriced.get(value, {})) for value in values}


_Row = tuple[str, int, int, int]
"""Value, hour in epoch ms, pico-USD, unpriced calls."""


def _detail_rows(
    reader: Reader,
    budget: Budget,
    hours: Sequence[int],
    scope: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[_Row]:
    if not hours:
        return []
    if scope is None or parameters is None:
        scope, parameters = _scope(budget)
    sql = _filled("budget_detail", "''" if budget.each is None else COLUMNS[budget.each], scope)
    asked = {**parameters, "first": min(hours), "last": max(hours), "hours": list(hours)}
    return [
        (str(value), int(at) * 1000, pico(usd), int(unpriced)) for at, value, usd, unpriced in reader.rows(sql, asked)
    ]


def _rolled_rows(reader: Reader, hours: Sequence[int]) -> list[tuple[Any, ...]]:
    asked = {"first": min(hours), "last": max(hours), "hours": list(hours)}
    return [tuple(row) for row in reader.rows(named_query("budget_spend"), asked)]


def _add_rolled(kept: _Kept, budget: Budget, rows: Sequence[tuple[Any, ...]]) -> None:
    wanted = [
        (ROLLED_UP.index(name) + 1, frozenset(names)) for name, names in budget.scope.limits().items()
    ]  # fmt: skip
    value_at = 0 if budget.each is None else ROLLED_UP.index(budget.each) + 1
    for row in rows:
        if all(row[at] in names for at, names in wanted):
            kept.add(str(row[value_at]) if value_at else "", int(row[0]) * 1000, pico(row[5]), int(row[6]))


def _scope(budget: Budget) -> tuple[str, dict[str, list[str]]]:
    limits = budget.scope.limits()
    conditions = [f"c.{COLUMNS[name]} IN {{{name}:Array(String)}}" for name in limits]
    return " AND ".join(conditions) or "1", {name: list(names) for name, names in limits.items()}


def _filled(query: str, column: str, scope: str) -> str:
    value = column if column.startswith("'") else f"c.{column}"
    return named_query(query).replace("@value", value).replace("@scope", scope)
