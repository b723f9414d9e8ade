"""A level crossed its limit on a call: the signal, with its evidence in words. Off the hot path."""

from __future__ import annotations

from typing import Any

from streams.detect import context, fanout, loop, shape, spend, storm, stuck
from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import Mark, Run
from streams.detect.signal import PAGING, Signal


def crossing(
    kind: str,
    level: float,
    run: Run,
    call: Seen,
    first: Mark,
    config: DetectConfig,
    *,
    counted: bool = False,
    shaped: bool = False,
    holder: Any = None,
) -> Signal:
    """`first`: the first abnormal call. `counted`, `shaped`: which of the loop rules; `holder`: whose context grew."""
    root = run.root
    whole = kind == "spend_spike"
    calls, cost = (root.calls, root.cost) if whole else (run.calls, run.cost)
    return Signal(
        kind=kind,
        agent_id=root.key,
        run_id=None if whole else run.run_id,
        call_id=call.id,
        time=call.time,
        first_call_id=first[0],
        first_time=first[1],
        calls=calls - first[2],
        cost=cost - first[3],
        score=level,
        ready=root.ready(config),
        page=kind in PAGING,
        evidence=_evidence(kind, run, call, config, counted=counted, shaped=shaped, holder=holder),
    )


def _evidence(
    kind: str, run: Run, call: Seen, config: DetectConfig, *, counted: bool, shaped: bool, holder: Any
) -> str:
    if kind == "loop":
        if counted:
            return loop.describe_count(run, call, config)
        return shape.describe(run, call, config) if shaped else loop.describe(run, call, config)
    if kind == "retry_storm":
        return storm.describe(run, call, config)
    if kind in ("fan_out", "cardinality"):
        return fanout.describe(run, call, config)
    if kind == "context_growth":
        return context.describe(run, holder, call, config)
    if kind == "spend_spike":
        return spend.describe(run.root, call, config)
    return stuck.describe(run)
