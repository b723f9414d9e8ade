"""Which partition a key belongs to, as Kafka's own clients compute it (murmur2, `org.apache.kafka...Utils.murmur2`).

A record that its router keyed otherwise (no key, another partitioner, several runs in one record) arrives in a
partition that is not its run's. The meter sends such calls on to their own, because duplicates, loops and retries
can only be seen where all calls of a run come together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

MOVED_HEADER = "spendstream-moved"
"""On records that a meter sent on: they are counted where they arrive, so that none travels twice."""

_CACHE_KEYS = 1_000_000  # about 100 MB at worst; cleared as a whole, a key costs a few microseconds to compute again


def key_of(run_id: str | None, agent_id: str) -> str:
    """A call's key: its root run's, so that sub-agents stay together, else its agent's."""
    return run_id or agent_id


def murmur2(keys: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Kafka's murmur2 of many keys at once (the algorithm of `org.apache.kafka.common.utils.Utils.murmur2`).

    Keys of one length are hashed together, four bytes of all of them at a time: a key costs a tenth of a microsecond,
    in plain Python it costs ten.
    """
    hashes = np.empty(len(keys), dtype=np.uint32)
    by_length: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        by_length.setdefault(len(key), []).append(place)
    for length, places in by_length.items():
        rows = np.frombuffer(b"".join([keys[place] for place in places]), dtype=np.uint8).reshape(len(places), length)
        hashes[places] = _murmur2_of_one_length(rows, length)
    return hashes


def _murmur2_of_one_length(rows: npt.NDArray[np.uint8], length: int) -> npt.NDArray[np.uint32]:
    multiplier = np.uint32(0x5BD1E995)
    h = np.full(len(rows), np.uint32(0x9747B28C ^ length), dtype=np.uint32)
    whole = length // 4 * 4
    words = np.ascontiguousarray(rows[:, :whole]).view("<u4")
    for column in range(whole // 4):
        k = words[:, column] * multiplier
        k ^= k >> np.uint32(24)
        h = (h * multiplier) ^ (k * multiplier)
    if length > whole:
        for place in range(length - 1, whole - 1, -1):
            h ^= rows[:, place].astype(np.uint32) << np.uint32(8 * (place - whole))
        h *= multiplier
    h ^= h >> np.uint32(13)
    h *= multiplier
    h ^= h >> np.uint32(15)
    return h


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
            found = self._known[key] = int(self._compute([key])[0])
        return found

    def _compute(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        hashes = murmur2([key.encode() for key in keys]) & np.uint32(0x7FFFFFFF)
        return (hashes % np.uint32(self.partitions)).astype(np.int64)

    def partition_of_each(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """The partitions of many keys."""
        known = self._known
        if len(known) + len(keys) > _CACHE_KEYS:
            known.clear()
        found = list(map(known.get, keys))
        if None in found:  # the cache is never cleared on the way: the batch needs all of its own
            new = list({key for key, partition in zip(keys, found, strict=True) if partition is None})
            known.update(zip(new, self._compute(new).tolist(), strict=True))
            found = list(map(known.get, keys))
        return np.array(found, dtype=np.int64)

    def misplaced(self, keys: Sequence[str], partition: int, allowed: Iterable[bool]) -> npt.NDArray[np.bool_]:
        """Which calls do not belong to `partition`; never those that are `allowed` to be there."""
        wrong = self.partition_of_each(keys) != partition
        if wrong.any():
            wrong &= ~np.fromiter(allowed, dtype=np.bool_, count=len(keys))
        return np.asarray(wrong)
