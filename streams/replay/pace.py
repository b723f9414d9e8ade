"""When a line is due at `--speed N`: N seconds of event time pass in one second. Pure: the clock is an argument."""

from __future__ import annotations


class Pace:
    """Due times of one file's lines. A file plays from its own first call; what is out of order is due at once."""

    def __init__(self, speed: float) -> None:
        """`speed`: how many times faster than it happened, above 0."""
        self._speed = speed
        self._first_ms: int | None = None
        self._began_s = 0.0

    def begin_file(self) -> None:
        """The next line with a time starts the clock again."""
        self._first_ms = None

    def due(self, event_ms: int | None, now_s: float) -> float:
        """Seconds from `now_s` (any clock that only goes forward) until a call of this time is due; 0: now."""
        if event_ms is None:
            return 0.0
        if self._first_ms is None:
            self._first_ms, self._began_s = event_ms, now_s
        return max(0.0, self._began_s + (event_ms - self._first_ms) / 1000 / self._speed - now_s)
