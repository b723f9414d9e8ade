"""The names of all topics, in one place."""

from __future__ import annotations

CALLS = "spendstream.calls"
"""Calls from routers; key: `run_id`, else `agent_id`."""

USAGE = "spendstream.usage"
"""Absolute sums per (agent, tier, second) from the meter; partitioned by `agent_id`."""

OUTCOMES = "spendstream.outcomes"
"""Verdicts on runs from evaluators; key: `run_id`."""

STEPS = "spendstream.steps"
"""What the meter wrote to the ledger, for the watcher; partitioned by `tenant_id`."""

SIGNALS = "spendstream.signals"
"""Limits that were crossed, from the watcher; key: `agent_id`."""

CONTROLS = "spendstream.controls"
"""What routers should do now, compacted; key: the control's id, `scope:subject`."""

INCIDENTS = "spendstream.incidents"
"""Every change of an incident, from the watcher; key: `incident_id`."""

ALL = frozenset({CALLS, USAGE, OUTCOMES, STEPS, SIGNALS, CONTROLS, INCIDENTS})
