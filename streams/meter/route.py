"""Which partition a key belongs to, as Kafka's own clients compute it (murmur2, `org.apache.kafka...Utils.murmur2`).

A record that its router keyed otherwise (no key, another partitioner, several runs in one record) arrives in a
partition that is not its run's. The meter sends such calls on to their own, because duplicates, loops and retries
can only be seen where all calls of a run come together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from aiokafka.partitioner import murmur2

MOVED_HEADER = "spendstream-moved"
"""On records that a meter sent on: they are counted where they arrive, so that none travels twice."""

_CACHE_KEYS = 1_000_000  # about 100 MB at worst; cleared as a whole, a key costs a few microseconds to compute again


def key_of(run_id: str | None, agent_id: str) -> str:
    """A call's key: its root run's, so that sub-agents stay together, else its agent's."""
    return run_id or agent_id


class Router:
    """Partitions of keys for a topic with `partitions` partitions."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._known: dict[str, int] = {}

    def partition(self, key: str) -> int:
        """The partition of one key."""
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CACHE_KEYS:
                self._known.clear()
            found = self._known[key] = self._compute(key)
        return found

    def _compute(self, key: str) -> int:
        return int((murmur2(key.encode()) & 0x7FFFFFFF) % self.partitions)

    def partition_of_each(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """The partitions of many keys."""
        known = self._known
        if len(known) + len(keys) > _CACHE_KEYS:
            known.clear()
        for key in set(keys).difference(known):
            known[key] = self._compute(key)  # never cleared on the way: the batch needs all of its own
        return np.fromiter(map(known.__getitem__, keys), dtype=np.int64, count=len(keys))

    def misplaced(self, keys: Sequence[str], partition: int, allowed: Iterable[bool]) -> npt.NDArray[np.bool_]:
        """Which calls do not belong to `partition`; never those that are `allowed` to be there."""
        wrong = self.partition_of_each(keys) != partition
        if wrong.any():
            wrong &= ~np.fromiter(allowed, dtype=np.bool_, count=len(keys))
        return np.asarray(wrong)
