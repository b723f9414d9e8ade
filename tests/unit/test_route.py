"""Partitions of keys as Kafka's own clients compute them."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.route import Router, key_of

KNOWN = {
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, as signed 32-bit integers
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}


@pytest.mark.parametrize(("key", "hashed"), KNOWN.items())
@pytest.mark.parametrize("partitions", [1, 4, 7, 1024])
def test_the_vectors_of_kafka_itself(key: str, hashed: int, partitions: int) -> None:
    assert Router(partitions).partition(key) == (hashed & 0x7FFFFFFF) % partitions


@settings(max_examples=200, deadline=None)
@given(key=st.text(min_size=1, max_size=80), partitions=st.integers(1, 64))
def test_equals_what_aiokafka_sends_by(key: str, partitions: int) -> None:
    every = list(range(partitions))
    assert Router(partitions).partition(key) == DefaultPartitioner()(key.encode(), every, every)


@given(keys=st.lists(st.text(min_size=1, max_size=5), max_size=30), partitions=st.integers(1, 9))
def test_many_keys_at_once_are_the_same_as_one_by_one(keys: list[str], partitions: int) -> None:
    assert Router(partitions).partition_of_each(keys).tolist() == [Router(partitions).partition(key) for key in keys]


def test_misplaced_calls_are_those_elsewhere_that_were_not_sent_on() -> None:
    router = Router(2)
    here = next(key for key in map(str, range(99)) if router.partition(key) == 0)
    there = next(key for key in map(str, range(99)) if router.partition(key) == 1)
    keys = [here, there, there]
    assert router.misplaced(keys, 0, [False, False, True]).tolist() == [False, True, False]
    assert router.misplaced([here], 0, [False]).tolist() == [False]
    assert router.misplaced([], 0, []).tolist() == []


def test_a_calls_key() -> None:
    assert key_of("run", "agent") == "run"
    assert key_of(None, "agent") == "agent"
    assert key_of("", "agent") == "agent"
