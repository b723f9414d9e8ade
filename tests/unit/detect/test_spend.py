"""The spend spike's rule alone: what an agent's hours were, then three hours of steady spending."""

from __future__ import annotations

import pytest

from streams.detect import DetectConfig, spend
from streams.detect.habit import SIGNALS, SPEND10, SPEND60, SPEND360, Root, Run
from streams.detect.models import Baseline
from streams.detect.signal import PICO
from tests.unit.detect.calls import HOUR, MINUTE, T0, call

CONFIG = DetectConfig()
START = 60 * HOUR


def after(hours: list[float]) -> Root:
    """An agent that spent so many dollars in each hour, half of them in ten minutes."""
    root = Root("a", T0)
    prior = [Baseline(CONFIG.fade) for _ in range(SIGNALS)]
    for dollars in hours:
        root.peak[SPEND10], root.peak[SPEND60], root.peak[SPEND360] = (
            share * dollars * PICO for share in (0.5, 1.0, 1.3)
        )
        root.close_block(prior, CONFIG)
    return root


def highest(root: Root, dollars_a_minute: float) -> float:
    """The highest level within three hours of one call a minute, each of a run of its own."""
    cost = int(dollars_a_minute * PICO)
    return max(
        spend.level(root, Run(f"r{n}", f"r{n}", root, "a", T0), call(n, START + n * MINUTE), cost, CONFIG)
        for n in range(180)
    )


def test_hours_beyond_all_records_are_found_though_no_ten_minutes_are() -> None:
    root = after([3.0] * 30)
    assert highest(root, 0.13) >= 1.0
    assert root.spend10 < root.record[SPEND10]


@pytest.mark.parametrize(("hours", "pace"), [([3.0] * 30, 0.04), ([0.3] * 30, 0.03)])
def test_within_the_records_and_below_the_floor_it_is_quiet(hours: list[float], pace: float) -> None:
    assert highest(after(hours), pace) < 0.5


def test_twice_the_record_is_no_spike_where_hours_differ_a_hundredfold() -> None:
    assert 0.5 <= highest(after([0.02, 3.0] * 15), 0.13) < 1.0
