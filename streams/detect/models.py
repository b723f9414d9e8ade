"""What is learned, per agent and for the fleet; the detector's only module that imports river.

Contract: pure state, no clock; pickles resume bit-identically. Levels are in bits (log2 of one plus the hour's
maximum), so a standard deviation of one is a doubling.
"""

from __future__ import annotations

import math
from typing import Any

from river import anomaly, stats

from streams.detect.config import DetectConfig


class Baseline:
    """One signal of one agent: exponentially weighted mean and variance of its hourly maxima, and its own record."""

    __slots__ = ("frozen", "mean", "n", "record", "var")

    def __init__(self, fade: float) -> None:
        self.n = 0
        self.mean: Any = stats.EWMean(fade)
        self.var: Any = stats.EWVar(fade)
        self.record = 0.0  # bits
        self.frozen = 0

    def learn(self, bits: float, config: DetectConfig) -> None:
        """Take one active hour's maximum in."""
        self.n += 1
        self.mean.update(bits)
        self.var.update(bits)
        # decay acts on the level, not on its logarithm
        self.record = max(bits, self.record + math.log2(config.record_decay) if self.record > 0 else 0.0)

    def limit(self, prior: Baseline, config: DetectConfig) -> float:
        """The level in bits at `z_limit`, blended with the fleet's prior by exp(-n / 4)."""
        weight = math.exp(-self.n / 4.0)
        own, fleet = _level(self, config), _level(prior, config)
        return weight * fleet + (1.0 - weight) * own

    def z(self, bits: float, config: DetectConfig) -> float:
        """Own standard deviations above the own mean; 0 without history."""
        if not self.n:
            return 0.0
        sd = max(math.sqrt(max(float(self.var.get() or 0.0), 0.0)), config.sd_floor)
        return float((bits - float(self.mean.get())) / sd)


def _level(base: Baseline, config: DetectConfig) -> float:
    if not base.n:
        return 0.0
    sd = max(math.sqrt(max(float(base.var.get() or 0.0), 0.0)), config.sd_floor)
    return float(base.mean.get()) + config.z_limit * sd


class Net:
    """One global half-space-trees model over calibrated levels: notices what no rule names. Writes tickets only.

    Ten trees of height six over windows of 128: 20 us a score, but it sees a block an hour and agent, never every call.
    """

    __slots__ = ("learned", "model", "top")

    WINDOW = 128
    WARM = 4 * WINDOW

    def __init__(self) -> None:
        self.model: Any = anomaly.HalfSpaceTrees(n_trees=10, height=6, window_size=self.WINDOW, seed=4)
        self.top: Any = stats.Quantile(0.999)
        self.learned = 0

    def score(self, zs: dict[str, float]) -> tuple[float, bool]:
        """(score in 0..1, ready): not ready until four windows are full; HST says 0 before its first."""
        ready = self.learned >= self.WARM
        return (float(self.model.score_one(_squash(zs))) if ready else 0.0), ready

    def limit(self) -> float:
        """The 99.9th percentile of what was scored so far."""
        return float(self.top.get() or 1.0)

    def learn(self, zs: dict[str, float], score: float, ready: bool) -> None:
        """Learn one hour of one agent."""
        self.model.learn_one(_squash(zs))
        self.learned += 1
        if ready:
            self.top.update(score)


def _squash(zs: dict[str, float]) -> dict[str, float]:
    """z of -4..12 to 0..1: the trees want their features there."""
    return {name: min(max((z + 4.0) / 16.0, 0.0), 1.0) for name, z in zs.items()}
