"""`outcome` v1: how a run ended, as an evaluator or a test suite judges it. One run may be judged more than once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Contract, Id, Name, TaskClass
from schemas.times import EpochMs


class Outcome(Contract):
    """The verdict on one run; `score` is a fraction of one."""

    run_id: Name = Field(description="The root run that is judged; the calls' `run_id`.")
    outcome: Literal["success", "failure"] = Field(description="Whether the run did its task.")
    id: Id | None = Field(None, description="Id of the verdict; kept when it is sent again.")
    time: EpochMs | None = Field(
        None, description="When it was judged: RFC 3339 with a zone, or integer epoch milliseconds, from 2015 to 2099."
    )
    agent_id: Name | None = Field(None, description="The agent that is judged, when not the whole run is.")
    score: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="Quality from 0 to 1.")
    evaluator: Name | None = Field(None, description="Who or what judged.")
    task_class: TaskClass | None = Field(None, description="How hard the task was.")
