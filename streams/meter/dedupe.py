"""Which calls were seen before: exact identities in memory for a window of event time, the ledger beyond it.

A call is the same when (`source`, `id`) is the same; whoever sends it again keeps `id`, `time` and key (contract
law), so a copy falls in the same minute and the same partition, and a window by event time of one partition is
enough.

What is kept is 16 bytes a call: 26 bits of minute and 38 of hash, by which the arrays are sorted, and 64 bits more of
hash. Two different calls of one minute are taken for one with probability 2^-102 a pair: at a million calls a
minute for a century below 10^-13. So a hit needs no confirmation.

The arrays are sorted runs, merged when they come near in size (a log-structured merge): a check is a binary search in
a few runs. When there are more identities than `capacity`, the oldest minutes go, and `is_cold` says which calls can
only be looked up in the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128_digest

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_HASH_BITS = 38
_HASH_MASK = np.uint64((1 << _HASH_BITS) - 1)
_MAX_MINUTE = (1 << 26) - 1  # of the year 2097; later calls share the last minute, which costs speed only
_MERGE_RATIO = 4  # few runs to search (log5 of the window) for about twenty moves of each identity in its life
_KEEP_SHARE = 0.9  # dropping a tenth at a time makes the pass over the window rare


def identities(source: Sequence[str | None], ids: Sequence[str]) -> U64:
    """128-bit hashes of (source, id), shape (n, 2). Column 0 is the ledger's `identity`."""
    joined = b"".join([xxh3_128_digest(f"{s or ''}\0{i}".encode()) for s, i in zip(source, ids, strict=True)])
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2).astype(np.uint64, copy=False)


class IdentityWindow:
    """Identities of one partition's calls, newest minutes first to stay. Not thread-safe."""

    def __init__(self, capacity: int) -> None:
        """`capacity`: most identities kept, 16 bytes each."""
        self._capacity = capacity
        self._runs: list[tuple[U64, U64]] = []
        self._cold_below_minute = 0

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._runs)

    @property
    def cold_below_minute(self) -> int:
        """Minutes since 1970 below which calls are not kept here."""
        return self._cold_below_minute

    def forget_below(self, minute: int) -> None:
        """Declare that calls of minutes below `minute` are not all here: they must be asked of the ledger."""
        self._cold_below_minute = max(self._cold_below_minute, min(minute, _MAX_MINUTE))
        floor = np.uint64(self._cold_below_minute << _HASH_BITS)
        kept: list[tuple[U64, U64]] = []
        for keys, rest in self._runs:
            start = int(np.searchsorted(keys, floor))
            if start < len(keys):
                kept.append((keys[start:].copy(), rest[start:].copy()))
        self._runs = kept

    def is_cold(self, time_ms: I64) -> Mask:
        """Which calls are too old for the window: only the ledger can tell whether they are copies."""
        return np.asarray(_minutes(time_ms) < np.uint64(self._cold_below_minute))

    def admit(self, identity: U64, time_ms: I64) -> Mask:
        """Remember these calls; True where a call is new, False where it was seen, here or earlier in the batch.

        Cold calls are compared within the batch only. `identity`: (n, 2) from `identities`; `time_ms`: epoch ms.
        """
        keys = (_minutes(time_ms) << np.uint64(_HASH_BITS)) | (identity[:, 0] & _HASH_MASK)
        rest = identity[:, 1]
        order = np.lexsort((rest, keys))  # stable: of equal ones the first of the batch stays first
        keys, rest = keys[order], rest[order]
        seen = np.zeros(len(keys), dtype=np.bool_)
        seen[1:] = (keys[1:] == keys[:-1]) & (rest[1:] == rest[:-1])
        for run_keys, run_rest in self._runs:
            _mark_found(run_keys, run_rest, keys, rest, seen)
        new = ~seen
        warm = new & (keys >= np.uint64(self._cold_below_minute << _HASH_BITS))
        if warm.any():
            self._add(keys[warm], rest[warm])
        fresh = np.empty(len(keys), dtype=np.bool_)
        fresh[order] = new
        return fresh

    def _add(self, keys: U64, rest: U64) -> None:
        self._runs.append((keys, rest))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= _MERGE_RATIO * len(self._runs[-1][0]):
            (small, small_rest), (large, large_rest) = self._runs.pop(), self._runs.pop()
            at = np.searchsorted(large, small)
            self._runs.append((np.insert(large, at, small), np.insert(large_rest, at, small_rest)))
        if len(self) > self._capacity:
            self._evict()

    def _evict(self) -> None:
        keep = max(1, int(self._capacity * _KEEP_SHARE))
        everything = np.concatenate([keys for keys, _ in self._runs])
        cut = np.partition(everything, len(everything) - keep)[len(everything) - keep]
        # The whole minute goes: a minute is either all here or cold.
        self.forget_below(int(cut >> np.uint64(_HASH_BITS)) + 1)


def _minutes(time_ms: I64) -> U64:
    # Not np.clip: for integers it costs more than the rest of the check.
    return np.maximum(np.minimum(time_ms // 60_000, _MAX_MINUTE), 0).astype(np.uint64)


def _mark_found(run_keys: U64, run_rest: U64, keys: U64, rest: U64, seen: Mask) -> None:
    """Set `seen` where (key, rest) stands in the run. Both are sorted by key; equal keys stand in any order."""
    low = int(np.searchsorted(keys, run_keys[0]))
    high = int(np.searchsorted(keys, run_keys[-1], side="right"))
    if low == high:  # the usual case of live traffic: the run is of other minutes
        return
    at = np.searchsorted(run_keys, keys[low:high])
    looked = np.arange(low, high)
    while len(looked):
        inside = at < len(run_keys)
        at, looked = at[inside], looked[inside]
        same_key = run_keys[at] == keys[looked]
        at, looked = at[same_key], looked[same_key]
        found = run_rest[at] == rest[looked]
        seen[looked[found]] = True
        # The same 64 bits but another call: look at the next entry. Practically never more than one round.
        at, looked = at[~found] + 1, looked[~found]
