"""`call` v1: one model call that an agent made, as a router reports it to the topic `spendstream.calls`.

Identity is (`source`, `id`): a call that is sent again keeps `id`, `time` and key, and then counts once.
Names follow the OpenTelemetry GenAI conventions where they have a word. Prompts and answers are no part of it.

Money: the dearest price of the book is 150 USD a million input and 600 USD a million output tokens (`o1-pro`), so
10^9 tokens of each cost 750,000 USD, which `Decimal(18, 12)` (below 1,000,000) still holds.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import NO_NUL, Contract, Id, Name, TaskClass, Tier
from schemas.times import EpochMs

TOKENS_MAX: Final = 1_000_000_000
COST_PATTERN: Final = r"^(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,12})?$"
"""At most 6 digits before the point and 12 after it: what `Decimal(18, 12)` holds. No sign, no exponent."""
DURATION_MAX_MS: Final = 604_800_000
"""A week: batch interfaces answer within a day; what is longer is a wrong unit."""

Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
Millis = Annotated[float, Field(ge=0, le=DURATION_MAX_MS)]
Usd = Annotated[str, Field(pattern=COST_PATTERN)]
TagKey = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]
TagValue = Annotated[str, Field(max_length=1024, pattern=NO_NUL)]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=64)]
Status = Literal["ok", "error", "timeout", "cancelled", "rate_limited", "denied"]


class Call(Contract):
    """One model call. Token counts are tokens, times milliseconds, money US dollars."""

    id: Id = Field(description="Id of the call, unique within `source`; kept when the call is sent again.")
    time: EpochMs = Field(
        description="When the call ended: RFC 3339 with a zone, or integer epoch milliseconds. From 2015, and at most "
        "24 hours after the record's own Kafka timestamp."
    )
    agent_id: Name = Field(description="The agent that made the call; spend, windows and budgets are kept for it.")
    request_model: Name = Field(description="Model asked for, as sent to the provider.")
    input_tokens: Tokens = Field(description="Tokens in; INCLUDES those read from and written to the cache.")
    output_tokens: Tokens = Field(description="Tokens out; INCLUDES reasoning tokens.")
    source: Name | None = Field(None, description="The router or instance that reports; half of the call's identity.")
    tenant_id: Name | None = Field(None, description="Tenant or organisation that pays.")
    team_id: Name | None = Field(None, description="Team or cost centre.")
    agent_name: Name | None = Field(None, description="Name of the agent for people.")
    parent_agent_id: Name | None = Field(None, description="Agent that started this one.")
    run_id: Name | None = Field(None, description="Root run: shared by all sub-agents of one task. Kafka key if given.")
    parent_call_id: Id | None = Field(None, description="Call whose answer led to this one.")
    conversation_id: Name | None = Field(None, description="Conversation or session of the user.")
    operation_name: Name | None = Field(None, description="GenAI operation, such as `chat` or `embeddings`.")
    provider_name: Name | None = Field(None, description="Provider, such as `openai` or `anthropic`.")
    response_model: Name | None = Field(None, description="Model that answered, if it differs.")
    tier: Tier | None = Field(None, description="Tier of the model; without it the tier map decides.")
    task_class: TaskClass | None = Field(None, description="How hard the router judged the task.")
    escalated_from: Tier | None = Field(None, description="Tier that was tried before this one.")
    route_reason: Name | None = Field(None, description="Why the router chose this model.")
    policy_id: Name | None = Field(None, description="Policy that decided.")
    decision: Literal["allow", "deny", "escalate"] | None = Field(None, description="What the policy decided.")
    cache_read_input_tokens: Tokens | None = Field(None, description="Input tokens read from the provider's cache.")
    cache_write_input_tokens: Tokens | None = Field(None, description="Input tokens written to the provider's cache.")
    reasoning_output_tokens: Tokens | None = Field(None, description="Output tokens spent on reasoning.")
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description="1 for the first attempt.")
    retry_of: Id | None = Field(None, description="Id of the call that this one retries.")
    status: Status = Field("ok", description="How the call ended.")
    error_type: Name | None = Field(None, description="Class of the error, such as `context_length_exceeded`.")
    http_status: Annotated[int, Field(ge=0, le=999)] | None = Field(
        None, description="HTTP status of the provider's answer; 0 when there was none."
    )
    latency_ms: Millis | None = Field(None, description="Milliseconds from request to end of answer.")
    time_to_first_token_ms: Millis | None = Field(None, description="Milliseconds from request to first token.")
    request_fingerprint: Name | None = Field(None, description="Hash of the normalised request or action.")
    response_fingerprint: Name | None = Field(None, description="Hash of the normalised answer.")
    tool_name: Name | None = Field(None, description="Tool that the answer calls.")
    api_key_id: Name | None = Field(None, description="Id (never the secret) of the key used.")
    plan_id: Name | None = Field(None, description="Flat-rate plan or contract that covers the call.")
    reported_cost: Usd | None = Field(
        None, description="USD that router or provider charged, as a plain decimal string: 6 digits, point, 12 digits."
    )
    tags: Tags | None = Field(None, description="Up to 64 free labels; keys 1-128, values 0-1024 characters.")

    @model_validator(mode="after")
    def _classes_are_parts(self) -> Self:
        # A router that passes on raw counts of a provider which reports cached input (Anthropic) or reasoning (xAI,
        # Gemini) beside the total, not within it, would be billed short without a sound: refuse, and say what to add.
        if (self.cache_read_input_tokens or 0) + (self.cache_write_input_tokens or 0) > self.input_tokens:
            raise PydanticCustomError(
                "cache_exceeds_input", "cache_read + cache_write exceed input_tokens, which must include them"
            )
        if (self.reasoning_output_tokens or 0) > self.output_tokens:
            raise PydanticCustomError(
                "reasoning_exceeds_output", "reasoning_output_tokens exceed output_tokens, which must include them"
            )
        return self
