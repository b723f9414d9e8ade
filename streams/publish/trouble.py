"""What a router's log says while Kafka is away: one line at once, then one a minute with counts, one when it is back.

aiokafka's own lines, some thirty a second, are withheld (`streams.kafka_log`): the newest is quoted in ours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from streams.publish.buffer import Buffer

log = logging.getLogger("spendstream.publish")

_EVERY_S = 60.0
"""From one line of trouble to the next."""

_SETTLED_S = 10.0
"""Trouble that begins sooner after the last is the same, coming and going: its next line has to wait for its minute."""


class Trouble:
    """One publisher's; all methods belong to the event loop's thread."""

    def __init__(self, topic: str, buffer: Buffer, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._topic = topic
        self._buffer = buffer
        self._clock = clock
        self._began: float | None = None
        self._dropped_before = 0
        self._ended = self._said = float("-inf")
        self._was_said = False
        self.heard = float("-inf")
        """When the last word of trouble came, by the clock."""

    def hear(self, why: str, error: BaseException | None = None) -> None:
        """Something went wrong, and is tried again. `error`: one that was not expected, for its traceback."""
        now = self.heard = self._clock()
        is_new = False
        if self._began is None:
            is_new = now - self._ended >= _SETTLED_S
            self._began, self._was_said = now, False
            self._dropped_before = self._buffer.stats().dropped_total
            self._buffer.in_trouble = True
        if is_new or now - self._said >= _EVERY_S:
            self._said, self._was_said = now, True
            log.warning(
                "trouble publishing to %s (%s): %s; trying again", self._topic, why, self._counts(), exc_info=error
            )

    def turn(self) -> None:
        """Another way is tried now: what is heard next is of that, and is said at once."""
        self._said = float("-inf")

    def over(self) -> None:
        """Calls are acknowledged again."""
        if self._began is None:
            return
        began, self._began, self._ended = self._began, None, self._clock()
        if self._was_said:
            log.warning("publishing to %s again, after %.0f s: %s", self._topic, self._ended - began, self._counts())
        self._buffer.in_trouble = False

    def _counts(self) -> str:
        stats = self._buffer.stats()
        return f"{stats.buffered} call(s) buffered, {stats.dropped_total - self._dropped_before} dropped"
