"""Seeded load: single-call records of the full contract, as routers send them, encoded beforehand.

Contract
    - The same `Load` gives the same calls; only their times depend on `start_ms`.
    - One record holds one call with 23 fields, about 570 bytes of JSON; its key is the call's `run_id`.
    - Event time advances at `rate` calls a second, with up to `JITTER_MS` of disorder.
    - Every agent is equally busy, which is the hard case for anything that keeps sums per agent.
    - Ids are unique within a load: no duplicates, no rejects, no call that has no price.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

JITTER_MS = 200
"""Disorder of event times, in milliseconds."""

_CHUNK = 50_000
_DAY_MS = 86_400_000

MODELS: tuple[tuple[str, str, str, str], ...] = (
    ("frontier", "anthropic", "claude-sonnet-4-5", "complex"),
    ("frontier", "openai", "gpt-5", "complex"),
    ("frontier", "google", "gemini-2.5-pro", "complex"),
    ("mid", "anthropic", "claude-haiku-4-5", "standard"),
    ("mid", "openai", "gpt-4.1-mini", "standard"),
    ("mid", "google", "gemini-2.5-flash", "standard"),
    ("oss", "groq", "llama-3.3-70b-versatile", "routine"),
    ("oss", "deepseek", "deepseek-chat", "routine"),
)
"""(tier, provider, model, task class): flat, cached and tiered (gemini-2.5-pro) prices of the book."""

_TOOLS = ("bash", "edit", "read", "search")
_FAULTS = (("error", 529), ("rate_limited", 429), ("timeout", 504))


@dataclass(frozen=True, slots=True)
class Load:
    """What to generate. `rate`: calls a second of event time; `run_calls`: mean calls of a run."""

    calls: int
    agents: int = 1_000
    rate: float = 2_000.0
    run_calls: int = 30
    seed: int = 1


class LoadRecord(NamedTuple):
    """A Kafka record, and the agent that its call is of."""

    key: bytes
    value: bytes
    agent: bytes


def records(load: Load, start_ms: int) -> Iterator[LoadRecord]:
    """All records of a load, in order of publishing. `start_ms`: event time of the first, epoch ms."""
    rng = np.random.default_rng(load.seed)
    fleet = _Fleet(load)
    # Different loads of one ledger never share an id: the seed is part of it.
    source_bits = load.seed & 0xFFF
    for first in range(0, load.calls, _CHUNK):
        count = min(_CHUNK, load.calls - first)
        agents = rng.integers(0, load.agents, count).tolist()
        times = (
            start_ms + ((np.arange(first, first + count)) * 1000.0 / load.rate).astype(np.int64)
            - rng.integers(0, JITTER_MS, count)
        )  # fmt: skip
        stamps = _rfc3339(times)
        noise = rng.integers(0, 1 << 60, count).tolist()
        fingerprints = rng.integers(0, 1 << 62, count).tolist()
        outputs = np.maximum(1, rng.lognormal(5.5, 0.9, count)).astype(np.int64).tolist()
        grows = np.maximum(1, rng.lognormal(6.0, 0.8, count)).astype(np.int64).tolist()
        chances = rng.random(count).tolist()
        for i, (agent, at) in enumerate(zip(agents, times.tolist(), strict=True)):
            run = fleet.run_of(agent)
            cached, context = run.context, run.context + grows[i]
            output = outputs[i]
            if chances[i] < 0.02:
                status, code = _FAULTS[i % 3]
            else:
                status, code = "ok", 200
                run.context = context if context < 150_000 else 8_000
            value = (
                f'{{"id":"{at:012x}7{source_bits:03x}8{noise[i]:015x}","time":"{stamps[i]}",{run.head}'
                f'"input_tokens":{context},"output_tokens":{output},"cache_read_input_tokens":{cached},'
                f'"reasoning_output_tokens":{output // 3},"attempt":1,"status":"{status}","http_status":{code},'
                f'"latency_ms":{300 + output * 11}.5,"time_to_first_token_ms":{180 + output},'
                f'"request_fingerprint":"{fingerprints[i]:016x}","tool_name":"{_TOOLS[i & 3]}"}}'
            )
            yield LoadRecord(run.key, value.encode(), run.agent)


class _Run:
    __slots__ = ("agent", "context", "head", "key", "left")

    def __init__(self, agent: int, number: int, left: int, model: tuple[str, str, str, str], source: str) -> None:
        tier, provider, name, task = model
        run_id = f"run-{agent:06x}-{number:04x}"
        agent_id = f"agent-{agent:06d}"
        self.key = run_id.encode()
        self.agent = agent_id.encode()
        self.left = left
        self.context = 2_000
        self.head = (
            f'"source":"{source}","tenant_id":"tenant-{agent % 7}","team_id":"team-{agent % 50:02d}",'
            f'"agent_id":"{agent_id}","run_id":"{run_id}","operation_name":"chat","provider_name":"{provider}",'
            f'"request_model":"{name}","tier":"{tier}","task_class":"{task}",'
        )


class _Fleet:
    """The agents' current runs; each agent has one at a time."""

    def __init__(self, load: Load) -> None:
        self._rng = random.Random(load.seed)
        self._mean = load.run_calls
        self._runs: dict[int, _Run] = {}
        self._begun: dict[int, int] = {}

    def run_of(self, agent: int) -> _Run:
        run = self._runs.get(agent)
        if run is None or run.left == 0:
            number = self._begun.get(agent, 0)
            self._begun[agent] = number + 1
            left = 1 + int(self._rng.expovariate(1 / self._mean))
            model = MODELS[(agent + self._rng.randrange(3)) % len(MODELS)]
            run = self._runs[agent] = _Run(agent, number, left, model, f"router-{agent % 4}")
        run.left -= 1
        return run


def _rfc3339(times_ms: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    return [f"{text}Z" for text in np.datetime_as_string(times_ms.astype("datetime64[ms]")).tolist()]


def start_for(load: Load, now_ms: int) -> int:
    """A start such that the load's last call is not in the future, and all lie within the same few hours."""
    return now_ms - int(load.calls * 1000 / load.rate) % _DAY_MS - 1000
