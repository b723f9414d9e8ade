"""Runaway loop by fingerprint: the same requests again with nothing new between, cycles included.

Needs `request_fingerprint`; quiet without it. Counts first attempts that succeeded: a repetition after a failure is a
retry. Level 1 = limit. The score rises by one for each request that was part of the repetition before (so one full
pass of a cycle is free) and falls by a penalty for each new request; it never depends on the length of the cycle up
to a dozen calls.
"""

from __future__ import annotations

import math

from streams.counted import counted
from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import COUNT, REPEAT, Run
from streams.detect.signal import span

_CAP = 32.0
"""A loop of days is forgotten after as many new requests."""
_KEEP = 48
_TAU_MS = 600_000.0


def level(run: Run, call: Seen, cost: int, config: DetectConfig) -> float:
    """Step the repetition of `run` by one successful first attempt."""
    print_ = call.request_fingerprint
    if print_ is None:
        return 0.0
    seen = run.seen
    if seen is None:
        run.seen = {print_: 1}
        run.position = 1
        run.loop_ms = call.time
        return 0.0
    run.position = position = run.position + 1
    before = seen.get(print_)
    seen[print_] = position
    gap = call.time - run.loop_ms
    run.loop_ms = call.time
    if before is None or position - before > config.loop_reach:
        if len(seen) > 2 * config.loop_reach:
            run.seen = {key: at for key, at in seen.items() if position - at <= config.loop_reach}
        if run.beyond:
            run.beyond -= config.loop_novel_penalty
            if run.beyond <= 0.0:
                run.beyond = 0.0
                run.looped.clear()
                run.loop_first = None
        return 0.0
    if print_ in run.looped:
        if run.beyond < _CAP:
            run.beyond += 1.0
        if abs(gap - run.gap) <= config.poll_jitter * run.gap:
            if run.steady < 12:
                run.steady += 1
        else:
            run.steady = max(0, run.steady - 3)
            if not run.steady:
                run.gap = float(gap)
    else:
        run.looped.add(print_)
        if run.loop_first is None:
            run.loop_first = run.mark(call.id, call.time, cost)
            run.beyond = 1.0
            run.gap, run.steady = float(gap), 0
    root = run.root
    if run.beyond > root.peak[REPEAT]:
        root.peak[REPEAT] = run.beyond
    if run.beyond < 2.0:
        return 0.0
    return run.beyond / limit(run, config)


def limit(run: Run, config: DetectConfig) -> float:
    """Repeats allowed: four, twice the own record, the calibrated level; none where a timer polls."""
    if run.run_id is None and run.gap > config.poll_gap_ms and run.steady >= config.poll_beats:
        return math.inf
    root = run.root
    if not root.blocks or not root.ready(config):
        return config.loop_repeats
    return max(config.loop_repeats, config.loop_own_factor * root.record[REPEAT], root.limit[REPEAT])


def describe(run: Run, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures: repeats since the first one, as the incident counts calls. The score leaves
    a cycle's first pass out but for one call; here it is in both figures.
    """
    size = len(run.looped)
    what = "the same request" if size <= 1 else f"the same {size} requests in turn"
    usual = max(1.0, run.root.record[REPEAT]) if run.root.ready(config) else config.loop_repeats - 1.0
    whose = "its own record is" if run.root.ready(config) else "normal runs have at most"
    since = span(call.time - run.loop_first[1]) if run.loop_first else "0 s"
    free = max(size - 1, 0)
    repeats = counted(round(run.beyond + free), "repeat")
    return f"{what}, {repeats} in {since} with nothing new between; {whose} {usual + free:.0f}"


def count_level(run: Run, call: Seen, cost: int, config: DetectConfig) -> float:
    """The same request again and again among other work, for agents whose runs are not told apart: a count that fades
    over ten minutes.
    """
    print_ = call.request_fingerprint
    if print_ is None:
        return 0.0
    at = call.time
    counts = run.counts
    if counts is None:
        run.counts = {print_: [1.0, float(at)]}
        return 0.0
    entry = counts.get(print_)
    if entry is None:
        if len(counts) >= _KEEP:
            ordered = sorted(
                counts.items(),
                key=lambda item: (item[1][0] * math.exp(-max(at - item[1][1], 0.0) / _TAU_MS), item[0]),
            )
            for key, _ in ordered[: _KEEP // 2]:
                del counts[key]
        counts[print_] = [1.0, float(at)]
        return 0.0
    # a late call may be a month older than the last one: it counts, and the clock does not go back for it
    amount = entry[0] = entry[0] * math.exp(-max(at - entry[1], 0.0) / _TAU_MS) + 1.0
    entry[1] = max(entry[1], float(at))
    root = run.root
    if amount > root.peak[COUNT]:
        root.peak[COUNT] = amount
    if amount < 3.0:
        return 0.0
    if amount < config.count_min / 2.0:
        run.count_first = None
        return 0.0
    if run.count_first is None:
        run.count_first = run.mark(call.id, at, cost)
    if not root.ready(config):
        return amount / (2.5 * config.count_min)
    return amount / max(config.count_min, 3.0 * root.record[COUNT], root.limit[COUNT])


def describe_count(run: Run, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    entry = (run.counts or {}).get(call.request_fingerprint or "", [0.0, 0.0])
    usual = f"its own record is {run.root.record[COUNT]:.0f}" if run.root.ready(config) else "it has no history yet"
    return f"the same request {entry[0]:.0f} times in about ten minutes among other work; {usual}"
