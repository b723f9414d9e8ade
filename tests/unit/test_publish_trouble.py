"""What a router's log says of an outage, by a clock that the test sets."""

from __future__ import annotations

import logging

import pytest

from streams.publish.buffer import Buffer
from streams.publish.record import Record
from streams.publish.trouble import Trouble

OURS = "spendstream.publish"


class Bench:
    """A buffer of ten calls, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.buffer = Buffer(10, 1 << 20)
        self.trouble = Trouble("t", self.buffer, lambda: self.now)

    def publish(self, calls: int) -> None:
        for number in range(calls):
            self.buffer.offer(Record(b"k", b"v", number))

    def hear_for(self, seconds: int) -> None:
        """Ten words a second."""
        for _ in range(seconds * 10):
            self.trouble.hear("refused")
            self.now += 0.1


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == OURS]


def test_one_line_at_once_one_a_minute_with_counts_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.publish(3)
    bench.hear_for(59)
    bench.publish(9)
    bench.hear_for(90)
    bench.buffer.settle(bench.buffer.take(4))
    bench.trouble.over()
    bench.trouble.over()
    assert lines(caplog) == [
        "trouble publishing to t (refused): 3 call(s) buffered, 0 dropped; trying again",
        "trouble publishing to t (refused): 10 call(s) buffered, 2 dropped; trying again",
        "trouble publishing to t (refused): 10 call(s) buffered, 2 dropped; trying again",
        "publishing to t again, after 149 s: 6 call(s) buffered, 2 dropped",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_what_is_wrong_with_another_way_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.publish(1)
    bench.trouble.hear("no id")
    bench.trouble.turn()
    bench.hear_for(59)
    assert lines(caplog) == [
        "trouble publishing to t (no id): 1 call(s) buffered, 0 dropped; trying again",
        "trouble publishing to t (refused): 1 call(s) buffered, 0 dropped; trying again",
    ]


def test_the_next_outage_is_said_at_once_and_counts_from_zero(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.trouble.hear("away")
    bench.publish(11)
    bench.trouble.over()
    bench.now += 15
    bench.trouble.hear("away")
    assert lines(caplog)[-1] == "trouble publishing to t (away): 10 call(s) buffered, 0 dropped; trying again"
    assert len(lines(caplog)) == 3


def test_trouble_that_comes_and_goes_is_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for _ in range(250):
        bench.trouble.hear("now and then")
        bench.now += 0.5
        bench.trouble.over()
        bench.now += 0.5
    said = lines(caplog)
    assert [line.startswith("trouble") for line in said] == [True, False] * 5


def test_a_full_buffer_is_said_by_itself_only_without_trouble(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.trouble.hear("away")
    bench.publish(11)
    assert len(lines(caplog)) == 1
    bench.trouble.over()
    bench.publish(9)
    assert lines(caplog)[-1] == "10 call(s) not published so far: buffer_full"


def test_an_unexpected_error_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    error = ZeroDivisionError("ours")
    bench.trouble.hear("ZeroDivisionError: ours", error)
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error
