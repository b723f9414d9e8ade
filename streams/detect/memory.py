"""What a detector remembers, and how that is kept: one partition's agents, runs, incidents, and the fleet's figures.

The names of these fields are the format of a state (`state`, `streams.detect.parts`): a field that is renamed or added
is another version.
"""

from __future__ import annotations

import pickle
from typing import Any, Self

from streams.detect import storm
from streams.detect.bomb import Births
from streams.detect.book import Book
from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.family import Families
from streams.detect.habit import SIGNALS
from streams.detect.incident import Incident
from streams.detect.models import Baseline, Net
from streams.detect.order import Orderer
from streams.detect.series import SeriesScorer
from streams.detect.signal import Signal


class Memory:
    """See the module."""

    def __init__(self, config: DetectConfig | None = None) -> None:
        self.config = config or DetectConfig()
        self.order: Orderer[Seen] = Orderer(self.config.disorder_ms)
        self.families = Families(self.config)
        self.book = Book(self.config, self.families.touched)
        self.providers: dict[str, storm.Provider] = {}
        self.births = Births()
        self.bomb: Incident | None = None
        self.prior = [Baseline(0.02) for _ in range(SIGNALS)]
        self.net = Net()
        self.clock = -(2**62)
        self.minute = -(2**62)
        self.hour = -(2**62)
        self.seen = 0
        self.bill = SeriesScorer()
        self.spent = 0
        self._deadlines: list[tuple[int, str]] = []
        self._signals: list[Signal] = []

    def state(self) -> bytes:
        """Everything, such that `restore` goes on bit-identically."""
        kept: dict[str, Any] = {name: value for name, value in self.__dict__.items() if name != "config"}
        return pickle.dumps((1, self.config, kept), protocol=5)

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """A detector that goes on where `state` was taken. The bytes must come from `state` (they are a pickle: trust
        their source).
        """
        version, config, kept = pickle.loads(state)
        if version != 1:
            raise ValueError(f"detector state of version {version} cannot be read by version 1")
        detector = cls(config)
        detector.__dict__.update(kept)
        return detector
