"""The operator's file of plans: what is paid for, how much of it, and for which calls.

    currency = "USD"                     # optional; the only one, as the ledger's

    [[plan]]
    name = "openai-throughput"
    kind = "flat"                        # a fee a period, whatever is used
    from = 2026-01-01                    # a day, UTC
    to = 2026-07-01                      # optional, the first day on which it does not hold
    scope = { provider = "openai", tier = ["mid", "oss"] }
                                         # tenant, provider, model, tier, team, key, plan_id (as routers send it);
                                         # a name or a list of names; what is not named is not limited
    period = "month"                     # hour, day or month, UTC
    fee = "12000"                        # USD a period
    capacity = { tokens = 2_000_000_000 }          # a period; or { calls = N }, or { tokens_per_minute = N };
                                                   # without it as much as one likes
    overage = "per_token"                # what is beyond costs its list price; or { per_million_tokens = "2.50" },
                                         # { per_call = "0.01" }, or "none": it costs nothing
    prorate = true                       # a period that the plan covers in part is paid and filled in part

    [[plan]]
    name = "anthropic-commitment"
    kind = "committed"                   # calls cost their list price, and at least so much a period is paid
    from = 2026-01-01
    scope = { provider = "anthropic" }
    period = "month"
    commitment = "20000"

    [[plan]]
    name = "search-per-token"
    kind = "per_token"                   # calls cost their list price, as they do without a plan
    from = 2026-01-01
    scope = { team = "search", provider = "anthropic" }

A plan whose scope lies within another's is the exception to it: its calls are not the other's. Plans that share calls
in any other way are refused, and so is a hole between two plans of one scope. `list price` is what the price book and
the operator's prices say, discounts included.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from schemas.base import ENTRY_NAME, NO_NUL
from schemas.currency import Currency

DIMENSIONS: Final = ("tenant", "provider", "model", "tier", "team", "key", "plan_id")
"""What a plan may be limited to."""

_Value = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
_Usd = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 12, max_digits=25, decimal_places=12, allow_inf_nan=False)]
_Rate = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=12, decimal_places=6, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1, le=10**18, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _no_booleans_as_numbers(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in ("fee", "commitment", "per_million_tokens", "per_call"):
                if isinstance(value.get(name), bool):
                    raise ValueError(f"`{name}` is a number or a string of one, in USD")
        return value


class Scope(_Part):
    """Calls that the plan is for: those with one of the names in every field that is given."""

    tenant: tuple[_Value, ...] = ()
    provider: tuple[_Value, ...] = ()
    model: tuple[_Value, ...] = ()
    tier: tuple[Literal["oss", "mid", "frontier", "unknown"], ...] = ()
    team: tuple[_Value, ...] = ()
    key: tuple[_Value, ...] = ()
    plan_id: tuple[_Value, ...] = ()

    @field_validator(*DIMENSIONS, mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, list) and not value:
            raise ValueError("an empty list holds for no call: name something, or leave it away")
        return (value,) if isinstance(value, str) else value

    def limits(self) -> dict[str, frozenset[str]]:
        """The given fields and their names."""
        return {name: frozenset(getattr(self, name)) for name in DIMENSIONS if getattr(self, name)}

    def meets(self, other: Scope) -> bool:
        """Whether a call could be of both."""
        mine, theirs = self.limits(), other.limits()
        return all(mine[name] & theirs[name] for name in mine.keys() & theirs.keys())

    def within(self, other: Scope) -> bool:
        """Whether every call of this scope is of the other, and not the other way round."""
        mine, theirs = self.limits(), other.limits()
        return mine != theirs and all(name in mine and mine[name] <= names for name, names in theirs.items())


class Capacity(_Part):
    """What the fee includes: exactly one of them. Tokens are input and output tokens."""

    tokens: _Count | None = None
    calls: _Count | None = None
    tokens_per_minute: _Count | None = None

    @model_validator(mode="after")
    def _one(self) -> Capacity:
        if sum(value is not None for value in (self.tokens, self.calls, self.tokens_per_minute)) != 1:
            raise ValueError("name exactly one of tokens, calls, tokens_per_minute")
        return self


class Overage(_Part):
    """A price of its own for what is beyond the capacity: exactly one of them, USD."""

    per_million_tokens: _Rate | None = None
    per_call: _Rate | None = None

    @model_validator(mode="after")
    def _one(self) -> Overage:
        if (self.per_million_tokens is None) == (self.per_call is None):
            raise ValueError("name exactly one of per_million_tokens, per_call")
        return self


class Plan(_Part):
    """One plan."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=ENTRY_NAME)]
    kind: Literal["per_token", "flat", "committed"]
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")
    scope: Scope = Scope()
    currency: Currency = "USD"
    period: Literal["hour", "day", "month"] | None = None
    fee: _Usd | None = None
    commitment: _Usd | None = None
    capacity: Capacity | None = None
    overage: Literal["per_token", "none"] | Overage | None = None
    prorate: Annotated[bool, Field(strict=True)] = True
    expected: Annotated[bool, Field(strict=True)] = False
    """The names of the scope may be unknown yet: they will come."""

    @field_validator("start", "end", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise ValueError("must be a TOML date without quotes and without a time, as 2026-01-31")
        return value

    @field_validator("end")
    @classmethod
    def _after(cls, value: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start")
        if value is not None and start is not None and value <= start:
            raise ValueError("`to` must be after `from`")
        return value

    @field_validator("overage", mode="before")
    @classmethod
    def _overage(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in ("per_token", "none"):
            raise ValueError('is "per_token", "none", or a price: { per_million_tokens = ... } or { per_call = ... }')
        return value

    @model_validator(mode="after")
    def _sensible(self) -> Plan:
        faults = []
        wanted = {"flat": {"period", "fee"}, "committed": {"period", "commitment"}, "per_token": set[str]()}[self.kind]
        allowed = wanted | ({"capacity", "overage"} if self.kind == "flat" else set())
        for name in ("period", "fee", "commitment", "capacity", "overage"):
            given = getattr(self, name) is not None
            if name in wanted and not given:
                faults.append(f"a {self.kind} plan needs `{name}`")
            if given and name not in allowed:
                faults.append(f"a {self.kind} plan has no `{name}`: leave it away")
        if self.kind == "flat" and self.capacity is None and self.overage is not None:
            faults.append("without `capacity` nothing is ever beyond it: leave `overage` away")
        if self.kind == "flat" and self.capacity is not None and self.overage is None:
            faults.append('say what is paid beyond the capacity: overage = "per_token", "none", or a price')
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def meets(self, other: Plan) -> bool:
        """Whether both hold on some day."""
        return (self.end is None or other.start < self.end) and (other.end is None or self.start < other.end)


class PlansFile(_Part):
    """The whole file; faults between plans are found by `streams.plans.file`."""

    currency: Currency = "USD"
    plan: tuple[Plan, ...] = ()
