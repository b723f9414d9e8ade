"""Requests a second of one address: a bucket that holds two seconds' worth and fills again all the time."""

from __future__ import annotations

from collections import OrderedDict

ADDRESSES = 4096
"""Addresses remembered, 100 bytes each; the one not seen for longest is forgotten, and begins with a full bucket."""

BURST_S = 2.0


class Rate:
    """`take` says whether an address may ask now. Not thread-safe; `now_s` is monotonic seconds."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now_s: float) -> float:
        """0 when it may; else the seconds after which it may ask again."""
        left, at = self._buckets.pop(address, (self._most, now_s))
        left = min(self._most, left + max(0.0, now_s - at) * self._per_second)
        allowed = left >= 1.0
        self._buckets[address] = (left - 1.0 if allowed else left, now_s)
        if len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_second
