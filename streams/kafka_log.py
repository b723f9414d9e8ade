"""What aiokafka logs on behalf of a router's publisher or control client: told to them, kept out of the router's log.

While Kafka is away aiokafka logs every try of its own, some thirty lines a second. Whoever calls `withhold` hears of
them and says in lines of its own what an operator wants to know. With the logger `spendstream.kafka` at DEBUG each
line is there. Nobody else's are touched: `withhold` sets a context variable, which only the tasks inherit that are
begun behind it, and the filter on aiokafka's loggers lets everything pass where that variable is not set.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar

log = logging.getLogger("spendstream.kafka")

Hear = Callable[[str], None]

_CONNECTION = "aiokafka.conn"
"""Says no trouble of delivery, but what an operator should read once: a password that travels in the clear."""

_LOGGERS = (
    *("aiokafka", "aiokafka.cluster", "aiokafka.producer.sender", _CONNECTION),
    *("aiokafka.consumer.consumer", "aiokafka.consumer.fetcher", "aiokafka.consumer.group_coordinator"),
)
"""What a client, its knowledge of the cluster, its deliveries, its connections and its fetches are logged by."""

_ours: ContextVar[tuple[Hear, set[str]] | None] = ContextVar("spendstream_kafka_log", default=None)


class _Withhold(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        ours = _ours.get()
        if ours is None or record.levelno < logging.WARNING:
            return True
        hear, once = ours
        if record.name == _CONNECTION and record.msg not in once:
            once.add(str(record.msg))
            return True
        words = record.getMessage()
        log.debug("%s: %s", record.name, words, exc_info=record.exc_info)
        if record.name != _CONNECTION:
            hear(words)
        return False


_filter = _Withhold()


def withhold(hear: Hear, once: set[str]) -> None:
    """From here on, in this task and those that it begins, warnings of aiokafka go to `hear`, not to the log.

    `once`: what was let through because it is said once; the caller's, so that it stays so over its tasks.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)  # once is enough: more change nothing
    _ours.set((hear, once))
