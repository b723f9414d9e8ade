"""What a run of each kind of agent looks like, call by call.

A `Work` yields steps in the order of their times; `day` gives each row its id before it asks for the next step, so a
later row of the same work can point to it (`retry_of`, `parent_call_id`). Pure: randomness comes in with the run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from streams.demo.company import TENANT, Agent, Model

Row = dict[str, Any]
"""A call of the contract, without `id` and `source`."""


@dataclass(frozen=True, slots=True)
class Step:
    """At `at_ms` (event time, epoch ms) a call ends (`row`), or more work begins beside this one (`begins`)."""

    at_ms: int
    row: Row | None = None
    begins: Work | None = None


Work = Iterator[Step]


@dataclass(slots=True)
class Run:
    """One run: who works, under which name, with which randomness."""

    agent: Agent
    run_id: str
    rng: random.Random
    agent_id: str = ""
    """A sub-agent's own id; empty for the agent itself."""

    def about(self, mean: float, spread: float = 0.35) -> int:
        """A positive integer, log-normal about `mean`."""
        return max(1, round(mean * math.exp(self.rng.gauss(0.0, spread))))

    def pause_ms(self, mean_s: float, spread: float = 0.6) -> int:
        """Milliseconds until the next call."""
        return self.about(mean_s * 1000, spread)

    def print_(self) -> str:
        """A fresh fingerprint."""
        return f"{self.rng.getrandbits(64):016x}"


def row(run: Run, model: Model, tokens_in: int, tokens_out: int, **more: Any) -> Row:
    """One call that went well. `more`: further fields of the contract."""
    agent = run.agent
    made: Row = {
        "tenant_id": TENANT,
        "team_id": agent.team,
        "agent_id": run.agent_id or agent.agent_id,
        "agent_name": agent.name,
        "run_id": run.run_id,
        "provider_name": model.provider,
        "request_model": model.name,
        "operation_name": "chat",
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "status": "ok",
        "http_status": 200,
        "latency_ms": float(180 + tokens_out * 9 + run.rng.randrange(300)),
        "request_fingerprint": run.print_(),
    }
    if run.agent_id:
        made["parent_agent_id"] = agent.agent_id
    if agent.plan_id:
        made["plan_id"] = agent.plan_id
    made.update(more)
    return made


def cached(made: Row, model: Model, known: int) -> Row:
    """Let the first `known` input tokens come from the provider's cache, the rest be written to it."""
    if model.caches and made["input_tokens"] >= 1024:
        read = min(known, made["input_tokens"])
        made["cache_read_input_tokens"] = read
        if model.provider == "anthropic":
            made["cache_write_input_tokens"] = made["input_tokens"] - read
    return made


def attempts(run: Run, at_ms: int, made: Row) -> Generator[Step, None, int]:
    """The call, behind its failed attempts if it has any, each after a longer pause; returns when it was done."""
    before: Row | None = None
    for attempt in range(1, 5):
        fails = attempt < 4 and run.rng.random() < run.agent.failing
        current = dict(made) if fails else made
        current["time"] = at_ms
        if before is not None:
            current["attempt"] = attempt
            current["retry_of"] = before["id"]
        if fails:
            status, http = run.rng.choice((("rate_limited", 429), ("error", 503), ("timeout", 0)))
            current |= {"status": status, "http_status": http, "error_type": status, "output_tokens": 0}
            current.pop("reasoning_output_tokens", None)
        yield Step(at_ms, current)
        if not fails:
            break
        before = current
        at_ms += int(1000 * 2**attempt * run.rng.uniform(0.6, 1.4))
    return at_ms


def work_of(run: Run, at_ms: int) -> Work:
    """One ordinary run of the agent's kind, from `at_ms` on."""
    kind = run.agent.kind
    if kind == "chat":
        return chat(run, at_ms)
    if kind == "coding":
        return coding(run, at_ms)
    if kind == "retrieval":
        return retrieval(run, at_ms)
    if kind == "classifier":
        return single(run, at_ms)
    if kind == "orchestrator":
        return orchestrator(run, at_ms)
    return job(run, at_ms)


