"""The detector of single series, and NAB's scoring of it."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path

import pytest

from streams.detect.series import EPISODE, TELL, WARM, SeriesScorer
from streams.evaluate.nab import Series, corpus, score, sigmoid, swept, weights

STEP = 300_000
DATA = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[4] / "shared" / "data"))
ARCHIVE = DATA / "nab" / "nab.tar.gz"


def daily(n: int) -> float:
    return 100 + 30 * math.sin(2 * math.pi * n / 288) + (n * 7919 % 13)


def scores(values: list[float]) -> list[float]:
    scorer = SeriesScorer()
    return [scorer(n * STEP, value) for n, value in enumerate(values)]


def test_a_spike_is_told_once_and_ordinary_days_are_not() -> None:
    values = [daily(n) for n in range(288 * 7)]
    for n in range(1500, 1510):
        values[n] += 2000
    told = [n for n, one in enumerate(scores(values)) if one >= TELL]
    assert told
    assert all(1500 <= n < 1510 for n in told)


def test_nothing_is_told_while_it_learns_nor_of_a_constant() -> None:
    assert max(scores([daily(n) for n in range(WARM)])) == 0.0
    assert max(scores([5.0] * 2000)) < TELL


def test_within_an_episode_only_a_higher_score_is_told() -> None:
    values = [daily(n) for n in range(1000)]
    values[600], values[620] = 5000.0, 3000.0
    out = scores(values)
    assert out[600] >= TELL
    assert max(out[601 : 600 + EPISODE // 2]) == 0.0


def test_a_pickle_goes_on_identically() -> None:
    one = SeriesScorer()
    for n in range(500):
        one(n * STEP, daily(n))
    two = pickle.loads(pickle.dumps(one))
    assert [one(n * STEP, daily(n) * 3) for n in range(500, 600)] == [
        two(n * STEP, daily(n) * 3) for n in range(500, 600)
    ]


def test_the_sigmoid_is_nabs() -> None:
    # figures of the table in NAB's paper: start of window, its end, one and three widths past it
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(0.0) == 0.0
    assert sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert sigmoid(3.1) == -1.0


def test_silence_scores_nothing_and_perfection_a_hundred() -> None:
    series = Series("s", [n * STEP for n in range(1000)], [0.0] * 1000, [(400, 500), (700, 800)])
    silent = score([series], lambda: lambda at, value: 0.0)
    perfect = score([series], lambda: lambda at, value: 1.0 if at in (400 * STEP, 700 * STEP) else 0.0)
    assert silent.scores["standard"] == 0.0
    assert perfect.scores["standard"] == pytest.approx(100.0)


def test_detections_in_the_probation_do_not_count_and_false_ones_cost() -> None:
    series = Series("s", [n * STEP for n in range(1000)], [0.0] * 1000, [(400, 500)])
    rows = list(weights(series))
    assert rows[0][0] == 150
    at = {row: weight for row, _, weight in rows}
    assert at[200] == -1.0
    assert at[501] > at[550] > at[700]
    points = [(1.0, None, -1.0), (1.0, 0, 1.0)]
    assert swept(points, 1).scores["standard"] == pytest.approx(100 * (2 - 0.11) / 2)


@pytest.mark.data
@pytest.mark.slow
def test_nab() -> None:
    if not ARCHIVE.exists():
        pytest.skip(f"no NAB archive at {ARCHIVE}")
    result = score(list(corpus(ARCHIVE)), SeriesScorer)
    assert result.scores["standard"] >= 55.0
    assert result.thresholds["standard"] == pytest.approx(TELL, abs=0.002)
