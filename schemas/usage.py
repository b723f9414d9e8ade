"""`usage` v1: running totals of the meter, one record per flush and usage partition, as columns.

A cell is the ABSOLUTE total of (source partition, agent, tier, second) over all calls in the ledger up to and including
`through_offset`, never a difference: reading a record twice, or again after a crash, changes nothing. A reader keeps
for each cell the totals with the highest (epoch, through_offset), and of equal ones the later in the log.

`decode_usage` and `encode_usage` are the fast way (msgspec); the model is the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import msgspec
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import NO_NUL, Contract, Name
from schemas.derive import derive_struct

CELLS_MAX: Final = 1_000_000
"""Cells in one record: a hundred bytes each is a hundred times the broker's default limit, so never reached in use."""

Count = Annotated[int, Field(ge=0)]
Column = Annotated[list[Count], Field(max_length=CELLS_MAX)]
UsageTier = Literal["oss", "mid", "frontier", "unknown"]

COLUMNS: Final = (
    "agent",
    "tier",
    "second",
    "calls",
    "errors",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "unpriced",
    "cost_pico_usd",
)
"""The columns, all of one length; a cell is one position in all of them."""


class Usage(Contract):
    """Running totals. Integers of any size: a reader whose numbers are floats loses cost above 2^53 pico-USD."""

    v: Annotated[int, Field(ge=1, le=1)] = Field(description="Version of this contract: 1.")
    incarnation: Count = Field(description="Incarnation of the calls topic: rises when the topic was recreated.")
    source_partition: Count = Field(description="Partition of the calls topic that the totals are of.")
    epoch: Count = Field(description="Epoch of the partition's owner: a record of an older epoch is void.")
    through_offset: Count = Field(description="Offset of the last record of the calls topic in the totals.")
    watermark_ms: int | None = Field(None, description="Highest event time seen, epoch milliseconds; null before any.")
    agents: Annotated[list[Name], Field(max_length=CELLS_MAX)] = Field(description="Distinct agent ids.")
    agent: Column = Field(description="Per cell: index into `agents`.")
    tier: Annotated[list[UsageTier], Field(max_length=CELLS_MAX)] = Field(description="Per cell: tier.")
    second: Column = Field(description="Per cell: event time, seconds since 1970-01-01 UTC.")
    calls: Column = Field(description="Per cell: calls.")
    errors: Column = Field(description="Per cell: calls whose status is not ok.")
    input_tokens: Column = Field(description="Per cell: tokens in, cached included.")
    output_tokens: Column = Field(description="Per cell: tokens out, reasoning included.")
    cache_read_input_tokens: Column = Field(description="Per cell: input tokens read from a cache.")
    cache_write_input_tokens: Column = Field(description="Per cell: input tokens written to a cache.")
    reasoning_output_tokens: Column = Field(description="Per cell: output tokens of reasoning.")
    unpriced: Column = Field(description="Per cell: calls without a price; their cost is not in `cost_pico_usd`.")
    cost_pico_usd: Column = Field(description="Per cell: cost in 1e-12 USD.")

    @model_validator(mode="after")
    def _is_table(self) -> Self:
        if problem := _problem(self):
            raise PydanticCustomError("bad_table", "{problem}", {"problem": problem})
        return self


if TYPE_CHECKING:
    UsageStruct = Usage
else:
    UsageStruct = derive_struct(Usage, "UsageStruct", guarded=(NO_NUL,))

_decoder = msgspec.json.Decoder(UsageStruct)
_encoder = msgspec.json.Encoder()


def _problem(usage: Usage) -> str | None:
    """What is wrong with the columns as a table, or None."""
    cells = len(usage.agent)
    for name in COLUMNS:
        if len(getattr(usage, name)) != cells:
            return f"{name} has {len(getattr(usage, name))} cells, agent has {cells}"
    if len(set(usage.agents)) != len(usage.agents):
        return "agents are not distinct"
    if cells and max(usage.agent) >= len(usage.agents):
        return "agent points outside agents"
    return None


def encode_usage(usage: UsageStruct) -> bytes:
    """The record's value: one JSON object in UTF-8."""
    return _encoder.encode(usage)


def decode_usage(value: bytes) -> UsageStruct:
    """A record's value to a struct with the model's fields. Raises ValueError (pydantic's, with the reason) if bad."""
    try:
        if b"u0000" not in value:
            value.decode()
            usage: UsageStruct = _decoder.decode(value)
            if _problem(usage) is None:
                return usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the model says what is wrong
    model = Usage.model_validate_json(value)
    return UsageStruct(**{name: getattr(model, name) for name in Usage.model_fields})
