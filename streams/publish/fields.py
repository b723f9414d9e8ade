"""The names of a `call`'s fields, as a constant: routers publish without importing pydantic.

A contract test holds this against `schemas.Call`. What is not listed (`messages`, `response`, ...) stays in the router.
"""

from __future__ import annotations

# fmt: off
CALL_FIELDS: frozenset[str] = frozenset(
    (
        "id", "time", "agent_id", "request_model", "input_tokens", "output_tokens", "source", "tenant_id", "team_id",
        "agent_name", "parent_agent_id", "run_id", "parent_call_id", "conversation_id", "operation_name",
        "provider_name", "response_model", "tier", "task_class", "escalated_from", "route_reason", "policy_id",
        "decision", "cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens", "attempt",
        "retry_of", "status", "error_type", "http_status", "latency_ms", "time_to_first_token_ms",
        "request_fingerprint", "response_fingerprint", "tool_name", "api_key_id", "plan_id", "reported_cost", "tags",
    )
)
# fmt: on
