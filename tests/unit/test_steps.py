"""The pure steps of one partition: outcomes, places in the log, gaps, sums."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.pages import MEASURES, pico_usd
from streams.meter.route import MOVED_HEADER, Router
from streams.meter.rows import CALL, DUPLICATE, GAP, MOVED, REJECT, Metered
from streams.meter.steps import _gaps, measures, moved_calls
from tests.fakes import BASE_MS, Steps, batch, batch_of, call, partition_meter, record, value

GPT_4O_PICO = 1000 * 2_500_000 + 100 * 10_000_000
"""2.50 USD a million tokens in, 10 USD out, in 1e-12 USD."""


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps()


def outcomes(metered: Metered) -> list[int]:
    return [int(code) for code in metered.outcome]


def test_a_call_counts_once_within_a_batch_and_over_batches(steps: Steps) -> None:
    meter = partition_meter()
    first = steps.run(meter, batch_of(call("a"), call("b"), call("a")))
    second = steps.run(meter, batch_of(call("b"), call("a", source="other"), offset=3))
    assert outcomes(first) == [CALL, CALL, DUPLICATE]
    assert outcomes(second) == [DUPLICATE, CALL]
    assert first.cost_pico[0] == GPT_4O_PICO
    assert first.priced.tolist() == [True, True, False], "a copy has no cost: a sum over all rows would double it"


def test_a_call_that_only_the_ledger_knows_is_a_copy(steps: Steps) -> None:
    meter = partition_meter()
    meter.window.forget_below(BASE_MS // 60_000 + 1)
    taken = batch_of(
        call("old"), call("old", source="s"), call("never"), call("never"), call("new", time=BASE_MS + 120_000)
    )
    arrived = meter.decode(taken, steps.router)
    assert arrived.cold.tolist() == [True, True, True, True, False]
    metered = steps.run(meter, taken, frozenset({("", "old")}))
    assert outcomes(metered) == [DUPLICATE, CALL, CALL, DUPLICATE, CALL]


def test_each_part_of_a_record_has_its_place(steps: Steps) -> None:
    values = [
        value(call("a"), call("b")),
        b'{"id": "no"}',
        b"\n".join([value(call("c")), b"{broken}", value(call("d", input_tokens=-1)), value(call("e"))]),
        None,
    ]
    metered = steps.run(
        partition_meter(), batch([record(raw, 10 + at, timestamp=BASE_MS + at) for at, raw in enumerate(values)], 10)
    )
    places = list(zip(metered.columns["id"], metered.offset.tolist(), metered.item.tolist(), strict=True))
    assert places == [("a", 10, 0), ("b", 10, 1), ("c", 12, 0), ("e", 12, 3)]
    assert metered.arrived_ms.tolist() == [BASE_MS, BASE_MS, BASE_MS + 2, BASE_MS + 2]
    refused = [(row.outcome, row.offset, row.item, row.through, row.reason, row.arrived_ms) for row in metered.refused]
    assert refused == [
        (REJECT, 11, 0, 11, "missing_field", BASE_MS + 1),
        (REJECT, 12, 1, 12, "not_json", BASE_MS + 2),
        (REJECT, 12, 2, 12, "out_of_range", BASE_MS + 2),
        (REJECT, 13, 0, 13, "empty", BASE_MS + 3),
    ]
    assert metered.rows == 8


def test_calls_of_other_partitions_are_sent_on_once_and_not_remembered() -> None:
    steps = Steps(partitions=2)
    router = Router(2)
    here = next(name for name in map(str, range(99)) if router.partition(name) == 0)
    there = next(name for name in map(str, range(99)) if router.partition(name) == 1)
    meter = partition_meter(0)
    raw = value(call("a", agent_id=here), call("b", agent_id=here, run_id=there))
    metered = steps.run(meter, batch([record(raw, 0)], 0))
    assert outcomes(metered) == [CALL, MOVED]
    assert moved_calls(metered) == [(there, 1)]
    assert len(meter.window) == 1
    assert not metered.priced[1]
    # Sent on once is enough, but not where that was done among another number of partitions.
    headers = [[(MOVED_HEADER, b"2")], [("other", b"")], [(MOVED_HEADER, b"3")]]
    again = batch([record(raw, at, headers=of) for at, of in enumerate(headers, 1)], 1)
    assert outcomes(steps.run(meter, again)) == [DUPLICATE, CALL, DUPLICATE, MOVED, DUPLICATE, MOVED]


def test_what_moved_adds_nothing_to_sums_nor_to_the_watermark() -> None:
    steps = Steps(partitions=2)
    there = next(name for name in map(str, range(99)) if Router(2).partition(name) == 1)
    meter = partition_meter(0)
    metered = steps.run(meter, batch_of(call("x", agent_id=there, time=BASE_MS + 5)))
    assert meter.watermark_ms is None
    assert measures(metered)[0] == []


def test_the_watermark_is_the_newest_time_of_new_calls(steps: Steps) -> None:
    meter = partition_meter()
    steps.run(meter, batch_of(call("a", time=BASE_MS + 7), call("b", time=BASE_MS)))
    assert meter.watermark_ms == BASE_MS + 7
    steps.run(meter, batch_of(call("c", time=BASE_MS - 1), offset=2))
    assert meter.watermark_ms == BASE_MS + 7


some = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from("abcdefgh"), "agent_id": st.sampled_from(["x", "y"])},
        optional={
            "status": st.sampled_from(["ok", "error", "timeout"]),
            "input_tokens": st.integers(100, 10**6),
            "output_tokens": st.integers(50, 10**6),
            "cache_read_input_tokens": st.integers(0, 50),
            "cache_write_input_tokens": st.integers(0, 50),
            "reasoning_output_tokens": st.integers(0, 50),
            "request_model": st.sampled_from(["gpt-4o", "no-such-model", "gpt-4o-mini"]),
            "tier": st.sampled_from(["oss", "mid", "frontier"]),
            "time": st.integers(BASE_MS, BASE_MS + 3000),
        },
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(fields=some)
def test_sums_are_those_of_the_new_calls(steps_once: Steps, fields: list[dict[str, Any]]) -> None:
    # Contract law: a copy keeps its time, so a call's id decides its time here.
    calls = [call(**(one | {"time": BASE_MS + 100 * ord(one["id"])})) for one in fields]
    if not calls:
        return
    metered = steps_once.run(partition_meter(), batch_of(*calls))
    agents, tiers, seconds, table = measures(metered)
    assert table.shape == (len(agents), len(MEASURES))
    expected: dict[tuple[str, str, int], list[int]] = {}
    seen = set[str]()
    for at, one in enumerate(calls):
        if one["id"] in seen:
            continue
        seen.add(one["id"])
        unpriced = one["request_model"] == "no-such-model"
        assert bool(metered.priced[at]) is not unpriced
        tier = one.get("tier") or metered.tier.texts[metered.tier.codes[at]]
        row = expected.setdefault((one["agent_id"], tier, one["time"] // 1000), [0] * 9)
        more = [
            1,
            one.get("status", "ok") != "ok",
            one["input_tokens"],
            one["output_tokens"],
            one.get("cache_read_input_tokens", 0),
            one.get("cache_write_input_tokens", 0),
            one.get("reasoning_output_tokens", 0),
            unpriced,
            0 if unpriced else int(metered.cost_pico[at]),
        ]
        expected[one["agent_id"], tier, one["time"] // 1000] = [a + b for a, b in zip(row, more, strict=True)]
    found: dict[tuple[str, str, int], list[int]] = {}
    for agent, tier, second, values in zip(agents, tiers.tolist(), seconds.tolist(), table.tolist(), strict=True):
        row = found.setdefault((agent, metered.tier.texts[tier], second), [0] * 9)
        found[agent, metered.tier.texts[tier], second] = [
            a + b for a, b in zip(row, [*values[:-2], pico_usd(values)], strict=True)
        ]
    assert found == expected


@pytest.fixture(scope="module")
def steps_once() -> Steps:
    return Steps()


@given(
    offsets=st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True).map(sorted),
    back=st.one_of(st.none(), st.integers(0, 10)),
)
def test_gaps_and_records_cover_the_log_without_holes_or_overlap(offsets: list[int], back: int | None) -> None:
    expected = None if back is None else max(0, offsets[0] - back)
    stamps = [BASE_MS + offset for offset in offsets]
    rows = _gaps(np.array(offsets, dtype=np.int64), expected, np.array(stamps, dtype=np.int64))
    covered = sorted([*offsets, *(offset for row in rows for offset in range(row.offset, row.through + 1))])
    assert covered == list(range(offsets[0] if expected is None else expected, offsets[-1] + 1))
    for row in rows:
        assert (row.outcome, row.reason, row.item, row.payload) == (GAP, "log_gap", 0, "")
        following = next(offset for offset in offsets if offset > row.through)
        assert row.arrived_ms == BASE_MS + following, "a gap is dated by the record after it"


def test_a_gap_becomes_a_row_of_the_batch(steps: Steps) -> None:
    metered = steps.run(partition_meter(), batch([record(value(call("a")), 5), record(value(call("b")), 9)], 3))
    assert [(row.offset, row.through) for row in metered.refused] == [(3, 4), (6, 8)]


def test_owed_rows_are_written_once(steps: Steps) -> None:
    meter = partition_meter()
    owed = steps.run(meter, batch([record(None, 0)], 0)).refused
    meter.owed = owed
    assert steps.run(meter, batch_of(call("a"), offset=1)).refused == owed
    assert steps.run(meter, batch_of(call("b"), offset=2)).refused == []


def test_unknown_fields_change_nothing(steps: Steps) -> None:
    plain = steps.run(partition_meter(), batch_of(call("a")))
    more = steps.run(
        partition_meter(), batch([record(json.dumps(call("a") | {"prompt": "x", "n": [1]}).encode(), 0)], 0)
    )
    assert more.columns.calls == plain.columns.calls
    assert more.cost_pico.tolist() == plain.cost_pico.tolist()
