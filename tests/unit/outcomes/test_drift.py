"""The watch of a change: Fisher's p-value against scipy, its false alarms computed exactly, what it finds."""

from __future__ import annotations

import importlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.outcomes.changes import LEAST_BEFORE, watched
from streams.outcomes.compare import compared
from streams.outcomes.drift import ALARM, LOOKS, fisher_fewer, watch
from streams.outcomes.intervals import Counts
from streams.outcomes.runs import Run

stats: Any = importlib.import_module("scipy.stats")
counts = st.integers(1, 300).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts, counts)
def test_the_p_value_is_that_of_scipy(before: tuple[int, int], after: tuple[int, int]) -> None:
    table = [[after[0], after[1] - after[0]], [before[0], before[1] - before[0]]]
    expected = float(stats.fisher_exact(table, alternative="less").pvalue)
    assert fisher_fewer(Counts(*before), Counts(*after)) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("rate", "size"), [(0.5, 40), (0.9, 60), (0.9, 30)])
def test_false_alarms_stay_below_the_stated_rate(rate: float, size: int) -> None:
    """Exactly, for the first looks: a random walk over the number of successes that is stopped at each alarm."""
    looks = [look for look in LOOKS if look <= 75]
    total = 0.0
    for hits in range(size + 1):
        weight = math.comb(size, hits) * rate**hits * (1 - rate) ** (size - hits)
        if weight < 1e-9:
            continue
        alive = np.zeros(looks[-1] + 1)
        alive[0] = 1.0
        alarmed = 0.0
        for at in range(1, looks[-1] + 1):
            alive[1:] = alive[1:] * (1 - rate) + alive[:-1] * rate
            alive[0] *= 1 - rate
            if at in looks:
                for wins in range(at + 1):
                    if alive[wins] and fisher_fewer(Counts(hits, size), Counts(wins, at)) <= ALARM / len(LOOKS):
                        alarmed += alive[wins]
                        alive[wins] = 0.0
        total += weight * alarmed
    assert 0 < total <= ALARM


def test_the_looks_are_a_third_apart() -> None:
    assert list(LOOKS) == sorted(set(LOOKS))
    assert all(1.25 < later / earlier < 1.4 for earlier, later in itertools.pairwise(LOOKS))


def test_an_alarm_stands_whatever_comes_later() -> None:
    before = [True] * 90 + [False] * 10
    bad = watch(before, [False] * 8)
    assert (bad.dropped, bad.at_look, bad.after) == (True, 8, Counts(0, 8))
    assert watch(before, [False] * 8 + [True] * 2000) == bad
    assert bad.difference is not None
    assert bad.difference.high < 0


def test_before_a_look_is_due_and_without_a_past_nothing_is_said() -> None:
    assert watch([True] * 100, [False] * 7).dropped is False
    assert watch([], [False] * 100).dropped is False
    over = watch([True, False] * 50, [True, False] * 800)
    assert (over.dropped, over.over, over.at_look) == (False, True, LOOKS[-1])


@given(st.lists(st.booleans(), max_size=60), st.lists(st.booleans(), max_size=120))
@settings(max_examples=50)
def test_more_verdicts_never_take_an_alarm_back(before: list[bool], after: list[bool]) -> None:
    told = [watch(before, after[:end]).dropped for end in range(len(after) + 1)]
    assert told == sorted(told)


def test_the_comparison_tells_peeking_from_a_test_that_keeps_its_rate() -> None:
    found = compared(0.9, 100, (0.0, 0.4), repeats=60, seed=1)
    assert found["Fisher at given looks"][0][0] <= 3 * ALARM
    assert found["Fisher at given looks"][1][0] == 1.0
    assert found["z at every verdict"][0][0] > ALARM


# -- changes in a ledger's runs --------------------------------------------------------------------------------------


def run(at: int, success: bool, model: str = "old", tier: str = "frontier", task_class: str = "routine") -> Run:
    return Run(
        f"r{at:05}", at * 1000, at * 1000 + 500, tier, "p", model, "agent", "team", task_class, success, 1, 1, 1, 3, 0,
        0, 100, 0, 10, 10**12, 0,
    )  # fmt: skip


def test_a_new_model_that_fails_is_found_with_the_run_that_told() -> None:
    old = [run(at, at % 10 != 0) for at in range(100)]
    both = [run(100 + at, at % 2 == 0, "new", "oss") for at in range(60)]
    meanwhile = [run(500 + at, False) for at in range(5)]
    (found,) = watched([*both, *old, *meanwhile])
    assert (found.agent, found.route, found.began_ms) == ("agent", ("oss", "p", "new"), 100_000)
    assert found.verdict.before == Counts(90, 100)
    assert found.verdict.dropped
    assert found.verdict.at_look is not None
    assert found.alarmed_ms == (100 + found.verdict.at_look - 1) * 1000 + 500
    assert found.left, "the latest run took the old route"
    assert found.as_json()["dropped"] is True
    assert found.in_words().startswith("DROPPED")


def test_a_change_that_keeps_quality_is_watched_and_not_told() -> None:
    runs = [run(at, at % 10 != 0, "old" if at < 100 else "new") for at in range(200)]
    (found,) = watched(runs)
    assert (found.verdict.dropped, found.alarmed_ms, found.left, found.state) == (False, None, False, "watching")


def test_without_enough_verdicts_before_there_is_nothing_to_compare_with() -> None:
    runs = [run(at, True) for at in range(LEAST_BEFORE - 1)]
    assert watched([*runs, *(run(100 + at, False, "new") for at in range(50))]) == []
    assert watched([*runs, run(50, True), *(run(100 + at, False, "new") for at in range(50))]) != []


def test_classes_and_agents_are_apart() -> None:
    easy = [run(at, True, task_class="routine") for at in range(50)]
    hard = [run(100 + at, False, "new", task_class="complex") for at in range(50)]
    assert watched([*easy, *hard]) == []
