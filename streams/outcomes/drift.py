"""Has quality dropped since a change? A sequential test with a stated false alarm rate. Pure.

The verdicts before the change are fixed; those after it come one by one. At given numbers of them (`LOOKS`) Fisher's
exact test asks how likely so few successes would be if nothing had changed. Each look may err with
`ALARM / len(LOOKS)`, so that the whole watch of one change gives a false alarm with a probability of at most `ALARM`,
whatever the success rate is and however often somebody looks in between (Bonferroni's inequality; Fisher's test is
exact at any size).

After the last look the change is an old one and the watch ends. Against River's ADWIN and Page-Hinkley, a z-test at
every verdict, and an e-process: `streams.outcomes.compare` (docs/outcomes.md has its table).

Known limits: verdicts are taken as independent; a verdict that comes late is sorted in by its run's beginning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.outcomes.intervals import Counts, Difference, Stratum, difference

ALARM: Final = 0.01
"""The most that the probability of a false alarm may be, for the whole watch of one change."""

LOOKS: Final = (
    8, 11, 15, 20, 26, 34, 44, 57, 75, 100, 130, 170, 220, 290, 380, 500, 650, 850, 1100, 1500,
)  # fmt: skip
"""Verdicts after the change at which is looked: a third more each time."""


def fisher_fewer(before: Counts, after: Counts) -> float:
    """Fisher's exact p-value, one-sided: so few successes after, or fewer, given all successes and runs."""
    total, hits, drawn = before.of + after.of, before.hits + after.hits, after.of
    lowest = max(0, drawn - (total - hits))
    log_all = _log_choose(total, drawn)
    p = sum(
        math.exp(_log_choose(hits, x) + _log_choose(total - hits, drawn - x) - log_all)
        for x in range(lowest, after.hits + 1)
    )
    return min(1.0, p)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a watch says. `at_look` and `p_value`: of the look that alarmed, else of the last one that was due."""

    dropped: bool
    before: Counts
    after: Counts
    """All verdicts so far; when it dropped, those of the look that alarmed."""
    at_look: int | None
    p_value: float | None
    over: bool
    """The last look was made: the change is watched no more."""

    @property
    def difference(self) -> Difference | None:
        """After less before, with a 95 % interval."""
        return difference([Stratum(self.before, self.after, 1.0)])


def watch(before: Sequence[bool], after: Sequence[bool], alarm: float = ALARM) -> Verdict:
    """Walk the looks that are due. The first alarm stands, whatever comes later."""
    reference = Counts(sum(before), len(before))
    threshold = alarm / len(LOOKS)
    look: int | None = None
    p_value: float | None = None
    if before:
        for due in LOOKS:
            if due > len(after):
                break
            seen = Counts(sum(after[:due]), due)
            look, p_value = due, fisher_fewer(reference, seen)
            if p_value <= threshold:
                return Verdict(True, reference, seen, look, p_value, False)
    return Verdict(False, reference, Counts(sum(after), len(after)), look, p_value, len(after) >= LOOKS[-1])


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
