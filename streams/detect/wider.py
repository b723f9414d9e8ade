"""Signals that are of no run: an hour unlike others, a silence, the whole bill, a flood of agent names."""

from __future__ import annotations

from streams.detect import silent
from streams.detect.bomb import Births
from streams.detect.call import Seen
from streams.detect.config import HOUR_MS, MINUTE_MS, DetectConfig
from streams.detect.habit import Root
from streams.detect.series import TELL
from streams.detect.signal import Signal, dollars

BILL_MS = 5 * MINUTE_MS
"""A step of the whole bill."""
FLEET = "fleet"
"""The agent id of incidents that belong to no single agent."""


def unusual(root: Root, zs: dict[str, float], score: float, limit: float, at: int, config: DetectConfig) -> Signal:
    """An hour of `root` is unlike its own and the fleet's. `zs`: of each level, `score` against `limit`."""
    top = sorted(zs.items(), key=lambda item: -item[1])[:3]
    words = ", ".join(f"{name} {z:+.1f} sd" for name, z in top)
    start = root.block * HOUR_MS
    return Signal(
        kind="unusual",
        agent_id=root.key,
        run_id=None,
        call_id=f"{root.key}@{start}",
        time=at,
        first_call_id=f"{root.key}@{start}",
        first_time=start,
        calls=0,
        cost=0,
        score=score / max(limit, 1e-9),
        ready=root.ready(config),
        page=False,
        evidence=f"an hour unlike its own and the fleet's ({words}); score {score:.2f}",
    )


def silence(root: Root, at: int) -> Signal:
    """`root`, which never pauses long, has made no call up to `at`."""
    mark = f"{root.key}@{root.last_ms}"
    return Signal(
        kind="silent_agent",
        agent_id=root.key,
        run_id=None,
        call_id=mark,
        time=at,
        first_call_id=mark,
        first_time=root.last_ms,
        calls=0,
        cost=0,
        score=1.0,
        ready=True,
        page=False,
        evidence=silent.describe(root, at),
    )


def dear(step: int, spent: int, score: float) -> Signal:
    """All agents together spent `spent` pico-USD in one step of `BILL_MS`, unlike their own days."""
    return Signal(
        kind="spend_spike",
        agent_id=FLEET,
        run_id=None,
        call_id=f"{FLEET}@{step * BILL_MS}",
        time=(step + 1) * BILL_MS,
        first_call_id=f"{FLEET}@{step * BILL_MS}",
        first_time=step * BILL_MS,
        calls=0,
        cost=spent,
        score=score / TELL,
        ready=True,
        page=False,
        evidence=f"all agents together spent {dollars(spent)} in five minutes, unlike their own days so far",
    )


def flood(births: Births, call: Seen, config: DetectConfig) -> Signal:
    """Hundreds of agents are born and never call again."""
    assert births.first is not None
    first = births.first
    return Signal(
        kind="cardinality",
        agent_id=FLEET,
        run_id=None,
        call_id=call.id,
        time=call.time,
        first_call_id=first[0],
        first_time=first[1],
        calls=births.calls,
        cost=births.cost,
        score=births.level(config),
        ready=True,
        page=True,
        evidence=births.describe(),
    )
