"""A token bucket: at most `rate` calls a minute, spread out. Time is passed in; safe for several threads."""

from __future__ import annotations

import threading
from typing import Final

BURST_S: Final = 10.0
"""A bucket holds what ten seconds let through, and one call at least: a throttle of 6 a minute lets 1 go every 10 s."""


class Bucket:
    """See the module. Begins full."""

    __slots__ = ("_at", "_level", "_lock", "_most", "_per_s", "rate_per_minute")

    def __init__(self, rate_per_minute: float, now_s: float) -> None:
        if not rate_per_minute > 0:
            raise ValueError("a rate is above nothing")
        self.rate_per_minute = rate_per_minute
        self._per_s = rate_per_minute / 60.0
        self._most = max(1.0, self._per_s * BURST_S)
        self._level = self._most
        self._at = now_s
        self._lock = threading.Lock()

    def take(self, now_s: float) -> float:
        """0.0 when the call may go; else the seconds until one may. A clock that runs backwards adds nothing."""
        with self._lock:
            if now_s > self._at:
                self._level = min(self._most, self._level + (now_s - self._at) * self._per_s)
                self._at = now_s
            if self._level >= 1.0:
                self._level -= 1.0
                return 0.0
            return (1.0 - self._level) / self._per_s
