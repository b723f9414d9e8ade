"""The operator's file of budgets: how much may be spent, by whom, in which period, and who hears of it when.

    currency = "USD"                     # optional; the only one, as the ledger's

    [[budget]]
    name = "search-month"
    amount = "5000"                      # USD a period, more than nothing
    period = "month"                     # day, week (from Monday) or month; all in UTC
    scope = { team = "search" }          # tenant, team, agent, tier, model, key, run; a name or a list of names;
                                         # what is not named is not limited; without scope: all spend
    thresholds = [50, 80, 100]           # per cent of the amount; told once a period each
    hard = false                         # hard: 100 per cent is a limit, `at_limit` says what routers are asked to do

    [[budget]]
    name = "each-agent-day"
    amount = "40"
    period = "day"
    each = "agent"                       # one budget of 40 for every agent (tenant, team, tier, model, key or run)
    hard = true
    at_limit = "throttle"                # "tell" (nobody is stopped), "throttle" or "block": of agents, keys and runs;
    rate_per_minute = 6                  # calls that a throttle lets through

    [[budget.burn]]                      # in place of the usual pairs of windows (docs/budgets.md)
    long_hours = 6
    short_hours = 1
    rate = "6"                           # times the pace that spends the amount in exactly one period
    severity = "warning"                 # ticket, warning or critical

Values are checked here one by one and together; what only a ledger knows (is there such a team?) is checked by
`streams.budgets.known`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.base import ENTRY_NAME, NO_NUL
from schemas.currency import Currency

DIMENSIONS: Final = ("tenant", "team", "agent", "tier", "model", "key", "run")
"""What a budget may be limited to."""

LIMITED: Final[tuple[Literal["agent", "key", "run"], ...]] = ("run", "agent", "key")
"""What routers can be asked to hold back."""

Dimension = Literal["tenant", "team", "agent", "tier", "model", "key", "run"]
PeriodName = Literal["day", "week", "month"]
SeverityName = Literal["ticket", "warning", "critical"]
AtLimit = Literal["tell", "throttle", "block"]

LONGEST_HOURS: Final = {"day": 24, "week": 168, "month": 672}
"""No burn window is longer than the shortest period of its kind."""

_Value = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
_Usd = Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 12, max_digits=25, decimal_places=12, allow_inf_nan=False)]
_CallRate = Annotated[Decimal, Field(gt=0, le=100_000, max_digits=9, decimal_places=3, allow_inf_nan=False)]
_Rate = Annotated[Decimal, Field(gt=1, le=1000, max_digits=7, decimal_places=3, allow_inf_nan=False)]
_Percent = Annotated[int, Field(ge=1, le=1000, strict=True)]
_Hours = Annotated[int, Field(ge=1, le=672, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scope(_Part):
    """Calls that count: those with one of the names in every field that is given. Empty fields limit nothing."""

    tenant: tuple[_Value, ...] = ()
    team: tuple[_Value, ...] = ()
    agent: tuple[_Value, ...] = ()
    tier: tuple[Literal["oss", "mid", "frontier", "unknown"], ...] = ()
    model: tuple[_Value, ...] = ()
    key: tuple[_Value, ...] = ()
    run: tuple[_Value, ...] = ()

    @field_validator(*DIMENSIONS, mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, list) and not value:
            raise ValueError("an empty list holds for no call: name something, or leave it away")
        return (value,) if isinstance(value, str) else value

    def limits(self) -> dict[str, tuple[str, ...]]:
        """The given fields, each with its names sorted, each once."""
        return {name: tuple(sorted(set(getattr(self, name)))) for name in DIMENSIONS if getattr(self, name)}


class Burn(_Part):
    """A pair of windows; the alert is on while spend runs at `rate` times the even pace in both."""

    long_hours: _Hours
    short_hours: _Hours
    rate: _Rate
    severity: SeverityName = "warning"

    @model_validator(mode="after")
    def _ordered(self) -> Burn:
        if self.short_hours >= self.long_hours:
            raise ValueError("short_hours must be less than long_hours: the short window says that it still goes on")
        return self


class Budget(_Part):
    """One budget, or with `each` one for every value of a field."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=ENTRY_NAME)]
    amount: _Usd
    currency: Currency = "USD"
    period: PeriodName
    scope: Scope = Scope()
    each: Dimension | None = None
    hard: Annotated[bool, Field(strict=True)] = False
    at_limit: AtLimit = "tell"
    rate_per_minute: _CallRate | None = None
    thresholds: tuple[_Percent, ...] = (50, 80, 100)
    burn: tuple[Burn, ...] | None = None
    expected: Annotated[bool, Field(strict=True)] = False
    """The names of the scope may be unknown yet: they will come."""

    @field_validator("amount", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("an amount is a number or a string of one, in USD")
        return value

    @field_validator("thresholds")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)):
            raise ValueError("thresholds rise, each once, and there is one at least: for example [50, 80, 100]")
        return value

    @model_validator(mode="after")
    def _sensible(self) -> Budget:
        faults = []
        if self.at_limit != "tell" and not self.hard:
            faults.append(f"at_limit = {self.at_limit!r} needs hard = true: a soft budget stops nobody")
        if self.at_limit != "tell" and self.limited() is None:
            faults.append(
                f"at_limit = {self.at_limit!r} is for agents, keys and runs: say each of one of these, or name them in "
                "the scope; other budgets can only tell"
            )
        if (self.at_limit == "throttle") != (self.rate_per_minute is not None):
            faults.append('rate_per_minute belongs to at_limit = "throttle", and a throttle needs it')
        if self.hard and 100 not in self.thresholds:
            faults.append("a hard budget needs 100 among its thresholds: there its limit is")
        if self.each is not None and getattr(self.scope, self.each):
            faults.append(f"each = {self.each!r} and a scope of {self.each} names contradict: leave one away")
        faults += [
            f"a burn window of {pair.long_hours} hours is longer than the {self.period} of the budget"
            for pair in self.burn or ()
            if pair.long_hours > LONGEST_HOURS[self.period]
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def limited(self) -> Literal["agent", "key", "run"] | None:
        """What routers can be asked to hold back when the amount is spent; None where there is nothing to name."""
        named = self.scope.limits()
        for dimension in LIMITED:
            if self.each == dimension:
                return dimension
        found = [dimension for dimension in LIMITED if dimension in named]
        return found[0] if len(found) == 1 and self.each is None else None

    def subject(self) -> tuple[object, ...]:
        """What the budget is about; two budgets of one subject contradict."""
        return (tuple(sorted(self.scope.limits().items())), self.each, self.period, self.hard)


class BudgetsFile(_Part):
    """The whole file; faults between budgets are found by `streams.budgets.file`."""

    currency: Currency = "USD"
    budget: tuple[Budget, ...] = ()
