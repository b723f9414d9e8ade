"""What is remembered of a root agent, a run and a sub-agent, and how a root agent's hours are learned.

One `Root` object holds everything of one root agent (habits, runs, sub-agents, incidents), so that it can be pickled
and moved alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streams.detect.config import DetectConfig
from streams.detect.models import Baseline

if TYPE_CHECKING:
    from streams.detect.incident import Incident

# positions in Root.peak / Root.base / Root.limit
REPEAT, COUNT, SHAPE, ERROR, KIDS, CONTEXT, BURN, SPEND10, SPEND60, RUN_COST, SLOPE, FULL, SPEND360 = range(13)
NAMES = (
    "repeat",
    "count",
    "shape",
    "error",
    "kids",
    "context",
    "burn",
    "spend10",
    "spend60",
    "run_cost",
    "slope",
    "full",
    "spend360",
)
SIGNALS = len(NAMES)
_ZERO = (0.0,) * SIGNALS


class Root:
    """A root agent: an agent that no other agent called for."""

    __slots__ = (
        "base",
        "beat",
        "block",
        "blocks",
        "calls",
        "cost",
        "errors",
        "failing",
        "first_ms",
        "frozen",
        "gap_ms",
        "incident",
        "key",
        "last_ms",
        "limit",
        "peak",
        "record",
        "runs",
        "spend10",
        "spend60",
        "spend360",
        "spend_first",
        "spend_ms",
        "watched",
    )

    def __init__(self, key: str, at: int) -> None:
        self.key = key
        self.first_ms = at
        self.last_ms = at
        self.calls = 0
        self.cost = 0
        self.block = at // 3_600_000
        self.blocks = 0  # active hours learned
        self.peak: list[float] = list(_ZERO)
        self.base: list[Baseline] | None = None
        self.limit: tuple[float, ...] = _ZERO  # levels (not bits) at z_limit
        self.record: tuple[float, ...] = _ZERO  # levels (not bits), own record
        self.frozen = False  # an incident was open in this block
        self.errors = 0.0  # own failure rate, slow
        self.failing = 0.0  # own failure rate, fast
        self.gap_ms = 0.0  # longest usual silence
        self.beat = 0
        self.watched = False
        self.spend10 = 0.0
        self.spend60 = 0.0
        self.spend360 = 0.0
        self.spend_ms = at
        self.spend_first: tuple[str, int, int, int] | None = None
        self.runs: dict[str, Run] = {}
        self.incident: Incident | None = None

    def ready(self, config: DetectConfig) -> bool:
        """Whether its own history may speak."""
        return self.blocks >= config.ready_blocks

    def close_block(self, prior: list[Baseline], config: DetectConfig) -> dict[str, float]:
        """Learn the hour that ended; gives each signal's z (before learning it). Nothing abnormal is learned."""
        if self.base is None:
            self.base = [Baseline(config.fade) for _ in range(SIGNALS)]
        zs: dict[str, float] = {}
        limits: list[float] = []
        records: list[float] = []
        for number, base in enumerate(self.base):
            bits = math.log2(1.0 + self.peak[number])
            zs[NAMES[number]] = base.z(bits, config)
            limit = base.limit(prior[number], config)
            cold = base.n < config.ready_blocks
            if (self.frozen or (bits > limit and not cold)) and base.frozen < config.thaw_blocks:
                base.frozen += 1
            else:
                base.frozen = 0
                base.learn(min(bits, limit) if cold and limit > 0 and self.blocks else bits, config)
                if self.blocks < 8:
                    prior[number].learn(bits, config)
            limits.append(2.0 ** base.limit(prior[number], config) - 1.0)
            records.append(2.0**base.record - 1.0)
        self.limit, self.record = tuple(limits), tuple(records)
        if not self.frozen:
            self.blocks += 1
        self.frozen = self.incident is not None
        self.peak = list(_ZERO)
        return zs


