"""One stream of all the company's calls in event time.

Contract: the same (`seed`, `start_ms`, `span_ms`, `prefix`) gives the same calls, on any machine and at any pace; times
never go back; memory holds the runs that are under way, not the day.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from streams.demo import runaways
from streams.demo.company import AGENTS, BUSIEST, Agent, busy
from streams.demo.habits import Row, Run, Step, Work, work_of

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A call, and the router that reports it. `row` is complete: `id` and `source` included."""

    at_ms: int
    router: str
    row: Row


def calls(seed: int, start_ms: int, span_ms: int, prefix: str = "demo") -> Iterator[Sent]:
    """All calls that end in [start_ms, start_ms + span_ms), in order of time. `prefix`: of ids and runs."""
    end_ms = start_ms + span_ms
    turn = itertools.count()
    waiting: list[tuple[int, int, Step, Work, str]] = []

    def push(work: Work, router: str) -> None:
        step = next(work, None)
        if step is not None and step.at_ms < end_ms:
            heapq.heappush(waiting, (step.at_ms, next(turn), step, work, router))

    for agent in AGENTS:
        push(_arrivals(agent, seed, start_ms, end_ms), agent.router)
    for runaway in runaways.timetable(seed, start_ms, span_ms):
        push(runaways.work_of(runaway, seed), runaway.agent.router)
    number = itertools.count()
    while waiting:
        at_ms, _, step, work, router = heapq.heappop(waiting)
        if step.row is not None:
            step.row["id"] = f"{prefix}-{next(number):07d}"
            step.row["source"] = router
            step.row["run_id"] = f"{prefix}/{step.row['run_id']}"
            if "conversation_id" in step.row:
                step.row["conversation_id"] = step.row["run_id"]
            yield Sent(at_ms, router, step.row)
        if step.begins is not None:
            push(step.begins, router)
        push(work, router)


def _arrivals(agent: Agent, seed: int, start_ms: int, end_ms: int) -> Work:
    """When the agent begins its runs; each is a work of its own beside this one."""
    rng = random.Random(f"{seed}/{agent.agent_id}")
    for number, at_ms in enumerate(_times(agent, rng, start_ms, end_ms), 1):
        run = Run(agent, f"{agent.agent_id}-{number}", random.Random(rng.getrandbits(64)))
        yield Step(at_ms, begins=work_of(run, at_ms))


def _times(agent: Agent, rng: random.Random, start_ms: int, end_ms: int) -> Iterator[int]:
    if agent.kind == "batch":
        day = start_ms - start_ms % (24 * HOUR_MS)
        while day < end_ms:
            at_ms = day + int(agent.at_hour * HOUR_MS)
            if at_ms >= start_ms:
                yield at_ms
            day += 24 * HOUR_MS
        return
    if agent.kind == "cron":
        every = int(HOUR_MS / agent.a_day)
        yield from range(start_ms - start_ms % every + every, end_ms, every)
        return
    # People: as if every hour were the busiest, then thinned to the hour's own share.
    mean_ms = 12 * HOUR_MS / (agent.a_day * BUSIEST)
    at = float(start_ms)
    while True:
        at += rng.expovariate(1.0) * mean_ms
        if at >= end_ms:
            return
        if rng.random() * BUSIEST < busy(int(at)):
            yield int(at)
