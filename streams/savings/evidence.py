"""Which runs could go to a cheaper tier without measurable loss: a non-inferiority test per task class and pair of
tiers.

For runs of one class that began on tier `present`, compared with those that began on the cheaper `other`: the weighted
difference of success rates over agents that have judged runs on both (weights: their runs on `present`), with the
interval of `streams.outcomes.intervals.difference`. An agent is compared with itself only, so that a tier which gets
the easier agents does not look better for it.

    movable     the interval's low end is above -margin: a loss as large as the margin is ruled out
    worse       the interval's high end is below 0, and a loss of the margin is not ruled out
    unclear     neither: not enough evidence yet; `runs_needed` says about how many runs on each tier it takes
    no evidence no agent has judged runs on both tiers

One-sided 5 % for all pairs together: each pair has its share of it (Bonferroni). Pure.

Known limit: the router chose who goes where. Within an agent and class, easier runs may still have gone to the cheaper
tier; only a random split (send 10 % of a class to the cheaper tier by chance) rules that out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streams.outcomes.intervals import Counts, Difference, Stratum, difference, normal_quantile
from streams.outcomes.runs import Run
from streams.savings.mix import CLASSES, TIERS

ERROR: Final = 0.05
POWER: Final = 0.8

State = Literal["movable", "worse", "unclear", "no evidence"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Runs of one class on one tier, and whether they could go to a cheaper one."""

    task_class: str
    present: str
    other: str
    runs_present: Counts
    """All judged runs of the class on the present tier."""
    runs_other: Counts
    agents: tuple[str, ...]
    """Those with judged runs on both: the only ones of which anything is said."""
    difference: Difference | None
    confidence: float
    """Two-sided, of the interval."""
    state: State
    runs_needed: int | None
    """About how many judged runs on each tier tell, if the cheaper one is as good; None when it is told already."""


def pairs_of(runs: Iterable[Run], margin: float) -> list[Pair]:
    """Every pair of tiers for every class that has judged runs on the dearer one."""
    arms: defaultdict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        arms[run.task_class, run.tier][run.agent].append(run.success)
    found: list[tuple[str, str, str]] = [
        (task_class, present, other)
        for task_class in CLASSES
        for at, present in enumerate(TIERS)
        for other in TIERS[:at]
        if (task_class, present) in arms
    ]
    tested = sum(bool(_both(arms[c, p], arms[c, o])) for c, p, o in found)
    confidence = 1 - 2 * ERROR / max(1, tested)
    return [_pair(c, p, o, arms[c, p], arms[c, o], margin, confidence) for c, p, o in found]


def _both(present: dict[str, list[bool]], other: dict[str, list[bool]]) -> list[str]:
    return sorted(agent for agent in present if agent in other)


def _pair(
    task_class: str,
    present: str,
    other: str,
    here: dict[str, list[bool]],
    there: dict[str, list[bool]],
    margin: float,
    confidence: float,
) -> Pair:
    agents = _both(here, there)
    strata = [Stratum(_counts([here[agent]]), _counts([there[agent]]), len(here[agent])) for agent in agents]
    found = difference(strata, confidence)
    state: State = "no evidence"
    if found is not None:
        state = "movable" if found.low > -margin else "worse" if found.high < 0 else "unclear"
    counts = _counts([here[agent] for agent in agents] or list(here.values()))
    return Pair(
        task_class, present, other, _counts(list(here.values())), _counts(list(there.values())), tuple(agents), found,
        confidence, state, None if state in ("movable", "worse") else runs_needed(counts, margin, confidence),
    )  # fmt: skip


def runs_needed(present: Counts, margin: float, confidence: float) -> int:
    """Runs on each tier that show, with a chance of 80 %, that a tier of the same quality is no worse by the margin.

    The usual formula for two shares; rates of 0 and 1 are drawn in by one success and one failure.
    """
    rate = (present.hits + 1) / (present.of + 2)
    z = normal_quantile(confidence) + normal_quantile(2 * POWER - 1)
    return math.ceil(2 * rate * (1 - rate) * (z / margin) ** 2)


def _counts(verdicts: Sequence[Sequence[bool]]) -> Counts:
    return Counts(sum(map(sum, verdicts)), sum(map(len, verdicts)))
