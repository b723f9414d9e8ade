"""The names of all topics, in one place."""

from __future__ import annotations

CALLS = "spendstream.calls"
"""Calls from routers; key: `run_id`, else `agent_id`."""

USAGE = "spendstream.usage"
"""Absolute sums per (agent, tier, second) from the meter; partitioned by `agent_id`."""

OUTCOMES = "spendstream.outcomes"
"""Verdicts on runs from evaluators; key: `run_id`."""
