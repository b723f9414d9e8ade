"""`incident` v1: an incident as it stands after one change; one record a change, from the watcher to
`spendstream.incidents`.

`number` counts the changes of one incident from 1 (`opened`). After a crash a change may be sent again with the same
number and content. A reader keeps the record with the highest number of each `incident_id`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Contract, Name
from schemas.signal import Count, Kind, Reference, Severity, Text, Usd
from schemas.times import EpochMs

Change = Literal["opened", "escalated", "resolved", "reopened", "acknowledged", "silenced"]


class Incident(Contract):
    """One runaway. Money is US dollars; times are event times but where it says otherwise."""

    v: Annotated[int, Field(ge=1, le=1)] = Field(description="Version of this contract: 1.")
    incident_id: Name = Field(description="The same for the same runaway, whenever its calls are looked at.")
    number: Annotated[int, Field(ge=1)] = Field(description="Counts the changes of the incident, from 1.")
    change: Change = Field(description="What happened.")
    at: EpochMs = Field(description="When: RFC 3339 with a zone, or integer epoch milliseconds.")
    kind: Kind = Field(description="The signal that opened it, or the first paging one that joined.")
    severity: Severity = Field(description="By cost and cost rate; only rises while the incident is open.")
    state: Literal["open", "resolved"] = Field(description="The state after the change.")
    page: bool = Field(description="Anything above a ticket.")
    tenant_id: Name | None = Field(None, description="Of the first abnormal call, like `team_id` and `tier`.")
    team_id: Name | None = Field(None, description="Team or cost centre.")
    tier: Name | None = Field(None, description="Tier of its model.")
    agent_id: Reference = Field(description="The root agent; `fleet` where no single agent is meant.")
    run_id: Reference | None = Field(None, description="The run; absent where the agent as a whole is meant.")
    first_call_id: Reference = Field(description="The first abnormal call.")
    first_time: EpochMs = Field(description="When that was.")
    opened_at: EpochMs = Field(description="When it was noticed, by the call's own time.")
    opened_by: Reference = Field(description="The call that opened it.")
    calls_before_open: Count = Field(description="Calls from the first abnormal one to that one.")
    cost_before_open_usd: Usd = Field(description="What those have cost.")
    calls: Count = Field(description="Calls from the first abnormal one until now.")
    cost_usd: Usd = Field(description="What those have cost; unpriced calls are not in it.")
    evidence: Text = Field(description="Why, in words and figures.")
    kinds: Annotated[list[Kind], Field(max_length=16)] = Field(description="Every kind of signal that joined.")
    runs: Annotated[list[Reference], Field(max_length=256)] = Field(description="Runs that belong to it.")
    ready: bool = Field(description="Whether it was judged by the agent's own history.")
    resolved_at: EpochMs | None = Field(None, description="When it ended; absent while open.")
    reopened: Count = Field(description="How often it went on after it had ended.")
    acknowledged_by: Reference | None = Field(None, description="Who has taken it.")
    acknowledged_at: EpochMs | None = Field(None, description="When, by the clock.")
    silenced_until: EpochMs | None = Field(None, description="Nobody is to be told until then, by the clock.")
    by: Reference | None = Field(None, description="Who made this change; absent: the detector.")
    reason: Text | None = Field(None, description="What they said.")
    backfill: bool = Field(description="Found while the past was read at the first start: nobody is to be told.")
