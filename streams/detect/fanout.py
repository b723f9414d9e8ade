"""Sub-agent explosion: children of one root run, faster or deeper than the root agent ever had them.

Needs `run_id` on the sub-agents' calls, or `parent_agent_id`. Agents that appear under one run without naming a
parent, hundreds of them, are a cardinality bomb (an agent that renames itself), not an explosion.
"""

from __future__ import annotations

import math

from streams.counted import counted
from streams.detect.call import Seen
from streams.detect.config import HOUR_MS, DetectConfig
from streams.detect.habit import KIDS, Member, Run
from streams.detect.signal import span


def join(run: Run, call: Seen, cost: int, config: DetectConfig) -> float:
    """A sub-agent's first call in the run: count it."""
    members = run.members
    if members is None:
        members = run.members = {}
    elif len(members) >= config.max_members:
        for key in list(members)[: config.max_members // 2]:
            del members[key]
    parent = call.parent_agent_id
    depth = 1
    if parent is None:
        run.lone_kids += 1
    elif parent != run.owner:
        above = members.get(parent)
        depth = above.depth + 1 if above is not None else 1
    members[call.agent_id] = Member(depth, call.time)
    if depth > run.deepest:
        run.deepest = depth
    run.kids = (
        run.kids * math.exp(-(call.time - run.kids_ms) / HOUR_MS) + 1.0 if call.time > run.kids_ms else run.kids + 1.0
    )
    run.kids_ms = call.time
    if run.fan_first is None or run.kids < 2.0:
        run.fan_first = run.mark(call.id, call.time, cost)
    if run.kids > run.root.peak[KIDS]:
        run.root.peak[KIDS] = run.kids
    if run.deepest >= config.fan_deep and run.kids >= config.fan_deep_kids:
        return max(1.0, run.kids / limit(run, config))
    over = run.kids / limit(run, config)
    if over >= 1.0 and not run.root.ready(config) and call.time - run.fan_first[1] < config.fan_burst_ms:
        return min(over / 2.0, 1.0) if over >= 2.0 else 0.9
    return over


def limit(run: Run, config: DetectConfig) -> float:
    """Children an hour allowed: by own record and calibration where there is history, else more than any normal
    fan-out.
    """
    root = run.root
    if not root.ready(config):
        return float(config.fan_cold)
    return max(
        float(config.fan_known), config.fan_factor * root.record[KIDS], min(root.limit[KIDS], float(config.fan_cold))
    )


def describe(run: Run, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    usual = (
        f"its own record is {run.root.record[KIDS]:.0f}"
        if run.root.ready(config)
        else f"normal is below {config.fan_cold}"
    )
    since = span(call.time - run.fan_first[1]) if run.fan_first else "0 s"
    depth = f"; normal is below {config.fan_deep} levels" if run.deepest >= config.fan_deep else ""
    return f"{run.kids:.0f} new sub-agents in {since}, {counted(run.deepest, 'level')} deep; {usual} an hour{depth}"
