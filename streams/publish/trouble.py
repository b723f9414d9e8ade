"""What a router's log says while Kafka is away: one line at once, then one a minute with counts, one when it is back.

aiokafka logs every try of its own, some thirty lines a second. Those that it writes on behalf of a publisher are
withheld: the newest is quoted in ours, and with the logger `spendstream.publish` at DEBUG each is there. Nobody else's
are touched: the task that sends sets a context variable, which only the tasks that it begins inherit, and the filter
on aiokafka's loggers (there since the first publisher's start) lets everything pass where that variable is not set.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar

from streams.publish.buffer import Buffer

log = logging.getLogger("spendstream.publish")

_EVERY_S = 60.0
"""From one line of trouble to the next."""

_SETTLED_S = 10.0
"""Trouble that begins sooner after the last is the same, coming and going: its next line has to wait for its minute."""

_CONNECTION = "aiokafka.conn"
"""Says no trouble of delivery, but what an operator should read once: a password that travels in the clear."""

_LOGGERS = ("aiokafka", "aiokafka.cluster", "aiokafka.producer.sender", _CONNECTION)
"""What a producer's client, its knowledge of the cluster, its deliveries and its connections are logged by."""


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
        self._once: set[str] = set()
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

    def over(self) -> None:
        """Calls are acknowledged again."""
        if self._began is None:
            return
        began, self._began, self._ended = self._began, None, self._clock()
        if self._was_said:
            log.warning("publishing to %s again, after %.0f s: %s", self._topic, self._ended - began, self._counts())
        self._buffer.in_trouble = False

    def is_first(self, words: str) -> bool:
        """Whether these were never said before."""
        if words in self._once:
            return False
        self._once.add(words)
        return True

    def _counts(self) -> str:
        stats = self._buffer.stats()
        return f"{stats.buffered} call(s) buffered, {stats.dropped_total - self._dropped_before} dropped"


_ours: ContextVar[Trouble | None] = ContextVar("spendstream_publisher", default=None)


class _Withhold(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        trouble = _ours.get()
        if trouble is None or record.levelno < logging.WARNING:
            return True
        if record.name == _CONNECTION and trouble.is_first(str(record.msg)):
            return True
        words = record.getMessage()
        log.debug("%s: %s", record.name, words, exc_info=record.exc_info)
        if record.name != _CONNECTION:
            trouble.hear(words)
        return False


_filter = _Withhold()


def withhold(trouble: Trouble) -> None:
    """From here on, in this task and those that it begins, warnings of aiokafka go to `trouble`, not to the log."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)  # once is enough: more change nothing
    _ours.set(trouble)
