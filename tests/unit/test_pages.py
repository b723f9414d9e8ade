"""Sums in pages against a plain dictionary of Python integers."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.pages import (
    MEASURES,
    PAGE_STEPS,
    AgentNumbers,
    Pages,
    agents_of,
    grouped,
    keys_of,
    pico_usd,
    steps_of,
    tiers_of,
)
from streams.meter.tiers import TIERS
from streams.money import PICO

Key = tuple[int, int, int]
COST_MOST = 999_999 * PICO + PICO - 1

steps = st.sampled_from([0, 1, PAGE_STEPS - 1, PAGE_STEPS, 2 * PAGE_STEPS + 7, 4_102_444_800, 7_258_118_399])
cells = st.tuples(steps, st.sampled_from([0, 1, 2, (1 << 28) - 1]), st.integers(0, 3))
amounts = st.tuples(cells, st.integers(0, 10**9), st.integers(0, COST_MOST))
added = st.lists(st.lists(amounts, min_size=1, max_size=10), min_size=1, max_size=12)


def columns(part: list[tuple[Key, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    key = np.array([cell for cell, _, _ in part], dtype=np.int64)
    sums = np.zeros((len(part), len(MEASURES)), dtype=np.int64)
    sums[:, 0] = 1
    sums[:, 2] = [tokens for _, tokens, _ in part]
    sums[:, -2] = [cost // PICO for _, _, cost in part]
    sums[:, -1] = [cost % PICO for _, _, cost in part]
    return keys_of(key[:, 0], key[:, 1], key[:, 2]), sums


def test_measures_end_with_money() -> None:
    assert MEASURES[-2:] == ("cost_dollars", "cost_rest")
    assert MEASURES[0] == "calls"


@given(cell=cells)
def test_a_key_gives_back_what_made_it(cell: Key) -> None:
    key = keys_of(*(np.array([part], dtype=np.int64) for part in cell))
    assert (int(steps_of(key)[0]), int(agents_of(key)[0]), tiers_of(key)) == (cell[0], cell[1], [TIERS[cell[2]]])


@given(first=cells, second=cells)
def test_keys_are_ordered_by_time_first(first: Key, second: Key) -> None:
    keys = [int(keys_of(*(np.array([part], dtype=np.int64) for part in cell))[0]) for cell in (first, second)]
    assert (keys[0] < keys[1]) == (first < second)


@settings(max_examples=100, deadline=None)
@given(added=added)
def test_adding_gives_exact_totals_with_money_beyond_64_bits(added: list[list[tuple[Key, int, int]]]) -> None:
    pages = Pages()
    calls, tokens, money = defaultdict[int, int](int), defaultdict[int, int](int), defaultdict[int, int](int)
    for part in added:
        keys, sums = columns(part)
        for key, (_, amount, cost) in zip(keys.tolist(), part, strict=True):
            calls[key] += 1
            tokens[key] += amount
            money[key] += cost
        distinct, grouped_sums = grouped(keys, sums)
        totals = pages.add(distinct, grouped_sums)
        assert distinct.tolist() == sorted(set(keys.tolist()))
        for key, row in zip(distinct.tolist(), totals.tolist(), strict=True):
            assert (row[0], row[2], pico_usd(row)) == (calls[key], tokens[key], money[key])
            assert 0 <= row[-1] < PICO, "the rest is always carried"
    assert pages.size == len(calls)
    keys, totals = pages.between(0, 1 << 40)
    assert keys.tolist() == sorted(calls)
    assert [pico_usd(row) for row in totals.tolist()] == [money[key] for key in keys.tolist()]


@settings(max_examples=100, deadline=None)
@given(added=added)
def test_replacing_tells_by_how_much_and_the_changes_add_up(added: list[list[tuple[Key, int, int]]]) -> None:
    """A corrected total may be smaller: changes are negative then, money with a negative rest, and still exact."""
    cells_, windows = Pages(), Pages()
    last: dict[int, tuple[int, int]] = {}
    for part in added:
        latest = dict(zip(columns(part)[0].tolist(), part, strict=True))
        keys, totals = columns([latest[key] for key in sorted(latest)])
        change = cells_.replace(keys, totals)
        for key, row, (_, tokens, cost) in zip(
            keys.tolist(), change.tolist(), (latest[k] for k in sorted(latest)), strict=True
        ):
            before = last.get(key, (0, 0))
            assert (row[2], pico_usd(row)) == (tokens - before[0], cost - before[1])
            last[key] = (tokens, cost)
        windows.add(keys, change)
    keys, totals = windows.between(0, 1 << 40)
    found = {key: (row[2], pico_usd(row)) for key, row in zip(keys.tolist(), totals.tolist(), strict=True)}
    assert found == last


@settings(max_examples=60, deadline=None)
@given(added=added, below=steps)
def test_dropping_drops_whole_pages_and_says_from_where_all_is_there(
    added: list[list[tuple[Key, int, int]]], below: int
) -> None:
    pages = Pages()
    all_keys: set[int] = set()
    for part in added:
        keys, sums = columns(part)
        all_keys |= set(keys.tolist())
        pages.add(*grouped(keys, sums))
    floor = pages.drop_below(below)
    assert floor <= below < floor + PAGE_STEPS
    kept = pages.between(0, 1 << 40)[0].tolist()
    assert kept == sorted(key for key in all_keys if key >> 30 >= floor)
    while pages.size:
        before = pages.between(0, 1 << 40)[0].tolist()
        floor = pages.drop_oldest()
        assert before[0] >> 30 < floor
        assert pages.between(0, 1 << 40)[0].tolist() == [key for key in before if key >> 30 >= floor]
    assert pages.end() == 0


def test_between_excludes_its_end_across_pages() -> None:
    pages = Pages()
    keys = keys_of(np.arange(600, dtype=np.int64), np.zeros(600, np.int64), np.zeros(600, np.int64))
    sums = np.zeros((600, len(MEASURES)), dtype=np.int64)
    sums[:, 0] = 1
    pages.add(keys, sums)
    assert steps_of(pages.between(255, 513)[0]).tolist() == list(range(255, 513))
    assert pages.end() == 768


def test_agent_numbers_are_stable_and_forgettable() -> None:
    agents = AgentNumbers()
    first = agents.of(["b", "a", "b", "\u2603"])
    assert first[0] == first[2]
    assert [agents.names[number] for number in first.tolist()] == ["b", "a", "b", "\u2603"]
    assert agents.of(["\u2603", "c"]).tolist() == [int(first[3]), 3]
    assert (agents.find("c"), agents.find("nobody"), len(agents)) == (3, None, 4)
    agents.clear()
    assert agents.of(["c"]).tolist() == [0]
