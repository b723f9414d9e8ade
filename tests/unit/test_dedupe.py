"""The identity window against a plain set, with hashes small enough that calls really collide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter import dedupe
from streams.meter.dedupe import IdentityWindow, identities

MINUTE = 60_000


@contextmanager
def hash_bits(bits: int) -> Iterator[None]:
    """How much of the first hash makes the sort key; with two bits nearly all calls of a minute share a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedupe, "_HASH_BITS", bits)
        patch.setattr(dedupe, "_HASH_MASK", np.uint64((1 << bits) - 1))
        yield


each_width = st.sampled_from([38, 2, 0])

Batches = list[list[tuple[int, int]]]
batches = st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=12), max_size=25)
"""Batches of calls: (number of the id, minute). A call's minute is part of what it is (contract law)."""


def admit(window: IdentityWindow, calls: list[tuple[int, int]]) -> tuple[list[bool], list[bool]]:
    """(cold before, admitted as new) for each call."""
    ids = [f"{number}@{minute}" for number, minute in calls]
    times = np.array([minute * MINUTE + number for number, minute in calls], dtype=np.int64)
    cold = window.is_cold(times).tolist()
    return cold, window.admit(identities([None] * len(ids), ids), times).tolist()


@settings(max_examples=150, deadline=None)
@given(bits=each_width, batches=batches)
def test_nothing_is_lost_or_doubled_below_capacity(bits: int, batches: Batches) -> None:
    with hash_bits(bits):
        window, seen = IdentityWindow(100_000), set[tuple[int, int]]()
        for calls in batches:
            _, fresh = admit(window, calls)
            for one, is_new in zip(calls, fresh, strict=True):
                assert is_new == (one not in seen), one
                seen.add(one)
        assert len(window) == len(seen)


@settings(max_examples=150, deadline=None)
@given(bits=each_width, batches=batches, capacity=st.integers(1, 40))
def test_with_eviction_a_warm_call_is_always_judged_right(bits: int, batches: Batches, capacity: int) -> None:
    """Cold calls are the ledger's to judge; of the others the window knows all, however much it had to drop."""
    with hash_bits(bits):
        window, seen = IdentityWindow(capacity), set[tuple[int, int]]()
        floor = 0
        for calls in batches:
            cold, fresh = admit(window, calls)
            in_batch = set[tuple[int, int]]()
            for one, was_cold, is_new in zip(calls, cold, fresh, strict=True):
                if was_cold:
                    assert is_new == (one not in in_batch)
                else:
                    assert is_new == (one not in seen | in_batch), one
                in_batch.add(one)
            seen |= in_batch
            assert window.cold_below_minute >= floor, "what was forgotten does not become known again"
            floor = window.cold_below_minute
            kept = {one for one in seen if one[1] >= floor}
            assert len(window) == len(kept), "a minute is either all here or cold"
            assert len(window) <= capacity


@settings(max_examples=60, deadline=None)
@given(bits=each_width, batches=batches, minute=st.integers(0, 14))
def test_forgetting_makes_exactly_the_older_minutes_cold(bits: int, batches: Batches, minute: int) -> None:
    with hash_bits(bits):
        window = IdentityWindow(10_000)
        for calls in batches:
            admit(window, calls)
        window.forget_below(minute)
        window.forget_below(minute - 3)  # an earlier minute takes nothing back
        everything = sorted({one for calls in batches for one in calls})
        cold, fresh = admit(window, everything)
        assert cold == [one[1] < minute for one in everything]
        assert fresh == cold, "what is kept is known, what is cold is compared within the batch only"


def test_same_hash_in_one_minute_keeps_both_calls() -> None:
    """Equal keys and another call: both count, in one batch and over several, and each copy is found."""
    numbers = [(number, 5) for number in range(50)]
    with hash_bits(0):
        window = IdentityWindow(1000)
        assert admit(window, numbers[:30])[1] == [True] * 30
        assert admit(window, numbers)[1] == [False] * 30 + [True] * 20
        assert admit(window, numbers[::-1])[1] == [False] * 50


def test_the_first_of_equal_calls_in_a_batch_is_the_new_one() -> None:
    window = IdentityWindow(1000)
    assert admit(window, [(1, 0), (2, 0), (1, 0), (1, 0)])[1] == [True, True, False, False]


def test_identity_keeps_source_and_id_apart() -> None:
    pairs = [("a", "b"), ("ab", ""), ("", "ab"), (None, "ab"), ("a", "\u2603"), ("a\u2603", "")]
    hashes = identities([source for source, _ in pairs], [id_ for _, id_ in pairs])
    assert hashes.shape == (6, 2)
    assert (hashes[2] == hashes[3]).all(), "an absent source is an empty one"
    assert len({tuple(row) for row in hashes.tolist()}) == 5


def test_times_at_the_ends_of_the_contract() -> None:
    window = IdentityWindow(1000)
    times = np.array([0, -1, 7_258_118_399_999, 4_102_444_800_000], dtype=np.int64)
    who = identities([None] * 4, ["a", "b", "c", "d"])
    assert not window.is_cold(times).any()
    assert window.admit(who, times).all()
    assert not window.admit(who, times).any()


def test_an_empty_batch_changes_nothing() -> None:
    window = IdentityWindow(10)
    assert admit(window, []) == ([], [])
    assert len(window) == 0
