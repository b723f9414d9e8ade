"""Normal calls: what a run of each kind looks like, its errors and retries included.

A row is a contract call as a dict, without `id` (given in time order by `streams.simulate.world`), with the extra key
`_label` where the call belongs to a runaway. Times are integer epoch milliseconds. Fingerprints are short strings
that mean nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from streams.simulate.fleet import HOUR_MS, MODELS, WINDOW_TOKENS, Agent

Row = dict[str, Any]
Faulty = Callable[[str, int], float]
"""(provider, time in ms) -> added probability that a call fails; an outage in progress."""


def quantity(rng: random.Random, mean: float, spread: float = 0.35) -> int:
    """A positive integer, log-normal about `mean`."""
    return max(1, int(mean * math.exp(rng.gauss(0.0, spread))))


def fingerprint(rng: random.Random) -> str:
    """A fresh fingerprint."""
    return f"{rng.getrandbits(48):012x}"


def call(
    rng: random.Random,
    agent: Agent,
    at: int,
    run: str | None,
    tokens_in: int,
    tokens_out: int,
    print_: str | None = None,
    *,
    model: str | None = None,
) -> Row:
    """One successful call of `agent`."""
    name = model or agent.model
    tier, provider, _, _ = MODELS[name]
    row: Row = {
        "time": at,
        "source": "simulator",
        "agent_id": agent.name,
        "request_model": name,
        "provider_name": provider,
        "tier": tier,
        "input_tokens": min(tokens_in, WINDOW_TOKENS),
        "output_tokens": tokens_out,
        "status": "ok",
        "request_fingerprint": print_ if print_ is not None else fingerprint(rng),
        "latency_ms": float(200 + tokens_out * 12 + rng.randrange(400)),
    }
    if run is not None:
        row["run_id"] = run
    return row


def with_retries(rng: random.Random, agent: Agent, row: Row, faulty: Faulty, rate: float | None = None) -> list[Row]:
    """The call preceded by its failed attempts, if it has any; after as many as its client makes it gives up."""
    base = agent.error_rate if rate is None else rate
    rows: list[Row] = []
    at = int(row["time"])
    for attempt in range(1, agent.attempts + 1):
        current = dict(row)
        current["time"] = at
        if attempt > 1:
            current["attempt"] = attempt
        if rng.random() >= base + faulty(agent.provider, at):
            rows.append(current)
            return rows
        current["status"] = rng.choice(("error", "timeout", "rate_limited"))
        current["output_tokens"] = 0
        rows.append(current)
        at += int(1000 * (2 ** (attempt - 1)) * rng.uniform(0.6, 1.4))
    return rows


def one_run(
    rng: random.Random,
    agent: Agent,
    start: int,
    run: str | None,
    faulty: Faulty,
    *,
    scale: float = 1.0,
    model: str | None = None,
) -> list[Row]:
    """One ordinary run; `scale` multiplies its inputs (a deploy with a longer prompt)."""
    if agent.kind in ("coding", "chat", "flaky", "research", "orchestrator"):
        return _conversation(rng, agent, start, run, faulty, scale, model)
    if agent.kind == "batch":
        return _batch(rng, agent, start, run, faulty, scale, model)
    tokens_in = int(quantity(rng, agent.base_input, 0.25) * scale)
    # a service sees popular questions again: one call in ten repeats one of forty prompts
    print_ = f"pop-{agent.name}-{rng.randrange(40)}" if rng.random() < 0.1 else None
    tokens_out = agent.base_output if agent.kind == "classifier" else quantity(rng, agent.base_output)
    return with_retries(rng, agent, call(rng, agent, start, run, tokens_in, tokens_out, print_, model=model), faulty)


def _conversation(
    rng: random.Random, agent: Agent, start: int, run: str | None, faulty: Faulty, scale: float, model: str | None
) -> list[Row]:
    rows: list[Row] = []
    steps = max(1, quantity(rng, agent.steps, 0.6))
    at, context = start, quantity(rng, agent.base_input, 0.2) * scale
    recent: list[str] = []
    window = rng.choice((100_000, 160_000, 180_000))
    spawn_at = rng.randrange(steps) if agent.fan_out and steps > 2 else -1
    for step in range(steps):
        # an agent runs its tests again after each edit: one action in eight is one it took before
        again = recent and rng.random() < (0.13 if agent.kind == "coding" else 0.04)
        print_ = rng.choice(recent[-6:]) if again else fingerprint(rng)
        recent.append(print_)
        row = call(rng, agent, at, run, int(context), quantity(rng, agent.base_output, 0.8), print_, model=model)
        made = with_retries(rng, agent, row, faulty)
        rows.extend(made)
        at = int(made[-1]["time"]) + quantity(rng, agent.gap_s * 1000, 0.7)
        context += quantity(rng, agent.growth * scale, 0.9) if agent.growth else 0
        if rng.random() < 0.01 and agent.kind == "coding":
            context += rng.uniform(5_000, 40_000)  # a big file is read
        if context > window:
            context = quantity(rng, agent.base_input * 2.5 * scale, 0.2)  # compaction
        if step == spawn_at:
            rows.extend(children(rng, agent, at, run, quantity(rng, agent.fan_out, 0.25), faulty))
    return rows


def children(
    rng: random.Random,
    agent: Agent,
    start: int,
    run: str | None,
    count: int,
    faulty: Faulty,
    *,
    spread_s: float = 60.0,
    steps: int = 3,
    depth: int = 1,
    parent: str | None = None,
) -> list[Row]:
    """The calls of `count` sub-agents of `agent`, spawned over `spread_s` seconds."""
    rows: list[Row] = []
    for number in range(count):
        name = f"{parent or agent.name}/{rng.getrandbits(32):08x}.{number}"
        at = start + int(rng.random() * spread_s * 1000)
        context = quantity(rng, max(1500, agent.base_input * 0.4), 0.3)
        for _ in range(quantity(rng, steps, 0.4)):
            row = call(rng, agent, at, run, context, quantity(rng, 250, 0.6))
            row["agent_id"] = name
            row["parent_agent_id"] = parent or agent.name
            rows.extend(with_retries(rng, agent, row, faulty))
            at += quantity(rng, 6000, 0.6)
            context += quantity(rng, 600)
    return rows


def _batch(
    rng: random.Random, agent: Agent, start: int, run: str | None, faulty: Faulty, scale: float, model: str | None
) -> list[Row]:
    """A batch starts wide, is rate-limited at first, then runs through."""
    rows: list[Row] = []
    at = start
    for number in range(quantity(rng, agent.steps, 0.15)):
        row = call(
            rng,
            agent,
            at,
            run,
            int(quantity(rng, agent.base_input, 0.5) * scale),
            quantity(rng, agent.base_output, 0.5),
            model=model,
        )
        limited = 0.55 if number < 25 else agent.error_rate
        rows.extend(with_retries(rng, agent, row, faulty, rate=limited))
        at += quantity(rng, agent.gap_s * 1000, 0.5)
    return rows


def polls(rng: random.Random, agent: Agent, start: int, end: int) -> list[Row]:
    """The same prompt at a steady beat."""
    rows: list[Row] = []
    at = start + int(rng.random() * agent.period_s * 1000)
    while at < end:
        rows.append(
            call(rng, agent, at, None, agent.base_input, quantity(rng, agent.base_output, 0.1), f"poll-{agent.name}")
        )
        at += int(agent.period_s * 1000 * rng.uniform(0.985, 1.015))
    return rows


def hour_weight(agent: Agent, at: int) -> float:
    """Relative activity at an hour of the day; mean about 1."""
    depth = 0.6 if agent.kind in ("service", "classifier") else 0.95
    hour = (at % (24 * HOUR_MS)) / HOUR_MS
    return 1.0 + depth * math.cos((hour - agent.peak_hour) / 24 * 2 * math.pi)
