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
"""On records that a meter sent on, with the number of partitions by which it did (in ASCII digits): they are counted
where they arrive, so that none travels twice. Under another number they are looked at again."""


def moved_header(partitions: int) -> tuple[str, bytes]:
    """The header of a record that is sent on among so many partitions."""
    return MOVED_HEADER, b"%d" % partitions


def key_of(run_id: str | None, agent_id: str) -> str:
    """A call's key: its root run's, so that sub-agents stay together, else its agent's."""
    return run_id or agent_id


def murmur2(keys: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """Kafka's murmur2 of many keys at once (the algorithm of `org.apache.kafka.common.utils.Utils.murmur2`).

    Keys of one length are hashed together, four bytes of all of them at a time. In plain Python a key costs ten
    microseconds, and a cache of a hundred thousand keys one; here it is a quarter.
    """
    hashes = np.empty(len(keys), dtype=np.uint32)
    lengths = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    ends = np.cumsum(lengths)
    everything = np.frombuffer(b"".join(keys), dtype=np.uint8)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        rows = everything[(ends[places] - length)[:, None] + np.arange(length)]
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

    def partition(self, key: str) -> int:
        """The partition of one key."""
        return int(self.partition_of_each([key])[0])

    def partition_of_each(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """The partitions of many keys."""
        hashes = murmur2([key.encode() for key in keys]) & np.uint32(0x7FFFFFFF)
        return (hashes % np.uint32(self.partitions)).astype(np.int64)

    def misplaced(self, keys: Sequence[str], partition: int, allowed: Iterable[bool]) -> npt.NDArray[np.bool_]:
        """Which calls do not belong to `partition`; never those that are `allowed` to be there."""
        wrong = self.partition_of_each(keys) != partition
        if wrong.any():
            wrong &= ~np.fromiter(allowed, dtype=np.bool_, count=len(keys))
        return np.asarray(wrong)
