"""The buffer's arithmetic: whatever happens, every call is delivered, dropped with a reason, or still there."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.publish.buffer import Buffer
from streams.publish.record import Record


def record(number: int = 0) -> Record:
    return Record(b"k", b"%d" % number, 0)


class BufferRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = Buffer(5, 10_000)
        self.out: list[Record] = []
        self.offered = 0

    @rule()
    def offer(self) -> None:
        self.offered += 1
        full = self.buffer.calls >= 5
        assert (self.buffer.offer(record(self.offered), unknown=1) == "buffer_full") == full

    @rule()
    def refuse(self) -> None:
        self.offered += 1
        self.buffer.refuse("too_large", unknown=1)

    @rule(limit=st.integers(1, 6))
    def take(self, limit: int) -> None:
        self.out += self.buffer.take(limit)

    @rule(count=st.integers(0, 5))
    def settle(self, count: int) -> None:
        self.buffer.settle(self.out[:count])
        del self.out[:count]

    @rule(count=st.integers(0, 5))
    def give_up(self, count: int) -> None:
        self.buffer.give_up(self.out[:count], "refused")
        del self.out[:count]

    @rule()
    def put_back(self) -> None:
        self.buffer.put_back(self.out, tried=len(self.out))
        first, self.out = self.out, []
        assert self.buffer.take(len(first)) == first if first else True
        self.out = first

    @invariant()
    def counts_add_up(self) -> None:
        stats = self.buffer.stats()
        assert stats.published == self.offered == stats.unknown_fields
        assert stats.published == stats.delivered + stats.buffered + stats.dropped_total
        assert stats.buffered >= len(self.out)


BufferRules.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBuffer = BufferRules.TestCase


def test_bound_by_bytes() -> None:
    buffer = Buffer(100, 1_000)
    assert buffer.offer(Record(b"k", b"x" * 800, 0)) is None
    assert buffer.offer(Record(b"k", b"x" * 800, 0)) == "buffer_full"
    buffer.settle(buffer.take(1))
    assert buffer.offer(Record(b"k", b"x" * 800, 0)) is None


def test_a_call_in_flight_keeps_its_place() -> None:
    buffer = Buffer(1, 1_000)
    buffer.offer(record())
    taken = buffer.take(10)
    assert buffer.offer(record()) == "buffer_full"
    buffer.settle(taken)
    assert buffer.offer(record()) is None


def test_wakes_once_for_each_sleep() -> None:
    wakes: list[int] = []
    buffer = Buffer(10, 10_000)
    buffer.when_filled(lambda: wakes.append(1))
    buffer.offer(record())
    assert not buffer.sleep()  # something waits already
    buffer.take(10)
    assert buffer.sleep()
    buffer.offer(record())
    buffer.offer(record())
    assert len(wakes) == 1


def test_closed_takes_nothing_but_keeps_what_is_in() -> None:
    buffer = Buffer(10, 10_000)
    buffer.offer(record())
    buffer.close()
    assert buffer.offer(record()) == "closed"
    assert buffer.calls == 1
    buffer.give_up_all("close_timeout")
    assert buffer.stats().dropped == {"closed": 1, "close_timeout": 1}


def test_counts_are_exact_with_many_threads() -> None:
    buffer = Buffer(5_000, 1 << 20)
    threads = [threading.Thread(target=lambda: [buffer.offer(record()) for _ in range(2_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = buffer.stats()
    assert (stats.published, stats.buffered, stats.dropped) == (8_000, 5_000, {"buffer_full": 3_000})


def test_drops_are_said_aloud_but_not_each(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer(1, 10_000)
    for _ in range(101):
        buffer.offer(record())
    said = [entry.getMessage() for entry in caplog.records]
    assert said == [f"{n} call(s) not published so far: buffer_full" for n in (1, 10, 100)]
