"""The topics that a worker makes, as they should be; `doctor` holds those that are there against them."""

from __future__ import annotations

from streams import topics
from streams.config import Settings
from streams.kafka_admin import TopicSpec, topic_spec

CALLS_RECORD_BYTES = 8 << 20
"""Kafka's default of 1 MB would refuse at the router what the meter rejects with a reason (above 4 MiB) or counts."""

USAGE_RETENTION_MS = 24 * 3600 * 1000
"""Usage is said again after a restart and the ledger has it all: a day is for readers of the topic."""

STEPS_RETENTION_MS = 6 * 3600 * 1000
"""The watcher's checkpoints are minutes old at most; what the topic no longer has is read from the ledger."""

INCIDENTS_RETENTION_MS = 30 * 24 * 3600 * 1000
"""For readers of the topics; the ledger keeps them all."""


def topics_made(settings: Settings) -> list[TopicSpec]:
    """All of them."""
    copies = settings.replication
    kept_ms = int(settings.calls_retention_hours * 3_600_000)
    return [
        topic_spec(
            topics.CALLS,
            settings.partitions,
            replication_factor=copies,
            retention_ms=kept_ms,
            log_append_time=True,
            max_message_bytes=CALLS_RECORD_BYTES,
        ),
        topic_spec(topics.USAGE, settings.partitions, replication_factor=copies, retention_ms=USAGE_RETENTION_MS),
        topic_spec(
            topics.OUTCOMES, settings.partitions, replication_factor=copies, retention_ms=kept_ms, log_append_time=True
        ),
        topic_spec(
            topics.STEPS, settings.detect_partitions, replication_factor=copies, retention_ms=STEPS_RETENTION_MS
        ),
        topic_spec(topics.SIGNALS, 1, replication_factor=copies, retention_ms=INCIDENTS_RETENTION_MS),
        topic_spec(topics.INCIDENTS, 1, replication_factor=copies, retention_ms=INCIDENTS_RETENTION_MS),
        topic_spec(topics.CONTROLS, 1, replication_factor=copies, compact=True),
    ]