def chat(run: Run, at_ms: int) -> Work:
    """A conversation: the history goes along with every turn; a hard one is escalated to the second model."""
    model, context = run.agent.model, run.about(1800, 0.3)
    hard = run.agent.second is not None and run.rng.random() < 0.08
    more: Row = {"conversation_id": run.run_id, "task_class": "standard"}
    for turn in range(run.about(4.5, 0.5)):
        if hard and turn == 2 and run.agent.second is not None:
            more |= {"escalated_from": "mid", "route_reason": "low confidence", "decision": "escalate",
                     "task_class": "complex"}  # fmt: skip
            model = run.agent.second
        made = cached(row(run, model, context, run.about(220), **more), model, context - 500 if turn else 0)
        at_ms = yield from attempts(run, at_ms, made)
        context += made["output_tokens"] + run.about(160)
        at_ms += run.pause_ms(45)


def coding(run: Run, at_ms: int) -> Work:
    """A session with tools: long context that grows with every step, read from the cache, compacted when it is full."""
    model, context, known = run.agent.model, run.about(14_000, 0.25), 0
    growth = run.about(1700, 0.3)
    for _ in range(run.about(62, 0.45)):
        tool = run.rng.choice(("read_file", "edit_file", "bash", "grep", "bash", "edit_file"))
        out = run.about(380, 0.8)
        made = row(run, model, context, out, tool_name=tool, task_class="complex")
        if model.provider == "openai":
            made["reasoning_output_tokens"] = out // 2
        at_ms = yield from attempts(run, at_ms, cached(made, model, known))
        known = context
        context += out + run.about(growth, 0.7)
        if context > model.window:
            context, known = run.about(26_000, 0.2), 0
        at_ms += run.pause_ms(16)


def retrieval(run: Run, at_ms: int) -> Work:
    """A question: embedded, then answered from what was found."""
    if run.agent.second is not None:
        asked = row(run, run.agent.second, run.about(40), 0, operation_name="embeddings", time=at_ms, latency_ms=35.0)
        yield Step(at_ms, asked)
        at_ms += 300 + run.rng.randrange(900)
    yield from attempts(run, at_ms, row(run, run.agent.model, run.about(3800), run.about(170), task_class="routine"))


def single(run: Run, at_ms: int) -> Work:
    """One small call."""
    yield from attempts(run, at_ms, row(run, run.agent.model, run.about(420), run.rng.randrange(3, 12),
                                        task_class="routine"))  # fmt: skip


def job(run: Run, at_ms: int) -> Work:
    """Batch and cron: many alike, one after the other; a batch is rate-limited at first."""
    batch = run.agent.kind == "batch"
    count = run.about(run.agent.a_day, 0.05) if batch else run.about(9, 0.4)
    size = run.about(1500, 0.2)
    for number in range(count):
        made = row(run, run.agent.model, run.about(size, 0.3), run.about(130), task_class="routine")
        if batch and number < 20 and number % 2 == 0:
            limited = {"status": "rate_limited", "http_status": 429, "output_tokens": 0, "time": at_ms}
            yield Step(at_ms, made | limited)
            at_ms += run.pause_ms(2)
        at_ms = yield from attempts(run, at_ms, made)
        at_ms += run.pause_ms(2.2 if batch else 5)


def orchestrator(run: Run, at_ms: int) -> Work:
    """Plans, gives parts to sub-agents that work side by side, reads what they bring."""
    model, context = run.agent.model, run.about(7000, 0.3)
    for turn in range(run.about(7, 0.4)):
        made = row(run, model, context, run.about(600), task_class="complex")
        at_ms = yield from attempts(run, at_ms, made)
        if turn % 3 == 1:
            for number in range(run.about(4, 0.3)):
                role = run.agent.roles[number % len(run.agent.roles)]
                yield Step(at_ms, begins=subagent(run, at_ms + 800, role, made["id"]))
        context += made["output_tokens"] + run.about(2500)
        at_ms += run.pause_ms(50)


def subagent(run: Run, at_ms: int, role: str, parent_call: str, steps: int = 6) -> Work:
    """A helper of an orchestrator: some calls of its own in the same run."""
    own = Run(run.agent, run.run_id, random.Random(run.rng.getrandbits(64)), f"{run.agent.agent_id}/{role}")
    model = run.agent.second or run.agent.model
    context = own.about(4200, 0.3)
    for _ in range(own.about(steps, 0.4)):
        made = row(own, model, context, own.about(260), parent_call_id=parent_call, task_class="standard")
        at_ms = yield from attempts(own, at_ms, made)
        context += made["output_tokens"] + own.about(1300)
        at_ms += own.pause_ms(9)
