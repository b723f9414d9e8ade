"""The load is what it says: valid, priced, unique, live, and the same again for the same seed."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from schemas import Call
from streams.bench.load import JITTER_MS, Load, LoadRecord, records, start_for
from streams.meter.decode import CallStruct, decode
from streams.meter.price import Pricer
from streams.meter.rows import CallColumns

_NOW_MS = 1_764_000_000_000


def _calls(made: list[LoadRecord]) -> list[CallStruct]:
    decoded = decode([record.value for record in made], [_NOW_MS] * len(made))
    assert not decoded.rejects
    assert decoded.record == list(range(len(made)))
    return decoded.calls


def test_same_seed_same_records_and_another_seed_other_ids() -> None:
    load = Load(3_000, agents=50)
    assert list(records(load, _NOW_MS)) == list(records(load, _NOW_MS))
    other = Load(3_000, agents=50, seed=2)
    first, second = ({call.id for call in _calls(list(records(each, _NOW_MS)))} for each in (load, other))
    assert len(first) == len(second) == 3_000
    assert not first & second


def test_records_carry_the_full_contract_and_are_keyed_by_run() -> None:
    made = list(records(Load(2_000, agents=40), _NOW_MS))
    for record in made[::97]:
        fields = msgspec.json.decode(record.value)
        assert len(fields) == 23
        assert Call.model_validate(fields).run_id == record.key.decode()
        assert fields["agent_id"].encode() == record.agent
    mean = sum(len(record.value) for record in made) / len(made)
    assert 520 < mean < 620


def test_every_call_has_a_price_and_some_fail() -> None:
    calls = _calls(list(records(Load(5_000), _NOW_MS)))
    columns = CallColumns(calls)
    priced = Pricer.default().price(
        columns["provider_name"],
        columns["request_model"],
        columns["response_model"],
        columns.ints("time"),
        columns.ints("input_tokens"),
        columns.ints("output_tokens"),
        columns.ints("cache_read_input_tokens"),
        columns.ints("cache_write_input_tokens"),
    )
    assert priced.priced.all()
    failed = sum(call.status != "ok" for call in calls) / len(calls)
    assert 0.005 < failed < 0.05


@pytest.mark.parametrize("rate", [100.0, 2_000.0])
def test_event_time_advances_at_the_rate_with_bounded_disorder(rate: float) -> None:
    calls = _calls(list(records(Load(4_000, rate=rate), _NOW_MS)))
    for number, call in enumerate(calls):
        due = _NOW_MS + int(number * 1000 / rate)
        assert due - JITTER_MS < call.time <= due
    assert any(later.time < earlier.time for earlier, later in pairwise(calls)) == (1000 / rate < JITTER_MS)


def test_all_agents_work_and_runs_follow_each_other() -> None:
    calls = _calls(list(records(Load(20_000, agents=100), _NOW_MS)))
    by_agent: dict[str, list[str]] = {}
    for call in calls:
        by_agent.setdefault(call.agent_id, []).append(call.run_id or "")
    assert len(by_agent) == 100
    for runs in by_agent.values():
        changes = 1 + sum(a != b for a, b in pairwise(runs))
        assert changes == len(set(runs))  # a run that ended does not come back
        assert changes > 1


def test_nothing_is_in_the_future() -> None:
    load = Load(2_000)
    start = start_for(load, _NOW_MS)
    assert max(call.time for call in _calls(list(records(load, start)))) <= _NOW_MS
