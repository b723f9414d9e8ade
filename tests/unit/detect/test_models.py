"""What is learned: limits follow the agent, abnormal hours are not learned, state stays small."""

from __future__ import annotations

import pickle

import pytest

from streams.detect import DetectConfig
from streams.detect.habit import CONTEXT, SIGNALS, Root
from streams.detect.models import Baseline, Net

CONFIG = DetectConfig()


def prior() -> list[Baseline]:
    return [Baseline(0.02) for _ in range(SIGNALS)]


def hours(root: Root, level: float, count: int, fleet: list[Baseline]) -> None:
    for _ in range(count):
        root.peak[CONTEXT] = level
        root.close_block(fleet, CONFIG)


def test_a_record_is_the_own_maximum_with_slow_decay() -> None:
    root, fleet = Root("a", 0), prior()
    hours(root, 1000.0, 10, fleet)
    assert root.record[CONTEXT] == pytest.approx(1000.0, rel=0.01)
    hours(root, 100.0, 138, fleet)
    assert root.record[CONTEXT] == pytest.approx(500.0, rel=0.02)


def test_an_abnormal_hour_is_not_learned() -> None:
    root, fleet = Root("a", 0), prior()
    hours(root, 1000.0, 20, fleet)
    hours(root, 1_000_000.0, 5, fleet)
    assert root.record[CONTEXT] < 1100.0


def test_an_hour_with_an_incident_is_not_learned() -> None:
    root, fleet = Root("a", 0), prior()
    hours(root, 1000.0, 20, fleet)
    root.frozen = True
    hours(root, 1900.0, 1, fleet)
    assert root.record[CONTEXT] < 1100.0
    assert root.blocks == 20


def test_a_level_that_stays_is_the_new_normal() -> None:
    root, fleet = Root("a", 0), prior()
    hours(root, 1000.0, 20, fleet)
    hours(root, 1_000_000.0, CONFIG.thaw_blocks + 1, fleet)
    assert root.record[CONTEXT] > 900_000.0


def test_the_limit_of_an_unknown_agent_is_the_fleets() -> None:
    fleet, own = Baseline(0.1), Baseline(0.1)
    for bits in (9.0, 10.0, 11.0) * 5:
        fleet.learn(bits, CONFIG)
    assert own.limit(fleet, CONFIG) > 11.0
    for _ in range(40):
        own.learn(3.0, CONFIG)
    assert own.limit(fleet, CONFIG) == pytest.approx(3.0 + CONFIG.z_limit * CONFIG.sd_floor, abs=0.01)


def test_the_net_is_not_ready_before_its_windows_are_full() -> None:
    net = Net()
    for number in range(Net.WARM):
        score, ready = net.score({"a": 0.1 * (number % 7), "b": 0.0})
        assert (score, ready) == (0.0, False)
        net.learn({"a": 0.1 * (number % 7), "b": 0.0}, score, ready)
    usual, ready = net.score({"a": 0.3, "b": 0.0})
    strange, _ = net.score({"a": 9.0, "b": 8.0})
    assert ready
    assert strange > usual


def test_what_is_kept_of_an_agent_is_small() -> None:
    root, fleet = Root("agent-000001", 0), prior()
    hours(root, 1000.0, 50, fleet)
    assert len(pickle.dumps(root, protocol=5)) < 8 * 1024
