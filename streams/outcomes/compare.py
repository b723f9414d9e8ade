"""Which test finds a drop of quality first, at what rate of false alarms? Simulated, with a seed.

    python -m streams.outcomes.compare [--repeats 400] [--seed 7]

Each repeat: verdicts before a change with success rate p, then up to 1,000 after it with p less the drop. A test
alarms at most once. Printed as the Markdown table of docs/outcomes.md: share of repeats with an alarm (with no drop:
false alarms), and the median number of verdicts it took.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, PageHinkley

from streams.outcomes.drift import ALARM, watch

AFTER = 1000
Bools = NDArray[np.bool_]
Test = Callable[[Bools, Bools], int | None]
"""(verdicts before, verdicts after) to the number of verdicts after the change at the alarm; None: no alarm."""


def looks(before: Bools, after: Bools) -> int | None:
    """The test that ships: `streams.outcomes.drift.watch`."""
    found = watch(before.tolist(), after.tolist())
    return found.at_look if found.dropped else None


def adwin(before: Bools, after: Bools) -> int | None:
    """River's ADWIN, delta as the stated rate; counts when the mean went down."""
    detector: Any = ADWIN(delta=ALARM)  # type: ignore[no-untyped-call]
    for value in before:
        detector.update(int(value))
    mean = float(before.mean())
    for at, value in enumerate(after, 1):
        detector.update(int(value))
        if detector.drift_detected and detector.estimation < mean:
            return at
    return None


def page_hinkley(threshold: float) -> Test:
    """River's Page-Hinkley, downwards."""

    def test(before: Bools, after: Bools) -> int | None:
        detector: Any = PageHinkley(mode="down", threshold=threshold)
        for value in before:
            detector.update(int(value))
        for at, value in enumerate(after, 1):
            detector.update(int(value))
            if detector.drift_detected:
                return at
        return None

    return test


def z_every_verdict(before: Bools, after: Bools) -> int | None:
    """A two-proportion z-test after each verdict from the eighth on, at the stated rate each time: peeking."""
    n0, s0 = len(before), int(before.sum())
    n1 = np.arange(1, len(after) + 1)
    s1 = np.cumsum(after)
    pooled = (s0 + s1) / (n0 + n1)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n0 + 1 / n1))
    hits = np.flatnonzero(((s1 / n1 - s0 / n0) / spread < -2.326348) & (n1 >= 8))
    return int(hits[0]) + 1 if len(hits) else None


def e_process(before: Bools, after: Bools) -> int | None:
    """The safe test of two proportions (Turner, Ly, Grünwald 2021): blocks of one verdict before and one after.

    Bets by what was seen so far; valid at any time; ends with the verdicts before.
    """
    wealth, won0, won1 = 0.0, 0.5, 0.5
    for at, (old, new) in enumerate(zip(before, after, strict=False)):
        p0, p1 = won0 / (at + 1), won1 / (at + 1)
        if p1 < p0:
            both = (p0 + p1) / 2
            wealth += math.log((p0 if old else 1 - p0) / (both if old else 1 - both))
            wealth += math.log((p1 if new else 1 - p1) / (both if new else 1 - both))
        won0, won1 = won0 + bool(old), won1 + bool(new)
        if wealth >= -math.log(ALARM):
            return at + 1
    return None


TESTS: dict[str, Test] = {
    "Fisher at given looks": looks,
    "ADWIN": adwin,
    "Page-Hinkley (50)": page_hinkley(50),
    "Page-Hinkley (10)": page_hinkley(10),
    "z at every verdict": z_every_verdict,
    "e-process": e_process,
}


def compared(
    rate: float, size: int, drops: Sequence[float], repeats: int, seed: int
) -> dict[str, list[tuple[float, float | None]]]:
    """For each test and drop: share of repeats with an alarm, and the median number of verdicts until then."""
    found: dict[str, list[tuple[float, float | None]]] = {name: [] for name in TESTS}
    for drop in drops:
        rng = np.random.default_rng([seed, int(rate * 1000), size, int(drop * 1000)])
        worlds = [(rng.random(size) < rate, rng.random(AFTER) < rate - drop) for _ in range(repeats)]
        for name, test in TESTS.items():
            alarms = [at for before, after in worlds if (at := test(before, after)) is not None]
            found[name].append((len(alarms) / repeats, median(alarms) if alarms else None))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    drops = (0.0, 0.05, 0.1, 0.2, 0.4)
    head = ["before", "test", *("no drop" if not drop else f"-{drop:.0%}" for drop in drops)]
    click.echo("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for rate, size in ((0.9, 300), (0.9, 50), (0.6, 300)):
        for name, cells in compared(rate, size, drops, asked.repeats, asked.seed).items():
            shown = [f"{share:.1%}" + (f", {at:.0f}" if at is not None else "") for share, at in cells]
            click.echo("| " + " | ".join([f"{size} at {rate:.0%}", name, *shown]) + " |")


if __name__ == "__main__":
    main()
