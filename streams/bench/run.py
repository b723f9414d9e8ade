"""All measurements of one `spendstream bench`, and the object that it prints.

    run(BenchOptions(quick=True)) -> dict

Contenders take turns (A B C D, A B C D, ...), each in a process of its own, on one broker; a figure is the median of
its runs. Neighbours on the machine move all figures: the ratios of runs that were taken side by side are what counts.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streams import topics
from streams.bench import latency, paging, recovery, steps, topic
from streams.bench.feed import drain_fed
from streams.bench.ground import PARTITIONS, Ground
from streams.bench.load import Load, records, start_for
from streams.bench.process import contend
from streams.bench.spec import Result, Task
from streams.errors import UsageError

CONTENDERS = ("spendstream", "spendstream_detect", "stock_faust", "quix", "raw_aiokafka")
PARTS = (*CONTENDERS, "latency", "paging", "agents", "recovery", "steps", "growth")
STOCK_SHARE = 5
"""Stock Faust reads a fifth of the topic: its rate is the same from the first second on, and it is slow."""
GROWTH_CALLS = 3_000_000
GROWTH_MARK = 100_000
LAST_SPANS = 5
RATE = 2_000.0
PAGING_RATE = 200.0
"""Calls a second beside the loops: a page is about the delay of one, not about throughput."""
_PACKAGES = (
    *("spendstream", "faust-streaming", "aiokafka", "chdb", "noida-db", "quixstreams"),
    *("numpy", "pyarrow", "msgspec"),
)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure. `only`: parts of `PARTS`, empty for all but growth."""

    calls: int = 400_000
    agents: int = 1_000
    many_agents: int = 100_000
    runs: int = 3
    latency_seconds: float = 30.0
    loops: int = 200
    paging_seconds: float = 60.0
    growth: bool = False
    growth_calls: int = GROWTH_CALLS
    only: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def quick(cls, **changes: Any) -> BenchOptions:
        """One short run of everything: shows that it works, and rough figures."""
        return cls(
            **{
                "calls": 60_000,
                "runs": 1,
                "latency_seconds": 10.0,
                "loops": 20,
                "paging_seconds": 10.0,
                "many_agents": 20_000,
                **changes,
            }
        )

    def wants(self, part: str) -> bool:
        """Whether a part is to be measured."""
        if part == "growth" and self.growth:
            return True
        return part in self.only if self.only else part != "growth"


def to_stderr(line: str) -> None:
    """Progress, a line at a time."""
    sys.stderr.write(line + "\n")


def run(options: BenchOptions, say: Callable[[str], None] = to_stderr) -> dict[str, Any]:
    """Measure; the object of `spendstream bench --json`. `say` hears of progress. Raises SpendstreamError."""
    wrong = options.only - set(PARTS)
    if wrong:
        raise UsageError(f"there is no part {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}")
    if options.calls < 1_000 or options.agents < 1 or options.runs < 1:
        raise UsageError("a bench needs at least 1,000 calls, 1 agent and 1 run")
    return asyncio.run(_Bench(options, say).run())


