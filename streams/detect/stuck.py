"""Stuck run: a run that burns several times what its agent's runs ever cost, without an end. A ticket, not a page.

Needs `run_id`, prices and the agent's own history.
"""

from __future__ import annotations

from streams.counted import counted
from streams.detect.config import DetectConfig
from streams.detect.habit import RUN_COST, Run
from streams.detect.signal import dollars


def level(run: Run, config: DetectConfig) -> float:
    """The run's cost against its agent's record run."""
    cost, root = run.cost, run.root
    if cost > root.peak[RUN_COST]:
        root.peak[RUN_COST] = float(cost)
    if cost < config.stuck_min or not root.ready(config) or run.run_id is None:
        return 0.0
    return cost / max(config.stuck_factor * root.record[RUN_COST], root.limit[RUN_COST], 1.0)


def describe(run: Run) -> str:
    """The evidence in words and figures."""
    return (
        f"the run had cost {dollars(run.cost)} in {counted(run.calls, 'call')} and went on; its agent's dearest was "
        f"{dollars(int(run.root.record[RUN_COST]))}"
    )
