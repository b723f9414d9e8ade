"""The Numenta Anomaly Benchmark, by its own rules, for the detector of single series.

Scoring as in NAB 1.1 (`nab/sweeper.py`, `nab/scorer.py`), written anew: the first 15 % of a file (at most 750 rows)
do not count; a detection inside a window earns a sigmoid of its position, only the best of each window; one outside
costs a sigmoid of its distance past the last window; a missed window costs the profile's weight; one threshold serves
the whole corpus and is chosen to maximise the score (NAB's optimiser does so for every entry of its board); 0 is a
detector that says nothing, 100 a perfect one.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PROFILES: dict[str, tuple[float, float, float]] = {  # true positive, false positive, false negative
    "standard": (1.0, 0.11, 1.0),
    "reward_low_FP_rate": (1.0, 0.22, 1.0),
    "reward_low_FN_rate": (1.0, 0.11, 2.0),
}

Scorer = Callable[[int, float], float]
"""(time in ms, value) -> anomaly score in 0..1, online."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file of the corpus; windows are inclusive row numbers."""

    name: str
    times: list[int]
    values: list[float]
    windows: list[tuple[int, int]]


def corpus(archive: Path) -> Iterator[Series]:
    """The series of NAB's archive (tar.gz with `data/` and `labels/combined_windows.json`)."""
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers() if member.isfile()}
        windows = json.loads(_read(tar, members["labels/combined_windows.json"]))
        for name in sorted(windows):
            rows = list(csv.reader(io.StringIO(_read(tar, members[f"data/{name}"]))))[1:]
            times = [_ms(row[0]) for row in rows]
            at = {time: number for number, time in reversed(list(enumerate(times)))}
            limits = [(at[_ms(low)], at[_ms(high)]) for low, high in windows[name]]
            yield Series(name, times, [float(row[1]) for row in rows], limits)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    handle = tar.extractfile(member)
    assert handle is not None
    return handle.read().decode()


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def sigmoid(position: float) -> float:
    """NAB's scaled sigmoid: near 1 at a window's start, 0 at its end, -1 far past it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def weights(series: Series) -> Iterator[tuple[int, int | None, float]]:
    """(row, window or None, unweighted score of a detection there) after the probation."""
    rows = len(series.values)
    probation = min(math.floor(0.15 * rows), 750)
    starts = {low: number for number, (low, _) in enumerate(series.windows)}
    current: int | None = None
    before: tuple[int, int] | None = None
    for row in range(rows):
        if row in starts:
            current = starts[row]
        if current is not None:
            low, high = series.windows[current]
            score = sigmoid(-(high - row + 1) / (high - low + 1)) / sigmoid(-1.0)
        elif before is None:
            score = -1.0
        else:
            score = sigmoid(abs(before[1] - row) / max(1.0, float(before[1] - before[0])))
        if row >= probation:
            yield row, current, score
        if current is not None and row == series.windows[current][1]:
            before, current = series.windows[current], None


@dataclass(frozen=True, slots=True)
class NabScore:
    """Normalised score a profile and the threshold that gave it."""

    scores: dict[str, float]
    thresholds: dict[str, float]


def score(all_series: list[Series], scorer: Callable[[], Scorer]) -> NabScore:
    """Run a fresh scorer over every series and score as NAB does."""
    points: list[tuple[float, int | None, float]] = []
    total = 0
    for series in all_series:
        step = scorer()
        outputs = [step(at, value) for at, value in zip(series.times, series.values, strict=True)]
        for row, window, weight in weights(series):
            if outputs[row] > 0.0:
                points.append((outputs[row], None if window is None else total + window, weight))
        total += len(series.windows)
    return swept(points, total)


def swept(points: list[tuple[float, int | None, float]], windows: int) -> NabScore:
    """The best threshold a profile. `points`: (score, window or None, weight of a detection there)."""
    scores: dict[str, float] = {}
    thresholds: dict[str, float] = {}
    points = sorted(points, key=lambda point: -point[0])
    for profile, (tp, fp, fn) in PROFILES.items():
        best: dict[int, float] = {}
        raw = -fn * windows
        top, threshold = raw, math.inf
        for number, (value, window, weight) in enumerate(points):
            if window is None:
                raw += fp * weight
            elif window not in best:
                best[window] = weight
                raw += fn + tp * weight
            elif weight > best[window]:
                raw += tp * (weight - best[window])
                best[window] = weight
            last = number + 1 == len(points) or points[number + 1][0] < value
            if last and raw > top:
                top, threshold = raw, value
        scores[profile] = 100.0 * (top + fn * windows) / (tp * windows + fn * windows) if windows else 0.0
        thresholds[profile] = threshold
    return NabScore(scores, thresholds)
