"""What is made of measurements: medians, growth, the report, options."""

from __future__ import annotations

import time
from typing import Any

import pytest

from streams.bench.probe import Moment, peak_rss_mb, rss_mb, thread_cpu
from streams.bench.report import table
from streams.bench.run import BenchOptions, _median, growth_of, run
from streams.bench.spec import Result, Task
from streams.bench.steps import Stopwatch
from streams.errors import UsageError


def _result(calls: int, wall_s: float, cpu_s: float) -> Result:
    return Result("spendstream", calls, wall_s, cpu_s, 500.0, 510.0)


def test_result_figures_and_median() -> None:
    runs = [_result(100_000, 2.0, 3.0), _result(100_000, 4.0, 2.0), _result(100_000, 2.5, 2.5)]
    assert runs[0].calls_per_second == 50_000
    assert runs[0].cpu_us_per_call == pytest.approx(30.0)
    assert _median(runs, lambda result: result.calls_per_second, 0) == 40_000
    assert _median([], lambda result: result.wall_s, 0) is None


def test_task_and_result_survive_the_way_to_a_child_and_back() -> None:
    task = Task("quix", "127.0.0.1:9092", "t", 5, "data/x", "g", 4, marks=10)
    assert Task.decode(task.encode()) == task
    result = Result("quix", 5, 1.5, 0.5, 1.0, 2.0, {"curve": [[1, 0.5, 0.25]]})
    assert Result.decode(result.encode()) == result


def test_growth_compares_spans() -> None:
    grown = growth_of([[100, 0.003, 1.0], [200, 0.005, 2.0], [400, 0.011, 3.0]])
    assert grown["us_per_call_by_span"] == [30.0, 20.0, 30.0]
    assert grown["last_us_per_call"] == 25.0  # the mean of the last spans, never of the first
    assert grown["last_to_first"] == 0.833
    assert grown["last_to_second"] == 1.25


def test_probe_sees_work() -> None:
    threads, before = thread_cpu(), Moment.now()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    used = Moment.now().since(before)
    assert 0.09 <= used.cpu_s <= used.wall_s * 4 + 0.1
    assert sum(thread_cpu().values()) - sum(threads.values()) >= 0.05
    assert 10 < rss_mb() <= peak_rss_mb()


def test_stopwatch_adds_up_by_step() -> None:
    ticks = iter([0.0, 1.0, 5.0, 7.0, 7.0, 8.0])
    watch = Stopwatch()
    for step in ("a", "a", "b"):
        assert watch.time(step, lambda: 42, lambda: next(ticks)) == 42
    assert watch.us_per_call(1_000_000) == {"a": 3.0, "b": 1.0}


def test_options_choose_parts() -> None:
    full = BenchOptions()
    assert full.wants("latency")
    assert not full.wants("growth")
    assert BenchOptions(growth=True).wants("growth")
    only = BenchOptions.quick(only=frozenset({"quix"}), calls=2_000)
    assert (only.calls, only.runs) == (2_000, 1)
    assert only.wants("quix")
    assert not only.wants("spendstream")


@pytest.mark.parametrize(
    "options", [BenchOptions(only=frozenset({"speed"})), BenchOptions(calls=10), BenchOptions(runs=0)]
)
def test_wrong_options_are_refused_before_anything_starts(options: BenchOptions) -> None:
    with pytest.raises(UsageError):
        run(options)


def test_report_leaves_out_what_was_not_measured() -> None:
    result: dict[str, Any] = {
        "calls_per_second": 40_000.0,
        "with_detection": {"calls_per_second": 30_000.0, "cpu_us_per_call": 28.04},
        "stock_faust_calls_per_second": 5_000.0,
        "quix_calls_per_second": None,
        "raw_aiokafka_records_per_second": None,
        "cpu_us_per_call_by_contender": {"spendstream": 18.04, "spendstream_detect": 28.04, "stock_faust": 95.0},
        "publish_to_ledger_ms": {"p50": 300.4, "p99": 600.0, "rate": 2_000.0},
        "agents": {"1000": {"rss_mb": 600.0, "cpu_us_per_call": 18.0}},
        "publish_to_page_ms": {"p50": 1010.2, "p99": 1500.0, "pages": 199, "loops": 200},
        "recovery": {"agents": 99_000, "seconds": 4.21, "cpu_s": 3.9},
        "us_per_call": {"decode": 1.5},
        "growth": None,
    }
    text = table(result)
    assert "| Spendstream worker: the meter | 40,000 | 18.0 |" in text
    assert "looked at for runaways | 30,000 | 28.0 |" in text
    assert "8.0 times stock Faust" in text
    assert "p50 300 ms, p99 600 ms" in text
    assert "p50 1010 ms, p99 1500 ms (199 pages of 200 loops)" in text
    assert "99,000 agents known again after 4.2 s (3.9 s of CPU)" in text
    assert "Quix" not in text
    assert "1,000 agents: 600 MB" in text
