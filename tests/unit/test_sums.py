"""The meter's cells against a plain dictionary: totals are absolute, and what is not known is asked, never guessed."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter import sums
from streams.meter.pages import MEASURES, pico_usd
from streams.meter.sums import CellKey, Cells, Touched
from streams.meter.tiers import TIERS
from streams.money import PICO

calls = st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 1200), st.integers(0, 5 * PICO))
batches = st.lists(st.lists(calls, max_size=8), max_size=20)
Calls = list[tuple[str, int, int, int]]


def add(cells: Cells, part: Calls) -> Touched:
    table = np.zeros((len(part), len(MEASURES)), dtype=np.int64)
    table[:, 0] = 1
    table[:, -2] = [cost // PICO for *_, cost in part]
    table[:, -1] = [cost % PICO for *_, cost in part]
    return cells.add(
        [agent for agent, *_ in part],
        np.array([tier for _, tier, *_ in part], dtype=np.int64),
        np.array([second for _, _, second, _ in part], dtype=np.int64),
        table,
    )


def found(touched: Touched) -> dict[CellKey, tuple[int, int]]:
    keys = touched.keys
    assert len(set(keys)) == len(keys)
    return {key: (row[0], pico_usd(row)) for key, row in zip(keys, touched.totals.tolist(), strict=True)}


@settings(max_examples=150, deadline=None)
@given(batches=batches, capacity=st.integers(1, 30), cold_below=st.integers(0, 600))
def test_each_touched_cell_is_exact_or_said_to_be_cold(batches: list[Calls], capacity: int, cold_below: int) -> None:
    """Through evictions at any point: a total is never that of a part of a cell's calls."""
    cells = Cells(capacity, cold_below)
    count, cost = defaultdict[CellKey, int](int), defaultdict[CellKey, int](int)
    floor = cold_below
    for part in batches:
        for agent, tier, second, amount in part:
            key = CellKey(agent, TIERS[tier], second)
            count[key] += 1
            cost[key] += amount
        before = cells.cold_below
        touched = add(cells, part)
        asked = {CellKey(agent, TIERS[tier], second) for agent, tier, second, _ in part}
        exact = found(touched)
        assert set(touched.cold) == {key for key in asked if key.second < before}
        assert set(exact) == asked - set(touched.cold)
        assert exact == {key: (count[key], cost[key]) for key in exact}
        assert cells.cold_below >= floor
        floor = cells.cold_below
        assert len(cells) <= capacity


def test_too_many_names_make_all_cells_cold_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_MAX_AGENTS", 3)
    cells = Cells(1000)
    add(cells, [(name, 1, 10, 1) for name in "abcd"])
    touched = add(cells, [("a", 1, 10, 1), ("b", 2, 300, 5)])
    assert touched.cold == [CellKey("a", "oss", 10)]
    assert found(touched) == {CellKey("b", "mid", 300): (1, 5)}


def test_no_calls_touch_nothing() -> None:
    cells = Cells(10)
    touched = add(cells, [])
    assert (touched.agents, touched.cold, touched.totals.shape, len(cells)) == ([], [], (0, len(MEASURES)), 0)
