"""The few that go wrong: four kinds, each at a time that is known beforehand, so that the screen can announce it.

A runaway is a run of an ordinary agent. It ends by itself after `length_ms`, or when the demo ends.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from streams.demo.company import AGENTS, Agent
from streams.demo.habits import Run, Step, Work, attempts, cached, row, subagent

RunawayKind = Literal["loop", "retry_storm", "sub_agents", "context"]

SAYS: dict[RunawayKind, tuple[str, str, str]] = {
    "loop": ("begins to loop", "loops", "looped"),
    "retry_storm": ("begins to retry without end", "retries without end", "retried without end"),
    "sub_agents": ("begins to spawn sub-agents", "spawns sub-agents", "spawned sub-agents"),
    "context": ("stops trimming its context", "lets its context grow", "let its context grow"),
}
"""What the screen says after the agent's name: before it begins, while it runs, when it is over."""

DAY_MS = 12 * 3_600_000
A_DAY = 8
"""Runaways in a working day: two of each kind."""
LENGTH_MS = 80 * 60_000


@dataclass(frozen=True, slots=True)
class Runaway:
    """One of them. Times are event time, epoch ms."""

    kind: RunawayKind
    agent: Agent
    run_id: str
    starts_ms: int
    length_ms: int

    def says(self, now_ms: int) -> str:
        """`coder-wei begins to loop`, or what it does or did by `now_ms`."""
        tense = 0 if now_ms < self.starts_ms else 1 if now_ms < self.starts_ms + self.length_ms else 2
        return f"{self.agent.agent_id} {SAYS[self.kind][tense]}"


_WHO: dict[RunawayKind, tuple[str, ...]] = {
    "loop": ("coder-wei", "coder-tomasz", "coder-ines"),
    "retry_storm": ("price-watch", "ci-medic"),
    "sub_agents": ("deep-research", "pr-review", "paper-digest"),
    "context": ("coder-marit", "coder-lena", "coder-joao"),
}


def timetable(seed: int, start_ms: int, span_ms: int) -> tuple[Runaway, ...]:
    """The runaways of `span_ms` of event time, in order: each kind in turn, spread evenly with some play.

    A shorter span has shorter ones, but at least one of each kind; in a longer one the working day's density holds.
    """
    rng = random.Random(f"{seed}/runaways")
    count = max(len(SAYS), round(A_DAY * span_ms / DAY_MS))
    length = min(LENGTH_MS, span_ms // 7)
    by_id = {agent.agent_id: agent for agent in AGENTS}
    kinds = list(SAYS)
    rng.shuffle(kinds)
    made = []
    first, last = span_ms * 0.13, span_ms * 0.88 - length / 2
    for number in range(count):
        kind = kinds[number % len(kinds)]
        names = _WHO[kind]
        who = by_id[names[(number // len(kinds) + seed) % len(names)]]
        play = rng.uniform(-0.15, 0.15) if number else 0.0
        at = start_ms + int(first + (number + play) * (last - first) / max(count - 1, 1))
        made.append(Runaway(kind, who, f"{who.agent_id}-x{number + 1}", at, length))
    return tuple(made)


def work_of(runaway: Runaway, seed: int) -> Work:
    """Its calls."""
    run = Run(runaway.agent, runaway.run_id, random.Random(f"{seed}/{runaway.run_id}"))
    make = {"loop": _loop, "retry_storm": _storm, "sub_agents": _sub_agents, "context": _context}
    return make[runaway.kind](run, runaway.starts_ms, runaway.starts_ms + runaway.length_ms)


def _loop(run: Run, at_ms: int, end_ms: int) -> Work:
    """Three actions over and over, with a context that hardly moves: about 700 calls."""
    prints = [run.print_() for _ in range(3)]
    pause, context, number = (end_ms - at_ms) / 700, 70_000, 0
    while at_ms < end_ms:
        made = row(run, run.agent.model, context, run.about(350, 0.1), tool_name="bash",
                   request_fingerprint=prints[number % 3])  # fmt: skip
        at_ms = yield from attempts(run, at_ms, cached(made, run.agent.model, context - 600))
        at_ms += run.about(pause, 0.2)
        context, number = min(context + 60, 150_000), number + 1


def _storm(run: Run, at_ms: int, end_ms: int) -> Work:
    """The same request, timed out by its client and sent again at once: about 900 attempts, input paid each time."""
    print_, pause, attempt = run.print_(), (end_ms - at_ms) / 900, 1
    before = ""
    while at_ms < end_ms:
        made = row(run, run.agent.model, 48_000, 0, status="timeout", http_status=0, error_type="timeout",
                   request_fingerprint=print_, attempt=attempt, time=at_ms)  # fmt: skip
        if before:
            made["retry_of"] = before
        yield Step(at_ms, made)
        before, attempt = made["id"], attempt + 1
        at_ms += run.about(pause, 0.2)


def _sub_agents(run: Run, at_ms: int, end_ms: int) -> Work:
    """A planner that gives every part to a new sub-agent: about 420 of them in one run."""
    pause, number = (end_ms - at_ms) / 140, 0
    while at_ms < end_ms:
        made = row(run, run.agent.model, run.about(30_000, 0.1), run.about(700, 0.2), task_class="complex")
        at_ms = yield from attempts(run, at_ms, made)
        for _ in range(3):
            number += 1
            role = f"{run.agent.roles[number % len(run.agent.roles)]}-{number}"
            yield Step(at_ms, begins=subagent(run, at_ms + 500, role, made["id"], steps=5))
        at_ms += run.about(pause, 0.2)


def _context(run: Run, at_ms: int, end_ms: int) -> Work:
    """A context that is never compacted and, with the hour in its first line, never read from the cache."""
    pause, context = (end_ms - at_ms) / 260, 24_000
    while at_ms < end_ms:
        made = row(run, run.agent.model, context, run.about(500, 0.4), tool_name="read_file")
        at_ms = yield from attempts(run, at_ms, made)
        context = min(context + run.about(900, 0.4), 195_000)
        at_ms += run.about(pause, 0.2)
