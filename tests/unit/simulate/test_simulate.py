"""The simulator: deterministic, in order, labels true to the calls, every kind and grade there."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from streams.simulate import simulate
from streams.simulate.runaways import GRADES, KINDS

REQUIRED = {"id", "time", "agent_id", "request_model", "input_tokens", "output_tokens"}


@pytest.fixture(scope="module")
def world() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    simulation = simulate(3, 2, 120)
    return list(simulation), [label.to_dict() for label in simulation.labels]


def test_the_same_seed_gives_the_same_calls_and_labels(
    world: tuple[list[dict[str, object]], list[dict[str, object]]],
) -> None:
    again = simulate(3, 2, 120)
    assert list(again) == world[0]
    assert [label.to_dict() for label in again.labels] == world[1]


def test_iterating_twice_gives_the_same() -> None:
    simulation = simulate(4, 1, 20)
    assert list(simulation) == list(simulation)


def test_another_seed_gives_other_calls() -> None:
    assert list(simulate(1, 1, 10)) != list(simulate(2, 1, 10))


def test_calls_are_in_time_order_with_distinct_ids_and_no_label_in_them(
    world: tuple[list[dict[str, object]], list[dict[str, object]]],
) -> None:
    calls, _ = world
    times = [int(str(call["time"])) for call in calls]
    assert times == sorted(times)
    assert len({call["id"] for call in calls}) == len(calls)
    assert all(set(call) >= REQUIRED for call in calls)
    assert not any("label" in key for call in calls for key in call)
    json.dumps(calls[0])


def test_labels_name_calls_that_exist_in_their_interval(
    world: tuple[list[dict[str, object]], list[dict[str, object]]],
) -> None:
    calls, labels = world
    by_id = {call["id"]: call for call in calls}
    assert labels
    for label in labels:
        ids = label["call_ids"]
        assert isinstance(ids, list)
        assert len(ids) == label["calls"]
        assert ids[0] == label["first_call_id"]
        assert by_id[ids[0]]["time"] == label["start"]
        assert by_id[ids[-1]]["time"] == label["end"]
        if label["run_id"] is not None:
            assert {by_id[i].get("run_id") for i in ids} == {label["run_id"]}


def test_every_kind_and_grade_occurs() -> None:
    simulation = simulate(5, 5, 60)
    for _ in simulation:
        pass
    seen = Counter((label.label, label.grade) for label in simulation.labels)
    assert {kind for kind, _ in seen} == set(KINDS)
    assert {grade for _, grade in seen} == set(GRADES)
    assert any(label.second for label in simulation.labels)
    assert simulation.outages


@pytest.mark.parametrize(("days", "agents"), [(0, 10), (1, 0)])
def test_nonsense_is_refused(days: int, agents: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        simulate(1, days, agents)