class _Bench:
    def __init__(self, options: BenchOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._results: dict[str, list[Result]] = {}
        self._load = Load(options.calls, options.agents, RATE)

    async def run(self) -> dict[str, Any]:
        options = self._options
        began, load_before = time.time(), os.getloadavg()
        wanted = [name for name in CONTENDERS if options.wants(name)]
        if "quix" in wanted and importlib.util.find_spec("quixstreams") is None:
            self._say("quixstreams is not installed: its figure is left out (pip install 'spendstream[bench]')")
            wanted.remove("quix")
        if wanted:
            await self._contest(wanted)
        delay = None
        if options.wants("latency"):
            delay = await latency.measure(RATE, options.latency_seconds, options.agents)
            self._say(f"latency: p50 {delay.p50:.0f} ms, p99 {delay.p99:.0f} ms")
        paged = None
        if options.wants("paging"):
            paged = await paging.measure(options.loops, options.paging_seconds, PAGING_RATE, options.agents)
            self._say(f"publish to page: p50 {paged.p50:.0f} ms, p99 {paged.p99:.0f} ms, {paged.pages} pages")
        by_agents = await self._by_agents() if options.wants("agents") else {}
        again = await self._recovery() if options.wants("recovery") else None
        us = await self._steps() if options.wants("steps") else {}
        growth = await self._growth() if options.wants("growth") else None
        spend = self._results.get("spendstream", [])
        return {
            "calls_per_second": _median(spend, lambda r: r.calls_per_second, 0),
            "cpu_us_per_call": _median(spend, lambda r: r.cpu_us_per_call, 2),
            "with_detection": {
                "calls_per_second": self._rate("spendstream_detect"),
                "cpu_us_per_call": _median(
                    self._results.get("spendstream_detect", []), lambda r: r.cpu_us_per_call, 2
                ),
            },
            "stock_faust_calls_per_second": self._rate("stock_faust"),
            "quix_calls_per_second": self._rate("quix"),
            "raw_aiokafka_records_per_second": self._rate("raw_aiokafka"),
            "publish_to_ledger_ms": asdict(delay) if delay else None,
            "publish_to_page_ms": asdict(paged) if paged else None,
            "rss_mb": {agents: result["rss_mb"] for agents, result in by_agents.items()} or None,
            "recovery": asdict(again) if again else None,
            "us_per_call": us,
            "cpu_us_per_call_by_contender": {
                name: _median(results, lambda r: r.cpu_us_per_call, 2) for name, results in self._results.items()
            },
            "agents": by_agents,
            "growth": growth,
            "runs": {name: [_figures(r) for r in results] for name, results in self._results.items()},
            "load": {
                **asdict(self._load), "partitions": PARTITIONS, "records": "one call each, published beforehand",
                "record_bytes": _mean_bytes(self._load), "stock_faust_calls": self._load.calls // STOCK_SHARE,
            },
            "machine": {
                **_machine(), "load_average_before": load_before, "load_average_after": os.getloadavg(),
                "seconds": round(time.time() - began, 1),
            },
            "versions": _versions(),
        }  # fmt: skip

    async def _contest(self, wanted: Sequence[str]) -> None:
        async with Ground() as ground:
            start_ms = start_for(self._load, _now_ms())
            await topic.fill(ground.bootstrap, topics.CALLS, PARTITIONS, records(self._load, start_ms))
            if "quix" in wanted:
                await topic.create(ground.bootstrap, topic.BY_AGENT, PARTITIONS)
                await topic.fill(
                    ground.bootstrap, topic.BY_AGENT, PARTITIONS, records(self._load, start_ms), by_agent=True
                )
            for number in range(self._options.runs):
                for name in wanted:
                    directory, group = await ground.fresh_run()
                    if name == "stock_faust":
                        # Stock Faust does not see a topic that is made after it has joined.
                        await topic.create(ground.bootstrap, topics.USAGE, PARTITIONS)
                    result = await contend(
                        Task(
                            contender=name,
                            bootstrap=ground.bootstrap,
                            topic=topic.BY_AGENT if name == "quix" else topics.CALLS,
                            calls=self._load.calls // STOCK_SHARE if name == "stock_faust" else self._load.calls,
                            directory=directory,
                            group=group,
                            partitions=PARTITIONS,
                            detect=name == "spendstream_detect",
                        )
                    )
                    self._results.setdefault(name, []).append(result)
                    self._say(
                        f"run {number + 1}/{self._options.runs} {name}: {result.calls_per_second:,.0f}/s, "
                        f"{result.cpu_us_per_call:.1f} us of CPU a call, {result.rss_mb:,.0f} MB"
                    )

    async def _fed(self, load: Load, marks: int) -> Result:
        """One worker on a broker of its own, with a bounded backlog."""
        async with Ground() as ground:
            directory, group = await ground.fresh_run()
            task = Task("spendstream", ground.bootstrap, topics.CALLS, load.calls, directory, group, PARTITIONS, marks)
            return await drain_fed(task, load, start_for(load, _now_ms()))

    async def _by_agents(self) -> dict[str, dict[str, float]]:
        options = self._options
        runs: dict[int, list[Result]] = {options.agents: [], options.many_agents: []}
        for _ in range(options.runs):
            for agents, results in runs.items():
                result = await self._fed(Load(options.calls, agents, RATE), 10_000)
                results.append(result)
                self._say(f"{agents:,} agents: {result.cpu_us_per_call:.1f} us of CPU a call, {result.rss_mb:,.0f} MB")
        return {
            str(agents): {
                "rss_mb": _median(results, lambda r: r.rss_mb, 0) or 0.0,
                "peak_rss_mb": _median(results, lambda r: r.peak_rss_mb, 0) or 0.0,
                "cpu_us_per_call": _median(results, lambda r: r.cpu_us_per_call, 2) or 0.0,
            }
            for agents, results in runs.items()
        }

    async def _recovery(self) -> recovery.Recovery:
        agents = self._options.many_agents
        load = Load(4 * agents, agents, RATE)
        again = await recovery.measure(load, start_for(load, _now_ms()))
        self._say(
            f"recovery: {again.agents:,} agents known again in {again.seconds:.1f} s ({again.cpu_s:.1f} s of CPU)"
        )
        return again

    async def _steps(self) -> dict[str, float]:
        us = await asyncio.to_thread(steps.measure, min(200_000, self._options.calls), self._options.agents, _now_ms())
        bare = _median(self._results.get("raw_aiokafka", []), lambda r: r.cpu_us_per_call, 3)
        return us if bare is None else {"fetch": bare, **us}

    async def _growth(self) -> dict[str, Any]:
        load = Load(self._options.growth_calls, self._options.agents, RATE)
        result = await self._fed(load, min(GROWTH_MARK, load.calls // 4))
        return {"calls": load.calls, "rss_mb": round(result.rss_mb), **growth_of(result.details["curve"])}

    def _rate(self, name: str) -> float | None:
        return _median(self._results.get(name, []), lambda r: r.calls_per_second, 0)


def growth_of(curve: Sequence[Sequence[float]]) -> dict[str, Any]:
    """CPU a call between the marks of a run: (calls, CPU s, wall s) at each.

    Merges of the ledger come in lumps, so the end is the mean of the last `LAST_SPANS` spans. The first span includes
    what a worker does once (first prices, first insert), so `last_to_second` is the stricter figure.
    """
    spans = [
        round((cpu - cpu_before) / (calls - calls_before) * 1e6, 2)
        for (calls_before, cpu_before, _), (calls, cpu, _) in zip([(0, 0.0, 0.0), *curve], curve, strict=False)
    ]
    end = spans[-min(LAST_SPANS, max(1, len(spans) - 1)) :]
    last = round(statistics.mean(end), 2)
    return {
        "first_us_per_call": spans[0],
        "last_us_per_call": last,
        "last_to_first": round(last / spans[0], 3),
        "last_to_second": round(last / spans[1], 3) if len(spans) > 1 else None,
        "us_per_call_by_span": spans,
    }


def _median(results: Sequence[Result], figure: Callable[[Result], float], places: int) -> float | None:
    return round(statistics.median(figure(result) for result in results), places) if results else None


def _figures(result: Result) -> dict[str, Any]:
    return {
        "calls": result.calls,
        "calls_per_second": round(result.calls_per_second),
        "cpu_us_per_call": round(result.cpu_us_per_call, 2),
        "rss_mb": round(result.rss_mb),
        "peak_rss_mb": round(result.peak_rss_mb),
        **result.details,
    }


def _mean_bytes(load: Load) -> int:
    sample = list(records(Load(min(load.calls, 5_000), load.agents, load.rate), 1_760_000_000_000))
    return round(statistics.mean(len(record.value) for record in sample))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _machine() -> dict[str, Any]:
    models = (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name"))
    model = next(models, platform.processor())
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": model, "cores": os.cpu_count(), "memory_mb": memory,
        "system": platform.platform(), "python": platform.python_version(),
    }  # fmt: skip


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
