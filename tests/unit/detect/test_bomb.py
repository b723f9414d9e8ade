"""Agents that are used once: many in ten minutes are a bomb; many of long ago, read today, are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.detect.bomb import Births
from streams.detect.config import HOUR_MS, DetectConfig

NOW = 1_790_000_000_000
CONFIG = DetectConfig()


def test_hundreds_in_ten_minutes_are_one() -> None:
    births = Births()
    for number in range(CONFIG.bomb_agents):
        assert births.level(CONFIG) < 1
        births.birth(f"c{number}", NOW + number * 1000, 5)
    assert births.level(CONFIG) >= 1
    assert births.first is not None
    assert births.first[0] == "c0"
    assert births.calls == CONFIG.bomb_agents


@given(st.lists(st.integers(1, 5000), min_size=300, max_size=600))
def test_agents_of_another_time_fall_into_no_window_of_today(hours: list[int]) -> None:
    births = Births()
    births.birth("today", NOW, 1)
    for number, ago in enumerate(hours):
        births.birth(f"past-{number}", NOW - ago * HOUR_MS, 1)
    assert (births.born, births.calls) == (1, 1)
    assert births.level(CONFIG) < 1


def test_agents_that_call_again_are_none() -> None:
    births = Births()
    for number in range(2 * CONFIG.bomb_agents):
        births.birth(f"c{number}", NOW + number * 500, 1)
        births.second(NOW + number * 500)
    assert births.level(CONFIG) == 0
