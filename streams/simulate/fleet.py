"""The fleet that the simulator runs: nine kinds of agents, their models and their habits.

Contract: everything here is a pure function of a `random.Random`; nothing reads a clock. The habits are drawn to
resemble the recorded sets (input growth of coding agents, fan-out, calls per run), not to suit a detector.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EPOCH_MS = 1_772_409_600_000  # 2026-03-02T00:00:00Z, a Monday

# (tier, provider, model, USD per million input / output tokens); list prices of early 2026, rounded.
MODELS: dict[str, tuple[str, str, float, float]] = {
    "gpt-4o-mini": ("oss", "openai", 0.15, 0.60),
    "claude-haiku-4-5": ("mid", "anthropic", 1.0, 5.0),
    "gemini-2.5-flash": ("mid", "google", 0.30, 2.50),
    "gpt-4o": ("mid", "openai", 2.5, 10.0),
    "claude-sonnet-4-5": ("frontier", "anthropic", 3.0, 15.0),
    "gemini-2.5-pro": ("frontier", "google", 1.25, 10.0),
    "gpt-5": ("frontier", "openai", 1.25, 10.0),
}

WINDOW_TOKENS = 200_000

# kind -> share of the fleet; the nine kinds of the trial.
SHARES: dict[str, float] = {
    "chat": 0.24,
    "coding": 0.20,
    "service": 0.09,
    "batch": 0.08,
    "poller": 0.09,
    "orchestrator": 0.08,
    "research": 0.08,
    "flaky": 0.06,
    "classifier": 0.08,
}

_MODELS_OF: dict[str, tuple[str, ...]] = {
    "chat": ("gpt-4o", "claude-haiku-4-5", "gemini-2.5-flash"),
    "coding": ("claude-sonnet-4-5", "gpt-5", "gemini-2.5-pro"),
    "service": ("gpt-4o-mini", "gemini-2.5-flash"),
    "batch": ("gpt-4o-mini", "gpt-4o", "claude-haiku-4-5"),
    "poller": ("gpt-4o-mini", "claude-haiku-4-5"),
    "orchestrator": ("claude-sonnet-4-5", "gpt-5"),
    "research": ("gemini-2.5-pro", "claude-sonnet-4-5", "gpt-5"),
    "flaky": ("gpt-4o", "gemini-2.5-flash"),
    "classifier": ("gpt-4o-mini", "gemini-2.5-flash"),
}

_RUNS_A_DAY: dict[str, tuple[float, float]] = {
    "chat": (15, 90),
    "coding": (3, 12),
    "service": (250, 1200),
    "batch": (1, 1),
    "poller": (1, 1),
    "orchestrator": (4, 14),
    "research": (4, 12),
    "flaky": (15, 60),
    "classifier": (200, 900),
}


@dataclass(frozen=True, slots=True)
class Agent:
    """One root agent and its habits; `born_ms` and `gone_ms` bound its life."""

    name: str
    kind: str
    model: str
    runs_a_day: float
    base_input: int
    base_output: int
    growth: float  # tokens added a step, for kinds whose context grows
    steps: float  # mean calls a run
    error_rate: float
    has_runs: bool
    gap_s: float  # mean seconds between the calls of a run
    peak_hour: int
    fan_out: int
    period_s: float  # pollers: seconds between polls
    attempts: int  # its client gives up after so many
    born_ms: int

    @property
    def provider(self) -> str:
        """The provider of its model."""
        return MODELS[self.model][1]

    @property
    def dollars_a_day(self) -> float:
        """Roughly what it spends on an ordinary day."""
        _, _, price_in, price_out = MODELS[self.model]
        mean_input = min(self.base_input + self.growth * self.steps / 2, WINDOW_TOKENS)
        return self.runs_a_day * self.steps * (mean_input * price_in + self.base_output * price_out) / 1e6


def _log_uniform(rng: random.Random, low: float, high: float) -> float:
    return low * math.exp(math.log(high / low) * rng.random())


def make_agent(rng: random.Random, number: int, kind: str, born_ms: int) -> Agent:
    """Draw the habits of one agent of `kind` that makes its first call after `born_ms`."""
    runs = _log_uniform(rng, *_RUNS_A_DAY[kind])
    base, out, growth, steps, gap, fan = 1500, 200, 0.0, 1.0, 4.0, 0
    if kind == "chat":
        base, out, growth, steps, gap = int(_log_uniform(rng, 400, 4000)), 180, 350.0, rng.uniform(3, 9), 20.0
    elif kind == "coding":
        base, out, growth = int(_log_uniform(rng, 4000, 20000)), 350, _log_uniform(rng, 500, 2500)
        steps, gap = _log_uniform(rng, 20, 110), _log_uniform(rng, 4, 14)
    elif kind == "service":
        base, out = int(_log_uniform(rng, 500, 6000)), int(_log_uniform(rng, 40, 400))
    elif kind == "batch":
        base, out, steps, gap = int(_log_uniform(rng, 600, 8000)), 300, _log_uniform(rng, 150, 700), 0.6
    elif kind == "poller":
        base, out = int(_log_uniform(rng, 300, 3000)), 30
    elif kind == "orchestrator":
        base, out, growth, steps, gap = 6000, 500, 900.0, rng.uniform(8, 25), 8.0
        fan = int(_log_uniform(rng, 4, 45))
    elif kind == "research":
        base, out, growth, steps, gap, fan = 5000, 600, 2500.0, rng.uniform(10, 35), 12.0, rng.choice((0, 0, 3, 6, 10))
    elif kind == "flaky":
        base, out, growth, steps = 2500, 250, 200.0, rng.uniform(4, 12)
    elif kind == "classifier":
        base, out = int(_log_uniform(rng, 200, 900)), 4
    return Agent(
        name=f"{kind}-{number:03d}",
        kind=kind,
        model=rng.choice(_MODELS_OF[kind]),
        runs_a_day=runs,
        base_input=base,
        base_output=out,
        growth=growth,
        steps=steps,
        error_rate=rng.uniform(0.08, 0.25) if kind == "flaky" else rng.uniform(0.001, 0.02),
        has_runs=kind not in ("service", "poller", "classifier") and not (kind == "chat" and rng.random() < 0.3),
        gap_s=gap,
        peak_hour=rng.randrange(9, 20),
        fan_out=fan,
        period_s=_log_uniform(rng, 45, 400),
        attempts=rng.choice((3, 4, 4, 5, 6)),
        born_ms=born_ms,
    )


def kinds_of(rng: random.Random, count: int) -> list[str]:
    """`count` kinds in the shares of `SHARES`, shuffled."""
    kinds: list[str] = []
    for kind, share in SHARES.items():
        kinds.extend([kind] * round(share * count))
    while len(kinds) < count:
        kinds.append("chat")
    rng.shuffle(kinds)
    return kinds[:count]
