"""Context growth: a conversation that climbs past what its agent ever sent, and is not trimmed.

Needs tokens only, and the agent's own history: a coding agent's context grows by nature (last/first of 44 in recorded normal runs), so without
history the signal stays quiet. Two levels: the size against the own record, and what was sent since the last drop of 20 % or more
(the burn) against the own record of that.
"""

from __future__ import annotations

from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import BURN, CONTEXT, Climb, Member, Run

_FOREIGN = 12
"""Smaller calls between two of a climb, where conversations of one agent are not told apart."""


def level(run: Run, holder: Run | Member, call: Seen, cost: int, config: DetectConfig) -> float:
    """Step the climb of one conversation by one successful call."""
    tokens = call.input_tokens
    climb = holder.climb
    root = run.root
    if climb is None:
        holder.climb = Climb(tokens, run.mark(call.id, call.time, cost))
        return 0.0
    if tokens * 5 < climb.prev * 4:
        if climb.steps >= config.context_steps and run.run_id is None and tokens * 2 < climb.prev and climb.foreign < _FOREIGN:
            climb.foreign += 1
            return 0.0
        climb.reset(tokens, run.mark(call.id, call.time, cost))
        return 0.0
    climb.foreign = 0
    climb.prev = tokens
    climb.steps += 1
    climb.burn += tokens
    peak = root.peak
    if tokens > peak[CONTEXT]:
        peak[CONTEXT] = float(tokens)
    if climb.burn > peak[BURN]:
        peak[BURN] = float(climb.burn)
    if climb.steps < config.context_steps or tokens < config.context_min or not root.ready(config):
        return 0.0
    record = root.record
    if tokens <= record[CONTEXT] and climb.burn <= record[BURN]:
        return 0.0
    return max(
        tokens / max(config.context_factor * record[CONTEXT], 1.0),
        climb.burn / max(config.burn_factor * record[BURN], 1.0),
    )


def describe(run: Run, holder: Run | Member, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    climb = holder.climb
    assert climb is not None
    record = run.root.record
    return (
        f"context grew from {climb.low:,} to {call.input_tokens:,} tokens in {climb.steps} calls without a trim "
        f"({climb.burn / 1e6:.1f} million tokens sent); its own records are {record[CONTEXT]:,.0f} and {record[BURN] / 1e6:.1f} million"
    )