class Run:
    """One root run, or all calls of a root agent that does not tell its runs apart (`run_id` None)."""

    __slots__ = (
        "beyond",
        "calls",
        "chain",
        "chain_print",
        "climb",
        "closed",
        "cost",
        "count_first",
        "counts",
        "cusum",
        "deepest",
        "failed_row",
        "fan_first",
        "first_ms",
        "gap",
        "incident",
        "key",
        "kids",
        "kids_ms",
        "last_failed",
        "last_ms",
        "last_out",
        "last_print",
        "lone_kids",
        "loop_first",
        "loop_ms",
        "looped",
        "members",
        "owner",
        "position",
        "root",
        "run_id",
        "seen",
        "shape_first",
        "shape_in",
        "shape_model",
        "steady",
        "storm_first",
        "streak",
    )

    def __init__(self, key: str, run_id: str | None, root: Root, owner: str, at: int) -> None:
        self.key = key
        self.run_id = run_id
        self.root = root
        self.owner = owner
        self.first_ms = at
        self.last_ms = at
        self.calls = 0
        self.cost = 0
        self.incident: Incident | None = None
        self.closed: Incident | None = None
        # loop
        self.position = 0
        self.seen: dict[str, int] | None = None
        self.looped: set[str] = set()
        self.beyond = 0.0
        self.loop_first: Mark | None = None
        self.last_print: str | None = None
        self.loop_ms = 0
        self.gap = 0.0
        self.steady = 0
        self.counts: dict[str, list[float]] | None = None
        self.count_first: Mark | None = None
        # shape
        self.streak = 0
        self.last_out = -1
        self.shape_in = 0
        self.shape_model = ""
        self.shape_first: Mark | None = None
        # storm
        self.cusum = 0.0
        self.chain = 0
        self.chain_print: str | None = None
        self.failed_row = 0
        self.last_failed = False
        self.storm_first: Mark | None = None
        # fan-out
        self.members: dict[str, Member] | None = None
        self.kids = 0.0
        self.kids_ms = at
        self.lone_kids = 0
        self.deepest = 0
        self.fan_first: Mark | None = None
        # context of the owner
        self.climb: Climb | None = None

    def calm(self) -> None:
        """Start the rules afresh: what they hold belongs to an incident that is over."""
        self.beyond, self.loop_first = 0.0, None
        self.looped.clear()
        self.counts, self.count_first = None, None
        self.streak, self.shape_first = 0, None
        self.cusum, self.storm_first, self.chain, self.failed_row = 0.0, None, 0, 0
        self.kids, self.fan_first, self.lone_kids, self.deepest = 0.0, None, 0, 0
        self.climb = None

    def mark(self, call_id: str, at: int, cost: int) -> Mark:
        """Remember this call (already counted in `calls` and `cost`) as a first abnormal one."""
        return (call_id, at, self.calls - 1, self.cost - cost)


Mark = tuple[str, int, int, int]
"""(call id, time, calls before it, cost before it): the totals since it are differences."""


class Member:
    """A sub-agent of a run."""

    __slots__ = ("climb", "depth", "last_ms")

    def __init__(self, depth: int, at: int) -> None:
        self.depth = depth
        self.last_ms = at
        self.climb: Climb | None = None


class Climb:
    """The context of one conversation since its last drop of 20 % or more."""

    __slots__ = ("burn", "first", "foreign", "full", "full_first", "full_from", "low", "prev", "steps")

    def __init__(self, tokens: int, first: Mark) -> None:
        self.reset(tokens, first)

    def reset(self, tokens: int, first: Mark) -> None:
        """Begin anew at a context of `tokens`."""
        self.low = tokens
        self.prev = tokens
        self.steps = 0
        self.burn = 0
        self.foreign = 0
        self.first = first
        self.full = 0  # calls that stay at one size near the top
        self.full_from = tokens
        self.full_first = first
