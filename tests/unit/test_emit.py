"""Cells to usage records and back: exact, an agent in one partition, records below the broker's limit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.usage import decode_usage
from streams.meter.emit import MAX_CELLS, usage_records
from streams.meter.pages import MEASURES, pico_usd
from streams.meter.route import Router
from streams.meter.sums import CellKey, Touched
from streams.meter.tiers import TIERS
from streams.money import PICO
from tests.fakes import partition_meter

Sums = dict[CellKey, list[int]]

keys = st.builds(
    CellKey,
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=12),
    st.sampled_from(TIERS),
    st.integers(0, 7_258_118_399),
)
sums = st.lists(st.integers(0, 10**12), min_size=len(MEASURES) - 1, max_size=len(MEASURES) - 1)
cells = st.dictionaries(keys, st.tuples(sums, st.integers(0, PICO - 1)).map(lambda row: [*row[0], row[1]]), max_size=40)


def touched(found: Sums) -> Touched:
    totals = np.array(list(found.values()), dtype=np.int64).reshape(-1, len(MEASURES))
    return Touched.of(list(found), totals)


@settings(max_examples=100, deadline=None)
@given(found=cells, partitions=st.integers(1, 5))
def test_records_carry_cells_exactly_and_an_agent_to_one_partition(found: Sums, partitions: int) -> None:
    meter = partition_meter(3, epoch=9, incarnation=4)
    meter.watermark_ms = 77
    router, read = Router(partitions), {}
    for partition, value in usage_records(meter, 41, touched(found), router):
        usage = decode_usage(value)
        assert (usage.v, usage.source_partition, usage.epoch, usage.incarnation) == (1, 3, 9, 4)
        assert (usage.through_offset, usage.watermark_ms) == (41, 77)
        columns = [getattr(usage, name) for name in MEASURES[:-2]]
        for at, agent in enumerate(usage.agent):
            key = CellKey(usage.agents[agent], usage.tier[at], usage.second[at])
            assert router.partition(key.agent_id) == partition
            assert key not in read
            read[key] = [*(column[at] for column in columns), usage.cost_pico_usd[at]]
    assert read == {key: [*row[:-2], pico_usd(row)] for key, row in found.items()}


def test_large_flushes_are_cut_below_the_brokers_limit() -> None:
    widest = [10**9] * (len(MEASURES) - 2) + [999_999, PICO - 1]
    found = {CellKey(f"team/service/agent-{number:06d}", "frontier", 1_772_409_600): widest for number in range(12_001)}
    values = [value for _, value in usage_records(partition_meter(), 1, touched(found), Router(1))]
    assert len(values) == -(-len(found) // MAX_CELLS)
    assert max(map(len, values)) < 1_000_000, "Kafka's default limit of a record"
    assert sum(len(decode_usage(value).agent) for value in values) == len(found)


def test_long_names_are_cut_below_the_brokers_limit_too() -> None:
    """A name may have 256 characters of four bytes; a record above the limit would be refused for ever."""
    names = [f"{number:06d}" + "\U0001f600" * 250 for number in range(MAX_CELLS)]
    found = {CellKey(name, "unknown", 1): [number] * len(MEASURES) for number, name in enumerate(names)}
    values = [value for _, value in usage_records(partition_meter(), 1, touched(found), Router(1))]
    assert max(map(len, values)) < 1_000_000
    read = [
        (u.agents[at], calls) for u in map(decode_usage, values) for at, calls in zip(u.agent, u.calls, strict=True)
    ]
    assert sorted(read) == list(zip(names, range(MAX_CELLS), strict=True))


def test_no_cells_are_no_record() -> None:
    assert list(usage_records(partition_meter(), 1, touched({}), Router(3))) == []
