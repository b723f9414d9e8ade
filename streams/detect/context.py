"""Context growth: a conversation that climbs past what its agent ever sent, and is not trimmed.

Needs tokens only, and the agent's own history: a coding agent's context grows by nature (last/first of 44 in recorded
normal runs), so without history the signal stays quiet. Two levels: the size against the own record, and what was
sent since the last drop of 20 % or more (the burn) against the own record of that.
"""

from __future__ import annotations

from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import BURN, CONTEXT, FULL, SLOPE, Climb, Member, Run

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
        if (
            climb.steps >= config.context_steps
            and run.run_id is None
            and tokens * 2 < climb.prev
            and climb.foreign < _FOREIGN
        ):
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
    if climb.steps < config.context_steps or tokens < config.context_min:
        return 0.0
    slope = (tokens - climb.low) / climb.steps
    if slope > peak[SLOPE]:
        peak[SLOPE] = slope
    result = _full(run, climb, call, cost, config) if tokens >= config.full_min else 0.0
    if root.blocks < config.context_blocks:
        return result
    record = root.record
    if tokens <= record[CONTEXT] and climb.burn <= record[BURN]:
        return result
    # steeper than ever needs less of a size than merely longer than ever
    steep = slope >= config.steep_factor * record[SLOPE]
    size = tokens / (config.steep_size if steep else config.context_factor) / max(record[CONTEXT], 1.0)
    burn = climb.burn / (config.steep_burn if steep else config.burn_factor) / max(record[BURN], 1.0)
    return max(result, min(size, burn * 2.0), min(burn, size * 2.0))


def _full(run: Run, climb: Climb, call: Seen, cost: int, config: DetectConfig) -> float:
    """A window that is full and sent full again and again: cut at its edge, never trimmed. Needs no history."""
    tokens = call.input_tokens
    if tokens < 0.96 * climb.full_from or tokens > 1.035 * climb.full_from:
        climb.full, climb.full_from = 0, tokens
        climb.full_first = run.mark(call.id, call.time, cost)
        return 0.0
    climb.full += 1
    peak = run.root.peak
    if climb.full > peak[FULL]:
        peak[FULL] = float(climb.full)
    return climb.full / _full_limit(run, config)


def _full_limit(run: Run, config: DetectConfig) -> float:
    if run.root.ready(config):
        return max(config.full_calls, 1.5 * run.root.record[FULL])
    return config.full_calls


def describe(run: Run, holder: Run | Member, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures, of the rule that it is: a window that stays full, or growth."""
    climb = holder.climb
    assert climb is not None
    record = run.root.record
    if climb.full >= _full_limit(run, config):
        ready = run.root.ready(config)
        usual = f"its own record is {record[FULL] + 1:.0f}" if ready else f"normal is below {config.full_calls}"
        return (
            f"{climb.full + 1} calls in a row sent a full context of about {call.input_tokens:,} tokens again; {usual} "
            f"(it began at {climb.low:,}; {climb.burn / 1e6:.1f} million tokens sent since without a trim)"
        )
    return (
        f"context grew from {climb.low:,} to {call.input_tokens:,} tokens in {climb.steps} calls without a trim, which "
        f"sent {climb.burn / 1e6:.1f} million tokens; before, its largest had {record[CONTEXT]:,.0f}, and it sent "
        f"{record[BURN] / 1e6:.1f} million at most between two trims"
    )
