"""Windows of usage against a recomputation from the set of calls: any order of records, read twice, corrected late."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.usage import UsageStruct, decode_usage
from streams.meter.emit import usage_records
from streams.meter.pages import MEASURES, pico_usd
from streams.meter.route import Router
from streams.meter.sums import CellKey, Touched
from streams.meter.tiers import TIERS
from streams.money import PICO
from streams.usage import windows as windows_module
from streams.usage.windows import SIZES, Windows
from tests.fakes import partition_meter

Call = tuple[int, str, str, int, int]
"""(source partition, agent, tier, second, cost in pico-USD)."""
KEEP = {"1s": 300, "1m": 20, "1h": 3}
FAR = 1 << 40


@dataclass
class Source:
    """One partition of calls: what its meter knows and publishes, absolute totals, as the ledger has them."""

    number: int
    epoch: int = 1
    through: int = 0
    newest: int = 0
    totals: dict[CellKey, list[int]] = field(default_factory=dict)

    def take(self, calls: Sequence[Call]) -> list[CellKey]:
        for _, agent, tier, second, cost in calls:
            row = self.totals.setdefault(CellKey(agent, tier, second), [0] * len(MEASURES))
            row[0] += 1
            row[2] += 10
            amount = pico_usd(row) + cost
            row[-2], row[-1] = divmod(amount, PICO)
            self.newest = max(self.newest, second)
        self.through += len(calls)
        return [CellKey(agent, tier, second) for _, agent, tier, second, _ in calls]

    def says(self, keys: Sequence[CellKey]) -> list[UsageStruct]:
        """Records as `streams.meter.emit` makes them, decoded again."""
        keys = sorted(set(keys), key=lambda key: (key.second, key.agent_id, key.tier))
        meter = partition_meter(self.number, epoch=self.epoch)
        meter.watermark_ms = self.newest * 1000 or None
        totals = np.array([self.totals[key] for key in keys], dtype=np.int64).reshape(-1, len(MEASURES))
        touched = Touched.of(keys, totals)
        return [decode_usage(value) for _, value in usage_records(meter, self.through, touched, Router(1))]


Model = dict[tuple[int, str, str], tuple[int, int, int]]


def model(calls: Sequence[Call], size: int) -> Model:
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for _, agent, tier, second, cost in calls:
        row = sums[second // size * size, agent, tier]
        row[0] += 1
        row[1] += 10
        row[2] += cost
    return {key: (row[0], row[1], row[2]) for key, row in sums.items()}


def shown(windows: Windows, name: str, first: int = 0, end: int = FAR, agent: str | None = None) -> Model:
    return {
        (row.start, str(row.agent_id), str(row.tier)): (row.totals[0], row.totals[2], pico_usd(row.totals))
        for row in windows.rows(name, first, end, agent)
    }


def check(windows: Windows, calls: Sequence[Call]) -> int:
    """Every window that memory vouches for equals the recomputation; returns how many non-empty ones it vouched for."""
    vouched = 0
    for name, size in SIZES.items():
        truth = model(calls, size)
        for start in sorted({key[0] for key in truth}):
            if not windows.covers(name, start) or windows.is_dirty(name, start, start + size):
                continue
            expected = {key: row for key, row in truth.items() if key[0] == start}
            assert shown(windows, name, start, start + size) == expected, (name, start)
            vouched += len(expected)
    return vouched


seconds = st.one_of(st.integers(1_000_000, 1_000_400), st.integers(1_000_000, 1_020_000))
some_calls = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["a", "b", "\u2603"]),
        st.sampled_from(TIERS),
        seconds,
        st.integers(0, 3 * PICO),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=120, deadline=None)
@given(calls=some_calls, seed=st.integers(0, 2**32), complete_from=st.sampled_from([0, 1_000_100, 1_000_201]))
def test_any_order_repeats_takeovers_and_late_calls_give_the_same_windows(
    calls: list[Call], seed: int, complete_from: int
) -> None:
    """`complete_from` is a takeover of the usage partition: what came before it is in the ledger, not in memory."""
    chance = random.Random(seed)
    before = [call for call in calls if call[3] < complete_from]
    after = [call for call in calls if call[3] >= complete_from]
    sources = {number: Source(number) for number in range(3)}
    for call in before:
        sources[call[0]].take([call])
    windows = Windows(KEEP, complete_from)
    done: list[Call] = list(before)
    last: list[UsageStruct] = []
    while after:
        part, after = after[: (cut := chance.randint(1, 6))], after[cut:]
        for number, source in sources.items():
            mine = [call for call in part if call[0] == number]
            if not mine:
                continue
            if chance.random() < 0.2:  # another worker takes the calls partition over and repeats what it likes
                source.epoch += 1
                for usage in source.says(chance.sample(list(source.totals), min(3, len(source.totals)))):
                    windows.apply(usage)
            last = source.says(source.take(mine))
            for usage in last:
                windows.apply(usage)
        if chance.random() < 0.3:
            for usage in last:
                windows.apply(usage)
        done += part
        check(windows, done)
    assert windows.watermark_ms is None or windows.watermark_ms == 1000 * max(call[3] for call in done)


def test_the_check_above_vouches_for_recent_windows() -> None:
    """Else `covers` could hide every fault: of a live stream nearly all windows are answered from memory."""
    windows, source = Windows(KEEP), Source(0)
    calls: list[Call] = []
    for step in range(200):
        part: list[Call] = [(0, "a", "mid", 1_000_000 + step, 5), (0, "b", "oss", 1_000_000 + step, 7)]
        for usage in source.says(source.take(part)):
            windows.apply(usage)
        calls += part
    assert check(windows, calls) == sum(len(model(calls, size)) for size in SIZES.values())


def test_a_late_call_corrects_its_own_windows() -> None:
    windows, source = Windows(KEEP), Source(0)
    for second in (1_000_000, 1_000_059, 1_000_120):
        for usage in source.says(source.take([(0, "a", "mid", second, PICO)])):
            windows.apply(usage)
    minute = 1_000_000 // 60 * 60
    assert shown(windows, "1m", minute, minute + 60)[minute, "a", "mid"] == (1, 10, PICO)
    for usage in source.says(source.take([(0, "a", "mid", 1_000_001, 2)])):
        windows.apply(usage)
    assert shown(windows, "1m", minute, minute + 60)[minute, "a", "mid"] == (2, 20, PICO + 2)
    assert shown(windows, "1s", 1_000_001, 1_000_002)[1_000_001, "a", "mid"] == (1, 10, 2)


def test_a_call_so_late_that_its_second_is_gone_makes_its_windows_dirty_not_wrong() -> None:
    windows, source = Windows({"1s": 60, "1m": 600, "1h": 48}), Source(0)
    calls: list[Call] = [(0, "a", "mid", 1_000_000 + second, 1) for second in (0, 1, 1000)]
    for call in calls:
        for usage in source.says(source.take([call])):
            windows.apply(usage)
    assert check(windows, calls) > 0
    late: Call = (0, "a", "mid", 1_000_001, 5)
    for usage in source.says(source.take([late])):
        windows.apply(usage)
    hour = 1_000_001 // 3600 * 3600
    assert windows.covers("1h", hour)
    assert windows.is_dirty("1h", hour, hour + 3600)
    assert not windows.is_dirty("1h", hour + 3600, hour + 7200)
    check(windows, [*calls, late])


def test_old_windows_are_not_vouched_for_and_leave_memory() -> None:
    windows, source = Windows(KEEP), Source(0)
    for second in range(0, 2000, 2):
        for usage in source.says(source.take([(0, "a", "mid", 1_000_000 + second, 1)])):
            windows.apply(usage)
    assert not windows.covers("1s", 1_000_000)
    assert windows.covers("1s", 1_002_000 - KEEP["1s"])
    # Whole pages of 256 steps go, so up to two pages more than the retention stay.
    assert windows.size < 2 * (KEEP["1s"] + 2 * 256) + 100


def test_memory_is_bounded_under_ever_later_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "_MAX_DIRTY", 10)
    windows, source = Windows({"1s": 60, "1m": 100_000, "1h": 100_000}), Source(0)
    calls: list[Call] = [(0, "a", "mid", 1_000_000, 1), (0, "a", "mid", 1_010_000, 1)]
    calls += [(0, "a", "mid", 1_000_001 + 60 * number, 1) for number in range(100)]
    for call in calls:
        for usage in source.says(source.take([call])):
            windows.apply(usage)
    assert all(len(dirty) <= 11 for dirty in windows._dirty.values())
    check(windows, calls)


def test_too_many_names_forget_all_and_vouch_for_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "_MAX_AGENTS", 3)
    windows, source = Windows(KEEP), Source(0)
    calls: list[Call] = [(0, name, "mid", 1_000_000 + at, 1) for at, name in enumerate("abcdefgh")]
    for call in calls:
        for usage in source.says(source.take([call])):
            windows.apply(usage)
    assert len(windows._agents) <= 4
    assert not windows.covers("1s", 1_000_000)
    more: Call = (0, "z", "oss", 1_009_000, 4)
    for usage in source.says(source.take([more])):
        windows.apply(usage)
    assert windows.covers("1s", 1_009_000)
    assert check(windows, [*calls, more]) > 0


def test_an_earlier_state_of_a_partition_changes_nothing() -> None:
    windows, source = Windows(KEEP), Source(0)
    (old,) = source.says(source.take([(0, "a", "mid", 1_000_000, 1)]))
    (new,) = source.says(source.take([(0, "a", "mid", 1_000_000, 1)]))
    for usage in (new, old, new, old):
        windows.apply(usage)
    assert shown(windows, "1s") == {(1_000_000, "a", "mid"): (2, 20, 2)}
    source.epoch, source.through = 2, 0  # the topic was made again: a later epoch with a smaller offset
    (again,) = source.says(source.take([(0, "a", "mid", 1_000_000, 1)]))
    windows.apply(again)
    windows.apply(new)
    assert shown(windows, "1s") == {(1_000_000, "a", "mid"): (3, 30, 3)}


def test_all_records_of_one_flush_count_though_they_have_one_offset() -> None:
    """Long flushes come in parts, and a cell of two batches of a flush is said twice: the later one is the whole."""
    windows, source = Windows(KEEP), Source(0)
    first = source.take([(0, "a", "mid", 1_000_000, 1)])
    second = source.take([(0, "b", "mid", 1_000_001, 2)])
    (old,) = source.says(first)
    third = source.take([(0, "a", "mid", 1_000_000, 4)])
    source.through = old.through_offset
    for usage in (old, *source.says(second), *source.says(third)):
        windows.apply(usage)
    assert shown(windows, "1s") == {(1_000_000, "a", "mid"): (2, 20, 5), (1_000_001, "b", "mid"): (1, 10, 2)}


def test_partitions_of_calls_add_up_and_do_not_overwrite_each_other() -> None:
    windows = Windows(KEEP)
    for number in (0, 1):
        source = Source(number)
        for usage in source.says(source.take([(number, "a", "mid", 1_000_000, 1 + number)])):
            windows.apply(usage)
    assert shown(windows, "1m", agent="a") == {(999_960, "a", "mid"): (2, 20, 3)}
    assert shown(windows, "1m", agent="nobody") == {}
