"""`control` v1: what a router should do about a run, an agent or a key now; on `spendstream.controls`, compacted, key
`id`.

The latest record of an id counts; a released or expired one counts no longer. In doubt a router lets the call go.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Contract, Name
from schemas.signal import Reference, Text
from schemas.times import EpochMs


class Control(Contract):
    """One control."""

    v: Annotated[int, Field(ge=1, le=1)] = Field(description="Version of this contract: 1.")
    id: Name = Field(description="Id of the control; a later record with it replaces this one.")
    scope: Literal["run", "agent", "key"] = Field(description="What `subject` names: run_id, agent_id or api_key_id.")
    subject: Reference = Field(description="The run, agent or key.")
    mode: Literal["observe", "warn", "enforce"] = Field(description="observe: written down only; enforce: act on it.")
    action: Literal["warn", "throttle", "block"] = Field(description="What to do with calls of the subject.")
    rate_per_minute: Annotated[float, Field(gt=0)] | None = Field(None, description="Calls let through when throttled.")
    reason: Text = Field(description="Why, for whoever is turned away.")
    incident_id: Name | None = Field(None, description="The incident that led to it.")
    policy: Name | None = Field(None, description="The policy that decided; absent when a person did.")
    by: Reference | None = Field(None, description="The person who set or released it.")
    since: EpochMs = Field(description="From when on, by the clock.")
    expires_at: EpochMs | None = Field(None, description="It ends by itself then, by the clock.")
    released: bool = Field(False, description="Taken back: counts no longer.")

    @model_validator(mode="after")
    def _rate_where_throttled(self) -> Self:
        if self.action == "throttle" and self.rate_per_minute is None:
            raise PydanticCustomError("missing_field", "throttle needs rate_per_minute")
        return self
