"""What runs on the cheaper tier really cost, beside what they cost on the present one. Pure.

A run's cost is that of all its calls: its retries, the calls it was escalated by, the prompt cache that it did not
find. Compared are means over the agents that have priced runs on both tiers, weighted by their runs on the present
one. The interval of the ratio is by the delta method on its logarithm, 95 %: good for dozens of runs, rough for a
handful, and blind to runs so rare and dear that none was seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.outcomes.intervals import normal_quantile
from streams.outcomes.runs import Run

CONFIDENCE: Final = 0.95
LEAST: Final = 5
"""Priced runs of an agent on each tier: below that a standard deviation says little."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Cost of a run on the cheaper tier over that on the present one, with its interval."""

    estimate: float
    low: float
    high: float
    runs: int
    """Priced runs on the cheaper tier that it rests on."""


def cost_ratio(runs: Sequence[Run], task_class: str, present: str, other: str) -> Ratio | None:
    """None when no agent has enough priced runs on both tiers, or the present ones cost nothing."""
    arms: dict[str, tuple[list[int], list[int]]] = {}
    for run in runs:
        if run.task_class == task_class and not run.unpriced and run.tier in (present, other):
            arms.setdefault(run.agent, ([], []))[run.tier == other].append(run.cost_pico)
    usable = {agent: arm for agent, arm in arms.items() if min(map(len, arm)) >= LEAST}
    weight = sum(len(here) for here, _ in usable.values())
    means, variances = [0.0, 0.0], [0.0, 0.0]
    for agent in sorted(usable):
        part = len(usable[agent][0]) / weight
        for at, costs in enumerate(usable[agent]):
            mean = sum(costs) / len(costs)
            means[at] += part * mean
            variances[at] += part**2 * sum((cost - mean) ** 2 for cost in costs) / (len(costs) - 1) / len(costs)
    if not weight or min(means) <= 0:
        return None
    ratio = means[1] / means[0]
    spread = normal_quantile(CONFIDENCE) * math.sqrt(sum(v / m**2 for v, m in zip(variances, means, strict=True)))
    return Ratio(
        ratio, ratio * math.exp(-spread), ratio * math.exp(spread), sum(len(there) for _, there in usable.values())
    )
