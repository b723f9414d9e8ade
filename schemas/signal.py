"""`signal` v1: a limit was crossed on one call; one record each, from the watcher to `spendstream.signals`.

Identity is (`kind`, `agent_id`, `call_id`): after a crash a signal may be sent again, with the same identity. A signal
that belongs to an open incident joins it; `incident` records say what came of it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.base import NO_NUL, Contract
from schemas.times import EpochMs

Kind = Literal[
    "loop",
    "retry_storm",
    "fan_out",
    "context_growth",
    "spend_spike",
    "stuck_run",
    "silent_agent",
    "cardinality",
    "unusual",
]
Severity = Literal["ticket", "warning", "critical"]

SUM_PATTERN: Final = r"^(?:0|[1-9][0-9]{0,25})(?:\.[0-9]{1,12})?$"
"""What `Decimal(38, 12)` holds: 26 digits before the point."""

Count = Annotated[int, Field(ge=0)]
Usd = Annotated[str, Field(pattern=SUM_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=NO_NUL)]
Reference = Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)]
"""An id of a call, or `agent@time` where no single call is meant."""


class Signal(Contract):
    """One crossing. Money is US dollars, times are event times."""

    v: Annotated[int, Field(ge=1, le=1)] = Field(description="Version of this contract: 1.")
    kind: Kind = Field(description="Which rule; docs/detection.md says when each fires.")
    agent_id: Reference = Field(description="The root agent; `fleet` where no single agent is meant.")
    run_id: Reference | None = Field(None, description="The run; absent where the agent as a whole is meant.")
    call_id: Reference = Field(description="The call at which the limit was crossed.")
    time: EpochMs = Field(description="When: RFC 3339 with a zone, or integer epoch milliseconds.")
    first_call_id: Reference = Field(description="The first abnormal call.")
    first_time: EpochMs = Field(description="When that was.")
    calls: Count = Field(description="Calls from the first abnormal one to this one, both included.")
    cost_usd: Usd = Field(description="What those have cost, as a plain decimal string; unpriced calls are not in it.")
    score: Annotated[float, Field(ge=0)] = Field(description="Level over its limit: 1 is at the limit.")
    ready: bool = Field(description="Whether the limit came from the agent's own history.")
    page: bool = Field(description="Whether signals of this kind wake somebody.")
    evidence: Text = Field(description="Why, in words and figures.")
