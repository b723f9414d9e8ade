"""Nearly the same call again and again, told by its sizes: for loops whose prompt (and so fingerprint) changes a
little each time.

Needs nothing but tokens. Speaks where runs are told apart, or where the agent's own history says that it usually
varies.
"""

from __future__ import annotations

from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import SHAPE, Run
from streams.detect.signal import span


def level(run: Run, call: Seen, cost: int, config: DetectConfig) -> float:
    """Step the streak of equal-sized successful calls."""
    out, tokens = call.output_tokens, call.input_tokens
    allowed = run.last_out * 0.05
    if allowed < 2.0:
        allowed = 2.0
    same = (
        -allowed <= out - run.last_out <= allowed
        and abs(tokens - run.shape_in) * 10 <= run.shape_in
        and call.request_model == run.shape_model
    )
    run.last_out, run.shape_in, run.shape_model = out, tokens, call.request_model
    if not same:
        run.streak = 0
        return 0.0
    run.streak = streak = run.streak + 1
    if streak == 1:
        run.shape_first = run.mark(call.id, call.time, cost)
    root = run.root
    if streak > root.peak[SHAPE]:
        root.peak[SHAPE] = float(streak)
    if streak * 2 < config.shape_streak:
        return 0.0
    if root.ready(config):
        return streak / max(config.shape_streak, 2.0 * root.record[SHAPE], root.limit[SHAPE])
    return streak / config.shape_streak if run.run_id is not None and out > 8 else 0.0


def describe(run: Run, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    since = span(call.time - run.shape_first[1]) if run.shape_first else "0 s"
    ready = run.root.ready(config)
    usual = f"its own record is {run.root.record[SHAPE]:.0f}" if ready else "normal runs have at most 15"
    size = f"{call.input_tokens:,} tokens in, {call.output_tokens:,} out"
    return f"{run.streak + 1} calls in a row of one size ({size}) in {since}; {usual}"
